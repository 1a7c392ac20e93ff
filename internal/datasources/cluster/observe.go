package cluster

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/types"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
)

// engine is what an API group stands for. Without a version any will do.
type engine struct{ name, group, version string }

var engines = []engine{
	{"cluster_api", "cluster.x-k8s.io", ""},
	{"cluster_autoscaler", "autoscaling.x-k8s.io", ""},
	{"dra", "resource.k8s.io", ""},
	{"gang_scheduling", "scheduling.k8s.io", "v1beta1"},
	{"gateway_api", "gateway.networking.k8s.io", ""},
	{"gateway_inference", "inference.networking.k8s.io", ""},
	{"gpu_operator", "nvidia.com", ""},
	{"jobset", "jobset.x-k8s.io", ""},
	{"kaito", "kaito.sh", ""},
	{"karpenter", "karpenter.sh", ""},
	{"keda", "keda.sh", ""},
	{"knative", "serving.knative.dev", ""},
	{"kserve", "serving.kserve.io", ""},
	{"kubeflow_trainer", "trainer.kubeflow.org", ""},
	{"kubeflow_training_operator", "kubeflow.org", ""},
	{"kueue", "kueue.x-k8s.io", ""},
	{"leader_worker_set", "leaderworkerset.x-k8s.io", ""},
	{"prometheus_operator", "monitoring.coreos.com", ""},
	{"ray", "ray.io", ""},
	{"volcano", "scheduling.volcano.sh", ""},
}

// enginesOf says what is installed, with the version to speak.
func enginesOf(groups map[string][]string) map[string]types.String {
	out := map[string]types.String{}
	for _, e := range engines {
		versions := groups[e.group]
		switch {
		case len(versions) == 0, e.version != "" && !slices.Contains(versions, e.version):
		case e.version != "":
			out[e.name] = types.StringValue(e.version)
		default:
			out[e.name] = types.StringValue(versions[0])
		}
	}
	return out
}

// leader says who holds a lease, and whether it still does.
func leader(l *coordinationv1.Lease, now time.Time) Controller {
	c := Controller{Alive: types.BoolValue(false), Holder: filled(ptr.Deref(l.Spec.HolderIdentity, ""))}
	if l.Spec.RenewTime != nil && !c.Holder.IsNull() {
		grace := 2*time.Duration(ptr.Deref(l.Spec.LeaseDurationSeconds, 15))*time.Second + renewedWithin
		c.Alive = types.BoolValue(now.Sub(l.Spec.RenewTime.Time) <= grace)
	}
	return c
}

// healthy is null when nothing is known.
func healthy(m *Model) types.Bool {
	if m.Checks == nil && m.Controllers == nil {
		return types.BoolNull()
	}
	for _, c := range m.Checks {
		if c.ValueString() != "ok" {
			return types.BoolValue(false)
		}
	}
	for _, c := range m.Controllers {
		if !c.Alive.ValueBool() {
			return types.BoolValue(false)
		}
	}
	return types.BoolValue(true)
}

// tally counts nodes.
type tally struct {
	count, ready, gpus                       int64
	kubelets, runtimes, architectures, image map[string]int64
	clouds                                   map[string]bool
	aks, openshift                           bool
}

func newTally() *tally {
	return &tally{kubelets: map[string]int64{}, runtimes: map[string]int64{}, architectures: map[string]int64{}, image: map[string]int64{}, clouds: map[string]bool{}}
}

func (t *tally) add(n *corev1.Node) {
	t.count++
	if gpu.Ready(n) {
		t.ready++
	}
	if gpu.Of(n).Has() {
		t.gpus++
	}
	info := n.Status.NodeInfo
	for _, one := range []struct {
		value string
		into  map[string]int64
	}{{info.KubeletVersion, t.kubelets}, {info.ContainerRuntimeVersion, t.runtimes}, {info.Architecture, t.architectures}, {info.OSImage, t.image}} {
		if one.value != "" {
			one.into[one.value]++
		}
	}
	if cloud, _, ok := strings.Cut(n.Spec.ProviderID, "://"); ok && cloud != "" {
		t.clouds[cloud] = true
	}
	for label := range n.Labels {
		t.aks = t.aks || strings.HasPrefix(label, "kubernetes.azure.com/")
		t.openshift = t.openshift || strings.HasPrefix(label, "node.openshift.io/")
	}
}

func (t *tally) said() *Nodes {
	return &Nodes{
		Count: types.Int64Value(t.count), Ready: types.Int64Value(t.ready), WithGPUs: types.Int64Value(t.gpus),
		Kubelets: counted(t.kubelets), Runtimes: counted(t.runtimes), Architectures: counted(t.architectures), Images: counted(t.image),
	}
}

func counted(m map[string]int64) map[string]types.Int64 {
	out := map[string]types.Int64{}
	for k, n := range m {
		out[k] = types.Int64Value(n)
	}
	return out
}

// cloud is what all nodes that say agree on.
func (t *tally) cloud() string {
	if len(t.clouds) != 1 {
		return ""
	}
	return slices.Collect(maps.Keys(t.clouds))[0]
}

// distribution is whose Kubernetes it is.
func (t *tally) distribution(version string, apis map[string][]types.String) string {
	for sign, name := range map[string]string{"-eks-": "eks", "-gke.": "gke", "+k3s": "k3s", "+rke2": "rke2"} {
		if strings.Contains(version, sign) {
			return name
		}
	}
	switch {
	case t.aks:
		return "aks"
	case t.openshift || len(apis["config.openshift.io"]) > 0:
		return "openshift"
	}
	return ""
}

func filled(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}
