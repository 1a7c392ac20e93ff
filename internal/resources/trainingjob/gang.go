package trainingjob

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// resultType is the type of what one rank reported.
var resultType = types.MapType{ElemType: types.StringType}

// rankZero is the rank that speaks for the run.
const rankZero = 0

// rankLauncher is that of the pod that starts an MPI program where it is in a Job
// of its own: it comes before the others.
const rankLauncher = -1

// rank is the number of a pod of an indexed Job; false for other pods.
func rank(p *corev1.Pod) (int, bool) {
	if p.Labels[kube.ReplicatedJobLabel] == launcherJob {
		return rankLauncher, true
	}
	text, ok := p.Annotations[batchv1.JobCompletionIndexAnnotation]
	if !ok {
		text = p.Labels[batchv1.JobCompletionIndexAnnotation]
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// ranks are the ranks of the pods of which is is true.
func ranks(pods []*corev1.Pod, is func(*corev1.Pod) bool) map[int]bool {
	out := map[int]bool{}
	for _, p := range pods {
		if n, ok := rank(p); ok && is(p) {
			out[n] = true
		}
	}
	return out
}

// needed is how many ranks have to run before the run does.
func (m *Model) needed() int {
	if !m.Distributed.MinNodes.IsNull() {
		return int(m.Distributed.MinNodes.ValueInt32())
	}
	return int(m.Distributed.Nodes.ValueInt32())
}

// readyGang judges the ranks of an unfinished run against a level.
func readyGang(m *Model, job *batchv1.Job, pods []*corev1.Pod, level string, now time.Time) bool {
	done := int(job.Status.Succeeded) - len(ranks(pods, succeeded))
	count := func(is func(*corev1.Pod) bool) int { return max(done, 0) + len(ranks(pods, is)) }
	switch level {
	case levelScheduled:
		return count(func(p *corev1.Pod) bool { return succeeded(p) || scheduled(p) }) >= m.needed()
	case levelRunning:
		if ready := job.Status.Ready; len(pods) == 0 && ready != nil { // who may not see pods
			return int(*ready+job.Status.Succeeded) >= m.needed()
		}
		main := mainContainer(m)
		return count(func(p *corev1.Pod) bool { return podspec.Runs(p, main) && podspec.Lasts(p, main, now) }) >= m.needed()
	}
	return false
}

func succeeded(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodSucceeded }

// lookGang gives the phase of an unfinished gang whose Job says nothing yet.
func lookGang(m *Model, job *batchv1.Job, pods []*corev1.Pod) wait.Verdict {
	main := mainContainer(m)
	running := ranks(pods, func(p *corev1.Pod) bool { return podspec.Runs(p, main) })
	n := len(running) + max(int(job.Status.Succeeded)-len(ranks(pods, succeeded)), 0)
	if ready := job.Status.Ready; len(pods) == 0 && ready != nil {
		n = int(*ready + job.Status.Succeeded)
	}
	size := int(m.Distributed.Nodes.ValueInt32())
	text := fmt.Sprintf("%d of %d ranks are running%s", n, size, tries(job))
	if n >= m.needed() {
		return wait.Of(wait.Progressing, phaseRunning, "", text)
	}
	v := wait.Of(wait.Progressing, phasePending, "", text)
	for _, p := range inRanks(pods) {
		if c := podCondition(p, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionFalse && podspec.Active(p) {
			r, _ := rank(p)
			v.Reason, v.Message = c.Reason, fmt.Sprintf("%s. Rank %d (pod %s) is not scheduled: %s", text, r, p.Name, c.Message)
			return v
		}
	}
	return v
}

// inRanks are the pods in the order of their ranks.
func inRanks(pods []*corev1.Pod) []*corev1.Pod {
	return slices.SortedStableFunc(slices.Values(pods), func(a, b *corev1.Pod) int {
		x, _ := rank(a)
		y, _ := rank(b)
		return x - y
	})
}

// renew names the pods that go when another rank has failed, so that all start
// together: those that began before it ended. What the Job has given up it ends
// by itself.
func renew(m *Model, seen lifecycle.Seen) []string {
	if !m.Distributed.RestartsAll() {
		return nil
	}
	job, err := runOf(seen.Live, seen.Beside[kube.Job.Kind])
	if err != nil || job == nil || job.DeletionTimestamp != nil {
		return nil
	}
	for _, t := range []batchv1.JobConditionType{batchv1.JobFailed, batchv1.JobFailureTarget, batchv1.JobComplete, batchv1.JobSuccessCriteriaMet} {
		if condition(job, t) != nil {
			return nil
		}
	}
	pods := podsOf(job, seen.Pods)
	var failed time.Time
	for _, p := range pods {
		if at := failedAt(p); at.After(failed) {
			failed = at
		}
	}
	var out []string
	for _, p := range pods {
		if podspec.Active(p) && !failed.IsZero() && !p.CreationTimestamp.After(failed) {
			out = append(out, p.Name)
		}
	}
	slices.Sort(out)
	return out
}

// failedAt is when a pod failed by its own doing; zero when it has not.
func failedAt(p *corev1.Pod) time.Time {
	if p.Status.Phase != corev1.PodFailed {
		return time.Time{}
	}
	if c := podCondition(p, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue {
		return time.Time{}
	}
	at := p.CreationTimestamp.Time
	for _, s := range p.Status.ContainerStatuses {
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 && t.FinishedAt.After(at) {
			at = t.FinishedAt.Time
		}
	}
	return at
}

// reports returns what each rank that succeeded reported, added to what is known.
func reports(main string, pods []*corev1.Pod, known types.Map) types.Map {
	byRank := map[int][]*corev1.Pod{}
	for _, p := range pods {
		if n, ok := rank(p); ok {
			byRank[n] = append(byRank[n], p)
		}
	}
	out := map[string]attr.Value{}
	for k, v := range known.Elements() {
		out[k] = v
	}
	for n, of := range byRank {
		if r, ok := reported(main, of); ok {
			out[strconv.Itoa(max(n, rankZero))] = r // that of a launcher is rank 0 to its program
		}
	}
	if len(out) == 0 {
		return types.MapNull(resultType)
	}
	return types.MapValueMust(resultType, out)
}

// zero are the pods that speak for a run: of those with numbers, rank 0.
func zero(job *batchv1.Job, pods []*corev1.Pod) []*corev1.Pod {
	if mode := job.Spec.CompletionMode; mode == nil || *mode != batchv1.IndexedCompletion {
		return pods
	}
	first := rankZero
	if slices.ContainsFunc(pods, func(p *corev1.Pod) bool { n, ok := rank(p); return ok && n == rankLauncher }) {
		first = rankLauncher
	}
	return slices.DeleteFunc(slices.Clone(pods), func(p *corev1.Pod) bool {
		n, ok := rank(p)
		return !ok || n != first
	})
}
