package lifecycle_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// says checks that a text holds all of the parts and none of the phrases that no
// user should ever read.
func says(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("%q is missing in:\n%s", p, got)
		}
	}
	for _, never := range []string{"context deadline", "context canceled", "failed to", "%!", "<nil>", "\n\n\n"} {
		if strings.Contains(got, never) {
			t.Errorf("%q is in:\n%s", never, got)
		}
	}
	for _, message := range strings.Split(got, "\n---\n") {
		summary, _, _ := strings.Cut(message, "\n")
		summary, _, _ = strings.Cut(summary, " [AttributeName(")
		if len([]rune(summary)) > 90 || strings.HasSuffix(summary, ".") {
			t.Errorf("summary of %d characters: %q", len([]rune(summary)), summary)
		}
	}
}

func status(code int32, reason metav1.StatusReason, message string, causes ...metav1.StatusCause) error {
	s := metav1.Status{Status: "Failure", Code: code, Reason: reason, Message: message}
	if len(causes) > 0 {
		s.Details = &metav1.StatusDetails{Name: "one", Kind: "Job", Causes: causes}
	}
	return &apierrors.StatusError{ErrStatus: s}
}

// TestRefusalsAreTranslated lets the server refuse the write of a create.
func TestRefusalsAreTranslated(t *testing.T) { // pain 6
	t.Parallel()
	var seven []metav1.StatusCause
	for range 7 {
		seven = append(seven, metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: "spec.backoffLimit", Message: "must be greater"})
	}
	for name, tc := range map[string]struct {
		err   error
		wants []string
	}{
		"401": {status(401, metav1.StatusReasonUnauthorized, "Unauthorized"), []string{
			`The cluster does not accept the credentials for Thing "default/one"`, "401", "token_file", "exec",
		}},
		"403": {status(403, metav1.StatusReasonForbidden, `jobs.batch "one" is forbidden: User "ci" cannot patch resource "jobs" in API group "batch" in the namespace "default"`), []string{
			"This user may not create Job default/one", `User "ci" cannot patch`, "RoleBinding",
		}},
		"quota": {status(403, metav1.StatusReasonForbidden, `jobs.batch "one" is forbidden: exceeded quota: team, requested: count/jobs.batch=1, used: count/jobs.batch=3, limited: count/jobs.batch=3`), []string{
			"The cluster refused to create Job default/one", "exceeded quota: team", "raise its ResourceQuota",
		}},
		"webhook": {status(403, metav1.StatusReasonForbidden, `admission webhook "policy.example.com" denied the request: no latest tags`), []string{
			"refused to create", "no latest tags", "ask those who run it",
		}},
		"a field": {status(422, metav1.StatusReasonInvalid, "Job is invalid", metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: "spec.template.spec.containers[0].image", Message: "Required value"}), []string{
			"spec.template.spec.containers[0].image", "Required value", `[AttributeName("image")]`,
		}},
		"a field of nobody": {status(422, metav1.StatusReasonInvalid, "Job is invalid", metav1.StatusCause{Field: "spec.template.spec[", Message: "who wrote this"}), []string{"who wrote this"}},
		"many fields":       {status(422, metav1.StatusReasonInvalid, "Job is invalid", seven...), []string{`[AttributeName("backoff_limit")]`, "and 2 more"}},
		"no namespace": {&apierrors.StatusError{ErrStatus: metav1.Status{Status: "Failure", Code: 404, Reason: metav1.StatusReasonNotFound, Message: `namespaces "default" not found`, Details: &metav1.StatusDetails{Name: "default", Kind: "namespaces"}}}, []string{
			"Namespace default does not exist", `[AttributeName("namespace")]`, "Create the namespace first",
		}},
		"no API":    {status(404, metav1.StatusReasonNotFound, "the server could not find the requested resource"), []string{"This cluster has no Job API", "batch/v1"}},
		"too many":  {apierrors.NewTooManyRequests("slow down", 0), []string{"slow down"}},
		"plain 400": {apierrors.NewBadRequest("what is this"), []string{"what is this", "The cluster refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.api.Before = func(r fakeapi.Request) error {
				if r.Method == http.MethodPatch {
					return tc.err
				}
				return nil
			}
			out := w.Apply(t.Context(), config(map[string]any{"backoff_limit": 1, "timeouts": map[string]any{"create": "20s"}}))
			says(t, out.Errors(), append(tc.wants, "Nothing was changed.")...)
			if !w.State.IsNull() || w.Tainted {
				t.Errorf("a refusal left a state: %s", w.State)
			}
		})
	}
}

func TestImportRefusals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		id    string
		setup func(w *world)
		wants []string
	}{
		"no namespace":    {id: "one", wants: []string{`"one" is not the id of a thing`, "namespace/name", "terraform import mlk_thing.<name> ml/my-name"}},
		"half":            {id: "default/", wants: []string{"is not the id of a thing"}},
		"too much":        {id: "a/b/c", wants: []string{"is not the id of a thing"}},
		"does not exist":  {id: "default/two", wants: []string{"Job default/two does not exist", "Nothing was imported"}},
		"no such place":   {id: "nowhere/one", wants: []string{"Job nowhere/one does not exist"}},
		"a very long one": {id: strings.Repeat("x", 300), wants: []string{"namespace/name"}},
		"controlled": {id: "default/one", setup: func(w *world) {
			o := foreignJob("one")
			yes := true
			o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "CronJob", Name: "nightly", UID: "u", Controller: &yes}})
			w.api.Put(o)
		}, wants: []string{"Job default/one is managed by CronJob nightly", "Import CronJob nightly instead"}},
		"forbidden": {id: "default/one", setup: func(w *world) {
			w.api.Before = func(r fakeapi.Request) error {
				if strings.Contains(r.Path, "/jobs/") {
					return status(403, metav1.StatusReasonForbidden, `jobs.batch "one" is forbidden: User "ci" cannot get resource "jobs"`)
				}
				return nil
			}
		}, wants: []string{"This user may not read Job default/one", "Nothing was imported"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tc.setup != nil {
				tc.setup(w)
			}
			out := w.Import(t.Context(), tc.id)
			says(t, out.Errors(), tc.wants...)
			if !w.State.IsNull() {
				t.Errorf("it left a state: %s", w.State)
			}
		})
	}
}

func TestNotConfigured(t *testing.T) {
	t.Parallel()
	w := &world{Core: testkit.NewCore(t, &testProvider{}, nil, "mlk_thing")}
	says(t, w.Import(t.Context(), "default/one").Errors(), "The provider is not configured", `provider "mlk"`)
}

func TestNoClusterConfigured(t *testing.T) {
	t.Parallel()
	data := &lifecycle.ProviderData{
		Connect:   func() (*kube.Client, error) { return nil, errors.New("no host, no kubeconfig") },
		Namespace: "default", ClusterChanged: "error",
	}
	core := testkit.NewCore(t, &testProvider{data: data}, nil, "mlk_thing")
	if out := core.Plan(t.Context(), config()); out.Errors() != "" {
		t.Errorf("a plan of something new needs no cluster: %s", out.Errors())
	}
	out := core.Apply(t.Context(), config())
	says(t, out.Errors(), "No cluster can be reached with this provider configuration", "no host, no kubeconfig")
	if core.Tainted || !core.State.IsNull() {
		t.Error("it left a state")
	}
}

// TestClusterUnknown plans while the cluster is made in the same apply.
func TestClusterUnknown(t *testing.T) { // pain 25
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.data.Unknown = "host"
	if out := w.Plan(ctx, config()); out.Errors() != "" || testkit.Attribute(out.Planned, "id") != "default/one" {
		t.Errorf("%v %s", testkit.Attribute(out.Planned, "id"), out.Errors())
	}
	says(t, w.Apply(ctx, config()).Errors(), "The provider does not know its cluster yet", `"host"`, "-target")
	if w.Tainted || !w.State.IsNull() {
		t.Fatal("it left a state")
	}

	w.data.Unknown = ""
	if out := w.Apply(ctx, config()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	before := w.State
	w.data.Unknown = "host"
	out := w.Refresh(ctx)
	if out.Errors() != "" || !w.State.Equal(before) {
		t.Errorf("state kept: %v, %s", w.State.Equal(before), out.Errors())
	}
	says(t, out.Warnings(), "The cluster is not known yet, so the state was not refreshed", `"host"`)
	if out := w.Plan(ctx, config()); out.Changed || out.Errors() != "" {
		t.Errorf("a change is planned: %s %s", out.Planned, out.Errors())
	}
}

// TestOpenProviderAttributes plans while what the provider puts on objects is
// not known, alone and together with the cluster.
func TestOpenProviderAttributes(t *testing.T) {
	t.Parallel()
	for name, unknown := range map[string]string{"alone": "labels", "with the cluster": "host"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.data.Unknown, w.data.Open = unknown, []string{"labels", "annotations", "namespace"}
			w.data.Labels = map[string]string{"known": "part"}
			out := w.Plan(t.Context(), config(map[string]any{"labels": map[string]any{"a": "b"}}))
			if out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			for _, attr := range []string{"labels_all", "annotations_all", "namespace", "id", "objects"} {
				if got := testkit.Attribute(out.Planned, attr); got != (testkit.Unknown{}) {
					t.Errorf("%s is planned as %v", attr, got)
				}
			}
		})
	}
}

func TestTenantWhoMayNotReadTheCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if out := w.Apply(ctx, config()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.client.Close()

	tenant := newProcess(t, w.api, &process{})
	w.api.Before = func(r fakeapi.Request) error {
		if strings.HasSuffix(r.Path, "kube-system") {
			return status(403, metav1.StatusReasonForbidden, `namespaces "kube-system" is forbidden: User "tenant" cannot get resource "namespaces"`)
		}
		return nil
	}
	tenant.State, tenant.Private = w.State, w.Private
	changed := config(map[string]any{"backoff_limit": 3})
	if out := tenant.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if out := tenant.Apply(ctx, changed); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	tenant.client.Close()
	w.api.Before = nil

	// What the tenant could not read is not forgotten.
	other := newWorld(t)
	other.State, other.Private = tenant.State, tenant.Private
	says(t, other.Refresh(ctx).Errors(), "was made on another cluster")
}

// TestPodsMayNotBeSeen gives rights on Jobs alone.
func TestPodsMayNotBeSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.api.Before = func(r fakeapi.Request) error {
		if strings.Contains(r.Path, "/pods") || strings.Contains(r.Path, "/events") {
			return status(403, metav1.StatusReasonForbidden, `pods is forbidden: User "ci" cannot list resource "pods"`)
		}
		return nil
	}
	w.api.After = func(r fakeapi.Request) error {
		if r.Method == http.MethodPatch && !r.DryRun {
			go w.api.Change("Job", "default", "one", "kube-controller-manager", complete)
			w.api.After = nil
		}
		return nil
	}
	waiting := config(map[string]any{"wait_for": "completed", "timeouts": map[string]any{"create": "20s"}})
	if out := w.Apply(ctx, waiting); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if out := w.Refresh(ctx); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if out := w.Plan(ctx, waiting); out.Changed {
		t.Errorf("a change is planned: %s", out.Planned)
	}
	if out := w.Apply(ctx, nil); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
}

// TestWaitWithoutTheRightToWatch lets a user get the object and nothing more.
func TestWaitWithoutTheRightToWatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wrote := false
	w.api.Before = func(r fakeapi.Request) error {
		if r.Watch || strings.HasSuffix(r.Path, "/jobs") {
			return status(403, metav1.StatusReasonForbidden, `jobs.batch is forbidden: User "ci" cannot watch resource "jobs"`)
		}
		return nil
	}
	w.api.After = func(r fakeapi.Request) error {
		if r.Method == http.MethodPatch && !r.DryRun && !wrote {
			wrote = true
			go w.api.Change("Job", "default", "one", "kube-controller-manager", complete)
		}
		return nil
	}
	if out := w.Apply(t.Context(), config(map[string]any{"wait_for": "completed", "timeouts": map[string]any{"create": "20s"}})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if diff := cmp.Diff("Complete", phase(w.Attribute("status"))); diff != "" {
		t.Error(diff)
	}
}

// TestWaitOverABrokenWatch breaks all connections while the wait goes on.
func TestWaitOverABrokenWatch(t *testing.T) { // pain 18
	t.Parallel()
	w := newWorld(t)
	broke := false
	w.api.Before = func(r fakeapi.Request) error {
		if r.Watch && strings.HasSuffix(r.Path, "/jobs") && !broke {
			broke = true
			go func() {
				w.api.Disconnect()
				w.api.Change("Job", "default", "one", "kube-controller-manager", complete)
			}()
		}
		return nil
	}
	if out := w.Apply(t.Context(), config(map[string]any{"wait_for": "completed", "timeouts": map[string]any{"create": "30s"}})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if !broke {
		t.Error("the wait began without a watch")
	}
}

func phase(status any) any {
	m, _ := status.(map[string]any)
	return m["phase"]
}

// TestTimeoutsOfNothing checks that a bound of zero ends in words, and leaves
// nothing that nobody knows.
func TestTimeoutsOfNothing(t *testing.T) {
	t.Parallel()
	for _, limit := range []string{"0s", "1ns", "-1s"} {
		t.Run(limit, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			out := w.Apply(t.Context(), config(map[string]any{"timeouts": map[string]any{"create": limit}}))
			says(t, out.Errors(), "did not answer in time")
			if w.api.Get("Job", "default", "one") != nil && w.State.IsNull() {
				t.Error("the state lost an object")
			}
		})
	}
}

// TestConflictOnDeleteIsNotGone lets a webhook answer a delete with a conflict.
func TestConflictOnDeleteIsNotGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if out := w.Apply(ctx, config()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.api.Before = func(r fakeapi.Request) error {
		if r.Method == http.MethodDelete {
			return apierrors.NewConflict(schema.GroupResource{Group: "batch", Resource: "jobs"}, "one", errors.New("a backup is running"))
		}
		return nil
	}
	out := w.Apply(ctx, nil)
	says(t, out.Errors(), "delete Job default/one", "a backup is running", "The state still has it")
	if w.State.IsNull() {
		t.Error("the state lost an object that exists")
	}
	w.api.Before = nil
	if out := w.Apply(ctx, nil); out.Errors() != "" || w.api.Get("Job", "default", "one") != nil {
		t.Errorf("the next destroy: %s", out.Errors())
	}
}
