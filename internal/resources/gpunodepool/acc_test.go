package gpunodepool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

const address = "mlk_gpu_node_pool.a"

// site is a cluster with nodes that only this test has: they bear a label and a
// taint named like its namespace.
type site struct {
	*testkit.Acceptance
	t *testing.T
}

func newSite(t *testing.T, nodes ...string) *site {
	t.Helper()
	s := &site{Acceptance: testkit.NewAcceptance(t), t: t}
	for _, n := range nodes {
		s.add(n)
	}
	return s
}

func (s *site) name(node string) string { return s.Namespace + "-" + node }

// add makes a node like those of the cluster that have eight H100.
func (s *site) add(node string, annotations ...string) {
	s.t.Helper()
	all, err := s.Kube.CoreV1().Nodes().List(s.t.Context(), metav1.ListOptions{LabelSelector: "nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3,!test.mlk.dev/nodes"})
	if err != nil || len(all.Items) == 0 {
		s.t.Fatal("no node of H100 to copy: ", err)
	}
	like := all.Items[0]
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: s.name(node), Labels: maps.Clone(like.Labels), Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"}},
		Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: s.Namespace, Effect: corev1.TaintEffectNoSchedule}}},
		Status:     corev1.NodeStatus{Capacity: like.Status.Capacity, Allocatable: like.Status.Allocatable},
	}
	n.Labels["kubernetes.io/hostname"], n.Labels["test.mlk.dev/nodes"] = n.Name, s.Namespace
	for i := 0; i+1 < len(annotations); i += 2 {
		n.Annotations[annotations[i]] = annotations[i+1]
	}
	if _, err := s.Kube.CoreV1().Nodes().Create(s.t.Context(), n, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = s.Kube.CoreV1().Nodes().Delete(context.Background(), n.Name, metav1.DeleteOptions{}) })
	if len(annotations) == 0 {
		s.Until(s.t, "the node is Ready", func() bool { return s.ready(node) })
	}
}

func (s *site) ready(node string) bool {
	return slices.ContainsFunc(s.node(node).Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	}) && !slices.ContainsFunc(s.node(node).Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady })
}

func (s *site) node(node string) *corev1.Node {
	s.t.Helper()
	n, err := s.Kube.CoreV1().Nodes().Get(context.Background(), s.name(node), metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *site) remove(node string) {
	s.t.Helper()
	if err := s.Kube.CoreV1().Nodes().Delete(s.t.Context(), s.name(node), metav1.DeleteOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// person does to a node what kubectl label and kubectl taint do.
func (s *site) person(node string, labels map[string]string, taints ...corev1.Taint) {
	s.t.Helper()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		n := s.node(node)
		patch, err := json.Marshal(map[string]any{
			"metadata": map[string]any{"labels": labels, "resourceVersion": n.ResourceVersion},
			"spec":     map[string]any{"taints": append(n.Spec.Taints, taints...)},
		})
		if err != nil {
			return err
		}
		_, err = s.Kube.CoreV1().Nodes().Patch(s.t.Context(), n.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl-label"})
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// shape is what people see of a node.
func (s *site) shape(node string) map[string]any {
	n := s.node(node)
	var taints []string
	for _, t := range n.Spec.Taints {
		taints = append(taints, t.ToString())
	}
	slices.Sort(taints)
	notes := 0
	for k := range n.Annotations { // controllers write others as they like
		if strings.HasPrefix(k, "pool.mlk.dev/") {
			notes++
		}
	}
	return map[string]any{"labels": n.Labels, "taints": taints, "cordoned": n.Spec.Unschedulable, "notes": notes}
}

// has checks labels and taints of a node; an empty value means that the label is
// not there.
func (s *site) has(node string, cordoned bool, labels map[string]string, taints ...string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		n := s.node(node)
		for k, v := range labels {
			if n.Labels[k] != v {
				return fmt.Errorf("label %s of %s is %q, want %q", k, n.Name, n.Labels[k], v)
			}
		}
		taints := append(slices.Clone(taints), s.Namespace+":NoSchedule")
		var got []string
		for _, t := range n.Spec.Taints {
			if t.Key != corev1.TaintNodeUnschedulable {
				got = append(got, t.ToString())
			}
		}
		slices.Sort(got)
		slices.Sort(taints)
		if !slices.Equal(got, taints) || n.Spec.Unschedulable != cordoned {
			return fmt.Errorf("taints of %s are %v, want %v; cordoned %v", n.Name, got, taints, n.Spec.Unschedulable)
		}
		return nil
	}
}

func (s *site) run(atEnd func() error, steps ...resource.TestStep) {
	s.t.Helper()
	s.Run(s.t, testkit.Providers(provider.New("test")), atEnd, steps...)
}

func action(at string, a plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(at, a)}}
}

// TestAccLife: the classic labels of GPU nodes from one resource; two pools and a
// person on the same nodes keep their own through apply, change and destroy.
func TestAccLife(t *testing.T) {
	t.Parallel()
	s := newSite(t, "1", "2")
	s.person("1", map[string]string{"team": "research", "rack": "r1"}, corev1.Taint{Key: "burn-in", Effect: corev1.TaintEffectNoSchedule})
	before := []map[string]any{s.shape("1"), s.shape("2")}
	a, b := "pool.mlk.dev/"+s.Namespace+"-a", "pool.mlk.dev/"+s.Namespace+"-b"
	ofB := []string{"nvidia.com/gpu=present:NoSchedule", "team=research:NoSchedule", "team=research:PreferNoSchedule"}
	hand := "burn-in:NoSchedule"
	s.run(func() error {
		after := []map[string]any{s.shape("1"), s.shape("2")}
		if diff := cmp.Diff(before, after); diff != "" {
			return fmt.Errorf("destroy left (-before +after):\n%s", diff)
		}
		return nil
	},
		resource.TestStep{
			ConfigPlanChecks: action(address, plancheck.ResourceActionCreate),
			Check: resource.ComposeTestCheckFunc(
				s.has("1", false, map[string]string{"gpu-product": "NVIDIA-H100-80GB-HBM3", "gpu-memory": "80Gi", "node-type": "gpu", "accelerator": "nvidia-h100", "team": "research", "rack": "r1", a: "true", b: "true"},
					append([]string{"sku=gpu:NoSchedule", hand}, ofB...)...),
				s.has("2", false, map[string]string{"accelerator": "nvidia-h100", "team": "research", "rack": "", a: "true", b: "true"}, append([]string{"sku=gpu:NoSchedule"}, ofB...)...),
				resource.TestCheckResourceAttr(address, "totals.gpus", "16"), resource.TestCheckResourceAttr(address, "totals.ready_nodes", "2"),
				resource.TestCheckResourceAttr(address, "nodes."+s.name("1")+".product", "NVIDIA-H100-80GB-HBM3"),
				resource.TestCheckResourceAttr(address, "nodes."+s.name("1")+".cuda_version", "12.8"),
				resource.TestCheckResourceAttr(address, "id", s.Namespace+"-a"), resource.TestCheckResourceAttr(address, "status.phase", "Ready"),
			),
		},
		resource.TestStep{ // changed in place, while a person does something else
			PreConfig:        func() { s.person("2", map[string]string{"rack": "r2"}) },
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, plancheck.ResourceActionUpdate), plancheck.ExpectResourceAction("mlk_gpu_node_pool.b", plancheck.ResourceActionNoop)}},
			Check: resource.ComposeTestCheckFunc(
				s.has("1", true, map[string]string{"gpu-product": "NVIDIA-H100-80GB-HBM3", "gpu-memory": "", "node-type": "large", "rack": "r1", a: "true", b: "true"}, append([]string{hand}, ofB...)...),
				s.has("2", true, map[string]string{"node-type": "large", "rack": "r2"}, ofB...),
			),
		},
		resource.TestStep{ // one pool goes, the other and the person stay
			PreConfig: func() { s.person("2", map[string]string{"rack": ""}) },
			Check: resource.ComposeTestCheckFunc(
				s.has("1", false, map[string]string{"gpu-product": "", "node-type": "", "accelerator": "nvidia-h100", "team": "research", "rack": "r1", a: "", b: "true"}, append([]string{hand}, ofB...)...),
				s.has("2", false, map[string]string{"accelerator": "nvidia-h100", "team": "research", a: "", b: "true"}, ofB...),
				func(*terraform.State) error {
					if labels, ok := before[1]["labels"].(map[string]string); ok {
						labels["rack"] = "" // what the person did meanwhile stays
					}
					return nil
				},
			),
		},
		resource.TestStep{
			ConfigDirectory: config.StaticDirectory("testdata/TestAccLife/3"),
			ResourceName:    "mlk_gpu_node_pool.b", ImportState: true, ImportStateId: s.Namespace + "-b/test.mlk.dev/nodes=" + s.Namespace,
			ImportStateVerify: true, ImportStateVerifyIgnore: []string{"node_names", "nodes"},
		},
	)
}

// TestAccNodesComeAndGo: a node that is deleted plans nothing; one that joins is
// planned, exactly it; one that lost a label is mended; one that matches no more
// is cleaned (pain 36).
func TestAccNodesComeAndGo(t *testing.T) {
	t.Parallel()
	s := newSite(t, "1", "2")
	same := config.StaticDirectory("testdata/TestAccNodesComeAndGo/1")
	members := func(nodes ...string) plancheck.PlanCheck {
		var values []knownvalue.Check
		for _, n := range nodes {
			values = append(values, knownvalue.StringExact(s.name(n)))
		}
		return plancheck.ExpectKnownValue(address, tfjsonpath.New("members"), knownvalue.ListExact(values))
	}
	updates := func(nodes ...string) resource.ConfigPlanChecks {
		return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, plancheck.ResourceActionUpdate), members(nodes...)}}
	}
	labels := map[string]string{"accelerator": "nvidia-h100", "pool.mlk.dev/" + s.Namespace + "-a": "true"}
	none := map[string]string{"accelerator": "", "pool.mlk.dev/" + s.Namespace + "-a": ""}
	const tainted = "nvidia.com/gpu=present:NoSchedule"
	s.run(func() error { return s.has("3", false, none)(nil) },
		resource.TestStep{ConfigDirectory: same, Check: s.has("2", false, labels, tainted)},
		resource.TestStep{
			ConfigDirectory: same, PreConfig: func() { s.remove("1") },
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
		},
		resource.TestStep{
			ConfigDirectory: same, PreConfig: func() { s.add("3") },
			ConfigPlanChecks: updates("2", "3"), Check: s.has("3", false, labels, tainted),
		},
		resource.TestStep{
			ConfigDirectory: same, PreConfig: func() { s.person("2", map[string]string{"pool.mlk.dev/" + s.Namespace + "-a": "false"}) },
			ExpectError: testkit.Words("belongs to kubectl-label", "force_conflicts"),
		},
		resource.TestStep{
			ConfigDirectory: same, PreConfig: func() { s.person("2", map[string]string{"test.mlk.dev/nodes": "other"}) },
			ConfigPlanChecks: updates("3"), Check: s.has("2", false, map[string]string{"accelerator": ""}),
		},
	)
}

// TestAccImport: a pool that is imported by its selector takes over exactly the
// keys that it declares, and they go with it.
func TestAccImport(t *testing.T) {
	t.Parallel()
	s := newSite(t, "1")
	s.person("1", map[string]string{"accelerator": "nvidia-h100", "node-type": "old", "rack": "r1"},
		corev1.Taint{Key: "sku", Value: "gpu", Effect: corev1.TaintEffectNoSchedule}, corev1.Taint{Key: "burn-in", Effect: corev1.TaintEffectNoSchedule})
	s.run(func() error {
		return s.has("1", false, map[string]string{"accelerator": "", "node-type": "", "rack": "r1"}, "burn-in:NoSchedule")(nil)
	}, resource.TestStep{
		ConfigPlanChecks: action(address, plancheck.ResourceActionUpdate),
		Check:            s.has("1", false, map[string]string{"accelerator": "nvidia-h100", "node-type": "gpu", "rack": "r1"}, "burn-in:NoSchedule", "sku=gpu:NoSchedule"),
	})
}

// TestAccWait: a pool whose nodes are not there says which and why, and goes on
// when they are.
func TestAccWait(t *testing.T) {
	t.Parallel()
	s := newSite(t, "1")
	s.add("2", "mlk.dev/node", "not-ready")
	s.run(func() error { return nil },
		resource.TestStep{ExpectError: testkit.Words("has not what it waits for after 15s", "1 of 2 nodes are Ready", "Node "+s.name("2")+" is not Ready")},
		resource.TestStep{
			PreConfig: func() {
				s.remove("2")
				s.add("3")
			},
			Check: resource.ComposeTestCheckFunc(
				s.has("3", false, map[string]string{"pool.mlk.dev/" + s.Namespace + "-a": "true"}),
				resource.TestCheckResourceAttr(address, "totals.allocatable", "16"),
			),
		},
	)
}

// TestAccDivide: MIG layouts, time-slicing and MPS are applied and awaited, under the
// GPUs' own name and another, a layout that the GPUs do not have is explained.
func TestAccDivide(t *testing.T) {
	t.Parallel()
	s := newSite(t, "1", "2", "3", "4")
	offers := func(node string, want map[corev1.ResourceName]int64) resource.TestCheckFunc {
		return func(*terraform.State) error {
			n := s.node(node)
			for r, q := range want {
				if got := n.Status.Allocatable[r]; got.Value() != q {
					return fmt.Errorf("%s offers %s of %s, want %d", n.Name, got.String(), r, q)
				}
			}
			return nil
		}
	}
	filesOf := func(name string) map[string]string {
		maps, err := s.Kube.CoreV1().ConfigMaps(s.Namespace).List(context.Background(), metav1.ListOptions{FieldSelector: "metadata.name=" + name})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range maps.Items {
			return m.Data
		}
		return nil
	}
	files := func() map[string]string { return filesOf("device-plugin-config") }
	told := func(node, strategy string, words ...string) resource.TestCheckFunc {
		return func(*terraform.State) error {
			labels := s.node(node).Labels
			text := filesOf("other")[labels["nvidia.com/device-plugin.config"]]
			if !testkit.Words(words...).MatchString(text) || labels["nvidia.com/gpu.sharing-strategy"] != strategy {
				return fmt.Errorf("node %s shares by %q and was told\n%s", node, labels["nvidia.com/gpu.sharing-strategy"], text)
			}
			return nil
		}
	}
	shares := func(n string) resource.TestCheckFunc {
		return func(*terraform.State) error {
			label := s.node("2").Labels["nvidia.com/device-plugin.config"]
			if len(files()) != 1 || !testkit.Words("timeSlicing", "replicas: "+n).MatchString(files()[label]) {
				return fmt.Errorf("the node runs with %q, of %v", label, files())
			}
			return nil
		}
	}
	s.run(func() error {
		for _, n := range []string{"1", "2", "3", "4"} {
			for _, l := range []string{"nvidia.com/mig.config", "nvidia.com/device-plugin.config"} {
				if v, ok := s.node(n).Labels[l]; ok {
					return fmt.Errorf("%s is left on %s: %q", l, n, v)
				}
			}
		}
		if files() != nil || filesOf("other") != nil {
			return fmt.Errorf("a ConfigMap is left")
		}
		return nil
	},
		resource.TestStep{Check: resource.ComposeTestCheckFunc(
			offers("1", map[corev1.ResourceName]int64{"nvidia.com/mig-3g.40gb": 16, "nvidia.com/gpu": 0}), offers("2", map[corev1.ResourceName]int64{"nvidia.com/gpu": 32}), shares("4"),
			resource.TestCheckResourceAttr(address, "nodes."+s.name("1")+".resources.nvidia.com/mig-3g.40gb", "16"),
			resource.TestCheckResourceAttr("mlk_gpu_node_pool.b", "totals.allocatable", "32"),
			offers("3", map[corev1.ResourceName]int64{"nvidia.com/gpu": 16}), told("3", "mps", "sharing:", "mps:", "replicas: 2"),
			offers("4", map[corev1.ResourceName]int64{"nvidia.com/gpu.shared": 32}),
			told("4", "time-slicing", "migStrategy: mixed", "renameByDefault: true", "replicas: 4"),
		)},
		resource.TestStep{ExpectError: testkit.Words(`MIG layout "all-9g.99gb" failed on 1 node`, "NVIDIA-H100-80GB-HBM3", "nvidia-mig-manager")},
		resource.TestStep{Check: resource.ComposeTestCheckFunc(
			offers("1", map[corev1.ResourceName]int64{"nvidia.com/mig-3g.40gb": 0, "nvidia.com/gpu": 8}), offers("2", map[corev1.ResourceName]int64{"nvidia.com/gpu": 16}), shares("2"),
		)},
	)
}
