package nodepool

import (
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
)

// Record is what a pool notes on each of its nodes, in an annotation that has the
// key of the membership label. Nobody owns single taints on the server's side, and
// what was there before must outlive the process that changed it: it is written
// in one patch with the taints.
type Record struct {
	// Claim is the random mark of the state that the pool belongs to.
	Claim string `json:"claim,omitempty"`
	// Recorded says that a state knows the claim; without it an apply was killed.
	Recorded bool `json:"recorded,omitempty"`
	// Taints and Cordon are what the pool declares.
	Taints []Taint `json:"taints,omitempty"`
	Cordon *bool   `json:"cordon,omitempty"`
	// Found are the taints that were there before any pool, at the places of ours;
	// Cordoned is whether pods were kept away then, Values are the labels that were
	// taken by force.
	Found    []Taint           `json:"found,omitempty"`
	Cordoned bool              `json:"cordoned,omitempty"`
	Values   map[string]string `json:"values,omitempty"`
	// Stale are labels that were removed because what they are about was about to
	// change, by their keys. A process that dies before the change has taken away what
	// is still true, and nobody writes it again.
	Stale map[string]Removed `json:"stale,omitempty"`
	// Plugin is the ConfigMap, namespace/name, that has the configuration which the
	// node's device plugin is to run with.
	Plugin string `json:"plugin,omitempty"`
}

// Removed is a label that was removed.
type Removed struct {
	// Label is the one it is about, Of the value of that, Was its own.
	Label string `json:"label,omitempty"`
	Of    string `json:"of"`
	Was   string `json:"was"`
}

// unmade reports whether the change that a label was removed for was never made.
func (r Removed) unmade(n *corev1.Node) bool { return r.Label != "" && n.Labels[r.Label] == r.Of }

// RecordOf reads the note of a pool on a node; not ok when there is none. One
// that cannot be read is an empty one: somebody edited it.
func RecordOf(n *corev1.Node, pool string) (Record, bool) {
	text, ok := n.Annotations[Membership(pool)]
	if !ok {
		return Record{}, false
	}
	var r Record
	if json.Unmarshal([]byte(text), &r) != nil {
		return Record{}, true
	}
	return r, true
}

// text is the note as it is written.
func (r Record) text() string {
	raw, err := json.Marshal(r)
	if err != nil {
		return "{}" // strings and booleans: it cannot happen
	}
	return string(raw)
}

// declares reports whether the note says what the pool asks for now.
func (r Record) declares(w Wanted) bool {
	if (r.Cordon == nil) != (w.Cordon == nil) || r.Cordon != nil && *r.Cordon != *w.Cordon {
		return false
	}
	return slices.Equal(r.Taints, w.taints())
}

// pools are the pools that have noted something on a node, in order.
func pools(n *corev1.Node) []string {
	var out []string
	for k := range n.Annotations {
		if name, ok := strings.CutPrefix(k, gpu.PoolPrefix); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// others are the notes of other pools on a node, in order.
func others(n *corev1.Node, pool string) iter.Seq2[string, Record] {
	return func(yield func(string, Record) bool) {
		for _, name := range pools(n) {
			if r, _ := RecordOf(n, name); name != pool && !yield(name, r) {
				return
			}
		}
	}
}

// Foreign reports whether a node's note bears the claim of another state; claim
// is that of ours, "" when we have none yet.
func Foreign(n *corev1.Node, pool, claim string) bool {
	r, ok := RecordOf(n, pool)
	return ok && claim != "" && r.Claim != "" && r.Claim != claim
}

// Present reports whether a pool has anything on a node.
func (w Wanted) Present(n *corev1.Node) bool {
	_, noted := RecordOf(n, w.Pool)
	return noted || len(w.Applied(n)) > 0
}

// LeftBehind reports whether what a pool has on a node is what a killed apply of
// the same configuration leaves: no state knows it, and it is what is wanted, or
// the part of it that is written first.
func (w Wanted) LeftBehind(n *corev1.Node) bool {
	r, ok := RecordOf(n, w.Pool)
	if !ok {
		return true
	}
	if r.Recorded || !r.declares(w) {
		return false
	}
	applied := w.Applied(n)
	return len(applied) == 0 || maps.Equal(applied, w.labels())
}
