package trainingjob

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/distributed"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/jobspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// validate checks what the configuration alone decides and no single attribute
// does.
func validate(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	ds := podspec.Validate(ctx, c)
	kubeflow, eds := validateEngine(ctx, c)
	ds.Append(eds...)
	gang, gds := distributed.Validate(ctx, c, distributed.Setting{Runtime: kubeflow})
	ds.Append(gds...)
	ds.Append(jobspec.Validate(ctx, c, gang)...)
	if gang || kubeflow {
		ds.Append(validateHosts(ctx, c)...)
	}
	var keep, ttl types.Int32
	for name, target := range map[string]any{"keep_runs": &keep, "ttl_seconds_after_finished": &ttl} {
		ds.Append(c.GetAttribute(ctx, path.Root(name), target)...)
	}
	if ds.HasError() {
		return ds
	}
	if keep.ValueInt32() > 0 && !ttl.IsNull() && !ttl.IsUnknown() && ttl.ValueInt32() == 0 {
		ds.Append(diags.Message{
			Summary:  "keep_runs keeps nothing when finished runs are deleted at once",
			Happened: "ttl_seconds_after_finished = 0 lets the cluster delete a Job as soon as it has finished, kept or not.",
			Do:       "Remove ttl_seconds_after_finished, or keep_runs.",
			At:       path.Root("keep_runs"),
		}.Warning())
	}
	ds.Append(validateQueue(ctx, c)...)
	return ds
}

// maxIndex is what the number of a rank may add to the name of its pod.
const maxIndex = len("-99999")

// validateHosts checks names that become those of a Service and of hosts.
func validateHosts(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	var ds diag.Diagnostics
	for _, n := range []string{"name", "run_name"} {
		var v types.String
		ds.Append(c.GetAttribute(ctx, path.Root(n), &v)...)
		if v.IsNull() || v.IsUnknown() {
			continue
		}
		problems := validation.IsDNS1035Label(v.ValueString())
		if len(v.ValueString()) > maxRunName-maxIndex {
			problems = append(problems, fmt.Sprintf("must be no more than %d characters", maxRunName-maxIndex))
		}
		if len(problems) > 0 {
			ds.Append(diags.Message{
				Summary:  fmt.Sprintf("%s cannot begin the host names of a distributed run", n),
				Happened: fmt.Sprintf("It is %q. ", v.ValueString()) + "The Service of a distributed run is called as the run is, and so are the hosts of its ranks, with the number behind.",
				Why:      strings.Join(problems, "\n"),
				Do:       "Choose a name that begins with a letter and has only letters, digits and \"-\".",
				At:       path.Root(n),
			}.Error())
		}
	}
	return ds
}

// validateQueue refuses to hold a run back in two ways.
func validateQueue(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	var suspend types.Bool
	var queue types.String
	ds := c.GetAttribute(ctx, path.Root("suspend"), &suspend)
	// A queue inside an unknown object is not known yet either.
	if c.GetAttribute(ctx, queueAt(), &queue).HasError() || ds.HasError() {
		return ds
	}
	if !suspend.IsNull() && !suspend.IsUnknown() && queue.ValueString() != "" {
		ds.Append(diags.Message{
			Summary:  "suspend belongs to the queue while scheduling.queue is set",
			Happened: "Kueue suspends and resumes the runs of its queues; a configuration that says it too would be undone, or would undo what Kueue decided.",
			Do:       "Remove suspend. To hold a queued run back, stop its queue or deactivate its Workload.",
			At:       path.Root("suspend"),
		}.Error())
	}
	return ds
}

func queueAt() path.Path { return path.Root("scheduling").AtName("queue") }

// needs are the kinds a run asks for that not every cluster has.
func needs(ctx context.Context, plan tfsdk.Plan) []lifecycle.Need {
	var out []lifecycle.Need
	var queue, engine types.String
	if !plan.GetAttribute(ctx, path.Root("engine"), &engine).HasError() && engine.ValueString() == engineJobSet {
		out = append(out, lifecycle.Need{Kind: kube.JobSet, Missing: diags.Message{
			Summary:  "This cluster has no JobSet API",
			Happened: "engine = \"jobset\" needs " + kube.JobSet.APIVersion() + ", which this cluster does not serve.",
			Do:       "Install JobSet (https://jobset.sigs.k8s.io); if this very configuration installs it, apply that part first, with -target. Or remove engine: a Job runs everywhere.",
			At:       path.Root("engine"),
		}})
	}
	if engine.ValueString() == engineKubeflow {
		out = append(out, needsRuntime(ctx, plan)...)
	}
	out = append(out, needsGang(ctx, plan)...)
	if !plan.GetAttribute(ctx, queueAt(), &queue).HasError() && queue.ValueString() != "" {
		out = append(out, lifecycle.Need{Kind: kube.LocalQueue, Optional: true, Missing: diags.Message{
			Summary:  "This cluster has no Kueue, so no queue holds the run back",
			Happened: "scheduling.queue needs the API " + kube.LocalQueue.APIVersion() + ", which this cluster does not serve. The run starts at once, whatever else runs.",
			Do:       "Install Kueue (https://kueue.sigs.k8s.io), or remove scheduling.queue.",
			At:       queueAt(),
		}})
	}
	return out
}
