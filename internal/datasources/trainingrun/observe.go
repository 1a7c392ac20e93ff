package trainingrun

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podresource "k8s.io/component-helpers/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/report"
	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// The phases of a run.
const (
	phasePending   = "Pending"
	phaseRunning   = "Running"
	phaseSuspended = "Suspended"
	phaseComplete  = "Complete"
	phaseFailed    = "Failed"
)

// The outcomes of a run.
const (
	outcomeSucceeded = "succeeded"
	outcomeFailed    = "failed"
)

// observe fills the model from the Job of the run and its pods.
func observe(m *Model, job *batchv1.Job, pods []*corev1.Pod, now time.Time) {
	m.ID = types.StringValue(job.Namespace + "/" + runOf(job))
	m.RunName = types.StringValue(runOf(job))
	m.StartTime = moment(job.Status.StartTime)
	m.Outcome, m.FinishTime = types.StringNull(), types.StringNull()
	if c := condition(job, batchv1.JobComplete); c != nil {
		m.Outcome, m.FinishTime = types.StringValue(outcomeSucceeded), moment(&c.LastTransitionTime)
	}
	if c := condition(job, batchv1.JobFailed); c != nil {
		m.Outcome, m.FinishTime = types.StringValue(outcomeFailed), moment(&c.LastTransitionTime)
	}
	m.Pods = []Pod{}
	total := 0.0
	for _, p := range pods {
		seen := podOf(p, now)
		total += hours(p, now)
		m.Pods = append(m.Pods, seen)
	}
	m.GPUHours = types.Float64Value(thousandths(total))
	m.Indexes = indexesOf(job, pods)
	m.Result = resultOf(pods)
	if len(m.Indexes) > 0 {
		m.Result = m.Indexes[0].Result
	}
}

// own keeps the pods of this very Job, by index and age: an earlier Job of the
// same name may have left some.
func own(job *batchv1.Job, pods []corev1.Pod) []*corev1.Pod {
	var out []*corev1.Pod
	for i := range pods {
		if owner := metav1.GetControllerOf(&pods[i]); owner == nil || owner.UID == job.UID {
			out = append(out, &pods[i])
		}
	}
	slices.SortFunc(out, func(a, b *corev1.Pod) int {
		if c := cmp.Compare(indexOf(a), indexOf(b)); c != 0 {
			return c
		}
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return out
}

// judge gives the phase of the run, as mlk_training_job does.
func judge(job *batchv1.Job, pods []*corev1.Pod) wait.Verdict {
	if c := condition(job, batchv1.JobComplete); c != nil {
		return wait.Of(wait.Done, phaseComplete, c.Reason, c.Message)
	}
	if c := condition(job, batchv1.JobFailed); c != nil {
		return wait.Of(wait.Failed, phaseFailed, c.Reason, c.Message)
	}
	if s := job.Spec.Suspend; s != nil && *s {
		return wait.Of(wait.Progressing, phaseSuspended, "JobSuspended", "The Job is suspended, by a queue or by somebody")
	}
	if c := condition(job, batchv1.JobFailureTarget); c != nil {
		return wait.Of(wait.Progressing, phaseRunning, c.Reason, "The run has failed; its pods are being stopped")
	}
	if c := condition(job, batchv1.JobSuccessCriteriaMet); c != nil {
		return wait.Of(wait.Progressing, phaseRunning, c.Reason, "The run has succeeded; its pods are being stopped")
	}
	running, waiting := 0, (*corev1.PodCondition)(nil)
	for _, p := range pods {
		if p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil {
			running++
		}
		if c := unscheduled(p); c != nil {
			waiting = c
		}
	}
	wanted := 1
	if n := job.Spec.Parallelism; n != nil {
		wanted = int(*n)
	}
	progress := fmt.Sprintf("%d of %d pods are running", running, wanted)
	if wanted == 1 && running == 1 {
		progress = "The pod is running"
	}
	switch {
	case running > 0 && waiting != nil:
		return wait.Of(wait.Progressing, phaseRunning, waiting.Reason, progress+"; the others are not scheduled: "+waiting.Message)
	case running > 0:
		return wait.Of(wait.Progressing, phaseRunning, "", progress)
	case waiting != nil:
		return wait.Of(wait.Progressing, phasePending, waiting.Reason, "No pod is scheduled: "+waiting.Message)
	}
	return wait.Of(wait.Progressing, phasePending, "", "No pod is running yet")
}

func condition(job *batchv1.Job, t batchv1.JobConditionType) *batchv1.JobCondition {
	for i, c := range job.Status.Conditions {
		if c.Type == t && c.Status == corev1.ConditionTrue {
			return &job.Status.Conditions[i]
		}
	}
	return nil
}

// unscheduled is the scheduler's word on a pod that it cannot place.
func unscheduled(p *corev1.Pod) *corev1.PodCondition {
	if p.Status.Phase != corev1.PodPending || p.DeletionTimestamp != nil {
		return nil
	}
	for i, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

// indexesOf lists the indexes of an indexed Job; empty for another.
func indexesOf(job *batchv1.Job, pods []*corev1.Pod) []Index {
	out := []Index{}
	if mode := job.Spec.CompletionMode; mode == nil || *mode != batchv1.IndexedCompletion || job.Spec.Completions == nil {
		return out
	}
	done := numbers(job.Status.CompletedIndexes)
	failed := map[int64]bool{}
	if f := job.Status.FailedIndexes; f != nil {
		failed = numbers(*f)
	}
	byIndex := map[int64][]*corev1.Pod{}
	for _, p := range pods {
		byIndex[indexOf(p)] = append(byIndex[indexOf(p)], p)
	}
	for i := range int64(*job.Spec.Completions) {
		ix := Index{
			Index: types.Int64Value(i), State: types.StringValue(string(corev1.PodPending)),
			Pod: types.StringNull(), Node: types.StringNull(), Failures: types.Int64Value(0), Result: resultOf(byIndex[i]),
		}
		var failures int64
		for _, p := range byIndex[i] {
			if p.Status.Phase == corev1.PodFailed {
				failures++
			}
			ix.Pod, ix.Node = types.StringValue(p.Name), filled(p.Spec.NodeName)
			if p.Status.Phase == corev1.PodRunning {
				ix.State = types.StringValue(string(corev1.PodRunning))
			}
		}
		ix.Failures = types.Int64Value(failures)
		switch {
		case done[i]:
			ix.State = types.StringValue(string(corev1.PodSucceeded))
		case failed[i], condition(job, batchv1.JobFailed) != nil && failures > 0:
			ix.State = types.StringValue(string(corev1.PodFailed))
		}
		out = append(out, ix)
	}
	return out
}

// numbers reads a list of indexes as a Job's status writes it: "0-3,7".
func numbers(text string) map[int64]bool {
	out := map[int64]bool{}
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseInt(first, 10, 32)
		if err != nil {
			continue
		}
		to, err := strconv.ParseInt(last, 10, 32)
		if err != nil {
			continue
		}
		for i := from; i <= to; i++ {
			out[i] = true
		}
	}
	return out
}

// noIndex is the index of a pod that has none.
const noIndex = -1

func indexOf(p *corev1.Pod) int64 {
	text, ok := p.Annotations[batchv1.JobCompletionIndexAnnotation]
	if !ok {
		text = p.Labels[batchv1.JobCompletionIndexAnnotation]
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return noIndex
	}
	return n
}

// podOf is what is said of one pod.
func podOf(p *corev1.Pod, now time.Time) Pod {
	out := Pod{
		Name: types.StringValue(p.Name), Index: types.Int64Null(), Node: filled(p.Spec.NodeName),
		Phase: filled(string(p.Status.Phase)), Reason: filled(p.Status.Reason), ExitCode: types.Int64Null(),
		Restarts: types.Int64Value(0), StartTime: moment(p.Status.StartTime), FinishTime: moment(finished(p)),
		GPUs: types.Int64Value(gpus(p)), GPUHours: types.Float64Value(thousandths(hours(p, now))), Log: types.StringNull(),
	}
	if i := indexOf(p); i != noIndex {
		out.Index = types.Int64Value(i)
	}
	reason := p.Status.Reason
	if c := unscheduled(p); c != nil {
		reason = c.Reason
	}
	if s := first(p); s != nil {
		out.Restarts = types.Int64Value(int64(s.RestartCount))
		if t := s.State.Terminated; t != nil {
			out.ExitCode = types.Int64Value(int64(t.ExitCode))
			if reason == "" && t.Reason != "Completed" {
				reason = t.Reason
			}
		}
		if w := s.State.Waiting; w != nil && reason == "" {
			reason = w.Reason
		}
	}
	out.Reason = filled(reason)
	return out
}

// first is the status of the pod's first container: the one that trains.
func first(p *corev1.Pod) *corev1.ContainerStatus {
	if len(p.Spec.Containers) == 0 {
		return nil
	}
	i := slices.IndexFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == p.Spec.Containers[0].Name })
	if i < 0 {
		return nil
	}
	return &p.Status.ContainerStatuses[i]
}

// resultOf is what the newest of the pods that succeeded reported.
func resultOf(pods []*corev1.Pod) types.Map {
	for _, p := range slices.Backward(pods) {
		s := first(p)
		if p.Status.Phase != corev1.PodSucceeded || s == nil || s.State.Terminated == nil {
			continue
		}
		if r, ok := report.Parse(s.State.Terminated.Message); ok {
			return r
		}
	}
	return types.MapNull(types.StringType)
}

// gpus is how many accelerators a pod asks for.
func gpus(p *corev1.Pod) int64 {
	var n int64
	for r, q := range podresource.PodRequests(p, podresource.PodResourcesOptions{}) {
		if gpu.Is(r) {
			n += q.Value()
		}
	}
	return n
}

// hours is how many GPU-hours a pod has held: it holds its GPUs from when its
// node takes it until its last container has ended.
func hours(p *corev1.Pod, now time.Time) float64 {
	if p.Status.StartTime == nil {
		return 0
	}
	end := now
	if f := finished(p); f != nil {
		end = f.Time
	}
	return float64(gpus(p)) * max(end.Sub(p.Status.StartTime.Time).Hours(), 0)
}

// finished is when the last container of a pod that has ended did; nil while it
// has not, or when nobody recorded it.
func finished(p *corev1.Pod) *metav1.Time {
	if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
		return nil
	}
	var last *metav1.Time
	for i := range p.Status.ContainerStatuses {
		if t := p.Status.ContainerStatuses[i].State.Terminated; t != nil && (last == nil || t.FinishedAt.After(last.Time)) {
			last = &t.FinishedAt
		}
	}
	if last != nil && !last.IsZero() {
		return last
	}
	// A pod that was evicted or lost with its node has no container to ask.
	for i, c := range p.Status.Conditions {
		if c.Type == corev1.DisruptionTarget || c.Type == corev1.PodReady {
			return &p.Status.Conditions[i].LastTransitionTime
		}
	}
	return p.Status.StartTime
}

func thousandths(x float64) float64 { return math.Round(x*1000) / 1000 }

func moment(t *metav1.Time) types.String {
	if t == nil || t.IsZero() {
		return types.StringNull()
	}
	return types.StringValue(t.UTC().Format(time.RFC3339))
}

func filled(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}
