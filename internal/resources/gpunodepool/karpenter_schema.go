package gpunodepool

import (
	"regexp"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// The types of what is said of a NodePool.
var (
	classTypes       = map[string]attr.Type{"group": types.StringType, "kind": types.StringType, "name": types.StringType}
	requirementTypes = map[string]attr.Type{
		"key": types.StringType, "operator": types.StringType, "values": types.ListType{ElemType: types.StringType}, "min_values": types.Int64Type,
	}
	requirementType = types.ObjectType{AttrTypes: requirementTypes}
	ceilingTypes    = map[string]attr.Type{
		"gpus": types.Int64Type, "cpu": types.StringType, "memory": types.StringType, "nodes": types.Int64Type,
		"others": types.MapType{ElemType: types.StringType},
	}
	budgetTypes = map[string]attr.Type{
		"nodes": types.StringType, "schedule": types.StringType, "duration": types.StringType, "reasons": types.ListType{ElemType: types.StringType},
	}
	budgetType      = types.ObjectType{AttrTypes: budgetTypes}
	disruptionTypes = map[string]attr.Type{
		"consolidation_policy": types.StringType, "consolidate_after": types.StringType, "budgets": types.ListType{ElemType: budgetType},
	}
	karpenterTypes = map[string]attr.Type{
		"node_class": types.ObjectType{AttrTypes: classTypes}, "requirements": types.ListType{ElemType: requirementType},
		"limits": types.ObjectType{AttrTypes: ceilingTypes}, "disruption": types.ObjectType{AttrTypes: disruptionTypes},
		"expire_after": types.StringType, "termination_grace_period": types.StringType, "weight": types.Int64Type,
		"startup_taints": types.ListType{ElemType: taintType}, "annotations": types.MapType{ElemType: types.StringType},
	}
)

// The forms of Karpenter's durations and of what its budgets count.
var (
	spanForm    = regexp.MustCompile(`^([0-9]+(s|m|h))+$`)
	spanOrNever = regexp.MustCompile(`^(([0-9]+(s|m|h))+|Never)$`)
	minutesForm = regexp.MustCompile(`^(([0-9]+(h|m))|([0-9]+h[0-9]+m))(0s)?$`)
	amountForm  = regexp.MustCompile(`^((100|[0-9]{1,2})%|[0-9]+)$`)
)

func karpenterAttribute() schema.Attribute {
	a := map[string]schema.Attribute{
		"node_class": schema.SingleNestedAttribute{
			Required:            true,
			MarkdownDescription: "What says how machines are made, for example an `EC2NodeClass`: images, subnets, roles. It is made by those who run the cluster. Another group or kind makes a new pool, another name is changed in place.",
			Attributes: map[string]schema.Attribute{
				"group": schema.StringAttribute{Required: true, MarkdownDescription: "API group, for example `karpenter.k8s.aws`.", Validators: []validator.String{diags.DNSSubdomain()}},
				"kind":  schema.StringAttribute{Required: true, MarkdownDescription: "Kind, for example `EC2NodeClass`.", Validators: []validator.String{stringvalidator.LengthAtLeast(1)}},
				"name":  schema.StringAttribute{Required: true, MarkdownDescription: "Name of the object.", Validators: []validator.String{diags.DNSSubdomain()}},
			},
		},
		"requirements": requirementsAttribute(),
		"limits":       ceilingAttribute(),
		"disruption":   disruptionAttribute(),
		"expire_after": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "How old a node may become before Karpenter replaces it, as `24h`, or `Never`, which suits long trainings. Default: Karpenter's, `720h`.",
			Validators:          []validator.String{stringvalidator.RegexMatches(spanOrNever, "must be a duration as 90m or 24h, or Never")},
		},
		"termination_grace_period": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "How long a node that is to go may be drained, as `48h`, before its pods are ended whatever holds them: disruption budgets, `karpenter.sh/do-not-disrupt`, their own grace period. " +
				"Default: there is no end to it.",
			Validators: []validator.String{stringvalidator.RegexMatches(spanForm, "must be a duration as 90m or 48h")},
		},
		"weight": schema.Int64Attribute{
			Optional:            true,
			MarkdownDescription: "Which pool Karpenter tries first where several would do, from 1 to 100: the highest. Default: none, which is after all others.",
			Validators:          []validator.Int64{int64validator.Between(1, 100)},
		},
		"startup_taints": schema.ListNestedAttribute{
			Optional:            true,
			MarkdownDescription: "Taints that nodes have until something takes them away, a driver's DaemonSet for instance. Pods need not tolerate them to have a node made. Default: none.",
			NestedObject:        taintObject(),
		},
		"annotations": schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Annotations of the nodes. Default: none.",
			Validators:          []validator.Map{mapvalidator.KeysAre(diags.AnnotationKey(reserved...)), mapvalidator.NoNullValues()},
		},
	}
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "Makes the pool a NodePool of Karpenter (`karpenter.sh/v1`), which makes nodes when pods need them and removes them afterwards. `labels` and `taints` are those of the nodes, which bear the label `pool.mlk.dev/<name>=true` too: " +
			"workloads ask for the pool with `scheduling.node_pool`, as for any other. Create and update wait until Karpenter has the pool Ready, never for a node. " +
			"Karpenter must be on the cluster; what is for nodes that exist (`node_selector`, `cordon`, `mig`, `min_nodes` …) cannot be used with it. " +
			"Destroying the pool drains its nodes and waits until they are gone. Changed in place, where labels, taints, requirements and others of the node make Karpenter replace the nodes there are, step by step; a pool without it is another pool.",
		Attributes: a,
	}
}

func requirementsAttribute() schema.Attribute {
	return schema.ListNestedAttribute{
		Optional: true,
		MarkdownDescription: "Which machines may be made, all of it must hold: by architecture, instance type, zone, capacity type, or what a cloud's Karpenter says of GPUs, for example `karpenter.k8s.aws/instance-gpu-name`. " +
			"The whole list is the pool's. Default: any machine that the node class can make.",
		Validators: []validator.List{listvalidator.SizeBetween(1, 100)},
		NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
			"key": schema.StringAttribute{Required: true, MarkdownDescription: "Label of a node, for example `node.kubernetes.io/instance-type`.", Validators: []validator.String{diags.LabelKey()}},
			"operator": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "`In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`, `Gte` or `Lte`.",
				Validators:          []validator.String{stringvalidator.OneOf("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Gte", "Lte")},
			},
			"values": schema.ListAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Values to compare with: at least one for `In`, one number for `Gt`, `Lt`, `Gte` and `Lte`, none for `Exists` and `DoesNotExist`.",
				Validators:          []validator.List{listvalidator.NoNullValues()},
			},
			"min_values": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "How many different values must stay possible, from 1 to 50, so that spot capacity can be found. Default: one.",
				Validators:          []validator.Int64{int64validator.Between(1, 50)},
			},
		}},
	}
}

func ceilingAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "The most that all nodes of the pool together may have; Karpenter makes no node beyond it. The pool owns each by itself. Default: no limit.",
		Attributes: map[string]schema.Attribute{
			"gpus": schema.Int64Attribute{
				Optional: true, MarkdownDescription: "GPUs (`nvidia.com/gpu`). Those of other makers are in `others`.",
				Validators: []validator.Int64{int64validator.AtLeast(0)},
			},
			"cpu":    schema.StringAttribute{Optional: true, MarkdownDescription: "CPUs, as `512`.", Validators: []validator.String{quantityForm()}},
			"memory": schema.StringAttribute{Optional: true, MarkdownDescription: "Memory, as `4Ti`.", Validators: []validator.String{quantityForm()}},
			"nodes": schema.Int64Attribute{
				Optional: true, MarkdownDescription: "How many nodes there may be.",
				Validators: []validator.Int64{int64validator.AtLeast(0)},
			},
			"others": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Other resources, as `{ \"amd.com/gpu\" = \"32\" }`.",
				Validators:          []validator.Map{mapvalidator.NoNullValues(), mapvalidator.ValueStringsAre(quantityForm())},
			},
		},
	}
}

// quantityForm checks a quantity as Karpenter's CRD does.
func quantityForm() validator.String {
	return stringvalidator.RegexMatches(regexp.MustCompile(`^[0-9]+(\.[0-9]+)?([numkKMGTPE]|[KMGTPE]i)?$`), "must be a quantity as 512, 500m or 4Ti")
}

func disruptionAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "When Karpenter may take nodes away that are still there. Runs that must not be disturbed also bear the pod annotation `karpenter.sh/do-not-disrupt`. Default: Karpenter's.",
		Attributes: map[string]schema.Attribute{
			"consolidation_policy": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "`WhenEmpty`: only nodes without pods, which suits trainings. `WhenEmptyOrUnderutilized`: also nodes whose pods fit elsewhere, which are moved. `Balanced`: these where it saves enough. " +
					"Default: Karpenter's, `WhenEmptyOrUnderutilized`.",
				Validators: []validator.String{stringvalidator.OneOf("WhenEmpty", "WhenEmptyOrUnderutilized", "Balanced")},
			},
			"consolidate_after": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "How long nothing may have changed on a node before that, as `10m`, or `Never`. Default `0s`.",
				Validators:          []validator.String{stringvalidator.RegexMatches(spanOrNever, "must be a duration as 30s or 10m, or Never")},
			},
			"budgets": schema.ListNestedAttribute{
				Optional:            true,
				MarkdownDescription: "How many nodes may go at a time; the strictest that is in force counts. The whole list is the pool's. Default: Karpenter's, `10%`.",
				Validators:          []validator.List{listvalidator.SizeBetween(1, 50)},
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"nodes": schema.StringAttribute{
						Required: true, MarkdownDescription: "Number of nodes, or part of them, as `2`, `0` or `10%`.",
						Validators: []validator.String{stringvalidator.RegexMatches(amountForm, "must be a number of nodes, or a percentage as 10%")},
					},
					"schedule": schema.StringAttribute{Optional: true, MarkdownDescription: "When the budget begins to be in force, as cron says it, in UTC; with `duration`. Default: always in force.", Validators: []validator.String{stringvalidator.LengthAtLeast(1)}},
					"duration": schema.StringAttribute{
						Optional: true, MarkdownDescription: "How long it is in force then, in hours and minutes, as `8h30m`.",
						Validators: []validator.String{stringvalidator.RegexMatches(minutesForm, "must be hours and minutes, as 8h or 8h30m")},
					},
					"reasons": schema.ListAttribute{
						Optional: true, ElementType: types.StringType,
						MarkdownDescription: "What it is for: `Underutilized`, `Empty`, `Drifted`. Default: all.",
						Validators:          []validator.List{listvalidator.SizeAtLeast(1), listvalidator.UniqueValues(), listvalidator.ValueStringsAre(stringvalidator.OneOf("Underutilized", "Empty", "Drifted"))},
					},
				}},
			},
		},
	}
}

// taintObject describes one taint.
func taintObject() schema.NestedAttributeObject {
	return schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
		"key": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "Key, for example `nvidia.com/gpu`, which GPU workloads of mlk tolerate by themselves.",
			Validators:          []validator.String{diags.LabelKey(reserved...)},
		},
		"value": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Value, for example `present`. Default: none.",
			Validators:          []validator.String{diags.LabelValue()},
		},
		"effect": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "`NoSchedule`: no new pods. `PreferNoSchedule`: new pods only where there is no other room. `NoExecute`: pods that run leave too.",
			Validators: []validator.String{stringvalidator.OneOf(
				string(corev1.TaintEffectNoSchedule), string(corev1.TaintEffectPreferNoSchedule), string(corev1.TaintEffectNoExecute))},
		},
	}}
}
