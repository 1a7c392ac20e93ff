package podspec

import (
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
)

// NodeAffinity chooses nodes by their labels.
type NodeAffinity struct {
	Required  []NodeTerm      `tfsdk:"required"`
	Preferred []PreferredNode `tfsdk:"preferred"`
}

// NodeTerm holds requirements a node must all meet.
type NodeTerm struct {
	Expressions []Expression `tfsdk:"expressions"`
	Fields      []Expression `tfsdk:"fields"`
}

// PreferredNode is a term with the weight it has.
type PreferredNode struct {
	Weight types.Int32 `tfsdk:"weight"`
	NodeTerm
}

// Expression is a requirement on a label or field.
type Expression struct {
	Key      types.String   `tfsdk:"key"`
	Operator types.String   `tfsdk:"operator"`
	Values   []types.String `tfsdk:"values"`
}

// PodAffinity chooses nodes by the pods that run there.
type PodAffinity struct {
	Required  []PodTerm      `tfsdk:"required"`
	Preferred []PreferredPod `tfsdk:"preferred"`
}

// PodTerm says which pods count, and what being near them means.
type PodTerm struct {
	TopologyKey       types.String   `tfsdk:"topology_key"`
	LabelSelector     *LabelSelector `tfsdk:"label_selector"`
	Namespaces        []types.String `tfsdk:"namespaces"`
	NamespaceSelector *LabelSelector `tfsdk:"namespace_selector"`
	MatchLabelKeys    []types.String `tfsdk:"match_label_keys"`
	MismatchLabelKeys []types.String `tfsdk:"mismatch_label_keys"`
}

// PreferredPod is a term with the weight it has.
type PreferredPod struct {
	Weight types.Int32 `tfsdk:"weight"`
	PodTerm
}

// LabelSelector chooses objects by their labels.
type LabelSelector struct {
	MatchLabels map[string]types.String `tfsdk:"match_labels"`
	Expressions []Expression            `tfsdk:"expressions"`
}

// applyAffinity adds the affinity of scheduling, with what gpu requires of
// nodes in each of the alternative terms.
func (m *Model) applyAffinity(s *Scheduling, spec *corev1ac.PodSpecApplyConfiguration) diag.Diagnostics {
	alternatives, ds := m.GPU.requirements()
	node := s.NodeAffinity.apply(alternatives)
	near, far := s.PodAffinity, s.PodAntiAffinity
	if node == nil && near == nil && far == nil {
		return ds
	}
	spec.Affinity = &corev1ac.AffinityApplyConfiguration{NodeAffinity: node}
	if near != nil {
		spec.Affinity.PodAffinity = &corev1ac.PodAffinityApplyConfiguration{}
		spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, spec.Affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution = near.apply()
	}
	if far != nil {
		spec.Affinity.PodAntiAffinity = &corev1ac.PodAntiAffinityApplyConfiguration{}
		spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution = far.apply()
	}
	return ds
}

// requiredTerms are the terms of scheduling, each with each alternative of gpu:
// terms are alternatives, and the expressions of a term must all hold.
func (a *NodeAffinity) requiredTerms(alternatives [][]corev1.NodeSelectorRequirement) []corev1.NodeSelectorTerm {
	var terms []NodeTerm
	if a != nil {
		terms = a.Required
	}
	if len(terms) == 0 && len(alternatives) > 0 {
		terms = []NodeTerm{{}}
	}
	if len(alternatives) == 0 {
		alternatives = [][]corev1.NodeSelectorRequirement{nil}
	}
	out := make([]corev1.NodeSelectorTerm, 0, len(terms)*len(alternatives))
	for _, t := range terms {
		for _, alternative := range alternatives {
			out = append(out, corev1.NodeSelectorTerm{
				MatchExpressions: append(requirements(t.Expressions), alternative...), MatchFields: requirements(t.Fields),
			})
		}
	}
	return out
}

func (a *NodeAffinity) apply(alternatives [][]corev1.NodeSelectorRequirement) *corev1ac.NodeAffinityApplyConfiguration {
	required := a.requiredTerms(alternatives)
	if a == nil && len(required) == 0 {
		return nil
	}
	out := &corev1ac.NodeAffinityApplyConfiguration{}
	if len(required) > 0 {
		selector := &corev1ac.NodeSelectorApplyConfiguration{}
		for _, t := range required {
			selector.NodeSelectorTerms = append(selector.NodeSelectorTerms, nodeTerm(t.MatchExpressions, t.MatchFields))
		}
		out.RequiredDuringSchedulingIgnoredDuringExecution = selector
	}
	if a == nil {
		return out
	}
	for _, p := range a.Preferred {
		t := nodeTerm(requirements(p.Expressions), requirements(p.Fields))
		out.PreferredDuringSchedulingIgnoredDuringExecution = append(out.PreferredDuringSchedulingIgnoredDuringExecution,
			corev1ac.PreferredSchedulingTermApplyConfiguration{Weight: p.Weight.ValueInt32Pointer(), Preference: &t})
	}
	return out
}

func requirements(in []Expression) []corev1.NodeSelectorRequirement {
	var out []corev1.NodeSelectorRequirement
	for _, e := range in {
		out = append(out, corev1.NodeSelectorRequirement{
			Key: e.Key.ValueString(), Operator: corev1.NodeSelectorOperator(e.Operator.ValueString()), Values: texts(e.Values),
		})
	}
	return out
}

func nodeTerm(expressions, fields []corev1.NodeSelectorRequirement) corev1ac.NodeSelectorTermApplyConfiguration {
	convert := func(in []corev1.NodeSelectorRequirement) []corev1ac.NodeSelectorRequirementApplyConfiguration {
		var out []corev1ac.NodeSelectorRequirementApplyConfiguration
		for _, r := range in {
			out = append(out, corev1ac.NodeSelectorRequirementApplyConfiguration{Key: &r.Key, Operator: &r.Operator, Values: slices.Clone(r.Values)})
		}
		return out
	}
	return corev1ac.NodeSelectorTermApplyConfiguration{MatchExpressions: convert(expressions), MatchFields: convert(fields)}
}

func (a *PodAffinity) apply() (required []corev1ac.PodAffinityTermApplyConfiguration, preferred []corev1ac.WeightedPodAffinityTermApplyConfiguration) {
	for i := range a.Required {
		required = append(required, a.Required[i].apply())
	}
	for i := range a.Preferred {
		t := a.Preferred[i].apply()
		preferred = append(preferred, corev1ac.WeightedPodAffinityTermApplyConfiguration{Weight: a.Preferred[i].Weight.ValueInt32Pointer(), PodAffinityTerm: &t})
	}
	return required, preferred
}

func (t *PodTerm) apply() corev1ac.PodAffinityTermApplyConfiguration {
	return corev1ac.PodAffinityTermApplyConfiguration{
		TopologyKey:       t.TopologyKey.ValueStringPointer(),
		LabelSelector:     t.LabelSelector.apply(),
		Namespaces:        texts(t.Namespaces),
		NamespaceSelector: t.NamespaceSelector.apply(),
		MatchLabelKeys:    texts(t.MatchLabelKeys),
		MismatchLabelKeys: texts(t.MismatchLabelKeys),
	}
}

func (s *LabelSelector) apply() *metav1ac.LabelSelectorApplyConfiguration {
	if s == nil {
		return nil
	}
	out := &metav1ac.LabelSelectorApplyConfiguration{MatchLabels: values.Plain(s.MatchLabels)}
	for _, e := range s.Expressions {
		out.MatchExpressions = append(out.MatchExpressions, metav1ac.LabelSelectorRequirementApplyConfiguration{
			Key: e.Key.ValueStringPointer(), Operator: values.Enum[metav1.LabelSelectorOperator](e.Operator), Values: texts(e.Values),
		})
	}
	return out
}
