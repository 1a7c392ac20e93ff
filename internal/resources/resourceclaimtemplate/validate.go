package resourceclaimtemplate

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/devices"
)

// validate checks what several attributes say together. Where something is not
// known yet the server judges it.
func validate(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	var requests []devices.Request
	var constraints []devices.Constraint
	var config []devices.Config
	for at, into := range map[string]any{"requests": &requests, "constraints": &constraints, "config": &config} {
		if c.GetAttribute(ctx, path.Root(at), into).HasError() {
			return nil // a whole list that is unknown
		}
	}
	var ds diag.Diagnostics
	for _, m := range append(devices.RequestTroubles(requestsPath, requests), devices.ReferenceTroubles(constraintsPath, configPath, requests, constraints, config)...) {
		ds.Append(m.Error())
	}
	return ds
}
