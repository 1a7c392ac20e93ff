package laws

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// imports: importing what somebody else made gives a configuration that is
// valid, plans nothing, and applied changes nothing.
func (s Subject) imports(t *testing.T, c Config, made *rig, objects []sent) {
	t.Helper()
	main := objects[0]
	live := made.api.Get(main.kind, main.namespace, main.name)
	api := server(t, Defaults, c) // what is put there is complete already
	api.Put(withoutMarks(live))
	before := api.Get(main.kind, main.namespace, main.name)
	r := newRig(t, s, api, nil)
	id := strings.TrimPrefix(main.namespace+"/"+main.name, "/")
	if out := r.Import(t.Context(), id); out.Errors() != "" {
		t.Fatalf("import: %s", out.Errors())
	}
	generated := r.Config()
	if out := r.Validate(t.Context(), generated); out.Errors() != "" {
		t.Errorf("the generated configuration is not valid: %s", out.Errors())
	}
	r.nothingPlanned(t, r.Core, generated)
	if t.Failed() {
		return
	}
	// The first write after an import: a label, and nothing else.
	labels, _ := generated["labels"].(map[string]any)
	generated["labels"] = merged(labels, map[string]any{"laws.example.com/first": "write"})
	if e, ok := s.New().(lifecycle.Examined); ok && slices.Contains(e.Levels(), "created") {
		generated["wait_for"] = "created" // nothing runs here
	}
	if out := r.Apply(t.Context(), generated); out.Errors() != "" || len(out.Replace) > 0 {
		t.Fatalf("the first write replaces %v: %s", out.Replace, out.Errors())
	}
	after := api.Get(main.kind, main.namespace, main.name)
	if before.GetUID() != after.GetUID() {
		t.Error("another object was made")
	}
	for _, o := range [][2]*unstructured.Unstructured{{before, after}, {after, before}} {
		for _, d := range kube.Drift(spec(o[0]), spec(o[1])) {
			t.Errorf("the first write after the import changed %s", strings.Join(d, "."))
		}
	}
	sent := applied(t, api)
	for _, d := range kube.Drift(spec(&unstructured.Unstructured{Object: sent[0].object}), spec(before)) {
		t.Errorf("the imported model sends %s, which nobody declared", strings.Join(d, "."))
	}
	r.nothingPlanned(t, r.Core, generated)
}

// spec is all of an object but its metadata and status.
func spec(o *unstructured.Unstructured) map[string]any {
	out := map[string]any{}
	for k, v := range o.Object {
		if k != "metadata" && k != "status" {
			out[k] = v
		}
	}
	return out
}

// withoutMarks is an object as somebody else would have made it.
func withoutMarks(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	for _, of := range []string{"labels", "annotations"} {
		all, _, _ := unstructured.NestedStringMap(o.Object, "metadata", of)
		for k := range all {
			if strings.HasPrefix(k, "mlk.dev/") {
				delete(all, k)
			}
		}
		_ = unstructured.SetNestedStringMap(o.Object, all, "metadata", of)
	}
	o.SetManagedFields(nil)
	o.SetUID("")
	o.SetResourceVersion("")
	o.SetGeneration(0)
	return o
}

func merged(maps ...map[string]any) map[string]any {
	out := map[string]any{}
	for _, m := range maps {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}
