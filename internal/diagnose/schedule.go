package diagnose

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/placement"
)

// hopeless is how long a pod that asks for more than any node has may wait for
// an autoscaler to say that it makes larger nodes.
const hopeless = time.Minute

// unseenGrace is how long a scheduler may take to look at a pod at all.
const unseenGrace = 15 * time.Second

// refusedNodes is one "<count> <reason>" of the scheduler's message.
type refusedNodes struct {
	count  int
	reason string
}

// schedulerWords is a FailedScheduling message taken apart.
type schedulerWords struct {
	// nodes is how many nodes the cluster has; -1 when the message does not say.
	nodes int
	// whole is what kept the pod from all nodes at once, if anything did.
	whole   string
	reasons []refusedNodes
	// quote is the message without the part on preemption that helps nobody.
	quote string
	// preempting is the sentence on preemption when that is under way.
	preempting string
}

var (
	// nodesAvailable opens the message (scheduler framework, FitError.Error).
	nodesAvailable = regexp.MustCompile(`^(.*?)0/(\d+) nodes are available: ?`)
	// postFilter is where the reasons end and what was tried instead begins;
	// names hold full stops, but none before a space.
	postFilter = regexp.MustCompile(`\. `)
	// nextReason is a comma before a count: reasons may hold commas themselves.
	nextReason  = regexp.MustCompile(`, (\d+) `)
	countReason = regexp.MustCompile(`^(\d+) (.+)$`)
)

// parseScheduler takes a FailedScheduling message apart.
func parseScheduler(msg string) schedulerWords {
	msg = strings.TrimSpace(msg)
	w := schedulerWords{nodes: -1, quote: msg}
	rest := msg
	if m := nodesAvailable.FindStringSubmatch(msg); m != nil {
		w.nodes, _ = strconv.Atoi(m[2])
		rest = msg[len(m[0]):]
	}
	if at := postFilter.FindStringIndex(rest); at != nil && w.nodes >= 0 {
		tail := rest[at[1]:]
		if strings.Contains(tail, "found a potential placement") {
			w.preempting = strings.TrimSuffix(strings.TrimPrefix(tail, "preemption: "), ".")
		}
		w.quote = msg[:len(msg)-len(tail)-1]
		rest = rest[:at[0]]
	}
	rest = strings.TrimSuffix(strings.TrimSpace(rest), ".")
	if w.nodes < 0 {
		w.whole = rest // no node has been asked; numbers in it count something else
		return w
	}
	for _, part := range strings.Split(nextReason.ReplaceAllString(rest, "\x00$1 "), "\x00") {
		m := countReason.FindStringSubmatch(part)
		if m == nil {
			w.whole = strings.TrimSpace(sentences(w.whole, part))
			continue
		}
		n, _ := strconv.Atoi(m[1])
		w.reasons = append(w.reasons, refusedNodes{n, m[2]})
	}
	return w
}

// hurdle is a kind of reason for which nodes refuse a pod.
type hurdle struct {
	words []string
	name  string
}

// hurdles are in the order in which a scheduler's filters run, the last first:
// a node refused late came closer to taking the pod than one refused early.
var hurdles = []hurdle{
	{[]string{"cannot allocate all claims", "extended resource claim", "cannot fit resource", "resourceclaim", "resource claim", "device class", "CEL"}, "dra"},
	{[]string{"existing pods anti-affinity rules", "pod anti-affinity rules"}, "antiAffinity"},
	{[]string{"pod affinity rules"}, "podAffinity"},
	{[]string{"topology spread constraints"}, "spread"},
	{[]string{
		"no available volume zone", "PersistentVolume's node affinity", "available persistent volumes to bind",
		"enough free storage", "non-existent pv", "exceed max volume count", "ReadWriteOncePod", "no available disk",
	}, "volume"},
	{[]string{"Insufficient ", "Too many pods"}, "resource"},
	{[]string{"free ports"}, "ports"},
	{[]string{"required features"}, "features"},
	{[]string{"scheduler-enforced node affinity"}, "enforced"},
	{[]string{"node affinity/selector", "pod affinity terms conflict"}, "selector"},
	{[]string{"taint"}, "taint"},
	{[]string{"requested node name"}, "nodeName"},
	{[]string{"were unschedulable", "unknown conditions"}, "cordon"},
}

// highest picks the hurdle that nodes came closest to.
func (w schedulerWords) highest() string {
	for _, h := range hurdles {
		for _, word := range h.words {
			if slices.ContainsFunc(w.reasons, func(r refusedNodes) bool { return strings.Contains(r.reason, word) }) {
				return h.name
			}
		}
	}
	return ""
}

// short lists the resources of which nodes have too little.
func (w schedulerWords) short() []corev1.ResourceName {
	var out []corev1.ResourceName
	for _, r := range w.reasons {
		if name, ok := strings.CutPrefix(r.reason, "Insufficient "); ok {
			out = append(out, corev1.ResourceName(name))
		}
		if r.reason == "Too many pods" {
			out = append(out, corev1.ResourcePods)
		}
	}
	return out
}

// key is the same for pods that are refused for the same reasons, however many
// nodes each saw.
func (w schedulerWords) key() string {
	parts := []string{same(w.whole)}
	for _, r := range w.reasons {
		parts = append(parts, r.reason)
	}
	slices.Sort(parts)
	return strings.Join(parts, "|")
}

// unscheduled explains a pod that is on no node.
func (x *examiner) unscheduled(p *corev1.Pod, j *batchv1.Job) {
	f := Finding{Reason: "Unschedulable", Subject: podSubject(p), Count: 1}
	d := draft{rank: rankSchedule, when: x.e.Now, indexed: podIndex(p) != ""}
	if c := podCondition(p, corev1.PodScheduled); c != nil {
		d.when = c.LastTransitionTime.Time
	}
	reason, msg := x.schedulerSays(p)
	switch {
	case reason == corev1.PodReasonSchedulingGated || len(p.Spec.SchedulingGates) > 0:
		gated(&f, p)
		d.rank, d.key = rankWaiting, "gated"
	case msg == "":
		if x.e.Now.Sub(p.CreationTimestamp.Time) < unseenGrace {
			return
		}
		if x.unasked(&f, p) {
			d.key = "ungrouped"
			break
		}
		f.Reason, f.Summary = "NoScheduler", "no scheduler has looked at a pod"
		f.Happened = fmt.Sprintf("%s was made %s ago and no scheduler has said anything about it.", f.Subject, span(x.e.Now.Sub(p.CreationTimestamp.Time)))
		f.Do = "See whether kube-scheduler runs."
		if n := p.Spec.SchedulerName; n != "" && n != corev1.DefaultSchedulerName {
			f.Happened += fmt.Sprintf(" It is left to scheduler %q.", n)
			f.Do = fmt.Sprintf("See whether scheduler %q is installed and runs.", n)
			f.PodField = []string{"spec", "schedulerName"}
		}
		d.key = "unseen"
	case strings.Contains(msg, "skip schedule deleting pod"), x.waitsForOthers(p):
		return
	case reason == corev1.PodReasonSchedulerError && !nodesAvailable.MatchString(msg):
		f.Reason, f.Summary = "SchedulerError", "the scheduler stumbled over a pod"
		f.Happened = f.Subject + " could not be scheduled because of an error in the scheduler."
		f.Why, f.Do = quote(msg), "It tries again by itself; if it goes on, see the scheduler's log."
		d.key = "error/" + same(msg)
	default:
		w := parseScheduler(msg)
		f.Why = quote(w.quote)
		d.key = "schedule/" + w.key()
		if w.whole != "" && len(w.reasons) == 0 {
			if x.wholeCluster(&f, p, w) {
				return
			}
		} else {
			x.nodesRefuse(&f, p, w)
		}
		if w.preempting != "" {
			f.Happened += " It will go on once pods of lower priority have made room: " + w.preempting + "."
			f.Do = "Wait until they have ended; long grace periods delay it."
		}
		scaling, coming := x.scaling(p)
		f.Happened = sentences(f.Happened, scaling)
		if coming {
			f.Do = "Give the new nodes time to come: raise timeouts.create if they take longer than this wait."
		} else if f.Reason == placement.TooLarge && x.e.Now.Sub(d.when) >= hopeless {
			f.Certain = true
		}
	}
	if (f.Reason == "Insufficient" || f.Reason == "WaitingForGang") && j != nil && slices.Contains(x.short, j) {
		return // it is one of those that are left over, or that wait for them
	}
	d.Finding = f
	d.key = workload(p) + "/" + d.key
	x.add(d)
}

// schedulerSays returns what the scheduler says about a pod. The condition has
// the whole message; events are cut off.
func (x *examiner) schedulerSays(p *corev1.Pod) (reason, msg string) {
	if c := podCondition(p, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionFalse {
		reason, msg = c.Reason, c.Message
	}
	if msg != "" {
		return reason, msg
	}
	for _, ev := range x.events.of("Pod", p) {
		if ev.Reason == "FailedScheduling" && !fromKarpenter(ev) {
			return orElse(reason, corev1.PodReasonUnschedulable), message(ev)
		}
	}
	return reason, ""
}

func fromKarpenter(ev *corev1.Event) bool {
	return ev.Source.Component == "karpenter" || ev.ReportingController == "karpenter"
}

// scaling says what autoscalers do about the pod, and whether nodes are coming.
func (x *examiner) scaling(p *corev1.Pod) (said string, coming bool) {
	for _, ev := range x.events.of("Pod", p) {
		switch {
		case ev.Reason == "TriggeredScaleUp":
			return "The cluster autoscaler is adding nodes for it (" + clause(message(ev)) + ").", true
		case ev.Reason == "NotTriggerScaleUp":
			return "The cluster autoscaler cannot help (" + clause(message(ev)) + ").", false
		case ev.Reason == "Nominated" && fromKarpenter(ev):
			return "Karpenter is making a node for it (" + clause(message(ev)) + ").", true
		case (ev.Reason == "FailedScheduling" || ev.Reason == "NoCompatibleInstanceTypes") && fromKarpenter(ev):
			said := strings.TrimPrefix(message(ev), "Failed to schedule pod, ")
			return "Karpenter cannot make a node for it (" + clause(said) + ").", false
		}
	}
	return "", false
}

// clause bounds a message that stands inside a sentence.
func clause(s string) string {
	s = strings.TrimSuffix(strings.Join(strings.Fields(s), " "), ".")
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + " …"
	}
	return s
}

// gated explains a pod that nobody has released for scheduling yet.
func gated(f *Finding, p *corev1.Pod) {
	var gates []string
	kueue := false
	for _, g := range p.Spec.SchedulingGates {
		gates = append(gates, g.Name)
		kueue = kueue || strings.HasPrefix(g.Name, "kueue.x-k8s.io/")
	}
	f.Reason = corev1.PodReasonSchedulingGated
	f.Summary = "a pod is held back by scheduling gates"
	f.Happened = fmt.Sprintf("%s is held back by %s.", f.Subject, orElse(list(prefixed("gate ", gates), 3), "scheduling gates"))
	f.Do = "Whoever set the gate has to remove it."
	f.PodField = []string{"spec", "schedulingGates"}
	if kueue {
		f.Summary = "a pod waits in its queue"
		f.Do = fmt.Sprintf("Kueue releases it when its queue has room; waiting is normal. See: kubectl get workloads -n %s", p.Namespace)
		f.PodField = nil
	}
}

func prefixed(prefix string, names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = prefix + n
	}
	return out
}

var (
	claimNotFound = regexp.MustCompile(`persistentvolumeclaim "([^"]+)" not found`)
	claimDeleted  = regexp.MustCompile(`persistentvolumeclaim "([^"]+)" is being deleted`)
	claimNoVolume = regexp.MustCompile(`persistentvolumeclaim "([^"]+)" bound to non-existent persistentvolume "([^"]*)"`)
	deviceClass   = regexp.MustCompile(`device class (\S+) does not exist`)
	resourceClaim = regexp.MustCompile(`resourceclaim[^"]*"([^"]+)" not found`)
)

// wholeCluster explains what keeps a pod from all nodes at once. It returns
// true when a finding about a claim says it already.
func (x *examiner) wholeCluster(f *Finding, p *corev1.Pod, w schedulerWords) bool {
	f.Happened = f.Subject + " cannot be scheduled."
	volume := func(claim string) {
		if v := volumeOfClaim(&p.Spec, claim); v != "" {
			f.PodField = []string{"spec", "volumes", v}
		}
	}
	msg := w.whole
	switch {
	case strings.Contains(msg, "unbound immediate PersistentVolumeClaims"):
		f.Reason, f.Summary = "ClaimNotBound", "a pod waits for a volume claim that is not bound"
		var names []string
		for _, c := range x.claims {
			if c.Namespace == p.Namespace && volumeOfClaim(&p.Spec, c.Name) != "" && c.Status.Phase != corev1.ClaimBound {
				names = append(names, c.Name)
			}
		}
		if len(names) > 0 {
			if x.noteWaiting(names, p) {
				return true
			}
			f.Summary = "a pod waits for volume claim " + names[0] + ", which is not bound"
			f.Happened = fmt.Sprintf("%s cannot be scheduled before volume claim %s is bound to a volume.", f.Subject, list(names, 3))
			volume(names[0])
			f.Do = fmt.Sprintf("See why it is not: kubectl describe pvc -n %s %s", p.Namespace, names[0])
		} else {
			f.Happened = f.Subject + " cannot be scheduled before its volume claims are bound to volumes."
			f.Do = fmt.Sprintf("See which is not, and why: kubectl get pvc -n %s", p.Namespace)
		}
	case claimNotFound.MatchString(msg):
		name := claimNotFound.FindStringSubmatch(msg)[1]
		f.Reason, f.Summary = "ClaimNotFound", "volume claim "+name+" does not exist"
		f.Happened = fmt.Sprintf("%s cannot be scheduled: there is no volume claim %s in namespace %s.", f.Subject, name, p.Namespace)
		f.Do = "Create it, with mlk_volume_claim for example, or correct the name. Refer to the claim's resource rather than its name, so that it is made first."
		volume(name)
	case claimDeleted.MatchString(msg):
		name := claimDeleted.FindStringSubmatch(msg)[1]
		f.Reason, f.Summary = "ClaimTerminating", "volume claim "+name+" is being deleted"
		f.Happened = fmt.Sprintf("%s cannot be scheduled: its volume claim %s is being deleted.", f.Subject, name)
		f.Do = "Wait until it is gone and make it again, or use another one."
		volume(name)
	case claimNoVolume.MatchString(msg):
		m := claimNoVolume.FindStringSubmatch(msg)
		f.Reason, f.Summary = "VolumeNotFound", "the volume of claim "+m[1]+" no longer exists"
		f.Happened = fmt.Sprintf("%s cannot be scheduled: volume claim %s is bound to volume %s, which no longer exists.", f.Subject, m[1], m[2])
		f.Do = "Restore the volume, or make the claim anew; the data that was only on this volume is lost."
		volume(m[1])
	case strings.Contains(msg, "no nodes available to schedule pods"):
		f.Reason, f.Summary = "NoNodes", "the cluster has no nodes"
		f.Happened = f.Subject + " cannot be scheduled: the cluster has no node at all."
		f.Do = "Add nodes, or see why those there should be have not joined."
	case strings.Contains(msg, "waiting for scheduling gates"):
		gated(f, p)
	case strings.Contains(msg, "waiting for the preemption"):
		f.Reason, f.Summary = "WaitingForPreemption", "a pod waits for others to make room"
		f.Happened = f.Subject + " waits until pods of lower priority have ended."
		if strings.Contains(msg, "pod group") {
			f.Happened = f.Subject + " waits with its group until pods of lower priority have ended."
		}
		f.Do = "This passes when they have; long grace periods of those pods delay it."
	case strings.Contains(msg, "from a gang"), strings.Contains(msg, "pod group"), strings.Contains(msg, "minCount"):
		together(f, p, msg)
	case strings.Contains(msg, "pod affinity terms conflict"):
		f.Reason, f.Summary = "AffinityConflict", "the node affinity of a pod contradicts itself"
		f.Do = "No node can meet all terms at once: drop one."
		f.PodField = placement.AffinityField()
	case deviceClass.MatchString(msg):
		f.Reason, f.Summary = "DeviceClassNotFound", "device class "+deviceClass.FindStringSubmatch(msg)[1]+" does not exist"
		f.Do = "Install the DRA driver that brings it, or name one of: kubectl get deviceclasses"
		f.PodField = []string{"spec", "resourceClaims"}
	case strings.Contains(msg, "CEL "):
		selectorBroken(f)
	case resourceClaim.MatchString(msg), strings.Contains(msg, "resourceclaim"), strings.Contains(msg, "resource claim"):
		f.Reason, f.Summary = "ResourceClaim", "a resource claim of a pod is not ready"
		f.Happened = f.Subject + " cannot be scheduled before its resource claims (DRA) can be met."
		f.Do = fmt.Sprintf("See the claims: kubectl describe resourceclaim -n %s", p.Namespace)
		if m := resourceClaim.FindStringSubmatch(msg); m != nil {
			f.Reason, f.Summary = "ResourceClaimNotFound", "resource claim "+m[1]+" does not exist"
			f.Do = "Create it, or correct the name."
		}
		f.PodField = []string{"spec", "resourceClaims"}
	default:
		f.Summary = "a pod cannot be scheduled"
		f.Do = kubectlDescribe(p)
	}
	return false
}

// noteWaiting tells the finding about one of the claims, if there is one, that
// a pod waits for it: a cause and its consequence are one finding.
func (x *examiner) noteWaiting(claims []string, p *corev1.Pod) bool {
	for i := range x.drafts {
		d := &x.drafts[i]
		for _, name := range claims {
			if d.rank == rankClaim && d.key == claimKey(p.Namespace, name) {
				if d.Count == 0 {
					d.Happened += " " + podSubject(p) + " waits for it."
				}
				d.Count++
				if v := volumeOfClaim(&p.Spec, name); v != "" {
					d.PodField = []string{"spec", "volumes", v}
				}
				return true
			}
		}
	}
	return false
}
