package lifecycle_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// patch is a patch of the Job.
func patch(job map[string]any) map[string]any {
	return map[string]any{"patch": map[string]any{"Job": job}}
}

func spec(fields map[string]any) map[string]any { return map[string]any{"spec": fields} }

func podSpec(fields map[string]any) map[string]any {
	return spec(map[string]any{"template": spec(fields)})
}

func TestPatchIsMergedStrategically(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		patch map[string]any
		at    []string
		want  any // nil: not there
	}{
		"a field":                   {spec(map[string]any{"activeDeadlineSeconds": 60}), []string{"spec", "activeDeadlineSeconds"}, int64(60)},
		"zero":                      {spec(map[string]any{"ttlSecondsAfterFinished": 0}), []string{"spec", "ttlSecondsAfterFinished"}, int64(0)},
		"false":                     {spec(map[string]any{"suspend": false}), []string{"spec", "suspend"}, false},
		"over an attribute":         {spec(map[string]any{"backoffLimit": 9}), []string{"spec", "backoffLimit"}, int64(9)},
		"null removes":              {spec(map[string]any{"backoffLimit": nil}), []string{"spec", "backoffLimit"}, nil},
		"into a keyed list":         {podSpec(map[string]any{"containers": []any{map[string]any{"name": "main", "tty": true}}}), []string{"spec", "template", "spec", "containers", "main", "image"}, "busybox:1"},
		"a new element":             {podSpec(map[string]any{"containers": []any{map[string]any{"name": "proxy", "image": "envoy:1"}}}), []string{"spec", "template", "spec", "containers", "proxy", "image"}, "envoy:1"},
		"an element goes":           {podSpec(map[string]any{"containers": []any{map[string]any{"name": "main", "env": []any{map[string]any{"name": "A", "$patch": "delete"}}}}}), []string{"spec", "template", "spec", "containers", "main", "env", "A"}, nil},
		"an element that is there":  {podSpec(map[string]any{"containers": []any{map[string]any{"name": "main", "env": []any{map[string]any{"name": "A", "value": "9"}}}}}), []string{"spec", "template", "spec", "containers", "main", "env", "A", "value"}, "9"},
		"a list without keys":       {podSpec(map[string]any{"tolerations": []any{map[string]any{"key": "k", "operator": "Exists"}}}), []string{"spec", "template", "spec", "tolerations", "0", "key"}, "k"},
		"labels of the object":      {map[string]any{"metadata": map[string]any{"labels": map[string]any{"x": "y"}}}, []string{"metadata", "labels", "x"}, "y"},
		"an annotation of the pod":  {spec(map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]any{"mlk.dev/simulate": "run"}}}}), []string{"spec", "template", "metadata", "annotations", "mlk.dev/simulate"}, "run"},
		"an empty struct is a word": {podSpec(map[string]any{"volumes": []any{map[string]any{"name": "v", "emptyDir": map[string]any{}}}}), []string{"spec", "template", "spec", "volumes", "v", "emptyDir"}, map[string]any{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			w := newWorld(t)
			c := config(map[string]any{"backoff_limit": 3, "env": map[string]any{"A": "1", "B": "2"}}, patch(tc.patch))
			if out := w.Apply(ctx, c); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			got, ok := kube.At(w.api.Get("Job", "default", "one").Object, tc.at...)
			if ok != (tc.want != nil) {
				t.Fatalf("there: %v, %v", ok, got)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if out := w.Refresh(ctx); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			if out := w.Plan(ctx, c); out.Changed || out.Errors() != "" {
				t.Errorf("a change is planned: %s %s", out.Planned, out.Errors())
			}
		})
	}
}

func TestPatchRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		patch any
		wants []string
	}{
		"another kind":     {map[string]any{"Deployment": spec(map[string]any{"replicas": 1})}, []string{`patch names "Deployment", which this resource does not make`, "It makes: Job."}},
		"not by kind":      {map[string]any{"spec": 1}, []string{"patch is not an object keyed by kind"}},
		"a text":           {"spec", []string{"patch is not an object keyed by kind"}},
		"a list":           {[]any{"spec"}, []string{"patch is not an object keyed by kind"}},
		"a kind of null":   {map[string]any{"Job": nil}, []string{"patch is not an object keyed by kind"}},
		"no merge key":     {map[string]any{"Job": podSpec(map[string]any{"containers": []any{map[string]any{"image": "x"}}})}, []string{"The patch of Job cannot be merged", "by their name"}},
		"the name":         {map[string]any{"Job": map[string]any{"metadata": map[string]any{"name": "two"}}}, []string{"patch cannot set metadata.name of Job"}},
		"the namespace":    {map[string]any{"Job": map[string]any{"metadata": map[string]any{"namespace": "two"}}}, []string{"patch cannot set metadata.namespace of Job"}},
		"the kind":         {map[string]any{"Job": map[string]any{"kind": "Pod"}}, []string{"patch cannot set kind of Job"}},
		"the status":       {map[string]any{"Job": map[string]any{"status": map[string]any{"succeeded": 1}}}, []string{"patch cannot set status of Job"}},
		"the owner's mark": {map[string]any{"Job": map[string]any{"metadata": map[string]any{"labels": map[string]any{"mlk.dev/owner": "me"}}}}, []string{"patch cannot set metadata.labels.mlk.dev/owner of Job"}},
		"the state's mark": {map[string]any{"Job": map[string]any{"metadata": map[string]any{"annotations": map[string]any{"a": "b", "mlk.dev/recorded": nil}}}}, []string{"patch cannot set metadata.annotations.mlk.dev/recorded of Job"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			out := w.Plan(t.Context(), config(map[string]any{"patch": tc.patch}))
			says(t, out.Errors(), append(tc.wants, `[AttributeName("patch")]`)...)
		})
	}
}

func TestPatchDrift(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		patch map[string]any
		edit  func(o map[string]any)
		want  map[string]any // the patch in the state; nil when it is as it was
	}{
		"another field":     {spec(map[string]any{"parallelism": int64(2)}), func(o map[string]any) { set(o, int64(9), "spec", "activeDeadlineSeconds") }, nil},
		"its field":         {spec(map[string]any{"parallelism": int64(2)}), func(o map[string]any) { set(o, int64(3), "spec", "parallelism") }, spec(map[string]any{"parallelism": int64(3)})},
		"its field is gone": {spec(map[string]any{"activeDeadlineSeconds": int64(2)}), func(o map[string]any) { delete(o["spec"].(map[string]any), "activeDeadlineSeconds") }, spec(map[string]any{})}, //nolint:forcetypeassert // a test fixture
		"an amount in other words": {
			podSpec(map[string]any{"containers": []any{map[string]any{"name": "main", "resources": map[string]any{"requests": map[string]any{"cpu": "1000m"}}}}}),
			func(o map[string]any) { set(container(o), "1", "resources", "requests", "cpu") }, nil,
		},
		"in a keyed list": {
			podSpec(map[string]any{"containers": []any{map[string]any{"name": "main", "tty": true, "stdin": true}}}),
			func(o map[string]any) { container(o)["tty"] = false }, // which the server leaves out
			podSpec(map[string]any{"containers": []any{map[string]any{"name": "main", "stdin": true}}}),
		},
		"a list without keys": {
			podSpec(map[string]any{"tolerations": []any{map[string]any{"key": "a", "operator": "Exists"}}}),
			func(o map[string]any) { set(o, []any{}, "spec", "template", "spec", "tolerations") },
			podSpec(map[string]any{}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			w := newWorld(t)
			c := config(patch(tc.patch))
			if out := w.Apply(ctx, c); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			w.client.Close()
			w.api.Change("Job", "default", "one", "kubectl-edit", tc.edit)
			if out := w.Refresh(ctx); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			want := tc.want
			if want == nil {
				want = tc.patch
			}
			if diff := cmp.Diff(map[string]any{"Job": want}, w.Attribute("patch")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if out := w.Plan(ctx, c); out.Errors() != "" || out.Changed != (tc.want != nil) {
				t.Errorf("a change is planned: %v %s", out.Changed, out.Errors())
			}
		})
	}
}

// TestPatchInOtherWords plans no change where Kubernetes sees none.
func TestPatchInOtherWords(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t)
	requests := func(cpu any) map[string]any {
		return podSpec(map[string]any{"containers": []any{map[string]any{"name": "main", "resources": map[string]any{"requests": map[string]any{"cpu": cpu}}}}})
	}
	if out := w.Apply(ctx, config(patch(requests("1000m")))); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	for _, same := range []any{"1", 1, "1000m", "1.0"} {
		if out := w.Plan(ctx, config(patch(requests(same)))); out.Changed || out.Errors() != "" {
			t.Errorf("%v plans a change: %s", same, out.Errors())
		}
	}
	if out := w.Plan(ctx, config(patch(requests("2")))); !out.Changed {
		t.Error("another amount plans no change")
	}
	if out := w.Plan(ctx, config(patch(map[string]any{"spec": testkit.Unknown{}}))); out.Errors() != "" {
		t.Errorf("an unknown part: %s", out.Errors())
	}
	if out := w.Plan(ctx, config(map[string]any{"patch": testkit.Unknown{}})); out.Errors() != "" || !out.Changed {
		t.Errorf("an unknown patch: %v %s", out.Changed, out.Errors())
	}
	if out := w.Plan(ctx, config(map[string]any{"patch": map[string]any{}})); out.Errors() != "" || !out.Changed {
		t.Errorf("an empty patch: %v %s", out.Changed, out.Errors())
	}
}
