package devices

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/dynamic-resource-allocation/cel"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// expression checks a CEL expression as the API server does, with its library.
type expression struct{}

func (expression) Description(context.Context) string {
	return "must be a CEL expression about a device"
}
func (e expression) MarkdownDescription(ctx context.Context) string { return e.Description(ctx) }

func (expression) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if m := Trouble(req.ConfigValue.ValueString()); m.Summary != "" {
		m.At = req.Path
		resp.Diagnostics.Append(m.Error())
	}
}

// issue is one complaint of the compiler: "ERROR: <input>:1:8: undeclared …", then
// the line with a mark under the place.
var issue = regexp.MustCompile(`(?s)ERROR: <input>:(\d+):(\d+): (.*?)(\n \|.*)?$`)

// unhelpful is what the compiler says for itself alone.
var unhelpful = regexp.MustCompile(` \(in container ''\)`)

// Trouble is what is wrong with an expression; empty for nothing.
func Trouble(text string) diags.Message {
	const help = "It is about one device: device.driver, device.attributes[\"<domain>\"].<name>, device.capacity[\"<domain>\"].<name>, and must be true of those that will do, as in " +
		"device.attributes[\"gpu.nvidia.com\"].productName.contains(\"H100\")."
	if n := len(text); n > resourcev1.CELSelectorExpressionMaxLength {
		return diags.Message{
			Summary: "The CEL expression is too long",
			Why:     fmt.Sprintf("It has %d bytes, and Kubernetes takes %d.", n, resourcev1.CELSelectorExpressionMaxLength),
			Do:      "Split it: all selectors of a request must be true.",
		}
	}
	result := cel.GetCompiler(cel.Features{EnableConsumableCapacity: true, EnableListTypeAttributes: true}).
		CompileCELExpression(text, cel.Options{EnvType: ptr.To(environment.NewExpressions)})
	if result.Error == nil {
		if result.MaxCost > resourcev1.CELSelectorExpressionMaxCost {
			return diags.Message{
				Summary: "The CEL expression may take too long",
				Why:     fmt.Sprintf("It may cost %d, and Kubernetes takes %d: it would be evaluated for each device of the cluster.", result.MaxCost, uint64(resourcev1.CELSelectorExpressionMaxCost)),
				Do:      "Make it simpler: comparisons rather than regular expressions, and no loops over all attributes.",
			}
		}
		return diags.Message{}
	}
	said := strings.TrimPrefix(result.Error.Detail, "compilation failed: ")
	first, _, _ := strings.Cut(said, "\nERROR:")
	if m := issue.FindStringSubmatch(first); m != nil {
		what := unhelpful.ReplaceAllString(strings.TrimSpace(m[3]), "")
		return diags.Message{
			Summary:  "The CEL expression is wrong at line " + m[1] + ", column " + m[2],
			Happened: what + ":" + m[4],
			Do:       help,
		}
	}
	return diags.Message{Summary: "The CEL expression cannot be used", Why: said, Do: help}
}
