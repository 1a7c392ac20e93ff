package nodepool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/nodepool"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// farm is an API server with nodes on it.
type farm struct {
	*fakeapi.Server
	t      *testing.T
	client *kube.Client
}

func newFarm(t *testing.T, nodes ...string) *farm {
	t.Helper()
	f := &farm{Server: fakeapi.New(t), t: t}
	client, err := kube.NewClient(f.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	f.client = client
	for _, n := range nodes {
		f.add(n, "kubelet", map[string]any{"gpu": "h100"}, nil)
	}
	return f
}

func (f *farm) add(name, manager string, labels map[string]any, taints []any) {
	o := map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": name, "labels": labels}, "spec": map[string]any{}}
	if taints != nil {
		o["spec"] = map[string]any{"taints": taints}
	}
	f.Put(&unstructured.Unstructured{Object: o}, manager)
}

func (f *farm) all() []*corev1.Node {
	f.t.Helper()
	nodes, err := f.client.Nodes(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return nodes
}

// node is what a node has of what people see.
func (f *farm) node(name string) view {
	f.t.Helper()
	n, err := kube.AsNode(f.Get("Node", "", name))
	if err != nil {
		f.t.Fatal(err)
	}
	v := view{Labels: n.Labels, Closed: n.Spec.Unschedulable}
	for _, t := range nodepool.TaintsOf(n) {
		v.Taints = append(v.Taints, t.String())
	}
	for k := range n.Annotations {
		v.Notes = append(v.Notes, k)
	}
	slices.Sort(v.Taints)
	slices.Sort(v.Notes)
	return v
}

type view struct {
	Labels map[string]string
	Taints []string
	Closed bool
	Notes  []string
}

func (f *farm) writer(w nodepool.Wanted) *nodepool.Writer {
	return &nodepool.Writer{Client: f.client, Wanted: w, Mark: nodepool.Mark{Claim: "claim-" + w.Pool}}
}

func (f *farm) enter(w nodepool.Wanted, m nodepool.Mark) {
	f.t.Helper()
	wr := f.writer(w)
	if m != (nodepool.Mark{}) {
		wr.Mark = m
	}
	if out := wr.Enter(f.t.Context(), f.all()); len(out.Failures) > 0 {
		f.t.Fatal(out.Failures[0].Err)
	}
	for _, n := range f.all() {
		if w.Matches(n) && !w.Complete(n) {
			f.t.Errorf("%s is not complete after the write", n.Name)
		}
		if c, err := w.Enter(n, wr.Mark); err != nil || !c.Empty() && !m.Take {
			f.t.Errorf("a second write would change %+v (%v)", c, err)
		}
	}
}

func (f *farm) leave(w nodepool.Wanted) {
	f.t.Helper()
	if out := f.writer(w).Leave(f.t.Context(), f.all()); len(out.Failures) > 0 {
		f.t.Fatal(out.Failures[0].Err)
	}
}

func yes() *bool { b := true; return &b }

func pool(name string, labels map[string]string, taints ...nodepool.Taint) nodepool.Wanted {
	return nodepool.Wanted{Pool: name, Selector: map[string]string{"gpu": "h100"}, Labels: labels, Taints: taints}
}

func taint(key, value string) nodepool.Taint {
	return nodepool.Taint{Key: key, Value: value, Effect: "NoSchedule"}
}

// TestGivesBack: whatever a pool does to a node, and whatever others do meanwhile,
// when it leaves the node is as it was, but for what the others did.
func TestGivesBack(t *testing.T) {
	t.Parallel()
	forced := pool("a", map[string]string{"tier": "gpu"}, taint("sku", "gpu"))
	forced.Force = true
	closing := pool("a", nil)
	closing.Cordon = yes()
	for name, c := range map[string]struct {
		labels map[string]any
		taints []any
		want   nodepool.Wanted
		// within is what the node has while the pool is there.
		within view
	}{
		"labels and taints": {
			map[string]any{"gpu": "h100"},
			nil,
			pool("a", map[string]string{"tier": "gpu"}, taint("nvidia.com/gpu", "present")),
			view{Labels: map[string]string{"gpu": "h100", "tier": "gpu", "pool.mlk.dev/a": "true"}, Taints: []string{"nvidia.com/gpu=present:NoSchedule"}},
		},
		"the same label and taint by hand": {
			map[string]any{"gpu": "h100", "tier": "gpu"},
			[]any{map[string]any{"key": "sku", "value": "gpu", "effect": "NoSchedule"}},
			pool("a", map[string]string{"tier": "gpu"}, taint("sku", "gpu")),
			view{Labels: map[string]string{"gpu": "h100", "tier": "gpu", "pool.mlk.dev/a": "true"}, Taints: []string{"sku=gpu:NoSchedule"}},
		},
		"another value by hand, taken by force": {
			map[string]any{"gpu": "h100", "tier": "old"},
			[]any{map[string]any{"key": "sku", "value": "old", "effect": "NoSchedule"}},
			forced,
			view{Labels: map[string]string{"gpu": "h100", "tier": "gpu", "pool.mlk.dev/a": "true"}, Taints: []string{"sku=gpu:NoSchedule"}},
		},
		"the same key with another effect": { // pain 36
			map[string]any{"gpu": "h100"},
			[]any{map[string]any{"key": "sku", "value": "gpu", "effect": "NoExecute"}},
			pool("a", nil, taint("sku", "gpu")),
			view{Labels: map[string]string{"gpu": "h100", "pool.mlk.dev/a": "true"}, Taints: []string{"sku=gpu:NoExecute", "sku=gpu:NoSchedule"}},
		},
		"cordon": {
			map[string]any{"gpu": "h100"},
			nil, closing,
			view{Labels: map[string]string{"gpu": "h100", "pool.mlk.dev/a": "true"}, Closed: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFarm(t)
			f.add("n", "kubectl-label", c.labels, c.taints)
			before := f.node("n")
			f.enter(c.want, nodepool.Mark{})
			c.within.Notes = []string{"pool.mlk.dev/a"}
			if diff := cmp.Diff(c.within, f.node("n")); diff != "" {
				t.Errorf("within (-want +got):\n%s", diff)
			}
			f.Change("Node", "", "n", "somebody", func(o map[string]any) {
				_ = unstructured.SetNestedField(o, "theirs", "metadata", "labels", "somebody")
				taints, _, _ := unstructured.NestedSlice(o, "spec", "taints")
				_ = unstructured.SetNestedSlice(o, append(taints, map[string]any{"key": "somebody", "effect": "NoExecute"}), "spec", "taints")
			})
			f.enter(c.want, nodepool.Mark{})
			f.leave(c.want)
			before.Labels["somebody"] = "theirs"
			before.Taints = append(before.Taints, "somebody:NoExecute")
			slices.Sort(before.Taints)
			if diff := cmp.Diff(before, f.node("n")); diff != "" {
				t.Errorf("after (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTwoPools: two pools on one node keep what they share until both have gone,
// in whatever order they go.
func TestTwoPools(t *testing.T) { // pain 35
	t.Parallel()
	a := pool("a", map[string]string{"both": "x", "only-a": "1"}, taint("both", ""), taint("only-a", ""))
	b := pool("b", map[string]string{"both": "x", "only-b": "1"}, taint("both", ""), taint("only-b", ""))
	a.Cordon, b.Cordon = yes(), yes()
	for name, order := range map[string][2]nodepool.Wanted{"first in, first out": {a, b}, "last in, first out": {b, a}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFarm(t, "n")
			before := f.node("n")
			f.enter(a, nodepool.Mark{})
			f.enter(b, nodepool.Mark{})
			f.enter(a, nodepool.Mark{})
			f.leave(order[0])
			left := order[1]
			want := view{
				Labels: map[string]string{"gpu": "h100", nodepool.Membership(left.Pool): "true"}, Closed: true,
				Taints: []string{"both:NoSchedule", "only-" + left.Pool + ":NoSchedule"}, Notes: []string{nodepool.Membership(left.Pool)},
			}
			maps.Copy(want.Labels, left.Labels)
			if diff := cmp.Diff(want, f.node("n")); diff != "" {
				t.Errorf("with one left (-want +got):\n%s", diff)
			}
			f.enter(left, nodepool.Mark{})
			f.leave(left)
			if diff := cmp.Diff(before, f.node("n")); diff != "" {
				t.Errorf("with none left (-want +got):\n%s", diff)
			}
		})
	}
}

// TestConflicts: what others have set to another value is theirs.
func TestConflicts(t *testing.T) {
	t.Parallel()
	f := newFarm(t)
	f.add("n", "kubectl-label", map[string]any{"gpu": "h100", "tier": "old"}, []any{map[string]any{"key": "sku", "value": "old", "effect": "NoSchedule"}})
	b := pool("b", map[string]string{"pool-b": "1"}, taint("pool-b", "1"))
	b.Cordon = yes()
	f.enter(b, nodepool.Mark{})
	a := pool("a", map[string]string{"tier": "gpu", "pool-b": "2"}, taint("sku", "gpu"), taint("pool-b", "2"))
	a.Cordon = new(bool)
	n := f.all()[0]
	var got []string
	for _, c := range a.Conflicts(n, nodepool.Mark{}) {
		what := c.Label
		if c.Taint != nil {
			what = c.Taint.String()
		}
		got = append(got, fmt.Sprintf("%s: %q by %s (pool %v, cordon %v)", what, c.Has, c.Owner, c.Pool, c.Cordon))
	}
	want := []string{
		`pool-b: "1" by b (pool true, cordon false)`, `tier: "old" by kubectl-label (pool false, cordon false)`,
		`pool-b=2:NoSchedule: "1" by b (pool true, cordon false)`, `sku=gpu:NoSchedule: "old" by  (pool false, cordon false)`,
		`: "" by b (pool true, cordon true)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if c := a.Conflicts(n, nodepool.Mark{Take: true}); len(c) != 2 {
		t.Errorf("after an import %d keys are in the way, want the label and the cordon of the other pool: %+v", len(c), c)
	}
}

// TestTakesOver: after an import, what kubectl set is the pool's, and goes with it.
func TestTakesOver(t *testing.T) {
	t.Parallel()
	f := newFarm(t)
	f.add("n", "kubectl-label", map[string]any{"gpu": "h100", "tier": "gpu", "mine": "too"}, []any{
		map[string]any{"key": "sku", "value": "gpu", "effect": "NoSchedule"}, map[string]any{"key": "other", "effect": "NoSchedule"},
	})
	w := pool("a", map[string]string{"tier": "gpu"}, taint("sku", "gpu"))
	f.enter(w, nodepool.Mark{Claim: "c", Take: true})
	f.leave(w)
	want := view{Labels: map[string]string{"gpu": "h100", "mine": "too"}, Taints: []string{"other:NoSchedule"}}
	if diff := cmp.Diff(want, f.node("n")); diff != "" {
		t.Error(diff)
	}
}

// TestLostUpdate: a taint that somebody sets between our look and our write stays
// (pain 36: the list of taints is atomic).
func TestLostUpdate(t *testing.T) {
	t.Parallel()
	f := newFarm(t, "n")
	raced := false
	f.Before = func(r fakeapi.Request) error {
		if !raced && r.Writes() {
			raced = true
			f.Change("Node", "", "n", "somebody", func(o map[string]any) {
				_ = unstructured.SetNestedSlice(o, []any{map[string]any{"key": "somebody", "effect": "NoSchedule"}}, "spec", "taints")
			})
		}
		return nil
	}
	f.enter(pool("a", nil, taint("sku", "gpu")), nodepool.Mark{})
	if got, want := f.node("n").Taints, []string{"sku=gpu:NoSchedule", "somebody:NoSchedule"}; !slices.Equal(got, want) {
		t.Errorf("taints are %v, want %v", got, want)
	}
}

// TestNoGhosts: a node that is deleted, or replaced by one of its name, between our
// look and our writes is neither made anew nor written.
func TestNoGhosts(t *testing.T) {
	t.Parallel()
	for _, at := range []int{1, 2} {
		for _, replaced := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, replaced %v", at, replaced), func(t *testing.T) {
				t.Parallel()
				f := newFarm(t, "n")
				writes := 0
				f.Before = func(r fakeapi.Request) error {
					if r.Writes() {
						if writes++; writes == at {
							f.Remove("Node", "", "n")
							if replaced {
								f.add("n", "kubelet", map[string]any{"gpu": "h100"}, nil)
							}
						}
					}
					return nil
				}
				out := f.writer(pool("a", nil, taint("sku", "gpu"))).Enter(t.Context(), f.all())
				if !slices.Equal(out.Gone, []string{"n"}) || len(out.Failures) > 0 {
					t.Errorf("gone %v, failures %v", out.Gone, out.Failures)
				}
				o := f.Get("Node", "", "n")
				if !replaced && o != nil {
					t.Fatal("there is a ghost")
				}
				if replaced && (len(f.node("n").Taints) > 0 || len(f.node("n").Notes) > 0) {
					t.Errorf("the new node was written: %+v", f.node("n"))
				}
			})
		}
	}
}

// TestManyNodes: no more nodes at once than Concurrent, progress is told, and a
// cancelled write stops.
func TestManyNodes(t *testing.T) {
	t.Parallel()
	const many = 60
	var all []string
	for i := range many {
		all = append(all, fmt.Sprintf("n%02d", i))
	}
	f := newFarm(t, all...)
	told := 0
	w := f.writer(pool("a", map[string]string{"tier": "gpu"}, taint("sku", "gpu")))
	w.Progress = func(_, of int) {
		if told++; of != many {
			t.Errorf("of %d", of)
		}
	}
	if out := w.Enter(t.Context(), f.all()); len(out.Nodes) != many || len(out.Failures) > 0 {
		t.Fatalf("%d nodes, %v", len(out.Nodes), out.Failures)
	}
	if told == 0 {
		t.Error("no progress was told")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := f.writer(pool("b", nil)).Enter(ctx, f.all())
	if len(out.Failures) == 0 || !errors.Is(out.Failures[0].Err, context.Canceled) {
		t.Errorf("a cancelled write says %v", out.Failures)
	}
}

// TestKilledBetween: a process that dies between its two writes leaves what the
// next one recognises, goes on from, and gives back.
func TestKilledBetween(t *testing.T) {
	t.Parallel()
	f := newFarm(t, "n")
	before := f.node("n")
	w := pool("a", map[string]string{"tier": "gpu"}, taint("sku", "gpu"))
	writes := 0
	f.Before = func(r fakeapi.Request) error {
		if r.Writes() {
			if writes++; writes == 2 {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "n", errors.New("no"))
			}
		}
		return nil
	}
	if out := f.writer(w).Enter(t.Context(), f.all()); len(out.Failures) != 1 || !out.Wrote {
		t.Fatalf("%+v", out)
	}
	n := f.all()[0]
	if w.Complete(n) || !w.LeftBehind(n) || !w.Present(n) {
		t.Errorf("complete %v, left behind %v, present %v", w.Complete(n), w.LeftBehind(n), w.Present(n))
	}
	changed := pool("a", map[string]string{"tier": "gpu"})
	if changed.LeftBehind(n) {
		t.Error("another configuration takes over what it would change")
	}
	f.leave(w)
	if diff := cmp.Diff(before, f.node("n")); diff != "" {
		t.Error(diff)
	}
}

// TestForeign: the claim of another state is seen, and one that was recorded is
// not taken over.
func TestForeign(t *testing.T) {
	t.Parallel()
	f := newFarm(t, "n")
	w := pool("a", nil)
	f.enter(w, nodepool.Mark{Claim: "theirs", Recorded: true})
	n := f.all()[0]
	if !nodepool.Foreign(n, "a", "ours") || nodepool.Foreign(n, "a", "theirs") || nodepool.Foreign(n, "a", "") || w.LeftBehind(n) {
		t.Error("the claim of another state counts for nothing")
	}
	var r nodepool.Record
	if err := json.Unmarshal([]byte(n.Annotations["pool.mlk.dev/a"]), &r); err != nil || !r.Recorded {
		t.Errorf("the note says %+v (%v)", r, err)
	}
}

// TestOneListForAll: who asks for all nodes while a list of them is open, waits for
// that one: ten pools of a large cluster do not hold ten copies of it.
func TestOneListForAll(t *testing.T) {
	t.Parallel()
	f := newFarm(t, "n1", "n2")
	var lists atomic.Int32
	opened, release := make(chan struct{}), make(chan struct{})
	f.Before = func(r fakeapi.Request) error {
		if r.Path == "/api/v1/nodes" {
			if lists.Add(1) == 1 {
				close(opened)
			}
			<-release
		}
		return nil
	}
	first := make(chan int)
	go func() {
		nodes, _ := f.client.Nodes(context.Background())
		first <- len(nodes)
	}()
	<-opened
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.client.Nodes(gone); !errors.Is(err, context.Canceled) { // joins, and leaves at once
		t.Errorf("it says %v", err)
	}
	close(release)
	if n := <-first; n != 2 || lists.Load() != 1 {
		t.Errorf("%d nodes from %d lists", n, lists.Load())
	}
	if len(f.all()) != 2 || lists.Load() != 2 {
		t.Error("the next list is not a new one")
	}
}
