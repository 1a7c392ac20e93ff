package diagnose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
)

// queueGrace is what a queue is given before its absence counts as certain: it
// may be made in the same apply.
const queueGrace = 30 * time.Second

// The conditions of a Workload (Kueue, apis/kueue/v1beta2/workload_types.go).
const (
	hasQuota     = "QuotaReserved"
	isAdmitted   = "Admitted"
	isEvicted    = "Evicted"
	isPreempted  = "Preempted"
	isFinished   = "Finished"
	hasPodsReady = "PodsReady"
)

// Why a Workload has no quota, in Kueue's words. Until a gate is on that is off
// by default in 0.19, the reason is Pending or Inadmissible and only the message
// tells one from the other.
const (
	exceedsMaxQuota  = "ExceedsMaxQuota"
	noMatchingFlavor = "NoMatchingFlavor"
	misconfigured    = "Misconfigured"
	queueStopped     = "Suspended"
	waitingForQuota  = "WaitingForQuota"
)

// queuedRun is as much of a Kueue Workload as is looked at.
type queuedRun struct {
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		QueueName string `json:"queueName"`
		Active    *bool  `json:"active"`
	} `json:"spec"`
	Status struct {
		Conditions      []metav1.Condition `json:"conditions"`
		AdmissionChecks []struct {
			Name    string `json:"name"`
			State   string `json:"state"`
			Message string `json:"message"`
		} `json:"admissionChecks"`
	} `json:"status"`
}

func (w *queuedRun) condition(t string) *metav1.Condition {
	i := slices.IndexFunc(w.Status.Conditions, func(c metav1.Condition) bool { return c.Type == t })
	if i < 0 {
		return nil
	}
	return &w.Status.Conditions[i]
}

func (w *queuedRun) is(t string) bool {
	c := w.condition(t)
	return c != nil && c.Status == metav1.ConditionTrue
}

// subject names what the Workload stands for.
func (w *queuedRun) subject() string {
	if o := metav1.GetControllerOf(w); o != nil {
		return o.Kind + " " + w.Namespace + "/" + o.Name
	}
	return "Workload " + w.Namespace + "/" + w.Name
}

// workloads decodes the Workloads of the evidence.
func workloads(objects []*unstructured.Unstructured) []*queuedRun {
	var out []*queuedRun
	for _, o := range objects {
		if o == nil || o.GetKind() != "Workload" || !strings.HasPrefix(o.GetAPIVersion(), "kueue.x-k8s.io/") {
			continue
		}
		if w, ok := decode[queuedRun](o); ok {
			out = append(out, w)
		}
	}
	return out
}

// Queued says in a sentence what Kueue says of a run it holds back, with the
// reason in one word; "" when none of the objects is a Workload that waits.
func Queued(objects []*unstructured.Unstructured) (reason, message string) {
	for _, w := range workloads(objects) {
		if w.is(isAdmitted) || w.is(isFinished) {
			continue
		}
		reason, said := w.verdict()
		out := fmt.Sprintf("It waits in queue %s", w.Spec.QueueName)
		if e := w.condition(isEvicted); e != nil && e.Status == metav1.ConditionTrue {
			out += ", put back there by Kueue (" + e.Reason + ")"
		}
		if said != "" {
			out += ": " + said
		}
		return reason, out
	}
	return "", ""
}

// verdict is why the Workload is not admitted: in Kueue's newer words for the
// reason, whichever it used, and in the words of its message.
func (w *queuedRun) verdict() (reason, message string) {
	q := w.condition(hasQuota)
	if q != nil && q.Status == metav1.ConditionTrue {
		if a := w.condition(isAdmitted); a != nil {
			return a.Reason, a.Message
		}
		return "UnsatisfiedAdmissionChecks", "its quota is reserved, and its admission checks are not done"
	}
	if !ptr.Deref(w.Spec.Active, true) {
		reason, message = "Deactivated", "the Workload was deactivated"
		if e := w.condition(isEvicted); e != nil && e.Message != "" {
			message = e.Message
		}
		return reason, message
	}
	if q == nil {
		return "PendingEvaluation", ""
	}
	switch q.Reason {
	case "Pending", "Inadmissible", "Waiting", "OnHold":
		if r := reasonOf(q.Message); r != "" {
			return r, q.Message
		}
	}
	return q.Reason, q.Message
}

// reasonOf reads the reason out of a message. Pod sets are judged apart, since
// one that never fits is enough; the flavors of one are alternatives, so all of
// them must be out of the question.
func reasonOf(message string) string {
	waits := ""
	for _, set := range strings.Split(message, "couldn't assign flavors to pod set ") {
		has := func(words ...string) bool {
			return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(set, w) })
		}
		switch {
		case has("insufficient unused quota"):
			waits = waitingForQuota
		case has("> maximum capacity"):
			return exceedsMaxQuota
		case has("unavailable in ClusterQueue", "doesn't match node affinity", "untolerated taint"):
			return noMatchingFlavor
		case has("doesn't exist", "terminating or missing", "not found", "doesn't match ClusterQueue selector"):
			return misconfigured
		case has("is stopped", "is inactive"):
			return queueStopped
		}
	}
	return waits
}

// queuedRun explains what Kueue holds back or took back.
func (x *examiner) queuedRun(w *queuedRun) {
	switch {
	case w.is(isFinished):
		x.workloadFinished(w)
	case w.is(isAdmitted) && !w.is(isEvicted):
		x.podsNotReady(w)
	default:
		x.queued(w)
	}
}

// field is the label that puts the Workload's owner into its queue.
func (x *examiner) queueField() []string {
	for _, o := range x.e.Objects {
		if o != nil && o.GetLabels()[queueLabel] != "" && o.GetKind() != "Workload" {
			return []string{o.GetKind(), "metadata", "labels", queueLabel}
		}
	}
	return nil
}

// tooMuch reads amounts out of Kueue's message about what never fits.
var tooMuch = regexp.MustCompile(`insufficient quota for (\S+) in flavor (\S+), previously considered podsets requests \((\S+)\) \+ current podset request \((\S+)\) > maximum capacity \((\S+)\)`)

// missingQueue reads which queue is not there, or is none for this namespace.
var missingQueue = regexp.MustCompile(`LocalQueue (\S+) doesn't exist`)

func (x *examiner) queued(w *queuedRun) {
	queue := w.Spec.QueueName
	reason, said := w.verdict()
	f := Finding{Reason: reason, Subject: w.subject(), Why: quote(said), Field: x.queueField()}
	d := draft{rank: rankQueue, key: "workload/" + w.Name, when: x.e.Now}
	see := fmt.Sprintf("kubectl get localqueue %s -n %s", queue, w.Namespace)
	switch {
	case reason == exceedsMaxQuota:
		f.Certain = true
		f.Summary = "it asks for more than queue " + clipName(queue) + " can ever give"
		f.Happened = fmt.Sprintf("Kueue holds %s in queue %s and can never admit it.", f.Subject, queue)
		if m := tooMuch.FindStringSubmatch(said); m != nil {
			asks := m[4] + " " + m[1]
			if m[3] != "0" {
				asks += " besides the " + m[3] + " of its other pods"
			}
			f.Happened += fmt.Sprintf(" It asks for %s; the most that queue can have of flavor %s is %s, what it may borrow included.", asks, m[2], m[5])
		}
		f.Do = "Ask for less, use another queue, or have the quota of its ClusterQueue raised."
	case reason == noMatchingFlavor:
		f.Certain = true
		f.Summary = "no flavor of queue " + clipName(queue) + " suits its pods"
		f.Happened = fmt.Sprintf("Kueue holds %s in queue %s and can never admit it: no flavor of the queue's ClusterQueue has what the pods ask for on nodes they may run on.", f.Subject, queue)
		f.Do = "Ask only for resources that the ClusterQueue covers, let node selectors and tolerations fit one of its flavors, or use another queue."
	case reason == misconfigured:
		f.Certain = x.e.Now.Sub(w.CreationTimestamp.Time) >= queueGrace
		f.Summary = "queue " + clipName(queue) + " cannot admit it"
		if missingQueue.MatchString(said) {
			f.Summary = "queue " + clipName(queue) + " does not exist"
		}
		f.Happened = fmt.Sprintf("Kueue holds %s, because queue %s in namespace %s cannot take it.", f.Subject, queue, w.Namespace)
		f.Do = "Name a queue that is there, or have it made or mended: " + see
	case reason == "Deactivated":
		f.Certain = true
		x.deactivated(w, &f)
	case x.checkSaidNo(w, &f):
	default:
		x.waits(w, &f, reason)
		f.Do += " To see what is ahead of it: kubectl get workloads -n " + w.Namespace
	}
	d.Finding = f
	x.add(d)
}

// clipName keeps a summary short enough for a long name.
func clipName(name string) string {
	const most = 30
	if len(name) <= most {
		return name
	}
	return name[:most] + "…"
}

// waits fills in what is said of a run whose turn comes.
func (x *examiner) waits(w *queuedRun, f *Finding, reason string) {
	queue := w.Spec.QueueName
	f.Field = nil
	f.Summary = "it waits in queue " + clipName(queue)
	f.Happened = fmt.Sprintf("Kueue holds %s back until queue %s has room for it. Waiting in a queue is normal.", f.Subject, queue)
	f.Do = "It starts by itself when its turn comes."
	switch reason {
	case queueStopped, "OnHold":
		f.Summary = "queue " + clipName(queue) + " is closed at present"
		f.Happened = fmt.Sprintf("Kueue admits nothing from queue %s at present, %s neither: it is stopped, or something it refers to is missing.", queue, f.Subject)
		f.Do = "It starts by itself when the queue is open again; ask who administers it."
	case "TopologyPlacementFailed":
		f.Summary = "queue " + clipName(queue) + " has no free block of nodes for it"
		f.Happened = fmt.Sprintf("Kueue holds %s back: its pods must be close together, and no topology domain has room for all of them.", f.Subject)
		f.Do = "It starts when such a block is free; ask for a wider domain if it need not be that close."
	case "WaitingForPreemptedWorkloads":
		f.Happened = fmt.Sprintf("Kueue makes room for %s in queue %s: the runs it takes the quota from are being stopped.", f.Subject, queue)
	case "WaitingForPodsReady":
		f.Happened = fmt.Sprintf("Kueue holds %s back until the pods of what it admitted before are ready.", f.Subject)
	case "UnsatisfiedAdmissionChecks":
		f.Summary = "admission checks of queue " + clipName(queue) + " are not done"
		f.Happened = fmt.Sprintf("Quota for %s is reserved in queue %s; it starts when all admission checks have passed.", f.Subject, queue)
		if open := w.checks("Pending", "Retry"); open != "" {
			f.Happened += " Not done: " + open + "."
		}
	case "PendingDelayedTopologyRequests":
		f.Happened = fmt.Sprintf("Quota for %s is reserved in queue %s; Kueue still chooses its nodes.", f.Subject, queue)
	}
	if e := w.condition(isEvicted); e != nil && e.Status == metav1.ConditionTrue {
		f.Happened += " " + takenBack(w, e)
	}
}

// checks lists the admission checks in one of the states.
func (w *queuedRun) checks(states ...string) string {
	var out []string
	for _, c := range w.Status.AdmissionChecks {
		if slices.Contains(states, c.State) {
			name := c.Name + " (" + c.State
			if c.Message != "" {
				name += ": " + strings.TrimSuffix(c.Message, ".")
			}
			out = append(out, name+")")
		}
	}
	return strings.Join(out, ", ")
}

// checkSaidNo reports a check that said no for good.
func (x *examiner) checkSaidNo(w *queuedRun, f *Finding) bool {
	no := w.checks("Rejected")
	if no == "" {
		return false
	}
	f.Certain = true
	f.Reason = "AdmissionCheckRejected"
	f.Summary = "an admission check of queue " + clipName(w.Spec.QueueName) + " rejected it"
	f.Happened = fmt.Sprintf("Kueue does not admit %s: %s.", f.Subject, no)
	f.Do = "Change what the check objects to, and run again by changing triggers."
	return true
}

// takenBack says why a run that had been admitted is in the queue again.
func takenBack(w *queuedRun, e *metav1.Condition) string {
	switch e.Reason {
	case "Preempted":
		if p := w.condition(isPreempted); p != nil && p.Status == metav1.ConditionTrue {
			switch p.Reason {
			case "InClusterQueue":
				return "It had been admitted and was preempted for a more important run of the same queue."
			case "InCohortReclamation", "InCohortFairSharing", "InCohortReclaimWhileBorrowing":
				return "It had been admitted with borrowed quota and was preempted by the team that lent it."
			}
		}
		return "It had been admitted and was preempted."
	case "PodsReadyTimeout":
		return "It had been admitted, and its pods were not ready in time."
	case "NodeFailures":
		return "It had been admitted, and nodes under it failed."
	case "ClusterQueueStopped", "LocalQueueStopped":
		return "It had been admitted before the queue was stopped."
	case "AdmissionCheck":
		return "It had been admitted, and an admission check took that back."
	case "FlavorMigration":
		return "It had been admitted and moves to a better flavor."
	}
	return "It had been admitted before (" + e.Reason + ")."
}

// deactivated explains a Workload that Kueue or somebody gave up.
func (x *examiner) deactivated(w *queuedRun, f *Finding) {
	f.Field = nil
	f.Summary = "Kueue has given it up"
	f.Happened = fmt.Sprintf("The Workload of %s is deactivated, so Kueue does not admit it again.", f.Subject)
	f.Do = "See why it was deactivated, then run again by changing triggers."
	e := w.condition(isEvicted)
	if e == nil {
		return
	}
	switch {
	case strings.Contains(e.Reason, "MaximumExecutionTimeExceeded"):
		f.Reason = "MaximumExecutionTimeExceeded"
		f.Summary = "it ran longer than its queue allows"
		f.Happened = fmt.Sprintf("Kueue stopped %s, because it ran longer than the label kueue.x-k8s.io/max-exec-time-seconds allows.", f.Subject)
		f.Do = "Raise the label's value, or make the run shorter; then run again by changing triggers."
	case strings.Contains(e.Reason, "RequeuingLimitExceeded"):
		f.Reason = "RequeuingLimitExceeded"
		f.Summary = "its pods were never ready in time, and Kueue has given it up"
		f.Happened = fmt.Sprintf("Kueue admitted %s again and again, and each time its pods were not ready in time.", f.Subject)
		f.Do = "See what keeps the pods from starting (images, volumes, nodes), then run again by changing triggers."
	}
}

// workloadFinished tells of an end that only Kueue knows of.
func (x *examiner) workloadFinished(w *queuedRun) {
	c := w.condition(isFinished)
	if c.Reason != "OutOfSync" && c.Reason != "OwnerNotFound" {
		return // the Job says how it ended
	}
	x.add(draft{rank: rankJob, key: "workload/" + w.Name, when: c.LastTransitionTime.Time, Finding: Finding{
		Certain: true, Reason: c.Reason, Subject: w.subject(),
		Summary:  "Kueue no longer runs it",
		Happened: fmt.Sprintf("The Workload of %s no longer fits it: somebody changed what Kueue had admitted, or deleted it.", w.subject()),
		Why:      quote(c.Message),
		Do:       "Run again by changing triggers.",
		Field:    x.queueField(),
	}})
}

// podsNotReady tells of an admitted run whose pods say nothing themselves.
func (x *examiner) podsNotReady(w *queuedRun) {
	c := w.condition(hasPodsReady)
	if c == nil || c.Status == metav1.ConditionTrue {
		return
	}
	f := Finding{
		Reason: c.Reason, Subject: w.subject(), Summary: "it is admitted, and its pods are not ready yet",
		Happened: fmt.Sprintf("Kueue has admitted %s; not all of its pods are ready.", w.subject()),
		Why:      quote(c.Message),
		Do:       "See what its pods wait for. Kueue may put it back into the queue when this takes too long.",
	}
	if c.Reason == "WaitForRecovery" {
		f.Summary = "it is admitted, and a pod that failed is not ready again yet"
	}
	x.add(draft{rank: rankWaiting, key: "workload/" + w.Name, when: c.LastTransitionTime.Time, Finding: f})
}
