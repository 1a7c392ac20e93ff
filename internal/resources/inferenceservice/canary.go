package inferenceservice

import (
	"context"
	"maps"
	"reflect"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// roleCanary is the role of the second version's Deployment and Service, and what
// their names end in.
const roleCanary = "canary"

// whole is all of the requests.
const whole = 100

var (
	canaryPath       = path.Root("canary")
	canaryDeployment = kube.Deployment.Key(roleCanary)
	canaryService    = kube.Service.Key(roleCanary)
)

// Canary is a second version that gets a share of the requests: what it does not say
// is as in the service.
type Canary struct {
	Image    types.String            `tfsdk:"image"`
	Command  []types.String          `tfsdk:"command"`
	Args     []types.String          `tfsdk:"args"`
	Env      map[string]types.String `tfsdk:"env"`
	Weights  *Weights                `tfsdk:"model"`
	Replicas types.Int32             `tfsdk:"replicas"`
	Weight   types.Int32             `tfsdk:"weight"`
}

func canaryAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "A second version of the service that gets `weight` percent of the requests of `route`, which it needs: a Deployment and a Service called `<name>-canary`. Whatever it does not set is as in the service. " +
			"Its pods bear the labels of `selector` with `-canary` at the end of each value. It gets requests, and more of them, only once it is ready; fewer at once. " +
			"To promote it, set what it sets in the service itself and remove `canary`: the service rolls out and is waited for, then the route leads all requests to it, and the canary goes last. " +
			"To give it up, just remove it: the route leads away from it before it goes. Default: none. Not with `wait_for = \"created\"`. Changed in place.",
		Attributes: map[string]schema.Attribute{
			"image": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Image of its main container. Default: `image`.", Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"command": schema.ListAttribute{
				Optional: true, ElementType: types.StringType, MarkdownDescription: "Its program, in the place of `command`. Default: `command`.",
				Validators: []validator.List{listvalidator.SizeAtLeast(1), listvalidator.NoNullValues()},
			},
			"args": schema.ListAttribute{
				Optional: true, ElementType: types.StringType, MarkdownDescription: "Its arguments, in the place of `args`; those of `runtime` and `model` come before them as there. Default: `args`.",
				Validators: []validator.List{listvalidator.SizeAtLeast(1), listvalidator.NoNullValues()},
			},
			"env": schema.MapAttribute{
				Optional: true, ElementType: types.StringType, MarkdownDescription: "Its environment beside, or in the place of, that of `env` and `env_value_from`. Default: none of its own.",
				Validators: []validator.Map{mapvalidator.SizeAtLeast(1), mapvalidator.NoNullValues()},
			},
			"model": schema.SingleNestedAttribute{
				Optional: true, MarkdownDescription: "The model it serves, in the place of `model`. Default: `model`.", Attributes: modelAttributes(),
			},
			"replicas": schema.Int32Attribute{
				Optional: true, MarkdownDescription: "How many pods it has. It keeps them under `autoscaling` too, which scales the service itself alone; `disruption_budget` does not count them. Default 1.",
				Validators: []validator.Int32{int32validator.AtLeast(1)},
			},
			"weight": schema.Int32Attribute{
				Required: true, MarkdownDescription: "Its share of the requests in percent, 0 to 100; the service gets the rest. With `0` it runs and nobody is led to it.",
				Validators: []validator.Int32{int32validator.Between(0, whole)},
			},
		},
	}
}

// second is the canary as a service of its own, without one it is led to by; nil for
// none.
func second(m *Model) *Model {
	c := m.Canary
	if c == nil {
		return nil
	}
	v, given := *m, m.given()
	v.Name = types.StringValue(canaryName(m))
	v.Selector = canarySelector(m)
	v.Autoscaling, v.Budget, v.Ingress, v.Route, v.Canary = nil, nil, nil, nil, nil
	v.Service = &Service{Enabled: given.Enabled, Port: given.Port, TargetPort: given.TargetPort, AppProtocol: given.AppProtocol}
	if v.Replicas = c.Replicas; v.Replicas.IsNull() {
		v.Replicas = types.Int32Value(1)
	}
	if !c.Image.IsNull() {
		v.Image = c.Image
	}
	if c.Command != nil {
		v.Command = c.Command
	}
	if c.Args != nil {
		v.Args = c.Args
	}
	if c.Weights != nil {
		v.Weights = c.Weights
	}
	if len(c.Env) > 0 {
		v.Env, v.EnvValueFrom = maps.Clone(v.Env), maps.Clone(v.EnvValueFrom)
		if v.Env == nil {
			v.Env = map[string]types.String{}
		}
		for k, value := range c.Env {
			v.Env[k] = value
			delete(v.EnvValueFrom, k)
		}
	}
	return &v
}

func canaryName(m *Model) string { return m.Name.ValueString() + "-" + roleCanary }

// canarySelector are the labels of its pods. They differ from those of the service at
// each key: none of the two Deployments and Services sees the pods of the other.
func canarySelector(m *Model) map[string]types.String {
	out := map[string]types.String{}
	for k, v := range selectorOf(m) {
		other := v + "-" + roleCanary
		if v == "" || len(other) > validation.LabelValueMaxLength {
			other = roleCanary
		}
		out[k] = types.StringValue(other)
	}
	return out
}

// versions are the service itself and its canary, if it has one.
func versions(m *Model) []*Model {
	if c := second(m); c != nil {
		return []*Model{m, c}
	}
	return []*Model{m}
}

// canaryFields says which attribute made which field of the canary's objects.
func canaryFields(m *Model) diags.Fields {
	var f diags.Fields
	c := m.Canary
	if c == nil {
		return f
	}
	d := canaryDeployment
	f.Add(canaryPath, d, "spec")
	f.Add(canaryPath, canaryService, "spec")
	f.Merge(podspec.QueueField(path.Empty(), d))
	f.Add(canaryPath.AtName("replicas"), d, "spec", "replicas")
	if !c.Image.IsNull() {
		f.Add(canaryPath.AtName("image"), d, "spec", "template", "spec", "containers", m.Main(), "image")
	}
	return f
}

// interim is what is written first where a canary comes, gets more requests or goes,
// so that no request is ever led to where nobody is ready: the pods. The route
// follows once they are; what the canary consists of goes after that.
func interim(prior, wanted *Model) *Model {
	had, has := prior != nil && prior.Canary != nil, wanted.Canary != nil
	meanwhile := *wanted
	switch {
	case !had && !has:
		return nil
	case has && (prior == nil || prior.Route == nil):
		// A new route leads to the service at once, and to its canary in time.
		c := *wanted.Canary
		c.Weight = types.Int32Value(0)
		meanwhile.Canary = &c
	case has && had && wanted.Canary.Weight.ValueInt32() <= prior.Canary.Weight.ValueInt32():
		return nil // what leads away from a canary that does not work must not wait for it
	case !has && sameVersion(prior, wanted):
		// It is given up: the route leads away from it at once.
	default:
		meanwhile.Route = nil
	}
	return &meanwhile
}

// sameVersion reports whether two models ask for the same pods, canaries aside.
func sameVersion(a, b *Model) bool {
	x, _ := deployment(a)
	y, _ := deployment(b)
	return x != nil && y != nil && reflect.DeepEqual(x.Spec, y.Spec)
}

// validateCanary checks what a canary needs. Values may be unknown.
func validateCanary(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	var ds diag.Diagnostics
	var canary, route types.Object
	var name, level, service types.String
	get := func(at path.Path, into any) { ds.Append(c.GetAttribute(ctx, at, into)...) }
	get(canaryPath, &canary)
	if !diags.Given(canary) || ds.HasError() {
		return ds
	}
	get(routePath, &route)
	get(path.Root("name"), &name)
	get(path.Root("wait_for"), &level)
	get(servicePath.AtName("name"), &service)
	if route.IsNull() {
		ds.Append(diags.Message{
			Summary:  "canary needs route",
			Happened: "Only a route of the Gateway API can lead a share of the requests to another version: a Service and an Ingress lead to one.",
			Do:       "Set route, for example { gateway = \"public\", hostnames = [\"llm.example.com\"] }, or remove canary.",
			At:       canaryPath,
		}.Error())
	}
	if level.ValueString() == levelCreated {
		ds.Append(notAwaited(canaryPath).Error())
	}
	if own := name.ValueString() + "-" + roleCanary; diags.Given(name) && len(validation.IsDNS1035Label(own)) > 0 && len(validation.IsDNS1035Label(name.ValueString())) == 0 {
		ds.Append(diags.Message{
			Summary:  "The name is too long for a service with a canary",
			Happened: "The Service of its canary is called " + own + ", and a Service has a name of at most 63 characters.",
			Do:       "Use a name of at most 56 characters. A service with another name is a new one.",
			At:       path.Root("name"),
		}.Error())
	} else if diags.Given(name) && service.ValueString() == own {
		ds.Append(diags.Message{
			Summary: "service.name is the name of the canary's Service",
			Do:      "Use another name: " + own + " is what leads to the canary.",
			At:      servicePath.AtName("name"),
		}.Error())
	}
	return ds
}

func notAwaited(at path.Path) diags.Message {
	return diags.Message{
		Summary:  "A service with a canary waits until it is ready",
		Happened: "With wait_for = \"created\" nobody would know whether there is a pod to lead the requests to.",
		Do:       "Remove wait_for, at least until there is no canary any more.",
		At:       at,
	}
}

// planCanary refuses to let go of a canary unseen, and tells of one that is told
// twice.
func planCanary(p *lifecycle.Planning[Model]) {
	if p.Prior != nil && p.Prior.Canary != nil && p.Wanted.WaitFor.ValueString() == levelCreated {
		p.Diagnostics.Append(notAwaited(path.Root("wait_for")).Error())
	}
}

// matching are the pods of one version.
func matching(selector, labels map[string]string) bool {
	return !slices.ContainsFunc(slices.Collect(maps.Keys(selector)), func(k string) bool { return labels[k] != selector[k] })
}
