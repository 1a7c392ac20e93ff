package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// around is the namespace of what a main object is made of: its own, or for a
// cluster-wide one that which Definition.Within tells; false while it is not known.
func (r *Resource[M, P]) around(main *kube.Object) (string, bool) {
	if main == nil {
		return "", false
	}
	if ns := main.GetNamespace(); ns != "" {
		return ns, true
	}
	if r.def.Within == nil {
		return "", false
	}
	ns := r.def.Within(main)
	return ns, ns != ""
}

// makersIn are the objects that the owners control, and that have pods themselves.
func makersIn(owners []owner, found []*kube.Object) []owner {
	var out []owner
	for _, o := range found {
		by := kube.Controlled(o)
		if by != nil && slices.ContainsFunc(owners, func(w owner) bool { return w.uid == string(by.UID) }) {
			out = append(out, owner{kube.Ref{Namespace: o.GetNamespace(), Name: o.GetName()}, string(o.GetUID())})
		}
	}
	return out
}

// Lending is what the nodes have to give of the resources of Definition.Lends.
type Lending struct {
	// Amounts are what all nodes have to give, by resource.
	Amounts map[string]int64
	// Nodes are those that have any.
	Nodes map[string]bool
}

// lendingEvery is how often a wait counts what the nodes have to give: there may be
// thousands of them.
const lendingEvery = 10 * time.Second

// lent counts what the nodes have to give; nil where nobody asks, or where they may
// not be listed.
func (r *Resource[M, P]) lent(ctx context.Context, client *kube.Client) *Lending {
	if r.def.Lends == nil {
		return nil
	}
	out := &Lending{Amounts: map[string]int64{}, Nodes: map[string]bool{}}
	err := client.EachNode(ctx, "", func(n *corev1.Node) {
		for name, q := range n.Status.Allocatable {
			if amount := q.Value(); amount > 0 && r.def.Lends(name) {
				out.Amounts[string(name)] += amount
				out.Nodes[n.Name] = true
			}
		}
	})
	if err != nil {
		return nil
	}
	return out
}

// mark is a short form of the amounts, to tell whether they have changed.
func (l *Lending) mark() string {
	if l == nil {
		return ""
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(l.Amounts)) {
		out = append(out, fmt.Sprintf("%s=%d", name, l.Amounts[name]))
	}
	return strings.Join(out, ",")
}

// lookLent counts again, where it was not counted a moment ago.
func (v *vantage[M, P]) lookLent(ctx context.Context, seen *Seen) {
	if v.r.def.Lends != nil && seen.Now.Sub(v.lentAt) >= lendingEvery {
		v.lent, v.lentAt = v.r.lent(ctx, v.client), seen.Now
	}
	seen.Lent = v.lent
}
