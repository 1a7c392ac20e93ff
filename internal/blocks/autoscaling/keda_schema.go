package autoscaling

import (
	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// The kinds of what a trigger gets its credentials from.
const (
	ofNamespace = "TriggerAuthentication"
	ofCluster   = "ClusterTriggerAuthentication"
)

func kedaAttribute() schema.Attribute {
	seconds := func(text string) schema.Attribute {
		return schema.Int32Attribute{Optional: true, MarkdownDescription: text, Validators: []validator.Int32{int32validator.AtLeast(0)}}
	}
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "Lets KEDA set the number of pods, by a ScaledObject, in the place of everything else here but `name`: from queues, databases, Prometheus and many more, and down to no pod at all. " +
			"Needs a cluster with KEDA, which the plan checks. What no attribute says goes into `patch`, under `ScaledObject`. Default: no KEDA.",
		Attributes: map[string]schema.Attribute{
			"triggers": schema.ListNestedAttribute{
				Required: true, MarkdownDescription: "What pods are wanted for; the trigger that asks for most counts.",
				Validators: []validator.List{listvalidator.SizeAtLeast(1), listvalidator.NoNullValues()},
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"type": schema.StringAttribute{
						Required: true, MarkdownDescription: "Which of KEDA's scalers, such as `prometheus`, `rabbitmq`, `kafka`, `aws-sqs-queue` or `cron`.", Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
					},
					"metadata": schema.MapAttribute{
						Required: true, ElementType: types.StringType,
						MarkdownDescription: "What the scaler asks for, in KEDA's own words: `{ serverAddress = \"http://prometheus.monitoring:9090\", query = \"sum(vllm:num_requests_waiting)\", threshold = \"5\" }`. " +
							"It is in the state as it stands: passwords and tokens come by `authentication_ref`.",
						Validators: []validator.Map{mapvalidator.NoNullValues()},
					},
					"name": schema.StringAttribute{
						Optional: true, MarkdownDescription: "What the trigger is called in formulas and metrics. Default: none.", Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
					},
					"metric_type": schema.StringAttribute{
						Optional: true, MarkdownDescription: "`AverageValue` (default): the threshold is for each pod. `Value`: for all together. `Utilization`: in percent of what is requested, for `cpu` and `memory`.",
						Validators: []validator.String{stringvalidator.OneOf("AverageValue", "Value", "Utilization")},
					},
					"authentication_ref": schema.SingleNestedAttribute{
						Optional: true, MarkdownDescription: "Where the scaler gets its credentials from. Only the name is in the state. Default: it needs none.",
						Attributes: map[string]schema.Attribute{
							"name": schema.StringAttribute{
								Required: true, MarkdownDescription: "Name of the TriggerAuthentication, in the namespace of the service.", Validators: []validator.String{diags.DNSSubdomain()},
							},
							"kind": schema.StringAttribute{
								Optional: true, MarkdownDescription: "`TriggerAuthentication` (default), or `ClusterTriggerAuthentication`.", Validators: []validator.String{stringvalidator.OneOf(ofNamespace, ofCluster)},
							},
						},
					},
				}},
			},
			"min_replicas":            schema.Int32Attribute{Optional: true, MarkdownDescription: "The fewest pods there may be. Default 0: all of them go while no trigger is active.", Validators: []validator.Int32{int32validator.AtLeast(0)}},
			"max_replicas":            schema.Int32Attribute{Optional: true, MarkdownDescription: "The most pods there may be, at least `min_replicas`. Needed.", Validators: []validator.Int32{int32validator.AtLeast(1)}},
			"idle_replicas":           schema.Int32Attribute{Optional: true, MarkdownDescription: "How many pods there are while no trigger is active, less than `min_replicas`; KEDA knows `0` only. Default: `min_replicas`.", Validators: []validator.Int32{int32validator.AtLeast(0)}},
			"polling_interval":        schema.Int32Attribute{Optional: true, MarkdownDescription: "Every how many seconds the triggers are asked. Default 30.", Validators: []validator.Int32{int32validator.AtLeast(1)}},
			"cooldown_period":         seconds("Seconds after the last trigger was active until the last pods go. Default 300. It counts only where all may go; how fast others do is the HorizontalPodAutoscaler's."),
			"initial_cooldown_period": seconds("Seconds after the ScaledObject was made until the last pods may go for the first time: a model needs them to load. Default 0."),
			"fallback": schema.SingleNestedAttribute{
				Optional: true, MarkdownDescription: "How many pods there are while a trigger cannot be asked. Default: as many as there were.",
				Attributes: map[string]schema.Attribute{
					"failure_threshold": schema.Int32Attribute{Required: true, MarkdownDescription: "After how many failures in a row.", Validators: []validator.Int32{int32validator.AtLeast(1)}},
					"replicas":          schema.Int32Attribute{Required: true, MarkdownDescription: "How many pods.", Validators: []validator.Int32{int32validator.AtLeast(0)}},
				},
			},
			"hpa_name": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Name of the HorizontalPodAutoscaler that KEDA makes. Default `keda-hpa-<name>`. It is KEDA's: it is not in `objects` and goes with the ScaledObject.",
				Validators: []validator.String{diags.DNSSubdomain()},
			},
		},
	}
}
