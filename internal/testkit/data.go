package testkit

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// ReadData reads a data source of a provider that needs no configuration, as
// Terraform does. The value is null when it could not be read.
func ReadData(t testing.TB, p provider.Provider, typ string, config map[string]any) (tftypes.Value, Outcome) {
	t.Helper()
	server := serve(p)
	ctx := t.Context()
	schemas, err := server.GetProviderSchema(ctx, &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	s := schemas.DataSourceSchemas[typ]
	if s == nil {
		t.Fatalf("the provider has no data source %s", typ)
	}
	pt := schemas.Provider.ValueType()
	block := dynamic(t, pt, emptyBlock(t, pt))
	if _, err := server.ConfigureProvider(ctx, &tfprotov6.ConfigureProviderRequest{Config: block}); err != nil {
		t.Fatal(err)
	}
	value, err := Value(s.ValueType(), config)
	if err != nil {
		t.Fatal(err)
	}
	asked := dynamic(t, s.ValueType(), value)
	valid, err := server.ValidateDataResourceConfig(ctx, &tfprotov6.ValidateDataResourceConfigRequest{TypeName: typ, Config: asked})
	if err != nil {
		t.Fatal(err)
	}
	none := tftypes.NewValue(s.ValueType(), nil)
	out := Outcome{Diagnostics: valid.Diagnostics}
	if out.Errors() != "" {
		return none, out
	}
	resp, err := server.ReadDataSource(ctx, &tfprotov6.ReadDataSourceRequest{TypeName: typ, Config: asked})
	if err != nil {
		t.Fatal(err)
	}
	out.Diagnostics = append(out.Diagnostics, resp.Diagnostics...)
	if out.Errors() != "" {
		return none, out
	}
	state, err := resp.State.Unmarshal(s.ValueType())
	if err != nil {
		t.Fatal(err)
	}
	return state, out
}

// emptyBlock is a provider block in which nothing is set.
func emptyBlock(t testing.TB, typ tftypes.Type) tftypes.Value {
	t.Helper()
	v, err := Value(typ, map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func dynamic(t testing.TB, typ tftypes.Type, v tftypes.Value) *tfprotov6.DynamicValue {
	t.Helper()
	d, err := tfprotov6.NewDynamicValue(typ, v)
	if err != nil {
		t.Fatal(err)
	}
	return &d
}
