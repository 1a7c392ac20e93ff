package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apitypes "k8s.io/apimachinery/pkg/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// State is a state value on its way to Terraform.
type State = tftypes.Value

// writer is the second half of create and update: apply in order, wait,
// observe, save.
type writer[M any, P based[M]] struct {
	r        *Resource[M, P]
	client   *kube.Client
	schema   schema.Schema
	model    *M
	mem      *memory
	want     []rendered
	timeout  time.Duration
	verb     string
	creating bool
	// base is the plan with nulls for what it leaves open: what the state says
	// but for computed attributes, which the model holds.
	base tftypes.Value
	// planned is what an update promised; null on create, which promises no
	// computed value that the cluster decides.
	planned tftypes.Value
	// uids are the objects an update expects to find; nil on create.
	uids map[kube.Ref]string
	// save hands the state to Terraform's answer, note the private state alone.
	save func(State)
	note func()

	// unscaled is set when an autoscaler has just gone: see dismiss.
	unscaled bool
	// unpruned are objects that are no longer asked for and still exist.
	unpruned []kube.Ref
	wrote    bool
	// stopped is set when a wait between stages has not ended well, so that not all is
	// written; failed when it has ended in an error.
	stopped, failed bool
	// evicted are the pods that a wait has ended to have them made anew.
	evicted map[apitypes.UID]bool
	// unsure is set when nobody knows whether an update took effect.
	unsure bool
	live   map[kube.Ref]*kube.Object
	seen   Seen
}

// apply writes the objects in order. A create saves the state after the first write
// that was accepted or may have been.
func (w *writer[M, P]) apply(ctx context.Context, objects []rendered) diag.Diagnostics {
	if w.live == nil {
		w.live = map[kube.Ref]*kube.Object{}
	}
	m := P(w.model)
	for _, o := range objects {
		sent := w.follow(o)
		if uid, ok := w.uids[o.ref]; ok {
			sent = sent.DeepCopy()
			if err := setUID(sent, uid); err != nil {
				return w.r.failed(m, o, w.verb, err, w.stands()).diagnostics()
			}
		}
		options := kube.ApplyOptions{Force: m.Base().ForceConflicts.ValueBool(), Strict: true}
		live, _, err := w.client.Apply(ctx, o.ref.Kind, sent, options)
		if w.overcome(o.ref.Kind, err) {
			options.Force = true // the fields are ours: others held them for us
			live, _, err = w.client.Apply(ctx, o.ref.Kind, sent, options)
		}
		if err == nil {
			w.live[o.ref] = live
			w.accepted()
			continue
		}
		if uncertain(err) {
			w.settle(ctx, o)
		}
		if w.creating && w.wrote && isCancelled(ctx) {
			// An error would make Terraform taint, and then destroy, what goes on well.
			return diag.Diagnostics{w.r.interrupted(m, "while it was being written")}
		}
		return w.r.failed(m, o, w.verb, err, w.stands()).diagnostics()
	}
	w.settleHandover(ctx)
	return nil
}

// follow is the object to send: with a reference to the main object where it is
// to go with that. The main object is written first.
func (w *writer[M, P]) follow(o rendered) *kube.Object {
	main := w.live[w.want[0].ref]
	if main == nil || !slices.Contains(w.r.def.Follows, o.ref.Kind) {
		return o.obj
	}
	sent := o.obj.DeepCopy()
	sent.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: main.GetAPIVersion(), Kind: main.GetKind(), Name: main.GetName(), UID: main.GetUID(),
	}})
	return sent
}

// accepted notes a write that happened. A create saves the state at once. An
// update leaves the prior state in place until all is written: what a
// half-written change removed would otherwise be forgotten, and never planned
// again.
func (w *writer[M, P]) accepted() {
	w.wrote = true
	w.mem.Pending = true
	before := *w.mem
	w.mem.remember(w.refs(), w.live)
	for _, known := range before.Objects {
		// Not written yet, or no longer asked for and still to be deleted.
		if w.mem.find(known.ref()).Name == "" {
			w.mem.Objects = append(w.mem.Objects, known)
		}
	}
	if w.creating {
		w.early()
	} else {
		w.note()
	}
}

// refs are the objects that are asked for.
func (w *writer[M, P]) refs() []kube.Ref {
	refs := make([]kube.Ref, 0, len(w.want))
	for _, o := range w.want {
		refs = append(refs, o.ref)
	}
	return refs
}

// settle finds out whether a write whose answer was lost has happened. What
// cannot be found out is recorded as if it had: state for an object that does
// not exist mends itself, an object without state does not. An update has its
// state already, and the next plan starts from what is there.
func (w *writer[M, P]) settle(ctx context.Context, o rendered) {
	if !w.creating {
		w.unsure, w.mem.Pending = true, true
		w.note()
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	live, err := w.client.Get(ctx, o.ref)
	switch {
	case err == nil && live == nil:
		return
	case err == nil && claimOf(live) != o.obj.GetAnnotations()[ClaimAnnotation]:
		return
	case err == nil:
		w.live[o.ref] = live
	}
	w.accepted()
}

// early saves what is certain so far: what was planned, with nulls for what is
// not known yet.
func (w *writer[M, P]) early() {
	m := P(w.model)
	if m.Base().Status.IsNull() || m.Base().Status.IsUnknown() {
		w.r.setStatus(m, wait.Of(wait.Progressing, "Pending", "", ""), Seen{})
	}
	m.Base().Objects = objectsValue(w.refs(), func(ref kube.Ref) types.String {
		if o := w.live[ref]; o != nil {
			return types.StringValue(string(o.GetUID()))
		}
		return orNull(w.mem.uid(ref))
	})
	if raw, err := withComputed(context.Background(), w.schema, w.base, w.model); err == nil {
		w.save(raw)
	}
}

// finish observes what exists now and saves it, also after the user interrupted
// or time ran out.
func (w *writer[M, P]) finish(ctx context.Context, out *diag.Diagnostics) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if w.seen.Live == nil {
		// No wait looked for us: what the writes returned is what there is.
		w.seen = Seen{Live: byKey(w.live), Now: w.r.clock.Now()}
	}
	if len(w.seen.Live) == 0 {
		return // all uncertain or gone: the early state stands
	}
	w.seen.Log = w.r.log(ctx, w.client, P(w.model), w.seen)
	before := *w.mem
	if ds := w.r.record(w.model, w.mem, w.refs(), w.seen); ds.HasError() {
		out.Append(ds...)
		return
	}
	for _, ref := range w.unpruned {
		w.mem.Objects = append(w.mem.Objects, before.find(ref))
	}
	if w.r.judge(w.model, w.seen).Outcome == wait.Done && !out.HasError() && !w.stopped {
		w.mem.Pending = false
	}
	raw, err := withComputed(ctx, w.schema, w.base, w.model)
	if err != nil {
		out.Append(unrecorded(err))
		return
	}
	w.save(w.asPromised(raw))
}

// asPromised holds computed values that the plan said would stay: Terraform
// takes no others, even when the cluster has moved on since. The next read
// looks again, and tells.
func (w *writer[M, P]) asPromised(raw State) State {
	if w.planned.IsNull() {
		return raw
	}
	planned, got := map[string]tftypes.Value{}, map[string]tftypes.Value{}
	if w.planned.As(&planned) != nil || raw.As(&got) != nil {
		return raw
	}
	for _, name := range computedNames(w.schema) {
		if p := planned[name]; p.IsFullyKnown() && !p.Equal(got[name]) {
			raw = setRoot(raw, name, p)
			for i := range w.mem.Objects {
				w.mem.Objects[i].Fingerprint = ""
			}
		}
	}
	return raw
}

// recorded marks the main object as known to a state, once Terraform has it.
func (w *writer[M, P]) recorded() {
	w.client.Later(func(ctx context.Context) error {
		if ref := w.want[0].ref; ref.Kind.HandsOn() {
			_, err := w.client.RecordUnseen(ctx, ref, ResourceAnnotation)
			return err
		}
		_, err := w.client.Record(ctx, w.want[0].ref, RecordedAnnotation)
		return err
	})
}

// stands says what exists after an error.
func (w *writer[M, P]) stands() string {
	switch {
	case w.unsure:
		return "It is not known whether the change was made. The next plan starts from what is there."
	case !w.wrote:
		return "Nothing was changed."
	case w.creating:
		return "What was created so far is recorded in the state. " + tainted(w.r.address())
	}
	return "The objects exist and are recorded in the state; the next apply goes on from there."
}

// tainted tells what Terraform does to a resource whose create failed.
func tainted(address string) string {
	return "Because this was the first apply, Terraform marks the resource tainted and will replace it; run `terraform untaint " + address + "` to keep it."
}

func setUID(o *kube.Object, uid string) error {
	metadata, ok := o.Object["metadata"].(map[string]any)
	if !ok {
		return fmt.Errorf("object without metadata")
	}
	metadata["uid"] = uid
	return nil
}

// severity makes a failed wait an error, or a warning with on_failure = "keep".
func severity(keep bool, m diags.Message) diag.Diagnostic {
	if keep {
		return m.Warning()
	}
	return m.Error()
}
