package diagnose

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/placement"
)

// gangPatience is how long the pods of a gang that cannot all fit may wait for
// an autoscaler to say that it makes more nodes.
const gangPatience = 40 * time.Second

// reasonGangTooLarge is the finding that the nodes cannot hold all pods of a run
// at a time, even when they are empty.
const reasonGangTooLarge = "GangTooLarge"

// rankOf finds the rank in the subject of a finding.
var rankOf = regexp.MustCompile(`\(rank (\d+)\)`)

// ranked puts the rank in front of the summary of a finding about one pod.
func (d draft) ranked() Finding {
	f := d.Finding
	if m := rankOf.FindStringSubmatch(f.Subject); m != nil && d.indexed && f.Count <= 1 {
		f.Summary = "rank " + m[1] + ": " + f.Summary
	}
	return f
}

// gang explains an indexed Job whose pods do not all fit on the nodes there are.
// It reports whether it does; nothing need be said then of each pod that waits.
func (x *examiner) gang(j *batchv1.Job) bool {
	need := gangNeeds(j)
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
	room := s.Room(placement.Spread{Together: domainOf(j)}, false)
	if !ok || room.Each == 0 || room.Pods >= need {
		return false
	}
	missing := (need - room.Pods + room.Each - 1) / room.Each
	f := Finding{
		Reason: reasonGangTooLarge, Subject: jobSubject(j), Count: len(waiting),
		Summary: fmt.Sprintf("%s short for %d ranks with %s each", plural(missing, "node"), need, placement.Amount(r, s.Asks[r])),
		Why:     quote(w.quote),
		Field:   []string{"Job", "spec", "parallelism"},
	}
	f.Happened = fmt.Sprintf("%s needs %d pods at a time, each with %s. %s; %d %s left over.",
		f.Subject, need, placement.InFull(r, s.Asks[r]), room.Text("rank"), need-room.Pods, agree(int32(min(need-room.Pods, math.MaxInt32)), "is", "are"))
	others := slices.DeleteFunc(s.With(r, s.Asks[r]), func(p placement.Place) bool { return p.Open() })
	f.Happened = sentences(f.Happened, s.KeptOut(others))
	f.Do = fmt.Sprintf("Add %s like these (mlk_gpu_node_pool), or run with distributed.nodes = %d. No amount of waiting helps with the nodes there are.", plural(missing, "node"), room.Pods)
	scaling, coming := x.scaling(first)
	f.Happened = sentences(f.Happened, scaling)
	if coming {
		f.Do = "Give the new nodes time to come: raise timeouts.create if they take longer than this wait."
	}
	f.Certain = !coming && x.e.Now.Sub(since) >= gangPatience
	x.add(draft{rank: rankSchedule, key: "gang/" + j.Namespace + "/" + j.Name, when: since, indexed: true, Finding: f})
	return true
}

// elasticNodes is how torchrun is told from how many to how many pods it runs.
var elasticNodes = regexp.MustCompile(`^(\d+):\d+$`)

// gangNeeds is how many pods have to run at a time: all, unless an elastic
// program says that fewer will do; 0 for Jobs whose pods do not need each other.
func gangNeeds(j *batchv1.Job) int {
	if ptr.Deref(j.Spec.CompletionMode, "") != batchv1.IndexedCompletion {
		return 0
	}
	n := int(ptr.Deref(j.Spec.Parallelism, 1))
	if n != int(ptr.Deref(j.Spec.Completions, 1)) {
		return 0
	}
	for _, c := range j.Spec.Template.Spec.Containers {
		for _, e := range c.Env {
			if m := elasticNodes.FindStringSubmatch(e.Value); m != nil && e.Name == "PET_NNODES" {
				if least, err := strconv.Atoi(m[1]); err == nil {
					n = min(n, least)
				}
			}
		}
	}
	return n - int(j.Status.Succeeded)
}

// domainOf is the label of nodes of which all pods of the Job must have the same
// value; "" when they may be anywhere.
func domainOf(j *batchv1.Job) string {
	a := j.Spec.Template.Spec.Affinity
	if a == nil || a.PodAffinity == nil {
		return ""
	}
	for _, t := range a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		own := slices.Contains(t.MatchLabelKeys, batchv1.JobNameLabel)
		if t.LabelSelector != nil && t.LabelSelector.MatchLabels[batchv1.JobNameLabel] == j.Name {
			own = true
		}
		if own {
			return t.TopologyKey
		}
	}
	return ""
}
