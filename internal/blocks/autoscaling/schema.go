package autoscaling

import (
	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// Attribute is the schema.
func Attribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "Lets the number of pods follow the load, by a HorizontalPodAutoscaler, or by KEDA. The number is the autoscaler's from then on: `replicas` is not sent, and what it sets shows in `current_replicas` and plans nothing. " +
			"Switching it on or off on a running service leaves the pods there are. With several metrics, the one that asks for most pods counts; with none, Kubernetes takes `cpu_percent = 80`. Changed in place.",
		Attributes: map[string]schema.Attribute{
			"keda": kedaAttribute(),
			"name": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Name of the autoscaler. Default: that of what it scales. Changing it makes a new one.",
				Validators: []validator.String{diags.DNSSubdomain()},
			},
			"min_replicas": schema.Int32Attribute{
				Optional: true,
				MarkdownDescription: "The fewest pods there may be. Default 1. `0` lets all of them go while there is no load; it needs `external_metrics`, and a cluster that allows it: Kubernetes 1.37, " +
					"or an earlier one with the feature gate `HPAScaleToZero`.",
				Validators: []validator.Int32{int32validator.AtLeast(0)},
			},
			"max_replicas": schema.Int32Attribute{
				Optional: true, MarkdownDescription: "The most pods there may be, at least `min_replicas`. Needed, but with `keda`.",
				Validators: []validator.Int32{int32validator.AtLeast(1)},
			},
			"cpu_percent": schema.Int32Attribute{
				Optional: true, MarkdownDescription: "How much of the CPU they request pods are to use on average, in percent. Needs `resources.requests.cpu`. Default: not looked at when another metric is given.",
				Validators: []validator.Int32{int32validator.AtLeast(1)},
			},
			"memory_percent": schema.Int32Attribute{
				Optional: true, MarkdownDescription: "How much of the memory they request pods are to use on average, in percent. Needs `resources.requests.memory`. Default: not looked at.",
				Validators: []validator.Int32{int32validator.AtLeast(1)},
			},
			"pods_metrics": schema.MapAttribute{
				Optional: true, ElementType: quantity.Type{},
				MarkdownDescription: "Metrics that the pods report, by name, and how much of each a pod is to have on average: `{ \"vllm:num_requests_waiting\" = \"5\" }`. " +
					"Needs an adapter that serves `custom.metrics.k8s.io`, such as the Prometheus adapter. Default: none.",
				Validators: []validator.Map{mapvalidator.SizeAtLeast(1), mapvalidator.NoNullValues()},
			},
			"external_metrics": schema.MapNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Metrics of something outside the pods, such as the length of a queue, by name. Needs an adapter that serves `external.metrics.k8s.io`. Default: none.",
				Validators:          []validator.Map{mapvalidator.SizeAtLeast(1), mapvalidator.NoNullValues()},
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"selector": schema.MapAttribute{
						Optional: true, ElementType: types.StringType, MarkdownDescription: "Labels of the metric. Default: none.",
						Validators: []validator.Map{mapvalidator.SizeAtLeast(1), mapvalidator.NoNullValues()},
					},
					"average_value": schema.StringAttribute{
						Optional: true, CustomType: quantity.Type{}, MarkdownDescription: "How much of it there is to be for each pod. Exactly one of this and `value`.",
					},
					"value": schema.StringAttribute{
						Optional: true, CustomType: quantity.Type{}, MarkdownDescription: "How much of it there is to be in all.",
					},
				}},
			},
			"behavior": schema.SingleNestedAttribute{
				Optional: true, MarkdownDescription: "How fast pods come and go. Default: up at once, by at most 4 pods or 100 % in 15 seconds; down after five minutes in which fewer would have done.",
				Attributes: map[string]schema.Attribute{
					"scale_up":   directionAttribute("come", "0", "`Max`"),
					"scale_down": directionAttribute("go", "300", "`Max`"),
				},
			},
			"tolerance": schema.StringAttribute{
				Optional: true, CustomType: quantity.Type{},
				MarkdownDescription: "By how much a metric may miss its target before the number of pods changes, as a ratio such as `0.05`, in both directions where `behavior` says nothing else. Default 0.1. Needs Kubernetes 1.35.",
			},
		},
	}
}

func directionAttribute(what, window, policy string) schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true, MarkdownDescription: "How fast pods " + what + ".",
		Attributes: map[string]schema.Attribute{
			"stabilization_window_seconds": schema.Int32Attribute{
				Optional: true, MarkdownDescription: "Over how many seconds the safest of all recommendations counts, 0 to 3600. Default " + window + ".",
				Validators: []validator.Int32{int32validator.Between(0, 3600)},
			},
			"select_policy": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Which of `policies` counts: the one that allows most change, `Max`, or least, `Min`; `Disabled` forbids this direction. Default " + policy + ".",
				Validators: []validator.String{stringvalidator.OneOf(
					string(autoscalingv2.MaxChangePolicySelect), string(autoscalingv2.MinChangePolicySelect), string(autoscalingv2.DisabledPolicySelect))},
			},
			"policies": schema.ListNestedAttribute{
				Optional: true, MarkdownDescription: "How much may change in a time. Default: what Kubernetes allows.",
				Validators: []validator.List{listvalidator.SizeAtLeast(1)},
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"type": schema.StringAttribute{
						Required: true, MarkdownDescription: "What `value` counts: `Pods` or `Percent`.",
						Validators: []validator.String{stringvalidator.OneOf(string(autoscalingv2.PodsScalingPolicy), string(autoscalingv2.PercentScalingPolicy))},
					},
					"value": schema.Int32Attribute{
						Required: true, MarkdownDescription: "How many pods, or percent of them, at least 1.", Validators: []validator.Int32{int32validator.AtLeast(1)},
					},
					"period_seconds": schema.Int32Attribute{
						Required: true, MarkdownDescription: "In how many seconds, 1 to 1800.", Validators: []validator.Int32{int32validator.Between(1, 1800)},
					},
				}},
			},
			"tolerance": schema.StringAttribute{
				Optional: true, CustomType: quantity.Type{}, MarkdownDescription: "As `tolerance` of `autoscaling`, in this direction. Default: that one.",
			},
		},
	}
}
