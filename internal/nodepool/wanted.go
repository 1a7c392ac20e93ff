// Package nodepool decides what a pool has on nodes that it shares with others,
// and writes it: single labels, single taints and whether new pods are let in.
// Nodes belong to nobody: two pools, operators and people own other keys of the
// same node, so the pool owns exactly what it declares and gives back what was
// there before. It knows nothing of Terraform.
package nodepool

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// Taint is one taint. Key and effect together are its place on a node.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// String writes a taint as kubectl does.
func (t Taint) String() string {
	if t.Value == "" {
		return t.Key + ":" + t.Effect
	}
	return t.Key + "=" + t.Value + ":" + t.Effect
}

// at reports whether two taints have the same place.
func (t Taint) at(o Taint) bool { return t.Key == o.Key && t.Effect == o.Effect }

func (t Taint) compare(o Taint) int {
	return cmp.Or(cmp.Compare(t.Key, o.Key), cmp.Compare(t.Effect, o.Effect), cmp.Compare(t.Value, o.Value))
}

// find is the taint of a list at the place of t; nil when there is none.
func find(list []Taint, t Taint) *Taint {
	if i := slices.IndexFunc(list, t.at); i >= 0 {
		return &list[i]
	}
	return nil
}

// TaintsOf are the taints of a node.
func TaintsOf(n *corev1.Node) []Taint {
	var out []Taint
	for _, t := range n.Spec.Taints {
		out = append(out, Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect)})
	}
	return out
}

// Wanted is what a pool asks of each of its nodes.
type Wanted struct {
	// Pool is its name.
	Pool string
	// Selector are the labels of its nodes, Names are nodes that belong to it
	// besides. With neither it has no nodes.
	Selector map[string]string
	Names    []string
	// Labels are what its nodes bear, besides the membership label.
	Labels map[string]string
	Taints []Taint
	// Cordon is whether new pods are kept away; nil leaves that alone.
	Cordon *bool
	// Force takes labels and taints that others have set to another value.
	Force bool
	// Takes are labels that are the user's to set, whoever has set them before: an
	// operator writes its default there. They are given back.
	Takes []string
	// Stale are labels by the label whose change makes what they say unmade: they
	// are removed with it, so that whoever writes them is waited for.
	Stale map[string]string
	// Plugin is the ConfigMap of the device plugin's configuration, namespace/name; ""
	// without one.
	Plugin string
}

// Membership is the label that nodes of a pool bear.
func Membership(pool string) string { return gpu.PoolPrefix + pool }

// Manager is the field manager of a pool's labels. Each pool has its own: under
// one manager for all, each apply would strip the labels of the other pools.
func Manager(pool string) string {
	sum := sha256.Sum256([]byte("gpu_node_pool/" + pool))
	const enough = 8
	return "mlk-" + hex.EncodeToString(sum[:enough])
}

// Matches reports whether a node belongs to the pool.
func (w Wanted) Matches(n *corev1.Node) bool {
	if slices.Contains(w.Names, n.Name) {
		return true
	}
	for k, v := range w.Selector {
		if have, ok := n.Labels[k]; !ok || have != v {
			return false
		}
	}
	return len(w.Selector) > 0
}

// labels are all labels that a node of the pool bears for it.
func (w Wanted) labels() map[string]string {
	out := map[string]string{Membership(w.Pool): "true"}
	maps.Copy(out, w.Labels)
	return out
}

// taints are the declared taints in order.
func (w Wanted) taints() []Taint { return slices.SortedFunc(slices.Values(w.Taints), Taint.compare) }

// Complete reports whether a node bears all that the pool declares.
func (w Wanted) Complete(n *corev1.Node) bool {
	r, ok := RecordOf(n, w.Pool)
	if !ok || !r.declares(w) {
		return false
	}
	for k, v := range w.labels() {
		if have, ok := n.Labels[k]; !ok || have != v {
			return false
		}
	}
	live := TaintsOf(n)
	for _, t := range w.Taints {
		if !slices.Contains(live, t) {
			return false
		}
	}
	for says, before := range r.Stale {
		if _, there := n.Labels[says]; !there && w.Stale[before.Label] != says && before.unmade(n) {
			return false // and nobody asks for the change any more
		}
	}
	for changes, says := range w.Stale {
		was, removed := r.Stale[says]
		if _, there := n.Labels[says]; removed && !there && was.Of == n.Labels[changes] && was.Of == w.Labels[changes] {
			return false // taken away for a change that was never made: see Enter
		}
	}
	return w.Cordon == nil || *w.Cordon == n.Spec.Unschedulable
}

// Conflict is a key that somebody else has set to another value.
type Conflict struct {
	// Node is where; Key the label or the taint.
	Node string
	// Label and Taint are what the pool declares: one of them.
	Label string
	Taint *Taint
	// Cordon is set when another pool wants pods in, or out.
	Cordon bool
	// Has is the value that is there, Owner who set it: a field manager, or a pool
	// when Pool is set; "" when nobody knows.
	Has, Owner string
	Pool       bool
}

// Conflicts are the keys of a node that the pool cannot have without taking them
// from somebody. What kubectl has set is no conflict in the first write after an
// import.
func (w Wanted) Conflicts(n *corev1.Node, m Mark) []Conflict {
	if w.Force {
		return nil
	}
	var out []Conflict
	own := Manager(w.Pool)
	for _, k := range slices.Sorted(maps.Keys(w.labels())) {
		have, ok := n.Labels[k]
		if !ok || have == w.labels()[k] || slices.Contains(w.Takes, k) {
			continue
		}
		owners := slices.DeleteFunc(kube.LabelOwners(n.ManagedFields, k), func(by string) bool {
			return by == own || m.Take && kube.IsPredecessor(by)
		})
		if len(owners) == 0 {
			continue
		}
		c := Conflict{Node: n.Name, Label: k, Has: have, Owner: owners[0]}
		for _, o := range pools(n) {
			if Manager(o) == owners[0] {
				c.Owner, c.Pool = o, true
			}
		}
		out = append(out, c)
	}
	mine, _ := RecordOf(n, w.Pool)
	live := TaintsOf(n)
	for _, t := range w.taints() {
		have := find(live, t)
		if have == nil || have.Value == t.Value || find(mine.Taints, t) != nil || m.Take {
			continue
		}
		c := Conflict{Node: n.Name, Taint: &t, Has: have.Value}
		for pool, r := range others(n, w.Pool) {
			if find(r.Taints, t) != nil {
				c.Owner, c.Pool = pool, true
			}
		}
		out = append(out, c)
	}
	for pool, r := range others(n, w.Pool) {
		if w.Cordon != nil && r.Cordon != nil && *w.Cordon != *r.Cordon {
			out = append(out, Conflict{Node: n.Name, Cordon: true, Owner: pool, Pool: true})
		}
	}
	return out
}
