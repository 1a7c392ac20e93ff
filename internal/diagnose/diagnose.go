// Package diagnose says why something on a cluster does not become what it
// should. Collect gathers what the cluster knows; Explain and Certain turn it
// into causes a person can act on, and do no I/O. The package knows nothing of
// Terraform: findings name API fields, the caller maps them to attributes.
package diagnose

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Evidence is what was collected about a resource whose wait failed or is
// being judged. Everything but Now may be empty: less evidence means fewer or
// vaguer findings, never an error.
type Evidence struct {
	// Objects are the resource's own objects: the Job, the claim.
	Objects []*unstructured.Unstructured
	// Pods are the pods of those objects.
	Pods []corev1.Pod
	// Events are the events of the objects, the pods and the claims, in any order.
	Events []corev1.Event
	// Nodes are the cluster's nodes, wanted only when a pod is unschedulable.
	Nodes []corev1.Node
	// NodePods are all pods bound to those nodes; nil when they could not be
	// read, and then nothing is said about what is free.
	NodePods []corev1.Pod
	// Claims are the volume claims the pods mount.
	Claims []corev1.PersistentVolumeClaim
	// Logs are the last lines of containers that failed.
	Logs map[LogKey]string
	// Withheld says why nothing may be quoted of what a container wrote.
	Withheld map[LogKey]string
	// Notes say which evidence could not be had and why, a sentence each.
	Notes []string
	// Now is the time the evidence was collected.
	Now time.Time
}

// withhold notes that nothing of what a container wrote may be quoted, and why.
func (e *Evidence) withhold(key LogKey, why string) {
	if e.Withheld == nil {
		e.Withheld = map[LogKey]string{}
	}
	e.Withheld[key] = why
}

// LogKey names a container's log. All pods of a resource share a namespace.
type LogKey struct {
	Pod, Container string
}

// Finding is one cause.
type Finding struct {
	// Certain is whether waiting longer cannot help, the cluster's own retries
	// set aside (see Policy).
	Certain bool
	// Reason is a CamelCase word for the cause: "OOMKilled".
	Reason string
	// Subject names what is at fault: "Pod ml/llama-x7 container main".
	Subject string
	// Summary is a clause for a summary line: "container main exceeded its memory
	// limit".
	Summary string
	// Happened says in full sentences what was seen.
	Happened string
	// Why quotes the scheduler, the pod or the server, once; "" when nobody
	// said more than Happened does.
	Why string
	// Do is the advice.
	Do string
	// Log holds the last lines of the log that belongs to the finding.
	Log string
	// PodField is the field at fault, relative to the pod template, written
	// like the segments of diags.Fields: "spec", "containers", "main", "image".
	// Nil when no field of the pod is at fault.
	PodField []string
	// Field is the field at fault with the kind of its object first: "Job",
	// "spec", "backoffLimit". Nil when no field of an object is.
	Field []string
	// Count is how many pods share the cause; 0 when it is not about pods.
	Count int
}

// Policy says what a wait leaves to the cluster.
type Policy struct {
	// TrustRetries leaves crashes and refusals to the retries of the Job. An
	// image that cannot be pulled, a configuration that cannot be met and a node
	// that does not exist are no failures to it: it would wait for ever, and so
	// would its user.
	TrustRetries bool
}

// Explain names the causes, the most telling first. Pods with the same problem
// are one finding. It returns all causes; callers show five at most.
func Explain(e Evidence) []Finding {
	var out []Finding
	for _, d := range examine(e) {
		out = append(out, d.ranked())
	}
	return out
}

// Certain returns the causes that waiting cannot cure under the policy, the
// most telling first. Nil means: go on waiting.
func Certain(e Evidence, p Policy) []Finding {
	var out []Finding
	for _, d := range examine(e) {
		stuck := d.rank == rankPull || d.rank == rankConfig || d.rank == rankSchedule || d.rank == rankQueue
		if d.final || d.Certain && (stuck || !p.TrustRetries) {
			out = append(out, d.ranked())
		}
	}
	return out
}

// The order in which causes are told: what broke a program before what keeps
// it from starting, what was done to a pod before what followed from it.
const (
	rankDeadline = iota
	rankCause
	rankCrash
	rankAfterEffect
	rankRefused
	rankConfig
	rankPull
	rankQueue
	rankClaim
	rankSchedule
	rankVolume
	rankNotReady
	rankJob
	rankWaiting
)

// draft is a finding in the making.
type draft struct {
	Finding
	rank int
	// key tells causes apart: drafts with the same key are one finding.
	key string
	// when the cause was seen; earliest is set by fold.
	when, earliest time.Time
	// final: the retries are over too.
	final bool
	// crashKey and crashes count how often one container of a workload ended
	// the same way, whatever it said.
	crashKey string
	crashes  int
	indexed  bool
	log      logRef
}

// logRef is the log that would tell more. Zero when none would.
type logRef struct {
	key       LogKey
	namespace string
	previous  bool
}

// examiner walks the evidence and gathers drafts.
type examiner struct {
	e    Evidence
	jobs []*batchv1.Job
	// makers are the other objects whose controllers make pods, explain what to
	// say of each.
	makers  []maker
	explain []func()
	claims  []*corev1.PersistentVolumeClaim
	events  eventIndex
	// short are the Jobs of which it is said that their pods do not all fit.
	short  []*batchv1.Job
	drafts []draft
	// queues is set when Kueue's own word on what it holds back is there.
	queues bool
}

func examine(e Evidence) []draft {
	if e.Now.IsZero() {
		e.Now = time.Now()
	}
	x := &examiner{e: e}
	for _, o := range e.Objects {
		if o == nil {
			continue
		}
		switch o.GetKind() {
		case "Job":
			if j, ok := decode[batchv1.Job](o); ok {
				x.jobs = append(x.jobs, j)
			}
		case "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "CronJob", inferenceService:
			x.workload(o)
		case "PersistentVolumeClaim":
			if c, ok := decode[corev1.PersistentVolumeClaim](o); ok {
				x.claims = append(x.claims, c)
			}
		}
	}
	for i := range e.Claims {
		c := &e.Claims[i]
		if !slices.ContainsFunc(x.claims, func(o *corev1.PersistentVolumeClaim) bool {
			return o.Name == c.Name && o.Namespace == c.Namespace
		}) {
			x.claims = append(x.claims, c)
		}
	}
	var about []string
	for _, j := range x.jobs {
		about = append(about, eventKey("Job", j.Namespace, j.Name))
	}
	for _, m := range x.makers {
		about = append(about, eventKey(m.kind, m.GetNamespace(), m.GetName()))
	}
	for _, c := range x.claims {
		about = append(about, eventKey("PersistentVolumeClaim", c.Namespace, c.Name))
	}
	for i := range e.Pods {
		about = append(about, eventKey("Pod", e.Pods[i].Namespace, e.Pods[i].Name))
	}
	x.events = indexEvents(e.Events, about)
	for _, c := range x.claims {
		x.claim(c)
	}
	for _, j := range x.jobs {
		if x.gang(j) {
			x.short = append(x.short, j)
		}
	}
	for i := range e.Pods {
		x.pod(x.alone(&e.Pods[i]))
	}
	held := workloads(e.Objects)
	for _, w := range held {
		x.queuedRun(w)
	}
	x.queues = len(held) > 0
	for _, j := range x.jobs {
		x.job(j)
	}
	for _, say := range x.explain {
		say()
	}
	return x.settle()
}

func decode[T any](o *unstructured.Unstructured) (*T, bool) {
	out := new(T)
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, out)
	return out, err == nil
}

func (x *examiner) add(d draft) { x.drafts = append(x.drafts, d) }

// settle folds drafts with the same cause, judges repeated crashes and sorts.
func (x *examiner) settle() []draft {
	crashes := map[string]int{}
	spoken := map[string]string{}
	for _, d := range x.drafts {
		if d.crashKey == "" {
			continue
		}
		crashes[d.crashKey] += d.crashes
		if !d.silent() && spoken[d.crashKey] == "" {
			spoken[d.crashKey] = d.key
		}
	}
	var order []string
	folded := map[string]draft{}
	for _, d := range x.drafts {
		if d.crashKey != "" && crashes[d.crashKey] >= crashesCertain {
			d.Certain = true
		}
		d.earliest = d.when
		if other := spoken[d.crashKey]; d.crashKey != "" && d.silent() && other != "" {
			// A container that left no words most likely ended for the reason
			// another one of the same workload and exit code gave.
			d.key = other
		}
		have, ok := folded[d.key]
		if !ok {
			order = append(order, d.key)
			folded[d.key] = d
			continue
		}
		first, second := have, d
		if d.speaksBefore(have) {
			first, second = d, have
		}
		first.Count += second.Count
		first.Certain = first.Certain || second.Certain
		first.final = first.final || second.final
		if second.earliest.Before(first.earliest) {
			first.earliest = second.earliest
		}
		folded[d.key] = first
	}
	out := make([]draft, 0, len(order))
	for _, k := range order {
		out = append(out, folded[k])
	}
	slices.SortStableFunc(out, func(a, b draft) int {
		if a.final != b.final {
			return boolFirst(a.final)
		}
		if c := cmp.Compare(a.rank, b.rank); c != 0 {
			return c
		}
		if a.indexed && b.indexed {
			// In a gang the first to fall drags the others down.
			return a.earliest.Compare(b.earliest)
		}
		// Of several attempts the last one is what stands.
		return b.when.Compare(a.when)
	})
	return out
}

// silent reports whether neither message nor log says why.
func (d draft) silent() bool { return d.Why == "" && d.Log == "" }

// speaksBefore reports whether d tells more of a shared cause than other: one
// with words, then the first to fall of a gang, else the newest attempt.
func (d draft) speaksBefore(other draft) bool {
	if d.silent() != other.silent() {
		return !d.silent()
	}
	if (d.Log == "") != (other.Log == "") {
		return d.Log != ""
	}
	if d.indexed && other.indexed {
		return d.when.Before(other.when)
	}
	return d.when.After(other.when)
}

func boolFirst(a bool) int {
	if a {
		return -1
	}
	return 1
}

// jobOf returns the Job of the evidence that owns the pod, or nil.
func (x *examiner) jobOf(p *corev1.Pod) *batchv1.Job {
	owner := metav1.GetControllerOf(p)
	for _, j := range x.jobs {
		if j.Namespace != p.Namespace {
			continue
		}
		switch {
		case owner != nil && owner.Kind == "Job" && owner.UID != "" && j.UID != "":
			if owner.UID == j.UID {
				return j
			}
		case owner != nil && owner.Kind == "Job":
			if owner.Name == j.Name {
				return j
			}
		case owner == nil && p.Labels[batchv1.JobNameLabel] == j.Name:
			return j
		}
	}
	return nil
}

// alone is the pod without its number where it is the only one of an indexed Job:
// a run of one pod has no ranks.
func (x *examiner) alone(p *corev1.Pod) *corev1.Pod {
	j := x.jobOf(p)
	if j == nil || j.Spec.Completions == nil || *j.Spec.Completions != 1 || podIndex(p) == "" {
		return p
	}
	out := *p
	out.Annotations, out.Labels = maps.Clone(p.Annotations), maps.Clone(p.Labels)
	delete(out.Annotations, batchv1.JobCompletionIndexAnnotation)
	delete(out.Labels, batchv1.JobCompletionIndexAnnotation)
	return &out
}

// podSubject names a pod, with its rank in an indexed Job.
func podSubject(p *corev1.Pod) string {
	s := "Pod " + p.Namespace + "/" + p.Name
	if i := podIndex(p); i != "" {
		s += " (rank " + i + ")"
	}
	if i := member(p); i != "" {
		s += " (" + i + ")"
	}
	return s
}

func podIndex(p *corev1.Pod) string {
	if i, ok := p.Annotations[batchv1.JobCompletionIndexAnnotation]; ok {
		return i
	}
	return p.Labels[batchv1.JobCompletionIndexAnnotation]
}

// workload is a key for what a pod belongs to, so that only its own pods fold.
func workload(p *corev1.Pod) string {
	if set := p.Labels[groupsName]; set != "" {
		return strings.Join([]string{leaderWorkerSet, p.Namespace, set}, "/")
	}
	if o := metav1.GetControllerOf(p); o != nil {
		return strings.Join([]string{o.Kind, p.Namespace, o.Name}, "/")
	}
	return "Pod/" + p.Namespace + "/" + p.Name
}
