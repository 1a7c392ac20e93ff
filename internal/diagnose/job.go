package diagnose

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
)

// What a Job's controller is given before its refusals count as certain: a
// quota or a service account may be made in the same apply.
const (
	refusalGrace  = 30 * time.Second
	refusalRepeat = 3
)

// idleGrace is how long a Job may be without pods before that is worth saying.
const idleGrace = 30 * time.Second

// queueLabel is the label by which Kueue finds what it holds back.
const queueLabel = "kueue.x-k8s.io/queue-name"

func jobCondition(j *batchv1.Job, t batchv1.JobConditionType) *batchv1.JobCondition {
	if j == nil {
		return nil
	}
	for i := range j.Status.Conditions {
		if c := &j.Status.Conditions[i]; c.Type == t && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

// job explains what the Job itself says. It runs after the pods, because a
// pod's own failure tells more than the Job's count of failures.
func (x *examiner) job(j *batchv1.Job) {
	if jobCondition(j, batchv1.JobComplete) != nil {
		return
	}
	if c := jobCondition(j, batchv1.JobFailed); c != nil {
		x.jobFailed(j, c)
		return
	}
	if ptr.Deref(j.Spec.Suspend, false) {
		x.jobSuspended(j)
		return
	}
	if c := jobCondition(j, batchv1.JobFailureTarget); c != nil {
		x.add(draft{rank: rankJob, key: "target/" + string(j.UID) + j.Name, when: c.LastTransitionTime.Time, Finding: Finding{
			Reason:   c.Reason,
			Subject:  jobSubject(j),
			Summary:  "the Job has given up and waits for its last pods to end",
			Happened: jobSubject(j) + " will be marked as failed once " + plural(int(j.Status.Active+ptr.Deref(j.Status.Terminating, 0)), "pod") + " of it have ended.",
			Why:      quote(c.Message),
			Do:       "See what its pods say; the decision to fail is made and is not taken back.",
		}})
		return
	}
	if j.Status.Active == 0 {
		if x.refused(j) {
			return
		}
		x.idle(j)
	}
}

func jobSubject(j *batchv1.Job) string { return "Job " + j.Namespace + "/" + j.Name }

// fate says in a sentence how the Job ended, for findings about its pods.
func fate(j *batchv1.Job) string {
	c := jobCondition(j, batchv1.JobFailed)
	if c == nil {
		return ""
	}
	s := jobSubject(j)
	switch c.Reason {
	case batchv1.JobReasonBackoffLimitExceeded:
		limit := ptr.Deref(j.Spec.BackoffLimit, 6)
		if limit == 0 {
			return s + " does not try again (backoffLimit 0)."
		}
		if n := j.Status.Failed; n > 1 {
			return fmt.Sprintf("%s gave up after %s (backoffLimit %d).", s, plural(int(n), "failed pod"), limit)
		}
		return fmt.Sprintf("%s gave up after as many attempts as backoffLimit %d allows.", s, limit)
	case batchv1.JobReasonPodFailurePolicy:
		if m := policyRule.FindStringSubmatch(c.Message); m != nil {
			return fmt.Sprintf("%s did not try again: rule %s of its podFailurePolicy says %s.", s, m[2], m[1])
		}
		return s + " did not try again, as its podFailurePolicy says."
	case batchv1.JobReasonMaxFailedIndexesExceeded:
		return fmt.Sprintf("%s gave up because more than %d of its indexes failed (%s).", s,
			ptr.Deref(j.Spec.MaxFailedIndexes, 0), orUnknown(ptr.Deref(j.Status.FailedIndexes, "")))
	case batchv1.JobReasonFailedIndexes:
		out := fmt.Sprintf("%s has failed: of its indexes, %s failed", s, orUnknown(ptr.Deref(j.Status.FailedIndexes, "")))
		if done := j.Status.CompletedIndexes; done != "" {
			out += " and " + done + " completed"
		}
		return out + "."
	case batchv1.JobReasonDeadlineExceeded:
		return fmt.Sprintf("%s was stopped by its deadline.", s)
	}
	return s + " has failed."
}

// policyRule reads the rule out of the message of a pod failure policy.
var policyRule = regexp.MustCompile(`matching (\w+) rule at index (\d+)`)

func orUnknown(s string) string {
	if s == "" {
		return "not recorded"
	}
	return s
}

// jobFailed tells of a failed Job what its pods do not tell.
func (x *examiner) jobFailed(j *batchv1.Job, c *batchv1.JobCondition) {
	f := Finding{Certain: true, Reason: c.Reason, Subject: jobSubject(j), Why: quote(c.Message)}
	d := draft{rank: rankJob, final: true, when: c.LastTransitionTime.Time, key: "failed/" + j.Namespace + "/" + j.Name}
	if c.Reason == batchv1.JobReasonDeadlineExceeded {
		limit := time.Duration(ptr.Deref(j.Spec.ActiveDeadlineSeconds, 0)) * time.Second
		d.rank = rankDeadline
		f.Summary = "the Job ran longer than its deadline"
		f.Happened = fmt.Sprintf("%s was stopped after %s, the limit of activeDeadlineSeconds. Its pods were deleted, their logs with them.", f.Subject, span(limit))
		f.Do = "Raise active_deadline_seconds if the run needs longer. The deadline counts from the Job's start, time spent waiting for nodes and images included."
		f.Field = []string{"Job", "spec", "activeDeadlineSeconds"}
		if ran := x.ranUntilDeadline(j); ran != "" {
			f.Happened += " " + ran
		}
		d.Finding = f
		x.add(d)
		return
	}
	for _, known := range x.drafts {
		if known.final {
			return
		}
	}
	f.Happened = fate(j)
	switch c.Reason {
	case batchv1.JobReasonBackoffLimitExceeded:
		f.Summary = "the Job ran out of retries"
		f.Happened += " Its pods are gone, so what they said is not known."
		f.Do = fmt.Sprintf("Look for the pods' words in your log storage, or run it again and follow it with: kubectl logs -n %s -l %s=%s --all-containers -f", j.Namespace, batchv1.JobNameLabel, j.Name)
		f.Field = []string{"Job", "spec", "backoffLimit"}
		if w := x.lastWords(j); w != "" {
			f.Why = w
		}
	case batchv1.JobReasonPodFailurePolicy:
		f.Summary = "the Job's pod failure policy ended it"
		f.Do = "Fix what the container died of, or change the rule of pod_failure_policy if such an end should be retried."
		f.Field = []string{"Job", "spec", "podFailurePolicy"}
	case batchv1.JobReasonMaxFailedIndexesExceeded:
		f.Summary = "too many indexes of the Job failed"
		f.Do = "Fix what the pods of these indexes died of, or raise maxFailedIndexes."
		f.Field = []string{"Job", "spec", "maxFailedIndexes"}
	case batchv1.JobReasonFailedIndexes:
		f.Summary = "indexes of the Job failed"
		f.Do = "Fix what the pods of these indexes died of, or raise backoffLimitPerIndex."
		f.Field = []string{"Job", "spec", "backoffLimitPerIndex"}
	default:
		f.Summary = "the Job has failed"
		f.Do = "The words above are the Job's own."
	}
	d.Finding = f
	x.add(d)
}

// ranUntilDeadline says whether the Job's pods ever ran: a deadline that hits a
// job still waiting for a node is another problem than a slow program.
func (x *examiner) ranUntilDeadline(j *batchv1.Job) string {
	seen := false
	for i := range x.e.Pods {
		p := &x.e.Pods[i]
		if x.jobOf(p) != j {
			continue
		}
		seen = true
		for _, s := range p.Status.ContainerStatuses {
			if s.State.Running != nil || s.State.Terminated != nil || s.LastTerminationState.Terminated != nil {
				return ""
			}
		}
	}
	if seen {
		return "None of its containers had started by then."
	}
	return ""
}

// lastWords returns what events still tell of pods that are gone.
func (x *examiner) lastWords(j *batchv1.Job) string {
	var newest *corev1.Event
	for i := range x.e.Events {
		ev := &x.e.Events[i]
		if ev.Type != corev1.EventTypeWarning || ev.InvolvedObject.Kind != "Pod" || ev.InvolvedObject.Namespace != j.Namespace ||
			!strings.HasPrefix(ev.InvolvedObject.Name, j.Name+"-") {
			continue
		}
		if newest == nil || lastSeen(ev).After(lastSeen(newest)) {
			newest = ev
		}
	}
	if newest == nil {
		return ""
	}
	return quote(message(newest))
}

func (x *examiner) jobSuspended(j *batchv1.Job) {
	f := Finding{
		Reason:   "JobSuspended",
		Subject:  jobSubject(j),
		Summary:  "the Job is suspended",
		Happened: jobSubject(j) + " is suspended, so it has no pods.",
		Do:       "Set suspend = false to start it.",
		Field:    []string{"Job", "spec", "suspend"},
	}
	if q := j.Labels[queueLabel]; q != "" {
		f.Summary = "the Job waits in queue " + q
		f.Happened = fmt.Sprintf("%s is held back by queue %s until its quota has room. Waiting in a queue is normal.", f.Subject, q)
		f.Do = fmt.Sprintf("Wait longer, or see what is ahead of it: kubectl get workloads -n %s", j.Namespace)
		f.Field = nil
	}
	x.add(draft{rank: rankWaiting, key: "suspended/" + j.Name, when: x.e.Now, Finding: f})
}

// idle reports a Job to which nothing has happened at all.
func (x *examiner) idle(j *batchv1.Job) {
	if len(x.e.Pods) > 0 || x.e.Now.Sub(j.CreationTimestamp.Time) < idleGrace || j.Status.Succeeded > 0 || j.Status.Failed > 0 {
		return
	}
	if ptr.Deref(j.Spec.Parallelism, 1) == 0 {
		x.add(draft{rank: rankWaiting, key: "zero/" + j.Name, when: x.e.Now, Finding: Finding{
			Reason: "NoParallelism", Subject: jobSubject(j), Summary: "the Job asks for no pods",
			Happened: jobSubject(j) + " has parallelism 0, so no pod is made.",
			Do:       "Set parallelism to 1 or more.",
			Field:    []string{"Job", "spec", "parallelism"},
		}})
		return
	}
	f := Finding{
		Reason:   "NoPods",
		Subject:  jobSubject(j),
		Summary:  "no pod has been made for the Job",
		Happened: fmt.Sprintf("%s was made %s ago and has neither pods, conditions nor warnings: its controller has not acted on it.", jobSubject(j), span(x.e.Now.Sub(j.CreationTimestamp.Time))),
		Do:       "See whether kube-controller-manager runs, and whether pods of a former Job of this name are still there.",
	}
	if by := ptr.Deref(j.Spec.ManagedBy, ""); by != "" && by != batchv1.JobControllerName {
		f.Happened = fmt.Sprintf("%s has no pods: it is left to the controller %s, which has not acted on it.", jobSubject(j), by)
		f.Do = "See whether that controller is installed and runs."
		f.Field = []string{"Job", "spec", "managedBy"}
	}
	x.add(draft{rank: rankWaiting, key: "idle/" + j.Name, when: x.e.Now, Finding: f})
}

// refused explains why the API server does not let the Job have its pods. Such
// refusals make no condition on the Job, only events.
func (x *examiner) refused(j *batchv1.Job) bool {
	events := x.events.of("Job", j)
	for _, r := range repeats(events, hasReason("FailedCreate")) {
		// A pod made after the refusal means it is overcome.
		if made := repeats(events, hasReason("SuccessfulCreate")); len(made) > 0 && lastSeen(made[0].newest).After(lastSeen(r.newest)) {
			return false
		}
		f, lasting := refusal(message(r.newest), j)
		since := x.e.Now.Sub(r.first)
		f.Subject = jobSubject(j)
		f.Certain = lasting && (r.times >= refusalRepeat || since >= refusalGrace)
		often := fmt.Sprintf("%s in %s", times(r.times), span(since))
		if r.times == 1 {
			often = span(since) + " ago"
		}
		f.Happened = sentences(fmt.Sprintf("%s cannot make its pods: the API server refused them %s.", f.Subject, often), f.Happened)
		x.add(draft{rank: rankRefused, key: "refused/" + j.Name + f.Reason + same(f.Why), when: lastSeen(r.newest), Finding: f})
		return true
	}
	return false
}

var (
	quotaExceeded = regexp.MustCompile(`exceeded quota: ([^,]+), requested: (.*), used: (.*), limited: (.*)$`)
	quotaMust     = regexp.MustCompile(`failed quota: ([^:]+): must specify (.*)$`)
	podSecurity   = regexp.MustCompile(`violates PodSecurity "([^"]+)"`)
	webhookDenied = regexp.MustCompile(`admission webhook "([^"]+)" denied the request`)
	webhookFailed = regexp.MustCompile(`failed calling webhook "([^"]+)"`)
	noAccount     = regexp.MustCompile(`serviceaccount "([^"]+)" not found`)
	noPriority    = regexp.MustCompile(`no PriorityClass with name (\S+) was found`)
	limitRange    = regexp.MustCompile(`(maximum|minimum) (\S+) usage per (Container|Pod) is ([^,\s]+)`)
	hostFields    = regexp.MustCompile(`hostNetwork=true|hostPath volumes|privileged|unrestricted capabilities|runAsNonRoot|seccompProfile|capabilities|allowPrivilegeEscalation`)
)

// refusal reads the API server's words about a pod it does not accept.
// Lasting is false for those that come and go, such as an unreachable webhook.
func refusal(msg string, j *batchv1.Job) (f Finding, lasting bool) {
	f.Why = quote(strings.TrimPrefix(msg, "Error creating: "))
	template := &j.Spec.Template.Spec
	spec := []string{"spec"}
	switch {
	case quotaExceeded.MatchString(msg):
		return quotaRefusal(f, quotaExceeded.FindStringSubmatch(msg), template), true
	case quotaMust.MatchString(msg):
		m := quotaMust.FindStringSubmatch(msg)
		what := strings.FieldsFunc(m[2], func(r rune) bool { return r == ' ' || r == ';' || r == ',' })
		f.Reason, f.Summary = "QuotaMustSpecify", "quota "+m[1]+" wants resources to be stated"
		f.Do = fmt.Sprintf("State them in resources; quota %s covers %s, so every pod has to.", m[1], list(keysOf(what), 4))
		if c := mainContainer(template); c != nil {
			f.PodField = []string{"spec", "containers", c.Name, "resources"}
		}
		return f, true
	case podSecurity.MatchString(msg):
		m := podSecurity.FindStringSubmatch(msg)
		f.Reason, f.Summary = "PodSecurity", "the namespace's Pod Security level "+m[1]+" forbids the pod"
		f.Do = podSecurityAdvice(msg, m[1])
		f.PodField = podSecurityField(msg, template)
		return f, true
	case webhookDenied.MatchString(msg):
		name := webhookDenied.FindStringSubmatch(msg)[1]
		f.Reason, f.Summary = "WebhookDenied", "an admission webhook refuses the pod"
		f.Do = fmt.Sprintf("Change the pod to what webhook %s asks for, or ask its owner for an exception.", name)
		return f, true
	case webhookFailed.MatchString(msg):
		name := webhookFailed.FindStringSubmatch(msg)[1]
		f.Reason, f.Summary = "WebhookUnreachable", "an admission webhook does not answer"
		f.Do = fmt.Sprintf("The service behind webhook %s has to come back before anything can be made here; see its pods.", name)
		return f, false
	case noAccount.MatchString(msg):
		name := noAccount.FindStringSubmatch(msg)[1]
		f.Reason, f.Summary = "ServiceAccountNotFound", "service account "+name+" does not exist"
		f.Do = fmt.Sprintf("Create it in namespace %s, or name another one.", j.Namespace)
		f.PodField = append(spec, "serviceAccountName")
		return f, true
	case noPriority.MatchString(msg):
		name := noPriority.FindStringSubmatch(msg)[1]
		f.Reason, f.Summary = "PriorityClassNotFound", "priority class "+name+" does not exist"
		f.Do = "Create it, or name one of: kubectl get priorityclasses"
		f.PodField = append(spec, "priorityClassName")
		return f, true
	case limitRange.MatchString(msg):
		m := limitRange.FindStringSubmatch(msg)
		f.Reason, f.Summary = "LimitRange", fmt.Sprintf("a limit range sets the %s of %s to %s", m[1], m[2], m[4])
		f.Do = fmt.Sprintf("Keep %s within what the LimitRange of namespace %s allows.", m[2], j.Namespace)
		if c := mainContainer(template); c != nil && m[3] == "Container" {
			f.PodField = []string{"spec", "containers", c.Name, "resources", "limits", m[2]}
		}
		return f, true
	case strings.Contains(msg, "because it is being terminated"):
		f.Reason, f.Summary = "NamespaceTerminating", "namespace "+j.Namespace+" is being deleted"
		f.Do = "Use another namespace, or wait until it is gone and make it again."
		return f, true
	case strings.Contains(msg, "status unknown for quota"), strings.Contains(msg, "Internal error occurred"),
		strings.Contains(msg, "timeout"), strings.Contains(msg, "the server was unable"):
		f.Reason, f.Summary = "FailedCreate", "the API server could not take the pods"
		f.Do = "This usually passes; the Job's controller goes on trying."
		return f, false
	}
	f.Reason, f.Summary = "FailedCreate", "the API server refuses the Job's pods"
	f.Do = "Change what the API server objects to."
	return f, true
}

// quotaRefusal says by how much a quota is exceeded and whether it could ever fit.
func quotaRefusal(f Finding, m []string, template *corev1.PodSpec) Finding {
	requested, used, limited := amounts(m[2]), amounts(m[3]), amounts(m[4])
	f.Reason, f.Summary = "QuotaExceeded", "quota "+m[1]+" is used up"
	var parts []string
	never := false
	for _, r := range requested {
		lim, ok := find(limited, r.key)
		if !ok {
			continue
		}
		u, _ := find(used, r.key)
		parts = append(parts, fmt.Sprintf("Each pod asks for %s of %s; the quota allows %s, of which %s are in use.", r.text, strings.TrimPrefix(r.key, "requests."), lim.text, orZero(u.text)))
		never = never || r.amount.Cmp(lim.amount) > 0
		if f.PodField == nil {
			key, limits := strings.CutPrefix(r.key, "limits.")
			f.PodField = requestField(template, corev1.ResourceName(strings.TrimPrefix(key, "requests.")))
			if limits && f.PodField != nil {
				f.PodField[len(f.PodField)-2] = "limits"
			}
		}
	}
	f.Happened = strings.Join(parts, " ")
	gpu := f.PodField != nil && isAccelerator(corev1.ResourceName(f.PodField[len(f.PodField)-1]))
	switch {
	case never && gpu:
		f.Summary = "one pod asks for more than quota " + m[1] + " allows in all"
		f.Do = "Lower gpu.count, or have the quota raised; it cannot fit even when everything else has ended."
	case never:
		f.Summary = "one pod asks for more than quota " + m[1] + " allows in all"
		f.Do = "Ask for less, or have the quota raised; it cannot fit even when everything else has ended."
	case gpu:
		f.Do = "Lower gpu.count, wait for other work in the namespace to end and apply again, or have the quota raised."
	default:
		f.Do = "Ask for less, wait for other work in the namespace to end and apply again, or have the quota raised."
	}
	return f
}

func orZero(s string) string {
	if s == "" {
		return "0"
	}
	return s
}

// amount is one "key=quantity" of a quota's message.
type amount struct {
	key, text string
	amount    resource.Quantity
}

func amounts(s string) []amount {
	var out []amount
	for part := range strings.SplitSeq(s, ",") {
		k, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			continue
		}
		q, err := resource.ParseQuantity(v)
		if err != nil {
			continue
		}
		out = append(out, amount{k, v, q})
	}
	return out
}

func find(as []amount, key string) (amount, bool) {
	for _, a := range as {
		if a.key == key {
			return a, true
		}
	}
	return amount{}, false
}

// keysOf picks the resource names out of "limits.cpu for: main".
func keysOf(words []string) []string {
	var out []string
	for _, w := range words {
		if strings.Contains(w, "cpu") || strings.Contains(w, "memory") || strings.Contains(w, "storage") {
			out = append(out, w)
		}
	}
	return out
}

func podSecurityAdvice(msg, level string) string {
	switch {
	case strings.Contains(msg, "IPC_LOCK"), strings.Contains(msg, "hostNetwork"), strings.Contains(msg, "hostPath"),
		strings.Contains(msg, "privileged"), strings.Contains(msg, "hostIPC"):
		return "Drop what it objects to, or run in a namespace whose label pod-security.kubernetes.io/enforce is privileged: host access, hostPath volumes and IPC_LOCK (RDMA, EFA) need that."
	case strings.HasPrefix(level, "restricted"):
		return "Set in the security contexts what it asks for: run_as_non_root, allow_privilege_escalation = false, capabilities dropped, a seccomp profile."
	}
	return "Change the security contexts to what the level allows, or run in a namespace with a wider one."
}

func podSecurityField(msg string, template *corev1.PodSpec) []string {
	switch hostFields.FindString(msg) {
	case "hostNetwork=true":
		return []string{"spec", "hostNetwork"}
	case "hostPath volumes":
		for _, v := range template.Volumes {
			if v.HostPath != nil {
				return []string{"spec", "volumes", v.Name}
			}
		}
	case "":
		return nil
	}
	if c := mainContainer(template); c != nil {
		return []string{"spec", "containers", c.Name, "securityContext"}
	}
	return nil
}
