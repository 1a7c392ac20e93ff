package gpunodepool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// order is one create, update or delete of a pool whose nodes Karpenter makes.
type order struct {
	p      *Pool
	client *kube.Client
	m      *Model
	mem    *memory
	limit  time.Duration
	// creating is whether there was no pool before.
	creating bool
	live     *kube.Object
	// share takes labels and taints, of which others may own each as a whole.
	share bool
	// save hands the state to Terraform's answer.
	save func() diag.Diagnostics
}

// order connects and does what is to be done with a pool of Karpenter.
func (p *Pool) order(ctx context.Context, m *Model, mem *memory, limit time.Duration, save func() diag.Diagnostics, do func(*order) diag.Diagnostics) diag.Diagnostics {
	client, ds := p.client(ctx, m.Name.ValueString(), mem)
	if ds.HasError() {
		return ds
	}
	return append(ds, do(&order{p: p, client: client, m: m, mem: mem, limit: limit, save: save})...)
}

// ref is the NodePool.
func (o *order) ref() kube.Ref { return nodePoolRef(o.m.Name.ValueString()) }

func (o *order) title() string { return title(o.m.Name.ValueString()) }

func (o *order) refusal(verb string, err error, stands string) diag.Diagnostics {
	return lifecycle.Refusal(o.title(), o.ref(), verb, err, stands)
}

// create makes the NodePool, and waits until Karpenter has it Ready.
func (o *order) create(ctx context.Context) diag.Diagnostics {
	want, ds := o.m.nodePool(ctx)
	if ds.HasError() {
		return ds
	}
	lifecycle.Mark(want, typeName, o.m.Name.ValueString(), o.mem.Claim)
	if ds := o.makeRoom(ctx, want); ds.HasError() {
		return ds
	}
	wrote, ds := o.apply(ctx, want)
	if !wrote {
		return ds // nothing can exist: nothing to record, nothing to taint
	}
	if len(ds) == 0 {
		ds = o.await(ctx)
	}
	ds = append(ds, o.finish(ctx)...)
	o.client.Later(func(ctx context.Context) error { //nolint:contextcheck // the mark outlives the call
		_, err := o.client.Record(ctx, o.ref(), lifecycle.RecordedAnnotation)
		return err
	})
	return ds
}

// makeRoom looks at a NodePool that exists under the name: it waits for one that is
// being deleted, takes over what a killed apply left, and refuses everything else.
func (o *order) makeRoom(ctx context.Context, want *kube.Object) diag.Diagnostics {
	const stands = "Nothing was changed."
	live, err := o.client.Get(ctx, o.ref())
	switch {
	case err != nil:
		return o.refusal("read", err, stands)
	case live == nil:
		return nil
	case live.GetDeletionTimestamp() != nil:
		return o.awaitGone(ctx, live, "Nothing was made: a pool of this name begins when the one before has gone. The next apply waits for that again.")
	case !lifecycle.Owned(live, typeName, o.m.Name.ValueString()):
		return diag.Diagnostics{diags.Message{
			Summary:  lifecycle.Clip(fmt.Sprintf("%s already exists and is not managed by mlk", o.ref())),
			Happened: createdBy(live) + stands,
			Do:       fmt.Sprintf("To take it over, with the nodes it has: terraform import %s %s\nOr choose another name.", address, o.m.Name.ValueString()),
			At:       path.Root("name"),
		}.Error()}
	}
	why := "A state already knows it: another workspace owns it."
	if _, recorded := live.GetAnnotations()[lifecycle.RecordedAnnotation]; !recorded {
		probe := want.DeepCopy()
		lifecycle.Mark(probe, typeName, o.m.Name.ValueString(), lifecycle.ClaimOf(live))
		dry, _, err := o.client.Apply(ctx, kube.NodePool, probe, kube.ApplyOptions{DryRun: true, Force: true})
		if err != nil {
			return o.refusal("compare", err, stands)
		}
		if kube.Same(lifecycle.Lasting(dry), lifecycle.Lasting(live)) {
			return nil
		}
		why = "It was left by an apply that was interrupted, or belongs to another workspace, and differs from what the configuration asks for now."
	}
	return diag.Diagnostics{diags.Message{
		Summary:  lifecycle.Clip(fmt.Sprintf("%s already exists and belongs to another state", o.ref())),
		Happened: why + " " + stands,
		Do:       fmt.Sprintf("If it is yours: terraform import %s %s\nOr choose another name.", address, o.m.Name.ValueString()),
		At:       path.Root("name"),
	}.Error()}
}

func createdBy(live *kube.Object) string {
	if fields := live.GetManagedFields(); len(fields) > 0 {
		return fmt.Sprintf("It was created by %q on %s. ", fields[0].Manager, live.GetCreationTimestamp().Format(time.DateOnly))
	}
	return ""
}

// apply sends the NodePool. From when it may exist the state has it; an update
// leaves the prior state in place when it failed.
func (o *order) apply(ctx context.Context, want *kube.Object) (wrote bool, ds diag.Diagnostics) {
	options := kube.ApplyOptions{Force: o.m.ForceConflicts.ValueBool(), Strict: true}
	live, _, err := o.client.Apply(ctx, kube.NodePool, want, options)
	if o.share && onlyShared(err) {
		options.Force = true
		live, _, err = o.client.Apply(ctx, kube.NodePool, want, options)
	}
	if err == nil {
		o.live, o.mem.Pending = live, true
		return true, nil
	}
	stands := "Nothing was changed."
	if lifecycle.Uncertain(err) {
		wrote = o.creating && o.mayExist(ctx)
		stands = "It is not known whether the change was made. The next plan starts from what is there."
		if wrote {
			stands = "The pool is recorded in the state. " + lifecycle.Tainted(address)
		}
		o.mem.Pending = true
	}
	if wrote && errors.Is(ctx.Err(), context.Canceled) {
		return true, diag.Diagnostics{stopped(o.m.Name.ValueString(), "while it was being written")}
	}
	return wrote, lifecycle.RefusalAt(o.title(), o.ref(), "write", err, stands, want, karpenterFields())
}

// lastWords is how long a call that was interrupted may still look at what exists.
const lastWords = 30 * time.Second

// mayExist finds out whether a create whose answer was lost has happened. What
// cannot be found out counts as if it had: state of what does not exist mends itself.
func (o *order) mayExist(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	live, err := o.client.Get(ctx, o.ref())
	if err == nil && (live == nil || lifecycle.ClaimOf(live) != o.mem.Claim) {
		return false
	}
	o.live = live
	return true
}

// update brings the NodePool up to date. Only the one that the state knows.
func (o *order) update(ctx context.Context, prior *Model) diag.Diagnostics {
	const stands = "Nothing was changed."
	want, ds := o.m.nodePool(ctx)
	before, more := prior.nodePool(ctx)
	if ds.Append(more...); ds.HasError() {
		return ds
	}
	live, err := o.client.Get(ctx, o.ref())
	switch uid := uidIn(prior.Objects); {
	case err != nil:
		return o.refusal("read", err, stands)
	case live == nil || uid != "" && string(live.GetUID()) != uid:
		return diag.Diagnostics{diags.Message{
			Summary:  lifecycle.Clip(fmt.Sprintf("%s is not there any more", o.ref())),
			Happened: "Somebody has deleted it, or put another in its place, since the plan was made. " + stands,
			Do:       "Plan and apply again.",
		}.Error()}
	case live.GetDeletionTimestamp() != nil:
		return diag.Diagnostics{diags.Message{
			Summary:  lifecycle.Clip(fmt.Sprintf("%s is being deleted", o.ref())),
			Happened: "Somebody has asked for its deletion; Karpenter drains its nodes. " + stands,
			Do:       "Apply again when it is gone: the pool is then made anew.",
		}.Error()}
	}
	if claim := lifecycle.ClaimOf(live); claim != "" && !o.mem.Imported && o.mem.Claim != "" && claim != o.mem.Claim {
		return diag.Diagnostics{diags.Message{
			Summary:  lifecycle.Clip(fmt.Sprintf("%s now belongs to another state", o.title())),
			Happened: "Another workspace, or another resource of this one, has taken it over since this state was written. " + stands,
			Do:       fmt.Sprintf("Decide who owns it. To give it up here: terraform state rm %s. To take it back, remove it there, then import it here.", address),
		}.Error()}
	} else if o.mem.Claim == "" && !o.mem.Imported {
		o.mem.Claim = claim // private state was lost
	}
	if o.mem.Claim == "" {
		o.mem.Claim = lifecycle.NewClaim()
	}
	if o.mem.Imported {
		if live, err = o.inherit(ctx, before, live); err != nil {
			return o.refusal("take over", err, stands)
		}
	}
	besides(want, before, live)
	lifecycle.Mark(want, typeName, o.m.Name.ValueString(), o.mem.Claim)
	want.SetUID(live.GetUID())
	if intact(before, live) {
		// The lists belong to who has added to them last; what they have added stays.
		want.SetResourceVersion(live.GetResourceVersion())
		o.share = true
	}
	if _, ds := o.apply(ctx, want); ds.HasError() {
		return ds // the prior state stands: the next plan goes on from what is there
	}
	o.mem.Imported = false
	ds = o.await(ctx)
	return append(ds, o.finish(ctx)...)
}

// intact reports whether others have left alone what the pool has asked for of labels
// and taints, to which they may have added.
func intact(before, live *kube.Object) bool {
	for _, name := range changed(before, live) {
		if name == "labels" || name == "taints" || name == "" {
			return false
		}
	}
	return true
}

// onlyShared reports whether an apply was refused for labels and taints alone.
func onlyShared(err error) bool {
	conflicts := kube.Conflicts(err)
	for _, c := range conflicts {
		if !within(c.Field, atLabels) && !within(c.Field, atTaints) {
			return false
		}
	}
	return len(conflicts) > 0
}

// within reports whether a field is at or below a place.
func within(field, at []string) bool {
	return len(field) >= len(at) && slices.Equal(field[:len(at)], at)
}

// inherit makes what the state says of an imported NodePool ours, whoever has applied
// it. What attributes cannot say stays with them.
func (o *order) inherit(ctx context.Context, said, live *kube.Object) (*kube.Object, error) {
	for try := 1; ; try++ {
		patch, err := kube.Take(live, leaves(nil, said.Object["spec"], "spec")...)
		if err != nil || patch == nil {
			return live, err
		}
		now, err := o.client.PatchJSON(ctx, o.ref(), patch)
		if err == nil {
			return now, nil
		}
		if !apierrors.IsConflict(err) || try == tries {
			return nil, err
		}
		if live, err = o.client.Get(ctx, o.ref()); err != nil || live == nil {
			return nil, err
		}
	}
}

// leaves are the places of an object's values; a list is one, and so are the labels
// of nodes, which the API takes as one value.
func leaves(out [][]string, v any, at ...string) [][]string {
	m, ok := v.(map[string]any)
	if !ok || len(at) == len(atLabels) && at[len(at)-1] == "labels" {
		return append(out, append([]string{}, at...))
	}
	for k, e := range m {
		out = leaves(out, e, append(append([]string{}, at...), k)...)
	}
	return out
}

// uidIn is the uid that the state has; "" for none.
func uidIn(objects types.List) string {
	for _, e := range objects.Elements() {
		if o, ok := e.(types.Object); ok {
			return plainText(o.Attributes()["uid"])
		}
	}
	return ""
}

// finish observes what exists now and saves it, also after the user interrupted or
// time ran out.
func (o *order) finish(ctx context.Context) diag.Diagnostics {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	uid := ""
	if o.live != nil {
		uid = string(o.live.GetUID())
	}
	nodes, err := o.client.Nodes(ctx)
	if err != nil {
		nodes = nil // the next refresh sees them
	}
	o.m.show(o.live, uid, nodes)
	return o.save()
}

// show fills the computed attributes of a pool whose nodes Karpenter makes. live is
// its NodePool; nil when it could not be read.
func (m *Model) show(live *kube.Object, uid string, nodes []*corev1.Node) {
	pool := m.Name.ValueString()
	entries, members := map[string]attr.Value{}, []string{}
	var sum totals
	for _, n := range nodes {
		if n.Labels[madeBy] != pool {
			continue
		}
		entries[n.Name] = nodeValue(n)
		members = append(members, n.Name)
		sum.add(n)
	}
	slices.Sort(members)
	verdict := wait.Of(wait.Progressing, phaseWaiting, "", "")
	if live != nil {
		verdict = judgeNodePool(live)
	}
	m.ID, m.Members = m.Name, list(members)
	m.Nodes, m.Totals = types.MapValueMust(nodeType, entries), sum.value()
	m.Status = lifecycle.StatusOf(verdict, live)
	m.Objects = lifecycleObjects(pool, uid)
}

// destroy deletes the NodePool that the state knows, and waits until Karpenter has
// drained and removed its nodes.
func (o *order) destroy(ctx context.Context) diag.Diagnostics {
	live, err := o.client.Get(ctx, o.ref())
	if err != nil {
		return o.refusal("read", err, "Nothing was deleted; the state still has it.")
	}
	if uid := uidIn(o.m.Objects); live == nil || uid != "" && string(live.GetUID()) != uid {
		return nil // gone, or somebody else's of the same name
	}
	if claim := lifecycle.ClaimOf(live); o.mem.Claim != "" && claim != "" && claim != o.mem.Claim {
		return diag.Diagnostics{diags.Message{
			Summary:  lifecycle.Clip(fmt.Sprintf("%s was left alone", o.ref())),
			Happened: "It belongs to another state by now: another workspace, or another resource of this one, has taken it over.",
			Stands:   "It goes on existing; this state no longer has it.",
		}.Warning()}
	}
	if _, err := o.client.Delete(ctx, o.ref(), live.GetUID()); err != nil {
		if now, lost := o.client.Get(ctx, o.ref()); apierrors.IsConflict(err) && lost == nil && (now == nil || now.GetUID() != live.GetUID()) {
			return nil // by somebody between the read and the delete
		}
		return o.refusal("delete", err, "The state still has it.")
	}
	return o.awaitGone(ctx, live, "The state still has it, and the next destroy waits again.")
}
