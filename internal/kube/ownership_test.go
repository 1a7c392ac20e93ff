package kube

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func entry(manager string, operation metav1.ManagedFieldsOperationType, subresource, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: operation, Subresource: subresource, APIVersion: "batch/v1",
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
	}
}

// managed is a Job whose env has the variables of these names.
func managed(entries []metav1.ManagedFieldsEntry, env ...string) *Object {
	var vars []any
	for _, name := range env {
		vars = append(vars, map[string]any{"name": name})
	}
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "batch/v1", "kind": "Job",
		"metadata": map[string]any{"name": "one", "resourceVersion": "7"},
		"spec": map[string]any{
			"suspend": true,
			"template": map[string]any{"spec": map[string]any{
				"containers": []any{map[string]any{"name": "main", "image": "busybox", "env": vars}},
			}},
		},
	}}
	o.SetManagedFields(entries)
	return o
}

func TestInheritance(t *testing.T) {
	t.Parallel()
	const update, apply = metav1.ManagedFieldsOperationUpdate, metav1.ManagedFieldsOperationApply
	status := entry("kubectl-edit", update, "status", `{"f:status":{"f:active":{}}}`)
	stranger := entry("kueue", update, "", `{"f:spec":{"f:suspend":{}}}`)
	tests := map[string]struct {
		entries []metav1.ManagedFieldsEntry
		env     []string
		said    *Object
		want    []metav1.ManagedFieldsEntry // nil: there is nothing to move
	}{
		"strangers keep theirs": {entries: []metav1.ManagedFieldsEntry{stranger, status}},
		"created and edited by kubectl": {
			entries: []metav1.ManagedFieldsEntry{
				entry("kubectl-create", update, "", `{"f:spec":{"f:backoffLimit":{}}}`), stranger, status,
				entry("kubectl-edit", update, "", `{"f:spec":{"f:parallelism":{}}}`),
			},
			want: []metav1.ManagedFieldsEntry{stranger, status, entry(Manager, apply, "", `{"f:spec":{"f:backoffLimit":{},"f:parallelism":{}}}`)},
		},
		"applied on the server's side": {
			entries: []metav1.ManagedFieldsEntry{entry("kubectl", apply, "", `{"f:spec":{"f:backoffLimit":{}}}`), entry("Terraform", apply, "", `{"f:spec":{"f:parallelism":{}}}`)},
			want:    []metav1.ManagedFieldsEntry{entry(Manager, apply, "", `{"f:spec":{"f:backoffLimit":{},"f:parallelism":{}}}`)},
		},
		"filled in by the server, and said by the state": {
			said:    &Object{Object: map[string]any{"kind": "Job", "metadata": map[string]any{"name": "one", "labels": map[string]any{"not": "there"}}, "spec": map[string]any{"suspend": true}}},
			entries: []metav1.ManagedFieldsEntry{entry("kubectl", apply, "", `{"f:spec":{"f:backoffLimit":{}}}`)},
			want:    []metav1.ManagedFieldsEntry{entry(Manager, apply, "", `{"f:spec":{"f:backoffLimit":{},"f:suspend":{}}}`)},
		},
		"said by the state, and a stranger's": {
			said:    &Object{Object: map[string]any{"spec": map[string]any{"suspend": true}}},
			entries: []metav1.ManagedFieldsEntry{entry("kubectl", apply, "", `{"f:spec":{"f:backoffLimit":{}}}`), stranger},
			want:    []metav1.ManagedFieldsEntry{stranger, entry(Manager, apply, "", `{"f:spec":{"f:backoffLimit":{}}}`)},
		},
		"beside our own": {
			entries: []metav1.ManagedFieldsEntry{entry(Manager, apply, "", `{"f:spec":{"f:suspend":{}}}`), entry("kubectl-label", update, "", `{"f:metadata":{"f:labels":{"f:a":{}}}}`)},
			want:    []metav1.ManagedFieldsEntry{entry(Manager, apply, "", `{"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:suspend":{}}}`)},
		},
		"only our own": {entries: []metav1.ManagedFieldsEntry{entry(Manager, apply, "", `{"f:spec":{"f:suspend":{}}}`)}},
		"metadata that no configuration says": {
			entries: []metav1.ManagedFieldsEntry{entry("kubectl-create", update, "", `{"f:metadata":{"f:generateName":{},"f:finalizers":{".":{},"v:\"a/b\"":{}},"f:ownerReferences":{},`+
				`"f:annotations":{"f:a":{},"f:batch.kubernetes.io/job-tracking":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}}}}`)},
			want: []metav1.ManagedFieldsEntry{entry(Manager, apply, "", `{"f:metadata":{"f:annotations":{"f:a":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}}}}`)},
		},
		"a template that cannot be applied": {
			env:     []string{"A", "B", "A"},
			entries: []metav1.ManagedFieldsEntry{entry("kubectl-create", update, "", `{"f:spec":{"f:backoffLimit":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{"f:image":{}}}}}}}`)},
			want:    []metav1.ManagedFieldsEntry{entry(Manager, apply, "", `{"f:spec":{"f:backoffLimit":{}}}`)},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := Inheritance(Job, managed(tt.entries, tt.env...), tt.said)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == nil {
				if raw != nil {
					t.Fatalf("the patch is %s", raw)
				}
				return
			}
			var got []struct {
				Path  string          `json:"path"`
				Value json.RawMessage `json:"value"`
			}
			if err := json.Unmarshal(raw, &got); err != nil || len(got) != 2 {
				t.Fatalf("%v: %s", err, raw)
			}
			if got[1].Path != "/metadata/resourceVersion" || string(got[1].Value) != `"7"` {
				t.Errorf("the patch does not insist on the version: %s", raw)
			}
			var entries []metav1.ManagedFieldsEntry
			if err := json.Unmarshal(got[0].Value, &entries); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(text(t, tt.want), text(t, entries)); diff != "" {
				t.Errorf("managed fields (-want +got):\n%s", diff)
			}
		})
	}
}

// text is the entries as plain values: FieldsV1 has no exported parts.
func text(t *testing.T, entries []metav1.ManagedFieldsEntry) any {
	t.Helper()
	raw, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAsAppliedSendsNoTemplateWithAKeyTwice(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		env  []string
		sent bool
	}{{[]string{"A", "B", "A"}, false}, {[]string{"A", "B"}, true}} {
		live := managed(nil, tt.env...)
		wanted := managed(nil, "A", "B")
		AsApplied(Job, wanted, live)
		if _, sent := At(wanted.Object, "spec", "template"); sent != tt.sent {
			t.Errorf("with env %v the template is sent: %t", tt.env, sent)
		}
		if _, sent := At(wanted.Object, "spec", "suspend"); !sent {
			t.Error("a field beside the template is not sent")
		}
	}
}

func TestBackoffLimitDefaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spec map[string]any
		left bool // for the patch
	}{
		"default":            {map[string]any{"backoffLimit": int64(6)}, false},
		"stated":             {map[string]any{"backoffLimit": int64(0)}, true},
		"per index":          {map[string]any{"backoffLimit": int64(2147483647), "backoffLimitPerIndex": int64(1)}, false},
		"both":               {map[string]any{"backoffLimit": int64(6), "backoffLimitPerIndex": int64(1)}, true},
		"as large by itself": {map[string]any{"backoffLimit": int64(2147483647)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rest := Residual(Job, map[string]any{"spec": tt.spec}, map[string]any{"spec": map[string]any{}})
			if _, left := At(rest, "spec", "backoffLimit"); left != tt.left {
				t.Errorf("backoffLimit is in the patch: %t (%v)", left, rest)
			}
		})
	}
}
