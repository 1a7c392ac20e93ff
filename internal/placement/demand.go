package placement

import (
	"math"
	"regexp"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// Demand is equal pods that somebody wants to run.
type Demand struct {
	// Pod is one of them as the API server would store it, as far as placement goes.
	Pod *corev1.Pod
	// Count is how many are to run at a time, Least how many have to for any of it
	// to work: all of a gang, one of others.
	Count, Least int
	Spread       Spread
	// Word is what sentences call the pods: "rank", "replica", "group member", "pod".
	Word string
	// Field is the object's field that counts them; nil when nothing does. Template is
	// where the object says what they are.
	Field, Template []string
	// Of says whose they are, where others belong to the same: "canary"; "" else.
	// Parts is of what a demand consists that is several.
	Of, Parts string
	// Rolling is how pods of a new revision take the place of old ones.
	Rolling Rolling
}

// Rolling is how a rollout goes.
type Rolling struct {
	// Ends: the old pods end before new ones are made. Still: there are no new ones.
	Ends, Still bool
	// Surge is how many pods more than wanted may run, Unavailable how many fewer.
	Surge, Unavailable int
}

// jobSetJob is the part of a JobSet that says what its Jobs are.
type jobSetJob struct {
	Spec struct {
		ReplicatedJobs []struct {
			Name     string                  `json:"name"`
			Replicas *int32                  `json:"replicas"`
			Template batchv1.JobTemplateSpec `json:"template"`
		} `json:"replicatedJobs"`
	} `json:"spec"`
}

// DemandsOf is what an object asks for when it is applied; nil for objects that
// make no pods, and for those that are held back.
func DemandsOf(o *unstructured.Unstructured) []Demand {
	switch o.GetKind() {
	case "Pod":
		if p := as[corev1.Pod](o); p != nil {
			d := demand(o, corev1.PodTemplateSpec{ObjectMeta: p.ObjectMeta, Spec: p.Spec}, 1, 1, "pod")
			d.Template = []string{"Pod"}
			return []Demand{d}
		}
	case "Job":
		if j := as[batchv1.Job](o); j != nil && !ptr.Deref(j.Spec.Suspend, false) {
			return []Demand{ofJob(o, &j.Spec, 1, "Job", "spec")}
		}
	case "CronJob":
		if j := as[batchv1.CronJob](o); j != nil && !ptr.Deref(j.Spec.Suspend, false) {
			return []Demand{ofJob(o, &j.Spec.JobTemplate.Spec, 1, "CronJob", "spec", "jobTemplate", "spec")}
		}
	case "JobSet":
		suspended, _, _ := unstructured.NestedBool(o.Object, "spec", "suspend")
		s := as[jobSetJob](o)
		if s == nil || suspended {
			return nil
		}
		var out []Demand
		for _, r := range s.Spec.ReplicatedJobs {
			j := r.Template.Spec
			out = append(out, ofJob(o, &j, int(ptr.Deref(r.Replicas, 1)), "JobSet", "spec", "replicatedJobs", r.Name, "template", "spec"))
		}
		return out
	case "Deployment":
		if d := as[appsv1.Deployment](o); d != nil && !d.Spec.Paused {
			return []Demand{ofDeployment(o, d)}
		}
	case "InferenceService":
		if s := as[servedSet](o); s != nil {
			return []Demand{s.demand(o)}
		}
	case "LeaderWorkerSet":
		if s := as[groupSet](o); s != nil {
			return s.demands(o)
		}
	case "StatefulSet":
		if s := as[appsv1.StatefulSet](o); s != nil {
			out := demand(o, s.Spec.Template, int(ptr.Deref(s.Spec.Replicas, 1)), 1, "replica")
			out.Field, out.Rolling.Ends = []string{"StatefulSet", "spec", "replicas"}, true
			out.Template = []string{"StatefulSet", "spec", "template"}
			return []Demand{out}
		}
	}
	return nil
}

func as[T any](o *unstructured.Unstructured) *T {
	out := new(T)
	if runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, out) != nil {
		return nil
	}
	return out
}

func ofJob(o *unstructured.Unstructured, j *batchv1.JobSpec, times int, at ...string) Demand {
	count := int(ptr.Deref(j.Parallelism, 1))
	if c := j.Completions; c != nil {
		count = min(count, int(*c))
	}
	least, word := min(count, 1), "pod"
	if need := GangNeeds(j); need > 1 {
		least, word = need*times, "rank"
	}
	d := demand(o, j.Template, count*times, least, word)
	d.Field, d.Template = append(slices.Clone(at), "parallelism"), append(slices.Clone(at), "template")
	d.Spread.Together = Together(j, o.GetName())
	d.Rolling.Ends = true
	return d
}

// What Kubernetes takes where a rolling update says nothing.
var quarter = intstr.FromString("25%")

func ofDeployment(o *unstructured.Unstructured, d *appsv1.Deployment) Demand {
	count := int(ptr.Deref(d.Spec.Replicas, 1))
	out := demand(o, d.Spec.Template, count, min(count, 1), "replica")
	out.Field, out.Template = []string{"Deployment", "spec", "replicas"}, []string{"Deployment", "spec", "template"}
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		out.Rolling.Ends = true
		return out
	}
	surge, unavailable := &quarter, &quarter
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		surge, unavailable = orElse(r.MaxSurge, surge), orElse(r.MaxUnavailable, unavailable)
	}
	out.Rolling.Surge, _ = intstr.GetScaledValueFromIntOrPercent(surge, count, true)
	out.Rolling.Unavailable, _ = intstr.GetScaledValueFromIntOrPercent(unavailable, count, false)
	if out.Rolling.Surge == 0 && out.Rolling.Unavailable == 0 {
		out.Rolling.Unavailable = 1 // as the Deployment controller does
	}
	return out
}

func orElse(a, b *intstr.IntOrString) *intstr.IntOrString {
	if a != nil {
		return a
	}
	return b
}

// demand makes the pod of a template: limits without requests are requests, as
// the API server stores them.
func demand(o *unstructured.Unstructured, t corev1.PodTemplateSpec, count, least int, word string) Demand {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: o.GetNamespace(), Labels: t.Labels}, Spec: *t.Spec.DeepCopy()}
	for _, cs := range [][]corev1.Container{p.Spec.Containers, p.Spec.InitContainers} {
		for i := range cs {
			r := &cs[i].Resources
			for name, q := range r.Limits {
				if _, ok := r.Requests[name]; ok {
					continue
				}
				if r.Requests == nil {
					r.Requests = corev1.ResourceList{}
				}
				r.Requests[name] = q
			}
		}
	}
	return Demand{Pod: p, Count: count, Least: least, Word: word, Spread: Spread{Apart: apart(p)}}
}

// GangOf is the demand of the pods of a Job that need each other, p being one of
// them and need how many have yet to run.
func GangOf(p *corev1.Pod, j *batchv1.JobSpec, need int, name string) Demand {
	return Demand{Pod: p, Count: need, Least: need, Word: "rank", Spread: Spread{Together: Together(j, name), Apart: apart(p)}}
}

// apart lists the node labels of which no two of the pods may share a value: they
// refuse pods with their own labels beside them.
func apart(p *corev1.Pod) []string {
	if p.Spec.Affinity == nil || p.Spec.Affinity.PodAntiAffinity == nil {
		return nil
	}
	var out []string
	for _, t := range p.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		selector, err := metav1.LabelSelectorAsSelector(t.LabelSelector)
		if err == nil && !selector.Empty() && selector.Matches(labels.Set(p.Labels)) && !slices.Contains(out, t.TopologyKey) {
			out = append(out, t.TopologyKey)
		}
	}
	return out
}

// elasticNodes is how torchrun is told from how many to how many pods it runs.
var elasticNodes = regexp.MustCompile(`^(\d+):\d+$`)

// GangNeeds is how many pods of a Job have to run at a time: all, unless an
// elastic program says that fewer will do; 0 for Jobs whose pods do not need each
// other.
func GangNeeds(j *batchv1.JobSpec) int {
	if ptr.Deref(j.CompletionMode, "") != batchv1.IndexedCompletion {
		return 0
	}
	n := int(ptr.Deref(j.Parallelism, 1))
	if n != int(ptr.Deref(j.Completions, 1)) {
		return 0
	}
	for _, c := range j.Template.Spec.Containers {
		for _, e := range c.Env {
			if m := elasticNodes.FindStringSubmatch(e.Value); m != nil && e.Name == "PET_NNODES" {
				if least, err := strconv.Atoi(m[1]); err == nil {
					n = min(n, least)
				}
			}
		}
	}
	return n
}

// Together is the label of nodes of which all pods of the Job of that name must
// have the same value; "" when they may be anywhere.
func Together(j *batchv1.JobSpec, name string) string {
	a := j.Template.Spec.Affinity
	if a == nil || a.PodAffinity == nil {
		return ""
	}
	for _, t := range a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		own := slices.Contains(t.MatchLabelKeys, batchv1.JobNameLabel)
		if t.LabelSelector != nil && t.LabelSelector.MatchLabels[batchv1.JobNameLabel] == name {
			own = true
		}
		if own {
			return t.TopologyKey
		}
	}
	return ""
}

// agree is the verb that goes with a number.
func agree(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// up divides and rounds up.
func up(n, by int) int { return int(math.Ceil(float64(n) / float64(by))) }
