package gpustack

import (
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/kube/crd"
)

// Part is what can be said of every program of the stack.
type Part struct {
	Repository       types.String            `tfsdk:"repository"`
	Image            types.String            `tfsdk:"image"`
	Version          types.String            `tfsdk:"version"`
	ImagePullPolicy  types.String            `tfsdk:"image_pull_policy"`
	ImagePullSecrets []types.String          `tfsdk:"image_pull_secrets"`
	Args             []types.String          `tfsdk:"args"`
	Env              map[string]types.String `tfsdk:"env"`
}

// Switched is a program that can be left out.
type Switched struct {
	Enabled types.Bool `tfsdk:"enabled"`
	Part
}

// Operand is a program that can be left out and that has resources.
type Operand struct {
	Switched
	Resources *Resources `tfsdk:"resources"`
}

// Validator is the program that looks whether the others have done their work. It
// cannot be left out.
type Validator struct {
	Part
	Resources *Resources `tfsdk:"resources"`
}

// Resources are what a container is promised and what it may use at most.
type Resources struct {
	Requests map[string]quantity.Value `tfsdk:"requests"`
	Limits   map[string]quantity.Value `tfsdk:"limits"`
}

// apply returns the program as a ClusterPolicy says it; empty for nil.
func (o *Operand) apply() (crd.Operand, diag.Diagnostics) {
	if o == nil {
		return crd.Operand{}, nil
	}
	out := crd.Operand{
		Enabled: o.Enabled.ValueBoolPointer(), Repository: o.Repository.ValueStringPointer(), Image: o.Image.ValueStringPointer(),
		Version: o.Version.ValueStringPointer(), ImagePullPolicy: o.ImagePullPolicy.ValueStringPointer(),
		ImagePullSecrets: texts(o.ImagePullSecrets), Args: texts(o.Args),
	}
	for _, name := range slices.Sorted(maps.Keys(o.Env)) {
		if v := o.Env[name]; !v.IsNull() {
			e := crd.OperandVariable{Name: name}
			if v.ValueString() != "" { // as the operator writes one that is empty
				e.Value = v.ValueStringPointer()
			}
			out.Env = append(out.Env, e)
		}
	}
	resources, ds := o.Resources.apply()
	out.Resources = resources
	return out, ds
}

func (r *Resources) apply() (*corev1ac.ResourceRequirementsApplyConfiguration, diag.Diagnostics) {
	if r == nil || len(r.Requests)+len(r.Limits) == 0 {
		return nil, nil
	}
	requests, ds := podspec.Amounts(r.Requests)
	limits, lds := podspec.Amounts(r.Limits)
	ds.Append(lds...)
	out := corev1ac.ResourceRequirements()
	if requests != nil {
		out.WithRequests(requests)
	}
	if limits != nil {
		out.WithLimits(limits)
	}
	return out, ds
}

// operand is a program that can be left out, as one that might have resources.
func (s *Switched) operand() *Operand {
	if s == nil {
		return nil
	}
	return &Operand{Switched: *s}
}

// operand is the validator, as one that could be left out.
func (v *Validator) operand() *Operand {
	if v == nil {
		return nil
	}
	return &Operand{Switched: Switched{Part: v.Part}, Resources: v.Resources}
}

// adoptOperand is what a ClusterPolicy says of a program; nil for nothing.
func adoptOperand(c *crd.Operand) *Operand {
	if c == nil {
		return nil
	}
	out := &Operand{
		Switched: Switched{Enabled: types.BoolPointerValue(c.Enabled), Part: Part{
			Repository: word(c.Repository), Image: word(c.Image), Version: word(c.Version), ImagePullPolicy: word(c.ImagePullPolicy),
			ImagePullSecrets: words(c.ImagePullSecrets), Args: words(c.Args),
		}},
	}
	for _, v := range c.Env {
		if out.Env == nil {
			out.Env = map[string]types.String{}
		}
		out.Env[v.Name] = types.StringValue("")
		if v.Value != nil {
			out.Env[v.Name] = types.StringValue(*v.Value)
		}
	}
	if r := c.Resources; r != nil {
		out.Resources = adoptResources(r)
	}
	if !out.said() {
		return nil
	}
	return out
}

func adoptResources(r *corev1ac.ResourceRequirementsApplyConfiguration) *Resources {
	out := &Resources{}
	if r.Requests != nil {
		out.Requests = podspec.AdoptAmounts(*r.Requests)
	}
	if r.Limits != nil {
		out.Limits = podspec.AdoptAmounts(*r.Limits)
	}
	if len(out.Requests)+len(out.Limits) == 0 {
		return nil
	}
	return out
}

// said reports whether anything is said of the program.
func (o *Operand) said() bool {
	return !o.Enabled.IsNull() || !o.Repository.IsNull() || !o.Image.IsNull() || !o.Version.IsNull() || !o.ImagePullPolicy.IsNull() ||
		len(o.ImagePullSecrets)+len(o.Args)+len(o.Env) > 0 || o.Resources != nil
}

// switched is the program without its resources; nil for nil.
func (o *Operand) switched() *Switched {
	if o == nil {
		return nil
	}
	return &o.Switched
}

// validator is the program as the validator; nil for nil.
func (o *Operand) validator() *Validator {
	if o == nil {
		return nil
	}
	return &Validator{Part: o.Part, Resources: o.Resources}
}

// operandFields says which attributes made the fields of a program.
func operandFields(f *diags.Fields, o *Operand, root path.Path, name string) {
	if o == nil {
		return
	}
	at := func(attribute string, fields ...string) {
		f.Add(root.AtName(attribute), append([]string{kube.ClusterPolicy.Kind, "spec", name}, fields...)...)
	}
	if !o.Enabled.IsNull() { // the validator has no such attribute
		at("enabled", "enabled")
	}
	at("repository", "repository")
	at("image", "image")
	at("version", "version")
	at("image_pull_policy", "imagePullPolicy")
	at("image_pull_secrets", "imagePullSecrets")
	at("args", "args")
	for k := range o.Env {
		f.Add(root.AtName("env").AtMapKey(k), kube.ClusterPolicy.Kind, "spec", name, "env", k)
	}
	if r := o.Resources; r != nil {
		for k := range r.Requests {
			f.Add(root.AtName("resources").AtName("requests").AtMapKey(k), kube.ClusterPolicy.Kind, "spec", name, "resources", "requests", k)
		}
		for k := range r.Limits {
			f.Add(root.AtName("resources").AtName("limits").AtMapKey(k), kube.ClusterPolicy.Kind, "spec", name, "resources", "limits", k)
		}
	}
}

// word is a text; null where there is none.
func word[T ~string](s *T) types.String {
	if s == nil || *s == "" {
		return types.StringNull()
	}
	return types.StringValue(string(*s))
}

// unless is a value; null where it is what the API fills in and nobody stated it.
func unless[V interface{ IsNull() bool }, T comparable](v *T, byDefault T, like V, value func(*T) V) V {
	if v != nil && *v == byDefault && like.IsNull() {
		return value(nil)
	}
	return value(v)
}

func words(in []string) []types.String {
	var out []types.String
	for _, s := range in {
		out = append(out, types.StringValue(s))
	}
	return out
}

// texts returns plain strings; nil for none.
func texts(in []types.String) []string {
	var out []string
	for _, s := range in {
		out = append(out, s.ValueString())
	}
	return out
}

func adoptTolerations(in []corev1ac.TolerationApplyConfiguration) []podspec.Toleration {
	var plain []corev1.Toleration
	for _, t := range in {
		var p corev1.Toleration
		if t.Key != nil {
			p.Key = *t.Key
		}
		if t.Operator != nil {
			p.Operator = *t.Operator
		}
		if t.Value != nil {
			p.Value = *t.Value
		}
		if t.Effect != nil {
			p.Effect = *t.Effect
		}
		p.TolerationSeconds = t.TolerationSeconds
		plain = append(plain, p)
	}
	return podspec.AdoptTolerations(plain)
}
