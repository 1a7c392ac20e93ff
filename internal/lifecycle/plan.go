package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// ModifyPlan settles names, semantic equality, replacement and computed
// values. Of the cluster it asks only whether it has what a new object needs.
func (r *Resource[M, P]) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if r.provider == nil {
		return // terraform validate plans nothing, but a test harness may
	}
	mem, ds := recall(ctx, req.Private)
	resp.Diagnostics.Append(ds...)
	s, ok := req.Plan.Schema.(schema.Schema)
	if !ok || resp.Diagnostics.HasError() {
		return
	}
	p := &planner[M, P]{r: r, ctx: ctx, schema: s, mem: mem, in: proposal{config: req.Config.Raw, state: req.State.Raw, plan: req.Plan.Raw}}
	p.run()
	resp.Plan.Raw = p.out
	resp.RequiresReplace = append(resp.RequiresReplace, p.replace...)
	resp.Diagnostics.Append(p.diagnostics...)
}

// proposal is what Terraform proposes, with null computed attributes already
// unknown where something changed.
type proposal struct {
	config, state, plan tftypes.Value
}

// planner makes one plan.
type planner[M any, P based[M]] struct {
	r      *Resource[M, P]
	ctx    context.Context
	schema schema.Schema
	mem    memory
	in     proposal

	out         tftypes.Value
	replace     path.Paths
	diagnostics diag.Diagnostics

	plan, state, config map[string]tftypes.Value
	changed             map[string]bool
	// learns are the derived attributes that only the cluster can tell.
	learns map[string]bool
	// want is what the plan asks for, once all of it is known.
	want []rendered
}

func (p *planner[M, P]) run() {
	p.out = p.in.plan
	switch {
	case p.in.plan.IsNull():
		p.destroy()
	case p.in.state.IsNull():
		p.create()
	default:
		p.update()
	}
}

// given wraps the proposal the way hooks and decoding want it.
func (p *planner[M, P]) given() (tfsdk.Config, tfsdk.State) {
	return tfsdk.Config{Schema: p.schema, Raw: p.in.config}, tfsdk.State{Schema: p.schema, Raw: p.in.state}
}

func (p *planner[M, P]) destroy() {
	if p.r.def.Plan == nil {
		return
	}
	prior, ds := decode[M](p.ctx, p.schema, p.in.state)
	p.diagnostics.Append(ds...)
	if p.diagnostics.HasError() {
		return
	}
	config, state := p.given()
	planning := &Planning[M]{Config: config, State: state, Prior: prior, Destroy: true, Changed: func(path.Path) bool { return true }}
	p.r.def.Plan(p.ctx, planning)
	p.diagnostics.Append(planning.Diagnostics...)
}

func (p *planner[M, P]) create() {
	if !p.open() {
		return
	}
	p.everything()
	p.names(false)
	p.derive(false)
	p.hook(nil, true)
	p.objects(true)
	p.save()
	p.needs(true)
	p.survey(nil)
	p.obstacles(true)
	p.security()
	p.placement(nil)
}

func (p *planner[M, P]) update() {
	if !p.open() {
		return
	}
	// Nothing to do, and nothing marked as computed by the framework: the
	// common case, kept cheap.
	quiet := p.in.plan.Equal(p.in.state) && !p.mem.Pending && !p.mem.Incomplete
	if quiet && p.labelsSettled() && p.derivedSettled() {
		return
	}
	p.settle()
	p.compare()
	p.names(true)
	p.restore()
	p.derive(true)
	replace := p.replacements()
	prior, ds := decode[M](p.ctx, p.schema, p.in.state)
	p.diagnostics.Append(ds...)
	if p.diagnostics.HasError() {
		return
	}
	replace = p.hook(prior, replace)
	due := len(p.changed) > 0 || p.mem.Pending || p.mem.Incomplete
	switch {
	case replace:
		p.forget()
		p.objects(true)
	case due:
		p.mayLearn()
		p.set("status", types.ObjectUnknown(statusTypes))
		for _, n := range p.r.def.Moving {
			p.plan[n] = tftypes.NewValue(p.plan[n].Type(), tftypes.UnknownValue)
		}
		p.objects(false)
	}
	p.save()
	if replace || due {
		p.needs(replace) // an update may ask for a kind that the object before did without
	}
	if len(p.changed) > 0 {
		p.obstacles(replace)
	}
	if replace {
		p.survey(prior)
		p.security()
	}
	if len(p.changed) > 0 {
		p.placement(prior)
	}
}

// open splits plan, state and config into attributes.
func (p *planner[M, P]) open() bool {
	p.plan, p.state, p.config = map[string]tftypes.Value{}, map[string]tftypes.Value{}, map[string]tftypes.Value{}
	for _, v := range []struct {
		raw tftypes.Value
		out *map[string]tftypes.Value
	}{{p.in.plan, &p.plan}, {p.in.state, &p.state}, {p.in.config, &p.config}} {
		if v.raw.IsNull() {
			continue
		}
		if err := v.raw.As(v.out); err != nil {
			p.diagnostics.Append(diags.Message{Summary: "The plan cannot be read", Why: err.Error()}.Error())
			return false
		}
	}
	p.plan = maps.Clone(p.plan)
	p.changed, p.learns = map[string]bool{}, map[string]bool{}
	return true
}

// everything marks all declared attributes as changed: this is a new object.
func (p *planner[M, P]) everything() {
	for n := range p.plan {
		p.changed[n] = true
	}
}

// settle plans the prior value for attributes that say the same in other words.
func (p *planner[M, P]) settle() {
	for name, planned := range p.plan {
		prior, ok := p.state[name]
		if !ok || planned.Equal(prior) {
			continue
		}
		a, ok := p.schema.Attributes[name]
		if !ok {
			continue
		}
		p.plan[name] = settled(p.ctx, a.GetType(), planned, prior)
	}
}

// compare notes which attributes differ from the state after settling.
// Computed ones count when the configuration sets them.
func (p *planner[M, P]) compare() {
	for name, planned := range p.plan {
		a := p.schema.Attributes[name]
		if a == nil || a.IsComputed() && p.config[name].IsNull() {
			continue
		}
		if !planned.Equal(p.state[name]) {
			p.changed[name] = true
		}
	}
}

// labelsSettled reports whether labels_all and annotations_all still are what
// provider and configuration say.
func (p *planner[M, P]) labelsSettled() bool {
	for all, own := range map[string]string{"labels_all": "labels", "annotations_all": "annotations"} {
		want, ok := p.all(own)
		if !ok || !want.Equal(p.state[all]) {
			return false
		}
	}
	return true
}

// all merges the provider's labels or annotations with the resource's own; not
// ok while one is unknown.
func (p *planner[M, P]) all(own string) (tftypes.Value, bool) {
	t := tftypes.Map{ElementType: tftypes.String}
	provider := p.r.provider.Labels
	if own == "annotations" {
		provider = p.r.provider.Annotations
	}
	if slices.Contains(p.r.provider.Open, own) {
		return tftypes.NewValue(t, tftypes.UnknownValue), false
	}
	out := map[string]tftypes.Value{}
	for k, v := range provider {
		out[k] = tftypes.NewValue(tftypes.String, v)
	}
	v := p.plan[own]
	if !v.IsFullyKnown() {
		return tftypes.NewValue(t, tftypes.UnknownValue), false
	}
	if !v.IsNull() {
		var m map[string]tftypes.Value
		if v.As(&m) != nil {
			return tftypes.NewValue(t, tftypes.UnknownValue), false
		}
		for k, e := range m {
			if !e.IsNull() {
				out[k] = e
			}
		}
	}
	return tftypes.NewValue(t, out), true
}

// names plans namespace, labels_all and annotations_all.
func (p *planner[M, P]) names(exists bool) {
	wide := p.wide()
	if p.r.namespaced() && p.config["namespace"].IsNull() {
		switch {
		case wide.IsUnknown():
			p.plan["namespace"] = tftypes.NewValue(tftypes.String, tftypes.UnknownValue)
		case wide.ValueBool():
			p.plan["namespace"] = tftypes.NewValue(tftypes.String, nil)
		case exists && !p.state["namespace"].IsNull():
			p.plan["namespace"] = p.state["namespace"]
		case slices.Contains(p.r.provider.Open, "namespace"):
			p.plan["namespace"] = tftypes.NewValue(tftypes.String, tftypes.UnknownValue)
		default:
			p.plan["namespace"] = tftypes.NewValue(tftypes.String, p.r.provider.Namespace)
		}
	}
	for all, own := range map[string]string{"labels_all": "labels", "annotations_all": "annotations"} {
		v, _ := p.all(own)
		p.plan[all] = v
		if exists && !v.Equal(p.state[all]) {
			p.changed[all] = true
		}
	}
}

// wide is whether the main object that is planned is cluster-wide although others of
// the resource are in a namespace.
func (p *planner[M, P]) wide() types.Bool {
	if p.r.def.Wide == nil {
		return types.BoolValue(false)
	}
	p.save()
	return p.r.def.Wide(p.ctx, tfsdk.Plan{Schema: p.schema, Raw: p.out})
}

// replacements finds what forces a new object.
func (p *planner[M, P]) replacements() bool {
	replace := false
	roots := append([]path.Path{path.Root("name"), path.Root("namespace")}, p.r.def.Replace...)
	for _, at := range roots {
		if p.changed[rootName(at)] && p.differs(at) {
			p.replace.Append(at)
			replace = true
		}
	}
	return replace
}

// differs reports whether the attribute at a path differs between plan and state.
func (p *planner[M, P]) differs(at path.Path) bool {
	planned, ok := valueAt(p.plan, at)
	if !ok {
		return true
	}
	prior, ok := valueAt(p.state, at)
	if ok && planned.IsNull() && prior.IsNull() {
		return false // what holds it may be null in one of them
	}
	return !ok || !planned.Equal(prior)
}

// valueAt walks attribute names.
func valueAt(root map[string]tftypes.Value, at path.Path) (tftypes.Value, bool) {
	var v tftypes.Value
	for i, step := range at.Steps() {
		name, ok := step.(path.PathStepAttributeName)
		if !ok {
			return v, false
		}
		if i > 0 {
			if v.IsNull() || !v.IsKnown() {
				return v, true
			}
			root = map[string]tftypes.Value{}
			if v.As(&root) != nil {
				return v, false
			}
		}
		if v, ok = root[string(name)]; !ok {
			return v, false
		}
	}
	return v, true
}

// hook lets the definition add its own rules; it returns whether the object is
// to be replaced.
func (p *planner[M, P]) hook(prior *M, replace bool) bool {
	if p.r.def.Plan == nil {
		return replace
	}
	p.save()
	config, state := p.given()
	planned := tfsdk.Plan{Schema: p.schema, Raw: p.out}
	planning := &Planning[M]{
		Config: config, State: state, Plan: &planned, Prior: prior,
		Create: prior == nil, Replace: replace && prior != nil,
		Changed: func(at path.Path) bool {
			return prior == nil || p.changed[rootName(at)] && p.differs(at)
		},
	}
	if p.inputsKnown() {
		m, ds := p.model()
		planning.Diagnostics.Append(ds...)
		planning.Wanted = m
	}
	p.r.def.Plan(p.ctx, planning)
	p.diagnostics.Append(planning.Diagnostics...)
	p.replace.Append(planning.RequiresReplace...)
	out := map[string]tftypes.Value{}
	if planned.Raw.As(&out) == nil {
		for name, v := range out {
			if !v.Equal(p.plan[name]) {
				p.plan[name] = v
				if prior != nil && !v.Equal(p.state[name]) {
					p.changed[name] = true
				}
			}
		}
	}
	return replace || planning.Replace || len(planning.RequiresReplace) > 0
}

// inputsKnown reports whether every attribute that is not merely computed is known.
func (p *planner[M, P]) inputsKnown() bool {
	for name, v := range p.plan {
		a := p.schema.Attributes[name]
		if a == nil || a.IsComputed() && !slices.Contains([]string{"namespace", "labels_all", "annotations_all"}, name) && p.config[name].IsNull() {
			continue
		}
		if !v.IsFullyKnown() {
			return false
		}
	}
	return true
}

// model decodes the plan with unknown computed attributes as null.
func (p *planner[M, P]) model() (*M, diag.Diagnostics) {
	return decode[M](p.ctx, p.schema, known(p.out))
}

// idOf is the id of a main object: namespace/name, or the name.
func idOf(ref kube.Ref) string {
	if ref.Namespace == "" {
		return ref.Name
	}
	return fmt.Sprintf("%s/%s", ref.Namespace, ref.Name)
}

func (p *planner[M, P]) set(name string, v attr.Value) {
	raw, err := v.ToTerraformValue(p.ctx)
	if err != nil {
		p.diagnostics.Append(diags.Message{Summary: "The plan cannot be written", Why: err.Error()}.Error())
		return
	}
	p.plan[name] = raw
}

// save writes the attributes back.
func (p *planner[M, P]) save() {
	p.out = tftypes.NewValue(p.in.plan.Type(), maps.Clone(p.plan))
}
