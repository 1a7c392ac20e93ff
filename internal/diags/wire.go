package diags

import (
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Wired puts diagnostics into the form of the protocol.
func Wired(ds diag.Diagnostics) []*tfprotov6.Diagnostic {
	var out []*tfprotov6.Diagnostic
	for _, d := range ds {
		w := &tfprotov6.Diagnostic{Severity: tfprotov6.DiagnosticSeverityError, Summary: d.Summary(), Detail: d.Detail()}
		if d.Severity() == diag.SeverityWarning {
			w.Severity = tfprotov6.DiagnosticSeverityWarning
		}
		if at, ok := d.(diag.DiagnosticWithPath); ok {
			w.Attribute = AttributePath(at.Path())
		}
		out = append(out, w)
	}
	return out
}

// AttributePath puts a path into the form of the protocol.
func AttributePath(p path.Path) *tftypes.AttributePath {
	at := tftypes.NewAttributePath()
	for _, step := range p.Steps() {
		switch s := step.(type) {
		case path.PathStepAttributeName:
			at = at.WithAttributeName(string(s))
		case path.PathStepElementKeyString:
			at = at.WithElementKeyString(string(s))
		case path.PathStepElementKeyInt:
			at = at.WithElementKeyInt(int(s))
		default:
			return at // an element of a set: Terraform shows what it is in
		}
	}
	return at
}

// OfValidators puts what the validators of libraries say into our form: the summary
// names the attribute, and the path ends at the top, because Terraform shows the line
// of top-level attributes only. They name the whole path in their text.
func OfValidators(ds []*tfprotov6.Diagnostic) {
	for _, d := range ds {
		if d.Attribute == nil || len(d.Attribute.Steps()) == 0 {
			continue
		}
		d.Attribute = tftypes.NewAttributePathWithSteps(d.Attribute.Steps()[:1])
		if rest, ours := strings.CutPrefix(d.Detail, "Attribute "); ours && strings.HasPrefix(d.Summary, "Invalid Attribute") {
			at, _, _ := strings.Cut(rest, " ")
			d.Summary = "Wrong value of " + at
		}
	}
}
