package inferenceservice

import (
	"fmt"
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyac "k8s.io/client-go/applyconfigurations/policy/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

var disruptionPath = path.Root("disruption_budget")

// Budget is how many pods may be missing while nodes are drained.
type Budget struct {
	Name           types.String `tfsdk:"name"`
	MinAvailable   types.String `tfsdk:"min_available"`
	MaxUnavailable types.String `tfsdk:"max_unavailable"`
	Unhealthy      types.String `tfsdk:"unhealthy_pod_eviction_policy"`
}

func budgetAttribute() schema.Attribute {
	share := []validator.String{stringvalidator.RegexMatches(countOrShare, "must be a number such as 1, or a percentage such as 25%")}
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "How many pods must stay while nodes are drained or scaled down: a PodDisruptionBudget. Rollouts do not look at it, see `rollout`. " +
			"Exactly one of `min_available` and `max_unavailable`. Default: none, so that all pods may be evicted at once. Changed in place.",
		Attributes: map[string]schema.Attribute{
			"name": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Name of the budget. Default: `name`. Changing it makes a new one.",
				Validators: []validator.String{diags.DNSSubdomain()},
			},
			"min_available":   schema.StringAttribute{Optional: true, MarkdownDescription: "How many pods must stay ready, a number or a percentage of `replicas`, rounded up.", Validators: share},
			"max_unavailable": schema.StringAttribute{Optional: true, MarkdownDescription: "How many pods may be missing, a number or a percentage of `replicas`, rounded up. Suits `autoscaling`, where a fixed `min_available` may one day be all there are.", Validators: share},
			"unhealthy_pod_eviction_policy": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Whether pods that are not ready may go: `IfHealthyBudget` (default), only while enough others are, or `AlwaysAllow`, so that a broken service does not hold a node.",
				Validators:          []validator.String{stringvalidator.OneOf(string(policyv1.IfHealthyBudget), string(policyv1.AlwaysAllow))},
			},
		},
	}
}

func (b *Budget) objectName(m *Model) string {
	if b.Name.IsNull() {
		return m.Name.ValueString()
	}
	return b.Name.ValueString()
}

// apply is the budget of a service.
func (b *Budget) apply(m *Model) *policyac.PodDisruptionBudgetApplyConfiguration {
	spec := policyac.PodDisruptionBudgetSpec().WithSelector(metav1ac.LabelSelector().WithMatchLabels(selectorOf(m)))
	spec.MinAvailable, spec.MaxUnavailable = values.Share(b.MinAvailable), values.Share(b.MaxUnavailable)
	spec.UnhealthyPodEvictionPolicy = values.Enum[policyv1.UnhealthyPodEvictionPolicyType](b.Unhealthy)
	return policyac.PodDisruptionBudget(b.objectName(m), m.Namespace.ValueString()).WithSpec(spec)
}

func (b *Budget) fields() diags.Fields {
	var f diags.Fields
	kind := kube.PodDisruptionBudget.Kind
	f.Add(disruptionPath, kind, "spec") // whose pods it counts no attribute says
	f.Add(disruptionPath.AtName("name"), kind, "metadata", "name")
	f.Add(disruptionPath.AtName("min_available"), kind, "spec", "minAvailable")
	f.Add(disruptionPath.AtName("max_unavailable"), kind, "spec", "maxUnavailable")
	f.Add(disruptionPath.AtName("unhealthy_pod_eviction_policy"), kind, "spec", "unhealthyPodEvictionPolicy")
	return f
}

// adoptBudget is a live budget in the words of prior, which is nil on import; nil
// where it counts other pods.
func adoptBudget(m *Model, live *policyv1.PodDisruptionBudget, raw *kube.Object, prior *Budget) *Budget {
	if live == nil {
		return prior
	}
	b := &Budget{MinAvailable: shareOf(live.Spec.MinAvailable), MaxUnavailable: shareOf(live.Spec.MaxUnavailable)}
	if live.Name != m.Name.ValueString() || prior != nil && !prior.Name.IsNull() {
		b.Name = types.StringValue(live.Name)
	}
	if p := live.Spec.UnhealthyPodEvictionPolicy; p != nil {
		b.Unhealthy = types.StringValue(string(*p))
	}
	if prior != nil && !faithful(b.apply(m), raw) {
		return nil
	}
	return b
}

func shareOf(v *intstr.IntOrString) types.String {
	if v == nil {
		return types.StringNull()
	}
	return types.StringValue(v.String())
}

// blocks reports whether the budget lets no pod go as long as all of so many are
// there; an unknown or null number blocks only what any would.
func (b *Budget) blocks(pods types.Int32) bool {
	if isNone(b.MaxUnavailable) || b.MinAvailable.ValueString() == "100%" {
		return true
	}
	n, err := strconv.Atoi(b.MinAvailable.ValueString())
	return err == nil && !pods.IsNull() && n >= int(pods.ValueInt32())
}

// budgetWarning tells of a budget that lets nobody drain a node; empty for none.
func budgetWarning(m *Model) diags.Message {
	if m.Budget == nil {
		return diags.Message{}
	}
	pods := m.Replicas
	if m.Autoscaling != nil {
		pods = m.Autoscaling.Most()
	}
	if m.inGroups() && !pods.IsNull() && !m.MultiNode.Size.IsUnknown() {
		pods = types.Int32Value(pods.ValueInt32() * m.size())
	}
	if !m.Budget.blocks(pods) {
		return diags.Message{}
	}
	of := ""
	if !pods.IsNull() {
		of = fmt.Sprintf(" of %d", pods.ValueInt32())
	}
	return diags.Message{
		Summary:  "The disruption budget lets no pod go",
		Happened: fmt.Sprintf("It allows none%s to be missing, so a node on which one runs can never be drained.", of),
		Do:       "Set disruption_budget.max_unavailable = \"1\" to let one go at a time.",
		At:       disruptionPath,
	}
}
