package placement

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	podresource "k8s.io/component-helpers/resource"
)

// Joined is several demands as one, where no node can tell their pods apart: what one
// of them takes the others lack. ok is false where a node could, and where there is but
// one: then each is judged by itself. Their rollouts are not part of it.
func Joined(all []Demand) (d Demand, ok bool) {
	if len(all) < 2 {
		return Demand{}, false
	}
	d = all[0]
	d.Rolling, d.Of = Rolling{Ends: true}, ""
	var parts []string
	for i, other := range all {
		if !alike(all[0], other) {
			return Demand{}, false
		}
		if i > 0 {
			d.Count += other.Count
			parts = append(parts, fmt.Sprintf("%s for its %s", Plural(other.Count, other.Word), other.Of))
		}
	}
	d.Parts = strings.Join(parts, " and ")
	return d, true
}

// parts says of what the demand consists.
func (d Demand) parts() string {
	if d.Parts == "" {
		return ""
	}
	return "That is with " + d.Parts + "."
}

// alike reports whether two demands want the same of a node, and whether their pods may
// lie beside each other.
func alike(a, b Demand) bool {
	if a.Word != b.Word || len(a.Spread.Apart)+len(b.Spread.Apart) > 0 || a.Spread.Together+b.Spread.Together != "" {
		return false
	}
	where := func(p *corev1.Pod) corev1.PodSpec {
		s := corev1.PodSpec{
			NodeName: p.Spec.NodeName, NodeSelector: p.Spec.NodeSelector, Tolerations: p.Spec.Tolerations, PriorityClassName: p.Spec.PriorityClassName,
		}
		if p.Spec.Affinity != nil {
			s.Affinity = &corev1.Affinity{NodeAffinity: p.Spec.Affinity.NodeAffinity}
		}
		return s
	}
	none := podresource.PodResourcesOptions{}
	return equality.Semantic.DeepEqual(where(a.Pod), where(b.Pod)) && equality.Semantic.DeepEqual(podresource.PodRequests(a.Pod, none), podresource.PodRequests(b.Pod, none))
}
