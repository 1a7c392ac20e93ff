package inferenceservice_test

import (
	"os"
	"strings"
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// others makes the objects of a file, status included. $uid stands for the object
// before it that has a status: its owner.
func others(t *testing.T, acc *testkit.Acceptance, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(acc.Config)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]kube.Kind{}
	for _, k := range []kube.Kind{kube.LeaderWorkerSet, kube.InferenceService, kube.StatefulSet, kube.Deployment, kube.Service} {
		kinds[k.Kind] = k
	}
	owner := ""
	for _, doc := range strings.Split(string(text), "\n---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(strings.ReplaceAll(doc, "$uid", owner)), &o.Object); err != nil {
			t.Fatal(err)
		}
		api := client.Resource(kinds[o.GetKind()].GVR()).Namespace(acc.Namespace)
		made, err := api.Create(t.Context(), o, metav1.CreateOptions{FieldManager: "somebody"})
		if err != nil {
			t.Fatal(err)
		}
		if status, ok := o.Object["status"]; ok {
			owner = string(made.GetUID())
			made.Object["status"] = status
			if _, err := api.UpdateStatus(t.Context(), made, metav1.UpdateOptions{FieldManager: "its-controller"}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// answered waits until a Service leads to a ready pod.
func answered(t *testing.T, acc *testkit.Acceptance, service string) {
	t.Helper()
	acc.Until(t, service+" answers", func() bool {
		all, err := acc.Kube.DiscoveryV1().EndpointSlices(acc.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + service})
		if err != nil {
			return false
		}
		for _, s := range all.Items {
			for _, e := range s.Endpoints {
				if ptr.Deref(e.Conditions.Ready, false) {
					return true
				}
			}
		}
		return false
	})
}

// What others have made on other engines is read as a service too, and a name that is
// none of theirs is told with where it was looked for.
func TestAccOfOthers(t *testing.T) {
	t.Parallel()
	acc := testkit.NewAcceptance(t)
	testkit.InstallCRD(t, acc, "", "testdata/crds/leaderworkersets.yaml")
	testkit.InstallCRD(t, acc, "", "../../resources/inferenceservice/testdata/crds/serving.kserve.io_inferenceservices.yaml")
	others(t, acc, "testdata/engines.yaml")
	answered(t, acc, "large-leader")
	answered(t, acc, "bge-predictor")
	is := func(name, attribute string, want knownvalue.Check) statecheck.StateCheck {
		return statecheck.ExpectKnownValue("data.mlk_inference_service."+name, tfjsonpath.New(attribute), want)
	}
	phase := func(name, want string) statecheck.StateCheck {
		return statecheck.ExpectKnownValue("data.mlk_inference_service."+name, tfjsonpath.New("status").AtMapKey("phase"), knownvalue.StringExact(want))
	}
	one := func(pod string) knownvalue.Check {
		return knownvalue.ListExact([]knownvalue.Check{knownvalue.ObjectPartial(map[string]knownvalue.Check{"pod": knownvalue.StringRegexp(testkit.Words(pod))})})
	}
	runs := func(image, model string) knownvalue.Check {
		return knownvalue.ListExact([]knownvalue.Check{knownvalue.ObjectPartial(map[string]knownvalue.Check{
			"current": knownvalue.Bool(true), "canary": knownvalue.Bool(false), "image": knownvalue.StringExact(image), "model": knownvalue.StringExact(model),
			"replicas": knownvalue.Int32Exact(1), "ready_replicas": knownvalue.Int32Exact(1), "weight": knownvalue.Null(),
		})})
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: testkit.Providers(provider.New("test")),
		Steps: []resource.TestStep{
			{
				ConfigDirectory: tfconfig.TestStepDirectory(), ConfigVariables: acc.Variables(),
				ConfigStateChecks: []statecheck.StateCheck{
					is("large", "service", knownvalue.StringExact("large-leader")),
					is("large", "url", knownvalue.StringExact("http://large-leader."+acc.Namespace+".svc:8000")),
					is("large", "ready_replicas", knownvalue.Int32Exact(1)), is("large", "endpoints", one("large-0")), phase("large", "Ready"),
					is("large", "revisions", runs("vllm/vllm-openai:v0.11.0", "meta-llama/Llama-3.1-405B")),
					is("bge", "service", knownvalue.StringExact("bge-predictor")), is("bge", "url", knownvalue.StringExact("http://bge.example.com")),
					is("bge", "ready_replicas", knownvalue.Int32Exact(1)), is("bge", "endpoints", one("bge-predictor-")), phase("bge", "Ready"),
					is("bge", "revisions", runs("kserve/huggingfaceserver:v0.20.0", "hf://BAAI/bge-m3")),
				},
			},
			{
				ConfigDirectory: tfconfig.TestStepDirectory(), ConfigVariables: acc.Variables(),
				ExpectError: testkit.Words(`There is no inference service "larger"`, "Deployments: bge-predictor", "LeaderWorkerSets: large", "InferenceServices of KServe: bge"),
			},
		},
	})
}
