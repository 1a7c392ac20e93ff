package nodes

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// creators is how many nodes are created at a time: more do not help two cores.
const creators = 20

// Create creates the nodes. Nodes that exist already are left as they are.
func Create(ctx context.Context, client kubernetes.Interface, nodes []*corev1.Node) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan *corev1.Node)
	var workers sync.WaitGroup
	for range min(creators, len(nodes)) {
		workers.Go(func() {
			for n := range queue {
				_, err := client.CoreV1().Nodes().Create(ctx, n, metav1.CreateOptions{})
				if err != nil && !apierrors.IsAlreadyExists(err) {
					cancel(fmt.Errorf("create node %s: %w", n.Name, err))
				}
			}
		})
	}
	for _, n := range nodes {
		if ctx.Err() != nil {
			break
		}
		queue <- n
	}
	close(queue)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return ctx.Err()
}
