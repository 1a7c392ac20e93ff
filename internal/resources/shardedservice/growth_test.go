package shardedservice_test

import (
	"context"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/shardedservice"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// start is Terraform with another process of the provider.
func start(t *testing.T, api *fakeapi.Server, p *testkit.Process) (*testkit.Core, *kube.Client) {
	t.Helper()
	return testkit.Start(t, api.Config(), p, "mlk_sharded_service", shardedservice.New)
}

// TestGrowthKilledAnywhere kills the provider at each request of an update that
// grows the volumes: whatever is left, the next apply converges, and unless the
// StatefulSet is gone at that moment, what others have set on it is there.
func TestGrowthKilledAnywhere(t *testing.T) { // pain 23
	t.Parallel()
	with := func(size string) map[string]any {
		return map[string]any{
			"name": "ps", "image": "ps:1", "wait_for": "created", "replicas": 1,
			"claim_templates": map[string]any{"data": map[string]any{"size": size}},
			"volumes":         map[string]any{"data": map[string]any{"mount_path": "/data"}},
		}
	}
	for _, after := range []bool{false, true} {
		for n := 1; n <= 30; n++ {
			if !grownDespite(t, with, n, after) {
				t.Logf("after=%v: %d requests", after, n-1)
				break
			}
		}
	}
}

// grownDespite reports whether the update got as far as its nth request.
func grownDespite(t *testing.T, with func(string) map[string]any, n int, after bool) (reached bool) {
	t.Helper()
	t.Run(fmt.Sprintf("after=%v/%d", after, n), func(t *testing.T) {
		ctx := t.Context()
		api := fakeapi.New(t)
		api.Complete = func(o runtime.Object, _ bool) error {
			fakeapi.Defaults(o)
			return nil
		}
		first, client := start(t, api, &testkit.Process{})
		if out := first.Apply(ctx, with("1Gi")); out.Errors() != "" {
			t.Fatal(out.Errors())
		}
		client.Close()
		api.Change("StatefulSet", "default", "ps", "somebody", func(o map[string]any) {
			_ = unstructured.SetNestedField(o, int64(7), "spec", "minReadySeconds")
		})
		for _, claim := range []string{"data-ps-0", "data-ps-1", "other-ps-0"} {
			api.Put(&unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": "PersistentVolumeClaim",
				"metadata": map[string]any{"name": claim, "namespace": "default", "labels": map[string]any{
					"app.kubernetes.io/name": "ps", "app.kubernetes.io/component": "sharded-service",
				}},
				"spec": map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}}},
			}})
		}

		mortal, die := context.WithCancel(ctx)
		defer die()
		dying := &testkit.Process{At: n, After: after, Die: die}
		dead, gone := start(t, api, dying)
		dead.State, dead.Private = first.State, first.Private
		answer := dead.Apply(mortal, with("2Gi"))
		gone.Close()
		reached = dying.Died()
		between := api.Get("StatefulSet", "default", "ps") == nil

		next, last := start(t, api, &testkit.Process{})
		next.State = first.State // Terraform keeps the prior state, and drops what is private
		if answer.Errors() == "" {
			next.State, next.Private = dead.State, dead.Private // all that was left was to mark it as recorded
		}
		if out := next.Refresh(ctx); out.Errors() != "" {
			t.Fatal(out.Errors())
		}
		if out := next.Apply(ctx, with("2Gi")); out.Errors() != "" || len(out.Replace) > 0 {
			t.Fatal(out.Replace, out.Errors())
		}
		last.Close()
		set := api.Get("StatefulSet", "default", "ps")
		templates, _, _ := unstructured.NestedSlice(set.Object, "spec", "volumeClaimTemplates")
		template, ok := templates[0].(map[string]any)
		if !ok {
			t.Fatalf("a claim template is %v", templates[0])
		}
		size, _, _ := unstructured.NestedString(template, "spec", "resources", "requests", "storage")
		if size != "2Gi" {
			t.Errorf("the template says %s", size)
		}
		for claim, want := range map[string]string{"data-ps-0": "2Gi", "data-ps-1": "2Gi", "other-ps-0": "1Gi"} {
			o := api.Get("PersistentVolumeClaim", "default", claim)
			if got, _, _ := unstructured.NestedString(o.Object, "spec", "resources", "requests", "storage"); got != want {
				t.Errorf("claim %s asks for %s, want %s", claim, got, want)
			}
		}
		if out := next.Refresh(ctx); out.Errors() != "" {
			t.Fatal(out.Errors())
		}
		if out := next.Plan(ctx, with("2Gi")); out.Changed {
			t.Errorf("still a change: %s", out.Planned)
		}
		if between {
			return // what others had set went with the object
		}
		if seconds, _, _ := unstructured.NestedInt64(set.Object, "spec", "minReadySeconds"); seconds != 7 {
			t.Errorf("what others have set is lost: minReadySeconds is %d", seconds)
		}
	})
	return reached
}
