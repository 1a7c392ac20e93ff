package inferenceservice

import (
	"maps"

	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// The values of engine.
const (
	engineDeployment = "deployment"
	engineKServe     = "kserve"
)

// engineMeant is the engine meant: none of another's where the attribute is null.
func engineMeant(v types.String) string {
	if v.ValueString() == engineKServe {
		return engineKServe
	}
	return engineDeployment
}

// byKServe reports whether the service is an InferenceService.
func (m *Model) byKServe() bool { return engineMeant(m.Engine) == engineKServe }

// mainKind is the kind of what makes the pods.
func mainKind(m *Model) kube.Kind {
	switch {
	case m.byKServe():
		return kube.InferenceService
	case m.inGroups():
		return kube.LeaderWorkerSet
	}
	return kube.Deployment
}

// kindOf is the kind of what a Deployment stands for.
func kindOf(d *appsv1.Deployment) kube.Kind {
	switch d.Kind {
	case kube.LeaderWorkerSet.Kind:
		return kube.LeaderWorkerSet
	case kube.InferenceService.Kind:
		return kube.InferenceService
	}
	return kube.Deployment
}

// asPods is what stands for a LeaderWorkerSet or an InferenceService with the labels
// that its pods get only when they are made.
func asPods(d *appsv1.Deployment) *appsv1.Deployment {
	out := *d
	labels := maps.Clone(d.Spec.Template.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	switch d.Kind {
	case kube.LeaderWorkerSet.Kind:
		labels[kube.GroupsNameLabel], labels[kube.WorkerIndexLabel] = d.Name, kube.LeaderIndex
	case kube.InferenceService.Kind:
		labels[kube.ServedLabel], labels[kube.ComponentLabel] = d.Name, kube.PredictorComponent
	}
	out.Spec.Template.Labels = labels
	return &out
}
