package podspec

import (
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
)

// EnvValue is where the value of an environment variable comes from.
type EnvValue struct {
	Secret    *KeyRef           `tfsdk:"secret"`
	ConfigMap *KeyRef           `tfsdk:"config_map"`
	Field     types.String      `tfsdk:"field"`
	Resource  *ResourceFieldRef `tfsdk:"resource"`
}

// KeyRef is a key of a Secret or ConfigMap.
type KeyRef struct {
	Name     types.String `tfsdk:"name"`
	Key      types.String `tfsdk:"key"`
	Optional types.Bool   `tfsdk:"optional"`
}

// ResourceFieldRef is a limit or request of a container.
type ResourceFieldRef struct {
	Container types.String   `tfsdk:"container"`
	Resource  types.String   `tfsdk:"resource"`
	Divisor   quantity.Value `tfsdk:"divisor"`
}

// EnvFrom makes a variable of each key of a ConfigMap or Secret.
type EnvFrom struct {
	ConfigMap types.String `tfsdk:"config_map"`
	Secret    types.String `tfsdk:"secret"`
	Prefix    types.String `tfsdk:"prefix"`
	Optional  types.Bool   `tfsdk:"optional"`
}

// applyEnv returns all variables in the order of envOrder.
func (c *Container) applyEnv() ([]corev1ac.EnvVarApplyConfiguration, diag.Diagnostics) {
	if len(c.Env)+len(c.EnvValueFrom) == 0 {
		return nil, nil
	}
	var ds diag.Diagnostics
	out := make([]corev1ac.EnvVarApplyConfiguration, 0, len(c.Env)+len(c.EnvValueFrom))
	for _, name := range c.envOrder() {
		v := corev1ac.EnvVarApplyConfiguration{Name: &name}
		if from, ok := c.EnvValueFrom[name]; ok {
			source, sds := from.apply()
			ds.Append(sds...)
			v.ValueFrom = source
		} else {
			v.Value = c.Env[name].ValueStringPointer()
		}
		out = append(out, v)
	}
	return out, ds
}

// envOrder returns the names of the variables, sorted, save that a variable
// comes after those its value names as $(VAR): Kubernetes leaves a reference to
// a later variable as it stands. Variables that name each other in a circle
// stay where the alphabet puts them. Null values are no variables.
func (c *Container) envOrder() []string {
	all := make([]string, 0, len(c.Env)+len(c.EnvValueFrom))
	refer := false
	for name, v := range c.Env {
		if v.IsNull() {
			continue
		}
		if _, both := c.EnvValueFrom[name]; both {
			continue
		}
		all = append(all, name)
		refer = refer || strings.Contains(v.ValueString(), "$(")
	}
	for name := range c.EnvValueFrom {
		all = append(all, name)
	}
	slices.Sort(all)
	if !refer {
		return all
	}
	return c.afterReferences(all)
}

// afterReferences moves variables behind those they name. It is Tarjan's
// algorithm: the variables of one circle come out together, what they name
// before them.
func (c *Container) afterReferences(sorted []string) []string {
	type node struct {
		index, low int
		open       bool
	}
	seen := make(map[string]*node, len(sorted))
	out := make([]string, 0, len(sorted))
	var stack []string
	var visit func(name string) *node
	visit = func(name string) *node {
		n := &node{index: len(seen), low: len(seen), open: true}
		seen[name] = n
		stack = append(stack, name)
		for _, r := range references(c.Env[name].ValueString()) {
			if _, ok := slices.BinarySearch(sorted, r); !ok {
				continue
			}
			switch next := seen[r]; {
			case next == nil:
				n.low = min(n.low, visit(r).low)
			case next.open:
				n.low = min(n.low, next.index)
			}
		}
		if n.low == n.index {
			from := slices.Index(stack, name)
			circle := stack[from:]
			slices.Sort(circle)
			for _, member := range circle {
				seen[member].open = false
			}
			out = append(out, circle...)
			stack = stack[:from]
		}
		return n
	}
	for _, name := range sorted {
		if seen[name] == nil {
			visit(name)
		}
	}
	return out
}

// references returns the variables a value names as $(VAR), sorted; $$(VAR) is
// an escape and names none (Kubernetes, third_party/forked/golang/expansion).
func references(value string) []string {
	if !strings.Contains(value, "$(") {
		return nil
	}
	found := map[string]bool{}
	for i := 0; i+1 < len(value); i++ {
		if value[i] != '$' {
			continue
		}
		switch value[i+1] {
		case '$':
			i++
		case '(':
			end := strings.IndexByte(value[i+2:], ')')
			if end < 0 {
				continue
			}
			found[value[i+2:i+2+end]] = true
			i += 2 + end
		}
	}
	return sortedKeys(found)
}

func (e *EnvValue) apply() (*corev1ac.EnvVarSourceApplyConfiguration, diag.Diagnostics) {
	out := &corev1ac.EnvVarSourceApplyConfiguration{FieldRef: fieldRef(e.Field)}
	if s := e.Secret; s != nil {
		out.SecretKeyRef = &corev1ac.SecretKeySelectorApplyConfiguration{
			LocalObjectReferenceApplyConfiguration: corev1ac.LocalObjectReferenceApplyConfiguration{Name: s.Name.ValueStringPointer()},
			Key:                                    s.Key.ValueStringPointer(), Optional: s.Optional.ValueBoolPointer(),
		}
	}
	if c := e.ConfigMap; c != nil {
		out.ConfigMapKeyRef = &corev1ac.ConfigMapKeySelectorApplyConfiguration{
			LocalObjectReferenceApplyConfiguration: corev1ac.LocalObjectReferenceApplyConfiguration{Name: c.Name.ValueStringPointer()},
			Key:                                    c.Key.ValueStringPointer(), Optional: c.Optional.ValueBoolPointer(),
		}
	}
	r, ds := e.Resource.apply()
	out.ResourceFieldRef = r
	return out, ds
}

func fieldRef(field types.String) *corev1ac.ObjectFieldSelectorApplyConfiguration {
	if field.IsNull() {
		return nil
	}
	return &corev1ac.ObjectFieldSelectorApplyConfiguration{FieldPath: field.ValueStringPointer()}
}

func (r *ResourceFieldRef) apply() (*corev1ac.ResourceFieldSelectorApplyConfiguration, diag.Diagnostics) {
	if r == nil {
		return nil, nil
	}
	divisor, ds := amount(r.Divisor)
	return &corev1ac.ResourceFieldSelectorApplyConfiguration{
		ContainerName: r.Container.ValueStringPointer(), Resource: r.Resource.ValueStringPointer(), Divisor: divisor,
	}, ds
}

func applyEnvFrom(in []EnvFrom) []corev1ac.EnvFromSourceApplyConfiguration {
	var out []corev1ac.EnvFromSourceApplyConfiguration
	for _, e := range in {
		ac := corev1ac.EnvFromSourceApplyConfiguration{Prefix: e.Prefix.ValueStringPointer()}
		if !e.ConfigMap.IsNull() {
			ac.ConfigMapRef = &corev1ac.ConfigMapEnvSourceApplyConfiguration{
				LocalObjectReferenceApplyConfiguration: corev1ac.LocalObjectReferenceApplyConfiguration{Name: e.ConfigMap.ValueStringPointer()},
				Optional:                               e.Optional.ValueBoolPointer(),
			}
		}
		if !e.Secret.IsNull() {
			ac.SecretRef = &corev1ac.SecretEnvSourceApplyConfiguration{
				LocalObjectReferenceApplyConfiguration: corev1ac.LocalObjectReferenceApplyConfiguration{Name: e.Secret.ValueStringPointer()},
				Optional:                               e.Optional.ValueBoolPointer(),
			}
		}
		out = append(out, ac)
	}
	return out
}
