package distributed

import (
	"encoding/json"
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
)

// rankVariable is the variable every container of an indexed Job has. The Job's
// controller puts it behind all others, where no value can refer to it, unless
// the container declares it itself.
const rankVariable = "JOB_COMPLETION_INDEX"

// jobVariable is the name of the Job, where a CronJob chooses it.
const jobVariable = "MLK_JOB"

// hostsVariable lists the host names of all ranks in order, with commas.
const hostsVariable = "MLK_HOSTS"

// The default ports: torchrun's static rendezvous, JAX's own examples,
// TensorFlow's servers.
const (
	portTorch      = 29500
	portJAX        = 1234
	portTensorFlow = 2222
	portSSH        = 22
)

// mostNodes is the upper end of an elastic program: as many as a Job can have,
// so that the number of pods is no part of the pod and can change.
const mostNodes = 100_000

// defaultPort is the port the ranks meet at when the user names none.
func defaultPort(launcher string) int32 {
	switch launcher {
	case LauncherJAX:
		return portJAX
	case LauncherTensorFlow:
		return portTensorFlow
	case LauncherMPI:
		return portSSH
	}
	return portTorch
}

func (m *Model) port() int32 {
	if m.Port.IsNull() {
		return defaultPort(m.launcher())
	}
	return m.Port.ValueInt32()
}

// processes is how many processes run in each pod: one per GPU unless the user
// says; 0 when neither is known.
func (m *Model) processes(g Gang) int32 {
	if m.ProcessesPerNode.IsNull() {
		return g.GPUs
	}
	return m.ProcessesPerNode.ValueInt32()
}

func (m *Model) usesHostfile() bool {
	return m.launcher() == LauncherMPI || m.launcher() == LauncherDeepSpeed
}

// environment is what the launcher expects, in an order in which each variable
// stands behind those it refers to.
func (m *Model) environment(g Gang) []variable {
	if m.launcher() == LauncherNone {
		return nil
	}
	out := []variable{{name: rankVariable, field: annotationField(batchv1.JobCompletionIndexAnnotation)}}
	if g.Scheduled {
		out = append(out, variable{name: jobVariable, field: labelField(batchv1.JobNameLabel)})
	}
	if !m.Resizable() {
		out = append(out, variable{name: hostsVariable, value: strings.Join(m.hosts(g), ",")})
	}
	switch m.launcher() {
	case LauncherTorchrun, LauncherDeepSpeed:
		out = append(out, m.torchrun(g)...)
	case LauncherJAX:
		out = append(out,
			variable{name: "JAX_COORDINATOR_ADDRESS", value: fmt.Sprintf("%s:%d", g.host(leader), m.port())},
			variable{name: "JAX_NUM_PROCESSES", value: fmt.Sprint(m.Nodes.ValueInt32())},
			variable{name: "JAX_PROCESS_ID", value: "$(" + rankVariable + ")"})
	case LauncherTensorFlow:
		out = append(out, variable{name: "TF_CONFIG", value: m.tfConfig(g)})
	case LauncherMPI:
		out = append(out, m.mpi()...)
	}
	return out
}

func (m *Model) hosts(g Gang) []string {
	out := make([]string, m.Nodes.ValueInt32())
	for i := range out {
		out[i] = g.host(fmt.Sprint(i))
	}
	return out
}

// torchrun reads each of its flags from PET_<FLAG>. MASTER_ADDR and MASTER_PORT
// are for programs that are started without it.
func (m *Model) torchrun(g Gang) []variable {
	address, port := g.host(leader), fmt.Sprint(m.port())
	nodes := fmt.Sprint(m.Nodes.ValueInt32())
	if m.elastic() {
		nodes = fmt.Sprintf("%d:%d", m.MinNodes.ValueInt32(), mostNodes)
	}
	out := []variable{
		{name: "MASTER_ADDR", value: address},
		{name: "MASTER_PORT", value: port},
		{name: "PET_NNODES", value: nodes},
	}
	if n := m.processes(g); n > 0 {
		out = append(out, variable{name: "PET_NPROC_PER_NODE", value: fmt.Sprint(n)})
	}
	if m.elastic() {
		return append(out,
			variable{name: "PET_RDZV_BACKEND", value: "c10d"},
			variable{name: "PET_RDZV_ENDPOINT", value: address + ":" + port},
			variable{name: "PET_RDZV_ID", value: g.job()})
	}
	return append(out,
		variable{name: "PET_NODE_RANK", value: "$(" + rankVariable + ")"},
		variable{name: "PET_MASTER_ADDR", value: address},
		variable{name: "PET_MASTER_PORT", value: port})
}

// tfConfig is the cluster as TensorFlow reads it. The index is a number, which
// Kubernetes writes in by expanding the reference.
func (m *Model) tfConfig(g Gang) string {
	workers := m.hosts(g)
	for i := range workers {
		workers[i] = fmt.Sprintf("%s:%d", workers[i], m.port())
	}
	list, err := json.Marshal(workers)
	if err != nil {
		return "" // strings are always JSON
	}
	return fmt.Sprintf(`{"cluster":{"worker":%s},"task":{"type":"worker","index":$(%s)},"environment":"cloud"}`, list, rankVariable)
}

// mpi tells each implementation where the list of hosts is, and how to reach
// them: the program in each pod other than rank 0 is an SSH server.
func (m *Model) mpi() []variable {
	ssh := fmt.Sprintf("-o StrictHostKeyChecking=no -o ConnectionAttempts=10 -p %d", m.port())
	return []variable{
		{name: "HYDRA_HOST_FILE", value: hostfilePath},
		{name: "I_MPI_HYDRA_HOST_FILE", value: hostfilePath},
		{name: "OMPI_MCA_orte_default_hostfile", value: hostfilePath},
		{name: "OMPI_MCA_orte_keep_fqdn_hostnames", value: "true"},
		{name: "OMPI_MCA_plm_rsh_args", value: ssh},
		{name: "PRTE_MCA_plm_ssh_args", value: ssh},
		{name: "PRTE_MCA_prte_default_hostfile", value: hostfilePath},
	}
}
