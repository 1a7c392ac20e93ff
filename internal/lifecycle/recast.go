package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// Recast is how to change what the server never changes on a main object: the
// object is deleted without what it controls, and made anew around that.
type Recast struct {
	// Kind and Selector find objects in the namespace that must change before;
	// Patch is the merge patch of one of them, nil for none.
	Kind     kube.Kind
	Selector string
	Patch    func(o *kube.Object) map[string]any
	// Refused puts what the server says against such a patch into the user's
	// words. An empty message adds nothing.
	Refused func(o kube.Ref, said string) diags.Message
}

// recast makes the main object anew around its pods. What others have set on it
// stays: the new one starts as a copy of the old, with what the configuration
// asks for merged in by the server. Each step may be the last of this process:
// patches are not made twice, and a main object that is missing, or is ours and
// unrecorded, is made, or taken over, by the next apply. Only what others had set
// is lost when the process dies just while no object is there.
func (w *writer[M, P]) recast(ctx context.Context, plan *Recast) diag.Diagnostics {
	o := w.want[0]
	m := P(w.model)
	fail := func(verb string, ref kube.Ref, err error, stands string) diag.Diagnostics {
		f := w.r.failed(m, o, verb, err, stands)
		if ref != o.ref {
			f = failure{title: w.r.title(m), ref: ref, verb: verb, err: err, stands: stands}
			if plan.Refused != nil {
				f.reword = func(said string) diags.Message { return plan.Refused(ref, said) }
			}
		}
		return f.diagnostics()
	}
	live, err := w.client.Get(ctx, o.ref)
	if err != nil || live == nil || string(live.GetUID()) != w.uids[o.ref] {
		return diag.Diagnostics{w.r.replacedByOthers(o.ref, live != nil)}
	}
	if held := live.GetFinalizers(); len(held) > 0 {
		return diag.Diagnostics{diags.Message{
			Summary:  clip(fmt.Sprintf("%s cannot be made anew while finalizers hold it", o.ref)),
			Happened: "The change needs a new object around the same pods, and the old one would not go: it has the finalizers " + strings.Join(held, ", ") + ".",
			Stands:   "Nothing was changed.",
			Do:       "Have what set them remove them, then apply again.",
		}.Error()}
	}
	next, err := w.successor(ctx, o, live)
	if err != nil {
		return fail("change", o.ref, err, "Nothing was changed.")
	}
	others, err := w.client.List(ctx, plan.Kind, o.ref.Namespace, plan.Selector)
	if err != nil {
		return fail("read", kube.Ref{Kind: plan.Kind, Namespace: o.ref.Namespace}, err, "Nothing was changed.")
	}
	for _, other := range others {
		patch := plan.Patch(other)
		if patch == nil {
			continue
		}
		ref := kube.Ref{Kind: plan.Kind, Namespace: other.GetNamespace(), Name: other.GetName()}
		if _, err := w.client.Merge(ctx, ref, patch, kube.Manager); err != nil {
			return fail("change", ref, err, fmt.Sprintf("%s is as it was; what was changed before stays so, and the next apply goes on from there.", o.ref))
		}
	}
	if _, err := w.client.Orphan(ctx, o.ref, live.GetUID()); err != nil {
		return fail("delete", o.ref, err, w.stands())
	}
	if ds := w.r.awaitGone(ctx, w.client, m, o.ref, live, "to be made anew around its pods"); ds.HasError() {
		return ds
	}
	const missing = "The old object is gone and its pods go on running. The next apply makes the new one around them."
	made, _, err := w.client.Apply(ctx, o.ref.Kind, next, kube.ApplyOptions{Manager: kube.Handover, Force: true})
	if err != nil {
		return fail("make anew", o.ref, err, missing)
	}
	w.uids[o.ref] = string(made.GetUID())
	return nil
}

// successor is the object that takes the place of live: what the server makes of
// live when everything that can be applied is, with the parts nobody can change
// as they are wanted. The server has been asked whether it takes it.
func (w *writer[M, P]) successor(ctx context.Context, o rendered, live *kube.Object) (*kube.Object, error) {
	sent := o.obj.DeepCopy()
	kube.AsApplied(o.ref.Kind, sent, live)
	if err := setUID(sent, string(live.GetUID())); err != nil {
		return nil, err
	}
	now, _, err := w.client.Apply(ctx, o.ref.Kind, sent, kube.ApplyOptions{
		Force: P(w.model).Base().ForceConflicts.ValueBool(), Strict: true, DryRun: true,
	})
	if err != nil {
		return nil, err
	}
	next := kube.Successor(o.ref.Kind, now, o.obj)
	annotations := next.GetAnnotations()
	delete(annotations, RecordedAnnotation)
	next.SetAnnotations(annotations)
	probe := next.DeepCopy()
	probe.SetName(probeName(next.GetName()))
	_, _, err = w.client.Apply(ctx, o.ref.Kind, probe, kube.ApplyOptions{Manager: kube.Handover, DryRun: true})
	return next, err
}

// probeName is a name under which a dry run may try an object: what forbids the
// object itself forbids it there too.
func probeName(name string) string {
	const suffix, most = "-x", 52
	if len(name) > most-len(suffix) {
		name = strings.TrimRight(name[:most-len(suffix)], "-.")
	}
	return name + suffix
}

// settleHandover leaves the fields of a recast object that are not asked for to
// nobody: as long as the handover's manager has them, none that the
// configuration drops later would go.
func (w *writer[M, P]) settleHandover(ctx context.Context) {
	ref := w.want[0].ref
	live := w.live[ref]
	if live == nil || !slices.ContainsFunc(live.GetManagedFields(), kube.IsHandover) {
		return
	}
	for range inheritTries {
		patch, err := kube.WithoutHandover(live)
		if err != nil {
			return
		}
		now, err := w.client.PatchJSON(ctx, ref, patch)
		if err == nil {
			w.live[ref] = now
			return
		}
		// Its controller writes at the same time. Should it not end well, the next
		// update tries again.
		if live, err = w.client.Get(ctx, ref); err != nil || live == nil {
			return
		}
	}
}
