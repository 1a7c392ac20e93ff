package gpucapacity

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	products  = []string{"NVIDIA-A100-SXM4-80GB", "NVIDIA-H100-80GB-HBM3", ""}
	resources = []corev1.ResourceName{"nvidia.com/gpu", "nvidia.com/mig-3g.40gb", "amd.com/gpu"}
	phases    = []corev1.PodPhase{corev1.PodPending, corev1.PodRunning, corev1.PodRunning, corev1.PodSucceeded, corev1.PodFailed}
)

// randomCluster is a cluster of which some nodes have no GPUs, are cordoned, not
// ready or partly ill, and of which some pods have ended or are on no node.
func randomCluster(r *rand.Rand) (nodes []corev1.Node, pods []corev1.Pod) {
	for i := range r.IntN(30) {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%d", i), Labels: map[string]string{}}}
		if p := products[r.IntN(len(products))]; p != "" {
			n.Labels["nvidia.com/gpu.product"] = p
		}
		for _, pool := range []string{"a", "b"} {
			if r.IntN(3) == 0 {
				n.Labels["pool.mlk.dev/"+pool] = "true"
			}
		}
		n.Spec.Unschedulable = r.IntN(6) == 0
		ready := corev1.ConditionTrue
		if r.IntN(8) == 0 {
			ready = corev1.ConditionUnknown
		}
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}
		n.Status.Capacity, n.Status.Allocatable = corev1.ResourceList{}, corev1.ResourceList{}
		for _, name := range resources[:r.IntN(len(resources)+1)] {
			whole := 1 + r.Int64N(8)
			able := whole
			if r.IntN(5) == 0 {
				able = r.Int64N(whole + 1)
			}
			n.Status.Capacity[name], n.Status.Allocatable[name] = *resource.NewQuantity(whole, resource.DecimalSI), *resource.NewQuantity(able, resource.DecimalSI)
		}
		nodes = append(nodes, n)
	}
	for i := range r.IntN(120) {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pod-%d", i), Namespace: fmt.Sprintf("team-%d", r.IntN(5))}}
		p.Status.Phase = phases[r.IntN(len(phases))]
		if len(nodes) > 0 && r.IntN(5) > 0 {
			p.Spec.NodeName = nodes[r.IntN(len(nodes))].Name
		}
		ask := func() corev1.Container {
			q := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
			if r.IntN(3) > 0 {
				q[resources[r.IntN(len(resources))]] = *resource.NewQuantity(1+r.Int64N(3), resource.DecimalSI)
			}
			return corev1.Container{Resources: corev1.ResourceRequirements{Requests: q, Limits: q}}
		}
		for range 1 + r.IntN(2) {
			p.Spec.Containers = append(p.Spec.Containers, ask())
		}
		if r.IntN(4) == 0 {
			p.Spec.InitContainers = append(p.Spec.InitContainers, ask())
		}
		pods = append(pods, p)
	}
	return nodes, pods
}

// naive is what a pod holds of a resource, counted by hand: containers run beside
// each other, and each init container before them.
func naive(p corev1.Pod, r corev1.ResourceName) int64 {
	var sum, most int64
	for _, c := range p.Spec.Containers {
		q := c.Resources.Requests[r]
		sum += q.Value()
	}
	for _, c := range p.Spec.InitContainers {
		q := c.Resources.Requests[r]
		most = max(most, q.Value())
	}
	return max(sum, most)
}

// independent counts the resource on the nodes that are wanted, in another way.
func independent(nodes []corev1.Node, pods []corev1.Pod, want func(corev1.Node) bool, rs []corev1.ResourceName, each int64) count {
	var c count
	for _, r := range rs {
		var largest, pieces int64
		var frees []int64
		for _, n := range nodes {
			whole, able := n.Status.Capacity[r], n.Status.Allocatable[r]
			if !want(n) || whole.Value() == 0 {
				continue
			}
			var held int64
			for _, p := range pods {
				if p.Spec.NodeName == n.Name && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
					held += naive(p, r)
				}
			}
			c.capacity, c.allocatable, c.requested = c.capacity+whole.Value(), c.allocatable+able.Value(), c.requested+held
			c.unhealthy += whole.Value() - able.Value()
			largest = max(largest, able.Value())
			rest := max(0, able.Value()-held)
			if n.Spec.Unschedulable || n.Status.Conditions[0].Status != corev1.ConditionTrue {
				c.unavailable += rest
				continue
			}
			c.free += rest
			frees = append(frees, rest)
			c.largestPod = max(c.largestPod, rest)
			if held > 0 {
				c.loose += rest
			}
		}
		if each > 0 {
			largest = each
		}
		for _, f := range frees {
			for ; largest > 0 && f >= largest; f -= largest {
				pieces++
			}
		}
		if pieces*largest > c.largestGang*c.gangEach || c.gangEach == 0 {
			c.largestGang, c.gangEach = pieces, largest
		}
	}
	return c
}

// TestEqualsIndependentCount holds the counts of random clusters against counts
// that are made in another way.
func TestEqualsIndependentCount(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		nodes, pods := randomCluster(r)
		each := r.Int64N(4)
		c := newCensus(each)
		for i := range nodes {
			c.addNode(&nodes[i])
		}
		for i := range pods {
			c.addPod(&pods[i])
		}
		same := cmp.AllowUnexported(count{})
		got := c.total()
		want := independent(nodes, pods, func(corev1.Node) bool { return true }, []corev1.ResourceName{"amd.com/gpu", "nvidia.com/gpu", "nvidia.com/mig-3g.40gb"}, each)
		want.nodes = got.nodes
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Fatalf("seed %d, in all (-want +got)\n%s", seed, diff)
		}
		for _, g := range c.groups() {
			of := func(n corev1.Node) bool {
				_, a := n.Labels["pool.mlk.dev/a"]
				_, b := n.Labels["pool.mlk.dev/b"]
				member := g.pool == "" && !a && !b || g.pool == "a" && a || g.pool == "b" && b
				return member && n.Labels["nvidia.com/gpu.product"] == g.product
			}
			want := independent(nodes, pods, of, []corev1.ResourceName{corev1.ResourceName(g.resource)}, each)
			want.pool, want.product, want.resource, want.nodes = g.pool, g.product, g.resource, g.nodes
			if diff := cmp.Diff(want, g, same); diff != "" {
				t.Fatalf("seed %d, %s (-want +got)\n%s", seed, g.pool, diff)
			}
		}
		var held int64
		for _, s := range c.holders() {
			held += s.gpus
		}
		if held != got.requested {
			t.Errorf("seed %d: namespaces hold %d, nodes have given out %d", seed, held, got.requested)
		}
	}
}

func TestFragmentation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		free, loose int64
		want        float64
	}{{0, 0, 0}, {8, 0, 0}, {8, 8, 1}, {9, 3, 0.333}} {
		if got := (count{free: c.free, loose: c.loose}).fragmentation(); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%d of %d: %v", c.loose, c.free, got)
		}
	}
}

func TestNatural(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{"gpu-2", "gpu-10"}, {"a", "b"}, {"gpu", "gpu-1"}, {"n1-2", "n2-1"}, {"gpu-02", "gpu-3"}} {
		if natural(pair[0], pair[1]) >= 0 || natural(pair[1], pair[0]) <= 0 {
			t.Errorf("%s is not before %s", pair[0], pair[1])
		}
	}
	if natural("gpu-7", "gpu-7") != 0 {
		t.Error("a name differs from itself")
	}
}
