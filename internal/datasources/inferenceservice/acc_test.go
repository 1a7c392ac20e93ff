package inferenceservice_test

import (
	"regexp"
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

func revision(n int64, current bool, image, model string, ready int32) knownvalue.Check {
	return knownvalue.ObjectPartial(map[string]knownvalue.Check{
		"revision": knownvalue.Int64Exact(n), "current": knownvalue.Bool(current), "image": knownvalue.StringExact(image),
		"model": knownvalue.StringExact(model), "ready_replicas": knownvalue.Int32Exact(ready),
	})
}

// A service is read in the apply that makes it; while a new revision fails, who
// still serves is seen; one that does not exist is an error.
func TestAccInferenceService(t *testing.T) {
	t.Parallel()
	acc := testkit.NewAcceptance(t)
	is := func(attribute string, want knownvalue.Check) statecheck.StateCheck {
		return statecheck.ExpectKnownValue("data.mlk_inference_service.api", tfjsonpath.New(attribute), want)
	}
	const first = "oci://registry.example.com/llama:1"
	endpoint := knownvalue.ObjectPartial(map[string]knownvalue.Check{
		"address": knownvalue.NotNull(), "node": knownvalue.NotNull(), "pod": knownvalue.StringRegexp(regexp.MustCompile("^api-")),
	})
	url := is("url", knownvalue.StringExact("http://front."+acc.Namespace+".svc"))
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: testkit.Providers(provider.New("test")),
		Steps: []resource.TestStep{
			{
				ConfigDirectory: tfconfig.TestStepDirectory(), ConfigVariables: acc.Variables(),
				ConfigStateChecks: []statecheck.StateCheck{
					url, is("service", knownvalue.StringExact("front")), is("replicas", knownvalue.Int32Exact(2)),
					is("revisions", knownvalue.ListExact([]knownvalue.Check{revision(1, true, "model:1", first, 2)})),
					statecheck.ExpectKnownValue("data.mlk_inference_service.api", tfjsonpath.New("status").AtMapKey("phase"), knownvalue.StringExact("Ready")),
				},
			},
			{ // by now the Service leads to both
				ConfigDirectory: tfconfig.StaticDirectory("testdata/TestAccInferenceService/1"), ConfigVariables: acc.Variables(),
				PreConfig:         func() { bothAnswer(t, acc) },
				ConfigStateChecks: []statecheck.StateCheck{is("endpoints", knownvalue.ListExact([]knownvalue.Check{endpoint, endpoint}))},
			},
			{
				ConfigDirectory: tfconfig.StaticDirectory("testdata/TestAccInferenceService/2"), ConfigVariables: acc.Variables(),
				ExpectNonEmptyPlan: true, // the new revision is waited for again
				ConfigStateChecks: []statecheck.StateCheck{
					url, is("revisions", knownvalue.ListExact([]knownvalue.Check{
						revision(2, true, "model:2", "oci://registry.example.com/llama:2", 0), revision(1, false, "model:1", first, 2),
					})),
					statecheck.ExpectKnownValue("data.mlk_inference_service.api", tfjsonpath.New("status").AtMapKey("phase"), knownvalue.StringExact("Progressing")),
				},
			},
			{
				ConfigDirectory: tfconfig.StaticDirectory("testdata/TestAccInferenceService/3"), ConfigVariables: acc.Variables(),
				ExpectError: regexp.MustCompile(`(?s)There is no inference service "apj".*api.*depends_on`),
			},
		},
	})
}

// bothAnswer waits until two endpoints of the Service are ready.
func bothAnswer(t *testing.T, acc *testkit.Acceptance) {
	t.Helper()
	acc.Until(t, "both pods are endpoints", func() bool {
		all, err := acc.Kube.DiscoveryV1().EndpointSlices(acc.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=front"})
		if err != nil || len(all.Items) != 1 {
			return false
		}
		ready := 0
		for _, e := range all.Items[0].Endpoints {
			if ptr.Deref(e.Conditions.Ready, false) {
				ready++
			}
		}
		return ready == 2
	})
}
