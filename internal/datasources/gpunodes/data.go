// Package gpunodes is the data source mlk_gpu_nodes: the nodes that have GPUs, and
// what they say about them.
package gpunodes

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_gpu_nodes.
type Model struct {
	NodeSelector map[string]types.String `tfsdk:"node_selector"`
	Pool         types.String            `tfsdk:"pool"`
	Product      types.String            `tfsdk:"product"`
	Nodes        map[string]Node         `tfsdk:"nodes"`
	Products     []Product               `tfsdk:"products"`
	Zones        []types.String          `tfsdk:"zones"`
}

// Node is one node.
type Node struct {
	Ready             types.Bool              `tfsdk:"ready"`
	Schedulable       types.Bool              `tfsdk:"schedulable"`
	Product           types.String            `tfsdk:"product"`
	Family            types.String            `tfsdk:"family"`
	Memory            types.String            `tfsdk:"memory"`
	ComputeCapability types.String            `tfsdk:"compute_capability"`
	DriverVersion     types.String            `tfsdk:"driver_version"`
	CUDAVersion       types.String            `tfsdk:"cuda_version"`
	GPUs              types.Int64             `tfsdk:"gpus"`
	Allocatable       types.Int64             `tfsdk:"allocatable"`
	Unhealthy         types.Int64             `tfsdk:"unhealthy"`
	Resources         map[string]types.Int64  `tfsdk:"resources"`
	Sharing           types.String            `tfsdk:"sharing"`
	Replicas          types.Int64             `tfsdk:"replicas"`
	MIGStrategy       types.String            `tfsdk:"mig_strategy"`
	MIGConfig         types.String            `tfsdk:"mig_config"`
	MIGState          types.String            `tfsdk:"mig_state"`
	Pools             []types.String          `tfsdk:"pools"`
	InstanceType      types.String            `tfsdk:"instance_type"`
	Zone              types.String            `tfsdk:"zone"`
	Region            types.String            `tfsdk:"region"`
	Topology          map[string]types.String `tfsdk:"topology"`
	Taints            []types.String          `tfsdk:"taints"`
}

// Product is what the nodes of one product have together.
type Product struct {
	Product     types.String   `tfsdk:"product"`
	Memory      types.String   `tfsdk:"memory"`
	Nodes       []types.String `tfsdk:"nodes"`
	GPUs        types.Int64    `tfsdk:"gpus"`
	Allocatable types.Int64    `tfsdk:"allocatable"`
	Unhealthy   types.Int64    `tfsdk:"unhealthy"`
}

// New returns the data source mlk_gpu_nodes.
func New() datasource.DataSource {
	return lifecycle.NewData(lifecycle.DataDefinition[Model]{Type: "gpu_nodes", Noun: "GPU nodes", Schema: attributes, Read: read})
}

func read(ctx context.Context, q *lifecycle.Query, m *Model) diag.Diagnostics {
	m.Nodes, m.Products, m.Zones = map[string]Node{}, []Product{}, []types.String{}
	ds := q.EachNode(ctx, selector(m.NodeSelector), func(n *corev1.Node) {
		if said, wanted := observe(n); wanted && m.wants(said) {
			m.Nodes[n.Name] = said
		}
	})
	if ds.HasError() {
		return ds
	}
	m.Products = products(m.Nodes)
	zones := map[string]bool{}
	for _, n := range m.Nodes {
		if z := n.Zone.ValueString(); z != "" {
			zones[z] = true
		}
	}
	for _, z := range slices.Sorted(maps.Keys(zones)) {
		m.Zones = append(m.Zones, types.StringValue(z))
	}
	return ds
}

// selector is a node selector as the server takes it.
func selector(from map[string]types.String) string {
	set := labels.Set{}
	for k, v := range from {
		set[k] = v.ValueString()
	}
	return set.String()
}

// wants reports whether a node is one that the configuration asks for.
func (m *Model) wants(n Node) bool {
	if p := m.Product.ValueString(); p != "" && !strings.Contains(strings.ToLower(n.Product.ValueString()), strings.ToLower(p)) {
		return false
	}
	return m.Pool.ValueString() == "" || slices.Contains(n.Pools, types.StringValue(m.Pool.ValueString()))
}

func attributes() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "The nodes of the cluster that have GPUs or other accelerators, and what they say about them: product, memory, driver, MIG, sharing, zone and topology.\n\n" +
			"A node counts when a device plugin has given it a resource for accelerators, or when its labels name a product: such a node has GPUs that nobody can ask for yet. " +
			"It is read at each plan, one list of nodes. It needs the right to list nodes. How much of it is free says `mlk_gpu_capacity`.",
		Attributes: map[string]schema.Attribute{
			"node_selector": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Labels of the nodes to list, for example `{ \"topology.kubernetes.io/zone\" = \"us-east-1a\" }`. Default: all nodes.",
			},
			"pool": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Name of the pool whose nodes to list: of `mlk_gpu_node_pool`, or, for nodes in none, the one that Karpenter, GKE, EKS or AKS made the node in. Default: all pools.",
			},
			"product": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Part of the product's name, in any case: `h100` lists the nodes with `NVIDIA-H100-80GB-HBM3`. Default: all products.",
			},
			"nodes": schema.MapNestedAttribute{
				Computed: true, MarkdownDescription: "The nodes, by name.",
				NestedObject: schema.NestedAttributeObject{Attributes: nodeAttributes()},
			},
			"products": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The same by product, in order of the names; nodes of an unknown product come first.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"product":     text("Product name of the GPUs, as the labels spell it, for `gpu.products` of a workload; null when nobody says."),
					"memory":      text("Memory of one GPU, for example `81559Mi`; null when nobody says, or nodes say different things."),
					"nodes":       list("Names of its nodes, in order."),
					"gpus":        number("How many GPUs they have, or MIG devices and shares of GPUs."),
					"allocatable": number("How many of them they can hand out, in use or not."),
					"unhealthy":   number("How many they have and cannot hand out."),
				}},
			},
			"zones": list("The zones that they are in, in order."),
		},
	}
}

func nodeAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"ready":              flag("Whether its kubelet says that it is Ready."),
		"schedulable":        flag("Whether it takes new pods: it is not cordoned."),
		"product":            text("Product name of its GPUs, as GPU Feature Discovery, the vendor's labeller or the cloud says; null when nobody says."),
		"family":             text("Architecture: `ampere`, `hopper`, `blackwell`; null when nobody says."),
		"memory":             text("Memory of one GPU, or of one MIG device under strategy `single`, for example `81559Mi`; null when nobody says."),
		"compute_capability": text("CUDA compute capability, for example `9.0`; null when nobody says."),
		"driver_version":     text("Version of the GPU driver; null when nobody says."),
		"cuda_version":       text("Newest CUDA version that the driver supports; null when nobody says."),
		"gpus":               number("How many GPUs it has, or MIG devices and shares of GPUs (capacity)."),
		"allocatable":        number("How many of them it can hand out, in use or not."),
		"unhealthy":          number("How many it has and cannot hand out: those that the device plugin found ill."),
		"resources":          schema.MapAttribute{Computed: true, ElementType: types.Int64Type, MarkdownDescription: "What it can hand out by resource name, for example `nvidia.com/gpu` or `nvidia.com/mig-3g.40gb`."},
		"sharing":            text("How GPUs are shared: `time-slicing` or `mps`; null when they are not."),
		"replicas":           number("How many shares each GPU has; null when nobody says."),
		"mig_strategy":       text("`single` or `mixed`; null when the device plugin offers no MIG devices."),
		"mig_config":         text("The MIG layout that was asked for, for example `all-3g.40gb`; null when none was."),
		"mig_state":          text("How far that has got: `pending`, `rebooting`, `success` or `failed`; null when none was asked for."),
		"pools":              list("The pools it is in, in order: of `mlk_gpu_node_pool`, else the one that Karpenter, GKE, EKS or AKS made it in."),
		"instance_type":      text("Machine type, as the cloud calls it; null outside of clouds."),
		"zone":               text("Zone it is in; null when no label says."),
		"region":             text("Region it is in; null when no label says."),
		"topology":           schema.MapAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Labels that say what it is close to, block, rack, NVLink domain, by label key: for `distributed.topology_key` of a training job."},
		"taints":             list("All its taints, whoever set them, as `key=value:effect`."),
	}
}

func text(what string) schema.Attribute {
	return schema.StringAttribute{Computed: true, MarkdownDescription: what}
}

func number(what string) schema.Attribute {
	return schema.Int64Attribute{Computed: true, MarkdownDescription: what}
}

func flag(what string) schema.Attribute {
	return schema.BoolAttribute{Computed: true, MarkdownDescription: what}
}

func list(what string) schema.Attribute {
	return schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: what}
}
