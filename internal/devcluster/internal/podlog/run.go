// Package podlog says what a simulated container has logged. The text follows from the
// pod alone, so nothing has to be stored: its annotations choose the kind, its status
// gives times and end.
package podlog

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Run is one life of a container, from its start to its end.
type Run struct {
	Started time.Time
	// Ended is zero while the container runs; the other fields then say nothing.
	Ended   time.Time
	Exit    int32
	Reason  string
	Message string
}

// Find returns the run whose log is asked for, or the error that a kubelet gives. The
// rules are those of validateContainerLogStatus in k8s.io/kubernetes/pkg/kubelet.
func Find(pod *corev1.Pod, container string, previous bool) (Run, error) {
	status, ok := find(pod.Status.ContainerStatuses, container)
	if !ok {
		status, ok = find(pod.Status.InitContainerStatuses, container)
	}
	if !ok {
		return Run{}, fmt.Errorf("container %q in pod %q is not available", container, pod.Name)
	}
	last := status.LastTerminationState.Terminated
	switch state := status.State; {
	case previous && last == nil:
		return Run{}, fmt.Errorf("previous terminated container %q in pod %q not found", container, pod.Name)
	case previous:
		return over(last), nil
	case state.Running != nil:
		return Run{Started: state.Running.StartedAt.Time}, nil
	case state.Terminated != nil:
		return over(state.Terminated), nil
	case last != nil:
		return over(last), nil
	case state.Waiting != nil:
		reason := state.Waiting.Reason
		switch reason {
		case "ErrImagePull":
			reason = "image can't be pulled"
		case "ImagePullBackOff":
			reason = "trying and failing to pull image"
		}
		return Run{}, fmt.Errorf("container %q in pod %q is waiting to start: %s", container, pod.Name, reason)
	default:
		return Run{}, fmt.Errorf("container %q in pod %q is waiting to start - no logs yet", container, pod.Name)
	}
}

func find(statuses []corev1.ContainerStatus, name string) (corev1.ContainerStatus, bool) {
	for _, s := range statuses {
		if s.Name == name {
			return s, true
		}
	}
	return corev1.ContainerStatus{}, false
}

func over(t *corev1.ContainerStateTerminated) Run {
	return Run{
		Started: t.StartedAt.Time,
		Ended:   t.FinishedAt.Time,
		Exit:    t.ExitCode,
		Reason:  t.Reason,
		Message: t.Message,
	}
}
