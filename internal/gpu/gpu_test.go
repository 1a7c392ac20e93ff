package gpu_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
)

func node(labels map[string]string, capacity, allocatable corev1.ResourceList) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: labels}, Status: corev1.NodeStatus{Capacity: capacity, Allocatable: allocatable}}
}

func amount(r corev1.ResourceName, n string) corev1.ResourceList {
	return corev1.ResourceList{r: resource.MustParse(n), corev1.ResourceCPU: resource.MustParse("96")}
}

func TestOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		node *corev1.Node
		want gpu.Facts
	}{
		"an H100 with a GPU that is ill": {
			node(map[string]string{
				"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559", "nvidia.com/gpu.family": "hopper",
				"nvidia.com/gpu.compute.major": "9", "nvidia.com/gpu.compute.minor": "0",
				"nvidia.com/cuda.driver-version.full": "570.133.20", "nvidia.com/cuda.runtime-version.full": "12.8",
				"nvidia.com/gpu.sharing-strategy": "none", "nvidia.com/gpu.replicas": "1", "nvidia.com/gpu.clique": "u.1",
			}, amount("nvidia.com/gpu", "8"), amount("nvidia.com/gpu", "7")),
			gpu.Facts{
				Product: "NVIDIA-H100-80GB-HBM3", Family: "hopper", MemoryMiB: 81559, Compute: "9.0", Driver: "570.133.20", CUDA: "12.8",
				Replicas: 1, Clique: "u.1", Devices: []gpu.Device{{Resource: "nvidia.com/gpu", Capacity: 8, Allocatable: 7}},
			},
		},
		"MIG, its driver in parts": {
			node(map[string]string{
				"nvidia.com/gpu.product": "A100", "nvidia.com/mig.strategy": "mixed", "nvidia.com/mig.config": "all-3g.40gb", "nvidia.com/mig.config.state": "success",
				"nvidia.com/cuda.driver.major": "550", "nvidia.com/cuda.driver.minor": "107", "nvidia.com/cuda.driver.rev": "02", "nvidia.com/cuda.runtime.major": "12",
			}, amount("nvidia.com/mig-3g.40gb", "16"), amount("nvidia.com/mig-3g.40gb", "16")),
			gpu.Facts{
				Product: "A100", MIGStrategy: "mixed", MIGConfig: "all-3g.40gb", MIGState: "success", Driver: "550.107.02",
				Devices: []gpu.Device{{Resource: "nvidia.com/mig-3g.40gb", Capacity: 16, Allocatable: 16}},
			},
		},
		"AMD":                          {node(map[string]string{"amd.com/gpu.product-name": "MI300X"}, amount("amd.com/gpu", "8"), amount("amd.com/gpu", "8")), gpu.Facts{Product: "MI300X", Devices: []gpu.Device{{Resource: "amd.com/gpu", Capacity: 8, Allocatable: 8}}}},
		"a label that is no number":    {node(map[string]string{"nvidia.com/gpu.memory": "much"}, nil, nil), gpu.Facts{}},
		"a resource for looking only":  {node(nil, amount("gpu.intel.com/monitoring", "1"), nil), gpu.Facts{}},
		"a device plugin that is gone": {node(nil, amount("nvidia.com/gpu", "0"), amount("nvidia.com/gpu", "0")), gpu.Facts{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, gpu.Of(c.node)); diff != "" {
				t.Error(diff)
			}
		})
	}
	f := gpu.Of(node(nil, amount("nvidia.com/gpu", "8"), amount("nvidia.com/gpu", "5")))
	if whole, able, ill := f.Counts(); whole != 8 || able != 5 || ill != 3 || !f.Has() {
		t.Errorf("counts are %d, %d, %d", whole, able, ill)
	}
}

func TestIs(t *testing.T) {
	t.Parallel()
	for r, want := range map[corev1.ResourceName]bool{
		"nvidia.com/gpu": true, "nvidia.com/gpu.shared": true, "nvidia.com/mig-1g.10gb": true, "nvidia.com/GA102GL_A10": true, "amd.com/gpu": true,
		"gpu.intel.com/xe": true, "habana.ai/gaudi": true, "google.com/tpu": true, "aws.amazon.com/neuron": true,
		"cpu": false, "rdma/ib": false, "nvidia.com/mlnxnics": false, "nvidia.com/hostdev": false, "nvidia.com/rdma_shared": false, "gpu.intel.com/monitoring": false,
	} {
		if got := gpu.Is(r); got != want {
			t.Errorf("%s: %t", r, got)
		}
	}
}

func TestPools(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		labels map[string]string
		want   []string
	}{
		"ours, which say more than the cloud's": {map[string]string{"pool.mlk.dev/b": "true", "pool.mlk.dev/a": "true", "cloud.google.com/gke-nodepool": "x"}, []string{"a", "b"}},
		"the cloud's":                           {map[string]string{"eks.amazonaws.com/nodegroup": "gpu-1"}, []string{"gpu-1"}},
		"none":                                  {nil, nil},
	} {
		if diff := cmp.Diff(c.want, gpu.Pools(node(c.labels, nil, nil))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	n := node(nil, nil, nil)
	if gpu.Ready(n) {
		t.Error("a node that says nothing is ready")
	}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	if !gpu.Ready(n) {
		t.Error("a node that says so is not ready")
	}
}
