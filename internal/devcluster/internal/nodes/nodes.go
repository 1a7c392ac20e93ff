// Package nodes writes simulated nodes as a real cluster shows them: capacity, zone and
// the labels of GPU Feature Discovery and the GPU Operator.
package nodes

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/component"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/config"
)

// PoolLabel carries the name of a node's pool in the configuration.
const PoolLabel = "devcluster.mlk.dev/pool"

// migSeen tells the stages which MIG layout a node has already; see node.yaml there.
const migSeen = "mlk.dev/mig-seen"

// product is what GPU Feature Discovery reads from a kind of GPU.
type product struct {
	memoryMiB    int64
	family       string
	major, minor int
	mig          bool
}

// products are the GPUs whose data need not be configured.
var products = map[string]product{
	"Tesla-T4":              {15360, "turing", 7, 5, false},
	"Tesla-V100-SXM2-16GB":  {16384, "volta", 7, 0, false},
	"NVIDIA-A10G":           {23028, "ampere", 8, 6, false},
	"NVIDIA-A100-SXM4-40GB": {40960, "ampere", 8, 0, true},
	"NVIDIA-A100-SXM4-80GB": {81920, "ampere", 8, 0, true},
	"NVIDIA-L4":             {23034, "ada-lovelace", 8, 9, false},
	"NVIDIA-L40S":           {46068, "ada-lovelace", 8, 9, false},
	"NVIDIA-H100-80GB-HBM3": {81559, "hopper", 9, 0, true},
	"NVIDIA-H200":           {143771, "hopper", 9, 0, true},
	"NVIDIA-B200":           {183359, "blackwell", 10, 0, true},
	"NVIDIA-GB200":          {189471, "blackwell", 10, 0, true},
}

// unknown stands for a product that is not in the table.
var unknown = product{81920, "ampere", 8, 0, true}

// migSlices is how many MIG devices of so many compute slices one GPU holds.
var migSlices = map[string]int64{"1": 7, "2": 3, "3": 2, "4": 1, "7": 1}

// profile takes a layout apart: all-<profile>, profile = <compute>g.<memory>gb.
var profile = regexp.MustCompile(`^all-(([12347])g\.[0-9]+gb)$`)

// Of returns all nodes of a configuration.
func Of(c config.Config) []*corev1.Node {
	nodes := make([]*corev1.Node, 0, c.Nodes())
	for _, p := range c.NodePools {
		for i := range p.Count {
			nodes = append(nodes, node(p, i))
		}
	}
	return nodes
}

func node(p config.Pool, index int) *corev1.Node {
	name := fmt.Sprintf("%s-%d", p.Name, index)
	annotations := map[string]string{component.NodeAnnotation: "fake"}
	if p.GPU != nil && p.GPU.MIG != "" {
		annotations[migSeen] = p.GPU.MIG
	}
	maps.Copy(annotations, p.Annotations)
	capacity := capacity(p)
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels(p, index, name), Annotations: annotations},
		Spec:       corev1.NodeSpec{Taints: p.Taints, ProviderID: "devcluster://" + name},
		Status:     corev1.NodeStatus{Capacity: capacity, Allocatable: capacity.DeepCopy()},
	}
}

func capacity(p config.Pool) corev1.ResourceList {
	list := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("64"),
		corev1.ResourceMemory:           resource.MustParse("256Gi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("2Ti"),
		corev1.ResourcePods:             resource.MustParse("250"),
	}
	if g := p.GPU; g != nil {
		list[corev1.ResourceCPU] = resource.MustParse("192")
		list[corev1.ResourceMemory] = resource.MustParse("2Ti")
		for name, n := range devices(*g) {
			list[name] = *resource.NewQuantity(n, resource.DecimalSI)
		}
	}
	if p.CPU != "" {
		list[corev1.ResourceCPU] = p.CPU.Amount()
	}
	if p.Memory != "" {
		list[corev1.ResourceMemory] = p.Memory.Amount()
	}
	for name, q := range p.Resources {
		list[corev1.ResourceName(name)] = q.Amount()
	}
	return list
}

// devices are the extended resources of a node's GPUs, under MIG strategy "mixed".
func devices(g config.GPU) map[corev1.ResourceName]int64 {
	name := corev1.ResourceName(g.Resource)
	if name == "" {
		name = config.NVIDIA
	}
	if m := profile.FindStringSubmatch(g.MIG); m != nil {
		return map[corev1.ResourceName]int64{
			name: 0,
			corev1.ResourceName("nvidia.com/mig-" + m[1]): int64(g.Count) * migSlices[m[2]],
		}
	}
	return map[corev1.ResourceName]int64{name: int64(g.Count)}
}

func labels(p config.Pool, index int, name string) map[string]string {
	l := map[string]string{
		corev1.LabelHostname:   name,
		corev1.LabelOSStable:   "linux",
		corev1.LabelArchStable: "amd64",
		PoolLabel:              p.Name,
	}
	if p.Zone != "" {
		l[corev1.LabelTopologyZone] = p.Zone
		l[corev1.LabelTopologyRegion] = region(p.Zone)
	}
	for _, t := range p.Topology {
		short := t.Label[strings.LastIndexByte(t.Label, '/')+1:]
		l[t.Label] = fmt.Sprintf("%s-%s-%d", p.Name, short, index/t.Nodes)
	}
	if g := p.GPU; g != nil && (g.Resource == "" || g.Resource == config.NVIDIA) {
		maps.Copy(l, discovered(*g))
	}
	maps.Copy(l, p.Labels)
	return l
}

// region is the zone without its last part: us-east-1a and europe-west4-b both work.
func region(zone string) string {
	trimmed := strings.TrimRight(zone, "abcdefghijklmnopqrstuvwxyz")
	if trimmed == "" || trimmed == zone {
		return zone
	}
	return strings.TrimSuffix(trimmed, "-")
}

// discovered are the labels of GPU Feature Discovery and the GPU Operator.
func discovered(g config.GPU) map[string]string {
	p, ok := products[g.Product]
	if !ok {
		p = unknown
	}
	if g.Memory != "" {
		p.memoryMiB = mebibytes(g.Memory.Amount())
	}
	l := map[string]string{
		"nvidia.com/gpu.present":                      "true",
		"nvidia.com/gpu.count":                        strconv.Itoa(g.Count),
		"nvidia.com/gpu.product":                      g.Product,
		"nvidia.com/gpu.memory":                       strconv.FormatInt(p.memoryMiB, 10),
		"nvidia.com/gpu.family":                       p.family,
		"nvidia.com/gpu.compute.major":                strconv.Itoa(p.major),
		"nvidia.com/gpu.compute.minor":                strconv.Itoa(p.minor),
		"nvidia.com/gpu.machine":                      "devcluster",
		"nvidia.com/gpu.mode":                         "compute",
		"nvidia.com/gpu.replicas":                     "1",
		"nvidia.com/gpu.sharing-strategy":             "none",
		"nvidia.com/mig.capable":                      strconv.FormatBool(p.mig),
		"nvidia.com/mps.capable":                      "false",
		"nvidia.com/cuda.driver-version.full":         "570.133.20",
		"nvidia.com/cuda.driver-version.major":        "570",
		"nvidia.com/cuda.driver-version.minor":        "133",
		"nvidia.com/cuda.driver-version.revision":     "20",
		"nvidia.com/cuda.driver.major":                "570",
		"nvidia.com/cuda.driver.minor":                "133",
		"nvidia.com/cuda.driver.rev":                  "20",
		"nvidia.com/cuda.runtime-version.full":        "12.8",
		"nvidia.com/cuda.runtime-version.major":       "12",
		"nvidia.com/cuda.runtime-version.minor":       "8",
		"nvidia.com/cuda.runtime.major":               "12",
		"nvidia.com/cuda.runtime.minor":               "8",
		"nvidia.com/gpu.deploy.device-plugin":         "true",
		"nvidia.com/gpu.deploy.dcgm-exporter":         "true",
		"feature.node.kubernetes.io/pci-10de.present": "true",
	}
	if g.MIG != "" {
		l["nvidia.com/mig.config"] = g.MIG
		l["nvidia.com/mig.config.state"] = "success"
	}
	if m := profile.FindStringSubmatch(g.MIG); m != nil {
		l["nvidia.com/mig.strategy"] = "mixed"
		l["nvidia.com/mig-"+m[1]+".count"] = strconv.FormatInt(int64(g.Count)*migSlices[m[2]], 10)
		gb := strings.TrimSuffix(m[1][strings.IndexByte(m[1], '.')+1:], "gb")
		if n, err := strconv.Atoi(gb); err == nil {
			l["nvidia.com/mig-"+m[1]+".memory"] = strconv.Itoa(n * 1024)
		}
	}
	return l
}

// mebibytes reads a plain number below a million as MiB already, as the label has it.
func mebibytes(q resource.Quantity) int64 {
	const plain = 1_000_000
	if v := q.Value(); v < plain {
		return v
	}
	return q.Value() >> 20
}
