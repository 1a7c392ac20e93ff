package kube

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/pager"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// nodesAnswer is a list of all nodes that is under way.
type nodesAnswer struct {
	done  chan struct{}
	nodes []*corev1.Node
	err   error
}

// Nodes lists all nodes of the cluster, page by page and in protobuf: there may be
// thousands. Calls at the same time share one list, so that ten pools that are read
// at once do not hold ten copies of a large cluster; it may have begun a little
// before the call, and its nodes must not be changed.
func (c *Client) Nodes(ctx context.Context) ([]*corev1.Node, error) {
	c.mu.Lock()
	a := c.listing
	if a == nil {
		a = &nodesAnswer{done: make(chan struct{})}
		c.listing = a
		go c.listNodes(c.closed, a) //nolint:contextcheck // who asks first may be interrupted; the others still want the answer
	}
	c.mu.Unlock()
	select {
	case <-a.done:
		return a.nodes, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("list %s: %w", Node.Resource, ctx.Err())
	}
}

func (c *Client) listNodes(ctx context.Context, a *nodesAnswer) {
	a.nodes, a.err = c.allNodes(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listing = nil
	close(a.done)
}

func (c *Client) allNodes(ctx context.Context) ([]*corev1.Node, error) {
	typed, err := c.Typed()
	if err != nil {
		return nil, err
	}
	var out []*corev1.Node
	err = pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return typed.CoreV1().Nodes().List(ctx, o)
	}).EachListItem(ctx, metav1.ListOptions{}, func(item runtime.Object) error {
		if n, ok := item.(*corev1.Node); ok {
			out = append(out, n)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", Node.Resource, err)
	}
	return out, nil
}

// AsNode decodes a live Node.
func AsNode(o *Object) (*corev1.Node, error) {
	n := &corev1.Node{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, n); err != nil {
		return nil, fmt.Errorf("decode Node %s: %w", o.GetName(), err)
	}
	return n, nil
}

// labelPath is where a label is in managed fields.
func labelPath(key string) fieldpath.Path {
	return fieldpath.MakePathOrDie("metadata", "labels", key)
}

// LabelOwners returns who owns a label of an object, by field manager.
func LabelOwners(entries []metav1.ManagedFieldsEntry, key string) []string {
	return ownersOf(entries, labelPath(key))
}

// FieldOwners returns who owns a field of an object, by field manager.
func FieldOwners(entries []metav1.ManagedFieldsEntry, at ...string) []string {
	return ownersOf(entries, fieldPath(at))
}

func ownersOf(entries []metav1.ManagedFieldsEntry, at fieldpath.Path) []string {
	var out []string
	for _, m := range entries {
		if s := fieldSet(m); s != nil && s.Has(at) && !slices.Contains(out, m.Manager) {
			out = append(out, m.Manager)
		}
	}
	return out
}

// AppliedLabels returns the keys of the labels that a field manager has applied.
func AppliedLabels(entries []metav1.ManagedFieldsEntry, manager string) []string {
	var out []string
	for _, m := range entries {
		if m.Manager != manager || m.Operation != metav1.ManagedFieldsOperationApply || m.Subresource != "" {
			continue
		}
		s := fieldSet(m)
		if s == nil {
			continue
		}
		for p := range s.All() {
			const depth = 3 // metadata, labels, the key
			if len(p) == depth && p[0].FieldName != nil && *p[0].FieldName == "metadata" && p[1].FieldName != nil && *p[1].FieldName == "labels" && p[2].FieldName != nil {
				out = append(out, *p[2].FieldName)
			}
		}
	}
	slices.Sort(out)
	return out
}

// WithoutLabels takes labels away from what kubectl and other Terraform providers
// own, so that whoever applies them next owns them alone. It reports whether any
// of them owned one.
func WithoutLabels(entries []metav1.ManagedFieldsEntry, keys []string) ([]metav1.ManagedFieldsEntry, bool, error) {
	var out []metav1.ManagedFieldsEntry
	changed := false
	for _, m := range entries {
		s := fieldSet(m)
		if s == nil || m.Subresource != "" || !predecessors.MatchString(m.Manager) {
			out = append(out, m)
			continue
		}
		rest := s
		for _, k := range keys {
			if s.Has(labelPath(k)) {
				rest = rest.Difference(fieldpath.NewSet(labelPath(k)))
			}
		}
		if rest.Equals(s) {
			out = append(out, m)
			continue
		}
		changed = true
		if rest.Empty() {
			continue
		}
		raw, err := rest.ToJSON()
		if err != nil {
			return nil, false, fmt.Errorf("write the fields of %s: %w", m.Manager, err)
		}
		m.FieldsV1 = metav1.NewFieldsV1(string(raw))
		out = append(out, m)
	}
	return out, changed, nil
}

// fieldSet are the fields of an entry; nil when it has none that can be read.
func fieldSet(m metav1.ManagedFieldsEntry) *fieldpath.Set {
	if m.FieldsV1 == nil {
		return nil
	}
	s := &fieldpath.Set{}
	if err := s.FromJSON(m.FieldsV1.GetRawReader()); err != nil {
		return nil
	}
	return s
}
