package lifecycle_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// duo is a resource of two objects, the second one optional, whose schema has
// been changed once and that can be moved to from another type.
type duo struct {
	lifecycle.Namespaced
	Image types.String `tfsdk:"image"`
	Claim types.String `tfsdk:"claim"`
	Keep  types.Int64  `tfsdk:"keep"`
}

func duoDefinition() lifecycle.Definition[duo] {
	return lifecycle.Definition[duo]{
		Type: "duo",
		Noun: "Duo",
		Schema: func() schema.Schema {
			return schema.Schema{Version: 1, Attributes: map[string]schema.Attribute{
				"image": schema.StringAttribute{Required: true},
				"claim": schema.StringAttribute{Optional: true},
				"keep":  schema.Int64Attribute{Optional: true},
			}}
		},
		Owns: []kube.Kind{kube.Job, kube.PersistentVolumeClaim},
		Desired: func(m *duo) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
			name, ns := m.Name.ValueString(), m.Namespace.ValueString()
			c := coreac.Container().WithName("main").WithImage(m.Image.ValueString())
			out := []runtime.ApplyConfiguration{}
			if !m.Claim.IsNull() {
				// Given in the wrong order: the lifecycle applies in that of Owns.
				out = append(out, coreac.PersistentVolumeClaim(m.Claim.ValueString(), ns).
					WithSpec(coreac.PersistentVolumeClaimSpec().WithAccessModes("ReadWriteOnce")))
			}
			return append(out, batchac.Job(name, ns).WithSpec(batchac.JobSpec().WithTemplate(
				coreac.PodTemplateSpec().WithSpec(coreac.PodSpec().WithRestartPolicy("Never").WithContainers(c))))), nil
		},
		Fields: func(*duo) diags.Fields {
			var f diags.Fields
			f.Add(path.Root("image"), "Job", "spec", "template", "spec", "containers", "main", "image")
			return f
		},
		Adopt: func(live kube.Live, _ *duo) (*duo, diag.Diagnostics) {
			m := &duo{}
			if o := live["Job"]; o != nil {
				if image, ok := kube.At(o.Object, "spec", "template", "spec", "containers", "main", "image"); ok {
					m.Image = types.StringValue(fmt.Sprint(image))
				}
			}
			return m, nil
		},
		Replace: []path.Path{path.Root("image")},
		Release: func(m *duo, _ kube.Live) lifecycle.Released {
			if m.Keep.IsNull() {
				return lifecycle.Released{}
			}
			if m.Keep.ValueInt64() < 0 {
				return lifecycle.Released{Refuse: diags.Message{Summary: "Duo is not to be deleted"}}
			}
			return lifecycle.Released{
				Patch: map[string]any{"metadata": map[string]any{"labels": map[string]any{
					lifecycle.KeptLabel: m.Name.ValueString(), lifecycle.OwnerLabel: nil,
				}}},
				Selector: lifecycle.KeptLabel + "=" + m.Name.ValueString(), Keep: int(m.Keep.ValueInt64()),
			}
		},
		Upgrades: func() map[int64]resource.StateUpgrader {
			old := schema.Schema{Attributes: map[string]schema.Attribute{
				"id": schema.StringAttribute{Computed: true}, "name": schema.StringAttribute{Required: true},
				"namespace": schema.StringAttribute{Optional: true}, "container_image": schema.StringAttribute{Required: true},
			}}
			return map[int64]resource.StateUpgrader{0: {
				PriorSchema: &old,
				StateUpgrader: func(ctx context.Context, req resource.UpgradeStateRequest, resp *resource.UpgradeStateResponse) {
					resp.Diagnostics.Append(move(ctx, *req.State, "container_image", resp.State.Set)...)
				},
			}}
		},
		Moves: func() []resource.StateMover {
			theirs := schema.Schema{Attributes: map[string]schema.Attribute{
				"id": schema.StringAttribute{Computed: true}, "name": schema.StringAttribute{Required: true},
				"namespace": schema.StringAttribute{Optional: true}, "picture": schema.StringAttribute{Required: true},
			}}
			return []resource.StateMover{{
				SourceSchema: &theirs,
				StateMover: func(ctx context.Context, req resource.MoveStateRequest, resp *resource.MoveStateResponse) {
					if req.SourceTypeName != "other_job" || req.SourceState == nil {
						return
					}
					resp.Diagnostics.Append(move(ctx, *req.SourceState, "picture", resp.TargetState.Set)...)
				},
			}}
		},
	}
}

// getter is a state of another schema.
type getter interface {
	GetAttribute(ctx context.Context, at path.Path, target any) diag.Diagnostics
}

// move writes a duo made of a state of another schema.
func move(ctx context.Context, from getter, image string, set func(context.Context, any) diag.Diagnostics) diag.Diagnostics {
	var m duo
	var ds diag.Diagnostics
	for name, to := range map[string]*types.String{"id": &m.ID, "name": &m.Name, "namespace": &m.Namespace, image: &m.Image} {
		ds.Append(from.GetAttribute(ctx, path.Root(name), to)...)
	}
	none := map[string]attr.Type{"create": types.StringType, "update": types.StringType, "delete": types.StringType}
	m.Timeouts = timeouts.Value{Object: types.ObjectNull(none)}
	m.LabelsAll, m.AnnotationsAll = types.MapNull(types.StringType), types.MapNull(types.StringType)
	condition := types.ObjectType{AttrTypes: map[string]attr.Type{"type": types.StringType, "status": types.StringType, "reason": types.StringType, "message": types.StringType}}
	m.Status = types.ObjectNull(map[string]attr.Type{"phase": types.StringType, "reason": types.StringType, "message": types.StringType, "conditions": types.ListType{ElemType: condition}})
	m.Objects = types.ListNull(types.ObjectType{AttrTypes: map[string]attr.Type{"api_version": types.StringType, "kind": types.StringType, "namespace": types.StringType, "name": types.StringType, "uid": types.StringType}})
	if !ds.HasError() {
		ds.Append(set(ctx, &m)...)
	}
	return ds
}

// duoProvider serves duo alone.
type duoProvider struct {
	testProvider
}

func (*duoProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return lifecycle.New[duo](duoDefinition()) }}
}

var _ provider.Provider = &duoProvider{}

func (*duoProvider) DataSources(context.Context) []func() datasource.DataSource { return nil }

// duos is another provider process for duos on an API server.
func duos(t *testing.T, api *fakeapi.Server) *world {
	t.Helper()
	return processOf(t, api, &process{}, "mlk_duo", func(data *lifecycle.ProviderData) provider.Provider { return &duoProvider{testProvider{data: data}} })
}

func kindsOf(objects any) []string {
	var out []string
	list, _ := objects.([]any)
	for _, o := range list {
		m, _ := o.(map[string]any)
		out = append(out, fmt.Sprint(m["kind"], " ", m["name"]))
	}
	return out
}

// TestObjectsFollowTheConfiguration adds the second object in an update, loses
// it, renames it, and drops it.
func TestObjectsFollowTheConfiguration(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := duos(t, fakeapi.New(t))
	apply := func(c map[string]any, want ...string) {
		t.Helper()
		if out := w.Apply(ctx, c); out.Errors() != "" || len(out.Replace) > 0 {
			t.Fatal(out.Replace, out.Errors())
		}
		if diff := cmp.Diff(want, kindsOf(w.Attribute("objects"))); diff != "" {
			t.Errorf("objects (-want +got):\n%s", diff)
		}
		if out := w.Refresh(ctx); out.Errors() != "" {
			t.Fatal(out.Errors())
		}
		if out := w.Plan(ctx, c); out.Changed {
			t.Errorf("a change is planned: %s", out.Planned)
		}
		var claims []string
		for _, o := range w.api.List("PersistentVolumeClaim") {
			claims = append(claims, "PersistentVolumeClaim "+o.GetName())
		}
		if diff := cmp.Diff(want[1:], claims, cmp.Transformer("", func(s []string) int { return len(s) })); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
	}
	apply(config(), "Job one")
	apply(config(map[string]any{"claim": "a"}), "Job one", "PersistentVolumeClaim a")

	w.api.Remove("PersistentVolumeClaim", "default", "a")
	if out := w.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	out := w.Plan(ctx, config(map[string]any{"claim": "a"}))
	if diff := cmp.Diff([]string{"Job one", "PersistentVolumeClaim a"}, kindsOf(testkit.Attribute(out.Planned, "objects"))); diff != "" || !out.Changed {
		t.Errorf("a lost object is not planned (-want +got):\n%s", diff)
	}
	apply(config(map[string]any{"claim": "a"}), "Job one", "PersistentVolumeClaim a")
	apply(config(map[string]any{"claim": "b"}), "Job one", "PersistentVolumeClaim b")
	apply(config(), "Job one")
}

// TestFailedPruneIsNotForgotten lets the deletion of what is no longer asked for
// fail: the state still has it, and destroy removes it.
func TestFailedPruneIsNotForgotten(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("applied again=%v", again), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			w := duos(t, fakeapi.New(t))
			if out := w.Apply(ctx, config(map[string]any{"claim": "a"})); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			w.client.Close()
			w.api.Before = func(r fakeapi.Request) error {
				if r.Method == http.MethodDelete {
					return apierrors.NewInternalError(errors.New("not now"))
				}
				return nil
			}
			if out := w.Apply(ctx, config()); !strings.Contains(out.Errors(), "PersistentVolumeClaim default/a") || w.Tainted {
				t.Errorf("tainted %v, errors %s", w.Tainted, out.Errors())
			}
			w.api.Before = nil
			if again {
				if out := w.Apply(ctx, config()); out.Errors() != "" {
					t.Fatal(out.Errors())
				}
			} else if out := w.Apply(ctx, nil); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			if len(w.api.List("PersistentVolumeClaim")) != 0 {
				t.Error("the claim is still there")
			}
			if got := len(w.api.List("Job")); got != map[bool]int{true: 1, false: 0}[again] {
				t.Errorf("there are %d Jobs", got)
			}
		})
	}
}

// TestSecondObjectFails lets the write of the second object fail on create and
// on update: the first one is in the state.
func TestSecondObjectFails(t *testing.T) {
	t.Parallel()
	for name, update := range map[string]bool{"create": false, "update": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			w := duos(t, fakeapi.New(t))
			if update {
				if out := w.Apply(ctx, config()); out.Errors() != "" {
					t.Fatal(out.Errors())
				}
				w.client.Close()
			}
			w.api.Before = func(r fakeapi.Request) error {
				if r.Method == http.MethodPatch && strings.Contains(r.Path, "persistentvolumeclaims") {
					return apierrors.NewBadRequest("not that")
				}
				return nil
			}
			wanted := config(map[string]any{"claim": "a", "labels": map[string]any{"x": "y"}})
			out := w.Apply(ctx, wanted)
			if !strings.Contains(out.Errors(), "not that") || w.State.IsNull() || w.Tainted == update {
				t.Errorf("tainted %v, state %s, errors %s", w.Tainted, w.State, out.Errors())
			}
			uid := w.api.Get("Job", "default", "one").GetUID()
			w.api.Before = nil
			w.Tainted = false // as terraform untaint does
			if out := w.Refresh(ctx); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			if out := w.Apply(ctx, wanted); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			if diff := cmp.Diff([]string{"Job one", "PersistentVolumeClaim a"}, kindsOf(w.Attribute("objects"))); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			if w.api.Get("Job", "default", "one").GetUID() != uid {
				t.Error("the first object was made twice")
			}
		})
	}
}

func TestOrderOfWritesAndDeletes(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := duos(t, fakeapi.New(t))
	if out := w.Apply(ctx, config(map[string]any{"claim": "a"})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.client.Close()
	if out := w.Apply(ctx, nil); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	var got []string
	for _, r := range w.api.Requests() {
		if r.Writes() {
			parts := strings.Split(r.Path, "/")
			got = append(got, r.Method+" "+parts[len(parts)-2])
		}
	}
	got = slices.Compact(got)
	if diff := cmp.Diff([]string{"PATCH jobs", "PATCH persistentvolumeclaims", "PATCH jobs", "DELETE persistentvolumeclaims", "DELETE jobs"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	api := fakeapi.New(t)
	for i := range 3 {
		w := duos(t, api)
		c := config(map[string]any{"keep": 1})
		if out := w.Apply(ctx, c); out.Errors() != "" {
			t.Fatal(out.Errors())
		}
		w.client.Close()
		if out := w.Apply(ctx, nil); out.Errors() != "" || !w.State.IsNull() {
			t.Fatalf("round %d: %s", i, out.Errors())
		}
		job := api.Get("Job", "default", "one")
		if job == nil || job.GetLabels()[lifecycle.KeptLabel] != "one" || job.GetLabels()[lifecycle.OwnerLabel] != "" {
			t.Fatalf("round %d left %v", i, job)
		}
		// The next one is refused: what was released belongs to nobody here.
		if out := duos(t, api).Apply(ctx, c); !strings.Contains(out.Errors(), "already exists") {
			t.Errorf("round %d: %q", i, out.Errors())
		}
		if n := len(api.List("Job")); n != 1 {
			t.Errorf("round %d left %d Jobs", i, n)
		}
		api.Remove("Job", "default", "one")
		job.SetName(fmt.Sprintf("one-%d", i))
		job.SetUID("")
		job.SetResourceVersion("")
		api.Put(job)
	}
	w := duos(t, fakeapi.New(t))
	if out := w.Apply(ctx, config(map[string]any{"keep": -1})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if out := w.Apply(ctx, nil); !strings.Contains(out.Errors(), "is not to be deleted") || w.State.IsNull() || w.api.Get("Job", "default", "one") == nil {
		t.Errorf("a refused delete: %q", out.Errors())
	}
}

// TestOldStateUpgrades reads a state of schema version 0.
func TestOldStateUpgrades(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := duos(t, fakeapi.New(t))
	if out := w.Apply(ctx, config()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.client.Close()
	server := lifecycle.Serve(&duoProvider{testProvider{data: w.data}})
	raw, err := json.Marshal(map[string]any{"id": "default/one", "name": "one", "namespace": "default", "container_image": "busybox:1"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := server.UpgradeResourceState(ctx, &tfprotov6.UpgradeResourceStateRequest{TypeName: "mlk_duo", Version: 0, RawState: &tfprotov6.RawState{JSON: raw}})
	if err != nil || len(got.Diagnostics) > 0 {
		t.Fatal(err, got.Diagnostics)
	}
	w.State = unmarshal(t, got.UpgradedState, w.State.Type())
	// Private state goes along unchanged.
	if out := w.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if diff := cmp.Diff("busybox:1", w.Attribute("image")); diff != "" {
		t.Error(diff)
	}
	if out := w.Apply(ctx, config()); out.Errors() != "" || len(out.Replace) > 0 {
		t.Error(out.Replace, out.Errors())
	}
	if out := w.Plan(ctx, config()); out.Changed {
		t.Errorf("a change is planned: %s", out.Planned)
	}
}

// TestMovedFromAnotherType takes the state of another provider's resource over:
// the object is ours because the state says so, and its first write marks it.
func TestMovedFromAnotherType(t *testing.T) {
	t.Parallel()
	for _, exists := range []bool{true, false} {
		t.Run(fmt.Sprintf("exists=%v", exists), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			w := duos(t, fakeapi.New(t))
			if exists {
				w.api.Put(foreignJob("one"), "Terraform")
			}
			server := lifecycle.Serve(&duoProvider{testProvider{data: w.data}})
			raw, err := json.Marshal(map[string]any{"id": "default/one", "name": "one", "namespace": "default", "picture": "busybox:1"})
			if err != nil {
				t.Fatal(err)
			}
			got, err := server.MoveResourceState(ctx, &tfprotov6.MoveResourceStateRequest{
				SourceProviderAddress: "registry.terraform.io/example/other", SourceTypeName: "other_job", SourceState: &tfprotov6.RawState{JSON: raw},
				TargetTypeName: "mlk_duo",
			})
			if err != nil || len(got.Diagnostics) > 0 {
				t.Fatal(err, got.Diagnostics)
			}
			w.State, w.Private = unmarshal(t, got.TargetState, w.State.Type()), got.TargetPrivate
			if out := w.Refresh(ctx); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			if w.State.IsNull() == exists {
				t.Fatalf("exists: %v, state %s", exists, w.State)
			}
			if !exists {
				return
			}
			uid := w.api.Get("Job", "default", "one").GetUID()
			if out := w.Apply(ctx, config(map[string]any{"labels": map[string]any{"a": "b"}})); out.Errors() != "" || len(out.Replace) > 0 {
				t.Fatal(out.Replace, out.Errors())
			}
			w.client.Close()
			job := w.api.Get("Job", "default", "one")
			if job.GetUID() != uid || job.GetLabels()[lifecycle.OwnerLabel] == "" || job.GetAnnotations()[lifecycle.RecordedAnnotation] == "" {
				t.Errorf("the first write left %v %v", job.GetLabels(), job.GetAnnotations())
			}
			if out := w.Apply(ctx, nil); out.Errors() != "" || w.api.Get("Job", "default", "one") != nil {
				t.Errorf("destroy: %s", out.Errors())
			}
		})
	}
}

func unmarshal(t *testing.T, v *tfprotov6.DynamicValue, typ tftypes.Type) tftypes.Value {
	t.Helper()
	out, err := v.Unmarshal(typ)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// An object that somebody else has made is not taken because an update would like
// to have one of its name.
func TestUpdateTakesNobodysObject(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := duos(t, fakeapi.New(t))
	if out := w.Apply(ctx, map[string]any{"name": "one", "image": "busybox:1"}); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.api.Put(&kube.Object{Object: map[string]any{
		"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": map[string]any{"name": "data", "namespace": "default"}, "spec": map[string]any{"accessModes": []any{"ReadWriteMany"}},
	}})
	out := w.Apply(ctx, map[string]any{"name": "one", "image": "busybox:1", "claim": "data"})
	if want := "PersistentVolumeClaim default/data already exists and is not managed by this resource"; !strings.Contains(out.Errors(), want) {
		t.Errorf("got %q, want %q", out.Errors(), want)
	}
	if o := w.api.Get("PersistentVolumeClaim", "default", "data"); o.GetLabels()[lifecycle.OwnerLabel] != "" {
		t.Errorf("it was taken: %v", o.GetLabels())
	}
}
