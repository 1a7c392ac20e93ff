package trainingjob_test

import (
	"testing"
	"time"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// accuracy is the result that the runs of these tests report.
func accuracy() statecheck.StateCheck {
	return is("result", knownvalue.MapExact(map[string]knownvalue.Check{"accuracy": knownvalue.StringExact("0.93")}))
}

func TestAccTTLDoesNotRunAgain(t *testing.T) { // pain 1
	t.Parallel()
	s := newSite(t)
	collected := func() { s.until("the TTL collects the Job", func() bool { return len(s.jobs()) == 0 }) }
	noJob := func(*terraform.State) error {
		for _, j := range s.jobs() {
			t.Errorf("job %s was made", j.Name)
		}
		return nil
	}
	var first string
	s.run(
		resource.TestStep{
			ConfigStateChecks: []statecheck.StateCheck{phase("Complete"), accuracy()},
			Check: s.onJob(func(j *batchv1.Job) error {
				first = j.Name
				return nil
			}),
		},
		resource.TestStep{
			PreConfig:         collected,
			ConfigPlanChecks:  plans(plancheck.ResourceActionNoop),
			ConfigStateChecks: []statecheck.StateCheck{phase("Complete"), accuracy()},
			Check:             noJob,
		},
		resource.TestStep{ // a label changes the state only
			ConfigPlanChecks:  plans(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{phase("Complete"), accuracy()},
			Check:             noJob,
		},
		resource.TestStep{
			ConfigPlanChecks:  plans(plancheck.ResourceActionReplace),
			ConfigStateChecks: []statecheck.StateCheck{phase("Complete"), accuracy()},
			Check:             s.onJob(labelled("team", "vision"), says("old name", func(j *batchv1.Job) bool { return j.Name == first }, false)),
		},
	)
}

func TestAccTTLZero(t *testing.T) { // pain 2
	t.Parallel()
	s := newSite(t)
	s.run(resource.TestStep{
		ConfigDirectory:   tfconfig.TestNameDirectory(),
		ConfigStateChecks: []statecheck.StateCheck{phase("Complete"), accuracy(), is("completion_time", knownvalue.NotNull())},
		Check: func(*terraform.State) error {
			s.until("the TTL collects the Job", func() bool { return len(s.jobs()) == 0 })
			return nil
		},
	})
}

// Without a TTL a finished run that somebody tidies away is as finished.
func TestAccFinishedRunIsNotRunAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	here := tfconfig.TestNameDirectory()
	s.run(
		resource.TestStep{ConfigDirectory: here, ConfigStateChecks: []statecheck.StateCheck{phase("Complete")}},
		resource.TestStep{
			PreConfig:         s.deleteJob,
			ConfigDirectory:   here,
			ConfigPlanChecks:  plans(plancheck.ResourceActionNoop),
			ConfigStateChecks: []statecheck.StateCheck{phase("Complete"), accuracy()},
		},
	)
}

func TestAccDeletedRunIsPlannedAgain(t *testing.T) { // pain 3
	t.Parallel()
	s := newSite(t)
	var id identity
	here := tfconfig.TestNameDirectory()
	s.run(
		resource.TestStep{ConfigDirectory: here, Check: s.onJob(id.remember)},
		resource.TestStep{
			PreConfig:         s.deleteJob,
			ConfigDirectory:   here,
			ConfigPlanChecks:  plans(plancheck.ResourceActionCreate),
			ConfigStateChecks: []statecheck.StateCheck{phase("Running")},
			Check:             s.onJob(id.another),
		},
	)
}

// core is Terraform's stand-in for what must happen between two of its steps.
func (s *site) core() *testkit.Core {
	s.t.Helper()
	return testkit.NewCore(s.t, provider.New("test")(), map[string]any{}, "mlk_training_job")
}

// config is a configuration for the core: a run that does what simulate says.
func (s *site) config(simulate string, more config) config {
	c := config{"name": "train", "namespace": s.Namespace, "image": "pytorch/pytorch:2.1", "pod_annotations": config{"mlk.dev/simulate": simulate}}
	merge(c, more)
	return c
}

// The end of the run is not seen by anybody: it finishes and is collected
// between two commands.
func TestAccTTLUnseen(t *testing.T) { // pain 1
	t.Parallel()
	s := newSite(t)
	core := s.core()
	c := s.config("succeed:after=1s", config{"wait_for": "created", "ttl_seconds_after_finished": 1})
	must(t, core.Apply(t.Context(), c))
	s.until("the TTL collects the Job", func() bool { return len(s.jobs()) == 0 })
	out := must(t, core.Refresh(t.Context()))
	if want := "Nobody saw how training job \"train\" ended"; !words(want).MatchString(out.Warnings()) {
		t.Errorf("warnings: %q, want %q", out.Warnings(), want)
	}
	if status, ok := core.Attribute("status").(map[string]any); !ok || status["phase"] != "Unknown" {
		t.Errorf("status: %v", core.Attribute("status"))
	}
	if out := must(t, core.Plan(t.Context(), c)); out.Changed {
		t.Errorf("planned again: %v", out.Planned)
	}
	must(t, core.Apply(t.Context(), nil))
}

// The run is deleted with its namespace: no TTL explains that.
func TestAccDeletedNamespace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	core := s.core()
	must(t, core.Apply(t.Context(), s.config("run", config{"ttl_seconds_after_finished": 0})))
	namespaces := s.Kube.CoreV1().Namespaces()
	if err := namespaces.Delete(t.Context(), s.Namespace, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	s.until("the namespace goes, and a TTL would have passed", func() bool {
		_, err := namespaces.Get(t.Context(), s.Namespace, metav1.GetOptions{})
		return apierrors.IsNotFound(err) && time.Since(started) > time.Second
	})
	must(t, core.Refresh(t.Context()))
	if !core.State.IsNull() {
		t.Errorf("the run is still in the state: %v", core.State)
	}
}

// must ends the test when a call failed.
func must(t *testing.T, out testkit.Outcome) testkit.Outcome {
	t.Helper()
	if msg := out.Errors(); msg != "" {
		t.Fatal(msg)
	}
	return out
}
