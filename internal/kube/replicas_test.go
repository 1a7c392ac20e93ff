package kube

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// An autoscaler takes the number of pods over: our next apply, which does not name
// it, must not set it back to 1.
func TestLeaveReplicas(t *testing.T) { // pain 20
	t.Parallel()
	const apply = metav1.ManagedFieldsOperationApply
	ours := entry(Manager, apply, "", `{"f:spec":{"f:paused":{},"f:replicas":{}}}`)
	left := entry(Manager, apply, "", `{"f:spec":{"f:paused":{}}}`)
	scale := entry("kube-controller-manager", metav1.ManagedFieldsOperationUpdate, "scale", `{"f:spec":{"f:replicas":{}}}`)
	for name, c := range map[string]struct {
		kind    Kind
		said    bool
		entries []metav1.ManagedFieldsEntry
		want    []metav1.ManagedFieldsEntry
	}{
		"ours":                    {Deployment, false, []metav1.ManagedFieldsEntry{ours, scale}, []metav1.ManagedFieldsEntry{left, scale}},
		"ours, and asked":         {Deployment, true, []metav1.ManagedFieldsEntry{ours}, nil},
		"the autoscaler's":        {Deployment, false, []metav1.ManagedFieldsEntry{left, scale}, nil},
		"nobody's":                {StatefulSet, false, nil, nil},
		"of a kind that has none": {Job, false, []metav1.ManagedFieldsEntry{ours}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live, wanted := managed(c.entries), &Object{Object: map[string]any{}}
			put(live.Object, int64(6), "spec", "replicas")
			if c.said {
				put(wanted.Object, int64(6), "spec", "replicas")
			}
			raw, err := LeaveReplicas(c.kind, wanted, live)
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
			want, errWant := json.Marshal(c.want)
			again, errGot := json.Marshal(got)
			if errWant != nil || errGot != nil {
				t.Fatal(errWant, errGot)
			}
			if d := cmp.Diff(string(want), string(again)); d != "" {
				t.Error(d)
			}
			if len(patch) != 2 || patch[1].Path != "/metadata/resourceVersion" || string(patch[1].Value) != `"7"` {
				t.Errorf("the patch does not insist on the version, or changes more: %s", raw)
			}
		})
	}
}

// A removed autoscaler has nothing any more; what else its manager has stays.
func TestFreeReplicas(t *testing.T) {
	t.Parallel()
	ours := entry(Manager, metav1.ManagedFieldsOperationApply, "", `{"f:spec":{"f:paused":{}}}`)
	scale := entry(scalerManager, metav1.ManagedFieldsOperationUpdate, "scale", `{"f:spec":{"f:replicas":{}}}`)
	status := entry(scalerManager, metav1.ManagedFieldsOperationUpdate, "status", `{"f:status":{"f:replicas":{}}}`)
	live := managed([]metav1.ManagedFieldsEntry{ours, scale, status})
	raw, err := FreeReplicas(Deployment, live)
	if err != nil {
		t.Fatal(err)
	}
	var patch []struct{ Value json.RawMessage }
	if err := json.Unmarshal(raw, &patch); err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal([]metav1.ManagedFieldsEntry{ours, status})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(patch[0].Value)); d != "" {
		t.Error(d)
	}
	for k, entries := range map[Kind][]metav1.ManagedFieldsEntry{Deployment: {ours, status}, Job: {scale, ours}} {
		if raw, err := FreeReplicas(k, managed(entries)); raw != nil || err != nil {
			t.Errorf("%s: a patch of nothing: %s %v", k.Kind, raw, err)
		}
	}
}
