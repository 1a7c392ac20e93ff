package volumeclaim

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// positive refuses sizes that are no size; text that is no quantity is refused
// by the attribute's type.
type positive struct{}

func (positive) Description(context.Context) string         { return "must be more than 0" }
func (positive) MarkdownDescription(context.Context) string { return "must be more than 0" }

func (positive) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if q, ok := amount(req.ConfigValue); ok && q.Sign() <= 0 {
		resp.Diagnostics.Append(diags.Message{
			Summary: fmt.Sprintf("%q is no size for a volume", req.ConfigValue.ValueString()),
			Do:      "Ask for more than nothing, for example 100Gi.",
			At:      req.Path,
		}.Error())
	}
}

// withoutClass refuses a static claim that names a class.
type withoutClass struct{}

func (withoutClass) Description(context.Context) string {
	return "a static claim has no storage class"
}

func (v withoutClass) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (withoutClass) ValidateBool(ctx context.Context, req validator.BoolRequest, resp *validator.BoolResponse) {
	if !req.ConfigValue.ValueBool() {
		return
	}
	var class types.String
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, classPath, &class)...)
	if class.IsNull() || class.IsUnknown() {
		return
	}
	resp.Diagnostics.Append(diags.Message{
		Summary:  "A static claim has no storage class",
		Happened: fmt.Sprintf("static = true asks for a volume made by hand, storage_class = %q for one of that class.", class.ValueString()),
		Do:       "Remove one of them. A volume made by hand that names a class is claimed with storage_class and volume_name.",
		At:       req.Path,
	}.Error())
}

// onePodAlone refuses ReadWriteOncePod beside other modes.
type onePodAlone struct{}

func (onePodAlone) Description(context.Context) string {
	return "ReadWriteOncePod must be alone"
}

func (v onePodAlone) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (onePodAlone) ValidateList(_ context.Context, req validator.ListRequest, resp *validator.ListResponse) {
	modes := elements(req.ConfigValue)
	for _, m := range modes {
		if m.ValueString() == string(corev1.ReadWriteOncePod) && len(modes) > 1 {
			resp.Diagnostics.Append(diags.Message{
				Summary:  "ReadWriteOncePod excludes other access modes",
				Happened: "It means that one pod alone has the volume.",
				Do:       `Set access_modes = ["ReadWriteOncePod"], or remove it from the list.`,
				At:       req.Path,
			}.Error())
		}
	}
}

// sourceGroup refuses data sources of the core group that are no claims, as the
// server does.
type sourceGroup struct{}

func (sourceGroup) Description(context.Context) string {
	return "kinds other than PersistentVolumeClaim need api_group"
}

func (v sourceGroup) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (sourceGroup) ValidateObject(_ context.Context, req validator.ObjectRequest, resp *validator.ObjectResponse) {
	kind, _ := req.ConfigValue.Attributes()["kind"].(types.String)
	group, _ := req.ConfigValue.Attributes()["api_group"].(types.String)
	if kind.IsNull() || kind.IsUnknown() || !group.IsNull() || kind.ValueString() == claimKind {
		return
	}
	m := diags.Message{
		Summary: fmt.Sprintf("A data source of kind %s needs an api_group", kind.ValueString()),
		Do:      "Without api_group only a PersistentVolumeClaim can be the source.",
		At:      req.Path.AtName("api_group"),
	}
	if kind.ValueString() == "VolumeSnapshot" {
		m.Do = `Set api_group = "snapshot.storage.k8s.io".`
	}
	resp.Diagnostics.Append(m.Error())
}

// expression refuses operators without their values, and values without use.
type expression struct{}

func (expression) Description(context.Context) string {
	return "In and NotIn need values; Exists and DoesNotExist take none"
}

func (v expression) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (expression) ValidateObject(_ context.Context, req validator.ObjectRequest, resp *validator.ObjectResponse) {
	operator, _ := req.ConfigValue.Attributes()["operator"].(types.String)
	values, _ := req.ConfigValue.Attributes()["values"].(types.List)
	if operator.IsNull() || operator.IsUnknown() || values.IsUnknown() {
		return
	}
	needs := operator.ValueString() == string(metav1.LabelSelectorOpIn) || operator.ValueString() == string(metav1.LabelSelectorOpNotIn)
	if needs == !values.IsNull() {
		return
	}
	m := diags.Message{Summary: fmt.Sprintf("Operator %s takes no values", operator.ValueString()), Do: "Remove values.", At: req.Path.AtName("values")}
	if needs {
		m = diags.Message{Summary: fmt.Sprintf("Operator %s needs values", operator.ValueString()), Do: "Say which values.", At: req.Path.AtName("values")}
	}
	resp.Diagnostics.Append(m.Error())
}
