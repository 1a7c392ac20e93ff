package gpunodes_test

import (
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// TestAccGPUNodes lists nodes that the test makes, and a pool that has none.
func TestAccGPUNodes(t *testing.T) {
	t.Parallel()
	acc := testkit.NewAcceptance(t)
	names := acc.Nodes(t, 2, map[string]string{
		"pool.mlk.dev/" + acc.Namespace: "true", "topology.kubernetes.io/zone": "zone-" + acc.Namespace,
		"nvidia.com/gpu.product": "NVIDIA-B200", "nvidia.com/gpu.memory": "183359",
	})
	node := knownvalue.ObjectPartial(map[string]knownvalue.Check{
		"ready": knownvalue.Bool(true), "schedulable": knownvalue.Bool(true), "product": knownvalue.StringExact("NVIDIA-B200"),
		"memory": knownvalue.StringExact("183359Mi"), "gpus": knownvalue.Int64Exact(8), "allocatable": knownvalue.Int64Exact(8),
		"resources": knownvalue.MapPartial(map[string]knownvalue.Check{"nvidia.com/gpu": knownvalue.Int64Exact(8)}),
		"taints":    knownvalue.ListPartial(map[int]knownvalue.Check{0: knownvalue.StringExact(acc.Namespace + ":NoSchedule")}),
	})
	of := func(name, attribute string, want knownvalue.Check) statecheck.StateCheck {
		return statecheck.ExpectKnownValue("data.mlk_gpu_nodes."+name, tfjsonpath.New(attribute), want)
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: testkit.Providers(provider.New("test")),
		Steps: []resource.TestStep{{
			ConfigDirectory: tfconfig.TestNameDirectory(), ConfigVariables: acc.Variables(),
			ConfigStateChecks: []statecheck.StateCheck{
				of("ours", "nodes", knownvalue.MapExact(map[string]knownvalue.Check{names[0]: node, names[1]: node})),
				of("ours", "zones", knownvalue.ListExact([]knownvalue.Check{knownvalue.StringExact("zone-" + acc.Namespace)})),
				of("ours", "products", knownvalue.ListExact([]knownvalue.Check{knownvalue.ObjectPartial(map[string]knownvalue.Check{
					"product": knownvalue.StringExact("NVIDIA-B200"), "gpus": knownvalue.Int64Exact(16), "nodes": knownvalue.ListSizeExact(2),
				})})),
				of("none", "nodes", knownvalue.MapSizeExact(0)), of("none", "products", knownvalue.ListSizeExact(0)),
			},
		}},
	})
}
