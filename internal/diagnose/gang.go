package diagnose

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/placement"
)

// gangPatience is how long the pods of a gang that cannot all fit may wait for
// an autoscaler to say that it makes more nodes.
const gangPatience = 40 * time.Second

// rankOf finds the rank in the subject of a finding.
var rankOf = regexp.MustCompile(`\(rank (\d+)\)`)

// ranked puts the rank in front of the summary of a finding about one pod.
func (d draft) ranked() Finding {
	f := d.Finding
	if m := rankOf.FindStringSubmatch(f.Subject); m != nil && d.indexed && f.Count <= 1 {
		f.Summary = "rank " + m[1] + ": " + f.Summary
	}
	if m := memberOf.FindStringSubmatch(f.Subject); m != nil {
		if f.Count <= 1 {
			f.Summary = m[2] + ": " + f.Summary
		}
		f.Happened = sentences(f.Happened, fmt.Sprintf("This is Pod %s, %s.", m[1], m[2]))
	}
	return f
}

// gang explains an indexed Job whose pods do not all fit on the nodes there are. It
// reports whether it does; nothing need be said then of each pod that waits.
func (x *examiner) gang(j *batchv1.Job) bool {
	need := placement.GangNeeds(&j.Spec) - int(j.Status.Succeeded)
	waiting, since := x.unplaced(j)
	if need < 2 || len(x.e.Nodes) == 0 || len(waiting) == 0 {
		return false
	}
	first := waiting[0]
	if i := slices.IndexFunc(waiting, refused); i > 0 {
		first = waiting[i] // the others wait for it
	}
	w := parseScheduler(podCondition(first, corev1.PodScheduled).Message)
	s := x.view(first)
	r, ok := s.Blamed(w.short())
	d := placement.GangOf(first, &j.Spec, need, j.Name)
	room := s.Room(d.Spread, false)
	if !ok || room.Each == 0 {
		return false
	}
	said, never := d.Short(jobSubject(j), s, room, r), room.Pods < need
	if !never {
		if said, ok = x.held(j, d); !ok {
			return false
		}
	}
	f := Finding{
		Reason: said.Reason, Subject: said.Subject, Summary: said.Summary,
		Why: quote(w.quote), Field: []string{"Job", "spec", "parallelism"}, Happened: said.Happened, Do: said.Do,
	}
	scaling, coming := x.scaling(first)
	f.Happened = sentences(f.Happened, scaling)
	if coming {
		f.Do = "Give the new nodes time to come: raise timeouts.create if they take longer than this wait."
	}
	f.Certain = never && !coming && x.e.Now.Sub(since) >= gangPatience
	x.add(draft{rank: rankSchedule, key: "gang/" + j.Namespace + "/" + j.Name, when: since, indexed: true, Finding: f})
	return true
}

// unplaced are the pods of a Job that the scheduler finds no node for, and since when.
func (x *examiner) unplaced(j *batchv1.Job) ([]*corev1.Pod, time.Time) {
	var waiting []*corev1.Pod
	since := x.e.Now
	for i := range x.e.Pods {
		p := &x.e.Pods[i]
		c := podCondition(p, corev1.PodScheduled)
		if x.jobOf(p) != j || c == nil || c.Status != corev1.ConditionFalse || c.Reason != corev1.PodReasonUnschedulable || p.DeletionTimestamp != nil {
			continue
		}
		waiting = append(waiting, p)
		if c.LastTransitionTime.Time.Before(since) {
			since = c.LastTransitionTime.Time
		}
	}
	return waiting, since
}

// held explains pods that start together and of which only some would fit now. None
// of them holds anything meanwhile; of pods that start one by one it is told of each.
func (x *examiner) held(j *batchv1.Job, d placement.Demand) (placement.Finding, bool) {
	if !placement.Grouped(&d.Pod.ObjectMeta, &d.Pod.Spec) || x.e.NodePods == nil {
		return placement.Finding{}, false
	}
	c := placement.Cluster{Nodes: x.e.Nodes, Usage: placement.UsageOf(x.e.NodePods)}
	for i := range x.e.Pods {
		if p := &x.e.Pods[i]; x.jobOf(p) == j && p.Spec.NodeName != "" {
			c.Own = append(c.Own, *p)
		}
	}
	v, fits := d.Judge(jobSubject(j), c)
	return v.Finding, !fits && v.Reason == placement.Busy
}

// refused reports whether nodes have refused the pod itself, and not only its group.
func refused(p *corev1.Pod) bool {
	c := podCondition(p, corev1.PodScheduled)
	return c != nil && c.Status == corev1.ConditionFalse && nodesAvailable.MatchString(c.Message)
}

// waitsForOthers reports whether a pod is kept from its start by another one of its
// group, of which the scheduler says more.
func (x *examiner) waitsForOthers(p *corev1.Pod) bool {
	if !placement.Grouped(&p.ObjectMeta, &p.Spec) || refused(p) {
		return false
	}
	j := x.jobOf(p)
	return slices.ContainsFunc(x.e.Pods, func(o corev1.Pod) bool { return j != nil && x.jobOf(&o) == j && refused(&o) })
}

var (
	// Kubernetes, plugins/gangscheduling; Volcano, pkg/scheduler/api/job_info.go.
	minCount     = regexp.MustCompile(`minCount \((\d+)\) .*: (\d+) scheduled`)
	minAvailable = regexp.MustCompile(`(\d+) minAvailable`)
)

// together explains a pod that starts only with others of its group.
func together(f *Finding, p *corev1.Pod, msg string) {
	f.Reason, f.Summary = "WaitingForGang", "a pod waits for the rest of its gang"
	f.Happened = f.Subject + " is started only together with enough other pods of its group, and they are not all there or do not all fit."
	if m := minCount.FindStringSubmatch(msg); m != nil {
		f.Happened = fmt.Sprintf("%s is started only together with others of its group: %s pods at once, of which %s fit.", f.Subject, m[1], m[2])
	} else if m := minAvailable.FindStringSubmatch(msg); m != nil {
		f.Happened = fmt.Sprintf("%s is started only together with others of its group: %s pods at once.", f.Subject, m[1])
	}
	f.Do = "It starts when there is room for all of them at once. See which nodes are taken: kubectl describe nodes"
	f.PodField = []string{"spec", "schedulingGroup"}
	if p.Annotations[placement.VolcanoGroup] != "" {
		f.PodField = []string{"metadata", "annotations", placement.VolcanoGroup}
	}
}

// unasked explains a pod of which Kubernetes' scheduler says nothing because its
// group is not whole; false for other pods.
func (x *examiner) unasked(f *Finding, p *corev1.Pod) bool {
	g := p.Spec.SchedulingGroup
	if g == nil || g.PodGroupName == nil {
		return false
	}
	there, ended := 0, 0
	for i := range x.e.Pods {
		o := &x.e.Pods[i]
		switch {
		case o.Spec.SchedulingGroup == nil || ptr.Deref(o.Spec.SchedulingGroup.PodGroupName, "") != *g.PodGroupName:
		case o.Status.Phase == corev1.PodSucceeded || o.Status.Phase == corev1.PodFailed:
			ended++
		default:
			there++
		}
	}
	f.Reason, f.Summary = "WaitingForGang", "a pod waits for the rest of its gang"
	f.Happened = fmt.Sprintf("%s is looked at only when PodGroup %s/%s exists and enough pods of it do; there is %d now.", f.Subject, p.Namespace, *g.PodGroupName, there)
	f.Do = fmt.Sprintf("See what it wants: kubectl describe podgroup -n %s %s", p.Namespace, *g.PodGroupName)
	if ended > 0 {
		f.Happened += fmt.Sprintf(" %d of it ended before, and ended pods do not count: one that is tried again waits for ever.", ended)
		f.Do = "Set distributed.gang_size to how many pods are enough to go on, or run it again (triggers)."
	}
	f.PodField = []string{"spec", "schedulingGroup"}
	return true
}
