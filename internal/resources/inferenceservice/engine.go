package inferenceservice

import (
	"maps"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// mainKind is the kind of what makes the pods.
func mainKind(m *Model) kube.Kind {
	if m.inGroups() {
		return kube.LeaderWorkerSet
	}
	return kube.Deployment
}

// kindOf is the kind of what a Deployment stands for.
func kindOf(d *appsv1.Deployment) kube.Kind {
	if d.Kind == kube.LeaderWorkerSet.Kind {
		return kube.LeaderWorkerSet
	}
	return kube.Deployment
}

// asPods is what stands for a LeaderWorkerSet with the labels that its leaders get
// only when they are made.
func asPods(d *appsv1.Deployment) *appsv1.Deployment {
	out := *d
	labels := maps.Clone(d.Spec.Template.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[kube.GroupsNameLabel], labels[kube.WorkerIndexLabel] = d.Name, kube.LeaderIndex
	out.Spec.Template.Labels = labels
	return &out
}
