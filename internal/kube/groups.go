package kube

import (
	"maps"

	"k8s.io/apimachinery/pkg/runtime"
)

// Labels by which a LeaderWorkerSet knows its pods: all of them by its name, the
// groups by their number, and within a group the leader, 0, and the workers.
const (
	GroupsNameLabel  = "leaderworkerset.sigs.k8s.io/name"
	GroupIndexLabel  = "leaderworkerset.sigs.k8s.io/group-index"
	WorkerIndexLabel = "leaderworkerset.sigs.k8s.io/worker-index"
	// GroupRevisionLabel is the hash of the templates that a pod, or a StatefulSet, was
	// made of.
	GroupRevisionLabel = "leaderworkerset.sigs.k8s.io/template-revision-hash"
)

// Annotations of a LeaderWorkerSet that say where its groups run.
const (
	// ExclusiveTopology is a label of nodes: each group has one of its values for itself.
	ExclusiveTopology = "leaderworkerset.sigs.k8s.io/exclusive-topology"
	// SubGroupExclusiveTopology is the same for subgroups.
	SubGroupExclusiveTopology = "leaderworkerset.sigs.k8s.io/subgroup-exclusive-topology"
)

// LeaderIndex is the WorkerIndexLabel of a leader.
const LeaderIndex = "0"

// GroupSetsOf is the label selector of the StatefulSets that a LeaderWorkerSet makes
// its groups of; "" for other objects.
func GroupSetsOf(o *Object) string {
	if o == nil || o.GetKind() != LeaderWorkerSet.Kind {
		return ""
	}
	return GroupsNameLabel + "=" + o.GetName()
}

// templateIn is the field below spec in which custom resources have the templates of
// their pods, by kind.
var templateIn = map[string]string{LeaderWorkerSet.Kind: "leaderWorkerTemplate", InferenceService.Kind: "predictor"}

// asPodsGetIt is a live object in which the requests of its template follow limits, as
// they do in the pods made of it: the server fills them in for pods and built-in kinds
// only.
func asPodsGetIt(live map[string]any, template string) map[string]any {
	spec, ok := live["spec"].(map[string]any)
	if !ok {
		return live
	}
	out, full := maps.Clone(live), maps.Clone(spec)
	if t, ok := spec[template].(map[string]any); ok {
		t = runtime.DeepCopyJSON(t)
		requestLimits(t)
		full[template] = t
	}
	out["spec"] = full
	return out
}

func requestLimits(v any) {
	switch x := v.(type) {
	case map[string]any:
		if limits, ok := x["limits"].(map[string]any); ok {
			requests, _ := x["requests"].(map[string]any)
			if requests == nil {
				requests = map[string]any{}
				x["requests"] = requests
			}
			for name, amount := range limits {
				if _, said := requests[name]; !said {
					requests[name] = amount
				}
			}
		}
		for _, e := range x {
			requestLimits(e)
		}
	case []any:
		for _, e := range x {
			requestLimits(e)
		}
	}
}
