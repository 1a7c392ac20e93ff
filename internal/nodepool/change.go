package nodepool

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// Mark says for whom a pool writes.
type Mark struct {
	// Claim is the mark of the state.
	Claim string
	// Recorded says that this claim is in a state already.
	Recorded bool
	// Take makes keys the pool's own that people have set before: the first write
	// after an import.
	Take bool
}

// Change is what is to be written to one node: first the patch, then the labels.
// What comes first can be told from what was there before when the process dies
// in between.
type Change struct {
	// Patch is a merge patch; nil when nothing is to be patched. It carries the
	// resource version: taints are one list, and a write in between would be lost.
	Patch map[string]any
	// Labels are applied under the pool's field manager when Apply is set; what it
	// applied before and is not among them goes.
	Labels map[string]string
	Apply  bool
	// Force takes labels from others: those of Wanted.Takes. The look before has
	// found no other conflict, so the node must be as it was seen then.
	Force bool
}

// Empty reports whether there is nothing to write.
func (c Change) Empty() bool { return c.Patch == nil && !c.Apply }

// Applied are the labels that the pool's manager has applied to a node, with
// their values.
func (w Wanted) Applied(n *corev1.Node) map[string]string {
	out := map[string]string{}
	for _, k := range kube.AppliedLabels(n.ManagedFields, Manager(w.Pool)) {
		out[k] = n.Labels[k]
	}
	return out
}

// Enter is what makes a node one of the pool, or brings it up to date.
func (w Wanted) Enter(n *corev1.Node, m Mark) (Change, error) {
	old, _ := RecordOf(n, w.Pool)
	now := Record{
		Claim: m.Claim, Recorded: m.Recorded || old.Recorded && old.Claim == m.Claim,
		Taints: w.taints(), Cordon: w.Cordon, Values: map[string]string{}, Plugin: w.Plugin,
	}
	if len(now.Taints) == 0 {
		now.Taints = nil
	}
	next := state{taints: slices.Clone(n.Spec.Taints), closed: n.Spec.Unschedulable, labels: map[string]any{}}
	for _, t := range old.Taints {
		if find(now.Taints, t) == nil {
			next.giveBack(n, w.Pool, old, t)
		}
	}
	for _, t := range now.Taints {
		if before := w.before(n, old, t, m.Take); before != nil {
			now.Found = append(now.Found, *before)
		}
		next.put(t)
	}
	switch {
	case w.Cordon != nil:
		now.Cordoned = w.closedBefore(n, old, m.Take)
		next.closed = *w.Cordon
	case old.Cordon != nil:
		next.closed = openedBy(n, w.Pool, old)
	}
	w.labelValues(n, old, &now, &next, m)
	fields, err := w.fields(n, m)
	if err != nil {
		return Change{}, err
	}
	c := Change{Labels: w.labels()}
	c.Patch = next.patch(n, Membership(w.Pool), now.text(), fields)
	c.Apply = !maps.Equal(w.Applied(n), c.Labels) || len(next.labels) > 0 || fields != nil
	for _, k := range w.Takes {
		have, there := n.Labels[k]
		c.Force = c.Force || there && have != c.Labels[k]
	}
	return c, nil
}

// Leave is what takes the pool from a node: labels go first, so that no pod is
// sent there for it any more, then the rest with the note on what there was. theirs
// are labels that are not given back, as they were overtaken before it began.
func (w Wanted) Leave(n *corev1.Node, theirs ...string) Change {
	old, noted := RecordOf(n, w.Pool)
	next := state{taints: slices.Clone(n.Spec.Taints), closed: n.Spec.Unschedulable, labels: map[string]any{}}
	for _, t := range old.Taints {
		next.giveBack(n, w.Pool, old, t)
	}
	if old.Cordon != nil {
		next.closed = openedBy(n, w.Pool, old)
	}
	for k, v := range old.Values {
		if !slices.Contains(theirs, k) {
			next.labels[k] = v
		}
	}
	for says, before := range old.Stale {
		next.restore(n, says, before)
	}
	c := Change{Apply: len(w.Applied(n)) > 0}
	if noted {
		c.Patch = next.patch(n, Membership(w.Pool), "", nil)
	}
	return c
}

// Overtaken are the labels that the pool took by force and that somebody has set
// since: whoever did that meant it.
func (w Wanted) Overtaken(n *corev1.Node) []string {
	old, _ := RecordOf(n, w.Pool)
	mine := w.Applied(n)
	var out []string
	for k := range old.Values {
		_, there := n.Labels[k]
		if _, ours := mine[k]; there && !ours {
			out = append(out, k)
		}
	}
	return out
}

// before is the taint that a node had, before any pool, where t is to be; nil
// when it had none.
func (w Wanted) before(n *corev1.Node, old Record, t Taint, take bool) *Taint {
	if find(old.Taints, t) != nil {
		return find(old.Found, t)
	}
	for _, r := range others(n, w.Pool) {
		if find(r.Taints, t) != nil {
			return find(r.Found, t)
		}
	}
	if take {
		return nil
	}
	return find(TaintsOf(n), t)
}

// closedBefore is whether a node kept pods away before any pool had a say.
func (w Wanted) closedBefore(n *corev1.Node, old Record, take bool) bool {
	if old.Cordon != nil {
		return old.Cordoned
	}
	for _, r := range others(n, w.Pool) {
		if r.Cordon != nil {
			return r.Cordoned
		}
	}
	return !take && n.Spec.Unschedulable
}

// openedBy is whether a node keeps pods away when a pool has no say any more.
func openedBy(n *corev1.Node, pool string, old Record) bool {
	for _, r := range others(n, pool) {
		if r.Cordon != nil {
			return *r.Cordon
		}
	}
	return old.Cordoned
}

// labelValues notes the values that force takes from others, and gives back those
// of labels that are no longer declared.
func (w Wanted) labelValues(n *corev1.Node, old Record, now *Record, next *state, m Mark) {
	mine := w.Applied(n)
	for k, v := range w.labels() {
		if was, ok := old.Values[k]; ok {
			now.Values[k] = was
			continue
		}
		_, ours := mine[k]
		if have, ok := n.Labels[k]; ok && have != v && !ours && !m.Take {
			now.Values[k] = have
		}
	}
	overtaken := w.Overtaken(n)
	for k, v := range old.Values {
		if _, declared := w.labels()[k]; !declared && !slices.Contains(overtaken, k) {
			next.labels[k] = v
		}
	}
	asked := slices.Collect(maps.Values(w.Stale))
	for says, before := range old.Stale {
		if !slices.Contains(asked, says) {
			next.restore(n, says, before)
		}
	}
	for changes, says := range w.Stale {
		was, there := n.Labels[says]
		before, removed := old.Stale[says]
		removed = removed && before.Of == n.Labels[changes]
		switch same := n.Labels[changes] == w.Labels[changes]; {
		case same && removed && !there:
			next.labels[says] = before.Was // the change was never made
		case !same && there:
			next.labels[says] = nil
			now.Stale = map[string]Removed{says: {Label: changes, Of: n.Labels[changes], Was: was}}
		case !same && removed:
			now.Stale = map[string]Removed{says: before}
		}
	}
	if len(now.Values) == 0 {
		now.Values = nil
	}
}

// fields are the managed fields of a node without what kubectl owns of the
// declared labels, in the first write after an import; nil when they stay.
func (w Wanted) fields(n *corev1.Node, m Mark) ([]metav1.ManagedFieldsEntry, error) {
	if !m.Take {
		return nil, nil
	}
	out, changed, err := kube.WithoutLabels(n.ManagedFields, slices.Collect(maps.Keys(w.labels())))
	if err != nil || !changed {
		return nil, err
	}
	return out, nil
}

// state is what a node is to have of what is no label.
type state struct {
	taints []corev1.Taint
	closed bool
	// labels are values that are given back.
	labels map[string]any
}

// put sets a taint.
func (s *state) put(t Taint) {
	for i, have := range s.taints {
		if have.Key == t.Key && string(have.Effect) == t.Effect {
			if have.Value != t.Value {
				s.taints[i].Value = t.Value
			}
			return
		}
	}
	s.taints = append(s.taints, corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
}

// restore writes again a label that was removed for a change that was never made.
func (s *state) restore(n *corev1.Node, says string, before Removed) {
	if _, there := n.Labels[says]; !there && before.unmade(n) {
		s.labels[says] = before.Was
	}
}

// giveBack leaves the place of a taint as it was before the pool had it, or as
// another pool wants it.
func (s *state) giveBack(n *corev1.Node, pool string, old Record, t Taint) {
	for _, r := range others(n, pool) {
		if theirs := find(r.Taints, t); theirs != nil {
			if find(TaintsOf(n), t) != nil {
				s.put(*theirs)
			}
			return
		}
	}
	if was := find(old.Found, t); was != nil {
		if find(TaintsOf(n), t) != nil { // who took it away meanwhile meant it
			s.put(*was)
		}
		return
	}
	s.taints = slices.DeleteFunc(s.taints, func(have corev1.Taint) bool { return have.Key == t.Key && string(have.Effect) == t.Effect })
}

// patch is the merge patch that makes a node so, with the note under key; "" takes
// the note away. Nil when the node is so already.
func (s *state) patch(n *corev1.Node, key, note string, fields []metav1.ManagedFieldsEntry) map[string]any {
	metadata, spec := map[string]any{}, map[string]any{}
	if have, ok := n.Annotations[key]; note == "" || !ok || have != note {
		var value any
		if note != "" {
			value = note
		}
		metadata["annotations"] = map[string]any{key: value}
	}
	if len(s.labels) > 0 {
		metadata["labels"] = s.labels
	}
	if fields != nil {
		metadata["managedFields"] = fields
	}
	if !reflect.DeepEqual(s.taints, n.Spec.Taints) && len(s.taints)+len(n.Spec.Taints) > 0 {
		spec["taints"] = plain(s.taints)
	}
	if s.closed != n.Spec.Unschedulable {
		spec["unschedulable"] = nil
		if s.closed {
			spec["unschedulable"] = true
		}
	}
	if len(metadata)+len(spec) == 0 {
		return nil
	}
	metadata["resourceVersion"] = n.ResourceVersion
	out := map[string]any{"metadata": metadata}
	if len(spec) > 0 {
		out["spec"] = spec
	}
	return out
}

// plain are taints as JSON has them; null for none.
func plain(in []corev1.Taint) any {
	if len(in) == 0 {
		return nil
	}
	raw, err := json.Marshal(in)
	if err != nil {
		return in
	}
	var out []any
	if json.Unmarshal(raw, &out) != nil {
		return in
	}
	return out
}
