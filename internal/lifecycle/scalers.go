package lifecycle

import (
	"context"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// scaler reports whether one of the objects is an autoscaler.
func (r *Resource[M, P]) scaler(objects []rendered) bool {
	return slices.ContainsFunc(objects, func(w rendered) bool { return slices.Contains(r.def.Scalers, w.ref.Kind) })
}

// dismiss removes autoscalers that are no longer asked for, before the objects
// they scale are written: the two would fight over the number of pods. Whether
// the server takes what is to be written is asked first, so that a refusal leaves
// the service as it was. From then on the number is ours to set, although the
// autoscaler was the last to do so.
func (w *writer[M, P]) dismiss(ctx context.Context, prior P, old []kube.Ref) diag.Diagnostics {
	if len(w.r.def.Scalers) == 0 {
		return nil
	}
	wanted := w.refs()
	gone := slices.DeleteFunc(slices.Clone(old), func(ref kube.Ref) bool {
		return !slices.Contains(w.r.def.Scalers, ref.Kind) || slices.Contains(wanted, ref)
	})
	was, ds := w.r.render(prior, "")
	if ds.HasError() {
		return ds
	}
	w.unscaled = !w.r.scaler(w.want) && (len(gone) > 0 || w.r.scaler(was))
	if len(gone) == 0 {
		return w.free(ctx)
	}
	main := w.want[0]
	options := kube.ApplyOptions{Force: P(w.model).Base().ForceConflicts.ValueBool(), Strict: true, DryRun: true}
	_, _, err := w.client.Apply(ctx, main.ref.Kind, main.obj, options)
	if w.overcome(main.ref.Kind, err) {
		options.Force = true // as apply will
		_, _, err = w.client.Apply(ctx, main.ref.Kind, main.obj, options)
	}
	if err != nil {
		return w.r.failed(P(w.model), main, w.verb, err, w.stands()).diagnostics()
	}
	for _, ref := range gone {
		if ds := w.r.remove(ctx, w.client, P(w.model), ref, *w.mem); ds.HasError() {
			return ds
		}
		w.wrote = true // from here on it is not true that nothing was changed
	}
	return w.free(ctx)
}

// free leaves the number of pods to nobody when an autoscaler is gone, so that a
// later apply may say one.
func (w *writer[M, P]) free(ctx context.Context) diag.Diagnostics {
	main := w.want[0]
	if !w.unscaled {
		return nil
	}
	live, err := w.client.Get(ctx, main.ref)
	if err == nil && live != nil {
		_, err = w.r.reowned(ctx, w.client, main.ref, live, func(live *kube.Object) ([]byte, error) { return kube.FreeReplicas(main.ref.Kind, live) })
	}
	if err != nil {
		return w.r.failed(P(w.model), main, "free the number of pods of", err, w.stands()).diagnostics()
	}
	return nil
}

// overcome reports whether a refused apply may take what it was refused for: what
// the handover kept for us, and the number of pods of an autoscaler that is gone.
func (w *writer[M, P]) overcome(k kube.Kind, err error) bool {
	return kube.OnlyHandover(err) || w.unscaled && kube.OnlyReplicas(k, err)
}

// leftovers are objects of ours beside the main one that no state knows: an update
// made them and was killed before it returned, and they may not be asked for any
// more. What this user may not list, or the cluster does not know, is none.
func (r *Resource[M, P]) leftovers(ctx context.Context, client *kube.Client, main *kube.Object, mem memory) []kube.Ref {
	owner := main.GetLabels()[OwnerLabel]
	if mem.Claim == "" || owner == "" {
		return nil
	}
	var out []kube.Ref
	known := mem.refs(r.def.Owns)
	for _, k := range r.def.Owns {
		if !k.Namespaced || k.Kind == main.GetKind() && !r.roled(k) {
			continue
		}
		all, err := client.List(ctx, k, main.GetNamespace(), OwnerLabel+"="+owner)
		if err != nil {
			continue
		}
		for _, o := range all {
			ref := r.refOf(main.GetName(), k, o.GetNamespace(), o.GetName())
			if o.GetName() == main.GetName() && k.Kind == main.GetKind() {
				continue
			}
			if claimOf(o) == mem.Claim && kube.Controlled(o) == nil && !slices.Contains(known, ref) {
				out = append(out, ref)
			}
		}
	}
	return out
}
