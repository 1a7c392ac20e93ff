package trainingjob_test

import (
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingjob"
)

// notKnown stands for an unknown value in a configuration.
type notKnown struct{}

// config is a configuration as a user writes it, without HCL around it.
type config = map[string]any

// load reads testdata/desired/<mode>.config.yaml.
func load(t *testing.T, mode string) config {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "desired", mode+".config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c config
	if err := yaml.Unmarshal(text, &c, func(d *json.Decoder) *json.Decoder { d.UseNumber(); return d }); err != nil {
		t.Fatal(err)
	}
	return c
}

func fullSchema(t *testing.T) schema.Schema {
	t.Helper()
	var resp resource.SchemaResponse
	trainingjob.New().Schema(t.Context(), resource.SchemaRequest{}, &resp)
	if resp.Diagnostics.HasError() {
		t.Fatal(resp.Diagnostics)
	}
	return resp.Schema
}

// raw turns a configuration into a value of the schema; what it leaves out is null.
func raw(t *testing.T, s schema.Schema, c config) tftypes.Value {
	t.Helper()
	return valueOf(t, s.Type().TerraformType(t.Context()), c)
}

// modelOf decodes a configuration, with null where it says nothing.
func modelOf(t *testing.T, c config) *trainingjob.Model {
	t.Helper()
	s := fullSchema(t)
	var m trainingjob.Model
	if ds := (tfsdk.State{Schema: s, Raw: raw(t, s, c)}).Get(t.Context(), &m); ds.HasError() {
		t.Fatalf("%v", ds)
	}
	return &m
}

func valueOf(t *testing.T, typ tftypes.Type, v any) tftypes.Value {
	t.Helper()
	if v == nil {
		return tftypes.NewValue(typ, nil)
	}
	if _, ok := v.(notKnown); ok {
		return tftypes.NewValue(typ, tftypes.UnknownValue)
	}
	if typ.Is(tftypes.DynamicPseudoType) {
		return dynamic(t, v)
	}
	switch typ := typ.(type) {
	case tftypes.Object:
		in, ok := v.(config)
		if !ok {
			t.Fatalf("%v is no object", v)
		}
		out := map[string]tftypes.Value{}
		for name, et := range typ.AttributeTypes {
			out[name] = valueOf(t, et, in[name])
		}
		for name := range in {
			if _, ok := typ.AttributeTypes[name]; !ok {
				t.Fatalf("there is no attribute %q", name)
			}
		}
		return tftypes.NewValue(typ, out)
	case tftypes.Map:
		out := map[string]tftypes.Value{}
		for k, e := range v.(config) {
			out[k] = valueOf(t, typ.ElementType, e)
		}
		return tftypes.NewValue(typ, out)
	case tftypes.List:
		return tftypes.NewValue(typ, elements(t, typ.ElementType, v))
	case tftypes.Set:
		return tftypes.NewValue(typ, elements(t, typ.ElementType, v))
	}
	return tftypes.NewValue(typ, scalar(t, v))
}

func elements(t *testing.T, typ tftypes.Type, v any) []tftypes.Value {
	t.Helper()
	in, ok := v.([]any)
	if !ok {
		t.Fatalf("%v is no list", v)
	}
	out := make([]tftypes.Value, 0, len(in))
	for _, e := range in {
		out = append(out, valueOf(t, typ, e))
	}
	return out
}

func scalar(t *testing.T, v any) any {
	t.Helper()
	switch x := v.(type) {
	case json.Number:
		f, _, err := big.ParseFloat(x.String(), 10, 512, big.ToNearestEven)
		if err != nil {
			t.Fatal(err)
		}
		return f
	case int:
		return big.NewFloat(float64(x))
	}
	return v
}

func dynamic(t *testing.T, v any) tftypes.Value {
	t.Helper()
	switch x := v.(type) {
	case nil:
		return tftypes.NewValue(tftypes.DynamicPseudoType, nil)
	case notKnown:
		return tftypes.NewValue(tftypes.DynamicPseudoType, tftypes.UnknownValue)
	case config:
		types, values := map[string]tftypes.Type{}, map[string]tftypes.Value{}
		for k, e := range x {
			values[k] = dynamic(t, e)
			types[k] = values[k].Type()
		}
		return tftypes.NewValue(tftypes.Object{AttributeTypes: types}, values)
	case []any:
		var types []tftypes.Type
		var values []tftypes.Value
		for _, e := range x {
			values = append(values, dynamic(t, e))
			types = append(types, values[len(values)-1].Type())
		}
		return tftypes.NewValue(tftypes.Tuple{ElementTypes: types}, values)
	case string:
		return tftypes.NewValue(tftypes.String, x)
	case bool:
		return tftypes.NewValue(tftypes.Bool, x)
	}
	return tftypes.NewValue(tftypes.Number, scalar(t, v))
}
