package inferenceservice_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// saysReady reports whether KServe says that the service is ready.
func (s *site) saysReady() bool {
	s.t.Helper()
	o, err := s.servedBy().Get(s.t.Context(), "api", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(c any) bool {
		is, ok := c.(map[string]any)
		return ok && is["type"] == "Ready" && is["status"] == string(metav1.ConditionTrue)
	})
}

// KServe says Ready of a service whose new pods cannot start: the update has failed all
// the same, and the next one repairs it.
func TestAccEngineKServeFailedUpdate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runKServe(
		resource.TestStep{ConfigPlanChecks: plans(plancheck.ResourceActionCreate), Check: s.kserves(true, "server:1", 2, 1)},
		resource.TestStep{ExpectError: testkit.Words("image of container kserve-container does not exist", "server:2")},
		resource.TestStep{
			PreConfig: func() {
				if !s.saysReady() {
					t.Error("KServe says itself that it is not ready: this shows nothing")
				}
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            s.kserves(false, "server:3", 2, 3),
		},
	)
}

// fetches checks what the only pod gets its model from, and an argument of its server.
func (s *site) fetches(uri, arg string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		list, err := s.Kube.CoreV1().Pods(s.Namespace).List(s.t.Context(), metav1.ListOptions{LabelSelector: kube.ServedLabel + "=api"})
		if err != nil {
			return err
		}
		pods := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
		if len(pods) != 1 || len(pods[0].Spec.InitContainers) != 1 {
			return fmt.Errorf("%d pods, want one with an init container", len(pods))
		}
		loader, server := pods[0].Spec.InitContainers[0], pods[0].Spec.Containers[0]
		if loader.Args[0] != uri || !slices.Contains(server.Args, arg) {
			return fmt.Errorf("it loads %v, and its server has arguments %v", loader.Args, server.Args)
		}
		return nil
	}
}

// KServe fetches the model for its serving runtimes. What one of them allows no pod to
// ask for is told in the server's words.
func TestAccEngineKServeModel(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runKServe(
		resource.TestStep{
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            resource.ComposeTestCheckFunc(s.kserves(true, "vllm/vllm-openai:", 1, 1), s.fetches("hf://org/model:main", "--max-model-len=4096")),
		},
		resource.TestStep{
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            resource.ComposeTestCheckFunc(s.kserves(false, "kserve/sklearnserver:", 1, 2), s.fetches("s3://bucket/iris", "--model_dir=/mnt/models")),
		},
		resource.TestStep{ExpectError: testkit.Words("must be less than or equal to cpu limit of 1")},
	)
}
