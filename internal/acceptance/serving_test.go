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
