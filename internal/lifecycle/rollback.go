package lifecycle

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// rollback puts back what the state before asked for, after an update whose wait has
// failed, where the configuration wants that. The state before then stands: what
// was asked for is planned again. Should this process die on the way, the next
// plan waits for whatever is there, and shows what differs.
func (w *writer[M, P]) rollback(ctx context.Context, prior P, before State) diag.Diagnostics {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	m, made := P(w.model), w.refs()
	was, ds := w.r.render(prior, w.mem.Claim)
	if ds.HasError() {
		return ds
	}
	uids := map[kube.Ref]string{}
	for _, o := range was {
		live, err := w.client.Get(ctx, o.ref)
		if err == nil && live != nil {
			uids[o.ref] = string(live.GetUID())
			_, err = w.r.reowned(ctx, w.client, o.ref, live, func(live *kube.Object) ([]byte, error) { return kube.LeaveReplicas(o.ref.Kind, o.obj, live) })
		}
		if err != nil {
			return w.r.failed(m, o, "put back", err, w.stands()).diagnostics()
		}
	}
	back := *w
	back.want, back.uids, back.save, back.live = was, uids, func(State) {}, nil
	ds = back.dismiss(ctx, m, made)
	if !ds.HasError() {
		ds.Append(back.apply(ctx, was)...)
	}
	if ds.HasError() {
		return ds
	}
	left, ds := w.r.prune(ctx, w.client, m, made, was, *w.mem)
	for _, ref := range left {
		w.mem.Objects = append(w.mem.Objects, remembered{Kind: ref.Kind.Kind, Group: ref.Kind.Group, Role: ref.Role, Namespace: ref.Namespace, Name: ref.Name, UID: w.mem.uid(ref)})
	}
	w.mem.Pending = true
	w.save(before)
	return ds
}

// takesBack reports whether a wait that has failed is to end in a rollback.
func (w *writer[M, P]) takesBack() bool {
	return !w.creating && w.r.def.Rollback != nil && w.r.def.Rollback(w.model)
}
