package inferenceservice

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// absolute is a path that begins at the root.
var absolute = regexp.MustCompile(`^/[^\s:]+$`)

// source checks where a model comes from.
type source struct{}

func (source) Description(context.Context) string {
	return "must name a model by pvc, oci, hf, s3 or gs"
}

func (s source) MarkdownDescription(ctx context.Context) string {
	return s.Description(ctx)
}

func (source) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	s := req.ConfigValue.ValueString()
	if sourceForm.MatchString(s) && (!strings.HasPrefix(s, schemeHub+"://") || hubForm.MatchString(s)) {
		return
	}
	resp.Diagnostics.Append(diags.Message{
		Summary: fmt.Sprintf("%q does not say where a model is", s),
		Do:      "Write pvc://claim/path, oci://registry/image:tag, hf://organisation/name, s3://bucket/path or gs://bucket/path.",
		At:      req.Path,
	}.Error())
}

// brings reports whether the runtime knows ports and probes, or may.
func (in *configured) brings() bool {
	_, known := servers[in.runtime.ValueString()]
	return known || in.runtime.IsUnknown()
}

// modelTroubles are those of a model whose source and secret do not go together.
func (in *configured) modelTroubles() []diags.Message {
	word := func(name string) types.String {
		s, _ := in.model.Attributes()[name].(types.String)
		return s
	}
	if in.model.IsNull() || in.model.IsUnknown() || word("source").IsUnknown() {
		return nil
	}
	scheme, _, _ := strings.Cut(word("source").ValueString(), "://")
	secret := modelPath.AtName("token_secret")
	switch {
	case word("token_secret").IsNull() && diags.Given(word("token_key")):
		return []diags.Message{{Summary: "token_key needs token_secret", Do: "Set model.token_secret to the name of the Secret that has the key.", At: modelPath.AtName("token_key")}}
	case !diags.Given(word("token_secret")):
	case scheme == schemeClaim:
		return []diags.Message{{Summary: "A model on a claim needs no token", Do: "Remove model.token_secret.", At: secret}}
	case scheme == schemeImage:
		return []diags.Message{{
			Summary: "The image of a model is pulled with image_pull_secrets",
			Do:      "Move the name of the Secret from model.token_secret to image_pull_secrets.",
			At:      secret,
		}}
	case scheme == schemeS3 && diags.Given(word("token_key")):
		return []diags.Message{{
			Summary: "token_key says nothing for s3",
			Do:      "Remove it: all keys of the Secret become variables, and have the names of the AWS SDKs.",
			At:      modelPath.AtName("token_key"),
		}}
	case scheme == schemeHub && in.runtime.ValueString() == ollama:
		return []diags.Message{{
			Summary: "Ollama takes no token of Hugging Face's hub",
			Do:      "Remove model.token_secret, or keep the model on a claim: pvc://claim/path.",
			At:      secret,
		}}
	}
	return nil
}
