package jobspec

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/objectvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// maxIndexed is how many pods an indexed Job may have (Kubernetes,
// pkg/apis/batch/validation/validation.go).
const maxIndexed = 100_000

// Options are what differs between the resources whose pods run in Jobs.
type Options struct {
	// Frozen is the sentence that says what a change of an attribute does that
	// no Job ever changes; InPlace of one that it does.
	Frozen, InPlace string
}

// Attributes returns the attributes of the block, to be merged into those of
// the resource.
func Attributes(o Options) map[string]schema.Attribute {
	atLeastZero := []validator.Int32{int32validator.AtLeast(0)}
	return map[string]schema.Attribute{
		"completions": schema.Int32Attribute{
			Optional: true,
			MarkdownDescription: "How many pods have to succeed. Default: 1; with `parallelism` alone, a work queue: the run completes when one pod has succeeded and all have ended. " +
				"`distributed` sets it by itself. Changed in place in an indexed Job where it is the same as `parallelism`. Otherwise: " + o.Frozen,
			Validators: []validator.Int32{int32validator.AtLeast(0)},
		},
		"parallelism": schema.Int32Attribute{
			Optional: true,
			MarkdownDescription: fmt.Sprintf("How many pods may run at a time, at most %d in an indexed Job; `0` holds the run. Default: 1. `distributed` sets it by itself. %s",
				maxIndexed, o.InPlace),
			Validators: atLeastZero,
		},
		"completion_mode": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "`NonIndexed` (default): one pod is as good as another. `Indexed`: each has a number from 0 to `completions` - 1, in the variable `JOB_COMPLETION_INDEX` and in its host name. " +
				"`distributed` sets it by itself. " + o.Frozen,
			Validators: []validator.String{stringvalidator.OneOf(string(batchv1.NonIndexedCompletion), Indexed)},
		},
		"backoff_limit": schema.Int32Attribute{
			Optional: true,
			MarkdownDescription: "How often a failed pod is tried again before the run counts as failed. `0` means never. Default: 6, the server's; no limit with `backoff_limit_per_index`. " +
				"Tries are 10 s apart at first, then twice as long each time, at most 10 min. " + o.InPlace,
			Validators: atLeastZero,
		},
		"backoff_limit_per_index": schema.Int32Attribute{
			Optional: true,
			MarkdownDescription: "How often each index of an indexed Job is tried again before that index counts as failed; the others go on, and the run fails in the end. " +
				"Needs `distributed` or `completion_mode = \"Indexed\"`, and `restart_policy = \"Never\"`. Default: none, tries of all indexes count together. " + o.Frozen,
			Validators: atLeastZero,
		},
		"max_failed_indexes": schema.Int32Attribute{
			Optional:            true,
			MarkdownDescription: "How many indexes may fail before the run is given up and all of its pods are stopped. `0`: the first ends it. Needs `backoff_limit_per_index`. Default: no limit. " + o.InPlace,
			Validators:          []validator.Int32{int32validator.Between(0, maxIndexed)},
		},
		"active_deadline_seconds": schema.Int64Attribute{
			Optional: true,
			MarkdownDescription: "Seconds the run may be active, all tries together, before it is stopped and counts as failed (`DeadlineExceeded`). " +
				"Time in which it is suspended does not count. Default: no limit. " + o.InPlace,
			Validators: []validator.Int64{int64validator.AtLeast(0)},
		},
		"ttl_seconds_after_finished": schema.Int32Attribute{
			Optional: true,
			MarkdownDescription: "Seconds after which the cluster deletes the finished Job with its pods and their logs; `0` means at once. Default: never. " +
				"The run stays in the state, and is not run again. Results are read from pods, so with a short time here and without `wait_for = \"completed\"` they may be gone before they are seen. " + o.InPlace,
			Validators: atLeastZero,
		},
		"restart_policy": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "What happens when a container fails. `Never` (default): the pod stays, with its logs, and a new pod is the next try. " +
				"`OnFailure`: the container is started again in the same pod, and the pod goes when `backoff_limit` is reached. " + o.Frozen,
			Validators: []validator.String{stringvalidator.OneOf(RestartNever, RestartOnFailure)},
		},
		"pod_failure_policy": failureAttribute(o),
		"pod_replacement_policy": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "When a pod is replaced. `TerminatingOrFailed` (default): as soon as it is being deleted. `Failed` (default with `pod_failure_policy`): " +
				"when it has ended, so that two pods never write the same checkpoint. " + o.InPlace,
			Validators: []validator.String{stringvalidator.OneOf(string(batchv1.TerminatingOrFailed), string(batchv1.Failed))},
		},
		"success_policy": successAttribute(o),
	}
}

func successAttribute(o Options) schema.Attribute {
	return schema.ListNestedAttribute{
		Optional: true,
		MarkdownDescription: fmt.Sprintf("When an indexed Job has succeeded before all of its indexes have, as an ordered list of at most %d rules; the first that is met ends the run and stops the other pods. "+
			"`distributed.success = \"leader\"` says `[{ succeeded_indexes = \"0\" }]`. Needs `distributed` or `completion_mode = \"Indexed\"`. Default: all have to succeed. %s", maxSuccessRules, o.Frozen),
		Validators: []validator.List{listvalidator.SizeBetween(1, maxSuccessRules)},
		NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
			"succeeded_indexes": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Indexes that have to succeed, as numbers and ranges: `\"0,2-4\"`. Default: any, as many as `succeeded_count` says.",
				Validators: []validator.String{
					stringvalidator.LengthBetween(1, maxSuccessIndexes),
					stringvalidator.AtLeastOneOf(path.MatchRelative().AtParent().AtName("succeeded_count")),
				},
			},
			"succeeded_count": schema.Int32Attribute{
				Optional:            true,
				MarkdownDescription: "How many of them have to succeed. Default: all of `succeeded_indexes`.",
				Validators:          []validator.Int32{int32validator.AtLeast(1)},
			},
		}},
	}
}

func failureAttribute(o Options) schema.Attribute {
	return schema.ListNestedAttribute{
		Optional: true,
		MarkdownDescription: fmt.Sprintf("What a failed pod means, as an ordered list of at most %d rules; the first that matches decides, and a failure without a match counts toward `backoff_limit`. "+
			"Needs `restart_policy = \"Never\"`. A good beginning for GPU training: `[{ action = \"Ignore\", on_pod_conditions = [{ type = \"DisruptionTarget\" }] }]`, "+
			"so that preemption and node drains do not use up tries. %s", maxFailureRules, o.Frozen),
		Validators: []validator.List{listvalidator.SizeBetween(1, maxFailureRules)},
		NestedObject: schema.NestedAttributeObject{
			Attributes: map[string]schema.Attribute{
				"action": schema.StringAttribute{
					Required: true,
					MarkdownDescription: "`FailJob`: the run fails at once. `Ignore`: the failure does not count and the pod is replaced. `Count`: it counts, as without a rule. " +
						"`FailIndex`: the index fails, without another try; only with `backoff_limit_per_index`.",
					Validators: []validator.String{stringvalidator.OneOf("FailJob", "Ignore", "Count", failIndex)},
				},
				"on_exit_codes": schema.SingleNestedAttribute{
					Optional:            true,
					MarkdownDescription: "Matches the exit code of a container. Either this or `on_pod_conditions`.",
					Validators:          []validator.Object{objectvalidator.ExactlyOneOf(path.MatchRelative().AtParent().AtName("on_pod_conditions"))},
					Attributes: map[string]schema.Attribute{
						"container": schema.StringAttribute{
							Optional:            true,
							MarkdownDescription: "Name of the container or init container whose exit code is looked at. Default: any container that failed.",
							Validators:          []validator.String{diags.DNSLabel()},
						},
						"operator": schema.StringAttribute{
							Required:            true,
							MarkdownDescription: "`In`: the code is one of `values`. `NotIn`: it is none of them; a code of 0 never matches.",
							Validators:          []validator.String{stringvalidator.OneOf("In", "NotIn")},
						},
						"values": schema.SetAttribute{
							Required: true, ElementType: types.Int32Type,
							MarkdownDescription: fmt.Sprintf("The exit codes, at most %d. 0 is not allowed with `In`.", maxFailureCodes),
							Validators:          []validator.Set{setvalidator.SizeBetween(1, maxFailureCodes)},
						},
					},
				},
				"on_pod_conditions": schema.ListNestedAttribute{
					Optional:            true,
					MarkdownDescription: fmt.Sprintf("Matches a condition of the failed pod, any of these, at most %d. Either this or `on_exit_codes`.", maxFailurePatterns),
					Validators:          []validator.List{listvalidator.SizeBetween(1, maxFailurePatterns)},
					NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
						"type": schema.StringAttribute{
							Required:            true,
							MarkdownDescription: "Type of the condition: `DisruptionTarget` for preemption, eviction and node drains, or one that another controller sets.",
							Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
						},
						"status": schema.StringAttribute{
							Optional:            true,
							MarkdownDescription: "Status of the condition: `True` (default), `False` or `Unknown`.",
							Validators:          []validator.String{stringvalidator.OneOf(conditionStatusTrue, "False", "Unknown")},
						},
					}},
				},
			},
		},
	}
}
