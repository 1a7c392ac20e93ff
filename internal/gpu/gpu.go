// Package gpu reads what nodes say about their accelerators: the resources of
// device plugins, and the labels that GPU Feature Discovery, other vendors and
// clouds put beside them. It is pure.
package gpu

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// accelerators are the resource names, or their prefixes when they end in "/"
// or "-", of devices that people count as GPUs.
var accelerators = []string{
	"nvidia.com/", "amd.com/", "gpu.intel.com/", "npu.intel.com/", "habana.ai/", "google.com/tpu",
	"aws.amazon.com/neuron", "cloud.google.com/tpu",
}

// observers are resources of the same vendors that give access for looking at
// the devices, or parts of a device that nobody else is kept from.
var observers = []corev1.ResourceName{
	"gpu.intel.com/monitoring", "gpu.intel.com/i915_monitoring", "gpu.intel.com/xe_monitoring",
	"gpu.intel.com/millicores", "gpu.intel.com/memory.max", "gpu.intel.com/tiles",
}

// network are words in the names that NVIDIA's network operator gives to what its
// device plugins hand out, under the same domain.
var network = []string{"nic", "rdma", "hostdev", "sriov", "mlnx", "ib_", "ipoib"}

// Is reports whether a resource is what people count as GPUs.
func Is(r corev1.ResourceName) bool {
	if slices.Contains(observers, r) {
		return false
	}
	if name, ok := strings.CutPrefix(string(r), "nvidia.com/"); ok && slices.ContainsFunc(network, func(w string) bool { return strings.Contains(name, w) }) {
		return false
	}
	for _, p := range accelerators {
		if strings.HasPrefix(string(r), p) {
			return true
		}
	}
	return false
}

// Labels of nodes (GPU Feature Discovery, GPU Operator).
const (
	LabelProduct         = "nvidia.com/gpu.product"
	LabelMemory          = "nvidia.com/gpu.memory" // MiB
	LabelFamily          = "nvidia.com/gpu.family"
	LabelComputeMajor    = "nvidia.com/gpu.compute.major"
	LabelComputeMinor    = "nvidia.com/gpu.compute.minor"
	LabelDriver          = "nvidia.com/cuda.driver-version.full"
	LabelCUDA            = "nvidia.com/cuda.runtime-version.full"
	LabelReplicas        = "nvidia.com/gpu.replicas"
	LabelSharingStrategy = "nvidia.com/gpu.sharing-strategy"
	LabelMIGStrategy     = "nvidia.com/mig.strategy"
	LabelMIGConfig       = "nvidia.com/mig.config"
	LabelMIGState        = "nvidia.com/mig.config.state"
	LabelClique          = "nvidia.com/gpu.clique"
	LabelPresent         = "nvidia.com/gpu.present"

	// PoolPrefix begins the membership labels of mlk_gpu_node_pool.
	PoolPrefix = "pool.mlk.dev/"
)

// Labels under which vendors and clouds say the same, the most exact first.
var (
	productLabels = []string{
		LabelProduct, "amd.com/gpu.product-name", "gpu.intel.com/product", "gpu.nvidia.com/model",
		"cloud.google.com/gke-tpu-accelerator", "cloud.google.com/gke-accelerator",
		"karpenter.k8s.aws/instance-gpu-name", "karpenter.k8s.aws/instance-accelerator-name",
	}
	driverLabels = []string{LabelDriver, "amd.com/gpu.driver-version"}
	// Before GPU Feature Discovery 0.16 versions stood in parts only.
	driverParts = []string{"nvidia.com/cuda.driver.major", "nvidia.com/cuda.driver.minor", "nvidia.com/cuda.driver.rev"}
	cudaParts   = []string{"nvidia.com/cuda.runtime.major", "nvidia.com/cuda.runtime.minor"}
	// poolLabels name the pool a node was made in.
	poolLabels = []string{
		"karpenter.sh/nodepool", "cloud.google.com/gke-nodepool", "eks.amazonaws.com/nodegroup",
		"alpha.eksctl.io/nodegroup-name", "kubernetes.azure.com/agentpool", "agentpool",
	}
)

// Device is one resource of a node that counts GPUs, or slices of them.
type Device struct {
	Resource corev1.ResourceName
	// Capacity is how many the node has, Allocatable how many of them it can hand
	// out: the rest is unhealthy.
	Capacity, Allocatable int64
}

// Unhealthy is how many the node has and cannot hand out.
func (d Device) Unhealthy() int64 { return max(d.Capacity-d.Allocatable, 0) }

// Facts are what a node says about its GPUs; "" and 0 where it does not.
type Facts struct {
	Product, Family string
	// MemoryMiB is that of one GPU.
	MemoryMiB int64
	// Compute is the compute capability: "9.0".
	Compute      string
	Driver, CUDA string
	// Sharing is "time-slicing" or "mps", Replicas how many shares a GPU has.
	Sharing  string
	Replicas int64
	// MIGStrategy is "single" or "mixed"; MIGConfig what was asked for, MIGState
	// how far that has got.
	MIGStrategy, MIGConfig, MIGState string
	Clique                           string
	// Devices are those with a capacity, in order of their names.
	Devices []Device
}

// Of reads a node.
func Of(n *corev1.Node) Facts {
	l := n.Labels
	f := Facts{
		Product: first(l, productLabels), Family: l[LabelFamily], MemoryMiB: number(l[LabelMemory]),
		Compute: parts(l, LabelComputeMajor, LabelComputeMinor),
		Driver:  cmp.Or(first(l, driverLabels), parts(l, driverParts...)),
		CUDA:    cmp.Or(l[LabelCUDA], parts(l, cudaParts...)),
		Sharing: none(l[LabelSharingStrategy]), Replicas: number(l[LabelReplicas]),
		MIGStrategy: none(l[LabelMIGStrategy]), MIGConfig: l[LabelMIGConfig], MIGState: l[LabelMIGState],
		Clique: l[LabelClique],
	}
	for r, whole := range n.Status.Capacity {
		able := n.Status.Allocatable[r]
		if Is(r) && whole.Value() > 0 {
			f.Devices = append(f.Devices, Device{Resource: r, Capacity: whole.Value(), Allocatable: able.Value()})
		}
	}
	slices.SortFunc(f.Devices, func(a, b Device) int { return cmp.Compare(a.Resource, b.Resource) })
	return f
}

// Has reports whether the node has GPUs, or says that it should have.
func (f Facts) Has() bool { return len(f.Devices) > 0 || f.Product != "" }

// Counts adds up the devices.
func (f Facts) Counts() (capacity, allocatable, unhealthy int64) {
	for _, d := range f.Devices {
		capacity, allocatable, unhealthy = capacity+d.Capacity, allocatable+d.Allocatable, unhealthy+d.Unhealthy()
	}
	return capacity, allocatable, unhealthy
}

// Pools are the pools a node is in, in order: those of mlk_gpu_node_pool, else
// the one that its cloud or Karpenter made it in.
func Pools(n *corev1.Node) []string {
	var out []string
	for k, v := range n.Labels {
		if name, ok := strings.CutPrefix(k, PoolPrefix); ok && v == "true" {
			out = append(out, name)
		}
	}
	if made := first(n.Labels, poolLabels); len(out) == 0 && made != "" {
		return []string{made}
	}
	slices.Sort(out)
	return out
}

// Ready reports whether the node's kubelet says so.
func Ready(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}
