package inferenceservice_test

import (
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

func completing(t *testing.T) *fakeapi.Server {
	t.Helper()
	api := fakeapi.New(t)
	api.Complete = func(o runtime.Object, _ bool) error {
		fakeapi.Defaults(o)
		return nil
	}
	return api
}

func podsAndImage(api *fakeapi.Server) (int64, any) {
	d := api.Get("Deployment", "default", "api").Object
	pods, _, _ := unstructured.NestedInt64(d, "spec", "replicas")
	containers, _, _ := unstructured.NestedSlice(d, "spec", "template", "spec", "containers")
	main, _ := containers[0].(map[string]any)
	return pods, main["image"]
}

// TestRollback: what a failed update has made is gone, what it has removed is there
// again, nobody's number of pods is touched, and the change is planned again.
func TestRollback(t *testing.T) {
	t.Parallel()
	api, ctx := completing(t), t.Context()
	core, _ := start(t, api, &testkit.Process{})
	before := serviceWith(attributes{"autoscaling": attributes{"max_replicas": 9}, "on_failed_rollout": "rollback"})
	if out := core.Apply(ctx, before); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	api.Change("Deployment", "default", "api", "kube-controller-manager", func(o map[string]any) {
		_ = unstructured.SetNestedField(o, int64(6), "spec", "replicas")
		_ = unstructured.SetNestedMap(o, map[string]any{
			"observedGeneration": int64(100),
			"conditions":         []any{map[string]any{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}},
		}, "status")
	})
	after := serviceWith(attributes{
		"image": "model:2", "wait_for": "ready", "replicas": 6, "ingress": attributes{"host": "a.example.com"}, "on_failed_rollout": "rollback",
		"service": attributes{"name": "front"},
	})
	out := core.Apply(ctx, after)
	if !strings.Contains(out.Errors(), "being put back") {
		t.Fatalf("the update says: %s", out.Errors())
	}
	if pods, image := podsAndImage(api); pods != 6 || image != "model:1" {
		t.Errorf("%d pods of %s", pods, image)
	}
	for kind, want := range map[string]string{"Service": "api", "HorizontalPodAutoscaler": "api", "Ingress": ""} {
		got := ""
		for _, o := range api.List(kind) {
			got += o.GetName()
		}
		if got != want {
			t.Errorf("there is %s %q, want %q", kind, got, want)
		}
	}
	if got := core.Attribute("image"); got != "model:1" {
		t.Errorf("the state says %v", got)
	}
	if out := core.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if out := core.Plan(ctx, after); !out.Changed {
		t.Error("the change is not planned again")
	}
	if out := core.Apply(ctx, before); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if pods, image := podsAndImage(api); pods != 6 || image != "model:1" {
		t.Errorf("%d pods of %s in the end", pods, image)
	}
}

// What a cluster does not have is said at plan, in an update too.
func TestRouteWithoutGatewayAPI(t *testing.T) {
	t.Parallel()
	api, ctx := completing(t), t.Context()
	api.Before = func(r fakeapi.Request) error {
		if strings.HasPrefix(r.Path, "/apis/gateway.networking.k8s.io/") {
			return apierrors.NewNotFound(schema.GroupResource{}, "")
		}
		return nil
	}
	core, _ := start(t, api, &testkit.Process{})
	routed := serviceWith(attributes{"route": attributes{"gateway": "public"}})
	if out := core.Plan(ctx, routed); !strings.Contains(out.Errors(), "This cluster has no Gateway API") || !strings.Contains(out.Errors(), "standard-install.yaml") {
		t.Errorf("the plan of a create says: %s", out.Errors())
	}
	if out := core.Apply(ctx, serviceWith(nil)); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if out := core.Plan(ctx, routed); !strings.Contains(out.Errors(), "This cluster has no Gateway API") {
		t.Errorf("the plan of an update says: %s", out.Errors())
	}
}

func TestKedaWithoutKEDA(t *testing.T) {
	t.Parallel()
	api, ctx := completing(t), t.Context()
	api.Before = func(r fakeapi.Request) error {
		if strings.HasPrefix(r.Path, "/apis/keda.sh/") {
			return apierrors.NewNotFound(schema.GroupResource{}, "")
		}
		return nil
	}
	core, _ := start(t, api, &testkit.Process{})
	if out := core.Plan(ctx, serviceWith(attributes{"autoscaling": kedaBy(attributes{"max_replicas": 3})})); !strings.Contains(out.Errors(), "This cluster has no KEDA") {
		t.Errorf("the plan says: %s", out.Errors())
	}
	if out := core.Plan(ctx, serviceWith(attributes{"autoscaling": attributes{"max_replicas": 3}})); out.Errors() != "" {
		t.Errorf("the plan without it says: %s", out.Errors())
	}
}

// What cannot work together is refused, and what will surprise is said, at plan.
func TestSatellitesAtPlan(t *testing.T) {
	t.Parallel()
	core, _ := start(t, completing(t), &testkit.Process{})
	scaling := func(with attributes) attributes { return attributes{"autoscaling": with} }
	for name, c := range map[string]struct { //nolint:paralleltest // they share one Terraform
		with           attributes
		error, warning string
	}{
		"replicas and autoscaling": {attributes{"replicas": 2, "autoscaling": attributes{"max_replicas": 3}}, "would fight over the number of pods", ""},
		"no most":                  {scaling(attributes{}), "autoscaling needs max_replicas", ""},
		"less than the least":      {scaling(attributes{"min_replicas": 4, "max_replicas": 3}), "min_replicas is 4 and max_replicas 3", ""},
		"zero by CPU":              {scaling(attributes{"min_replicas": 0, "max_replicas": 3, "cpu_percent": 50}), "only an external metric", ""},
		"an external metric of nothing": {
			scaling(attributes{"max_replicas": 3, "external_metrics": attributes{"queue": attributes{}}}), "needs average_value or value", "",
		},
		"KEDA without most":      {scaling(kedaBy(nil)), "keda needs max_replicas", ""},
		"KEDA with less":         {scaling(kedaBy(attributes{"min_replicas": 4, "max_replicas": 3})), "min_replicas is 4 and max_replicas 3", ""},
		"KEDA idle with as many": {scaling(kedaBy(attributes{"max_replicas": 3, "idle_replicas": 0})), "idle_replicas must be less than min_replicas", ""},
		"KEDA and another":       {scaling(attributes{"keda": kedaBy(attributes{"max_replicas": 3})["keda"], "cpu_percent": 80}), "autoscaling.cpu_percent does nothing beside keda", ""},
		"KEDA and replicas":      {attributes{"replicas": 2, "autoscaling": kedaBy(attributes{"max_replicas": 3})}, "would fight over the number of pods", ""},
		"a secret in a trigger":  {scaling(kedaBy(attributes{"max_replicas": 3, "triggers": []any{attributes{"type": "redis", "metadata": attributes{"password": "x"}}}})), "metadata.password would put a secret into the state", ""},
		"its name in a trigger":  {scaling(kedaBy(attributes{"max_replicas": 3, "triggers": []any{attributes{"type": "redis", "metadata": attributes{"passwordFromEnv": "REDIS_PASSWORD"}}}})), "", ""},
		"two budgets":            {attributes{"disruption_budget": attributes{"min_available": "1", "max_unavailable": "1"}}, "and not both", ""},
		"no budget":              {attributes{"disruption_budget": attributes{}}, "needs min_available or max_unavailable", ""},
		"a budget of nothing":    {attributes{"replicas": 2, "disruption_budget": attributes{"min_available": "2"}}, "", "lets no pod go"},
		"a budget with room":     {attributes{"replicas": 3, "disruption_budget": attributes{"min_available": "2"}}, "", ""},
		"two doors":              {attributes{"ingress": attributes{}, "route": attributes{"gateway": "g"}}, "two ways to the same service", ""},
		"a door to no Service":   {attributes{"ingress": attributes{}, "service": attributes{"enabled": false}}, "ingress needs the Service", ""},
		"put back what passes":   {attributes{"on_failure": "keep", "on_failed_rollout": "rollback"}, "cannot put back", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := core.Validate(t.Context(), serviceWith(c.with)).Errors(); c.error == "" && got != "" || !strings.Contains(got, c.error) {
				t.Errorf("the errors are %q, want %q", got, c.error)
			}
			out := core.Plan(t.Context(), serviceWith(c.with))
			if c.warning == "" && out.Warnings() != "" || !strings.Contains(out.Warnings(), c.warning) {
				t.Errorf("the warnings are %q, want %q", out.Warnings(), c.warning)
			}
		})
	}
}

// A model's url is where it is reached from furthest away.
func TestURLOfDoors(t *testing.T) {
	t.Parallel()
	core, _ := start(t, completing(t), &testkit.Process{})
	for want, with := range map[string]attributes{
		"http://api.default.svc:8000": {"ingress": attributes{}},
		"http://a.example.com":        {"ingress": attributes{"host": "a.example.com", "path": "/"}},
		"https://a.example.com/v1":    {"ingress": attributes{"host": "a.example.com", "path": "/v1", "tls_secret": "a"}},
		"https://b.example.com":       {"route": attributes{"gateway": "g", "hostnames": []any{"b.example.com"}, "scheme": "https"}},
	} {
		out := core.Plan(t.Context(), serviceWith(with))
		if got := testkit.Attribute(out.Planned, "url"); got != want {
			t.Errorf("url is %v, want %s: %s", got, want, out.Errors())
		}
	}
	out := core.Plan(t.Context(), serviceWith(attributes{"route": attributes{"gateway": "g", "hostnames": []any{"*.example.com"}}}))
	if got := testkit.Attribute(out.Planned, "url"); got != "http://api.default.svc:8000" {
		t.Errorf("url of any host is %v", got)
	}
}

// A failed update that brought an autoscaler is taken back although that has set
// the number of pods by then.
func TestRollbackOfAutoscaling(t *testing.T) {
	t.Parallel()
	api, ctx := completing(t), t.Context()
	core, _ := start(t, api, &testkit.Process{})
	before := serviceWith(attributes{"replicas": 3})
	if out := core.Apply(ctx, before); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	var once sync.Once
	api.After = func(r fakeapi.Request) error {
		if r.Writes() && strings.Contains(r.Path, "horizontalpodautoscalers") {
			once.Do(func() { go failWithPods(api, 6) })
		}
		return nil
	}
	after := serviceWith(attributes{"image": "model:2", "wait_for": "ready", "autoscaling": attributes{"max_replicas": 9}, "on_failed_rollout": "rollback"})
	out := core.Apply(ctx, after)
	if !strings.Contains(out.Errors(), "being put back") || strings.Contains(out.Errors(), "kube-controller-manager") {
		t.Fatalf("the update says: %s", out.Errors())
	}
	if pods, image := podsAndImage(api); pods != 3 || image != "model:1" {
		t.Errorf("%d pods of %s", pods, image)
	}
	if len(api.List("HorizontalPodAutoscaler")) > 0 {
		t.Error("there still is an autoscaler")
	}
}

// failWithPods is what an autoscaler and a controller do to a rollout that fails.
func failWithPods(api *fakeapi.Server, pods int64) {
	api.Change("Deployment", "default", "api", "kube-controller-manager", func(o map[string]any) {
		_ = unstructured.SetNestedField(o, pods, "spec", "replicas")
		_ = unstructured.SetNestedMap(o, map[string]any{
			"observedGeneration": int64(100),
			"conditions":         []any{map[string]any{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}},
		}, "status")
	})
}

// An update that is refused for a field of somebody else leaves the autoscaler,
// and says no less than the truth of what was changed.
func TestAutoscalingOffInConflict(t *testing.T) {
	t.Parallel()
	api, ctx := completing(t), t.Context()
	core, _ := start(t, api, &testkit.Process{})
	if out := core.Apply(ctx, serviceWith(attributes{"autoscaling": attributes{"max_replicas": 9}})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	api.Change("Deployment", "default", "api", "kubectl-edit", func(o map[string]any) {
		_ = unstructured.SetNestedField(o, int64(6), "spec", "replicas")
		_ = unstructured.SetNestedField(o, int64(77), "spec", "progressDeadlineSeconds")
	})
	if out := core.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	fixed := attributes{"replicas": 6, "rollout": attributes{"progress_deadline_seconds": 300}}
	out := core.Apply(ctx, serviceWith(fixed))
	if !strings.Contains(out.Errors(), "kubectl-edit") || api.Get("HorizontalPodAutoscaler", "default", "api") == nil {
		t.Errorf("a refusal leaves no autoscaler: %s", out.Errors())
	}
	fixed["force_conflicts"] = true
	if out := core.Apply(ctx, serviceWith(fixed)); out.Errors() != "" || api.Get("HorizontalPodAutoscaler", "default", "api") != nil {
		t.Errorf("it is not taken by force: %s", out.Errors())
	}
}

// What was changed by others until no attribute says it any more is removed all the
// same when it is no longer asked for.
func TestDriftedSatelliteGoes(t *testing.T) {
	t.Parallel()
	api, ctx := completing(t), t.Context()
	core, _ := start(t, api, &testkit.Process{})
	with := serviceWith(attributes{"ingress": attributes{"host": "a.example.com"}})
	if out := core.Apply(ctx, with); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	api.Change("Ingress", "default", "api", "kubectl-edit", func(o map[string]any) {
		rules, _, _ := unstructured.NestedSlice(o, "spec", "rules")
		_ = unstructured.SetNestedSlice(o, append(rules, map[string]any{"host": "b.example.com"}), "spec", "rules")
	})
	for range 2 { // the second finds the state that the first has left
		if out := core.Refresh(ctx); out.Errors() != "" {
			t.Fatal(out.Errors())
		}
		if out := core.Plan(ctx, serviceWith(nil)); !out.Changed {
			t.Errorf("nothing is planned: the Ingress stays for ever")
		}
	}
	if out := core.Apply(ctx, serviceWith(nil)); out.Errors() != "" || api.Get("Ingress", "default", "api") != nil {
		t.Errorf("the Ingress is still there: %s", out.Errors())
	}
	if out := core.Plan(ctx, serviceWith(nil)); out.Changed {
		t.Errorf("still a change: %s", out.Planned)
	}
}

// What a variable decides is unknown while a module is validated, and one of two
// doors is null by then.
func TestSatellitesUnknown(t *testing.T) {
	t.Parallel()
	core, _ := start(t, completing(t), &testkit.Process{})
	unknown := testkit.Unknown{}
	for name, with := range map[string]attributes{
		"one of two doors":   {"ingress": unknown, "route": unknown},
		"a door or none":     {"ingress": unknown, "service": attributes{"enabled": false}},
		"a surge or none":    {"rollout": attributes{"strategy": "Recreate", "max_surge": unknown, "max_unavailable": unknown}},
		"an external metric": {"autoscaling": attributes{"max_replicas": 3, "external_metrics": attributes{"queue": unknown}}},
	} {
		if got := core.Validate(t.Context(), serviceWith(with)).Errors(); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// The number of pods that a removed autoscaler has set is nobody's: it can be said
// again later, not only in the same apply.
func TestReplicasAfterAutoscaling(t *testing.T) {
	t.Parallel()
	api, ctx := completing(t), t.Context()
	core, _ := start(t, api, &testkit.Process{})
	if out := core.Apply(ctx, serviceWith(attributes{"autoscaling": attributes{"max_replicas": 9}})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	api.Change("Deployment", "default", "api", "kube-controller-manager", func(o map[string]any) {
		_ = unstructured.SetNestedField(o, int64(6), "spec", "replicas")
	})
	for _, next := range []attributes{serviceWith(nil), serviceWith(attributes{"replicas": 4})} {
		if out := core.Refresh(ctx); out.Errors() != "" {
			t.Fatal(out.Errors())
		}
		if out := core.Apply(ctx, next); out.Errors() != "" {
			t.Fatal(out.Errors())
		}
	}
	if pods, _ := podsAndImage(api); pods != 4 {
		t.Errorf("the Deployment is asked for %d pods", pods)
	}
}
