package autoscaling

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// Validate checks what the attributes below at say together. Values may be unknown.
func Validate(ctx context.Context, c tfsdk.Config, at path.Path) diag.Diagnostics {
	var all types.Object
	ds := c.GetAttribute(ctx, at, &all)
	if ds.HasError() || all.IsNull() || all.IsUnknown() {
		return ds
	}
	if keda, ok := all.Attributes()["keda"]; ok && !keda.IsNull() {
		if keda.IsUnknown() {
			return ds
		}
		return validateKeda(ctx, c, at)
	}
	var least, most types.Int32
	var external types.Map
	ds.Append(c.GetAttribute(ctx, at.AtName("min_replicas"), &least)...)
	ds.Append(c.GetAttribute(ctx, at.AtName("max_replicas"), &most)...)
	ds.Append(c.GetAttribute(ctx, at.AtName("external_metrics"), &external)...)
	if ds.HasError() {
		return ds
	}
	if most.IsNull() {
		ds.Append(diags.Message{
			Summary: "autoscaling needs max_replicas",
			Do:      "Say how many pods there may be at most: each takes what it asks for, GPUs too.",
			At:      at.AtName("max_replicas"),
		}.Error())
	}
	if !most.IsNull() && !most.IsUnknown() && least.ValueInt32() > most.ValueInt32() {
		ds.Append(diags.Message{
			Summary: fmt.Sprintf("min_replicas is %d and max_replicas %d", least.ValueInt32(), most.ValueInt32()),
			Do:      "max_replicas must be at least min_replicas.",
			At:      at.AtName("max_replicas"),
		}.Error())
	}
	if !least.IsNull() && !least.IsUnknown() && least.ValueInt32() == 0 && external.IsNull() {
		ds.Append(diags.Message{
			Summary:  "Without a pod only an external metric can tell that one is needed",
			Happened: "With min_replicas = 0 there may be no pod that reports CPU, memory or pods_metrics.",
			Do:       "Add external_metrics, such as the length of the queue in front of the service, or set min_replicas to 1 or more.",
			At:       at.AtName("min_replicas"),
		}.Error())
	}
	for name, e := range external.Elements() {
		if e.IsUnknown() {
			continue
		}
		ds.Append(validateExternal(ctx, c, at.AtName("external_metrics").AtMapKey(name))...)
	}
	return ds
}

func validateExternal(ctx context.Context, c tfsdk.Config, at path.Path) diag.Diagnostics {
	var average, value quantity.Value
	ds := c.GetAttribute(ctx, at.AtName("average_value"), &average)
	ds.Append(c.GetAttribute(ctx, at.AtName("value"), &value)...)
	if ds.HasError() || average.IsUnknown() || value.IsUnknown() || average.IsNull() != value.IsNull() {
		return ds
	}
	ds.Append(diags.Message{
		Summary: "An external metric needs average_value or value, and not both",
		Do:      "average_value is how much there is to be for each pod, value how much in all.",
		At:      at,
	}.Error())
	return ds
}
