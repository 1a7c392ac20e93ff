package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// broken makes the n-th request fail, before or after it takes effect.
type broken struct {
	n     int
	after bool
	with  error
	seen  int
}

func (b *broken) hook(after bool) func(fakeapi.Request) error {
	return func(r fakeapi.Request) error {
		if after != b.after || r.Watch {
			return nil
		}
		if b.seen++; b.seen == b.n {
			return b.with
		}
		return nil
	}
}

// TestFailAnywhere cuts create at each API call: if anything exists, the state
// holds its identity; and the next apply converges on one object.
func TestFailAnywhere(t *testing.T) { // pain 28
	t.Parallel()
	for _, with := range []error{fakeapi.Cut{}, apierrors.NewInternalError(errors.New("etcd is away")), apierrors.NewTimeoutError("too slow", 1)} {
		for _, after := range []bool{false, true} {
			for n := 1; n <= 6; n++ {
				t.Run(fmt.Sprintf("%T/after=%v/%d", with, after, n), func(t *testing.T) {
					t.Parallel()
					api := fakeapi.New(t)
					b := &broken{n: n, after: after, with: with}
					if after {
						api.After = b.hook(true)
					} else {
						api.Before = b.hook(false)
					}
					w := newWorkspace(t, api)
					out := w.Apply(t.Context(), config())
					exists := api.Get("Job", "default", "one") != nil
					if exists && w.State.IsNull() {
						t.Fatalf("the Job exists and the state does not know it: %s", out.Errors())
					}
					if exists && w.Attribute("id") != "default/one" {
						t.Errorf("id is %v", w.Attribute("id"))
					}
					if !exists && out.Errors() == "" {
						t.Error("nothing was made and nobody was told")
					}
					api.Before, api.After = nil, nil
					w.Tainted = false // as terraform untaint does
					if out := w.Refresh(t.Context()); out.Errors() != "" {
						t.Fatal(out.Errors())
					}
					if out := w.Apply(t.Context(), config()); out.Errors() != "" {
						t.Fatal(out.Errors())
					}
					if jobs := api.List("Job"); len(jobs) != 1 {
						t.Errorf("there are %d Jobs", len(jobs))
					}
				})
			}
		}
	}
}

// TestKilledAnywhere kills the provider before and after each of its requests:
// the next apply takes over what is there and starts no run twice.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for n := 1; n <= 6; n++ {
			t.Run(fmt.Sprintf("after=%v/%d", after, n), func(t *testing.T) {
				t.Parallel()
				api := fakeapi.New(t)
				p := &process{killAt: n, after: after}
				first := newProcess(t, api, p)
				// A killed provider never returned its answer.
				saved := first.Apply(t.Context(), config()).Errors() == ""
				first.client.Close()
				before := api.Get("Job", "default", "one")

				next := newWorkspace(t, api)
				if saved {
					next.State, next.Private = first.State, first.Private
				}
				if out := next.Refresh(t.Context()); out.Errors() != "" {
					t.Fatal(out.Errors())
				}
				if out := next.Apply(t.Context(), config()); out.Errors() != "" {
					t.Fatal(out.Errors())
				}
				after := api.Get("Job", "default", "one")
				if before != nil && before.GetUID() != after.GetUID() {
					t.Error("the run was started twice")
				}
				if out := next.Plan(t.Context(), config()); out.Changed {
					t.Errorf("still a change: %s", out.Planned)
				}
			})
		}
	}
}

func TestLeftBehindWithAnotherConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	api := fakeapi.New(t)
	dead := newProcess(t, api, &process{atWrite: true, after: true})
	dead.Apply(t.Context(), config())
	dead.client.Close()
	if api.Get("Job", "default", "one") == nil {
		t.Fatal("the first write is not the one that makes the Job")
	}
	out := newWorkspace(t, api).Apply(t.Context(), config(map[string]any{"image": "busybox:2"}))
	if !strings.Contains(out.Errors(), "interrupted") || !strings.Contains(out.Errors(), "terraform import") {
		t.Errorf("got %q", out.Errors())
	}
}

func TestLeftBehindAndFailedIsRefused(t *testing.T) {
	t.Parallel()
	api := fakeapi.New(t)
	dead := newProcess(t, api, &process{atWrite: true, after: true})
	dead.Apply(t.Context(), config())
	dead.client.Close()
	api.Change("Job", "default", "one", "kube-controller-manager", func(o map[string]any) {
		set(o, []any{map[string]any{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "no retries are left"}}, "status", "conditions")
	})
	out := newWorkspace(t, api).Apply(t.Context(), config())
	if !strings.Contains(out.Errors(), "has failed since: no retries are left") || !strings.Contains(out.Errors(), "terraform import") {
		t.Errorf("got %q", out.Errors())
	}
}

func TestCancelledWaitTaintsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.api.After = func(r fakeapi.Request) error {
		if r.Method == http.MethodPatch {
			cancel() // the user interrupts as soon as the Job is made
		}
		return nil
	}
	waiting := config(map[string]any{"wait_for": "completed"})
	out := w.Apply(ctx, waiting)
	if out.Errors() != "" || !strings.Contains(out.Warnings(), "interrupted") {
		t.Errorf("got errors %q, warnings %q", out.Errors(), out.Warnings())
	}
	if w.Tainted || w.State.IsNull() {
		t.Fatal("an interrupted wait must leave a good state")
	}
	w.api.After = nil
	if out := w.Refresh(t.Context()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if out := w.Plan(t.Context(), waiting); !out.Changed || len(out.Replace) > 0 {
		t.Error("the next plan must wait again, in place")
	}
	uid := w.api.Get("Job", "default", "one").GetUID()
	w.api.Change("Job", "default", "one", "kube-controller-manager", complete)
	if out := w.Apply(t.Context(), waiting); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if w.api.Get("Job", "default", "one").GetUID() != uid {
		t.Error("the run was started twice")
	}
	if out := w.Plan(t.Context(), waiting); out.Changed {
		t.Error("the wait is over and a change is still planned")
	}
}

func TestFailedWait(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprintf("keep=%v", keep), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			failing := config(map[string]any{"wait_for": "completed"})
			if keep {
				failing["on_failure"] = "keep"
			}
			fail(w)
			out := w.Apply(t.Context(), failing)
			said := out.Errors()
			if keep {
				said = out.Warnings()
				if out.Errors() != "" {
					t.Errorf("on_failure = keep gave errors: %s", out.Errors())
				}
			}
			if !strings.Contains(said, `Thing "default/one"`) {
				t.Errorf("got %q", said)
			}
			if w.State.IsNull() || w.Tainted == keep {
				t.Errorf("tainted: %v", w.Tainted)
			}
			w.Tainted = false
			if out := w.Refresh(t.Context()); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			if out := w.Plan(t.Context(), failing); !out.Changed {
				t.Error(`after a failed apply the plan says "no changes"`)
			}
		})
	}
}

// fail lets every Job fail as soon as it is made.
func fail(w *world) {
	w.api.After = func(r fakeapi.Request) error {
		if r.Method == http.MethodPatch && !r.DryRun && w.api.Get("Job", "default", "one") != nil {
			w.api.Change("Job", "default", "one", "kube-controller-manager", func(o map[string]any) {
				set(o, []any{map[string]any{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}}, "status", "conditions")
			})
		}
		return nil
	}
}

func TestTimeoutNamesWhatWasSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out := w.Apply(t.Context(), config(map[string]any{"wait_for": "completed", "timeouts": map[string]any{"create": "1s"}}))
	for _, want := range []string{`Thing "default/one" is not completed after 1s`, "untaint", "timeouts.create"} {
		if !strings.Contains(out.Errors(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.Errors())
		}
	}
	for _, never := range []string{"timed out", "deadline exceeded", "failed to"} {
		if strings.Contains(out.Errors(), never) {
			t.Errorf("%q is in:\n%s", never, out.Errors())
		}
	}
}

func TestDeletedWhileWaiting(t *testing.T) {
	t.Parallel()
	for name, finished := range map[string]bool{"finished first": true, "not finished": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			done := false
			w.api.Before = func(r fakeapi.Request) error {
				if r.Watch && strings.Contains(r.Path, "jobs") && !done {
					done = true
					if finished {
						w.api.Change("Job", "default", "one", "kube-controller-manager", complete)
					}
					w.api.Remove("Job", "default", "one")
				}
				return nil
			}
			out := w.Apply(t.Context(), config(map[string]any{"wait_for": "completed", "timeouts": map[string]any{"create": "20s"}}))
			if !finished && !strings.Contains(out.Errors(), "was deleted by somebody else") {
				t.Errorf("got %q", out.Errors())
			}
		})
	}
}

func TestWaitsForATerminatingObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := foreignJob("one")
	old.SetFinalizers([]string{"example.com/hold"})
	w.api.Put(old)
	w.api.Remove("Job", "default", "one")
	uid := w.api.Get("Job", "default", "one").GetUID()
	looked := false
	w.api.Before = func(r fakeapi.Request) error {
		if !r.Watch || !strings.HasSuffix(r.Path, "/jobs") || looked {
			return nil
		}
		looked = true // the wait has begun: now let it go
		go w.api.Change("Job", "default", "one", "holder", func(o map[string]any) {
			metadata := o["metadata"].(map[string]any) //nolint:forcetypeassert // a test fixture
			delete(metadata, "finalizers")
		})
		return nil
	}
	out := w.Apply(t.Context(), config(map[string]any{"timeouts": map[string]any{"create": "20s"}}))
	if out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if now := w.api.Get("Job", "default", "one"); now == nil || now.GetUID() == uid {
		t.Error("the new object is not a new one")
	}
}

func TestDeleteNamesWhatBlocks(t *testing.T) { // pain 38
	t.Parallel()
	w := newWorld(t)
	if out := w.Apply(t.Context(), config(map[string]any{"timeouts": map[string]any{"delete": "1s"}})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.client.Close()
	w.api.Change("Job", "default", "one", "holder", func(o map[string]any) {
		set(o, []any{"example.com/hold"}, "metadata", "finalizers")
	})
	out := w.Apply(t.Context(), nil)
	for _, want := range []string{"Job default/one is still being deleted", "example.com/hold", "the state still has it"} {
		if !strings.Contains(out.Errors(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.Errors())
		}
	}
	if w.State.IsNull() {
		t.Error("the state lost an object that still exists")
	}
}

func TestUnreachableLosesNothing(t *testing.T) { // pain 27
	t.Parallel()
	for name, err := range map[string]error{
		"cut off":     nil,
		"401":         apierrors.NewUnauthorized("no"),
		"403":         &apierrors.StatusError{ErrStatus: metav1.Status{Status: "Failure", Code: 403, Reason: metav1.StatusReasonForbidden, Message: `jobs.batch "one" is forbidden: User "ci" cannot get resource "jobs"`}},
		"500":         apierrors.NewInternalError(errors.New("boom")),
		"404 no kind": &apierrors.StatusError{ErrStatus: metav1.Status{Status: "Failure", Code: 404, Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &process{}
			w := newProcess(t, fakeapi.New(t), p)
			if out := w.Apply(t.Context(), config()); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			w.client.Close()
			p.cutOff(err == nil)
			w.api.Before = func(r fakeapi.Request) error {
				if strings.Contains(r.Path, "jobs") {
					return err
				}
				return nil
			}
			before := w.State
			out := w.Refresh(t.Context())
			if out.Errors() == "" || !w.State.Equal(before) {
				t.Errorf("errors %q, state kept: %v", out.Errors(), w.State.Equal(before))
			}
		})
	}
}
