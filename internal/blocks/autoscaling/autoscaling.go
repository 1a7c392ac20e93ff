// Package autoscaling lets the number of pods follow the load: schema, model and
// both directions of a HorizontalPodAutoscaler.
package autoscaling

import (
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"
	autoscalingac "k8s.io/client-go/applyconfigurations/autoscaling/v2"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// Model mirrors the attribute.
type Model struct {
	Name            types.String              `tfsdk:"name"`
	MinReplicas     types.Int32               `tfsdk:"min_replicas"`
	MaxReplicas     types.Int32               `tfsdk:"max_replicas"`
	CPUPercent      types.Int32               `tfsdk:"cpu_percent"`
	MemoryPercent   types.Int32               `tfsdk:"memory_percent"`
	PodsMetrics     map[string]quantity.Value `tfsdk:"pods_metrics"`
	ExternalMetrics map[string]*External      `tfsdk:"external_metrics"`
	Behavior        *Behavior                 `tfsdk:"behavior"`
	Tolerance       quantity.Value            `tfsdk:"tolerance"`
	Keda            *Keda                     `tfsdk:"keda"`
}

// External is a metric of something outside the cluster.
type External struct {
	Selector     map[string]types.String `tfsdk:"selector"`
	AverageValue quantity.Value          `tfsdk:"average_value"`
	Value        quantity.Value          `tfsdk:"value"`
}

// Behavior is how fast pods come and go.
type Behavior struct {
	ScaleUp   *Direction `tfsdk:"scale_up"`
	ScaleDown *Direction `tfsdk:"scale_down"`
}

// Direction is how fast pods come, or go.
type Direction struct {
	StabilizationWindowSeconds types.Int32    `tfsdk:"stabilization_window_seconds"`
	SelectPolicy               types.String   `tfsdk:"select_policy"`
	Policies                   []Policy       `tfsdk:"policies"`
	Tolerance                  quantity.Value `tfsdk:"tolerance"`
}

// Policy bounds one step.
type Policy struct {
	Type          types.String `tfsdk:"type"`
	Value         types.Int32  `tfsdk:"value"`
	PeriodSeconds types.Int32  `tfsdk:"period_seconds"`
}

// Target is what is scaled.
type Target struct {
	Kind            schema.GroupVersionKind
	Namespace, Name string
}

// ObjectName is the name of the autoscaler.
func (m *Model) ObjectName(t Target) string {
	if m.Name.IsNull() {
		return t.Name
	}
	return m.Name.ValueString()
}

// Most is the largest number of pods there may be.
func (m *Model) Most() types.Int32 {
	if m.Keda != nil {
		return m.Keda.MaxReplicas
	}
	return m.MaxReplicas
}

// Least is the smallest number of pods there may be.
func (m *Model) Least() int32 {
	if m != nil && m.Keda != nil {
		if !m.Keda.IdleReplicas.IsNull() {
			return m.Keda.IdleReplicas.ValueInt32()
		}
		return m.Keda.MinReplicas.ValueInt32()
	}
	if m == nil || m.MinReplicas.IsNull() {
		return 1
	}
	return m.MinReplicas.ValueInt32()
}

// Apply returns the autoscaler of a target, where that is Kubernetes' own.
func (m *Model) Apply(t Target) *autoscalingac.HorizontalPodAutoscalerApplyConfiguration {
	spec := autoscalingac.HorizontalPodAutoscalerSpec().
		WithScaleTargetRef(autoscalingac.CrossVersionObjectReference().WithAPIVersion(t.Kind.GroupVersion().String()).WithKind(t.Kind.Kind).WithName(t.Name))
	spec.MinReplicas = m.MinReplicas.ValueInt32Pointer()
	spec.MaxReplicas = m.MaxReplicas.ValueInt32Pointer()
	for _, r := range []struct {
		name    corev1.ResourceName
		percent types.Int32
	}{{corev1.ResourceCPU, m.CPUPercent}, {corev1.ResourceMemory, m.MemoryPercent}} {
		if !r.percent.IsNull() {
			spec.WithMetrics(autoscalingac.MetricSpec().WithType(autoscalingv2.ResourceMetricSourceType).WithResource(
				autoscalingac.ResourceMetricSource().WithName(r.name).WithTarget(
					autoscalingac.MetricTarget().WithType(autoscalingv2.UtilizationMetricType).WithAverageUtilization(r.percent.ValueInt32()))))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.PodsMetrics)) {
		spec.WithMetrics(autoscalingac.MetricSpec().WithType(autoscalingv2.PodsMetricSourceType).WithPods(
			autoscalingac.PodsMetricSource().WithMetric(autoscalingac.MetricIdentifier().WithName(name)).WithTarget(average(m.PodsMetrics[name]))))
	}
	for _, name := range slices.Sorted(maps.Keys(m.ExternalMetrics)) {
		spec.WithMetrics(autoscalingac.MetricSpec().WithType(autoscalingv2.ExternalMetricSourceType).WithExternal(m.ExternalMetrics[name].apply(name)))
	}
	if b := m.behavior(); b != nil {
		spec.WithBehavior(b)
	}
	return autoscalingac.HorizontalPodAutoscaler(m.ObjectName(t), t.Namespace).WithSpec(spec)
}

func (e *External) apply(name string) *autoscalingac.ExternalMetricSourceApplyConfiguration {
	metric := autoscalingac.MetricIdentifier().WithName(name)
	if s := e.selector(); s != nil {
		metric.WithSelector(s)
	}
	target := average(e.AverageValue)
	if e.AverageValue.IsNull() {
		target = autoscalingac.MetricTarget().WithType(autoscalingv2.ValueMetricType)
		target.Value = amount(e.Value)
	}
	return autoscalingac.ExternalMetricSource().WithMetric(metric).WithTarget(target)
}

func average(v quantity.Value) *autoscalingac.MetricTargetApplyConfiguration {
	target := autoscalingac.MetricTarget().WithType(autoscalingv2.AverageValueMetricType)
	target.AverageValue = amount(v)
	return target
}

// amount is a quantity the way the server writes it; nil for none. What is no
// quantity is refused when the configuration is read.
func amount(v quantity.Value) *resource.Quantity {
	if v.IsNull() {
		return nil
	}
	q, err := resource.ParseQuantity(v.ValueString())
	if err != nil {
		return nil
	}
	_ = q.String() // it remembers how it was written until it is written anew
	canonical := resource.MustParse(q.String())
	return &canonical
}

// behavior is what behavior and tolerance say together; nil for nothing.
func (m *Model) behavior() *autoscalingac.HorizontalPodAutoscalerBehaviorApplyConfiguration {
	b := m.Behavior
	if b == nil {
		b = &Behavior{}
	}
	out := autoscalingac.HorizontalPodAutoscalerBehavior()
	out.ScaleUp, out.ScaleDown = b.ScaleUp.apply(m.Tolerance), b.ScaleDown.apply(m.Tolerance)
	if out.ScaleUp == nil && out.ScaleDown == nil {
		return nil
	}
	return out
}

func (d *Direction) apply(tolerance quantity.Value) *autoscalingac.HPAScalingRulesApplyConfiguration {
	if d == nil && tolerance.IsNull() {
		return nil
	}
	out := autoscalingac.HPAScalingRules()
	out.Tolerance = amount(tolerance)
	if d == nil {
		return out
	}
	if !d.Tolerance.IsNull() {
		out.Tolerance = amount(d.Tolerance)
	}
	out.StabilizationWindowSeconds = d.StabilizationWindowSeconds.ValueInt32Pointer()
	if !d.SelectPolicy.IsNull() {
		out.WithSelectPolicy(autoscalingv2.ScalingPolicySelect(d.SelectPolicy.ValueString()))
	}
	for _, p := range d.Policies {
		out.WithPolicies(autoscalingac.HPAScalingPolicy().
			WithType(autoscalingv2.HPAScalingPolicyType(p.Type.ValueString())).WithValue(p.Value.ValueInt32()).WithPeriodSeconds(p.PeriodSeconds.ValueInt32()))
	}
	return out
}

// Fields says which attribute at and below root made which field.
func (m *Model) Fields(root path.Path) diags.Fields {
	var f diags.Fields
	const kind = "HorizontalPodAutoscaler"
	if m == nil {
		return f
	}
	if m.Keda != nil {
		return m.kedaFields(root)
	}
	f.Add(root.AtName("name"), kind, "metadata", "name")
	f.Add(root, kind, "spec") // whom it scales no attribute says
	f.Add(root.AtName("min_replicas"), kind, "spec", "minReplicas")
	f.Add(root.AtName("max_replicas"), kind, "spec", "maxReplicas")
	metric := func(at path.Path, key string) { f.Add(at, kind, "spec", "metrics", key) }
	if !m.CPUPercent.IsNull() {
		metric(root.AtName("cpu_percent"), "Resource/cpu")
	}
	if !m.MemoryPercent.IsNull() {
		metric(root.AtName("memory_percent"), "Resource/memory")
	}
	for name := range m.PodsMetrics {
		metric(root.AtName("pods_metrics").AtMapKey(name), "Pods/"+name)
	}
	for name, e := range m.ExternalMetrics {
		at, key := root.AtName("external_metrics").AtMapKey(name), "External/"+name
		metric(at, key)
		if len(e.Selector) > 0 {
			f.Add(at.AtName("selector"), kind, "spec", "metrics", key, "external", "metric", "selector")
		}
		target := at.AtName("value")
		if !e.AverageValue.IsNull() {
			target = at.AtName("average_value")
		}
		f.Add(target, kind, "spec", "metrics", key, "external", "target")
	}
	for attribute, field := range map[string]string{"scale_up": "scaleUp", "scale_down": "scaleDown"} {
		at := root.AtName("behavior").AtName(attribute)
		d := m.direction(attribute)
		if d == nil {
			continue
		}
		f.Add(at.AtName("stabilization_window_seconds"), kind, "spec", "behavior", field, "stabilizationWindowSeconds")
		f.Add(at.AtName("select_policy"), kind, "spec", "behavior", field, "selectPolicy")
		f.Add(at.AtName("policies"), kind, "spec", "behavior", field, "policies")
		if !d.Tolerance.IsNull() || m.Tolerance.IsNull() {
			f.Add(at.AtName("tolerance"), kind, "spec", "behavior", field, "tolerance")
		}
	}
	if !m.Tolerance.IsNull() {
		for attribute, field := range map[string]string{"scale_up": "scaleUp", "scale_down": "scaleDown"} {
			if d := m.direction(attribute); d == nil || d.Tolerance.IsNull() {
				f.Add(root.AtName("tolerance"), kind, "spec", "behavior", field, "tolerance")
			}
		}
	}
	return f
}

func (m *Model) direction(name string) *Direction {
	switch {
	case m == nil || m.Behavior == nil:
		return nil
	case name == "scale_up":
		return m.Behavior.ScaleUp
	}
	return m.Behavior.ScaleDown
}
