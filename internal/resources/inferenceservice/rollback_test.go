package inferenceservice_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// failing makes a rollout fail as soon as it begins, after what somebody does then.
func failing(api *fakeapi.Server, somebody func()) {
	var once sync.Once
	api.After = func(r fakeapi.Request) error {
		if r.Writes() && strings.Contains(r.Path, "/deployments/api") && strings.Contains(string(r.Body), "model:2") {
			once.Do(func() {
				go func() {
					somebody()
					if api.Get("Deployment", "default", "api") != nil {
						failWithPods(api, 3)
					}
				}()
			})
		}
		return nil
	}
}

// TestRollbackMakesNothingAnew: a service that somebody deletes while its update is
// waited for is not made again, and nothing is said of having put it back.
func TestRollbackMakesNothingAnew(t *testing.T) {
	t.Parallel()
	api, ctx := completing(t), t.Context()
	core, _ := start(t, api, &testkit.Process{})
	if out := core.Apply(ctx, serviceWith(attributes{"replicas": 3})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	failing(api, func() { api.Remove("Deployment", "default", "api") })
	out := core.Apply(ctx, serviceWith(attributes{"replicas": 3, "image": "model:2", "wait_for": "ready", "on_failed_rollout": "rollback"}))
	if !strings.Contains(out.Errors(), "was deleted by somebody else") || strings.Contains(out.Errors(), "being put back") {
		t.Errorf("the update says: %s", out.Errors())
	}
	if o := api.Get("Deployment", "default", "api"); o != nil {
		t.Error("it is there again, and no state knows it")
	}
}

// TestRollbackTakesNobodysObject: what the update has removed is not taken from
// somebody who has made one of that name since.
func TestRollbackTakesNobodysObject(t *testing.T) {
	t.Parallel()
	api, ctx := completing(t), t.Context()
	core, _ := start(t, api, &testkit.Process{})
	if out := core.Apply(ctx, serviceWith(attributes{"replicas": 3, "disruption_budget": attributes{"max_unavailable": "1"}})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	theirs := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": map[string]any{"name": "api", "namespace": "default"},
		"spec": map[string]any{"minAvailable": int64(2)},
	}}
	var once sync.Once
	api.After = func(r fakeapi.Request) error {
		if r.Method == "DELETE" && strings.Contains(r.Path, "poddisruptionbudgets") {
			once.Do(func() {
				go func() {
					for api.Get("PodDisruptionBudget", "default", "api") != nil {
					}
					api.Put(theirs, "somebody")
					failWithPods(api, 3)
				}()
			})
		}
		return nil
	}
	out := core.Apply(ctx, serviceWith(attributes{"replicas": 3, "image": "model:2", "wait_for": "ready", "on_failed_rollout": "rollback"}))
	if !strings.Contains(out.Errors(), "PodDisruptionBudget default/api was not put back: it is somebody else's") {
		t.Errorf("the update says: %s", out.Errors())
	}
	budget := api.Get("PodDisruptionBudget", "default", "api").Object
	if diff := cmp.Diff(theirs.Object["spec"], budget["spec"]); diff != "" {
		t.Errorf("it is changed: %s", diff)
	}
	if _, image := podsAndImage(api); image != "model:1" {
		t.Errorf("%s serves", image)
	}
}

// TestRollbackAsItWas: the pods are those of before, in the order in which somebody
// else had written what was imported, and nothing else of the service is forgotten.
func TestRollbackAsItWas(t *testing.T) {
	t.Parallel()
	api, ctx := completing(t), t.Context()
	container := map[string]any{
		"name": "api", "image": "model:1", "ports": []any{map[string]any{"name": "http", "containerPort": int64(8000), "protocol": "TCP"}},
		"env": []any{map[string]any{"name": "Z", "value": "1"}, map[string]any{"name": "A", "value": "2"}},
	}
	labels := map[string]any{"app": "api"}
	api.Put(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "api", "namespace": "default"},
		"spec": map[string]any{"replicas": int64(3), "selector": map[string]any{"matchLabels": labels}, "template": map[string]any{
			"metadata": map[string]any{"labels": labels}, "spec": map[string]any{"containers": []any{container}},
		}},
	}}, "kubectl-client-side-apply")
	core, _ := start(t, api, &testkit.Process{})
	if out := core.Import(ctx, "default/api"); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	config := func(image string) attributes {
		return attributes{
			"name": "api", "image": image, "replicas": 3, "selector": attributes{"app": "api"}, "container_name": "api", "env": attributes{"A": "2", "Z": "1"},
			"ports": attributes{"http": attributes{"port": 8000}}, "service": attributes{"enabled": false}, "wait_for": "created",
		}
	}
	if out := core.Apply(ctx, config("model:1")); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	pods := func() any { return api.Get("Deployment", "default", "api").Object["spec"].(map[string]any)["template"] } //nolint:forcetypeassert // as it was put
	before := pods()
	failing(api, func() {})
	after := config("model:2")
	after["wait_for"], after["on_failed_rollout"] = "ready", "rollback"
	if out := core.Apply(ctx, after); !strings.Contains(out.Errors(), "being put back") {
		t.Fatalf("the update says: %s", out.Errors())
	}
	if diff := cmp.Diff(before, pods()); diff != "" {
		t.Errorf("they are others (-want +got):\n%s", diff)
	}
}
