package gpunodepool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	kubedynamic "k8s.io/client-go/dynamic"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// The resources of Karpenter and of its provider for simulated nodes.
var (
	nodePools   = schema.GroupVersionResource{Group: "karpenter.sh", Version: "v1", Resource: "nodepools"}
	nodeClaims  = schema.GroupVersionResource{Group: "karpenter.sh", Version: "v1", Resource: "nodeclaims"}
	nodeClasses = schema.GroupVersionResource{Group: "karpenter.kwok.sh", Version: "v1alpha1", Resource: "kwoknodeclasses"}
)

func (s *site) dynamic() kubedynamic.Interface {
	s.t.Helper()
	client, err := kubedynamic.NewForConfig(s.Config)
	if err != nil {
		s.t.Fatal(err)
	}
	return client
}

// made are the nodes that Karpenter has made for the pool.
func (s *site) made() []corev1.Node {
	s.t.Helper()
	all, err := s.Kube.CoreV1().Nodes().List(context.Background(), metav1.ListOptions{LabelSelector: "karpenter.sh/nodepool=" + s.name("a")})
	if err != nil {
		s.t.Fatal(err)
	}
	return all.Items
}

func (s *site) edit(patch map[string]any) {
	s.t.Helper()
	raw, err := json.Marshal(patch)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.dynamic().Resource(nodePools).Patch(s.t.Context(), s.name("a"), types.MergePatchType, raw, metav1.PatchOptions{FieldManager: "kubectl-edit"}); err != nil {
		s.t.Fatal(err)
	}
}

// nothingLeft checks that no pool, machine or node is left.
func (s *site) nothingLeft() error {
	if _, err := s.dynamic().Resource(nodePools).Get(context.Background(), s.name("a"), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("the NodePool is left: %w", err)
	}
	claims, err := s.dynamic().Resource(nodeClaims).List(context.Background(), metav1.ListOptions{LabelSelector: "karpenter.sh/nodepool=" + s.name("a")})
	if err != nil || len(claims.Items) > 0 || len(s.made()) > 0 {
		return fmt.Errorf("%d machines and %d nodes are left: %w", len(claims.Items), len(s.made()), err)
	}
	return nil
}

// TestAccKarpenterMakesNodes: a run that asks for a pool of Karpenter gets its node
// made, with the pool's labels and taints, and completes; others' edits of the pool
// stay or are drift, a changed label replaces the node, an import takes all over, and
// nothing is left in the end.
func TestAccKarpenterMakesNodes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	same := config.StaticDirectory("testdata/TestAccKarpenterMakesNodes/3")
	carries := func(memory string) resource.TestCheckFunc {
		return func(*terraform.State) error {
			for _, n := range s.made() {
				var taints []string
				for _, t := range n.Spec.Taints {
					taints = append(taints, t.ToString())
				}
				slices.Sort(taints)
				labels := map[string]string{}
				for _, k := range []string{"accelerator", "gpu-memory", "pool.mlk.dev/" + s.name("a")} {
					labels[k] = n.Labels[k]
				}
				want := map[string]string{"accelerator": "nvidia-h100", "gpu-memory": memory, "pool.mlk.dev/" + s.name("a"): "true"}
				if diff := cmp.Diff(want, labels); diff != "" || !slices.Equal(taints, []string{s.Namespace + ":NoSchedule", "nvidia.com/gpu=present:NoSchedule"}) {
					return fmt.Errorf("node %s has taints %v and labels (-want +got):\n%s", n.Name, taints, diff)
				}
			}
			if n := len(s.made()); n != 1 {
				return fmt.Errorf("Karpenter has made %d nodes", n)
			}
			return nil
		}
	}
	s.run(s.nothingLeft,
		resource.TestStep{
			ConfigPlanChecks: action(address, plancheck.ResourceActionCreate),
			Check: resource.ComposeTestCheckFunc(
				carries("80Gi"), resource.TestCheckResourceAttr(address, "status.phase", "Ready"),
				resource.TestCheckResourceAttr("mlk_training_job.run", "status.phase", "Complete"),
				resource.TestCheckResourceAttr("mlk_training_job.run", "result.accuracy", "0.93"),
			),
		},
		resource.TestStep{ // its nodes are in the state; the run is done and goes
			ConfigPlanChecks: action(address, plancheck.ResourceActionUpdate),
			Check: func(st *terraform.State) error {
				return resource.TestCheckResourceAttr(address, "totals.nodes", fmt.Sprint(len(s.made())))(st)
			},
		},
		resource.TestStep{ // nothing of the change waits for nodes: they are replaced by drift, in their own time
			PreConfig: func() {
				s.Until(t, "the node that had the old label is gone", func() bool {
					return !slices.ContainsFunc(s.made(), func(n corev1.Node) bool { return n.Labels["gpu-memory"] == "80Gi" })
				})
			},
			ConfigDirectory: same,
		},
		resource.TestStep{ // what others add stays, what they change is set back
			ConfigDirectory: same,
			PreConfig: func() {
				s.edit(map[string]any{
					"metadata": map[string]any{"labels": map[string]any{"theirs": "x"}},
					"spec": map[string]any{
						"weight": 7, "limits": map[string]any{"memory": "8Ti"},
						"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"theirs": "x"}}},
					},
				})
			},
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
		},
		resource.TestStep{
			ConfigDirectory: config.StaticDirectory("testdata/TestAccKarpenterMakesNodes/3"),
			PreConfig: func() {
				s.edit(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"expireAfter": "24h"}}}})
			},
			ExpectError:      testkit.Words("expireAfter", "belongs to", "kubectl-edit"),
			ConfigPlanChecks: action(address, plancheck.ResourceActionUpdate),
		},
		resource.TestStep{
			ConfigDirectory: same,
			PreConfig: func() {
				s.edit(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"expireAfter": "Never"}}}})
			},
			Check: func(*terraform.State) error {
				live, err := s.dynamic().Resource(nodePools).Get(context.Background(), s.name("a"), metav1.GetOptions{})
				if err != nil {
					return err
				}
				weight, _, _ := unstructured.NestedInt64(live.Object, "spec", "weight")
				label, _, _ := unstructured.NestedString(live.Object, "spec", "template", "metadata", "labels", "theirs")
				if weight != 7 || label != "x" {
					return fmt.Errorf("what others have set is %d, %q", weight, label)
				}
				return nil
			},
		},
		resource.TestStep{
			ConfigDirectory: same, ResourceName: address, ImportState: true, ImportStateId: s.name("a"), ImportStateVerify: true,
			// Of an imported pool all is said, also what others have set. Karpenter goes on
			// meanwhile: what it says of the pool, and its nodes, are those of another moment.
			ImportStateVerifyIgnore: []string{"timeouts", "labels", "karpenter", "status", "nodes", "totals"},
		},
		resource.TestStep{ // somebody deletes it: it is made anew
			ConfigDirectory: same,
			PreConfig: func() {
				if err := s.dynamic().Resource(nodePools).Delete(t.Context(), s.name("a"), metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				s.Until(t, "the NodePool is gone", func() bool {
					_, err := s.dynamic().Resource(nodePools).Get(t.Context(), s.name("a"), metav1.GetOptions{})
					return apierrors.IsNotFound(err)
				})
			},
			ConfigPlanChecks: action(address, plancheck.ResourceActionCreate),
		},
	)
}

// TestAccKarpenterNotReady: a pool whose node class is missing says so, and goes on
// when it is there.
func TestAccKarpenterNotReady(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	class := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "karpenter.kwok.sh/v1alpha1", "kind": "KWOKNodeClass", "metadata": map[string]any{"name": s.Namespace}}}
	s.run(s.nothingLeft,
		resource.TestStep{ExpectError: testkit.Words("is not ready: NodeClass not found", "NodeClassNotFound", "Make KWOKNodeClass "+s.Namespace)},
		resource.TestStep{
			PreConfig: func() {
				if _, err := s.dynamic().Resource(nodeClasses).Create(t.Context(), class, metav1.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					_ = s.dynamic().Resource(nodeClasses).Delete(context.Background(), s.Namespace, metav1.DeleteOptions{})
				})
			},
			Check: resource.TestCheckResourceAttr(address, "status.phase", "Ready"),
		},
	)
}
