package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// failure is an API error on its way to the user.
type failure struct {
	// title names the resource, ref the object the call was about.
	title string
	ref   kube.Ref
	// verb is what was tried: "create", "update", "delete", "read".
	verb string
	err  error
	// fields and sent translate the server's field paths; both may be empty.
	fields diags.Fields
	sent   *kube.Object
	// patch is what the patch attribute says of the object; nil when nothing.
	patch map[string]any
	// stands says what exists now.
	stands string
	// reword is Definition.Refused for the model at hand; nil when there is none.
	reword func(said string) diags.Message
}

// diagnostics translates the failure, one diagnostic a cause.
func (f failure) diagnostics() diag.Diagnostics {
	if conflicts := kube.Conflicts(f.err); len(conflicts) > 0 {
		return f.conflicts(conflicts)
	}
	var status apierrors.APIStatus
	if !errors.As(f.err, &status) {
		return diag.Diagnostics{f.unreachable()}
	}
	s := status.Status()
	switch {
	case apierrors.IsUnauthorized(f.err):
		return diag.Diagnostics{diags.Message{
			Summary:  fmt.Sprintf("The cluster does not accept the credentials for %s", f.title),
			Happened: fmt.Sprintf("It answered 401 when mlk tried to %s %s. The token or certificate is wrong or has expired.", f.verb, f.ref),
			Stands:   f.stands,
			Do:       "Refresh the credentials. For runs longer than a token lives use exec or token_file in the provider block: both are read again when the cluster asks.",
		}.Error()}
	case apierrors.IsForbidden(f.err) && !isAdmission(s):
		return diag.Diagnostics{diags.Message{
			Summary:  fmt.Sprintf("This user may not %s %s", f.verb, f.ref),
			Happened: "The cluster refused it for lack of permission:",
			Why:      s.Message,
			Stands:   f.stands,
			Do:       fmt.Sprintf("Grant the verb with a %sRole and %[1]sRoleBinding, or use other credentials.", f.scope()),
		}.Error()}
	case apierrors.IsNotFound(f.err) && s.Details != nil && s.Details.Kind == "namespaces":
		return diag.Diagnostics{diags.Message{
			Summary: fmt.Sprintf("Namespace %s does not exist", s.Details.Name),
			Stands:  f.stands,
			Do:      "Create the namespace first, in this configuration with a reference to it, or by hand.",
			At:      path.Root("namespace"),
		}.Error()}
	case apierrors.IsNotFound(f.err) && !kube.IsGone(f.err):
		return diag.Diagnostics{diags.Message{
			Summary:  fmt.Sprintf("This cluster has no %s API", f.ref.Kind.Kind),
			Happened: fmt.Sprintf("%s needs %s, which the server does not serve.", f.title, f.ref.Kind.APIVersion()),
			Stands:   f.stands,
			Do:       "Check that the provider points at a Kubernetes API server, and that the API is installed there.",
		}.Error()}
	}
	if f.reword != nil {
		if m := f.reword(s.Message); m.Summary != "" {
			m.Summary, m.Stands = clip(m.Summary), f.stands
			return diag.Diagnostics{m.Error()}
		}
	}
	if s.Details != nil && len(s.Details.Causes) > 0 {
		return f.causes(s)
	}
	return diag.Diagnostics{diags.Message{
		Summary: fmt.Sprintf("The cluster refused to %s %s", f.verb, f.ref),
		Why:     s.Message,
		Stands:  f.stands,
		Do:      f.advice(s),
	}.Error()}
}

// scope is what roles of objects of no namespace begin with.
func (f failure) scope() string {
	if f.ref.Namespace == "" {
		return "Cluster"
	}
	return ""
}

// isAdmission reports whether a 403 came from quota, Pod Security or a webhook
// rather than from missing permissions.
func isAdmission(s metav1.Status) bool {
	for _, sign := range []string{"exceeded quota", "violates PodSecurity", "admission webhook", "is forbidden: ", "denied the request"} {
		if strings.Contains(s.Message, sign) && !strings.Contains(s.Message, "User \"") {
			return true
		}
	}
	return false
}

func (f failure) advice(s metav1.Status) string {
	switch {
	case strings.Contains(s.Message, "exceeded quota"):
		return "Ask for less, free what the namespace uses, or raise its ResourceQuota."
	case strings.Contains(s.Message, "admission webhook"):
		return "The webhook named above decides; change what it objects to, or ask those who run it."
	}
	return "Change what the server objects to and apply again."
}

// causes makes one diagnostic of each field the server objects to.
func (f failure) causes(s metav1.Status) diag.Diagnostics {
	var ds diag.Diagnostics
	const most = 5
	for i, c := range s.Details.Causes {
		if i == most {
			ds.Append(diags.Message{Summary: fmt.Sprintf("and %d more fields of %s", len(s.Details.Causes)-most, f.ref), Why: s.Message}.Error())
			break
		}
		segments := kube.ParseField(c.Field)
		if f.sent != nil {
			segments = kube.ResolveIndexes(f.sent.Object, segments)
		}
		m := diags.Message{
			Summary: clip(fmt.Sprintf("The cluster refused %s: %s", f.ref, c.Field)),
			Why:     c.Message,
			Stands:  f.stands,
			Do:      f.advice(s),
		}
		if !strings.Contains(m.Summary, c.Field) {
			m.Why = c.Field + ": " + c.Message // a long name left no room for it
		}
		if at, ok := f.attribute(segments); ok {
			m.At = at
		}
		ds.Append(m.Error())
	}
	return ds
}

// attribute finds the attribute that generated a field, or the only one below it.
func (f failure) attribute(segments []string) (path.Path, bool) {
	if patchSays(f.patch, segments) {
		return path.Root("patch"), true
	}
	full := append([]string{f.ref.Key()}, segments...)
	if at, ok := f.fields.Find(full); ok {
		return at, true
	}
	if below := f.fields.FindBelow(full); len(below) == 1 {
		return below[0], true
	}
	return path.Empty(), false
}

func (f failure) conflicts(cs []kube.Conflict) diag.Diagnostics {
	var ds diag.Diagnostics
	for _, c := range cs {
		name := describe(c.Field)
		m := diags.Message{
			Summary:  clip(fmt.Sprintf("%q of %s belongs to %q", name, f.ref, c.Manager)),
			Happened: fmt.Sprintf("The configuration asks for a value that differs from the one %s has set.", c.Manager),
			Stands:   f.stands,
			Do:       fmt.Sprintf("Remove the attribute from the configuration to leave the field to %s, or set force_conflicts = true to take it.", c.Manager),
		}
		if at, ok := f.attribute(c.Field); ok {
			m.At = at
		}
		ds.Append(m.Error())
	}
	return ds
}

// unreachable explains an error that did not come from the API server.
func (f failure) unreachable() diag.Diagnostic {
	m := diags.Message{Stands: f.stands}
	var dns *net.DNSError
	var u *url.Error
	why := f.err
	if errors.As(f.err, &u) {
		why = u.Err
		m.Happened = fmt.Sprintf("mlk tried to %s %s at %s.", f.verb, f.ref, hostOf(u.URL))
	}
	m.Why = why.Error()
	switch {
	case errors.Is(f.err, context.Canceled):
		m.Summary = fmt.Sprintf("Interrupted while trying to %s %s", f.verb, f.ref)
		m.Why = ""
		m.Do = "Apply again to go on."
	case errors.Is(f.err, context.DeadlineExceeded):
		m.Summary = fmt.Sprintf("The cluster did not answer in time to %s %s", f.verb, f.ref)
		m.Why = ""
		m.Do = "See whether the control plane is healthy, then apply again."
	case errors.As(f.err, &dns):
		m.Summary = fmt.Sprintf("The cluster's address %q cannot be resolved", dns.Name)
		m.Do = "Check host, kubeconfig and context of the provider block, and whether this machine is in the right network."
	case errors.Is(f.err, syscall.ECONNREFUSED):
		m.Summary = "The cluster's API server refuses connections"
		m.Do = "It is down or restarting, or the address is wrong. Apply again when it is back: nothing is lost."
	default:
		m.Summary = clip(fmt.Sprintf("The cluster could not be reached to %s %s", f.verb, f.ref))
		m.Do = "Check the provider block and the network between this machine and the cluster, then apply again."
	}
	return m.Error()
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Host
}

// mostSummary is the characters that a terminal line bears.
const mostSummary = 90

// clip keeps a summary within them: whole words, where there are any.
func clip(s string) string {
	r := []rune(s)
	if len(r) <= mostSummary {
		return s
	}
	cut := string(r[:mostSummary-1])
	if i := strings.LastIndexByte(cut, ' '); i > mostSummary/2 {
		cut = strings.TrimRight(cut[:i], " :,;")
	}
	return cut + "…"
}

// headline puts a cause under the first of the heads that leaves room for it, so
// that the cause is not what is cut off. whole is whether that was the first.
func headline(cause string, heads ...string) (summary string, whole bool) {
	for i, h := range heads {
		summary = h + ": " + cause
		if len([]rune(summary)) <= mostSummary {
			return summary, i == 0
		}
	}
	return clip(summary), false
}

// uncertain reports whether a write may have happened although it returned an
// error: the answer was lost, not given.
func uncertain(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return !errors.Is(err, syscall.ECONNREFUSED)
	}
	code := status.Status().Code
	return code >= 500 || slices.Contains([]metav1.StatusReason{metav1.StatusReasonTimeout, metav1.StatusReasonServerTimeout}, status.Status().Reason)
}
