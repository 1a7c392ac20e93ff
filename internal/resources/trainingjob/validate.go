package trainingjob

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/jobspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// validate checks what the configuration alone decides and no single attribute
// does.
func validate(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	ds := podspec.Validate(ctx, c)
	ds.Append(jobspec.Validate(ctx, c, false)...)
	var keep, ttl types.Int32
	for name, target := range map[string]any{"keep_runs": &keep, "ttl_seconds_after_finished": &ttl} {
		ds.Append(c.GetAttribute(ctx, path.Root(name), target)...)
	}
	if ds.HasError() {
		return ds
	}
	if keep.ValueInt32() > 0 && !ttl.IsNull() && !ttl.IsUnknown() && ttl.ValueInt32() == 0 {
		ds.Append(diags.Message{
			Summary:  "keep_runs keeps nothing when finished runs are deleted at once",
			Happened: "ttl_seconds_after_finished = 0 lets the cluster delete a Job as soon as it has finished, kept or not.",
			Do:       "Remove ttl_seconds_after_finished, or keep_runs.",
			At:       path.Root("keep_runs"),
		}.Warning())
	}
	return ds
}
