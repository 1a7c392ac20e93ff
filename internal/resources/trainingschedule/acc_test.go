package trainingschedule_test

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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

const address = "mlk_training_schedule.nightly"

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
		list, err := s.Kube.BatchV1().CronJobs(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		services, err := s.Kube.CoreV1().Services(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		if n := len(list.Items) + len(services.Items); n > 0 {
			return fmt.Errorf("%d objects are left behind", n)
		}
		return nil
	}, steps...)
}

// edit changes the CronJob as somebody else would.
func (s *site) edit(patch string) {
	s.t.Helper()
	_, err := s.Kube.BatchV1().CronJobs(s.Namespace).
		Patch(s.t.Context(), "nightly", types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) remove() {
	s.t.Helper()
	if err := s.Kube.BatchV1().CronJobs(s.Namespace).Delete(s.t.Context(), "nightly", metav1.DeleteOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// on checks the CronJob, and whether it is the one of the check before.
func (s *site) on(another bool, checks ...func(*batchv1.CronJob) error) resource.TestCheckFunc {
	return func(*terraform.State) error {
		c, err := s.Kube.BatchV1().CronJobs(s.Namespace).Get(s.t.Context(), "nightly", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if (c.UID != s.uid) != another {
			return fmt.Errorf("another CronJob: %v, want %v", !another, another)
		}
		s.uid = c.UID
		for _, check := range checks {
			if err := check(c); err != nil {
				return err
			}
		}
		return nil
	}
}

func says(what string, get func(*batchv1.CronJob) any, want any) func(*batchv1.CronJob) error {
	return func(c *batchv1.CronJob) error {
		if got := get(c); got != want {
			return fmt.Errorf("%s is %v, want %v", what, got, want)
		}
		return nil
	}
}

func schedule(want string) func(*batchv1.CronJob) error {
	return says("schedule", func(c *batchv1.CronJob) any { return c.Spec.Schedule }, want)
}

func plans(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, action)}}
}

func (s *site) service(*batchv1.CronJob) error {
	_, err := s.Kube.CoreV1().Services(s.Namespace).Get(s.t.Context(), "nightly", metav1.GetOptions{})
	return err
}

func TestAccLife(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	next := statecheck.ExpectKnownValue(address, tfjsonpath.New("next_run"), knownvalue.NotNull())
	s.run(
		resource.TestStep{
			ConfigPlanChecks:  plans(plancheck.ResourceActionCreate),
			Check:             s.on(true, schedule("0 2 * * *"), says("time zone", func(c *batchv1.CronJob) any { return *c.Spec.TimeZone }, "Europe/Berlin")),
			ConfigStateChecks: []statecheck.StateCheck{next, statecheck.ExpectKnownValue(address, tfjsonpath.New("last_run"), knownvalue.Null())},
		},
		resource.TestStep{ // in place, what is no longer said goes, and the pod changes too
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check: s.on(false, schedule("@every 2h"), s.service,
				says("time zone", func(c *batchv1.CronJob) any { return c.Spec.TimeZone == nil }, true),
				says("image", func(c *batchv1.CronJob) any { return c.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Image }, "train:2"),
				says("parallelism", func(c *batchv1.CronJob) any { return *c.Spec.JobTemplate.Spec.Parallelism }, int32(2))),
			ConfigStateChecks: []statecheck.StateCheck{next},
		},
		resource.TestStep{ // what it owns is put right; what others set stays
			PreConfig: func() {
				s.edit(`{"metadata":{"labels":{"seen":"yes"}},"spec":{"schedule":"@daily","suspend":true,"startingDeadlineSeconds":60}}`)
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check: s.on(false, schedule("@every 2h"),
				says("label", func(c *batchv1.CronJob) any { return c.Labels["seen"] }, "yes"),
				says("suspend", func(c *batchv1.CronJob) any { return *c.Spec.Suspend }, true)),
		},
		resource.TestStep{
			PreConfig:        s.remove,
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            s.on(true, schedule("@every 2h"), s.service),
		},
		resource.TestStep{
			ConfigDirectory:         tfconfig.StaticDirectory("testdata/TestAccLife/4"),
			ResourceName:            address,
			ImportState:             true,
			ImportStateId:           s.Namespace + "/nightly",
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"force_conflicts", "next_run"}, // @every counts from now
		},
	)
}

// A run that failed shows in the state, and is a warning at each refresh.
func TestAccLastRun(t *testing.T) { // pain 8
	t.Parallel()
	s := newSite(t)
	cli := testkit.NewCLI(t, "testdata/TestAccLastRun/1", "namespace", s.Namespace)
	cli.MustApply()
	s.start("nightly-1")
	if out := cli.Run("apply", "-refresh-only", "-auto-approve", "-no-color", "-input=false"); out.Code != 0 || !out.Says("The last run of training schedule") || !out.Says("nightly-1") {
		t.Errorf("the refresh after a failed run: %s", out)
	}
	run, _ := cli.State()[address].Values["last_run"].(map[string]any)
	if run["outcome"] != "Failed" || run["name"] != "nightly-1" {
		t.Errorf("last_run is %v", run)
	}
	// Again while nothing changes, and without a change to make.
	if out := cli.Plan(); out.Code != 0 || !out.Says("Job has reached the specified backoff limit") {
		t.Errorf("the plan after it: %s", out)
	}
	if out := cli.Destroy(); out.Code != 0 {
		t.Error(out)
	}
}

// start makes a run as the controller would, and notes it in the CronJob as the
// controller does; it waits for the run to fail.
func (s *site) start(name string) {
	s.t.Helper()
	ctx := s.t.Context()
	c, err := s.Kube.BatchV1().CronJobs(s.Namespace).Get(ctx, "nightly", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(c, batchv1.SchemeGroupVersion.WithKind("CronJob"))}},
		Spec:       c.Spec.JobTemplate.Spec,
	}
	if job, err = s.Kube.BatchV1().Jobs(s.Namespace).Create(ctx, job, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	s.Until(s.t, "the run is noted", func() bool {
		c, err := s.Kube.BatchV1().CronJobs(s.Namespace).Get(ctx, "nightly", metav1.GetOptions{})
		if err != nil {
			return false
		}
		c.Status.LastScheduleTime = &job.CreationTimestamp
		_, err = s.Kube.BatchV1().CronJobs(s.Namespace).UpdateStatus(ctx, c, metav1.UpdateOptions{})
		return err == nil
	})
	s.Until(s.t, "the run fails", func() bool {
		j, err := s.Kube.BatchV1().Jobs(s.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false
		}
		for _, cond := range j.Status.Conditions {
			if cond.Type == batchv1.JobFailed {
				return true
			}
		}
		return false
	})
}

// What no cluster would take is said at plan.
func TestAccRefused(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"Schedule":       {`"0 25 * * *" is no schedule`, "above maximum (23)", "0 2 * * *"},
		"Never":          {`The schedule "0 0 31 2 *" is never due`},
		"Zone":           {`"Europe/Berln" is no time zone`, "IANA"},
		"Hosts":          {`launcher "mpi" cannot be scheduled`, "the hosts are not known", "mlk_training_job"},
		"Gang":           {"distributed.gang cannot be scheduled", "A PodGroup is of one run", "scheduling.queue"},
		"ZoneInSchedule": {"The time zone stands in the schedule", "set time_zone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.run(resource.TestStep{ConfigDirectory: tfconfig.TestNameDirectory(), PlanOnly: true, ExpectError: testkit.Words(want...)})
		})
	}
}
