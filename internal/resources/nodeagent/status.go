package nodeagent

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// The phases of status.
const (
	phasePending  = "Pending"
	phaseUpdating = "Updating"
	phaseReady    = "Ready"
	phaseIdle     = "Idle"
)

// ofRevisions selects the revisions of the DaemonSet.
func ofRevisions(m *Model, _ *kube.Object) string { return selector(m) }

// ready judges the rollout against a level of wait_for.
func ready(m *Model, seen lifecycle.Seen, level string) wait.Verdict {
	set, ds := setOf(seen.Live)
	if set == nil || ds.HasError() {
		return wait.Of(wait.Progressing, phasePending, "", "The DaemonSet does not exist yet")
	}
	v := rollout(m, set, seen)
	if set.DeletionTimestamp != nil {
		return wait.Of(wait.Failed, v.Phase, "Deleted", "The DaemonSet is being deleted")
	}
	if level == levelCreated {
		v.Outcome = wait.Done
	}
	return v
}

// rollout says on how many nodes the agent is as it should be.
func rollout(m *Model, set *appsv1.DaemonSet, seen lifecycle.Seen) wait.Verdict {
	s := set.Status
	want := s.DesiredNumberScheduled
	byHand := set.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType
	goOn := func(phase, format string, args ...any) wait.Verdict {
		return wait.Of(wait.Progressing, phase, "", fmt.Sprintf(format, args...))
	}
	switch {
	case s.ObservedGeneration < set.Generation:
		return goOn(phaseUpdating, "The controller of DaemonSets has not taken notice of it yet")
	case want == 0:
		return wait.Of(wait.Done, phaseIdle, "NoNodes", "No node matches; the agent comes with the first one that does")
	case s.UpdatedNumberScheduled < want && !byHand:
		return goOn(phaseUpdating, "%d of %d nodes have the agent of this revision, on %d it is ready", s.UpdatedNumberScheduled, want, s.NumberReady)
	case s.NumberReady < want:
		return goOn(phasePending, "The agent is ready on %d of %d nodes", s.NumberReady, want)
	case s.NumberAvailable < want:
		return goOn(phasePending, "The agent has been ready on %d of %d nodes for %d s", s.NumberAvailable, want, set.Spec.MinReadySeconds)
	case !steady(m, seen):
		return goOn(phasePending, "The pods have only just started, and there is no readiness_probe to tell whether they work")
	}
	message := ""
	if left := want - s.UpdatedNumberScheduled; left > 0 {
		message = fmt.Sprintf("On %d of %d nodes the agent is of an earlier revision until somebody deletes its pod, as update_strategy asks", left, want)
	}
	return wait.Of(wait.Done, phaseReady, "", message)
}

// steady reports whether the pods have run long enough to believe that they go on,
// where no probe asks them: one that cannot start ends within seconds, and each of
// its tries looks like one that is ready until then.
func steady(m *Model, seen lifecycle.Seen) bool {
	pod := effective(m)
	if pod.ReadinessProbe != nil {
		return true
	}
	if all, known := seen.Beside[kube.ControllerRevision.Kind]; known && newestIn(all) == "" {
		return false // the watch of the revisions has not begun to show any
	}
	for i := range seen.Pods {
		p := &seen.Pods[i]
		if podspec.Active(p) && !outdated(seen, p) && (!podspec.Runs(p, m.Main()) || !podspec.Lasts(p, m.Main(), seen.Now)) {
			return false
		}
	}
	return true
}

// outdated reports whether a pod is of an earlier revision than the newest. Until the
// newest has been seen and the controller has counted a pod of it, all are: the watch of
// the revisions may be behind that of the DaemonSet, and then the newest in sight is
// the one that an update is about to replace.
func outdated(seen lifecycle.Seen, p *corev1.Pod) bool {
	set, _ := setOf(seen.Live)
	all, known := seen.Beside[kube.ControllerRevision.Kind]
	if set == nil || !known {
		return false // without the right to see revisions, pods are all there is
	}
	if set.Status.ObservedGeneration < set.Generation || set.Status.UpdatedNumberScheduled == 0 {
		return true
	}
	return p.Labels[appsv1.ControllerRevisionHashLabelKey] != newestIn(all)
}

// newestIn is the hash of the newest revision, "" where none is in sight.
func newestIn(revisions []*kube.Object) string {
	newest, hash := int64(-1), ""
	for _, o := range revisions {
		r, err := kube.Typed[appsv1.ControllerRevision](kube.Live{"": o}, "")
		if err == nil && r != nil && r.Revision > newest {
			newest, hash = r.Revision, r.Labels[appsv1.ControllerRevisionHashLabelKey]
		}
	}
	return hash
}

// observe fills on how many nodes the agent is.
func observe(m *Model, seen lifecycle.Seen) diag.Diagnostics {
	set, ds := setOf(seen.Live)
	if set != nil {
		m.MatchingNodes = types.Int32Value(set.Status.DesiredNumberScheduled)
		m.ReadyNodes = types.Int32Value(set.Status.NumberReady)
	}
	return ds
}
