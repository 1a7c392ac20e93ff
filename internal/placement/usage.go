package placement

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	podresource "k8s.io/component-helpers/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
)

// Usage is what pods take of nodes. It holds sums, so that tens of thousands of
// pods can be added one after the other and forgotten. The zero value is empty
// and ready to use.
type Usage struct {
	nodes map[string]corev1.ResourceList
	// held counts the GPUs by namespace.
	held map[string]int64
}

// UsageOf adds up pods; nil for nil, of which nothing is known.
func UsageOf(pods []corev1.Pod) *Usage {
	if pods == nil {
		return nil
	}
	u := &Usage{}
	for i := range pods {
		u.Add(&pods[i])
	}
	return u
}

// Holds reports whether a pod takes something of a node now.
func Holds(p *corev1.Pod) bool {
	return p.Spec.NodeName != "" && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed
}

// Add counts what a pod takes of its node, if it has one and has not ended.
func (u *Usage) Add(p *corev1.Pod) { u.change(p, 1) }

// Remove takes a pod that was added out again.
func (u *Usage) Remove(p *corev1.Pod) { u.change(p, -1) }

func (u *Usage) change(p *corev1.Pod, sign int64) {
	if !Holds(p) {
		return
	}
	if u.nodes == nil {
		u.nodes, u.held = map[string]corev1.ResourceList{}, map[string]int64{}
	}
	sum := u.nodes[p.Spec.NodeName]
	if sum == nil {
		sum = corev1.ResourceList{}
		u.nodes[p.Spec.NodeName] = sum
	}
	asks := podresource.PodRequests(p, podresource.PodResourcesOptions{})
	asks[corev1.ResourcePods] = *resource.NewQuantity(1, resource.DecimalSI)
	for r, q := range asks {
		t := sum[r]
		if sign > 0 {
			t.Add(q)
		} else {
			t.Sub(q)
		}
		sum[r] = t
		if gpu.Is(r) {
			u.held[p.Namespace] += sign * q.Value()
		}
	}
}

// On is what is taken of a node; it must not be changed.
func (u *Usage) On(node string) corev1.ResourceList {
	if u == nil {
		return nil
	}
	return u.nodes[node]
}

// Clone returns a copy that can be changed.
func (u *Usage) Clone() *Usage {
	if u == nil {
		return nil
	}
	out := &Usage{nodes: make(map[string]corev1.ResourceList, len(u.nodes)), held: maps.Clone(u.held)}
	if out.held == nil {
		out.held = map[string]int64{}
	}
	for n, l := range u.nodes {
		out.nodes[n] = maps.Clone(l)
	}
	return out
}

// Namespace is what a namespace holds of something.
type Namespace struct {
	Name string
	GPUs int64
}

// Namespaces lists who holds GPUs, the largest first.
func (u *Usage) Namespaces() []Namespace {
	var out []Namespace
	for n, count := range u.held {
		if count > 0 {
			out = append(out, Namespace{n, count})
		}
	}
	slices.SortFunc(out, func(a, b Namespace) int { return cmp.Or(cmp.Compare(b.GPUs, a.GPUs), cmp.Compare(a.Name, b.Name)) })
	return out
}
