// Package inferenceservice is the data source mlk_inference_service: what another
// team's configuration needs to use a model server.
package inferenceservice

import (
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_inference_service.
type Model struct {
	ID            types.String `tfsdk:"id"`
	Namespace     types.String `tfsdk:"namespace"`
	Name          types.String `tfsdk:"name"`
	Service       types.String `tfsdk:"service"`
	URL           types.String `tfsdk:"url"`
	Replicas      types.Int32  `tfsdk:"replicas"`
	ReadyReplicas types.Int32  `tfsdk:"ready_replicas"`
	Endpoints     []Endpoint   `tfsdk:"endpoints"`
	Revisions     []Revision   `tfsdk:"revisions"`
	Status        types.Object `tfsdk:"status"`
}

// Endpoint is a pod that the Service sends requests to.
type Endpoint struct {
	Address types.String `tfsdk:"address"`
	Pod     types.String `tfsdk:"pod"`
	Node    types.String `tfsdk:"node"`
	Zone    types.String `tfsdk:"zone"`
}

// Revision is one version of what the pods run.
type Revision struct {
	Revision      types.Int64  `tfsdk:"revision"`
	Current       types.Bool   `tfsdk:"current"`
	Canary        types.Bool   `tfsdk:"canary"`
	Weight        types.Int32  `tfsdk:"weight"`
	Image         types.String `tfsdk:"image"`
	Model         types.String `tfsdk:"model"`
	Replicas      types.Int32  `tfsdk:"replicas"`
	ReadyReplicas types.Int32  `tfsdk:"ready_replicas"`
}

// New returns the data source mlk_inference_service.
func New() datasource.DataSource {
	return lifecycle.NewData(lifecycle.DataDefinition[Model]{
		Type:   "inference_service",
		Noun:   "Inference service",
		Schema: attributes,
		Read:   read,
		Name: func(m *Model) string {
			if ns := m.Namespace.ValueString(); ns != "" {
				return ns + "/" + m.Name.ValueString()
			}
			return m.Name.ValueString()
		},
	})
}

func attributes() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "A model server as others use it: where it is reached, who answers there, and which image and model they run. It may be a `mlk_inference_service` of another configuration, " +
			"or any other Deployment, LeaderWorkerSet or InferenceService of KServe; where several have the name, the first of these. Kinds that the cluster does not have are passed over.\n\nA service that does not exist is an error; one that does not answer is not: hold `ready_replicas` or `status.phase` against what you need.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Computed: true, MarkdownDescription: "Identifies the service on its cluster: `namespace/name`."},
			"namespace": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Namespace of the service. Default: the provider's `namespace`, else `default`.",
				Validators:          []validator.String{diags.DNSLabel()},
			},
			"name": schema.StringAttribute{
				Required: true, MarkdownDescription: "Name of the service, which is that of its Deployment, LeaderWorkerSet or InferenceService.",
				Validators: []validator.String{diags.DNSSubdomain()},
			},
			"service": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Name of the Service that leads to the pods; of several the one of the same name, else one that has an address. Null when none does.",
			},
			"url": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Where the service is reached inside the cluster, at the port of its Service called `http`, or else its lowest; null without a Service. Of an InferenceService what KServe says, which may lead in from outside; null until it does.",
			},
			"replicas":       schema.Int32Attribute{Computed: true, MarkdownDescription: "How many pods there should be; of a LeaderWorkerSet how many groups of pods. Null where nobody says, as with KServe on Knative."},
			"ready_replicas": schema.Int32Attribute{Computed: true, MarkdownDescription: "How many pods, or groups, are ready, of all revisions."},
			"endpoints": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "Who the Service sends requests to now, by address, of groups their leaders; empty when nobody is ready.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"address": schema.StringAttribute{Computed: true, MarkdownDescription: "Its address."},
					"pod":     schema.StringAttribute{Computed: true, MarkdownDescription: "Name of the pod; null when it is none."},
					"node":    schema.StringAttribute{Computed: true, MarkdownDescription: "Node it runs on; null when nobody says."},
					"zone":    schema.StringAttribute{Computed: true, MarkdownDescription: "Zone of that node; null when it has none."},
				}},
			},
			"revisions": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The versions that have pods, and the current one, the newest first; those of a canary after them.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"revision": schema.Int64Attribute{Computed: true, MarkdownDescription: "Number of the revision, as `kubectl rollout history` counts, or as the LeaderWorkerSet does; null when that has forgotten it."},
					"current":  schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether it is the one that is asked for; another one is on its way out, or goes on serving because the current one failed."},
					"canary":   schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether it is one of the service's `canary`, which gets a share of the requests beside the others and counts its revisions by itself."},
					"weight": schema.Int32Attribute{
						Computed:            true,
						MarkdownDescription: "Share of the requests in percent: that of the canary, and of the revisions that are none what is left for all of them together. It is what the HTTPRoute of the service says, or its InferenceService. Null where nothing divides the requests.",
					},
					"image": schema.StringAttribute{Computed: true, MarkdownDescription: "Image of the first container, of groups that of their leader; of an InferenceService that of the container `kserve-container`."},
					"model": schema.StringAttribute{
						Computed:            true,
						MarkdownDescription: "Where the model comes from, as `model.source` of `mlk_inference_service` writes it, as far as volumes, init container and arguments of the pod say so, or KServe does; else the model that the arguments name. Null when nothing does.",
					},
					"replicas":       schema.Int32Attribute{Computed: true, MarkdownDescription: "How many pods, or groups, of it there are."},
					"ready_replicas": schema.Int32Attribute{Computed: true, MarkdownDescription: "How many of them are ready."},
				}},
			},
			"status": lifecycle.StatusAttribute("`Progressing` while a rollout is under way, `Ready`, `Stopped` when no pods are asked for, or `Failed` when a rollout has stood still for longer than its deadline, or KServe cannot serve the model."),
		},
	}
}
