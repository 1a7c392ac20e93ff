package lifecycle

import (
	"reflect"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

type embedded struct {
	Text types.String `tfsdk:"text"`
}

type part struct {
	Size types.Int64 `tfsdk:"size"`
}

type shapes struct {
	embedded

	Texts types.Map        `tfsdk:"texts"`
	Free  types.Dynamic    `tfsdk:"free"`
	One   *part            `tfsdk:"one"`
	Many  []part           `tfsdk:"many"`
	Named map[string]*part `tfsdk:"named"`
}

// TestDecodesAsTheFramework: decode leaves the framework's way only to be quicker.
func TestDecodesAsTheFramework(t *testing.T) {
	t.Parallel()
	inner := map[string]schema.Attribute{"size": schema.Int64Attribute{Optional: true}}
	s := schema.Schema{Attributes: map[string]schema.Attribute{
		"text":  schema.StringAttribute{Optional: true},
		"texts": schema.MapAttribute{Optional: true, ElementType: types.StringType},
		"free":  schema.DynamicAttribute{Optional: true},
		"one":   schema.SingleNestedAttribute{Optional: true, Attributes: inner},
		"many":  schema.ListNestedAttribute{Optional: true, NestedObject: schema.NestedAttributeObject{Attributes: inner}},
		"named": schema.MapNestedAttribute{Optional: true, NestedObject: schema.NestedAttributeObject{Attributes: inner}},
	}}
	typ := s.Type().TerraformType(t.Context())
	object := tftypes.Object{AttributeTypes: map[string]tftypes.Type{"size": tftypes.Number}}
	texts, many, named := tftypes.Map{ElementType: tftypes.String}, tftypes.List{ElementType: object}, tftypes.Map{ElementType: object}
	sized := func(n any) tftypes.Value {
		return tftypes.NewValue(object, map[string]tftypes.Value{"size": tftypes.NewValue(tftypes.Number, n)})
	}
	of := func(text, all, free, one, list, names any) tftypes.Value {
		return tftypes.NewValue(typ, map[string]tftypes.Value{
			"text": tftypes.NewValue(tftypes.String, text), "texts": tftypes.NewValue(texts, all),
			"free": tftypes.NewValue(tftypes.DynamicPseudoType, free), "one": tftypes.NewValue(object, one),
			"many": tftypes.NewValue(many, list), "named": tftypes.NewValue(named, names),
		})
	}
	for name, raw := range map[string]tftypes.Value{
		"nothing": of(nil, nil, nil, nil, nil, nil),
		"empty":   of("", map[string]tftypes.Value{}, nil, map[string]tftypes.Value{"size": tftypes.NewValue(tftypes.Number, nil)}, []tftypes.Value{}, map[string]tftypes.Value{}),
		"full": of("a", map[string]tftypes.Value{"k": tftypes.NewValue(tftypes.String, "v")}, nil, map[string]tftypes.Value{"size": tftypes.NewValue(tftypes.Number, 3)},
			[]tftypes.Value{sized(1), sized(nil)}, map[string]tftypes.Value{"a": sized(tftypes.UnknownValue), "b": tftypes.NewValue(object, nil)}),
		"unknown text": of(tftypes.UnknownValue, tftypes.UnknownValue, tftypes.UnknownValue, nil, nil, nil),
		"unknown part": of("a", nil, nil, tftypes.UnknownValue, nil, nil),
		"unknown list": of("a", nil, nil, nil, tftypes.UnknownValue, nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := new(shapes)
			wantDs := tfsdk.State{Schema: s, Raw: raw}.Get(t.Context(), want)
			got, ds := decode[shapes](t.Context(), s, raw)
			if !ds.Equal(wantDs) {
				t.Fatalf("it says %v, the framework %v", ds, wantDs)
			}
			if !wantDs.HasError() && !reflect.DeepEqual(got, want) {
				t.Errorf("decoded as\n%#v, the framework's is\n%#v", got, want)
			}
		})
	}
}
