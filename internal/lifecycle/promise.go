package lifecycle

import (
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// known replaces unknown attributes by null.
func known(raw tftypes.Value) tftypes.Value {
	attrs := map[string]tftypes.Value{}
	if raw.As(&attrs) != nil {
		return raw
	}
	attrs = maps.Clone(attrs)
	for n, v := range attrs {
		if !v.IsFullyKnown() {
			attrs[n] = tftypes.NewValue(v.Type(), nil)
		}
	}
	return tftypes.NewValue(raw.Type(), attrs)
}

// forget makes the computed attributes of a replaced object unknown.
func (p *planner[M, P]) forget() {
	for _, n := range computedNames(p.schema) {
		if !p.config[n].IsNull() || slices.Contains([]string{"namespace", "labels_all", "annotations_all"}, n) || p.changed[n] || p.r.def.Derived[n] != nil {
			continue
		}
		p.plan[n] = tftypes.NewValue(p.plan[n].Type(), tftypes.UnknownValue)
	}
	if p.r.namespaced() && p.config["namespace"].IsNull() {
		p.plan["namespace"] = p.state["namespace"]
	}
}

// restore plans the prior values of computed attributes, before the definition
// has its say.
func (p *planner[M, P]) restore() {
	for _, n := range computedNames(p.schema) {
		if !p.config[n].IsNull() || n == "labels_all" || n == "annotations_all" {
			continue
		}
		if v, ok := p.state[n]; ok {
			p.plan[n] = v
		}
	}
}

// mayLearn makes computed attributes that had no value yet unknown: the update
// may see what the refresh did not.
func (p *planner[M, P]) mayLearn() {
	for _, n := range computedNames(p.schema) {
		if p.config[n].IsNull() && p.plan[n].IsNull() && !p.changed[n] && (p.r.def.Derived[n] == nil || p.learns[n]) {
			p.plan[n] = tftypes.NewValue(p.plan[n].Type(), tftypes.UnknownValue)
		}
	}
}

// derive plans the attributes that follow from declared ones.
func (p *planner[M, P]) derive(exists bool) {
	if p.r.def.Derived == nil {
		return
	}
	p.save()
	var m *M
	if p.inputsKnown() {
		var ds diag.Diagnostics
		m, ds = p.model()
		p.diagnostics.Append(ds...)
	}
	for name, of := range p.r.def.Derived {
		if m == nil {
			p.plan[name] = tftypes.NewValue(p.plan[name].Type(), tftypes.UnknownValue)
			continue
		}
		v := of(m)
		if exists && v.IsUnknown() {
			p.learns[name] = true // it stays what it is but for an update
			continue
		}
		p.set(name, v)
		if exists && !p.plan[name].Equal(p.state[name]) {
			p.changed[name] = true
		}
	}
}

// derivedSettled reports whether the attributes that follow from declared ones are
// in the state what they ought to be.
func (p *planner[M, P]) derivedSettled() bool {
	if p.r.def.Derived == nil {
		return true
	}
	m, ds := decode[M](p.ctx, p.schema, known(p.in.state))
	if ds.HasError() {
		return false
	}
	for name, of := range p.r.def.Derived {
		if v, err := of(m).ToTerraformValue(p.ctx); err != nil || v.IsKnown() && !v.Equal(p.state[name]) {
			return false
		}
	}
	return true
}

// objects plans id and objects from what the configuration asks for.
func (p *planner[M, P]) objects(fresh bool) {
	p.save()
	if !p.inputsKnown() || p.diagnostics.HasError() {
		if fresh {
			p.planID()
		}
		return
	}
	m, ds := p.model()
	p.diagnostics.Append(ds...)
	if ds.HasError() {
		return
	}
	pm := P(m)
	pm.Base().ID = types.StringValue(idOf(p.r.main(pm)))
	want, ds := p.r.render(pm, "")
	p.diagnostics.Append(ds...)
	if ds.HasError() {
		return
	}
	p.want = want
	p.set("id", pm.Base().ID)
	refs := make([]kube.Ref, 0, len(want))
	for _, w := range want {
		refs = append(refs, w.ref)
	}
	p.set("objects", objectsValue(refs, func(ref kube.Ref) types.String {
		if u := p.mem.uid(ref); u != "" && !fresh {
			return types.StringValue(u)
		}
		return types.StringUnknown()
	}))
}

// planID plans the id when the names are known although other inputs are not.
func (p *planner[M, P]) planID() {
	if p.r.def.ObjectName != nil {
		return
	}
	name, namespace := "", ""
	if v := p.plan["name"]; !v.IsKnown() || v.As(&name) != nil {
		return
	}
	if p.r.namespaced() {
		if v := p.plan["namespace"]; !v.IsKnown() || v.As(&namespace) != nil {
			return
		}
	}
	p.set("id", types.StringValue(idOf(kube.Ref{Namespace: namespace, Name: name})))
}

// computedNames are the computed attributes of a schema.
func computedNames(s schema.Schema) []string {
	var out []string
	for n, a := range s.Attributes {
		if a.IsComputed() {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}
