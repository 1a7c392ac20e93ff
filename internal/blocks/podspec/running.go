package podspec

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Active reports whether a pod may still run.
func Active(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed
}

// Runs reports whether a pod's main container runs, or ran without fault before
// anybody looked. A pod of phase Running may have but a container that crashes.
func Runs(p *corev1.Pod, main string) bool {
	switch {
	case p.Status.Phase == corev1.PodSucceeded:
		return true
	case !Active(p) || p.Status.Phase != corev1.PodRunning:
		return false
	}
	i := statusOf(p, main)
	return i >= 0 && p.Status.ContainerStatuses[i].State.Running != nil
}

// steady is how long a container must have run before its pod counts as
// running. A program that cannot start (a missing module, a wrong argument)
// ends within seconds, and each of its tries looks like a running container
// until then.
const steady = 5 * time.Second

// Lasts reports whether a pod that runs has done so for long enough to believe
// it. Clocks that disagree by more than that are not waited for.
func Lasts(p *corev1.Pod, main string, now time.Time) bool {
	i := statusOf(p, main)
	if i < 0 || p.Status.ContainerStatuses[i].State.Running == nil {
		return true // it has ended well
	}
	s := p.Status.ContainerStatuses[i]
	age := now.Sub(s.State.Running.StartedAt.Time)
	return (age >= steady || age < -steady) && (s.Started == nil || *s.Started)
}

// statusOf is the index of the container's status; -1 while it has none.
func statusOf(p *corev1.Pod, container string) int {
	return slices.IndexFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == container })
}

// Ended is how the container ended in a pod that has ended; nil otherwise.
func Ended(p *corev1.Pod, container string) *corev1.ContainerStateTerminated {
	if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
		return nil
	}
	i := statusOf(p, container)
	if i < 0 {
		return nil
	}
	return p.Status.ContainerStatuses[i].State.Terminated
}

// Main is the name of the main container.
func (m *Model) Main() string { return m.containerName() }
