package acceptance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// mostRequests bounds the rounds of a test that kills at each request in turn.
// An apply of the three resources makes some 25.
const mostRequests = 40

// scene is a namespace, a proxy before its cluster, and a workspace with the
// configuration of testdata/TestAccKilled: a class, a claim and a run.
type scene struct {
	*testkit.Acceptance
	*testkit.CLI

	t     *testing.T
	proxy *proxy
}

func newScene(t *testing.T, template *testkit.CLI, variables ...string) *scene {
	t.Helper()
	acc := testkit.NewAcceptance(t)
	p := newProxy(t, acc.Config)
	variables = append([]string{"host", p.URL, "namespace", acc.Namespace}, variables...)
	s := &scene{Acceptance: acc, t: t, proxy: p}
	if template == nil {
		s.CLI = testkit.NewCLI(t, "testdata/TestAccKilled", variables...)
	} else {
		s.CLI = template.Workspace(variables...)
	}
	t.Cleanup(func() {
		// The class outlives the namespace; the test's context has ended by now.
		err := acc.Kube.StorageV1().StorageClasses().Delete(context.Background(), acc.Namespace, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	return s
}

// killAt runs a command of Terraform whose provider is killed at the n-th
// request to the API server, before or after it takes effect. It returns what
// the command printed, and whether it got that far.
func (s *scene) killAt(n int, after bool, args ...string) (testkit.Output, bool) {
	s.t.Helper()
	return s.hitAt(n, after, true, func(pid int) bool { return killProvider(s.t, pid) }, args...)
}

// hitAt runs a command of Terraform and does something to its process at the
// n-th request of its provider, which is lost with its answer or goes on. It
// returns what the command printed and whether that has happened.
func (s *scene) hitAt(n int, after, lost bool, hit func(pid int) bool, args ...string) (testkit.Output, bool) {
	s.t.Helper()
	started, done := make(chan int, 1), make(chan bool, 1)
	s.proxy.arm(n, after, func() bool {
		done <- hit(<-started)
		return lost
	})
	cmd := s.Start(args...)
	started <- cmd.Process.Pid
	out := cmd.Finish()
	requests, pulled := s.proxy.disarm()
	if !pulled {
		return out, false
	}
	s.t.Logf("hit at %s", requests[n-1])
	return out, <-done
}

var (
	applyArgs   = []string{"apply", "-no-color", "-input=false", "-auto-approve"}
	destroyArgs = []string{"destroy", "-no-color", "-input=false", "-auto-approve"}
)

// census is what exists of a scene's objects, by uid.
type census struct {
	Classes, Claims, Jobs, Pods []string
}

func (c census) String() string {
	return fmt.Sprintf("classes %v, claims %v, jobs %v, pods %v", c.Classes, c.Claims, c.Jobs, c.Pods)
}

func (c census) empty() bool { return len(c.Classes)+len(c.Claims)+len(c.Jobs)+len(c.Pods) == 0 }

// census counts all objects of the namespace of the three kinds, whoever made
// them, and the classes of its name.
func (s *scene) census() census {
	s.t.Helper()
	ctx := s.t.Context()
	var c census
	class, err := s.Kube.StorageV1().StorageClasses().Get(ctx, s.Namespace, metav1.GetOptions{})
	switch {
	case err == nil:
		c.Classes = append(c.Classes, string(class.UID))
	case !apierrors.IsNotFound(err):
		s.t.Fatal(err)
	}
	claims, err := s.Kube.CoreV1().PersistentVolumeClaims(s.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, o := range claims.Items {
		c.Claims = append(c.Claims, string(o.UID))
	}
	jobs, err := s.Kube.BatchV1().Jobs(s.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, o := range jobs.Items {
		c.Jobs = append(c.Jobs, string(o.UID))
	}
	pods, err := s.Kube.CoreV1().Pods(s.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, o := range pods.Items {
		c.Pods = append(c.Pods, string(o.UID))
	}
	return c
}

// job is the one Job of the namespace.
func (s *scene) job() *batchv1.Job {
	s.t.Helper()
	jobs, err := s.Kube.BatchV1().Jobs(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(jobs.Items) != 1 {
		s.t.Fatalf("there are %d Jobs", len(jobs.Items))
	}
	return &jobs.Items[0]
}

// converges applies and checks that all is there once, that what was there
// before is still the same, and that nothing is left to do.
func (s *scene) converges(before census) {
	s.t.Helper()
	s.MustApply()
	now := s.census()
	for _, kind := range []struct {
		name     string
		was, now []string
	}{
		{"StorageClass", before.Classes, now.Classes},
		{"PersistentVolumeClaim", before.Claims, now.Claims},
		{"Job", before.Jobs, now.Jobs},
		{"Pod", before.Pods, now.Pods},
	} {
		if len(kind.now) != 1 {
			s.t.Errorf("there are %d objects of kind %s", len(kind.now), kind.name)
		}
		if len(kind.was) == 1 && len(kind.now) == 1 && kind.was[0] != kind.now[0] {
			s.t.Errorf("%s was made twice", kind.name)
		}
	}
	if job := s.job(); job.Status.Succeeded != 1 {
		s.t.Errorf("the run ended %+v", job.Status)
	}
	if out := s.Plan(); out.Code != 0 {
		s.t.Errorf("after the apply a plan gives %d: %s", out.Code, out)
	}
	s.sound()
}

// sound checks that nothing in the state is tainted or deposed. It reads the
// file: terraform show would start the provider for it.
func (s *scene) sound() {
	s.t.Helper()
	var state struct {
		Resources []struct {
			Type      string `json:"type"`
			Instances []struct {
				Status  string `json:"status"`
				Deposed string `json:"deposed"`
			} `json:"instances"`
		} `json:"resources"`
	}
	if raw := s.RawState(); len(raw) > 0 {
		if err := json.Unmarshal(raw, &state); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, r := range state.Resources {
		for _, i := range r.Instances {
			if i.Status != "" || i.Deposed != "" {
				s.t.Errorf("%s is %q, deposed %q", r.Type, i.Status, i.Deposed)
			}
		}
	}
}

// rounds runs a test for each request of a command, killed before and after it,
// until a round in which the command came to its end.
func rounds(t *testing.T, requests int, round func(t *testing.T, n int, after bool)) {
	t.Helper()
	for _, after := range []bool{false, true} {
		for n := 1; n <= requests; n++ {
			t.Run(fmt.Sprintf("%s/%02d", map[bool]string{false: "before", true: "after"}[after], n), func(t *testing.T) {
				round(t, n, after)
			})
		}
	}
}

// TestAccKilled kills the provider at every request of an apply: the next apply
// converges on one object of each kind, and the run is not started twice. It then
// kills it at the same request of a destroy: the next one leaves nothing.
func TestAccKilled(t *testing.T) {
	t.Parallel()
	whole := newScene(t, nil)
	whole.proxy.arm(0, false, nil)
	whole.MustApply()
	made, _ := whole.proxy.disarm()
	t.Logf("an apply is %d requests:\n%s", len(made), strings.Join(made, "\n"))
	whole.marked()
	whole.proxy.arm(0, false, nil)
	if out := whole.Destroy(); out.Code != 0 {
		t.Fatal(out)
	}
	gone, _ := whole.proxy.disarm()
	t.Logf("a destroy is %d requests:\n%s", len(gone), strings.Join(gone, "\n"))
	if left := whole.census(); !left.empty() {
		t.Errorf("destroy left %s", left)
	}

	// A watch that starts when the wait is over has no provider to kill any more.
	certain := slices.IndexFunc(made, func(r string) bool { return strings.HasPrefix(r, "WATCH") })
	// Two more than counted, because watches come and go.
	rounds(t, min(max(len(made), len(gone))+2, mostRequests), func(t *testing.T, n int, after bool) {
		s := newScene(t, whole.CLI)
		out, killed := s.killAt(n, after, applyArgs...)
		if !killed && (n <= certain || out.Code != 0) {
			t.Fatalf("nobody was killed: %s", out)
		}
		s.converges(s.census())

		out, killed = s.killAt(n, after, destroyArgs...)
		if !killed && out.Code != 0 {
			t.Fatalf("nobody was killed and the destroy failed: %s", out)
		}
		if out := s.Destroy(); out.Code != 0 {
			t.Fatal(out)
		}
		if left := s.census(); !left.empty() {
			t.Errorf("destroy left %s", left)
		}
	})
}

// marked checks that everything bears the mark that a state knows it: it is
// written when the provider has already answered and is about to end.
func (s *scene) marked() {
	s.t.Helper()
	ctx := s.t.Context()
	class, err := s.Kube.StorageV1().StorageClasses().Get(ctx, s.Namespace, metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	claim, err := s.Kube.CoreV1().PersistentVolumeClaims(s.Namespace).Get(ctx, "data", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, o := range []metav1.Object{class, claim, s.job()} {
		if o.GetAnnotations()[lifecycle.RecordedAnnotation] == "" {
			s.t.Errorf("%T %s does not bear the mark %s", o, o.GetName(), lifecycle.RecordedAnnotation)
		}
	}
}

// TestAccKilledInUpdate kills the provider at every request of an update in
// place, which loses the private state too: Terraform keeps the attributes only.
func TestAccKilledInUpdate(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	s.MustApply()
	before := s.census()
	for _, after := range []bool{false, true} {
		for n := 1; n <= mostRequests; n++ {
			edition := fmt.Sprintf("%v-%d", after, n)
			s.Set("edition", edition)
			out, killed := s.killAt(n, after, applyArgs...)
			if !killed {
				if out.Code != 0 {
					t.Fatalf("nobody was killed and the apply failed: %s", out)
				}
				break
			}
			s.converges(before)
			if got := s.job().Labels["edition"]; got != edition {
				t.Errorf("the label is %q, want %q", got, edition)
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	}
	if out := s.Destroy(); out.Code != 0 {
		t.Fatal(out)
	}
	if left := s.census(); !left.empty() {
		t.Errorf("destroy left %s", left)
	}
}
