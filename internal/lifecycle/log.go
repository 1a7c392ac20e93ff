package lifecycle

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diagnose"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// logWithin bounds the read of a log: it comes from a node, which may be away.
const logWithin = 5 * time.Second

// log reads the end of the log that the definition asks for, with secret values
// masked. What cannot be read, because the container has not started, its node
// is gone or its secrets may not be known, is no failure: the state keeps what
// it has.
func (r *Resource[M, P]) log(ctx context.Context, client *kube.Client, m P, seen Seen) *string {
	if r.def.Log == nil || len(seen.Pods) == 0 {
		return nil
	}
	container, lines := r.def.Log((*M)(m))
	if lines <= 0 {
		return nil
	}
	typed, err := client.Typed()
	if err != nil {
		return nil
	}
	newest := slices.MaxFunc(seen.Pods, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	ctx, cancel := context.WithTimeout(ctx, logWithin)
	defer cancel()
	reader := diagnose.NewReader(typed)
	masks := diagnose.CollectMasks(ctx, reader, newest.Namespace, []corev1.Pod{newest})
	if masks.Withholds(&newest, container) != "" {
		return nil
	}
	text, err := diagnose.Tail(ctx, reader, newest.Namespace, newest.Name, container, lines)
	if err != nil {
		return nil
	}
	text = strings.ToValidUTF8(masks.Hide(text), "\uFFFD")
	return &text
}
