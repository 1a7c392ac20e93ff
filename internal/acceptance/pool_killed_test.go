package acceptance_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// poolScene is a scene with three nodes of its own.
func poolScene(t *testing.T, template *testkit.CLI) *scene {
	t.Helper()
	acc := testkit.NewAcceptance(t)
	s := &scene{Acceptance: acc, t: t, proxy: newProxy(t, acc.Config)}
	for i := range 3 {
		n := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{
				Name: fmt.Sprintf("%s-%d", acc.Namespace, i), Labels: map[string]string{"test.mlk.dev/nodes": acc.Namespace},
				Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"},
			},
			Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: acc.Namespace, Effect: corev1.TaintEffectNoSchedule}}},
		}
		if _, err := acc.Kube.CoreV1().Nodes().Create(t.Context(), n, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = acc.Kube.CoreV1().Nodes().Delete(context.Background(), n.Name, metav1.DeleteOptions{}) })
	}
	s.Until(t, "the nodes are Ready", func() bool {
		return !slices.ContainsFunc(s.poolNodes(), func(n nodeShape) bool { return len(n.Taints) > 1 || !n.ready })
	})
	variables := []string{"host", s.proxy.URL, "namespace", acc.Namespace}
	if template == nil {
		s.CLI = testkit.NewCLI(t, "testdata/TestAccPoolKilled", variables...)
	} else {
		s.CLI = template.Workspace(variables...)
	}
	return s
}

// nodeShape is what people see of a node.
type nodeShape struct {
	Name     string
	Labels   map[string]string
	Taints   []string
	Notes    int
	Cordoned bool

	ready bool
}

// poolNodes are the nodes of a scene. The taint of cordoned nodes is the node
// controller's, and comes a little later.
func (s *scene) poolNodes() []nodeShape {
	s.t.Helper()
	all, err := s.Kube.CoreV1().Nodes().List(context.Background(), metav1.ListOptions{LabelSelector: "test.mlk.dev/nodes=" + s.Namespace})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []nodeShape
	for _, n := range all.Items {
		v := nodeShape{Name: n.Name, Labels: n.Labels, Cordoned: n.Spec.Unschedulable}
		for _, t := range n.Spec.Taints {
			if t.Key != corev1.TaintNodeUnschedulable {
				v.Taints = append(v.Taints, t.ToString())
			}
		}
		slices.Sort(v.Taints)
		for k := range n.Annotations { // controllers write others as they like
			if strings.HasPrefix(k, "pool.mlk.dev/") {
				v.Notes++
			}
		}
		for _, c := range n.Status.Conditions {
			v.ready = v.ready || c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		}
		out = append(out, v)
	}
	return out
}

// TestAccPoolKilled kills the provider of a pool at its first write, in the middle
// and at its last: the next apply converges, and a destroy, killed too, gives the
// nodes back as they were. Each request in turn is in the tests of the resource.
func TestAccPoolKilled(t *testing.T) {
	t.Parallel()
	whole := poolScene(t, nil)
	before := whole.poolNodes()
	whole.proxy.arm(0, false, nil)
	whole.MustApply()
	made := whole.patches()
	whole.proxy.arm(0, false, nil)
	if out := whole.Destroy(); out.Code != 0 {
		t.Fatal(out)
	}
	gone := whole.patches()
	whole.asBefore(before)
	for _, at := range []struct {
		write int
		after bool
	}{{0, true}, {3, false}, {5, true}} {
		t.Run(fmt.Sprintf("%d/after=%v", at.write, at.after), func(t *testing.T) {
			t.Parallel()
			s := poolScene(t, whole.CLI)
			before := s.poolNodes()
			if out, killed := s.killAt(made[at.write], at.after, applyArgs...); !killed {
				t.Fatalf("nobody was killed: %s", out)
			}
			s.MustApply()
			for _, n := range s.poolNodes() {
				if n.Labels["accelerator"] == "" || len(n.Taints) != 2 || !n.Cordoned {
					t.Errorf("after the second apply: %+v", n)
				}
			}
			if out := s.Plan(); out.Code != 0 {
				t.Errorf("after the apply a plan gives %d: %s", out.Code, out)
			}
			s.sound()
			if out, killed := s.killAt(gone[at.write], at.after, destroyArgs...); !killed {
				t.Fatalf("nobody was killed: %s", out)
			}
			if out := s.Destroy(); out.Code != 0 {
				t.Fatal(out)
			}
			s.asBefore(before)
		})
	}
}

// patches are the numbers of the requests since arm that wrote to nodes: two for
// each of three.
func (s *scene) patches() []int {
	s.t.Helper()
	requests, _ := s.proxy.disarm()
	var out []int
	for i, r := range requests {
		if strings.HasPrefix(r, "PATCH") {
			out = append(out, i+1)
		}
	}
	const atLeast = 6
	if len(out) < atLeast {
		s.t.Fatalf("the requests were %v", requests)
	}
	return out
}

// asBefore checks that the nodes are as they were.
func (s *scene) asBefore(before []nodeShape) {
	s.t.Helper()
	if diff := cmp.Diff(before, s.poolNodes(), cmp.AllowUnexported(nodeShape{})); diff != "" {
		s.t.Errorf("destroy left (-before +after):\n%s", diff)
	}
}
