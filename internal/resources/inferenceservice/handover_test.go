package inferenceservice_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/inferenceservice"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// start is Terraform with another process of the provider.
func start(t *testing.T, api *fakeapi.Server, p *testkit.Process) (*testkit.Core, *kube.Client) {
	t.Helper()
	return testkit.Start(t, api.Config(), p, "mlk_inference_service", inferenceservice.New)
}

type attributes = map[string]any

func serviceWith(more attributes) attributes {
	c := attributes{"name": "api", "image": "model:1", "wait_for": "created", "ports": attributes{"http": attributes{"port": 8000}}}
	for k, v := range more {
		c[k] = v
	}
	return c
}

// kedaBy is autoscaling by KEDA, with a trigger.
func kedaBy(with attributes) attributes {
	k := attributes{"triggers": []any{attributes{"type": "cron", "metadata": attributes{"timezone": "UTC", "start": "0 8 * * *", "end": "0 20 * * *", "desiredReplicas": "4"}}}}
	for key, v := range with {
		k[key] = v
	}
	return attributes{"keda": k}
}

// TestHandoverKilledAnywhere switches autoscaling on and off at six pods, and kills
// the provider at each request of it: there are never fewer, whether the next
// apply goes on or takes the change back.
func TestHandoverKilledAnywhere(t *testing.T) { // pain 20
	t.Parallel()
	fixed := serviceWith(attributes{"replicas": 6})
	scaled := serviceWith(attributes{"autoscaling": attributes{"min_replicas": 2, "max_replicas": 9, "cpu_percent": 80}})
	byKeda := serviceWith(attributes{"autoscaling": kedaBy(attributes{"max_replicas": 9})})
	free := serviceWith(nil)
	for name, c := range map[string]struct{ from, to attributes }{ //nolint:paralleltest // whether there is a next request is known after this one
		"on": {fixed, scaled}, "off": {scaled, fixed}, "off to nobody": {scaled, free}, "to nobody": {fixed, free},
		"off by KEDA": {byKeda, fixed}, "to KEDA": {scaled, byKeda},
	} {
		for _, back := range []bool{false, true} {
			const most = 30
			for n := 1; n <= most; n++ {
				reached := false
				t.Run(fmt.Sprintf("%s/back=%v/%d", name, back, n), func(t *testing.T) {
					reached = handedOverDespite(t, c.from, c.to, back, n)
				})
				if !reached {
					break
				}
			}
		}
	}
}

// handedOverDespite reports whether the update got as far as its nth request.
func handedOverDespite(t *testing.T, from, to attributes, back bool, n int) bool {
	t.Helper()
	ctx := t.Context()
	api := fakeapi.New(t)
	running := false
	api.Complete = func(o runtime.Object, _ bool) error {
		fakeapi.Defaults(o)
		if d, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o); err == nil && running {
			if pods, ok, _ := unstructured.NestedInt64(d, "spec", "replicas"); ok && pods < 6 {
				t.Errorf("the Deployment is asked for %d pods", pods)
			}
		}
		return nil
	}
	first, client := start(t, api, &testkit.Process{})
	if out := first.Apply(ctx, from); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	client.Close()
	if from["autoscaling"] != nil { // the autoscaler has been at work
		api.Change("Deployment", "default", "api", "kube-controller-manager", func(o map[string]any) {
			_ = unstructured.SetNestedField(o, int64(6), "spec", "replicas")
		})
	}
	running = true

	mortal, die := context.WithCancel(ctx)
	defer die()
	dying := &testkit.Process{At: n, After: true, Die: die}
	dead, gone := start(t, api, dying)
	dead.State, dead.Private = first.State, first.Private
	answer := dead.Apply(mortal, to)
	gone.Close()

	next, last := start(t, api, &testkit.Process{})
	next.State = first.State // Terraform keeps the prior state, and drops what is private
	if answer.Errors() == "" {
		next.State, next.Private = dead.State, dead.Private
	}
	want := to
	if back {
		want = from
	}
	if out := next.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if out := next.Apply(ctx, want); out.Errors() != "" || len(out.Replace) > 0 {
		t.Fatal(out.Replace, out.Errors())
	}
	last.Close()
	if pods, _, _ := unstructured.NestedInt64(api.Get("Deployment", "default", "api").Object, "spec", "replicas"); pods != 6 {
		t.Errorf("the Deployment is asked for %d pods in the end", pods)
	}
	scaling, _ := want["autoscaling"].(attributes)
	if scales := api.Get("HorizontalPodAutoscaler", "default", "api") != nil; scales != (scaling != nil && scaling["keda"] == nil) {
		t.Errorf("there is an autoscaler: %v", scales)
	}
	if scales := api.Get("ScaledObject", "default", "api") != nil; scales != (scaling["keda"] != nil) {
		t.Errorf("there is a ScaledObject: %v", scales)
	}
	if out := next.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if out := next.Plan(ctx, want); out.Changed {
		t.Errorf("still a change: %s", out.Planned)
	}
	return dying.Died()
}

// Switching autoscaling off for fewer pods than there are is what the user asked
// for, and what the server refuses leaves the autoscaler alone.
func TestAutoscalingOff(t *testing.T) {
	t.Parallel()
	api := fakeapi.New(t)
	refuse := false
	api.Complete = func(o runtime.Object, create bool) error {
		fakeapi.Defaults(o)
		if refuse && !create {
			return errors.New("no")
		}
		return nil
	}
	core, _ := start(t, api, &testkit.Process{})
	ctx := t.Context()
	if out := core.Apply(ctx, serviceWith(attributes{"autoscaling": attributes{"max_replicas": 9}})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	api.Change("Deployment", "default", "api", "kube-controller-manager", func(o map[string]any) {
		_ = unstructured.SetNestedField(o, int64(6), "spec", "replicas")
	})
	if out := core.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	fewer := serviceWith(attributes{"replicas": 3})
	if out := core.Plan(ctx, fewer); !strings.Contains(out.Warnings(), "from 6 pods to 3") {
		t.Errorf("the plan does not tell of the fall: %s", out.Warnings())
	}
	refuse = true
	if out := core.Apply(ctx, fewer); out.Errors() == "" || api.Get("HorizontalPodAutoscaler", "default", "api") == nil {
		t.Errorf("a refusal leaves no autoscaler: %s", out.Errors())
	}
	refuse = false
	if out := core.Apply(ctx, fewer); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if pods, _, _ := unstructured.NestedInt64(api.Get("Deployment", "default", "api").Object, "spec", "replicas"); pods != 3 {
		t.Errorf("the Deployment is asked for %d pods", pods)
	}
}
