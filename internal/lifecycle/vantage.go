package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-log/tflog"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diagnose"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// vantage is a running look at the main object of a resource, its pods and
// their events, over watches.
type vantage[M any, P based[M]] struct {
	r      *Resource[M, P]
	client *kube.Client
	model  *M
	ref    kube.Ref
	uid    string
	// selector is that of the pods.
	selector string
	woken    chan struct{}

	main, pods, events *kube.Watching
	// others are the objects beside the main one whose status counts.
	others []*other
	// beside are the watches of Definition.Beside, nil where there has been nothing
	// to look for.
	beside []*kube.Watching
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
	// made are the objects that the main object controls, where they have pods.
	made []owner
	// lent is what the nodes had to give at lentAt.
	lent   *Lending
	lentAt time.Time
}

// watch starts to look. live is the main object as the last write returned it.
func (w *writer[M, P]) watch() *vantage[M, P] {
	ref := w.want[0].ref
	v := &vantage[M, P]{r: w.r, client: w.client, ref: ref, woken: make(chan struct{}, 1), evicted: w.evicted}
	if o := w.live[ref]; o != nil {
		v.last, v.uid, v.floor = o, string(o.GetUID()), o.GetResourceVersion()
	}
	v.main = w.client.Watch(ref.Kind, ref.Namespace, v.woken)
	v.others = w.others(v.woken)
	v.model, v.beside = w.model, make([]*kube.Watching, len(w.r.def.Beside))
	v.selector = w.r.selector(P(w.model))
	v.openPods()
	return v
}

// openPods begins to watch the pods, once it is known where they are.
func (v *vantage[M, P]) openPods() {
	if v.selector == "" || v.pods != nil {
		return
	}
	if ns, ok := v.r.around(v.last); ok || v.ref.Namespace != "" {
		if !ok {
			ns = v.ref.Namespace
		}
		v.pods = v.client.Watch(kube.Pod, ns, v.woken)
	}
}

func (v *vantage[M, P]) stop() {
	all := append([]*kube.Watching{v.main, v.pods, v.events}, v.beside...)
	for _, o := range v.others {
		all = append(all, o.watching)
	}
	for _, w := range all {
		if w != nil {
			w.Stop()
		}
	}
}

// look returns what is to be seen now. A watch that is broken or forbidden is
// replaced by a read.
func (v *vantage[M, P]) look(ctx context.Context) Seen {
	seen := Seen{Live: kube.Live{}, Now: v.r.clock.Now(), Beside: map[string][]*kube.Object{}}
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
		seen.Live[v.ref.Key()] = v.last
	}
	for _, o := range v.others {
		o.look(ctx, v.client)
		seen.Live[o.ref.Key()] = o.last
	}
	v.openPods()
	v.lookBeside(seen)
	v.lookLent(ctx, &seen)
	if v.ref.Kind == kube.Pod && v.last != nil {
		seen.Pods = podsOf([]*kube.Object{v.last})
	}
	if v.pods != nil {
		if objects, err := v.pods.Matching(v.selector); err == nil {
			seen.Pods = v.withDeparted(ownPods(podsOf(objects), v.owners()...))
			v.recallPods(seen.Pods)
		}
	}
	if ns, ok := v.r.around(v.last); ok && v.wantsEvents(seen) && v.events == nil {
		v.events = v.client.Watch(kube.Event, ns, v.woken)
	}
	if v.events != nil {
		seen.Events = v.eventsOf(seen)
	}
	return seen
}

// lookBeside adds what Definition.Beside asks for. Who may not read it, or has no
// such kind, is told less.
func (v *vantage[M, P]) lookBeside(seen Seen) {
	for i, l := range v.r.def.Beside {
		selector, ok := l.asks(v.model, v.last)
		if !ok {
			continue
		}
		ns, ok := v.r.around(v.last)
		if !ok {
			continue
		}
		if v.beside[i] == nil {
			v.beside[i] = v.client.Watch(l.Kind, ns, v.woken)
		}
		switch found, err := v.beside[i].Matching(selector); {
		case !v.beside[i].Healthy() || err != nil:
		case !v.beside[i].Ready():
			seen.Beside[l.Kind.Kind] = []*kube.Object{}
		default:
			seen.Beside[l.Kind.Kind] = l.of(v.owners(), found)
			if l.Controlled && v.r.def.Within != nil {
				v.made = makersIn(v.owners(), found)
			}
		}
	}
}

// recallPods keeps the last state of every pod that was seen: a Job deletes its
// pods as it fails, and what they died of with them.
func (v *vantage[M, P]) recallPods(now []corev1.Pod) {
	if v.ever == nil {
		v.ever = map[types.UID]corev1.Pod{}
	}
	departed := ownPods(podsOf(v.pods.DepartedMatching(v.selector)), v.owners()...)
	for _, p := range append(departed, now...) {
		v.ever[p.UID] = recallCrashes(p, v.ever[p.UID])
	}
}

// recallCrashes is a pod with what its containers died of before, where they have
// been stopped since and only an earlier look at them tells.
func recallCrashes(p, before corev1.Pod) corev1.Pod {
	var statuses []corev1.ContainerStatus
	for i, s := range p.Status.ContainerStatuses {
		if s.State.Terminated == nil || s.LastTerminationState.Terminated != nil {
			continue
		}
		for _, b := range before.Status.ContainerStatuses {
			if b.Name == s.Name && b.LastTerminationState.Terminated != nil {
				if statuses == nil {
					statuses = slices.Clone(p.Status.ContainerStatuses)
				}
				statuses[i].LastTerminationState = b.LastTerminationState
			}
		}
	}
	if statuses != nil {
		p.Status.ContainerStatuses = statuses
	}
	return p
}

// withDeparted adds the pods that have succeeded and are gone: what they
// reported is still true when their Job is collected at once.
func (v *vantage[M, P]) withDeparted(pods []corev1.Pod) []corev1.Pod {
	for _, p := range ownPods(podsOf(v.pods.DepartedMatching(v.selector)), v.owners()...) {
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
	seen.Pods = ownPods(podsOf(objects), v.owners()...)
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
		pods := ownPods(podsOf(now), v.owners()...)
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

// wantsEvents reports whether events may tell more than objects and pods do:
// a container that waits for more than to be created, or no pod at all.
func (v *vantage[M, P]) wantsEvents(seen Seen) bool {
	if v.pods == nil || len(seen.Beside[kube.StatefulSet.Kind]) > 0 {
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
	about := map[string]bool{}
	for _, o := range v.owners() {
		about[o.uid] = true
	}
	for _, o := range v.r.apart(seen) {
		about[string(o.GetUID())] = true // a StatefulSet is refused the pods of a group
	}
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
