// Package trainingrun is the data source mlk_training_run: how one training run
// is doing, or did.
package trainingrun

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_training_run.
type Model struct {
	ID         types.String  `tfsdk:"id"`
	Namespace  types.String  `tfsdk:"namespace"`
	Name       types.String  `tfsdk:"name"`
	RunName    types.String  `tfsdk:"run_name"`
	LogLines   types.Int64   `tfsdk:"log_lines"`
	Status     types.Object  `tfsdk:"status"`
	Outcome    types.String  `tfsdk:"outcome"`
	StartTime  types.String  `tfsdk:"start_time"`
	FinishTime types.String  `tfsdk:"finish_time"`
	GPUHours   types.Float64 `tfsdk:"gpu_hours"`
	Result     types.Map     `tfsdk:"result"`
	Indexes    []Index       `tfsdk:"indexes"`
	Pods       []Pod         `tfsdk:"pods"`
}

// Index is one index of an indexed run.
type Index struct {
	Index    types.Int64  `tfsdk:"index"`
	State    types.String `tfsdk:"state"`
	Pod      types.String `tfsdk:"pod"`
	Node     types.String `tfsdk:"node"`
	Failures types.Int64  `tfsdk:"failures"`
	Result   types.Map    `tfsdk:"result"`
}

// Pod is one pod of the run.
type Pod struct {
	Name       types.String  `tfsdk:"name"`
	Index      types.Int64   `tfsdk:"index"`
	Node       types.String  `tfsdk:"node"`
	Phase      types.String  `tfsdk:"phase"`
	Reason     types.String  `tfsdk:"reason"`
	ExitCode   types.Int64   `tfsdk:"exit_code"`
	Restarts   types.Int64   `tfsdk:"restarts"`
	StartTime  types.String  `tfsdk:"start_time"`
	FinishTime types.String  `tfsdk:"finish_time"`
	GPUs       types.Int64   `tfsdk:"gpus"`
	GPUHours   types.Float64 `tfsdk:"gpu_hours"`
	Log        types.String  `tfsdk:"log"`
}

// mostLogLines bounds what a state may hold of each pod's log, and loggedPods of
// how many pods: a gang may have hundreds.
const (
	mostLogLines = 1000
	loggedPods   = 20
)

// New returns the data source mlk_training_run.
func New() datasource.DataSource {
	return lifecycle.NewData(lifecycle.DataDefinition[Model]{
		Type:   "training_run",
		Noun:   "Training run",
		Schema: attributes,
		Read:   read,
		Name:   name,
	})
}

// name is what was asked for.
func name(m *Model) string {
	asked := m.RunName.ValueString()
	if asked == "" {
		asked = m.Name.ValueString()
	}
	if ns := m.Namespace.ValueString(); ns != "" {
		asked = ns + "/" + asked
	}
	return asked
}

func attributes() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "How a training run is doing, or how it ended: the run of a `mlk_training_job` of this or another configuration, of a schedule, or any other Job. " +
			"Of a JobSet or TrainJob its Job `main`, `launcher` or `node` is read, else the first.\n\n" +
			"Name the run itself with `run_name`, or the training with `name` to get its newest run. A run that does not exist is an error. " +
			"What is said of pods is about those that still exist: a Job's pods go with it after its TTL, and earlier tries may be deleted before.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Computed: true, MarkdownDescription: "Identifies the run on its cluster: `namespace/run_name`."},
			"namespace": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Namespace of the run. Default: the provider's `namespace`, else `default`.",
				Validators:          []validator.String{diags.DNSLabel()},
			},
			"name": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Name of the training, as `name` of `mlk_training_job` or of a schedule: its newest run is read. Runs whose `run_name` somebody chose are found by `run_name` only. " +
					"Exactly one of `name` and `run_name` is set.",
				Validators: []validator.String{diags.DNSLabel(), stringvalidator.ExactlyOneOf(path.MatchRoot("run_name"))},
			},
			"run_name": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Name of the run, which is the name of its Job, JobSet or TrainJob: `run_name` of `mlk_training_job`. Exactly one of `name` and `run_name` is set; the other way round it is filled in.",
				Validators:          []validator.String{diags.DNSSubdomain()},
			},
			"log_lines": schema.Int64Attribute{
				Optional: true,
				MarkdownDescription: fmt.Sprintf("How many of the last lines of each pod's log to read into `pods[*].log`, at most %d, of at most %d pods, failed ones before others. ", mostLogLines, loggedPods) +
					"The lines are stored in the state, where everybody who may read it sees them, and they differ at each plan while the run goes on. Default: 0, none.",
				Validators: []validator.Int64{int64validator.Between(0, mostLogLines)},
			},
			"status": lifecycle.StatusAttribute("`Pending`, `Running`, `Suspended`, `Complete` or `Failed`."),
			"outcome": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "`succeeded` or `failed`; null while the run has not finished.",
			},
			"start_time": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "When the run began, as RFC 3339 text; null while it has not.",
			},
			"finish_time": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "When the run ended, well or not, as RFC 3339 text; null while it has not.",
			},
			"gpu_hours": schema.Float64Attribute{
				Computed: true,
				MarkdownDescription: "GPUs times hours, added up over the pods that exist, from the start of each on its node to its end or now; rounded to thousandths. " +
					"All accelerators count alike, a MIG slice or a shared GPU as one. Less than was used when earlier pods of the run are gone.",
			},
			"result": schema.MapAttribute{
				Computed: true, ElementType: types.StringType,
				MarkdownDescription: "What the run reported, as in `mlk_training_job`: the JSON object that the first container of the pod that succeeded wrote to its termination message; of an indexed run, that of index 0. Null when there is none.",
			},
			"indexes": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The indexes (ranks) of an indexed run, in order; empty for a run of one pod.",
				NestedObject:        schema.NestedAttributeObject{Attributes: indexAttributes()},
			},
			"pods": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The pods of the run that exist, by index and then by age, the oldest first.",
				NestedObject:        schema.NestedAttributeObject{Attributes: podAttributes()},
			},
		},
	}
}

func indexAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"index":    schema.Int64Attribute{Computed: true, MarkdownDescription: "Number of the index, from 0."},
		"state":    schema.StringAttribute{Computed: true, MarkdownDescription: "`Pending`, `Running`, `Succeeded` or `Failed`: failed for good, as far as the Job says so."},
		"pod":      schema.StringAttribute{Computed: true, MarkdownDescription: "Name of its newest pod; null when it has none."},
		"node":     schema.StringAttribute{Computed: true, MarkdownDescription: "Node of that pod; null while it has none."},
		"failures": schema.Int64Attribute{Computed: true, MarkdownDescription: "How many of its pods have failed, of those that exist."},
		"result": schema.MapAttribute{
			Computed: true, ElementType: types.StringType,
			MarkdownDescription: "What this index reported; null when nothing. See `result` of the run.",
		},
	}
}

func podAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"name":        schema.StringAttribute{Computed: true, MarkdownDescription: "The pod's own name, for `kubectl`."},
		"index":       schema.Int64Attribute{Computed: true, MarkdownDescription: "Index of the pod in an indexed run; null in others."},
		"node":        schema.StringAttribute{Computed: true, MarkdownDescription: "Node it runs or ran on; null while it has none."},
		"phase":       schema.StringAttribute{Computed: true, MarkdownDescription: "`Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`."},
		"reason":      schema.StringAttribute{Computed: true, MarkdownDescription: "Why the pod or its first container is as it is, in one word of Kubernetes: `Unschedulable`, `ImagePullBackOff`, `OOMKilled`, `Evicted`; null when nobody gives a reason."},
		"exit_code":   schema.Int64Attribute{Computed: true, MarkdownDescription: "Exit code of its first container; null while it has not ended."},
		"restarts":    schema.Int64Attribute{Computed: true, MarkdownDescription: "How often its first container was started again."},
		"start_time":  schema.StringAttribute{Computed: true, MarkdownDescription: "When its node took it, as RFC 3339 text; null before."},
		"finish_time": schema.StringAttribute{Computed: true, MarkdownDescription: "When its last container ended, as RFC 3339 text; null while it has not."},
		"gpus":        schema.Int64Attribute{Computed: true, MarkdownDescription: "How many accelerators it asks for."},
		"gpu_hours":   schema.Float64Attribute{Computed: true, MarkdownDescription: "`gpus` times the hours it has been, or was, on its node; rounded to thousandths."},
		"log":         schema.StringAttribute{Computed: true, MarkdownDescription: "Last `log_lines` lines of the log of its first container; null when none were asked for, or there are none."},
	}
}
