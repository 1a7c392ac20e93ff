package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// dial returns a client of a server of the test's own.
func dial(t *testing.T) (*fakeapi.Server, *Client) {
	t.Helper()
	api := fakeapi.New(t)
	return api, clientOf(t, api)
}

func clientOf(t *testing.T, api *fakeapi.Server) *Client {
	t.Helper()
	c, err := NewClient(api.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// job is a Job with the spec.
func job(t *testing.T, name, spec string) *Object {
	t.Helper()
	return &Object{Object: map[string]any{
		"apiVersion": "batch/v1", "kind": "Job",
		"metadata": map[string]any{"name": name, "namespace": "default"},
		"spec":     tree(t, spec),
	}}
}

func ref(name string) Ref { return Ref{Kind: Job, Namespace: "default", Name: name} }

const simple = `{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"main","image":"busybox:1"}]}}}`

func mustApply(t *testing.T, c *Client, o *Object, opts ApplyOptions) *Object {
	t.Helper()
	live, _, err := c.Apply(t.Context(), Job, o, opts)
	if err != nil {
		t.Fatal(err)
	}
	return live
}

func TestAsApplied(t *testing.T) {
	t.Parallel()
	const template = "spec.template"
	for name, tc := range map[string]struct {
		// applied is what mlk applied; "" when kubectl made the object.
		applied string
		// edit is what others did since.
		edit func(o map[string]any)
		// wanted is what this version of mlk would send, sent what it must send.
		wanted, sent string
	}{
		"nothing changed": {
			applied: simple, wanted: simple, sent: simple,
		},
		"a new version says more": {
			applied: simple,
			wanted:  `{"template":{"spec":{"restartPolicy":"Never","enableServiceLinks":false,"containers":[{"name":"main","image":"busybox:1","tty":true}]}},"ttlSecondsAfterFinished":5}`,
			sent:    `{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"main","image":"busybox:1"}]}},"ttlSecondsAfterFinished":5}`,
		},
		"a new version says less": {
			applied: `{"template":{"spec":{"restartPolicy":"Never","terminationGracePeriodSeconds":5,"containers":[{"name":"main","image":"busybox:1","tty":true,"args":["a","b"]}]}}}`,
			wanted:  simple,
			sent:    `{"template":{"spec":{"restartPolicy":"Never","terminationGracePeriodSeconds":5,"containers":[{"name":"main","image":"busybox:1","tty":true,"args":["a","b"]}]}}}`,
		},
		"in another order": {
			applied: `{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"main","image":"busybox:1","env":[{"name":"B","value":"1"},{"name":"A","value":"2"}]}]}}}`,
			wanted:  `{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"main","image":"busybox:1","env":[{"name":"A","value":"2"},{"name":"B","value":"1"}]}]}}}`,
			sent:    `{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"main","image":"busybox:1","env":[{"name":"B","value":"1"},{"name":"A","value":"2"}]}]}}}`,
		},
		"what is not frozen goes as wanted": {
			applied: `{"backoffLimit":1,` + simple[1:], wanted: `{"backoffLimit":2,` + simple[1:], sent: `{"backoffLimit":2,` + simple[1:],
		},
		"a webhook's sidecar is not ours": {
			applied: simple,
			edit: func(o map[string]any) {
				spec, _ := At(o, "spec", "template", "spec")
				m := spec.(map[string]any)                                                                             //nolint:forcetypeassert // a test fixture
				m["containers"] = append(m["containers"].([]any), map[string]any{"name": "proxy", "image": "envoy:1"}) //nolint:forcetypeassert // as above
			},
			wanted: simple, sent: simple,
		},
		"ports told apart by two keys": {
			applied: `{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"main","image":"busybox:1","ports":[{"containerPort":53,"protocol":"UDP"},{"containerPort":53,"protocol":"TCP"}]}]}}}`,
			wanted:  `{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"main","image":"busybox:1","ports":[{"containerPort":53,"protocol":"TCP"},{"containerPort":53,"protocol":"UDP"}]}]}}}`,
			sent:    `{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"main","image":"busybox:1","ports":[{"containerPort":53,"protocol":"UDP"},{"containerPort":53,"protocol":"TCP"}]}]}}}`,
		},
		"kubectl's object is repeated, not changed": {
			wanted: `{"template":{"spec":{"restartPolicy":"Never","hostNetwork":true,"containers":[{"name":"main","image":"busybox:2"}]}}}`,
			sent:   simple,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, c := dial(t)
			if tc.applied == "" {
				api.Put(job(t, "one", simple))
			} else {
				mustApply(t, c, job(t, "one", tc.applied), ApplyOptions{})
			}
			if tc.edit != nil {
				api.Change("Job", "default", "one", "webhook", tc.edit)
			}
			wanted := job(t, "one", tc.wanted)
			AsApplied(Job, wanted, api.Get("Job", "default", "one"))
			if diff := cmp.Diff(tree(t, tc.sent), wanted.Object["spec"]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", template, diff)
			}
		})
	}
}

func TestAsAppliedKeepsLiveUntouched(t *testing.T) {
	t.Parallel()
	api, c := dial(t)
	mustApply(t, c, job(t, "one", simple), ApplyOptions{})
	live := api.Get("Job", "default", "one")
	before := live.DeepCopy()
	wanted := job(t, "one", simple)
	AsApplied(Job, wanted, live)
	main, ok := At(wanted.Object, "spec", "template", "spec", "containers", "main")
	if !ok {
		t.Fatal("the container is missing")
	}
	main.(map[string]any)["image"] = "changed" //nolint:forcetypeassert // a test fixture
	if diff := cmp.Diff(before.Object, live.Object); diff != "" {
		t.Errorf("live (-want +got):\n%s", diff)
	}
}

func TestInheritedOnAServer(t *testing.T) {
	t.Parallel()
	edit := func(o map[string]any) {
		o["spec"].(map[string]any)["activeDeadlineSeconds"] = int64(9) //nolint:forcetypeassert // a test fixture
	}
	for name, tc := range map[string]struct {
		makers []string // managers that edit the object one after another
		moved  bool
		// owner is who has activeDeadlineSeconds in the end.
		owner string
	}{
		"kubectl create":            {[]string{"kubectl-create"}, true, Manager},
		"kubectl apply":             {[]string{"kubectl-client-side-apply"}, true, Manager},
		"kubectl edit afterwards":   {[]string{"argo", "kubectl-edit"}, true, Manager},
		"another Terraform":         {[]string{"Terraform"}, true, Manager},
		"a controller":              {[]string{"my-operator"}, false, "my-operator"},
		"what only looks like one":  {[]string{"not-kubectl"}, false, "not-kubectl"},
		"a controller over kubectl": {[]string{"kubectl", "my-operator"}, true, "my-operator"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, c := dial(t)
			for i, m := range tc.makers {
				if i == 0 {
					o := job(t, "one", simple)
					if i == len(tc.makers)-1 {
						edit(o.Object)
					}
					api.Put(o, m)
					continue
				}
				api.Change("Job", "default", "one", m, edit)
			}
			patch, err := Inheritance(Job, api.Get("Job", "default", "one"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if (patch != nil) != tc.moved {
				t.Fatalf("patch %s", patch)
			}
			if patch != nil {
				if _, err := c.PatchJSON(t.Context(), ref("one"), patch); err != nil {
					t.Fatal(err)
				}
			}
			live := api.Get("Job", "default", "one")
			var owners []string
			for _, m := range live.GetManagedFields() {
				if strings.Contains(string(m.FieldsV1.GetRawBytes()), "activeDeadlineSeconds") {
					owners = append(owners, m.Manager)
				}
			}
			if !slices.Contains(owners, tc.owner) {
				t.Errorf("activeDeadlineSeconds belongs to %v", owners)
			}
			if !tc.moved {
				return
			}
			if again, err := Inheritance(Job, live, nil); err != nil || again != nil {
				t.Errorf("there is still something to move: %s %v", again, err)
			}
			// What it is for: what we do not say now goes, unless others say it too.
			mustApply(t, c, job(t, "one", simple), ApplyOptions{})
			_, there := At(api.Get("Job", "default", "one").Object, "spec", "activeDeadlineSeconds")
			if there != (tc.owner != Manager) {
				t.Errorf("activeDeadlineSeconds is there: %v", there)
			}
		})
	}
}

func TestInheritedMeetsAConcurrentWrite(t *testing.T) {
	t.Parallel()
	api, c := dial(t)
	api.Put(job(t, "one", simple))
	patch, err := Inheritance(Job, api.Get("Job", "default", "one"), nil)
	if err != nil {
		t.Fatal(err)
	}
	api.Change("Job", "default", "one", "kubectl-label", func(o map[string]any) {
		o["metadata"].(map[string]any)["labels"] = map[string]any{"a": "b"} //nolint:forcetypeassert // a test fixture
	})
	if _, err := c.PatchJSON(t.Context(), ref("one"), patch); !apierrors.IsConflict(err) {
		t.Errorf("got %v", err)
	}
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	api, c := dial(t)
	mustApply(t, c, job(t, "one", `{"backoffLimit":1,`+simple[1:]), ApplyOptions{Manager: "other"})
	o := job(t, "one", `{"backoffLimit":2,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"main","image":"busybox:2"}]}}}`)
	_, _, err := c.Apply(t.Context(), Job, o, ApplyOptions{})
	got := Conflicts(err)
	slices.SortFunc(got, func(a, b Conflict) int { return len(a.Field) - len(b.Field) })
	want := []Conflict{
		{Manager: "other", Field: []string{"spec", "backoffLimit"}},
		{Manager: "other", Field: []string{"spec", "template", "spec", "containers", "main", "image"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n, _ := At(api.Get("Job", "default", "one").Object, "spec", "backoffLimit"); n != int64(1) {
		t.Errorf("backoffLimit is %v", n)
	}
	if _, _, err := c.Apply(t.Context(), Job, o, ApplyOptions{Force: true}); err != nil {
		t.Error(err)
	}
	if n, _ := At(api.Get("Job", "default", "one").Object, "spec", "backoffLimit"); n != int64(2) {
		t.Errorf("forced, backoffLimit is %v", n)
	}
}

func TestConflictsOfOtherErrors(t *testing.T) {
	t.Parallel()
	gr := schema.GroupResource{Group: "batch", Resource: "jobs"}
	for name, err := range map[string]error{
		"nil":         nil,
		"no status":   errors.New("connection refused"),
		"cancelled":   fmt.Errorf("apply: %w", context.Canceled),
		"not found":   apierrors.NewNotFound(gr, "one"),
		"uid":         apierrors.NewConflict(gr, "one", errors.New("uid mismatch")),
		"other cause": &apierrors.StatusError{ErrStatus: metav1.Status{Code: 409, Reason: metav1.StatusReasonConflict, Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: metav1.CauseTypeUnexpectedServerResponse, Message: `conflict with "x"`}}}}},
		"no manager":  &apierrors.StatusError{ErrStatus: metav1.Status{Code: 409, Reason: metav1.StatusReasonConflict, Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict, Message: "who knows"}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Conflicts(err); got != nil {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestParseField(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		"":                   nil,
		".spec.backoffLimit": {"spec", "backoffLimit"},
		"spec.backoffLimit":  {"spec", "backoffLimit"},
		`.spec.template.spec.containers[name="main"].image`:                                      {"spec", "template", "spec", "containers", "main", "image"},
		"spec.template.spec.containers[0].env[12].name":                                          {"spec", "template", "spec", "containers", "0", "env", "12", "name"},
		"metadata.labels[example.com/team]":                                                      {"metadata", "labels", "example.com/team"},
		`.spec.ports[containerPort=80,protocol="TCP"].name`:                                      {"spec", "ports", "80/TCP", "name"},
		`.spec.topologySpreadConstraints[topologyKey="a.b/c",whenUnsatisfiable="DoNotSchedule"]`: {"spec", "topologySpreadConstraints", "a.b/c/DoNotSchedule"},
		`.metadata.finalizers[="example.com/hold"]`:                                              {"metadata", "finalizers", "example.com/hold"},
		`.metadata.annotations.example.com/x`:                                                    {"metadata", "annotations", "example", "com/x"},
		`spec.containers[name="a]b"].image`:                                                      {"spec", "containers", "a]b", "image"},
		`spec.containers[name="a\"b"].image`:                                                     {"spec", "containers", `a"b`, "image"},
		"spec.containers[":                                                                       {"spec", "containers", ""},
		"spec.":                                                                                  {"spec"},
		"<nil>":                                                                                  {"<nil>"},
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(want, ParseField(in)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzParseField feeds what a server might make up: it must end, and not panic.
func FuzzParseField(f *testing.F) {
	for _, s := range []string{"spec[", "[", "]", "a[\"", `a[b="\`, "..", "a[b=c,d]", "a[b"} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, s string) { ParseField(s) })
}

func TestResolveIndexes(t *testing.T) {
	t.Parallel()
	o := tree(t, `{"spec":{"containers":[{"name":"a"},{"name":"b","env":[{"name":"E"}],"ports":[{"containerPort":80}]}],"args":["x"],"tolerations":[{"key":"k"}]}}`)
	for name, tc := range map[string]struct{ in, want []string }{
		"a key":               {[]string{"spec", "containers", "1", "image"}, []string{"spec", "containers", "b", "image"}},
		"two keys":            {[]string{"spec", "containers", "1", "env", "0", "value"}, []string{"spec", "containers", "b", "env", "E", "value"}},
		"a key of two":        {[]string{"spec", "containers", "1", "ports", "0"}, []string{"spec", "containers", "b", "ports", "80/TCP"}},
		"already a key":       {[]string{"spec", "containers", "b", "env", "0"}, []string{"spec", "containers", "b", "env", "E"}},
		"a list without keys": {[]string{"spec", "tolerations", "0", "key"}, []string{"spec", "tolerations", "0", "key"}},
		"a list of texts":     {[]string{"spec", "args", "0"}, []string{"spec", "args", "0"}},
		"beyond the end":      {[]string{"spec", "containers", "7", "image"}, []string{"spec", "containers", "7", "image"}},
		"not there":           {[]string{"status", "x", "0"}, []string{"status", "x", "0"}},
		"nothing":             {nil, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, ResolveIndexes(o, tc.in)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	if got := Job.APIVersion(); got != "batch/v1" {
		t.Error(got)
	}
	if got := PersistentVolumeClaim.APIVersion(); got != "v1" {
		t.Error(got)
	}
	if got := ref("one").String(); got != "Job default/one" {
		t.Error(got)
	}
	if got := (Ref{Kind: StorageClass, Name: "fast"}).String(); got != "StorageClass fast" {
		t.Error(got)
	}
	for k, want := range map[Kind]string{
		Job: "apis batch v1 namespaces ns jobs x", StorageClass: "apis storage.k8s.io v1 storageclasses x",
		PersistentVolumeClaim: "api v1 namespaces ns persistentvolumeclaims x",
	} {
		if got := strings.Join(path(k, "ns", "x"), " "); got != want {
			t.Errorf("%s: %s", k.Kind, got)
		}
	}
}

func TestTyped(t *testing.T) {
	t.Parallel()
	o := job(t, "one", `{"backoffLimit":3,"fieldOfTheFuture":true}`)
	got, err := Typed[struct {
		Spec struct {
			BackoffLimit *int32 `json:"backoffLimit"`
		} `json:"spec"`
	}](Live{"Job": o}, "Job")
	if err != nil || got.Spec.BackoffLimit == nil || *got.Spec.BackoffLimit != 3 {
		t.Errorf("%v %v", got, err)
	}
	if got, err := Typed[metav1.ObjectMeta](Live{}, "Job"); got != nil || err != nil {
		t.Errorf("%v %v", got, err)
	}
	raw, err := json.Marshal(o.Object)
	if err != nil || !strings.Contains(string(raw), "fieldOfTheFuture") {
		t.Errorf("%s %v", raw, err)
	}
}
