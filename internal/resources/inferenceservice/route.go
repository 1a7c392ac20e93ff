package inferenceservice

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/kube/crd"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

var routePath = path.Root("route")

// Route is how the service is reached from outside, through a Gateway.
type Route struct {
	Gateway   types.String   `tfsdk:"gateway"`
	Namespace types.String   `tfsdk:"namespace"`
	Listener  types.String   `tfsdk:"listener"`
	Hostnames []types.String `tfsdk:"hostnames"`
	Path      types.String   `tfsdk:"path"`
	Scheme    types.String   `tfsdk:"scheme"`
	Timeouts  *RouteTimeouts `tfsdk:"timeouts"`
}

// RouteTimeouts bound an answer.
type RouteTimeouts struct {
	Request        types.String `tfsdk:"request"`
	BackendRequest types.String `tfsdk:"backend_request"`
}

var (
	beginsWithSlash = stringvalidator.RegexMatches(regexp.MustCompile(`^/`), "must begin with /")
	// gatewayDuration is what the Gateway API takes for a duration (GEP-2257).
	gatewayDuration = stringvalidator.RegexMatches(regexp.MustCompile(`^([0-9]{1,5}(h|m|s|ms)){1,4}$`), "must be a duration such as 30s, 10m or 1h30m, or 0s for no bound")
)

func routeAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "Lets requests in from outside, through a Gateway of the Gateway API: an HTTPRoute of the same name. Needs the Service, and a cluster with the Gateway API, which the plan checks; " +
			"`url` is the address it makes. Default: none. Not with `ingress`. Changed in place.",
		Attributes: map[string]schema.Attribute{
			"gateway": schema.StringAttribute{
				Required: true, MarkdownDescription: "Name of the Gateway. It must let routes of this namespace in (`allowedRoutes`).",
				Validators: []validator.String{diags.DNSSubdomain()},
			},
			"namespace": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Namespace of the Gateway. Default: that of the service.", Validators: []validator.String{diags.DNSLabel()},
			},
			"listener": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Name of the one listener of the Gateway to use, such as `https`. Default: all that let the route in.",
				Validators: []validator.String{diags.DNSSubdomain()},
			},
			"hostnames": schema.ListAttribute{
				Optional: true, ElementType: types.StringType, MarkdownDescription: "Host names of the requests, such as `llama.example.com` or `*.example.com`; `url` has the first. Default: those of the listener.",
				Validators: []validator.List{listvalidator.SizeBetween(1, 16), listvalidator.NoNullValues()},
			},
			"path": schema.StringAttribute{
				Optional: true, MarkdownDescription: "How their path begins. Default `/`.", Validators: []validator.String{beginsWithSlash},
			},
			"scheme": schema.StringAttribute{
				Optional: true, MarkdownDescription: "What `url` begins with, `http` (default) or `https`: only the Gateway's listener knows which it is.",
				Validators: []validator.String{stringvalidator.OneOf("http", "https")},
			},
			"timeouts": schema.SingleNestedAttribute{
				Optional: true, MarkdownDescription: "How long answers may take. A stream of tokens counts until its end. Default: what the Gateway's implementation has, often 15 seconds.",
				Attributes: map[string]schema.Attribute{
					"request": schema.StringAttribute{
						Optional: true, MarkdownDescription: "For the whole answer, such as `10m`; `0s` for no bound. Default: the implementation's.", Validators: []validator.String{gatewayDuration},
					},
					"backend_request": schema.StringAttribute{
						Optional: true, MarkdownDescription: "For one try at a pod, at most `request`. Default: the implementation's.", Validators: []validator.String{gatewayDuration},
					},
				},
			},
		},
	}
}

// apply is the route of a service; nil when there is no port to lead to.
func (r *Route) apply(m *Model) *crd.HTTPRoute {
	pod := effective(m)
	front, ok := frontPort(m, &pod)
	if !ok {
		return nil
	}
	out := crd.NewHTTPRoute(m.Name.ValueString(), m.Namespace.ValueString())
	out.Spec.ParentRefs = []crd.ParentRef{{
		Name: r.Gateway.ValueStringPointer(), Namespace: r.Namespace.ValueStringPointer(), SectionName: r.Listener.ValueStringPointer(),
	}}
	for _, h := range r.Hostnames {
		out.Spec.Hostnames = append(out.Spec.Hostnames, h.ValueString())
	}
	at := root
	if !r.Path.IsNull() {
		at = r.Path.ValueString()
	}
	rule := crd.HTTPRouteRule{
		Matches:     []crd.HTTPRouteMatch{{Path: &crd.HTTPPathMatch{Type: ptr.To("PathPrefix"), Value: &at}}},
		BackendRefs: []crd.HTTPBackendRef{{Name: ptr.To(serviceName(m)), Port: &front.number}},
	}
	if c := m.Canary; c != nil {
		share := c.Weight.ValueInt32()
		rule.BackendRefs[0].Weight = ptr.To(whole - share)
		rule.BackendRefs = append(rule.BackendRefs, crd.HTTPBackendRef{Name: ptr.To(canaryName(m)), Port: &front.number, Weight: &share})
	}
	if t := r.Timeouts; t != nil {
		rule.Timeouts = &crd.HTTPRouteTimeouts{Request: t.Request.ValueStringPointer(), BackendRequest: t.BackendRequest.ValueStringPointer()}
	}
	out.Spec.Rules = []crd.HTTPRouteRule{rule}
	return out
}

func (r *Route) fields() diags.Fields {
	var f diags.Fields
	kind := kube.HTTPRoute.Kind
	f.Add(routePath, kind, "spec") // rules are of several attributes, and which Gateway it is
	f.Add(routePath.AtName("hostnames"), kind, "spec", "hostnames")
	f.Add(routePath, kind, "spec", "rules")
	f.Add(canaryPath, kind, "spec", "rules", "backendRefs") // the shares in them
	return f
}

// adoptRoute is a live route in the words of prior, which is nil on import; nil
// where it is not what these attributes can say.
func adoptRoute(m *Model, live *crd.HTTPRoute, raw *kube.Object, prior *Route) *Route {
	if live == nil {
		return prior
	}
	like := prior
	if like == nil {
		like = &Route{}
	}
	r := &Route{Scheme: like.Scheme}
	if live.Spec == nil || len(live.Spec.ParentRefs) == 0 || len(live.Spec.Rules) == 0 {
		return nil
	}
	parent, rule := live.Spec.ParentRefs[0], live.Spec.Rules[0]
	r.Gateway, r.Namespace, r.Listener = types.StringPointerValue(parent.Name), types.StringPointerValue(parent.Namespace), types.StringPointerValue(parent.SectionName)
	for _, h := range live.Spec.Hostnames {
		r.Hostnames = append(r.Hostnames, types.StringValue(h))
	}
	if len(rule.Matches) > 0 && rule.Matches[0].Path != nil {
		r.Path = values.Word(ptr.Deref(rule.Matches[0].Path.Value, ""), root, like.Path)
	}
	if t := rule.Timeouts; t != nil {
		r.Timeouts = &RouteTimeouts{Request: types.StringPointerValue(t.Request), BackendRequest: types.StringPointerValue(t.BackendRequest)}
	}
	if prior == nil {
		return r
	}
	if made := r.apply(m); made == nil || !faithful(made, raw) {
		return nil
	}
	return r
}

// address is the URL of the route; null where only the Gateway knows the host.
func (r *Route) address() types.String {
	if len(r.Hostnames) == 0 || strings.HasPrefix(r.Hostnames[0].ValueString(), "*") {
		return types.StringNull()
	}
	scheme := "http"
	if !r.Scheme.IsNull() {
		scheme = r.Scheme.ValueString()
	}
	return types.StringValue(scheme + "://" + r.Hostnames[0].ValueString() + strings.TrimSuffix(r.Path.ValueString(), root))
}

// needs lists what a planned service asks for and not every cluster has.
func needs(ctx context.Context, plan tfsdk.Plan) []lifecycle.Need {
	return slices.Concat(needsKServe(ctx, plan), needsGroups(ctx, plan), needsDoors(ctx, plan))
}

// needsDoors are what the route and the autoscaler need.
func needsDoors(ctx context.Context, plan tfsdk.Plan) []lifecycle.Need {
	has := func(at path.Path) bool {
		var o types.Object
		return !plan.GetAttribute(ctx, at, &o).HasError() && diags.Given(o)
	}
	var out []lifecycle.Need
	if has(routePath) {
		out = append(out, lifecycle.Need{Kind: kube.HTTPRoute, Missing: diags.Message{
			Summary:  "This cluster has no Gateway API",
			Happened: "route makes an HTTPRoute of gateway.networking.k8s.io/v1, which the cluster does not serve.",
			Do: "Install the Gateway API and an implementation of it, such as Envoy Gateway, Istio or Cilium: " +
				"kubectl apply -f https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.6.0/standard-install.yaml\nOr use ingress, or a Service of type LoadBalancer.",
			At: routePath,
		}})
	}
	if at := scalingPath.AtName("keda"); has(scalingPath) && has(at) {
		out = append(out, lifecycle.Need{Kind: kube.ScaledObject, Missing: diags.Message{
			Summary:  "This cluster has no KEDA",
			Happened: "autoscaling.keda makes a ScaledObject of keda.sh/v1alpha1, which the cluster does not serve.",
			Do:       "Install KEDA: helm install keda keda --repo https://kedacore.github.io/charts --namespace keda --create-namespace\nOr use autoscaling without keda.",
			At:       at,
		}})
	}
	return out
}

// routeTrouble is why the Gateway does not lead to the service, as its reason and a
// sentence; "" when it does or has not said anything yet.
func routeTrouble(live kube.Live) (reason, message string) {
	o := live[kube.HTTPRoute.Kind]
	if o == nil {
		return "", ""
	}
	parents, _ := kube.At(o.Object, "status", "parents")
	list, _ := parents.([]any)
	for _, p := range list {
		parent, _ := p.(map[string]any)
		conditions, _ := parent["conditions"].([]any)
		for _, e := range conditions {
			c, _ := e.(map[string]any)
			if kind := c["type"]; (kind == "Accepted" || kind == "ResolvedRefs") && c["status"] == "False" {
				reason, _ = c["reason"].(string)
				said, _ := c["message"].(string)
				return reason, ". The Gateway does not lead to it: " + said
			}
		}
	}
	return "", ""
}
