package lifecycle_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// TestKilledInUpdate kills the provider at each request of an update. Terraform
// then keeps the prior attributes and drops the private state.
func TestKilledInUpdate(t *testing.T) {
	t.Parallel()
	before := config(map[string]any{"backoff_limit": 1, "labels": map[string]any{"a": "1", "b": "2"}})
	wanted := config(map[string]any{"backoff_limit": 2, "labels": map[string]any{"a": "1"}})
	for _, after := range []bool{false, true} {
		for _, refresh := range []bool{false, true} {
			for n := 1; n <= 4; n++ {
				t.Run(fmt.Sprintf("after=%v/refresh=%v/%d", after, refresh, n), func(t *testing.T) {
					t.Parallel()
					ctx := t.Context()
					api := fakeapi.New(t)
					first := newWorkspace(t, api)
					if out := first.Apply(ctx, before); out.Errors() != "" {
						t.Fatal(out.Errors())
					}
					first.client.Close()
					uid := api.Get("Job", "default", "one").GetUID()

					dead := newProcess(t, api, &process{killAt: n, after: after})
					dead.State, dead.Private = first.State, first.Private
					dead.Apply(ctx, wanted)
					dead.client.Close()

					next := newWorkspace(t, api)
					next.State = first.State
					if refresh {
						if out := next.Refresh(ctx); out.Errors() != "" {
							t.Fatal(out.Errors())
						}
						if next.State.IsNull() {
							t.Fatal("the state lost an object that exists")
						}
					}
					if out := next.Apply(ctx, wanted); out.Errors() != "" || len(out.Replace) > 0 {
						t.Fatal(out.Replace, out.Errors())
					}
					job := api.Get("Job", "default", "one")
					if job.GetUID() != uid {
						t.Error("the run was started twice")
					}
					if _, there := job.GetLabels()["b"]; there {
						t.Error("a label that the configuration dropped is still there")
					}
					if out := next.Apply(ctx, nil); out.Errors() != "" || out.Warnings() != "" {
						t.Fatal(out.Errors(), out.Warnings())
					}
					if api.Get("Job", "default", "one") != nil {
						t.Error("destroy left the Job")
					}
				})
			}
		}
	}
}

// TestFailedUpdateIsPlannedAgain lets an update fail in ways that leave its
// outcome open, also where nothing of it happened: what the configuration
// dropped must be dropped by the next apply.
func TestFailedUpdateIsPlannedAgain(t *testing.T) {
	t.Parallel()
	before := config(map[string]any{"labels": map[string]any{"a": "1"}, "backoff_limit": 1})
	for name, err := range map[string]error{
		"cut": fakeapi.Cut{}, "500": apierrors.NewInternalError(errors.New("failed calling webhook")), "refused": apierrors.NewBadRequest("no"),
	} {
		for _, happened := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/happened=%v", name, happened), func(t *testing.T) {
				t.Parallel()
				ctx := t.Context()
				w := newWorld(t)
				if out := w.Apply(ctx, before); out.Errors() != "" {
					t.Fatal(out.Errors())
				}
				w.client.Close()
				once := func(r fakeapi.Request) error {
					if r.Method != http.MethodPatch || r.DryRun {
						return nil
					}
					return err
				}
				if happened {
					w.api.After = once
				} else {
					w.api.Before = once
				}
				out := w.Apply(ctx, config())
				if out.Errors() == "" || w.Tainted {
					t.Errorf("tainted %v, errors %q", w.Tainted, out.Errors())
				}
				w.api.Before, w.api.After = nil, nil
				if out := w.Refresh(ctx); out.Errors() != "" {
					t.Fatal(out.Errors())
				}
				if out := w.Apply(ctx, config()); out.Errors() != "" {
					t.Fatal(out.Errors())
				}
				if _, there := w.api.Get("Job", "default", "one").GetLabels()["a"]; there {
					t.Error("a label that the configuration dropped is still there")
				}
				if out := w.Plan(ctx, config()); out.Changed {
					t.Errorf("still a change: %s", out.Planned)
				}
			})
		}
	}
}

// TestOutcomeThatNobodyKnows cuts the server off from the write of a create on:
// neither the write nor the look at its outcome is answered.
func TestOutcomeThatNobodyKnows(t *testing.T) {
	t.Parallel()
	for _, happened := range []bool{false, true} {
		for _, refresh := range []bool{false, true} {
			t.Run(fmt.Sprintf("happened=%v/refresh=%v", happened, refresh), func(t *testing.T) {
				t.Parallel()
				ctx := t.Context()
				api := fakeapi.New(t)
				p := &process{atWrite: true, after: happened}
				w := newProcess(t, api, p)
				out := w.Apply(ctx, config())
				if out.Errors() == "" || w.State.IsNull() || !w.Tainted {
					t.Fatalf("state %s, tainted %v, errors %q", w.State, w.Tainted, out.Errors())
				}
				w.client.Close()
				p.cutOff(false)
				if refresh {
					if out := w.Refresh(ctx); out.Errors() != "" {
						t.Fatal(out.Errors())
					}
					if w.State.IsNull() == happened {
						t.Errorf("happened: %v, state null: %v", happened, w.State.IsNull())
					}
				}
				w.Tainted = false // as terraform untaint does
				if out := w.Apply(ctx, nil); out.Errors() != "" {
					t.Fatal(out.Errors())
				}
				if api.Get("Job", "default", "one") != nil {
					t.Error("destroy left the Job")
				}
			})
		}
	}
}

// TestImportedIsRecorded checks that the first write after an import keeps other
// workspaces away, as a create does.
func TestImportedIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.api.Put(foreignJob("one"))
	if out := w.Import(ctx, "default/one"); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	conf := w.Config()
	conf["backoff_limit"] = 5
	if out := w.Apply(ctx, conf); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.client.Close()
	if w.api.Get("Job", "default", "one").GetAnnotations()[lifecycle.RecordedAnnotation] == "" {
		t.Error("the recorded mark is missing")
	}
	if out := newWorkspace(t, w.api).Apply(ctx, conf); !strings.Contains(out.Errors(), "belongs to another state") {
		t.Errorf("a second workspace got %q", out.Errors())
	}
}
