package gpunodepool

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/nodepool"
)

const (
	// typeName is what the marks of a NodePool call the resource.
	typeName = "gpu_node_pool"
	// madeBy is the label that Karpenter gives the nodes of a NodePool.
	madeBy = "karpenter.sh/nodepool"
)

// karpenter is the attribute of that name; all of it is known.
type karpenter struct {
	NodeClass struct {
		Group types.String `tfsdk:"group"`
		Kind  types.String `tfsdk:"kind"`
		Name  types.String `tfsdk:"name"`
	} `tfsdk:"node_class"`
	Requirements           []requirement `tfsdk:"requirements"`
	Limits                 *ceiling      `tfsdk:"limits"`
	Disruption             *disruption   `tfsdk:"disruption"`
	ExpireAfter            types.String  `tfsdk:"expire_after"`
	TerminationGracePeriod types.String  `tfsdk:"termination_grace_period"`
	Weight                 types.Int64   `tfsdk:"weight"`
	StartupTaints          types.List    `tfsdk:"startup_taints"`
	Annotations            types.Map     `tfsdk:"annotations"`
}

type requirement struct {
	Key       types.String `tfsdk:"key"`
	Operator  types.String `tfsdk:"operator"`
	Values    types.List   `tfsdk:"values"`
	MinValues types.Int64  `tfsdk:"min_values"`
}

type ceiling struct {
	GPUs   types.Int64  `tfsdk:"gpus"`
	CPU    types.String `tfsdk:"cpu"`
	Memory types.String `tfsdk:"memory"`
	Nodes  types.Int64  `tfsdk:"nodes"`
	Others types.Map    `tfsdk:"others"`
}

type disruption struct {
	ConsolidationPolicy types.String `tfsdk:"consolidation_policy"`
	ConsolidateAfter    types.String `tfsdk:"consolidate_after"`
	Budgets             []budget     `tfsdk:"budgets"`
}

type budget struct {
	Nodes    types.String `tfsdk:"nodes"`
	Schedule types.String `tfsdk:"schedule"`
	Duration types.String `tfsdk:"duration"`
	Reasons  types.List   `tfsdk:"reasons"`
}

// onDemand reports whether Karpenter makes the pool's nodes.
func (m *Model) onDemand() bool { return !m.Karpenter.IsNull() }

// nodePoolRef is the NodePool of a pool.
func nodePoolRef(pool string) kube.Ref { return kube.Ref{Kind: kube.NodePool, Name: pool} }

// nodePool is the NodePool that the model asks for.
func (m *Model) nodePool(ctx context.Context) (*kube.Object, diag.Diagnostics) {
	var k karpenter
	if ds := m.Karpenter.As(ctx, &k, basetypes.ObjectAsOptions{}); ds.HasError() {
		return nil, ds
	}
	labels := map[string]any{nodepool.Membership(m.Name.ValueString()): "true"}
	for key, v := range stringsIn(m.Labels) {
		labels[key] = v
	}
	metadata := object{"labels": labels}
	metadata.putMap("annotations", stringsIn(k.Annotations))
	node := object{
		"nodeClassRef": map[string]any{"group": k.NodeClass.Group.ValueString(), "kind": k.NodeClass.Kind.ValueString(), "name": k.NodeClass.Name.ValueString()},
		"requirements": requirementsOf(k.Requirements), // which the API wants to be there
	}
	node.putList("taints", taintsOf(m.Taints))
	node.putList("startupTaints", taintsOf(k.StartupTaints))
	node.putText("expireAfter", k.ExpireAfter)
	node.putText("terminationGracePeriod", k.TerminationGracePeriod)
	spec := object{"template": map[string]any{"metadata": map[string]any(metadata), "spec": map[string]any(node)}}
	if l := k.Limits.object(); len(l) > 0 {
		spec["limits"] = l
	}
	if k.Disruption != nil {
		spec["disruption"] = k.Disruption.object()
	}
	spec.putNumber("weight", k.Weight)
	return &kube.Object{Object: map[string]any{
		"apiVersion": kube.NodePool.APIVersion(), "kind": kube.NodePool.Kind,
		"metadata": map[string]any{"name": m.Name.ValueString()}, "spec": map[string]any(spec),
	}}, nil
}

// object is a JSON object into which only what is said is put.
type object map[string]any

func (o object) putText(key string, v types.String) {
	if v.ValueString() != "" {
		o[key] = v.ValueString()
	}
}

func (o object) putNumber(key string, v types.Int64) {
	if !v.IsNull() {
		o[key] = v.ValueInt64()
	}
}

func (o object) putList(key string, v []any) {
	if len(v) > 0 {
		o[key] = v
	}
}

func (o object) putMap(key string, v map[string]string) {
	out := map[string]any{}
	for k, s := range v {
		out[k] = s
	}
	if len(out) > 0 {
		o[key] = out
	}
}

func requirementsOf(in []requirement) []any {
	out := []any{}
	for _, r := range in {
		o := object{"key": r.Key.ValueString(), "operator": r.Operator.ValueString()}
		o.putList("values", anys(listed(r.Values)))
		o.putNumber("minValues", r.MinValues)
		out = append(out, map[string]any(o))
	}
	return out
}

func taintsOf(in types.List) []any {
	var out []any
	for _, t := range taintsIn(in) {
		o := object{"key": t.Key, "effect": t.Effect}
		o.putText("value", types.StringValue(t.Value))
		out = append(out, map[string]any(o))
	}
	return out
}

func (c *ceiling) object() map[string]any {
	if c == nil {
		return nil
	}
	out := map[string]any{}
	for k, v := range stringsIn(c.Others) {
		out[k] = v
	}
	for k, v := range map[string]types.Int64{defaultResource: c.GPUs, "nodes": c.Nodes} {
		if !v.IsNull() {
			out[k] = fmt.Sprint(v.ValueInt64())
		}
	}
	object(out).putText("cpu", c.CPU)
	object(out).putText("memory", c.Memory)
	return out
}

func (d *disruption) object() map[string]any {
	// The API wants it to be said, and takes this where nobody says anything.
	out := object{"consolidateAfter": "0s"}
	out.putText("consolidateAfter", d.ConsolidateAfter)
	out.putText("consolidationPolicy", d.ConsolidationPolicy)
	var budgets []any
	for _, b := range d.Budgets {
		o := object{"nodes": b.Nodes.ValueString()}
		o.putText("schedule", b.Schedule)
		o.putText("duration", b.Duration)
		o.putList("reasons", anys(listed(b.Reasons)))
		budgets = append(budgets, map[string]any(o))
	}
	out.putList("budgets", budgets)
	return out
}

func anys(in []string) []any {
	out := make([]any, 0, len(in))
	for _, s := range in {
		out = append(out, s)
	}
	return out
}

// Where the parts of a NodePool are.
var (
	atLabels = []string{"spec", "template", "metadata", "labels"}
	atTaints = []string{"spec", "template", "spec", "taints"}
)

// karpenterFields maps the fields of a NodePool to the attributes that make them.
func karpenterFields() diags.Fields {
	var f diags.Fields
	at := path.Root("karpenter")
	kind := kube.NodePool.Kind
	f.Add(path.Root("labels"), append([]string{kind}, atLabels...)...)
	f.Add(path.Root("taints"), append([]string{kind}, atTaints...)...)
	f.Add(at.AtName("annotations"), kind, "spec", "template", "metadata", "annotations")
	for field, name := range map[string]string{
		"nodeClassRef": "node_class", "requirements": "requirements", "startupTaints": "startup_taints",
		"expireAfter": "expire_after", "terminationGracePeriod": "termination_grace_period",
	} {
		f.Add(at.AtName(name), kind, "spec", "template", "spec", field)
	}
	for _, name := range []string{"limits", "disruption", "weight"} {
		f.Add(at.AtName(name), kind, "spec", name)
	}
	return f
}

// besides puts into a NodePool that is about to be written what others have added to
// its labels and taints: the API takes either as one value, and theirs would go.
// before is what the pool asked for until now, live what there is.
func besides(want, before, live *kube.Object) {
	labels, was := objectAt(want.Object, atLabels...), objectAt(before.Object, atLabels...)
	for k, v := range objectAt(live.Object, atLabels...) {
		_, said := labels[k]
		if _, ours := was[k]; !ours && !said {
			labels[k] = v
		}
	}
	mine, declared := placed(want), placed(before)
	for _, t := range placed(live) {
		if find(mine, t) == nil && find(declared, t) == nil {
			mine = append(mine, t)
		}
	}
	if len(mine) > 0 {
		put(want.Object, taintsOf(taintValues(mine)), atTaints...)
	}
}

// placed are the taints of a NodePool's nodes.
func placed(o *kube.Object) []nodepool.Taint {
	list, _ := kube.At(o.Object, atTaints...)
	return taintsFrom(list)
}

func find(in []nodepool.Taint, t nodepool.Taint) *nodepool.Taint {
	if i := slices.IndexFunc(in, func(o nodepool.Taint) bool { return o.Key == t.Key && o.Effect == t.Effect }); i >= 0 {
		return &in[i]
	}
	return nil
}

// put sets a field of an object in which all that it is in exists.
func put(o map[string]any, v any, at ...string) {
	for _, k := range at[:len(at)-1] {
		o, _ = o[k].(map[string]any)
	}
	o[at[len(at)-1]] = v
}

// changed are the attributes whose fields differ from what the model asked for, by
// name; "" stands for one that no attribute shows.
func changed(want, live *kube.Object) []string {
	names := map[string]bool{}
	fields := karpenterFields()
	said := want.DeepCopy()
	for _, t := range placed(want) {
		if now := find(placed(live), t); now == nil || now.Value != t.Value {
			names["taints"] = true
		}
	}
	unput(said.Object, atTaints...) // others may add to it
	for _, d := range kube.Drift(objectAt(said.Object, "spec"), objectAt(live.Object, "spec")) {
		full := append([]string{kube.NodePool.Kind, "spec"}, d...)
		at, ok := fields.Find(full)
		switch {
		case ok && at.Equal(path.Root("labels")) && d[len(d)-1] == nodepool.Membership(want.GetName()):
			names[""] = true
		case ok:
			names[last(at)] = true
		default:
			names[""] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func unput(o map[string]any, at ...string) {
	for _, k := range at[:len(at)-1] {
		o, _ = o[k].(map[string]any)
	}
	delete(o, at[len(at)-1])
}

// objectAt is the object at a place of another; nil for none.
func objectAt(o map[string]any, at ...string) map[string]any {
	v, _ := kube.At(o, at...)
	m, _ := v.(map[string]any)
	return m
}

func last(p path.Path) string {
	steps := p.Steps()
	name, _ := steps[len(steps)-1].(path.PathStepAttributeName)
	return string(name)
}

// seeNodePool takes over what somebody has changed of what the state says. It
// reports whether something has changed that no attribute shows.
func (m *Model) seeNodePool(ctx context.Context, live *kube.Object) (hidden bool, ds diag.Diagnostics) {
	want, ds := m.nodePool(ctx)
	if ds.HasError() {
		return false, ds
	}
	theirs := adoptNodePool(live)
	inner := m.Karpenter.Attributes()
	for _, name := range changed(want, live) {
		switch name {
		case "":
			hidden = true
		case "labels":
			m.Labels, _ = nowOf(ctx, m.Labels, theirs.Labels).(types.Map)
		case "taints":
			m.Taints = taintValues(declaredOf(m.taints(), theirs.taints()))
		default:
			inner[name] = nowOf(ctx, inner[name], theirs.Karpenter.Attributes()[name])
		}
	}
	m.Karpenter = types.ObjectValueMust(karpenterTypes, inner)
	return hidden, nil
}

// declaredOf are the live taints at the places of declared ones.
func declaredOf(declared, live []nodepool.Taint) []nodepool.Taint {
	var out []nodepool.Taint
	for _, t := range declared {
		if now := find(live, t); now != nil {
			out = append(out, *now)
		}
	}
	return out
}

// lifecycleObjects is the attribute objects of a NodePool.
func lifecycleObjects(pool, uid string) types.List {
	return lifecycle.Objects([]kube.Ref{nodePoolRef(pool)}, func(kube.Ref) types.String { return orNull(uid) })
}
