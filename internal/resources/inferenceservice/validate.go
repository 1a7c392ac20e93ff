package inferenceservice

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// budget checks a duration that a probe can be made of.
type budget struct{}

func (budget) Description(context.Context) string { return "must be a duration of at least 10s" }
func (b budget) MarkdownDescription(ctx context.Context) string {
	return b.Description(ctx)
}

func (budget) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	const most = 7 * 24 * time.Hour
	if d, err := time.ParseDuration(req.ConfigValue.ValueString()); err != nil || d < probeEvery || d > most {
		resp.Diagnostics.Append(diags.Message{
			Summary: fmt.Sprintf("%q is not a time a model may take to load", req.ConfigValue.ValueString()),
			Do:      "Write it like 90s, 10m or 1h30m: at least 10s, at most 168h.",
			At:      req.Path,
		}.Error())
	}
}

// configured is what rules look at, as the configuration writes it.
type configured struct {
	name, budget, runtime          types.String
	model                          types.Object
	startup, readiness, liveness   types.Object
	ports                          types.Map
	service, rollout               types.Object
	minReady, deadline             types.Int32
	strategy, surge, missing       types.String
	serviceName, kind, target, lbc types.String
	port                           types.Int32
	enabled, headless              types.Bool
}

func validate(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	ds := podspec.Validate(ctx, c)
	var in configured
	get := func(at path.Path, into any) { ds.Append(c.GetAttribute(ctx, at, into)...) }
	get(path.Root("name"), &in.name)
	get(runtimePath, &in.runtime)
	get(modelPath, &in.model)
	get(budgetPath, &in.budget)
	get(path.Root("startup_probe"), &in.startup)
	get(path.Root("readiness_probe"), &in.readiness)
	get(path.Root("liveness_probe"), &in.liveness)
	get(path.Root("ports"), &in.ports)
	get(servicePath, &in.service)
	get(rolloutPath, &in.rollout)
	if s := in.service; !s.IsNull() && !s.IsUnknown() {
		get(servicePath.AtName("name"), &in.serviceName)
		get(servicePath.AtName("enabled"), &in.enabled)
		get(servicePath.AtName("headless"), &in.headless)
		get(servicePath.AtName("type"), &in.kind)
		get(servicePath.AtName("port"), &in.port)
		get(servicePath.AtName("target_port"), &in.target)
		get(servicePath.AtName("load_balancer_class"), &in.lbc)
	}
	if r := in.rollout; !r.IsNull() && !r.IsUnknown() {
		get(rolloutPath.AtName("strategy"), &in.strategy)
		get(rolloutPath.AtName("max_surge"), &in.surge)
		get(rolloutPath.AtName("max_unavailable"), &in.missing)
		get(rolloutPath.AtName("min_ready_seconds"), &in.minReady)
		get(rolloutPath.AtName("progress_deadline_seconds"), &in.deadline)
	}
	if ds.HasError() {
		return ds
	}
	ds.Append(validateSatellites(ctx, c)...)
	ds.Append(validateCanary(ctx, c)...)
	ds.Append(validateMultiNode(ctx, c)...)
	kserve, eds := validateEngine(ctx, c)
	if ds.Append(eds...); kserve {
		in.enabled = types.BoolValue(false) // KServe makes the Service itself
	}
	for _, m := range slices.Concat(in.rolloutTroubles(), in.serviceTroubles(), in.budgetTroubles(), in.modelTroubles()) {
		ds.Append(m.Error())
	}
	return ds
}

func (in *configured) rolloutTroubles() []diags.Message {
	var out []diags.Message
	if in.strategy.ValueString() == recreate && (diags.Given(in.surge) || diags.Given(in.missing)) {
		out = append(out, diags.Message{
			Summary:  "max_surge and max_unavailable belong to strategy RollingUpdate",
			Happened: "With strategy Recreate all old pods end before the first new one starts.",
			Do:       "Remove them, or use strategy RollingUpdate.",
			At:       rolloutPath.AtName("strategy"),
		})
	}
	if isNone(in.surge) && isNone(in.missing) {
		out = append(out, diags.Message{
			Summary:  "A rollout can do nothing when max_surge and max_unavailable are both 0",
			Happened: "It may neither make a new pod beside the old ones nor end an old one first.",
			Do:       "Set max_unavailable = \"1\" to replace pods where they are, or max_surge = \"1\" when there is a GPU to spare.",
			At:       rolloutPath.AtName("max_surge"),
		})
	}
	if !in.deadline.IsNull() && !in.deadline.IsUnknown() && !in.minReady.IsUnknown() && in.deadline.ValueInt32() <= in.minReady.ValueInt32() {
		out = append(out, diags.Message{
			Summary: "progress_deadline_seconds must be more than min_ready_seconds",
			Do:      "A pod counts as progress only once it has been ready for min_ready_seconds. Remove progress_deadline_seconds to have it derived.",
			At:      rolloutPath.AtName("progress_deadline_seconds"),
		})
	}
	if d := budgetOf(in.budget); d > 0 && !in.deadline.IsNull() && !in.deadline.IsUnknown() && time.Duration(in.deadline.ValueInt32())*time.Second <= d {
		out = append(out, diags.Message{ // pain 15
			Summary:  "The rollout would be given up while the model may still load",
			Happened: fmt.Sprintf("progress_deadline_seconds is %d, and startup_budget lets the model load for %s.", in.deadline.ValueInt32(), d),
			Do:       "Remove progress_deadline_seconds to have it derived, or make it longer than startup_budget.",
			At:       rolloutPath.AtName("progress_deadline_seconds"),
		})
	}
	return out
}

func isNone(v types.String) bool { return v.ValueString() == "0" || v.ValueString() == "0%" }

func (in *configured) serviceTroubles() []diags.Message {
	if in.service.IsUnknown() || in.enabled.IsUnknown() || !in.enabled.IsNull() && !in.enabled.ValueBool() {
		return nil
	}
	var out []diags.Message
	if in.port.IsNull() && !in.ports.IsUnknown() && len(in.ports.Elements()) == 0 && !in.brings() {
		out = append(out, diags.Message{
			Summary:  "The Service would have no port",
			Happened: "Neither the main container nor the Service names a port.",
			Do:       "Say where the server listens, ports = { http = { port = 8000 } }, or set service = { port = 80, target_port = \"8000\" }. For pods that nobody calls: service = { enabled = false }.",
			At:       path.Root("ports"),
		})
	}
	name, at := in.serviceName, servicePath.AtName("name")
	if name.IsNull() {
		name, at = in.name, path.Root("name")
	}
	if !name.IsNull() && !name.IsUnknown() {
		if problems := validation.IsDNS1035Label(name.ValueString()); len(problems) > 0 {
			out = append(out, diags.Message{
				Summary: fmt.Sprintf("%q cannot be the name of a Service", name.ValueString()),
				Why:     problems[0],
				Do:      "Use at most 63 lower-case letters, digits and -, beginning with a letter; service.name may differ from name.",
				At:      at,
			})
		}
	}
	for _, r := range []struct {
		broken       bool
		what, do, at string
	}{
		{diags.Given(in.target) && in.port.IsNull(), "target_port needs port", "Set service.port to the port of the Service that leads there.", "target_port"},
		{in.headless.ValueBool() && !in.kind.IsUnknown() && !in.kind.IsNull() && in.kind.ValueString() != clusterIP, "A headless Service has type ClusterIP", "Remove headless, or type.", "headless"},
		{diags.Given(in.lbc) && !in.kind.IsUnknown() && in.kind.ValueString() != loadBalancer, "load_balancer_class needs type LoadBalancer", "Set service.type = \"LoadBalancer\", or remove load_balancer_class.", "load_balancer_class"},
	} {
		if r.broken {
			out = append(out, diags.Message{Summary: r.what, Do: r.do, At: servicePath.AtName(r.at)})
		}
	}
	return out
}

func (in *configured) budgetTroubles() []diags.Message {
	switch {
	case !diags.Given(in.budget):
	case diags.Given(in.startup):
		return []diags.Message{{
			Summary:  "startup_budget and startup_probe say the same thing",
			Happened: "startup_budget makes the start-up probe out of readiness_probe or liveness_probe.",
			Do:       "Keep one of them.",
			At:       budgetPath,
		}}
	case in.readiness.IsNull() && in.liveness.IsNull() && !in.brings():
		return []diags.Message{{
			Summary:  "startup_budget needs to know how to ask the server",
			Happened: "It makes the start-up probe out of readiness_probe or liveness_probe, and there is neither.",
			Do:       "Set readiness_probe, for example { http_get = { path = \"/health\", port = \"http\" } }.",
			At:       budgetPath,
		}}
	}
	return nil
}

// plan replaces what Kubernetes does not change.
func plan(ctx context.Context, p *lifecycle.Planning[Model]) {
	planEngine(ctx, p)
	planMultiNode(ctx, p)
	if p.Destroy || p.Wanted == nil {
		return
	}
	planServed(p)
	planSatellites(p)
	planCanary(p)
	if p.Prior != nil && p.Prior.serves() && p.Wanted.serves() && serviceName(p.Prior) == serviceName(p.Wanted) &&
		p.Prior.given().Headless.ValueBool() != p.Wanted.given().Headless.ValueBool() {
		p.RequiresReplace.Append(servicePath.AtName("headless"))
		p.Replace = true
	}
}
