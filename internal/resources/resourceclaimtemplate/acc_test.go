package resourceclaimtemplate_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	resourcev1 "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

const address = "mlk_resource_claim_template.gpu"

// site is an acceptance test at work in its namespace.
type site struct {
	*testkit.Acceptance
	t   *testing.T
	uid types.UID
}

func newSite(t *testing.T) *site {
	t.Helper()
	return &site{Acceptance: testkit.NewAcceptance(t), t: t}
}

func (s *site) run(steps ...resource.TestStep) {
	s.t.Helper()
	s.Run(s.t, testkit.Providers(provider.New("test")), func() error {
		if _, err := s.Kube.ResourceV1().ResourceClaimTemplates(s.Namespace).Get(s.t.Context(), "gpu", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return errors.Join(errors.New("the template is left behind"), err)
		}
		return nil
	}, steps...)
}

// asks checks the template, and whether it is the one of the check before.
func (s *site) asks(another bool, want ...string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		live, err := s.Kube.ResourceV1().ResourceClaimTemplates(s.Namespace).Get(s.t.Context(), "gpu", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if (live.UID != s.uid) != another {
			return fmt.Errorf("another template: %v, want %v", !another, another)
		}
		s.uid = live.UID
		var got []string
		for _, r := range live.Spec.Spec.Devices.Requests {
			got = append(got, fmt.Sprintf("%s: %s %d of %s", r.Name, r.Exactly.AllocationMode, r.Exactly.Count, r.Exactly.DeviceClassName))
		}
		if d := cmp.Diff(want, got); d != "" {
			return errors.New(d)
		}
		return nil
	}
}

func plans(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, action)}}
}

func TestAccLife(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const gpu = "gpu: ExactCount 1 of gpu.nvidia.com"
	s.run(
		resource.TestStep{ConfigPlanChecks: plans(plancheck.ResourceActionCreate), Check: s.asks(true, gpu)},
		resource.TestStep{ConfigPlanChecks: plans(plancheck.ResourceActionUpdate), Check: s.asks(false, gpu)}, // a label
		resource.TestStep{ // somebody else's label is theirs, ours is put right
			PreConfig: func() {
				_, err := s.Kube.ResourceV1().ResourceClaimTemplates(s.Namespace).Patch(t.Context(), "gpu", types.MergePatchType, []byte(`{"metadata":{"labels":{"seen":"yes","team":null}}}`), metav1.PatchOptions{FieldManager: "somebody"})
				if err != nil {
					t.Fatal(err)
				}
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check: resource.ComposeTestCheckFunc(s.asks(false, gpu), func(*terraform.State) error {
				live, err := s.Kube.ResourceV1().ResourceClaimTemplates(s.Namespace).Get(t.Context(), "gpu", metav1.GetOptions{})
				if err != nil || live.Labels["seen"] != "yes" || live.Labels["team"] != "a" {
					return errors.Join(fmt.Errorf("labels %v", live.Labels), err)
				}
				return nil
			}),
		},
		resource.TestStep{ // one that somebody deleted is made again
			PreConfig: func() {
				if err := s.Kube.ResourceV1().ResourceClaimTemplates(s.Namespace).Delete(t.Context(), "gpu", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            s.asks(true, gpu),
		},
		resource.TestStep{ConfigPlanChecks: plans(plancheck.ResourceActionReplace), Check: s.asks(true, "gpu: ExactCount 2 of gpu.nvidia.com", "all: All 0 of nic")},
		resource.TestStep{
			ConfigDirectory:         tfconfig.StaticDirectory("testdata/TestAccLife/6"),
			ResourceName:            address,
			ImportState:             true,
			ImportStateId:           s.Namespace + "/gpu",
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"force_conflicts", "wait_for"},
		},
	)
}

// A wrong expression is refused at plan, with its place.
func TestAccWrongExpression(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run(resource.TestStep{PlanOnly: true, ExpectError: testkit.Words("The CEL expression is wrong at line 1, column 44", "undefined field 'drivr'")})
}

// The scheduler takes an H100 where it can, else two A100, and who gets neither is
// told so.
func TestAccFirstAvailable(t *testing.T) { // pain 41
	t.Parallel()
	s := newSite(t)
	s.publish("H100", 1)
	s.publish("A100", 2)
	s.run(
		resource.TestStep{Check: resource.ComposeTestCheckFunc(s.allocated("first", "gpu/h100", "h100-0"), s.allocated("second", "gpu/a100", "a100-0", "a100-1"))},
		resource.TestStep{ExpectError: testkit.Words("third", "no node can meet the resource claims of a pod", "devices ", "cannot allocate all claims")},
	)
}

// publish writes what a driver would: the GPUs of a node that has such ones.
func (s *site) publish(product string, count int) {
	s.t.Helper()
	// Nodes that other tests make go meanwhile.
	nodes, err := s.Kube.CoreV1().Nodes().List(s.t.Context(), metav1.ListOptions{LabelSelector: "nvidia.com/gpu.product,!test.mlk.dev/nodes"})
	if err != nil {
		s.t.Fatal(err)
	}
	driver, kind := s.Namespace+".example.com", map[string]string{"H100": "NVIDIA-H100-80GB-HBM3", "A100": "NVIDIA-A100-SXM4-80GB"}[product]
	for _, n := range nodes.Items {
		if n.Labels["nvidia.com/gpu.product"] != kind {
			continue
		}
		slice := &resourcev1.ResourceSlice{
			ObjectMeta: metav1.ObjectMeta{Name: s.Namespace + "-" + n.Name},
			Spec: resourcev1.ResourceSliceSpec{
				Driver: driver, NodeName: &n.Name, Pool: resourcev1.ResourcePool{Name: n.Name, ResourceSliceCount: 1},
			},
		}
		for i := range count {
			slice.Spec.Devices = append(slice.Spec.Devices, resourcev1.Device{
				Name:       fmt.Sprintf("%s-%d", map[string]string{"H100": "h100", "A100": "a100"}[product], i),
				Attributes: map[resourcev1.QualifiedName]resourcev1.DeviceAttribute{"productName": {StringValue: ptr.To("NVIDIA " + product)}},
			})
		}
		if _, err := s.Kube.ResourceV1().ResourceSlices().Create(s.t.Context(), slice, metav1.CreateOptions{}); err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() {
			// The test's context has ended by now.
			if err := s.Kube.ResourceV1().ResourceSlices().Delete(context.Background(), slice.Name, metav1.DeleteOptions{}); err != nil {
				s.t.Error(err)
			}
		})
		return // one node of each sort
	}
	s.t.Fatalf("no node has %s", kind)
}

// allocated checks which devices the claim of a pod got, and by which request.
func (s *site) allocated(pod, request string, devices ...string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		p, err := s.Kube.CoreV1().Pods(s.Namespace).Get(s.t.Context(), pod, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if len(p.Status.ResourceClaimStatuses) != 1 || len(p.Spec.Containers[0].Resources.Claims) != 1 {
			return fmt.Errorf("pod %s has the claims %v, its container %v", pod, p.Status.ResourceClaimStatuses, p.Spec.Containers[0].Resources.Claims)
		}
		c, err := s.Kube.ResourceV1().ResourceClaims(s.Namespace).Get(s.t.Context(), *p.Status.ResourceClaimStatuses[0].ResourceClaimName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		var got []string
		for _, r := range c.Status.Allocation.Devices.Results {
			if r.Request != request {
				return fmt.Errorf("pod %s got %s, want %s", pod, r.Request, request)
			}
			got = append(got, r.Device)
		}
		if d := cmp.Diff(devices, got); d != "" {
			return fmt.Errorf("the devices of pod %s: %s", pod, d)
		}
		return nil
	}
}
