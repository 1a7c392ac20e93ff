package kube

import (
	"maps"
	"slices"
)

// QueueLabel puts an object into a queue of Kueue. From then on Kueue decides when
// it runs: it suspends the object and resumes it, and while it runs its pod
// templates bear what Kueue chose for them.
const QueueLabel = "kueue.x-k8s.io/queue-name"

// Kueue's own kinds, read and never written.
var (
	QueuedWorkload = Kind{Group: "kueue.x-k8s.io", Version: "v1beta2", Kind: "Workload", Resource: "workloads", Namespaced: true}
	LocalQueue     = Kind{Group: "kueue.x-k8s.io", Version: "v1beta2", Kind: "LocalQueue", Resource: "localqueues", Namespaced: true}
)

// suspendable are the kinds that Kueue holds back by their field suspend.
var suspendable = []string{Job.Kind, "JobSet", "TrainJob"}

// WorkloadOf is the label selector of the Workload that Kueue makes for an
// object; "" for one that is in no queue.
func WorkloadOf(o *Object) string {
	if o == nil || o.GetLabels()[QueueLabel] == "" {
		return ""
	}
	return "kueue.x-k8s.io/job-uid=" + string(o.GetUID())
}

// heldByQueue reports whether a queue writes the object's field suspend.
func heldByQueue(o *Object) bool {
	return o.GetLabels()[QueueLabel] != "" && slices.Contains(suspendable, o.GetKind())
}

// withoutQueue is an object without the field that its queue writes.
func withoutQueue(o map[string]any) map[string]any {
	if !heldByQueue(&Object{Object: o}) {
		return o
	}
	spec, ok := o["spec"].(map[string]any)
	if !ok {
		return o
	}
	out, slim := maps.Clone(o), maps.Clone(spec)
	delete(slim, "suspend")
	out["spec"] = slim
	return out
}
