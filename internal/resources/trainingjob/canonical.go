package trainingjob

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// canonical turns a value into plain JSON values that depend on what it means,
// not on how it is written: quantities become fractions, sets are sorted, and
// attributes without a value are left out, so that attributes which a later
// version adds change nothing. In a patch null means something: it is kept.
func canonical(v attr.Value, nulls bool) any {
	if v == nil || v.IsNull() || v.IsUnknown() {
		return nil
	}
	switch x := v.(type) {
	case basetypes.DynamicValue:
		return canonical(x.UnderlyingValue(), nulls)
	case quantity.Value:
		return canonicalQuantity(x.ValueString())
	case basetypes.StringValue:
		return x.ValueString()
	case basetypes.BoolValue:
		return x.ValueBool()
	case basetypes.Int32Value:
		return x.ValueInt32()
	case basetypes.Int64Value:
		return x.ValueInt64()
	case basetypes.NumberValue:
		return canonicalNumber(x.ValueBigFloat())
	case basetypes.Float64Value:
		return canonicalNumber(big.NewFloat(x.ValueFloat64()))
	case basetypes.ListValue:
		return canonicalList(x.Elements(), nulls)
	case basetypes.TupleValue:
		return canonicalList(x.Elements(), nulls)
	case basetypes.SetValue:
		list := canonicalList(x.Elements(), nulls)
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(jsonText(a), jsonText(b)) })
		return list
	case basetypes.MapValue:
		return canonicalMap(x.Elements(), nulls)
	case basetypes.ObjectValue:
		return canonicalMap(x.Attributes(), nulls)
	}
	// Other types with a meaning of their own count as they are written.
	return v.String()
}

func canonicalList(in []attr.Value, nulls bool) []any {
	out := make([]any, 0, len(in))
	for _, v := range in {
		out = append(out, canonical(v, nulls))
	}
	return out
}

func canonicalMap(in map[string]attr.Value, nulls bool) map[string]any {
	out := make(map[string]any, len(in))
	for k, v := range in {
		if c := canonical(v, nulls); c != nil || nulls {
			out[k] = c
		}
	}
	return out
}

func canonicalNumber(f *big.Float) any {
	if i, accuracy := f.Int(nil); accuracy == big.Exact {
		return json.Number(i.String())
	}
	return json.Number(f.Text('g', -1))
}

// canonicalQuantity writes an amount as a fraction in lowest terms: 1Gi and
// 1024Mi are both 1073741824, 250m is 1/4.
func canonicalQuantity(s string) string {
	q, err := resource.ParseQuantity(s)
	if err != nil {
		return s
	}
	d := q.AsDec()
	r := new(big.Rat).SetInt(d.UnscaledBig())
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(d.Scale(), -d.Scale()))), nil)
	if d.Scale() > 0 {
		r.Quo(r, new(big.Rat).SetInt(scale))
	} else {
		r.Mul(r, new(big.Rat).SetInt(scale))
	}
	return r.RatString()
}

func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

// frozenPatch returns what a patch says about fields of the Job that nobody can
// change, by their path. Directives such as $patch on the way count too.
func frozenPatch(patch attr.Value) map[string]any {
	tree, _ := canonical(patch, true).(map[string]any)
	out := map[string]any{}
	for _, kind := range []kube.Kind{kube.JobSet, kube.TrainJob, kube.PodGroup} {
		if set, named := tree[kind.Kind]; named {
			for _, at := range kind.Frozen() {
				pick(set, at, []string{kind.Kind}, out)
			}
		}
	}
	job, named := tree[kube.Job.Kind]
	if !named {
		return out
	}
	for _, at := range frozenPaths(job) {
		pick(job, at, nil, out)
	}
	return out
}

func pick(v any, at, done []string, out map[string]any) {
	m, ok := v.(map[string]any)
	if len(at) == 0 || !ok {
		out[strings.Join(done, ".")] = v
		return
	}
	for k, e := range m {
		if strings.HasPrefix(k, "$") {
			out[strings.Join(append(slices.Clone(done), k), ".")] = e
		}
	}
	if next, ok := m[at[0]]; ok {
		pick(next, at[1:], append(slices.Clone(done), at[0]), out)
	}
}

// frozenPaths are the fields that are frozen under this patch: completions too,
// unless the patch makes the Job indexed, where it moves with parallelism.
func frozenPaths(job any) [][]string {
	paths := slices.Clone(kube.Job.Frozen())
	m, _ := job.(map[string]any)
	spec, _ := m["spec"].(map[string]any)
	if spec["completionMode"] != "Indexed" {
		paths = append(paths, []string{"spec", "completions"})
	}
	return paths
}

// unknownInputs returns where the inputs of a run are not known yet, in the
// order of names. Of patch only what touches frozen fields counts.
func unknownInputs(names []string, inputs map[string]attr.Value) []path.Path {
	var out []path.Path
	for _, n := range names {
		for _, at := range unknownIn(inputs[n], path.Root(n)) {
			if n != "patch" || touchesFrozen(at) {
				out = append(out, at)
			}
		}
	}
	return out
}

// unknownIn returns the first place in a value that is unknown; in a patch all
// of them are needed, elsewhere one is enough for a user.
func unknownIn(v attr.Value, at path.Path) []path.Path {
	switch {
	case v == nil || v.IsNull():
		return nil
	case v.IsUnknown():
		return []path.Path{at}
	}
	var out []path.Path
	switch x := v.(type) {
	case basetypes.DynamicValue:
		return unknownIn(x.UnderlyingValue(), at)
	case basetypes.ListValue:
		return unknownInList(x.Elements(), at)
	case basetypes.TupleValue:
		return unknownInList(x.Elements(), at)
	case basetypes.SetValue:
		for _, e := range x.Elements() {
			if e.IsUnknown() {
				return []path.Path{at}
			}
		}
	case basetypes.MapValue:
		for _, k := range sortedKeys(x.Elements()) {
			out = append(out, unknownIn(x.Elements()[k], at.AtMapKey(k))...)
		}
	case basetypes.ObjectValue:
		for _, k := range sortedKeys(x.Attributes()) {
			out = append(out, unknownIn(x.Attributes()[k], at.AtName(k))...)
		}
	}
	return out
}

func unknownInList(in []attr.Value, at path.Path) []path.Path {
	var out []path.Path
	for i, e := range in {
		out = append(out, unknownIn(e, at.AtListIndex(i))...)
	}
	return out
}

// touchesFrozen reports whether the place in patch lies in a frozen field, or
// holds one.
func touchesFrozen(at path.Path) bool {
	var keys []string
	for _, s := range at.Steps()[1:] {
		switch x := s.(type) {
		case path.PathStepAttributeName:
			keys = append(keys, string(x))
		case path.PathStepElementKeyString:
			keys = append(keys, string(x))
		}
	}
	if len(keys) == 0 {
		return true
	}
	paths := frozenPaths(nil)
	switch keys[0] {
	case kube.Job.Kind:
	case kube.JobSet.Kind:
		paths = kube.JobSet.Frozen()
	case kube.TrainJob.Kind:
		paths = kube.TrainJob.Frozen()
	case kube.PodGroup.Kind:
		paths = kube.PodGroup.Frozen()
	default:
		return false
	}
	keys = keys[1:]
	for _, f := range paths {
		n := min(len(f), len(keys))
		if slices.Equal(f[:n], keys[:n]) {
			return true
		}
	}
	return false
}

func rootOf(at path.Path) string {
	name, ok := at.Steps()[0].(path.PathStepAttributeName)
	if !ok {
		return ""
	}
	return string(name)
}

func sortedKeys(m map[string]attr.Value) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
