package diagnose

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// What a Job's controller is given before its refusals count as certain: a
// quota or a service account may be made in the same apply.
const (
	refusalGrace  = 30 * time.Second
	refusalRepeat = 3
)

// idleGrace is how long a Job may be without pods before that is worth saying.
const idleGrace = 30 * time.Second

// queueLabel is the label by which Kueue finds what it holds back.
const queueLabel = "kueue.x-k8s.io/queue-name"

func jobCondition(j *batchv1.Job, t batchv1.JobConditionType) *batchv1.JobCondition {
	if j == nil {
		return nil
	}
	for i := range j.Status.Conditions {
		if c := &j.Status.Conditions[i]; c.Type == t && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

// failed is what a Job says of its failure, or is about to say: the Job of a
// JobSet may be seen a moment before it says so, when the JobSet has long failed.
func failed(j *batchv1.Job) *batchv1.JobCondition {
	if c := jobCondition(j, batchv1.JobFailed); c != nil {
		return c
	}
	if j == nil || j.Status.Active+ptr.Deref(j.Status.Terminating, 0) > 0 {
		return nil
	}
	return jobCondition(j, batchv1.JobFailureTarget)
}

// job explains what the Job itself says. It runs after the pods, because a
// pod's own failure tells more than the Job's count of failures.
func (x *examiner) job(j *batchv1.Job) {
	if jobCondition(j, batchv1.JobComplete) != nil {
		return
	}
	if c := failed(j); c != nil {
		x.jobFailed(j, c)
		return
	}
	if ptr.Deref(j.Spec.Suspend, false) {
		x.jobSuspended(j)
		return
	}
	if c := jobCondition(j, batchv1.JobFailureTarget); c != nil {
		x.add(draft{rank: rankJob, key: "target/" + string(j.UID) + j.Name, when: c.LastTransitionTime.Time, Finding: Finding{
			Reason:   c.Reason,
			Subject:  jobSubject(j),
			Summary:  "the Job has given up and waits for its last pods to end",
			Happened: jobSubject(j) + " will be marked as failed once " + plural(int(j.Status.Active+ptr.Deref(j.Status.Terminating, 0)), "pod") + " of it have ended.",
			Why:      quote(c.Message),
			Do:       "See what its pods say; the decision to fail is made and is not taken back.",
		}})
		return
	}
	if c := jobCondition(j, batchv1.JobSuccessCriteriaMet); c != nil {
		left := int(j.Status.Active + ptr.Deref(j.Status.Terminating, 0))
		x.add(draft{rank: rankWaiting, key: "succeeding/" + string(j.UID) + j.Name, when: c.LastTransitionTime.Time, Finding: Finding{
			Reason:   c.Reason,
			Subject:  jobSubject(j),
			Summary:  "the Job has succeeded and waits for its last pods to end",
			Happened: jobSubject(j) + " has what it needs to succeed, and will be marked as complete once " + plural(left, "pod") + " of it have ended.",
			Why:      quote(c.Message),
			Do:       "Wait for them: they have been asked to stop. A long grace period delays it.",
		}})
		return
	}
	if wants := podsWanted(j); j.Status.Active < wants {
		m := maker{j, "Job", &j.Spec.Template}
		if x.refused(m, j.Status.Active, wants) || j.Status.Active > 0 {
			return
		}
	}
	if j.Status.Active == 0 {
		x.idle(j)
	}
}

// podsWanted is how many pods a Job runs side by side now.
func podsWanted(j *batchv1.Job) int32 {
	n := ptr.Deref(j.Spec.Parallelism, 1)
	if j.Spec.Completions != nil {
		n = min(n, *j.Spec.Completions-j.Status.Succeeded)
	}
	return n
}

func jobSubject(j *batchv1.Job) string { return "Job " + j.Namespace + "/" + j.Name }

// fate says in a sentence how the Job ended, for findings about its pods.
func fate(j *batchv1.Job) string {
	c := failed(j)
	if c == nil {
		return ""
	}
	s := jobSubject(j)
	switch c.Reason {
	case batchv1.JobReasonBackoffLimitExceeded:
		limit := ptr.Deref(j.Spec.BackoffLimit, 6)
		if limit == 0 {
			return s + " does not try again (backoffLimit 0)."
		}
		if n := j.Status.Failed; n > 1 {
			return fmt.Sprintf("%s gave up after %s (backoffLimit %d).", s, plural(int(n), "failed pod"), limit)
		}
		return fmt.Sprintf("%s gave up after as many attempts as backoffLimit %d allows.", s, limit)
	case batchv1.JobReasonPodFailurePolicy:
		if m := policyRule.FindStringSubmatch(c.Message); m != nil {
			return fmt.Sprintf("%s did not try again: rule %s of its podFailurePolicy says %s.", s, m[2], m[1])
		}
		return s + " did not try again, as its podFailurePolicy says."
	case batchv1.JobReasonMaxFailedIndexesExceeded:
		return fmt.Sprintf("%s gave up because more than %d of its indexes failed (%s).", s,
			ptr.Deref(j.Spec.MaxFailedIndexes, 0), orUnknown(ptr.Deref(j.Status.FailedIndexes, "")))
	case batchv1.JobReasonFailedIndexes:
		out := fmt.Sprintf("%s has failed: of its indexes, %s failed", s, orUnknown(ptr.Deref(j.Status.FailedIndexes, "")))
		if done := j.Status.CompletedIndexes; done != "" {
			out += " and " + done + " completed"
		}
		return out + "."
	case batchv1.JobReasonDeadlineExceeded:
		return fmt.Sprintf("%s was stopped by its deadline.", s)
	}
	return s + " has failed."
}

// policyRule reads the rule out of the message of a pod failure policy.
var policyRule = regexp.MustCompile(`matching (\w+) rule at index (\d+)`)

func orUnknown(s string) string {
	if s == "" {
		return "not recorded"
	}
	return s
}

// jobFailed tells of a failed Job what its pods do not tell.
func (x *examiner) jobFailed(j *batchv1.Job, c *batchv1.JobCondition) {
	f := Finding{Certain: true, Reason: c.Reason, Subject: jobSubject(j), Why: quote(c.Message)}
	d := draft{rank: rankJob, final: true, when: c.LastTransitionTime.Time, key: "failed/" + j.Namespace + "/" + j.Name}
	if c.Reason == batchv1.JobReasonDeadlineExceeded {
		limit := time.Duration(ptr.Deref(j.Spec.ActiveDeadlineSeconds, 0)) * time.Second
		d.rank = rankDeadline
		f.Summary = "the Job ran longer than its deadline"
		f.Happened = fmt.Sprintf("%s was stopped after %s, the limit of activeDeadlineSeconds. Its pods were deleted, their logs with them.", f.Subject, span(limit))
		f.Do = "Raise active_deadline_seconds if the run needs longer. The deadline counts from the Job's start, time spent waiting for nodes and images included."
		f.Field = []string{"Job", "spec", "activeDeadlineSeconds"}
		if ran := x.ranUntilDeadline(j); ran != "" {
			f.Happened += " " + ran
		}
		d.Finding = f
		x.add(d)
		return
	}
	for _, known := range x.drafts {
		if known.final && strings.HasPrefix(known.key, "Job/"+j.Namespace+"/"+j.Name+"/") {
			return
		}
	}
	f.Happened = fate(j)
	switch c.Reason {
	case batchv1.JobReasonBackoffLimitExceeded:
		f.Summary = "the Job ran out of retries"
		f.Happened += " Its pods are gone, so what they said is not known."
		f.Do = fmt.Sprintf("Look for the pods' words in your log storage, or run it again and follow it with: kubectl logs -n %s -l %s=%s --all-containers -f", j.Namespace, batchv1.JobNameLabel, j.Name)
		f.Field = []string{"Job", "spec", "backoffLimit"}
		if w := x.lastWords(j); w != "" {
			f.Why = w
		}
	case batchv1.JobReasonPodFailurePolicy:
		f.Summary = "the Job's pod failure policy ended it"
		f.Do = "Fix what the container died of, or change the rule of pod_failure_policy if such an end should be retried."
		f.Field = []string{"Job", "spec", "podFailurePolicy"}
	case batchv1.JobReasonMaxFailedIndexesExceeded:
		f.Summary = "too many indexes of the Job failed"
		f.Do = "Fix what the pods of these indexes died of, or raise maxFailedIndexes."
		f.Field = []string{"Job", "spec", "maxFailedIndexes"}
	case batchv1.JobReasonFailedIndexes:
		f.Summary = "indexes of the Job failed"
		f.Do = "Fix what the pods of these indexes died of, or raise backoffLimitPerIndex."
		f.Field = []string{"Job", "spec", "backoffLimitPerIndex"}
	default:
		f.Summary = "the Job has failed"
		f.Do = "The words above are the Job's own."
	}
	d.Finding = f
	x.add(d)
}

// ranUntilDeadline says whether the Job's pods ever ran: a deadline that hits a
// job still waiting for a node is another problem than a slow program.
func (x *examiner) ranUntilDeadline(j *batchv1.Job) string {
	seen := false
	for i := range x.e.Pods {
		p := &x.e.Pods[i]
		if x.jobOf(p) != j {
			continue
		}
		seen = true
		for _, s := range p.Status.ContainerStatuses {
			if s.State.Running != nil || s.State.Terminated != nil || s.LastTerminationState.Terminated != nil {
				return ""
			}
		}
	}
	if seen {
		return "None of its containers had started by then."
	}
	return ""
}

// lastWords returns what events still tell of pods that are gone.
func (x *examiner) lastWords(j *batchv1.Job) string {
	var newest *corev1.Event
	for i := range x.e.Events {
		ev := &x.e.Events[i]
		if ev.Type != corev1.EventTypeWarning || ev.InvolvedObject.Kind != "Pod" || ev.InvolvedObject.Namespace != j.Namespace ||
			!strings.HasPrefix(ev.InvolvedObject.Name, j.Name+"-") {
			continue
		}
		if newest == nil || lastSeen(ev).After(lastSeen(newest)) {
			newest = ev
		}
	}
	if newest == nil {
		return ""
	}
	return quote(message(newest))
}

func (x *examiner) jobSuspended(j *batchv1.Job) {
	f := Finding{
		Reason:   "JobSuspended",
		Subject:  jobSubject(j),
		Summary:  "the Job is suspended",
		Happened: jobSubject(j) + " is suspended, so it has no pods.",
		Do:       "Set suspend = false to start it.",
		Field:    []string{"Job", "spec", "suspend"},
	}
	if q := j.Labels[queueLabel]; q != "" {
		if x.queues {
			return // said by its Workload
		}
		f.Summary = "the Job waits in queue " + q
		f.Happened = fmt.Sprintf("%s is held back by queue %s until its quota has room. Waiting in a queue is normal.", f.Subject, q)
		f.Do = fmt.Sprintf("Wait longer, or see what is ahead of it: kubectl get workloads -n %s", j.Namespace)
		f.Field = nil
	}
	x.add(draft{rank: rankWaiting, key: "suspended/" + j.Name, when: x.e.Now, Finding: f})
}

// idle reports a Job to which nothing has happened at all.
func (x *examiner) idle(j *batchv1.Job) {
	if len(x.e.Pods) > 0 || x.e.Now.Sub(j.CreationTimestamp.Time) < idleGrace || j.Status.Succeeded > 0 || j.Status.Failed > 0 {
		return
	}
	if ptr.Deref(j.Spec.Parallelism, 1) == 0 {
		x.add(draft{rank: rankWaiting, key: "zero/" + j.Name, when: x.e.Now, Finding: Finding{
			Reason: "NoParallelism", Subject: jobSubject(j), Summary: "the Job asks for no pods",
			Happened: jobSubject(j) + " has parallelism 0, so no pod is made.",
			Do:       "Set parallelism to 1 or more.",
			Field:    []string{"Job", "spec", "parallelism"},
		}})
		return
	}
	f := Finding{
		Reason:   "NoPods",
		Subject:  jobSubject(j),
		Summary:  "no pod has been made for the Job",
		Happened: fmt.Sprintf("%s was made %s ago and has neither pods, conditions nor warnings: its controller has not acted on it.", jobSubject(j), span(x.e.Now.Sub(j.CreationTimestamp.Time))),
		Do:       "See whether kube-controller-manager runs, and whether pods of a former Job of this name are still there.",
	}
	if ev := newestWarning(x.events.of("Job", j)); ev != nil {
		f.Happened = fmt.Sprintf("%s was made %s ago and has no pods.", jobSubject(j), span(x.e.Now.Sub(j.CreationTimestamp.Time)))
		f.Reason, f.Why, f.Do = ev.Reason, quote(message(ev)), "The words are those of the Job's controller; change what it objects to."
	} else if by := ptr.Deref(j.Spec.ManagedBy, ""); by != "" && by != batchv1.JobControllerName {
		f.Happened = fmt.Sprintf("%s has no pods: it is left to the controller %s, which has not acted on it.", jobSubject(j), by)
		f.Do = "See whether that controller is installed and runs."
		f.Field = []string{"Job", "spec", "managedBy"}
	}
	x.add(draft{rank: rankWaiting, key: "idle/" + j.Name, when: x.e.Now, Finding: f})
}
