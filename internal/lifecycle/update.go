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

// Update applies the objects of a resource that exists, removes those that are
// no longer asked for, and waits. It never makes the main object anew.
func (r *Resource[M, P]) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	s, ok := req.Plan.Schema.(schema.Schema)
	if !ok {
		return
	}
	mem, ds := recall(ctx, req.Private)
	resp.Diagnostics.Append(ds...)
	base := known(req.Plan.Raw)
	model, ds := decode[M](ctx, s, base)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	m := P(model)
	limit, ds := m.Base().Timeouts.Update(ctx, r.limit(m, r.timeouts().Update))
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
	resp.Diagnostics.Append(mem.mendFrom(ctx, req.State)...)
	r.nameRoles(&mem)
	if mem.Claim == "" {
		mem.Claim = newClaim() // the first write after an import
	}
	prior, ds := decode[M](ctx, s, req.State.Raw)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	want, ds := r.wanted(ctx, client, m, P(prior), mem.Claim)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	save := func(raw State) {
		resp.State.Raw = raw
		r.identify(r.main(m), resp.Identity)
		resp.Diagnostics.Append(mem.store(ctx, resp.Private)...)
	}
	known, remake, ds := r.meet(ctx, client, m, P(prior), want, &mem)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	if known == nil {
		// The objects are gone and the resource lives on in the state alone.
		m.Base().Status, m.Base().Objects = P(prior).Base().Status, P(prior).Base().Objects
		raw, err := withComputed(ctx, s, base, model)
		if err != nil {
			resp.Diagnostics.Append(unrecorded(err))
			return
		}
		save(raw)
		return
	}
	w := &writer[M, P]{
		r: r, client: client, schema: s, model: model, base: base, mem: &mem, want: want, timeout: limit, verb: "update", planned: req.Plan.Raw, uids: known, save: save,
		note: func() { resp.Diagnostics.Append(mem.store(ctx, resp.Private)...) },
	}
	old := mem.refs(r.def.Owns)
	if mem.Pending {
		old = append(old, r.leftovers(ctx, client, want[0].obj, mem)...)
	}
	waits := mem.Pending || r.def.Waits == nil || r.def.Waits(prior, model)
	if remake != nil {
		if ds := w.recast(ctx, remake); ds.HasError() {
			resp.Diagnostics.Append(ds...)
			return // the prior state stands
		}
	}
	ds = w.dismiss(ctx, P(prior), old)
	if !ds.HasError() {
		ds.Append(w.write(ctx, prior)...)
	}
	resp.Diagnostics.Append(ds...)
	if ds.HasError() {
		if w.failed && w.takesBack() {
			resp.Diagnostics.Append(w.rollback(ctx, prior, req.State.Raw)...)
		}
		return // the prior state stands
	}
	w.early()
	if w.stopped {
		w.unpruned = unasked(old, want)
	} else {
		w.unpruned, ds = r.prune(ctx, client, m, old, want, mem)
		resp.Diagnostics.Append(ds...)
	}
	switch {
	case w.stopped:
	case resp.Diagnostics.HasError() || ctx.Err() != nil && (len(resp.Diagnostics) > 0 || !waits):
	case waits: // also when ctx has just ended: somebody must say that nobody waited
		resp.Diagnostics.Append(w.await(ctx)...)
		if resp.Diagnostics.HasError() && w.takesBack() {
			resp.Diagnostics.Append(w.rollback(ctx, prior, req.State.Raw)...)
			return
		}
	default:
		mem.Pending = false
		w.seen = r.look(ctx, client, m, w.live)
	}
	w.finish(ctx, &resp.Diagnostics)
	if o := w.live[want[0].ref]; o != nil && !kube.Recorded(o, RecordedAnnotation) {
		// It was imported, or its create was killed after the state was saved.
		w.recorded() //nolint:contextcheck // the mark outlives the call
	}
}

// wanted is what an update applies: what the model asks for, and what the
// cluster already holds beyond it.
func (r *Resource[M, P]) wanted(ctx context.Context, client *kube.Client, m, prior P, claim string) ([]rendered, diag.Diagnostics) {
	if r.def.Settle == nil {
		return r.render(m, claim)
	}
	main := r.main(m)
	live, err := client.Get(ctx, main)
	if err != nil {
		return nil, failure{title: r.title(m), ref: main, verb: "read", err: err, stands: "Nothing was changed."}.diagnostics()
	}
	return r.render(r.settled(m, prior, kube.Live{main.Kind.Kind: live}), claim)
}

// meet reads the objects an update will write: it refuses those of another
// state, moves the fields of earlier managers to ours, and makes frozen
// subtrees be sent as they were applied, unless the main object is to be made
// anew. It returns the uids to insist on; nil when the resource lives on without
// objects.
func (r *Resource[M, P]) meet(ctx context.Context, client *kube.Client, m, prior P, want []rendered, mem *memory) (map[kube.Ref]string, *Recast, diag.Diagnostics) {
	uids := map[kube.Ref]string{}
	var remake *Recast
	was, ds := r.render(prior, "")
	if ds.HasError() {
		return nil, nil, ds
	}
	for i, w := range want {
		live, err := client.Get(ctx, w.ref)
		if err != nil {
			return nil, nil, r.failed(m, w, "read", err, "Nothing was changed.").diagnostics()
		}
		uid := mem.uid(w.ref)
		if live == nil || uid != "" && string(live.GetUID()) != uid {
			if i > 0 && live == nil {
				continue // planned as missing: made anew
			}
			fate, ds := r.fate(ctx, client, prior, *mem)
			if ds.HasError() || live == nil && fate.Keep {
				return nil, nil, ds
			}
			return nil, nil, diag.Diagnostics{r.replacedByOthers(w.ref, live != nil)}
		}
		if i > 0 && uid == "" && live.GetLabels()[OwnerLabel] != w.obj.GetLabels()[OwnerLabel] {
			return nil, nil, diag.Diagnostics{r.inTheWay(m, w.ref, live)}
		}
		if claim := claimOf(live); claim != "" && !mem.mine(live) && uid != "" && live.GetLabels()[OwnerLabel] != "" {
			return nil, nil, diag.Diagnostics{diags.Message{
				Summary:  clip(fmt.Sprintf("%s now belongs to another state", w.ref)),
				Happened: "Another workspace, or another resource of this one, has taken it over since this state was written. Nothing was changed.",
				Do:       fmt.Sprintf("Decide who owns it. To give it up here: terraform state rm %s. To take it back, remove it there, then import it here.", r.address()),
			}.Error()}
		}
		if live, err = r.inherit(ctx, client, w.ref, live, was); err != nil {
			return nil, nil, r.failed(m, w, "take over the fields of", err, "Nothing was changed.").diagnostics()
		}
		if i == 0 && r.def.Recast != nil {
			remake = r.def.Recast((*M)(m), live)
		}
		if i == 0 && r.def.Takes != nil {
			taken := r.def.Takes((*M)(m), kube.Live{w.key: live})
			live, err = r.reowned(ctx, client, w.ref, live, func(live *kube.Object) ([]byte, error) { return kube.Take(live, taken...) })
			if err != nil {
				return nil, nil, r.failed(m, w, "take over fields of", err, "Nothing was changed.").diagnostics()
			}
		}
		live, err = r.reowned(ctx, client, w.ref, live, func(live *kube.Object) ([]byte, error) { return kube.LeaveReplicas(w.ref.Kind, w.obj, live) })
		if err != nil {
			return nil, nil, r.failed(m, w, "leave the number of pods of", err, "Nothing was changed.").diagnostics()
		}
		if i > 0 || remake == nil {
			kube.AsWritten(w.obj, live)
			kube.AsApplied(w.ref.Kind, w.obj, live)
		}
		uids[w.ref] = string(live.GetUID())
	}
	return uids, remake, nil
}

// inheritTries is how often a concurrent write may spoil the move of fields.
const inheritTries = 5

// inherit moves the fields of kubectl and other Terraform providers to us.
func (r *Resource[M, P]) inherit(ctx context.Context, client *kube.Client, ref kube.Ref, live *kube.Object, was []rendered) (*kube.Object, error) {
	if claimOf(live) != "" {
		return live, nil // ours already: what others changed since is theirs
	}
	var said *kube.Object
	for _, w := range was {
		if w.ref == ref {
			said = w.obj
		}
	}
	return r.reowned(ctx, client, ref, live, func(live *kube.Object) ([]byte, error) { return kube.Inheritance(ref.Kind, live, said) })
}

// reowned moves fields of a live object as the patch made of it says, and returns
// the object then; a nil patch moves nothing.
func (r *Resource[M, P]) reowned(ctx context.Context, client *kube.Client, ref kube.Ref, live *kube.Object, how func(*kube.Object) ([]byte, error)) (*kube.Object, error) {
	for try := 1; ; try++ {
		patch, err := how(live)
		if err != nil || patch == nil {
			return live, err
		}
		now, err := client.PatchJSON(ctx, ref, patch)
		if err == nil {
			return now, nil
		}
		if !apierrors.IsConflict(err) || try == inheritTries {
			return nil, err
		}
		if live, err = client.Get(ctx, ref); err != nil || live == nil {
			return live, err
		}
	}
}

func (r *Resource[M, P]) replacedByOthers(ref kube.Ref, exists bool) diag.Diagnostic {
	happened := "It was deleted after the plan was made."
	if exists {
		happened = "Somebody deleted it and made another object of the same name after the plan was made."
	}
	return diags.Message{
		Summary:  clip(fmt.Sprintf("%s is not the object this state knows", ref)),
		Happened: happened + " Nothing was changed.",
		Do:       "Plan again: the new plan starts from what is there now.",
	}.Error()
}

// prune deletes objects that are recorded and no longer asked for. It returns
// those that could not be deleted.
func (r *Resource[M, P]) prune(ctx context.Context, client *kube.Client, m P, old []kube.Ref, want []rendered, mem memory) (left []kube.Ref, ds diag.Diagnostics) {
	gone := unasked(old, want)
	slices.Reverse(gone) // what leads to others goes before them
	for _, ref := range gone {
		ads := r.remove(ctx, client, m, ref, mem)
		if ads.HasError() {
			left = append(left, ref)
		}
		ds.Append(ads...)
	}
	return left, ds
}

// unasked are the objects that are recorded and no longer asked for.
func unasked(old []kube.Ref, want []rendered) []kube.Ref {
	return slices.DeleteFunc(slices.Clone(old), func(ref kube.Ref) bool {
		return slices.ContainsFunc(want, func(w rendered) bool { return w.ref == ref })
	})
}
