// Package trainingschedule is mlk_training_schedule: training runs that start by
// the clock, as a CronJob.
package trainingschedule

import (
	"fmt"
	"maps"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/distributed"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/jobspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_training_schedule.
type Model struct {
	lifecycle.Namespaced
	podspec.Model
	jobspec.Job

	Distributed                *distributed.Model `tfsdk:"distributed"`
	Schedule                   types.String       `tfsdk:"schedule"`
	TimeZone                   types.String       `tfsdk:"time_zone"`
	ConcurrencyPolicy          types.String       `tfsdk:"concurrency_policy"`
	Suspend                    types.Bool         `tfsdk:"suspend"`
	StartingDeadlineSeconds    types.Int64        `tfsdk:"starting_deadline_seconds"`
	SuccessfulJobsHistoryLimit types.Int32        `tfsdk:"successful_jobs_history_limit"`
	FailedJobsHistoryLimit     types.Int32        `tfsdk:"failed_jobs_history_limit"`
	NextRun                    types.String       `tfsdk:"next_run"`
	LastRun                    types.Object       `tfsdk:"last_run"`
	LastSuccess                types.String       `tfsdk:"last_success"`
}

// lastRunTypes is the shape of last_run.
var lastRunTypes = map[string]attr.Type{
	"name": types.StringType, "outcome": types.StringType, "message": types.StringType,
	"start_time": types.StringType, "completion_time": types.StringType,
}

// levelCreated is the one level of wait_for: a schedule is there when it exists.
const levelCreated = "created"

// maxName leaves room for what the controller appends to name a Job.
const maxName = 52

// What null stands for.
const (
	allow       = string(batchv1.AllowConcurrent)
	keepGood    = 3
	keepFailed  = 1
	deleteAfter = 15 * time.Minute
)

// New returns the mlk_training_schedule resource.
func New() resource.Resource { return lifecycle.New[Model](Definition()) }

// Definition returns what makes a training schedule.
func Definition() lifecycle.Definition[Model] {
	return lifecycle.Definition[Model]{
		Type:        "training_schedule",
		Noun:        "Training schedule",
		Schema:      attributes,
		Owns:        []kube.Kind{kube.CronJob, kube.Service},
		Beside:      []lifecycle.Look[Model]{{Kind: kube.Job, Controlled: true}},
		Desired:     desired,
		Fields:      fields,
		Adopt:       adopt,
		Observe:     observe,
		Ready:       ready,
		WaitFor:     []string{levelCreated},
		Timeouts:    lifecycle.Timeouts{Delete: deleteAfter},
		PodTemplate: []string{kube.CronJob.Kind, "spec", "jobTemplate", "spec", "template"},
		Validate:    validate,
		Plan:        plan,
		Notice:      notice,
	}
}

func attributes() schema.Schema {
	const effect = "Changed in place, for the runs that start from then on."
	all := podspec.Attributes(podspec.Options{Changing: effect})
	maps.Copy(all, jobspec.Attributes(jobspec.Options{Frozen: effect, InPlace: effect}))
	all[distributed.Root] = distributed.Attribute(distributed.Options{Frozen: effect, InPlace: effect})
	maps.Copy(all, ownAttributes())
	return schema.Schema{
		MarkdownDescription: "Training that starts by the clock, as a Kubernetes CronJob: nightly retraining, weekly evaluations. What a run is, is said as in `mlk_training_job`.\n\n" +
			"Everything is changed in place, for the runs that start from then on; runs that are under way go on as they began. Destroying the schedule deletes its runs, those under way too.\n\n" +
			"`schedule` and `time_zone` are checked at plan by the library that Kubernetes itself uses. `last_run` says how the last run ended; one that failed is a warning at each refresh until the next has succeeded.",
		Attributes: all,
	}
}

func ownAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"name": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: fmt.Sprintf("Name of the schedule, a DNS name of at most %d characters; its Jobs are called `<name>-<number>`. Changing it makes a new schedule.", maxName),
			Validators:          []validator.String{diags.DNSSubdomain(), stringvalidator.LengthAtMost(maxName)},
		},
		"schedule": schema.StringAttribute{
			Required: true,
			MarkdownDescription: "When runs start, in five fields: minute, hour, day of the month, month, day of the week. `0 2 * * *` is every night at two, `*/30 * * * *` every half hour, `0 6 * * mon-fri` on working days. " +
				"Also `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly` and `@every 90m`. Changed in place.",
			Validators: []validator.String{cronSchedule{}},
		},
		"time_zone": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "Time zone of `schedule`, a name of the IANA database such as `Europe/Berlin` or `Etc/UTC`. Default: that of the cluster's control plane, mostly UTC. " +
				"In a zone with summer time, a start in the hour that is left out is skipped. Changed in place.",
			Validators: []validator.String{timeZone{}},
		},
		"concurrency_policy": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "What happens when a run is due and the last one is still under way: `Allow` (default) starts it beside, `Forbid` leaves it out, `Replace` ends the old one. Changed in place.",
			Validators:          []validator.String{stringvalidator.OneOf(allow, string(batchv1.ForbidConcurrent), string(batchv1.ReplaceConcurrent))},
		},
		"suspend": schema.BoolAttribute{
			Optional: true, MarkdownDescription: "Whether no more runs start; those under way go on. Default false. Changed in place.",
		},
		"starting_deadline_seconds": schema.Int64Attribute{
			Optional: true,
			MarkdownDescription: "How many seconds late a run may start, when the control plane was down or too busy; later it is left out. Default: no limit, but after more than 100 missed starts none starts any more. " +
				"Less than 10 may let runs be left out for no reason. Changed in place.",
			Validators: []validator.Int64{int64validator.AtLeast(0)},
		},
		"successful_jobs_history_limit": schema.Int32Attribute{
			Optional: true, MarkdownDescription: fmt.Sprintf("How many runs that succeeded stay on the cluster, with their logs. Default: %d. Changed in place.", keepGood),
			Validators: []validator.Int32{int32validator.AtLeast(0)},
		},
		"failed_jobs_history_limit": schema.Int32Attribute{
			Optional: true, MarkdownDescription: fmt.Sprintf("How many runs that failed stay on the cluster, with their logs. `0` leaves nothing that says why. Default: %d. Changed in place.", keepFailed),
			Validators: []validator.Int32{int32validator.AtLeast(0)},
		},
		"next_run": schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: "When the next run is due, as RFC 3339 text, counted from when the schedule was last seen to change; null while it is suspended. Without `time_zone` it is counted in UTC.",
		},
		"last_run": schema.SingleNestedAttribute{
			Computed:            true,
			MarkdownDescription: "The run that was started last; null before the first.",
			Attributes: map[string]schema.Attribute{
				"name":            schema.StringAttribute{Computed: true, MarkdownDescription: "Name of its Job; null when that is gone."},
				"outcome":         schema.StringAttribute{Computed: true, MarkdownDescription: "`Running`, `Complete`, `Failed`, or `Unknown` when its Job is gone."},
				"message":         schema.StringAttribute{Computed: true, MarkdownDescription: "Why it failed, as the Job says; null otherwise."},
				"start_time":      schema.StringAttribute{Computed: true, MarkdownDescription: "When it was started, as RFC 3339 text."},
				"completion_time": schema.StringAttribute{Computed: true, MarkdownDescription: "When it ended, as RFC 3339 text; null while it has not."},
			},
		},
		"last_success": schema.StringAttribute{
			Computed: true, MarkdownDescription: "When a run last completed, as RFC 3339 text; null when none has.",
		},
	}
}
