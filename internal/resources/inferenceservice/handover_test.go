package inferenceservice_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/inferenceservice"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// alone is a provider that has nothing but inference services.
type alone struct {
	data *lifecycle.ProviderData
}

// Configured lets plans and reads be served as main serves them.
func (p alone) Configured() *lifecycle.ProviderData { return p.data }

func (alone) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "mlk"
}
func (alone) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse) {}
func (p alone) Configure(_ context.Context, _ provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	resp.ResourceData = p.data
}
func (alone) DataSources(context.Context) []func() datasource.DataSource { return nil }
func (alone) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{inferenceservice.New}
}

// process is a provider process that dies at its nth request, which takes effect
// and whose answer is lost.
type process struct {
	next http.RoundTripper
	at   int
	die  func()

	mu sync.Mutex
	n  int
}

var errDead = errors.New("the process was killed")

// RoundTrip sends a request while the process lives.
func (p *process) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	if r.URL.Query().Get("watch") == "" {
		p.n++
	}
	n := p.n
	p.mu.Unlock()
	if p.at > 0 && (n > p.at) {
		p.die()
		return nil, errDead
	}
	resp, err := p.next.RoundTrip(r)
	if p.at > 0 && n == p.at && err == nil {
		_ = resp.Body.Close()
		p.die()
		return nil, errDead
	}
	return resp, err
}

func (p *process) died() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n >= p.at
}

// start is Terraform with another process of the provider.
func start(t *testing.T, api *fakeapi.Server, p *process) (*testkit.Core, *kube.Client) {
	t.Helper()
	cfg := api.Config()
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		p.next = next
		return p
	})
	client, err := kube.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return testkit.NewCore(t, alone{&lifecycle.ProviderData{
		Namespace: "default", ClusterChanged: "error",
		Connect: func() (*kube.Client, error) { return client, nil },
	}}, nil, "mlk_inference_service"), client
}

type attributes = map[string]any

func serviceWith(more attributes) attributes {
	c := attributes{"name": "api", "image": "model:1", "wait_for": "created", "ports": attributes{"http": attributes{"port": 8000}}}
	for k, v := range more {
		c[k] = v
	}
	return c
}

// TestHandoverKilledAnywhere switches autoscaling on and off at six pods, and kills
// the provider at each request of it: there are never fewer, whether the next
// apply goes on or takes the change back.
func TestHandoverKilledAnywhere(t *testing.T) { // pain 20
	t.Parallel()
	fixed := serviceWith(attributes{"replicas": 6})
	scaled := serviceWith(attributes{"autoscaling": attributes{"min_replicas": 2, "max_replicas": 9, "cpu_percent": 80}})
	free := serviceWith(nil)
	for name, c := range map[string]struct{ from, to attributes }{ //nolint:paralleltest // whether there is a next request is known after this one
		"on": {fixed, scaled}, "off": {scaled, fixed}, "off to nobody": {scaled, free}, "to nobody": {fixed, free},
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
	first, client := start(t, api, &process{})
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
	dying := &process{at: n, die: die}
	dead, gone := start(t, api, dying)
	dead.State, dead.Private = first.State, first.Private
	answer := dead.Apply(mortal, to)
	gone.Close()

	next, last := start(t, api, &process{})
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
	if scales := api.Get("HorizontalPodAutoscaler", "default", "api") != nil; scales != (want["autoscaling"] != nil) {
		t.Errorf("there is an autoscaler: %v", scales)
	}
	if out := next.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if out := next.Plan(ctx, want); out.Changed {
		t.Errorf("still a change: %s", out.Planned)
	}
	return dying.died()
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
	core, _ := start(t, api, &process{})
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
