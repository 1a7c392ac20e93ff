package inferenceservice

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
	rolling      = string(appsv1.RollingUpdateDeploymentStrategyType)
	recreate     = string(appsv1.RecreateDeploymentStrategyType)
	clusterIP    = string(corev1.ServiceTypeClusterIP)
	nodePort     = string(corev1.ServiceTypeNodePort)
	loadBalancer = string(corev1.ServiceTypeLoadBalancer)
	affinityNone = string(corev1.ServiceAffinityNone)
	quarter      = "25%"
	revisions    = 10
	component    = "inference-service"
	nameKey      = "app.kubernetes.io/name"
	componentKey = "app.kubernetes.io/component"
)

// countOrShare is a number of pods or a percentage of them.
var countOrShare = regexp.MustCompile(`^(0|[1-9][0-9]{0,4}|(0|[1-9][0-9]?|100)%)$`)

func attributes() schema.Schema {
	all := podspec.Attributes(podspec.Options{ImageOptional: true, Changing: "Changing it rolls out new pods, as `rollout` says."})
	maps.Copy(all, ownAttributes())
	maps.Copy(all, presetAttributes())
	all["service"] = serviceAttribute()
	all["rollout"] = rolloutAttribute()
	all["canary"] = canaryAttribute()
	all["multi_node"] = multiNodeAttribute()
	maps.Copy(all, kserveAttributes())
	maps.Copy(all, satelliteAttributes())
	return schema.Schema{
		MarkdownDescription: "A model server: pods that all answer alike, as a Deployment, and the Service they are reached by; or as a LeaderWorkerSet (`multi_node`), or an InferenceService of KServe (`engine`).\n\n" +
			"With `wait_for = \"ready\"` an apply ends when all pods are of the new revision and ready, and the Service has one of them to send requests to. " +
			"It fails as soon as it is certain that this will not come: an image that cannot be pulled, a quota or an admission rule that refuses the pods, a container that ends again and again, " +
			"a GPU that no node has. Pods of the revision before go on serving then, as far as `rollout` keeps them, and the next plan waits for the new one again.",
		Attributes: all,
	}
}

func ownAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"replicas": schema.Int32Attribute{
			Optional:            true,
			MarkdownDescription: "How many pods there are; `0` stops all of them. Default: 1 at first, and then whatever an autoscaler or somebody sets. Not with `autoscaling`. Changed in place; removing it leaves the pods there are.",
			Validators:          []validator.Int32{int32validator.AtLeast(0)},
		},
		"selector": schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: fmt.Sprintf("Labels by which Deployment and Service know the pods; the pods get them. Default: `{ \"%s\" = <name>, \"%s\" = \"%s\" }`. "+
				"Set it to keep the labels of an imported Deployment. Changing it makes a new service.", nameKey, componentKey, component),
			Validators: []validator.Map{mapvalidator.SizeAtLeast(1), mapvalidator.NoNullValues(), mapvalidator.KeysAre(diags.LabelKey()), mapvalidator.ValueStringsAre(diags.LabelValue())},
		},
		"restart_on": schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Any values that roll out new pods when they change, as those of a ConfigMap that the server reads only when it starts: `{ config = kubernetes_config_map_v1.server.data[\"config.yaml\"] }`. " +
				"The pods get a hash of them as an annotation, not the values themselves. Default: none. Changed in place.",
			Validators: []validator.Map{mapvalidator.SizeAtLeast(1), mapvalidator.NoNullValues()},
		},
		"startup_budget": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "How long the model may take to load, as `90s`, `10m` or `1h`: the server is not started anew, and the rollout not given up, before. " +
				"It makes the `startup_probe`, every 10 seconds what `readiness_probe` asks, or else `liveness_probe`. Default: that of `runtime`, or else none, so that those two count from the start. " +
				"Not with `startup_probe`. Changing it rolls out new pods.",
			Validators: []validator.String{budget{}},
		},
		"url": schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: "Where the service is reached: the host of `route` or `ingress`, with its path, where they name one; else inside the cluster, as `http://<service>.<namespace>.svc:<port>`, at its port called `http`, or else its lowest. Null without a Service. Known at plan; with `engine = \"kserve\"` it is what KServe says, known once it is ready.",
		},
		"ready_replicas": schema.Int32Attribute{
			Computed: true, MarkdownDescription: "How many pods were ready when last looked at, of all revisions. Of an InferenceService those of its predictor; null where they may not be seen.",
		},
		"current_replicas": schema.Int32Attribute{
			Computed: true, MarkdownDescription: "How many pods the Deployment asked for when last looked at: `replicas`, or what an autoscaler or somebody has set since.",
		},
	}
}

func serviceAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "How the pods are reached: the Service. Default: one inside the cluster, with the `ports` of the main container. Changed in place.",
		Attributes: map[string]schema.Attribute{
			"enabled": schema.BoolAttribute{Optional: true, MarkdownDescription: "Whether there is a Service. Default true."},
			"name": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Name of the Service, a DNS label that begins with a letter. Default: `name`, and `<name>-leader` with `multi_node`. Changing it makes a new Service, and the old one goes.",
				Validators: []validator.String{diags.DNSLabel()},
			},
			"type": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "`ClusterIP` (default): inside the cluster only. `NodePort`: at a port of every node too. `LoadBalancer`: at an address of a load balancer too.",
				Validators:          []validator.String{stringvalidator.OneOf(clusterIP, nodePort, loadBalancer)},
			},
			"port": schema.Int32Attribute{
				Optional: true, MarkdownDescription: "The one port of the Service, 1 to 65535. Default: all `ports` of the main container, with their own numbers.",
				Validators: []validator.Int32{int32validator.Between(1, 65535)},
			},
			"target_port": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Where `port` leads: number or name of a port of the pods. Default: the port of the main container where it has just one, else `port`. Only with `port`.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"headless": schema.BoolAttribute{
				Optional: true, MarkdownDescription: "Whether the Service has no address, so that its name leads to the pods' own. Default false. Only with type `ClusterIP`. An address cannot be taken away or given later: changing it makes the whole resource anew.",
			},
			"annotations": schema.MapAttribute{
				Optional: true, ElementType: types.StringType, MarkdownDescription: "Annotations of the Service alone, as load balancers and scrapers read them, over those of `annotations`. Default: none.",
				Validators: []validator.Map{mapvalidator.NoNullValues(), mapvalidator.KeysAre(diags.AnnotationKey("mlk.dev/"))},
			},
			"app_protocol": schema.StringAttribute{
				Optional: true, MarkdownDescription: "What is spoken at the ports: `http`, `https`, `grpc`, `kubernetes.io/h2c`, `kubernetes.io/ws` or another name that proxies know. Default: none is said.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"session_affinity": schema.StringAttribute{
				Optional: true, MarkdownDescription: "`None` (default), or `ClientIP`: requests from one address go to one pod, as caches of prompts like it.",
				Validators: []validator.String{stringvalidator.OneOf(affinityNone, string(corev1.ServiceAffinityClientIP))},
			},
			"load_balancer_class": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Which implementation makes the load balancer, such as `service.k8s.aws/nlb`. Default: the cluster's own. Only with type `LoadBalancer`; Kubernetes changes it only together with the type.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
		},
	}
}

func rolloutAttribute() schema.Attribute {
	share := []validator.String{stringvalidator.RegexMatches(countOrShare, "must be a number such as 1, or a percentage such as 25%")}
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "How pods are replaced when what they run changes; with `multi_node` it counts groups, of which `max_unavailable` is 1 and `max_surge` 0 by default, and the others say nothing. Changed in place.",
		Attributes: map[string]schema.Attribute{
			"strategy": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "`RollingUpdate` (default): new pods beside the old ones, step by step. `Recreate`: all old pods end first, and nobody serves until new ones are ready; for when no second GPU is free, or a volume goes to one node only.",
				Validators:          []validator.String{stringvalidator.OneOf(rolling, recreate)},
			},
			"max_surge": schema.StringAttribute{
				Optional: true, Validators: share,
				MarkdownDescription: "How many pods there may be above `replicas` in a rollout, a number or a percentage, rounded up. Each needs a GPU of its own: `0` replaces pods where they are. Default `25%`. Not with `Recreate`.",
			},
			"max_unavailable": schema.StringAttribute{
				Optional: true, Validators: share,
				MarkdownDescription: "How many pods may be missing in a rollout, a number or a percentage, rounded down; not `0` when `max_surge` is. Default `25%`. Not with `Recreate`.",
			},
			"min_ready_seconds": schema.Int32Attribute{
				Optional: true, MarkdownDescription: "Seconds a pod must have been ready before it counts. Default 0.",
				Validators: []validator.Int32{int32validator.AtLeast(0)},
			},
			"progress_deadline_seconds": schema.Int32Attribute{
				Optional: true,
				MarkdownDescription: "Seconds a rollout may go without a pod becoming ready before it counts as failed, more than `min_ready_seconds`. " +
					"Default: the longer of `timeouts.create` and `timeouts.update`, and at least ten minutes more than `startup_budget`. Kubernetes' own default, 600, gives up on models that load for longer.",
				Validators: []validator.Int32{int32validator.AtLeast(1)},
			},
			"revision_history_limit": schema.Int32Attribute{
				Optional: true, MarkdownDescription: fmt.Sprintf("How many earlier revisions `kubectl rollout undo` can go back to. Default %d.", revisions),
				Validators: []validator.Int32{int32validator.AtLeast(0)},
			},
		},
	}
}
