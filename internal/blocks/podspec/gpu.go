package podspec

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// GPU is what a pod needs of accelerators. It becomes limits of the main
// container, and node affinity and a toleration of the pod.
type GPU struct {
	Count                types.Int64    `tfsdk:"count"`
	Resource             types.String   `tfsdk:"resource"`
	MIGProfile           types.String   `tfsdk:"mig_profile"`
	Shared               types.Bool     `tfsdk:"shared"`
	Products             []types.String `tfsdk:"products"`
	MinMemory            quantity.Value `tfsdk:"min_memory"`
	MinComputeCapability types.String   `tfsdk:"min_compute_capability"`
	TolerateTaint        types.Bool     `tfsdk:"tolerate_taint"`
}

// The resources and labels NVIDIA's device plugin and GPU feature discovery
// give to nodes.
const (
	nvidiaGPU    = "nvidia.com/gpu"
	nvidiaMIG    = "nvidia.com/mig-"
	sharedSuffix = ".shared"

	labelMemory       = "nvidia.com/gpu.memory" // MiB
	labelComputeMajor = "nvidia.com/gpu.compute.major"
	labelComputeMinor = "nvidia.com/gpu.compute.minor"
)

// mebi is the unit of labelMemory.
const mebi = 1 << 20

// vendor is what nodes of one maker of accelerators have in common.
type vendor struct {
	// prefix is how the resource names begin.
	prefix string
	// taint is the key of the taint that keeps other pods away.
	taint string
	// product is the label that names the product; "" when there is none.
	product string
	// facts is whether nodes bear memory and compute capability as numbers.
	facts bool
}

// vendors are the makers whose nodes bear known labels and taints.
var vendors = []vendor{
	{prefix: "nvidia.com/", taint: nvidiaGPU, product: "nvidia.com/gpu.product", facts: true},
	{prefix: "amd.com/", taint: "amd.com/gpu", product: "amd.com/gpu.product-name"},
	{prefix: "gpu.intel.com/", product: "gpu.intel.com/product"},
	{prefix: "google.com/tpu", taint: "google.com/tpu", product: "cloud.google.com/gke-tpu-accelerator"},
	{prefix: "aws.amazon.com/neuron", taint: "aws.amazon.com/neuron"},
}

// vendorOf returns what is known of the nodes that have the resource.
func vendorOf(resource string) vendor {
	for _, v := range vendors {
		if strings.HasPrefix(resource, v.prefix) {
			if v.taint == "" {
				v.taint = resource
			}
			return v
		}
	}
	return vendor{taint: resource}
}

// resource is the name of the extended resource.
func (g *GPU) resource() string {
	name := nvidiaGPU
	switch {
	case !g.Resource.IsNull():
		return g.Resource.ValueString()
	case !g.MIGProfile.IsNull():
		name = nvidiaMIG + g.MIGProfile.ValueString()
	}
	if g.Shared.ValueBool() {
		name += sharedSuffix
	}
	return name
}

// wanted reports whether the pod gets any accelerator: a count of 0 is a pod
// without one, wherever it runs.
func (g *GPU) wanted() bool { return g != nil && g.Count.ValueInt64() > 0 }

// limit adds the accelerators to the main container, to the requests as well:
// the server refuses a limit that the request it once filled in does not follow.
func (g *GPU) limit(c *corev1ac.ContainerApplyConfiguration) diag.Diagnostics {
	if !g.wanted() {
		return nil
	}
	if c.Resources == nil {
		c.Resources = &corev1ac.ResourceRequirementsApplyConfiguration{}
	}
	q := *resource.NewQuantity(g.Count.ValueInt64(), resource.DecimalSI)
	name := corev1.ResourceName(g.resource())
	for _, list := range []**corev1.ResourceList{&c.Resources.Limits, &c.Resources.Requests} {
		if *list == nil {
			*list = &corev1.ResourceList{}
		}
		if have, ok := (**list)[name]; ok && have.Cmp(q) != 0 {
			return diag.Diagnostics{twice(g.resource(), g.Count.ValueInt64(), have.String(), root("gpu", "count"))}
		}
		(**list)[name] = q
	}
	return nil
}

// toleration is the toleration of the taint of GPU nodes; nil when not wanted.
func (g *GPU) toleration() *corev1.Toleration {
	if !g.wanted() || (!g.TolerateTaint.IsNull() && !g.TolerateTaint.ValueBool()) {
		return nil
	}
	return &corev1.Toleration{Key: vendorOf(g.resource()).taint, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}
}

// requirements are what a node's labels must say, as alternatives; nil when
// any node with the resource will do.
func (g *GPU) requirements() ([][]corev1.NodeSelectorRequirement, diag.Diagnostics) {
	if !g.wanted() {
		return nil, nil
	}
	var ds diag.Diagnostics
	v := vendorOf(g.resource())
	var all []corev1.NodeSelectorRequirement
	if len(g.Products) > 0 {
		if v.product == "" {
			ds.Append(g.unknown("products", "by product"))
		}
		all = append(all, corev1.NodeSelectorRequirement{Key: v.product, Operator: corev1.NodeSelectorOpIn, Values: texts(g.Products)})
	}
	if !g.MinMemory.IsNull() {
		if !v.facts {
			ds.Append(g.unknown("min_memory", "by memory"))
		}
		q, qds := amount(g.MinMemory)
		ds.Append(qds...)
		if q != nil {
			all = append(all, above(labelMemory, (q.Value()+mebi-1)/mebi-1))
		}
	}
	if g.MinComputeCapability.IsNull() {
		if all == nil {
			return nil, ds
		}
		return [][]corev1.NodeSelectorRequirement{all}, ds
	}
	if !v.facts {
		ds.Append(g.unknown("min_compute_capability", "by compute capability"))
	}
	major, minor := capability(g.MinComputeCapability.ValueString())
	if minor == 0 {
		return [][]corev1.NodeSelectorRequirement{append(all, above(labelComputeMajor, major-1))}, ds
	}
	all = all[:len(all):len(all)]
	return [][]corev1.NodeSelectorRequirement{
		append(all, above(labelComputeMajor, major)),
		append(all,
			corev1.NodeSelectorRequirement{Key: labelComputeMajor, Operator: corev1.NodeSelectorOpIn, Values: []string{strconv.FormatInt(major, 10)}},
			above(labelComputeMinor, minor-1)),
	}, ds
}

// above requires a label to be a number greater than n.
func above(label string, n int64) corev1.NodeSelectorRequirement {
	return corev1.NodeSelectorRequirement{Key: label, Operator: corev1.NodeSelectorOpGt, Values: []string{strconv.FormatInt(n, 10)}}
}

// capability splits a compute capability such as "8.6" or "9".
func capability(s string) (major, minor int64) {
	a, b, _ := strings.Cut(s, ".")
	major, _ = strconv.ParseInt(a, 10, 32) // the schema lets digits through only
	minor, _ = strconv.ParseInt(b, 10, 32)
	return major, minor
}

// unknown says that nodes with the resource cannot be told apart that way.
func (g *GPU) unknown(attribute, how string) diag.Diagnostic {
	return diags.Message{
		Summary: fmt.Sprintf("Nodes with %s cannot be chosen %s", g.resource(), how),
		Why:     "mlk knows no node label that says this for this resource.",
		Do:      "Use scheduling.node_selector or scheduling.node_affinity with the labels your nodes have.",
		At:      root("gpu", attribute),
	}.Error()
}
