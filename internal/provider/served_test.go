package provider_test

import (
	"reflect"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
)

// TestSchemasNeedOnlyWhatIsServed: lifecycle.Serve plans without the framework,
// so what only the framework looks at would silently do nothing.
func TestSchemasNeedOnlyWhatIsServed(t *testing.T) {
	t.Parallel()
	for _, newResource := range provider.Resources() {
		r := newResource()
		var meta resource.MetadataResponse
		r.Metadata(t.Context(), resource.MetadataRequest{ProviderTypeName: "mlk"}, &meta)
		var resp resource.SchemaResponse
		r.Schema(t.Context(), resource.SchemaRequest{}, &resp)
		for name, a := range resp.Schema.Attributes {
			plain(t, meta.TypeName+"."+name, a)
		}
	}
}

func plain(t *testing.T, at string, a described) {
	t.Helper()
	v := reflect.Indirect(reflect.ValueOf(a))
	for _, field := range []string{"PlanModifiers", "Default", "WriteOnly"} {
		if f := v.FieldByName(field); f.IsValid() && !f.IsZero() {
			t.Errorf("%s has %s, which no plan looks at", at, field)
		}
	}
	for name, inner := range inside(a) {
		plain(t, at+"."+name, inner)
	}
}
