package inferenceservice

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// The conditions of a LeaderWorkerSet.
const (
	groupsAvailable = "Available"
	groupsUpdating  = "UpdateInProgress"
)

// lookGroups says how far the rollout of groups is.
func lookGroups(m *Model, g *liveGroups, seen lifecycle.Seen) wait.Verdict {
	want, s := ptr.Deref(g.Spec.Replicas, 1), &g.Status
	if s.ObservedGeneration == nil || *s.ObservedGeneration < g.Generation {
		return wait.Of(wait.Progressing, phasePending, "", "The controller of LeaderWorkerSets has not taken notice of it yet")
	}
	told := fmt.Sprintf("%d of %d groups are ready, %d of this revision", s.ReadyReplicas, want, s.UpdatedReplicas) + unready(seen)
	complete := s.Replicas == want && meta.IsStatusConditionTrue(s.Conditions, groupsAvailable) && !meta.IsStatusConditionTrue(s.Conditions, groupsUpdating)
	switch {
	case m.Autoscaling != nil && want < m.Autoscaling.Least():
		return wait.Of(wait.Progressing, phaseProgressing, "", fmt.Sprintf("The autoscaler has not raised the number of groups from %d to its least yet, %d", want, m.Autoscaling.Least()))
	case want == 0 && s.Replicas == 0 && m.Autoscaling != nil:
		return wait.Of(wait.Done, phaseIdle, "", "The autoscaler keeps no group at the moment")
	case want == 0 && s.Replicas == 0:
		return wait.Of(wait.Done, phaseStopped, "", "The service is asked to have no groups")
	case complete && !groupsSteady(m, g, seen):
		return wait.Of(wait.Progressing, phaseProgressing, "", "The pods have only just started, and there is no readiness_probe to tell whether they serve")
	case complete && !answers(m, seen):
		return wait.Of(wait.Progressing, phaseProgressing, "NoEndpoints", "All groups are ready, and the Service leads to none of their leaders yet")
	case complete:
		reason, trouble := routeTrouble(seen.Live)
		return wait.Of(wait.Done, phaseReady, reason, fmt.Sprintf("%d of %d groups of %d pods are ready", s.ReadyReplicas, want, m.size())+trouble+scalingTrouble(seen.Live))
	}
	return wait.Of(wait.Progressing, phaseProgressing, "", told)
}

// unready names the pods that groups still wait for, as a clause; "" when all that
// were seen are ready.
func unready(seen lifecycle.Seen) string {
	const most = 3
	var names []string
	for i := range seen.Pods {
		p := &seen.Pods[i]
		if podspec.Active(p) && !podReady(p) {
			names = append(names, fmt.Sprintf("%s (group %s, %s)", p.Name, p.Labels[kube.GroupIndexLabel], place(p)))
		}
	}
	slices.Sort(names)
	switch more := len(names) - most; {
	case len(names) == 0:
		return ""
	case more > 0:
		return fmt.Sprintf("; not ready: %s and %d more", strings.Join(names[:most], ", "), more)
	}
	return "; not ready: " + strings.Join(names, ", ")
}

// place is what a pod is in its group.
func place(p *corev1.Pod) string {
	if isLeader(p) {
		return "leader"
	}
	return "worker " + p.Labels[kube.WorkerIndexLabel]
}

func podReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// groupsSteady reports whether the pods of the set have run long enough to believe
// that they go on: no probe asks the workers, and perhaps none the leaders.
func groupsSteady(m *Model, g *liveGroups, seen lifecycle.Seen) bool {
	current := int32(0)
	for i := range seen.Pods {
		p := &seen.Pods[i]
		if !podspec.Active(p) || groupOutdated(seen, p) {
			continue
		}
		leader := effective(m)
		main := leader.Main()
		if !isLeader(p) {
			worker := m.workerPod(&leader)
			main = worker.Main()
		}
		current++
		if asked := leader.ReadinessProbe != nil && (isLeader(p) || m.MultiNode.Uniform.ValueBool()); !asked && (!podspec.Runs(p, main) || !podspec.Lasts(p, main, seen.Now)) {
			return false
		}
	}
	if current > 0 || len(seen.Pods) > 0 {
		return true
	}
	// The watch of the pods is behind, or this user may not see them.
	c := meta.FindStatusCondition(g.Status.Conditions, groupsAvailable)
	age := seen.Now.Sub(c.LastTransitionTime.Time)
	return age >= lasting || age < -lasting
}

// groupRevision is the hash of the newest templates, which the StatefulSet of the
// leaders bears; "" before it was seen.
func groupRevision(seen lifecycle.Seen) string {
	g, err := groupsOf(seen.Live)
	if err != nil || g == nil || g.Status.ObservedGeneration == nil || *g.Status.ObservedGeneration < g.Generation {
		return ""
	}
	for _, o := range seen.Beside[kube.StatefulSet.Kind] {
		if by := kube.Controlled(o); o.GetName() == g.Name && by != nil && by.UID == g.UID {
			return o.GetLabels()[kube.GroupRevisionLabel]
		}
	}
	return ""
}

// groupOutdated reports whether a pod of a group is of an earlier revision. Until the
// newest has been seen, all are.
func groupOutdated(seen lifecycle.Seen, p *corev1.Pod) bool {
	if _, known := seen.Beside[kube.StatefulSet.Kind]; !known {
		return false // without the right to see them, pods are all there is
	}
	return p.Labels[kube.GroupRevisionLabel] != groupRevision(seen)
}

// groupsServing tells which groups of an earlier revision still serve after a
// rollout that failed.
func groupsServing(seen lifecycle.Seen) string {
	newest := groupRevision(seen)
	if newest == "" {
		return ""
	}
	var groups []string
	leaders := 0
	for i := range seen.Pods {
		p := &seen.Pods[i]
		if !isLeader(p) || !podspec.Active(p) || !podReady(p) {
			continue
		}
		leaders++
		if p.Labels[kube.GroupRevisionLabel] != newest {
			groups = append(groups, p.Labels[kube.GroupIndexLabel])
		}
	}
	slices.Sort(groups)
	switch {
	case len(groups) == 1:
		return fmt.Sprintf("Group %s still serves, with the revision before.", groups[0])
	case len(groups) > 1:
		return fmt.Sprintf("Groups %s still serve, with the revision before.", strings.Join(groups, ", "))
	case leaders == 0:
		return "No group serves: none has a ready leader."
	}
	return ""
}
