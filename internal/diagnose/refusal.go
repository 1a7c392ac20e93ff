package diagnose

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
	"github.com/mlkube/terraform-provider-mlk/internal/placement"
)

// maker is an object whose controller makes pods.
type maker struct {
	metav1.Object
	kind     string
	template *corev1.PodTemplateSpec
}

func (m maker) String() string { return m.kind + " " + m.GetNamespace() + "/" + m.GetName() }

// refused explains why the API server does not let a controller have its pods,
// of which it has some and wants more. Such refusals make no condition on most
// objects, only events.
func (x *examiner) refused(m maker, have, want int32) bool {
	events := x.events.of(m.kind, m)
	refusals := repeats(events, hasReason("FailedCreate"))
	if len(refusals) == 0 {
		return false
	}
	r := refusals[0]
	// A pod made after the refusal means it is overcome.
	if made := repeats(events, hasReason("SuccessfulCreate")); len(made) > 0 && lastSeen(made[0].newest).After(lastSeen(r.newest)) {
		return false
	}
	x.tellRefusal(m, message(r.newest), r.first, lastSeen(r.newest), r.times, have, want)
	return true
}

// tellRefusal adds the finding of a refusal that was said n times since first; 0
// means it has stood since then.
func (x *examiner) tellRefusal(m maker, msg string, first, last time.Time, n int, have, want int32) *draft {
	f, lasting := refusal(msg, m)
	since := x.e.Now.Sub(first)
	f.Subject = m.String()
	f.Certain = lasting && (n >= refusalRepeat || since >= refusalGrace)
	often := fmt.Sprintf("%s in %s", times(n), span(since))
	if n == 1 {
		often = span(since) + " ago"
	}
	makes := "pods"
	if m.kind == "CronJob" {
		makes = "runs"
	}
	cannot := fmt.Sprintf("%s cannot make its %s: the API server refused them %s.", f.Subject, makes, often)
	switch some := have > 0 && have < want; {
	case n == 0 && some:
		cannot = fmt.Sprintf("%s has %d of its %d pods: the API server has refused the others for %s.", f.Subject, have, want, span(since))
	case n == 0:
		cannot = fmt.Sprintf("%s cannot make its pods: the API server has refused them for %s.", f.Subject, span(since))
	case some:
		cannot = fmt.Sprintf("%s has %d of its %d pods: the API server refused the others %s.", f.Subject, have, want, often)
	}
	f.Happened = sentences(cannot, f.Happened)
	x.add(draft{rank: rankRefused, key: m.kind + "/refused/" + m.GetName() + f.Reason + same(f.Why), when: last, Finding: f})
	return &x.drafts[len(x.drafts)-1]
}

// creating is what controllers put before the API server's words.
var creating = regexp.MustCompile(`^(Error creating( job)?: |create (Pod|Claim) \S+ (for Pod \S+ )?in StatefulSet \S+ failed error: )`)

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
func refusal(msg string, m maker) (f Finding, lasting bool) {
	f.Why = quote(creating.ReplaceAllString(msg, ""))
	template := &m.template.Spec
	spec := []string{"spec"}
	switch {
	case quotaExceeded.MatchString(msg):
		return quotaRefusal(f, msg, template), true
	case quotaMust.MatchString(msg):
		q := quotaMust.FindStringSubmatch(msg)
		what := strings.FieldsFunc(q[2], func(r rune) bool { return r == ' ' || r == ';' || r == ',' })
		f.Reason, f.Summary = "QuotaMustSpecify", "quota "+q[1]+" wants resources to be stated"
		f.Do = fmt.Sprintf("State them in resources; quota %s covers %s, so every pod has to.", q[1], list(keysOf(what), 4))
		if c := mainContainer(template); c != nil {
			f.PodField = []string{"spec", "containers", c.Name, "resources"}
		}
		return f, true
	case podSecurity.MatchString(msg):
		level := podSecurity.FindStringSubmatch(msg)[1]
		f.Reason, f.Summary = "PodSecurity", "Pod Security level "+strings.TrimSuffix(level, ":latest")+" forbids the pod"
		f.Do = podSecurityAdvice(msg, level)
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
		f.Do = fmt.Sprintf("Create it in namespace %s, or name another one.", m.GetNamespace())
		f.PodField = append(spec, "serviceAccountName")
		return f, true
	case noPriority.MatchString(msg):
		name := noPriority.FindStringSubmatch(msg)[1]
		f.Reason, f.Summary = "PriorityClassNotFound", "priority class "+name+" does not exist"
		f.Do = "Create it, or name one of: kubectl get priorityclasses"
		f.PodField = append(spec, "priorityClassName")
		return f, true
	case limitRange.MatchString(msg):
		l := limitRange.FindStringSubmatch(msg)
		f.Reason, f.Summary = "LimitRange", fmt.Sprintf("a limit range sets the %s of %s to %s", l[1], l[2], l[4])
		f.Do = fmt.Sprintf("Keep %s within what the LimitRange of namespace %s allows.", l[2], m.GetNamespace())
		if c := mainContainer(template); c != nil && l[3] == "Container" {
			f.PodField = []string{"spec", "containers", c.Name, "resources", "limits", l[2]}
		}
		return f, true
	case strings.Contains(msg, "because it is being terminated"):
		f.Reason, f.Summary = "NamespaceTerminating", "namespace "+m.GetNamespace()+" is being deleted"
		f.Do = "Use another namespace, or wait until it is gone and make it again."
		return f, true
	case strings.Contains(msg, "status unknown for quota"), strings.Contains(msg, "Internal error occurred"),
		strings.Contains(msg, "timeout"), strings.Contains(msg, "the server was unable"):
		f.Reason, f.Summary = "FailedCreate", "the API server could not take the pods"
		f.Do = "This usually passes; its controller goes on trying."
		return f, false
	}
	f.Reason, f.Summary = "FailedCreate", "the API server refuses the "+m.kind+"'s pods"
	f.Do = "Change what the API server objects to."
	return f, true
}

// quotaRefusal says by how much a quota is exceeded and whether it could ever fit.
func quotaRefusal(f Finding, msg string, template *corev1.PodSpec) Finding {
	m := quotaExceeded.FindStringSubmatch(msg)
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
		parts = append(parts, asksFor(msg, r, u, lim))
		never = never || r.amount.Cmp(lim.amount) > 0
		if f.PodField == nil {
			key, limits := strings.CutPrefix(r.key, "limits.")
			f.PodField = placement.RequestField(template, corev1.ResourceName(strings.TrimPrefix(key, "requests.")))
			if limits && f.PodField != nil {
				f.PodField[len(f.PodField)-2] = "limits"
			}
		}
	}
	f.Happened = strings.Join(parts, " ")
	if len(requested) > 0 && strings.HasPrefix(requested[0].key, "count/") {
		f.Do = "Delete some that are no longer needed, or have the quota raised."
		return f
	}
	device := f.PodField != nil && gpu.Is(corev1.ResourceName(f.PodField[len(f.PodField)-1]))
	switch {
	case never && device:
		f.Summary = "one pod asks for more than quota " + m[1] + " allows in all"
		f.Do = "Lower gpu.count, or have the quota raised; it cannot fit even when everything else has ended."
	case never:
		f.Summary = "one pod asks for more than quota " + m[1] + " allows in all"
		f.Do = "Ask for less, or have the quota raised; it cannot fit even when everything else has ended."
	case device:
		f.Do = "Lower gpu.count, wait for other work in the namespace to end and apply again, or have the quota raised."
	default:
		f.Do = "Ask for less, wait for other work in the namespace to end and apply again, or have the quota raised."
	}
	return f
}

// asksFor says what one refused object asks for, and how far its quota is used.
func asksFor(msg string, asked, used, limit amount) string {
	inUse := orZero(used.text)
	verb := "are"
	if _, err := strconv.Atoi(inUse); err != nil || inUse == "1" {
		verb = "is"
	}
	if inUse == "0" {
		inUse, verb = "none of it", "is"
	}
	if what, counted := strings.CutPrefix(asked.key, "count/"); counted {
		return fmt.Sprintf("The quota allows %s %s, and there %s %s.", limit.text, what, verb, inUse)
	}
	who := "pod"
	if strings.Contains(msg, "persistentvolumeclaims ") {
		who = "volume claim"
	}
	return fmt.Sprintf("Each %s asks for %s of %s; the quota allows %s, and %s %s in use.", who, asked.text, strings.TrimPrefix(asked.key, "requests."), limit.text, inUse, verb)
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
