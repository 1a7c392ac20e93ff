package acceptance_test

import (
	"path/filepath"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// TestAccEngineExamples applies the examples that need engines as they stand,
// plans again and destroys.
func TestAccEngineExamples(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("../../" + engineExamples + "*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("%v, %v", folders, err)
	}
	folders = slices.DeleteFunc(folders, func(dir string) bool { return dir == karpenterExample })
	for _, dir := range folders {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			acc := testkit.NewAcceptance(t)
			acc.Queue("team-a", 16)
			cli := testkit.NewCLI(t, exampleIn(t, dir), "namespace", acc.Namespace)
			t.Cleanup(func() {
				if out := cli.Destroy(); out.Code != 0 {
					t.Errorf("destroy: %s", out)
				}
			})
			cli.MustApply()
			if out := cli.Plan(); out.Code != 0 {
				t.Errorf("the second plan is not empty: %s", out)
			}
		})
	}
}

// karpenterExample needs a cluster that makes nodes.
const karpenterExample = "../../" + engineExamples + "karpenter"

// TestAccKarpenterExample applies the example of nodes on demand on Karpenter's
// simulated machines: the run has a node, of its pool, and both go again.
func TestAccKarpenterExample(t *testing.T) {
	t.Parallel()
	acc := testkit.NewAcceptance(t)
	cli := testkit.NewCLI(t, exampleIn(t, karpenterExample), "namespace", acc.Namespace,
		"node_class", `{ group = "karpenter.kwok.sh", kind = "KWOKNodeClass", name = "default" }`)
	const pool = "h100-on-demand"
	made := func() int {
		nodes, err := acc.Kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{LabelSelector: "pool.mlk.dev/" + pool + "=true,accelerator=nvidia-h100"})
		if err != nil {
			t.Fatal(err)
		}
		return len(nodes.Items)
	}
	cli.MustApply()
	if n := made(); n != 1 {
		t.Errorf("Karpenter has made %d nodes", n)
	}
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("the second plan is not empty: %s", out)
	}
	if out := cli.Destroy(); out.Code != 0 {
		t.Errorf("destroy: %s", out)
	}
	if n := made(); n != 0 {
		t.Errorf("%d nodes are left", n)
	}
}
