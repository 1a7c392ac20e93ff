package lifecycle_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// relay is a resource in two versions, each a Job, and a ConfigMap that says how much
// the next one gets: more only once its Job is complete.
type relay struct {
	lifecycle.Namespaced
	Image types.String `tfsdk:"image"`
	Next  types.String `tfsdk:"next"`
	Share types.Int32  `tfsdk:"share"`
}

func (m *relay) job(name string, image types.String) runtime.ApplyConfiguration {
	c := coreac.Container().WithName("main").WithImage(image.ValueString())
	return batchac.Job(name, m.Namespace.ValueString()).WithSpec(batchac.JobSpec().WithTemplate(
		coreac.PodTemplateSpec().WithSpec(coreac.PodSpec().WithRestartPolicy("Never").WithContainers(c))))
}

func relayDefinition() lifecycle.Definition[relay] {
	return lifecycle.Definition[relay]{
		Type: "relay",
		Noun: "Relay",
		Schema: func() schema.Schema {
			return schema.Schema{Attributes: map[string]schema.Attribute{
				"image": schema.StringAttribute{Required: true},
				"next":  schema.StringAttribute{Optional: true},
				"share": schema.Int32Attribute{Optional: true},
			}}
		},
		Owns:  []kube.Kind{kube.Job, kube.ConfigMap},
		Roles: map[string][]kube.Kind{"next": {kube.Job}},
		Desired: func(m *relay) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
			name := m.Name.ValueString()
			out := []runtime.ApplyConfiguration{m.job(name, m.Image)}
			if !m.Next.IsNull() {
				out = append(out, m.job(name+"-next", m.Next))
			}
			return append(out, coreac.ConfigMap(name, m.Namespace.ValueString()).WithData(map[string]string{"share": fmt.Sprint(m.Share.ValueInt32())})), nil
		},
		Fields: func(*relay) diags.Fields { return diags.Fields{} },
		Adopt: func(live kube.Live, _ *relay) (*relay, diag.Diagnostics) {
			m := &relay{}
			for key, to := range map[string]*types.String{"Job": &m.Image, "Job/next": &m.Next} {
				o := live[key]
				if o == nil {
					continue
				}
				if image, ok := kube.At(o.Object, "spec", "template", "spec", "containers", "main", "image"); ok {
					*to = types.StringValue(fmt.Sprint(image))
				}
			}
			if o := live["ConfigMap"]; o != nil {
				var share int32
				said, _, _ := unstructured.NestedString(o.Object, "data", "share")
				if _, err := fmt.Sscan(said, &share); err == nil && share != 0 {
					m.Share = types.Int32Value(share)
				}
			}
			return m, nil
		},
		Interim: func(prior, wanted *relay) *relay {
			var before int32
			if prior != nil {
				before = prior.Share.ValueInt32()
			}
			if wanted.Next.IsNull() || wanted.Share.ValueInt32() <= before {
				return nil
			}
			m := *wanted
			m.Share = types.Int32Value(before)
			return &m
		},
		Ready: func(_ *relay, seen lifecycle.Seen, _ string) wait.Verdict {
			for _, key := range []string{"Job", "Job/next"} {
				job, err := kube.Typed[batchv1.Job](seen.Live, key)
				if err != nil || job == nil {
					continue
				}
				if len(job.Status.Conditions) == 0 {
					return wait.Of(wait.Progressing, "Pending", "", key+" has not finished")
				}
				if c := job.Status.Conditions[0]; c.Type == batchv1.JobFailed {
					return wait.Of(wait.Failed, "Failed", c.Reason, c.Message)
				}
			}
			return wait.Of(wait.Done, "Complete", "", "")
		},
		WaitFor: []string{"completed"},
		Replace: nil,
	}
}

type relayProvider struct{ testProvider }

func (*relayProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return lifecycle.New[relay](relayDefinition()) }}
}

// relays is another process at an API server on which Jobs end as they are made: well,
// or as the image "broken" does. Before each write it sees to it that no share is
// written for a next version that is not complete.
func relays(t *testing.T, api *fakeapi.Server, p *process) *world {
	t.Helper()
	api.Before = func(r fakeapi.Request) error {
		if !r.Writes() || !strings.HasSuffix(r.Path, "/configmaps/one") || !strings.Contains(string(r.Body), `"share":"50"`) {
			return nil
		}
		next := api.Get("Job", "default", "one-next")
		if next == nil || ended(next) != "Complete" {
			t.Errorf("the share is written before the next version is complete: %v", next)
		}
		return nil
	}
	api.After = func(r fakeapi.Request) error {
		if r.Method != http.MethodPatch || r.DryRun || !strings.Contains(r.Path, "/jobs/") {
			return nil
		}
		name := r.Path[strings.LastIndex(r.Path, "/")+1:]
		if job := api.Get("Job", "default", name); job != nil && ended(job) == "" {
			how := complete
			if strings.Contains(string(r.Body), "broken") {
				how = broke
			}
			if !strings.Contains(string(r.Body), "slow") {
				api.Change("Job", "default", name, "kube-controller-manager", how)
			}
		}
		return nil
	}
	return processOf(t, api, p, "mlk_relay", func(data *lifecycle.ProviderData) provider.Provider { return &relayProvider{testProvider{data: data}} })
}

func broke(o map[string]any) {
	set(o, []any{map[string]any{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "no retries are left"}}, "status", "conditions")
}

func ended(job *unstructured.Unstructured) string {
	list, _, _ := unstructured.NestedSlice(job.Object, "status", "conditions")
	for _, c := range list {
		if m, ok := c.(map[string]any); ok {
			return fmt.Sprint(m["type"])
		}
	}
	return ""
}

// share is what the ConfigMap says.
func share(api *fakeapi.Server) string {
	o := api.Get("ConfigMap", "default", "one")
	if o == nil {
		return ""
	}
	said, _, _ := unstructured.NestedString(o.Object, "data", "share")
	return said
}

// jobs are the names of all Jobs.
func jobs(api *fakeapi.Server) map[string]bool {
	out := map[string]bool{}
	for _, o := range api.List("Job") {
		out[o.GetName()] = true
	}
	return out
}

func good(t *testing.T, out interface{ Errors() string }) {
	t.Helper()
	if out.Errors() != "" {
		t.Fatal(out.Errors())
	}
}

var (
	first = config()
	both  = config(map[string]any{"next": "busybox:2", "share": 50})
)

// TestRoles makes a second object of a kind in an update, and takes it away in another,
// also where the private state was lost meanwhile: then its name tells which it is.
func TestRoles(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("private state lost=%v", lost), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			w := relays(t, fakeapi.New(t), &process{})
			good(t, w.Apply(ctx, first))
			uid := w.api.Get("Job", "default", "one").GetUID()
			good(t, w.Apply(ctx, both))
			if diff := cmp.Diff([]string{"Job one", "Job one-next", "ConfigMap one"}, kindsOf(w.Attribute("objects"))); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			if lost {
				w.Private = nil
			}
			good(t, w.Refresh(ctx))
			if out := w.Plan(ctx, both); out.Changed && !lost {
				t.Errorf("a change is planned: %s", out.Planned)
			}
			good(t, w.Apply(ctx, first))
			if diff := cmp.Diff(map[string]bool{"one": true}, jobs(w.api)); diff != "" || w.api.Get("Job", "default", "one").GetUID() != uid {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
			good(t, w.Apply(ctx, both))
			good(t, w.Apply(ctx, nil))
			if len(jobs(w.api)) > 0 || share(w.api) != "" {
				t.Errorf("destroy left %v", jobs(w.api))
			}
		})
	}
}

// TestRoleOfAnother: what somebody else has called so is theirs, for an update, an
// import and a destroy.
func TestRoleOfAnother(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := relays(t, fakeapi.New(t), &process{})
	good(t, w.Apply(ctx, first))
	theirs := w.api.Get("Job", "default", "one")
	theirs = &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"name": "one-next", "namespace": "default"}, "spec": theirs.Object["spec"],
	}}
	w.api.Put(theirs)
	if out := w.Apply(ctx, both); !strings.Contains(out.Errors(), "Job default/one-next already exists and is not managed by this resource") {
		t.Errorf("got %q", out.Errors())
	}
	if share(w.api) != "0" {
		t.Errorf("the share is %s after a refusal", share(w.api))
	}
	w.Forget()
	good(t, w.Import(ctx, "default/one"))
	if next := w.Attribute("next"); next != nil {
		t.Errorf("the import took another's for the next version: %v", next)
	}
	good(t, w.Apply(ctx, first))
	good(t, w.Apply(ctx, nil))
	if diff := cmp.Diff(map[string]bool{"one-next": true}, jobs(w.api)); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

// TestRoleIsImported takes in both versions where they were made together.
func TestRoleIsImported(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := relays(t, fakeapi.New(t), &process{})
	good(t, w.Apply(ctx, both))
	w.Forget()
	good(t, w.Import(ctx, "default/one"))
	if next := w.Attribute("next"); next != "busybox:2" {
		t.Errorf("next is %v", next)
	}
	if out := w.Plan(ctx, both); len(out.Replace) > 0 {
		t.Errorf("the imported is replaced: %v", out.Replace)
	}
	good(t, w.Apply(ctx, both))
	good(t, w.Apply(ctx, first))
	if diff := cmp.Diff(map[string]bool{"one": true}, jobs(w.api)); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

// TestStageThatFails: what was to follow is not written, the state is what it was, and
// the next plan says so. Neither a corrected configuration nor the former one leaves
// anything of it.
func TestStageThatFails(t *testing.T) {
	t.Parallel()
	broken := config(map[string]any{"next": "broken:1", "share": 50})
	for name, then := range map[string]map[string]any{"the former one again": first, "destroy": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			w := relays(t, fakeapi.New(t), &process{})
			good(t, w.Apply(ctx, first))
			if out := w.Apply(ctx, broken); !strings.Contains(out.Errors(), "no retries are left") || w.Tainted {
				t.Errorf("tainted %v, errors %q", w.Tainted, out.Errors())
			}
			if share(w.api) != "0" || w.Attribute("next") != nil {
				t.Errorf("share %s, state %v", share(w.api), w.Attribute("next"))
			}
			good(t, w.Refresh(ctx))
			if out := w.Plan(ctx, broken); !out.Changed {
				t.Error(`after a failed apply the plan says "no changes"`)
			}
			good(t, w.Apply(ctx, then))
			want := map[string]bool{}
			if then != nil {
				want["one"] = true
			}
			if diff := cmp.Diff(want, jobs(w.api)); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestStageInterrupted: the user stops between two stages. Nothing is undone or tainted,
// what follows is not written, and the next apply goes on.
func TestStageInterrupted(t *testing.T) {
	t.Parallel()
	slow := config(map[string]any{"next": "slow:1", "share": 50})
	made := relays(t, fakeapi.New(t), &process{})
	good(t, made.Apply(t.Context(), first))
	made.client.Close()
	w := relays(t, made.api, &process{})
	w.State, w.Private = made.State, made.Private
	before := w.api.Before
	ctx, cancel := context.WithCancel(t.Context())
	w.api.Before = func(r fakeapi.Request) error {
		if r.Watch && strings.HasSuffix(r.Path, "/jobs") {
			cancel() // mlk waits for the next version
		}
		return before(r)
	}
	if out := w.Apply(ctx, slow); out.Errors() != "" || !strings.Contains(out.Warnings(), "interrupted") || w.Tainted {
		t.Errorf("tainted %v, errors %q, warnings %q", w.Tainted, out.Errors(), out.Warnings())
	}
	if share(w.api) != "0" {
		t.Errorf("the share is %s", share(w.api))
	}
	good(t, w.Refresh(t.Context()))
	if out := w.Plan(t.Context(), slow); !out.Changed {
		t.Error("nothing is planned after an interrupted apply")
	}
	uid := w.api.Get("Job", "default", "one-next").GetUID()
	w.api.Change("Job", "default", "one-next", "kube-controller-manager", complete)
	good(t, w.Apply(t.Context(), slow))
	if share(w.api) != "50" || w.api.Get("Job", "default", "one-next").GetUID() != uid {
		t.Errorf("share %s, Job %s", share(w.api), uid)
	}
}

// TestStagesKilled kills the provider at each request of an update in stages, before and
// after it takes effect. The next apply converges, the former one too, and no share is
// ever written too early.
func TestStagesKilled(t *testing.T) {
	t.Parallel()
	for _, back := range []bool{false, true} {
		for _, after := range []bool{false, true} {
			for n := 1; n <= 14; n++ {
				t.Run(fmt.Sprintf("back=%v/after=%v/%d", back, after, n), func(t *testing.T) {
					t.Parallel()
					ctx := t.Context()
					api := fakeapi.New(t)
					w := relays(t, api, &process{})
					good(t, w.Apply(ctx, first))
					w.client.Close()
					alive, died := context.WithCancel(ctx)
					dead := relays(t, api, &process{killAt: n, after: after, died: died})
					dead.State, dead.Private = w.State, w.Private
					dead.Apply(alive, both)
					died()
					dead.client.Close()
					next := relays(t, api, &process{})
					next.State = w.State // what Terraform keeps of an update that died
					good(t, next.Refresh(ctx))
					then, want := both, map[string]bool{"one": true, "one-next": true}
					if back {
						then, want = first, map[string]bool{"one": true}
					}
					good(t, next.Apply(ctx, then))
					if diff := cmp.Diff(want, jobs(api)); diff != "" {
						t.Errorf("jobs (-want +got):\n%s", diff)
					}
					if got := share(api); (got == "50") == back {
						t.Errorf("the share is %s", got)
					}
					good(t, next.Apply(ctx, nil))
					if len(jobs(api)) > 0 {
						t.Errorf("destroy left %v", jobs(api))
					}
				})
			}
		}
	}
}

// TestManyCreatesListOnce: that each create looks for what an earlier one has left behind
// is one list and a watch for all of them.
func TestManyCreatesListOnce(t *testing.T) { // pain 39
	t.Parallel()
	w := relays(t, fakeapi.New(t), &process{})
	const creates, direct = 12, 3
	for i := range creates {
		w.Forget()
		good(t, w.Apply(t.Context(), config(map[string]any{"name": fmt.Sprint("one", i)})))
	}
	lists := 0
	for _, r := range w.api.Requests() {
		if r.Method == http.MethodGet && !r.Watch && strings.HasSuffix(r.Path, "/namespaces/default/configmaps") {
			lists++
		}
	}
	if lists > direct+1 {
		t.Errorf("%d creates listed the ConfigMaps %d times", creates, lists)
	}
}
