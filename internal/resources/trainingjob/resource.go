// Package trainingjob is mlk_training_job: one training run as a Kubernetes Job.
package trainingjob

import (
	"fmt"
	"maps"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/distributed"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/jobspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_training_job.
type Model struct {
	lifecycle.Namespaced
	podspec.Model
	jobspec.Job

	Distributed     *distributed.Model      `tfsdk:"distributed"`
	Engine          types.String            `tfsdk:"engine"`
	TrainingRuntime *TrainingRuntime        `tfsdk:"training_runtime"`
	Suspend         types.Bool              `tfsdk:"suspend"`
	KeepRuns        types.Int32             `tfsdk:"keep_runs"`
	Triggers        map[string]types.String `tfsdk:"triggers"`
	RunName         types.String            `tfsdk:"run_name"`
	StartTime       types.String            `tfsdk:"start_time"`
	CompletionTime  types.String            `tfsdk:"completion_time"`
	Result          types.Map               `tfsdk:"result"`
	Results         types.Map               `tfsdk:"results"`
}

// The levels of wait_for.
const (
	levelCreated   = "created"
	levelAdmitted  = "admitted"
	levelScheduled = "scheduled"
	levelRunning   = "running"
	levelCompleted = "completed"
)

// The bounds of names. Pods get the run name as a label, hence 63; a name
// leaves room for the hash and for what pods and hosts append to it.
const (
	maxName    = 40
	maxRunName = 63
)

// The default bounds of waits. A node for a GPU may have to be bought and tens
// of GB of image pulled before a run starts; a queue may be a day long; a training
// takes what it takes; a deleted run may write a last checkpoint.
const (
	startTimeout    = 30 * time.Minute
	admitTimeout    = 24 * time.Hour
	completeTimeout = 24 * time.Hour
	deleteTimeout   = 15 * time.Minute
)

// New returns the mlk_training_job resource.
func New() resource.Resource { return lifecycle.New[Model](Definition()) }

// Definition returns what makes a training job.
func Definition() lifecycle.Definition[Model] {
	return lifecycle.Definition[Model]{
		Type:    "training_job",
		Noun:    "Training job",
		Schema:  attributes,
		Owns:    []kube.Kind{kube.Job, kube.JobSet, kube.TrainJob, kube.Service, kube.PodGroup, kube.VolcanoPodGroup},
		Mains:   []kube.Kind{kube.Job, kube.JobSet, kube.TrainJob},
		Main:    mainKind,
		Follows: []kube.Kind{kube.Service, kube.PodGroup, kube.VolcanoPodGroup},
		Desired: desired,
		Fields:  fields,
		Adopt:   adopt,
		Observe: observe,
		Ready:   ready,
		WaitFor: []string{levelRunning, levelCreated, levelAdmitted, levelScheduled, levelCompleted},
		Timeouts: lifecycle.Timeouts{
			Create: startTimeout, Update: startTimeout, Delete: deleteTimeout,
			Levels: map[string]time.Duration{levelAdmitted: admitTimeout, levelCompleted: completeTimeout},
		},
		Replace:    replacing(),
		ObjectName: func(m *Model) string { return m.RunName.ValueString() },
		Pods:       podsAre,
		Beside: []lifecycle.Look[Model]{
			{Kind: kube.QueuedWorkload, Selector: lifecycle.ByMain[Model](kube.WorkloadOf), Apart: true},
			{Kind: kube.Job, Selector: lifecycle.ByMain[Model](kube.JobsOf), Apart: true},
		},
		PodTemplate: []string{"Job", "spec", "template"},
		Trusts:      func(level string) bool { return level == levelCompleted },
		Waits:       waits,
		Refused:     refused,
		Renew:       renew,
		Validate:    validate,
		Needs:       needs,
		Plan:        plan,
		Vanished:    vanished,
		Release:     release,
	}
}

// replacing lists the attributes whose change is a new run whatever the value:
// the pod, because the server never changes a Job's template, and triggers.
// The attributes of judged, run_name and patch need a look at the value: see plan.
func replacing() []path.Path {
	out := []path.Path{path.Root("triggers"), path.Root("training_runtime")}
	for _, n := range append(jobspec.Frozen(), podspec.Names()...) {
		out = append(out, path.Root(n))
	}
	return out
}

func attributes() schema.Schema {
	all := podspec.Attributes(podspec.Options{ImageOptional: true, Changing: "Changing it makes a new run."})
	maps.Copy(all, jobspec.Attributes(jobspec.Options{Frozen: "Changing it makes a new run.", InPlace: "Changed in place."}))
	all[distributed.Root] = distributed.Attribute(distributed.Options{Frozen: "Changing it makes a new run.", InPlace: "Changed in place."})
	maps.Copy(all, jobAttributes())
	return schema.Schema{
		MarkdownDescription: "A training run: one pod that runs to completion, or several that run together (`distributed`), as a Kubernetes Job.\n\n" +
			"A run is not changed, it is made again. Its Job is called `run_name`, which is `<name>-<hash>`: the hash covers what Kubernetes never changes on a Job " +
			"(the pod, `distributed`, `restart_policy`, `pod_failure_policy`, `success_policy`, `backoff_limit_per_index`, that part of `patch`) and `triggers`. Changing one of these is a replacement, a new run under a new name; " +
			"everything else (`labels`, `backoff_limit`, `active_deadline_seconds`, `ttl_seconds_after_finished`, `suspend`, …) is changed in place. " +
			"With `lifecycle { create_before_destroy = true }` the new run starts before the old one goes.\n\n" +
			"A finished run is never run again by accident: when its Job is collected after `ttl_seconds_after_finished`, or deleted by somebody, it stays in the state with its `result`. " +
			"To run again on purpose, change `triggers`. A run that was deleted before it finished is planned again.\n\n" +
			"`wait_for = \"running\"` is reached when the main container has run for 5 seconds, or has ended well: a program that crashes at its start does not count as running. " +
			"A distributed run is `scheduled` or `running` when all of its ranks are (with `min_nodes`, as many as it needs to begin).",
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
		"engine": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "What runs the pods. `job` (default): a Kubernetes Job. `jobset`: a JobSet (`jobset.x-k8s.io/v1alpha2`) with one Job, `main`, for clusters whose queues and tools expect JobSets; " +
				"it needs JobSet on the cluster, and all that concerns its Job makes a new run when it changes, `backoff_limit` and the number of nodes too. " +
				"`kubeflow`: a TrainJob (`trainer.kubeflow.org/v1alpha1`) of `training_runtime`, for teams whose runtimes are kept by a platform; it needs Kubeflow Trainer 2.3 or newer, and the container that trains is called `node`. " +
				"Attributes, status, waiting and explanations are the same; what a TrainJob has no field for is refused at plan. Changing it makes a new run.",
			Validators: []validator.String{stringvalidator.OneOf(engineJob, engineJobSet, engineKubeflow)},
		},
		"training_runtime": schema.SingleNestedAttribute{
			Optional: true,
			MarkdownDescription: "With `engine = \"kubeflow\"`: the runtime that the run is of. It brings the launcher, and whatever the attributes do not say. " +
				"Default: that of `distributed.launcher` which comes with Kubeflow Trainer, `torch-distributed`, `jax-distributed` or `deepspeed-distributed`. Changing it makes a new run.",
			Attributes: map[string]schema.Attribute{
				"name": schema.StringAttribute{
					Required: true, MarkdownDescription: "Name of the runtime. Changing it makes a new run.",
					Validators: []validator.String{diags.DNSSubdomain()},
				},
				"kind": schema.StringAttribute{
					Optional:            true,
					MarkdownDescription: "`ClusterTrainingRuntime` (default), one of the cluster, or `TrainingRuntime`, one of the namespace. Changing it makes a new run.",
					Validators:          []validator.String{stringvalidator.OneOf(runtimeOfCluster, runtimeOfNamespace)},
				},
			},
		},
		"triggers": schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Any strings that make a new run when they change: `{ data = \"2026-11-01\" }`. They go into the run's name and nowhere else. Changing them makes a new run.",
		},
		"suspend": schema.BoolAttribute{
			Optional: true,
			MarkdownDescription: "Keeps the run from having pods; setting it on a run that is running deletes its pods. Default: not set, so that a queue controller may set it without showing as a change. " +
				"A run suspended by this attribute is not waited for. Changed in place.",
		},
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
				"Strings as they are, all else as compact JSON: `{\"accuracy\": 0.93}` becomes `{ accuracy = \"0.93\" }`. Entries that are null are left out. Null when there was no such object. Of a run whose pods have numbers it is that of rank 0.",
		},
		"results": schema.MapAttribute{
			Computed: true, ElementType: types.MapType{ElemType: types.StringType},
			MarkdownDescription: "What each rank of a distributed run reported, as `result`, by its number: `results[\"3\"].loss`. Ranks that reported nothing are left out. Null for other runs.",
		},
	}
}
