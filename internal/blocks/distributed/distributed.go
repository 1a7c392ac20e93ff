// Package distributed makes one program of the pods of an indexed Job: schema,
// model and both directions. Each pod is a rank with a host name of its own, and
// gets the environment its framework expects.
package distributed

import (
	"fmt"
	"math"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/jobspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// Model is a gang: pods that run together.
type Model struct {
	Nodes            types.Int32  `tfsdk:"nodes"`
	MinNodes         types.Int32  `tfsdk:"min_nodes"`
	ProcessesPerNode types.Int32  `tfsdk:"processes_per_node"`
	Launcher         types.String `tfsdk:"launcher"`
	Port             types.Int32  `tfsdk:"port"`
	TopologyKey      types.String `tfsdk:"topology_key"`
	Success          types.String `tfsdk:"success"`
	Restart          types.String `tfsdk:"restart"`
	HeadlessService  types.Bool   `tfsdk:"headless_service"`
	Gang             types.String `tfsdk:"gang"`
	GangSize         types.Int32  `tfsdk:"gang_size"`
	GangQueue        types.String `tfsdk:"gang_queue"`
}

// The values of launcher; LauncherNone is the default.
const (
	LauncherNone       = "none"
	LauncherTorchrun   = "torchrun"
	LauncherJAX        = "jax"
	LauncherTensorFlow = "tensorflow"
	LauncherDeepSpeed  = "deepspeed"
	LauncherMPI        = "mpi"
)

// The values of success and of restart, the default first.
const (
	successAll    = "all"
	successLeader = "leader"
	restartPod    = "pod"
	restartAll    = "all"
)

// restartsOfAll is how often a gang is restarted when nobody says: as often as
// the server lets a pod of any Job be tried again.
const restartsOfAll = 6

// leader is the rank that leads, as an index and as a list of indexes.
const leader = "0"

// Gang is what a gang has to know of the resource around it.
type Gang struct {
	// Name is that of the Job and of its Service. A CronJob names its Jobs itself:
	// then Scheduled is set, and Name is that of the Service alone.
	Name      string
	Scheduled bool
	// Container is the name of the main container, Declared the variables that
	// the user sets there: they win over generated ones.
	Container string
	Declared  map[string]bool
	// GPUs is how many each pod has; 0 when that is not known.
	GPUs int32
	// HostNetwork is whether the pods share the network of their node, and
	// DNSPolicy whether the user says how they resolve names.
	HostNetwork, DNSPolicy bool
	// SchedulerName is whether the user says who schedules the pods.
	SchedulerName bool
	// PerIndex, MaxFailed, Failure and Success tell which of backoff_limit_per_index,
	// max_failed_indexes, pod_failure_policy and success_policy the user sets.
	PerIndex, MaxFailed, Failure, SuccessPolicy bool
}

// GangOf is the gang of a resource with that pod and Job. name is that of the
// Job, or of the CronJob that makes it.
func GangOf(pod *podspec.Model, job *jobspec.Job, name string, scheduled bool) Gang {
	g := Gang{
		Name: name, Scheduled: scheduled, Container: podspec.DefaultContainer, Declared: map[string]bool{},
		HostNetwork: pod.HostNetwork.ValueBool(), DNSPolicy: !pod.DNSPolicy.IsNull(),
		PerIndex: !job.BackoffLimitPerIndex.IsNull(), MaxFailed: !job.MaxFailedIndexes.IsNull(),
		Failure: len(job.PodFailurePolicy) > 0, SuccessPolicy: len(job.SuccessPolicy) > 0,
	}
	if !pod.ContainerName.IsNull() {
		g.Container = pod.ContainerName.ValueString()
	}
	for name, v := range pod.Env {
		if !v.IsNull() {
			g.Declared[name] = true
		}
	}
	for name := range pod.EnvValueFrom {
		g.Declared[name] = true
	}
	if s := pod.Scheduling; s != nil {
		g.SchedulerName = !s.SchedulerName.IsNull()
	}
	if pod.GPU != nil {
		g.GPUs = int32(min(pod.GPU.Count.ValueInt64(), math.MaxInt32))
	}
	return g
}

// launcher is the launcher meant.
func (m *Model) launcher() string {
	if m.Launcher.ValueString() == "" {
		return LauncherNone
	}
	return m.Launcher.ValueString()
}

// success is who has to succeed. An MPI program is its launcher's, on rank 0:
// the other pods only serve it.
func (m *Model) success() string {
	switch {
	case !m.Success.IsNull():
		return m.Success.ValueString()
	case m.launcher() == LauncherMPI:
		return successLeader
	}
	return successAll
}

// RestartsAll reports whether a rank that fails takes the others with it.
func (m *Model) RestartsAll() bool { return m != nil && m.Restart.ValueString() == restartAll }

// elastic reports whether the program starts with fewer pods than there may be.
func (m *Model) elastic() bool { return m.launcher() == LauncherTorchrun && !m.MinNodes.IsNull() }

// Resizable reports whether the number of pods is no part of the pods: it can
// change while they run.
func (m *Model) Resizable() bool { return m.elastic() || m.launcher() == LauncherNone }

// serves reports whether there is a Service for the host names.
func (m *Model) serves() bool { return m.HeadlessService.IsNull() || m.HeadlessService.ValueBool() }

// Service returns the headless Service through which the host names of the pods
// resolve, before the pods are ready too; nil when the user brings one.
func (m *Model) Service(g Gang, namespace string) *coreac.ServiceApplyConfiguration {
	if m == nil || !m.serves() {
		return nil
	}
	return coreac.Service(g.Name, namespace).WithSpec(coreac.ServiceSpec().
		WithClusterIP(corev1.ClusterIPNone).WithPublishNotReadyAddresses(true).WithSelector(g.selector()))
}

// gangLabel marks the pods of all Jobs of one schedule.
const gangLabel = "mlk.dev/gang"

func (g Gang) selector() map[string]string {
	if g.Scheduled {
		return map[string]string{gangLabel: g.Name}
	}
	return map[string]string{batchv1.JobNameLabel: g.Name}
}

// Apply makes the Job a gang. The model must be wholly known; nil changes nothing.
func (m *Model) Apply(spec *batchac.JobSpecApplyConfiguration, g Gang) {
	if m == nil {
		return
	}
	n := m.Nodes.ValueInt32()
	spec.WithCompletionMode(batchv1.IndexedCompletion).WithCompletions(n).WithParallelism(n)
	if m.success() == successLeader && !g.SuccessPolicy {
		spec.WithSuccessPolicy(batchac.SuccessPolicy().WithRules(batchac.SuccessPolicyRule().WithSucceededIndexes(leader)))
	}
	if m.RestartsAll() {
		m.applyRestart(spec, g)
	}
	m.traces(g).apply(spec.Template, g.Container)
}

// applyRestart lets each rank be tried equally often, ends the run with the
// first that has no try left, and lets pods that are ended for the others' sake
// not count.
func (m *Model) applyRestart(spec *batchac.JobSpecApplyConfiguration, g Gang) {
	if !g.PerIndex {
		spec.WithBackoffLimitPerIndex(restartsOfAll)
	}
	if !g.MaxFailed {
		spec.WithMaxFailedIndexes(0)
	}
	if !g.Failure {
		spec.WithPodFailurePolicy(batchac.PodFailurePolicy().WithRules(batchac.PodFailurePolicyRule().
			WithAction(batchv1.PodFailurePolicyActionIgnore).
			WithOnPodConditions(batchac.PodFailurePolicyOnPodConditionsPattern().
				WithType(corev1.DisruptionTarget).WithStatus(corev1.ConditionTrue))))
	}
}

// Fields says which attribute generated which field. segments is the place of
// the Job's spec in the objects, "Job", "spec"; at is that of the attribute.
func (m *Model) Fields(at path.Path, g Gang, segments ...string) diags.Fields {
	var f diags.Fields
	if m == nil {
		return f
	}
	add := func(at path.Path, more ...string) { f.Add(at, append(append([]string(nil), segments...), more...)...) }
	add(at, "completionMode")
	add(at.AtName("nodes"), "completions")
	add(at.AtName("nodes"), "parallelism")
	if m.success() == successLeader && !g.SuccessPolicy {
		add(at.AtName("success"), "successPolicy")
	}
	if m.RestartsAll() {
		for field, set := range map[string]bool{"backoffLimitPerIndex": g.PerIndex, "maxFailedIndexes": g.MaxFailed, "podFailurePolicy": g.Failure} {
			if !set {
				add(at.AtName("restart"), field)
			}
		}
	}
	t := m.traces(g)
	for _, where := range t.places(g.Container) {
		add(at, append([]string{"template"}, where...)...)
	}
	for _, where := range t.groupPlaces() {
		add(at.AtName("gang"), append([]string{"template"}, where...)...)
	}
	if m.serves() {
		f.Add(at.AtName("headless_service"), "Service", "spec")
	}
	return f
}

// host is the name of a rank's pod, short enough for every pod of the namespace
// to resolve: the Job's controller calls it <job>-<index>.
func (g Gang) host(rank string) string {
	return fmt.Sprintf("%s-%s.%s", g.job(), rank, g.Name)
}

// job is the name of the Job; inside a schedule, a reference to it.
func (g Gang) job() string {
	if g.Scheduled {
		return "$(" + jobVariable + ")"
	}
	return g.Name
}
