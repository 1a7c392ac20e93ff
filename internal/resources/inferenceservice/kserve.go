package inferenceservice

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/kube/crd"
)

var (
	enginePath = path.Root("engine")
	kservePath = path.Root("kserve")
)

// KServe names what serves the model where that is one of KServe's serving runtimes.
type KServe struct {
	ModelFormat     types.String `tfsdk:"model_format"`
	ModelVersion    types.String `tfsdk:"model_version"`
	Runtime         types.String `tfsdk:"runtime"`
	RuntimeVersion  types.String `tfsdk:"runtime_version"`
	ProtocolVersion types.String `tfsdk:"protocol_version"`
}

// The values of KServe's annotations.
const (
	standardMode = "Standard"
	scaledByHPA  = "hpa"
	scaledByNone = "none"
)

// The metrics of the pods' resources that KServe scales by.
const (
	metricCPU      = "cpu"
	metricMemory   = "memory"
	metricResource = "Resource"
	metricPercent  = "Utilization"
)

// Main is the name of the main container: of an InferenceService it is KServe's.
func (m *Model) Main() string {
	if m.byKServe() && m.ContainerName.IsNull() {
		return kube.ServingContainer
	}
	return m.Model.Main()
}

// served is the InferenceService of a service.
func served(m *Model, pod *podspec.Model) (*crd.InferenceService, diag.Diagnostics) {
	template, ds := m.template(pod)
	if ds.HasError() {
		return nil, ds
	}
	out := crd.NewInferenceService(m.Name.ValueString(), m.Namespace.ValueString())
	out.WithLabels(m.QueueLabels())
	out.WithAnnotations(m.servedAnnotations())
	p, spec := out.Spec.Predictor, *template.Spec
	if meta := template.ObjectMetaApplyConfiguration; meta != nil {
		p.Labels, p.Annotations = meta.Labels, meta.Annotations
	}
	p.PodSpecApplyConfiguration = &spec
	spec.Containers = slices.Clone(spec.Containers)
	main := &spec.Containers[0]
	switch {
	case m.KServe != nil:
		p.Model = m.KServe.apply(*main)
		if m.Weights != nil {
			p.Model.StorageURI = ptr.To(storageURI(m.Weights.Source.ValueString()))
		}
		spec.Containers = spec.Containers[1:]
	case reflect.DeepEqual(*main, corev1ac.ContainerApplyConfiguration{Name: main.Name}):
		spec.Containers = spec.Containers[1:] // patch says what the predictor is
	default:
		frontFirst(main)
	}
	m.scale(p)
	p.DeploymentStrategy = m.Rollout.strategy()
	return out, ds
}

// apply is the model of a predictor, with what its container is given.
func (k *KServe) apply(main corev1ac.ContainerApplyConfiguration) *crd.ServedModel {
	main.Name = nil // it is the runtime's
	return &crd.ServedModel{
		ContainerApplyConfiguration: &main,
		ModelFormat:                 &crd.ModelFormat{Name: k.ModelFormat.ValueStringPointer(), Version: k.ModelVersion.ValueStringPointer()},
		Runtime:                     k.Runtime.ValueStringPointer(), RuntimeVersion: k.RuntimeVersion.ValueStringPointer(), ProtocolVersion: k.ProtocolVersion.ValueStringPointer(),
	}
}

// frontFirst puts the port called http before the others: KServe leads to the first.
func frontFirst(c *corev1ac.ContainerApplyConfiguration) {
	rank := func(p corev1ac.ContainerPortApplyConfiguration) int {
		if ptr.Deref(p.Name, "") == portHTTP {
			return 0
		}
		return 1
	}
	c.Ports = slices.Clone(c.Ports)
	slices.SortStableFunc(c.Ports, func(a, b corev1ac.ContainerPortApplyConfiguration) int { return cmp.Compare(rank(a), rank(b)) })
}

// storageURI is a source in KServe's words, which writes revisions of a hub otherwise.
func storageURI(source string) string {
	if strings.HasPrefix(source, schemeHub+"://") {
		return strings.Replace(source, "@", ":", 1)
	}
	return source
}

// sourceOf is where KServe gets a model from, as model.source says it; null for what
// that cannot say.
func sourceOf(uri string) types.String {
	out := uri
	if rest, hub := strings.CutPrefix(uri, schemeHub+"://"); hub {
		out = schemeHub + "://" + strings.Replace(rest, ":", "@", 1)
		if !hubForm.MatchString(out) {
			return types.StringNull()
		}
	}
	if !sourceForm.MatchString(out) || storageURI(out) != uri {
		return types.StringNull()
	}
	return types.StringValue(out)
}

// noteKey begins the names that preset has for those annotations.
const noteKey = "annotations."

// noted is preset with the annotations that an InferenceService has.
func noted(preset types.Map, wanted, live map[string]string) types.Map {
	elements := maps.Clone(preset.Elements())
	for k := range wanted {
		if v, there := live[k]; there {
			elements[noteKey+k] = types.StringValue(v)
		} else {
			delete(elements, noteKey+k)
		}
	}
	return types.MapValueMust(types.StringType, elements)
}

// servedAnnotations say how KServe runs the service, and who scales it. What the
// user's annotations say otherwise, they say.
func (m *Model) servedAnnotations() map[string]string {
	out := map[string]string{kube.DeploymentModeAnnotation: standardMode}
	switch {
	case m.Autoscaling != nil:
		out[kube.AutoscalerClassAnnotation] = scaledByHPA
	case !m.Replicas.IsNull():
		out[kube.AutoscalerClassAnnotation] = scaledByNone
	}
	said := m.AnnotationsAll.Elements()
	maps.DeleteFunc(out, func(key, value string) bool {
		own, ok := said[key].(types.String)
		return ok && own.ValueString() != value
	})
	return out
}

// scale says how many pods there are to be, and what that follows.
func (m *Model) scale(p *crd.Predictor) {
	a := m.Autoscaling
	if a == nil {
		p.MinReplicas, p.MaxReplicas = m.Replicas.ValueInt32Pointer(), m.Replicas.ValueInt32Pointer()
		return
	}
	p.MinReplicas, p.MaxReplicas = a.MinReplicas.ValueInt32Pointer(), a.MaxReplicas.ValueInt32Pointer()
	switch cpu, memory := a.CPUPercent, a.MemoryPercent; {
	case !cpu.IsNull() && !memory.IsNull():
		p.AutoScaling = &crd.PredictorScaling{Metrics: []crd.PredictorMetric{percentOf(metricCPU, cpu), percentOf(metricMemory, memory)}}
	case !cpu.IsNull():
		p.ScaleMetric, p.ScaleTarget = ptr.To(metricCPU), cpu.ValueInt32Pointer()
	case !memory.IsNull():
		p.ScaleMetric, p.ScaleTarget = ptr.To(metricMemory), memory.ValueInt32Pointer()
	}
}

func percentOf(resource string, percent types.Int32) crd.PredictorMetric {
	return crd.PredictorMetric{Type: ptr.To(metricResource), Resource: &crd.PredictorMetricResource{
		Name: &resource, Target: &crd.PredictorMetricTarget{Type: ptr.To(metricPercent), AverageUtilization: percent.ValueInt32Pointer()},
	}}
}

// strategy is how pods are replaced; nil where nothing is said.
func (r *Rollout) strategy() *appsac.DeploymentStrategyApplyConfiguration {
	if r == nil || r.Strategy.IsNull() && r.MaxSurge.IsNull() && r.MaxUnavailable.IsNull() {
		return nil
	}
	how := appsac.DeploymentStrategy()
	how.Type = values.Enum[appsv1.DeploymentStrategyType](r.Strategy)
	if !r.MaxSurge.IsNull() || !r.MaxUnavailable.IsNull() {
		how.RollingUpdate = &appsac.RollingUpdateDeploymentApplyConfiguration{MaxSurge: values.Share(r.MaxSurge), MaxUnavailable: values.Share(r.MaxUnavailable)}
	}
	return how
}

// servedFields says which attribute made which field of an InferenceService.
func servedFields(m *Model, made *filled) diags.Fields {
	const pod = "pod"
	kind := kube.InferenceService.Kind
	at := func(more ...string) []string { return append([]string{kind, "spec", "predictor"}, more...) }
	all := templateFields(m, made, pod)
	var f diags.Fields
	for k := range made.notes {
		f.Add(presetPath.AtMapKey(noteKey+k), kind, "metadata", "annotations", k)
	}
	f.Merge(all.Moved([]string{pod, "metadata"}, at()))
	f.Merge(all.Moved([]string{pod, "spec"}, at()))
	f.Add(enginePath, at("containers")...)
	if m.KServe != nil {
		f.Merge(all.Moved([]string{pod, "spec", "containers", m.Main()}, at("model")))
		f.Add(kservePath, at("model")...)
		for name, field := range map[string][]string{
			"model_format": {"modelFormat"}, "model_version": {"modelFormat", "version"}, "runtime": {"runtime"},
			"runtime_version": {"runtimeVersion"}, "protocol_version": {"protocolVersion"},
		} {
			f.Add(kservePath.AtName(name), at(append([]string{"model"}, field...)...)...)
		}
		f.Add(modelPath.AtName("source"), at("model", "storageUri")...)
	}
	least, most := replicasPath, replicasPath
	if m.Autoscaling != nil {
		least, most = scalingPath.AtName("min_replicas"), scalingPath.AtName("max_replicas")
	}
	f.Add(least, at("minReplicas")...)
	f.Add(most, at("maxReplicas")...)
	if a := m.Autoscaling; a != nil {
		for resource, percent := range map[string]types.Int32{metricCPU: a.CPUPercent, metricMemory: a.MemoryPercent} {
			if name := scalingPath.AtName(resource + "_percent"); !percent.IsNull() {
				f.Add(name, at("scaleMetric")...)
				f.Add(name, at("scaleTarget")...)
				f.Add(name, at("autoScaling", "metrics", metricResource+"/"+resource)...)
			}
		}
	}
	f.Add(rolloutPath.AtName("strategy"), at("deploymentStrategy")...)
	f.Add(rolloutPath.AtName("max_surge"), at("deploymentStrategy", "rollingUpdate", "maxSurge")...)
	f.Add(rolloutPath.AtName("max_unavailable"), at("deploymentStrategy", "rollingUpdate", "maxUnavailable")...)
	f.Merge(podspec.QueueField(path.Empty(), kind))
	return f
}

// plannedURL is url as far as a plan knows it: KServe says where its services are
// reached, once they are.
func plannedURL(m *Model) attr.Value {
	switch {
	case !m.byKServe():
		return url(m)
	case m.ID.IsNull() || m.URL.IsNull():
		return types.StringUnknown()
	}
	return m.URL
}
