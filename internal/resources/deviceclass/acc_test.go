package deviceclass_test

import (
	"errors"
	"fmt"
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

const address = "mlk_device_class.gpu"

// TestAccLife names its class after the test's namespace, since classes are the
// cluster's.
func TestAccLife(t *testing.T) {
	t.Parallel()
	acc := testkit.NewAcceptance(t)
	classes := acc.Kube.ResourceV1().DeviceClasses()
	var uid types.UID
	is := func(another bool, name string, selectors int, extended string) resource.TestCheckFunc {
		return func(*terraform.State) error {
			c, err := classes.Get(t.Context(), name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if (c.UID != uid) != another {
				return fmt.Errorf("another class: %v, want %v", !another, another)
			}
			uid = c.UID
			got := ""
			if n := c.Spec.ExtendedResourceName; n != nil {
				got = *n
			}
			if len(c.Spec.Selectors) != selectors || got != extended {
				return fmt.Errorf("the class is %v", c.Spec)
			}
			return nil
		}
	}
	plans := func(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
		return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, action)}}
	}
	extended := "example.com/" + acc.Namespace
	acc.Run(t, testkit.Providers(provider.New("test")), func() error {
		if _, err := classes.Get(t.Context(), "other-"+acc.Namespace, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return errors.Join(errors.New("the class is left behind"), err)
		}
		return nil
	},
		resource.TestStep{ConfigPlanChecks: plans(plancheck.ResourceActionCreate), Check: is(true, acc.Namespace, 1, "")},
		resource.TestStep{ConfigPlanChecks: plans(plancheck.ResourceActionUpdate), Check: is(false, acc.Namespace, 2, extended)},
		resource.TestStep{ // what it owns is put right
			PreConfig: func() {
				if _, err := classes.Patch(t.Context(), acc.Namespace, types.MergePatchType, []byte(`{"spec":{"selectors":[]}}`), metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
					t.Fatal(err)
				}
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            is(false, acc.Namespace, 2, extended),
		},
		resource.TestStep{ // one that somebody deleted is made again
			PreConfig: func() {
				if err := classes.Delete(t.Context(), acc.Namespace, metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            is(true, acc.Namespace, 2, extended),
		},
		resource.TestStep{ConfigPlanChecks: plans(plancheck.ResourceActionReplace), Check: is(true, "other-"+acc.Namespace, 2, extended)},
		resource.TestStep{
			ConfigDirectory:         tfconfig.StaticDirectory("testdata/TestAccLife/6"),
			ResourceName:            address,
			ImportState:             true,
			ImportStateId:           "other-" + acc.Namespace,
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"force_conflicts"},
		},
	)
}
