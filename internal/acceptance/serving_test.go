package acceptance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// servingGuide is the guide that TestAccServing follows.
const servingGuide = "../../templates/guides/serving-a-model.md.tmpl"

var (
	addition = regexp.MustCompile("(?s)Add to the resource:\n\n```terraform\n(.*?)```")
	promised = regexp.MustCompile("(?s)```text\n(.*?)```")
	// What the chapter on canaries says that status tells, and how it promotes one.
	both      = regexp.MustCompile("(?s)`status.message` tells of both:\n\n```text\n(.*?)\n```")
	promotion = regexp.MustCompile("(?s)and remove it.\n\n```terraform\n(.*?)```")
)

// TestAccServing follows the guide word for word: what it says the plan shows is
// shown, the apply ends with a URL and a pod that is ready, and what it says to
// add is an update in place.
func TestAccServing(t *testing.T) {
	t.Parallel()
	acc := testkit.NewAcceptance(t)
	guide, err := os.ReadFile(servingGuide)
	if err != nil {
		t.Fatal(err)
	}
	cli := testkit.NewCLI(t, exampleIn(t, filepath.Join(exampleRoot, "serving", "first")))
	elsewhere := fmt.Sprintf("resource \"mlk_inference_service\" \"bge\" {\n  namespace = %q\n", acc.Namespace)
	cli.Write("test_override.tf", []byte(elsewhere+"}\n"))
	t.Cleanup(func() {
		if out := cli.Destroy(); out.Code != 0 {
			t.Errorf("destroy: %s", out)
		}
	})
	plan := cli.Plan()
	shown := strings.Join(strings.Fields(plan.Stdout), " ")
	for _, line := range strings.Split(promised.FindStringSubmatch(string(guide))[1], "\n") {
		line = strings.Join(strings.Fields(strings.ReplaceAll(line, ".default.", "."+acc.Namespace+".")), " ")
		if strings.Contains(line, "=") && !strings.HasSuffix(line, "{") && !strings.Contains(shown, line) {
			t.Errorf("the plan does not show %q: %s", line, plan)
		}
	}
	out := cli.MustApply()
	if url := `url = "http://bge.` + acc.Namespace + `.svc"`; !out.Says(url) {
		t.Errorf("the apply does not end with %s: %s", url, out)
	}
	more := addition.FindStringSubmatch(string(guide))[1]
	cli.Write("test_override.tf", []byte(elsewhere+more+"}\n"))
	if out := cli.Plan(); !out.Says("0 to add, 1 to change, 0 to destroy") {
		t.Errorf("the plan of the change: %s", out)
	}
	cli.MustApply()
	d, err := acc.Kube.AppsV1().Deployments(acc.Namespace).Get(t.Context(), "bge", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := d.Spec.Template.Spec.Containers[0]
	if d.Status.ReadyReplicas != 2 || c.StartupProbe.FailureThreshold != 30 || c.Args[len(c.Args)-1] != "--max-client-batch-size=64" || c.Args[0] != "--model-id=BAAI/bge-small-en-v1.5" {
		t.Errorf("%d pods are ready, with %v and %v", d.Status.ReadyReplicas, c.Args, c.StartupProbe)
	}
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("the last plan is not empty: %s", out)
	}
}

// gatewayAPI gives the cluster the HTTPRoutes of the Gateway API.
func gatewayAPI(t *testing.T, acc *testkit.Acceptance) {
	t.Helper()
	testkit.InstallCRD(t, acc, "sigs.k8s.io/gateway-api", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml")
}

// TestAccServingCanary follows the guide's chapter on canaries: one resource with a
// model on a claim, an autoscaler, a budget, and a route that splits the requests;
// then the promotion, as it is written there.
func TestAccServingCanary(t *testing.T) {
	t.Parallel()
	acc := testkit.NewAcceptance(t)
	gatewayAPI(t, acc)
	text, err := os.ReadFile(servingGuide)
	if err != nil {
		t.Fatal(err)
	}
	guide := string(text)
	cli := testkit.NewCLI(t, exampleIn(t, filepath.Join(exampleRoot, "serving", "canary")))
	elsewhere := fmt.Sprintf("resource \"mlk_volume_claim\" \"models\" {\n  namespace = %[1]q\n  deletion_protection = false\n}\n"+
		"resource \"mlk_inference_service\" \"llama\" {\n  namespace = %[1]q\n", acc.Namespace)
	cli.Write("test_override.tf", []byte(elsewhere+"}\n"))
	cli.Write("message.tf", []byte("output \"message\" {\n  value = mlk_inference_service.llama.status.message\n}\n"))
	t.Cleanup(func() {
		if out := cli.Destroy(); out.Code != 0 {
			t.Errorf("destroy: %s", out)
		}
	})
	out := cli.MustApply()
	if !out.Says(`url = "http://llama.example.com"`) || !out.Says(both.FindStringSubmatch(guide)[1]) {
		t.Errorf("the apply does not end as the guide says: %s", out)
	}
	if got, want := deployments(t, acc), "llama vllm/vllm-openai:v0.10.0 2, llama-canary vllm/vllm-openai:v0.11.0 1, "; got != want {
		t.Errorf("there are %s, want %s", got, want)
	}
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("the second plan is not empty: %s", out)
	}
	cli.Write("test_override.tf", []byte(elsewhere+promotion.FindStringSubmatch(guide)[1]+"}\n"))
	if out := cli.Plan(); !out.Says("0 to add, 1 to change, 0 to destroy") {
		t.Errorf("the plan of the promotion: %s", out)
	}
	cli.MustApply()
	if got, want := deployments(t, acc), "llama vllm/vllm-openai:v0.11.0 2, "; got != want {
		t.Errorf("there are %s, want %s", got, want)
	}
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("the last plan is not empty: %s", out)
	}
}

// deployments are those of the namespace, each with image and ready pods.
func deployments(t *testing.T, acc *testkit.Acceptance) string {
	t.Helper()
	list, err := acc.Kube.AppsV1().Deployments(acc.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, d := range list.Items {
		out += fmt.Sprintf("%s %s %d, ", d.Name, d.Spec.Template.Spec.Containers[0].Image, d.Status.ReadyReplicas)
	}
	return out
}
