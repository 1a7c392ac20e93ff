package diagnose

import (
	"fmt"
	"regexp"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// refused explains why the API server does not let the Job have its pods. Such
// refusals make no condition on the Job, only events.
func (x *examiner) refused(j *batchv1.Job) bool {
	events := x.events.of("Job", j)
	refusals := repeats(events, hasReason("FailedCreate"))
	if len(refusals) == 0 {
		return false
	}
	r := refusals[0]
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
	gpu := f.PodField != nil && IsAccelerator(corev1.ResourceName(f.PodField[len(f.PodField)-1]))
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
