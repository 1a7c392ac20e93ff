package gpunodepool_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	kubedynamic "k8s.io/client-go/dynamic"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

var machineDeployments = schema.GroupVersionResource{Group: "cluster.x-k8s.io", Version: "v1beta2", Resource: "machinedeployments"}

// machines are the MachineDeployments of the test.
func (s *site) machines() kubedynamic.ResourceInterface {
	return s.dynamic().Resource(machineDeployments).Namespace(s.Namespace)
}

// clusterAPI makes a MachineDeployment and stands in for Cluster API, which no local
// cluster has: for each machine a node joins, and the status says so.
func (s *site) clusterAPI() {
	s.t.Helper()
	testkit.InstallCRD(s.t, s.Acceptance, "", "testdata/machinedeployments.yaml")
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": deployed, "metadata": map[string]any{"name": "gpu"},
		"spec": map[string]any{"clusterName": "c", "replicas": int64(1)},
	}}
	if _, err := s.machines().Create(s.t.Context(), o, metav1.CreateOptions{FieldManager: "kubectl-create"}); err != nil {
		s.t.Fatal(err)
	}
	events, err := s.machines().Watch(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(events.Stop)
	go func() {
		made := int64(1) // that of the site
		for e := range events.ResultChan() {
			o, ok := e.Object.(*unstructured.Unstructured)
			if !ok {
				continue
			}
			n, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
			for ; made < n; made++ {
				s.add(fmt.Sprint(made + 1))
			}
			status := map[string]any{"status": map[string]any{"observedGeneration": o.GetGeneration(), "replicas": n, "readyReplicas": n, "upToDateReplicas": n}}
			s.merge("gpu", status, "manager", "status")
		}
	}()
}

func (s *site) merge(name string, patch map[string]any, manager string, subresource ...string) {
	raw, err := (&unstructured.Unstructured{Object: patch}).MarshalJSON()
	if err == nil {
		_, err = s.machines().Patch(context.Background(), name, types.MergePatchType, raw, metav1.PatchOptions{FieldManager: manager}, subresource...)
	}
	if err != nil {
		s.t.Error(err)
	}
}

// TestAccMachines: a MachineDeployment is scaled, its nodes are labelled as they join,
// somebody else's number is drift, and the machines stay when the pool goes.
func TestAccMachines(t *testing.T) {
	t.Parallel()
	s := newSite(t, "1")
	s.clusterAPI()
	replicas := func(want int64) resource.TestCheckFunc {
		return func(*terraform.State) error {
			live, err := s.machines().Get(context.Background(), "gpu", metav1.GetOptions{})
			if err != nil {
				return err
			}
			if n, _, _ := unstructured.NestedInt64(live.Object, "spec", "replicas"); n != want {
				return fmt.Errorf("there are %d replicas, want %d", n, want)
			}
			return nil
		}
	}
	scale := func(n int64) func() {
		return func() {
			s.merge("gpu", map[string]any{"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": deployed, "spec": map[string]any{"replicas": n}}, "kubectl-scale")
			s.Until(t, "the machines are nodes", func() bool {
				live, err := s.machines().Get(t.Context(), "gpu", metav1.GetOptions{})
				if err != nil {
					return false
				}
				ready, _, _ := unstructured.NestedInt64(live.Object, "status", "readyReplicas")
				return ready == n
			})
		}
	}
	label := map[string]string{"accelerator": "nvidia-h100", "pool.mlk.dev/" + s.name("a"): "true"}
	s.run(func() error { return replicas(1)(nil) },
		resource.TestStep{Check: resource.ComposeTestCheckFunc(
			replicas(2), s.has("1", false, label), s.has("2", false, label), resource.TestCheckResourceAttr(address, "totals.nodes", "2"),
		)},
		resource.TestStep{
			ConfigDirectory: config.StaticDirectory("testdata/TestAccMachines/1"), PreConfig: scale(5),
			ConfigPlanChecks: action(address, plancheck.ResourceActionUpdate), Check: resource.ComposeTestCheckFunc(replicas(2), s.has("5", false, label)), // they go when Cluster API takes them
		},
		resource.TestStep{ConfigDirectory: config.StaticDirectory("testdata/TestAccMachines/2"), Check: replicas(1)},
	)
}
