package trainingjob_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// hog takes all GPUs of the first of the test's nodes, until the pod is deleted.
func (s *site) hog() {
	s.t.Helper()
	_, err := s.Kube.CoreV1().Pods(s.Namespace).Create(s.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "hog", Annotations: map[string]string{"mlk.dev/simulate": "run"}},
		Spec: corev1.PodSpec{
			NodeName: s.Namespace + "-0",
			Containers: []corev1.Container{{Name: "main", Image: "x", Resources: corev1.ResourceRequirements{
				Limits: corev1.ResourceList{"nvidia.com/gpu": testkit.Quantity("8")},
			}}},
			TerminationGracePeriodSeconds: new(int64),
		},
	}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
}

// podGroups are the PodGroups of a kind in the namespace.
func (s *site) podGroups(k kube.Kind) []unstructured.Unstructured {
	s.t.Helper()
	client, err := dynamic.NewForConfig(s.Config)
	if err != nil {
		s.t.Fatal(err)
	}
	list, err := client.Resource(k.GVR()).Namespace(s.Namespace).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return list.Items
}

// A gang of which one rank fits and one does not starts no pod and says how many fit,
// and starts all when room comes: by Kubernetes' own scheduler, as a Job and as a
// JobSet, and by Volcano's. Without a gang scheduler one rank would hold its node.
func TestAccEngineGang(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		gang, engine string
		kind         kube.Kind
	}{
		"Native":  {"native", "job", kube.PodGroup},
		"JobSet":  {"native", "jobset", kube.PodGroup},
		"Volcano": {"volcano", "job", kube.VolcanoPodGroup},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.nodes(2)
			s.hog()
			step := func(nodes int, create string) resource.TestStep {
				v := s.Variables("gang", tc.gang, "engine", tc.engine, "create", create)
				v["nodes"] = tfconfig.IntegerVariable(nodes)
				return resource.TestStep{ConfigDirectory: tfconfig.StaticDirectory("testdata/TestAccEngineGang"), ConfigVariables: v}
			}
			short := step(2, "25s")
			short.ExpectError = words("not running after 25s: 1 of 2 ranks with 8 GPUs fit now", "(distributed.nodes)", "room for 1 rank", "It starts when others end")
			fits := step(2, "3m")
			fits.PreConfig = s.roomComes
			fits.ConfigStateChecks = []statecheck.StateCheck{
				phase("Running"), statecheck.ExpectKnownValue(address, tfjsonpath.New("objects"), knownvalue.ListSizeExact(3)),
			}
			fits.Check = s.together(tc.kind, 2)
			steps := []resource.TestStep{short, fits}
			if tc.engine == "job" { // of a JobSet the number of nodes is part of the run
				smaller := step(1, "3m")
				smaller.ConfigPlanChecks = plans(plancheck.ResourceActionUpdate)
				smaller.Check = s.together(tc.kind, 1)
				steps = append(steps, smaller)
			}
			s.run(steps...)
			if left := s.podGroups(tc.kind); len(left) > 0 {
				t.Errorf("%d PodGroups are left behind", len(left))
			}
		})
	}
}

// roomComes ends the pod in the way once both ranks that are made from now on have
// been refused; none of them may have been given a node before.
func (s *site) roomComes() {
	s.t.Helper()
	before := map[types.UID]bool{}
	for _, p := range s.pods() {
		before[p.UID] = true
	}
	var once sync.Once
	refused := map[types.UID]bool{}
	s.witness(func(ctx context.Context, p corev1.Pod) {
		if before[p.UID] || p.Name == "hog" {
			return
		}
		if p.Spec.NodeName != "" && len(refused) < 2 {
			s.t.Errorf("pod %s was started while its gang did not fit", p.Name)
		}
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
				refused[p.UID] = true
			}
		}
		if len(refused) < 2 {
			return
		}
		once.Do(func() {
			if err := s.Kube.CoreV1().Pods(s.Namespace).Delete(ctx, "hog", metav1.DeleteOptions{}); err != nil {
				s.t.Error(err)
			}
		})
	})
}

// together checks that so many ranks run, each on a node of its own, and that one
// PodGroup counts them.
func (s *site) together(k kube.Kind, n int) resource.TestCheckFunc {
	return func(*terraform.State) error {
		nodes := map[string]bool{}
		s.until(fmt.Sprintf("%d ranks run", n), func() bool {
			pods := slices.DeleteFunc(s.pods(), func(p corev1.Pod) bool { return p.DeletionTimestamp != nil || p.Name == "hog" })
			clear(nodes)
			for _, p := range pods {
				if p.Status.Phase == corev1.PodRunning {
					nodes[p.Spec.NodeName] = true
				}
			}
			return len(pods) == n && len(nodes) == n
		})
		groups := s.podGroups(k)
		if len(groups) != 1 {
			return fmt.Errorf("%d PodGroups, want 1", len(groups))
		}
		at := []string{"spec", "schedulingPolicy", "gang", "minCount"}
		if k == kube.VolcanoPodGroup {
			at = []string{"spec", "minMember"}
		}
		if got, _, _ := unstructured.NestedInt64(groups[0].Object, at...); got != int64(n) {
			return fmt.Errorf("%d pods at once, want %d", got, n)
		}
		return nil
	}
}
