package lifecycle_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPatchDrifts: a field that only patch sets is watched like any other.
func TestPatchDrifts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	patched := func(n int) map[string]any {
		return map[string]any{"Job": map[string]any{"spec": map[string]any{"parallelism": int64(n)}}}
	}
	c := config(map[string]any{"patch": patched(2)})
	if out := w.Apply(t.Context(), c); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.api.Change("Job", "default", "one", "kubectl-edit", func(o map[string]any) { set(o, int64(5), "spec", "parallelism") })
	if out := w.Refresh(t.Context()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if diff := cmp.Diff(patched(5), w.Attribute("patch")); diff != "" {
		t.Error(diff)
	}
	if out := w.Plan(t.Context(), c); out.Errors() != "" || !out.Changed {
		t.Errorf("the plan does not set it right: %s", out.Errors())
	}
}
