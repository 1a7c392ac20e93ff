package acceptance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestAccInterrupted presses ^C at every request of an apply: nothing is
// tainted, and the next apply goes on with what is there.
func TestAccInterrupted(t *testing.T) {
	t.Parallel()
	whole := newScene(t, nil)
	whole.proxy.arm(0, false, nil)
	whole.MustApply()
	made, _ := whole.proxy.disarm()
	for n := range made {
		t.Run(fmt.Sprintf("%02d", n+1), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, whole.CLI)
			interrupt := func(pid int) bool { return syscall.Kill(pid, syscall.SIGINT) == nil }
			out, hit := s.hitAt(n+1, false, false, interrupt, applyArgs...)
			if !hit && out.Code != 0 {
				t.Fatalf("nobody interrupted and the apply failed: %s", out)
			}
			if s.sound(); t.Failed() {
				t.Fatal(out)
			}
			s.converges(s.census())
		})
	}
}

// TestAccWrongCluster leads the provider to what calls itself another cluster:
// it refuses to plan, to apply and to destroy, and leaves the state as it is.
func TestAccWrongCluster(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	s.MustApply()
	before, state := s.census(), s.RawState()
	s.proxy.reply(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/api/v1/namespaces/kube-system" {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(map[string]any{
			"apiVersion": "v1", "kind": "Namespace",
			"metadata": map[string]any{"name": "kube-system", "uid": "00000000-0000-0000-0000-000000000000", "resourceVersion": "1"},
		}); err != nil {
			t.Error(err)
		}
		return true
	})
	s.Set("edition", "second")
	for name, out := range map[string]func() (int, bool){
		"plan":    func() (int, bool) { out := s.Plan(); return out.Code, out.Says("was made on another cluster") },
		"apply":   func() (int, bool) { out := s.Apply(); return out.Code, out.Says("was made on another cluster") },
		"destroy": func() (int, bool) { out := s.Destroy(); return out.Code, out.Says("was made on another cluster") },
		"apply without a refresh": func() (int, bool) {
			out := s.Apply("-refresh=false")
			return out.Code, out.Says("was made on another cluster")
		},
	} {
		if code, says := out(); code != 1 || !says {
			t.Errorf("%s ended with %d, and says so: %v", name, code, says)
		}
		if !bytes.Equal(state, s.RawState()) {
			t.Fatalf("%s touched the state", name)
		}
	}
	if diff := cmp.Diff(before, s.census()); diff != "" {
		t.Errorf("the objects (-want +got):\n%s", diff)
	}
	s.proxy.reply(nil)
	s.Set("edition", "first")
	if out := s.Plan(); out.Code != 0 {
		t.Errorf("back on its cluster a plan gives %d: %s", out.Code, out)
	}
}

// TestAccTwoWorkspaces applies one module in two workspaces: the second is
// refused, and its destroy leaves the first one's objects alone.
func TestAccTwoWorkspaces(t *testing.T) {
	t.Parallel()
	first := newScene(t, nil)
	first.MustApply()
	before := first.census()
	second := first.Workspace()
	if out := second.Apply(); out.Code != 1 || !out.Says("already exists and belongs to another state") {
		t.Errorf("the second workspace's apply ended with %d: %s", out.Code, out)
	}
	if state := second.State(); len(state) != 0 {
		t.Errorf("its state holds %v", state)
	}
	if out := second.Destroy(); out.Code != 0 {
		t.Error(out)
	}
	if diff := cmp.Diff(before, first.census()); diff != "" {
		t.Errorf("the first one's objects (-want +got):\n%s", diff)
	}
	if out := first.Plan(); out.Code != 0 {
		t.Errorf("its plan gives %d: %s", out.Code, out)
	}
	if uid := string(first.job().UID); len(before.Jobs) != 1 || uid != before.Jobs[0] {
		t.Errorf("the run is %s, was %v", uid, before.Jobs)
	}
}

// TestAccMarksAreLost takes the marks off the objects, as a backup tool that
// restores without annotations does: uids still tell whose they are.
func TestAccMarksAreLost(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	s.MustApply()
	job := s.job()
	for k := range job.Annotations {
		delete(job.Annotations, k)
	}
	if _, err := s.Kube.BatchV1().Jobs(s.Namespace).Update(t.Context(), job, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if out := s.Plan(); out.Code != 0 {
		t.Errorf("a plan gives %d: %s", out.Code, out)
	}
	s.Set("edition", "second")
	s.MustApply()
	if out := s.Destroy(); out.Code != 0 {
		t.Error(out)
	}
	if left := s.census(); !left.empty() {
		t.Errorf("destroy left %s", left)
	}
}
