package distributed

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// Recognize finds the gang that a Job of mlk was made from: one that leaves
// exactly the traces that are there. It takes them out of spec, which is left
// alone when there is no such gang; then nil is returned.
func Recognize(spec *batchv1.JobSpec, g Gang) *Model {
	n := spec.Completions
	if n == nil || spec.Parallelism == nil || *n != *spec.Parallelism || spec.CompletionMode == nil || *spec.CompletionMode != batchv1.IndexedCompletion {
		return nil
	}
	m := &Model{Nodes: types.Int32Value(*n)}
	env := environmentOf(&spec.Template.Spec, g.Container)
	m.guessLauncher(env, spec.Template.Annotations[hostfileAnnotation], g)
	g = m.guessGang(spec, g)
	if t := m.traces(g); spec.Template.Spec.Affinity != nil && spec.Template.Spec.Affinity.PodAffinity != nil {
		for _, term := range spec.Template.Spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			if t.topologyKey = term.TopologyKey; t.isTopology(term) {
				m.TopologyKey = types.StringValue(term.TopologyKey)
			}
		}
	}
	switch led := onlyLeader(spec.SuccessPolicy); {
	case led && m.launcher() != LauncherMPI:
		m.Success = types.StringValue(successLeader)
	case !led && m.launcher() == LauncherMPI && spec.SuccessPolicy == nil:
		m.Success = types.StringValue(successAll)
	case !led:
		g.SuccessPolicy = true
	}
	if spec.BackoffLimitPerIndex != nil && spec.MaxFailedIndexes != nil && *spec.MaxFailedIndexes == 0 && onlyDisruptions(spec.PodFailurePolicy) {
		m.Restart = types.StringValue(restartAll)
		g.PerIndex = *spec.BackoffLimitPerIndex != restartsOfAll
	}
	g.Declared = m.declared(&spec.Template.Spec, g)
	copied := spec.DeepCopy()
	if got := m.Adopt(copied, nil, g); got == nil || *got != *m {
		return nil
	}
	*spec = *copied
	return m
}

// declared are the variables that the user must have set, because they are not
// as the launcher sets them.
func (m *Model) declared(spec *corev1.PodSpec, g Gang) map[string]bool {
	out := map[string]bool{}
	i := slices.IndexFunc(spec.Containers, func(c corev1.Container) bool { return c.Name == g.Container })
	if i < 0 {
		return out
	}
	for _, v := range m.environment(g) {
		out[v.name] = slices.ContainsFunc(spec.Containers[i].Env, func(e corev1.EnvVar) bool { return e.Name == v.name && !v.is(e) })
	}
	return out
}

func environmentOf(spec *corev1.PodSpec, container string) map[string]string {
	out := map[string]string{}
	i := slices.IndexFunc(spec.Containers, func(c corev1.Container) bool { return c.Name == container })
	if i < 0 {
		return out
	}
	for _, e := range spec.Containers[i].Env {
		out[e.Name] = e.Value
	}
	return out
}

// slots reads the processes of a host out of a list of hosts.
var slots = regexp.MustCompile(`slots=(\d+)`)

// sshPort reads the port out of what is said to ssh.
var sshPort = regexp.MustCompile(`-p (\d+)$`)

// guessLauncher fills launcher, port, min_nodes and processes_per_node from the
// variables of the main container and the list of hosts.
func (m *Model) guessLauncher(env map[string]string, hostfile string, g Gang) {
	launcher, address := LauncherNone, ""
	processes := number(env["PET_NPROC_PER_NODE"])
	switch nodes, torch := env["PET_NNODES"]; {
	case torch && hostfile != "":
		launcher, address = LauncherDeepSpeed, ":"+env["PET_MASTER_PORT"]
	case torch:
		launcher, address = LauncherTorchrun, ":"+env["PET_MASTER_PORT"]
		if least, _, elastic := strings.Cut(nodes, ":"); elastic {
			m.MinNodes, address = number(least), env["PET_RDZV_ENDPOINT"]
		}
	case env["JAX_COORDINATOR_ADDRESS"] != "":
		launcher, address = LauncherJAX, env["JAX_COORDINATOR_ADDRESS"]
	case env["TF_CONFIG"] != "":
		first, _, _ := strings.Cut(env["TF_CONFIG"], `"]`)
		first, _, _ = strings.Cut(first, `",`)
		launcher, address = LauncherTensorFlow, first
	case hostfile != "":
		launcher = LauncherMPI
		if p := slots.FindStringSubmatch(hostfile); p != nil {
			processes = number(p[1])
		}
		if p := sshPort.FindStringSubmatch(env["OMPI_MCA_plm_rsh_args"]); p != nil {
			address = ":" + p[1]
		}
	}
	if launcher == LauncherNone {
		return
	}
	m.Launcher = types.StringValue(launcher)
	if p := number(address[strings.LastIndex(address, ":")+1:]); p.ValueInt32() != defaultPort(launcher) {
		m.Port = p
	}
	if launcher == LauncherMPI && g.GPUs == 0 && processes.ValueInt32() == 1 {
		return // what a host has when nobody says
	}
	if processes.ValueInt32() != g.GPUs {
		m.ProcessesPerNode = processes
	}
}

// number is the number that a text is; null when it is none.
func number(text string) types.Int32 {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return types.Int32Null()
	}
	return types.Int32Value(int32(n))
}
