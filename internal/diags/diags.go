// Package diags makes every diagnostic a user of mlk sees. Nothing else in the
// provider writes summaries or details, so that all of them read alike: what
// happened, why, where things stand now, what to do.
package diags

import (
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
)

// Message is one diagnostic. Summary names the thing in one sentence without a
// full stop, at most 90 characters. The other parts are paragraphs of the
// detail; empty parts are left out.
type Message struct {
	Summary string
	// Happened says what was seen.
	Happened string
	// Why quotes the server, the pod or the scheduler, once.
	Why string
	// Stands says what exists now and what the state records.
	Stands string
	// Do says what the user can do.
	Do string
	// At is the attribute at fault; empty when none is.
	At path.Path
}

// Detail joins the parts of the message into paragraphs. An attribute inside
// another is named first: (gpu.count).
func (m Message) Detail() string {
	var parts []string
	if len(m.At.Steps()) > 1 {
		parts = append(parts, "("+m.At.String()+")")
	}
	for _, p := range []string{m.Happened, m.Why, m.Stands, m.Do} {
		if p = strings.TrimSpace(p); p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, "\n\n")
}

// Error makes the message an error.
func (m Message) Error() diag.Diagnostic {
	if len(m.At.Steps()) == 0 {
		return diag.NewErrorDiagnostic(m.Summary, m.Detail())
	}
	return diag.NewAttributeErrorDiagnostic(m.line(), m.Summary, m.Detail())
}

// Warning makes the message a warning: something succeeded but will surprise.
func (m Message) Warning() diag.Diagnostic {
	if len(m.At.Steps()) == 0 {
		return diag.NewWarningDiagnostic(m.Summary, m.Detail())
	}
	return diag.NewAttributeWarningDiagnostic(m.line(), m.Summary, m.Detail())
}

// line is the attribute whose line Terraform shows. It finds attributes of the
// resource only: for a path into one it would point at the whole resource.
func (m Message) line() path.Path {
	p := m.At
	for len(p.Steps()) > 1 {
		p = p.ParentPath()
	}
	return p
}
