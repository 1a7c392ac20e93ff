package lifecycle

import (
	"context"
	"slices"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// asks returns the label selector of what there is to look for; false when there
// is nothing.
func (l Look[M]) asks(m *M, main *kube.Object) (string, bool) {
	switch {
	case main == nil:
		return "", false
	case l.Selector == nil:
		return "", true
	}
	selector := l.Selector(m, main)
	return selector, selector != ""
}

// of leaves out what none of the owners controls, where that counts.
func (l Look[M]) of(owners []owner, found []*kube.Object) []*kube.Object {
	if !l.Controlled {
		return found
	}
	return slices.DeleteFunc(slices.Clone(found), func(o *kube.Object) bool {
		by := kube.Controlled(o)
		return by == nil || !slices.ContainsFunc(owners, func(w owner) bool { return w.uid == string(by.UID) })
	})
}

// read returns the objects; false when there is nothing to look for. Who may not
// read them, or has no such kind, is told less.
func (l Look[M]) read(ctx context.Context, client *kube.Client, m *M, main *kube.Object, ns string, owners []owner) ([]*kube.Object, bool) {
	selector, ok := l.asks(m, main)
	if !ok {
		return nil, false
	}
	read := client.ReadMatching
	if selector == "" {
		read = client.List
	}
	found, err := read(ctx, l.Kind, ns, selector)
	return l.of(owners, found), err == nil
}

// apart are the objects that change while the main one stays as it is.
func (r *Resource[M, P]) apart(seen Seen) []*kube.Object {
	var out []*kube.Object
	for _, l := range r.def.Beside {
		if l.Apart {
			out = append(out, seen.Beside[l.Kind.Kind]...)
		}
	}
	return out
}

// asBefore reports whether those objects are as they were when the state was
// written.
func (r *Resource[M, P]) asBefore(ctx context.Context, client *kube.Client, main *kube.Object, mem memory) bool {
	var now []*kube.Object
	ns, known := r.around(main)
	for _, l := range r.def.Beside {
		if l.Apart && known {
			found, _ := l.read(ctx, client, nil, main, ns, []owner{{uid: string(main.GetUID())}})
			now = append(now, found...)
		}
	}
	return fingerprintAll(now)+r.lent(ctx, client).mark() == mem.Beside
}
