package distributed

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// The bounds of a port.
const (
	minPort = 1
	maxPort = 65535
)

// Options are what differs between the resources that run gangs.
type Options struct {
	// Frozen is the sentence that says what a change does that no Job ever makes;
	// InPlace of one that it does.
	Frozen, InPlace string
}

// Attribute returns the attribute "distributed".
func Attribute(o Options) schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "Runs the training in several pods at a time, its ranks, as an indexed Job with a headless Service. Rank `i` has the host name `<run_name>-<i>.<run_name>`, " +
			"which resolves before the pod is ready, and its number in `JOB_COMPLETION_INDEX`. `launcher` sets what the framework expects besides, in the main container; " +
			"variables of `env` with the same name win, and may refer to generated ones as `$(MASTER_ADDR)`. Default: one pod. " + o.Frozen + " Attributes say where that is otherwise.",
		Attributes: map[string]schema.Attribute{
			"nodes": schema.Int32Attribute{
				Required: true,
				MarkdownDescription: fmt.Sprintf("How many pods, 1 to %d. Pods that take all GPUs of a node are on as many nodes. "+
					"Where the pods do not depend on it, with `launcher = \"none\"`, and with `torchrun` and `min_nodes`, changed in place: the highest ranks go or new ones come. Otherwise: %s", mostNodes, o.Frozen),
				Validators: []validator.Int32{int32validator.Between(1, mostNodes)},
			},
			"min_nodes": schema.Int32Attribute{
				Optional: true,
				MarkdownDescription: "Makes a program of `torchrun` elastic: it begins with this many pods, and takes in others as they come, up to `nodes` (`PET_NNODES=<min_nodes>:…`, `c10d` rendezvous at rank 0). " +
					"Default: all pods are needed.",
				Validators: []validator.Int32{int32validator.Between(1, mostNodes)},
			},
			"processes_per_node": schema.Int32Attribute{
				Optional:            true,
				MarkdownDescription: "How many processes run in each pod, for `torchrun`, `deepspeed` and `mpi`. Default: `gpu.count`; without GPUs what the launcher makes of it, mostly 1.",
				Validators:          []validator.Int32{int32validator.AtLeast(1)},
			},
			"launcher": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "What the main container is started for, by the variables it gets:\n" +
					"  - `none` (default): none. `JOB_COMPLETION_INDEX` and the host names are there.\n" +
					"  - `torchrun`: `PET_NNODES`, `PET_NPROC_PER_NODE`, `PET_NODE_RANK`, `PET_MASTER_ADDR`, `PET_MASTER_PORT`, which `torchrun` takes for its flags, and `MASTER_ADDR`, `MASTER_PORT` for programs started without it.\n" +
					"  - `jax`: `JAX_COORDINATOR_ADDRESS`, `JAX_NUM_PROCESSES`, `JAX_PROCESS_ID`, which `jax.distributed.initialize()` reads. One process in each pod drives all of its GPUs.\n" +
					"  - `tensorflow`: `TF_CONFIG` with all pods as workers, for `MultiWorkerMirroredStrategy`.\n" +
					"  - `deepspeed`: as `torchrun`, and a list of hosts in `" + hostfilePath + "` for `deepspeed --no_ssh`.\n" +
					"  - `mpi`: a list of hosts with slots in `" + hostfilePath + "`, and the variables by which Open MPI, Intel MPI and MPICH find it. Rank 0 runs `mpirun`, the others an SSH server; image or volumes bring the keys.\n\n" +
					"  Schedules cannot have `deepspeed` and `mpi`: the hosts of a run are not known when its pod is written.\n\n" +
					"  All but `none` get `" + hostsVariable + "`, the host names of all ranks with commas between, unless the program is elastic.",
				Validators: []validator.String{stringvalidator.OneOf(LauncherNone, LauncherTorchrun, LauncherJAX, LauncherTensorFlow, LauncherDeepSpeed, LauncherMPI)},
			},
			"port": schema.Int32Attribute{
				Optional: true,
				MarkdownDescription: fmt.Sprintf("Port at which the ranks meet: at rank 0, with `tensorflow` at each, with `mpi` that of the SSH servers. Default: %d with `torchrun` and `deepspeed`, %d with `jax`, %d with `tensorflow`, %d with `mpi`.",
					portTorch, portJAX, portTensorFlow, portSSH),
				Validators: []validator.Int32{int32validator.Between(minPort, maxPort)},
			},
			"topology_key": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Node label of which all pods must have the same value: `topology.kubernetes.io/zone`, the label of a rack, `nvidia.com/gpu.clique` for one NVLink domain. " +
					"The first pod that is scheduled chooses the domain for all; where others run too, a queue that reserves whole gangs chooses better. Default: anywhere.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"success": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Who has to succeed: `all` (default), or the `leader`, rank 0, whose end stops the others (default with `mpi`). `success_policy` says it in more detail.",
				Validators:          []validator.String{stringvalidator.OneOf(successAll, successLeader)},
			},
			"restart": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "What is tried again when a rank fails. `pod` (default): that rank alone, as often as `backoff_limit` says for all ranks together. " +
					fmt.Sprintf("`all`: the whole gang, as often as `backoff_limit_per_index` says (default %d here); the rank that has no try left ends the run (`max_failed_indexes`, default 0 here), and disruptions do not count. ", restartsOfAll) +
					"While an apply waits for the run, mlk ends the other pods as soon as one has failed, by eviction, and all come back together. Kubernetes' Job controller has no such thing: after the apply the other ranks end " +
					"by what their framework makes of the loss (an error of NCCL, of JAX' coordinator, of `torchrun`), and each has its tries.",
				Validators: []validator.String{stringvalidator.OneOf(restartPod, restartAll)},
			},
			"gang": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Starts all pods at once or none, so that no half of a run holds GPUs and waits for the other half. Default: pods start one by one, as they fit.\n" +
					"  - `native`: by Kubernetes' own scheduler, through a PodGroup of `scheduling.k8s.io/v1beta1`. It needs Kubernetes 1.37 with the feature gate `GenericWorkload` on API server, controller manager and scheduler, and that API switched on (`--runtime-config`); both are off by default.\n" +
					"  - `volcano`: by Volcano's scheduler (`scheduling.scheduler_name` names it where it is not called `volcano`), through a PodGroup of `scheduling.volcano.sh/v1beta1`. It needs Volcano.\n\n" +
					"  A queue (`scheduling.queue`) that admits whole runs needs neither. A rank that is tried again after others have ended makes no whole gang any more, and waits for ever: with programs whose ranks end far apart, set `gang_size`. " +
					"Not for schedules, and not with `engine = \"kubeflow\"`, where the runtime's `podGroupPolicy` says it. " + o.Frozen,
				Validators: []validator.String{stringvalidator.OneOf(GangNative, GangVolcano)},
			},
			"gang_size": schema.Int32Attribute{
				Optional: true,
				MarkdownDescription: "How many pods have to fit before any starts, with `gang`. Default: `min_nodes`, else `nodes`. " +
					"Read as what the PodGroup says, 0 where somebody has changed it beyond that. " + o.InPlace,
				Validators: []validator.Int32{int32validator.Between(1, mostNodes)},
			},
			"gang_queue": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Queue of Volcano that the gang is charged to, with `gang = \"volcano\"`. Default: Volcano's, `default`. " + o.InPlace,
				Validators:          []validator.String{diags.DNSSubdomain()},
			},
			"headless_service": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "Whether mlk makes the headless Service through which the host names resolve. Default `true`. `false`: you bring one, with the name of the run, that selects its pods. " +
					"It goes with the Job. Read as `false` where somebody has changed the Service so that it no longer serves. " + o.InPlace,
			},
		},
	}
}
