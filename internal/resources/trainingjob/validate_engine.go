package trainingjob

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/distributed"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// beyondTrainJob are the attributes beside the pod that no TrainJob can say, in
// the order in which they are told: its runtime does.
func beyondTrainJob() []path.Path {
	var out []path.Path
	for _, n := range []string{
		"completions", "parallelism", "completion_mode", "backoff_limit", "backoff_limit_per_index", "max_failed_indexes", "pod_failure_policy",
		"pod_replacement_policy", "success_policy", "restart_policy", "ttl_seconds_after_finished",
	} {
		out = append(out, path.Root(n))
	}
	for _, n := range []string{"min_nodes", "port", "topology_key", "success", "restart", "headless_service", "gang", "gang_size", "gang_queue"} {
		out = append(out, path.Root(distributed.Root).AtName(n))
	}
	return out
}

// validateEngine checks what an engine has no field for, and what it needs. It
// reports whether the engine is Kubeflow Trainer.
func validateEngine(ctx context.Context, c tfsdk.Config) (kubeflow bool, ds diag.Diagnostics) {
	var engine, image types.String
	var runtime types.Object
	var gang types.Object
	for name, target := range map[string]any{"engine": &engine, "image": &image, "training_runtime": &runtime, distributed.Root: &gang} {
		ds.Append(c.GetAttribute(ctx, path.Root(name), target)...)
	}
	if ds.HasError() || engine.IsUnknown() {
		return false, ds
	}
	if engineMeant(engine) != engineKubeflow {
		if image.IsNull() {
			ds.Append(diags.Message{
				Summary:  "image is missing",
				Happened: "Only a run of a training runtime (engine = \"kubeflow\") has an image of its own.",
				Do:       "Set image to that of the program that trains.",
				At:       path.Root("image"),
			}.Error())
		}
		if !runtime.IsNull() && !runtime.IsUnknown() {
			ds.Append(diags.Message{
				Summary:  "training_runtime needs engine = \"kubeflow\"",
				Happened: "Only a TrainJob is a run of a training runtime.",
				Do:       "Set engine = \"kubeflow\", or remove training_runtime.",
				At:       path.Root("training_runtime"),
			}.Error())
		}
		return false, ds
	}
	var names []string
	var first path.Path
	for _, at := range beyondTrainJob() {
		var v attr.Value
		if c.GetAttribute(ctx, at, &v).HasError() || v == nil || v.IsNull() || v.IsUnknown() {
			continue // what is unknown may be null
		}
		if names = append(names, at.String()); len(names) == 1 {
			first = at
		}
	}
	if len(names) > 0 {
		ds.Append(cannotSay(first, names, nil).Error())
	}
	ds.Append(validateRuntime(ctx, c, runtime, gang)...)
	return true, ds
}

// validateRuntime checks that there is a runtime to run, and the name of its container.
func validateRuntime(ctx context.Context, c tfsdk.Config, runtime, gang types.Object) diag.Diagnostics {
	var ds diag.Diagnostics
	var main types.String
	ds.Append(c.GetAttribute(ctx, path.Root("container_name"), &main)...)
	if name := main.ValueString(); name != "" && name != kube.TrainerNode {
		ds.Append(diags.Message{
			Summary:  fmt.Sprintf("The container that trains is called %q in every training runtime", kube.TrainerNode),
			Happened: fmt.Sprintf("container_name is %q; a TrainJob sets image, command and environment of the container %q alone.", name, kube.TrainerNode),
			Do:       "Remove container_name.",
			At:       path.Root("container_name"),
		}.Error())
	}
	if !runtime.IsNull() || gang.IsUnknown() {
		return ds
	}
	var launcher types.String
	if !gang.IsNull() {
		launcher, _ = gang.Attributes()["launcher"].(types.String)
	}
	if launcher.IsUnknown() || shipped()[launcher.ValueString()] != "" {
		return ds
	}
	names := make([]string, 0, len(shipped()))
	for l := range shipped() {
		names = append(names, l)
	}
	slices.Sort(names)
	ds.Append(diags.Message{
		Summary:  "engine = \"kubeflow\" needs a training runtime",
		Happened: fmt.Sprintf("A TrainJob is a run of a runtime. There is a usual one only for distributed.launcher = %s.", quotedOr(names)),
		Do:       "Set training_runtime = { name = … }; \"kubectl get clustertrainingruntimes\" lists those of the cluster.",
		At:       path.Root("training_runtime"),
	}.Error())
	return ds
}

// quotedOr is a list of names as a text: "a", "b" or "c".
func quotedOr(names []string) string {
	out := ""
	for i, n := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			out += " or "
		default:
			out += ", "
		}
		out += fmt.Sprintf("%q", n)
	}
	return out
}
