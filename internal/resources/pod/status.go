package pod

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// ready judges a pod against a level of wait_for. The phases are Kubernetes' own.
func ready(m *Model, seen lifecycle.Seen, level string) wait.Verdict {
	p, ds := podOf(seen.Live)
	if p == nil || ds.HasError() {
		return wait.Of(wait.Progressing, string(corev1.PodPending), "", "The pod does not exist yet")
	}
	v := look(m, p)
	switch {
	case level == levelCreated || p.Status.Phase == corev1.PodSucceeded:
		v.Outcome = wait.Done
	case p.Status.Phase == corev1.PodFailed:
		v.Outcome = wait.Failed
	case p.DeletionTimestamp != nil:
		v.Outcome, v.Reason, v.Message = wait.Failed, "Deleted", "The pod is being deleted before it ended"
	case level == levelScheduled && p.Spec.NodeName != "",
		level == levelRunning && podspec.Runs(p, m.Main()) && podspec.Lasts(p, m.Main(), seen.Now):
		v.Outcome = wait.Done
	}
	return v
}

// look gives the phase of a pod and what keeps it there.
func look(m *Model, p *corev1.Pod) wait.Verdict {
	v := wait.Of(wait.Progressing, string(p.Status.Phase), p.Status.Reason, p.Status.Message)
	if v.Phase == "" {
		v.Phase = string(corev1.PodPending)
	}
	if v.Message != "" {
		return v
	}
	switch end := podspec.Ended(p, m.Main()); {
	case end != nil && end.ExitCode == 0 && p.Status.Phase == corev1.PodSucceeded:
		return v
	case end != nil:
		v.Reason, v.Message = end.Reason, fmt.Sprintf("Container %s ended with exit code %d", m.Main(), end.ExitCode)
	case podspec.Runs(p, m.Main()):
		v.Message = fmt.Sprintf("Container %s is running", m.Main())
	default:
		v.Reason, v.Message = pending(p)
	}
	return v
}

// pending says what a pod that does not run waits for.
func pending(p *corev1.Pod) (reason, message string) {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason, "The pod is not scheduled: " + c.Message
		}
	}
	for _, s := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
		if w := s.State.Waiting; w != nil && w.Reason != "" {
			return w.Reason, fmt.Sprintf("Container %s waits", s.Name)
		}
	}
	if p.Spec.NodeName == "" {
		return "", "The pod waits for a node"
	}
	return "", "The pod is starting on node " + p.Spec.NodeName
}

// waits reports whether an update has something to wait for: a pod does not
// start again for a new label.
func waits(prior, wanted *Model) bool {
	return prior.WaitFor.ValueString() != wanted.WaitFor.ValueString()
}
