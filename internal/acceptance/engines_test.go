package acceptance_test

import (
	"path/filepath"
	"testing"

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
