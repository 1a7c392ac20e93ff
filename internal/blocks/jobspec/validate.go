package jobspec

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// failIndex is the action of a rule that only an indexed Job knows.
const failIndex = string(batchv1.PodFailurePolicyActionFailIndex)

// given is what the configuration says of a Job; any of it may be unknown.
type given struct {
	completions, parallelism, perIndex, maxFailed types.Int32
	mode, restart, replacement                    types.String
	failure, success                              types.List
	patch                                         types.Dynamic
}

// Validate checks what the configuration alone decides and no single attribute
// does: the rules of Kubernetes, pkg/apis/batch/validation/validation.go.
// indexed says that something else in the configuration makes the Job indexed.
// What patch says is the server's to judge.
func Validate(ctx context.Context, c tfsdk.Config, indexed bool) diag.Diagnostics {
	var g given
	var ds diag.Diagnostics
	for name, target := range map[string]any{
		"completions": &g.completions, "parallelism": &g.parallelism, "backoff_limit_per_index": &g.perIndex, "max_failed_indexes": &g.maxFailed,
		"completion_mode": &g.mode, "restart_policy": &g.restart, "pod_replacement_policy": &g.replacement,
		"pod_failure_policy": &g.failure, "success_policy": &g.success, "patch": &g.patch,
	} {
		ds.Append(c.GetAttribute(ctx, path.Root(name), target)...)
	}
	if ds.HasError() {
		return ds
	}
	gang := indexed
	indexed = indexed || g.mode.IsUnknown() || g.mode.ValueString() == Indexed
	if g.patch.IsNull() {
		ds.Append(g.validateIndexes(indexed)...)
		if indexed { // else it is refused anyway
			ds.Append(g.validateSuccess(gang)...)
		}
		ds.Append(g.validateReplacement()...)
	}
	ds.Append(g.validateRules(ctx, c)...)
	return ds
}

// validateSuccess checks that a success policy has a number of pods to be about.
// A CronJob without it makes the API server panic (Kubernetes 1.37,
// pkg/apis/batch/validation/validation.go, validateSuccessPolicyRule).
func (g *given) validateSuccess(gang bool) diag.Diagnostics {
	if !diags.Given(g.success) || gang || !g.completions.IsNull() {
		return nil
	}
	return diag.Diagnostics{diags.Message{
		Summary:  "success_policy needs completions",
		Happened: "Its rules count pods, and name them by their number, out of as many as completions says.",
		Do:       "Set distributed, or completions with completion_mode = \"Indexed\".",
		At:       path.Root("success_policy"),
	}.Error()}
}

// validateIndexes checks what only indexed Jobs can have.
func (g *given) validateIndexes(indexed bool) diag.Diagnostics {
	var ds diag.Diagnostics
	for name, v := range map[string]attr.Value{"backoff_limit_per_index": g.perIndex, "success_policy": g.success} {
		if diags.Given(v) && !indexed {
			ds.Append(diags.Message{
				Summary:  name + " needs an indexed Job",
				Happened: "Only the pods of an indexed Job have numbers that can fail or succeed each for itself.",
				Do:       "Set distributed, or completion_mode = \"Indexed\" with completions.",
				At:       path.Root(name),
			}.Error())
		}
	}
	if g.mode.ValueString() == Indexed && g.completions.IsNull() && diags.Given(g.parallelism) {
		ds.Append(diags.Message{
			Summary:  "An indexed Job needs completions",
			Happened: "With completion_mode = \"Indexed\" the pods are numbered from 0 to completions - 1.",
			Do:       "Set completions, usually to the same as parallelism.",
			At:       path.Root("completion_mode"),
		}.Error())
	}
	if diags.Given(g.perIndex) && g.restart.ValueString() == RestartOnFailure {
		ds.Append(diags.Message{
			Summary:  "backoff_limit_per_index needs restart_policy = \"Never\"",
			Happened: "With \"OnFailure\" the kubelet starts a failed container again in its pod, so that no pod fails that could be counted.",
			Do:       "Remove restart_policy, or backoff_limit_per_index.",
			At:       path.Root("restart_policy"),
		}.Error())
	}
	if diags.Given(g.maxFailed) && g.perIndex.IsNull() {
		ds.Append(diags.Message{
			Summary:  "max_failed_indexes needs backoff_limit_per_index",
			Happened: "Without a limit of its own no index fails: the tries of all count together.",
			Do:       "Set backoff_limit_per_index, or remove max_failed_indexes.",
			At:       path.Root("max_failed_indexes"),
		}.Error())
	}
	if n := g.completions; !n.IsNull() && !n.IsUnknown() && !g.maxFailed.IsUnknown() && g.maxFailed.ValueInt32() > n.ValueInt32() {
		ds.Append(diags.Message{
			Summary: fmt.Sprintf("max_failed_indexes = %d is more than there are indexes", g.maxFailed.ValueInt32()),
			Do:      fmt.Sprintf("Set it to at most completions = %d.", n.ValueInt32()),
			At:      path.Root("max_failed_indexes"),
		}.Error())
	}
	return ds
}

func (g *given) validateReplacement() diag.Diagnostics {
	if !diags.Given(g.failure) || g.replacement.ValueString() != string(batchv1.TerminatingOrFailed) {
		return nil
	}
	return diag.Diagnostics{diags.Message{
		Summary:  "pod_failure_policy needs pod_replacement_policy = \"Failed\"",
		Happened: "A rule judges how a pod has ended, so Kubernetes waits for the end before it makes another.",
		Do:       "Remove pod_replacement_policy: \"Failed\" is the default beside pod_failure_policy.",
		At:       path.Root("pod_replacement_policy"),
	}.Error()}
}

// validateRules checks pod_failure_policy.
func (g *given) validateRules(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	var ds diag.Diagnostics
	if !diags.Given(g.failure) {
		return ds
	}
	if g.restart.ValueString() == RestartOnFailure {
		ds.Append(diags.Message{
			Summary:  "pod_failure_policy needs restart_policy = \"Never\"",
			Happened: "With \"OnFailure\" the kubelet starts a failed container again in its pod, so that no pod fails that a rule could judge.",
			Do:       "Remove restart_policy, or pod_failure_policy.",
			At:       path.Root("restart_policy"),
		}.Error())
	}
	names, sure := containerNames(ctx, c, g.patch, &ds)
	for i, e := range g.failure.Elements() {
		rule, ok := e.(types.Object)
		if !ok || rule.IsNull() || rule.IsUnknown() {
			continue
		}
		at := path.Root("pod_failure_policy").AtListIndex(i)
		if text(rule, "action") == failIndex && g.patch.IsNull() && g.perIndex.IsNull() {
			ds.Append(diags.Message{
				Summary:  "The action FailIndex needs a limit per index",
				Happened: "Only an indexed Job with backoff_limit_per_index has indexes that can fail.",
				Do:       "Use FailJob, or set backoff_limit_per_index.",
				At:       at.AtName("action"),
			}.Error())
		}
		if codes, ok := rule.Attributes()["on_exit_codes"].(types.Object); ok {
			ds.Append(validateCodes(codes, at.AtName("on_exit_codes"), names, sure)...)
		}
		if conditions, ok := rule.Attributes()["on_pod_conditions"].(types.List); ok {
			ds.Append(validateConditions(conditions, at.AtName("on_pod_conditions"))...)
		}
	}
	return ds
}

func validateCodes(codes types.Object, at path.Path, names map[string]bool, sure bool) diag.Diagnostics {
	var ds diag.Diagnostics
	if values, ok := codes.Attributes()["values"].(types.Set); ok && text(codes, "operator") == "In" {
		for _, v := range values.Elements() {
			if n, ok := v.(types.Int32); ok && !n.IsNull() && !n.IsUnknown() && n.ValueInt32() == 0 {
				ds.Append(diags.Message{
					Summary:  "Exit code 0 cannot be in the values of operator In",
					Happened: "A container that exits with 0 has not failed.",
					At:       at.AtName("values"),
				}.Error())
			}
		}
	}
	if name := text(codes, "container"); sure && name != "" && !names[name] {
		ds.Append(diags.Message{
			Summary:  fmt.Sprintf("The pod has no container %q", name),
			Happened: "A rule of pod_failure_policy can only look at a container or init container of this run.",
			Do:       "The main container's name is container_name, others are the keys of extra_containers and the names of init_containers.",
			At:       at.AtName("container"),
		}.Error())
	}
	return ds
}

func validateConditions(conditions types.List, at path.Path) diag.Diagnostics {
	var ds diag.Diagnostics
	for i, e := range conditions.Elements() {
		c, ok := e.(types.Object)
		if !ok {
			continue
		}
		name := text(c, "type")
		if problems := validation.IsQualifiedName(name); name != "" && len(problems) > 0 {
			ds.Append(diags.Message{
				Summary: fmt.Sprintf("%q is not the type of a pod condition", name),
				Why:     strings.Join(problems, "\n"),
				At:      at.AtListIndex(i).AtName("type"),
			}.Error())
		}
	}
	return ds
}

// containerNames are the containers the configuration names. sure is false
// while one is unknown, and when patch may add others.
func containerNames(ctx context.Context, c tfsdk.Config, patch types.Dynamic, ds *diag.Diagnostics) (names map[string]bool, sure bool) {
	var main types.String
	var extra types.Map
	var init types.List
	ds.Append(c.GetAttribute(ctx, path.Root("container_name"), &main)...)
	ds.Append(c.GetAttribute(ctx, path.Root("extra_containers"), &extra)...)
	ds.Append(c.GetAttribute(ctx, path.Root("init_containers"), &init)...)
	if ds.HasError() || !patch.IsNull() || main.IsUnknown() || extra.IsUnknown() || init.IsUnknown() {
		return nil, false
	}
	names = map[string]bool{podspec.DefaultContainer: true}
	if !main.IsNull() {
		names = map[string]bool{main.ValueString(): true}
	}
	for name := range extra.Elements() {
		names[name] = true
	}
	for _, e := range init.Elements() {
		container, ok := e.(types.Object)
		if !ok || container.IsUnknown() {
			return nil, false
		}
		if v, ok := container.Attributes()["name"]; !ok || v.IsUnknown() {
			return nil, false
		}
		names[text(container, "name")] = true
	}
	return names, true
}

// text is a known string attribute of an object; "" otherwise.
func text(o types.Object, name string) string {
	s, ok := o.Attributes()[name].(interface{ ValueString() string })
	if !ok {
		return ""
	}
	return s.ValueString()
}
