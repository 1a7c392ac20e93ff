package lifecycle

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// write writes all that is wanted, each stage once what the one before has written is
// ready. Where that does not come, or nobody waits for it any more, what is to follow
// is left as it is.
func (w *writer[M, P]) write(ctx context.Context, prior *M) diag.Diagnostics {
	stages, ds := w.stages(prior)
	for i, objects := range stages {
		if ds.HasError() {
			return ds
		}
		if ds = w.apply(ctx, objects); len(ds) > 0 || i == len(stages)-1 {
			return ds
		}
		if ds = w.await(ctx); len(ds) > 0 {
			w.failed, w.stopped = ds.HasError(), true
			w.lookOn(ctx)
			return ds
		}
	}
	return ds
}

// lookOn notes the objects that are wanted and were not written any more: they are
// there as they were.
func (w *writer[M, P]) lookOn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	for _, ref := range w.refs() {
		if w.live[ref] != nil {
			continue
		}
		if o, err := w.client.Get(ctx, ref); err == nil && w.mem.knows(ref, o) {
			w.live[ref] = o
		}
	}
	w.seen.Live = w.withOthers(w.seen.Live)
}

// stages are the objects to write, each stage after what the one before has written
// is ready. There is one but where the definition asks for something in the interim.
// An update prunes after the last: until then, what is to go serves.
func (w *writer[M, P]) stages(prior *M) ([][]rendered, diag.Diagnostics) {
	if w.r.def.Interim == nil {
		return [][]rendered{w.want}, nil
	}
	interim := w.r.def.Interim(prior, w.model)
	if interim == nil {
		return [][]rendered{w.want}, nil
	}
	meanwhile, ds := w.r.render(P(interim), w.mem.Claim)
	if ds.HasError() {
		return nil, ds
	}
	// What is wanted has been fitted to the live objects by now. As it was rendered
	// it tells which objects are the same in both.
	whole, ds := w.r.render(P(w.model), w.mem.Claim)
	if ds.HasError() {
		return nil, ds
	}
	first, last := []rendered{}, []rendered{}
	for _, o := range w.want {
		now, then := find(meanwhile, o.ref), find(whole, o.ref)
		switch {
		case now == nil:
			last = append(last, o)
		case then != nil && kube.Same(now.obj.Object, then.obj.Object):
			first = append(first, o)
		default:
			first, last = append(first, *now), append(last, o)
		}
	}
	return [][]rendered{first, last}, nil
}

func find(objects []rendered, ref kube.Ref) *rendered {
	for i := range objects {
		if objects[i].ref == ref {
			return &objects[i]
		}
	}
	return nil
}
