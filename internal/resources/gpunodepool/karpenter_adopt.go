package gpunodepool

import (
	"context"
	"fmt"
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/nodepool"
)

// adoptNodePool is what a live NodePool says, as far as attributes can say it. The
// rest stays with whoever has set it.
func adoptNodePool(live *kube.Object) *Model {
	m := &Model{Labels: types.MapNull(types.StringType)}
	labels := textsAt(live.Object, atLabels...)
	delete(labels, nodepool.Membership(live.GetName()))
	m.Labels = mapOf(labels)
	m.Taints = taintValues(placed(live))
	at := func(segments ...string) any {
		v, _ := kube.At(live.Object, segments...)
		return v
	}
	node := func(name string) any { return at("spec", "template", "spec", name) }
	weight, _ := kube.At(live.Object, "spec", "weight")
	m.Karpenter = types.ObjectValueMust(karpenterTypes, map[string]attr.Value{
		"node_class": types.ObjectValueMust(classTypes, map[string]attr.Value{
			"group": textAt(node("nodeClassRef"), "group"), "kind": textAt(node("nodeClassRef"), "kind"), "name": textAt(node("nodeClassRef"), "name"),
		}),
		"requirements": listOf(requirementType, node("requirements"), func(o map[string]any) attr.Value {
			return types.ObjectValueMust(requirementTypes, map[string]attr.Value{
				"key": textAt(o, "key"), "operator": textAt(o, "operator"), "values": textsOf(o["values"]), "min_values": numberOf(o["minValues"]),
			})
		}),
		"limits":                   adoptCeiling(at("spec", "limits")),
		"disruption":               adoptDisruption(at("spec", "disruption")),
		"expire_after":             orNull(textOf(node("expireAfter"))),
		"termination_grace_period": orNull(textOf(node("terminationGracePeriod"))),
		"weight":                   numberOf(weight),
		"startup_taints":           taintValues(taintsFrom(node("startupTaints"))),
		"annotations":              mapOf(textsAt(live.Object, "spec", "template", "metadata", "annotations")),
	})
	return m
}

// withoutDefaults leaves out of an imported NodePool what Karpenter's API fills in:
// the configuration need not say it.
func withoutDefaults(k types.Object) types.Object {
	inner := k.Attributes()
	if plainText(inner["expire_after"]) == "720h" {
		inner["expire_after"] = types.StringNull()
	}
	if d, ok := inner["disruption"].(types.Object); ok && !d.IsNull() {
		is := d.Attributes()
		if plainText(is["consolidation_policy"]) == "WhenEmptyOrUnderutilized" {
			is["consolidation_policy"] = types.StringNull()
		}
		usual := types.ListValueMust(budgetType, []attr.Value{types.ObjectValueMust(budgetTypes, map[string]attr.Value{
			"nodes": types.StringValue("10%"), "schedule": types.StringNull(), "duration": types.StringNull(), "reasons": types.ListNull(types.StringType),
		})})
		if usual.Equal(is["budgets"]) {
			is["budgets"] = types.ListNull(budgetType)
		}
		if plainText(is["consolidate_after"]) == "0s" {
			is["consolidate_after"] = types.StringNull()
		}
		inner["disruption"] = types.ObjectValueMust(disruptionTypes, is)
		if is["consolidation_policy"].IsNull() && is["budgets"].IsNull() && is["consolidate_after"].IsNull() {
			inner["disruption"] = types.ObjectNull(disruptionTypes)
		}
	}
	return types.ObjectValueMust(karpenterTypes, inner)
}

func adoptCeiling(v any) types.Object {
	limits, _ := v.(map[string]any)
	if len(limits) == 0 {
		return types.ObjectNull(ceilingTypes)
	}
	out := map[string]attr.Value{"gpus": numberOf(limits[defaultResource]), "nodes": numberOf(limits["nodes"]), "cpu": amountOf(limits["cpu"]), "memory": amountOf(limits["memory"])}
	others := map[string]string{}
	for k, v := range limits {
		switch k {
		case defaultResource, "nodes", "cpu", "memory":
		default:
			others[k] = amountOf(v).ValueString()
		}
	}
	out["others"] = mapOf(others)
	return types.ObjectValueMust(ceilingTypes, out)
}

func adoptDisruption(v any) types.Object {
	d, _ := v.(map[string]any)
	if len(d) == 0 {
		return types.ObjectNull(disruptionTypes)
	}
	return types.ObjectValueMust(disruptionTypes, map[string]attr.Value{
		"consolidation_policy": textAt(d, "consolidationPolicy"), "consolidate_after": textAt(d, "consolidateAfter"),
		"budgets": listOf(budgetType, d["budgets"], func(o map[string]any) attr.Value {
			return types.ObjectValueMust(budgetTypes, map[string]attr.Value{
				"nodes": textAt(o, "nodes"), "schedule": textAt(o, "schedule"), "duration": textAt(o, "duration"), "reasons": textsOf(o["reasons"]),
			})
		}),
	})
}

// nowOf is what there is now of what was said: of objects and maps only the parts
// that had been named, of lists all.
func nowOf(ctx context.Context, said, now attr.Value) attr.Value {
	if said == nil || said.IsNull() || now == nil || now.IsNull() {
		if said != nil && said.IsNull() {
			return said
		}
		return now
	}
	switch s := said.(type) {
	case types.Object:
		n, ok := now.(types.Object)
		if !ok {
			return now
		}
		parts := map[string]attr.Value{}
		for name, v := range s.Attributes() {
			parts[name] = nowOf(ctx, v, n.Attributes()[name])
		}
		return types.ObjectValueMust(s.AttributeTypes(ctx), parts)
	case types.Map:
		n, ok := now.(types.Map)
		if !ok {
			return now
		}
		parts := map[string]attr.Value{}
		for name := range s.Elements() {
			if v, there := n.Elements()[name]; there {
				parts[name] = v
			}
		}
		if len(parts) == 0 {
			return types.MapNull(s.ElementType(ctx))
		}
		return types.MapValueMust(s.ElementType(ctx), parts)
	}
	return now
}

// taintsIn are the taints of a known list.
func taintsIn(in types.List) []nodepool.Taint { return (&Model{Taints: in}).taints() }

// taintsFrom reads taints as the API has them.
func taintsFrom(v any) []nodepool.Taint {
	list, _ := v.([]any)
	var out []nodepool.Taint
	for _, e := range list {
		if o, ok := e.(map[string]any); ok {
			out = append(out, nodepool.Taint{Key: textOf(o["key"]), Value: textOf(o["value"]), Effect: textOf(o["effect"])})
		}
	}
	return out
}

func listOf(element attr.Type, v any, read func(map[string]any) attr.Value) types.List {
	list, _ := v.([]any)
	var out []attr.Value
	for _, e := range list {
		if o, ok := e.(map[string]any); ok {
			out = append(out, read(o))
		}
	}
	if len(out) == 0 {
		return types.ListNull(element)
	}
	return types.ListValueMust(element, out)
}

func textsAt(o map[string]any, at ...string) map[string]string {
	v, _ := kube.At(o, at...)
	m, _ := v.(map[string]any)
	out := map[string]string{}
	for k, e := range m {
		out[k] = textOf(e)
	}
	return out
}

func textsOf(v any) types.List {
	l, _ := v.([]any)
	if len(l) == 0 {
		return types.ListNull(types.StringType)
	}
	out := make([]string, 0, len(l))
	for _, e := range l {
		out = append(out, textOf(e))
	}
	return list(out)
}

func textOf(v any) string {
	s, _ := v.(string)
	return s
}

func textAt(v any, key string) types.String {
	o, _ := v.(map[string]any)
	return orNull(textOf(o[key]))
}

// amountOf is a quantity, which may be written as a number.
func amountOf(v any) types.String {
	if v == nil {
		return types.StringNull()
	}
	return orNull(fmt.Sprint(v))
}

// numberOf is a whole number, which may be written as text.
func numberOf(v any) types.Int64 {
	if v == nil {
		return types.Int64Null()
	}
	n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	if err != nil {
		return types.Int64Null()
	}
	return types.Int64Value(n)
}
