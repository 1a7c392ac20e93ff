package podspec

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// The patterns of strings that Kubernetes or a device plugin read in their own way.
var (
	octalPattern      = regexp.MustCompile(`^0?[0-7]{1,3}$`)
	capabilityPattern = regexp.MustCompile(`^[1-9][0-9]{0,2}(\.[0-9]{1,2})?$`)
	migPattern        = regexp.MustCompile(`^([0-9]+c\.)?[0-9]+g\.[0-9]+gb(\.[a-z0-9.-]+)?$`)
	mediumPattern     = regexp.MustCompile(`^(Memory|HugePages(-[0-9]+[KMGT]i)?)$`)
	spacePattern      = regexp.MustCompile(`^\S+$`)
)

func octalMode() validator.String {
	return stringvalidator.RegexMatches(octalPattern, "must be a file mode in octal digits, such as 0644")
}

func computeCapability() validator.String {
	return stringvalidator.RegexMatches(capabilityPattern, "must be a compute capability such as 8.0")
}

func migProfile() validator.String {
	return stringvalidator.RegexMatches(migPattern, "must be a MIG profile such as 3g.40gb")
}

func noSpace() validator.String {
	return stringvalidator.RegexMatches(spacePattern, "must not be empty or hold spaces")
}

// rule checks a string; check returns "" or what is wrong with it.
type rule struct {
	what  string
	check func(string) string
}

// Description says what the rule wants.
func (r rule) Description(context.Context) string { return "must be " + r.what }

// MarkdownDescription says what the rule wants.
func (r rule) MarkdownDescription(context.Context) string { return "must be " + r.what }

// ValidateString checks a value that is known.
func (r rule) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if problem := r.check(req.ConfigValue.ValueString()); problem != "" {
		resp.Diagnostics.Append(diags.Message{
			Summary: fmt.Sprintf("%s is not %s", shown(req.ConfigValue.ValueString()), r.what), Why: problem, At: req.Path,
		}.Error())
	}
}

// shown quotes a value in a summary, cut to what fits there.
func shown(s string) string {
	const most = 40
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}

var windowsDrive = regexp.MustCompile(`^[A-Za-z]:[\\/]`)

func absolutePath() validator.String {
	return rule{"an absolute path", func(s string) string {
		if strings.HasPrefix(s, "/") || windowsDrive.MatchString(s) {
			return ""
		}
		return "It must begin with \"/\"."
	}}
}

func relativePath() validator.String {
	return rule{"a relative path", func(s string) string {
		if s == "" || strings.HasPrefix(s, "/") {
			return "It must not be empty and must not begin with \"/\"."
		}
		for part := range strings.SplitSeq(s, "/") {
			if part == ".." {
				return "It must not leave the volume by \"..\"."
			}
		}
		return ""
	}}
}

func envName() validator.String {
	return rule{"a name for an environment variable", func(s string) string {
		return strings.Join(validation.IsRelaxedEnvVarName(s), "\n")
	}}
}

// portName checks the key of a port.
func portName() validator.String {
	return rule{"a port name or number", func(s string) string {
		name, number, protocol := portKey(s)
		switch {
		case name != "":
			return strings.Join(validation.IsValidPortName(name), "\n")
		case number < 1 || number > 65535:
			return "A port number is 1 to 65535."
		case strings.Contains(s, "/") && protocol != "TCP" && protocol != "UDP" && protocol != "SCTP":
			return "The protocol behind \"/\" is TCP, UDP or SCTP."
		}
		return ""
	}}
}

// portReference checks the port of a probe.
func portReference() validator.String {
	return rule{"a port name or number", func(s string) string {
		if n, err := strconv.Atoi(s); err == nil {
			return strings.Join(validation.IsValidPortNum(n), "\n")
		}
		return strings.Join(validation.IsValidPortName(s), "\n")
	}}
}

// resourceName checks the name of a resource of containers; extended ones are
// those that device plugins bring.
type resourceName struct{ extended bool }

// Description says what a resource name is.
func (resourceName) Description(context.Context) string { return "must be a resource name" }

// MarkdownDescription says what a resource name is.
func (resourceName) MarkdownDescription(context.Context) string { return "must be a resource name" }

// ValidateString checks a name that is known.
func (r resourceName) ValidateString(ctx context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	rule{"the name of a resource", func(s string) string {
		if problems := validation.IsQualifiedName(s); len(problems) > 0 {
			return strings.Join(problems, "\n")
		}
		switch {
		case strings.Contains(s, "/"):
			return ""
		case r.extended:
			return "The resources of device plugins have a domain in front, such as nvidia.com/gpu."
		case s == "cpu", s == "memory", s == "ephemeral-storage", strings.HasPrefix(s, "hugepages-"):
			return ""
		}
		return "Kubernetes itself has cpu, memory, ephemeral-storage and hugepages-<size>; all others have a domain in front, such as nvidia.com/gpu."
	}}.ValidateString(ctx, req, resp)
}

// notNegative refuses quantities below zero; text that is no quantity is
// refused by the type.
type notNegative struct{}

// Description says what the validator wants.
func (notNegative) Description(context.Context) string { return "must not be negative" }

// MarkdownDescription says what the validator wants.
func (notNegative) MarkdownDescription(context.Context) string { return "must not be negative" }

// ValidateString checks a quantity that is known.
func (notNegative) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if q, err := resource.ParseQuantity(req.ConfigValue.ValueString()); err == nil && q.Sign() < 0 {
		resp.Diagnostics.Append(diags.Message{Summary: fmt.Sprintf("%s is negative", shown(req.ConfigValue.ValueString())), At: req.Path}.Error())
	}
}

// described is the description of a validator of objects or maps.
type described string

// Description says what the validator wants.
func (d described) Description(context.Context) string { return string(d) }

// MarkdownDescription says what the validator wants.
func (d described) MarkdownDescription(context.Context) string { return string(d) }

// choiceOf counts which of the attributes of an object are set.
type choiceOf struct {
	described
	names    []string
	optional bool
}

// exactlyOne wants one of the attributes.
func exactlyOne(names ...string) validator.Object {
	return choiceOf{described("needs exactly one of " + strings.Join(names, ", ")), names, false}
}

// atMostOne wants one of the attributes or none.
func atMostOne(names ...string) validator.Object {
	return choiceOf{described("may have one of " + strings.Join(names, ", ")), names, true}
}

// ValidateObject counts what is known to be set; an unknown may become null.
func (c choiceOf) ValidateObject(_ context.Context, req validator.ObjectRequest, resp *validator.ObjectResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	var set []string
	unknown := false
	attributes := req.ConfigValue.Attributes()
	for _, name := range c.names {
		switch v := attributes[name]; {
		case v == nil || v.IsNull():
		case v.IsUnknown():
			unknown = true
		default:
			set = append(set, name)
		}
	}
	switch {
	case len(set) > 1:
		resp.Diagnostics.Append(diags.Message{
			Summary:  fmt.Sprintf("%s and %s exclude each other", set[0], set[1]),
			Happened: fmt.Sprintf("Set are: %s.", strings.Join(set, ", ")), Do: "Keep one of them.", At: req.Path.AtName(set[1]),
		}.Error())
	case len(set) == 0 && !unknown && !c.optional:
		resp.Diagnostics.Append(diags.Message{
			Summary: "None of the attributes is set of which one is needed", Do: "Set one of: " + strings.Join(c.names, ", ") + ".", At: req.Path,
		}.Error())
	}
}

// known returns the text of a string attribute that is neither null nor unknown.
func known(v attr.Value) (string, bool) {
	s, ok := v.(interface{ ValueString() string })
	if !ok || v.IsNull() || v.IsUnknown() {
		return "", false
	}
	return s.ValueString(), true
}

// isSet reports whether an attribute is known and not null.
func isSet(v attr.Value) bool { return v != nil && !v.IsNull() && !v.IsUnknown() }
