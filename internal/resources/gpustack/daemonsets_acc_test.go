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
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	kubedynamic "k8s.io/client-go/dynamic"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// TestAccDaemonSets runs before TestAccOperator: a ClusterPolicy is what its plan
// looks for.
func TestAccDaemonSets(t *testing.T) { //nolint:paralleltest // a cluster with a ClusterPolicy takes no stack beside it
	acc := testkit.NewAcceptance(t)
	testkit.InstallCRD(t, acc, "", "testdata/clusterpolicies.yaml")
	dynamic, err := kubedynamic.NewForConfig(acc.Config)
	if err != nil {
		t.Fatal(err)
	}
	sets := acc.Kube.AppsV1().DaemonSets(acc.Namespace)
	get := func(name string) *appsv1.DaemonSet {
		set, err := sets.Get(context.Background(), name, metav1.GetOptions{})
		if err != nil {
			return nil
		}
		return set
	}
	var uid types.UID
	// runs checks the device plugin, and whether the two others are there.
	runs := func(another bool, image string, others bool) resource.TestCheckFunc {
		return func(*terraform.State) error {
			set := get("gpus")
			if set == nil || (set.UID != uid) != another {
				return fmt.Errorf("the device plugin is %v, another: want %v", set, another)
			}
			uid = set.UID
			if s := set.Status; set.Spec.Template.Spec.Containers[0].Image != image || s.DesiredNumberScheduled < 4 || s.NumberReady != s.DesiredNumberScheduled || s.UpdatedNumberScheduled != s.DesiredNumberScheduled {
				return fmt.Errorf("image %s, %+v, want %s", set.Spec.Template.Spec.Containers[0].Image, s, image)
			}
			_, service := acc.Kube.CoreV1().Services(acc.Namespace).Get(t.Context(), "gpus-dcgm-exporter", metav1.GetOptions{})
			_, class := acc.Kube.NodeV1().RuntimeClasses().Get(t.Context(), acc.Namespace, metav1.GetOptions{})
			there := get("gpus-gpu-feature-discovery") != nil && get("gpus-dcgm-exporter") != nil && service == nil && class == nil
			gone := get("gpus-gpu-feature-discovery") == nil && get("gpus-dcgm-exporter") == nil && apierrors.IsNotFound(service) && apierrors.IsNotFound(class)
			if others && !there || !others && !gone {
				return errors.Join(fmt.Errorf("the other programs should be there: %v", others), service, class)
			}
			return nil
		}
	}
	other := acc.Kube.AppsV1().DaemonSets("kube-system")
	otherName := acc.Namespace + "-plugin"
	policy := func() *unstructured.Unstructured {
		empty := func() any { return map[string]any{} }
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy", "metadata": map[string]any{"name": acc.Namespace}, "spec": map[string]any{
			"operator": empty(), "daemonsets": empty(), "driver": empty(), "toolkit": empty(), "devicePlugin": empty(), "dcgmExporter": empty(), "dcgm": empty(), "nodeStatusExporter": empty(), "gfd": empty(),
		}}}
	}
	t.Cleanup(func() {
		_ = other.Delete(context.Background(), otherName, metav1.DeleteOptions{})
		_ = dynamic.Resource(policies).Delete(context.Background(), acc.Namespace, metav1.DeleteOptions{})
	})
	const image = "nvcr.io/nvidia/k8s-device-plugin:"
	acc.Run(t, testkit.Providers(provider.New("test")), func() error {
		if get("gpus") != nil {
			return errors.New("the device plugin is left behind")
		}
		return nil
	},
		resource.TestStep{ // the operator has a device plugin on these nodes
			PreConfig: func() {
				if _, err := dynamic.Resource(policies).Create(t.Context(), policy(), metav1.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			PlanOnly:    true,
			ExpectError: testkit.Words("The GPU Operator runs a device plugin already, by ClusterPolicy", `mode = "operator"`),
		},
		resource.TestStep{ // somebody has
			PreConfig: func() {
				if err := dynamic.Resource(policies).Delete(t.Context(), acc.Namespace, metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				labels := map[string]string{"name": otherName}
				_, err := other.Create(t.Context(), &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: otherName}, Spec: appsv1.DaemonSetSpec{
					Selector: &metav1.LabelSelector{MatchLabels: labels},
					Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "plugin", Image: image + "v0.15.0"}}}},
				}}, metav1.CreateOptions{})
				if err != nil {
					t.Fatal(err)
				}
			},
			PlanOnly:    true,
			ExpectError: testkit.Words("is a device plugin for the same GPUs", "terraform import mlk_gpu_stack.<name> kube-system/"+otherName, "node_selector"),
		},
		resource.TestStep{
			PreConfig: func() {
				if err := other.Delete(t.Context(), otherName, metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            runs(true, image+"v0.20.0", true),
			ConfigStateChecks: []statecheck.StateCheck{
				phase("Ready"), is("id", knownvalue.StringExact(acc.Namespace+"/gpus")),
				statecheck.ExpectKnownValue(address, tfjsonpath.New("gpus").AtMapKey("nvidia.com/gpu"), atLeast(32)),
				statecheck.ExpectKnownValue(address, tfjsonpath.New("components").AtMapKey("gpus-dcgm-exporter").AtMapKey("image"), knownvalue.StringExact("nvcr.io/nvidia/k8s/dcgm-exporter:4.5.3-4.8.2-distroless")),
			},
		},
		resource.TestStep{ // in place, on all nodes; what is no longer asked for goes
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            runs(false, image+"v0.19.3", false),
		},
		resource.TestStep{ // what it makes is put right, what others have set beside it stays
			PreConfig: func() {
				patch := `{"metadata":{"labels":{"seen":"yes"}},"spec":{"template":{"spec":{"containers":[{"name":"nvidia-device-plugin-ctr","image":"plugin:other"}]}}}}`
				if _, err := sets.Patch(t.Context(), "gpus", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
					t.Fatal(err)
				}
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check: resource.ComposeTestCheckFunc(runs(false, image+"v0.19.3", false), func(*terraform.State) error {
				if get("gpus").Labels["seen"] != "yes" {
					return errors.New("what others have set is gone")
				}
				return nil
			}),
		},
		resource.TestStep{ExpectError: testkit.Words("GPU stack", "(device_plugin.version)", image+"v0.0.0", "nvidia-device-plugin-ctr", "cannot be pulled")},
		resource.TestStep{ // a DaemonSet that somebody deleted is made again
			PreConfig: func() {
				if err := sets.Delete(t.Context(), "gpus", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            runs(true, image+"v0.20.0", false),
		},
		resource.TestStep{
			ConfigDirectory:         tfconfig.StaticDirectory("testdata/TestAccDaemonSets/7"),
			ResourceName:            address,
			ImportState:             true,
			ImportStateId:           acc.Namespace + "/gpus",
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"force_conflicts", "wait_for", "timeouts"},
		},
		resource.TestStep{ // the nodes' image has brought a RuntimeClass of that name
			PreConfig: func() {
				class := &nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: acc.Namespace}, Handler: "nvidia-cdi"}
				if _, err := acc.Kube.NodeV1().RuntimeClasses().Create(t.Context(), class, metav1.CreateOptions{FieldManager: "node-image"}); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					_ = acc.Kube.NodeV1().RuntimeClasses().Delete(context.Background(), acc.Namespace, metav1.DeleteOptions{})
				})
			},
			ConfigDirectory: tfconfig.StaticDirectory("testdata/TestAccDaemonSets/3"),
			PlanOnly:        true,
			ExpectError: testkit.Words("RuntimeClass "+acc.Namespace+" already exists and is not managed by this resource", `created by "node-image"`, `handler is "nvidia-cdi"`,
				`asks for "nvidia"`, "create = false"),
		},
	)
}
