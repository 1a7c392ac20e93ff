package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// predecessors are the field managers of the tools people adopt objects from:
// kubectl in its ways of writing, and other Terraform providers.
var predecessors = regexp.MustCompile(`^(kubectl(-.*)?|Terraform|HashiCorp|OpenTofu|terraform-provider-kube.*)$`)

// IsPredecessor reports whether a field manager is a tool that people adopt
// objects from.
func IsPredecessor(manager string) bool { return predecessors.MatchString(manager) }

// Inheritance returns the JSON patch that moves the fields of kubectl and other
// Terraform providers to Manager, so that a field removed from the
// configuration of an adopted object really goes. Nil when there is nothing to
// move. The patch carries the resource version: a concurrent write makes it fail.
//
// It does what client-go's csaupgrade does, and moves what was applied on the
// server's side too (kubectl apply --server-side). Then what the server filled in
// is nobody's: of that, Manager gets what said names, the object as the state
// has it.
func Inheritance(k Kind, live, said *Object) ([]byte, error) {
	sum, others, found := &fieldpath.Set{}, &fieldpath.Set{}, false
	var rest []metav1.ManagedFieldsEntry
	own := metav1.ManagedFieldsEntry{Manager: Manager, Operation: metav1.ManagedFieldsOperationApply, FieldsType: "FieldsV1"}
	for _, m := range live.GetManagedFields() {
		ours := m.Manager == Manager && m.Operation == metav1.ManagedFieldsOperationApply
		s := &fieldpath.Set{}
		if m.FieldsV1 != nil {
			if err := s.FromJSON(m.FieldsV1.GetRawReader()); err != nil {
				return nil, fmt.Errorf("read the fields of %s: %w", m.Manager, err)
			}
		}
		if m.Subresource != "" || !ours && !predecessors.MatchString(m.Manager) {
			rest, others = append(rest, m), others.Union(s)
			continue
		}
		sum, found = sum.Union(s), found || !ours
		own.APIVersion, own.Time = m.APIVersion, m.Time
	}
	if !found {
		return nil, nil
	}
	if said != nil {
		orphans(sum, others, nil, said.Object, live.Object)
	}
	unsaid := unsayable(k, live)
	heirloom := &fieldpath.Set{}
	for p := range sum.All() {
		if inherits(p, unsaid) {
			heirloom.Insert(p.Copy())
		}
	}
	raw, err := heirloom.ToJSON()
	if err != nil {
		return nil, fmt.Errorf("write the fields of %s: %w", Manager, err)
	}
	own.FieldsV1 = metav1.NewFieldsV1(string(raw))
	return json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": append(rest, own)},
		// Replaced by itself rather than tested: then it is a conflict when somebody wrote in between.
		{"op": "replace", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()},
	})
}

// orphans adds the fields to mine that said names and live has, and that are not
// others'. Lists stay as they are: the server's own entries have no fixed place.
func orphans(mine, others *fieldpath.Set, at fieldpath.Path, said, live map[string]any) {
	for f, s := range said {
		l, ok := live[f]
		if !ok {
			continue
		}
		p := append(at.Copy(), fieldpath.PathElement{FieldName: &f})
		switch s := s.(type) {
		case map[string]any:
			if l, ok := l.(map[string]any); ok {
				orphans(mine, others, p, s, l)
			}
		case []any:
		default:
			if !others.Has(p) {
				mine.Insert(p)
			}
		}
	}
}

// inherits reports whether Manager takes a field over.
func inherits(p fieldpath.Path, unsaid [][]string) bool {
	var names []string
	for _, e := range p {
		if e.FieldName == nil {
			break
		}
		names = append(names, *e.FieldName)
	}
	for _, tree := range unsaid {
		if len(names) >= len(tree) && slices.Equal(names[:len(tree)], tree) {
			return false
		}
	}
	if len(names) == 0 || names[0] == "apiVersion" || names[0] == "kind" {
		return false
	}
	if names[0] != "metadata" || len(names) == 1 {
		return true
	}
	// Of metadata no configuration says anything but these; whoever set the rest,
	// finalizers for one, it stays. What a controller writes is its own business,
	// but kubectl's note on what it applied goes: nobody keeps it true any more.
	if names[1] != "labels" && names[1] != "annotations" {
		return false
	}
	return len(names) < 3 || !IsGenerated(names[2]) || names[2] == lastApplied
}

// unsayable are the subtrees of an object that no configuration says: frozen
// lists in which a key is there twice, which the server stores and refuses to
// apply, and what a queue writes.
func unsayable(k Kind, live *Object) [][]string {
	var out [][]string
	for _, tree := range k.Frozen() {
		if now, ok := At(live.Object, tree...); ok && repeats(last(tree), now) {
			out = append(out, tree)
		}
	}
	if heldByQueue(live) {
		// It would be ours to give up, and the run would start past its queue.
		out = append(out, []string{"spec", "suspend"})
	}
	return out
}

// repeats reports whether a keyed list somewhere in the value has a key twice.
func repeats(field string, v any) bool {
	switch x := v.(type) {
	case map[string]any:
		for f, e := range x {
			if repeats(f, e) {
				return true
			}
		}
	case []any:
		if _, ok := listKeys[field]; ok && !keyed(field, x) {
			return true
		}
		for _, e := range x {
			if repeats("", e) {
				return true
			}
		}
	}
	return false
}

// ownSet returns the fields Manager has applied to the object.
func ownSet(live *Object) *fieldpath.Set {
	for _, m := range live.GetManagedFields() {
		if m.Manager != Manager || m.Operation != metav1.ManagedFieldsOperationApply || m.Subresource != "" || m.FieldsV1 == nil {
			continue
		}
		s := &fieldpath.Set{}
		if err := s.FromJSON(bytes.NewReader(m.FieldsV1.GetRawBytes())); err == nil {
			return s
		}
	}
	return nil
}

// AsApplied replaces the frozen subtrees of wanted by what Manager last applied
// to live, in live's order, so that a new version of mlk or an adopted object
// never turns an edit elsewhere into "field is immutable".
func AsApplied(k Kind, wanted, live *Object) {
	own := ownSet(live)
	unsaid := unsayable(k, live)
	for _, tree := range k.Frozen() {
		now, ok := At(live.Object, tree...)
		if !ok {
			continue
		}
		if slices.ContainsFunc(unsaid, func(t []string) bool { return slices.Equal(t, tree) }) {
			unstructured.RemoveNestedField(wanted.Object, tree...) // never ours: see Inheritance
			continue
		}
		var set *fieldpath.Set
		if own != nil {
			set = own
			for _, f := range tree {
				set = set.WithPrefix(fieldpath.PathElement{FieldName: &f})
			}
		}
		switch {
		case set != nil && !set.Empty():
			if v, ok := extract(now, set); ok {
				put(wanted.Object, v, tree...)
			}
		case own != nil && ownsLeaf(own, tree):
			put(wanted.Object, runtime.DeepCopyJSONValue(now), tree...)
		default:
			// Nobody's but the server's own values: what we want may only repeat them.
			if w, ok := At(wanted.Object, tree...); ok {
				put(wanted.Object, overlay(last(tree), w, now), tree...)
			}
		}
	}
}

func ownsLeaf(own *fieldpath.Set, tree []string) bool {
	p := make(fieldpath.Path, 0, len(tree))
	for _, f := range tree {
		p = append(p, fieldpath.PathElement{FieldName: &f})
	}
	return own.Has(p)
}

// extract returns the part of a live value that the set names.
func extract(v any, set *fieldpath.Set) (any, bool) {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for f, e := range x {
			pe := fieldpath.PathElement{FieldName: &f}
			child := set.WithPrefix(pe)
			switch {
			case !child.Empty():
				if sub, ok := extract(e, child); ok {
					out[f] = sub
				}
			case set.Members.Has(pe):
				out[f] = runtime.DeepCopyJSONValue(e)
			}
		}
		return out, true
	case []any:
		var out []any
		for _, e := range x {
			for _, pe := range elementsOf(set) {
				if !matches(pe, e) {
					continue
				}
				child := set.WithPrefix(pe)
				sub := e
				if !child.Empty() {
					if s, ok := extract(e, child); ok {
						sub = s
					}
					if pe.Key != nil {
						withKeys(sub, e, *pe.Key)
					}
				}
				out = append(out, runtime.DeepCopyJSONValue(sub))
				break
			}
		}
		return out, len(out) > 0
	}
	return runtime.DeepCopyJSONValue(v), true
}

// elementsOf lists the list elements a set names at its first level.
func elementsOf(set *fieldpath.Set) []fieldpath.PathElement {
	var out []fieldpath.PathElement
	set.Members.Iterate(func(pe fieldpath.PathElement) { out = append(out, pe) })
	set.Children.Iterate(func(pe fieldpath.PathElement) {
		for _, have := range out {
			if have.Equals(pe) {
				return
			}
		}
		out = append(out, pe)
	})
	return out
}

func matches(pe fieldpath.PathElement, e any) bool {
	switch {
	case pe.Key != nil:
		m, ok := e.(map[string]any)
		if !ok {
			return false
		}
		for _, f := range *pe.Key {
			v, has := m[f.Name]
			if !has {
				return false
			}
			if value.Compare(value.NewValueInterface(v), f.Value) != 0 {
				return false
			}
		}
		return true
	case pe.Value != nil:
		return value.Compare(value.NewValueInterface(e), *pe.Value) == 0
	}
	return false
}

// withKeys completes a part of a list's element by the keys that tell it apart.
func withKeys(part, element any, keys value.FieldList) {
	to, ok := part.(map[string]any)
	from, has := element.(map[string]any)
	if !ok || !has {
		return
	}
	for _, f := range keys {
		to[f.Name] = from[f.Name]
	}
}

// overlay returns wanted with the values and the order of live.
func overlay(field string, wanted, live any) any {
	switch w := wanted.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			return live
		}
		out := map[string]any{}
		for f, e := range w {
			if lv, has := l[f]; has {
				out[f] = overlay(f, e, lv)
			}
		}
		return out
	case []any:
		l, ok := live.([]any)
		if !ok || !keyed(field, w) || !keyed(field, l) {
			return live
		}
		var out []any
		for _, e := range l {
			if we, has := find(field, w, elementKey(field, e)); has {
				out = append(out, overlay("", we, e))
			}
		}
		return out
	}
	return live
}

func put(o map[string]any, v any, tree ...string) {
	for _, f := range tree[:len(tree)-1] {
		next, ok := o[f].(map[string]any)
		if !ok {
			next = map[string]any{}
			o[f] = next
		}
		o = next
	}
	o[tree[len(tree)-1]] = v
}

// Conflict is a field that another manager has set to a different value.
type Conflict struct {
	// Manager is who owns the field.
	Manager string
	// Field is the path as in Fields: names, map keys and list keys.
	Field []string
}

// conflictManager finds the manager in the server's message: conflict with
// "kubectl-edit" using batch/v1 (apimachinery, util/managedfields).
var conflictManager = regexp.MustCompile(`conflict with "([^"]*)"`)

// Conflicts returns the fields a refused apply would have taken from others;
// nil when the error is something else.
func Conflicts(err error) []Conflict {
	var s apierrors.APIStatus
	if !errors.As(err, &s) || !apierrors.IsConflict(err) || s.Status().Details == nil {
		return nil
	}
	var out []Conflict
	for _, c := range s.Status().Details.Causes {
		if c.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		m := conflictManager.FindStringSubmatch(c.Message)
		if m == nil {
			continue
		}
		out = append(out, Conflict{Manager: m[1], Field: ParseField(c.Field)})
	}
	return out
}

// ParseField splits a field path as the API server writes it into segments:
// .spec.template.spec.containers[name="main"].image, spec.containers[0].env[1],
// metadata.labels[a.b/c].
func ParseField(s string) []string {
	var out []string
	s = strings.TrimPrefix(s, ".")
	for s != "" {
		switch s[0] {
		case '.':
			s = s[1:]
		case '[':
			end := closing(s)
			out = append(out, bracket(s[1:end]))
			s = s[min(end+1, len(s)):]
		default:
			n := strings.IndexAny(s, ".[")
			if n < 0 {
				n = len(s)
			}
			out = append(out, s[:n])
			s = s[n:]
		}
	}
	return out
}

// closing returns the index of the bracket that closes the one s begins with;
// the length of s when none does: a webhook may name a field as it likes.
func closing(s string) int {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ']' && !quoted:
			return i
		}
	}
	return len(s)
}

// bracket turns name="main" into main, and containerPort=80,protocol="TCP" into 80/TCP.
func bracket(s string) string {
	if !strings.Contains(s, "=") || strings.HasPrefix(s, "=") {
		return strings.Trim(strings.TrimPrefix(s, "="), `"`)
	}
	var parts []string
	for _, p := range strings.Split(s, ",") {
		_, v, ok := strings.Cut(p, "=")
		if !ok {
			return s
		}
		var text string
		if json.Unmarshal([]byte(v), &text) != nil {
			text = v
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "/")
}

// ResolveIndexes replaces list indexes in a path by the keys of the elements in
// the object that was sent.
func ResolveIndexes(o map[string]any, segments []string) []string {
	out := append([]string{}, segments...)
	var v any = o
	for i, s := range out {
		switch x := v.(type) {
		case map[string]any:
			v = x[s]
		case []any:
			var n int
			if _, err := fmt.Sscanf(s, "%d", &n); err == nil && n >= 0 && n < len(x) {
				v = x[n]
				if i > 0 {
					if k := elementKey(out[i-1], v); k != "" {
						out[i] = k
					}
				}
			} else {
				v, _ = find(last(out[:i]), x, s)
			}
		default:
			return out
		}
	}
	return out
}
