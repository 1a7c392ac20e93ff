package gpunodepool_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// TestKarpenterDeletedMeanwhile: a wait ends when somebody deletes what it is for, and
// does not say that nobody has looked at it.
func TestKarpenterDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	r := workspace(t, karpenterAPI(t), nil)
	r.api.After = func(q fakeapi.Request) error {
		if q.Writes() && q.Method == "PATCH" && strings.HasSuffix(q.Path, "/nodepools/a") {
			go r.api.Remove("NodePool", "", "a")
		}
		return nil
	}
	got := r.Apply(t.Context(), demand(nil)).Errors()
	for _, w := range []string{"is not ready: somebody has deleted it", "NodePool a was deleted", "the pool is then made anew"} {
		if !strings.Contains(got, w) {
			t.Errorf("without %q: %s", w, got)
		}
	}
}

// TestKarpenterBeforeIsDrained: a create that waits in vain for the pool before of its
// name says nothing of a state that there is not.
func TestKarpenterBeforeIsDrained(t *testing.T) {
	t.Parallel()
	r := workspace(t, karpenterAPI(t), nil)
	r.api.Put(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "karpenter.sh/v1", "kind": "NodePool",
		"metadata": map[string]any{"name": "a", "finalizers": []any{"karpenter.sh/termination"}, "deletionTimestamp": "2026-11-26T00:00:00Z"}, "spec": map[string]any{},
	}})
	out := r.Apply(t.Context(), demand(map[string]any{"timeouts": map[string]any{"create": "2s"}}))
	if got := out.Errors(); !strings.Contains(got, "Nothing was made: a pool of this name begins when the one before has gone") || strings.Contains(got, "The state still has it") {
		t.Errorf("it says: %s", got)
	}
	if !r.State.IsNull() {
		t.Error("there is a state")
	}
}
