package nodeagent_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
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

// others is the label of nodes that other tests make and remove meanwhile.
const others = "test.mlk.dev/nodes"

// nodes are those of the cluster with a label; "" for all.
func (s *site) nodes(selector string) []string {
	s.t.Helper()
	list, err := s.Kube.CoreV1().Nodes().List(s.t.Context(), metav1.ListOptions{LabelSelector: strings.TrimPrefix(selector+",!"+others, ",")})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for i := range list.Items {
		out = append(out, list.Items[i].Name)
	}
	return out
}

// readyPods are the nodes on which a pod of this image is ready.
func (s *site) readyPods(image string) []string {
	s.t.Helper()
	list, err := s.Kube.CoreV1().Pods(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for i := range list.Items {
		p := &list.Items[i]
		ready := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue })
		if ready && p.DeletionTimestamp == nil && p.Spec.Containers[0].Image == image {
			out = append(out, p.Spec.NodeName)
		}
	}
	return out
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
		got, want := s.readyPods(image), s.nodes(on)
		if len(want) == 0 || slices.ContainsFunc(want, func(node string) bool { return !slices.Contains(got, node) }) {
			return fmt.Errorf("pods of image %s are ready on %v, want %v", image, got, want)
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

func status(attribute string, want knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New("status").AtMapKey(attribute), want)
}

// atLeast takes a number of nodes with a label: there may be more meanwhile.
func (s *site) atLeast(selector string) knownvalue.Check {
	want := len(s.nodes(selector))
	return knownvalue.Int32Func(func(n int32) error {
		if int(n) < want {
			return fmt.Errorf("%d nodes, want at least %d", n, want)
		}
		return nil
	})
}

const gpuNodes = "nvidia.com/gpu.present=true"

func TestAccLife(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run(
		resource.TestStep{ // one line makes the exporter of GPU metrics, on nodes with GPUs
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            s.runs(true, "nvcr.io/nvidia/k8s/dcgm-exporter:4.5.3-4.8.2-distroless", gpuNodes, "Cluster"),
			ConfigStateChecks: []statecheck.StateCheck{
				status("phase", knownvalue.StringExact("Ready")), is("matching_nodes", s.atLeast(gpuNodes)), is("ready_nodes", s.atLeast(gpuNodes)),
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
			ConfigStateChecks: []statecheck.StateCheck{is("ready_nodes", s.atLeast(""))},
		},
		resource.TestStep{ // nobody waits for pods that change when they are deleted
			ConfigPlanChecks:  plans(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{status("message", knownvalue.StringRegexp(regexp.MustCompile(`^On \d+ of \d+ nodes the agent is of an earlier revision until somebody deletes its pod, as update_strategy asks$`)))},
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
func TestAccNoNodes(t *testing.T) { // pain 17
	t.Parallel()
	s := newSite(t)
	s.run(resource.TestStep{ConfigStateChecks: []statecheck.StateCheck{
		status("phase", knownvalue.StringExact("Idle")), status("message", knownvalue.StringExact("No node matches; the agent comes with the first one that does")), is("matching_nodes", knownvalue.Int32Exact(0)),
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
