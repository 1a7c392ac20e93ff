package lifecycle_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

func TestCreateReadUpdateDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()

	if out := w.Apply(ctx, config(map[string]any{"memory": "1Gi"})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	job := w.api.Get("Job", "default", "one")
	if job == nil {
		t.Fatal("no Job was made")
	}
	if got := w.Attribute("id"); got != "default/one" {
		t.Errorf("id is %v", got)
	}
	if out := w.Plan(ctx, config(map[string]any{"memory": "1Gi"})); out.Changed {
		t.Errorf("an unchanged configuration plans a change: %s", out.Planned)
	}
	if out := w.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if out := w.Plan(ctx, config(map[string]any{"memory": "1024Mi"})); out.Changed {
		t.Errorf("the same amount in other words plans a change: %s", out.Planned)
	}

	uid := job.GetUID()
	if out := w.Apply(ctx, config(map[string]any{"memory": "1Gi", "backoff_limit": 0, "labels": map[string]any{"team": "a"}})); out.Errors() != "" || len(out.Replace) > 0 {
		t.Fatal(out.Replace, out.Errors())
	}
	job = w.api.Get("Job", "default", "one")
	if job.GetUID() != uid {
		t.Error("an edit in place made a new object")
	}
	if n, ok, _ := unstructured.NestedInt64(job.Object, "spec", "backoffLimit"); !ok || n != 0 {
		t.Errorf("backoffLimit is %d, %v: zero is a value", n, ok)
	}
	if job.GetLabels()["team"] != "a" {
		t.Error("the label is missing")
	}

	out := w.Apply(ctx, config(map[string]any{"memory": "2Gi"}))
	if out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if diff := cmp.Diff([]string{`AttributeName("memory")`}, out.Replace); diff != "" {
		t.Errorf("replacement (-want +got):\n%s", diff)
	}
	if w.api.Get("Job", "default", "one").GetUID() == uid {
		t.Error("a frozen attribute changed and the object did not")
	}

	if out := w.Apply(ctx, nil); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if w.api.Get("Job", "default", "one") != nil {
		t.Error("the Job is still there")
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if out := w.Apply(t.Context(), config()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.client.Close() // writes what is still to be written
	job := w.api.Get("Job", "default", "one")
	a := job.GetAnnotations()
	if job.GetLabels()[lifecycle.OwnerLabel] == "" || a[lifecycle.ClaimAnnotation] == "" {
		t.Errorf("marks are missing: %v %v", job.GetLabels(), a)
	}
	if got := a[lifecycle.ResourceAnnotation]; got != "thing/default/one" {
		t.Errorf("resource mark is %q", got)
	}
	if a[lifecycle.RecordedAnnotation] == "" {
		t.Error("the recorded mark is missing")
	}
}

func TestDriftIsSeenOnWhatIsDeclared(t *testing.T) {
	t.Parallel()
	declared := config(map[string]any{
		"memory": "1Gi", "backoff_limit": 3, "env": map[string]any{"A": "1", "B": "2"}, "labels": map[string]any{"team": "a"},
	})
	for name, tc := range map[string]struct {
		edit func(o map[string]any)
		want map[string]any // attributes that must differ from the configuration
	}{
		"foreign label": {func(o map[string]any) { set(o, "x", "metadata", "labels", "someone") }, nil},
		"foreign field": {func(o map[string]any) { set(o, int64(60), "spec", "activeDeadlineSeconds") }, nil},
		"own label":     {func(o map[string]any) { set(o, "b", "metadata", "labels", "team") }, map[string]any{"labels": map[string]any{"team": "b"}}},
		"own label gone": {func(o map[string]any) {
			unstructured.RemoveNestedField(o, "metadata", "labels", "team")
		}, map[string]any{"labels": map[string]any{}}},
		"backoff limit": {func(o map[string]any) { set(o, int64(9), "spec", "backoffLimit") }, map[string]any{"backoff_limit": int64(9)}},
		"quantity in other words": {func(o map[string]any) {
			set(container(o), "1024Mi", "resources", "limits", "memory")
		}, nil},
		"env": {func(o map[string]any) {
			container(o)["env"] = []any{map[string]any{"name": "B", "value": "9"}, map[string]any{"name": "A", "value": "1"}}
		}, map[string]any{"env": map[string]any{"A": "1", "B": "9"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if out := w.Apply(t.Context(), declared); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			w.api.Change("Job", "default", "one", "kubectl-edit", tc.edit)
			if out := w.Refresh(t.Context()); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			for attr, want := range declared {
				if over, ok := tc.want[attr]; ok {
					want = over
				}
				if n, ok := want.(int); ok {
					want = int64(n)
				}
				if diff := cmp.Diff(want, w.Attribute(attr)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", attr, diff)
				}
			}
			if out := w.Plan(t.Context(), declared); out.Changed != (tc.want != nil) {
				t.Errorf("change planned: %v", out.Changed)
			}
		})
	}
}

func set(o map[string]any, v any, at ...string) {
	if err := unstructured.SetNestedField(o, v, at...); err != nil {
		panic(err)
	}
}

func container(o map[string]any) map[string]any {
	list, _, _ := unstructured.NestedFieldNoCopy(o, "spec", "template", "spec", "containers")
	return list.([]any)[0].(map[string]any) //nolint:forcetypeassert // a test fixture
}

func TestRefusesWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.api.Put(foreignJob("one"))
	out := w.Apply(t.Context(), config())
	if !strings.Contains(out.Errors(), "already exists and is not managed by mlk") || !strings.Contains(out.Errors(), "terraform import") {
		t.Errorf("got %q", out.Errors())
	}
	if !w.State.IsNull() {
		t.Error("a refusal must leave no state")
	}
}

func foreignJob(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "batch/v1", "kind": "Job",
		"metadata": map[string]any{"name": name, "namespace": "default"},
		"spec": map[string]any{"backoffLimit": int64(4), "template": map[string]any{"spec": map[string]any{
			"restartPolicy": "Never", "containers": []any{map[string]any{"name": "main", "image": "busybox:1"}},
		}}},
	}}
}

func TestSecondWorkspaceIsRefusedAndHarmless(t *testing.T) {
	t.Parallel()
	first := newWorld(t)
	ctx := t.Context()
	if out := first.Apply(ctx, config()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	first.client.Close()
	uid := first.api.Get("Job", "default", "one").GetUID()

	second := newWorkspace(t, first.api)
	out := second.Apply(ctx, config())
	if !strings.Contains(out.Errors(), "belongs to another state") {
		t.Errorf("the second workspace got %q", out.Errors())
	}
	if out := second.Apply(ctx, nil); out.Errors() != "" {
		t.Error(out.Errors())
	}
	if job := first.api.Get("Job", "default", "one"); job == nil || job.GetUID() != uid {
		t.Error("the first workspace's Job is gone")
	}
}

func TestDeleteLeavesWhatAnotherStateTookOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if out := w.Apply(ctx, config()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.client.Close()
	w.api.Change("Job", "default", "one", "terraform-provider-mlk", func(o map[string]any) {
		set(o, "theirs", "metadata", "annotations", lifecycle.ClaimAnnotation)
	})
	if out := w.Plan(ctx, config(map[string]any{"backoff_limit": 1})); !out.Changed {
		t.Fatal("no change planned")
	}
	if out := w.Apply(ctx, config(map[string]any{"backoff_limit": 1})); !strings.Contains(out.Errors(), "now belongs to another state") {
		t.Errorf("update got %q", out.Errors())
	}
	out := w.Apply(ctx, nil)
	if out.Errors() != "" || !strings.Contains(out.Warnings(), "was left alone") {
		t.Errorf("delete got %q, %q", out.Errors(), out.Warnings())
	}
	if w.api.Get("Job", "default", "one") == nil {
		t.Error("the Job of another state was deleted")
	}
}

func TestTaintedObjectIsDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if out := w.Apply(ctx, config()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	uid := w.api.Get("Job", "default", "one").GetUID()
	w.Tainted = true
	if out := w.Apply(ctx, config(map[string]any{"backoff_limit": 1})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if job := w.api.Get("Job", "default", "one"); job == nil || job.GetUID() == uid {
		t.Error("the tainted Job was not replaced")
	}
}

func TestCollectedAfterSuccessStaysInState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if out := w.Apply(ctx, config()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.client.Close()
	w.api.Change("Job", "default", "one", "kube-controller-manager", complete)
	if out := w.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.api.Remove("Job", "default", "one")
	if out := w.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if out := w.Plan(ctx, config()); out.Changed {
		t.Errorf("a finished run would run again: %s", out.Planned)
	}
	out := w.Apply(ctx, config(map[string]any{"labels": map[string]any{"a": "b"}}))
	if out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if w.api.Get("Job", "default", "one") != nil {
		t.Error("a label change made the run again")
	}
	if diff := cmp.Diff(map[string]any{"a": "b"}, w.Attribute("labels")); diff != "" {
		t.Error(diff)
	}
}

func complete(o map[string]any) {
	set(o, []any{map[string]any{"type": "Complete", "status": "True", "reason": "CompletionsReached"}}, "status", "conditions")
}

func TestVanishedUnfinishedIsPlannedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if out := w.Apply(ctx, config()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.client.Close()
	w.api.Remove("Job", "default", "one")
	if out := w.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if !w.State.IsNull() {
		t.Error("a vanished unfinished run is still in the state")
	}
}

func TestImportInheritsFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	job := foreignJob("one")
	set(job.Object, int64(77), "spec", "activeDeadlineSeconds")
	w.api.Put(job)
	if out := w.Import(ctx, "default/one"); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	conf := w.Config()
	want := map[string]any{
		"name": "one", "namespace": "default", "image": "busybox:1", "backoff_limit": int64(4),
		"patch": map[string]any{"Job": map[string]any{"spec": map[string]any{"activeDeadlineSeconds": int64(77)}}},
	}
	if diff := cmp.Diff(want, conf); diff != "" {
		t.Errorf("adopted configuration (-want +got):\n%s", diff)
	}
	delete(conf, "patch")
	conf["backoff_limit"] = int64(5)
	if out := w.Apply(ctx, conf); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	live := w.api.Get("Job", "default", "one")
	if _, ok, _ := unstructured.NestedFieldNoCopy(live.Object, "spec", "activeDeadlineSeconds"); ok {
		t.Error("a field that kubectl set and the configuration dropped is still there")
	}
	if n, _, _ := unstructured.NestedInt64(live.Object, "spec", "backoffLimit"); n != 5 {
		t.Errorf("backoffLimit is %d", n)
	}
	if live.GetLabels()[lifecycle.OwnerLabel] == "" {
		t.Error("the first write did not mark the object")
	}
}

func TestConflictNamesFieldAndManager(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if out := w.Apply(ctx, config()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.client.Close()
	w.api.Change("Job", "default", "one", "autoscaler", func(o map[string]any) { set(o, int64(2), "spec", "backoffLimit") })
	out := w.Apply(ctx, config(map[string]any{"backoff_limit": 3}))
	for _, want := range []string{`"spec.backoffLimit" of Job default/one belongs to "autoscaler"`, `[AttributeName("backoff_limit")]`, "force_conflicts"} {
		if !strings.Contains(out.Errors(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.Errors())
		}
	}
	if out := w.Apply(ctx, config(map[string]any{"backoff_limit": 3, "force_conflicts": true})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if n, _, _ := unstructured.NestedInt64(w.api.Get("Job", "default", "one").Object, "spec", "backoffLimit"); n != 3 {
		t.Errorf("backoffLimit is %d", n)
	}
}

func TestWrongCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if out := w.Apply(ctx, config()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	other := newWorld(t)
	other.State, other.Private = w.State, w.Private
	out := other.Refresh(ctx)
	if !strings.Contains(out.Errors(), "was made on another cluster") {
		t.Errorf("refresh got %q", out.Errors())
	}
	if !other.State.Equal(w.State) {
		t.Error("the state was touched")
	}
	if out := other.Apply(ctx, nil); !strings.Contains(out.Errors(), "was made on another cluster") {
		t.Errorf("destroy got %q", out.Errors())
	}
	other.data.ClusterChanged = "recreate"
	if out := other.Refresh(ctx); out.Errors() != "" || !other.State.IsNull() {
		t.Errorf("recreate got %q, state %s", out.Errors(), other.State)
	}
}
