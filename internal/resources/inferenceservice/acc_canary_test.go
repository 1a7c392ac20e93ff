package inferenceservice_test

import (
	"fmt"
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// held is a recording of an apply in which no request may be lost.
type held struct {
	*recorder
	least int
}

// begin records, before an apply.
func (h *held) begin(s *site, least int) { h.recorder, h.least = s.record(), least }

// kept checks that there have been at least so many ready pods of the service
// itself at each moment, and that no share of the requests was led to where nobody
// is ready.
func (h *held) kept(s *site) resource.TestCheckFunc {
	return func(*terraform.State) error {
		var broken []string
		said, weights := map[string]bool{}, ""
		fewest := h.least
		moments := h.each(func(m moment) {
			if now := fmt.Sprint(m.weights()); now != weights {
				weights = now
				s.t.Logf("at %d: requests %s, ready pods %v", m.revision, now, m.ready())
			}
			complain := func(text string) {
				if !said[text] {
					said[text] = true
					broken = append(broken, fmt.Sprintf("at %d: %s", m.revision, text))
				}
			}
			if n := m.ready()["api"]; n < h.least {
				fewest = min(fewest, n)
				complain(fmt.Sprintf("%d of %d pods of the service are ready", n, h.least))
			}
			for service, share := range m.weights() {
				if share > 0 && m.endpoints(service) == 0 {
					complain(fmt.Sprintf("%d %% of the requests are led to %s, which has no ready endpoint", share, service))
				}
			}
		})
		s.t.Logf("%d moments, never fewer than %d ready pods of the service", moments, fewest)
		if len(broken) > 0 {
			return fmt.Errorf("%v", broken)
		}
		return nil
	}
}

// shares checks what the route leads to, and the Deployments there are with image
// and ready pods.
func (s *site) shares(route string, deployments ...string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		got := ""
		for _, b := range s.route().Spec.Rules[0].BackendRefs {
			weight := int32(100)
			if b.Weight != nil && len(s.route().Spec.Rules[0].BackendRefs) > 1 {
				weight = *b.Weight
			}
			got += fmt.Sprintf("%s %d ", b.Name, weight)
		}
		if got != route {
			return fmt.Errorf("the route leads to %q, want %q", got, route)
		}
		list, err := s.Kube.AppsV1().Deployments(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		var have []string
		for _, d := range list.Items {
			have = append(have, fmt.Sprintf("%s %s %d", d.Name, d.Spec.Template.Spec.Containers[0].Image, d.Status.ReadyReplicas))
		}
		if fmt.Sprint(have) != fmt.Sprint(deployments) {
			return fmt.Errorf("there are %q, want %q", have, deployments)
		}
		return nil
	}
}

func (s *site) told(want string) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New("status").AtMapKey("message"), knownvalue.StringExact(want))
}

// TestAccCanary: a second version comes, gets more requests, and takes over, without
// a moment in which a request finds nobody; one that cannot start gets none.
func TestAccCanary(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	testkit.InstallCRD(t, s.Acceptance, "sigs.k8s.io/gateway-api", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml")
	h := &held{}
	in := func(n string) tfconfig.TestStepConfigFunc {
		return tfconfig.StaticDirectory("testdata/TestAccCanary/" + n)
	}
	s.run(
		resource.TestStep{ConfigDirectory: in("1"), Check: s.shares("api 100 ", "api model:1 3")},
		resource.TestStep{
			PreConfig:        func() { h.begin(s, 3) },
			ConfigDirectory:  in("2"),
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            resource.ComposeTestCheckFunc(h.kept(s), s.serves(true, "model:1", 3, "api", "api-canary"), s.shares("api 90 api-canary 10 ", "api model:1 3", "api-canary model:2 1")),
			ConfigStateChecks: []statecheck.StateCheck{
				s.told("3 of 3 pods are ready; canary with 10 % of the requests: 1 of 1 pods are ready"),
			},
		},
		resource.TestStep{ // what others change of the second version is put right too
			PreConfig: func() {
				s.editCanary(`{"spec":{"replicas":4,"template":{"spec":{"containers":[{"name":"main","image":"other:1"}]}}}}`)
				patch := []byte(`[{"op":"replace","path":"/spec/rules/0/backendRefs/0/weight","value":20},{"op":"replace","path":"/spec/rules/0/backendRefs/1/weight","value":80}]`)
				if _, err := s.routes().Patch(t.Context(), "api", types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
					t.Fatal(err)
				}
			},
			ConfigDirectory:    in("2"),
			PlanOnly:           true,
			ExpectNonEmptyPlan: true,
		},
		resource.TestStep{
			PreConfig:        func() { h.begin(s, 3) },
			ConfigDirectory:  in("3"),
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            resource.ComposeTestCheckFunc(h.kept(s), s.shares("api 50 api-canary 50 ", "api model:1 3", "api-canary model:2 2")),
		},
		resource.TestStep{
			ConfigDirectory:         in("3"),
			ResourceName:            address,
			ImportState:             true,
			ImportStateId:           s.Namespace + "/api",
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"force_conflicts", "wait_for"},
		},
		resource.TestStep{ // promoted
			PreConfig:        func() { h.begin(s, 3) },
			ConfigDirectory:  in("4"),
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            resource.ComposeTestCheckFunc(h.kept(s), s.serves(false, "model:2", 3, "api"), s.shares("api 100 ", "api model:2 3")),
		},
		resource.TestStep{
			PreConfig:       func() { h.begin(s, 3) },
			ConfigDirectory: in("5"),
			ExpectError: testkit.Words(`Canary of inference service`, "image", "model:3", "(canary.image)",
				"The stable version (image model:2) serves, with 3 ready pods; it is the canary that is not ready, and it gets no more requests than before"),
		},
		resource.TestStep{ // the one that failed is replaced by one that works, which was never led to
			ConfigDirectory:  in("6"),
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            resource.ComposeTestCheckFunc(h.kept(s), s.shares("api 90 api-canary 10 ", "api model:2 3", "api-canary model:4 1")),
		},
		resource.TestStep{ // given up; somebody has deleted its Deployment meanwhile
			PreConfig: func() {
				if err := s.Kube.AppsV1().Deployments(s.Namespace).Delete(t.Context(), "api-canary", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			ConfigDirectory:  in("4"),
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            resource.ComposeTestCheckFunc(s.serves(false, "model:2", 3, "api"), s.shares("api 100 ", "api model:2 3")),
		},
	)
}

// editCanary changes the Deployment of the canary as somebody else would.
func (s *site) editCanary(patch string) {
	s.t.Helper()
	_, err := s.Kube.AppsV1().Deployments(s.Namespace).
		Patch(s.t.Context(), "api-canary", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		s.t.Fatal(err)
	}
}
