package gpunodepool

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/nodepool"
)

// Bounds of what is told: causes, and nodes of a cause.
const (
	mostCauses = 5
	mostNamed  = 3
)

// some names a few of many nodes.
func some(nodes []string) string {
	if len(nodes) <= mostNamed {
		return strings.Join(nodes, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(nodes[:mostNamed], ", "), len(nodes)-mostNamed)
}

// counted says "1 node" or "3 nodes".
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// elsewhere refuses a new pool whose nodes bear one of its name, unless a killed
// apply of the same configuration left it.
func (s sight) elsewhere() diag.Diagnostics {
	var has []string
	for _, n := range s.all() {
		if s.want.Present(n) && (!s.want.Matches(n) || !s.want.LeftBehind(n)) {
			has = append(has, n.Name)
		}
	}
	if len(has) == 0 {
		return nil
	}
	slices.Sort(has)
	return diag.Diagnostics{diags.Message{
		Summary: lifecycle.Clip(fmt.Sprintf("%s already exists and belongs to another state", title(s.want.Pool))),
		Happened: fmt.Sprintf("%s it: %s. Another workspace owns it, or an apply that was interrupted left it and the configuration has changed since. Nothing was changed.",
			map[bool]string{true: "1 node bears", false: counted(len(has), "node") + " bear"}[len(has) == 1], some(has)),
		Do: fmt.Sprintf("If it is yours: terraform import %s %s\nOr choose another name.", address, s.want.Pool),
		At: path.Root("name"),
	}.Error()}
}

// foreign refuses to change nodes that another state has taken over.
func (s sight) foreign(claim string) diag.Diagnostics {
	var has []string
	for _, n := range s.all() {
		if nodepool.Foreign(n, s.want.Pool, claim) {
			has = append(has, n.Name)
		}
	}
	if len(has) == 0 {
		return nil
	}
	return diag.Diagnostics{diags.Message{
		Summary:  lifecycle.Clip(fmt.Sprintf("%s now belongs to another state", title(s.want.Pool))),
		Happened: fmt.Sprintf("Another workspace, or another resource of this one, has taken it over since this state was written: see %s. Nothing was changed.", some(has)),
		Do:       fmt.Sprintf("Decide who owns it. To give it up here: terraform state rm %s. To take it back, remove it there, then import it here.", address),
	}.Error()}
}

// conflicts tells which keys belong to somebody else, one diagnostic a key and owner.
func (s sight) conflicts(m nodepool.Mark) diag.Diagnostics {
	var all []nodepool.Conflict
	for _, n := range s.matching {
		all = append(all, s.want.Conflicts(n, m)...)
	}
	return explained(s.want, all)
}

// explained makes one diagnostic of each key and owner.
func explained(w nodepool.Wanted, all []nodepool.Conflict) diag.Diagnostics {
	type cause struct {
		key, has, owner string
		pool            bool
	}
	var order []cause
	nodes, first := map[cause][]string{}, map[cause]nodepool.Conflict{}
	for _, c := range all {
		k := cause{has: c.Has, owner: c.Owner, pool: c.Pool}
		switch {
		case c.Taint != nil:
			k.key = "Taint " + c.Taint.Key + ":" + c.Taint.Effect
		case c.Cordon:
			k.key = "The cordon"
		default:
			k.key = "Label " + c.Label
		}
		if _, seen := first[k]; !seen {
			order, first[k] = append(order, k), c
		}
		nodes[k] = append(nodes[k], c.Node)
	}
	var ds diag.Diagnostics
	for i, k := range order {
		if i == mostCauses {
			ds.Append(diags.Message{Summary: fmt.Sprintf("and %d more keys belong to somebody else", len(order)-mostCauses)}.Error())
			break
		}
		ds.Append(conflict(w, first[k], k.key, nodes[k]))
	}
	return ds
}

// conflict says who has set a key to what, and what can be done.
func conflict(w nodepool.Wanted, c nodepool.Conflict, key string, nodes []string) diag.Diagnostic {
	who := cmp.Or(c.Owner, "somebody")
	if c.Pool {
		who = fmt.Sprintf("pool %q", c.Owner)
	}
	m := diags.Message{
		Summary: lifecycle.Clip(fmt.Sprintf("%s of %s belongs to %s", key, counted(len(nodes), "node"), who)),
		Stands:  "Nothing was changed.",
		Do:      fmt.Sprintf("Remove it from the configuration to leave it to %s, or set force_conflicts = true to take it; it is given back when the pool lets go of it.", who),
	}
	wants := w.Labels[c.Label]
	m.At = path.Root("labels").AtMapKey(c.Label)
	switch {
	case c.Taint != nil:
		wants, m.At = c.Taint.Value, path.Root("taints")
	case c.Cordon:
		m.At = path.Root("cordon")
		m.Happened = fmt.Sprintf("On %s %s wants the opposite: a node lets new pods in or it does not.", some(nodes), who)
		return m.Error()
	}
	m.Happened = fmt.Sprintf("On %s it is %q, set by %s. This pool wants %q.", some(nodes), c.Has, who, wants)
	return m.Error()
}

// nobody warns that no node matches.
func (s sight) nobody(all int) diag.Diagnostic {
	at := path.Root("node_selector")
	if len(s.want.Selector) == 0 {
		at = path.Root("node_names")
	}
	var asks []string
	for k, v := range s.want.Selector {
		asks = append(asks, k+"="+v)
	}
	slices.Sort(asks)
	happened := fmt.Sprintf("None of the cluster's %s matches", counted(all, "node"))
	if len(asks) > 0 {
		happened += " " + strings.Join(asks, ", ")
	}
	return diags.Message{
		Summary:  lifecycle.Clip(fmt.Sprintf("No node belongs to %s", title(s.want.Pool))),
		Happened: happened + ".",
		Stands:   "That is fine where nodes are still to come: each joins with the next apply, or while min_nodes is waited for.",
		Do:       "Otherwise compare the selector with what kubectl get nodes --show-labels shows.",
		At:       at,
	}.Warning()
}

// failures tells why nodes could not be written: each cause once.
func failures(w nodepool.Wanted, all []nodepool.Failure, verb, stands string) diag.Diagnostics {
	var ds diag.Diagnostics
	var conflicts []nodepool.Conflict
	seen := map[string]bool{}
	told, left := 0, 0
	for _, f := range all {
		var mine *nodepool.ConflictError
		if errors.As(f.Err, &mine) {
			conflicts = append(conflicts, mine.Conflicts...)
			continue
		}
		for _, c := range kube.Conflicts(f.Err) {
			key := c.Field[len(c.Field)-1]
			conflicts = append(conflicts, nodepool.Conflict{Node: f.Node, Label: key, Owner: c.Manager})
		}
		if len(kube.Conflicts(f.Err)) > 0 {
			continue
		}
		for _, d := range lifecycle.Refusal(title(w.Pool), kube.Ref{Kind: kube.Node, Name: f.Node}, verb, f.Err, stands) {
			// The same for a thousand nodes but for their names.
			key := strings.ReplaceAll(d.Summary()+d.Detail(), f.Node, "")
			if seen[key] || told == mostCauses {
				left++
				continue
			}
			seen[key] = true
			told++
			ds.Append(d)
		}
	}
	ds = append(explained(w, conflicts), ds...)
	if left > 0 {
		ds.Append(diags.Message{Summary: fmt.Sprintf("and %s with the same problem", counted(left, "more node")), Stands: stands}.Error())
	}
	return ds
}
