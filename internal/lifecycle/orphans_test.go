package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// deserted is a server on which somebody has deleted the main object of a relay with a
// next version.
func deserted(t *testing.T) *fakeapi.Server {
	t.Helper()
	api := fakeapi.New(t)
	w := relays(t, api, &process{})
	good(t, w.Apply(t.Context(), both))
	w.client.Close()
	api.Remove("Job", "default", "one")
	return api
}

// TestOrphansGo: what an earlier main object had beside it and nothing asks for any more
// goes before the new one is made, and that is told; what is asked for is taken over.
func TestOrphansGo(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	api := deserted(t)
	map1 := api.Get("ConfigMap", "default", "one").GetUID()
	w := relays(t, api, &process{})
	out := w.Apply(ctx, first)
	good(t, out)
	for _, want := range []string{`Relay "default/one": an object that an earlier one left behind was deleted`, "Job default/one-next", "deleted the Job"} {
		if !strings.Contains(out.Warnings(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.Warnings())
		}
	}
	if diff := cmp.Diff(map[string]bool{"one": true}, jobs(api)); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	if api.Get("ConfigMap", "default", "one").GetUID() != map1 {
		t.Error("the ConfigMap that is asked for was made anew")
	}
	if out := w.Plan(ctx, first); out.Changed || out.Warnings() != "" {
		t.Errorf("still a change: %s%s", out.Planned, out.Warnings())
	}
}

// TestOrphansStay where they may be somebody's, and where the new main object is refused.
func TestOrphansStay(t *testing.T) {
	t.Parallel()
	mark := func(change func(o map[string]any)) func(*testing.T, *fakeapi.Server) {
		return func(_ *testing.T, api *fakeapi.Server) { api.Change("Job", "default", "one-next", "somebody", change) }
	}
	for name, tc := range map[string]struct {
		before func(t *testing.T, api *fakeapi.Server)
		errors bool
	}{
		"of another resource": {before: mark(func(o map[string]any) {
			set(o, "relay/default/other", "metadata", "annotations", lifecycle.ResourceAnnotation)
		})},
		"without a claim": {before: mark(func(o map[string]any) {
			unstructured.RemoveNestedField(o, "metadata", "annotations", lifecycle.ClaimAnnotation)
		})},
		"of another owner": {before: mark(func(o map[string]any) { set(o, "0123456789abcdef", "metadata", "labels", lifecycle.OwnerLabel) })},
		"kept on purpose":  {before: mark(func(o map[string]any) { set(o, "one", "metadata", "labels", lifecycle.KeptLabel) })},
		"controlled": {before: mark(func(o map[string]any) {
			set(o, []any{map[string]any{"apiVersion": "v1", "kind": "Thing", "name": "t", "uid": "u", "controller": true}}, "metadata", "ownerReferences")
		})},
		"not to be listed": {before: func(_ *testing.T, api *fakeapi.Server) {
			api.Before = func(r fakeapi.Request) error {
				if r.Method == "GET" && strings.HasSuffix(r.Path, "/jobs") {
					return apierrors.NewForbidden(schema.GroupResource{Resource: "jobs"}, "", nil)
				}
				return nil
			}
		}},
		"made meanwhile with its main object": {errors: true, before: func(_ *testing.T, api *fakeapi.Server) {
			next := api.Get("Job", "default", "one-next")
			main := &unstructured.Unstructured{Object: next.DeepCopy().Object}
			main.SetName("one")
			main.SetUID("")
			api.Before = func(r fakeapi.Request) error {
				if r.Method == "GET" && strings.HasSuffix(r.Path, "/jobs") && api.Get("Job", "default", "one") == nil {
					api.Put(main) // of another process, between our first look and this one
				}
				return nil
			}
		}},
		"the server is away": {errors: true, before: func(_ *testing.T, api *fakeapi.Server) {
			api.Before = func(r fakeapi.Request) error {
				if r.Method == "GET" && strings.HasSuffix(r.Path, "/jobs") {
					return apierrors.NewInternalError(errors.New("etcd is away"))
				}
				return nil
			}
		}},
		"the new one is refused": {errors: true, before: func(_ *testing.T, api *fakeapi.Server) {
			api.Before = func(r fakeapi.Request) error {
				if r.Method == "PATCH" && strings.HasSuffix(r.Path, "/jobs/one") {
					return apierrors.NewBadRequest("no")
				}
				return nil
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := deserted(t)
			w := relays(t, api, &process{})
			tc.before(t, api)
			out := w.Apply(t.Context(), first)
			if !jobs(api)["one-next"] {
				t.Errorf("it was deleted: %s%s", out.Errors(), out.Warnings())
			}
			if strings.Contains(out.Warnings(), "left behind") || tc.errors != (out.Errors() != "") && name != "made meanwhile with its main object" {
				t.Errorf("errors %q, warnings %q", out.Errors(), out.Warnings())
			}
		})
	}
}

// TestOrphansKilled kills the provider at each request of the create, before and after it
// takes effect: the next apply comes to the same end.
func TestOrphansKilled(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for n := 1; n <= 16; n++ {
			t.Run(fmt.Sprintf("after=%v/%d", after, n), func(t *testing.T) {
				t.Parallel()
				ctx := t.Context()
				api := deserted(t)
				alive, died := context.WithCancel(ctx)
				dead := relays(t, api, &process{killAt: n, after: after, died: died})
				dead.Apply(alive, first)
				saved := alive.Err() == nil // a killed provider never returned its answer
				died()
				dead.client.Close()
				next := relays(t, api, &process{})
				if saved {
					next.State, next.Private = dead.State, dead.Private
				}
				good(t, next.Refresh(ctx))
				good(t, next.Apply(ctx, first))
				if diff := cmp.Diff(map[string]bool{"one": true}, jobs(api)); diff != "" {
					t.Errorf("jobs (-want +got):\n%s", diff)
				}
				if out := next.Plan(ctx, first); out.Changed {
					t.Errorf("still a change: %s", out.Planned)
				}
				good(t, next.Apply(ctx, nil))
				if len(jobs(api)) > 0 || share(api) != "" {
					t.Errorf("destroy left %v", jobs(api))
				}
			})
		}
	}
}
