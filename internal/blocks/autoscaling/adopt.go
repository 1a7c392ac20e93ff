package autoscaling

import (
	"github.com/hashicorp/terraform-plugin-framework/types"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
)

// Scales reports whether an autoscaler is that of a target.
func Scales(live *autoscalingv2.HorizontalPodAutoscaler, t Target) bool {
	ref := live.Spec.ScaleTargetRef
	return ref.Kind == t.Kind.Kind && ref.Name == t.Name && (ref.APIVersion == "" || ref.APIVersion == t.Kind.GroupVersion().String())
}

// Adopt turns an autoscaler into a model, in the words of prior, which is nil on
// import. One that scales something else is nil.
func Adopt(live *autoscalingv2.HorizontalPodAutoscaler, t Target, prior *Model) *Model {
	if live == nil {
		return prior
	}
	if !Scales(live, t) || prior != nil && live.Spec.ScaleTargetRef.APIVersion != t.Kind.GroupVersion().String() {
		return nil
	}
	like := prior
	if like == nil {
		like = &Model{Tolerance: quantity.Null()}
	}
	m := &Model{Name: types.StringNull(), Tolerance: quantity.Null(), MaxReplicas: types.Int32Value(live.Spec.MaxReplicas)}
	if live.Name != t.Name || !like.Name.IsNull() {
		m.Name = types.StringValue(live.Name)
	}
	if n := live.Spec.MinReplicas; n != nil && (*n != 1 || !like.MinReplicas.IsNull()) {
		m.MinReplicas = types.Int32Value(*n)
	}
	for i := range live.Spec.Metrics {
		m.adoptMetric(&live.Spec.Metrics[i])
	}
	if b := live.Spec.Behavior; b != nil {
		m.Behavior = &Behavior{ScaleUp: adoptDirection(b.ScaleUp), ScaleDown: adoptDirection(b.ScaleDown)}
	}
	if !like.Tolerance.IsNull() {
		m.adoptTolerance(like)
	}
	return m
}

// adoptMetric takes what the attributes can say; the rest lands in patch.
func (m *Model) adoptMetric(s *autoscalingv2.MetricSpec) {
	switch {
	case s.Type == autoscalingv2.ResourceMetricSourceType && s.Resource != nil && s.Resource.Target.Type == autoscalingv2.UtilizationMetricType:
		percent := types.Int32PointerValue(s.Resource.Target.AverageUtilization)
		switch s.Resource.Name {
		case corev1.ResourceCPU:
			m.CPUPercent = percent
		case corev1.ResourceMemory:
			m.MemoryPercent = percent
		default:
		}
	case s.Type == autoscalingv2.PodsMetricSourceType && s.Pods != nil && s.Pods.Target.AverageValue != nil && s.Pods.Target.Type == autoscalingv2.AverageValueMetricType:
		if m.PodsMetrics == nil {
			m.PodsMetrics = map[string]quantity.Value{}
		}
		m.PodsMetrics[s.Pods.Metric.Name] = amountOf(s.Pods.Target.AverageValue)
	case s.Type == autoscalingv2.ExternalMetricSourceType && s.External != nil:
		m.adoptExternal(s.External)
	}
}

func (m *Model) adoptExternal(s *autoscalingv2.ExternalMetricSource) {
	e := &External{AverageValue: quantity.Null(), Value: quantity.Null()}
	switch t := s.Target; {
	case t.Type == autoscalingv2.AverageValueMetricType && t.AverageValue != nil:
		e.AverageValue = amountOf(t.AverageValue)
	case t.Type == autoscalingv2.ValueMetricType && t.Value != nil:
		e.Value = amountOf(t.Value)
	default:
		return
	}
	if sel := s.Metric.Selector; sel != nil && len(sel.MatchLabels) > 0 {
		e.Selector = make(map[string]types.String, len(sel.MatchLabels))
		for k, v := range sel.MatchLabels {
			e.Selector[k] = types.StringValue(v)
		}
	}
	if m.ExternalMetrics == nil {
		m.ExternalMetrics = map[string]*External{}
	}
	m.ExternalMetrics[s.Metric.Name] = e
}

func adoptDirection(r *autoscalingv2.HPAScalingRules) *Direction {
	if r == nil {
		return nil
	}
	d := &Direction{StabilizationWindowSeconds: types.Int32PointerValue(r.StabilizationWindowSeconds), Tolerance: amountOf(r.Tolerance)}
	if r.SelectPolicy != nil {
		d.SelectPolicy = types.StringValue(string(*r.SelectPolicy))
	}
	for _, p := range r.Policies {
		d.Policies = append(d.Policies, Policy{Type: types.StringValue(string(p.Type)), Value: types.Int32Value(p.Value), PeriodSeconds: types.Int32Value(p.PeriodSeconds)})
	}
	return d
}

// adoptTolerance is the tolerance of the directions that share it: the one that
// has changed, where they differ.
func (m *Model) adoptTolerance(like *Model) {
	m.Tolerance = like.Tolerance
	for _, name := range []string{"scale_up", "scale_down"} {
		if d := like.direction(name); d != nil && !d.Tolerance.IsNull() {
			continue
		}
		now := quantity.Null()
		if d := m.direction(name); d != nil {
			now, d.Tolerance = d.Tolerance, quantity.Null()
		}
		if !sameAmount(now, like.Tolerance) {
			m.Tolerance = now
		}
	}
}

func sameAmount(a, b quantity.Value) bool {
	x, y := amount(a), amount(b)
	if x == nil || y == nil {
		return x == y
	}
	return x.Cmp(*y) == 0
}

func amountOf(q *resource.Quantity) quantity.Value {
	if q == nil {
		return quantity.Null()
	}
	return quantity.New(q.String())
}

// selector is that of an external metric; nil for none.
func (e *External) selector() *metav1ac.LabelSelectorApplyConfiguration {
	if len(e.Selector) == 0 {
		return nil
	}
	labels := make(map[string]string, len(e.Selector))
	for k, v := range e.Selector {
		labels[k] = v.ValueString()
	}
	return metav1ac.LabelSelector().WithMatchLabels(labels)
}
