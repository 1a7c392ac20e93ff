package inferenceservice

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/autoscaling"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/kube/crd"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Satellites are the objects around Deployment and Service: what scales the one,
// and what leads to the other.

// What becomes of a rollout that failed.
const (
	keepFailed     = "keep"
	rollbackFailed = "rollback"
)

func satelliteAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"autoscaling": autoscaling.Attribute(),
		"on_failed_rollout": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "What becomes of an update whose rollout fails or is not ready in time: `keep` (default) leaves it as it is, so that it can be looked at and the next apply goes on with it; " +
				"`rollback` puts back what was there before. The apply fails either way, and the next plan shows the change again. Pods of the revision before serve meanwhile, as far as `rollout` keeps them. " +
				"Nothing to put back is there when the first apply fails. `rollback` not with `on_failure = \"keep\"`. Changed in place.",
			Validators: []validator.String{stringvalidator.OneOf(keepFailed, rollbackFailed)},
		},
		"disruption_budget": budgetAttribute(),
		"ingress":           ingressAttribute(),
		"route":             routeAttribute(),
	}
}

// target is what an autoscaler scales.
func target(m *Model) autoscaling.Target {
	return autoscaling.Target{Kind: mainKind(m).GVK(), Namespace: m.Namespace.ValueString(), Name: m.Name.ValueString()}
}

// satellites are those that are asked for.
func satellites(m *Model) []runtime.ApplyConfiguration {
	var out []runtime.ApplyConfiguration
	if m.byKServe() {
		if m.Budget != nil {
			out = append(out, m.Budget.apply(m))
		}
		return out // KServe makes the others itself
	}
	if o := m.Autoscaling.ScaledObject(target(m)); o != nil {
		out = append(out, o)
	} else if m.Autoscaling != nil {
		out = append(out, m.Autoscaling.Apply(target(m)))
	}
	if m.Budget != nil {
		out = append(out, m.Budget.apply(m))
	}
	if m.Ingress != nil {
		if i := m.Ingress.apply(m); i != nil {
			out = append(out, i)
		}
	}
	if m.Route != nil {
		if r := m.Route.apply(m); r != nil {
			out = append(out, r)
		}
	}
	return out
}

func satelliteFields(m *Model) diags.Fields {
	var f diags.Fields
	if !m.byKServe() {
		f.Merge(m.Autoscaling.Fields(scalingPath))
	}
	if m.Budget != nil {
		f.Merge(m.Budget.fields())
	}
	if m.Ingress != nil {
		f.Merge(m.Ingress.fields())
	}
	if m.Route != nil {
		f.Merge(m.Route.fields())
	}
	return f
}

// adoptSatellites fills what the live ones say, in the words of prior.
func adoptSatellites(m *Model, live kube.Live, prior *Model) diag.Diagnostics {
	scaler, err := kube.Typed[autoscalingv2.HorizontalPodAutoscaler](live, kube.HorizontalPodAutoscaler.Kind)
	if err != nil {
		return diag.Diagnostics{unreadable(kube.HorizontalPodAutoscaler.Kind, err)}
	}
	keda, err := kube.Typed[crd.ScaledObject](live, kube.ScaledObject.Kind)
	if err != nil {
		return diag.Diagnostics{unreadable(kube.ScaledObject.Kind, err)}
	}
	if prior != nil {
		m.Autoscaling = prior.Autoscaling
	}
	switch byKeda := m.Autoscaling != nil && m.Autoscaling.Keda != nil; {
	case byKeda || prior == nil && keda != nil:
		m.Autoscaling = autoscaling.AdoptScaledObject(keda, target(m), m.Autoscaling)
	case m.Autoscaling != nil || prior == nil && scaler != nil:
		m.Autoscaling = autoscaling.Adopt(scaler, target(m), m.Autoscaling)
	}
	if m.Autoscaling != nil {
		m.Replicas = types.Int32Null() // whatever it is, the autoscaler says it
	}
	if prior != nil {
		m.OnFailedRollout = prior.OnFailedRollout
		m.Budget, m.Ingress, m.Route = prior.Budget, prior.Ingress, prior.Route
	}
	return adoptDoors(m, live, prior)
}

// adoptDoors fills budget, ingress and route. What the attributes of prior make of
// the service is what they lead to.
func adoptDoors(m *Model, live kube.Live, prior *Model) diag.Diagnostics {
	of := prior
	if of == nil {
		of = m
	}
	budget, err := kube.Typed[policyv1.PodDisruptionBudget](live, kube.PodDisruptionBudget.Kind)
	if err != nil {
		return diag.Diagnostics{unreadable(kube.PodDisruptionBudget.Kind, err)}
	}
	if budget != nil && (prior == nil || prior.Budget != nil) {
		m.Budget = adoptBudget(of, budget, live[kube.PodDisruptionBudget.Kind], m.Budget)
	}
	ingress, err := kube.Typed[networkingv1.Ingress](live, kube.Ingress.Kind)
	if err != nil {
		return diag.Diagnostics{unreadable(kube.Ingress.Kind, err)}
	}
	if ingress != nil && (prior == nil || prior.Ingress != nil) {
		m.Ingress = adoptIngress(of, ingress, live[kube.Ingress.Kind], m.Ingress)
	}
	route, err := kube.Typed[crd.HTTPRoute](live, kube.HTTPRoute.Kind)
	if err != nil {
		return diag.Diagnostics{unreadable(kube.HTTPRoute.Kind, err)}
	}
	if route != nil && (prior == nil || prior.Route != nil) {
		now := *of
		now.Canary = m.Canary // its share of the requests is part of the route
		m.Route = adoptRoute(&now, route, live[kube.HTTPRoute.Kind], m.Route)
	}
	return nil
}

// faithful reports whether what attributes make is what the live object says.
func faithful(made any, live *kube.Object) bool {
	said, err := plainObject(made)
	return err == nil && !slices.ContainsFunc(kube.Drift(said, live.Object), func(at []string) bool { return at[0] == "spec" })
}

// satelliteOf finds the satellite of a kind that belongs to an imported Deployment.
// What leads to it may lead to others too: only what mlk has made counts as its own.
func satelliteOf(d *appsv1.Deployment, k kube.Kind, all []*kube.Object) *kube.Object {
	for _, o := range all {
		switch k {
		case kube.HorizontalPodAutoscaler:
			h, err := kube.Typed[autoscalingv2.HorizontalPodAutoscaler](kube.Live{"": o}, "")
			if err == nil && h != nil && autoscaling.Scales(h, autoscaling.Target{Kind: kindOf(d).GVK(), Namespace: d.Namespace, Name: d.Name}) {
				return o
			}
		case kube.ScaledObject:
			k, err := kube.Typed[crd.ScaledObject](kube.Live{"": o}, "")
			if err == nil && autoscaling.ScaledBy(k, autoscaling.Target{Kind: kube.Deployment.GVK(), Namespace: d.Namespace, Name: d.Name}) {
				return o
			}
		case kube.PodDisruptionBudget:
			b, err := kube.Typed[policyv1.PodDisruptionBudget](kube.Live{"": o}, "")
			if err == nil && b != nil && b.Spec.Selector != nil && len(b.Spec.Selector.MatchLabels) > 0 && len(b.Spec.Selector.MatchExpressions) == 0 &&
				labels.SelectorFromSet(b.Spec.Selector.MatchLabels).Matches(labels.Set(d.Spec.Template.Labels)) {
				return o
			}
		default:
			if o.GetLabels()[lifecycle.OwnerLabel] != "" {
				return o
			}
		}
	}
	return nil
}

// scalingTrouble is why the autoscaler does nothing, as a clause; "" when it works
// or has not said anything yet.
func scalingTrouble(live kube.Live) string {
	if o := live[kube.ScaledObject.Kind]; o != nil {
		return kedaTrouble(o)
	}
	h, err := kube.Typed[autoscalingv2.HorizontalPodAutoscaler](live, kube.HorizontalPodAutoscaler.Kind)
	if err != nil || h == nil {
		return ""
	}
	for _, c := range h.Status.Conditions {
		broken := c.Type == autoscalingv2.AbleToScale || c.Type == autoscalingv2.ScalingActive
		if broken && c.Status == corev1.ConditionFalse && c.Reason != "ScalingDisabled" && c.Reason != "ScaledToZero" {
			return ". The autoscaler cannot work: " + c.Message
		}
	}
	return ""
}

// kedaTrouble is why KEDA does not scale, likewise.
func kedaTrouble(o *kube.Object) string {
	conditions, _ := kube.At(o.Object, "status", "conditions")
	list, _ := conditions.([]any)
	for _, e := range list {
		if c, _ := e.(map[string]any); c["type"] == "Ready" && c["status"] == "False" {
			said, _ := c["message"].(string)
			return ". KEDA cannot scale it: " + said
		}
	}
	return ""
}

func validateSatellites(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	var ds diag.Diagnostics
	var replicas types.Int32
	ds.Append(c.GetAttribute(ctx, replicasPath, &replicas)...)
	var scaling types.Object
	ds.Append(c.GetAttribute(ctx, scalingPath, &scaling)...)
	if !scaling.IsNull() && !scaling.IsUnknown() && !replicas.IsNull() && !replicas.IsUnknown() { // pain 20
		ds.Append(diags.Message{
			Summary:  "replicas and autoscaling would fight over the number of pods",
			Happened: "With autoscaling the number is the autoscaler's.",
			Do:       "Remove replicas: the pods there are stay until the autoscaler has something to say. The fewest and the most are autoscaling.min_replicas and max_replicas.",
			At:       replicasPath,
		}.Error())
	}
	var failed, failure types.String
	ds.Append(c.GetAttribute(ctx, path.Root("on_failed_rollout"), &failed)...)
	ds.Append(c.GetAttribute(ctx, path.Root("on_failure"), &failure)...)
	if failed.ValueString() == rollbackFailed && failure.ValueString() == keepFailed {
		ds.Append(diags.Message{
			Summary:  "on_failed_rollout cannot put back what on_failure lets pass",
			Happened: "With on_failure = \"keep\" a failed rollout is a warning, and the apply counts as done.",
			Do:       "Remove one of them.",
			At:       path.Root("on_failed_rollout"),
		}.Error())
	}
	ds.Append(autoscaling.Validate(ctx, c, scalingPath)...)
	ds.Append(validateDoors(ctx, c)...)
	return ds
}

// validateDoors checks budget, ingress and route. Values may be unknown.
func validateDoors(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	var ds diag.Diagnostics
	var budget, ingress, route types.Object
	var enabled types.Bool
	get := func(at path.Path, into any) { ds.Append(c.GetAttribute(ctx, at, into)...) }
	get(disruptionPath, &budget)
	get(ingressPath, &ingress)
	get(routePath, &route)
	get(servicePath.AtName("enabled"), &enabled)
	if !budget.IsNull() && !budget.IsUnknown() {
		var least, most types.String
		get(disruptionPath.AtName("min_available"), &least)
		get(disruptionPath.AtName("max_unavailable"), &most)
		if !least.IsUnknown() && !most.IsUnknown() && least.IsNull() == most.IsNull() {
			ds.Append(diags.Message{
				Summary: "disruption_budget needs min_available or max_unavailable, and not both",
				Do:      "Set max_unavailable = \"1\" to let one pod go at a time.",
				At:      disruptionPath,
			}.Error())
		}
	}
	for at, door := range map[string]types.Object{"ingress": ingress, "route": route} {
		if diags.Given(door) && !enabled.IsNull() && !enabled.IsUnknown() && !enabled.ValueBool() {
			ds.Append(diags.Message{
				Summary: at + " needs the Service that it leads to",
				Do:      "Remove service.enabled = false.",
				At:      path.Root(at),
			}.Error())
		}
	}
	if diags.Given(ingress) && diags.Given(route) {
		ds.Append(diags.Message{
			Summary:  "ingress and route are two ways to the same service",
			Happened: "url can be the address of one only.",
			Do:       "Keep route where the cluster has the Gateway API, else ingress.",
			At:       ingressPath,
		}.Error())
	}
	return ds
}

// planSatellites tells what a change of them does that the plan does not show.
func planSatellites(p *lifecycle.Planning[Model]) {
	if w := budgetWarning(p.Wanted); w.Summary != "" && (p.Prior == nil || p.Changed(disruptionPath) || p.Changed(replicasPath) || p.Changed(scalingPath)) {
		p.Diagnostics.Append(w.Warning())
	}
	if p.Prior == nil || p.Prior.Autoscaling == nil || p.Wanted.Autoscaling != nil || p.Wanted.Replicas.IsNull() {
		return
	}
	if now, then := p.Prior.CurrentReplicas, p.Wanted.Replicas; !now.IsNull() && then.ValueInt32() < now.ValueInt32() {
		p.Diagnostics.Append(diags.Message{
			Summary:  fmt.Sprintf("Without autoscaling the service goes from %d pods to %d", now.ValueInt32(), then.ValueInt32()),
			Happened: "The autoscaler had set the number of pods to what the load asked for.",
			Do:       fmt.Sprintf("Set replicas = %d, or remove replicas, to keep the pods there are.", now.ValueInt32()),
			At:       replicasPath,
		}.Warning())
	}
}
