package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/datasources/cluster"
	"github.com/mlkube/terraform-provider-mlk/internal/datasources/gpucapacity"
	"github.com/mlkube/terraform-provider-mlk/internal/datasources/gpunodes"
	inferenceservicedata "github.com/mlkube/terraform-provider-mlk/internal/datasources/inferenceservice"
	"github.com/mlkube/terraform-provider-mlk/internal/datasources/trainingrun"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/deviceclass"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/gpunodepool"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/gpustack"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/inferenceservice"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/nodeagent"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/pod"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/resourceclaimtemplate"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/shardedservice"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/storageclass"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingjob"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingschedule"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/volumeclaim"
)

// Resources lists every resource of the provider, by name.
func Resources() []func() resource.Resource {
	return []func() resource.Resource{
		deviceclass.New,
		gpunodepool.New,
		gpustack.New,
		inferenceservice.New,
		nodeagent.New,
		pod.New,
		resourceclaimtemplate.New,
		shardedservice.New,
		storageclass.New,
		trainingjob.New,
		trainingschedule.New,
		volumeclaim.New,
	}
}

// DataSources lists every data source of the provider, by name.
func DataSources() []func() datasource.DataSource {
	return []func() datasource.DataSource{
		cluster.New,
		gpucapacity.New,
		gpunodes.New,
		inferenceservicedata.New,
		trainingrun.New,
	}
}
