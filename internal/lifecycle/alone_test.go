package lifecycle_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// TestMainObjectGone deletes the main object of two: the resource is planned
// again, and what is left of it is taken up as it is, changed or not.
func TestMainObjectGone(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := duos(t, fakeapi.New(t))
	if out := w.Apply(ctx, config(map[string]any{"claim": "a"})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.client.Close() // until the mark of a recorded object is there
	claim := w.api.Get("PersistentVolumeClaim", "default", "a").GetUID()
	w.api.Remove("Job", "default", "one")
	w.api.Change("PersistentVolumeClaim", "default", "a", "somebody", func(o map[string]any) {
		_ = unstructured.SetNestedField(o, "fast", "spec", "storageClassName")
	})
	if out := w.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if !w.State.IsNull() {
		t.Fatalf("the state still has what is gone: %s", w.State)
	}
	next := duos(t, w.api)
	if out := next.Apply(ctx, config(map[string]any{"claim": "a", "labels": map[string]any{"a": "1"}})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	now := w.api.Get("PersistentVolumeClaim", "default", "a")
	if w.api.Get("Job", "default", "one") == nil || now.GetUID() != claim || now.GetLabels()["a"] != "1" {
		t.Errorf("not taken up: %v", now)
	}
	if out := next.Apply(ctx, nil); out.Errors() != "" || w.api.Get("PersistentVolumeClaim", "default", "a") != nil {
		t.Errorf("destroy left it: %s", out.Errors())
	}
}
