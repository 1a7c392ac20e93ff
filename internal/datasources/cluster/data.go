// Package cluster is the data source mlk_cluster: what the cluster is, whether its
// control plane is well, and what is installed on it.
package cluster

import (
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_cluster.
type Model struct {
	ID           types.String              `tfsdk:"id"`
	Version      types.String              `tfsdk:"version"`
	Platform     types.String              `tfsdk:"platform"`
	Cloud        types.String              `tfsdk:"cloud"`
	Distribution types.String              `tfsdk:"distribution"`
	Healthy      types.Bool                `tfsdk:"healthy"`
	Checks       map[string]types.String   `tfsdk:"checks"`
	Controllers  map[string]Controller     `tfsdk:"controllers"`
	Engines      map[string]types.String   `tfsdk:"engines"`
	APIs         map[string][]types.String `tfsdk:"apis"`
	Nodes        *Nodes                    `tfsdk:"nodes"`
}

// Controller is a part of the control plane that holds a lease.
type Controller struct {
	Alive  types.Bool   `tfsdk:"alive"`
	Holder types.String `tfsdk:"holder"`
}

// Nodes are the nodes in numbers.
type Nodes struct {
	Count         types.Int64            `tfsdk:"count"`
	Ready         types.Int64            `tfsdk:"ready"`
	WithGPUs      types.Int64            `tfsdk:"with_gpus"`
	Kubelets      map[string]types.Int64 `tfsdk:"kubelet_versions"`
	Runtimes      map[string]types.Int64 `tfsdk:"container_runtimes"`
	Architectures map[string]types.Int64 `tfsdk:"architectures"`
	Images        map[string]types.Int64 `tfsdk:"os_images"`
}

// New returns the data source mlk_cluster.
func New() datasource.DataSource {
	return lifecycle.NewData(lifecycle.DataDefinition[Model]{Type: "cluster", Noun: "Cluster", Schema: attributes, Read: read})
}

func attributes() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "The cluster that the provider talks to: its version, whether its control plane is well, which engines are installed, and what its nodes run.\n\n" +
			"It is read at each plan. What these credentials may not read is null, with a warning that says so; the version is needed. " +
			"Use it to choose what a module makes, `engine = contains(keys(data.mlk_cluster.this.engines), \"jobset\") ? \"jobset\" : \"job\"`, or in a `check` or `precondition`.",
		Attributes: map[string]schema.Attribute{
			"id":           text("Identifies the cluster: the uid of its namespace `kube-system`. Null when that may not be read."),
			"version":      text("Version of the API server, for example `v1.37.2`."),
			"platform":     text("What the API server runs on, for example `linux/amd64`."),
			"cloud":        text("Where the nodes are, by their provider id: `aws`, `gce`, `azure`, `oci`, `openstack`, `kind`, `kwok` or another word that the cloud uses; null when they do not say, or differ."),
			"distribution": text("Whose Kubernetes it is, by version and node labels: `eks`, `gke`, `aks`, `k3s`, `rke2`, `openshift`; null when nothing tells."),
			"healthy": schema.BoolAttribute{
				Computed:            true,
				MarkdownDescription: "Whether all of `checks` are `ok` and all of `controllers` are alive. Null when neither could be read.",
			},
			"checks": schema.MapAttribute{
				Computed: true, ElementType: types.StringType,
				MarkdownDescription: "What the API server checks to be ready (`/readyz`), `etcd` among them: `ok`, or what it says of a check that failed. Null when it may not be read.",
			},
			"controllers": schema.MapNestedAttribute{
				Computed:            true,
				MarkdownDescription: "Scheduler and controller manager, `kube-scheduler` and `kube-controller-manager`, by the leases they hold. One that shows none, as some managed clusters do, is left out. Null when leases may not be read.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"alive":  schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether its lease is renewed: the last renewal is younger than twice the lease's duration, by the clock of the machine that Terraform runs on, and a minute."},
					"holder": text("Which of its copies leads."),
				}},
			},
			"engines": schema.MapAttribute{
				Computed: true, ElementType: types.StringType,
				MarkdownDescription: "What is installed for machine learning, with the version of its API that the server prefers. The keys: `cluster_api`, `cluster_autoscaler` (ProvisioningRequest), `dra`, `gang_scheduling` (Kubernetes' own), `gateway_api`, `gateway_inference`, " +
					"`gpu_operator`, `jobset`, `kaito`, `karpenter`, `keda`, `knative`, `kserve`, `kubeflow_trainer`, `kubeflow_training_operator`, `kueue`, `leader_worker_set`, `prometheus_operator`, `ray`, `volcano`. What is not installed has no key. Null when it may not be read.",
			},
			"apis": schema.MapAttribute{
				Computed: true, ElementType: types.ListType{ElemType: types.StringType},
				MarkdownDescription: "All API groups that are served, each with its versions, the preferred one first. Null when it may not be read.",
			},
			"nodes": schema.SingleNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The nodes in numbers. Null when they may not be listed.",
				Attributes: map[string]schema.Attribute{
					"count":              number("How many nodes there are."),
					"ready":              number("How many of them are Ready."),
					"with_gpus":          number("How many of them have GPUs or other accelerators."),
					"kubelet_versions":   numbers("How many nodes run which version of the kubelet."),
					"container_runtimes": numbers("How many nodes run which container runtime, for example `containerd://2.1.4`."),
					"architectures":      numbers("How many nodes have which processor, `amd64` or `arm64`."),
					"os_images":          numbers("How many nodes run which operating system, for example `Ubuntu 24.04.3 LTS`."),
				},
			},
		},
	}
}

func text(what string) schema.Attribute {
	return schema.StringAttribute{Computed: true, MarkdownDescription: what}
}

func number(what string) schema.Attribute {
	return schema.Int64Attribute{Computed: true, MarkdownDescription: what}
}

func numbers(what string) schema.Attribute {
	return schema.MapAttribute{Computed: true, ElementType: types.Int64Type, MarkdownDescription: what}
}
