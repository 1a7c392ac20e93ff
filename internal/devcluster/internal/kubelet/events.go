package kubelet

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/simulate"
)

// period is the default period of a readiness probe, and about how often a kubelet
// tries again to create a container.
const period = 10 * time.Second

// event is what a kubelet says about a pod or one of its containers.
type event struct {
	// container is empty for the pod itself.
	container string
	init      bool
	kind      string
	reason    string
	message   string
}

// RecordEvents writes a kubelet's events about every pod on a node until ctx ends. The
// recorder is the kubelet's own, so that repetition is counted and limited as usual.
func RecordEvents(ctx context.Context, client kubernetes.Interface) error {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})

	say := func(pod *corev1.Pod, events []event) {
		if pod.Spec.NodeName == "" || len(events) == 0 {
			return
		}
		r := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "kubelet", Host: pod.Spec.NodeName})
		for _, e := range events {
			r.Event(reference(pod, e), e.kind, e.reason, e.message)
		}
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(trim))
	pods := factory.Core().V1().Pods()
	_, err := pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) {
			if pod, ok := o.(*corev1.Pod); ok {
				say(pod, changes(&corev1.Pod{}, pod))
			}
		},
		UpdateFunc: func(before, after any) {
			old, ok1 := before.(*corev1.Pod)
			pod, ok2 := after.(*corev1.Pod)
			if ok1 && ok2 {
				say(pod, changes(old, pod))
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watch pods: %w", err)
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()

	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			for _, o := range pods.Informer().GetStore().List() {
				if pod, ok := o.(*corev1.Pod); ok {
					say(pod, repeated(pod))
				}
			}
		}
	}
}

// trim drops what events are not made from.
func trim(o any) (any, error) {
	if pod, ok := o.(*corev1.Pod); ok {
		pod.ManagedFields = nil
	}
	return o, nil
}

func reference(pod *corev1.Pod, e event) *corev1.ObjectReference {
	ref := &corev1.ObjectReference{
		APIVersion: "v1", Kind: "Pod",
		Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
	}
	switch {
	case e.container != "" && e.init:
		ref.FieldPath = fmt.Sprintf("spec.initContainers{%s}", e.container)
	case e.container != "":
		ref.FieldPath = fmt.Sprintf("spec.containers{%s}", e.container)
	}
	return ref
}

// changes returns the events that lie between two states of a pod.
func changes(old, pod *corev1.Pod) []event {
	var events []event
	for _, s := range pod.Status.InitContainerStatuses {
		events = append(events, container(pod, previously(old.Status.InitContainerStatuses, s.Name), s, true)...)
	}
	for _, s := range pod.Status.ContainerStatuses {
		events = append(events, container(pod, previously(old.Status.ContainerStatuses, s.Name), s, false)...)
	}
	if pod.Status.Reason == "Evicted" && old.Status.Reason != "Evicted" {
		events = append(events, event{kind: corev1.EventTypeWarning, reason: "Evicted", message: pod.Status.Message})
	}
	if pod.Status.Reason == "DeadlineExceeded" && old.Status.Reason != "DeadlineExceeded" {
		events = append(events, event{kind: corev1.EventTypeNormal, reason: "DeadlineExceeded", message: pod.Status.Message})
	}
	if pod.DeletionTimestamp != nil && old.DeletionTimestamp == nil {
		for _, s := range pod.Status.ContainerStatuses {
			if s.State.Running != nil {
				events = append(events, event{
					container: s.Name, kind: corev1.EventTypeNormal,
					reason: "Killing", message: "Stopping container " + s.Name,
				})
			}
		}
	}
	if unknown := simulate.Check(pod.Annotations); unknown != nil && pod.Spec.NodeName != "" && old.Spec.NodeName == "" {
		events = append(events, event{kind: corev1.EventTypeWarning, reason: "SimulationUnknown", message: unknown.Error()})
	}
	return events
}

func previously(statuses []corev1.ContainerStatus, name string) corev1.ContainerStatus {
	for _, s := range statuses {
		if s.Name == name {
			return s
		}
	}
	return corev1.ContainerStatus{}
}

// container returns the events of one container between two states.
func container(pod *corev1.Pod, old, s corev1.ContainerStatus, init bool) (events []event) {
	say := func(kind, reason, format string, args ...any) {
		events = append(events, event{container: s.Name, init: init, kind: kind, reason: reason, message: fmt.Sprintf(format, args...)})
	}
	normal, warning := corev1.EventTypeNormal, corev1.EventTypeWarning
	if s.ContainerID != "" && s.ContainerID != old.ContainerID {
		say(normal, "Pulled", "Container image %q already present on machine", s.Image)
		say(normal, "Created", "Container created")
		say(normal, "Started", "Container started")
	}
	w := s.State.Waiting
	if w == nil || old.State.Waiting != nil && old.State.Waiting.Reason == w.Reason && old.RestartCount == s.RestartCount {
		return events
	}
	switch w.Reason {
	case "ErrImagePull":
		say(normal, "Pulling", "Pulling image %q", s.Image)
		say(warning, "Failed", "Failed to pull image %q: %s", s.Image, w.Message)
		say(warning, "Failed", "Error: ErrImagePull")
	case "ImagePullBackOff":
		say(normal, "BackOff", "Back-off pulling image %q", s.Image)
		say(warning, "Failed", "Error: ImagePullBackOff")
	case "CrashLoopBackOff":
		say(warning, "BackOff", "Back-off restarting failed container %s in pod %s_%s(%s)", s.Name, pod.Name, pod.Namespace, pod.UID)
	case "InvalidImageName":
		say(warning, "InspectFailed", "Failed to apply default image tag %q: %s", s.Image, w.Message)
		say(warning, "Failed", "Error: InvalidImageName")
	case "ErrImageNeverPull":
		say(warning, "ErrImageNeverPull", "Container image %q is not present with pull policy of Never", s.Image)
		say(warning, "Failed", "Error: ErrImageNeverPull")
	case "ContainerCreating", "PodInitializing":
	default:
		if w.Message != "" {
			say(warning, "Failed", "Error: %s", w.Message)
		} else {
			say(warning, "Failed", "Error: %s", w.Reason)
		}
	}
	return events
}

// repeated returns what a kubelet says again and again while nothing changes: that a
// readiness probe fails, that a container cannot be created.
func repeated(pod *corev1.Pod) []event {
	if pod.DeletionTimestamp != nil {
		return nil
	}
	verb := simulate.Verb(pod.Annotations)
	unready := pod.Status.Phase == corev1.PodRunning && (verb == "never-ready" || verb == "slow-ready")
	var events []event
	for _, s := range pod.Status.ContainerStatuses {
		if w := s.State.Waiting; w != nil && (verb == "configerror" || verb == "waiting") {
			events = append(events, container(pod, corev1.ContainerStatus{}, s, false)...)
		}
		if unready && s.State.Running != nil && !s.Ready {
			events = append(events, event{
				container: s.Name, kind: corev1.EventTypeWarning,
				reason: "Unhealthy", message: "Readiness probe failed: HTTP probe failed with statuscode: 503",
			})
		}
	}
	return events
}
