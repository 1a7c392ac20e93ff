package gpustack_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

const address = "mlk_gpu_stack.gpus"

func plans(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, action)}}
}

func is(attribute string, want knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New(attribute), want)
}

func phase(want string) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New("status").AtMapKey("phase"), knownvalue.StringExact(want))
}

func atLeast(least int64) knownvalue.Check {
	return knownvalue.Int64Func(func(n int64) error {
		if n < least {
			return fmt.Errorf("%d, want at least %d", n, least)
		}
		return nil
	})
}

// TestAccOperator is one test: a cluster has one ClusterPolicy.
func TestAccOperator(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	const name = "cluster-policy"
	var uid types.UID
	// runs checks the driver on the nodes, and whether the policy is another one.
	runs := func(another bool, version string) resource.TestCheckFunc {
		return func(*terraform.State) error {
			p := o.policy(name)
			if p == nil {
				return errors.New("no ClusterPolicy")
			}
			if (p.GetUID() != uid) != another {
				return fmt.Errorf("another ClusterPolicy: %v, want %v", !another, another)
			}
			uid = p.GetUID()
			return o.runs(version)
		}
	}
	foreign := func(name string) {
		p := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy", "metadata": map[string]any{"name": name}, "spec": map[string]any{
			"operator": map[string]any{"defaultRuntime": "containerd"}, "driver": map[string]any{"enabled": true, "version": "570"}, "toolkit": map[string]any{"enabled": true},
			"daemonsets": map[string]any{"priorityClassName": "system-node-critical"}, "devicePlugin": map[string]any{}, "dcgmExporter": map[string]any{}, "dcgm": map[string]any{},
			"nodeStatusExporter": map[string]any{}, "gfd": map[string]any{}, "psa": map[string]any{"enabled": true},
		}}}
		if _, err := o.client.Create(t.Context(), p, metav1.CreateOptions{FieldManager: "helm"}); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(name string) {
		if err := o.client.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []string{name, "gpu-cluster-policy"} {
		t.Cleanup(func() { _ = o.client.Delete(context.Background(), n, metav1.DeleteOptions{}) })
	}
	o.Run(t, testkit.Providers(provider.New("test")), func() error {
		if o.policy(name) != nil {
			return errors.New("the ClusterPolicy is left behind")
		}
		return nil
	},
		resource.TestStep{ // there is one, of another name: a second would be ignored
			PreConfig:   func() { foreign("gpu-cluster-policy") },
			PlanOnly:    true,
			ExpectError: testkit.Words("ClusterPolicy gpu-cluster-policy exists already", `"helm"`, "terraform import mlk_gpu_stack.<name> gpu-cluster-policy", `name = "gpu-cluster-policy"`),
		},
		resource.TestStep{ // it waits until the driver is on all nodes
			PreConfig:        func() { remove("gpu-cluster-policy") },
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            runs(true, "570"),
			ConfigStateChecks: []statecheck.StateCheck{
				phase("Ready"), is("namespace", knownvalue.Null()), is("id", knownvalue.StringExact(name)),
				statecheck.ExpectKnownValue(address, tfjsonpath.New("gpus").AtMapKey("nvidia.com/gpu"), atLeast(32)),
				statecheck.ExpectKnownValue(address, tfjsonpath.New("components").AtMapKey("nvidia-driver-daemonset").AtMapKey("image"), knownvalue.StringExact("nvcr.io/nvidia/driver:570")),
			},
		},
		resource.TestStep{ // the operator says "ready" of the policy as it was: the new driver is waited for
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            runs(false, "580"),
		},
		resource.TestStep{ // what is declared is put right, what Helm has set beside it stays
			PreConfig: func() {
				o.edit(name, func(spec map[string]any) {
					_ = unstructured.SetNestedField(spec, "571", "driver", "version")
					_ = unstructured.SetNestedField(spec, true, "gfd", "enabled")
				})
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check: resource.ComposeTestCheckFunc(runs(false, "580"), func(*terraform.State) error {
				if on, _, _ := unstructured.NestedBool(o.policy(name).Object, "spec", "gfd", "enabled"); !on {
					return errors.New("what Helm has set is gone")
				}
				return nil
			}),
		},
		resource.TestStep{ // pain 9: which program is missing where, and why
			ExpectError: testkit.Words("GPU stack", "nvidia-driver-ctr", "nvcr.io/nvidia/driver:581", "cannot be pulled"),
		},
		resource.TestStep{PlanOnly: true, ExpectNonEmptyPlan: true}, // pain 12: not "no changes" after a failure
		resource.TestStep{Check: runs(false, "582")},
		resource.TestStep{ // all that was declared of a program goes: its definition takes no null for it
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            runs(false, "582"),
		},
		resource.TestStep{ // one that somebody deleted is made again
			PreConfig: func() {
				remove(name)
				o.Until(t, "it is gone", func() bool { return o.policy(name) == nil })
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            runs(true, "582"),
		},
		resource.TestStep{
			ConfigDirectory:         tfconfig.StaticDirectory("testdata/TestAccOperator/9"),
			ResourceName:            address,
			ImportState:             true,
			ImportStateId:           name,
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"force_conflicts", "wait_for", "timeouts"},
		},
	)
}
