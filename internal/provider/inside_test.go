package provider_test

import (
	datasourceschema "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	providerschema "github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
)

// inside are the attributes inside an attribute of a provider, a resource or a data source.
func inside(a described) map[string]described {
	out := map[string]described{}
	resources := func(all map[string]schema.Attribute) {
		for name, a := range all {
			out[name] = a
		}
	}
	providers := func(all map[string]providerschema.Attribute) {
		for name, a := range all {
			out[name] = a
		}
	}
	data := func(all map[string]datasourceschema.Attribute) {
		for name, a := range all {
			out[name] = a
		}
	}
	switch n := a.(type) {
	case schema.SingleNestedAttribute:
		resources(n.Attributes)
	case schema.ListNestedAttribute:
		resources(n.NestedObject.Attributes)
	case schema.MapNestedAttribute:
		resources(n.NestedObject.Attributes)
	case providerschema.SingleNestedAttribute:
		providers(n.Attributes)
	case providerschema.ListNestedAttribute:
		providers(n.NestedObject.Attributes)
	case providerschema.MapNestedAttribute:
		providers(n.NestedObject.Attributes)
	case datasourceschema.SingleNestedAttribute:
		data(n.Attributes)
	case datasourceschema.ListNestedAttribute:
		data(n.NestedObject.Attributes)
	case datasourceschema.MapNestedAttribute:
		data(n.NestedObject.Attributes)
	}
	return out
}
