package trainingjob

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// defaultBackoffLimit is what the server sets when nobody says otherwise.
const defaultBackoffLimit = 6

// desired returns the Job of the run.
func desired(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
	template, ds := m.Apply()
	if ds.HasError() {
		return nil, ds
	}
	template.Spec.WithRestartPolicy(corev1.RestartPolicy(restartPolicy(m.RestartPolicy)))
	spec := batchac.JobSpec().WithTemplate(template)
	// The pointers keep null apart from 0 and false.
	spec.BackoffLimit = m.BackoffLimit.ValueInt32Pointer()
	spec.ActiveDeadlineSeconds = m.ActiveDeadlineSeconds.ValueInt64Pointer()
	spec.TTLSecondsAfterFinished = m.TTLSecondsAfterFinished.ValueInt32Pointer()
	spec.Suspend = m.Suspend.ValueBoolPointer()
	if len(m.PodFailurePolicy) > 0 {
		policy := batchac.PodFailurePolicy()
		for _, r := range m.PodFailurePolicy {
			policy.WithRules(r.apply())
		}
		spec.WithPodFailurePolicy(policy)
	}
	job := batchac.Job(m.RunName.ValueString(), m.Namespace.ValueString()).WithSpec(spec)
	return []runtime.ApplyConfiguration{job}, ds
}

// backoffLimit is what the server sets for a Job like this one.
func backoffLimit(job *batchv1.Job) int32 {
	if job.Spec.BackoffLimitPerIndex != nil {
		return math.MaxInt32
	}
	return defaultBackoffLimit
}

// restartPolicy is the policy meant: Never when the attribute is null.
func restartPolicy(v types.String) string {
	if v.ValueString() == "" {
		return restartNever
	}
	return v.ValueString()
}

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

// fields says which attribute made which field of the Job.
func fields(m *Model) diags.Fields {
	f := m.Fields(path.Empty(), "Job", "spec", "template")
	f.Add(path.Root("run_name"), "Job", "metadata", "name")
	f.Add(path.Root("backoff_limit"), "Job", "spec", "backoffLimit")
	f.Add(path.Root("active_deadline_seconds"), "Job", "spec", "activeDeadlineSeconds")
	f.Add(path.Root("ttl_seconds_after_finished"), "Job", "spec", "ttlSecondsAfterFinished")
	f.Add(path.Root("suspend"), "Job", "spec", "suspend")
	f.Add(path.Root("restart_policy"), "Job", "spec", "template", "spec", "restartPolicy")
	f.Add(path.Root("pod_failure_policy"), "Job", "spec", "podFailurePolicy")
	return f
}

// adopt turns a live Job into a model. What a Job for one pod does not say
// (parallelism, completionMode, …) is left to patch. Where prior is known, a
// default is stated for what prior states.
func adopt(live kube.Live, prior *Model) (*Model, diag.Diagnostics) {
	job, err := kube.Typed[batchv1.Job](live, kube.Job.Kind)
	if err != nil || job == nil {
		return &Model{}, undecodable(err)
	}
	var was *podspec.Model
	if prior != nil {
		was = &prior.Model
	}
	pod, ds := podspec.AdoptLike(&job.Spec.Template, was)
	m := &Model{Model: pod}
	if manual := job.Spec.ManualSelector; manual != nil && *manual {
		// Nothing generated these labels, whatever they are called.
		for k, v := range job.Spec.Template.Labels {
			if m.PodLabels == nil {
				m.PodLabels = map[string]types.String{}
			}
			m.PodLabels[k] = types.StringValue(v)
		}
	}
	m.Name = types.StringValue(nameOf(job))
	m.RunName = types.StringValue(job.Name)
	if n := job.Spec.BackoffLimit; n != nil && (*n != backoffLimit(job) || prior != nil && !prior.BackoffLimit.IsNull()) {
		m.BackoffLimit = types.Int32Value(*n)
	}
	m.ActiveDeadlineSeconds = types.Int64PointerValue(job.Spec.ActiveDeadlineSeconds)
	m.TTLSecondsAfterFinished = types.Int32PointerValue(job.Spec.TTLSecondsAfterFinished)
	if s := job.Spec.Suspend; s != nil && (*s || prior != nil && !prior.Suspend.IsNull()) {
		m.Suspend = types.BoolValue(*s)
	}
	if p := job.Spec.Template.Spec.RestartPolicy; p == corev1.RestartPolicyOnFailure {
		m.RestartPolicy = types.StringValue(restartOnFailure)
	}
	if p := job.Spec.PodFailurePolicy; p != nil {
		for _, r := range p.Rules {
			m.PodFailurePolicy = append(m.PodFailurePolicy, adoptRule(r))
		}
	}
	m.Result = types.MapNull(types.StringType)
	return m, ds
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
		if c.Status != "" && c.Status != conditionStatusTrue {
			condition.Status = types.StringValue(string(c.Status))
		}
		out.OnPodConditions = append(out.OnPodConditions, condition)
	}
	return out
}

// generatedRun is the form of a run name that mlk made: see runName.
var generatedRun = regexp.MustCompile(fmt.Sprintf(`^(.+)-[a-z2-7]{%d}$`, hashLength))

// nameOf is a valid name for an adopted run: that of its training if mlk made
// the Job, so that the configuration it was made from fits again, else the Job's
// own where it fits, else as much of it as does. The run keeps its name all the
// same, as run_name.
func nameOf(job *batchv1.Job) string {
	if m := generatedRun.FindStringSubmatch(job.Name); m != nil && job.Annotations[lifecycle.RecordedAnnotation] != "" && len(m[1]) <= maxName {
		return m[1]
	}
	name := strings.ReplaceAll(job.Name, ".", "-")
	if len(name) > maxName {
		name = name[:maxName]
	}
	return strings.TrimRight(name, "-")
}

func undecodable(err error) diag.Diagnostics {
	if err == nil {
		return nil
	}
	return diag.Diagnostics{diags.Message{
		Summary: "The Job on the cluster cannot be read",
		Why:     err.Error(),
		Do:      "It may come from a newer version of Kubernetes than mlk knows. Please report this.",
	}.Error()}
}
