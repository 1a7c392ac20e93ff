package testkit

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Alone is a provider with one resource, or one data source.
type Alone struct {
	Resource   func() resource.Resource
	DataSource func() datasource.DataSource
	// Data is what they get.
	Data *lifecycle.ProviderData
}

var _ lifecycle.Provider = Alone{}

// Configured lets plans and reads be served as main serves them.
func (a Alone) Configured() *lifecycle.ProviderData { return a.Data }

// Metadata names the provider.
func (Alone) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "mlk"
}

// Schema has no attributes: Data says it all.
func (Alone) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse) {}

// Configure hands out Data.
func (a Alone) Configure(_ context.Context, _ provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	resp.ResourceData, resp.DataSourceData = a.Data, a.Data
}

// DataSources are the one, or none.
func (a Alone) DataSources(context.Context) []func() datasource.DataSource {
	if a.DataSource == nil {
		return nil
	}
	return []func() datasource.DataSource{a.DataSource}
}

// Resources are the one, or none.
func (a Alone) Resources(context.Context) []func() resource.Resource {
	if a.Resource == nil {
		return nil
	}
	return []func() resource.Resource{a.Resource}
}
