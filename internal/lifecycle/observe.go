package lifecycle

import (
	"context"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// drift is a field of a live object that is not as the model says.
type drift struct {
	key      string // which object
	segments []string
}

// drifted compares the objects a model asks for with the live ones. Marks and
// fields only others set do not count.
func drifted(want []rendered, live kube.Live) []drift {
	var out []drift
	for _, w := range want {
		o := live[w.key]
		if o == nil {
			continue
		}
		for _, segs := range kube.Drift(w.obj.Object, kube.Declared(o.Object, w.obj.Object)) {
			if len(segs) == 3 && segs[0] == "metadata" && isMark(segs[2]) {
				continue
			}
			if len(segs) == 2 && segs[0] == "metadata" && (segs[1] == "labels" || segs[1] == "annotations") {
				// All of them are gone: say which of ours.
				for _, k := range keysAt(w.obj.Object, segs) {
					if !isMark(k) {
						out = append(out, drift{w.key, append(slices.Clone(segs), k)})
					}
				}
				continue
			}
			out = append(out, drift{w.key, segs})
		}
	}
	return out
}

func keysAt(o map[string]any, segments []string) []string {
	v, _ := kube.At(o, segments...)
	m, _ := v.(map[string]any)
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// fields are all the fields of the resource's objects with their attributes.
func (r *Resource[M, P]) fields(m P) diags.Fields { return r.fieldsBy(m, r.def.Fields) }

// blamed are the fields with the attributes that an error about them points at.
func (r *Resource[M, P]) blamed(m P) diags.Fields {
	if r.def.Written == nil {
		return r.fields(m)
	}
	return r.fieldsBy(m, r.def.Written)
}

func (r *Resource[M, P]) fieldsBy(m P, made func(*M) diags.Fields) diags.Fields {
	f := diags.Fields{}
	base := m.Base()
	for _, key := range r.keys() {
		for label := range stringsOf(base.LabelsAll) {
			at := path.Root("labels_all").AtMapKey(label)
			if _, ok := base.Labels[label]; ok {
				at = path.Root("labels").AtMapKey(label)
			}
			f.Add(at, key, "metadata", "labels", label)
		}
		for a := range stringsOf(base.AnnotationsAll) {
			at := path.Root("annotations_all").AtMapKey(a)
			if _, ok := base.Annotations[a]; ok {
				at = path.Root("annotations").AtMapKey(a)
			}
			f.Add(at, key, "metadata", "annotations", a)
		}
		f.Add(path.Root("name"), key, "metadata", "name")
		if r.namespaced() {
			f.Add(path.Root("namespace"), key, "metadata", "namespace")
		}
	}
	f.Merge(made((*M)(m)))
	return f
}

// observe returns the state after looking at the live objects: prior, with the
// attributes whose fields drifted set to what the cluster has.
func (r *Resource[M, P]) observe(ctx context.Context, s schema.Schema, prior tftypes.Value, m P, seen Seen) (tftypes.Value, diag.Diagnostics) {
	want, ds := r.render(r.settled(m, nil, seen.Live), "")
	if ds.HasError() {
		return prior, ds
	}
	found := drifted(want, seen.Live)
	if len(found) == 0 {
		return prior, nil
	}
	adopted, ads := r.adopt(ctx, s, m, seen)
	ds.Append(ads...)
	if ds.HasError() {
		return prior, ds
	}
	fields := r.fields(m)
	patches, _ := patchesOf(m.Base().Patch)
	patched := false
	for _, d := range found {
		if tree, ok := patches[d.key]; ok && patchSays(tree, d.segments) {
			live, has := kube.At(seen.Live[d.key].Object, d.segments...)
			patchSet(tree, d.segments, live, has)
			patched = true
			continue
		}
		full := append([]string{d.key}, d.segments...)
		// A list without keys, or a struct that is gone, may be the work of
		// several attributes.
		at := fields.FindBelow(full)
		if len(at) == 0 {
			if one, ok := fields.Find(full); ok {
				at = []path.Path{one}
			}
		}
		for _, a := range at {
			prior = transplant(prior, adopted, a.Steps())
		}
	}
	if patched {
		tree := map[string]any{}
		for k, v := range patches {
			tree[k] = v
		}
		value, err := dynamicOf(ctx, tree)
		if err != nil {
			ds.Append(diags.Message{Summary: "What the cluster has cannot be written as patch", Why: err.Error(), At: path.Root("patch")}.Error())
			return prior, ds
		}
		raw, err := value.ToTerraformValue(ctx)
		if err == nil {
			prior = setRoot(prior, "patch", raw)
		}
	}
	return prior, ds
}

// settled is the model with what the live objects hold beyond it.
func (r *Resource[M, P]) settled(m, prior P, live kube.Live) P {
	if r.def.Settle == nil {
		return m
	}
	return P(r.def.Settle((*M)(m), (*M)(prior), live))
}

// adopt returns the state a model adopted from the live objects would have.
// Common attributes that no object shows are taken from m.
func (r *Resource[M, P]) adopt(ctx context.Context, s schema.Schema, m P, seen Seen) (tftypes.Value, diag.Diagnostics) {
	null := tftypes.NewValue(s.Type().TerraformType(ctx), nil)
	got, ds := r.def.Adopt(seen.Live, (*M)(m))
	if ds.HasError() {
		return null, ds
	}
	a := P(got)
	r.adoptCommon(a, m, seen.Live)
	st := tfsdk.State{Schema: s, Raw: null}
	ds.Append(st.Set(ctx, got)...)
	return st.Raw, ds
}

// adoptCommon fills what Adopt leaves to the lifecycle.
func (r *Resource[M, P]) adoptCommon(a, m P, live kube.Live) {
	from, to := m.Base(), a.Base()
	to.ID, to.Timeouts, to.ForceConflicts = from.ID, from.Timeouts, from.ForceConflicts
	to.Status, to.Objects, to.Patch = from.Status, from.Objects, from.Patch
	if to.Name.IsNull() {
		to.Name = from.Name
	}
	if p, q := m.Place(), a.Place(); p != nil && q != nil {
		q.Namespace, q.WaitFor, q.OnFailure = p.Namespace, p.WaitFor, p.OnFailure
	}
	o := r.mainIn(live)
	if o == nil {
		o = &kube.Object{}
	}
	to.Labels = asBeside(ownKeys(o.GetLabels()), from.LabelsAll, live, (*kube.Object).GetLabels)
	to.Annotations = asBeside(ownKeys(o.GetAnnotations()), from.AnnotationsAll, live, (*kube.Object).GetAnnotations)
	to.LabelsAll = mapOf(plainStrings(to.Labels))
	to.AnnotationsAll = mapOf(plainStrings(to.Annotations))
}

// asBeside are the labels or annotations of the main object, save that those
// which another object should have and has otherwise are as they are there.
func asBeside(main map[string]types.String, said types.Map, live kube.Live, of func(*kube.Object) map[string]string) map[string]types.String {
	want := stringsOf(said)
	for _, key := range slices.Sorted(maps.Keys(live)) {
		if live[key] == nil {
			continue
		}
		have := of(live[key])
		for k, v := range want {
			switch now, ok := have[k]; {
			case !ok:
				delete(main, k)
			case now != v:
				if main == nil {
					main = map[string]types.String{}
				}
				main[k] = types.StringValue(now)
			}
		}
	}
	return main
}

// ownKeys keeps the labels or annotations that people set.
func ownKeys(in map[string]string) map[string]types.String {
	var out map[string]types.String
	for k, v := range in {
		if isMark(k) || kube.IsGenerated(k) {
			continue
		}
		if out == nil {
			out = map[string]types.String{}
		}
		out[k] = types.StringValue(v)
	}
	return out
}

func plainStrings(in map[string]types.String) map[string]string {
	out := make(map[string]string, len(in))
	for k, v := range in {
		out[k] = v.ValueString()
	}
	return out
}

func mapOf(in map[string]string) types.Map {
	out := make(map[string]attr.Value, len(in))
	for k, v := range in {
		out[k] = types.StringValue(v)
	}
	return types.MapValueMust(types.StringType, out)
}

// transplant returns into with the value at steps taken from from. Where from
// has nothing at that place the attribute becomes null and a map entry goes.
func transplant(into, from tftypes.Value, steps path.PathSteps) tftypes.Value {
	if len(steps) == 0 {
		return from
	}
	if !into.IsKnown() || into.IsNull() {
		return from
	}
	switch step := steps[0].(type) {
	case path.PathStepAttributeName:
		return intoMap(into, from, string(step), steps[1:], false)
	case path.PathStepElementKeyString:
		return intoMap(into, from, string(step), steps[1:], true)
	case path.PathStepElementKeyInt:
		var have, got []tftypes.Value
		if into.As(&have) != nil || from.IsNull() || from.As(&got) != nil || int(step) >= len(have) || int(step) >= len(got) {
			return from
		}
		have = slices.Clone(have)
		have[step] = transplant(have[step], got[step], steps[1:])
		return tftypes.NewValue(into.Type(), have)
	}
	return from
}

func intoMap(into, from tftypes.Value, key string, rest path.PathSteps, removable bool) tftypes.Value {
	have, got := map[string]tftypes.Value{}, map[string]tftypes.Value{}
	if into.As(&have) != nil {
		return from
	}
	if !from.IsNull() {
		if err := from.As(&got); err != nil {
			return from
		}
	}
	out := make(map[string]tftypes.Value, len(have))
	for k, v := range have {
		out[k] = v
	}
	g, ok := got[key]
	switch {
	case ok:
		out[key] = transplant(have[key], g, rest)
	case removable:
		delete(out, key)
	default:
		out[key] = tftypes.NewValue(have[key].Type(), nil)
	}
	return tftypes.NewValue(into.Type(), out)
}

// setRoot replaces one attribute of an object value.
func setRoot(o tftypes.Value, name string, v tftypes.Value) tftypes.Value {
	have := map[string]tftypes.Value{}
	if o.As(&have) != nil {
		return o
	}
	have = maps.Clone(have) // As hands out the value's own map
	have[name] = v
	return tftypes.NewValue(o.Type(), have)
}

// patchSays reports whether the patch names the field.
func patchSays(tree map[string]any, segments []string) bool {
	v, ok := kube.At(tree, segments...)
	if ok {
		return v != nil
	}
	// A list or map as a whole: the patch may name an ancestor.
	for n := len(segments) - 1; n > 0; n-- {
		if v, ok := kube.At(tree, segments[:n]...); ok {
			switch v.(type) {
			case map[string]any:
				return false
			case []any:
				return true
			}
			return true
		}
	}
	return false
}

// patchSet sets the field of the patch to what the cluster has.
func patchSet(tree map[string]any, segments []string, live any, has bool) {
	for n := len(segments); n > 0; n-- {
		parent, ok := kube.At(tree, segments[:n-1]...)
		m, isMap := parent.(map[string]any)
		if !ok || !isMap {
			continue
		}
		if _, named := m[segments[n-1]]; !named {
			continue
		}
		if has && n == len(segments) {
			m[segments[n-1]] = live
		} else {
			delete(m, segments[n-1])
		}
		return
	}
}

// setStatus writes the status of what was seen.
func (r *Resource[M, P]) setStatus(m P, v wait.Verdict, seen Seen) {
	m.Base().Status = StatusOf(v, r.mainIn(seen.Live))
}

// StatusOf is the value of status: a verdict, and the conditions of the object
// it is about, which may be nil.
func StatusOf(v wait.Verdict, o *kube.Object) types.Object {
	conditions := []attr.Value{}
	if o != nil {
		list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		for _, c := range list {
			cm, ok := c.(map[string]any)
			if !ok {
				continue
			}
			conditions = append(conditions, types.ObjectValueMust(conditionType.AttrTypes, map[string]attr.Value{
				"type": text(cm["type"]), "status": text(cm["status"]), "reason": text(cm["reason"]), "message": text(cm["message"]),
			}))
		}
	}
	return types.ObjectValueMust(statusTypes, map[string]attr.Value{
		"phase": orNull(v.Phase), "reason": orNull(v.Reason), "message": orNull(v.Message),
		"conditions": types.ListValueMust(conditionType, conditions),
	})
}

func text(v any) types.String {
	s, _ := v.(string)
	return orNull(s)
}

func orNull(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}

// objectsValue is the objects attribute: refs in order, with the uids known.
func objectsValue(refs []kube.Ref, uid func(kube.Ref) types.String) types.List {
	out := make([]attr.Value, 0, len(refs))
	for _, ref := range refs {
		out = append(out, types.ObjectValueMust(objectType.AttrTypes, map[string]attr.Value{
			"api_version": types.StringValue(ref.Kind.APIVersion()),
			"kind":        types.StringValue(ref.Kind.Kind),
			"namespace":   orNull(ref.Namespace),
			"name":        types.StringValue(ref.Name),
			"uid":         uid(ref),
		}))
	}
	return types.ListValueMust(objectType, out)
}

// describe joins the segments of a field for a person.
func describe(segments []string) string { return strings.Join(segments, ".") }
