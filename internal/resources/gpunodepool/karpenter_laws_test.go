package gpunodepool_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// The laws, for pools whose nodes Karpenter makes.

func karpenterAPI(t *testing.T) *fakeapi.Server {
	t.Helper()
	api := newAPI(t)
	api.Kinds = map[string]schema.GroupVersionKind{
		"nodepools":       {Group: "karpenter.sh", Version: "v1", Kind: "NodePool"},
		"nodeclaims":      {Group: "karpenter.sh", Version: "v1", Kind: "NodeClaim"},
		"kwoknodeclasses": {Group: "karpenter.kwok.sh", Version: "v1alpha1", Kind: "KWOKNodeClass"},
	}
	api.Put(&unstructured.Unstructured{Object: map[string]any{"apiVersion": "karpenter.kwok.sh/v1alpha1", "kind": "KWOKNodeClass", "metadata": map[string]any{"name": "gpu"}}})
	says(api, "Ready", "True", "")
	return api
}

// says lets Karpenter answer each write of a NodePool with one condition; "" lets it
// be silent.
func says(api *fakeapi.Server, typ, status, reason string) {
	api.After = func(q fakeapi.Request) error {
		if q.Writes() && strings.HasSuffix(q.Path, "/nodepools/a") && typ != "" {
			if api.Get("NodePool", "", "a") == nil {
				return nil
			}
			api.Change("NodePool", "", "a", "karpenter", func(o map[string]any) {
				_ = unstructured.SetNestedSlice(o, []any{map[string]any{"type": typ, "status": status, "reason": reason, "message": reason}}, "status", "conditions")
			})
		}
		return nil
	}
}

func demand(more map[string]any) map[string]any {
	k := map[string]any{
		"node_class":   map[string]any{"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "gpu"},
		"requirements": []any{map[string]any{"key": "karpenter.sh/capacity-type", "operator": "In", "values": []any{"on-demand"}}},
		"limits":       map[string]any{"gpus": 64, "cpu": "512", "others": map[string]any{"amd.com/gpu": "8"}},
		"disruption":   map[string]any{"consolidation_policy": "WhenEmpty", "consolidate_after": "10m", "budgets": []any{map[string]any{"nodes": "1", "reasons": []any{"Empty"}}}},
		"expire_after": "Never", "termination_grace_period": "48h", "weight": 10,
		"startup_taints": []any{map[string]any{"key": "driver", "effect": "NoSchedule"}},
		"annotations":    map[string]any{"team": "ml"},
	}
	c := declare(map[string]any{"node_selector": nil, "karpenter": k, "timeouts": map[string]any{"create": "1m", "update": "1m", "delete": "1m"}})
	for name, v := range more {
		inner, in := strings.CutPrefix(name, "karpenter.")
		switch {
		case in && v == nil:
			delete(k, inner)
		case in:
			k[inner] = v
		case v == nil:
			delete(c, name)
		default:
			c[name] = v
		}
	}
	return c
}

func madeNode(api *fakeapi.Server, name string) {
	addNode(api, name)
	api.Change("Node", "", name, "karpenter", func(o map[string]any) {
		_ = unstructured.SetNestedField(o, "a", "metadata", "labels", "karpenter.sh/nodepool")
	})
}

// TestKarpenterLife: a NodePool as it was asked for, its nodes in the state, a change
// that says what Karpenter does to them, and nothing left.
func TestKarpenterLife(t *testing.T) {
	t.Parallel()
	r := workspace(t, karpenterAPI(t), nil)
	r.apply(demand(nil))
	want := map[string]any{
		"template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"pool.mlk.dev/a": "true", "tier": "gpu", "accelerator": "nvidia-h100"}, "annotations": map[string]any{"team": "ml"}},
			"spec": map[string]any{
				"nodeClassRef":  map[string]any{"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "gpu"},
				"requirements":  []any{map[string]any{"key": "karpenter.sh/capacity-type", "operator": "In", "values": []any{"on-demand"}}},
				"taints":        []any{map[string]any{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}},
				"startupTaints": []any{map[string]any{"key": "driver", "effect": "NoSchedule"}},
				"expireAfter":   "Never", "terminationGracePeriod": "48h",
			},
		},
		"limits":     map[string]any{"nvidia.com/gpu": "64", "cpu": "512", "amd.com/gpu": "8"},
		"disruption": map[string]any{"consolidationPolicy": "WhenEmpty", "consolidateAfter": "10m", "budgets": []any{map[string]any{"nodes": "1", "reasons": []any{"Empty"}}}},
		"weight":     int64(10),
	}
	live := r.api.Get("NodePool", "", "a")
	if diff := cmp.Diff(want, live.Object["spec"]); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	r.settled(demand(nil))
	madeNode(r.api, "n1")
	addNode(r.api, "n2") // of nobody
	r.settled(demand(nil))
	if got := fmt.Sprint(r.Attribute("members"), r.of("totals", "gpus")); got != "[n1] 8" {
		t.Errorf("members and GPUs are %s", got)
	}
	next := demand(map[string]any{"labels": map[string]any{"tier": "other"}, "karpenter.weight": 20})
	out := r.Plan(t.Context(), next)
	if w := out.Warnings(); !strings.Contains(w, "Karpenter will replace the nodes") || !strings.Contains(w, "labels changes") || !strings.Contains(w, "1 node for drifted") {
		t.Errorf("the plan says %q", w)
	}
	r.apply(next)
	r.settled(next)
	if labels, _, _ := unstructured.NestedStringMap(r.api.Get("NodePool", "", "a").Object, "spec", "template", "metadata", "labels"); labels["tier"] != "other" || labels["accelerator"] != "" {
		t.Errorf("labels are %v", labels)
	}
	if out := r.Plan(t.Context(), demand(map[string]any{"labels": map[string]any{"tier": "other"}})); strings.Contains(out.Warnings(), "will replace") {
		t.Errorf("a weight replaces no node: %s", out.Warnings())
	}
	class := map[string]any{"group": "karpenter.kwok.sh", "kind": "Other", "name": "gpu"}
	if out := r.Plan(t.Context(), demand(map[string]any{"karpenter.node_class": class})); !slices.Equal(out.Replace, []string{`AttributeName("karpenter")`}) {
		t.Errorf("another kind of class replaces by %v", out.Replace)
	}
	if out := r.Plan(t.Context(), declare(nil)); !slices.Equal(out.Replace, []string{`AttributeName("karpenter")`}) {
		t.Errorf("a pool of existing nodes replaces by %v", out.Replace)
	}
	r.apply(nil)
	if r.api.Get("NodePool", "", "a") != nil {
		t.Error("the NodePool is left")
	}
}

// TestKarpenterDrift: each field that somebody changes shows as its attribute, and is
// set back; what others add is nobody's business, and stays.
func TestKarpenterDrift(t *testing.T) {
	t.Parallel()
	at := func(p string) string { return "spec|template|" + p }
	for name, edit := range map[string][]any{
		"labels":                             {at("metadata|labels|tier"), "x"},
		"taints":                             {at("spec|taints"), []any{map[string]any{"key": "nvidia.com/gpu", "value": "x", "effect": "NoSchedule"}}},
		"karpenter.node_class":               {at("spec|nodeClassRef|name"), "x"},
		"karpenter.requirements":             {at("spec|requirements"), []any{}},
		"karpenter.limits":                   {"spec|limits|nvidia.com/gpu", int64(8)},
		"karpenter.disruption":               {"spec|disruption|consolidateAfter", "1m"},
		"karpenter.expire_after":             {at("spec|expireAfter"), "24h"},
		"karpenter.termination_grace_period": {at("spec|terminationGracePeriod"), nil},
		"karpenter.weight":                   {"spec|weight", int64(1)},
		"karpenter.startup_taints":           {at("spec|startupTaints"), nil},
		"karpenter.annotations":              {at("metadata|annotations|team"), "x"},
		"status":                             {at("metadata|labels|pool.mlk.dev/a"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := workspace(t, karpenterAPI(t), nil)
			r.apply(demand(map[string]any{"force_conflicts": true}))
			before := r.seen()
			r.api.Change("NodePool", "", "a", "kubectl-edit", func(o map[string]any) { editAt(o, edit...) })
			r.refresh()
			after := r.seen()
			var got []string
			for k := range before {
				if cmp.Diff(before[k], after[k]) != "" {
					got = append(got, k)
				}
			}
			if name == "status" { // no attribute says it: it is written again
				if out := r.Plan(t.Context(), demand(map[string]any{"force_conflicts": true})); !out.Changed {
					t.Error("nothing is planned")
				}
			} else if !slices.Equal(got, []string{name}) {
				t.Errorf("it shows as %v", got)
			}
			r.apply(demand(map[string]any{"force_conflicts": true}))
			r.settled(demand(map[string]any{"force_conflicts": true}))
		})
	}
	t.Run("strangers", func(t *testing.T) {
		t.Parallel()
		r := workspace(t, karpenterAPI(t), nil)
		r.apply(demand(nil))
		r.api.Change("NodePool", "", "a", "kubectl-edit", func(o map[string]any) {
			editAt(o, at("metadata|labels|theirs"), "x", at("metadata|annotations|theirs"), "x", "spec|limits|memory", "1Ti", "metadata|labels|theirs", "x", "spec|replicas", int64(0),
				at("spec|taints"), []any{map[string]any{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}, map[string]any{"key": "theirs", "effect": "NoExecute"}})
		})
		r.settled(demand(nil))
		next := demand(map[string]any{"labels": map[string]any{"tier": "other"}, "taints": []any{map[string]any{"key": "sku", "effect": "NoSchedule"}}})
		r.apply(next)
		r.settled(next)
		o := r.api.Get("NodePool", "", "a").Object
		labels, _, _ := unstructured.NestedStringMap(o, "spec", "template", "metadata", "labels")
		taints, _, _ := unstructured.NestedSlice(o, "spec", "template", "spec", "taints")
		memory, _, _ := unstructured.NestedString(o, "spec", "limits", "memory")
		if labels["theirs"] != "x" || labels["tier"] != "other" || len(labels) != 3 || len(taints) != 2 || memory != "1Ti" {
			t.Errorf("the apply left %v, %v, %q", labels, taints, memory)
		}
	})
}

// of is an attribute of an attribute.
func (r *rig) of(name, inner string) any {
	r.t.Helper()
	o, ok := r.Attribute(name).(map[string]any)
	if !ok {
		r.t.Fatalf("%s is %v", name, r.Attribute(name))
	}
	return o[inner]
}

// seen are the attributes of the state; those of karpenter by themselves.
func (r *rig) seen() map[string]any {
	r.t.Helper()
	all, ok := testkit.Plain(r.State).(map[string]any)
	k, also := all["karpenter"].(map[string]any)
	if !ok || !also {
		r.t.Fatalf("the state is %v", all)
	}
	delete(all, "karpenter")
	for name, v := range k {
		all["karpenter."+name] = v
	}
	return all
}

func editAt(o map[string]any, fields ...any) {
	for i := 0; i+1 < len(fields); i += 2 {
		at := strings.Split(fmt.Sprint(fields[i]), "|")
		if fields[i+1] == nil {
			unstructured.RemoveNestedField(o, at...)
			continue
		}
		_ = unstructured.SetNestedField(o, fields[i+1], at...)
	}
}

// TestKarpenterInterruptedAnywhere cuts a create, an update and a destroy at each
// request, before and after it takes effect, and kills the provider there.
func TestKarpenterInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	updated := demand(map[string]any{"labels": map[string]any{"tier": "new"}})
	anywhere(t, 3, 20, func(t *testing.T, verb string, b *breaking) bool { return karpenterInterrupted(t, verb, updated, b) })
}

func karpenterInterrupted(t *testing.T, verb string, updated map[string]any, b *breaking) bool {
	t.Helper()
	api := karpenterAPI(t)
	first := workspace(t, api, func(next http.RoundTripper) http.RoundTripper {
		b.next = next
		return b
	})
	c := demand(nil)
	if verb != "create" {
		earlier := workspace(t, api, nil)
		if verb == "destroy" && b.kill {
			c["timeouts"] = map[string]any{"create": "1m", "delete": "1s"}
		}
		earlier.apply(c)
		earlier.stop()
		first.State, first.Private = earlier.State, earlier.Private
		first.refresh()
	}
	state, private := first.State, first.Private
	b.arm()
	var out testkit.Outcome
	brief := func(c map[string]any) map[string]any {
		if !b.kill {
			return c
		}
		c = maps.Clone(c) // whoever is dead need not wait
		c["timeouts"] = map[string]any{"create": "1s", "update": "1s", "delete": "1s"}
		return c
	}
	switch verb {
	case "create":
		out = first.Apply(t.Context(), brief(c))
	case "update":
		c = updated
		out = first.Apply(t.Context(), brief(c))
	case "destroy":
		out = first.Apply(t.Context(), nil)
	}
	first.stop()
	next := workspace(t, api, nil)
	next.State, next.Private = first.State, first.Private
	if b.kill && out.Errors() != "" {
		next.State, next.Private = state, private
		if verb == "update" {
			next.Private = nil
		}
	}
	if verb == "create" && api.Get("NodePool", "", "a") != nil && !b.kill && next.State.IsNull() {
		t.Fatalf("%s at %d: there is a NodePool and the state does not know: %s", verb, b.at, out.Errors())
	}
	next.refresh()
	if verb != "destroy" {
		next.apply(c)
		next.settled(c)
	}
	next.apply(nil)
	if api.Get("NodePool", "", "a") != nil {
		t.Errorf("%s at %d: destroy left the NodePool", verb, b.at)
	}
	return b.done
}

// TestKarpenterOtherStates: what another state or a person has is refused, and taken
// by an import, from when on the first one keeps its hands off.
func TestKarpenterOtherStates(t *testing.T) {
	t.Parallel()
	r := workspace(t, karpenterAPI(t), nil)
	r.apply(demand(nil))
	r.stop() // now the mark that it is recorded is written
	r = continued(t, r)
	other := workspace(t, r.api, nil)
	if out := other.Apply(t.Context(), demand(nil)); !strings.Contains(out.Errors(), "already exists and belongs to another state") || !other.State.IsNull() {
		t.Fatalf("another state took it: %q", out.Errors())
	}
	if out := other.Import(t.Context(), "a"); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	for _, n := range []string{"name", "labels", "taints", "karpenter", "members", "nodes", "totals", "objects", "status"} {
		if diff := cmp.Diff(r.Attribute(n), other.Attribute(n)); diff != "" {
			t.Errorf("%s is imported as (-was +is):\n%s", n, diff)
		}
	}
	changed := demand(map[string]any{"labels": map[string]any{"tier": "theirs"}})
	other.apply(changed)
	other.settled(changed)
	r.refresh()
	if out := r.Apply(t.Context(), demand(map[string]any{"labels": map[string]any{"tier": "mine"}})); !strings.Contains(out.Errors(), "now belongs to another state") {
		t.Errorf("the first state still writes: %q", out.Errors())
	}
	if out := r.Apply(t.Context(), nil); out.Errors() != "" || !strings.Contains(out.Warnings(), "was left alone") {
		t.Errorf("destroy of the first says %q, %q", out.Errors(), out.Warnings())
	}
	other.settled(changed)
	other.apply(nil)
	byHand := func(api *fakeapi.Server) {
		api.Put(&unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": map[string]any{"name": "a"},
			"spec": map[string]any{
				"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"tier": "old"}}, "spec": map[string]any{
					"nodeClassRef": map[string]any{"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "gpu"}, "requirements": []any{}, "expireAfter": "720h",
				}},
				"limits": map[string]any{"nvidia.com/gpu": int64(8)}, "replicas": int64(2),
				"disruption": map[string]any{"consolidateAfter": "0s", "consolidationPolicy": "WhenEmptyOrUnderutilized", "budgets": []any{map[string]any{"nodes": "10%"}}},
			},
		}}, "kubectl-client-side-apply")
	}
	byHand(r.api)
	mine := workspace(t, r.api, nil)
	if out := mine.Apply(t.Context(), demand(nil)); !strings.Contains(out.Errors(), "is not managed by mlk") || !strings.Contains(out.Errors(), "terraform import") {
		t.Errorf("a person's is refused with %q", out.Errors())
	}
	if out := mine.Import(t.Context(), "a"); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	plain := map[string]any{"name": "a", "labels": map[string]any{"tier": "old"}, "karpenter": map[string]any{
		"node_class": map[string]any{"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "gpu"}, "limits": map[string]any{"gpus": 8},
	}}
	mine.apply(plain) // the membership label is new
	mine.settled(plain)
	delete(plain, "labels")
	mine.apply(plain)
	mine.settled(plain)
	o := r.api.Get("NodePool", "", "a").Object
	labels, _, _ := unstructured.NestedStringMap(o, "spec", "template", "metadata", "labels")
	replicas, _, _ := unstructured.NestedInt64(o, "spec", "replicas")
	if diff := cmp.Diff(map[string]string{"pool.mlk.dev/a": "true"}, labels); diff != "" || replicas != 2 {
		t.Errorf("labels (-want +got):\n%s replicas %d", diff, replicas)
	}
}

// TestKarpenterGone: a NodePool that somebody deletes is made anew, and a tainted one
// is removed without private state.
func TestKarpenterGone(t *testing.T) {
	t.Parallel()
	r := workspace(t, karpenterAPI(t), nil)
	r.apply(demand(nil))
	r.api.Remove("NodePool", "", "a")
	r.refresh()
	if !r.State.IsNull() {
		t.Error("the state still has it")
	}
	r.apply(demand(nil))
	r.Private = nil
	r.apply(nil)
	if r.api.Get("NodePool", "", "a") != nil {
		t.Error("it is left")
	}
}

// TestKarpenterWrongCluster: another cluster is refused, and nothing is written there.
func TestKarpenterWrongCluster(t *testing.T) {
	t.Parallel()
	r := workspace(t, karpenterAPI(t), nil)
	r.apply(demand(nil))
	elsewhere := workspace(t, karpenterAPI(t), nil)
	elsewhere.State, elsewhere.Private = r.State, r.Private
	for what, out := range map[string]testkit.Outcome{
		"refresh": elsewhere.Refresh(t.Context()), "update": elsewhere.Apply(t.Context(), demand(map[string]any{"karpenter.weight": 1})), "destroy": elsewhere.Fork().Apply(t.Context(), nil),
	} {
		if !strings.Contains(out.Errors(), "was made on another cluster") {
			t.Errorf("%s says %q", what, out.Errors())
		}
	}
	if w := elsewhere.writes(); len(w) > 0 {
		t.Errorf("%v were written", w)
	}
}

// TestKarpenterExplains: what Karpenter says of a NodePool, and what the plan can say
// before it does.
func TestKarpenterExplains(t *testing.T) {
	t.Parallel()
	short := map[string]any{"timeouts": map[string]any{"create": "2s", "update": "1m"}}
	for name, c := range map[string]struct {
		typ, status, reason string
		words               []string
	}{
		"class not ready": {"NodeClassReady", "False", "NodeClassNotReady", []string{"NodeClassNotReady", "AMIsReady is False: no image", "kubectl describe kwoknodeclass gpu", "terraform untaint"}},
		"not valid":       {"ValidationSucceeded", "False", "bad requirement", []string{"is not ready: bad requirement", "Change what Karpenter objects to"}},
		"no Karpenter":    {"", "", "", []string{"Nobody has looked at NodePool a within 2s", "whether Karpenter runs"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := workspace(t, karpenterAPI(t), nil)
			says(r.api, c.typ, c.status, c.reason)
			r.api.Change("KWOKNodeClass", "", "gpu", "karpenter", func(o map[string]any) {
				_ = unstructured.SetNestedSlice(o, []any{map[string]any{"type": "AMIsReady", "status": "False", "message": "no image"}}, "status", "conditions")
			})
			if out := r.Plan(t.Context(), demand(short)); !strings.Contains(out.Warnings(), "KWOKNodeClass gpu is not ready") {
				t.Errorf("the plan says %q", out.Warnings())
			}
			out := r.Apply(t.Context(), demand(short))
			for _, w := range c.words {
				if !strings.Contains(out.Errors(), w) {
					t.Errorf("it does not say %q: %s", w, out.Errors())
				}
			}
			if r.State.IsNull() || !r.Tainted {
				t.Error("a failed wait lost the pool")
			}
			says(r.api, "Ready", "True", "")
			r.Tainted = false
			r.apply(demand(nil))
			r.settled(demand(nil))
		})
	}
	bare := workspace(t, newAPI(t), nil)
	if out := bare.Plan(t.Context(), demand(nil)); !strings.Contains(out.Errors(), "This cluster has no Karpenter") || !strings.Contains(out.Errors(), "https://karpenter.sh") {
		t.Errorf("without Karpenter the plan says %q", out.Errors())
	}
	r := workspace(t, karpenterAPI(t), nil)
	if out := r.Plan(t.Context(), demand(map[string]any{"karpenter.node_class": map[string]any{"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "none"}})); !strings.Contains(out.Warnings(), "KWOKNodeClass none does not exist") {
		t.Errorf("of a missing class the plan says %q", out.Warnings())
	}
	if out := r.Plan(t.Context(), demand(map[string]any{"karpenter.node_class": map[string]any{"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "gpu"}})); !strings.Contains(out.Errors(), "This cluster has no EC2NodeClass") {
		t.Errorf("of a missing kind the plan says %q", out.Errors())
	}
	kept := demand(map[string]any{"on_failure": "keep", "timeouts": map[string]any{"create": "2s", "update": "1m"}})
	says(r.api, "", "", "")
	if out := r.apply(kept); !strings.Contains(out.Warnings(), "The next plan waits again") {
		t.Errorf("it says %q", out.Warnings())
	}
	if out := r.Plan(t.Context(), kept); !out.Changed {
		t.Error("the next plan does not wait again")
	}
}

// TestKarpenterCancelled: the user's ^C ends a wait with a warning.
func TestKarpenterCancelled(t *testing.T) {
	t.Parallel()
	r := workspace(t, karpenterAPI(t), nil)
	ctx, cancel := context.WithCancel(t.Context())
	r.api.After = func(q fakeapi.Request) error {
		if q.Writes() && strings.HasSuffix(q.Path, "/nodepools/a") {
			cancel()
		}
		return nil
	}
	out := r.Apply(ctx, demand(nil))
	if out.Errors() != "" || !strings.Contains(out.Warnings(), "Stopped waiting for GPU node pool") || r.State.IsNull() {
		t.Fatalf("it ended with %q, %q", out.Errors(), out.Warnings())
	}
	says(r.api, "Ready", "True", "")
	r.apply(demand(nil))
	r.settled(demand(nil))
}

// TestKarpenterHeld: a destroy that Karpenter does not get through says what holds the
// nodes, and goes on the next time.
func TestKarpenterHeld(t *testing.T) {
	t.Parallel()
	r := workspace(t, karpenterAPI(t), nil)
	c := demand(map[string]any{"timeouts": map[string]any{"create": "1m", "update": "1m", "delete": "2s"}})
	r.apply(c)
	r.api.Put(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "metadata": map[string]any{"name": "a-1", "labels": map[string]any{"karpenter.sh/nodepool": "a"}},
		"status": map[string]any{"nodeName": "gpu-7", "conditions": []any{map[string]any{"type": "Drained", "status": "Unknown", "reason": "Draining", "message": "2 pods are waiting to be evicted"}}},
	}})
	r.api.Change("NodePool", "", "a", "karpenter", func(o map[string]any) {
		_ = unstructured.SetNestedStringSlice(o, []string{"foregroundDeletion"}, "metadata", "finalizers")
	})
	out := r.Apply(t.Context(), nil)
	for _, w := range []string{"still has nodes that Karpenter drains", "Node gpu-7: Draining: 2 pods are waiting", "karpenter.sh/do-not-disrupt"} {
		if !strings.Contains(out.Errors(), w) {
			t.Errorf("it does not say %q: %s", w, out.Errors())
		}
	}
	r.refresh()
	if r.State.IsNull() {
		t.Fatal("the state has lost it")
	}
	r.api.Change("NodePool", "", "a", "karpenter", func(o map[string]any) { unstructured.RemoveNestedField(o, "metadata", "finalizers") })
	r.api.Remove("NodePool", "", "a")
	r.apply(nil)
}

// TestKarpenterInvalid: what the configuration alone decides, and what is not known
// yet and is not held against it.
func TestKarpenterInvalid(t *testing.T) {
	t.Parallel()
	requirement := func(op string, values ...any) map[string]any {
		return map[string]any{"karpenter.requirements": []any{map[string]any{"key": "x", "operator": op, "values": values}}}
	}
	for says, more := range map[string]map[string]any{
		"node_selector cannot be used with karpenter": {"node_selector": map[string]any{"a": "b"}},
		"cordon cannot be used with karpenter":        {"cordon": true},
		"mig cannot be used with karpenter":           {"mig": map[string]any{"config": "all-1g.10gb"}},
		"min_nodes cannot be used with karpenter":     {"min_nodes": 1},
		"In needs at least one value":                 requirement("In"),
		"Gt compares with exactly one number":         requirement("Gt", "1", "2"),
		"Exists looks at no value":                    requirement("Exists", "1"),
		"both schedule and duration":                  {"karpenter.disruption": map[string]any{"budgets": []any{map[string]any{"nodes": "1", "schedule": "@daily"}}}},
		"must be a duration":                          {"karpenter.expire_after": "1 day"},
		"must be a number of nodes":                   {"karpenter.disruption": map[string]any{"budgets": []any{map[string]any{"nodes": "all"}}}},
	} {
		r := workspace(t, karpenterAPI(t), nil)
		if out := r.Validate(t.Context(), demand(more)); !strings.Contains(out.Errors(), says) {
			t.Errorf("want %q, got %q", says, out.Errors())
		}
	}
	r := workspace(t, karpenterAPI(t), nil)
	unknown := testkit.Unknown{}
	for _, c := range []map[string]any{
		demand(map[string]any{"karpenter": unknown}), demand(map[string]any{"karpenter.node_class": unknown}), demand(map[string]any{"karpenter.requirements": unknown}),
		demand(map[string]any{"karpenter.limits": unknown}), demand(map[string]any{"karpenter.disruption": unknown}),
		demand(map[string]any{"karpenter.node_class": map[string]any{"group": unknown, "kind": unknown, "name": unknown}}), demand(map[string]any{"min_nodes": unknown}),
	} {
		if out := r.Validate(t.Context(), c); out.Errors() != "" {
			t.Errorf("%v is invalid: %s", c, out.Errors())
		}
		if out := r.Plan(t.Context(), c); out.Errors() != "" {
			t.Errorf("%v cannot be planned: %s", c, out.Errors())
		}
	}
}
