package volumeclaim

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
)

func summaries(ds diag.Diagnostics) []string {
	var out []string
	for _, d := range ds {
		out = append(out, d.Summary())
	}
	return out
}

func TestValidateSize(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		"1Gi": nil, "0": {`"0" is no size for a volume`}, "-1Gi": {`"-1Gi" is no size for a volume`}, "nonsense": nil, // the type's own business
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			var resp validator.StringResponse
			positive{}.ValidateString(context.Background(), validator.StringRequest{ConfigValue: types.StringValue(value), Path: sizePath}, &resp)
			if diff := cmp.Diff(want, summaries(resp.Diagnostics)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValidateStatic(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		static types.Bool
		class  types.String
		want   []string
	}{
		"static":             {types.BoolValue(true), types.StringNull(), nil},
		"class":              {types.BoolValue(false), types.StringValue("fast"), nil},
		"both":               {types.BoolValue(true), types.StringValue("fast"), []string{"A static claim has no storage class"}},
		"class not known":    {types.BoolValue(true), types.StringUnknown(), nil},
		"static not known":   {types.BoolUnknown(), types.StringValue("fast"), nil},
		"neither is default": {types.BoolNull(), types.StringNull(), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, raw := planned(t, map[string]attr.Value{"static": tt.static, "storage_class": tt.class, "size": quantity.New("1Gi")})
			var resp validator.BoolResponse
			withoutClass{}.ValidateBool(context.Background(), validator.BoolRequest{
				ConfigValue: tt.static, Path: staticPath, Config: tfsdk.Config{Schema: s, Raw: raw},
			}, &resp)
			if diff := cmp.Diff(tt.want, summaries(resp.Diagnostics)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValidateAccessModes(t *testing.T) {
	t.Parallel()
	list := func(in ...attr.Value) types.List { return types.ListValueMust(types.StringType, in) }
	pod, many := types.StringValue("ReadWriteOncePod"), types.StringValue("ReadWriteMany")
	tests := map[string]struct {
		modes types.List
		want  []string
	}{
		"alone":    {list(pod), nil},
		"others":   {list(many, types.StringValue("ReadOnlyMany")), nil},
		"not":      {list(many, pod), []string{"ReadWriteOncePod excludes other access modes"}},
		"unknown":  {types.ListUnknown(types.StringType), nil},
		"may well": {list(types.StringUnknown(), many), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var resp validator.ListResponse
			onePodAlone{}.ValidateList(context.Background(), validator.ListRequest{ConfigValue: tt.modes, Path: accessPath}, &resp)
			if diff := cmp.Diff(tt.want, summaries(resp.Diagnostics)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValidateObjects(t *testing.T) {
	t.Parallel()
	source := func(group, kind types.String) types.Object {
		return types.ObjectValueMust(
			map[string]attr.Type{"api_group": types.StringType, "kind": types.StringType},
			map[string]attr.Value{"api_group": group, "kind": kind})
	}
	requirement := func(operator string, values types.List) types.Object {
		return types.ObjectValueMust(
			map[string]attr.Type{"operator": types.StringType, "values": types.ListType{ElemType: types.StringType}},
			map[string]attr.Value{"operator": types.StringValue(operator), "values": values})
	}
	none, some := types.ListNull(types.StringType), types.ListValueMust(types.StringType, []attr.Value{types.StringValue("a")})
	snapshots := types.StringValue("snapshot.storage.k8s.io")
	tests := map[string]struct {
		rule   validator.Object
		object types.Object
		want   []string
	}{
		"a claim needs no group":     {sourceGroup{}, source(types.StringNull(), types.StringValue("PersistentVolumeClaim")), nil},
		"a snapshot does":            {sourceGroup{}, source(types.StringNull(), types.StringValue("VolumeSnapshot")), []string{"A data source of kind VolumeSnapshot needs an api_group"}},
		"a snapshot has one":         {sourceGroup{}, source(snapshots, types.StringValue("VolumeSnapshot")), nil},
		"a group not known":          {sourceGroup{}, source(types.StringUnknown(), types.StringValue("VolumeSnapshot")), nil},
		"a kind not known":           {sourceGroup{}, source(types.StringNull(), types.StringUnknown()), nil},
		"no source":                  {sourceGroup{}, types.ObjectNull(nil), nil},
		"In with values":             {expression{}, requirement("In", some), nil},
		"In without":                 {expression{}, requirement("In", none), []string{"Operator In needs values"}},
		"Exists with values":         {expression{}, requirement("Exists", some), []string{"Operator Exists takes no values"}},
		"DoesNotExist without":       {expression{}, requirement("DoesNotExist", none), nil},
		"NotIn, values not known":    {expression{}, requirement("NotIn", types.ListUnknown(types.StringType)), nil},
		"an expression not there":    {expression{}, types.ObjectNull(nil), nil},
		"an expression not known":    {expression{}, types.ObjectUnknown(nil), nil},
		"a source not known as such": {sourceGroup{}, types.ObjectUnknown(nil), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var resp validator.ObjectResponse
			tt.rule.ValidateObject(context.Background(), validator.ObjectRequest{ConfigValue: tt.object, Path: path.Root("x")}, &resp)
			if diff := cmp.Diff(tt.want, summaries(resp.Diagnostics)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
