package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-log/tflog"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diagnose"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// vantage is a running look at the main object of a resource, its pods and
// their events, over watches.
type vantage[M any, P based[M]] struct {
	r      *Resource[M, P]
	client *kube.Client
	ref    kube.Ref
	uid    string
	// selector is that of the pods.
	selector string
	woken    chan struct{}

	main, pods, events *kube.Watching
	// related are the watches of Definition.Related, nil where there is nothing to
	// look for.
	related []*kube.Watching
	// beside are the watches of what the definition looks at beside the object.
	beside []besideWatch
	// last is the main object as last seen, floor the resource version of the
	// own write the watch has to catch up with.
	last  *kube.Object
	floor string
	gone  bool
	// nodesAt is when the nodes were listed last.
	nodesAt time.Time
	// ever are all pods seen so far, as they were last.
	ever map[types.UID]corev1.Pod
	// evicted are the pods that were ended to be made anew.
	evicted map[types.UID]bool
}

// besideWatch is one of Definition.Beside.
type besideWatch struct {
	Look
	*kube.Watching
}

// watch starts to look. live is the main object as the last write returned it.
func (w *writer[M, P]) watch(level string) *vantage[M, P] {
	ref := w.want[0].ref
	v := &vantage[M, P]{r: w.r, client: w.client, ref: ref, woken: make(chan struct{}, 1)}
	if o := w.live[ref]; o != nil {
		v.last, v.uid, v.floor = o, string(o.GetUID()), o.GetResourceVersion()
	}
	v.main = w.client.Watch(ref.Kind, ref.Namespace, v.woken)
	v.related = make([]*kube.Watching, len(w.r.def.Related))
	if v.selector = w.r.selector(P(w.model)); v.selector != "" {
		v.pods = w.client.Watch(kube.Pod, ref.Namespace, v.woken)
	}
	for _, l := range w.r.looks(P(w.model)) {
		v.beside = append(v.beside, besideWatch{l, w.client.Watch(l.Kind, ref.Namespace, v.woken)})
	}
	_ = level
	return v
}

func (v *vantage[M, P]) stop() {
	for _, w := range append([]*kube.Watching{v.main, v.pods, v.events}, v.related...) {
		if w != nil {
			w.Stop()
		}
	}
	for _, b := range v.beside {
		b.Stop()
	}
}

// look returns what is to be seen now. A watch that is broken or forbidden is
// replaced by a read.
func (v *vantage[M, P]) look(ctx context.Context) Seen {
	seen := Seen{Live: kube.Live{}, Now: v.r.clock.Now(), Beside: map[string][]*kube.Object{}}
	for _, b := range v.beside {
		switch found, err := b.Matching(b.Selector); {
		case !b.Healthy() || err != nil: // without the right to see them there is less to tell
		case !b.Ready():
			seen.Beside[b.Kind.Kind] = []*kube.Object{}
		default:
			seen.Beside[b.Kind.Kind] = found
		}
	}
	switch o := v.main.Get(v.ref.Namespace, v.ref.Name); {
	case !v.main.Healthy():
		if o, err := v.client.Get(ctx, v.ref); err == nil {
			v.take(o)
		}
	case o != nil && string(o.GetUID()) == v.uid && !kube.Older(o.GetResourceVersion(), v.floor):
		v.last = o
	case o == nil || string(o.GetUID()) != v.uid:
		// Gone, or the watch has not caught up with our write: the last word of
		// the watch decides, and without one a read does.
		if last := v.main.Departed(v.ref.Namespace, v.ref.Name); last != nil && string(last.GetUID()) == v.uid {
			v.last, v.gone = last, true
		} else if v.main.Ready() {
			if o, err := v.client.Get(ctx, v.ref); err == nil {
				v.take(o)
			}
		}
	}
	if v.last != nil {
		seen.Live[v.ref.Kind.Kind] = v.last
	}
	seen.Related = v.lookBeside()
	if v.ref.Kind == kube.Pod && v.last != nil {
		seen.Pods = podsOf([]*kube.Object{v.last})
	}
	if v.pods != nil {
		if objects, err := v.pods.Matching(v.selector); err == nil {
			seen.Pods = v.withDeparted(ownPods(podsOf(objects), v.ref.Name, v.uid))
			v.recallPods(seen.Pods)
		}
	}
	if v.wantsEvents(seen) && v.events == nil {
		v.events = v.client.Watch(kube.Event, v.ref.Namespace, v.woken)
	}
	if v.events != nil {
		seen.Events = v.eventsOf(seen)
	}
	return seen
}

// lookBeside returns the related objects of the main one. Who may not read them,
// or has no such kind, is told less.
func (v *vantage[M, P]) lookBeside() []*kube.Object {
	var out []*kube.Object
	for i, rel := range v.r.def.Related {
		if v.last == nil {
			continue
		}
		selector := rel.Selector(v.last)
		if selector == "" {
			continue
		}
		if v.related[i] == nil {
			v.related[i] = v.client.Watch(rel.Kind, v.ref.Namespace, v.woken)
		}
		if found, err := v.related[i].Matching(selector); err == nil {
			out = append(out, found...)
		}
	}
	return out
}

// recallPods keeps the last state of every pod that was seen: a Job deletes its
// pods as it fails, and what they died of with them.
func (v *vantage[M, P]) recallPods(now []corev1.Pod) {
	if v.ever == nil {
		v.ever = map[types.UID]corev1.Pod{}
	}
	departed := ownPods(podsOf(v.pods.DepartedMatching(v.selector)), v.ref.Name, v.uid)
	for _, p := range append(departed, now...) {
		v.ever[p.UID] = p
	}
}

// withDeparted adds the pods that have succeeded and are gone: what they
// reported is still true when their Job is collected at once.
func (v *vantage[M, P]) withDeparted(pods []corev1.Pod) []corev1.Pod {
	for _, p := range ownPods(podsOf(v.pods.DepartedMatching(v.selector)), v.ref.Name, v.uid) {
		present := slices.ContainsFunc(pods, func(o corev1.Pod) bool { return o.UID == p.UID })
		if p.Status.Phase == corev1.PodSucceeded && !present {
			pods = append(pods, p)
		}
	}
	return pods
}

// lagMost bounds how far the watch of pods may be behind a list of them.
const lagMost = 5 * time.Second

// lastLook reads the pods once more when a wait has ended well: the watch of
// the main object may be ahead of that of its pods. How a pod ended that is gone
// by now, only the watch knows.
func (v *vantage[M, P]) lastLook(ctx context.Context, seen Seen) Seen {
	if v.pods == nil {
		return seen
	}
	objects, err := v.client.List(ctx, kube.Pod, v.ref.Namespace, v.selector)
	if err != nil {
		return seen
	}
	known := maps.Clone(v.ever)
	fresh := map[types.UID]bool{}
	seen.Pods = ownPods(podsOf(objects), v.ref.Name, v.uid)
	for _, p := range seen.Pods {
		fresh[p.UID] = true
	}
	ctx, cancel := context.WithTimeout(ctx, lagMost)
	defer cancel()
	// It is fine when the watch does not catch up in time: less is known then.
	_, _ = wait.Until(ctx, v.r.clock, v.woken, func(context.Context) wait.Verdict {
		now, err := v.pods.Matching(v.selector)
		if err != nil {
			return wait.Of(wait.Done, "", "", "")
		}
		pods := ownPods(podsOf(now), v.ref.Name, v.uid)
		v.recallPods(pods)
		behind := func(p corev1.Pod) bool {
			_, known := known[p.UID]
			return known && !fresh[p.UID] && p.Status.Phase != corev1.PodSucceeded
		}
		if slices.ContainsFunc(pods, behind) {
			return wait.Of(wait.Progressing, "", "", "")
		}
		return wait.Of(wait.Done, "", "", "")
	})
	for uid, p := range v.ever {
		if !fresh[uid] && p.Status.Phase == corev1.PodSucceeded {
			seen.Pods = append(seen.Pods, p)
		}
	}
	return seen
}

// nodesAfter is how long a pod has been refused by the scheduler before the
// nodes are looked at; nodesEvery is how often: a cluster may have thousands.
const (
	nodesAfter = 40 * time.Second
	nodesEvery = 30 * time.Second
)

// nodes lists the cluster's nodes when the scheduler has refused a pod for a
// while, so that a request no node can ever meet ends the wait.
func (v *vantage[M, P]) nodes(ctx context.Context, seen Seen) []corev1.Node {
	refused := slices.ContainsFunc(seen.Pods, func(p corev1.Pod) bool {
		return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && seen.Now.Sub(c.LastTransitionTime.Time) >= nodesAfter
		})
	})
	if !refused || seen.Now.Sub(v.nodesAt) < nodesEvery {
		return nil
	}
	v.nodesAt = seen.Now
	typed, err := v.client.Typed()
	if err != nil {
		return nil
	}
	nodes, err := diagnose.NewReader(typed).Nodes(ctx)
	if err != nil {
		return nil // without the right to list nodes the wait goes on to its end
	}
	return nodes
}

// renew evicts pods that the cluster is to make anew. What it may not evict, or
// what a budget protects for now, stays: the cluster's own retries go on.
func (v *vantage[M, P]) renew(ctx context.Context, seen Seen, names []string) {
	for _, p := range seen.Pods {
		if !slices.Contains(names, p.Name) || v.evicted[p.UID] {
			continue
		}
		err := v.client.Evict(ctx, p.Namespace, p.Name, p.UID)
		if apierrors.IsTooManyRequests(err) {
			continue // a disruption budget: tried again
		}
		if v.evicted == nil {
			v.evicted = map[types.UID]bool{}
		}
		v.evicted[p.UID] = true
		tflog.Info(ctx, "evicted a pod to start it anew with the others", map[string]any{"pod": p.Name, "error": fmt.Sprint(err)})
	}
}

// take notes what a read returned.
func (v *vantage[M, P]) take(o *kube.Object) {
	if o == nil || string(o.GetUID()) != v.uid {
		v.gone = true
		return
	}
	v.last, v.gone = o, false
}

// ownPods keeps the pods controlled by the object with that name and uid: an
// earlier object of the same name may have left some. A Deployment has its pods
// through ReplicaSets, whose names are its own and the hash that the pods bear.
func ownPods(pods []corev1.Pod, name, uid string) []corev1.Pod {
	var out []corev1.Pod
	for _, p := range pods {
		mine := len(p.OwnerReferences) == 0
		for _, ref := range p.OwnerReferences {
			mine = mine || string(ref.UID) == uid ||
				ref.Kind == kube.ReplicaSet.Kind && ref.Name == name+"-"+p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
		}
		mine = mine || uid != "" && p.Labels[kube.JobSetUIDLabel] == uid // of its Jobs
		if mine {
			out = append(out, p)
		}
	}
	return out
}

// wantsEvents reports whether events may tell more than objects and pods do:
// a container that waits for more than to be created, or no pod at all.
func (v *vantage[M, P]) wantsEvents(seen Seen) bool {
	if v.pods == nil {
		return true
	}
	for _, p := range seen.Pods {
		for _, c := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
			if wt := c.State.Waiting; wt != nil && wt.Reason != "ContainerCreating" && wt.Reason != "PodInitializing" {
				return true
			}
		}
	}
	return len(seen.Pods) == 0
}

// eventsOf returns the events of the main object and the pods.
func (v *vantage[M, P]) eventsOf(seen Seen) []corev1.Event {
	objects, err := v.events.Matching("")
	if err != nil {
		return nil
	}
	about := map[string]bool{v.uid: true}
	for _, p := range seen.Pods {
		about[string(p.UID)] = true
	}
	var out []corev1.Event
	for _, o := range objects {
		uid, _, _ := unstructured.NestedString(o.Object, "involvedObject", "uid")
		if !about[uid] {
			continue
		}
		if e, err := kube.Typed[corev1.Event](kube.Live{"": o}, ""); err == nil {
			out = append(out, *e)
		}
	}
	return out
}

// await waits until the objects are as wait_for asks, or it is certain that they
// will not be, and explains why not.
func (w *writer[M, P]) await(ctx context.Context) diag.Diagnostics {
	level := w.r.level(P(w.model))
	first := Seen{Live: byKey(w.live), Now: w.r.clock.Now()}
	if w.r.def.Beside != nil {
		first = w.r.look(ctx, w.client, P(w.model), w.live)
	}
	if w.r.judge(w.model, first).Outcome == wait.Done {
		w.seen = first
		w.mem.Pending = false
		return nil
	}
	v := w.watch(level)
	defer v.stop()
	trusts := w.r.def.Trusts != nil && w.r.def.Trusts(level)
	var findings []diagnose.Finding
	said := ""
	verdict, err := wait.Until(ctx, w.r.clock, v.woken, func(ctx context.Context) wait.Verdict {
		w.seen = v.look(ctx)
		w.seen.Live = w.withOthers(w.seen.Live)
		got := w.r.judge(w.model, w.seen)
		if got.Message != said {
			said = got.Message
			tflog.Info(ctx, "waiting", map[string]any{"object": v.ref.String(), "for": level, "phase": got.Phase, "seen": said})
		}
		if got.Outcome == wait.Done {
			return got
		}
		if w.r.def.Renew != nil && got.Outcome == wait.Progressing {
			v.renew(ctx, w.seen, w.r.def.Renew(w.model, w.seen))
		}
		evidence := w.evidence()
		evidence.Pods = w.current(evidence.Pods)
		evidence.Nodes = v.nodes(ctx, w.seen)
		findings = diagnose.Certain(evidence, diagnose.Policy{TrustRetries: trusts})
		if len(findings) > 0 {
			got.Outcome = wait.Failed
		}
		if v.gone && got.Outcome == wait.Progressing {
			return wait.Of(wait.Failed, "Deleted", "Deleted", fmt.Sprintf("%s was deleted by somebody else", v.ref))
		}
		return got
	})
	switch {
	case err == nil && verdict.Outcome == wait.Done:
		w.seen = v.lastLook(ctx, w.seen)
		w.mem.Pending = false
		return nil
	case err != nil && isCancelled(ctx):
		return diag.Diagnostics{w.r.interrupted(P(w.model), "while mlk waited: "+phrase(verdict))}
	}
	return w.explain(ctx, verdict, level, slices.Collect(maps.Values(v.ever)), err != nil)
}

// withOthers adds the objects beside the main one, which nobody watches, as they
// were written.
func (w *writer[M, P]) withOthers(seen kube.Live) kube.Live {
	for ref, o := range w.live {
		if ref != w.want[0].ref {
			seen[ref.Kind.Kind] = o
		}
	}
	return seen
}

// interrupted tells that the user stopped the apply. It is a warning: an error
// would taint a resource that goes on well.
func (r *Resource[M, P]) interrupted(m P, when string) diag.Diagnostic {
	return diags.Message{
		Summary:  clip(fmt.Sprintf("Stopped waiting for %s", r.title(m))),
		Happened: fmt.Sprintf("The apply was interrupted %s.", when),
		Stands:   "Nothing was undone: what was made goes on by itself and is recorded in the state.",
		Do:       "The next apply goes on waiting for it.",
	}.Warning()
}

// current are the pods whose failures end the wait: those of an earlier revision
// are what an update may be about to replace.
func (w *writer[M, P]) current(pods []corev1.Pod) []corev1.Pod {
	if w.r.def.Outdated == nil {
		return pods
	}
	return slices.DeleteFunc(slices.Clone(pods), func(p corev1.Pod) bool { return w.r.def.Outdated(w.seen, &p) })
}

// evidence is what the watches showed.
func (w *writer[M, P]) evidence() diagnose.Evidence {
	e := diagnose.Evidence{Pods: w.seen.Pods, Events: w.seen.Events, Now: w.seen.Now}
	for _, o := range w.seen.Live {
		e.Objects = append(e.Objects, o)
	}
	e.Objects = append(e.Objects, w.seen.Related...)
	return e
}

// explain collects what the cluster knows and says why the wait failed.
func (w *writer[M, P]) explain(ctx context.Context, verdict wait.Verdict, level string, pods []corev1.Pod, late bool) diag.Diagnostics {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	m := P(w.model)
	evidence := w.evidence()
	if typed, err := w.client.Typed(); err == nil {
		main := w.r.main(m)
		target := diagnose.Target{
			Namespace: main.Namespace, Objects: evidence.Objects, Seen: pods, Selector: w.r.selector(m),
			Events: evidence.Events, NoLogs: w.r.provider.NoLogTails,
		}
		if main.Kind == kube.Pod {
			target.Seen = evidence.Pods
		}
		evidence = diagnose.Collect(ctx, diagnose.NewReader(typed), target)
		evidence.Pods = w.current(ownPods(evidence.Pods, main.Name, w.uidOf(main)))
	}
	trusts := w.r.def.Trusts != nil && w.r.def.Trusts(level)
	findings := diagnose.Certain(evidence, diagnose.Policy{TrustRetries: trusts})
	if len(findings) == 0 {
		findings = diagnose.Explain(evidence)
	}
	keep := false
	if p := m.Place(); p != nil {
		keep = p.OnFailure.ValueString() == onFailureKeep
	}
	f := telling[M, P]{w: w, verdict: verdict, late: late, keep: keep, notes: evidence.Notes}
	return f.diagnostics(findings)
}

// uidOf is the uid of one of the objects that were written.
func (w *writer[M, P]) uidOf(ref kube.Ref) string {
	if o := w.live[ref]; o != nil {
		return string(o.GetUID())
	}
	return w.mem.uid(ref)
}

// telling turns findings into diagnostics.
type telling[M any, P based[M]] struct {
	w       *writer[M, P]
	verdict wait.Verdict
	late    bool
	keep    bool
	notes   []string
}

// noNodeLargeEnough is the finding that no waiting cures, although it is not
// certain: a pool may scale up with larger nodes.
const noNodeLargeEnough = "NoNodeLargeEnough"

// mostCauses is how many causes one failure lists.
const mostCauses = 5

func (t telling[M, P]) diagnostics(findings []diagnose.Finding) diag.Diagnostics {
	var ds diag.Diagnostics
	m := P(t.w.model)
	title := t.w.r.title(m)
	if len(findings) == 0 {
		summary := fmt.Sprintf("%s failed", title)
		if t.late {
			summary = fmt.Sprintf("%s is not %s after %s", title, t.w.r.level(m), t.w.timeout)
		}
		happened := t.verdict.Message
		if t.verdict.Reason != "" {
			happened = fmt.Sprintf("%s (%s)", happened, t.verdict.Reason)
		}
		ds.Append(severity(t.keep, diags.Message{
			Summary: clip(summary), Happened: happened, Why: t.noted(), Stands: t.stands(), Do: t.patience(),
		}))
		return ds
	}
	for i, f := range findings {
		if i == mostCauses {
			ds.Append(severity(t.keep, diags.Message{
				Summary:  clip(fmt.Sprintf("%s: and %d more causes", title, len(findings)-mostCauses)),
				Happened: "The first five are above; kubectl describe shows all.",
			}))
			break
		}
		ds.Append(severity(t.keep, t.cause(title, f, i == 0)))
	}
	return ds
}

// cause is the diagnostic of one finding. Where things stand is said once.
func (t telling[M, P]) cause(title string, f diagnose.Finding, first bool) diags.Message {
	m := P(t.w.model)
	heads := []string{title + " failed", title}
	if t.late {
		level := t.w.r.level(m)
		heads = []string{fmt.Sprintf("%s is not %s after %s", title, level, t.w.timeout), fmt.Sprintf("%s is not %s", title, level), title}
	}
	heads = append(heads, fmt.Sprintf("%s %q", t.w.r.def.Noun, m.Base().Name.ValueString()))
	summary, whole := headline(f.Summary, heads...)
	msg := diags.Message{Summary: summary, Happened: f.Happened, Why: f.Why, Do: f.Do}
	if !whole {
		msg.Happened = heads[0] + ". " + msg.Happened
	}
	switch f.Count {
	case 0, 1:
	case 2:
		msg.Happened = joined(msg.Happened, "One more pod has the same problem.")
	default:
		msg.Happened = joined(msg.Happened, fmt.Sprintf("%d more pods have the same problem.", f.Count-1))
	}
	if f.Log != "" {
		msg.Why = joined(msg.Why, "Last lines of its log:\n"+indent(f.Log))
	}
	if first {
		msg.Happened = joined(msg.Happened, t.noted())
		msg.Stands = t.stands()
		if t.late && !f.Certain && f.Reason != noNodeLargeEnough {
			msg.Do = joined(msg.Do, t.patience())
		}
	}
	fields := t.w.r.fields(P(t.w.model))
	for _, segments := range t.places(f) {
		if at, ok := fields.Find(segments); ok {
			msg.At = at
			break
		}
	}
	return msg
}

// places are the fields a finding blames, with the kind of the owned object first.
func (t telling[M, P]) places(f diagnose.Finding) [][]string {
	var out [][]string
	if len(f.Field) > 0 {
		out = append(out, f.Field)
	}
	if len(f.PodField) > 0 {
		out = append(out, append(append([]string{}, t.w.r.def.PodTemplate...), f.PodField...))
	}
	return out
}

func (t telling[M, P]) stands() string {
	out := ""
	switch {
	case t.keep:
		out = "The object is left as it is and recorded in the state (on_failure = \"keep\"); the next plan waits for it again."
	case t.w.creating:
		return "The object exists and is recorded in the state. " + tainted(t.w.r.address())
	default:
		out = "The object exists and is recorded in the state; the next plan waits for it again."
	}
	if t.w.r.def.Serving != nil && !t.w.creating {
		if serving := t.w.r.def.Serving(t.w.model, t.w.seen); serving != "" {
			out = serving + " " + out
		}
	}
	return out
}

func (t telling[M, P]) patience() string {
	if !t.late {
		return ""
	}
	return fmt.Sprintf("If it only needs longer, raise timeouts.%s (now %s).", t.w.verb, t.w.timeout)
}

func (t telling[M, P]) noted() string {
	out := ""
	for _, n := range t.notes {
		out = joined(out, n)
	}
	return out
}

func joined(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	return a + "\n\n" + b
}

func indent(s string) string {
	out := "  "
	for _, c := range s {
		out += string(c)
		if c == '\n' {
			out += "  "
		}
	}
	return out
}

// phrase puts a verdict into a clause.
func phrase(v wait.Verdict) string {
	if v.Message != "" {
		return v.Message
	}
	return v.Phase
}

// awaitGone waits until an object that is being deleted is gone.
func (r *Resource[M, P]) awaitGone(ctx context.Context, client *kube.Client, m P, ref kube.Ref, live *kube.Object, purpose string) diag.Diagnostics {
	woken := make(chan struct{}, 1)
	watching := client.Watch(ref.Kind, ref.Namespace, woken)
	defer watching.Stop()
	uid := live.GetUID()
	start := r.clock.Now()
	last := live
	_, err := wait.Until(ctx, r.clock, woken, func(ctx context.Context) wait.Verdict {
		if o := watching.Get(ref.Namespace, ref.Name); watching.Healthy() && o != nil && o.GetUID() == uid {
			last = o
			return wait.Of(wait.Progressing, "", "", "")
		}
		o, err := client.Get(ctx, ref)
		if err == nil && (o == nil || o.GetUID() != uid) {
			return wait.Of(wait.Done, "", "", "")
		}
		if o != nil {
			last = o
		}
		return wait.Of(wait.Progressing, "", "", "")
	})
	if err == nil {
		return nil
	}
	return r.blocked(ctx, client, m, ref, last, purpose, r.clock.Since(start))
}

// blocked names what keeps an object from being deleted.
func (r *Resource[M, P]) blocked(ctx context.Context, client *kube.Client, m P, ref kube.Ref, live *kube.Object, purpose string, waited time.Duration) diag.Diagnostics {
	cancelled := isCancelled(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	stay, notes := diagnose.Stay{Object: live, Now: r.clock.Now()}, []string(nil)
	if typed, err := client.Typed(); err == nil {
		stay, notes = diagnose.CollectStay(ctx, diagnose.NewReader(typed), live, r.selector(m))
	}
	msg := diags.Message{
		Summary: clip(fmt.Sprintf("%s is still being deleted after %s", ref, waited.Round(time.Second))),
		Stands:  "It is marked for deletion and goes when nothing holds it any more; the state still has it.",
		Do:      "Remove what holds it, then apply again.",
	}
	if cancelled {
		msg.Summary = clip(fmt.Sprintf("Interrupted while waiting for %s %s", ref, purpose))
	}
	for _, f := range diagnose.Blockers(stay) {
		msg.Happened = joined(msg.Happened, f.Happened)
		msg.Why = joined(msg.Why, f.Why)
		if f.Do != "" {
			msg.Do = joined(f.Do, "Then apply again.")
		}
	}
	for _, n := range notes {
		msg.Happened = joined(msg.Happened, n)
	}
	return diag.Diagnostics{msg.Error()}
}

// awaitNoPods waits until the pods of an earlier object of the same name are
// gone: a Job made anew over its old pods can stay without pods for ever
// (kubernetes/kubernetes#142142). Other kinds adopt them.
func (r *Resource[M, P]) awaitNoPods(ctx context.Context, client *kube.Client, m P, ref kube.Ref) diag.Diagnostics {
	selector := r.selector(m)
	if selector == "" || ref.Kind != kube.Job {
		return nil
	}
	left, err := client.ReadMatching(ctx, kube.Pod, ref.Namespace, selector)
	if err != nil || len(left) == 0 {
		return nil // without the right to list pods nothing can be said
	}
	woken := make(chan struct{}, 1)
	watching := client.Watch(kube.Pod, ref.Namespace, woken)
	defer watching.Stop()
	var last []*kube.Object
	_, err = wait.Until(ctx, r.clock, woken, func(ctx context.Context) wait.Verdict {
		if last, err = client.List(ctx, kube.Pod, ref.Namespace, selector); err == nil && len(last) == 0 {
			return wait.Of(wait.Done, "", "", "")
		}
		return wait.Of(wait.Progressing, "", "", "")
	})
	if err == nil {
		return nil
	}
	names := ""
	for i, p := range last {
		if i > 0 {
			names += ", "
		}
		names += p.GetName()
	}
	return diag.Diagnostics{diags.Message{
		Summary:  clip(fmt.Sprintf("Pods of an earlier %s are still there", ref)),
		Happened: "A new object of that name cannot be made over them: " + names + ".",
		Stands:   "Nothing was changed.",
		Do:       fmt.Sprintf("Delete them: kubectl delete pods -n %s -l %s", ref.Namespace, selector),
	}.Error()}
}
