package kube

import (
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Handover is the field manager of an object that is made anew in the place of
// another, until Manager has applied what it owns of it.
const Handover = "mlk-handover"

// IsHandover reports whether fields are those of Handover.
func IsHandover(m metav1.ManagedFieldsEntry) bool { return m.Manager == Handover }

// OnlyHandover reports whether an apply was refused for fields of Handover alone.
func OnlyHandover(err error) bool {
	conflicts := Conflicts(err)
	return len(conflicts) > 0 && !slices.ContainsFunc(conflicts, func(c Conflict) bool { return c.Manager != Handover })
}

// Successor returns a new object that says what live says, whoever said it, with
// the subtrees that nobody can change as wanted has them.
func Successor(k Kind, live, wanted *Object) *Object {
	out := &Object{Object: map[string]any{"apiVersion": k.APIVersion(), "kind": k.Kind}}
	for field, v := range live.Object {
		switch field {
		case "apiVersion", "kind", "metadata", "status":
		default:
			out.Object[field] = runtime.DeepCopyJSONValue(v)
		}
	}
	for _, tree := range k.Frozen() {
		if v, ok := At(wanted.Object, tree...); ok {
			put(out.Object, runtime.DeepCopyJSONValue(v), tree...)
		}
	}
	out.SetName(live.GetName())
	out.SetNamespace(live.GetNamespace())
	out.SetLabels(live.GetLabels())
	out.SetAnnotations(live.GetAnnotations())
	out.SetOwnerReferences(live.GetOwnerReferences())
	return out
}

// WithoutHandover is the JSON patch that takes its fields from Handover.
func WithoutHandover(live *Object) ([]byte, error) {
	return json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": slices.DeleteFunc(live.GetManagedFields(), IsHandover)},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()},
	})
}
