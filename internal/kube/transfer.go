package kube

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
