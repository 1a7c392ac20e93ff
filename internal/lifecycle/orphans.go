package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// holdsData are the kinds that are never deleted without having been asked for.
var holdsData = []kube.Kind{kube.PersistentVolumeClaim}

// orphan is an object of this resource whose main object is gone, so that no state
// knows it, and that is not asked for any more.
type orphan struct {
	ref  kube.Ref
	live *kube.Object
}

// clear deletes what an earlier main object of the name has left behind and nothing asks
// for any more: an autoscaler would go on scaling the new one. It does so before anything
// is written, and only where the server takes what is to be: a process that dies in
// between leaves the rest to the next create, and nothing that no state knows.
func (r *Resource[M, P]) clear(ctx context.Context, client *kube.Client, m P, want []rendered) diag.Diagnostics {
	left, ds := r.orphans(ctx, client, m, want)
	if len(left) == 0 || ds.HasError() {
		return ds
	}
	// Looked at after them: whoever else has just made them has made the main object before.
	main := want[0]
	if free, ds := r.nameFree(ctx, client, m, main.obj.GetLabels()[OwnerLabel], false); !free || ds.HasError() {
		return ds
	}
	options := kube.ApplyOptions{Force: m.Base().ForceConflicts.ValueBool(), Strict: true, DryRun: true}
	if _, _, err := client.Apply(ctx, main.ref.Kind, main.obj, options); err != nil {
		return r.failed(m, main, "create", err, "Nothing was changed.").diagnostics()
	}
	var names []string
	for _, o := range left {
		existed, err := client.Delete(ctx, o.ref, o.live.GetUID())
		switch {
		case apierrors.IsConflict(err) && r.replaced(ctx, client, o.ref, o.live):
			continue // by somebody between the look and the delete
		case err != nil:
			stands := "Nothing was made. It was left behind by an earlier one, and the next apply tries again."
			return failure{title: r.title(m), ref: o.ref, verb: "delete", err: err, stands: stands}.diagnostics()
		case !existed:
			continue
		}
		if ds := r.awaitGone(ctx, client, m, o.ref, o.live, "to be deleted"); ds.HasError() {
			return ds
		}
		names = append(names, o.ref.String())
	}
	if len(names) == 0 {
		return nil
	}
	deleted := "an object that an earlier one left behind was deleted"
	if len(names) > 1 {
		deleted = fmt.Sprintf("%d objects that an earlier one left behind were deleted", len(names))
	}
	return diag.Diagnostics{diags.Message{
		Summary:  clip(r.title(m) + ": " + deleted),
		Happened: fmt.Sprintf("Of an earlier one of this name somebody has deleted the %s; what it had beside that stayed, in no state, and the configuration does not ask for it any more:\n  %s", main.ref.Kind.Kind, strings.Join(names, "\n  ")),
	}.Warning()}
}

// orphans looks for what bears the marks of this resource beside its main object and is
// not asked for: what leads to others before them. What this user may not list, or the
// cluster does not know, is none; neither is what something else controls or goes with
// the main object by itself.
func (r *Resource[M, P]) orphans(ctx context.Context, client *kube.Client, m P, want []rendered) ([]orphan, diag.Diagnostics) {
	main := want[0]
	var out []orphan
	for _, k := range r.def.Owns {
		isMain := slices.Contains(r.mains(), k)
		if isMain && !r.roled(k) || slices.Contains(r.def.Follows, k) || slices.Contains(holdsData, k) {
			continue
		}
		namespace := ""
		if k.Namespaced {
			namespace = main.ref.Namespace
		}
		all, err := client.ReadMatching(ctx, k, namespace, OwnerLabel+"="+main.obj.GetLabels()[OwnerLabel])
		switch {
		case apierrors.IsForbidden(err) || apierrors.IsNotFound(err):
			continue
		case err != nil:
			return nil, failure{title: r.title(m), ref: kube.Ref{Kind: k, Namespace: namespace}, verb: "list", err: err, stands: "Nothing was changed."}.diagnostics()
		}
		for _, o := range all {
			ref := r.refOf(main.ref.Name, k, o.GetNamespace(), o.GetName())
			asked := slices.ContainsFunc(want, func(w rendered) bool { return w.ref == ref })
			if asked || isMain && ref.Role == "" || !r.leaves(o, main.obj) {
				continue
			}
			out = append(out, orphan{ref, o})
		}
	}
	slices.Reverse(out)
	return out, nil
}

// leaves reports whether a live object can only be what an earlier main object has left:
// it bears all marks of the resource, and nobody but it had made it, keeps it or deletes it.
func (r *Resource[M, P]) leaves(o, main *kube.Object) bool {
	return o.GetAnnotations()[ResourceAnnotation] == main.GetAnnotations()[ResourceAnnotation] && claimOf(o) != "" &&
		o.GetLabels()[KeptLabel] == "" && o.GetDeletionTimestamp() == nil && kube.Controlled(o) == nil
}

// nameFree reports whether there is no main object of the resource, by whichever of its
// engines: what stands beside one is its own. unseen is the answer where these
// credentials may not look for one.
func (r *Resource[M, P]) nameFree(ctx context.Context, client *kube.Client, m P, owner string, unseen bool) (bool, diag.Diagnostics) {
	for _, k := range r.mains() {
		ref := r.main(m)
		if ref.Kind = k; !k.Namespaced {
			ref.Namespace = ""
		}
		live, err := client.Get(ctx, ref)
		switch {
		case apierrors.IsForbidden(err) && !unseen:
			return false, nil
		case apierrors.IsForbidden(err), apierrors.IsNotFound(err), err == nil && live == nil:
		case err != nil:
			return false, failure{title: r.title(m), ref: ref, verb: "read", err: err, stands: "Nothing was changed."}.diagnostics()
		case live.GetLabels()[OwnerLabel] == owner:
			return false, nil
		}
	}
	return true, nil
}
