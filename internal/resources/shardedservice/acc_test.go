package shardedservice_test

import (
	"fmt"
	"slices"
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

const address = "mlk_sharded_service.ps"

// site is an acceptance test at work in its namespace.
type site struct {
	*testkit.Acceptance
	t *testing.T
	// set and pods are the uids of the check before.
	set  types.UID
	uids []types.UID
}

func newSite(t *testing.T) *site {
	t.Helper()
	return &site{Acceptance: testkit.NewAcceptance(t), t: t}
}

func (s *site) run(steps ...resource.TestStep) {
	s.t.Helper()
	s.Run(s.t, testkit.Providers(provider.New("test")), func() error {
		sets, err := s.Kube.AppsV1().StatefulSets(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		services, err := s.Kube.CoreV1().Services(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		if n := len(sets.Items) + len(services.Items) + len(s.pods()); n > 0 {
			return fmt.Errorf("%d objects are left behind", n)
		}
		return nil
	}, steps...)
}

func (s *site) pods() []corev1.Pod {
	s.t.Helper()
	list, err := s.Kube.CoreV1().Pods(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return list.Items
}

// edit changes the StatefulSet as somebody else would.
func (s *site) edit(patch string) {
	s.t.Helper()
	_, err := s.Kube.AppsV1().StatefulSets(s.Namespace).
		Patch(s.t.Context(), "ps", types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		s.t.Fatal(err)
	}
}

// deleteSet deletes the StatefulSet as kubectl does, and waits until it is gone.
func (s *site) deleteSet() {
	s.t.Helper()
	how := metav1.DeletePropagationForeground
	if err := s.Kube.AppsV1().StatefulSets(s.Namespace).Delete(s.t.Context(), "ps", metav1.DeleteOptions{PropagationPolicy: &how}); err != nil {
		s.t.Fatal(err)
	}
	s.Until(s.t, "the StatefulSet goes", func() bool {
		list, err := s.Kube.AppsV1().StatefulSets(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
		return err == nil && len(list.Items) == 0
	})
}

func (s *site) deleteService() {
	s.t.Helper()
	if err := s.Kube.CoreV1().Services(s.Namespace).Delete(s.t.Context(), "ps", metav1.DeleteOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// on checks the StatefulSet, its pods, claims and Service.
func (s *site) on(checks ...func(*appsv1.StatefulSet) error) resource.TestCheckFunc {
	return func(*terraform.State) error {
		set, err := s.Kube.AppsV1().StatefulSets(s.Namespace).Get(s.t.Context(), "ps", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, check := range checks {
			if err := check(set); err != nil {
				return err
			}
		}
		s.set, s.uids = set.UID, s.podUIDs()
		return nil
	}
}

func (s *site) podUIDs() []types.UID {
	var out []types.UID
	for _, p := range s.pods() {
		out = append(out, p.UID)
	}
	slices.Sort(out)
	return out
}

func (s *site) sameSet(set *appsv1.StatefulSet) error {
	if set.UID != s.set {
		return fmt.Errorf("the StatefulSet was made anew")
	}
	return nil
}

func (s *site) anotherSet(set *appsv1.StatefulSet) error {
	if set.UID == s.set {
		return fmt.Errorf("the StatefulSet is still the old one")
	}
	return nil
}

func (s *site) samePods(*appsv1.StatefulSet) error {
	if now := s.podUIDs(); !slices.Equal(now, s.uids) {
		return fmt.Errorf("the pods were made anew: %v, were %v", now, s.uids)
	}
	return nil
}

func replicas(want int32) func(*appsv1.StatefulSet) error {
	return func(set *appsv1.StatefulSet) error {
		if set.Status.ReadyReplicas != want || *set.Spec.Replicas != want {
			return fmt.Errorf("%d of %d pods are ready, want %d", set.Status.ReadyReplicas, *set.Spec.Replicas, want)
		}
		return nil
	}
}

// claims checks how many claims there are, and what each asks for.
func (s *site) claims(n int, size string) func(*appsv1.StatefulSet) error {
	return func(*appsv1.StatefulSet) error {
		list, err := s.Kube.CoreV1().PersistentVolumeClaims(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		if len(list.Items) != n {
			return fmt.Errorf("%d claims, want %d", len(list.Items), n)
		}
		for _, c := range list.Items {
			if got := c.Spec.Resources.Requests.Storage().String(); got != size {
				return fmt.Errorf("claim %s asks for %s, want %s", c.Name, got, size)
			}
		}
		return nil
	}
}

func (s *site) headless(*appsv1.StatefulSet) error {
	service, err := s.Kube.CoreV1().Services(s.Namespace).Get(s.t.Context(), "ps", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if service.Spec.ClusterIP != corev1.ClusterIPNone || !service.Spec.PublishNotReadyAddresses || service.Spec.Ports[0].Port != 7000 {
		return fmt.Errorf("service %v", service.Spec)
	}
	return nil
}

func plans(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, action)}}
}

func status(attribute, want string) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New("status").AtMapKey(attribute), knownvalue.StringExact(want))
}

func TestAccLife(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run(
		resource.TestStep{
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            s.on(replicas(2), s.claims(2, "1Gi"), s.headless),
			ConfigStateChecks: []statecheck.StateCheck{
				status("phase", "Ready"),
				statecheck.ExpectKnownValue(address, tfjsonpath.New("hosts"), knownvalue.ListExact([]knownvalue.Check{
					knownvalue.StringExact("ps-0.ps." + s.Namespace + ".svc"), knownvalue.StringExact("ps-1.ps." + s.Namespace + ".svc"),
				})),
			},
		},
		resource.TestStep{ // pain 16: an update is waited for
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check: s.on(s.sameSet, replicas(3), s.claims(3, "1Gi"), func(set *appsv1.StatefulSet) error {
				for _, p := range s.pods() {
					if p.Spec.Containers[0].Image != "ps:2" {
						return fmt.Errorf("pod %s still runs %s", p.Name, p.Spec.Containers[0].Image)
					}
				}
				return nil
			}),
			ConfigStateChecks: []statecheck.StateCheck{status("phase", "Ready")},
		},
		resource.TestStep{ // pain 23: volumes grow in place, and what others have set stays
			PreConfig:        func() { s.edit(`{"metadata":{"labels":{"seen":"yes"}},"spec":{"minReadySeconds":1}}`) },
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check: s.on(s.anotherSet, s.samePods, replicas(3), s.claims(3, "2Gi"), s.headless, func(set *appsv1.StatefulSet) error {
				if set.Labels["seen"] != "yes" || set.Spec.MinReadySeconds != 1 {
					return fmt.Errorf("what others have set is lost: %v, %d", set.Labels, set.Spec.MinReadySeconds)
				}
				for _, m := range set.ManagedFields {
					if m.Manager == "mlk-handover" {
						return fmt.Errorf("fields are left to the handover")
					}
				}
				return nil
			}),
		},
		resource.TestStep{ // what it owns is put right, the Service too
			PreConfig: func() {
				s.edit(`{"spec":{"replicas":1}}`)
				s.deleteService()
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            s.on(s.sameSet, replicas(3), s.headless),
		},
		resource.TestStep{ // made again around its claims, with the Service that is left
			PreConfig:        s.deleteSet,
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            s.on(s.anotherSet, replicas(3), s.claims(3, "2Gi"), s.headless),
		},
		resource.TestStep{
			ConfigPlanChecks: plans(plancheck.ResourceActionReplace),
			Check:            s.on(s.anotherSet, replicas(3), s.claims(3, "2Gi")),
		},
		resource.TestStep{
			ConfigDirectory:         tfconfig.StaticDirectory("testdata/TestAccLife/6"),
			ResourceName:            address,
			ImportState:             true,
			ImportStateId:           s.Namespace + "/ps",
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"force_conflicts"},
		},
	)
}

// A rollout that failed is not "no changes" on the next plan.
func TestAccFailedRollout(t *testing.T) { // pains 9, 12, 13
	t.Parallel()
	s := newSite(t)
	s.run(
		resource.TestStep{Check: s.on(replicas(2))},
		resource.TestStep{ExpectError: testkit.Words("failed: the image of container main", "ps:2", "cannot be pulled", "the next plan waits for it again")},
		resource.TestStep{PlanOnly: true, ExpectNonEmptyPlan: true},
	)
}

// A partition tries a revision on a few pods.
func TestAccPartition(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run(
		resource.TestStep{Check: s.on(replicas(3))},
		resource.TestStep{
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check: s.on(s.sameSet, replicas(3), func(*appsv1.StatefulSet) error {
				images := map[string]int{}
				for _, p := range s.pods() {
					images[p.Spec.Containers[0].Image]++
				}
				if images["ps:1"] != 2 || images["ps:2"] != 1 {
					return fmt.Errorf("images %v", images)
				}
				return nil
			}),
			ConfigStateChecks: []statecheck.StateCheck{status("message", "2 of 3 pods are of an earlier revision, as update_strategy asks")},
		},
	)
}

func TestAccNoGrowth(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run(
		resource.TestStep{Check: s.on(replicas(1), s.claims(1, "2Gi"))},
		resource.TestStep{ExpectError: testkit.Words(`Volumes do not shrink: claim template "data"`, "have 2Gi, and the configuration asks for 1Gi", "Set size back")},
	)
}
