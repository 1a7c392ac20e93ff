package kube

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Template is a pod template of an object.
type Template struct {
	// Of says which of several it is: "leader"; "" where there is but one.
	Of string
	corev1.PodTemplateSpec
}

// templates lists, by kind, where the one pod template of an object is.
var templates = map[Kind][]string{
	Pod:         {},
	Job:         {"spec", "template"},
	CronJob:     {"spec", "jobTemplate", "spec", "template"},
	DaemonSet:   {"spec", "template"},
	Deployment:  {"spec", "template"},
	StatefulSet: {"spec", "template"},
}

// Templates are the pod templates of an object of a kind, what a pod itself is
// included; none for those that make no pods, or leave to others what they are.
func Templates(k Kind, o *Object) []Template {
	var out []Template
	add := func(of string, at ...string) {
		v, ok := At(o.Object, at...)
		if len(at) == 0 {
			v, ok = o.Object, true
		}
		fields, isMap := v.(map[string]any)
		if !ok || !isMap {
			return
		}
		t := Template{Of: of}
		template := map[string]any{"metadata": fields["metadata"], "spec": fields["spec"]}
		if runtime.DefaultUnstructuredConverter.FromUnstructured(template, &t.PodTemplateSpec) == nil {
			out = append(out, t)
		}
	}
	switch k {
	case LeaderWorkerSet:
		at := []string{"spec", "leaderWorkerTemplate"}
		add("leader", append(slices.Clone(at), "leaderTemplate")...)
		if add("worker", append(slices.Clone(at), "workerTemplate")...); len(out) == 1 {
			out[0].Of = "" // all pods of a group are made of it
		}
	case InferenceService: // the pod is part of its predictor
		predictor, _ := At(o.Object, "spec", "predictor")
		if fields, ok := predictor.(map[string]any); ok {
			t := Template{}
			template := map[string]any{"metadata": map[string]any{"labels": fields["labels"], "annotations": fields["annotations"]}, "spec": fields}
			if runtime.DefaultUnstructuredConverter.FromUnstructured(template, &t.PodTemplateSpec) == nil {
				out = append(out, t)
			}
		}
	case JobSet:
		list, _ := At(o.Object, "spec", "replicatedJobs")
		jobs, _ := list.([]any)
		for i, j := range jobs {
			name := ""
			if job, ok := j.(map[string]any); ok && len(jobs) > 1 {
				name, _ = job["name"].(string)
			}
			add(name, "spec", "replicatedJobs", strconv.Itoa(i), "template", "spec", "template")
		}
	default:
		if at, ok := templates[k]; ok {
			add("", at...)
		}
	}
	return out
}
