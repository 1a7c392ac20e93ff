// Package nodeloss makes simulated nodes vanish: KWOK stops playing a node whose lease
// belongs to somebody else, and nobody renews that lease.
package nodeloss

import (
	"context"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
)

// Annotation says on a node what is the matter with it; "lost" is ours.
const Annotation = "mlk.dev/node"

// Lost is the value of the annotation that makes a node vanish.
const Lost = "lost"

// holder is whom the lease of a lost node belongs to.
const holder = "mlk.dev/lost"

// seconds is how long the lease is said to hold, so that KWOK does not take it back. The
// node controller goes by the time of renewal and not by this.
const seconds = 7 * 24 * 60 * 60

// Run takes the leases of lost nodes, and gives back those of nodes that are found
// again, until ctx ends.
func Run(ctx context.Context, cfg *rest.Config, client kubernetes.Interface) error {
	objects, err := metadata.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("make a client for nodes: %w", err)
	}
	k := &keeper{client: client, lost: map[string]bool{}}
	factory := metadatainformer.NewSharedInformerFactory(objects, 0)
	_, err = factory.ForResource(corev1.SchemeGroupVersion.WithResource("nodes")).Informer().AddEventHandler(
		cache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { k.noticed(ctx, o) },
			UpdateFunc: func(_, o any) { k.noticed(ctx, o) },
		})
	if err != nil {
		return fmt.Errorf("watch nodes: %w", err)
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	<-ctx.Done()
	return nil
}

type keeper struct {
	client kubernetes.Interface
	mu     sync.Mutex
	lost   map[string]bool
}

func (k *keeper) noticed(ctx context.Context, o any) {
	node, ok := o.(metav1.Object)
	if !ok {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	name, lost := node.GetName(), node.GetAnnotations()[Annotation] == Lost
	if lost == k.lost[name] {
		return
	}
	change := k.giveBack
	if lost {
		change = k.take
	}
	if err := change(ctx, name); err != nil {
		klog.ErrorS(err, "The lease of a node stays as it is", "node", name, "lost", lost)
		return // the node's next change tries again
	}
	if lost {
		k.lost[name] = true
	} else {
		delete(k.lost, name)
	}
}

// take makes the lease ours. The time of renewal must move: since 1.37 the node
// controller ignores a node whose lease changes and its time does not.
func (k *keeper) take(ctx context.Context, node string) error {
	leases := k.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	spec := coordinationv1.LeaseSpec{
		HolderIdentity:       ptr.To(holder),
		LeaseDurationSeconds: ptr.To[int32](seconds),
		RenewTime:            ptr.To(metav1.NowMicro()),
	}
	for {
		lease, err := leases.Get(ctx, node, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			_, err = leases.Create(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: node}, Spec: spec}, metav1.CreateOptions{})
		} else if err == nil {
			lease.Spec = spec
			_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
		}
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			return err
		}
		// KWOK renewed it in between.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (k *keeper) giveBack(ctx context.Context, node string) error {
	err := k.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Delete(ctx, node, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
