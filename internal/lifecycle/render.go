package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// rendered is one object as it will be applied.
type rendered struct {
	key string // key of kube.Live and of patch
	ref kube.Ref
	obj *kube.Object
}

// render turns the model into the objects to apply, in the order of Owns:
// what Desired says, labels and annotations, patch, and the marks.
func (r *Resource[M, P]) render(m P, claim string) ([]rendered, diag.Diagnostics) {
	acs, ds := r.def.Desired((*M)(m))
	if ds.HasError() {
		return nil, ds
	}
	base := m.Base()
	labels, annotations := stringsOf(base.LabelsAll), stringsOf(base.AnnotationsAll)
	patches, pds := patchesOf(base.Patch)
	ds.Append(pds...)
	var out []rendered
	for _, ac := range acs {
		o, err := toObject(ac)
		if err != nil {
			ds.Append(diags.Message{Summary: r.def.Noun + " cannot be written as a Kubernetes object", Why: err.Error()}.Error())
			return nil, ds
		}
		kind, ok := r.kindOf(o.GetAPIVersion(), o.GetKind())
		if !ok {
			ds.Append(diags.Message{Summary: fmt.Sprintf("%s does not own objects of kind %s", r.def.Noun, o.GetKind())}.Error())
			return nil, ds
		}
		if len(labels) > 0 {
			o.SetLabels(merged(labels, o.GetLabels()))
		}
		if len(annotations) > 0 {
			o.SetAnnotations(merged(annotations, o.GetAnnotations()))
		}
		ref := r.refOf(r.objectName(m), kind, o.GetNamespace(), o.GetName())
		key := ref.Key()
		if p, ok := patches[key]; ok {
			delete(patches, key)
			if field := beyondPatch(p); field != "" {
				ds.Append(diags.Message{
					Summary:  clip(fmt.Sprintf("patch cannot set %s of %s", field, key)),
					Happened: "It says which object this is, or is the cluster's to write.",
					Do:       "Use the attributes of the resource for names and namespaces, labels and annotations.",
					At:       path.Root("patch"),
				}.Error())
			} else if err := applyPatch(kind, o, p); err != nil {
				ds.Append(diags.Message{
					Summary: fmt.Sprintf("The patch of %s cannot be merged", key),
					Why:     err.Error(),
					Do:      "Write the patch with Kubernetes' own field names, as in a manifest: lists of containers, volumes and env are merged by their name.",
					At:      path.Root("patch"),
				}.Error())
			}
		}
		mark(o, r.def.Type, base.ID.ValueString(), claim)
		out = append(out, rendered{key: key, ref: ref, obj: o})
	}
	for key := range patches {
		ds.Append(diags.Message{
			Summary: fmt.Sprintf("patch names %q, which this resource does not make", key),
			Do:      "It makes: " + strings.Join(r.keys(), ", ") + ".",
			At:      path.Root("patch"),
		}.Error())
	}
	slices.SortStableFunc(out, func(a, b rendered) int { return r.order(a.ref) - r.order(b.ref) })
	return out, ds
}

func (r *Resource[M, P]) kindOf(apiVersion, kind string) (kube.Kind, bool) {
	for _, k := range r.def.Owns {
		if k.Kind == kind && k.APIVersion() == apiVersion {
			return k, true
		}
	}
	return kube.Kind{}, false
}

// toObject turns an apply configuration into an object of plain JSON values.
func toObject(ac runtime.ApplyConfiguration) (*kube.Object, error) {
	raw, err := json.Marshal(ac)
	if err != nil {
		return nil, err
	}
	o := &kube.Object{}
	if err := utiljson.Unmarshal(raw, &o.Object); err != nil {
		return nil, err
	}
	return o, nil
}

// beyondPatch names a field that a patch sets and may not: what tells objects
// apart, what the server alone writes, and the marks; "" when there is none.
func beyondPatch(patch map[string]any) string {
	for _, f := range []string{"apiVersion", "kind", "status"} {
		if _, ok := patch[f]; ok {
			return f
		}
	}
	metadata, _ := patch["metadata"].(map[string]any)
	for _, f := range []string{"name", "namespace", "generateName", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "managedFields"} {
		if _, ok := metadata[f]; ok {
			return "metadata." + f
		}
	}
	for _, f := range []string{"labels", "annotations"} {
		keys, _ := metadata[f].(map[string]any)
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			if isMark(k) {
				return "metadata." + f + "." + k
			}
		}
	}
	return ""
}

// applyPatch merges a patch strategically over the object, as kubectl patch
// does; a kind the Kubernetes libraries do not know is merged as plain JSON.
func applyPatch(k kube.Kind, o *kube.Object, patch map[string]any) error {
	if !scheme.Scheme.Recognizes(k.GVK()) {
		o.Object = mergeJSON(o.Object, patch)
		return nil
	}
	typed, err := scheme.Scheme.New(k.GVK())
	if err != nil {
		return err
	}
	out, err := strategicpatch.StrategicMergeMapPatch(o.Object, patch, typed)
	if err != nil {
		return err
	}
	o.Object = out
	return nil
}

// mergeJSON merges as RFC 7396 says: maps recursively, null removes, anything
// else replaces.
func mergeJSON(o, patch map[string]any) map[string]any {
	for k, v := range patch {
		switch p := v.(type) {
		case nil:
			delete(o, k)
		case map[string]any:
			have, _ := o[k].(map[string]any)
			if have == nil {
				have = map[string]any{}
			}
			o[k] = mergeJSON(have, p)
		default:
			o[k] = v
		}
	}
	return o
}

// patchesOf returns the patch attribute by kind.
func patchesOf(p types.Dynamic) (map[string]map[string]any, diag.Diagnostics) {
	if p.IsNull() || p.IsUnknown() || p.IsUnderlyingValueNull() || p.IsUnderlyingValueUnknown() {
		return nil, nil
	}
	v, err := plain(p.UnderlyingValue())
	if err != nil {
		return nil, diag.Diagnostics{diags.Message{Summary: "patch holds a value that is no JSON", Why: err.Error(), At: path.Root("patch")}.Error()}
	}
	byKind, ok := v.(map[string]any)
	out := map[string]map[string]any{}
	for k, p := range byKind {
		m, isMap := p.(map[string]any)
		ok = ok && isMap
		out[k] = m
	}
	if !ok {
		return nil, diag.Diagnostics{diags.Message{
			Summary: "patch is not an object keyed by kind",
			Do:      `Write it like patch = { Job = { spec = { podReplacementPolicy = "Failed" } } }.`,
			At:      path.Root("patch"),
		}.Error()}
	}
	return out, nil
}

// plain turns a Terraform value into JSON values.
func plain(v attr.Value) (any, error) {
	if v.IsNull() {
		return nil, nil
	}
	switch x := v.(type) {
	case types.String:
		return x.ValueString(), nil
	case types.Bool:
		return x.ValueBool(), nil
	case types.Number:
		f := x.ValueBigFloat()
		if i, acc := f.Int64(); acc == 0 {
			return i, nil
		}
		n, _ := f.Float64()
		return n, nil
	case types.Int64:
		return x.ValueInt64(), nil
	case types.Dynamic:
		return plain(x.UnderlyingValue())
	case types.Object:
		return plainMap(x.Attributes())
	case types.Map:
		return plainMap(x.Elements())
	case types.Tuple:
		return plainList(x.Elements())
	case types.List:
		return plainList(x.Elements())
	case types.Set:
		return plainList(x.Elements())
	}
	return nil, fmt.Errorf("a value of type %T has no form in JSON", v)
}

func plainMap(in map[string]attr.Value) (any, error) {
	out := make(map[string]any, len(in))
	for k, e := range in {
		v, err := plain(e)
		if err != nil {
			return nil, err
		}
		out[k] = v
	}
	return out, nil
}

func plainList(in []attr.Value) (any, error) {
	out := make([]any, 0, len(in))
	for _, e := range in {
		v, err := plain(e)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// dynamic turns JSON values into the Terraform value that a literal in a
// configuration would be: objects, tuples, numbers.
func dynamic(ctx context.Context, v any) (attr.Value, error) {
	switch x := v.(type) {
	case nil:
		return types.DynamicNull(), nil
	case string:
		return types.StringValue(x), nil
	case bool:
		return types.BoolValue(x), nil
	case int64:
		return types.NumberValue(bigInt(x)), nil
	case float64:
		return types.NumberValue(bigFloat(x)), nil
	case map[string]any:
		ts, vs := map[string]attr.Type{}, map[string]attr.Value{}
		for k, e := range x {
			ev, err := dynamic(ctx, e)
			if err != nil {
				return nil, err
			}
			ts[k], vs[k] = ev.Type(ctx), ev
		}
		o, ds := types.ObjectValue(ts, vs)
		return o, firstError(ds)
	case []any:
		var ts []attr.Type
		var vs []attr.Value
		for _, e := range x {
			ev, err := dynamic(ctx, e)
			if err != nil {
				return nil, err
			}
			ts, vs = append(ts, ev.Type(ctx)), append(vs, ev)
		}
		t, ds := types.TupleValue(ts, vs)
		return t, firstError(ds)
	}
	return nil, fmt.Errorf("a value of type %T has no form in Terraform", v)
}

func firstError(ds diag.Diagnostics) error {
	for _, d := range ds.Errors() {
		return fmt.Errorf("%s: %s", d.Summary(), d.Detail())
	}
	return nil
}

// dynamicOf wraps a patch tree; null when there is none.
func dynamicOf(ctx context.Context, tree map[string]any) (types.Dynamic, error) {
	if len(tree) == 0 {
		return types.DynamicNull(), nil
	}
	v, err := dynamic(ctx, tree)
	if err != nil {
		return types.DynamicNull(), err
	}
	return types.DynamicValue(v), nil
}
