package lifecycle

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apitypes "k8s.io/apimachinery/pkg/types"
)

// TestOwnEvictionsAreNoCauses leaves out of an explanation what the wait itself has
// ended, so that the rank that failed is told and not those that went because of it.
func TestOwnEvictionsAreNoCauses(t *testing.T) {
	t.Parallel()
	pod := func(uid apitypes.UID, disrupted bool) corev1.Pod {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}, Status: corev1.PodStatus{Phase: corev1.PodFailed}}
		if disrupted {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI"}}
		}
		return p
	}
	w := &writer[Namespaced, *Namespaced]{
		r:       &Resource[Namespaced, *Namespaced]{},
		evicted: map[apitypes.UID]bool{"ours": true, "failed before": true},
	}
	var got []apitypes.UID
	for _, p := range w.current([]corev1.Pod{pod("ours", true), pod("failed before", false), pod("somebody's", true), pod("failed", false)}) {
		got = append(got, p.UID)
	}
	if want := []apitypes.UID{"failed before", "somebody's", "failed"}; len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("got %v, want %v", got, want)
	}
}
