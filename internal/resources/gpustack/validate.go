package gpustack

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// configured is what rules look at, as the configuration writes it.
type configured struct {
	mode, namespace types.String
	update, missing types.String
}

func validate(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	var ds diag.Diagnostics
	var in configured
	get := func(at path.Path, into any) { ds.Append(c.GetAttribute(ctx, at, into)...) }
	get(modePath, &in.mode)
	get(namespacePath, &in.namespace)
	var sets types.Object
	if get(daemonsetsPath, &sets); known(sets) {
		get(daemonsetsPath.AtName("update_strategy"), &in.update)
		get(daemonsetsPath.AtName("max_unavailable"), &in.missing)
	}
	if ds.HasError() {
		return ds
	}
	for _, m := range in.troubles() {
		ds.Append(m.Error())
	}
	return ds
}

// known reports whether a configuration says something: what is unknown may be null.
func known(v attr.Value) bool { return !v.IsNull() && !v.IsUnknown() }

func (in *configured) troubles() []diags.Message {
	var out []diags.Message
	if in.mode.ValueString() == modeOperator && known(in.namespace) {
		out = append(out, diags.Message{
			Summary:  "A ClusterPolicy is in no namespace",
			Happened: "With mode = \"operator\" the stack is an object of the whole cluster, and its programs run in the operator's namespace.",
			Do:       "Remove namespace.", At: namespacePath,
		})
	}
	if in.update.ValueString() == "OnDelete" && known(in.missing) {
		out = append(out, diags.Message{
			Summary:  "max_unavailable belongs to update strategy RollingUpdate",
			Happened: "With OnDelete a pod changes when somebody deletes it, and not before.",
			Do:       "Remove it, or use update_strategy = \"RollingUpdate\".", At: daemonsetsPath.AtName("max_unavailable"),
		})
	}
	return out
}
