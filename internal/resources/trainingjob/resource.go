// Package trainingjob is mlk_training_job: one training run as a Kubernetes Job.
package trainingjob

import (
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/objectvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_training_job.
type Model struct {
	lifecycle.Namespaced
	podspec.Model

	BackoffLimit            types.Int32             `tfsdk:"backoff_limit"`
	ActiveDeadlineSeconds   types.Int64             `tfsdk:"active_deadline_seconds"`
	TTLSecondsAfterFinished types.Int32             `tfsdk:"ttl_seconds_after_finished"`
	RestartPolicy           types.String            `tfsdk:"restart_policy"`
	Suspend                 types.Bool              `tfsdk:"suspend"`
	PodFailurePolicy        []FailureRule           `tfsdk:"pod_failure_policy"`
	KeepRuns                types.Int32             `tfsdk:"keep_runs"`
	Triggers                map[string]types.String `tfsdk:"triggers"`
	RunName                 types.String            `tfsdk:"run_name"`
	StartTime               types.String            `tfsdk:"start_time"`
	CompletionTime          types.String            `tfsdk:"completion_time"`
	Result                  types.Map               `tfsdk:"result"`
}

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

// The levels of wait_for.
const (
	levelCreated   = "created"
	levelScheduled = "scheduled"
	levelRunning   = "running"
	levelCompleted = "completed"
)

// The values of restart_policy; restartNever is the default.
const (
	restartNever     = "Never"
	restartOnFailure = "OnFailure"
)

// The bounds of names. Pods get the run name as a label, hence 63; a name
// leaves room for the hash and for what pods and hosts append to it.
const (
	maxName    = 40
	maxRunName = 63
)

// The default bounds of waits. A node for a GPU may have to be bought and tens
// of GB of image pulled before a run starts; a training takes what it takes; a
// deleted run may write a last checkpoint.
const (
	startTimeout    = 30 * time.Minute
	completeTimeout = 24 * time.Hour
	deleteTimeout   = 15 * time.Minute
)

// The server's limits on pod failure policies (Kubernetes,
// pkg/apis/batch/validation/validation.go).
const (
	maxFailureRules     = 20
	maxFailureCodes     = 255
	maxFailurePatterns  = 20
	conditionStatusTrue = "True"
)

// New returns the mlk_training_job resource.
func New() resource.Resource { return lifecycle.New[Model](Definition()) }

// Definition returns what makes a training job.
func Definition() lifecycle.Definition[Model] {
	return lifecycle.Definition[Model]{
		Type:    "training_job",
		Noun:    "Training job",
		Schema:  attributes,
		Owns:    []kube.Kind{kube.Job},
		Desired: desired,
		Fields:  fields,
		Adopt:   adopt,
		Observe: observe,
		Ready:   ready,
		WaitFor: []string{levelRunning, levelCreated, levelScheduled, levelCompleted},
		Timeouts: lifecycle.Timeouts{
			Create: startTimeout, Update: startTimeout, Delete: deleteTimeout,
			Levels: map[string]time.Duration{levelCompleted: completeTimeout},
		},
		Replace:     replacing(),
		ObjectName:  func(m *Model) string { return m.RunName.ValueString() },
		Pods:        func(m *Model) string { return "batch.kubernetes.io/job-name=" + m.RunName.ValueString() },
		PodTemplate: []string{"Job", "spec", "template"},
		Trusts:      func(level string) bool { return level == levelCompleted },
		Waits:       waits,
		Validate:    validate,
		Plan:        plan,
		Vanished:    vanished,
		Release:     release,
	}
}

// replacing lists the attributes whose change is a new run whatever the value:
// the pod, because the server never changes a Job's template, and triggers.
// restart_policy, run_name and patch need a look at the value: see plan.
func replacing() []path.Path {
	out := []path.Path{path.Root("pod_failure_policy"), path.Root("triggers")}
	for _, n := range podspec.Names() {
		out = append(out, path.Root(n))
	}
	return out
}

func attributes() schema.Schema {
	all := podspec.Attributes(podspec.Options{Changing: "Changing it makes a new run."})
	for name, a := range jobAttributes() {
		all[name] = a
	}
	return schema.Schema{
		MarkdownDescription: "A training run: one pod that runs to completion, as a Kubernetes Job.\n\n" +
			"A run is not changed, it is made again. Its Job is called `run_name`, which is `<name>-<hash>`: the hash covers what Kubernetes never changes on a Job " +
			"(the pod, `restart_policy`, `pod_failure_policy`, that part of `patch`) and `triggers`. Changing one of these is a replacement, a new run under a new name; " +
			"everything else (`labels`, `backoff_limit`, `active_deadline_seconds`, `ttl_seconds_after_finished`, `suspend`, …) is changed in place. " +
			"With `lifecycle { create_before_destroy = true }` the new run starts before the old one goes.\n\n" +
			"A finished run is never run again by accident: when its Job is collected after `ttl_seconds_after_finished`, or deleted by somebody, it stays in the state with its `result`. " +
			"To run again on purpose, change `triggers`. A run that was deleted before it finished is planned again.\n\n" +
			"`wait_for = \"running\"` is reached when the main container has run for 5 seconds, or has ended well: a program that crashes at its start does not count as running.",
		Attributes: all,
	}
}

func jobAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"name": schema.StringAttribute{
			Required: true,
			MarkdownDescription: fmt.Sprintf("Name of the training, a DNS label of at most %d characters: lower-case letters, digits and `-`. "+
				"Its runs are called `<name>-<hash>`: see `run_name`. Changing it makes a new run.", maxName),
			Validators: []validator.String{diags.DNSLabel(), stringvalidator.LengthAtMost(maxName)},
		},
		"run_name": schema.StringAttribute{
			Optional: true, Computed: true,
			MarkdownDescription: fmt.Sprintf("Name of this run and of its Job, at most %d characters. Default: `<name>-<hash>`, known at plan. "+
				"Set it to choose the name yourself, or to keep the name of an imported Job; changing it makes a new run. "+
				"The hash is made anew only when what makes the run changes in meaning, never by a new version of the provider.", maxRunName),
			Validators: []validator.String{diags.DNSSubdomain(), stringvalidator.LengthBetween(1, maxRunName)},
		},
		"triggers": schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Any strings that make a new run when they change: `{ data = \"2026-11-01\" }`. They go into the run's name and nowhere else. Changing them makes a new run.",
		},
		"backoff_limit": schema.Int32Attribute{
			Optional: true,
			MarkdownDescription: "How often a failed pod is tried again before the run counts as failed. `0` means never. Default: 6, the server's. " +
				"Tries are 10 s apart at first, then twice as long each time, at most 10 min. Changed in place.",
			Validators: []validator.Int32{int32validator.AtLeast(0)},
		},
		"active_deadline_seconds": schema.Int64Attribute{
			Optional: true,
			MarkdownDescription: "Seconds the run may be active, all tries together, before it is stopped and counts as failed (`DeadlineExceeded`). " +
				"Time in which it is suspended does not count. Default: no limit. Changed in place.",
			Validators: []validator.Int64{int64validator.AtLeast(0)},
		},
		"ttl_seconds_after_finished": schema.Int32Attribute{
			Optional: true,
			MarkdownDescription: "Seconds after which the cluster deletes the finished Job with its pods and their logs; `0` means at once. Default: never. " +
				"The run stays in the state, and is not run again. `result` is read from the pod, so with a short time here and without `wait_for = \"completed\"` it may be gone before it is seen. Changed in place.",
			Validators: []validator.Int32{int32validator.AtLeast(0)},
		},
		"restart_policy": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "What happens when a container fails. `Never` (default): the pod stays, with its logs, and a new pod is the next try. " +
				"`OnFailure`: the container is started again in the same pod, and the pod goes when `backoff_limit` is reached. Changing it makes a new run.",
			Validators: []validator.String{stringvalidator.OneOf(restartNever, restartOnFailure)},
		},
		"suspend": schema.BoolAttribute{
			Optional: true,
			MarkdownDescription: "Keeps the run from having pods; setting it on a run that is running deletes its pods. Default: not set, so that a queue controller may set it without showing as a change. " +
				"A run suspended by this attribute is not waited for. Changed in place.",
		},
		"pod_failure_policy": failurePolicyAttribute(),
		"keep_runs": schema.Int32Attribute{
			Optional: true,
			MarkdownDescription: "How many finished runs of this name stay on the cluster, with their pods and logs, when the resource is replaced or destroyed. " +
				"They no longer belong to Terraform; they bear the label `mlk.dev/kept=<name>`, and the oldest are deleted when there are more. `ttl_seconds_after_finished` still applies to them. " +
				"Default: 0, none. Unfinished runs are always deleted. Changing it changes nothing on the cluster.",
			Validators: []validator.Int32{int32validator.AtLeast(0)},
		},
		"start_time": schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: "When the run began, as RFC 3339 text; null while it has not. Set anew when a suspended run is resumed.",
		},
		"completion_time": schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: "When the run completed, as RFC 3339 text; null while it has not, and for a run that failed.",
		},
		"result": schema.MapAttribute{
			Computed: true, ElementType: types.StringType,
			MarkdownDescription: "What the run reported: the JSON object that the main container of the pod that succeeded wrote to its termination message (`/dev/termination-log`, at most 4096 bytes). " +
				"Strings as they are, all else as compact JSON: `{\"accuracy\": 0.93}` becomes `{ accuracy = \"0.93\" }`. Entries that are null are left out. Null when there was no such object.",
		},
	}
}

func failurePolicyAttribute() schema.Attribute {
	return schema.ListNestedAttribute{
		Optional: true,
		MarkdownDescription: fmt.Sprintf("What a failed pod means, as an ordered list of at most %d rules; the first that matches decides, and a failure without a match counts toward `backoff_limit`. "+
			"Needs `restart_policy = \"Never\"`. A good beginning for GPU training: `[{ action = \"Ignore\", on_pod_conditions = [{ type = \"DisruptionTarget\" }] }]`, "+
			"so that preemption and node drains do not use up tries. Changing it makes a new run.", maxFailureRules),
		Validators: []validator.List{listvalidator.SizeBetween(1, maxFailureRules)},
		NestedObject: schema.NestedAttributeObject{
			Attributes: map[string]schema.Attribute{
				"action": schema.StringAttribute{
					Required: true,
					MarkdownDescription: "`FailJob`: the run fails at once. `Ignore`: the failure does not count and the pod is replaced. `Count`: it counts, as without a rule. " +
						"`FailIndex`: the index fails; only with `backoffLimitPerIndex` (see `patch`).",
					Validators: []validator.String{stringvalidator.OneOf("FailJob", "Ignore", "Count", "FailIndex")},
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
