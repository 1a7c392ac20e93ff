package diags

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"k8s.io/apimachinery/pkg/util/validation"
)

// nameValidator checks a string with one of Kubernetes' own rules.
type nameValidator struct {
	what  string
	check func(string) []string
}

func (v nameValidator) Description(context.Context) string         { return "must be " + v.what }
func (v nameValidator) MarkdownDescription(context.Context) string { return "must be " + v.what }

func (v nameValidator) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if problems := v.check(req.ConfigValue.ValueString()); len(problems) > 0 {
		resp.Diagnostics.Append(Message{
			Summary: fmt.Sprintf("%q is not %s", req.ConfigValue.ValueString(), v.what),
			Why:     strings.Join(problems, "\n"),
			At:      req.Path,
		}.Error())
	}
}

// DNSLabel checks that a value is a DNS label: at most 63 lower-case letters, digits and "-".
func DNSLabel() validator.String {
	return nameValidator{"a DNS label", validation.IsDNS1123Label}
}

// DNSSubdomain checks that a value is a DNS name: labels joined by ".", at most 253 characters.
func DNSSubdomain() validator.String {
	return nameValidator{"a DNS name", validation.IsDNS1123Subdomain}
}

// LabelKey checks that a value can be the key of a label and does not start with
// one of the reserved prefixes.
func LabelKey(reserved ...string) validator.String {
	return nameValidator{"a label key you can set", func(s string) []string {
		return unlessReserved(s, reserved, validation.IsQualifiedName)
	}}
}

// AnnotationKey checks that a value can be the key of an annotation and does not
// start with one of the reserved prefixes.
func AnnotationKey(reserved ...string) validator.String {
	return nameValidator{"an annotation key you can set", func(s string) []string {
		// Unlike a label's, the prefix of an annotation may have capitals.
		return unlessReserved(strings.ToLower(s), reserved, validation.IsQualifiedName)
	}}
}

func unlessReserved(key string, reserved []string, check func(string) []string) []string {
	for _, r := range reserved {
		if strings.HasPrefix(key, r) {
			return []string{fmt.Sprintf("Keys that start with %s are the marks mlk puts on its own objects.", r)}
		}
	}
	return check(key)
}

// LabelValue checks that a value can be the value of a label.
func LabelValue() validator.String {
	return nameValidator{"a label value", validation.IsValidLabelValue}
}
