package gpucapacity_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// gpus is the resource that the test counts.
const gpus = corev1.ResourceName("nvidia.com/gpu")

// TestAccGPUCapacity makes nodes of its own, puts pods of random sizes on them, and
// holds what is read against a count made here over the same cluster.
func TestAccGPUCapacity(t *testing.T) {
	t.Parallel()
	acc := testkit.NewAcceptance(t)
	names := acc.Nodes(t, 3, map[string]string{"example.com/capacity": acc.Namespace})
	var free, largest, held, pieces int64
	for _, name := range names {
		left := int64(8)
		for range 1 + rand.IntN(3) {
			n := min(1+rand.Int64N(4), left)
			if n == 0 {
				break
			}
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{GenerateName: "holds-", Annotations: map[string]string{"mlk.dev/simulate": "run"}},
				Spec: corev1.PodSpec{
					NodeName: name,
					Containers: []corev1.Container{{
						Name: "main", Image: "busybox:1",
						Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{gpus: *apiresource.NewQuantity(n, apiresource.DecimalSI)}},
					}},
					Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
				},
			}
			if _, err := acc.Kube.CoreV1().Pods(acc.Namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			left, held = left-n, held+n
		}
		free, largest, pieces = free+left, max(largest, left), pieces+left/2
	}
	total := func(attribute string, want int64) statecheck.StateCheck {
		return statecheck.ExpectKnownValue("data.mlk_gpu_capacity.ours", tfjsonpath.New("total").AtMapKey(attribute), knownvalue.Int64Exact(want))
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: testkit.Providers(provider.New("test")),
		Steps: []resource.TestStep{{
			ConfigDirectory: tfconfig.TestNameDirectory(), ConfigVariables: acc.Variables(),
			ConfigStateChecks: []statecheck.StateCheck{
				total("nodes", 3), total("capacity", 24), total("allocatable", 24), total("unhealthy", 0), total("requested", held),
				total("free", free), total("unavailable", 0), total("largest_pod", largest), total("largest_gang", pieces), total("gang_gpus_per_pod", 2),
				statecheck.ExpectKnownValue("data.mlk_gpu_capacity.ours", tfjsonpath.New("namespaces"), knownvalue.ListExact([]knownvalue.Check{
					knownvalue.ObjectPartial(map[string]knownvalue.Check{"namespace": knownvalue.StringExact(acc.Namespace), "gpus": knownvalue.Int64Exact(held)}),
				})),
				statecheck.ExpectKnownOutputValue("chart", knownvalue.StringRegexp(testkit.Words(fmt.Sprintf("<title>%d of 24 GPUs free</title>", free)))),
			},
		}},
	})
}
