package kube

import (
	"maps"
	"slices"
	"strings"
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
var suspendable = []string{Job.Kind, JobSet.Kind, TrainJob.Kind}

// Labels on the Jobs and the pods of a JobSet. A TrainJob has its pods through a
// JobSet of its own name.
const (
	JobSetUIDLabel     = "jobset.sigs.k8s.io/jobset-uid"
	JobSetNameLabel    = "jobset.sigs.k8s.io/jobset-name"
	ReplicatedJobLabel = "jobset.sigs.k8s.io/replicatedjob-name"
)

// TrainerNode is what Kubeflow Trainer calls the Job and the container that train.
const TrainerNode = "node"

// JobsOf is the label selector of the Jobs that a JobSet makes, or of the one that
// trains for a TrainJob; "" for other objects.
func JobsOf(o *Object) string {
	switch {
	case o == nil:
		return ""
	case o.GetKind() == JobSet.Kind:
		return JobSetUIDLabel + "=" + string(o.GetUID())
	case o.GetKind() == TrainJob.Kind:
		return JobSetNameLabel + "=" + o.GetName() + "," + ReplicatedJobLabel + "=" + TrainerNode
	}
	return ""
}

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

// withoutQueue is an object without what its queue writes.
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
	if patches, ok := slim["runtimePatches"].([]any); ok {
		// A TrainJob is told there on which nodes its queue wants it.
		patches = slices.DeleteFunc(slices.Clone(patches), func(p any) bool {
			m, _ := p.(map[string]any)
			manager, _ := m["manager"].(string)
			return strings.HasPrefix(manager, "kueue.x-k8s.io/")
		})
		if slim["runtimePatches"] = patches; len(patches) == 0 {
			delete(slim, "runtimePatches")
		}
	}
	out["spec"] = slim
	return out
}

// asQueued is a live object as it is to be compared with wanted: without what a
// queue adds to the lists of wanted that are one value to the server, the
// tolerations of pods. What it adds to maps is nobody's field of ours anyway.
func asQueued(live, wanted map[string]any) map[string]any {
	if !heldByQueue(&Object{Object: live}) {
		return live
	}
	out, _ := withoutAdded(live, wanted).(map[string]any)
	return out
}

func withoutAdded(live, wanted any) any {
	switch l := live.(type) {
	case map[string]any:
		w, ok := wanted.(map[string]any)
		if !ok {
			return live
		}
		out := maps.Clone(l)
		for field, said := range w {
			have, has := l[field]
			if !has {
				continue
			}
			if field == "tolerations" && includes(have, said) {
				out[field] = said
				continue
			}
			out[field] = withoutAdded(have, said)
		}
		return out
	case []any:
		w, ok := wanted.([]any)
		if !ok || len(w) != len(l) {
			return live
		}
		out := make([]any, len(l))
		for i := range l {
			out[i] = withoutAdded(l[i], w[i])
		}
		return out
	}
	return live
}

// includes reports whether a list has all that another has.
func includes(have, said any) bool {
	all, ok := have.([]any)
	some, also := said.([]any)
	return ok && also && !slices.ContainsFunc(some, func(s any) bool {
		return !slices.ContainsFunc(all, func(h any) bool { return Same(h, s) })
	})
}
