package inferenceservice

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// onOneNode are the runtimes that cannot split a model over pods.
func onOneNode() []string { return []string{"tgi", "tei", ollama} }

// validateMultiNode checks what a LeaderWorkerSet has no field for, and what it asks
// for. Values may be unknown.
func validateMultiNode(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	var ds diag.Diagnostics
	var n, worker, rollout types.Object
	var selector types.Map
	var runtime, name, service, surge, missing types.String
	get := func(at path.Path, into any) { ds.Append(c.GetAttribute(ctx, at, into)...) }
	if get(multiNodePath, &n); n.IsNull() || n.IsUnknown() || ds.HasError() {
		return ds
	}
	get(multiNodePath.AtName("worker"), &worker)
	get(selectorPath, &selector)
	get(runtimePath, &runtime)
	get(path.Root("name"), &name)
	get(servicePath.AtName("name"), &service)
	if get(rolloutPath, &rollout); diags.Given(rollout) {
		get(rolloutPath.AtName("max_surge"), &surge)
		get(rolloutPath.AtName("max_unavailable"), &missing)
	}
	if ds.HasError() {
		return ds
	}
	var out []diags.Message
	if diags.Given(selector) {
		out = append(out, diags.Message{
			Summary:  "The pods of a LeaderWorkerSet are known by its name",
			Happened: "With multi_node the Service and the disruption budget find the pods by the labels that LeaderWorkerSet gives them.",
			Do:       "Remove selector; further labels go into pod_labels.",
			At:       selectorPath,
		})
	}
	if canary := (types.Object{}); !c.GetAttribute(ctx, canaryPath, &canary).HasError() && diags.Given(canary) {
		out = append(out, diags.Message{
			Summary:  "A service in groups has no canary",
			Happened: "A canary is a Deployment beside that of the service; with multi_node there is a LeaderWorkerSet.",
			Do:       "Set multi_node.partition to try a new revision on the groups from that number on, or make a second service.",
			At:       canaryPath,
		})
	}
	if slices.Contains(onOneNode(), runtime.ValueString()) {
		out = append(out, diags.Message{
			Summary:  fmt.Sprintf("%s cannot split a model over several nodes", runtime.ValueString()),
			Happened: "With multi_node all pods of a group serve one model together.",
			Do:       "Use runtime vllm or sglang, or remove multi_node: replicas makes more pods that each have the whole model.",
			At:       runtimePath,
		})
	}
	if problems := validation.IsDNS1035Label(name.ValueString()); !name.IsNull() && !name.IsUnknown() && len(problems) > 0 {
		out = append(out, diags.Message{
			Summary:  fmt.Sprintf("%q cannot be the name of a LeaderWorkerSet", name.ValueString()),
			Happened: "It makes a headless Service of its own name.", Why: problems[0],
			Do: "Use lower-case letters, digits and -, beginning with a letter.",
			At: path.Root("name"),
		})
	}
	if diags.Given(name) && diags.Given(service) && name.Equal(service) {
		out = append(out, diags.Message{
			Summary:  fmt.Sprintf("The Service cannot be called %q", name.ValueString()),
			Happened: "A LeaderWorkerSet makes a headless Service of its own name, by which the pods of a group find each other.",
			Do:       "Remove service.name to have it called " + name.ValueString() + "-leader, or choose another name.",
			At:       servicePath.AtName("name"),
		})
	}
	if isNone(missing) && surge.IsNull() {
		out = append(out, diags.Message{
			Summary:  "A rollout of groups can do nothing when max_unavailable is 0",
			Happened: "By default it makes no further group beside those there are: max_surge is 0 with multi_node.",
			Do:       "Set max_surge = \"1\" when there are GPUs to spare for a whole group, or remove max_unavailable.",
			At:       rolloutPath.AtName("max_unavailable"),
		})
	}
	for _, m := range slices.Concat(out, groupRollouts(rollout), subgroups(n, worker)) {
		ds.Append(m.Error())
	}
	return ds
}

// groupRollouts are the parts of rollout that a LeaderWorkerSet has no field for.
func groupRollouts(rollout types.Object) []diags.Message {
	if !diags.Given(rollout) {
		return nil
	}
	if s, _ := rollout.Attributes()["strategy"].(types.String); s.ValueString() == recreate {
		return []diags.Message{{
			Summary:  "A LeaderWorkerSet knows no strategy Recreate",
			Happened: "Its groups are replaced one after the other.",
			Do:       "Set rollout.max_unavailable = \"100%\" to replace all of them at once.",
			At:       rolloutPath.AtName("strategy"),
		}}
	}
	for _, name := range []string{"min_ready_seconds", "progress_deadline_seconds", "revision_history_limit"} {
		if v := rollout.Attributes()[name]; diags.Given(v) {
			return []diags.Message{{
				Summary:  "A LeaderWorkerSet cannot say " + name,
				Happened: "With multi_node a rollout has max_surge, max_unavailable and multi_node.partition.",
				Do:       "Remove it. How long an apply waits is timeouts.update.",
				At:       rolloutPath.AtName(name),
			}}
		}
	}
	return nil
}

// subgroups checks sizes, and what goes with what.
func subgroups(n, worker types.Object) []diags.Message {
	number := func(name string) types.Int32 { v, _ := n.Attributes()[name].(types.Int32); return v }
	size, sub := number("size"), number("subgroup_size")
	kind, _ := n.Attributes()["subgroup_type"].(types.String)
	var out []diags.Message
	for _, name := range []string{"subgroup_type", "subgroup_exclusive_topology"} {
		if sub.IsNull() && diags.Given(n.Attributes()[name]) {
			out = append(out, diags.Message{
				Summary: name + " needs subgroup_size", Do: "Set multi_node.subgroup_size to the number of pods of a subgroup, or remove " + name + ".",
				At: multiNodePath.AtName(name),
			})
		}
	}
	if uniform, _ := n.Attributes()["uniform"].(types.Bool); uniform.ValueBool() && diags.Given(worker) {
		out = append(out, diags.Message{
			Summary:  "uniform workers do nothing otherwise than their leader",
			Happened: "With multi_node.uniform all pods of a group are made of one template.",
			Do:       "Remove uniform, or worker.",
			At:       multiNodePath.AtName("worker"),
		})
	}
	if !diags.Given(size) || !diags.Given(sub) || kind.IsUnknown() {
		return out
	}
	s, g := size.ValueInt32(), sub.ValueInt32()
	fits := (s-1)%g == 0 || s%g == 0 && kind.ValueString() != leaderExcluded
	if !fits || g > s {
		of := "size or size - 1"
		if kind.ValueString() == leaderExcluded {
			of = "size - 1"
		}
		out = append(out, diags.Message{
			Summary:  fmt.Sprintf("Groups of %d pods cannot be divided into subgroups of %d", s, g),
			Happened: of + " must be a multiple of subgroup_size, which is at most size.",
			Do:       "Change multi_node.subgroup_size, or size.",
			At:       multiNodePath.AtName("subgroup_size"),
		})
	}
	return out
}

// needsGroups is the need of a planned service for LeaderWorkerSet.
func needsGroups(ctx context.Context, plan tfsdk.Plan) []lifecycle.Need {
	var n types.Object
	if plan.GetAttribute(ctx, multiNodePath, &n).HasError() || !diags.Given(n) {
		return nil
	}
	return []lifecycle.Need{{Kind: kube.LeaderWorkerSet, Missing: diags.Message{
		Summary:  "This cluster has no LeaderWorkerSet API",
		Happened: "multi_node makes a LeaderWorkerSet of leaderworkerset.x-k8s.io/v1, which the cluster does not serve.",
		Do: "Install LeaderWorkerSet: kubectl apply --server-side -f https://github.com/kubernetes-sigs/lws/releases/download/v0.9.0/manifests.yaml\n" +
			"Or remove multi_node, and choose GPUs that hold the model on one node.",
		At: multiNodePath,
	}}}
}

// planMultiNode replaces what cannot change in place: what makes the pods, and the
// size of subgroups.
func planMultiNode(ctx context.Context, p *lifecycle.Planning[Model]) {
	var n types.Object
	if p.Prior == nil || p.Destroy || p.Config.GetAttribute(ctx, multiNodePath, &n).HasError() || n.IsUnknown() {
		return
	}
	was := p.Prior.MultiNode
	if n.IsNull() != (was == nil) {
		p.RequiresReplace.Append(multiNodePath)
		p.Replace = true
		return
	}
	if was == nil {
		return
	}
	if sub, _ := n.Attributes()["subgroup_size"].(types.Int32); !sub.IsUnknown() && !sub.Equal(was.SubgroupSize) {
		p.RequiresReplace.Append(multiNodePath.AtName("subgroup_size"))
		p.Replace = true
	}
}
