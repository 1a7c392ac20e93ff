package kube

import (
	"encoding/json"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Take returns the JSON patch that makes Manager the only owner of what is at
// and below the fields of a live object, whoever had them, so that the next apply
// may change them, or remove them by not naming them: what the server once filled
// in has no owner, and would stay. Nil when nothing is to be done. The patch
// carries the resource version: a concurrent write makes it fail.
func Take(live *Object, fields ...[]string) ([]byte, error) {
	taken := &fieldpath.Set{}
	for _, f := range fields {
		if v, ok := At(live.Object, f...); ok {
			everything(taken, fieldPath(f), v)
		}
	}
	if taken.Empty() {
		return nil, nil
	}
	own := metav1.ManagedFieldsEntry{Manager: Manager, Operation: metav1.ManagedFieldsOperationApply, FieldsType: "FieldsV1", APIVersion: live.GetAPIVersion()}
	mine, changed := &fieldpath.Set{}, false
	var rest []metav1.ManagedFieldsEntry
	for _, m := range live.GetManagedFields() {
		s := &fieldpath.Set{}
		if m.FieldsV1 != nil {
			if err := s.FromJSON(m.FieldsV1.GetRawReader()); err != nil {
				return nil, fmt.Errorf("read the fields of %s: %w", m.Manager, err)
			}
		}
		if m.Manager == Manager && m.Operation == metav1.ManagedFieldsOperationApply && m.Subresource == "" {
			mine, own = s, m
			continue
		}
		left := s.Difference(taken)
		if left.Equals(s) {
			rest = append(rest, m)
			continue
		}
		changed = true
		if left.Empty() {
			continue
		}
		raw, err := left.ToJSON()
		if err != nil {
			return nil, fmt.Errorf("write the fields of %s: %w", m.Manager, err)
		}
		m.FieldsV1 = metav1.NewFieldsV1(string(raw))
		rest = append(rest, m)
	}
	all := mine.Union(taken)
	if !changed && all.Equals(mine) {
		return nil, nil
	}
	raw, err := all.ToJSON()
	if err != nil {
		return nil, fmt.Errorf("write the fields of %s: %w", Manager, err)
	}
	own.FieldsV1 = metav1.NewFieldsV1(string(raw))
	return json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": append(rest, own)},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()},
	})
}

// LeaveReplicas returns the JSON patch after which Manager has no number of pods of
// a live object any more, when wanted says none: it stays what it is, and the
// next apply may leave it out. As the field's only owner, that apply would set it
// back to 1. No value is written, so that nobody's is overwritten; nil when there
// is nothing to do. The patch carries the resource version.
func LeaveReplicas(k Kind, wanted, live *Object) ([]byte, error) {
	at, ok := replicated[k]
	if !ok {
		return nil, nil
	}
	if _, said := At(wanted.Object, at...); said {
		return nil, nil
	}
	entries := live.GetManagedFields()
	for i, m := range entries {
		if m.Manager != Manager || m.Operation != metav1.ManagedFieldsOperationApply || m.Subresource != "" || m.FieldsV1 == nil {
			continue
		}
		mine := &fieldpath.Set{}
		if err := mine.FromJSON(m.FieldsV1.GetRawReader()); err != nil {
			return nil, fmt.Errorf("read the fields of %s: %w", m.Manager, err)
		}
		if !mine.Has(fieldPath(at)) {
			return nil, nil
		}
		raw, err := mine.Difference(fieldpath.NewSet(fieldPath(at))).ToJSON()
		if err != nil {
			return nil, fmt.Errorf("write the fields of %s: %w", Manager, err)
		}
		entries[i].FieldsV1 = metav1.NewFieldsV1(string(raw))
		return json.Marshal([]map[string]any{
			{"op": "replace", "path": "/metadata/managedFields", "value": entries},
			{"op": "replace", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()},
		})
	}
	return nil, nil
}

// Disown returns the JSON patch after which a field manager owns nothing of a live
// object any more: what it had set stays. Nil when it owns nothing. The patch carries
// the resource version.
func Disown(live *Object, manager string) ([]byte, error) {
	rest := slices.DeleteFunc(live.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool { return m.Manager == manager })
	if len(rest) == len(live.GetManagedFields()) || len(rest) == 0 { // the server takes an empty list for all of it
		return nil, nil
	}
	return json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": rest},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()},
	})
}

// scalerManager is the field manager of the autoscalers of Kubernetes.
const scalerManager = "kube-controller-manager"

// FreeReplicas returns the JSON patch after which no autoscaler of Kubernetes has the
// number of pods of a live object any more: one that is gone goes on being named as
// its owner, and who says a number later would be refused for it. The number stays;
// nil when there is nothing to do. The patch carries the resource version.
func FreeReplicas(k Kind, live *Object) ([]byte, error) {
	at, ok := replicated[k]
	if !ok {
		return nil, nil
	}
	var rest []metav1.ManagedFieldsEntry
	changed := false
	for _, m := range live.GetManagedFields() {
		mine := fieldSet(m)
		if m.Manager != scalerManager || mine == nil || !mine.Has(fieldPath(at)) {
			rest = append(rest, m)
			continue
		}
		changed = true
		left := mine.Difference(fieldpath.NewSet(fieldPath(at)))
		if left.Empty() {
			continue
		}
		raw, err := left.ToJSON()
		if err != nil {
			return nil, fmt.Errorf("write the fields of %s: %w", m.Manager, err)
		}
		m.FieldsV1 = metav1.NewFieldsV1(string(raw))
		rest = append(rest, m)
	}
	if !changed || len(rest) == 0 { // the server takes an empty list for all of it
		return nil, nil
	}
	return json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": rest},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()},
	})
}

// WithoutReplicas is a live object without its number of pods, of a kind that has
// one: where an autoscaler sets it, it is nothing that somebody has declared.
func WithoutReplicas(k Kind, live *Object) *Object {
	at, ok := replicated[k]
	if !ok {
		return live
	}
	out := live.DeepCopy()
	unstructured.RemoveNestedField(out.Object, at...)
	return out
}

// OnlyReplicas reports whether an apply was refused for the number of pods alone.
func OnlyReplicas(k Kind, err error) bool {
	at, ok := replicated[k]
	conflicts := Conflicts(err)
	return ok && len(conflicts) > 0 && !slices.ContainsFunc(conflicts, func(c Conflict) bool { return !slices.Equal(c.Field, at) })
}

// everything adds a value's place and those of all that is in it. A list is one.
func everything(to *fieldpath.Set, at fieldpath.Path, v any) {
	to.Insert(at)
	if m, ok := v.(map[string]any); ok {
		for f, e := range m {
			everything(to, append(at.Copy(), fieldpath.PathElement{FieldName: &f}), e)
		}
	}
}

func fieldPath(names []string) fieldpath.Path {
	p := make(fieldpath.Path, 0, len(names))
	for _, f := range names {
		p = append(p, fieldpath.PathElement{FieldName: &f})
	}
	return p
}
