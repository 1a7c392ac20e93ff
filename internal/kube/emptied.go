package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// emptied are the maps of an apply that was refused because of them: a custom
// resource requires them, they are sent empty, and what this apply takes out was the
// last in them. Server-side apply makes null of such a map instead of leaving it
// empty, and the definition refuses null.
func emptied(sent *Object, err error) [][]string {
	var s apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &s) || s.Status().Details == nil {
		return nil
	}
	var out [][]string
	for _, c := range s.Status().Details.Causes {
		at := ParseField(c.Field)
		v, ok := At(sent.Object, at...)
		if m, isMap := v.(map[string]any); ok && isMap && len(m) == 0 && strings.Contains(c.Message, `"null"`) && !slices.ContainsFunc(out, func(p []string) bool { return slices.Equal(p, at) }) {
			out = append(out, at)
		}
	}
	return out
}

// empty takes out all that is in maps of a live object, and our name from it: nobody
// but us has set anything there, or an apply would have left it. What the definition
// fills in again is nobody's then.
func (c *Client) empty(ctx context.Context, ref Ref, maps [][]string) error {
	live, err := c.Get(ctx, ref)
	if err != nil || live == nil {
		return err
	}
	patch, err := emptying(live, maps)
	if err != nil {
		return err
	}
	_, err = c.PatchJSON(ctx, ref, patch)
	return err
}

// emptying is the JSON patch that does so. It carries the resource version.
func emptying(live *Object, maps [][]string) ([]byte, error) {
	within := func(p fieldpath.Path) bool {
		return slices.ContainsFunc(maps, func(at []string) bool {
			return len(p) > len(at) && fieldPath(at).Equals(p[:len(at)])
		})
	}
	entries := slices.Clone(live.GetManagedFields())
	for i, m := range entries {
		mine := fieldSet(m)
		if m.Manager != Manager || m.Subresource != "" || mine == nil {
			continue
		}
		left := &fieldpath.Set{}
		for p := range mine.All() {
			if !within(p) {
				left.Insert(p.Copy())
			}
		}
		raw, err := left.ToJSON()
		if err != nil {
			return nil, fmt.Errorf("write the fields of %s: %w", Manager, err)
		}
		entries[i].FieldsV1 = metav1.NewFieldsV1(string(raw))
	}
	ops := []map[string]any{{"op": "replace", "path": "/metadata/managedFields", "value": entries}}
	for _, at := range maps {
		ops = append(ops, map[string]any{"op": "replace", "path": "/" + strings.Join(at, "/"), "value": map[string]any{}})
	}
	return json.Marshal(append(ops, map[string]any{"op": "replace", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()}))
}
