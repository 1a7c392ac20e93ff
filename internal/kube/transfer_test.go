package kube

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Strategy Recreate may not have the bounds that the server filled in, and no
// apply removes what nobody owns.
func TestTake(t *testing.T) {
	t.Parallel()
	const update, apply = metav1.ManagedFieldsOperationUpdate, metav1.ManagedFieldsOperationApply
	field := []string{"spec", "strategy", "rollingUpdate"}
	all := `{"f:spec":{"f:strategy":{"f:rollingUpdate":{".":{},"f:maxSurge":{}}}}}`
	mine := entry(Manager, apply, "", `{"f:spec":{"f:paused":{}}}`)
	both := entry(Manager, apply, "", `{"f:spec":{"f:paused":{},"f:strategy":{"f:rollingUpdate":{".":{},"f:maxSurge":{}}}}}`)
	for name, c := range map[string]struct{ entries, want []metav1.ManagedFieldsEntry }{
		"nobody's":       {[]metav1.ManagedFieldsEntry{mine}, []metav1.ManagedFieldsEntry{both}},
		"ours":           {[]metav1.ManagedFieldsEntry{both}, nil},
		"somebody's":     {[]metav1.ManagedFieldsEntry{entry("kubectl-edit", update, "", all), mine}, []metav1.ManagedFieldsEntry{both}},
		"part of more":   {[]metav1.ManagedFieldsEntry{entry("x", update, "", `{"f:spec":{"f:replicas":{},"f:strategy":{"f:rollingUpdate":{"f:maxSurge":{}}}}}`), mine}, []metav1.ManagedFieldsEntry{entry("x", update, "", `{"f:spec":{"f:replicas":{}}}`), both}},
		"the status too": {[]metav1.ManagedFieldsEntry{entry("c", update, "status", `{"f:status":{}}`), mine}, []metav1.ManagedFieldsEntry{entry("c", update, "status", `{"f:status":{}}`), both}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := managed(c.entries)
			put(o.Object, "25%", append(append([]string{}, field...), "maxSurge")...)
			raw, err := Take(o, field, []string{"spec", "absent"})
			if err != nil {
				t.Fatal(err)
			}
			if c.want == nil {
				if raw != nil {
					t.Errorf("a patch of nothing: %s", raw)
				}
				return
			}
			var patch []struct {
				Path  string
				Value json.RawMessage
			}
			if err := json.Unmarshal(raw, &patch); err != nil {
				t.Fatal(err)
			}
			var got []metav1.ManagedFieldsEntry
			if err := json.Unmarshal(patch[0].Value, &got); err != nil {
				t.Fatal(err)
			}
			want, err := json.Marshal(c.want)
			if err != nil {
				t.Fatal(err)
			}
			again, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(again)); d != "" {
				t.Error(d)
			}
			if patch[1].Path != "/metadata/resourceVersion" || string(patch[1].Value) != `"7"` {
				t.Errorf("the patch does not insist on the version: %s", raw)
			}
		})
	}
}
