package diagnose

import (
	"fmt"
	"regexp"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

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

// gang explains an indexed Job whose pods do not all fit on the nodes there are.
// It reports whether it does; nothing need be said then of each pod that waits.
func (x *examiner) gang(j *batchv1.Job) bool {
	need := placement.GangNeeds(&j.Spec) - int(j.Status.Succeeded)
	if need < 2 || len(x.e.Nodes) == 0 {
		return false
	}
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
	if len(waiting) == 0 {
		return false
	}
	first := waiting[0]
	w := parseScheduler(podCondition(first, corev1.PodScheduled).Message)
	s := x.view(first)
	r, ok := s.Blamed(w.short())
	d := placement.GangOf(first, &j.Spec, need, j.Name)
	room := s.Room(d.Spread, false)
	if !ok || room.Each == 0 || room.Pods >= need {
		return false
	}
	said := d.Short(jobSubject(j), s, room, r)
	f := Finding{
		Reason: said.Reason, Subject: said.Subject, Count: len(waiting), Summary: said.Summary,
		Why: quote(w.quote), Field: []string{"Job", "spec", "parallelism"}, Happened: said.Happened, Do: said.Do,
	}
	scaling, coming := x.scaling(first)
	f.Happened = sentences(f.Happened, scaling)
	if coming {
		f.Do = "Give the new nodes time to come: raise timeouts.create if they take longer than this wait."
	}
	f.Certain = !coming && x.e.Now.Sub(since) >= gangPatience
	x.add(draft{rank: rankSchedule, key: "gang/" + j.Namespace + "/" + j.Name, when: since, indexed: true, Finding: f})
	return true
}
