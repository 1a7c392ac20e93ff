// Package gpucapacity is the data source mlk_gpu_capacity: how many GPUs there
// are, who uses them, and what fits now.
package gpucapacity

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_gpu_capacity.
type Model struct {
	NodeSelector map[string]types.String `tfsdk:"node_selector"`
	GPUsPerPod   types.Int64             `tfsdk:"gpus_per_pod"`
	ChartNodes   types.Int64             `tfsdk:"chart_nodes"`
	Total        *Total                  `tfsdk:"total"`
	Pools        []Pool                  `tfsdk:"pools"`
	Namespaces   []Namespace             `tfsdk:"namespaces"`
	Chart        types.String            `tfsdk:"chart"`
}

// Total is what all nodes have.
type Total struct {
	Nodes         types.Int64   `tfsdk:"nodes"`
	Capacity      types.Int64   `tfsdk:"capacity"`
	Allocatable   types.Int64   `tfsdk:"allocatable"`
	Unhealthy     types.Int64   `tfsdk:"unhealthy"`
	Requested     types.Int64   `tfsdk:"requested"`
	Free          types.Int64   `tfsdk:"free"`
	Unavailable   types.Int64   `tfsdk:"unavailable"`
	LargestPod    types.Int64   `tfsdk:"largest_pod"`
	LargestGang   types.Int64   `tfsdk:"largest_gang"`
	GangGPUs      types.Int64   `tfsdk:"gang_gpus_per_pod"`
	Fragmentation types.Float64 `tfsdk:"fragmentation"`
}

// Pool is what the nodes of a pool have of one product and resource.
type Pool struct {
	Pool     types.String `tfsdk:"pool"`
	Product  types.String `tfsdk:"product"`
	Resource types.String `tfsdk:"resource"`
	Total
}

// Namespace is what a namespace holds.
type Namespace struct {
	Namespace types.String `tfsdk:"namespace"`
	GPUs      types.Int64  `tfsdk:"gpus"`
	Pods      types.Int64  `tfsdk:"pods"`
}

// New returns the data source mlk_gpu_capacity.
func New() datasource.DataSource {
	return lifecycle.NewData(lifecycle.DataDefinition[Model]{Type: "gpu_capacity", Noun: "GPU capacity", Schema: attributes, Read: read})
}

// drawn is how many nodes the chart shows where the configuration does not say,
// and mostDrawn how many it may: the chart is part of the state.
const (
	drawn     = 200
	mostDrawn = 1000
)

func read(ctx context.Context, q *lifecycle.Query, m *Model) diag.Diagnostics {
	c := newCensus(m.GPUsPerPod.ValueInt64())
	ds := q.EachNode(ctx, selector(m.NodeSelector), c.addNode)
	if ds.HasError() {
		return ds
	}
	ds.Append(q.EachPodOnNodes(ctx, c.addPod)...)
	if ds.HasError() {
		return ds
	}
	total := said(c.total())
	m.Total, m.Pools, m.Namespaces = &total, []Pool{}, []Namespace{}
	for _, g := range c.groups() {
		m.Pools = append(m.Pools, Pool{Pool: filled(g.pool), Product: filled(g.product), Resource: types.StringValue(g.resource), Total: said(g)})
	}
	for _, s := range c.holders() {
		m.Namespaces = append(m.Namespaces, Namespace{types.StringValue(s.name), types.Int64Value(s.gpus), types.Int64Value(s.pods)})
	}
	nodes := int64(drawn)
	if !m.ChartNodes.IsNull() {
		nodes = m.ChartNodes.ValueInt64()
	}
	if m.Chart = types.StringNull(); nodes > 0 {
		m.Chart = types.StringValue(c.chart(int(nodes)))
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

func filled(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}

func said(c count) Total {
	return Total{
		Nodes: types.Int64Value(c.nodes), Capacity: types.Int64Value(c.capacity), Allocatable: types.Int64Value(c.allocatable),
		Unhealthy: types.Int64Value(c.unhealthy), Requested: types.Int64Value(c.requested), Free: types.Int64Value(c.free),
		Unavailable: types.Int64Value(c.unavailable), LargestPod: types.Int64Value(c.largestPod), LargestGang: types.Int64Value(c.largestGang),
		GangGPUs: types.Int64Value(c.gangEach), Fragmentation: types.Float64Value(c.fragmentation()),
	}
}

func attributes() schema.Schema {
	pool := counts("the nodes of this group")
	pool["pool"] = schema.StringAttribute{Computed: true, MarkdownDescription: "Name of the pool: of `mlk_gpu_node_pool`, else the one that Karpenter, GKE, EKS or AKS made the node in; null for nodes of none. A node of several pools counts in each."}
	pool["product"] = schema.StringAttribute{Computed: true, MarkdownDescription: "Product name of the GPUs, as the nodes' labels spell it; null when nobody says."}
	pool["resource"] = schema.StringAttribute{Computed: true, MarkdownDescription: "Resource that pods ask for, for example `nvidia.com/gpu` or `nvidia.com/mig-3g.40gb`."}
	return schema.Schema{
		MarkdownDescription: "How many GPUs the cluster has, who uses them, and what would fit now.\n\n" +
			"Everything that a device plugin hands out as accelerators counts: GPUs, MIG devices, shares of GPUs, TPUs, Neuron and Gaudi devices, each as one. " +
			"What resource claims (DRA) hand out does not. It is read at each plan, nodes and pods page by page, and tells that moment. " +
			"Taints are not looked at: free GPUs may be kept for pods that tolerate them, and a pod may lack CPU or memory where it finds GPUs. " +
			"It needs the right to list nodes, and pods in all namespaces.",
		Attributes: map[string]schema.Attribute{
			"node_selector": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Labels of the nodes to count, for example `{ \"pool.mlk.dev/a100\" = \"true\" }`. Default: all nodes.",
			},
			"gpus_per_pod": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "How many GPUs each pod of a gang asks for, for `largest_gang`; at least 1. Default: as many as the largest node of each group hands out.",
				Validators:          []validator.Int64{int64validator.AtLeast(1)},
			},
			"chart_nodes": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: fmt.Sprintf("How many nodes `chart` draws, from 0 to %d; `0` draws none and leaves `chart` null. A node takes some 300 bytes of the state. Default: %d.", mostDrawn, drawn),
				Validators:          []validator.Int64{int64validator.Between(0, mostDrawn)},
			},
			"total": schema.SingleNestedAttribute{Computed: true, MarkdownDescription: "All nodes that have GPUs.", Attributes: counts("all nodes")},
			"pools": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The same by pool, product and resource, in this order.",
				NestedObject:        schema.NestedAttributeObject{Attributes: pool},
			},
			"namespaces": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The namespaces whose pods hold GPUs, those with most first.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"namespace": schema.StringAttribute{Computed: true, MarkdownDescription: "Name of a namespace."},
					"gpus":      number("How many GPUs its pods hold."),
					"pods":      number("How many of its pods hold any."),
				}},
			},
			"chart": schema.StringAttribute{
				Computed: true,
				MarkdownDescription: "Picture of nodes and GPUs as an SVG file without references: free, used by which namespace, unhealthy. For a run's artifacts or a comment on a pull request: `local_file`, or `terraform output -raw`. " +
					"Of a cluster with more than `chart_nodes` nodes it draws those that are used first. Null when `chart_nodes` is 0.",
			},
		},
	}
}

func counts(of string) map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"nodes":             number("How many nodes with GPUs there are, of " + of + "."),
		"capacity":          number("How many GPUs they have."),
		"allocatable":       number("How many of them they can hand out."),
		"unhealthy":         number("How many they have and cannot hand out: those that the device plugin found ill (`capacity` - `allocatable`)."),
		"requested":         number("How many are held by pods that are on these nodes and have not ended."),
		"free":              number("How many are held by nobody, on nodes that are Ready and not cordoned."),
		"unavailable":       number("How many are held by nobody, on nodes that take no pods: cordoned, or not Ready."),
		"largest_pod":       number("The most GPUs that one pod could get now: the largest number free on one node."),
		"largest_gang":      number("How many pods could get `gang_gpus_per_pod` GPUs each, all at once, now."),
		"gang_gpus_per_pod": number("How many GPUs each pod of `largest_gang` gets: `gpus_per_pod`, else as many as the largest node hands out."),
		"fragmentation":     schema.Float64Attribute{Computed: true, MarkdownDescription: "Share of `free`, from 0 to 1, that lies on nodes of which a part is in use: pods that want a whole node cannot use it. Rounded to thousandths."},
	}
}

func number(what string) schema.Attribute {
	return schema.Int64Attribute{Computed: true, MarkdownDescription: what}
}
