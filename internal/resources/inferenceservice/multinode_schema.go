package inferenceservice

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// The policies of a LeaderWorkerSet; the first of each is its default.
const (
	recreateOnRestart  = "RecreateGroupOnPodRestart"
	recreateAfterStart = "RecreateGroupAfterStart"
	recreateNever      = "None"
	leaderCreated      = "LeaderCreated"
	leaderReady        = "LeaderReady"
	subdomainShared    = "Shared"
	subdomainEach      = "UniquePerReplica"
	leaderIncluded     = "LeaderWorker"
	leaderExcluded     = "LeaderExcluded"
)

func multiNodeAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "For a model that no single node holds: `size` pods together serve it, a leader and its workers, and `replicas` counts such groups. They are a LeaderWorkerSet (`leaderworkerset.x-k8s.io/v1`), which the cluster needs and the plan checks. " +
			"The pod attributes are those of the leader; a worker has the same pod without `ports` and probes, and what `worker` says. The Service leads to leaders only. " +
			"`vllm` splits the model over the GPUs of a pod by tensor and over the pods of a group by pipeline parallelism, `sglang` over all GPUs of a group by tensor parallelism, and both find the leader: `preset` shows how. " +
			"Arguments with `--distributed-executor-backend` say that you do it otherwise, as with Ray. Each container has the variables `LWS_LEADER_ADDRESS`, `LWS_GROUP_SIZE` and `LWS_WORKER_INDEX`. " +
			"`service.name` is `<name>-leader` by default, as the LeaderWorkerSet makes a headless Service called `name` by itself. Default: one pod serves the model. Adding or removing it makes a new service; else changed in place, as a rollout of new groups where pods change.",
		Attributes: multiNodeAttributes(),
	}
}

func multiNodeAttributes() map[string]schema.Attribute {
	topology := []validator.String{diags.LabelKey()}
	return map[string]schema.Attribute{
		"size": schema.Int32Attribute{
			Required: true, MarkdownDescription: "How many pods a group has, its leader included.",
			Validators: []validator.Int32{int32validator.AtLeast(1)},
		},
		"worker": schema.SingleNestedAttribute{
			Optional:            true,
			MarkdownDescription: "What workers do otherwise than the leader. Default: what `runtime` makes of it, or else the same. Not with `uniform`.",
			Attributes: map[string]schema.Attribute{
				"container_name": schema.StringAttribute{
					Optional: true, MarkdownDescription: "Name of the main container. Default: the leader's.", Validators: []validator.String{diags.DNSLabel()},
				},
				"image": schema.StringAttribute{
					Optional: true, MarkdownDescription: "Image of the main container. Default: the leader's.", Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
				},
				"command": schema.ListAttribute{
					Optional: true, ElementType: types.StringType, MarkdownDescription: "Program of the main container; an empty list is the image's own. Default: the leader's.",
					Validators: []validator.List{listvalidator.NoNullValues()},
				},
				"args": schema.ListAttribute{
					Optional: true, ElementType: types.StringType, MarkdownDescription: "All its arguments; an empty list is none. Default: the leader's, and what `runtime` adds for workers.",
					Validators: []validator.List{listvalidator.NoNullValues()},
				},
				"env": schema.MapAttribute{
					Optional: true, ElementType: types.StringType, MarkdownDescription: "Further variables, or other values of the leader's. Default: none.",
					Validators: []validator.Map{mapvalidator.SizeAtLeast(1), mapvalidator.NoNullValues()},
				},
			},
		},
		"uniform": schema.BoolAttribute{
			Optional: true, MarkdownDescription: "Whether leader and workers are made of one template, with ports and probes, and find out by `LWS_WORKER_INDEX` which they are. Default false.",
		},
		"restart_policy": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: fmt.Sprintf("What becomes of a group when one of its pods or containers starts anew: `%s` (default) makes all of it anew, `%s` only once all its pods have been running, `%s` leaves the others as they are.",
				recreateOnRestart, recreateAfterStart, recreateNever),
			Validators: []validator.String{stringvalidator.OneOf(recreateOnRestart, recreateAfterStart, recreateNever)},
		},
		"startup_policy": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: fmt.Sprintf("When the workers are made: `%s` (default), with the leader, or `%s`, once it is ready. A leader that is ready only when its workers have come needs the default.", leaderCreated, leaderReady),
			Validators:          []validator.String{stringvalidator.OneOf(leaderCreated, leaderReady)},
		},
		"subdomain_policy": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: fmt.Sprintf("Which headless Service gives the pods their host names: `%s` (default), one for all groups, or `%s`, one for each.", subdomainShared, subdomainEach),
			Validators:          []validator.String{stringvalidator.OneOf(subdomainShared, subdomainEach)},
		},
		"partition": schema.Int32Attribute{
			Optional:            true,
			MarkdownDescription: "Groups with a lower number keep the revision they have in a rollout, so that a new one can be tried on the others. Default 0: all groups change.",
			Validators:          []validator.Int32{int32validator.AtLeast(0)},
		},
		"exclusive_topology": schema.StringAttribute{
			Optional: true, Validators: topology,
			MarkdownDescription: "A label of nodes, such as `cloud.google.com/gke-nodepool`, of which each group has one value for itself: all its pods run on nodes with that value, and those of no other group do. Default: pods run anywhere.",
		},
		"subgroup_size": schema.Int32Attribute{
			Optional:            true,
			MarkdownDescription: "Divides each group into subgroups of so many pods; `size`, or `size - 1`, must be a multiple of it. Default: no subgroups. Changing it makes a new service.",
			Validators:          []validator.Int32{int32validator.AtLeast(1)},
		},
		"subgroup_type": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: fmt.Sprintf("Whether the leader is in the first subgroup, `%s` (default), or in none, `%s`; then `size - 1` must be a multiple of `subgroup_size`. Only with `subgroup_size`.", leaderIncluded, leaderExcluded),
			Validators:          []validator.String{stringvalidator.OneOf(leaderIncluded, leaderExcluded)},
		},
		"subgroup_exclusive_topology": schema.StringAttribute{
			Optional: true, Validators: topology,
			MarkdownDescription: "As `exclusive_topology`, for each subgroup. Only with `subgroup_size`.",
		},
	}
}
