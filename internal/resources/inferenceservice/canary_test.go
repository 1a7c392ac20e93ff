package inferenceservice_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

func routed(image string, canary attributes) attributes {
	c := serviceWith(attributes{
		"image": image, "replicas": 3, "wait_for": nil, "route": attributes{"gateway": "public"},
		"readiness_probe": attributes{"http_get": attributes{"path": "/health", "port": "http"}},
	})
	if canary != nil {
		c["canary"] = canary
	}
	return c
}

// rolledOut lets every rollout succeed at once, but that of an image.
func rolledOut(broken string) func(o runtime.Object, create bool) error {
	return func(o runtime.Object, _ bool) error {
		fakeapi.Defaults(o)
		d, ok := o.(*appsv1.Deployment)
		if !ok {
			return nil
		}
		n, progress := *d.Spec.Replicas, appsv1.DeploymentCondition{Type: appsv1.DeploymentProgressing, Status: "True", Reason: "NewReplicaSetAvailable"}
		if broken != "" && d.Spec.Template.Spec.Containers[0].Image == broken {
			n, progress.Status, progress.Reason = 0, "False", "ProgressDeadlineExceeded"
		}
		d.Status = appsv1.DeploymentStatus{
			ObservedGeneration: 1 << 30, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n,
			Conditions: []appsv1.DeploymentCondition{progress},
		}
		return nil
	}
}

// ledToNobody is a Service that the route leads requests to while there are no pods
// of the Deployment behind it; "" for none.
func ledToNobody(api *fakeapi.Server) string {
	route := api.Get("HTTPRoute", "default", "api")
	if route == nil {
		return ""
	}
	rules, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules")
	backends, _ := rules[0].(map[string]any)["backendRefs"].([]any)
	for _, e := range backends {
		b, _ := e.(map[string]any)
		name, _ := b["name"].(string)
		if weight, said := b["weight"].(int64); said && weight == 0 {
			continue
		}
		d := api.Get("Deployment", "default", name)
		if d == nil || api.Get("Service", "default", name) == nil {
			return name
		}
		if ready, _, _ := unstructured.NestedInt64(d.Object, "status", "readyReplicas"); ready == 0 {
			return name
		}
	}
	return ""
}

func forbidden(r fakeapi.Request) error {
	if strings.Contains(r.Path, "endpointslices") {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "endpointslices"}, "", nil)
	}
	return nil
}

// TestCanaryKilledAnywhere brings a canary, gives it more requests, promotes it and
// gives it up, and kills the provider at each request of it: the route never leads
// to a version that is not there, and the next apply, of that or of what was before,
// leaves just what it asks for.
func TestCanaryKilledAnywhere(t *testing.T) {
	t.Parallel()
	plain, promoted := routed("model:1", nil), routed("model:2", nil)
	little, much := routed("model:1", attributes{"image": "model:2", "weight": 10}), routed("model:1", attributes{"image": "model:2", "replicas": 2, "weight": 60})
	for name, c := range map[string]struct {
		from, to attributes
		backs    []bool
	}{
		"new": {nil, little, []bool{false}}, "comes": {plain, little, []bool{false, true}}, "more": {little, much, []bool{false}}, "promoted": {much, promoted, []bool{false, true}},
	} {
		for _, back := range c.backs {
			t.Run(fmt.Sprintf("%s/back=%v", name, back), func(t *testing.T) {
				t.Parallel()
				const most = 60
				reached := true
				for n := 1; n <= most && reached; n++ {
					t.Run(strconv.Itoa(n), func(t *testing.T) { reached = ledDespite(t, c.from, c.to, back, n) })
				}
			})
		}
	}
}

// ledDespite reports whether the apply got as far as its nth request.
func ledDespite(t *testing.T, from, to attributes, back bool, n int) bool {
	t.Helper()
	ctx := t.Context()
	api := fakeapi.New(t)
	api.Complete = rolledOut("")
	watched := false
	api.Before = func(r fakeapi.Request) error {
		if at := ledToNobody(api); at != "" && watched {
			t.Errorf("before %s %s requests are led to %s, which has no pods", r.Method, r.Path, at)
		}
		return forbidden(r)
	}
	first, client := start(t, api, &testkit.Process{})
	if from != nil {
		if out := first.Apply(ctx, from); out.Errors() != "" {
			t.Fatal(out.Errors())
		}
	}
	client.Close()
	watched = true
	mortal, die := context.WithCancel(ctx)
	defer die()
	dying := &testkit.Process{At: n, After: true, Die: die}
	dead, gone := start(t, api, dying)
	dead.State, dead.Private = first.State, first.Private
	answer := dead.Apply(mortal, to)
	gone.Close()

	next, last := start(t, api, &testkit.Process{})
	if from != nil {
		next.State = first.State // Terraform keeps the prior state, and drops what is private
	}
	if answer.Errors() == "" {
		next.State, next.Private = dead.State, dead.Private
	}
	want := to
	if back && from != nil {
		want = from
	}
	if !next.State.IsNull() {
		if out := next.Refresh(ctx); out.Errors() != "" {
			t.Fatal(out.Errors())
		}
	}
	if out := next.Apply(ctx, want); out.Errors() != "" || len(out.Replace) > 0 {
		t.Fatal(out.Replace, out.Errors())
	}
	last.Close()
	for _, kind := range []string{"Deployment", "Service"} {
		if there := api.Get(kind, "default", "api-canary") != nil; there != (want["canary"] != nil) {
			t.Errorf("there is a %s of a canary: %v", kind, there)
		}
	}
	after, _ := start(t, api, &testkit.Process{})
	after.State, after.Private = next.State, next.Private
	if out := after.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if out := after.Plan(ctx, want); out.Changed {
		t.Errorf("still a change: %s", out.Planned)
	}
	return dying.Died()
}

// TestCanaryThatFails: the service serves on, gets all that it had, and the message
// says which of the two it is; the next plan shows the change again.
func TestCanaryThatFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		to    attributes
		back  string
		wants []string
		gone  bool
	}{
		"canary":      {to: routed("model:1", attributes{"image": "bad:1", "weight": 10}), wants: []string{"The stable version (image model:1) serves, with 3 ready pods; it is the canary that is not ready", "[AttributeName(\"canary\")]"}},
		"rolled back": {to: routed("model:1", attributes{"image": "bad:1", "weight": 10}), back: "rollback", wants: []string{"What was there before is being put back"}, gone: true},
		"stable":      {to: routed("bad:1", attributes{"image": "model:2", "weight": 10}), wants: []string{"It is the stable version that is not ready", "The canary (image model:2) has 1 ready pod"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			api := fakeapi.New(t)
			api.Complete, api.Before = rolledOut("bad:1"), forbidden
			core, _ := start(t, api, &testkit.Process{})
			from := routed("model:1", nil)
			if c.back != "" {
				from["on_failed_rollout"], c.to["on_failed_rollout"] = c.back, c.back
			}
			if out := core.Apply(ctx, from); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			out := core.Apply(ctx, c.to)
			for _, w := range c.wants {
				if !strings.Contains(strings.Join(strings.Fields(out.Errors()), " "), w) {
					t.Errorf("not said: %s\n%s", w, out.Errors())
				}
			}
			rules, _, _ := unstructured.NestedSlice(api.Get("HTTPRoute", "default", "api").Object, "spec", "rules")
			if backends, _ := rules[0].(map[string]any)["backendRefs"].([]any); len(backends) != 1 {
				t.Errorf("the route leads to %v", backends)
			}
			if gone := api.Get("Deployment", "default", "api-canary") == nil; gone != c.gone {
				t.Errorf("the canary is gone: %v", gone)
			}
			if out := core.Refresh(ctx); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			if out := core.Plan(ctx, c.to); !out.Changed {
				t.Error("the next plan shows no change")
			}
		})
	}
}

func TestCanaryRefused(t *testing.T) {
	t.Parallel()
	canary := attributes{"image": "model:2", "weight": 10}
	with := func(more attributes) attributes {
		c := routed("model:1", canary)
		for k, v := range more {
			if c[k] = v; v == nil {
				delete(c, k)
			}
		}
		return c
	}
	for name, tc := range map[string]struct {
		config attributes
		want   string
	}{
		"no route":      {with(attributes{"route": nil}), "canary needs route"},
		"not awaited":   {with(attributes{"wait_for": "created"}), "A service with a canary waits until it is ready"},
		"long name":     {with(attributes{"name": strings.Repeat("a", 60)}), "The name is too long for a service with a canary"},
		"its own name":  {with(attributes{"service": attributes{"name": "api-canary"}}), "service.name is the name of the canary's Service"},
		"above 100":     {with(attributes{"canary": attributes{"weight": 101}}), "between 0 and 100"},
		"without share": {with(attributes{"canary": attributes{"image": "model:2"}}), "weight"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, _ := start(t, fakeapi.New(t), &testkit.Process{})
			if out := core.Validate(t.Context(), tc.config); !strings.Contains(out.Errors(), tc.want) {
				t.Errorf("not said: %s\n%s", tc.want, out.Errors())
			}
		})
	}
}
