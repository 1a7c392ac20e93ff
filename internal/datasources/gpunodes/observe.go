package gpunodes

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
)

// topologyLabels say what a node is close to: prefixes when they end in "/" or
// "-". Zone, region and host have attributes of their own, or are the node.
var topologyLabels = []string{
	gpu.LabelClique, "cloud.google.com/gce-topology-", "topology.k8s.aws/network-node-layer-", "network.topology.nvidia.com/",
	"fabric.topograph.run/", "accelerator.topograph.run/", "cloud.provider.com/topology-", "oci.oraclecloud.com/rdma.", "topology.kubernetes.io/",
}

// observe says what a node says; wanted is whether it has GPUs.
func observe(n *corev1.Node) (out Node, wanted bool) {
	f := gpu.Of(n)
	if !f.Has() {
		return out, false
	}
	whole, able, ill := f.Counts()
	out = Node{
		Ready: types.BoolValue(gpu.Ready(n)), Schedulable: types.BoolValue(!n.Spec.Unschedulable),
		Product: filled(f.Product), Family: filled(f.Family), Memory: memory(f.MemoryMiB), ComputeCapability: filled(f.Compute),
		DriverVersion: filled(f.Driver), CUDAVersion: filled(f.CUDA),
		GPUs: types.Int64Value(whole), Allocatable: types.Int64Value(able), Unhealthy: types.Int64Value(ill),
		Resources: map[string]types.Int64{}, Sharing: filled(f.Sharing), Replicas: types.Int64Null(),
		MIGStrategy: filled(f.MIGStrategy), MIGConfig: filled(f.MIGConfig), MIGState: filled(f.MIGState),
		Pools: []types.String{}, Topology: map[string]types.String{}, Taints: []types.String{},
		InstanceType: filled(n.Labels[corev1.LabelInstanceTypeStable]), Zone: filled(n.Labels[corev1.LabelTopologyZone]), Region: filled(n.Labels[corev1.LabelTopologyRegion]),
	}
	if f.Replicas > 0 {
		out.Replicas = types.Int64Value(f.Replicas)
	}
	for _, d := range f.Devices {
		out.Resources[string(d.Resource)] = types.Int64Value(d.Allocatable)
	}
	for _, p := range gpu.Pools(n) {
		out.Pools = append(out.Pools, types.StringValue(p))
	}
	for k, v := range n.Labels {
		if topological(k) {
			out.Topology[k] = types.StringValue(v)
		}
	}
	for _, t := range n.Spec.Taints {
		out.Taints = append(out.Taints, types.StringValue(t.ToString()))
	}
	return out, true
}

func topological(label string) bool {
	if label == corev1.LabelTopologyZone || label == corev1.LabelTopologyRegion {
		return false
	}
	return slices.ContainsFunc(topologyLabels, func(p string) bool { return strings.HasPrefix(label, p) })
}

func filled(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}

// memory is an amount in MiB as Kubernetes writes it.
func memory(mib int64) types.String {
	if mib == 0 {
		return types.StringNull()
	}
	return types.StringValue(strconv.FormatInt(mib, 10) + "Mi")
}

// products adds nodes up by product.
func products(nodes map[string]Node) []Product {
	by := map[string]*Product{}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		n := nodes[name]
		key := n.Product.ValueString()
		p := by[key]
		if p == nil {
			p = &Product{Product: n.Product, Memory: n.Memory, Nodes: []types.String{}, GPUs: types.Int64Value(0), Allocatable: types.Int64Value(0), Unhealthy: types.Int64Value(0)}
			by[key] = p
		}
		if !p.Memory.Equal(n.Memory) {
			p.Memory = types.StringNull()
		}
		p.Nodes = append(p.Nodes, types.StringValue(name))
		p.GPUs, p.Allocatable, p.Unhealthy = sum(p.GPUs, n.GPUs), sum(p.Allocatable, n.Allocatable), sum(p.Unhealthy, n.Unhealthy)
	}
	out := make([]Product, 0, len(by))
	for _, key := range slices.Sorted(maps.Keys(by)) {
		out = append(out, *by[key])
	}
	return out
}

func sum(a, b types.Int64) types.Int64 { return types.Int64Value(a.ValueInt64() + b.ValueInt64()) }
