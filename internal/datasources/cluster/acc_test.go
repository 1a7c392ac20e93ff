package cluster_test

import (
	"fmt"
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// TestAccCluster reads the cluster, and asks it the same in other ways.
func TestAccCluster(t *testing.T) {
	t.Parallel()
	acc := testkit.NewAcceptance(t)
	info, err := acc.Kube.Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	system, err := acc.Kube.CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	groups, err := acc.Kube.Discovery().ServerGroups()
	if err != nil {
		t.Fatal(err)
	}
	is := func(attribute string, want knownvalue.Check) statecheck.StateCheck {
		return statecheck.ExpectKnownValue("data.mlk_cluster.this", tfjsonpath.New(attribute), want)
	}
	// Those of a managed cluster are not to be seen; the local cluster's and kind's are.
	controllers := map[string]knownvalue.Check{}
	alive := knownvalue.ObjectPartial(map[string]knownvalue.Check{"alive": knownvalue.Bool(true), "holder": knownvalue.NotNull()})
	for _, name := range []string{"kube-scheduler", "kube-controller-manager"} {
		switch _, err := acc.Kube.CoordinationV1().Leases("kube-system").Get(t.Context(), name, metav1.GetOptions{}); {
		case err == nil:
			controllers[name] = alive
		case !apierrors.IsNotFound(err):
			t.Fatal(err)
		}
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: testkit.Providers(provider.New("test")),
		Steps: []resource.TestStep{{
			ConfigDirectory: tfconfig.TestNameDirectory(),
			ConfigStateChecks: []statecheck.StateCheck{
				is("version", knownvalue.StringExact(info.GitVersion)), is("id", knownvalue.StringExact(string(system.UID))),
				is("healthy", knownvalue.Bool(true)), is("checks", knownvalue.MapPartial(map[string]knownvalue.Check{"etcd": knownvalue.StringExact("ok")})),
				is("controllers", knownvalue.MapExact(controllers)),
				is("engines", knownvalue.MapPartial(map[string]knownvalue.Check{"dra": knownvalue.NotNull()})),
				is("apis", knownvalue.MapPartial(map[string]knownvalue.Check{"batch": knownvalue.ListPartial(map[int]knownvalue.Check{0: knownvalue.StringExact("v1")})})),
				is("nodes", knownvalue.ObjectPartial(map[string]knownvalue.Check{"count": knownvalue.NotNull(), "kubelet_versions": knownvalue.NotNull()})),
			},
			Check: func(s *terraform.State) error {
				got := s.RootModule().Resources["data.mlk_cluster.this"].Primary.Attributes["apis.%"]
				if want := fmt.Sprint(len(groups.Groups) - 1); got != want { // the core group has no name
					return fmt.Errorf("%s API groups were read, want %s", got, want)
				}
				return nil
			},
		}},
	})
}
