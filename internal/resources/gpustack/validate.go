package gpustack

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// configured is what rules look at, as the configuration writes it.
type configured struct {
	mode, namespace types.String
	update, missing types.String
}

func validate(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	var ds diag.Diagnostics
	var in configured
	get := func(at path.Path, into any) { ds.Append(c.GetAttribute(ctx, at, into)...) }
	get(modePath, &in.mode)
	get(namespacePath, &in.namespace)
	var sets types.Object
	if get(daemonsetsPath, &sets); diags.Given(sets) {
		get(daemonsetsPath.AtName("update_strategy"), &in.update)
		get(daemonsetsPath.AtName("max_unavailable"), &in.missing)
	}
	if ds.HasError() {
		return ds
	}
	for _, m := range in.troubles() {
		ds.Append(m.Error())
	}
	ds.Append(ofOtherMode(ctx, c, in.mode)...)
	return ds
}

// operators are the blocks of which only the operator makes something, own those of
// the other mode.
var (
	operators = []string{"operator", "driver", "toolkit", "dcgm", "mig_manager", "node_status_exporter", "validator", "gds", "gdrcopy", "cdi", "host_paths", "sandbox_workloads"}
	nvidias   = []string{"gpu_feature_discovery", "dcgm_exporter"}
)

// ofOtherMode refuses what the mode, or the vendor, makes nothing of.
func ofOtherMode(ctx context.Context, c tfsdk.Config, mode types.String) diag.Diagnostics {
	var ds diag.Diagnostics
	if mode.IsNull() || mode.IsUnknown() {
		return ds
	}
	refuse := func(at path.Path, do string) {
		ds.Append(diags.Message{
			Summary:  fmt.Sprintf("%s has no meaning with mode = %q", at, mode.ValueString()),
			Happened: "Nothing would be made of it.", Do: do, At: at,
		}.Error())
	}
	said := func(at path.Path) bool {
		var v attr.Value
		ds.Append(c.GetAttribute(ctx, at, &v)...)
		return v != nil && diags.Given(v)
	}
	inside := func(block string, names ...string) {
		for _, n := range names {
			if at := path.Root(block); said(at) && said(at.AtName(n)) {
				refuse(at.AtName(n), "Remove it.")
			}
		}
	}
	if mode.ValueString() == modeOperator {
		for _, n := range []string{"node_selector", "runtime_class", "vendor"} {
			if said(path.Root(n)) {
				refuse(path.Root(n), "Remove it; the operator chooses nodes by itself, and operator.runtime_class is its RuntimeClass.")
			}
		}
		inside("device_plugin", "selector")
		return ds
	}
	for _, n := range operators {
		if said(path.Root(n)) {
			refuse(path.Root(n), "Remove it, or use mode = \"operator\". Without the operator, driver and container toolkit are part of the nodes' image.")
		}
	}
	inside("dcgm_exporter", "metrics_config_map", "service_monitor")
	ds.Append(exporterName(ctx, c)...)
	var enabled types.Bool
	if at := path.Root("device_plugin"); said(at) {
		ds.Append(c.GetAttribute(ctx, at.AtName("enabled"), &enabled)...)
		if diags.Given(enabled) && !enabled.ValueBool() {
			refuse(at.AtName("enabled"), "A stack without its device plugin is none: remove enabled, or make the exporter by mlk_node_agent.")
		}
		if config := at.AtName("config"); said(config) && !said(config.AtName("name")) {
			var name types.String
			if ds.Append(c.GetAttribute(ctx, config.AtName("name"), &name)...); name.IsNull() {
				ds.Append(diags.Message{Summary: "device_plugin.config names no ConfigMap", Do: "Set device_plugin.config.name.", At: config.AtName("name")}.Error())
			}
		}
	}
	var vendor types.String
	ds.Append(c.GetAttribute(ctx, path.Root("vendor"), &vendor)...)
	if diags.Given(vendor) && vendor.ValueString() != vendorNVIDIA {
		for _, n := range append([]string{"mig_strategy"}, nvidias...) {
			if said(path.Root(n)) {
				refuse(path.Root(n), "Remove it: it is about GPUs of NVIDIA.")
			}
		}
		inside("device_plugin", "config")
	}
	return ds
}

// exporterName refuses a name under which there can be no Service of the exporter.
func exporterName(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	var name types.String
	var exporter types.Object
	var enabled types.Bool
	at := path.Root("dcgm_exporter")
	ds := c.GetAttribute(ctx, path.Root("name"), &name)
	ds.Append(c.GetAttribute(ctx, at, &exporter)...)
	if ds.HasError() || !diags.Given(name) || !diags.Given(exporter) {
		return ds
	}
	ds.Append(c.GetAttribute(ctx, at.AtName("enabled"), &enabled)...)
	own := name.ValueString() + "-" + roleExporter
	if enabled.IsUnknown() || !enabled.IsNull() && !enabled.ValueBool() || len(validation.IsDNS1035Label(own)) == 0 {
		return ds
	}
	ds.Append(diags.Message{
		Summary:  "The stack's name is no name for the Service of its exporter",
		Happened: lifecycle.Clip("The Service is called "+own) + ". A Service has a name of at most 63 letters, digits and hyphens that begins with a letter.",
		Do:       "Use a name of at most 49 characters without dots that begins with a letter, or leave out dcgm_exporter. A stack with another name is a new one.",
		At:       path.Root("name"),
	}.Error())
	return ds
}

func (in *configured) troubles() []diags.Message {
	var out []diags.Message
	if in.mode.ValueString() == modeOperator && diags.Given(in.namespace) {
		out = append(out, diags.Message{
			Summary:  "A ClusterPolicy is in no namespace",
			Happened: "With mode = \"operator\" the stack is an object of the whole cluster, and its programs run in the operator's namespace.",
			Do:       "Remove namespace.", At: namespacePath,
		})
	}
	if in.update.ValueString() == "OnDelete" && diags.Given(in.missing) {
		out = append(out, diags.Message{
			Summary:  "max_unavailable belongs to update strategy RollingUpdate",
			Happened: "With OnDelete a pod changes when somebody deletes it, and not before.",
			Do:       "Remove it, or use update_strategy = \"RollingUpdate\".", At: daemonsetsPath.AtName("max_unavailable"),
		})
	}
	return out
}
