package lifecycle

import (
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/mlkube/terraform-provider-mlk/internal/diagnose"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// telling turns findings into diagnostics.
type telling[M any, P based[M]] struct {
	w       *writer[M, P]
	verdict wait.Verdict
	late    bool
	keep    bool
	notes   []string
}

// noNodeLargeEnough is the finding that no waiting cures, although it is not
// certain: a pool may scale up with larger nodes.
const noNodeLargeEnough = "NoNodeLargeEnough"

// mostCauses is how many causes one failure lists.
const mostCauses = 5

func (t telling[M, P]) diagnostics(findings []diagnose.Finding) diag.Diagnostics {
	var ds diag.Diagnostics
	m := P(t.w.model)
	title := t.w.r.title(m)
	if len(findings) == 0 {
		summary := fmt.Sprintf("%s failed", title)
		if t.late {
			summary = fmt.Sprintf("%s is not %s after %s", title, t.w.r.level(m), t.w.timeout)
		}
		happened := t.verdict.Message
		if t.verdict.Reason != "" {
			happened = fmt.Sprintf("%s (%s)", happened, t.verdict.Reason)
		}
		ds.Append(severity(t.keep, diags.Message{
			Summary: clip(summary), Happened: happened, Why: t.noted(), Stands: t.stands(), Do: t.patience(),
		}))
		return ds
	}
	for i, f := range findings {
		if i == mostCauses {
			ds.Append(severity(t.keep, diags.Message{
				Summary:  clip(fmt.Sprintf("%s: and %d more causes", title, len(findings)-mostCauses)),
				Happened: "The first five are above; kubectl describe shows all.",
			}))
			break
		}
		ds.Append(severity(t.keep, t.cause(title, f, i == 0)))
	}
	return ds
}

// cause is the diagnostic of one finding. Where things stand is said once.
func (t telling[M, P]) cause(title string, f diagnose.Finding, first bool) diags.Message {
	m := P(t.w.model)
	role := t.roleOf(f.Subject)
	short := fmt.Sprintf("%s %q", t.w.r.def.Noun, m.Base().Name.ValueString())
	if role != "" {
		title, short = ofRole(role, title), ofRole(role, short)
	}
	heads := []string{title + " failed", title}
	if t.late {
		level := t.w.r.level(m)
		heads = []string{fmt.Sprintf("%s is not %s after %s", title, level, t.w.timeout), fmt.Sprintf("%s is not %s", title, level), title}
	}
	heads = append(heads, short)
	if role != "" {
		heads = append(heads, ofRole(role, ""))
	}
	summary, whole := headline(f.Summary, heads...)
	msg := diags.Message{Summary: summary, Happened: f.Happened, Why: f.Why, Do: f.Do}
	if !whole {
		msg.Happened = heads[0] + ". " + msg.Happened
	}
	switch f.Count {
	case 0, 1:
	case 2:
		msg.Happened = joined(msg.Happened, "One more pod has the same problem.")
	default:
		msg.Happened = joined(msg.Happened, fmt.Sprintf("%d more pods have the same problem.", f.Count-1))
	}
	if f.Log != "" {
		msg.Why = joined(msg.Why, "Last lines of its log:\n"+indent(f.Log))
	}
	if first {
		msg.Happened = joined(msg.Happened, t.noted())
		msg.Stands = t.stands()
		if t.late && !f.Certain && f.Reason != noNodeLargeEnough {
			msg.Do = joined(msg.Do, t.patience())
		}
	}
	fields := t.w.r.blamed(P(t.w.model))
	for _, segments := range t.places(f, role) {
		if at, ok := fields.Find(segments); ok {
			msg.At = at
			break
		}
	}
	return msg
}

// places are the fields a finding blames, with the kind of the owned object first.
func (t telling[M, P]) places(f diagnose.Finding, role string) [][]string {
	var out [][]string
	if len(f.Field) > 0 {
		out = append(out, append([]string{}, f.Field...))
	}
	if len(f.PodField) > 0 {
		out = append(out, append(append([]string{}, t.w.r.def.PodTemplate...), f.PodField...))
	}
	for _, segments := range out {
		if role != "" {
			segments[0] += "/" + role
		}
	}
	return out
}

// roleOf is the role of the object that a finding is about, or of the one whose pod
// it is about: "Pod ml/llama-canary-5b8f9-x7 container main".
func (t telling[M, P]) roleOf(subject string) string {
	for _, o := range t.w.owners() {
		at := o.ref.Namespace + "/" + o.ref.Name
		if o.ref.Role != "" && (strings.HasSuffix(subject, at) || strings.Contains(subject, at+"-") || strings.Contains(subject, at+" ")) {
			return o.ref.Role
		}
	}
	return ""
}

// ofRole is how the object with a role is called: Canary of inference service "llama".
// The role alone where nothing is said of what. Names of programs and abbreviations
// are written as they are.
func ofRole(role, title string) string {
	if !strings.Contains(role, "-") {
		role = strings.ToUpper(role[:1]) + role[1:]
	}
	if title == "" {
		return role
	}
	if second := title[1:2]; second == strings.ToLower(second) {
		title = strings.ToLower(title[:1]) + title[1:]
	}
	return role + " of " + title
}

func (t telling[M, P]) stands() string {
	out := ""
	switch {
	case t.keep:
		out = "The object is left as it is and recorded in the state (on_failure = \"keep\"); the next plan waits for it again."
	case t.w.creating && t.verdict.Reason == reasonDeleted:
		return tainted(t.w.r.address())
	case t.w.creating:
		return "The object exists and is recorded in the state. " + tainted(t.w.r.address())
	case t.verdict.Reason == reasonDeleted:
		return "Nothing was put in its place; the next plan starts from what is there."
	case t.w.takesBack():
		out = "What was there before is being put back (on_failed_rollout = \"rollback\"); the next plan shows the change again."
	default:
		out = "The object exists and is recorded in the state; the next plan waits for it again."
	}
	if t.w.r.def.Serving != nil && !t.w.creating {
		if serving := t.w.r.def.Serving(t.w.model, t.w.seen); serving != "" {
			out = serving + " " + out
		}
	}
	return out
}

func (t telling[M, P]) patience() string {
	if !t.late {
		return ""
	}
	return fmt.Sprintf("If it only needs longer, raise timeouts.%s (now %s).", t.w.verb, t.w.timeout)
}

func (t telling[M, P]) noted() string {
	out := ""
	for _, n := range t.notes {
		out = joined(out, n)
	}
	return out
}

func joined(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	return a + "\n\n" + b
}

func indent(s string) string {
	out := "  "
	for _, c := range s {
		out += string(c)
		if c == '\n' {
			out += "  "
		}
	}
	return out
}

// phrase puts a verdict into a clause.
func phrase(v wait.Verdict) string {
	if v.Message != "" {
		return v.Message
	}
	return v.Phase
}
