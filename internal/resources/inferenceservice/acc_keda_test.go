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
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// scaled are the ScaledObjects of the site's namespace.
func (s *site) scaled() dynamic.ResourceInterface {
	s.t.Helper()
	client, err := dynamic.NewForConfig(s.Config)
	if err != nil {
		s.t.Fatal(err)
	}
	return client.Resource(schema.GroupVersionResource{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"}).Namespace(s.Namespace)
}

// threshold checks what the trigger of the ScaledObject api asks for; "" for no
// ScaledObject.
func (s *site) threshold(want string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		list, err := s.scaled().List(s.t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		got := ""
		for _, o := range list.Items {
			triggers, _, _ := unstructured.NestedSlice(o.Object, "spec", "triggers")
			trigger, _ := triggers[0].(map[string]any)
			number, _, _ := unstructured.NestedString(trigger, "metadata", "threshold")
			by, _, _ := unstructured.NestedString(trigger, "authenticationRef", "name")
			of, _, _ := unstructured.NestedString(o.Object, "spec", "scaleTargetRef", "name")
			hpa, _, _ := unstructured.NestedString(o.Object, "spec", "advanced", "horizontalPodAutoscalerConfig", "name")
			got += fmt.Sprintf("%s of %s by %s as %s", number, of, by, hpa)
		}
		if got != want {
			return fmt.Errorf("there is %q, want %q", got, want)
		}
		return nil
	}
}

// TestAccKeda: KEDA takes over the pods there are and scales them to none, which is no
// failure; what it sets plans nothing, also when another image comes meanwhile.
func TestAccKeda(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	testkit.InstallCRD(t, s.Acceptance, "", "testdata/crds/keda.sh_scaledobjects.yaml")
	const there = "5 of api by prometheus as api-load"
	in := func(n string) tfconfig.TestStepConfigFunc {
		return tfconfig.StaticDirectory("testdata/TestAccKeda/" + n)
	}
	var watched *guard
	told := func(attribute, want string) statecheck.StateCheck {
		return statecheck.ExpectKnownValue(address, tfjsonpath.New("status").AtMapKey(attribute), knownvalue.StringExact(want))
	}
	s.run(
		resource.TestStep{ConfigDirectory: in("1"), Check: resource.ComposeTestCheckFunc(s.serves(true, "model:1", 3, "api"), s.threshold(""))},
		resource.TestStep{ // on: the pods there are stay
			PreConfig:         func() { watched = s.guards(neverBelow(3)) },
			ConfigDirectory:   in("2"),
			ConfigPlanChecks:  plans(plancheck.ResourceActionUpdate),
			Check:             resource.ComposeTestCheckFunc(func(st *terraform.State) error { return watched.check(st) }, s.serves(false, "model:1", 3, "api"), s.threshold(there)),
			ConfigStateChecks: []statecheck.StateCheck{is("current_replicas", knownvalue.Int32Exact(3))},
		},
		resource.TestStep{ // KEDA sees no load: nothing to plan
			PreConfig: func() {
				scale, err := s.Kube.AppsV1().Deployments(s.Namespace).GetScale(t.Context(), "api", metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				scale.Spec.Replicas = 0
				if _, err := s.Kube.AppsV1().Deployments(s.Namespace).UpdateScale(t.Context(), "api", scale, metav1.UpdateOptions{FieldManager: "keda-operator"}); err != nil {
					t.Fatal(err)
				}
				s.Until(t, "there is no pod", func() bool {
					d := s.deployment()
					return d.Status.ObservedGeneration == d.Generation && d.Status.Replicas == 0
				})
			},
			ConfigDirectory: in("2"),
			PlanOnly:        true,
		},
		resource.TestStep{ // somebody has changed a trigger, and another image comes
			PreConfig: func() {
				patch := []byte(`[{"op":"replace","path":"/spec/triggers/0/metadata/threshold","value":"50"}]`)
				if _, err := s.scaled().Patch(t.Context(), "api", types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
					t.Fatal(err)
				}
			},
			ConfigDirectory:  in("3"),
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            resource.ComposeTestCheckFunc(s.serves(false, "model:2", 0, "api"), s.threshold(there)),
			ConfigStateChecks: []statecheck.StateCheck{
				told("phase", "Idle"), told("message", "The autoscaler keeps no pod at the moment"), is("current_replicas", knownvalue.Int32Exact(0)),
			},
		},
		resource.TestStep{
			ConfigDirectory:         in("3"),
			ResourceName:            address,
			ImportState:             true,
			ImportStateId:           s.Namespace + "/api",
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"force_conflicts", "wait_for"},
		},
		resource.TestStep{ // off
			ConfigDirectory:  in("4"),
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            resource.ComposeTestCheckFunc(s.serves(false, "model:2", 2, "api"), s.threshold("")),
		},
	)
}
