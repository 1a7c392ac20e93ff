package gpunodepool

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// longestName leaves room for more in labels that are made of the name.
const longestName = 40

// reserved are prefixes of labels that are not the user's to set.
var reserved = []string{"mlk.dev/", gpu.PoolPrefix}

// The types of nested attributes.
var (
	taintTypes = map[string]attr.Type{"key": types.StringType, "value": types.StringType, "effect": types.StringType}
	taintType  = types.ObjectType{AttrTypes: taintTypes}
	nodeTypes  = map[string]attr.Type{
		"ready": types.BoolType, "schedulable": types.BoolType, "product": types.StringType,
		"gpus": types.Int64Type, "allocatable": types.Int64Type, "unhealthy": types.Int64Type,
		"resources": types.MapType{ElemType: types.Int64Type}, "driver_version": types.StringType, "cuda_version": types.StringType,
		"taints": types.ListType{ElemType: types.StringType},
	}
	nodeType    = types.ObjectType{AttrTypes: nodeTypes}
	totalsTypes = map[string]attr.Type{
		"nodes": types.Int64Type, "ready_nodes": types.Int64Type,
		"gpus": types.Int64Type, "allocatable": types.Int64Type, "unhealthy": types.Int64Type,
	}
)

// Schema gives the attributes.
func (p *Pool) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "A pool of GPU nodes: the labels, taints and cordon of the nodes that a selector matches, or nodes that Karpenter makes when pods need them. " +
			"Every node of the pool bears the label `pool.mlk.dev/<name>=true`, so that workloads ask for it with `scheduling.node_pool`; a node may be in several pools.\n\n" +
			"The pool owns single labels and single taints, not nodes. Other pools, operators, clouds and people may have other keys on the same node: they never show as changes and are never undone. " +
			"Nodes come and go without a change in the plan; a node that joins, or has lost what the pool declares, is planned by its name, and one that matches no more is cleaned. " +
			"Destroying the pool gives its nodes back as they were before.",
		Attributes: declared(),
	}
	for _, name := range []string{"force_conflicts", "on_failure", "timeouts", "status", "objects"} {
		resp.Schema.Attributes[name] = lifecycle.CommonAttribute(ctx, name, limits)
	}
	for name, a := range computed() {
		resp.Schema.Attributes[name] = a
	}
}

func declared() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"name": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "Name of the pool, a DNS label of at most 40 characters; it is part of the label its nodes bear. Changing it makes a new pool: the old one leaves its nodes first.",
			Validators:          []validator.String{diags.DNSLabel(), stringvalidator.LengthAtMost(longestName)},
		},
		"node_selector": schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Labels that the nodes of the pool have, all of them, for example `{ \"nvidia.com/gpu.product\" = \"NVIDIA-H100-80GB-HBM3\" }`. " +
				"Nodes that match later join with the next apply. This, `node_names`, `karpenter` or `cluster_api` is needed. Changed in place: nodes that match no more are cleaned.",
			Validators: []validator.Map{mapvalidator.SizeAtLeast(1), mapvalidator.KeysAre(diags.LabelKey()), mapvalidator.ValueStringsAre(diags.LabelValue()), mapvalidator.NoNullValues()},
		},
		"node_names": schema.ListAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Names of nodes that belong to the pool besides those that `node_selector` matches. One that does not exist is no error: it joins when it is there. Default: none. Changed in place.",
			Validators:          []validator.List{listvalidator.SizeAtLeast(1), listvalidator.UniqueValues(), listvalidator.NoNullValues(), listvalidator.ValueStringsAre(diags.DNSSubdomain())},
		},
		"labels": schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Labels of the nodes, besides the pool's own. The pool owns each by itself; one that somebody else has set to another value is a conflict. " +
				"The provider's `labels` are not put on nodes. Keys under `mlk.dev/` and `pool.mlk.dev/` are reserved. Default: none. Changed in place.",
			Validators: []validator.Map{mapvalidator.KeysAre(diags.LabelKey(reserved...)), mapvalidator.ValueStringsAre(diags.LabelValue()), mapvalidator.NoNullValues()},
		},
		"taints": schema.ListNestedAttribute{
			Optional: true,
			MarkdownDescription: "Taints of the nodes, which keep pods away that do not tolerate them. The pool owns each key with its effect; other taints stay. " +
				"One that was there before with the same value stays when the pool goes. The order means nothing. Default: none. Changed in place.",
			NestedObject: taintObject(),
		},
		"cordon": schema.BoolAttribute{
			Optional: true,
			MarkdownDescription: "`true` keeps new pods away from all nodes of the pool, `false` lets them in, also where a person has cordoned a node. " +
				"Default: left alone, so that people can cordon single nodes. Changed in place; without it nodes go back to how they were.",
		},
		"mig":                  migAttribute(),
		"sharing":              sharingAttribute(),
		"device_plugin_config": pluginAttribute(),
		"karpenter":            karpenterAttribute(),
		"cluster_api":          machinesAttribute(),
		"min_nodes": schema.Int64Attribute{
			Optional:            true,
			MarkdownDescription: "How many nodes of the pool have to be Ready before create and update return. Nodes that join meanwhile are taken in. Default: none is waited for. Changing it changes nothing on the cluster.",
			Validators:          []validator.Int64{int64validator.AtLeast(1)},
		},
		"min_gpus": schema.Int64Attribute{
			Optional: true,
			MarkdownDescription: "How many GPUs the Ready nodes of the pool have to offer, healthy and allocatable, before create and update return. MIG devices and shares of a GPU count as they are offered. " +
				"Default: none is waited for. Changing it changes nothing on the cluster.",
			Validators: []validator.Int64{int64validator.AtLeast(1)},
		},
	}
}

func computed() map[string]schema.Attribute {
	count := func(text string) schema.Attribute {
		return schema.Int64Attribute{Computed: true, MarkdownDescription: text}
	}
	return map[string]schema.Attribute{
		"id": schema.StringAttribute{Computed: true, MarkdownDescription: "Identifies the pool on its cluster: its name. Known at plan."},
		"members": schema.ListAttribute{
			Computed: true, ElementType: types.StringType,
			MarkdownDescription: "Names of the nodes that bear all that the pool declares, in order. A plan that adds or takes away one writes to that node, and to no other.",
		},
		// Plain objects: the CLI and the framework walk through nested attributes one by
		// one, which takes seconds where there are thousands of nodes.
		"nodes": schema.MapAttribute{
			Computed: true, ElementType: nodeType,
			MarkdownDescription: "The nodes that match, by name, as they were last seen. Of each: `ready`, whether its kubelet says that it is Ready; `schedulable`, whether it is not cordoned; " +
				"`product`, the product name of its GPUs; `gpus`, how many GPUs it has, or MIG devices and shares of GPUs; `allocatable`, how many of them it can hand out; " +
				"`unhealthy`, how many it has and cannot hand out, because the device plugin found them ill; `resources`, what it can hand out by resource name, for example `nvidia.com/mig-3g.40gb`; " +
				"`driver_version`, of the GPU driver; `cuda_version`, the newest that the driver supports; `taints`, all of them, whoever set them, as `key=value:effect`. What no label says is null.",
		},
		"totals": schema.SingleNestedAttribute{
			Computed:            true,
			MarkdownDescription: "What the nodes of `nodes` have together.",
			Attributes: map[string]schema.Attribute{
				"nodes":       count("How many nodes there are."),
				"ready_nodes": count("How many of them are Ready."),
				"gpus":        count("How many GPUs they have."),
				"allocatable": count("How many GPUs they can hand out, in use or not."),
				"unhealthy":   count("How many GPUs they have and cannot hand out."),
			},
		},
	}
}
