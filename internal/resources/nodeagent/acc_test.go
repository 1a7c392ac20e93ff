package nodeagent_test

import (
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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

const address = "mlk_node_agent.agent"

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
		_, set := s.Kube.AppsV1().DaemonSets(s.Namespace).Get(s.t.Context(), "agent", metav1.GetOptions{})
		_, service := s.Kube.CoreV1().Services(s.Namespace).Get(s.t.Context(), "agent", metav1.GetOptions{})
		if !apierrors.IsNotFound(set) || !apierrors.IsNotFound(service) {
			return errors.Join(errors.New("something is left behind"), set, service)
		}
		return nil
	}, steps...)
}

func (s *site) set() *appsv1.DaemonSet {
	s.t.Helper()
	set, err := s.Kube.AppsV1().DaemonSets(s.Namespace).Get(s.t.Context(), "agent", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return set
}

// nodes is how many nodes have a label; "" for all.
func (s *site) nodes(selector string) int32 {
	s.t.Helper()
	list, err := s.Kube.CoreV1().Nodes().List(s.t.Context(), metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		s.t.Fatal(err)
	}
	return int32(len(list.Items))
}

// edit changes the DaemonSet as somebody else would.
func (s *site) edit(patch string) {
	s.t.Helper()
	_, err := s.Kube.AppsV1().DaemonSets(s.Namespace).
		Patch(s.t.Context(), "agent", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		s.t.Fatal(err)
	}
}

// runs checks the DaemonSet and whether it is the one of the check before, that
// its pods of this image are ready on all nodes it should run on, and the policy
// of its Service; "" for no Service.
func (s *site) runs(another bool, image, on, policy string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		set := s.set()
		if (set.UID != s.uid) != another {
			return fmt.Errorf("another DaemonSet: %v, want %v", !another, another)
		}
		s.uid = set.UID
		want := s.nodes(on)
		if got := set.Spec.Template.Spec.Containers[0].Image; got != image || want == 0 || set.Status.NumberReady != want || set.Status.UpdatedNumberScheduled != want {
			return fmt.Errorf("image %s, %d pods of it and %d ready, want %s and %d", got, set.Status.UpdatedNumberScheduled, set.Status.NumberReady, image, want)
		}
		service, err := s.Kube.CoreV1().Services(s.Namespace).Get(s.t.Context(), "agent", metav1.GetOptions{})
		switch {
		case policy == "" && apierrors.IsNotFound(err):
			return nil
		case err != nil || policy == "":
			return errors.Join(errors.New("the Service"), err)
		case string(*service.Spec.InternalTrafficPolicy) != policy || service.Spec.Ports[0].Port != 9400:
			return fmt.Errorf("Service %v", service.Spec)
		}
		return nil
	}
}

func plans(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, action)}}
}

func is(attribute string, want knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New(attribute), want)
}

func status(attribute, want string) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New("status").AtMapKey(attribute), knownvalue.StringExact(want))
}

const gpuNodes = "nvidia.com/gpu.present=true"

func TestAccLife(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	all := s.nodes("")
	s.run(
		resource.TestStep{ // one line makes the exporter of GPU metrics, on nodes with GPUs
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            s.runs(true, "nvcr.io/nvidia/k8s/dcgm-exporter:4.5.3-4.8.2-distroless", gpuNodes, "Cluster"),
			ConfigStateChecks: []statecheck.StateCheck{
				status("phase", "Ready"), is("matching_nodes", knownvalue.Int32Exact(s.nodes(gpuNodes))), is("ready_nodes", knownvalue.Int32Exact(s.nodes(gpuNodes))),
			},
		},
		resource.TestStep{ // pain 16: an update is waited for on all nodes
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            s.runs(false, "exporter:2", gpuNodes, "Local"),
		},
		resource.TestStep{ // what the preset makes is put right, what others have set stays
			PreConfig: func() {
				s.edit(`{"metadata":{"labels":{"seen":"yes"}},"spec":{"minReadySeconds":1,"template":{"spec":{"containers":[{"name":"main","env":[{"name":"DCGM_EXPORTER_LISTEN","value":":1"}]}]}}}}`)
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check: resource.ComposeTestCheckFunc(s.runs(false, "exporter:2", gpuNodes, "Local"), func(*terraform.State) error {
				set := s.set()
				for _, e := range set.Spec.Template.Spec.Containers[0].Env {
					if e.Name == "DCGM_EXPORTER_LISTEN" && e.Value != ":9400" {
						return fmt.Errorf("the exporter listens at %s", e.Value)
					}
				}
				if set.Labels["seen"] != "yes" || set.Spec.MinReadySeconds != 1 {
					return fmt.Errorf("what others have set is gone: %v %d", set.Labels, set.Spec.MinReadySeconds)
				}
				return nil
			}),
		},
		resource.TestStep{ // a Service that somebody deleted is made again
			PreConfig: func() {
				if err := s.Kube.CoreV1().Services(s.Namespace).Delete(t.Context(), "agent", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            s.runs(false, "exporter:2", gpuNodes, "Local"),
		},
		resource.TestStep{ // pods known by other labels are another DaemonSet: on all nodes now, deep in them, without Service
			ConfigPlanChecks:  plans(plancheck.ResourceActionReplace),
			Check:             s.runs(true, "exporter:3", "", ""),
			ConfigStateChecks: []statecheck.StateCheck{is("ready_nodes", knownvalue.Int32Exact(all))},
		},
		resource.TestStep{ // nobody waits for pods that change when they are deleted
			ConfigPlanChecks:  plans(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{status("message", fmt.Sprintf("On %d of %d nodes the agent is of an earlier revision until somebody deletes its pod, as update_strategy asks", all, all))},
		},
		resource.TestStep{ // a DaemonSet that somebody deleted is made again
			PreConfig: func() {
				if err := s.Kube.AppsV1().DaemonSets(s.Namespace).Delete(t.Context(), "agent", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            s.runs(true, "exporter:4", "", ""),
		},
		resource.TestStep{
			ConfigDirectory:         tfconfig.StaticDirectory("testdata/TestAccLife/8"),
			ResourceName:            address,
			ImportState:             true,
			ImportStateId:           s.Namespace + "/agent",
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"force_conflicts", "wait_for"},
		},
	)
}

// An agent for nodes that are not there yet is done, and says so.
func TestAccNoNodes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run(resource.TestStep{ConfigStateChecks: []statecheck.StateCheck{
		status("phase", "Idle"), status("message", "No node matches; the agent comes with the first one that does"), is("matching_nodes", knownvalue.Int32Exact(0)),
	}})
}

// An update that fails stops at the first node, is not "no changes" afterwards,
// and is over with the next one.
func TestAccFailedUpdate(t *testing.T) { // pains 8, 9, 12, 13
	t.Parallel()
	s := newSite(t)
	s.run(
		resource.TestStep{Check: s.runs(true, "agent:1", "", "")},
		resource.TestStep{ExpectError: testkit.Words("failed: the image of container main", "agent:2", "cannot be pulled", "the next plan waits for it again")},
		resource.TestStep{PlanOnly: true, ExpectNonEmptyPlan: true},
		resource.TestStep{Check: s.runs(false, "agent:3", "", "")},
	)
}

// A cluster without the Prometheus Operator is told of at plan.
func TestAccNoMonitor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run(resource.TestStep{PlanOnly: true, ExpectError: testkit.Words("This cluster has no ServiceMonitors", "annotations")})
}
