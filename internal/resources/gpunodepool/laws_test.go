package gpunodepool_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/gpunodepool"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// The laws of internal/testkit/laws are about resources that are objects. What
// they say holds for a pool too; here it is said of nodes.

// rig is a workspace in front of a server with nodes.
type rig struct {
	*testkit.Core
	t    *testing.T
	api  *fakeapi.Server
	stop func()
}

func newAPI(t *testing.T, nodes ...string) *fakeapi.Server {
	t.Helper()
	api := fakeapi.New(t)
	for _, n := range nodes {
		addNode(api, n)
	}
	return api
}

func addNode(api *fakeapi.Server, name string) {
	api.Put(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Node",
		"metadata": map[string]any{"name": name, "labels": map[string]any{"gpu": "h100", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/cuda.driver-version.full": "570.1"}},
		"spec":     map[string]any{},
		"status": map[string]any{
			"capacity": map[string]any{"nvidia.com/gpu": "8"}, "allocatable": map[string]any{"nvidia.com/gpu": "7"},
			"conditions": []any{map[string]any{"type": "Ready", "status": "True"}},
		},
	}}, "kubelet")
}

func workspace(t *testing.T, api *fakeapi.Server, wrap func(http.RoundTripper) http.RoundTripper) *rig {
	t.Helper()
	cfg := api.Config()
	if wrap != nil {
		cfg.Wrap(wrap)
	}
	client, err := kube.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	data := &lifecycle.ProviderData{Connect: func() (*kube.Client, error) { return client, nil }, Namespace: "default", ClusterChanged: "error"}
	return &rig{Core: testkit.NewCore(t, testkit.Alone{Resource: gpunodepool.New, Data: data}, nil, "mlk_gpu_node_pool"), t: t, api: api, stop: client.Close}
}

func declare(more map[string]any) map[string]any {
	c := map[string]any{
		"name": "a", "node_selector": map[string]any{"gpu": "h100"}, "labels": map[string]any{"tier": "gpu", "accelerator": "nvidia-h100"},
		"taints": []any{map[string]any{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}},
	}
	for k, v := range more {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

func (r *rig) apply(c map[string]any) testkit.Outcome {
	r.t.Helper()
	out := r.Apply(r.t.Context(), c)
	if out.Errors() != "" {
		r.t.Fatal(out.Errors())
	}
	return out
}

func (r *rig) refresh() testkit.Outcome {
	r.t.Helper()
	out := r.Refresh(r.t.Context())
	if out.Errors() != "" {
		r.t.Fatal(out.Errors())
	}
	return out
}

// settled checks that nothing is planned.
func (r *rig) settled(c map[string]any) {
	r.t.Helper()
	r.refresh()
	if out := r.Plan(r.t.Context(), c); out.Errors() != "" || out.Changed {
		r.t.Errorf("a plan follows: %s\nfrom %v\nto   %v", out.Errors(), testkit.Plain(r.State), testkit.Plain(out.Planned))
	}
}

// planned checks which members the plan adds and takes away.
func (r *rig) planned(c map[string]any, adds, drops []string) {
	r.t.Helper()
	r.refresh()
	out := r.Plan(r.t.Context(), c)
	if out.Errors() != "" {
		r.t.Fatal(out.Errors())
	}
	was, _ := r.Attribute("members").([]any)
	will, ok := testkit.Attribute(out.Planned, "members").([]any)
	if !ok {
		r.t.Fatalf("members are planned as %v", testkit.Attribute(out.Planned, "members"))
	}
	less := func(a, b []any) []string {
		var d []string
		for _, e := range a {
			if !slices.Contains(b, e) {
				d = append(d, fmt.Sprint(e))
			}
		}
		return d
	}
	if diff := cmp.Diff([2][]string{adds, drops}, [2][]string{less(will, was), less(was, will)}); diff != "" {
		r.t.Errorf("planned members (-want +got):\n%s", diff)
	}
}

// shape is what a node has but for what the server counts.
func shape(api *fakeapi.Server, name string) map[string]any {
	o := api.Get("Node", "", name)
	if o == nil {
		return nil
	}
	o.SetResourceVersion("")
	o.SetManagedFields(nil)
	if len(o.GetAnnotations()) == 0 {
		o.SetAnnotations(nil)
	}
	return o.Object
}

func (r *rig) edit(node string, fields ...any) {
	r.api.Change("Node", "", node, "kubectl-edit", func(o map[string]any) {
		for i := 0; i+1 < len(fields); i += 2 {
			path := strings.Split(fmt.Sprint(fields[i]), "|")
			if fields[i+1] == nil {
				unstructured.RemoveNestedField(o, path...)
				continue
			}
			_ = unstructured.SetNestedField(o, fields[i+1], path...)
		}
	})
}

// TestLife: create, what the state says, a change of everything, and that destroy
// gives the nodes back as they were.
func TestLife(t *testing.T) {
	t.Parallel()
	r := workspace(t, newAPI(t, "n1", "n2"), nil)
	addNodeWith(r.api, "cpu")
	before := map[string]any{"n1": shape(r.api, "n1"), "n2": shape(r.api, "n2"), "cpu": shape(r.api, "cpu")}
	r.apply(declare(nil))
	want := map[string]any{"nodes": int64(2), "ready_nodes": int64(2), "gpus": int64(16), "allocatable": int64(14), "unhealthy": int64(2)}
	if diff := cmp.Diff(want, r.Attribute("totals")); diff != "" {
		t.Error(diff)
	}
	node := map[string]any{
		"ready": true, "schedulable": true, "product": "NVIDIA-H100-80GB-HBM3", "gpus": int64(8), "allocatable": int64(7), "unhealthy": int64(1),
		"resources": map[string]any{"nvidia.com/gpu": int64(7)}, "driver_version": "570.1", "cuda_version": nil, "taints": []any{"nvidia.com/gpu=present:NoSchedule"},
	}
	if diff := cmp.Diff(map[string]any{"n1": node, "n2": node}, r.Attribute("nodes")); diff != "" {
		t.Error(diff)
	}
	if r.Attribute("id") != "a" {
		t.Errorf("id is %v", r.Attribute("id"))
	}
	r.settled(declare(nil))
	other := []any{map[string]any{"key": "sku", "effect": "NoSchedule"}, map[string]any{"key": "nvidia.com/gpu", "effect": "NoExecute"}}
	again := declare(map[string]any{"taints": other, "labels": map[string]any{"tier": "other"}, "cordon": true, "timeouts": map[string]any{"update": "1m"}})
	r.apply(again)
	n := r.api.Get("Node", "", "n1")
	taints, _, _ := unstructured.NestedSlice(n.Object, "spec", "taints")
	if closed, _, _ := unstructured.NestedBool(n.Object, "spec", "unschedulable"); !closed || len(taints) != 2 || n.GetLabels()["tier"] != "other" || n.GetLabels()["accelerator"] != "" {
		t.Errorf("after the update the node has %v, %v", n.GetLabels(), n.Object["spec"])
	}
	slices.Reverse(other)
	r.settled(again) // the order of taints means nothing
	if out := r.apply(declare(map[string]any{"name": "b"})); !slices.Equal(out.Replace, []string{`AttributeName("name")`}) {
		t.Errorf("another name replaces by %v", out.Replace)
	}
	r.apply(nil)
	after := map[string]any{"n1": shape(r.api, "n1"), "n2": shape(r.api, "n2"), "cpu": shape(r.api, "cpu")}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("destroy left (-before +after):\n%s", diff)
	}
}

func addNodeWith(api *fakeapi.Server, name string) {
	api.Put(&unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": name}, "spec": map[string]any{}}}, "kubelet")
}

// TestStrangersAreInvisible: keys of others plan nothing, and survive an apply.
func TestStrangersAreInvisible(t *testing.T) { // pain 35
	t.Parallel()
	r := workspace(t, newAPI(t, "n1"), nil)
	r.apply(declare(nil))
	r.edit("n1", "metadata|labels|theirs", "x", "metadata|annotations|theirs", "y", "spec|unschedulable", true, "spec|taints", []any{
		map[string]any{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"},
		map[string]any{"key": "nvidia.com/gpu", "value": "theirs", "effect": "NoExecute"},
	})
	r.settled(declare(nil))
	r.apply(declare(map[string]any{"labels": map[string]any{"tier": "other"}}))
	n := r.api.Get("Node", "", "n1")
	taints, _, _ := unstructured.NestedSlice(n.Object, "spec", "taints")
	if closed, _, _ := unstructured.NestedBool(n.Object, "spec", "unschedulable"); !closed || len(taints) != 2 || n.GetLabels()["theirs"] != "x" {
		t.Errorf("the apply undid what others did: %v %v", n.GetLabels(), n.Object["spec"])
	}
}

// TestDriftIsSeen: whatever of the pool a node loses, that node is planned, and no
// other; the apply mends it.
func TestDriftIsSeen(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string][]any{
		"a label goes":        {"metadata|labels|tier", nil},
		"the membership goes": {"metadata|labels|pool.mlk.dev/a", nil},
		"the note goes":       {"metadata|annotations", nil},
		"a taint goes":        {"spec|taints", nil},
		"a taint changes":     {"spec|taints", []any{map[string]any{"key": "nvidia.com/gpu", "value": "other", "effect": "NoSchedule"}}},
		"it is opened":        {"spec|unschedulable", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := declare(map[string]any{"cordon": true})
			r := workspace(t, newAPI(t, "n1", "n2"), nil)
			r.apply(c)
			r.stop() // the mark that it is recorded is written then
			r = continued(t, r)
			r.edit("n2", edit...)
			r.planned(c, []string{"n2"}, nil)
			writes := len(r.writes())
			r.apply(c)
			for _, w := range r.writes()[writes:] {
				if !strings.HasSuffix(w, "/n2") {
					t.Errorf("%s was written", w)
				}
			}
			r.settled(c)
		})
	}
	t.Run("a label that somebody else set stays theirs", func(t *testing.T) {
		t.Parallel()
		r := workspace(t, newAPI(t, "n1"), nil)
		r.apply(declare(nil))
		r.edit("n1", "metadata|labels|tier", "theirs")
		r.refresh()
		if out := r.Plan(t.Context(), declare(nil)); !strings.Contains(out.Errors(), "Label tier of 1 node belongs to kubectl-edit") {
			t.Errorf("the plan says %q", out.Errors())
		}
		r.apply(declare(map[string]any{"force_conflicts": true}))
		r.settled(declare(map[string]any{"force_conflicts": true}))
		r.apply(nil)
		if got := r.api.Get("Node", "", "n1").GetLabels()["tier"]; got != "theirs" {
			t.Errorf("the label was given back as %q", got)
		}
	})
}

func (r *rig) writes() []string {
	var out []string
	for _, q := range r.api.Requests() {
		if q.Writes() {
			out = append(out, q.Path)
		}
	}
	return out
}

// TestNodesComeAndGo: a node that goes is no change; one that comes is planned by
// its name, and so is one that matches no more, which is cleaned (pain 36).
func TestNodesComeAndGo(t *testing.T) {
	t.Parallel()
	c := declare(nil)
	r := workspace(t, newAPI(t, "n1", "n2"), nil)
	r.apply(c)
	r.api.Remove("Node", "", "n1")
	r.settled(c)
	addNode(r.api, "n3")
	r.planned(c, []string{"n3"}, nil)
	r.apply(c)
	r.settled(c)
	clean := shape(r.api, "n3")
	r.edit("n2", "metadata|labels|gpu", "broken")
	r.planned(c, nil, []string{"n2"})
	r.apply(c)
	r.settled(c)
	n := r.api.Get("Node", "", "n2")
	if taints, _, _ := unstructured.NestedSlice(n.Object, "spec", "taints"); n.GetLabels()["tier"] != "" || n.GetLabels()["pool.mlk.dev/a"] != "" || len(n.GetAnnotations()) > 0 || len(taints) > 0 {
		t.Errorf("it was not cleaned: %v", n.Object)
	}
	if diff := cmp.Diff(clean, shape(r.api, "n3")); diff != "" {
		t.Errorf("the other node was touched: %s", diff)
	}
	// A node that comes and goes between plan and apply is nobody's business.
	r.apply(declare(map[string]any{"labels": map[string]any{"tier": "last"}}))
}

// TestOneList: a refresh is one list of nodes, whatever there is to see.
func TestOneList(t *testing.T) { // pain 39
	t.Parallel()
	r := workspace(t, newAPI(t, "n1", "n2", "n3"), nil)
	r.apply(declare(nil))
	r.stop()
	n := len(r.api.Requests())
	fresh := workspace(t, r.api, nil)
	fresh.State, fresh.Private = r.State, r.Private
	fresh.refresh()
	var got []string
	for _, q := range r.api.Requests()[n:] {
		got = append(got, q.Method+" "+q.Path)
	}
	if want := []string{"GET /api/v1/namespaces/kube-system", "GET /api/v1/nodes"}; !slices.Equal(got, want) {
		t.Errorf("a refresh asks %v, want %v", got, want)
	}
}

// TestInterruptedAnywhere cuts a create, an update and a destroy at each request,
// before and after it takes effect, and kills the provider there: the state knows
// what may exist, the next apply converges, and a destroy gives everything back.
func TestInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	updated := declare(map[string]any{"labels": map[string]any{"tier": "new"}, "taints": []any{map[string]any{"key": "sku", "effect": "NoSchedule"}}})
	anywhere(t, 5, 30, func(t *testing.T, verb string, b *breaking) bool { return interrupted(t, verb, updated, b) })
}

// anywhere breaks each request of a create, an update and a destroy in turn, before and
// after it takes effect, until there is none left to break: at least so many, and less
// than most.
func anywhere(t *testing.T, least, most int, breaks func(t *testing.T, verb string, b *breaking) bool) {
	t.Helper()
	for _, kill := range []bool{false, true} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("kill=%v/after=%v", kill, after), func(t *testing.T) {
				t.Parallel()
				for _, verb := range []string{"create", "update", "destroy"} {
					n := 1
					for ; n < most && breaks(t, verb, &breaking{at: n, after: after, kill: kill}); n++ {
					}
					if n < least || n == most {
						t.Errorf("%s: %d interruptions", verb, n-1)
					}
				}
			})
		}
	}
}

// interrupted does one thing with one broken request; false when there was none
// left to break.
func interrupted(t *testing.T, verb string, updated map[string]any, b *breaking) bool {
	t.Helper()
	api := newAPI(t, "n1", "n2")
	before := shape(api, "n1")
	first := workspace(t, api, func(next http.RoundTripper) http.RoundTripper {
		b.next = next
		return b
	})
	c := declare(nil)
	if verb != "create" {
		earlier := workspace(t, api, nil)
		earlier.apply(c)
		earlier.stop()
		first.State, first.Private = earlier.State, earlier.Private
		first.refresh()
	}
	state, private := first.State, first.Private
	b.arm()
	var out testkit.Outcome
	switch verb {
	case "create":
		out = first.Apply(t.Context(), c)
	case "update":
		c = updated
		out = first.Apply(t.Context(), c)
	case "destroy":
		out = first.Apply(t.Context(), nil)
	}
	first.stop()
	next := workspace(t, api, nil)
	next.State, next.Private = first.State, first.Private
	if b.kill && out.Errors() != "" {
		// Its answer never came: nothing of a create, the prior state without private
		// data of an update.
		next.State, next.Private = state, private
		if verb == "update" {
			next.Private = nil
		}
	}
	touched := cmp.Diff(before, shape(api, "n1")) != ""
	if verb == "create" && touched && !b.kill && next.State.IsNull() {
		t.Fatalf("%s at %d: nodes are changed and the state does not know: %s", verb, b.at, out.Errors())
	}
	next.refresh()
	if verb != "destroy" {
		next.apply(c)
		next.settled(c)
	}
	next.apply(nil)
	if diff := cmp.Diff(before, shape(api, "n1")); diff != "" {
		t.Errorf("%s at %d: destroy left (-before +after):\n%s", verb, b.at, diff)
	}
	return b.done
}

var errKilled = errors.New("the process was killed")

// breaking breaks one request from arm on; when it kills, all that follow too.
type breaking struct {
	next        http.RoundTripper
	at          int
	after, kill bool

	mu    sync.Mutex
	armed bool
	n     int
	done  bool
}

func (b *breaking) arm() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed = true
}

// RoundTrip sends a request, or does not.
func (b *breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	if b.armed {
		b.n++
	}
	mine := b.armed && b.n == b.at
	dead := b.done && b.kill
	b.done = b.done || mine
	b.mu.Unlock()
	if dead || mine && !b.after {
		return nil, errKilled
	}
	resp, err := b.next.RoundTrip(r)
	if mine && err == nil {
		_ = resp.Body.Close()
		return nil, errKilled
	}
	return resp, err
}

// TestOtherStates: what another state has is refused, left alone, and taken by an
// import, from when on the first one keeps its hands off.
func TestOtherStates(t *testing.T) {
	t.Parallel()
	c := declare(nil)
	r := workspace(t, newAPI(t, "n1", "n2"), nil)
	r.apply(c)
	r.stop() // now the mark that it is recorded is written
	r = continued(t, r)
	other := workspace(t, r.api, nil)
	if out := other.Apply(t.Context(), c); !strings.Contains(out.Errors(), "already exists and belongs to another state") {
		t.Fatalf("another state took it: %q", out.Errors())
	}
	if out := other.Import(t.Context(), "a/gpu=h100"); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	for _, n := range []string{"name", "node_selector", "labels", "taints", "members", "nodes", "totals"} {
		if diff := cmp.Diff(r.Attribute(n), other.Attribute(n)); diff != "" {
			t.Errorf("%s is imported as (-was +is):\n%s", n, diff)
		}
	}
	other.settled(c)
	changed := declare(map[string]any{"labels": map[string]any{"tier": "theirs"}})
	other.apply(changed)
	other.settled(changed)
	r.refresh()
	if out := r.Apply(t.Context(), declare(map[string]any{"labels": map[string]any{"tier": "mine"}})); !strings.Contains(out.Errors(), "now belongs to another state") {
		t.Errorf("the first state still writes: %q", out.Errors())
	}
	if out := r.Apply(t.Context(), nil); out.Errors() != "" || !strings.Contains(out.Warnings(), "was left alone on 2 nodes") {
		t.Errorf("destroy of the first says %q, %q", out.Errors(), out.Warnings())
	}
	other.settled(changed)
}

// continued is the workspace in another process.
func continued(t *testing.T, r *rig) *rig {
	t.Helper()
	next := workspace(t, r.api, nil)
	next.State, next.Private = r.State, r.Private
	return next
}

// TestImportByHand: nodes that were labelled and tainted by hand are imported by a
// selector; the pool takes over exactly the keys that it declares.
func TestImportByHand(t *testing.T) {
	t.Parallel()
	api := newAPI(t, "n1")
	api.Change("Node", "", "n1", "kubectl-label", func(o map[string]any) {
		for k, v := range map[string]string{"tier": "gpu", "accelerator": "old", "mine": "x"} {
			_ = unstructured.SetNestedField(o, v, "metadata", "labels", k)
		}
		_ = unstructured.SetNestedSlice(o, []any{
			map[string]any{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}, map[string]any{"key": "mine", "effect": "NoSchedule"},
		}, "spec", "taints")
	})
	r := workspace(t, api, nil)
	if out := r.Import(t.Context(), "a/gpu=h100"); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	r.apply(declare(nil))
	r.settled(declare(nil))
	r.apply(nil)
	n := api.Get("Node", "", "n1")
	want := map[string]string{"gpu": "h100", "mine": "x", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/cuda.driver-version.full": "570.1"}
	if diff := cmp.Diff(want, n.GetLabels()); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	taints, _, _ := unstructured.NestedSlice(n.Object, "spec", "taints")
	if diff := cmp.Diff([]any{map[string]any{"key": "mine", "effect": "NoSchedule"}}, taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
	for id, says := range map[string]string{"b": "No node belongs to", "a/": "is not the id of", "A": "is not the id of", "b/gpu=none": "matches the selector of the id"} {
		if out := workspace(t, api, nil).Import(t.Context(), id); !strings.Contains(out.Errors(), says) {
			t.Errorf("%q says %q", id, out.Errors())
		}
	}
}

// TestWrongCluster: another cluster is refused, and nothing is written there.
func TestWrongCluster(t *testing.T) {
	t.Parallel()
	r := workspace(t, newAPI(t, "n1"), nil)
	r.apply(declare(nil))
	elsewhere := workspace(t, newAPI(t, "n1"), nil)
	elsewhere.State, elsewhere.Private = r.State, r.Private
	for what, out := range map[string]testkit.Outcome{
		"refresh": elsewhere.Refresh(t.Context()), "update": elsewhere.Apply(t.Context(), declare(map[string]any{"cordon": true})), "destroy": elsewhere.Fork().Apply(t.Context(), nil),
	} {
		if !strings.Contains(out.Errors(), "was made on another cluster") {
			t.Errorf("%s says %q", what, out.Errors())
		}
	}
	if w := elsewhere.writes(); len(w) > 0 {
		t.Errorf("%v were written", w)
	}
}

// TestWaits: a pool that is not complete says why, stays in the state, waits again
// and takes in what joins.
func TestWaits(t *testing.T) {
	t.Parallel()
	r := workspace(t, newAPI(t, "n1"), nil)
	short := map[string]any{"min_nodes": 2, "timeouts": map[string]any{"create": "4s", "update": "1m"}, "on_failure": "keep"}
	out := r.apply(declare(short))
	if !strings.Contains(out.Warnings(), "has not what it waits for after 4s") || !strings.Contains(out.Warnings(), "1 of 2 nodes are Ready") {
		t.Errorf("it says %q", out.Warnings())
	}
	if got := r.Plan(t.Context(), declare(short)); !got.Changed {
		t.Error("the next plan does not wait again")
	}
	addNode(r.api, "n2")
	r.apply(declare(short))
	if got := r.api.Get("Node", "", "n2").GetLabels()["pool.mlk.dev/a"]; got != "true" {
		t.Error("a node that joined was not taken in")
	}
	r.settled(declare(short))
	gpus := workspace(t, newAPI(t, "n1"), nil)
	out = gpus.Apply(t.Context(), declare(map[string]any{"min_gpus": 8, "timeouts": map[string]any{"create": "4s"}}))
	for _, words := range []string{"7 of 8 GPUs are offered", "Node n1 can hand out 7 of its 8 GPUs", "terraform untaint"} {
		if !strings.Contains(out.Errors(), words) {
			t.Errorf("it does not say %q: %q", words, out.Errors())
		}
	}
	if gpus.State.IsNull() || !gpus.Tainted {
		t.Error("a failed wait lost the pool")
	}
}

// TestCancelled: the user's ^C ends a wait with a warning, and the next apply goes on.
func TestCancelled(t *testing.T) {
	t.Parallel()
	r := workspace(t, newAPI(t, "n1"), nil)
	c := declare(map[string]any{"min_nodes": 2})
	ctx, cancel := context.WithCancel(t.Context())
	r.api.After = func(q fakeapi.Request) error {
		if q.Method == http.MethodPatch && strings.Contains(string(q.Body), "pool.mlk.dev/a\":\"true\"") {
			cancel()
		}
		return nil
	}
	out := r.Apply(ctx, c)
	if out.Errors() != "" || !strings.Contains(out.Warnings(), "Stopped waiting for GPU node pool") || r.State.IsNull() {
		t.Fatalf("it ended with %q, %q", out.Errors(), out.Warnings())
	}
	addNode(r.api, "n2")
	r.apply(c)
	r.settled(c)
}

// TestUnknown: what is not known yet is not held against a plan.
func TestUnknown(t *testing.T) {
	t.Parallel()
	r := workspace(t, newAPI(t, "n1"), nil)
	for _, n := range []string{"node_selector", "node_names", "labels", "taints", "cordon", "min_nodes", "min_gpus", "force_conflicts", "mig", "sharing", "device_plugin_config"} {
		c := declare(map[string]any{n: testkit.Unknown{}})
		if out := r.Validate(t.Context(), c); out.Errors() != "" {
			t.Errorf("%s unknown is invalid: %s", n, out.Errors())
		}
		if out := r.Plan(t.Context(), c); out.Errors() != "" {
			t.Errorf("%s unknown cannot be planned: %s", n, out.Errors())
		}
	}
	// What is not known may be null: then the label is set once.
	for name, label := range map[string]string{"mig": "nvidia.com/mig.config", "sharing": "nvidia.com/device-plugin.config"} {
		if out := r.Validate(t.Context(), declare(map[string]any{name: testkit.Unknown{}, "labels": map[string]any{label: "x"}})); out.Errors() != "" {
			t.Errorf("%s unknown beside its label is invalid: %s", name, out.Errors())
		}
	}
	r.apply(declare(nil))
	if out := r.Plan(t.Context(), declare(map[string]any{"labels": map[string]any{"tier": testkit.Unknown{}}})); out.Errors() != "" || !out.Changed {
		t.Errorf("an unknown label plans %v, %s", out.Changed, out.Errors())
	}
}

// TestInvalid: what the configuration alone decides is said at plan.
func TestInvalid(t *testing.T) {
	t.Parallel()
	twice := []any{map[string]any{"key": "a", "effect": "NoSchedule"}, map[string]any{"key": "a", "value": "x", "effect": "NoSchedule"}}
	for says, more := range map[string]map[string]any{
		"needs node_selector, node_names or karpenter":         {"node_selector": nil},
		"would take its nodes out of the pool":                 {"labels": map[string]any{"gpu": "other"}},
		"A taint is declared twice":                            {"taints": twice},
		"Kubernetes itself sets taints":                        {"taints": []any{map[string]any{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}}},
		"min_nodes is more than the pool can have":             {"node_selector": nil, "node_names": []any{"n1"}, "min_nodes": 2},
		"Keys that start with pool.mlk.dev/ are the marks mlk": {"labels": map[string]any{"pool.mlk.dev/x": "true"}},
		"Attribute taints[0].effect value must be one of":      {"taints": []any{map[string]any{"key": "a", "effect": "Never"}}},
		"MPS does not share MIG devices":                       {"mig": map[string]any{"config": "all-1g.10gb"}, "sharing": map[string]any{"strategy": "mps", "replicas": 2}},
		"MPS knows no fail_requests":                           {"sharing": map[string]any{"strategy": "mps", "replicas": 2, "fail_requests_greater_than_one": true}},
		"nvidia.com/mig.config is set twice":                   {"mig": map[string]any{"config": "all-1g.10gb"}, "labels": map[string]any{"nvidia.com/mig.config": "x"}},
		"Attribute sharing.replicas value must be between":     {"sharing": map[string]any{"strategy": "mps", "replicas": 1}},
		"Attribute name string length must be at most 40":      {"name": strings.Repeat("a", 41)},
	} {
		r := workspace(t, newAPI(t), nil)
		if out := r.Validate(t.Context(), declare(more)); !strings.Contains(out.Errors(), says) {
			t.Errorf("want %q, got %q", says, out.Errors())
		}
	}
}

// operate does what MIG manager and device plugin do with a node that asks for a
// layout: state says what the MIG manager makes of it, replicas how often each GPU
// is shared.
func (r *rig) operate(node, state string, replicas int64) {
	r.api.Change("Node", "", node, "nvidia", func(o map[string]any) {
		if state != "" {
			_ = unstructured.SetNestedField(o, state, "metadata", "labels", "nvidia.com/mig.config.state")
		}
		if replicas > 0 {
			_ = unstructured.SetNestedField(o, fmt.Sprint(replicas), "metadata", "labels", "nvidia.com/gpu.replicas")
			for _, f := range []string{"capacity", "allocatable"} {
				_ = unstructured.SetNestedField(o, fmt.Sprint(8*replicas), "status", f, "nvidia.com/gpu.shared")
			}
		}
	})
}

// played lets the operators answer each time a node's label is applied.
func (r *rig) played(label string, answer func(node string)) {
	r.api.After = func(q fakeapi.Request) error {
		if q.Method == http.MethodPatch && strings.Contains(string(q.Body), label) && strings.Contains(string(q.Body), `"uid"`) {
			answer(q.Path[strings.LastIndex(q.Path, "/")+1:])
		}
		return nil
	}
}

// TestMIG: the label is taken over from the operator's default, what its state said
// before counts for nothing, a layout that fails is explained, and the default comes
// back.
func TestMIG(t *testing.T) {
	t.Parallel()
	r := workspace(t, newAPI(t, "n1"), nil)
	r.api.Change("Node", "", "n1", "gpu-operator", func(o map[string]any) {
		for k, v := range map[string]string{"nvidia.com/mig.config": "all-disabled", "nvidia.com/mig.config.state": "success"} {
			_ = unstructured.SetNestedField(o, v, "metadata", "labels", k)
		}
	})
	mig := func(config string) map[string]any {
		return declare(map[string]any{"mig": map[string]any{"config": config}, "timeouts": map[string]any{"create": "1m", "update": "1m"}})
	}
	r.played("nvidia.com/mig.config", func(n string) { go r.operate(n, "success", 0) })
	r.apply(mig("all-1g.10gb"))
	if got := r.api.Get("Node", "", "n1").GetLabels()["nvidia.com/mig.config"]; got != "all-1g.10gb" {
		t.Errorf("the label is %q", got)
	}
	r.stop()
	r = continued(t, r)
	r.settled(mig("all-1g.10gb"))
	r.played("nvidia.com/mig.config", func(n string) { go r.operate(n, "failed", 0) })
	out := r.Apply(t.Context(), mig("all-9g.90gb"))
	for _, words := range []string{`MIG layout "all-9g.90gb" failed on 1 node`, "NVIDIA-H100-80GB-HBM3", "app=nvidia-mig-manager"} {
		if !strings.Contains(out.Errors(), words) {
			t.Errorf("it does not say %q: %s", words, out.Errors())
		}
	}
	r.api.After = nil
	r.apply(nil)
	if got := r.api.Get("Node", "", "n1").GetLabels()["nvidia.com/mig.config"]; got != "all-disabled" {
		t.Errorf("the label was given back as %q", got)
	}
	r.edit("n1", "metadata|labels|nvidia.com/mig.capable", "false")
	if out := r.Plan(t.Context(), mig("all-1g.10gb")); !strings.Contains(out.Errors(), "The GPUs of 1 node cannot be divided by MIG") {
		t.Errorf("the plan says %q", out.Errors())
	}
}

// TestMIGKilledAndReverted: a process that dies between the two writes of another
// layout has taken away the state of the one in force; who goes back to that finds it
// again, and waits for nothing.
func TestMIGKilledAndReverted(t *testing.T) {
	t.Parallel()
	mig := func(config, limit string) map[string]any {
		return declare(map[string]any{"mig": map[string]any{"config": config}, "timeouts": map[string]any{"create": limit, "update": limit}})
	}
	r := workspace(t, newAPI(t, "n1"), nil)
	r.played("nvidia.com/mig.config", func(n string) { go r.operate(n, "success", 0) })
	r.apply(mig("all-1g.10gb", "1m"))
	r.stop()
	r.api.After = nil
	dying := continued(t, r)
	r.api.Before = func(q fakeapi.Request) error {
		if q.Method == http.MethodPatch && strings.Contains(string(q.Body), "all-9g.90gb") {
			return fakeapi.Cut{}
		}
		return nil
	}
	if out := dying.Apply(t.Context(), mig("all-9g.90gb", "15s")); out.Errors() == "" {
		t.Fatal("nothing died")
	}
	labels := r.api.Get("Node", "", "n1").GetLabels()
	if _, there := labels["nvidia.com/mig.config.state"]; there || labels["nvidia.com/mig.config"] != "all-1g.10gb" {
		t.Fatalf("after the first write the node has %v", labels)
	}
	r.api.Before = nil
	back := continued(t, r)
	back.Private = nil
	back.refresh()
	back.apply(mig("all-1g.10gb", "1m"))
	back.settled(mig("all-1g.10gb", "1m"))
	if got := r.api.Get("Node", "", "n1").GetLabels()["nvidia.com/mig.config.state"]; got != "success" {
		t.Errorf("the state is %q", got)
	}
}

// TestSharingIsImported: what the device plugin was told is read back from where the
// nodes say that it is.
func TestSharingIsImported(t *testing.T) {
	t.Parallel()
	r := workspace(t, newAPI(t, "n1"), nil)
	r.edit("n1", "metadata|labels|nvidia.com/gpu.count", "8")
	c := declare(map[string]any{
		"sharing":              map[string]any{"strategy": "time-slicing", "replicas": 4, "rename": true, "fail_requests_greater_than_one": true},
		"device_plugin_config": map[string]any{"namespace": "default", "name": "plugin"}, "timeouts": map[string]any{"create": "1m"},
	})
	r.played("device-plugin.config", func(n string) { go r.operate(n, "", 4) })
	r.apply(c)
	r.stop()
	r.api.After = nil
	other := workspace(t, r.api, nil)
	if out := other.Import(t.Context(), "a/gpu=h100"); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	for _, n := range []string{"sharing", "device_plugin_config", "labels", "taints", "mig"} {
		if diff := cmp.Diff(r.Attribute(n), other.Attribute(n)); diff != "" {
			t.Errorf("%s is imported as (-was +is):\n%s", n, diff)
		}
	}
	delete(c, "timeouts")
	other.settled(c)
}

// TestSharing: the device plugin's configuration is written before a node refers to
// it, and taken away after no node does; what others keep in the ConfigMap stays.
func TestSharing(t *testing.T) {
	t.Parallel()
	r := workspace(t, newAPI(t, "n1"), nil)
	r.api.Put(&unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "gpu-operator"}}})
	r.edit("n1", "metadata|labels|nvidia.com/gpu.count", "8")
	share := func(replicas int) map[string]any {
		return declare(map[string]any{
			"sharing":  map[string]any{"strategy": "time-slicing", "replicas": replicas, "rename": true},
			"timeouts": map[string]any{"create": "1m", "update": "1m"},
		})
	}
	files := func() map[string]string {
		o := r.api.Get("ConfigMap", "gpu-operator", "device-plugin-config")
		if o == nil {
			return nil
		}
		data, _, _ := unstructured.NestedStringMap(o.Object, "data")
		return data
	}
	shared := int64(0)
	answer := func(n string) {
		label := r.api.Get("Node", "", n).GetLabels()["nvidia.com/device-plugin.config"]
		if label != "" && files()[label] == "" {
			t.Errorf("node %s refers to %s, which is not there: %v", n, label, files())
		}
		go r.operate(n, "", shared)
	}
	r.played("device-plugin.config", answer)
	shared = 4
	r.apply(share(4))
	text := "sharing:\n  timeSlicing:\n    renameByDefault: true\n    resources:\n    - name: nvidia.com/gpu\n      replicas: 4\nversion: v1\n"
	for k, v := range files() {
		if !strings.HasPrefix(k, "a-") || !strings.HasSuffix(k, "-ts-4") || v != text {
			t.Errorf("%s is\n%s", k, v)
		}
	}
	r.stop()
	r = continued(t, r)
	r.settled(share(4))
	r.played("device-plugin.config", answer)
	shared = 2
	r.apply(share(2))
	if len(files()) != 1 {
		t.Errorf("left are %v", files())
	}
	r.settled(share(2))
	r.api.After = nil
	r.api.Remove("ConfigMap", "gpu-operator", "device-plugin-config")
	r.planned(share(2), []string{"n1"}, nil)
	r.apply(share(2))
	r.settled(share(2))
	other := workspace(t, r.api, nil)
	r.api.Change("ConfigMap", "gpu-operator", "device-plugin-config", "kubectl-edit", func(o map[string]any) {
		_ = unstructured.SetNestedField(o, "theirs", "data", "default")
	})
	r.apply(nil)
	if diff := cmp.Diff(map[string]string{"default": "theirs"}, files()); diff != "" {
		t.Errorf("the ConfigMap has (-want +got):\n%s", diff)
	}
	r.api.Remove("ConfigMap", "gpu-operator", "device-plugin-config")
	shared = 3
	r.played("device-plugin.config", answer)
	other.apply(share(3))
	r.api.After = nil
	other.apply(nil)
	if files() != nil {
		t.Errorf("the ConfigMap that only pools had is left: %v", files())
	}
	r.api.Remove("Namespace", "", "gpu-operator")
	if out := other.Apply(t.Context(), share(3)); !strings.Contains(out.Errors(), "Namespace gpu-operator does not exist") || !other.State.IsNull() {
		t.Errorf("it says %q", out.Errors())
	}
}
