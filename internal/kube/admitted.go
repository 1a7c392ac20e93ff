package kube

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
)

// What admission and the scheduler put into a pod that nobody declared
// (Kubernetes, plugin/pkg/admission/{serviceaccount,defaulttolerationseconds,priority}).
const (
	// tokenVolume begins the name of the volume with the service account's token.
	tokenVolume = "kube-api-access-"
	// tokenPath is where that volume is mounted.
	tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"
	// evictAfter is how long a pod stays on a node that does not answer.
	evictAfter = 300
)

// unwell are the taints of nodes that every pod tolerates for a while.
var unwell = []string{"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}

// Declared returns a live object without what the cluster itself put into its
// spec and wanted does not say: the token, tolerations, priority and node of a
// pod, and the tolerations that a queue adds to a pod template. Without a wanted
// object the requests that follow limits are left out too. LeaderWorkerSets and
// InferenceServices get those that their pods get. Others are returned as they are.
func Declared(live, wanted map[string]any) map[string]any {
	if kind, _ := live["kind"].(string); templateIn[kind] != "" {
		return asPodsGetIt(live, templateIn[kind])
	}
	if live["kind"] != Pod.Kind || live["apiVersion"] != Pod.APIVersion() {
		return asQueued(live, wanted)
	}
	spec, ok := live["spec"].(map[string]any)
	if !ok {
		return live
	}
	said, _ := wanted["spec"].(map[string]any)
	slim := make(map[string]any, len(spec))
	for field, v := range spec {
		if _, named := said[field]; named || !assigned(field, v, spec) {
			slim[field] = v
		}
	}
	set := func(field string, list []any) {
		if len(list) == 0 {
			delete(slim, field)
			return
		}
		slim[field] = list
	}
	if tolerations, ok := spec["tolerations"].([]any); ok {
		set("tolerations", without(tolerations, said["tolerations"], toleratesUnwell))
	}
	if volumes, ok := spec["volumes"].([]any); ok {
		set("volumes", without(volumes, said["volumes"], isTokenVolume))
	}
	for _, field := range []string{"containers", "initContainers"} {
		if containers, ok := spec[field].([]any); ok {
			slim[field] = withoutTokens(containers)
		}
	}
	out := make(map[string]any, len(live))
	for k, v := range live {
		out[k] = v
	}
	out["spec"] = slim
	if wanted == nil {
		out["spec"] = withoutFollowers(slim)
	}
	return out
}

// assigned reports whether a field of a pod is what the cluster gives to all
// pods, or follows from another.
func assigned(field string, v any, spec map[string]any) bool {
	switch field {
	case "nodeName", "priority", "ephemeralContainers":
		return true
	case "preemptionPolicy":
		return v == "PreemptLowerPriority" || spec["priorityClassName"] != nil
	case "serviceAccountName":
		return v == "default"
	case "serviceAccount":
		return true // the old name of serviceAccountName
	case "overhead":
		return spec["runtimeClassName"] != nil
	}
	return false
}

// without leaves out the elements of a list that the cluster added, unless
// wanted has them too.
func without(live []any, wanted any, added func(map[string]any) bool) []any {
	list, _ := wanted.([]any)
	return slices.DeleteFunc(slices.Clone(live), func(e any) bool {
		m, ok := e.(map[string]any)
		return ok && added(m) && !slices.ContainsFunc(list, func(w any) bool { return Same(w, e) })
	})
}

func toleratesUnwell(t map[string]any) bool {
	key, _ := t["key"].(string)
	return slices.Contains(unwell, key) && t["operator"] == "Exists" && t["effect"] == "NoExecute" && isNumberPair(int64(evictAfter), t["tolerationSeconds"])
}

func isTokenVolume(v map[string]any) bool {
	name, _ := v["name"].(string)
	return strings.HasPrefix(name, tokenVolume) && v["projected"] != nil
}

// withoutTokens leaves out the mounts of the token.
func withoutTokens(containers []any) []any {
	out := make([]any, len(containers))
	for i, e := range containers {
		c, ok := runtime.DeepCopyJSONValue(e).(map[string]any)
		out[i] = e
		mounts, has := c["volumeMounts"].([]any)
		if !ok || !has {
			continue
		}
		left := slices.DeleteFunc(mounts, func(e any) bool {
			m, _ := e.(map[string]any)
			name, _ := m["name"].(string)
			return strings.HasPrefix(name, tokenVolume) && m["mountPath"] == tokenPath
		})
		if len(left) == 0 {
			delete(c, "volumeMounts")
		} else {
			c["volumeMounts"] = left
		}
		out[i] = c
	}
	return out
}
