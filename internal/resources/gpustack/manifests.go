package gpustack

import (
	"encoding/json"
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

var manifestsPath = path.Root("manifests")

// contents are the fields of objects that say what they are.
var contents = []string{"spec", "rules", "roleRef", "subjects", "handler"}

// manifests shows what the objects of the mode daemonsets are to be, by their keys.
func manifests(m *Model) types.Map { return m.shown(nil) }

// made are the objects of the mode daemonsets as plain values, by key.
func (m *Model) made() map[string]object {
	out := map[string]object{}
	if m.Mode.ValueString() != modeDaemonSets {
		return out
	}
	acs, _ := daemonSets(m)
	for _, ac := range acs {
		raw, err := json.Marshal(ac)
		o := object{}
		if err != nil || utiljson.Unmarshal(raw, &o) != nil {
			continue
		}
		out[m.keyOf(o)] = o
	}
	return out
}

// keyOf is the key of an object of the stack among live ones.
func (m *Model) keyOf(o object) string {
	kind, _ := o["kind"].(string)
	meta, _ := o["metadata"].(object)
	for _, role := range []string{roleGFD, roleExporter} {
		if kind == kube.DaemonSet.Kind && meta["name"] == m.Name.ValueString()+"-"+role {
			return kube.DaemonSet.Key(role)
		}
	}
	return kind
}

// shown are the objects in JSON: as they are wanted, or as the live ones are in what
// is wanted of them.
func (m *Model) shown(live kube.Live) types.Map {
	out := map[string]attr.Value{}
	for key, want := range m.made() {
		is := want
		if o := live[key]; o != nil && len(kube.Drift(want, kube.Declared(o.Object, want))) > 0 {
			is, _ = projected(want, o.Object, "").(object)
		}
		text := object{}
		for _, f := range contents {
			if v, ok := is[f]; ok {
				text[f] = v
			}
		}
		if meta, ok := is["metadata"].(object); ok && meta["annotations"] != nil {
			text["annotations"] = meta["annotations"]
		}
		if raw, err := json.Marshal(text); err == nil {
			out[key] = types.StringValue(string(raw))
		}
	}
	return types.MapValueMust(types.StringType, out)
}

// projected is what a live value says in the places that are wanted.
func projected(want, live any, field string) any {
	switch w := want.(type) {
	case object:
		l, ok := live.(object)
		if !ok {
			return live
		}
		out := object{}
		for k, v := range w {
			if lv, has := l[k]; has {
				out[k] = projected(v, lv, k)
			}
		}
		return out
	case []any:
		l, ok := live.([]any)
		if !ok || len(l) != len(w) {
			return live
		}
		out := make([]any, len(w))
		for i := range w {
			out[i] = projected(w[i], l[i], field+strconv.Itoa(i))
		}
		return out
	}
	return live
}

// madeFields says that manifests shows what became of each field.
func madeFields(m *Model) diags.Fields {
	var f diags.Fields
	for key, o := range m.made() {
		for _, c := range contents {
			if o[c] != nil {
				f.Add(manifestsPath.AtMapKey(key), key, c)
			}
		}
		if meta, ok := o["metadata"].(object); ok {
			annotations, _ := meta["annotations"].(object)
			for k := range annotations {
				f.Add(manifestsPath.AtMapKey(key), key, "metadata", "annotations", k)
			}
		}
		if key == kube.RuntimeClass.Kind {
			f.Add(path.Root("runtime_class").AtName("name"), key, "metadata", "name")
		}
	}
	return f
}

// nestedBool is a field of a live object, and whether it is there.
func nestedBool(o *kube.Object, fields ...string) (value, there bool, err error) {
	return unstructured.NestedBool(o.Object, fields...)
}

// noManifests is manifests where the operator makes the objects.
var noManifests = types.MapValueMust(types.StringType, map[string]attr.Value{})
