package jobspec

import (
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
)

// FailureRule is one rule of pod_failure_policy.
type FailureRule struct {
	Action          types.String `tfsdk:"action"`
	OnExitCodes     *ExitCodes   `tfsdk:"on_exit_codes"`
	OnPodConditions []Condition  `tfsdk:"on_pod_conditions"`
}

// ExitCodes says which exit codes a rule is about.
type ExitCodes struct {
	Container types.String  `tfsdk:"container"`
	Operator  types.String  `tfsdk:"operator"`
	Values    []types.Int32 `tfsdk:"values"`
}

// Condition says which pod condition a rule is about.
type Condition struct {
	Type   types.String `tfsdk:"type"`
	Status types.String `tfsdk:"status"`
}

// The server's limits on policies (Kubernetes,
// pkg/apis/batch/validation/validation.go).
const (
	maxFailureRules     = 20
	maxFailureCodes     = 255
	maxFailurePatterns  = 20
	maxSuccessRules     = 20
	maxSuccessIndexes   = 64 << 10
	conditionStatusTrue = string(corev1.ConditionTrue)
)

func (r FailureRule) apply() *batchac.PodFailurePolicyRuleApplyConfiguration {
	rule := batchac.PodFailurePolicyRule().WithAction(batchv1.PodFailurePolicyAction(r.Action.ValueString()))
	if c := r.OnExitCodes; c != nil {
		codes := batchac.PodFailurePolicyOnExitCodesRequirement().
			WithOperator(batchv1.PodFailurePolicyOnExitCodesOperator(c.Operator.ValueString()))
		codes.ContainerName = c.Container.ValueStringPointer()
		for _, v := range c.Values {
			codes.WithValues(v.ValueInt32())
		}
		// The server refuses codes that are not in order.
		slices.Sort(codes.Values)
		rule.WithOnExitCodes(codes)
	}
	for _, c := range r.OnPodConditions {
		status := c.Status.ValueString()
		if status == "" {
			status = conditionStatusTrue
		}
		rule.WithOnPodConditions(batchac.PodFailurePolicyOnPodConditionsPattern().
			WithType(corev1.PodConditionType(c.Type.ValueString())).
			WithStatus(corev1.ConditionStatus(status)))
	}
	return rule
}

func adoptRule(r batchv1.PodFailurePolicyRule) FailureRule {
	out := FailureRule{Action: types.StringValue(string(r.Action))}
	if c := r.OnExitCodes; c != nil {
		out.OnExitCodes = &ExitCodes{
			Container: types.StringPointerValue(c.ContainerName),
			Operator:  types.StringValue(string(c.Operator)),
		}
		for _, v := range c.Values {
			out.OnExitCodes.Values = append(out.OnExitCodes.Values, types.Int32Value(v))
		}
	}
	for _, c := range r.OnPodConditions {
		condition := Condition{Type: types.StringValue(string(c.Type))}
		if c.Status != "" && string(c.Status) != conditionStatusTrue {
			condition.Status = types.StringValue(string(c.Status))
		}
		out.OnPodConditions = append(out.OnPodConditions, condition)
	}
	return out
}
