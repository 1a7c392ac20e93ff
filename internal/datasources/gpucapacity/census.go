package gpucapacity

import (
	"cmp"
	"maps"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	podresource "k8s.io/component-helpers/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
	"github.com/mlkube/terraform-provider-mlk/internal/placement"
)

// census counts GPUs. Nodes are added first, then pods; of each only what is
// counted is kept, so that tens of thousands can be shown to it.
type census struct {
	// each is how many GPUs each pod of a gang asks for; 0 for whole nodes.
	each   int64
	nodes  map[string]*node
	spaces map[string]*space
}

// node is what is kept of a node that has GPUs.
type node struct {
	name, product string
	pools         []string
	// open nodes take new pods.
	open    bool
	devices []gpu.Device
	// held is what pods of each namespace hold of each resource.
	held map[holding]int64
}

type holding struct {
	namespace string
	resource  corev1.ResourceName
}

// space is what a namespace holds.
type space struct {
	name       string
	gpus, pods int64
}

func newCensus(each int64) *census {
	return &census{each: each, nodes: map[string]*node{}, spaces: map[string]*space{}}
}

// addNode counts a node; one without GPUs is passed over.
func (c *census) addNode(n *corev1.Node) {
	facts := gpu.Of(n)
	if !facts.Has() {
		return
	}
	c.nodes[n.Name] = &node{
		name: n.Name, product: facts.Product, pools: gpu.Pools(n), devices: facts.Devices,
		open: gpu.Ready(n) && !n.Spec.Unschedulable, held: map[holding]int64{},
	}
}

// addPod counts what a pod holds of the nodes that were added.
func (c *census) addPod(p *corev1.Pod) {
	n := c.nodes[p.Spec.NodeName]
	if n == nil || !placement.Holds(p) {
		return
	}
	var all int64
	for r, q := range podresource.PodRequests(p, podresource.PodResourcesOptions{}) {
		if q.Value() > 0 && slices.ContainsFunc(n.devices, func(d gpu.Device) bool { return d.Resource == r }) {
			n.held[holding{p.Namespace, r}] += q.Value()
			all += q.Value()
		}
	}
	if all == 0 {
		return
	}
	s := c.spaces[p.Namespace]
	if s == nil {
		s = &space{name: p.Namespace}
		c.spaces[p.Namespace] = s
	}
	s.gpus, s.pods = s.gpus+all, s.pods+1
}

// requested is what pods hold of a resource on the node.
func (n *node) requested(r corev1.ResourceName) int64 {
	var out int64
	for h, count := range n.held {
		if h.resource == r {
			out += count
		}
	}
	return out
}

// count is what a group of nodes has of one resource, or of all.
type count struct {
	pool, product, resource string

	nodes, capacity, allocatable, unhealthy, requested, free, unavailable int64
	// largestPod is the most that one pod gets now, largestGang how many pods of
	// gangEach do.
	largestPod, largestGang, gangEach int64
	// loose are the free ones on nodes that are partly used.
	loose int64
}

// fragmentation is the share of the free GPUs that no pod of a whole node gets.
func (c count) fragmentation() float64 {
	if c.free == 0 {
		return 0
	}
	return math.Round(float64(c.loose)/float64(c.free)*1000) / 1000
}

// add counts one resource of one node.
func (c *count) add(n *node, d gpu.Device) {
	requested := n.requested(d.Resource)
	left := max(d.Allocatable-requested, 0)
	c.capacity, c.allocatable, c.unhealthy, c.requested = c.capacity+d.Capacity, c.allocatable+d.Allocatable, c.unhealthy+d.Unhealthy(), c.requested+requested
	if !n.open {
		c.unavailable += left
		return
	}
	c.free += left
	c.largestPod = max(c.largestPod, left)
	if requested > 0 {
		c.loose += left
	}
}

// gang counts how many pods of each GPUs fit on the nodes now.
func (c *count) gang(nodes []*node, r corev1.ResourceName, each int64) {
	if each == 0 { // whole nodes
		for _, n := range nodes {
			for _, d := range n.devices {
				if d.Resource == r {
					each = max(each, d.Allocatable)
				}
			}
		}
	}
	if c.gangEach = each; each == 0 {
		return
	}
	for _, n := range nodes {
		for _, d := range n.devices {
			if d.Resource == r && n.open {
				c.largestGang += max(d.Allocatable-n.requested(r), 0) / each
			}
		}
	}
}

// sorted are the nodes with GPUs, by name.
func (c *census) sorted() []*node {
	return slices.SortedFunc(maps.Values(c.nodes), func(a, b *node) int { return natural(a.name, b.name) })
}

// groups counts by pool, product and resource. A node of several pools counts in
// each of them.
func (c *census) groups() []count {
	type key struct {
		pool, product string
		resource      corev1.ResourceName
	}
	members := map[key][]*node{}
	for _, n := range c.sorted() {
		pools := n.pools
		if len(pools) == 0 {
			pools = []string{""}
		}
		for _, pool := range pools {
			for _, d := range n.devices {
				k := key{pool, n.product, d.Resource}
				members[k] = append(members[k], n)
			}
		}
	}
	var out []count
	for k, nodes := range members {
		g := count{pool: k.pool, product: k.product, resource: string(k.resource), nodes: int64(len(nodes))}
		for _, n := range nodes {
			for _, d := range n.devices {
				if d.Resource == k.resource {
					g.add(n, d)
				}
			}
		}
		g.gang(nodes, k.resource, c.each)
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b count) int {
		return cmp.Or(cmp.Compare(a.pool, b.pool), cmp.Compare(a.product, b.product), cmp.Compare(a.resource, b.resource))
	})
	return out
}

// total counts all nodes once. Its largest gang is the largest of any resource:
// pods of a gang ask for the same one.
func (c *census) total() count {
	nodes := c.sorted()
	t := count{nodes: int64(len(nodes)), gangEach: c.each}
	resources := map[corev1.ResourceName]bool{}
	for _, n := range nodes {
		for _, d := range n.devices {
			t.add(n, d)
			resources[d.Resource] = true
		}
	}
	for _, r := range slices.Sorted(maps.Keys(resources)) {
		var g count
		g.gang(nodes, r, c.each)
		if g.largestGang*g.gangEach > t.largestGang*t.gangEach || t.gangEach == 0 {
			t.largestGang, t.gangEach = g.largestGang, g.gangEach
		}
	}
	return t
}

// holders are the namespaces that hold GPUs, the largest first.
func (c *census) holders() []*space {
	return slices.SortedFunc(maps.Values(c.spaces), func(a, b *space) int { return cmp.Or(cmp.Compare(b.gpus, a.gpus), cmp.Compare(a.name, b.name)) })
}

// natural compares names so that gpu-2 comes before gpu-10.
func natural(a, b string) int {
	for a != "" && b != "" {
		i, j := digits(a), digits(b)
		if i > 0 && j > 0 {
			if c := cmp.Or(cmp.Compare(len(trimZeros(a[:i])), len(trimZeros(b[:j]))), cmp.Compare(trimZeros(a[:i]), trimZeros(b[:j]))); c != 0 {
				return c
			}
			a, b = a[i:], b[j:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

// digits is how many digits a text begins with.
func digits(s string) int {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i
}

func trimZeros(s string) string {
	for len(s) > 1 && s[0] == '0' {
		s = s[1:]
	}
	return s
}
