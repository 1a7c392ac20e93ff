// Package pod is mlk_pod: one pod, to try something directly.
package pod

import (
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_pod.
type Model struct {
	lifecycle.Namespaced
	podspec.Model

	RestartPolicy         types.String `tfsdk:"restart_policy"`
	ActiveDeadlineSeconds types.Int64  `tfsdk:"active_deadline_seconds"`
	LogLines              types.Int64  `tfsdk:"log_lines"`
	Node                  types.String `tfsdk:"node"`
	StartTime             types.String `tfsdk:"start_time"`
	CompletionTime        types.String `tfsdk:"completion_time"`
	ExitCode              types.Int32  `tfsdk:"exit_code"`
	Result                types.Map    `tfsdk:"result"`
	Log                   types.String `tfsdk:"log"`
}

// The levels of wait_for.
const (
	levelCreated   = "created"
	levelScheduled = "scheduled"
	levelRunning   = "running"
	levelCompleted = "completed"
)

// restartNever is the default of restart_policy.
const restartNever = string(corev1.RestartPolicyNever)

// The default bounds of waits. A node for a GPU may have to be bought and tens
// of GB of image pulled before a pod starts; a test takes an hour at most.
const (
	startTimeout    = 30 * time.Minute
	completeTimeout = time.Hour
	deleteTimeout   = 10 * time.Minute
)

// The bounds of what is kept of a log: the state is no place for more.
const (
	maxLogLines = 1000
	maxLogBytes = 32 << 10
)

// New returns the mlk_pod resource.
func New() resource.Resource { return lifecycle.New[Model](Definition()) }

// Definition returns what makes a pod.
func Definition() lifecycle.Definition[Model] {
	return lifecycle.Definition[Model]{
		Type:    "pod",
		Noun:    "Pod",
		Schema:  attributes,
		Owns:    []kube.Kind{kube.Pod},
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
		PodTemplate: []string{kube.Pod.Kind},
		Log:         func(m *Model) (string, int64) { return m.Main(), m.LogLines.ValueInt64() },
		Waits:       waits,
		Validate:    validate,
		Plan:        plan,
		Vanished:    vanished,
	}
}

// replacing lists the attributes whose change is a new pod: all that are in its
// spec. pod_labels and pod_annotations are those of the object itself.
func replacing() []path.Path {
	out := []path.Path{path.Root("active_deadline_seconds"), path.Root("patch")}
	for _, n := range podspec.Names() {
		if n != "pod_labels" && n != "pod_annotations" {
			out = append(out, path.Root(n))
		}
	}
	return out
}

func attributes() schema.Schema {
	all := podspec.Attributes(podspec.Options{Changing: "Changing it makes a new pod."})
	for name, what := range map[string]string{"pod_labels": "labels", "pod_annotations": "annotations"} {
		if a, ok := all[name].(schema.MapAttribute); ok {
			a.MarkdownDescription = fmt.Sprintf("Further %[1]s of the pod, over `%[1]s`, as the other resources with pods have them: a pod is its own object. Default: none. Changed in place.", what)
			all[name] = a
		}
	}
	for name, a := range ownAttributes() {
		all[name] = a
	}
	return schema.Schema{
		MarkdownDescription: "One pod, without anything that would make it again: to try an image, a GPU or a volume directly. For what has to end well use `mlk_training_job`, which tries again.\n\n" +
			"A pod is not changed, it is made again: changing anything but `labels`, `annotations`, `pod_labels` and `pod_annotations` deletes the old pod and then makes a new one. " +
			"`wait_for = \"running\"` is reached when the main container has run for 5 seconds, or has ended well. A pod that ends with an error is an error of the apply, with the end of its log.\n\n" +
			"A pod that was seen to end and is deleted since, by somebody or with its node, stays in the state with its `result`: it is not run again by accident. " +
			"To run it again, use `terraform apply -replace`. One that was deleted before it ended is planned again.",
		Attributes: all,
	}
}

func ownAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"restart_policy": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "What happens when a container ends. `Never` (default): the pod has ended too. `OnFailure`: a container that failed is started again, without end; a wait gives up when it has ended twice. " +
				"`Always`: it is started again however it ended. Changing it makes a new pod.",
			Validators: []validator.String{stringvalidator.OneOf(restartNever, string(corev1.RestartPolicyOnFailure), string(corev1.RestartPolicyAlways))},
		},
		"active_deadline_seconds": schema.Int64Attribute{
			Optional:            true,
			MarkdownDescription: "Seconds the pod may run from its start on a node before it is stopped and counts as failed, at least 1. Default: no limit. Changing it makes a new pod.",
			Validators:          []validator.Int64{int64validator.AtLeast(1)},
		},
		"log_lines": schema.Int64Attribute{
			Optional: true,
			MarkdownDescription: fmt.Sprintf("How many lines of the end of the main container's log to keep as `log`, at most %d. Default: 0, none: a log may hold secrets, and what is in the state is there to read. Changing it changes nothing on the cluster.",
				maxLogLines),
			Validators: []validator.Int64{int64validator.Between(0, maxLogLines)},
		},
		"node": schema.StringAttribute{
			Computed: true, MarkdownDescription: "Node the pod is on; null until it is scheduled.",
		},
		"start_time": schema.StringAttribute{
			Computed: true, MarkdownDescription: "When its node took the pod, as RFC 3339 text; null until then.",
		},
		"completion_time": schema.StringAttribute{
			Computed: true, MarkdownDescription: "When the main container ended, as RFC 3339 text; null while the pod has not ended.",
		},
		"exit_code": schema.Int32Attribute{
			Computed: true, MarkdownDescription: "Exit code of the main container; null while the pod has not ended.",
		},
		"result": schema.MapAttribute{
			Computed: true, ElementType: types.StringType,
			MarkdownDescription: "What the pod reported: the JSON object that the main container wrote to its termination message (`/dev/termination-log`, at most 4096 bytes) before it ended well. " +
				"Strings as they are, all else as compact JSON: `{\"accuracy\": 0.93}` becomes `{ accuracy = \"0.93\" }`. Null when there was no such object.",
		},
		"log": schema.StringAttribute{
			Computed: true,
			MarkdownDescription: fmt.Sprintf("The end of the main container's log, as many lines as `log_lines` says and at most %d KiB. It is as it was when the pod was last seen to change: "+
				"all of it once the pod has ended, and not what a running one has written since. Null without `log_lines`.", maxLogBytes>>10),
		},
	}
}
