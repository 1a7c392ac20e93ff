package gpustack_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/resources/gpustack"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// TestRuntimeClassIsThere: a RuntimeClass that somebody else has made is said at plan, of
// a new stack and of one that is to have it later, with how to use it; the apply says the
// same, and nothing that cannot be imported is to be.
func TestRuntimeClassIsThere(t *testing.T) {
	t.Parallel()
	api, ctx := fakeapi.New(t), t.Context()
	theirs := &unstructured.Unstructured{Object: config{"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": config{"name": "nvidia"}, "handler": "nvidia"}}
	core, _ := testkit.Start(t, api.Config(), &testkit.Process{}, "mlk_gpu_stack", gpustack.New)
	with := func(class any) config {
		return config{"name": "gpus", "namespace": "default", "mode": "daemonsets", "wait_for": "created", "runtime_class": class}
	}
	says := func(what, said string) {
		t.Helper()
		for _, want := range []string{
			"RuntimeClass nvidia already exists and is not managed by this resource", "[AttributeName(\"runtime_class\")]", `created by "node-image"`,
			`runtime_class = { name = "nvidia", create = false }`, `handler = "nvidia" }`, "Nothing was changed",
		} {
			if !strings.Contains(said, want) {
				t.Errorf("%s does not say %q:\n%s", what, want, said)
			}
		}
		if strings.Contains(said, "import") {
			t.Errorf("%s speaks of an import:\n%s", what, said)
		}
	}
	silent := func(what string, out testkit.Outcome) {
		t.Helper()
		if strings.Contains(out.Errors()+out.Warnings(), "RuntimeClass") {
			t.Errorf("%s: %s%s", what, out.Errors(), out.Warnings())
		}
	}
	silent("without the class", core.Plan(ctx, with(config{})))
	api.Put(theirs, "node-image")
	says("a plan of a new stack", core.Plan(ctx, with(config{})).Errors())
	silent("the class is used", core.Plan(ctx, with(config{"create": false})))
	silent("another class", core.Plan(ctx, with(config{"name": "mlk-nvidia", "handler": "nvidia"})))
	if out := core.Apply(ctx, with(nil)); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	says("a plan of a later one", core.Plan(ctx, with(config{})).Errors())
	if said := core.Plan(ctx, with(config{"handler": "nvidia-cdi"})).Errors(); !strings.Contains(said, `Its handler is "nvidia", and the stack asks for "nvidia-cdi"`) {
		t.Errorf("nobody is told of the handlers: %s", said)
	}
	// It comes between plan and apply.
	api.Remove("RuntimeClass", "", "nvidia")
	seen := false
	api.Before = func(r fakeapi.Request) error {
		if strings.HasSuffix(r.Path, "/runtimeclasses/nvidia") {
			if seen && api.Get("RuntimeClass", "", "nvidia") == nil {
				api.Put(theirs, "node-image")
			}
			seen = true
		}
		return nil
	}
	says("an apply", core.Apply(ctx, with(config{})).Errors())
}
