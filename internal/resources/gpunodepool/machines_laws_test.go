package gpunodepool_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// The laws, for pools that scale machines of Cluster API.

const deployed = "MachineDeployment"

func machinesAPI(t *testing.T, manager string, nodes ...string) *fakeapi.Server {
	t.Helper()
	api := newAPI(t, nodes...)
	api.Kinds = map[string]schema.GroupVersionKind{
		"machinedeployments": {Group: "cluster.x-k8s.io", Version: "v1beta2", Kind: deployed},
		"machines":           {Group: "cluster.x-k8s.io", Version: "v1beta2", Kind: "Machine"},
	}
	api.Put(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": deployed, "metadata": map[string]any{"name": "gpu", "namespace": "default"},
		"spec": map[string]any{"clusterName": "c", "replicas": int64(2), "paused": false},
	}}, manager)
	scales(api)
	return api
}

// scales lets Cluster API make all machines at once.
func scales(api *fakeapi.Server) {
	api.After = func(q fakeapi.Request) error {
		if q.Writes() && strings.Contains(q.Path, "/machinedeployments/") {
			machinesAre(api, -1)
		}
		return nil
	}
}

// machinesAre sets how many machines are ready; a negative number: all.
func machinesAre(api *fakeapi.Server, ready int64) {
	api.Change(deployed, "default", "gpu", "manager", func(o map[string]any) {
		n := ready
		if n < 0 {
			n, _, _ = unstructured.NestedInt64(o, "spec", "replicas")
		}
		_ = unstructured.SetNestedMap(o, map[string]any{"replicas": n, "readyReplicas": n, "upToDateReplicas": n}, "status")
	})
}

func scaled(n any, more map[string]any) map[string]any {
	c := map[string]any{"name": "a", "cluster_api": map[string]any{"machine_deployment": "gpu", "replicas": n}, "timeouts": map[string]any{"create": "1m", "update": "1m"}}
	for k, v := range more {
		c[k] = v
	}
	return c
}

func replicas(t *testing.T, api *fakeapi.Server) int64 {
	t.Helper()
	n, _, err := unstructured.NestedInt64(api.Get(deployed, "default", "gpu").Object, "spec", "replicas")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMachines: an existing MachineDeployment is scaled, others' changes of the number
// are drift and of the rest nobody's business, and the machines outlive the pool.
func TestMachines(t *testing.T) {
	t.Parallel()
	r := workspace(t, machinesAPI(t, "kubectl-client-side-apply"), nil)
	r.apply(scaled(4, nil))
	if n := replicas(t, r.api); n != 4 {
		t.Errorf("there are %d replicas", n)
	}
	if got := r.of("status", "message"); got != "4 machines are ready" {
		t.Errorf("the status says %v", got)
	}
	r.settled(scaled(4, nil))
	r.api.Change(deployed, "default", "gpu", "kubectl-edit", func(o map[string]any) { editAt(o, "spec|paused", true, "metadata|labels|theirs", "x") })
	r.settled(scaled(4, nil))
	r.api.Change(deployed, "default", "gpu", "kubectl-scale", func(o map[string]any) { editAt(o, "spec|replicas", int64(1)) })
	r.refresh()
	if out := r.Plan(t.Context(), scaled(4, nil)); !out.Changed || out.Errors() != "" {
		t.Errorf("somebody's scaling plans %v, %s", out.Changed, out.Errors())
	}
	r.apply(scaled(4, nil))
	r.settled(scaled(4, nil))
	o := r.api.Get(deployed, "default", "gpu")
	if n := replicas(t, r.api); n != 4 || o.GetLabels()["theirs"] != "x" {
		t.Errorf("replicas %d, labels %v", n, o.GetLabels())
	}
	r.apply(nil)
	if n := replicas(t, r.api); n != 4 {
		t.Errorf("destroy left %d replicas", n)
	}
	for _, m := range r.api.Get(deployed, "default", "gpu").GetManagedFields() {
		if strings.HasPrefix(m.Manager, "mlk-") {
			t.Errorf("%s still owns %s", m.Manager, m.FieldsV1)
		}
	}
}

// TestMachinesBecomeNodes: nodes that join while machines are awaited are labelled;
// another MachineDeployment, or none, lets go of the first.
func TestMachinesBecomeNodes(t *testing.T) {
	t.Parallel()
	r := workspace(t, machinesAPI(t, "kubectl", "n1"), nil)
	c := declare(map[string]any{"cluster_api": map[string]any{"machine_deployment": "gpu", "replicas": 3}, "min_nodes": 2, "timeouts": map[string]any{"create": "1m", "update": "1m"}})
	r.api.After = func(q fakeapi.Request) error {
		if q.Writes() && strings.Contains(q.Path, "/machinedeployments/") {
			go func() {
				addNode(r.api, "n2")
				machinesAre(r.api, -1)
			}()
		}
		return nil
	}
	r.apply(c)
	if r.api.Get("Node", "", "n2").GetLabels()["pool.mlk.dev/a"] != "true" {
		t.Error("the node that joined is not of the pool")
	}
	r.settled(c)
	r.api.After = nil
	r.apply(declare(nil))
	r.settled(declare(nil))
	if n := replicas(t, r.api); n != 3 {
		t.Errorf("without cluster_api there are %d replicas", n)
	}
	r.apply(nil)
}

// TestMachinesOfOthers: the number that a GitOps tool has set is a conflict, that of
// the cluster autoscaler is left alone, and the plan says either.
func TestMachinesOfOthers(t *testing.T) {
	t.Parallel()
	r := workspace(t, machinesAPI(t, "argocd-controller"), nil)
	if out := r.Plan(t.Context(), scaled(4, nil)); !strings.Contains(out.Errors(), `belong to "argocd-controller"`) {
		t.Errorf("the plan says %q", out.Errors())
	}
	if out := r.Apply(t.Context(), scaled(4, nil)); !strings.Contains(out.Errors(), `belong to "argocd-controller"`) || !r.State.IsNull() {
		t.Errorf("the apply says %q", out.Errors())
	}
	r.apply(scaled(4, map[string]any{"force_conflicts": true}))
	r.apply(nil)
	r.api.Change(deployed, "default", "gpu", "kubectl", func(o map[string]any) {
		_ = unstructured.SetNestedStringMap(o, map[string]string{"cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size": "1", "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size": "9"}, "metadata", "annotations")
	})
	if out := r.Plan(t.Context(), scaled(7, nil)); !strings.Contains(out.Warnings(), "The cluster autoscaler scales MachineDeployment default/gpu") {
		t.Errorf("the plan says %q", out.Warnings())
	}
	r.apply(scaled(7, nil))
	if n := replicas(t, r.api); n != 4 {
		t.Errorf("the autoscaler's number is %d", n)
	}
	r.api.Change(deployed, "default", "gpu", "autoscaler", func(o map[string]any) { editAt(o, "spec|replicas", int64(9)) })
	r.settled(scaled(7, nil))
	r.apply(nil)
}

// TestMachinesExplain: what is missing, and machines that do not come.
func TestMachinesExplain(t *testing.T) {
	t.Parallel()
	bare := workspace(t, newAPI(t), nil)
	if out := bare.Plan(t.Context(), scaled(1, nil)); !strings.Contains(out.Errors(), "This cluster has no Cluster API") || !strings.Contains(out.Errors(), "management cluster") {
		t.Errorf("without Cluster API the plan says %q", out.Errors())
	}
	r := workspace(t, machinesAPI(t, "kubectl"), nil)
	none := map[string]any{"cluster_api": map[string]any{"machine_deployment": "none", "replicas": 1}}
	if out := r.Plan(t.Context(), scaled(1, none)); !strings.Contains(out.Warnings(), "MachineDeployment default/none does not exist") {
		t.Errorf("of a missing one the plan says %q", out.Warnings())
	}
	if out := r.Apply(t.Context(), scaled(1, none)); !strings.Contains(out.Errors(), "MachineDeployment default/none does not exist") || !r.State.IsNull() {
		t.Errorf("of a missing one the apply says %q", out.Errors())
	}
	r.api.Put(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Machine",
		"metadata": map[string]any{"name": "gpu-x", "namespace": "default", "labels": map[string]any{"cluster.x-k8s.io/deployment-name": "gpu"}},
		"status":   map[string]any{"phase": "Provisioning", "conditions": []any{map[string]any{"type": "InfrastructureReady", "status": "False", "message": "no p5.48xlarge in zone a"}}},
	}})
	r.api.After = func(q fakeapi.Request) error {
		if q.Writes() && strings.Contains(q.Path, "/machinedeployments/") {
			machinesAre(r.api, 2)
		}
		return nil
	}
	short := scaled(4, map[string]any{"timeouts": map[string]any{"create": "2s", "update": "1m"}})
	out := r.Apply(t.Context(), short)
	for _, w := range []string{"2 of 4 machines are ready", "Machine gpu-x is Provisioning: InfrastructureReady is False: no p5.48xlarge in zone a", "terraform untaint"} {
		if !strings.Contains(strings.ToLower(out.Errors()), strings.ToLower(w)) {
			t.Errorf("it does not say %q: %s", w, out.Errors())
		}
	}
	r.Tainted = false
	scales(r.api)
	r.apply(scaled(4, nil))
	r.settled(scaled(4, nil))
	r.api.Remove(deployed, "default", "gpu")
	r.refresh()
	if out := r.Plan(t.Context(), scaled(4, nil)); !out.Changed {
		t.Error("a MachineDeployment that is gone plans nothing")
	}
	r.apply(nil)
}

// TestMachinesInterruptedAnywhere cuts and kills at each request.
func TestMachinesInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	anywhere(t, 3, 30, machinesInterrupted)
}

func machinesInterrupted(t *testing.T, verb string, b *breaking) bool {
	t.Helper()
	api := machinesAPI(t, "kubectl", "n1")
	before := shape(api, "n1")
	limit := "1m"
	ask := func(n int) map[string]any {
		return declare(map[string]any{"cluster_api": map[string]any{"machine_deployment": "gpu", "replicas": n}, "timeouts": map[string]any{"create": limit, "update": limit}})
	}
	first := workspace(t, api, func(next http.RoundTripper) http.RoundTripper {
		b.next = next
		return b
	})
	if verb != "create" {
		earlier := workspace(t, api, nil)
		earlier.apply(ask(3))
		earlier.stop()
		first.State, first.Private = earlier.State, earlier.Private
		first.refresh()
	}
	state, private := first.State, first.Private
	if b.kill { // whoever is dead need not wait
		limit = "1s"
	}
	b.arm()
	var out testkit.Outcome
	switch verb {
	case "create":
		out = first.Apply(t.Context(), ask(3))
	case "update":
		out = first.Apply(t.Context(), ask(5))
	case "destroy":
		out = first.Apply(t.Context(), nil)
	}
	first.stop()
	limit = "1m"
	next := workspace(t, api, nil)
	next.State, next.Private = first.State, first.Private
	if b.kill && out.Errors() != "" {
		next.State, next.Private = state, private
		if verb == "update" {
			next.Private = nil
		}
	}
	if verb == "create" && replicas(t, api) != 2 && !b.kill && next.State.IsNull() {
		t.Fatalf("%s at %d: machines are made and the state does not know: %s", verb, b.at, out.Errors())
	}
	want := map[string]int{"create": 3, "update": 5, "destroy": 3}[verb]
	next.refresh()
	if verb != "destroy" {
		next.apply(ask(want))
		next.settled(ask(want))
	}
	next.apply(nil)
	if got := replicas(t, api); got != int64(want) || fmt.Sprint(before) != fmt.Sprint(shape(api, "n1")) {
		t.Errorf("%s at %d: destroy left %d replicas and %v", verb, b.at, got, shape(api, "n1"))
	}
	return b.done
}

// TestMachinesInvalid: what the configuration alone decides.
func TestMachinesInvalid(t *testing.T) {
	t.Parallel()
	for says, c := range map[string]map[string]any{
		"labels needs node_selector or node_names":  scaled(1, map[string]any{"labels": map[string]any{"a": "b"}}),
		"min_gpus needs node_selector":              scaled(1, map[string]any{"min_gpus": 1}),
		"cluster_api cannot be used with karpenter": demand(map[string]any{"cluster_api": map[string]any{"machine_deployment": "gpu", "replicas": 1}}),
		"must be at least 0":                        scaled(-1, nil),
	} {
		r := workspace(t, newAPI(t), nil)
		if out := r.Validate(t.Context(), c); !strings.Contains(out.Errors(), says) {
			t.Errorf("want %q, got %q", says, out.Errors())
		}
	}
	r := workspace(t, machinesAPI(t, "kubectl"), nil)
	for _, c := range []map[string]any{scaled(testkit.Unknown{}, nil), scaled(1, map[string]any{"cluster_api": testkit.Unknown{}}), scaled(1, map[string]any{"labels": testkit.Unknown{}})} {
		if out := r.Validate(t.Context(), c); out.Errors() != "" {
			t.Errorf("%v is invalid: %s", c, out.Errors())
		}
		if out := r.Plan(t.Context(), c); out.Errors() != "" {
			t.Errorf("%v cannot be planned: %s", c, out.Errors())
		}
	}
}
