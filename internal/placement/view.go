// Package placement tells whether pods would fit on nodes: how many now, how many
// when the nodes are empty, and what keeps them off the others. It is pure.
package placement

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	podresource "k8s.io/component-helpers/resource"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// Place is a node as one pod sees it.
type Place struct {
	Node *corev1.Node
	// Matches is whether node selector and affinity let the pod go there.
	Matches bool
	// Taints are those the pod does not tolerate.
	Taints []corev1.Taint
	// Cordoned nodes take no new pods, for whatever reason; Ready is what their
	// kubelet says.
	Cordoned, Ready bool
}

// Open reports whether the pod may go there, if there is room.
func (p Place) Open() bool { return p.Matches && len(p.Taints) == 0 && !p.Cordoned }

// View is the nodes as one pod sees them.
type View struct {
	Pod *corev1.Pod
	// Asks is what the pod takes of a node, one of "pods" included.
	Asks   corev1.ResourceList
	Places []Place
	// Bound are the pods on the nodes, to name those that hold what is short; nil
	// when they are not known one by one.
	Bound []corev1.Pod
	// usage is what is taken of the nodes; nil when that is not known.
	usage *Usage
}

// See looks at nodes with the eyes of a pod. usage is nil when what pods take of
// them is not known.
func See(p *corev1.Pod, nodes []corev1.Node, usage *Usage) *View {
	v := &View{Pod: p, Asks: podresource.PodRequests(p, podresource.PodResourcesOptions{}), usage: usage}
	v.Asks[corev1.ResourcePods] = *resource.NewQuantity(1, resource.DecimalSI)
	required := nodeaffinity.GetRequiredNodeAffinity(p)
	for i := range nodes {
		v.Places = append(v.Places, placeOf(p, &nodes[i], required))
	}
	slices.SortFunc(v.Places, func(a, b Place) int { return cmp.Compare(a.Node.Name, b.Node.Name) })
	return v
}

func placeOf(p *corev1.Pod, n *corev1.Node, required nodeaffinity.RequiredNodeAffinity) Place {
	at := Place{Node: n, Ready: true}
	at.Matches, _ = required.Match(n)
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			at.Ready = c.Status == corev1.ConditionTrue
		}
	}
	for _, t := range n.Spec.Taints {
		switch {
		case t.Effect == corev1.TaintEffectPreferNoSchedule || tolerated(p, t):
		case t.Key == corev1.TaintNodeUnschedulable:
			at.Cordoned = true
		case t.Key == corev1.TaintNodeNotReady || t.Key == corev1.TaintNodeUnreachable:
			at.Cordoned, at.Ready = true, false
		default:
			at.Taints = append(at.Taints, t)
		}
	}
	if n.Spec.Unschedulable && !tolerated(p, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}) {
		at.Cordoned = true
	}
	return at
}

func tolerated(p *corev1.Pod, t corev1.Taint) bool {
	for i := range p.Spec.Tolerations {
		if p.Spec.Tolerations[i].ToleratesTaint(klog.Background(), &t, true) {
			return true
		}
	}
	return false
}

// has is what a node can give of a resource, used or not.
func has(n *corev1.Node, r corev1.ResourceName) resource.Quantity { return n.Status.Allocatable[r] }

// Free is what is left of it; false when that is not known.
func (v *View) Free(n *corev1.Node, r corev1.ResourceName) (resource.Quantity, bool) {
	q := has(n, r).DeepCopy()
	if v.usage == nil {
		return q, false
	}
	q.Sub(v.usage.On(n.Name)[r])
	if q.Sign() < 0 {
		q = resource.Quantity{}
	}
	return q, true
}

// With lists the places whose node could hold an amount of a resource when empty.
func (v *View) With(r corev1.ResourceName, q resource.Quantity) []Place {
	var out []Place
	for _, p := range v.Places {
		if h := has(p.Node, r); h.Sign() > 0 && h.Cmp(q) >= 0 {
			out = append(out, p)
		}
	}
	return out
}
