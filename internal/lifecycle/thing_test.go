package lifecycle_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// thing is a resource as small as one can be and still have all that the
// lifecycle deals with: a frozen attribute, one that changes in place, a
// quantity, a map, a computed value and something to wait for.
type thing struct {
	lifecycle.Namespaced
	Image        types.String            `tfsdk:"image"`
	Env          map[string]types.String `tfsdk:"env"`
	Memory       quantity.Value          `tfsdk:"memory"`
	BackoffLimit types.Int32             `tfsdk:"backoff_limit"`
	StartTime    types.String            `tfsdk:"start_time"`
}

func thingDefinition() lifecycle.Definition[thing] {
	return lifecycle.Definition[thing]{
		Type: "thing",
		Noun: "Thing",
		Schema: func() schema.Schema {
			return schema.Schema{Attributes: map[string]schema.Attribute{
				"image":         schema.StringAttribute{Required: true},
				"env":           schema.MapAttribute{Optional: true, ElementType: types.StringType},
				"memory":        schema.StringAttribute{Optional: true, CustomType: quantity.Type{}},
				"backoff_limit": schema.Int32Attribute{Optional: true},
				"start_time":    schema.StringAttribute{Computed: true},
			}}
		},
		Owns: []kube.Kind{kube.Job},
		Desired: func(m *thing) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
			c := coreac.Container().WithName("main").WithImage(m.Image.ValueString())
			for k, v := range m.Env {
				c.WithEnv(coreac.EnvVar().WithName(k).WithValue(v.ValueString()))
			}
			if !m.Memory.IsNull() {
				c.WithResources(coreac.ResourceRequirements().WithLimits(corev1.ResourceList{"memory": testkit.Quantity(m.Memory.ValueString())}))
			}
			spec := batchac.JobSpec().WithTemplate(coreac.PodTemplateSpec().WithSpec(coreac.PodSpec().WithRestartPolicy("Never").WithContainers(c)))
			if !m.BackoffLimit.IsNull() {
				spec.WithBackoffLimit(m.BackoffLimit.ValueInt32())
			}
			return []runtime.ApplyConfiguration{batchac.Job(m.Name.ValueString(), m.Namespace.ValueString()).WithSpec(spec)}, nil
		},
		Fields: func(m *thing) diags.Fields {
			var f diags.Fields
			main := []string{"Job", "spec", "template", "spec", "containers", "main"}
			f.Add(path.Root("image"), append(main, "image")...)
			f.Add(path.Root("memory"), append(main, "resources", "limits", "memory")...)
			f.Add(path.Root("backoff_limit"), "Job", "spec", "backoffLimit")
			for k := range m.Env {
				f.Add(path.Root("env").AtMapKey(k), append(main, "env", k)...)
			}
			return f
		},
		Adopt: func(live kube.Live, _ *thing) (*thing, diag.Diagnostics) {
			m := &thing{Memory: quantity.Null()}
			job, err := kube.Typed[batchv1.Job](live, "Job")
			if err != nil || job == nil {
				return m, nil
			}
			for _, c := range job.Spec.Template.Spec.Containers {
				m.Image = types.StringValue(c.Image)
				if q, ok := c.Resources.Limits["memory"]; ok {
					m.Memory = quantity.New(q.String())
				}
				for _, e := range c.Env {
					if m.Env == nil {
						m.Env = map[string]types.String{}
					}
					m.Env[e.Name] = types.StringValue(e.Value)
				}
			}
			if b := job.Spec.BackoffLimit; b != nil && *b != 6 {
				m.BackoffLimit = types.Int32Value(*b)
			}
			return m, nil
		},
		Observe: func(m *thing, seen lifecycle.Seen) diag.Diagnostics {
			if m.StartTime.IsUnknown() {
				m.StartTime = types.StringNull()
			}
			if job, err := kube.Typed[batchv1.Job](seen.Live, "Job"); err == nil && job != nil && job.Status.StartTime != nil {
				m.StartTime = types.StringValue(job.Status.StartTime.UTC().Format(time.RFC3339))
			}
			return nil
		},
		Ready: func(_ *thing, seen lifecycle.Seen, level string) wait.Verdict {
			job, err := kube.Typed[batchv1.Job](seen.Live, "Job")
			if err != nil || job == nil {
				return wait.Of(wait.Progressing, "Pending", "", "no Job yet")
			}
			for _, c := range job.Status.Conditions {
				switch c.Type {
				case batchv1.JobComplete:
					return wait.Of(wait.Done, "Complete", c.Reason, "")
				case batchv1.JobFailed:
					return wait.Of(wait.Failed, "Failed", c.Reason, c.Message)
				}
			}
			if level == "created" {
				return wait.Of(wait.Done, "Pending", "", "")
			}
			return wait.Of(wait.Progressing, "Pending", "", "the Job has not finished")
		},
		WaitFor:     []string{"created", "completed"},
		Replace:     []path.Path{path.Root("image"), path.Root("env"), path.Root("memory")},
		Pods:        func(m *thing) string { return "batch.kubernetes.io/job-name=" + m.Name.ValueString() },
		PodTemplate: []string{"Job", "spec", "template"},
		Trusts:      func(level string) bool { return level == "completed" },
		Vanished: func(m *thing, c lifecycle.Circumstances) lifecycle.Fate {
			phase, _ := m.Status.Attributes()["phase"].(types.String)
			return lifecycle.Fate{Keep: phase.ValueString() == "Complete" && c.NamespaceExists}
		},
	}
}

// testProvider serves thing against one API server.
type testProvider struct{ data *lifecycle.ProviderData }

func (p *testProvider) Configured() *lifecycle.ProviderData { return p.data }

func (*testProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "mlk"
}
func (*testProvider) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse) {}
func (p *testProvider) Configure(_ context.Context, _ provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	resp.ResourceData = p.data
}
func (*testProvider) DataSources(context.Context) []func() datasource.DataSource { return nil }
func (*testProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return lifecycle.New[thing](thingDefinition()) }}
}

// world is an API server, a client and a core.
type world struct {
	*testkit.Core
	api    *fakeapi.Server
	client *kube.Client
	data   *lifecycle.ProviderData
}

func newWorld(t *testing.T) *world {
	t.Helper()
	api := fakeapi.New(t)
	return newWorkspace(t, api)
}

// process can be killed, or cut off from the network: from then on none of its
// requests reaches the server. Unlike a broken connection, which client-go tries
// again for ten seconds, that is an error at once.
type process struct {
	next http.RoundTripper
	// killAt is the number of the request that kills it, 0 for none; atWrite
	// stands for the first request that writes; after says whether that request
	// still takes effect.
	killAt  int
	atWrite bool
	after   bool
	// died is called when it is killed: what waits must not go on for ever.
	died func()

	mu   sync.Mutex
	n    int
	dead bool
}

var errKilled = errors.New("the process was killed")

// cutOff makes all later requests fail, or lets them through again.
func (p *process) cutOff(dead bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead, p.killAt, p.atWrite = dead, 0, false
}

func (p *process) die() {
	if !p.dead && p.died != nil {
		p.died()
	}
	p.dead = true
}

func (p *process) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.n++
	mine := p.n == p.killAt || p.atWrite && r.Method != http.MethodGet && !r.URL.Query().Has("dryRun")
	if p.dead || mine && !p.after {
		p.die()
		p.mu.Unlock()
		return nil, errKilled
	}
	p.mu.Unlock()
	resp, err := p.next.RoundTrip(r)
	if mine && err == nil {
		p.mu.Lock()
		p.die()
		p.mu.Unlock()
		_ = resp.Body.Close()
		return nil, errKilled
	}
	return resp, err
}

// newWorkspace is another provider process on the same API server.
func newWorkspace(t *testing.T, api *fakeapi.Server) *world {
	t.Helper()
	return newProcess(t, api, &process{})
}

func newProcess(t *testing.T, api *fakeapi.Server, p *process) *world {
	t.Helper()
	return processOf(t, api, p, "mlk_thing", func(data *lifecycle.ProviderData) provider.Provider { return &testProvider{data: data} })
}

// processOf is another process of a provider on the API server, at one of its resources.
func processOf(t *testing.T, api *fakeapi.Server, p *process, typ string, of func(*lifecycle.ProviderData) provider.Provider) *world {
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
	data := &lifecycle.ProviderData{
		Connect:   func() (*kube.Client, error) { return client, nil },
		Namespace: "default", ClusterChanged: "error",
	}
	return &world{Core: testkit.NewCore(t, of(data), nil, typ), api: api, client: client, data: data}
}

func config(extra ...map[string]any) map[string]any {
	c := map[string]any{"name": "one", "image": "busybox:1"}
	for _, e := range extra {
		for k, v := range e {
			c[k] = v
		}
	}
	return c
}
