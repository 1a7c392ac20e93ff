// Package jobspec is what a Job says besides its pod: schema, model and both
// directions between model and Kubernetes' JobSpec. Jobs of their own and those
// that a CronJob makes have it alike.
package jobspec

import (
	"math"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// Job is what a Job says besides its pod. Embed it in the model of a resource,
// beside podspec.Model.
type Job struct {
	Completions             types.Int32   `tfsdk:"completions"`
	Parallelism             types.Int32   `tfsdk:"parallelism"`
	CompletionMode          types.String  `tfsdk:"completion_mode"`
	BackoffLimit            types.Int32   `tfsdk:"backoff_limit"`
	BackoffLimitPerIndex    types.Int32   `tfsdk:"backoff_limit_per_index"`
	MaxFailedIndexes        types.Int32   `tfsdk:"max_failed_indexes"`
	ActiveDeadlineSeconds   types.Int64   `tfsdk:"active_deadline_seconds"`
	TTLSecondsAfterFinished types.Int32   `tfsdk:"ttl_seconds_after_finished"`
	RestartPolicy           types.String  `tfsdk:"restart_policy"`
	PodFailurePolicy        []FailureRule `tfsdk:"pod_failure_policy"`
	PodReplacementPolicy    types.String  `tfsdk:"pod_replacement_policy"`
	SuccessPolicy           []SuccessRule `tfsdk:"success_policy"`
}

// SuccessRule is one rule of success_policy.
type SuccessRule struct {
	SucceededIndexes types.String `tfsdk:"succeeded_indexes"`
	SucceededCount   types.Int32  `tfsdk:"succeeded_count"`
}

// The values of restart_policy; RestartNever is the default.
const (
	RestartNever     = string(corev1.RestartPolicyNever)
	RestartOnFailure = string(corev1.RestartPolicyOnFailure)
)

// Indexed is the completion_mode in which each pod has a number.
const Indexed = string(batchv1.IndexedCompletion)

// defaultBackoffLimit is what the server sets when nobody says otherwise.
const defaultBackoffLimit = 6

// Frozen lists the attributes that the server never changes on a Job, whatever
// the value. restart_policy and completion_mode have a default, and completions
// moves with parallelism in an indexed Job: they need a look at the value.
func Frozen() []string {
	return []string{"pod_failure_policy", "success_policy", "backoff_limit_per_index"}
}

// Apply returns the spec of a Job with this pod. The model must be wholly known.
func (j *Job) Apply(template *corev1ac.PodTemplateSpecApplyConfiguration) *batchac.JobSpecApplyConfiguration {
	template.Spec.WithRestartPolicy(corev1.RestartPolicy(RestartPolicy(j.RestartPolicy)))
	spec := batchac.JobSpec().WithTemplate(template)
	// The pointers keep null apart from 0.
	spec.Completions = j.Completions.ValueInt32Pointer()
	spec.Parallelism = j.Parallelism.ValueInt32Pointer()
	spec.CompletionMode = values.Enum[batchv1.CompletionMode](j.CompletionMode)
	spec.BackoffLimit = j.BackoffLimit.ValueInt32Pointer()
	spec.BackoffLimitPerIndex = j.BackoffLimitPerIndex.ValueInt32Pointer()
	spec.MaxFailedIndexes = j.MaxFailedIndexes.ValueInt32Pointer()
	spec.ActiveDeadlineSeconds = j.ActiveDeadlineSeconds.ValueInt64Pointer()
	spec.TTLSecondsAfterFinished = j.TTLSecondsAfterFinished.ValueInt32Pointer()
	spec.PodReplacementPolicy = values.Enum[batchv1.PodReplacementPolicy](j.PodReplacementPolicy)
	if len(j.PodFailurePolicy) > 0 {
		policy := batchac.PodFailurePolicy()
		for _, r := range j.PodFailurePolicy {
			policy.WithRules(r.apply())
		}
		spec.WithPodFailurePolicy(policy)
	}
	if len(j.SuccessPolicy) > 0 {
		policy := batchac.SuccessPolicy()
		for _, r := range j.SuccessPolicy {
			policy.Rules = append(policy.Rules, batchac.SuccessPolicyRuleApplyConfiguration{
				SucceededIndexes: r.SucceededIndexes.ValueStringPointer(), SucceededCount: r.SucceededCount.ValueInt32Pointer(),
			})
		}
		spec.WithSuccessPolicy(policy)
	}
	return spec
}

// RestartPolicy is the policy meant: Never when the attribute is null.
func RestartPolicy(v types.String) string {
	if v.ValueString() == "" {
		return RestartNever
	}
	return v.ValueString()
}

// CompletionMode is the mode meant: NonIndexed when the attribute is null.
func CompletionMode(v types.String) string {
	if v.ValueString() == "" {
		return string(batchv1.NonIndexedCompletion)
	}
	return v.ValueString()
}

// Adopt returns the model that, applied, would change nothing about the spec
// but its pod. What the server sets by itself is null, unless like, which may be
// nil, states it.
func Adopt(spec *batchv1.JobSpec, like *Job) Job {
	if like == nil {
		like = &Job{}
	}
	j := Job{
		BackoffLimit:            unless(spec.BackoffLimit, backoffLimit(spec), like.BackoffLimit),
		BackoffLimitPerIndex:    types.Int32PointerValue(spec.BackoffLimitPerIndex),
		MaxFailedIndexes:        types.Int32PointerValue(spec.MaxFailedIndexes),
		ActiveDeadlineSeconds:   types.Int64PointerValue(spec.ActiveDeadlineSeconds),
		TTLSecondsAfterFinished: types.Int32PointerValue(spec.TTLSecondsAfterFinished),
		CompletionMode:          wordUnless(spec.CompletionMode, batchv1.NonIndexedCompletion, like.CompletionMode),
		PodReplacementPolicy:    wordUnless(spec.PodReplacementPolicy, replacementPolicy(spec), like.PodReplacementPolicy),
	}
	if n := spec.Completions; n == nil {
		j.Parallelism = types.Int32PointerValue(spec.Parallelism)
	} else {
		j.Parallelism = unless(spec.Parallelism, 1, like.Parallelism)
		// Without either of them the server sets both to 1.
		j.Completions = types.Int32Value(*n)
		if *n == 1 && j.Parallelism.IsNull() && like.Completions.IsNull() {
			j.Completions = types.Int32Null()
		}
	}
	if spec.Template.Spec.RestartPolicy == corev1.RestartPolicyOnFailure {
		j.RestartPolicy = types.StringValue(RestartOnFailure)
	}
	if p := spec.PodFailurePolicy; p != nil {
		for _, r := range p.Rules {
			j.PodFailurePolicy = append(j.PodFailurePolicy, adoptRule(r))
		}
	}
	if p := spec.SuccessPolicy; p != nil {
		for _, r := range p.Rules {
			j.SuccessPolicy = append(j.SuccessPolicy, SuccessRule{
				SucceededIndexes: types.StringPointerValue(r.SucceededIndexes), SucceededCount: types.Int32PointerValue(r.SucceededCount),
			})
		}
	}
	return j
}

// backoffLimit is what the server sets for a Job like this one.
func backoffLimit(spec *batchv1.JobSpec) int32 {
	if spec.BackoffLimitPerIndex != nil {
		return math.MaxInt32
	}
	return defaultBackoffLimit
}

// replacementPolicy is what the server sets for a Job like this one.
func replacementPolicy(spec *batchv1.JobSpec) batchv1.PodReplacementPolicy {
	if spec.PodFailurePolicy != nil {
		return batchv1.Failed
	}
	return batchv1.TerminatingOrFailed
}

// unless is the number, or null where it is the server's default and nobody
// states it.
func unless(n *int32, byDefault int32, stated types.Int32) types.Int32 {
	if n == nil || *n == byDefault && stated.IsNull() {
		return types.Int32Null()
	}
	return types.Int32Value(*n)
}

func wordUnless[T ~string](s *T, byDefault T, stated types.String) types.String {
	if s == nil || *s == byDefault && stated.IsNull() {
		return types.StringNull()
	}
	return types.StringValue(string(*s))
}

// Fields says which attribute generated which field of the spec, whose place in
// the objects is segments: "Job", "spec". The attributes are below at, which is
// path.Empty() for a resource.
func Fields(at path.Path, segments ...string) diags.Fields {
	var f diags.Fields
	for attribute, field := range map[string]string{
		"completions": "completions", "parallelism": "parallelism", "completion_mode": "completionMode",
		"backoff_limit": "backoffLimit", "backoff_limit_per_index": "backoffLimitPerIndex", "max_failed_indexes": "maxFailedIndexes",
		"active_deadline_seconds": "activeDeadlineSeconds", "ttl_seconds_after_finished": "ttlSecondsAfterFinished",
		"pod_failure_policy": "podFailurePolicy", "pod_replacement_policy": "podReplacementPolicy", "success_policy": "successPolicy",
	} {
		f.Add(at.AtName(attribute), below(segments, field)...)
	}
	f.Add(at.AtName("restart_policy"), below(segments, "template", "spec", "restartPolicy")...)
	return f
}

func below(segments []string, more ...string) []string {
	return append(append(make([]string, 0, len(segments)+len(more)), segments...), more...)
}
