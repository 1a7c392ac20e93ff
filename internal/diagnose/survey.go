package diagnose

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	podresource "k8s.io/component-helpers/resource"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// place is a node as one pod sees it.
type place struct {
	node *corev1.Node
	// matches is whether node selector and affinity let the pod go there.
	matches bool
	// taints are those the pod does not tolerate.
	taints   []corev1.Taint
	cordoned bool
	ready    bool
}

func (p place) open() bool { return p.matches && len(p.taints) == 0 && !p.cordoned }

// survey is the cluster as one pod sees it.
type survey struct {
	pod    *corev1.Pod
	asks   corev1.ResourceList
	places []place
	// bound are all pods on nodes; nil when they are not known.
	bound []corev1.Pod
	// used caches what pods on each node have asked for.
	used map[string]corev1.ResourceList
}

func (x *examiner) survey(p *corev1.Pod) *survey {
	s := &survey{pod: p, asks: podresource.PodRequests(p, podresource.PodResourcesOptions{}), bound: x.e.NodePods}
	s.asks[corev1.ResourcePods] = *resource.NewQuantity(1, resource.DecimalSI)
	required := nodeaffinity.GetRequiredNodeAffinity(p)
	for i := range x.e.Nodes {
		n := &x.e.Nodes[i]
		at := place{node: n, ready: true}
		at.matches, _ = required.Match(n)
		if c := nodeReady(n); c != nil {
			at.ready = c.Status == corev1.ConditionTrue
		}
		for _, t := range n.Spec.Taints {
			if t.Effect == corev1.TaintEffectPreferNoSchedule || tolerated(p, t) {
				continue
			}
			if t.Key == corev1.TaintNodeUnschedulable {
				at.cordoned = true
				continue
			}
			if t.Key == corev1.TaintNodeNotReady || t.Key == corev1.TaintNodeUnreachable {
				at.cordoned, at.ready = true, false
				continue
			}
			at.taints = append(at.taints, t)
		}
		if n.Spec.Unschedulable && !tolerated(p, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}) {
			at.cordoned = true
		}
		s.places = append(s.places, at)
	}
	slices.SortFunc(s.places, func(a, b place) int { return cmp.Compare(a.node.Name, b.node.Name) })
	if s.bound != nil {
		s.used = map[string]corev1.ResourceList{}
		for i := range s.bound {
			q := &s.bound[i]
			if q.Spec.NodeName == "" || q.Status.Phase == corev1.PodSucceeded || q.Status.Phase == corev1.PodFailed {
				continue
			}
			sum := s.used[q.Spec.NodeName]
			if sum == nil {
				sum = corev1.ResourceList{}
				s.used[q.Spec.NodeName] = sum
			}
			for r, v := range podresource.PodRequests(q, podresource.PodResourcesOptions{}) {
				t := sum[r]
				t.Add(v)
				sum[r] = t
			}
			t := sum[corev1.ResourcePods]
			t.Add(*resource.NewQuantity(1, resource.DecimalSI))
			sum[corev1.ResourcePods] = t
		}
	}
	return s
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

// free is what is left of it; false when that is not known.
func (s *survey) free(n *corev1.Node, r corev1.ResourceName) (resource.Quantity, bool) {
	q := has(n, r).DeepCopy()
	if s.bound == nil {
		return q, false
	}
	q.Sub(s.used[n.Name][r])
	if q.Sign() < 0 {
		q = resource.Quantity{}
	}
	return q, true
}
