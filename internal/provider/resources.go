package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/resource"
)

// Resources lists every resource of the provider, by name.
func Resources() []func() resource.Resource {
	return []func() resource.Resource{}
}

// DataSources lists every data source of the provider, by name.
func DataSources() []func() datasource.DataSource {
	return []func() datasource.DataSource{}
}
