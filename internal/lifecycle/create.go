package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// lastWords is how long a cancelled or timed-out call may still observe and
// save what exists.
const lastWords = 30 * time.Second

// Create applies the objects of a new resource, in order, and waits for them.
// From the first write that may have happened, every return carries the state.
func (r *Resource[M, P]) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	s, ok := req.Plan.Schema.(schema.Schema)
	if !ok {
		return
	}
	base := known(req.Plan.Raw)
	model, ds := decode[M](ctx, s, base)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	m := P(model)
	limit, ds := m.Base().Timeouts.Create(ctx, r.limit(m, r.timeouts().Create))
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	mem := memory{Claim: newClaim()}
	client, ds := r.connect(ctx, &mem)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	m.Base().ID = types.StringValue(idOf(r.main(m)))
	want, ds := r.render(m, mem.Claim)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	// Look at everything before anything is written, so that a refusal leaves nothing.
	var there beside
	for i, w := range want {
		live, ds := r.makeRoom(ctx, client, m, w, there)
		resp.Diagnostics.Append(ds...)
		if resp.Diagnostics.HasError() {
			return
		}
		if i == 0 {
			there = beside{free: live == nil}
			if live != nil {
				there.claim = claimOf(live)
			}
		}
	}
	if there.free {
		resp.Diagnostics.Append(r.clear(ctx, client, m, want)...)
		if resp.Diagnostics.HasError() {
			return
		}
	}
	w := &writer[M, P]{
		r: r, client: client, schema: s, model: model, base: base, mem: &mem, want: want, timeout: limit, verb: "create", creating: true,
		save: func(raw State) {
			resp.State.Raw = raw
			r.identify(r.main(m), resp.Identity)
			resp.Diagnostics.Append(mem.store(ctx, resp.Private)...)
		},
	}
	ds = w.write(ctx, nil)
	resp.Diagnostics.Append(ds...)
	if !w.wrote {
		return // nothing can exist: nothing to record, nothing to taint
	}
	if len(ds) == 0 { // also when ctx has just ended: somebody must say that nobody waited
		resp.Diagnostics.Append(w.await(ctx)...)
	}
	w.finish(ctx, &resp.Diagnostics)
	w.recorded() //nolint:contextcheck // the mark outlives the call
}

// beside is what is known of the main object when one beside it is looked at.
type beside struct {
	// free: there is none. Else claim is what it bears.
	free  bool
	claim string
}

// makeRoom looks at an object that exists under the name of a new one: it waits
// for one that is being deleted, takes over what a killed apply left, and
// refuses everything else. It returns what is there then; nil for nothing. An object
// beside the main one that is left without one of any engine, or is from before the
// one there is, is taken over as it is: whoever else owned it would have the main
// object too.
func (r *Resource[M, P]) makeRoom(ctx context.Context, client *kube.Client, m P, w rendered, main beside) (*kube.Object, diag.Diagnostics) {
	live, err := client.Get(ctx, w.ref)
	if err != nil {
		return nil, r.failed(m, w, "read", err, "Nothing was changed.").diagnostics()
	}
	if live != nil && live.GetDeletionTimestamp() != nil {
		if ds := r.awaitGone(ctx, client, m, w.ref, live, "to be deleted before it can be made anew"); ds.HasError() {
			return nil, ds
		}
		live = nil
	}
	if live == nil {
		return nil, r.awaitNoPods(ctx, client, m, w.ref)
	}
	if live.GetLabels()[OwnerLabel] != w.obj.GetLabels()[OwnerLabel] {
		if w.ref != r.main(m) {
			return live, diag.Diagnostics{r.inTheWay(m, w.ref, live)}
		}
		return live, diag.Diagnostics{r.foreign(w.ref, live)}
	}
	if main.claim != "" && main.claim != claimOf(live) {
		return live, nil
	}
	if main.free {
		if alone, ds := r.nameFree(ctx, client, m, w.obj.GetLabels()[OwnerLabel], true); alone || ds.HasError() {
			return live, ds
		}
	}
	return live, r.takeOverLeft(ctx, client, m, w, live)
}

// takeOverLeft refuses an object of ours unless a killed apply of the same
// configuration left it.
func (r *Resource[M, P]) takeOverLeft(ctx context.Context, client *kube.Client, m P, w rendered, live *kube.Object) diag.Diagnostics {
	if kube.Recorded(live, RecordedAnnotation) {
		return diag.Diagnostics{r.elsewhere(m, w.ref, "A state already knows it: another workspace, or an earlier run of this one, owns it.")}
	}
	same, err := r.leftBehind(ctx, client, w, live)
	if err != nil {
		return r.failed(m, w, "compare", err, "Nothing was changed.").diagnostics()
	}
	if !same {
		return diag.Diagnostics{r.elsewhere(m, w.ref, "It was left by an apply that was interrupted, or belongs to another workspace, and differs from what the configuration asks for now.")}
	}
	if r.def.Ready != nil {
		seen := Seen{Live: kube.Live{w.key: live}, Now: r.clock.Now()}
		if v := r.judge((*M)(m), seen); v.Phase == phaseFailed || v.Outcome == wait.Failed {
			return diag.Diagnostics{r.elsewhere(m, w.ref, "It was left by an apply that was interrupted, and has failed since: "+phrase(v)+".")}
		}
	}
	return nil
}

// phaseFailed is the phase of what has failed for good, in every resource.
const phaseFailed = "Failed"

// leftBehind reports whether applying would change nothing but the claim.
func (r *Resource[M, P]) leftBehind(ctx context.Context, client *kube.Client, w rendered, live *kube.Object) (bool, error) {
	probe := w.obj.DeepCopy()
	annotations := probe.GetAnnotations()
	annotations[ClaimAnnotation] = claimOf(live)
	probe.SetAnnotations(annotations)
	if slices.Contains(r.def.Follows, w.ref.Kind) {
		// To whom it belongs is added as it is written: see follow.
		probe.SetOwnerReferences(live.GetOwnerReferences())
	}
	dry, _, err := client.Apply(ctx, w.ref.Kind, probe, kube.ApplyOptions{DryRun: true, Force: true})
	if err != nil {
		return false, err
	}
	return kube.Same(lasting(dry), lasting(live)), nil
}

// lasting is an object without what changes at every write.
func lasting(o *kube.Object) map[string]any {
	c := o.DeepCopy()
	c.SetManagedFields(nil)
	c.SetResourceVersion("")
	c.SetGeneration(0)
	delete(c.Object, "status")
	return c.Object
}

func (r *Resource[M, P]) foreign(ref kube.Ref, live *kube.Object) diag.Diagnostic {
	if live.GetLabels()[KeptLabel] != "" {
		do := fmt.Sprintf("To take it back: terraform import %s %s", r.address(), idOf(ref))
		if r.def.ObjectName != nil {
			do += "\nTo start another run beside it, change triggers."
		}
		return diags.Message{
			Summary:  clip(fmt.Sprintf("%s already exists: it was kept on purpose", ref)),
			Happened: "It was left behind when its resource was destroyed or replaced, and belongs to nobody since. Nothing was changed.",
			Do:       do + "\nIf nobody needs it any more, delete it and apply again.",
		}.Error()
	}
	by := ""
	if fields := live.GetManagedFields(); len(fields) > 0 {
		by = fmt.Sprintf("It was created by %q on %s. ", fields[0].Manager, live.GetCreationTimestamp().Format(time.DateOnly))
	}
	return diags.Message{
		Summary:  clip(fmt.Sprintf("%s already exists and is not managed by mlk", ref)),
		Happened: by + "Nothing was changed.",
		Do:       fmt.Sprintf("To take it over: terraform import %s %s\nOr choose another name.", r.address(), idOf(ref)),
	}.Error()
}

func (r *Resource[M, P]) elsewhere(m P, ref kube.Ref, why string) diag.Diagnostic {
	do := fmt.Sprintf("If it is yours: terraform import %s %s", r.address(), idOf(r.main(m)))
	if r.def.ObjectName != nil {
		do += "\nTo start another run beside it, change triggers."
	}
	return diags.Message{
		Summary:  clip(fmt.Sprintf("%s already exists and belongs to another state", ref)),
		Happened: why + " Nothing was changed.",
		Do:       do + "\nOr choose another name or namespace.",
	}.Error()
}

// failed starts the translation of an error about one object.
func (r *Resource[M, P]) failed(m P, w rendered, verb string, err error, stands string) failure {
	f := failure{title: r.title(m), ref: w.ref, verb: verb, err: err, fields: r.blamed(m), sent: w.obj, stands: stands}
	if patches, ds := patchesOf(m.Base().Patch); !ds.HasError() {
		f.patch = patches[w.key]
	}
	if r.def.Refused != nil {
		f.reword = func(said string) diags.Message { return r.def.Refused((*M)(m), said) }
	}
	return f
}

// timeouts are the default bounds, with those the definition leaves out.
func (r *Resource[M, P]) timeouts() Timeouts {
	t := r.def.Timeouts
	const usual = 10 * time.Minute
	for _, d := range []*time.Duration{&t.Create, &t.Update, &t.Delete} {
		if *d == 0 {
			*d = usual
		}
	}
	return t
}

// isCancelled reports whether the user interrupted, as opposed to time running out.
func isCancelled(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

// limit is the default bound of a wait at the level the configuration asks for.
func (r *Resource[M, P]) limit(m P, usual time.Duration) time.Duration {
	if d, ok := r.def.Timeouts.Levels[r.level(m)]; ok {
		return d
	}
	return usual
}
