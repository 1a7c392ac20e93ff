package inferenceservice_test

import (
	"encoding/json"
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
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// routes are the HTTPRoutes of the site's namespace.
func (s *site) routes() dynamic.ResourceInterface {
	s.t.Helper()
	client, err := dynamic.NewForConfig(s.Config)
	if err != nil {
		s.t.Fatal(err)
	}
	return client.Resource(schema.GroupVersionResource{Group: gatewayv1.GroupName, Version: "v1", Resource: "httproutes"}).Namespace(s.Namespace)
}

// route is the HTTPRoute api; nil for none.
func (s *site) route() *gatewayv1.HTTPRoute {
	s.t.Helper()
	list, err := s.routes().List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(list.Items) == 0 {
		return nil
	}
	raw, err := json.Marshal(list.Items[0].Object)
	if err != nil {
		s.t.Fatal(err)
	}
	out := &gatewayv1.HTTPRoute{}
	if err := json.Unmarshal(raw, out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// doors checks which Ingress, route and budget there are, by name.
func (s *site) doors(want string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		got := ""
		ingresses, err := s.Kube.NetworkingV1().Ingresses(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, i := range ingresses.Items {
			b := i.Spec.Rules[0].HTTP.Paths[0].Backend.Service
			got += fmt.Sprintf("ingress %s to %s:%d, ", i.Name, b.Name, b.Port.Number)
		}
		if r := s.route(); r != nil {
			for _, b := range r.Spec.Rules[0].BackendRefs {
				got += fmt.Sprintf("route %s from %s to %s:%d, ", r.Name, r.Spec.ParentRefs[0].Name, b.Name, *b.Port)
			}
		}
		budgets, err := s.Kube.PolicyV1().PodDisruptionBudgets(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, b := range budgets.Items {
			got += fmt.Sprintf("budget %s", b.Name)
		}
		if got != want {
			return fmt.Errorf("there is %q, want %q", got, want)
		}
		return nil
	}
}

// TestAccDoors: Ingress, route and budget come, change, are put right and go, and
// url follows them.
func TestAccDoors(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	testkit.InstallCRD(t, s.Acceptance, "sigs.k8s.io/gateway-api", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml")
	const routed = "route api from public to api:8080, budget api-pods"
	s.run(
		resource.TestStep{
			ConfigPlanChecks:  plans(plancheck.ResourceActionCreate),
			Check:             resource.ComposeTestCheckFunc(s.serves(true, "model:1", 2, "api"), s.doors("ingress api to api:8080, budget api")),
			ConfigStateChecks: []statecheck.StateCheck{is("url", knownvalue.StringExact("https://api.example.com/v1"))},
		},
		resource.TestStep{
			ConfigPlanChecks:  plans(plancheck.ResourceActionUpdate),
			Check:             resource.ComposeTestCheckFunc(s.serves(false, "model:1", 2, "api"), s.doors(routed)),
			ConfigStateChecks: []statecheck.StateCheck{is("url", knownvalue.StringExact("http://api.example.com"))},
		},
		resource.TestStep{ // somebody led the route elsewhere, and deleted the budget
			PreConfig: func() {
				patch := []byte(`[{"op":"replace","path":"/spec/rules/0/backendRefs/0/name","value":"other"}]`)
				if _, err := s.routes().Patch(t.Context(), "api", types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
					t.Fatal(err)
				}
				if err := s.Kube.PolicyV1().PodDisruptionBudgets(s.Namespace).Delete(t.Context(), "api-pods", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			ConfigDirectory:  tfconfig.StaticDirectory("testdata/TestAccDoors/3"),
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            s.doors(routed),
		},
		resource.TestStep{ // a Gateway that refuses the route is told of
			PreConfig: func() {
				patch := []byte(`{"status":{"parents":[{"parentRef":{"name":"public"},"controllerName":"example.com/gateway","conditions":[` +
					`{"type":"Accepted","status":"False","reason":"NotAllowedByListeners","message":"no listener allows this namespace","lastTransitionTime":"2026-11-25T00:00:00Z"}]}]}}`)
				if _, err := s.routes().Patch(t.Context(), "api", types.MergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
					t.Fatal(err)
				}
			},
			ConfigDirectory: tfconfig.StaticDirectory("testdata/TestAccDoors/2"),
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue(address, tfjsonpath.New("status").AtMapKey("reason"), knownvalue.StringExact("NotAllowedByListeners")),
			},
		},
		resource.TestStep{
			ConfigDirectory:         tfconfig.StaticDirectory("testdata/TestAccDoors/2"),
			ResourceName:            address,
			ImportState:             true,
			ImportStateId:           s.Namespace + "/api",
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"force_conflicts", "wait_for"},
		},
	)
}
