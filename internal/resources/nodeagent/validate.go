package nodeagent

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// configured is what rules look at, as the configuration writes it.
type configured struct {
	name, preset, image types.String
	ports               types.Map
	hostNetwork         types.Bool
	hostPort            bool

	strategy, metrics, service types.Object
	kind, surge, missing       types.String
	scrape, serviceName        types.String
}

func validate(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	ds := podspec.Validate(ctx, c)
	var in configured
	get := func(at path.Path, into any) { ds.Append(c.GetAttribute(ctx, at, into)...) }
	get(path.Root("name"), &in.name)
	get(presetPath, &in.preset)
	get(path.Root("image"), &in.image)
	get(path.Root("ports"), &in.ports)
	get(path.Root("host_network"), &in.hostNetwork)
	get(strategyPath, &in.strategy)
	get(metricsPath, &in.metrics)
	get(servicePath, &in.service)
	if diags.Given(in.strategy) {
		get(strategyPath.AtName("type"), &in.kind)
		get(strategyPath.AtName("max_surge"), &in.surge)
		get(strategyPath.AtName("max_unavailable"), &in.missing)
	}
	if diags.Given(in.metrics) {
		get(metricsPath.AtName("scrape"), &in.scrape)
	}
	if diags.Given(in.service) {
		get(servicePath.AtName("name"), &in.serviceName)
	}
	for key := range in.ports.Elements() {
		var p types.Int32
		get(path.Root("ports").AtMapKey(key).AtName("host_port"), &p)
		in.hostPort = in.hostPort || diags.Given(p)
	}
	if ds.HasError() {
		return ds
	}
	for _, m := range append(in.strategyTroubles(), in.otherTroubles()...) {
		ds.Append(m.Error())
	}
	return ds
}

func (in *configured) strategyTroubles() []diags.Message {
	surges := !in.surge.IsUnknown() && !isNone(in.surge)
	var out []diags.Message
	if in.kind.ValueString() == onDelete && (diags.Given(in.surge) || diags.Given(in.missing)) {
		out = append(out, diags.Message{
			Summary:  "max_surge and max_unavailable belong to update strategy RollingUpdate",
			Happened: "With OnDelete a pod changes when somebody deletes it, and not before.",
			Do:       "Remove them, or use type RollingUpdate.", At: strategyPath.AtName("type"),
		})
	}
	if surges && !in.missing.IsUnknown() && !isNone(in.missing) {
		out = append(out, diags.Message{
			Summary:  "An update either starts new pods first or ends old ones first",
			Happened: "Kubernetes takes no max_unavailable beside max_surge for pods that run once on each node.",
			Do:       "Remove one of them.", At: strategyPath.AtName("max_unavailable"),
		})
	}
	if !in.surge.IsUnknown() && isNone(in.surge) && (in.missing.ValueString() == "0" || in.missing.ValueString() == "0%") {
		out = append(out, diags.Message{
			Summary:  "An update can do nothing when max_surge and max_unavailable are both 0",
			Happened: "It may neither start a new pod beside the old one nor end the old one first.",
			Do:       "Set max_unavailable = \"1\", or max_surge = \"1\".", At: strategyPath.AtName("max_unavailable"),
		})
	}
	if surges && (in.hostPort || in.hostNetwork.ValueBool() && len(in.ports.Elements()) > 0) {
		out = append(out, diags.Message{
			Summary:  "A new pod cannot start beside the old one: both would have the same port of the node",
			Happened: "max_surge starts the new pod of a node before the old one ends, and the ports of the pods are ports of the node.",
			Do:       "Remove max_surge: by default the old pod ends first.", At: strategyPath.AtName("max_surge"),
		})
	}
	return out
}

func (in *configured) otherTroubles() []diags.Message {
	var out []diags.Message
	if in.image.IsNull() && in.preset.IsNull() {
		out = append(out, diags.Message{
			Summary: "The agent needs an image",
			Do:      "Set image, or a preset that knows one: preset = \"dcgm_exporter\".", At: path.Root("image"),
		})
	}
	if diags.Given(in.service) && in.preset.IsNull() && !in.ports.IsUnknown() && len(in.ports.Elements()) == 0 {
		out = append(out, diags.Message{
			Summary:  "The Service would have no port",
			Happened: "It has the ports of the main container, which names none.",
			Do:       "Say where the agent listens, ports = { http = { port = 8080 } }, or remove service.", At: path.Root("ports"),
		})
	}
	name, at := in.serviceName, servicePath.AtName("name")
	if name.IsNull() {
		name, at = in.name, path.Root("name")
	}
	if diags.Given(in.service) && !name.IsNull() && !name.IsUnknown() {
		if problems := validation.IsDNS1035Label(name.ValueString()); len(problems) > 0 {
			out = append(out, diags.Message{
				Summary: fmt.Sprintf("%q cannot be the name of a Service", name.ValueString()), Why: problems[0],
				Do: "Use at most 63 lower-case letters, digits and -, beginning with a letter; service.name may differ from name.", At: at,
			})
		}
	}
	if in.scrape.ValueString() == scrapeMonitor && in.service.IsNull() {
		out = append(out, diags.Message{
			Summary:  "A ServiceMonitor needs a Service to watch",
			Happened: "Prometheus finds the agents by the Service in front of them, and there is none.",
			Do:       "Add service = {}, or use scrape = \"annotations\".", At: metricsPath.AtName("scrape"),
		})
	}
	return out
}

// needs is the kind of the Prometheus Operator, where it is asked for.
func needs(ctx context.Context, plan tfsdk.Plan) []lifecycle.Need {
	var scrape types.String
	if plan.GetAttribute(ctx, metricsPath.AtName("scrape"), &scrape).HasError() || scrape.ValueString() != scrapeMonitor {
		return nil
	}
	return []lifecycle.Need{{Kind: kube.ServiceMonitor, Missing: diags.Message{
		Summary:  "This cluster has no ServiceMonitors",
		Happened: "metrics.scrape asks for one, and they come with the Prometheus Operator, which is not installed (" + kube.ServiceMonitor.APIVersion() + ").",
		Do:       "Install the Prometheus Operator, or use scrape = \"annotations\".",
		At:       metricsPath.AtName("scrape"),
	}}}
}
