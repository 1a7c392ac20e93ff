package lifecycle_test

import (
	"context"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// needy is thing where it needs its kind to be served, and a ConfigMap.
type needy struct{ testProvider }

func (*needy) Resources(context.Context) []func() resource.Resource {
	def := thingDefinition()
	def.Needs = func(context.Context, tfsdk.Plan) []lifecycle.Need {
		return []lifecycle.Need{{
			Kind: kube.Job, Missing: diags.Message{Summary: "This cluster has no Jobs", Happened: "A thing is one.", At: path.Root("image")},
			Object: kube.Ref{Kind: kube.ConfigMap, Namespace: "default", Name: "key"},
			Absent: func([]string) diags.Message {
				return diags.Message{Summary: "ConfigMap default/key does not exist", At: path.Root("image")}
			},
		}}
	}
	return []func() resource.Resource{func() resource.Resource { return lifecycle.New[thing](def) }}
}

// TestNeedsThatAreGone: what went after the object was made stands in the way of what
// asks for it, and is told as what it is; another change goes on.
func TestNeedsThatAreGone(t *testing.T) {
	t.Parallel()
	api := fakeapi.New(t)
	api.Put(&unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "key", "namespace": "default"}}})
	start := func() *world {
		return processOf(t, api, &process{}, "mlk_thing", func(data *lifecycle.ProviderData) provider.Provider { return &needy{testProvider{data: data}} })
	}
	w, limit := start(), map[string]any{"backoff_limit": 2}
	good(t, w.Apply(t.Context(), config()))
	api.Remove("ConfigMap", "default", "key")
	if out := w.Plan(t.Context(), config(limit)); out.Errors() != "" || !strings.Contains(out.Warnings(), "ConfigMap default/key does not exist") {
		t.Errorf("in place it says: %s%s", out.Errors(), out.Warnings())
	}
	if out := w.Plan(t.Context(), config(map[string]any{"image": "busybox:2"})); !strings.Contains(out.Errors(), "ConfigMap default/key does not exist") {
		t.Errorf("a new object: %s%s", out.Errors(), out.Warnings())
	}
	api.Before = func(r fakeapi.Request) error {
		if strings.HasPrefix(r.Path, "/apis/batch") {
			return apierrors.NewNotFound(schema.GroupResource{}, "")
		}
		return nil
	}
	later := start()
	later.State, later.Private = w.State, w.Private
	if got := later.Plan(t.Context(), config(limit)).Errors(); !strings.Contains(got, "This cluster has no Jobs") || !strings.Contains(got, "It was there when Job default/one was made: somebody has removed it since") {
		t.Errorf("it says: %s", got)
	}
}
