package lifecycle

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// Delete removes exactly the objects this state knows, in the order of departing,
// and waits until they are gone. Objects that others took over are left alone.
func (r *Resource[M, P]) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	s, ok := req.State.Schema.(schema.Schema)
	if !ok {
		return
	}
	mem, ds := recall(ctx, req.Private)
	resp.Diagnostics.Append(ds...)
	model, ds := decode[M](ctx, s, req.State.Raw)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	m := P(model)
	limit, ds := m.Base().Timeouts.Delete(ctx, r.timeouts().Delete)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	client, ds := r.connect(ctx, &mem)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	if !r.rightCluster(ctx, client, mem) {
		resp.Diagnostics.Append(r.wrongCluster(r.title(m)))
		return
	}
	mem.mend(m.Base().Objects)
	r.nameRoles(&mem)
	for _, ref := range r.departing(mem.refs(r.def.Owns)) {
		if ref == r.main(m) && r.def.Release != nil {
			released, ds := r.release(ctx, client, m, ref, mem)
			resp.Diagnostics.Append(ds...)
			if resp.Diagnostics.HasError() {
				return // what could not be released must not be deleted
			}
			if released {
				continue
			}
		}
		resp.Diagnostics.Append(r.remove(ctx, client, m, ref, mem)...)
		if resp.Diagnostics.HasError() {
			return
		}
	}
}

// departing is the order in which objects go: the reverse of that in which they were
// made, but what follows the main object goes after it. Pods of the main object need
// it until they have ended, and it may be held until then.
func (r *Resource[M, P]) departing(refs []kube.Ref) []kube.Ref {
	slices.Reverse(refs)
	slices.SortStableFunc(refs, func(a, b kube.Ref) int { return r.follows(a.Kind) - r.follows(b.Kind) })
	return refs
}

// follows is 1 for kinds whose objects go with the main object, else 0.
func (r *Resource[M, P]) follows(k kube.Kind) int {
	if slices.Contains(r.def.Follows, k) {
		return 1
	}
	return 0
}

// remove deletes one object if it is the one this state knows, and waits until
// it is gone.
func (r *Resource[M, P]) remove(ctx context.Context, client *kube.Client, m P, ref kube.Ref, mem memory) diag.Diagnostics {
	live, err := client.Get(ctx, ref)
	if err != nil {
		return failure{title: r.title(m), ref: ref, verb: "read", err: err, stands: "Nothing was deleted; the state still has it."}.diagnostics()
	}
	if !mem.knows(ref, live) {
		return nil // gone, or somebody else's of the same name
	}
	if claimOf(live) != "" && !mem.mine(live) {
		return diag.Diagnostics{diags.Message{
			Summary:  clip(fmt.Sprintf("%s was left alone", ref)),
			Happened: "It belongs to another state by now: another workspace, or another resource of this one, has taken it over.",
			Stands:   "It goes on existing; this state no longer has it.",
		}.Warning()}
	}
	existed, err := client.Delete(ctx, ref, live.GetUID())
	switch {
	case apierrors.IsConflict(err) && r.replaced(ctx, client, ref, live):
		return nil // by somebody between the read and the delete
	case err != nil:
		return failure{title: r.title(m), ref: ref, verb: "delete", err: err, stands: "The state still has it."}.diagnostics()
	case !existed:
		return nil
	}
	return r.awaitGone(ctx, client, m, ref, live, "to be deleted")
}

// replaced reports whether an object is no longer there: a conflict alone may
// also be a webhook's.
func (r *Resource[M, P]) replaced(ctx context.Context, client *kube.Client, ref kube.Ref, was *kube.Object) bool {
	now, err := client.Get(ctx, ref)
	return err == nil && (now == nil || now.GetUID() != was.GetUID())
}

// release leaves an object behind on purpose, marked as no longer ours, and
// removes the oldest of those that were left before.
func (r *Resource[M, P]) release(ctx context.Context, client *kube.Client, m P, ref kube.Ref, mem memory) (bool, diag.Diagnostics) {
	live, err := client.Get(ctx, ref)
	if err != nil {
		return false, failure{title: r.title(m), ref: ref, verb: "read", err: err, stands: "Nothing was deleted; the state still has it."}.diagnostics()
	}
	if !mem.knows(ref, live) || !mem.mine(live) {
		return false, nil // remove sorts it out
	}
	rel := r.def.Release((*M)(m), kube.Live{ref.Kind.Kind: live})
	if rel.Refuse.Summary != "" {
		return false, diag.Diagnostics{rel.Refuse.Error()}
	}
	if rel.Patch == nil {
		return false, nil
	}
	if _, err := client.Merge(ctx, ref, rel.Patch, kube.Manager); err != nil {
		return false, failure{title: r.title(m), ref: ref, verb: "release", err: err, stands: "The state still has it."}.diagnostics()
	}
	r.thin(ctx, client, ref, rel)
	return true, nil
}

// thin deletes the oldest released objects beyond the number to keep, as far as
// it may: too many of them are no reason to fail.
func (r *Resource[M, P]) thin(ctx context.Context, client *kube.Client, ref kube.Ref, rel Released) {
	if rel.Selector == "" {
		return
	}
	kept, err := client.List(ctx, ref.Kind, ref.Namespace, rel.Selector)
	if err != nil {
		return
	}
	slices.SortFunc(kept, func(a, b *kube.Object) int {
		switch ref.Name { // just released: the newest, whatever the clocks say
		case a.GetName():
			return -1
		case b.GetName():
			return 1
		}
		return b.GetCreationTimestamp().Compare(a.GetCreationTimestamp().Time)
	})
	for i, o := range kept {
		if i < rel.Keep {
			continue
		}
		old := kube.Ref{Kind: ref.Kind, Namespace: ref.Namespace, Name: o.GetName()}
		if _, err := client.Delete(ctx, old, o.GetUID()); err != nil {
			return
		}
	}
}
