package inferenceservice

import (
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/autoscaling"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// liveServed is an InferenceService as it is read.
type liveServed struct {
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		Predictor livePredictor `json:"predictor"`
	} `json:"spec"`
	Status liveServing `json:"status"`
}

// livePredictor is the component that has the model.
type livePredictor struct {
	corev1.PodSpec `json:",inline"`

	Model       *liveModel        `json:"model"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	MinReplicas *int32            `json:"minReplicas"`
	MaxReplicas *int32            `json:"maxReplicas"`
	ScaleMetric string            `json:"scaleMetric"`
	ScaleTarget *int32            `json:"scaleTarget"`
	AutoScaling *struct {
		Metrics []struct {
			Type     string `json:"type"`
			Resource *struct {
				Name   string `json:"name"`
				Target struct {
					Type               string `json:"type"`
					AverageUtilization *int32 `json:"averageUtilization"`
				} `json:"target"`
			} `json:"resource"`
		} `json:"metrics"`
	} `json:"autoScaling"`
	DeploymentStrategy *appsv1.DeploymentStrategy `json:"deploymentStrategy"`
}

// liveModel is a model that a serving runtime serves.
type liveModel struct {
	corev1.Container `json:",inline"`

	ModelFormat struct {
		Name    *string `json:"name"`
		Version *string `json:"version"`
	} `json:"modelFormat"`
	Runtime         *string `json:"runtime"`
	RuntimeVersion  *string `json:"runtimeVersion"`
	ProtocolVersion *string `json:"protocolVersion"`
	StorageURI      *string `json:"storageUri"`
}

func servedIn(live kube.Live) (*liveServed, error) {
	return kube.Typed[liveServed](live, kube.InferenceService.Kind)
}

// deployment is the InferenceService as the Deployment that it asks for, so that what
// is true of both is written once. The container that serves is the first.
func (s *liveServed) deployment() *appsv1.Deployment {
	p := &s.Spec.Predictor
	d := &appsv1.Deployment{ObjectMeta: s.ObjectMeta}
	d.Kind = kube.InferenceService.Kind
	d.Spec.Template = corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: p.Labels, Annotations: p.Annotations}, Spec: *p.DeepCopy()}
	containers := d.Spec.Template.Spec.Containers
	at := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == kube.ServingContainer })
	switch {
	case p.Model != nil:
		main := p.Model.Container
		main.Name = kube.ServingContainer
		containers = slices.Insert(containers, 0, main)
	case at > 0:
		main := containers[at]
		containers = slices.Insert(slices.Delete(containers, at, at+1), 0, main)
	case len(containers) == 0:
		containers = []corev1.Container{{Name: kube.ServingContainer}} // what patch says, such as a framework of old
	}
	d.Spec.Template.Spec.Containers = containers
	if p.DeploymentStrategy != nil {
		d.Spec.Strategy = *p.DeploymentStrategy
	}
	return d
}

// adoptServed turns a live InferenceService, which stands as d too, into a model.
func adoptServed(live kube.Live, d *appsv1.Deployment, prior *Model) (*Model, diag.Diagnostics) {
	s, err := servedIn(live)
	if err != nil || s == nil {
		return &Model{}, diag.Diagnostics{unreadable(kube.InferenceService.Kind, err)}
	}
	like := prior
	if like == nil {
		like = &Model{}
	}
	m := &Model{
		Engine: types.StringValue(engineKServe), RestartOn: like.RestartOn, StartupBudget: like.StartupBudget, Runtime: like.Runtime, Weights: like.Weights,
		OnFailedRollout: like.OnFailedRollout, Preset: noPreset,
	}
	m.Name, m.Namespace = types.StringValue(d.Name), types.StringValue(d.Namespace)
	m.adoptModel(s.Spec.Predictor.Model, prior)
	adoptPod(m, d, prior)
	if m.ContainerName.ValueString() == kube.ServingContainer && like.ContainerName.IsNull() {
		m.ContainerName = types.StringNull()
	}
	if m.Image.ValueString() == "" {
		m.Image = types.StringNull()
	}
	m.adoptScale(s, prior)
	m.Rollout = adoptStrategy(&d.Spec.Strategy, like.Rollout)
	if prior == nil {
		m.Preset = types.MapNull(types.StringType) // what follows from the rest
	} else {
		m.Preset = noted(m.Preset, prior.servedAnnotations(), d.Annotations)
	}
	m.Budget = like.Budget
	return m, adoptDoors(m, live, prior)
}

// adoptModel fills what names the serving runtime, and the model where attributes can.
func (m *Model) adoptModel(live *liveModel, prior *Model) {
	if live == nil {
		return
	}
	m.KServe = &KServe{
		ModelFormat: types.StringPointerValue(live.ModelFormat.Name), ModelVersion: types.StringPointerValue(live.ModelFormat.Version),
		Runtime: types.StringPointerValue(live.Runtime), RuntimeVersion: types.StringPointerValue(live.RuntimeVersion), ProtocolVersion: types.StringPointerValue(live.ProtocolVersion),
	}
	if m.KServe.ModelFormat.ValueString() == "" {
		m.KServe.ModelFormat = types.StringNull()
	}
	source := sourceOf(ptr.Deref(live.StorageURI, ""))
	switch {
	case prior != nil && prior.Weights != nil:
		w := *prior.Weights
		if w.Source = source; source.IsNull() && live.StorageURI != nil {
			w.Source = types.StringValue(*live.StorageURI)
		}
		m.Weights = &w
	case !source.IsNull():
		m.Weights = &Weights{Source: source}
	}
}

// adoptScale fills how many pods there are to be.
func (m *Model) adoptScale(s *liveServed, prior *Model) {
	p := &s.Spec.Predictor
	class := s.Annotations[kube.AutoscalerClassAnnotation]
	switch {
	case prior != nil && prior.Autoscaling != nil:
		m.Autoscaling = p.autoscaling(prior.Autoscaling)
	case prior != nil && prior.Replicas.IsNull():
	case prior != nil:
		m.Replicas = types.Int32PointerValue(p.MinReplicas)
		if m.Replicas.Equal(prior.Replicas) {
			m.Replicas = types.Int32PointerValue(p.MaxReplicas)
		}
	case class == scaledByNone && p.MinReplicas != nil && p.MaxReplicas != nil && *p.MinReplicas == *p.MaxReplicas:
		m.Replicas = types.Int32Value(*p.MinReplicas)
	case class == scaledByHPA && p.MaxReplicas != nil:
		a := p.autoscaling(&autoscaling.Model{})
		if one := p.AutoScaling != nil && (a.CPUPercent.IsNull() || a.MemoryPercent.IsNull()); !one {
			m.Autoscaling = a
		}
	}
}

// autoscaling is what the number of pods follows, in the words of like.
func (p *livePredictor) autoscaling(like *autoscaling.Model) *autoscaling.Model {
	a := *like
	a.Tolerance = quantity.Null()
	a.MinReplicas, a.MaxReplicas = types.Int32PointerValue(p.MinReplicas), types.Int32PointerValue(p.MaxReplicas)
	a.CPUPercent, a.MemoryPercent = types.Int32Null(), types.Int32Null()
	set := func(name string, percent *int32) {
		switch name {
		case metricCPU:
			a.CPUPercent = types.Int32PointerValue(percent)
		case metricMemory:
			a.MemoryPercent = types.Int32PointerValue(percent)
		}
	}
	if p.AutoScaling == nil {
		set(p.ScaleMetric, p.ScaleTarget)
		return &a
	}
	for _, metric := range p.AutoScaling.Metrics {
		if r := metric.Resource; r != nil && metric.Type == metricResource && r.Target.Type == metricPercent {
			set(r.Name, r.Target.AverageUtilization)
		}
	}
	return &a
}

// adoptStrategy is how pods are replaced. KServe fills nothing in.
func adoptStrategy(live *appsv1.DeploymentStrategy, prior *Rollout) *Rollout {
	out := Rollout{}
	if live.Type != "" {
		out.Strategy = types.StringValue(string(live.Type))
	}
	if r := live.RollingUpdate; r != nil {
		out.MaxSurge, out.MaxUnavailable = shareOf(r.MaxSurge), shareOf(r.MaxUnavailable)
	}
	if out == (Rollout{}) && prior == nil {
		return nil
	}
	return &out
}
