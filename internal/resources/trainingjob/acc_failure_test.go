package trainingjob_test

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
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// Every failure says in one go what somebody woken at night needs: which pod
// and container, what the cluster said of it, and which attribute is at fault.
func TestAccFailures(t *testing.T) { // pains 8, 12, 13
	t.Parallel()
	const tainted = "run `terraform untaint"
	for name, want := range map[string][]string{
		"TooManyGPUs": {
			"is not running after 4s: no node has 16 GPUs", "(gpu.count)",
			"cannot be scheduled. It asks for 16 GPUs (nvidia.com/gpu)", "2 Insufficient nvidia.com/gpu", tainted, "Lower gpu.count",
		},
		"ExitCode": {
			"failed: container main exited with code 1", "Container main of Pod", "ended with exit code 1", "does not try again (backoffLimit 0)",
			"no such data set: s3://data/2026-11", "Last lines of its log:", "Traceback (most recent call last)", tainted,
		},
		// A container that ends within seconds has never been running.
		"EarlyExit":   {"failed: container main exited with code 3", "unknown option --epoch", tainted},
		"OOMKilled":   {"failed: container main exceeded its memory limit", `(resources.limits["memory"])`, "its memory limit of 64Gi (OOMKilled, exit code 137)", tainted},
		"ImagePull":   {"failed: the image of container main does not exist", `image = "pytorch/pytorch:2.l"`, "cannot be pulled onto node", "not found", tainted},
		"CrashLoop":   {"failed: container main exited with code 1", "It has ended twice in this pod", "ModuleNotFoundError: No module named torch", tainted},
		"ConfigError": {`failed: secret hf of container main does not exist`, `(env_value_from["HF_TOKEN"])`, "This has been so for 1m", `secret "hf" not found`, tainted},
		"Deadline":    {"failed: the Job ran longer than its deadline", "active_deadline_seconds = 2", "was stopped after 2s", tainted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.run(resource.TestStep{ConfigDirectory: tfconfig.TestNameDirectory(), ExpectError: words(want...)})
		})
	}
}

// A failed run is not forgotten: the plan after it is not empty, tainted or not.
func TestAccUntainted(t *testing.T) { // pain 9
	t.Parallel()
	s := newSite(t)
	cli := testkit.NewCLI(t, "testdata/TestAccUntainted", "namespace", s.Namespace)
	if out := cli.Apply(); out.Code == 0 || !out.Says("Insufficient nvidia.com/gpu") {
		t.Fatal(out)
	}
	if !cli.State()[address].Tainted {
		t.Error("the failed run is not tainted")
	}
	id := s.job().UID
	if out := cli.Plan(); out.Code != 2 || !out.Says("is tainted, so must be replaced") {
		t.Errorf("a tainted run: %s", out)
	}
	if out := cli.Run("untaint", address); out.Code != 0 {
		t.Fatal(out)
	}
	if out := cli.Plan(); out.Code != 2 || !out.Says("will be updated in-place") || !out.Says("status = {") {
		t.Errorf("an untainted run: %s", out)
	}
	if out := cli.Apply(); out.Code == 0 || !out.Says("Insufficient nvidia.com/gpu") || !out.Says("the next plan waits for it again") {
		t.Errorf("the second apply: %s", out)
	}
	if s.job().UID != id || cli.State()[address].Tainted {
		t.Error("the run was made anew, or tainted again")
	}
	if out := cli.Destroy(); out.Code != 0 || len(s.jobs()) != 0 {
		t.Errorf("%d jobs are left: %s", len(s.jobs()), out)
	}
}

func TestAccKeptOnFailure(t *testing.T) { // pain 9
	t.Parallel()
	s := newSite(t)
	var id identity
	waits := plancheck.ExpectUnknownValue(address, tfjsonpath.New("status"))
	here := tfconfig.TestNameDirectory()
	s.run(
		resource.TestStep{
			ConfigDirectory:    here,
			Check:              s.onJob(id.remember),
			ConfigStateChecks:  []statecheck.StateCheck{phase("Pending")},
			ConfigPlanChecks:   resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{waits, plancheck.ExpectResourceAction(address, plancheck.ResourceActionUpdate)}},
			ExpectNonEmptyPlan: true,
		},
		resource.TestStep{ // the cluster gets what was missing, and the wait that was open ends well
			PreConfig:         s.labelNode,
			ConfigDirectory:   here,
			ConfigPlanChecks:  plans(plancheck.ResourceActionUpdate),
			Check:             s.onJob(id.same),
			ConfigStateChecks: []statecheck.StateCheck{phase("Running")},
		},
	)
}

// labelNode gives one node a label named like the namespace, for this test.
func (s *site) labelNode() {
	s.t.Helper()
	nodes, err := s.Kube.CoreV1().Nodes().List(s.t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) == 0 {
		s.t.Fatal("no node: ", err)
	}
	name := nodes.Items[0].Name
	set := func(value string) {
		patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%s}}}`, s.Namespace, value)
		// The clean-up runs when the test's context has ended.
		if _, err := s.Kube.CoreV1().Nodes().Patch(cleanup(s.t), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			s.t.Error(err)
		}
	}
	s.t.Cleanup(func() { set("null") })
	set(`"yes"`)
}

func TestAccRetriedExit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run(resource.TestStep{ // completed leaves retries to the cluster
		ConfigDirectory:   tfconfig.TestNameDirectory(),
		ConfigStateChecks: []statecheck.StateCheck{phase("Complete")},
		Check: func(*terraform.State) error {
			for _, p := range s.pods() {
				if n := p.Status.ContainerStatuses[0].RestartCount; n != 3 {
					return fmt.Errorf("%d restarts, want 3", n)
				}
			}
			return nil
		},
	})
}

func TestAccWaitFor(t *testing.T) { // pains 11, 19
	t.Parallel()
	pod := func(want corev1.PodPhase, node bool) func(s *site) error {
		return func(s *site) error {
			for _, p := range s.pods() {
				if p.Status.Phase != want || (p.Spec.NodeName != "") != node {
					return fmt.Errorf("pod %s is %s on node %q, want %s", p.Name, p.Status.Phase, p.Spec.NodeName, want)
				}
			}
			return nil
		}
	}
	for level, check := range map[string]func(*site) error{
		"created":   pod(corev1.PodPending, false),
		"scheduled": pod(corev1.PodPending, true),
		"running":   pod(corev1.PodRunning, true),
		"completed": pod(corev1.PodSucceeded, true),
	} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.run(resource.TestStep{
				ConfigDirectory: tfconfig.TestNameDirectory(),
				Check:           func(*terraform.State) error { return check(s) },
			})
		})
	}
}

func TestAccSuspended(t *testing.T) { // pain 7
	t.Parallel()
	s := newSite(t)
	var id identity
	s.run(
		resource.TestStep{ // does not hang
			ConfigStateChecks: []statecheck.StateCheck{phase("Suspended"), is("start_time", knownvalue.Null())},
			Check:             s.onJob(id.remember, says("suspend", func(j *batchv1.Job) bool { return *j.Spec.Suspend }, true)),
		},
		resource.TestStep{
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{
				phase("Complete"), is("start_time", knownvalue.NotNull()), is("completion_time", knownvalue.NotNull()),
				is("result", knownvalue.MapExact(map[string]knownvalue.Check{"accuracy": knownvalue.StringExact("0.93")})),
			},
			Check: s.onJob(id.same),
		},
	)
}
