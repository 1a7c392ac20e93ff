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

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// validate checks what the configuration alone decides and no single attribute
// does: the rules of Kubernetes, pkg/apis/batch/validation/validation.go.
func validate(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	ds := podspec.Validate(ctx, c)
	var (
		restart types.String
		rules   types.List
		patch   types.Dynamic
		keep    types.Int32
		ttl     types.Int32
	)
	for name, target := range map[string]any{
		"restart_policy": &restart, "pod_failure_policy": &rules, "patch": &patch,
		"keep_runs": &keep, "ttl_seconds_after_finished": &ttl,
	} {
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
	if rules.IsNull() {
		return ds
	}
	if restart.ValueString() == restartOnFailure {
		ds.Append(diags.Message{
			Summary:  "pod_failure_policy needs restart_policy = \"Never\"",
			Happened: "With \"OnFailure\" the kubelet starts a failed container again in its pod, so that no pod fails that a rule could judge.",
			Do:       "Remove restart_policy, or pod_failure_policy.",
			At:       path.Root("restart_policy"),
		}.Error())
	}
	names, sure := containerNames(ctx, c, patch, &ds)
	for i, e := range rules.Elements() {
		rule, ok := e.(types.Object)
		if !ok || rule.IsNull() || rule.IsUnknown() {
			continue
		}
		at := path.Root("pod_failure_policy").AtListIndex(i)
		if text(rule, "action") == "FailIndex" && patch.IsNull() {
			ds.Append(diags.Message{
				Summary:  "The action FailIndex needs a limit per index",
				Happened: "Only an indexed Job with backoffLimitPerIndex has indexes that can fail.",
				Do:       "Use FailJob, or set completionMode, completions, parallelism and backoffLimitPerIndex with patch.",
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
