package lifecycle_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// nodesWorld is a world whose cluster has one node of 64Gi, and whose plans look.
func nodesWorld(t *testing.T, labels map[string]any) *world {
	t.Helper()
	w := newWorld(t)
	room := map[string]any{"cpu": "16", "memory": "64Gi", "pods": "110"}
	w.api.Put(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": "worker-1", "labels": labels},
		"status": map[string]any{"allocatable": room, "capacity": room},
	}})
	w.data.Inventory = &lifecycle.Inventory{}
	return w
}

// reads counts the requests for a path.
func reads(w *world, path string) int {
	n := 0
	for _, r := range w.api.Requests() {
		if r.Path == path {
			n++
		}
	}
	return n
}

// TestPlanSaysWhatNoNodeHas: a pod larger than every node is said at plan, on the
// attribute at fault, and the nodes are read once for all plans of a process.
func TestPlanSaysWhatNoNodeHas(t *testing.T) {
	t.Parallel()
	w := nodesWorld(t, nil)
	large := config(map[string]any{"memory": "128Gi"})
	first := w.Plan(t.Context(), large)
	said := first.Warnings()
	for _, want := range []string{
		`Thing "default/one": no node has 128Gi of memory`, "the largest of 1 node is worker-1, with 64Gi", "Ask for at most 64Gi of memory", "memory",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the plan does not say %q:\n%s", want, said)
		}
	}
	if first.Errors() != "" {
		t.Errorf("a warning was asked for, not an error:\n%s", first.Errors())
	}
	w.Plan(t.Context(), large)
	if n := reads(w, "/api/v1/nodes"); n != 1 {
		t.Errorf("two plans read the nodes %d times, want once", n)
	}
	if n := reads(w, "/api/v1/pods"); n != 0 {
		t.Errorf("the pods were read %d times although the nodes alone decide", n)
	}
}

func TestPlanChecksPlacementError(t *testing.T) {
	t.Parallel()
	w := nodesWorld(t, nil)
	w.data.Placement = lifecycle.PlacementError
	if got := w.Plan(t.Context(), config(map[string]any{"memory": "128Gi"})).Errors(); !strings.Contains(got, "plan_checks.placement") {
		t.Errorf("no error: %q", got)
	}
	// What is only in use now may be free when it is applied.
	w = nodesWorld(t, nil)
	w.data.Placement = lifecycle.PlacementError
	hold(w, "48Gi")
	plan := w.Plan(t.Context(), config(map[string]any{"memory": "32Gi"}))
	if plan.Errors() != "" || !strings.Contains(plan.Warnings(), "no node has 32Gi of memory free now") {
		t.Errorf("errors %q, warnings %q", plan.Errors(), plan.Warnings())
	}
}

// hold lets a pod of somebody else take memory of the node.
func hold(w *world, memory string) {
	w.api.Put(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "other", "namespace": "kube-system"},
		"spec": map[string]any{"nodeName": "worker-1", "containers": []any{map[string]any{
			"name": "main", "image": "i", "resources": map[string]any{"requests": map[string]any{"memory": memory}},
		}}},
		"status": map[string]any{"phase": "Running"},
	}})
}

// TestPlacementIsSilent where nothing can be known, or something else decides.
func TestPlacementIsSilent(t *testing.T) {
	t.Parallel()
	large := config(map[string]any{"memory": "128Gi"})
	for name, c := range map[string]struct {
		labels map[string]any
		before func(r fakeapi.Request) error
		put    *unstructured.Unstructured
		config map[string]any
		off    bool
	}{
		"it fits":   {config: config(map[string]any{"memory": "8Gi"})},
		"forbidden": {config: large, before: forbid("/api/v1/nodes")},
		"Karpenter": {config: large, labels: map[string]any{"karpenter.sh/nodepool": "gpu"}},
		"the cluster autoscaler": {config: large, put: &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "cluster-autoscaler-status", "namespace": "kube-system"},
		}}},
		"a queue":              {config: config(map[string]any{"memory": "128Gi", "labels": map[string]any{"kueue.x-k8s.io/queue-name": "team"}})},
		"off":                  {config: large, off: true},
		"pods may not be read": {config: config(map[string]any{"memory": "64Gi"}), before: forbid("/api/v1/pods")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := nodesWorld(t, c.labels)
			w.api.Before = c.before
			if c.put != nil {
				w.api.Put(c.put)
			}
			if c.off {
				w.data.Inventory = nil
			}
			for range 2 {
				if o := w.Plan(t.Context(), c.config); o.Warnings() != "" || o.Errors() != "" {
					t.Errorf("the plan says %s%s", o.Warnings(), o.Errors())
				}
			}
			if n := reads(w, "/api/v1/nodes"); n > 1 || c.off && n > 0 {
				t.Errorf("the nodes were read %d times", n)
			}
		})
	}
}

func forbid(path string) func(fakeapi.Request) error {
	return func(r fakeapi.Request) error {
		if r.Path == path {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "", nil)
		}
		return nil
	}
}

// TestPlacementAutoscalerUnknown: who may not see whether there is an autoscaler
// is told so, and is never refused.
func TestPlacementAutoscalerUnknown(t *testing.T) {
	t.Parallel()
	w := nodesWorld(t, nil)
	w.data.Placement = lifecycle.PlacementError
	w.api.Before = forbid("/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status")
	plan := w.Plan(t.Context(), config(map[string]any{"memory": "128Gi"}))
	if plan.Errors() != "" || !strings.Contains(plan.Warnings(), "Whether an autoscaler would add nodes could not be seen") {
		t.Errorf("errors %q, warnings %q", plan.Errors(), plan.Warnings())
	}
}

// TestPlacementOfAnUpdate: a plan that changes nothing, or nothing that nodes care
// about, does not look at them.
func TestPlacementOfAnUpdate(t *testing.T) {
	t.Parallel()
	w := nodesWorld(t, nil)
	w.data.Inventory = nil
	if o := w.Apply(t.Context(), config(map[string]any{"memory": "8Gi"})); o.Errors() != "" {
		t.Fatal(o.Errors())
	}
	w.data.Inventory = &lifecycle.Inventory{}
	w.Plan(t.Context(), config(map[string]any{"memory": "8Gi"}))
	w.Plan(t.Context(), config(map[string]any{"memory": "8Gi", "backoff_limit": 2}))
	if n := reads(w, "/api/v1/nodes"); n != 0 {
		t.Errorf("the nodes were read %d times for nothing", n)
	}
	// Its own pod ends before the new one is made, so that its memory counts as free.
	w.api.Put(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": "one-abcde", "namespace": "default", "labels": map[string]any{"batch.kubernetes.io/job-name": "one"}},
		"spec": map[string]any{"nodeName": "worker-1", "containers": []any{map[string]any{
			"name": "main", "image": "i", "resources": map[string]any{"requests": map[string]any{"memory": "60Gi"}},
		}}},
		"status": map[string]any{"phase": string(corev1.PodRunning)},
	}})
	if o := w.Plan(t.Context(), config(map[string]any{"memory": "32Gi"})); o.Warnings() != "" {
		t.Errorf("the plan says %s", o.Warnings())
	}
	if o := w.Plan(t.Context(), config(map[string]any{"memory": "65Gi"})); !strings.Contains(o.Warnings(), "no node has 65Gi") {
		t.Errorf("the plan says %q", o.Warnings())
	}
}
