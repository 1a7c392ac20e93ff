package trainingjob

import (
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/report"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// The phases of a run. phaseUnknown is that of a run nobody saw finish.
const (
	phasePending   = "Pending"
	phaseRunning   = "Running"
	phaseQueued    = "Queued"
	phaseSuspended = "Suspended"
	phaseComplete  = "Complete"
	phaseFailed    = "Failed"
	phaseUnknown   = "Unknown"
)

// ready judges a run against a level of wait_for. FailureTarget and
// SuccessCriteriaMet are not the end: pods are still stopping.
func ready(m *Model, seen lifecycle.Seen, level string) wait.Verdict {
	job, err := runOf(seen.Live, seen.Beside[kube.Job.Kind])
	if err != nil || job == nil {
		return wait.Of(wait.Progressing, phasePending, "", "The Job does not exist yet")
	}
	if c := condition(job, batchv1.JobComplete); c != nil {
		return wait.Of(wait.Done, phaseComplete, c.Reason, c.Message)
	}
	if c := condition(job, batchv1.JobFailed); c != nil {
		if level == levelCreated {
			return wait.Of(wait.Done, phaseFailed, c.Reason, c.Message)
		}
		return wait.Of(wait.Failed, phaseFailed, c.Reason, c.Message)
	}
	pods := podsOf(job, seen.Pods)
	v := look(m, job, pods)
	if v.Phase == phaseSuspended && queued(job) {
		v = inQueue(job, seen)
	}
	switch {
	case level == levelCreated:
		v.Outcome = wait.Done
	case condition(job, batchv1.JobFailureTarget) != nil:
		// Failed follows, with the same reason.
	case job.DeletionTimestamp != nil:
		// Only an unfinished run gets here: the TTL is not what deletes it.
		v.Outcome, v.Reason, v.Message = wait.Failed, "Deleted", "The Job is being deleted before it finished"
	case v.Phase == phaseSuspended && m.Suspend.ValueBool():
		v.Outcome, v.Message = wait.Done, "Suspended as configured"
	case level == levelAdmitted && v.Phase != phaseSuspended && v.Phase != phaseQueued:
		v.Outcome = wait.Done
	case m.Distributed != nil:
		if readyGang(m, job, pods, level, seen.Now) {
			v.Outcome = wait.Done
		}
	case level == levelScheduled && (v.Phase == phaseRunning || slices.ContainsFunc(pods, scheduled)),
		level == levelRunning && v.Phase == phaseRunning && lasts(m, pods, seen.Now):
		v.Outcome = wait.Done
	}
	return v
}

// waits reports whether an update has something to wait for: a run does not
// start again for a new label or TTL, and may be queued for days.
func waits(prior, wanted *Model) bool {
	if a, b := prior.Distributed, wanted.Distributed; a != nil && b != nil && !a.Nodes.Equal(b.Nodes) {
		return true // the new ranks have to start
	}
	return prior.Suspend.ValueBool() != wanted.Suspend.ValueBool() || prior.WaitFor.ValueString() != wanted.WaitFor.ValueString()
}

// look gives the phase of an unfinished run.
func look(m *Model, job *batchv1.Job, pods []*corev1.Pod) wait.Verdict {
	if s := job.Spec.Suspend; s != nil && *s {
		return wait.Of(wait.Progressing, phaseSuspended, "JobSuspended", "The Job is suspended, by a queue or by somebody")
	}
	if c := condition(job, batchv1.JobFailureTarget); c != nil {
		return wait.Of(wait.Progressing, phaseRunning, c.Reason, "The run has failed; its pods are being stopped: "+c.Message)
	}
	if c := condition(job, batchv1.JobSuccessCriteriaMet); c != nil {
		return wait.Of(wait.Progressing, phaseRunning, c.Reason, "The run has succeeded; its pods are being stopped")
	}
	if m.Distributed != nil {
		return lookGang(m, job, pods)
	}
	for _, p := range pods {
		if podspec.Runs(p, mainContainer(m)) {
			return wait.Of(wait.Progressing, phaseRunning, "", fmt.Sprintf("Pod %s is running%s", p.Name, tries(job)))
		}
	}
	// The Job's own count lags behind its pods: it serves who may not see them.
	if ready := job.Status.Ready; ready != nil && *ready > 0 && len(pods) == 0 {
		return wait.Of(wait.Progressing, phaseRunning, "", "A pod is running"+tries(job))
	}
	for _, p := range pods {
		if c := podCondition(p, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionFalse && podspec.Active(p) {
			return wait.Of(wait.Progressing, phasePending, c.Reason, fmt.Sprintf("Pod %s is not scheduled: %s", p.Name, c.Message))
		}
	}
	if i := slices.IndexFunc(pods, podspec.Active); i >= 0 {
		return wait.Of(wait.Progressing, phasePending, "", fmt.Sprintf("Pod %s is starting%s", pods[i].Name, tries(job)))
	}
	if job.Status.Active > 0 {
		return wait.Of(wait.Progressing, phasePending, "", "A pod is starting"+tries(job))
	}
	return wait.Of(wait.Progressing, phasePending, "", "No pod of the run exists yet"+tries(job))
}

// queued reports whether a queue decides when the run starts.
func queued(job *batchv1.Job) bool { return job.Labels[podspec.QueueLabel] != "" }

// inQueue is the verdict on a run that its queue holds back: in the queue's own
// words where it has said something.
func inQueue(job *batchv1.Job, seen lifecycle.Seen) wait.Verdict {
	reason, message := seen.Queued()
	if message == "" {
		message = "It waits in queue " + job.Labels[podspec.QueueLabel]
	}
	return wait.Of(wait.Progressing, phaseQueued, reason, message)
}

func tries(job *batchv1.Job) string {
	switch n := job.Status.Failed; n {
	case 0:
		return ""
	case 1:
		return "; 1 pod has failed before"
	default:
		return fmt.Sprintf("; %d pods have failed before", n)
	}
}

func condition(job *batchv1.Job, t batchv1.JobConditionType) *batchv1.JobCondition {
	for i, c := range job.Status.Conditions {
		if c.Type == t && c.Status == corev1.ConditionTrue {
			return &job.Status.Conditions[i]
		}
	}
	return nil
}

func podCondition(p *corev1.Pod, t corev1.PodConditionType) *corev1.PodCondition {
	for i, c := range p.Status.Conditions {
		if c.Type == t {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

// podsOf keeps the pods of this very Job: an earlier one of the same name may
// have left some.
func podsOf(job *batchv1.Job, pods []corev1.Pod) []*corev1.Pod {
	var out []*corev1.Pod
	for i := range pods {
		if job.Kind == kube.TrainJob.Kind {
			// Of its JobSet, which has its name; initializers are no ranks.
			l := pods[i].Labels
			if l[kube.JobSetNameLabel] == job.Name && (l[kube.ReplicatedJobLabel] == kube.TrainerNode || l[kube.ReplicatedJobLabel] == launcherJob) {
				out = append(out, &pods[i])
			}
			continue
		}
		owner := metav1.GetControllerOf(&pods[i])
		if owner == nil || owner.UID == job.UID || pods[i].Labels[kube.JobSetUIDLabel] == string(job.UID) {
			out = append(out, &pods[i])
		}
	}
	return out
}

func scheduled(p *corev1.Pod) bool {
	c := podCondition(p, corev1.PodScheduled)
	return podspec.Active(p) && (p.Spec.NodeName != "" || c != nil && c.Status == corev1.ConditionTrue)
}

// lasts reports whether the run has been running for long enough to believe it.
func lasts(m *Model, pods []*corev1.Pod, now time.Time) bool {
	known := false
	for _, p := range pods {
		if podspec.Runs(p, mainContainer(m)) {
			known = true
			if podspec.Lasts(p, mainContainer(m), now) {
				return true
			}
		}
	}
	return !known
}

// mainContainer is the container that trains.
func mainContainer(m *Model) string {
	switch {
	case m.kubeflow():
		return kube.TrainerNode
	case m.ContainerName.IsNull():
		return podspec.DefaultContainer
	}
	return m.ContainerName.ValueString()
}

// observe fills times and result. What the cluster no longer shows, because
// the Job or its pod was collected, keeps its value.
func observe(m *Model, seen lifecycle.Seen) diag.Diagnostics {
	if m.Result.IsNull() || m.Result.IsUnknown() {
		m.Result = types.MapNull(types.StringType)
	}
	if m.Results.IsNull() || m.Results.IsUnknown() {
		m.Results = types.MapNull(resultType)
	}
	job, err := runOf(seen.Live, seen.Beside[kube.Job.Kind])
	if err != nil || job == nil {
		return undecodable(err)
	}
	if t := job.Status.StartTime; t != nil {
		m.StartTime = moment(t)
	}
	if t := job.Status.CompletionTime; t != nil {
		m.CompletionTime = moment(t)
	}
	pods := podsOf(job, seen.Pods)
	if r, ok := reported(mainContainer(m), zero(job, pods)); ok {
		m.Result = r
	}
	m.Results = reports(mainContainer(m), pods, m.Results)
	return nil
}

func moment(t *metav1.Time) types.String { return types.StringValue(t.UTC().Format(time.RFC3339)) }

// reported returns what the newest pod that succeeded reported.
func reported(main string, pods []*corev1.Pod) (types.Map, bool) {
	var newest *corev1.ContainerStateTerminated
	for _, p := range pods {
		if p.Status.Phase != corev1.PodSucceeded {
			continue
		}
		for _, s := range p.Status.ContainerStatuses {
			t := s.State.Terminated
			if s.Name == main && t != nil && (newest == nil || t.FinishedAt.After(newest.FinishedAt.Time)) {
				newest = t
			}
		}
	}
	if newest == nil {
		return types.Map{}, false
	}
	return report.Parse(newest.Message)
}
