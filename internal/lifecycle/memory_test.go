package lifecycle

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// Two projects call a kind of theirs PodGroup: a memory knows which it had, and where
// it does not, as after the state alone was left, either may be it.
func TestKindsOfOneName(t *testing.T) {
	t.Parallel()
	both := []kube.Kind{kube.PodGroup, kube.VolcanoPodGroup}
	volcanos := kube.Ref{Kind: kube.VolcanoPodGroup, Namespace: "ml", Name: "x"}
	var m memory
	m.remember([]kube.Ref{volcanos}, map[kube.Ref]*kube.Object{volcanos: {Object: map[string]any{"metadata": map[string]any{"uid": "u"}}}})
	if d := cmp.Diff([]kube.Ref{volcanos}, m.refs(both)); d != "" {
		t.Error(d)
	}
	other := volcanos
	other.Kind = kube.PodGroup
	if m.uid(volcanos) != "u" || m.uid(other) != "" {
		t.Errorf("uids %q, %q", m.uid(volcanos), m.uid(other))
	}
	m.Objects[0].Group = ""
	if d := cmp.Diff([]kube.Ref{other, volcanos}, m.refs(both)); d != "" {
		t.Error(d)
	}
}
