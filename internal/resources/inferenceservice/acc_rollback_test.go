package inferenceservice_test

import (
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// TestAccRollback: an update that fails is taken back, the service is what it was,
// and the change is planned again.
func TestAccRollback(t *testing.T) { // pain 9
	t.Parallel()
	s := newSite(t)
	s.run(
		resource.TestStep{Check: s.serves(true, "model:1", 2, "api")},
		resource.TestStep{ExpectError: testkit.Words("failed", "model:2", "Revision 1 (image model:1) still serves", "What was there before is being put back", "the next plan shows the change again")},
		resource.TestStep{
			PreConfig: func() {
				s.Until(t, "the service is what it was", func() bool {
					d := s.deployment()
					return d.Spec.Template.Spec.Containers[0].Image == "model:1" && d.Status.ObservedGeneration == d.Generation &&
						d.Status.UpdatedReplicas == 2 && d.Status.AvailableReplicas == 2 && d.Status.Replicas == 2
				})
			},
			ConfigDirectory:    tfconfig.StaticDirectory("testdata/TestAccRollback/2"),
			PlanOnly:           true,
			ExpectNonEmptyPlan: true,
		},
		resource.TestStep{ // the state is that of before: nothing to change but to wait
			ConfigDirectory: tfconfig.StaticDirectory("testdata/TestAccRollback/1"),
			Check:           s.serves(false, "model:1", 2, "api"),
		},
	)
}
