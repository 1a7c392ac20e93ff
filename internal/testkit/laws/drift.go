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
	"k8s.io/apimachinery/pkg/runtime/schema"
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
	resource, ok := r.s.New().(lifecycle.Examined)
	if !ok {
		t.Fatal("the resource was not made by lifecycle.New")
	}
	sch := r.s.schemaOf(t)
	e, ds := resource.Examine(t.Context(), sch, r.State)
	if ds.HasError() {
		t.Fatal(ds)
	}
	d := &drifting{
		rig: r, config: c, complete: complete, names: settable(sch, c), before: attributesOf(t, r.State),
		examination: e, live: kube.Live{}, patched: r.Attribute("patch") != nil,
	}
	for _, o := range objects {
		d.live[d.key(o)] = completed(t, r.api.Get(o.kind, o.namespace, o.name), complete)
	}
	for _, o := range objects {
		for _, batch := range d.batches(t, o, tally) {
			d.judge(t, o, batch)
		}
	}
}

// drifting looks for what changes of live objects do to one state.
type drifting struct {
	*rig
	config      Config
	complete    Complete
	names       []string
	before      map[string]tftypes.Value
	examination lifecycle.Examination
	live        kube.Live
	patched     bool
}

// key is that of an object among live ones.
func (d *drifting) key(o sent) string { return d.examination.Key(o.kind, o.name) }

// look is the state after changes of an object, and which attributes differ.
func (d *drifting) look(t *testing.T, o sent, some ...mutation) (tftypes.Value, []string) {
	t.Helper()
	live := maps.Clone(d.live)
	now := live[d.key(o)].DeepCopy()
	for _, m := range some {
		m.apply(now.Object)
	}
	live[d.key(o)] = completed(t, now, d.complete)
	raw, ds := d.examination.Look(live)
	if ds.HasError() {
		t.Fatalf("%v: %v", some, ds)
	}
	after, changed := attributesOf(t, raw), []string(nil)
	for _, n := range d.names {
		if !d.before[n].Equal(after[n]) {
			changed = append(changed, n)
		}
	}
	return raw, changed
}

// batches are the changes to try, those of different attributes together: one
// look then judges all of them.
func (d *drifting) batches(t *testing.T, o sent, tally *Tally) [][]mutation {
	t.Helper()
	var out [][]mutation
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
		now := d.live[d.key(o)].DeepCopy()
		m.apply(now.Object)
		now = completed(t, now, d.complete)
		if equal(d.live[d.key(o)].Object, now.Object) {
			tally.Kept["the server fills in the same"]++
			continue
		}
		tally.Mutations++
		m.drifted = slices.DeleteFunc(kube.Drift(o.object, now.Object), isMark)
		for _, segments := range m.drifted {
			m.madeBy = append(m.madeBy, d.examination.MadeBy(append([]string{d.key(o)}, segments...))...)
		}
		i := slices.IndexFunc(out, func(batch []mutation) bool {
			return !slices.ContainsFunc(batch, m.clashes)
		})
		if i < 0 || d.patched {
			out = append(out, []mutation{m})
			continue
		}
		out[i] = append(out[i], m)
	}
	return out
}

// clashes reports whether two changes cannot be judged by one look.
func (m mutation) clashes(o mutation) bool {
	if len(m.madeBy) == 0 || len(o.madeBy) == 0 {
		return true
	}
	for _, a := range m.madeBy {
		for _, b := range o.madeBy {
			x, y := a.String(), b.String()
			if strings.HasPrefix(x, y) || strings.HasPrefix(y, x) {
				return true
			}
		}
	}
	x, y := m.reach(), o.reach()
	return strings.HasPrefix(x, y) || strings.HasPrefix(y, x)
}

// reach is the place of all that the change touches: to remove an element moves
// those behind it.
func (m mutation) reach() string {
	at := m.at
	if _, element := at[len(at)-1].(int); m.removed && element {
		at = at[:len(at)-1]
	}
	return at.String() + "."
}

// judge looks at a batch, and at its halves when something is not as it should be.
func (d *drifting) judge(t *testing.T, o sent, batch []mutation) {
	t.Helper()
	switch half := len(batch) / 2; {
	case half == 0:
		d.alone(t, o, batch[0])
	case !d.together(t, o, batch):
		d.judge(t, o, batch[:half])
		d.judge(t, o, batch[half:])
	}
}

// together judges several changes by one look; false says that something is
// not as it should be.
func (d *drifting) together(t *testing.T, o sent, batch []mutation) bool {
	t.Helper()
	raw, changed := d.look(t, o, batch...)
	var roots []string
	for _, m := range batch {
		roots = append(roots, m.roots()...)
		shown := slices.ContainsFunc(m.madeBy, func(at path.Path) bool {
			was, okWas := valueAt(d.State, at)
			is, okIs := valueAt(raw, at)
			return okWas != okIs || okWas && !was.Equal(is)
		})
		if !shown {
			return false
		}
	}
	return !slices.ContainsFunc(changed, func(n string) bool { return !slices.Contains(roots, n) })
}

// roots are the names of the attributes that made what changed.
func (m mutation) roots() []string {
	var out []string
	for _, at := range m.madeBy {
		if root, ok := at.Steps()[0].(path.PathStepAttributeName); ok && !slices.Contains(out, string(root)) {
			out = append(out, string(root))
		}
	}
	return out
}

// alone judges one change.
func (d *drifting) alone(t *testing.T, o sent, m mutation) {
	t.Helper()
	raw, changed := d.look(t, o, m)
	if len(changed) == 0 {
		t.Errorf("%s: no attribute shows it (drift %v)", m, m.drifted)
		return
	}
	named := m.roots()
	if d.patched {
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
	if !m.sampled {
		return
	}
	f := d.Fork()
	f.State = raw
	// A plan may also refuse to set it right, as for data that would be lost.
	if out := f.Plan(t.Context(), d.config); out.Errors() == "" && !out.Changed {
		t.Errorf("%s: the plan does not set %v right", m, changed)
	}
}

// valueAt is the value of an attribute; false when it is null or there is none.
func valueAt(state tftypes.Value, at path.Path) (tftypes.Value, bool) {
	p := tftypes.NewAttributePath()
	for _, s := range at.Steps() {
		switch s := s.(type) {
		case path.PathStepAttributeName:
			p = p.WithAttributeName(string(s))
		case path.PathStepElementKeyString:
			p = p.WithElementKeyString(string(s))
		case path.PathStepElementKeyInt:
			p = p.WithElementKeyInt(int(s))
		}
	}
	v, _, err := tftypes.WalkAttributePath(state, p)
	if err != nil {
		return tftypes.Value{}, false
	}
	out, ok := v.(tftypes.Value)
	return out, ok && !out.IsNull()
}

// completed is an object as the server stores it after somebody's edit.
func completed(t *testing.T, o *kube.Object, complete Complete) *kube.Object {
	t.Helper()
	if !scheme.Scheme.Recognizes(o.GroupVersionKind()) {
		return o // a custom resource: nobody fills in anything
	}
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

// mutation is one change to an object.
type mutation struct {
	at place
	// leaf is set for a change of a single value, not a removal.
	leaf    bool
	removed bool
	to      any
	// sampled mutations are also planned.
	sampled bool

	// drifted are the fields that differ then, and madeBy the attributes behind
	// them.
	drifted [][]string
	madeBy  []path.Path
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
	case "sizeLimit", "divisor", "averageValue", "tolerance":
		return true
	case "value":
		return at.field(1) == "target" // of a metric
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
	case selects(o.object, m.at):
		return "the server refuses pods that their selector does not select"
	case m.removed && (kept(m.at) || required(o.kind, m.at)):
		return "the server refuses an object without it"
	case m.removed && custom(o) && m.at.field(0) == "emptyDir":
		return "a volume without a source is an empty directory"
	case m.removed && custom(o) && inPod(m.at) && blank(m.at.in(o.object)):
		return "in a pod nothing and an empty value mean the same, and of a custom resource nobody fills in either"
	case m.removed && custom(o) && inPod(m.at) && m.at.field(1) == "sleep":
		return "the server refuses a sleep without it"
	case m.removed && strings.HasSuffix(m.at.String(), "template.spec.restartPolicy"):
		return "the server refuses a Job without it"
	case m.removed && followsLimits(o.object, m.at):
		return "a pod whose request is gone requests its limit"
	}
	return ""
}

// custom reports whether an object is of a kind that the server only knows the schema of.
func custom(o sent) bool {
	return !scheme.Scheme.Recognizes(schema.FromAPIVersionAndKind(apiVersionOf(o), o.kind))
}

// inPod reports whether a place is inside a template of pods. Of an InferenceService
// that is its predictor.
func inPod(at place) bool {
	for i := range len(at) - 1 {
		if at[i] == "spec" && at[i+1] == "predictor" {
			return true
		}
		template, _ := at[i].(string)
		if at[i+1] == "spec" && strings.HasSuffix(strings.ToLower(template), "template") {
			return true
		}
	}
	return false
}

// blank reports whether a value says nothing.
func blank(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case string:
		return x == ""
	case []any:
		return len(x) == 0
	case map[string]any:
		for _, e := range x {
			if !blank(e) {
				return false
			}
		}
		return true
	}
	return false
}

func apiVersionOf(o sent) string {
	v, _ := o.object["apiVersion"].(string)
	return v
}

// kept reports whether the place holds what the server never lets go of.
func kept(at place) bool {
	s := at.String()
	return s == "spec.selector" || s == "spec.selector.matchLabels" || s == "spec.serviceName" ||
		strings.HasPrefix(s, "spec.volumeClaimTemplates.") && strings.Contains(s, ".spec.accessModes")
}

// required reports whether the definition of a custom resource asks for the place,
// be it empty.
func required(kind string, at place) bool {
	return kind == "ClusterPolicy" && slices.Contains([]string{
		"spec", "spec.operator", "spec.daemonsets", "spec.driver", "spec.toolkit", "spec.devicePlugin", "spec.dcgmExporter", "spec.dcgm", "spec.nodeStatusExporter", "spec.gfd",
	}, at.String())
}

// selects reports whether the place holds a label of the pod template by which
// its owner finds the pods, or what holds all of them.
func selects(o map[string]any, at place) bool {
	labels := place{"spec", "selector", "matchLabels"}.in(o)
	of := place{"spec", "template", "metadata", "labels"}
	if labels == nil || len(at) < 3 || len(at) > len(of)+1 {
		return false
	}
	for i := range at {
		if i < len(of) && at[i] != of[i] {
			return false
		}
	}
	if len(at) <= len(of) {
		return true
	}
	all, _ := labels.(map[string]any)
	name, _ := at[len(of)].(string)
	return all[name] != nil
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
