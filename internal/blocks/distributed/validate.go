package distributed

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// Root is the attribute of a resource that holds the block.
const Root = "distributed"

// given is what a configuration says of a gang and of what it must agree with;
// any of it may be unknown.
type given struct {
	setting Setting
	gang    types.Object
	// others are attributes beside the gang, by name.
	others map[string]attr.Value
}

// Setting is what a resource has to do with a gang besides its attributes.
type Setting struct {
	// Runtime is whether a training runtime starts the program: launchers of ours
	// make nothing then.
	Runtime bool
	// Scheduled is whether a CronJob names the Jobs: hosts are not known before.
	Scheduled bool
}

// Validate checks what the configuration alone decides and no single attribute
// does. It reports whether the configuration has a gang, or may have one.
func Validate(ctx context.Context, c tfsdk.Config, setting Setting) (gang bool, ds diag.Diagnostics) {
	g := given{setting: setting, others: map[string]attr.Value{}}
	ds.Append(c.GetAttribute(ctx, path.Root(Root), &g.gang)...)
	if ds.HasError() || g.gang.IsNull() {
		return false, ds
	}
	for _, n := range []string{"completions", "parallelism", "completion_mode", "success_policy", "restart_policy", "subdomain", "hostname", "env", "env_value_from", "max_failed_indexes"} {
		var v attr.Value
		ds.Append(c.GetAttribute(ctx, path.Root(n), &v)...)
		g.others[n] = v
	}
	if ds.HasError() || g.gang.IsUnknown() {
		return true, ds
	}
	ds.Append(g.instead()...)
	if !setting.Runtime {
		ds.Append(g.launcher()...)
	}
	ds.Append(g.restart()...)
	ds.Append(g.together()...)
	return true, ds
}

// instead refuses attributes whose work the gang does.
func (g given) instead() diag.Diagnostics {
	var ds diag.Diagnostics
	for _, n := range []string{"completions", "parallelism", "completion_mode", "subdomain", "hostname"} {
		if !diags.Given(g.others[n]) {
			continue
		}
		do := "Remove it. The number of pods is distributed.nodes."
		if n == "subdomain" || n == "hostname" {
			do = "Remove it: each rank has a host name of its own, below the name of the run."
		}
		ds.Append(diags.Message{
			Summary: fmt.Sprintf("%s cannot be set beside distributed, which sets it", n),
			Do:      do,
			At:      path.Root(n),
		}.Error())
	}
	if diags.Given(g.others["success_policy"]) && diags.Given(g.attribute("success")) {
		ds.Append(diags.Message{
			Summary:  "success_policy and distributed.success say the same in two ways",
			Happened: "distributed.success = \"leader\" stands for success_policy = [{ succeeded_indexes = \"0\" }].",
			Do:       "Remove one of them.",
			At:       path.Root("success_policy"),
		}.Error())
	}
	for _, n := range []string{"env", "env_value_from"} {
		if m, ok := g.others[n].(types.Map); ok {
			if _, set := m.Elements()[rankVariable]; set {
				ds.Append(diags.Message{
					Summary:  rankVariable + " is the rank, and cannot be set",
					Happened: "Every container of a distributed run has it; launchers make other variables from it.",
					Do:       "Choose another name.",
					At:       path.Root(n).AtMapKey(rankVariable),
				}.Error())
			}
		}
	}
	if n, most := g.number("nodes"), g.others["max_failed_indexes"]; n > 0 {
		if v, ok := most.(types.Int32); ok && !v.IsUnknown() && v.ValueInt32() > n {
			ds.Append(diags.Message{
				Summary: fmt.Sprintf("max_failed_indexes = %d is more than there are ranks", v.ValueInt32()),
				Do:      fmt.Sprintf("Set it to at most distributed.nodes = %d.", n),
				At:      path.Root("max_failed_indexes"),
			}.Error())
		}
	}
	return ds
}

// launcher checks what only some launchers can do.
func (g given) launcher() diag.Diagnostics {
	var ds diag.Diagnostics
	v := g.attribute("launcher")
	if v.IsUnknown() {
		return ds
	}
	launcher := g.text("launcher")
	if launcher == "" {
		launcher = LauncherNone
	}
	refuse := func(attribute, happened, do string) {
		if !diags.Given(g.attribute(attribute)) {
			return
		}
		ds.Append(diags.Message{
			Summary:  fmt.Sprintf("%s does nothing with launcher %q", attribute, launcher),
			Happened: happened, Do: do, At: path.Root(Root).AtName(attribute),
		}.Error())
	}
	if g.setting.Scheduled && (launcher == LauncherDeepSpeed || launcher == LauncherMPI) {
		ds.Append(diags.Message{
			Summary:  fmt.Sprintf("launcher %q cannot be scheduled", launcher),
			Happened: fmt.Sprintf("It starts from a list of hosts in %s, which is written into the pod. A CronJob names each of its runs anew, so the hosts are not known when its pod is written.", hostfilePath),
			Do:       "Use launcher = \"torchrun\", which finds the others by one address (programs of DeepSpeed run under it too), or run it with mlk_training_job.",
			At:       path.Root(Root).AtName("launcher"),
		}.Error())
	}
	if launcher != LauncherTorchrun {
		refuse("min_nodes", "Only torchrun goes on with fewer pods than there may be.", "Remove it, or set launcher = \"torchrun\".")
	}
	switch launcher {
	case LauncherJAX, LauncherTensorFlow:
		refuse("processes_per_node", "One process in each pod drives all GPUs of the pod.", "Remove it. For one process per GPU, ask for as many nodes with one GPU each.")
	case LauncherNone:
		refuse("processes_per_node", "Nothing is started for you.", "Remove it, or set launcher.")
		refuse("port", "The ranks meet where your program says.", "Remove it, or set launcher.")
	}
	if least, n := g.number("min_nodes"), g.number("nodes"); n > 0 && least > n {
		ds.Append(diags.Message{
			Summary: fmt.Sprintf("min_nodes = %d is more than nodes = %d", least, n),
			Do:      "The program could never begin: lower min_nodes, or raise nodes.",
			At:      path.Root(Root).AtName("min_nodes"),
		}.Error())
	}
	return ds
}

// restart checks what cannot go with restarting all.
func (g given) restart() diag.Diagnostics {
	var ds diag.Diagnostics
	if g.text("restart") != restartAll {
		return ds
	}
	if v, ok := g.others["restart_policy"].(types.String); ok && v.ValueString() == string("OnFailure") {
		ds.Append(diags.Message{
			Summary:  "distributed.restart = \"all\" needs restart_policy = \"Never\"",
			Happened: "With \"OnFailure\" the kubelet starts a failed container again in its pod, and nobody learns that the others should be.",
			Do:       "Remove restart_policy.",
			At:       path.Root("restart_policy"),
		}.Error())
	}
	if diags.Given(g.attribute("min_nodes")) {
		ds.Append(diags.Message{
			Summary:  "distributed.restart = \"all\" and min_nodes contradict each other",
			Happened: "An elastic program goes on without the rank that failed, and takes it in again.",
			Do:       "Remove one of them.",
			At:       path.Root(Root).AtName("restart"),
		}.Error())
	}
	return ds
}

func (g given) attribute(name string) attr.Value {
	if v, ok := g.gang.Attributes()[name]; ok {
		return v
	}
	return types.StringNull()
}

// text is a known string of the gang; "" otherwise.
func (g given) text(name string) string {
	v, _ := g.attribute(name).(types.String)
	return v.ValueString()
}

// number is a known number of the gang; 0 otherwise.
func (g given) number(name string) int32 {
	v, _ := g.attribute(name).(types.Int32)
	return v.ValueInt32()
}
