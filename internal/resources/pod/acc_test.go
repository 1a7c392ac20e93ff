package pod_test

import (
	"fmt"
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

const address = "mlk_pod.probe"

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
		if pods := s.pods(); len(pods) > 0 {
			return fmt.Errorf("pod %s is left behind", pods[0].Name)
		}
		return nil
	}, steps...)
}

func (s *site) pods() []corev1.Pod {
	s.t.Helper()
	list, err := s.Kube.CoreV1().Pods(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return list.Items
}

// edit changes the pod as somebody else would.
func (s *site) edit(patch string) {
	s.t.Helper()
	_, err := s.Kube.CoreV1().Pods(s.Namespace).
		Patch(s.t.Context(), "probe", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		s.t.Fatal(err)
	}
}

// remove deletes the pod as kubectl does, and waits until it is gone.
func (s *site) remove() {
	s.t.Helper()
	now := int64(0)
	if err := s.Kube.CoreV1().Pods(s.Namespace).Delete(s.t.Context(), "probe", metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		s.t.Fatal(err)
	}
	s.Until(s.t, "the pod goes", func() bool { return len(s.pods()) == 0 })
}

// one checks the only pod, and whether it is the one of the check before.
func (s *site) one(another bool, checks ...func(corev1.Pod) error) resource.TestCheckFunc {
	return func(*terraform.State) error {
		pods := s.pods()
		if len(pods) != 1 {
			return fmt.Errorf("%d pods, want 1", len(pods))
		}
		if (pods[0].UID != s.uid) != another {
			return fmt.Errorf("another pod: %v, want %v", !another, another)
		}
		s.uid = pods[0].UID
		for _, check := range checks {
			if err := check(pods[0]); err != nil {
				return err
			}
		}
		return nil
	}
}

func says(what string, get func(corev1.Pod) string, want string) func(corev1.Pod) error {
	return func(p corev1.Pod) error {
		if got := get(p); got != want {
			return fmt.Errorf("%s is %q, want %q", what, got, want)
		}
		return nil
	}
}

func label(key, want string) func(corev1.Pod) error {
	return says("label "+key, func(p corev1.Pod) string { return p.Labels[key] }, want)
}

func image(want string) func(corev1.Pod) error {
	return says("image", func(p corev1.Pod) string { return p.Spec.Containers[0].Image }, want)
}

func plans(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, action)}}
}

func is(attribute string, want knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New(attribute), want)
}

func phase(want string) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New("status").AtMapKey("phase"), knownvalue.StringExact(want))
}

func TestAccLife(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run(
		resource.TestStep{ // pain 8: the log of what has run is there to read
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            s.one(true),
			ConfigStateChecks: []statecheck.StateCheck{
				phase("Succeeded"), is("exit_code", knownvalue.Int32Exact(0)), is("node", knownvalue.NotNull()),
				is("completion_time", knownvalue.NotNull()), is("start_time", knownvalue.NotNull()),
				is("result", knownvalue.MapExact(map[string]knownvalue.Check{"gpus": knownvalue.StringExact("2")})),
				is("log", knownvalue.StringExact("found 2 GPUs\ndone\n")),
			},
		},
		resource.TestStep{ // in place
			ConfigPlanChecks:  plans(plancheck.ResourceActionUpdate),
			Check:             s.one(false, label("team", "vision"), label("tier", "test")),
			ConfigStateChecks: []statecheck.StateCheck{phase("Succeeded"), is("log", knownvalue.StringExact("done\n"))},
		},
		resource.TestStep{ // another spec is another pod
			ConfigPlanChecks:  plans(plancheck.ResourceActionReplace),
			Check:             s.one(true, image("busybox:1.37"), label("team", "vision")),
			ConfigStateChecks: []statecheck.StateCheck{phase("Running"), is("log", knownvalue.Null()), is("exit_code", knownvalue.Null())},
		},
		resource.TestStep{ // what mlk does not own stays; what it owns is put right
			PreConfig:        func() { s.edit(`{"metadata":{"labels":{"seen":"yes","team":"language"}}}`) },
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            s.one(false, label("team", "vision"), label("seen", "yes")),
		},
		resource.TestStep{ // Kubernetes lets somebody change an image
			PreConfig:        func() { s.edit(`{"spec":{"containers":[{"name":"main","image":"busybox:1.35"}]}}`) },
			ConfigPlanChecks: plans(plancheck.ResourceActionReplace),
			Check:            s.one(true, image("busybox:1.37")),
		},
		resource.TestStep{ // a pod that had not ended is made again
			PreConfig:        s.remove,
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            s.one(true),
		},
		resource.TestStep{
			ConfigDirectory:         tfconfig.StaticDirectory("testdata/TestAccLife/6"),
			ResourceName:            address,
			ImportState:             true,
			ImportStateId:           s.Namespace + "/probe",
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"force_conflicts", "labels", "pod_labels", "pod_annotations", "annotations", "labels_all", "annotations_all"}, // a pod's own are its object's
		},
	)
}

// A pod that has ended and is gone since is not run again by accident.
func TestAccKeptWhenGone(t *testing.T) { // pain 1
	t.Parallel()
	s := newSite(t)
	here := tfconfig.TestNameDirectory()
	s.run(
		resource.TestStep{ConfigDirectory: here, Check: s.one(true)},
		resource.TestStep{
			PreConfig:         s.remove,
			ConfigDirectory:   here,
			ConfigPlanChecks:  plans(plancheck.ResourceActionNoop),
			ConfigStateChecks: []statecheck.StateCheck{phase("Succeeded"), is("exit_code", knownvalue.Int32Exact(0))},
		},
	)
}

func TestAccFailures(t *testing.T) { // pains 8, 12, 13
	t.Parallel()
	const tainted = "run `terraform untaint mlk_pod."
	for name, want := range map[string][]string{
		"ExitCode":    {"failed: container main exited with code 3", "Container main of Pod", "no GPU found", "Last lines of its log:", tainted},
		"CrashLoop":   {"failed: container main exited with code 1", "It has ended twice", "no GPU found", tainted},
		"TooManyGPUs": {"is not running after 4s: no node has 16 GPUs", "(gpu.count)", "cannot be scheduled", tainted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.run(resource.TestStep{ConfigDirectory: tfconfig.TestNameDirectory(), ExpectError: testkit.Words(want...)})
		})
	}
}
