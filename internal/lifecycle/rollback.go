package lifecycle

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// rollback puts back what the state before asked for, after an update whose wait has
// failed, where the configuration wants that. The state before then stands: what
// was asked for is planned again. Should this process die on the way, the next
// plan waits for whatever is there, and shows what differs. It does not end when the
// update's time has run out: writes are quick, and what goes has the time of a delete.
func (w *writer[M, P]) rollback(ctx context.Context, prior P, before State) diag.Diagnostics {
	ctx = context.WithoutCancel(ctx)
	writing, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	m, made := P(w.model), w.refs()
	was, ds := w.r.render(prior, w.mem.Claim)
	if ds.HasError() {
		return ds
	}
	back := *w
	back.save, back.live, back.uids = func(State) {}, nil, map[kube.Ref]string{}
	back.want, ds = back.restorable(writing, was)
	if len(back.want) == 0 {
		return ds
	}
	wrong := back.dismiss(writing, m, made)
	if !wrong.HasError() {
		wrong.Append(back.apply(writing, back.want)...)
	}
	if ds.Append(wrong...); wrong.HasError() {
		return ds
	}
	limit, wrong := m.Base().Timeouts.Delete(ctx, w.r.timeouts().Delete)
	ds.Append(wrong...)
	removing, done := context.WithTimeout(ctx, limit) // pods have their time to end
	defer done()
	known := *w.mem
	left, wrong := w.r.prune(removing, w.client, m, made, was, known)
	ds.Append(wrong...)
	w.mem.remember(back.refs(), back.live)
	for _, ref := range left {
		w.mem.Objects = append(w.mem.Objects, known.find(ref))
	}
	w.mem.Pending = true
	w.save(before)
	return ds
}

// restorable are the objects of before that can be put back, written the way the live
// ones are; it notes the uids of those. None without the main object that was updated:
// that it is gone is what the update has failed for. Nobody else's is taken.
func (w *writer[M, P]) restorable(ctx context.Context, was []rendered) ([]rendered, diag.Diagnostics) {
	var out []rendered
	var ds diag.Diagnostics
	for i, o := range was {
		live, err := w.client.Get(ctx, o.ref)
		theirs := live != nil && !w.mem.knows(o.ref, live) && claimOf(live) != w.mem.Claim
		switch {
		case err == nil && i == 0 && (live == nil || theirs):
			return nil, ds
		case theirs:
			ds.Append(diags.Message{
				Summary:  clip(fmt.Sprintf("%s was not put back: it is somebody else's", o.ref)),
				Happened: "The update had removed it, and somebody has made one of that name since.",
				Stands:   "It was left alone. All else is put back.",
				Do:       "Delete it if nobody needs it, and apply again.",
			}.Error())
			continue
		case err == nil && live != nil:
			w.uids[o.ref] = string(live.GetUID())
			live, err = w.r.reowned(ctx, w.client, o.ref, live, func(live *kube.Object) ([]byte, error) { return kube.LeaveReplicas(o.ref.Kind, o.obj, live) })
		}
		if err != nil {
			return nil, append(ds, w.r.failed(P(w.model), o, "put back", err, w.stands()).diagnostics()...)
		}
		if live != nil {
			kube.AsWritten(o.obj, live)
			kube.AsApplied(o.ref.Kind, o.obj, live)
		}
		out = append(out, o)
	}
	return out, ds
}

// takesBack reports whether a wait that has failed is to end in a rollback.
func (w *writer[M, P]) takesBack() bool {
	return !w.creating && w.r.def.Rollback != nil && w.r.def.Rollback(w.model)
}
