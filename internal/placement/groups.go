package placement

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
)

// groupMember is what sentences call a pod of a group of a LeaderWorkerSet.
const groupMember = "group member"

// groupSet is the part of a LeaderWorkerSet that says what its groups are.
type groupSet struct {
	Spec struct {
		Replicas             *int32 `json:"replicas"`
		LeaderWorkerTemplate struct {
			Size           *int32                  `json:"size"`
			LeaderTemplate *corev1.PodTemplateSpec `json:"leaderTemplate"`
			WorkerTemplate corev1.PodTemplateSpec  `json:"workerTemplate"`
		} `json:"leaderWorkerTemplate"`
	} `json:"spec"`
}

// demands are those of the leaders and of the workers; one for both where a node
// sees no difference. One whole group is the least of which any of it works.
func (s *groupSet) demands(o *unstructured.Unstructured) []Demand {
	groups, size := int(ptr.Deref(s.Spec.Replicas, 1)), int(ptr.Deref(s.Spec.LeaderWorkerTemplate.Size, 1))
	of := func(t corev1.PodTemplateSpec, each int, at string) Demand {
		d := demand(o, t, groups*each, min(groups, 1)*each, groupMember)
		d.Template = []string{"LeaderWorkerSet", "spec", "leaderWorkerTemplate", at}
		d.Field, d.Rolling.Ends = []string{"LeaderWorkerSet", "spec", "replicas"}, true
		return d
	}
	workers, leader := s.Spec.LeaderWorkerTemplate.WorkerTemplate, s.Spec.LeaderWorkerTemplate.LeaderTemplate
	if leader == nil {
		return []Demand{of(workers, size, "workerTemplate")}
	}
	a, b := of(*leader, 1, "leaderTemplate"), of(workers, size-1, "workerTemplate")
	if equality.Semantic.DeepEqual(wanting(a.Pod), wanting(b.Pod)) {
		return []Demand{of(*leader, size, "leaderTemplate")}
	}
	return []Demand{a, b}
}

// wanting is what of a pod counts for where it can run: not what its containers do.
func wanting(p *corev1.Pod) *corev1.Pod {
	out := p.DeepCopy()
	for _, cs := range [][]corev1.Container{out.Spec.Containers, out.Spec.InitContainers} {
		for i := range cs {
			var ports []corev1.ContainerPort
			for _, p := range cs[i].Ports {
				if p.HostPort != 0 {
					ports = append(ports, p)
				}
			}
			cs[i] = corev1.Container{Resources: cs[i].Resources, RestartPolicy: cs[i].RestartPolicy, Ports: ports}
		}
	}
	return out
}
