package nodeagent

import (
	"fmt"
	"maps"
	"regexp"

	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// What null stands for.
const (
	rolling      = string(appsv1.RollingUpdateDaemonSetStrategyType)
	onDelete     = string(appsv1.OnDeleteDaemonSetStrategyType)
	everywhere   = string(corev1.ServiceInternalTrafficPolicyCluster)
	local        = string(corev1.ServiceInternalTrafficPolicyLocal)
	revisions    = 10
	component    = "node-agent"
	nameKey      = "app.kubernetes.io/name"
	componentKey = "app.kubernetes.io/component"
)

// The values of metrics.scrape.
const (
	scrapeAnnotations = "annotations"
	scrapeMonitor     = "service_monitor"
	scrapeNone        = "none"
)

// countOrShare is a number of nodes or a percentage of them.
var countOrShare = regexp.MustCompile(`^(0|[1-9][0-9]{0,4}|(0|[1-9][0-9]?|100)%)$`)

func attributes() schema.Schema {
	all := podspec.Attributes(podspec.Options{ImageOptional: true, Changing: "Changing it replaces the pods, as `update_strategy` says."})
	maps.Copy(all, ownAttributes())
	all["metrics"] = metricsAttribute()
	all["service"] = serviceAttribute()
	all["update_strategy"] = strategyAttribute()
	return schema.Schema{
		MarkdownDescription: "A pod on every node that matches `scheduling`, for what serves the node itself: GPU monitoring, log collection, mounts, tuning of the kernel. A DaemonSet, and a Service where one is asked for.\n\n" +
			"With `wait_for = \"ready\"` an apply ends when the agent is ready, and of the new revision, on every node that matches. That no node matches is no fault, as in a pool that is scaled to none: " +
			"the apply is done, `status.message` says so, and the agent comes with the first node.\n\n" +
			"An agent must not ask for the GPUs it watches (`gpu`): it would take them from the workloads.",
		Attributes: all,
	}
}

func ownAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"preset": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "An agent that mlk knows. `dcgm_exporter`: NVIDIA's metrics of GPUs at port " + fmt.Sprint(dcgmPort) + ", on nodes with `nvidia.com/gpu.present=true`, tolerating `nvidia.com/gpu`. " +
				"It makes image, ports, environment, security context, probes, the volume by which metrics name their pod, node selector and toleration, and `metrics`; what the configuration says itself wins, " +
				"for maps entry by entry. Where GPUs are only seen under a runtime class, set `scheduling.runtime_class = \"nvidia\"`. Default: none. Changing it replaces the pods.",
			Validators: []validator.String{stringvalidator.OneOf(presetDCGM)},
		},
		"selector": schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: fmt.Sprintf("Labels by which DaemonSet and Service know the pods; the pods get them. Default: `{ \"%s\" = <name>, \"%s\" = \"%s\" }`. "+
				"Set it to keep the labels of an imported DaemonSet. Changing it makes a new agent.", nameKey, componentKey, component),
			Validators: []validator.Map{mapvalidator.SizeAtLeast(1), mapvalidator.NoNullValues(), mapvalidator.KeysAre(diags.LabelKey()), mapvalidator.ValueStringsAre(diags.LabelValue())},
		},
		"min_ready_seconds": schema.Int32Attribute{
			Optional: true, MarkdownDescription: "Seconds a pod must have been ready before it counts. Default 0. Changed in place.",
			Validators: []validator.Int32{int32validator.AtLeast(0)},
		},
		"revision_history_limit": schema.Int32Attribute{
			Optional: true, MarkdownDescription: fmt.Sprintf("How many earlier revisions `kubectl rollout undo` can go back to. Default %d. Changed in place.", revisions),
			Validators: []validator.Int32{int32validator.AtLeast(0)},
		},
		"matching_nodes": schema.Int32Attribute{
			Computed: true, MarkdownDescription: "On how many nodes the agent should run, when last looked at.",
		},
		"ready_nodes": schema.Int32Attribute{
			Computed: true, MarkdownDescription: "On how many nodes it was ready, when last looked at.",
		},
	}
}

func metricsAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "What the agent offers to Prometheus, and how Prometheus learns of it. Default: nothing, or what `preset` says. Changing it replaces the pods, with `scrape = \"service_monitor\"` in place.",
		Attributes: map[string]schema.Attribute{
			"port": schema.Int32Attribute{
				Required: true, MarkdownDescription: "Port of the pod at which metrics are read, 1 to 65535.",
				Validators: []validator.Int32{int32validator.Between(1, 65535)},
			},
			"path": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Path at which they are read. Default `/metrics`.",
				Validators: []validator.String{stringvalidator.RegexMatches(regexp.MustCompile(`^/`), "must begin with /")},
			},
			"scrape": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "`annotations` (default): the pods get `prometheus.io/scrape`, `prometheus.io/port` and `prometheus.io/path`. `service_monitor`: a ServiceMonitor is made, for clusters with the Prometheus Operator; " +
					"it needs `service`, and the agent's `labels` must be those Prometheus looks for. `none`: nothing is made.",
				Validators: []validator.String{stringvalidator.OneOf(scrapeAnnotations, scrapeMonitor, scrapeNone)},
			},
		},
	}
}

func serviceAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "A Service in front of the agents, with the `ports` of the main container; `{}` for one with all defaults. Default: none. Changed in place.",
		Attributes: map[string]schema.Attribute{
			"name": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Name of the Service, a DNS label that begins with a letter. Default: `name`. Changing it makes a new Service, and the old one goes.",
				Validators: []validator.String{diags.DNSLabel()},
			},
			"internal_traffic_policy": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "`Cluster` (default): a request goes to any agent. `Local`: to the one on the caller's node, as callers of a log or trace collector want.",
				Validators:          []validator.String{stringvalidator.OneOf(everywhere, local)},
			},
			"annotations": schema.MapAttribute{
				Optional: true, ElementType: types.StringType, MarkdownDescription: "Annotations of the Service alone, over those of `annotations`. Default: none.",
				Validators: []validator.Map{mapvalidator.NoNullValues(), mapvalidator.KeysAre(diags.AnnotationKey("mlk.dev/"))},
			},
		},
	}
}

func strategyAttribute() schema.Attribute {
	share := []validator.String{stringvalidator.RegexMatches(countOrShare, "must be a number such as 1, or a percentage such as 25%")}
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "How pods are replaced when what they run changes. Default: one node after the other. Changed in place.",
		Attributes: map[string]schema.Attribute{
			"type": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "`RollingUpdate` (default), or `OnDelete`: a pod changes when somebody deletes it, as drivers want whose update needs a drained node, and nobody waits for that.",
				Validators:          []validator.String{stringvalidator.OneOf(rolling, onDelete)},
			},
			"max_unavailable": schema.StringAttribute{
				Optional: true, Validators: share,
				MarkdownDescription: "On how many nodes the agent may be missing at a time in an update, a number or a percentage, rounded up. Default 1, or 0 with `max_surge`. Only with `RollingUpdate`.",
			},
			"max_surge": schema.StringAttribute{
				Optional: true, Validators: share,
				MarkdownDescription: "On how many nodes a new pod may start before the old one ends, a number or a percentage, rounded up. Two pods of one node cannot have the same port of the node, so not with `host_network` or `host_port`. " +
					"Default 0. Only with `RollingUpdate`, and not beside `max_unavailable`.",
			},
		},
	}
}
