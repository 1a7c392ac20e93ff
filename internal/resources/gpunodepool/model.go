package gpunodepool

import (
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/nodepool"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// wanted is what the model asks of nodes. All it says is known.
func (m *Model) wanted() nodepool.Wanted {
	w := nodepool.Wanted{
		Pool: m.Name.ValueString(), Selector: stringsIn(m.NodeSelector), Names: listed(m.NodeNames),
		Labels: stringsIn(m.Labels), Taints: m.taints(), Force: m.ForceConflicts.ValueBool(),
	}
	if !m.Cordon.IsNull() {
		w.Cordon = m.Cordon.ValueBoolPointer()
	}
	return m.layout().ask(w)
}

// declaredKnown reports whether all that is written to nodes is known.
func (m *Model) declaredKnown() bool {
	for _, v := range []attr.Value{m.Name, m.NodeSelector, m.NodeNames, m.Labels, m.Taints, m.Cordon, m.ForceConflicts, m.MIG, m.Sharing, m.PluginConfig} {
		if v.IsUnknown() {
			return false
		}
	}
	known := true
	for _, in := range []map[string]attr.Value{m.NodeSelector.Elements(), m.Labels.Elements(), m.MIG.Attributes(), m.Sharing.Attributes(), m.PluginConfig.Attributes()} {
		for _, v := range in {
			known = known && !v.IsUnknown()
		}
	}
	for _, in := range [][]attr.Value{m.NodeNames.Elements(), m.Taints.Elements()} {
		for _, v := range in {
			known = known && !v.IsUnknown()
			if o, ok := v.(types.Object); ok {
				for _, a := range o.Attributes() {
					known = known && !a.IsUnknown()
				}
			}
		}
	}
	return known
}

func (m *Model) taints() []nodepool.Taint {
	var out []nodepool.Taint
	for _, e := range m.Taints.Elements() {
		o, ok := e.(types.Object)
		if !ok {
			continue
		}
		part := func(name string) string {
			s, _ := o.Attributes()[name].(types.String)
			return s.ValueString()
		}
		out = append(out, nodepool.Taint{Key: part("key"), Value: part("value"), Effect: part("effect")})
	}
	return out
}

// see fills the computed attributes of what the cluster showed. nodes are all
// nodes of the cluster, or those that matter to the pool; configured is whether
// what its nodes refer to is there.
func (m *Model) see(nodes []*corev1.Node, verdict wait.Verdict, configured bool) {
	w := m.wanted()
	entries, members := map[string]attr.Value{}, []string{}
	var sum totals
	for _, n := range nodes {
		_, noted := nodepool.RecordOf(n, w.Pool)
		matches := w.Matches(n)
		switch {
		case matches:
			entries[n.Name] = nodeValue(n)
			sum.add(n)
			if configured && w.Complete(n) {
				members = append(members, n.Name)
			}
		case noted: // still to be cleaned
			members = append(members, n.Name)
		}
	}
	slices.Sort(members)
	m.ID = m.Name
	m.Members = list(members)
	m.Nodes = types.MapValueMust(nodeType, entries)
	m.Totals = sum.value()
	m.Status = lifecycle.StatusOf(verdict, nil)
	m.Objects = lifecycle.Objects(nil, nil)
}

// totals are sums over nodes.
type totals struct{ nodes, ready, gpus, allocatable, unhealthy int64 }

func (t *totals) add(n *corev1.Node) {
	whole, able, ill := gpu.Of(n).Counts()
	t.nodes, t.gpus, t.allocatable, t.unhealthy = t.nodes+1, t.gpus+whole, t.allocatable+able, t.unhealthy+ill
	if gpu.Ready(n) {
		t.ready++
	}
}

func (t *totals) value() types.Object {
	return types.ObjectValueMust(totalsTypes, map[string]attr.Value{
		"nodes": types.Int64Value(t.nodes), "ready_nodes": types.Int64Value(t.ready), "gpus": types.Int64Value(t.gpus),
		"allocatable": types.Int64Value(t.allocatable), "unhealthy": types.Int64Value(t.unhealthy),
	})
}

func nodeValue(n *corev1.Node) types.Object {
	facts := gpu.Of(n)
	whole, able, ill := facts.Counts()
	resources := map[string]attr.Value{}
	for _, d := range facts.Devices {
		resources[string(d.Resource)] = types.Int64Value(d.Allocatable)
	}
	var taints []string
	for _, t := range nodepool.TaintsOf(n) {
		taints = append(taints, t.String())
	}
	slices.Sort(taints)
	return types.ObjectValueMust(nodeTypes, map[string]attr.Value{
		"ready": types.BoolValue(gpu.Ready(n)), "schedulable": types.BoolValue(!n.Spec.Unschedulable), "product": orNull(facts.Product),
		"gpus": types.Int64Value(whole), "allocatable": types.Int64Value(able), "unhealthy": types.Int64Value(ill),
		"resources":      types.MapValueMust(types.Int64Type, resources),
		"driver_version": orNull(facts.Driver), "cuda_version": orNull(facts.CUDA), "taints": list(taints),
	})
}

// names are the keys of a map, in order.
func names(m types.Map) []string {
	out := make([]string, 0, len(m.Elements()))
	for k := range m.Elements() {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// stringsIn is a known map of strings; nil for none.
func stringsIn(m types.Map) map[string]string {
	if len(m.Elements()) == 0 {
		return nil
	}
	out := map[string]string{}
	for k, v := range m.Elements() {
		if s, ok := v.(types.String); ok {
			out[k] = s.ValueString()
		}
	}
	return out
}

// listed is a known list of strings.
func listed(l types.List) []string {
	var out []string
	for _, v := range l.Elements() {
		if s, ok := v.(types.String); ok {
			out = append(out, s.ValueString())
		}
	}
	return out
}

func list(in []string) types.List {
	out := make([]attr.Value, 0, len(in))
	for _, s := range in {
		out = append(out, types.StringValue(s))
	}
	return types.ListValueMust(types.StringType, out)
}

func mapOf(in map[string]string) types.Map {
	if len(in) == 0 {
		return types.MapNull(types.StringType)
	}
	out := make(map[string]attr.Value, len(in))
	for k, v := range in {
		out[k] = types.StringValue(v)
	}
	return types.MapValueMust(types.StringType, out)
}

func taintValues(in []nodepool.Taint) types.List {
	if len(in) == 0 {
		return types.ListNull(taintType)
	}
	out := make([]attr.Value, 0, len(in))
	for _, t := range in {
		out = append(out, types.ObjectValueMust(taintTypes, map[string]attr.Value{
			"key": types.StringValue(t.Key), "value": orNull(t.Value), "effect": types.StringValue(t.Effect),
		}))
	}
	return types.ListValueMust(taintType, out)
}

func orNull(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}

// byName puts nodes in order.
func byName(nodes []*corev1.Node) {
	slices.SortFunc(nodes, func(a, b *corev1.Node) int { return strings.Compare(a.Name, b.Name) })
}

// plainText is a string value as it is; "" for none.
func plainText(v attr.Value) string {
	s, _ := v.(types.String)
	return s.ValueString()
}
