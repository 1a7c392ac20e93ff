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
)

func TestAccLife(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run(resource.TestStep{
		ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
		ConfigStateChecks: []statecheck.StateCheck{
			phase("Complete"),
			is("result", knownvalue.MapExact(map[string]knownvalue.Check{"accuracy": knownvalue.StringExact("0.93")})),
			is("start_time", knownvalue.NotNull()), is("completion_time", knownvalue.NotNull()),
			statecheck.ExpectKnownOutputValue("accuracy", knownvalue.StringExact("0.93")),
			statecheck.ExpectKnownValue(address, tfjsonpath.New("objects").AtSliceIndex(0).AtMapKey("uid"), knownvalue.NotNull()),
		},
		Check: func(state *terraform.State) error {
			run := state.RootModule().Resources[address].Primary.Attributes["run_name"]
			return s.onJob(
				says("name", func(j *batchv1.Job) string { return j.Name }, run),
				says("count of succeeded pods", func(j *batchv1.Job) int32 { return j.Status.Succeeded }, 1),
				says("ownership", func(j *batchv1.Job) bool { return j.Labels[ownerLabel] != "" }, true),
			)(state)
		},
	})
}

func TestAccUpdateInPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var id identity
	backoff := func(want int32) func(*batchv1.Job) error {
		return says("backoffLimit", func(j *batchv1.Job) int32 { return value(j.Spec.BackoffLimit) }, want)
	}
	ttl := func(want int32) func(*batchv1.Job) error { // pain 4
		return says("ttlSecondsAfterFinished", func(j *batchv1.Job) int32 { return value(j.Spec.TTLSecondsAfterFinished) }, want)
	}
	deadline := func(want int64) func(*batchv1.Job) error {
		return says("activeDeadlineSeconds", func(j *batchv1.Job) int64 { return value(j.Spec.ActiveDeadlineSeconds) }, want)
	}
	suspended := func(want bool) func(*batchv1.Job) error {
		return says("suspend", func(j *batchv1.Job) bool { return *j.Spec.Suspend }, want)
	}
	update := plans(plancheck.ResourceActionUpdate)
	s.run(
		resource.TestStep{
			Check:             s.onJob(id.remember, backoff(6), ttl(-1), suspended(false)),
			ConfigStateChecks: []statecheck.StateCheck{phase("Running")},
		},
		resource.TestStep{
			ConfigPlanChecks: update,
			Check:            s.onJob(id.same, labelled("team", "vision"), backoff(0), ttl(600), deadline(3600)),
		},
		resource.TestStep{ // does not wait for a run that it has suspended itself
			ConfigPlanChecks:  update,
			Check:             s.onJob(id.same, suspended(true), ttl(0), deadline(-1)),
			ConfigStateChecks: []statecheck.StateCheck{phase("Suspended")},
		},
		resource.TestStep{
			PreConfig:         func() { s.until("the pods of the suspended run go", func() bool { return len(s.pods()) == 0 }) },
			ConfigPlanChecks:  update,
			Check:             s.onJob(id.same, suspended(false), labelled("team", "language")),
			ConfigStateChecks: []statecheck.StateCheck{phase("Running")},
		},
		resource.TestStep{ // what is no longer said goes
			ConfigPlanChecks: update,
			Check:            s.onJob(id.same, labelled("team", ""), backoff(6), ttl(-1)),
		},
	)
}

func TestAccReplace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var id identity
	replace := plans(plancheck.ResourceActionReplace)
	renamed := statecheck.CompareValue(differ{})
	name := func() statecheck.StateCheck { return renamed.AddStateValue(address, tfjsonpath.New("run_name")) }
	onlyItsPods := func(j *batchv1.Job) error {
		for _, p := range s.pods() {
			if p.Labels[batchv1.JobNameLabel] != j.Name {
				return fmt.Errorf("pod %s of the old run is still there", p.Name)
			}
		}
		return nil
	}
	s.run(
		resource.TestStep{Check: s.onJob(id.remember, hasImage("pytorch/pytorch:2.1")), ConfigStateChecks: []statecheck.StateCheck{name()}},
		resource.TestStep{
			ConfigPlanChecks:  replace,
			Check:             s.onJob(id.another, hasImage("pytorch/pytorch:2.2"), onlyItsPods),
			ConfigStateChecks: []statecheck.StateCheck{name(), phase("Running")},
		},
		resource.TestStep{ // pain 5
			ConfigPlanChecks: replace,
			Check: s.onJob(id.another, labelled("team", ""), says("label of the pods",
				func(j *batchv1.Job) string { return j.Spec.Template.Labels["team"] }, "vision")),
			ConfigStateChecks: []statecheck.StateCheck{name()},
		},
		resource.TestStep{
			ConfigPlanChecks:  replace,
			Check:             s.onJob(id.another),
			ConfigStateChecks: []statecheck.StateCheck{name()},
		},
	)
}

// differ wants each value to differ from the one before.
type differ struct{}

func (differ) CompareValues(values ...any) error {
	for i := 1; i < len(values); i++ {
		if values[i] == values[i-1] {
			return fmt.Errorf("still %v", values[i])
		}
	}
	return nil
}

func TestAccSameInOtherWords(t *testing.T) { // pain 32
	t.Parallel()
	s := newSite(t)
	var id identity
	s.run(
		resource.TestStep{Check: s.onJob(id.remember)},
		resource.TestStep{ConfigPlanChecks: plans(plancheck.ResourceActionNoop), Check: s.onJob(id.same)},
	)
}

// A run that is replaced without a change has the name of the old one again: a
// Job made anew over its old pods can stay without pods for ever.
func TestAccSameNameAgain(t *testing.T) { // pain 10
	t.Parallel()
	s := newSite(t)
	var id identity
	s.run(
		resource.TestStep{ConfigDirectory: tfconfig.TestNameDirectory(), Check: s.onJob(id.remember)},
		resource.TestStep{
			ConfigDirectory:   tfconfig.TestNameDirectory(),
			Taint:             []string{address},
			ConfigPlanChecks:  plans(plancheck.ResourceActionReplace),
			Check:             s.onJob(id.another),
			ConfigStateChecks: []statecheck.StateCheck{phase("Running")},
		},
	)
}
