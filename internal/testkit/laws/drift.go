package laws

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// place is where a value is in an object: field names and indices. The server
// keeps the order of lists that one apply made, so a place holds in what was
// sent and in what is stored.
type place []any

func (p place) String() string {
	var out []string
	for _, s := range p {
		out = append(out, fmt.Sprint(s))
	}
	return strings.Join(out, ".")
}

// field is the last name in the place, the list's for an element.
func (p place) field(back int) string {
	for i := len(p) - 1; i >= 0; i-- {
		if name, ok := p[i].(string); ok {
			if back == 0 {
				return name
			}
			back--
		}
	}
	return ""
}

// drift: changing or removing anything that was declared shows as exactly the
// attribute that made it.
func (r *rig) drift(t *testing.T, c Config, complete Complete, objects []sent, tally *Tally) {
	t.Helper()
	sch := r.s.schemaOf(t)
	resource, ok := r.s.New().(lifecycle.Examined)
	if !ok {
		t.Fatal("the resource was not made by lifecycle.New")
	}
	e, ds := resource.Examine(t.Context(), sch, r.State)
	if ds.HasError() {
		t.Fatal(ds)
	}
	names := settable(sch, c)
	before := attributesOf(t, r.State)
	live := kube.Live{}
	for _, o := range objects {
		live[o.kind] = completed(t, r.api.Get(o.kind, o.namespace, o.name), complete)
	}
	for _, o := range objects {
		was := live[o.kind]
		for _, m := range mutations(o.object) {
			if m.leaf {
				tally.Leaves++
			}
			if reason := unchangeable(o, m); reason != "" {
				tally.Kept[reason]++
				continue
			}
			if !tally.first(o, m) {
				continue // the same field with the same value, in another configuration
			}
			now := was.DeepCopy()
			m.apply(now.Object)
			now = completed(t, now, complete)
			if equal(was.Object, now.Object) {
				tally.Kept["the server fills in the same"]++
				continue
			}
			tally.Mutations++
			live[o.kind] = now
			raw, ds := e.Look(live)
			if ds.HasError() {
				t.Errorf("%s: %v", m, ds)
			}
			after, changed := attributesOf(t, raw), []string(nil)
			for _, n := range names {
				if !before[n].Equal(after[n]) {
					changed = append(changed, n)
				}
			}
			paths := slices.DeleteFunc(kube.Drift(o.object, now.Object), isMark)
			r.judge(t, m, o.kind, paths, e, changed)
			if len(changed) > 0 && m.sampled {
				f := r.Fork()
				f.State = raw
				// A plan may also refuse to set it right, as for data that would be lost.
				if out := f.Plan(t.Context(), c); out.Errors() == "" && !out.Changed {
					t.Errorf("%s: the plan does not set %v right", m, changed)
				}
			}
		}
		live[o.kind] = was
	}
}

// completed is an object as the server stores it after somebody's edit.
func completed(t *testing.T, o *kube.Object, complete Complete) *kube.Object {
	t.Helper()
	typed, err := scheme.Scheme.New(o.GroupVersionKind())
	if err != nil {
		t.Fatal(err)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, typed); err != nil {
		t.Fatal(err)
	}
	if err := complete(typed, false); err != nil {
		t.Fatal(err)
	}
	out, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		t.Fatal(err)
	}
	return &kube.Object{Object: out}
}

func attributesOf(t *testing.T, state tftypes.Value) map[string]tftypes.Value {
	t.Helper()
	out := map[string]tftypes.Value{}
	if err := state.As(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// judge compares the attributes that changed with those that made the fields.
func (r *rig) judge(t *testing.T, m mutation, kind string, drifted [][]string, e lifecycle.Examination, changed []string) {
	t.Helper()
	if len(changed) == 0 {
		t.Errorf("%s: no attribute shows it (drift %v)", m, drifted)
		return
	}
	var named []string
	for _, d := range drifted {
		for _, at := range e.MadeBy(append([]string{kind}, d...)) {
			if root, ok := at.Steps()[0].(path.PathStepAttributeName); ok && !slices.Contains(named, string(root)) {
				named = append(named, string(root))
			}
		}
	}
	if r.Attribute("patch") != nil {
		named = append(named, "patch") // merged over what others made
	}
	for _, n := range changed {
		if !slices.Contains(named, n) {
			t.Errorf("%s: attribute %s changed, the field is made by %v", m, n, named)
		}
	}
	if m.leaf && len(changed) > 1 && len(named) == 1 {
		t.Errorf("%s: attributes %v changed, want one", m, changed)
	}
}

// mutation is one change to an object.
type mutation struct {
	at place
	// leaf is set for a change of a single value, not a removal.
	leaf    bool
	removed bool
	to      any
	// sampled mutations are also planned.
	sampled bool
}

func (m mutation) String() string {
	if m.removed {
		return m.at.String() + " removed"
	}
	return fmt.Sprintf("%s set to %v", m.at, m.to)
}

// mutations are all single changes to what an object says: another value for
// each leaf, and each field and list element gone.
func mutations(o map[string]any) []mutation {
	var out []mutation
	var walk func(at place, v any)
	walk = func(at place, v any) {
		switch x := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(x)) {
				next := append(slices.Clone(at), k)
				if len(at) == 0 && (k == "apiVersion" || k == "kind") {
					continue
				}
				out = append(out, mutation{at: next, removed: true, sampled: len(out)%sample == 0})
				walk(next, x[k])
			}
		case []any:
			for i, e := range x {
				next := append(slices.Clone(at), i)
				out = append(out, mutation{at: next, removed: true})
				walk(next, e)
			}
		default:
			if to, ok := another(at, v); ok {
				out = append(out, mutation{at: at, leaf: true, to: to, sampled: len(out)%sample == 0})
			}
		}
	}
	walk(nil, o)
	return out
}

// sample is how many mutations there are to one that is also planned: planning
// is the same for all of them.
const sample = 25

// another value of the same kind.
func another(at place, v any) (any, bool) {
	switch x := v.(type) {
	case string:
		if isQuantity(at) {
			return "77", true
		}
		for _, other := range enumerations[at.field(0)] {
			if other != x {
				return other, true
			}
		}
		return x + "x", true
	case bool:
		return !x, true
	case int64:
		return x + 1, true
	case float64:
		return x + 1, true
	}
	return nil, false
}

// enumerations are fields of which only values the API knows are told apart.
var enumerations = map[string][]string{
	"restartPolicy": {"Never", "OnFailure"},
}

func isQuantity(at place) bool {
	switch at.field(1) {
	case "limits", "requests":
		return true
	}
	switch at.field(0) {
	case "sizeLimit", "divisor":
		return true
	}
	return false
}

func (m mutation) apply(o map[string]any) {
	set(o, m.at, m)
}

// set returns v with the mutation made at the place.
func set(v any, at place, m mutation) any {
	if len(at) == 0 {
		return m.to
	}
	switch x := v.(type) {
	case map[string]any:
		name, _ := at[0].(string)
		if len(at) == 1 && m.removed {
			delete(x, name)
			return x
		}
		x[name] = set(x[name], at[1:], m)
		return x
	case []any:
		i, _ := at[0].(int)
		if i >= len(x) {
			return x
		}
		if len(at) == 1 && m.removed {
			return slices.Delete(slices.Clone(x), i, i+1)
		}
		x[i] = set(x[i], at[1:], m)
		return x
	}
	return v
}

// unchangeable says why a mutation is not made; "" when it is.
func unchangeable(o sent, m mutation) string {
	segments := segmentsOf(m.at)
	switch {
	case segments[0] == "metadata" && (len(segments) == 1 || slices.Contains([]string{"name", "namespace", "uid"}, segments[1])):
		return "it is the identity of the object"
	case isMark(segments):
		return "it is a mark of mlk"
	case m.removed && strings.HasSuffix(m.at.String(), "template.spec.restartPolicy"):
		return "the server refuses a Job without it"
	case m.removed && followsLimits(o.object, m.at):
		return "a pod whose request is gone requests its limit"
	}
	return ""
}

// followsLimits reports whether a request, or all requests, are those that pods
// get from their limits.
func followsLimits(o map[string]any, at place) bool {
	if at.field(0) == "requests" {
		requests, limits := at.in(o), append(slices.Clone(at[:len(at)-1]), "limits").in(o)
		return subset(requests, limits)
	}
	if at.field(1) != "requests" {
		return false
	}
	limit := append(slices.Clone(at[:len(at)-2]), "limits", at.field(0)).in(o)
	return limit != nil && equal(at.in(o), limit)
}

func subset(a, b any) bool {
	x, okX := a.(map[string]any)
	y, okY := b.(map[string]any)
	for k, v := range x {
		okX = okX && equal(v, y[k])
	}
	return okX && okY
}

// in is the value at the place; nil when there is none.
func (p place) in(o any) any {
	for _, step := range p {
		switch x := o.(type) {
		case map[string]any:
			name, _ := step.(string)
			o = x[name]
		case []any:
			i, _ := step.(int)
			if i >= len(x) {
				return nil
			}
			o = x[i]
		default:
			return nil
		}
	}
	return o
}

func segmentsOf(at place) []string {
	var out []string
	for _, s := range at {
		out = append(out, fmt.Sprint(s))
	}
	return out
}
