package trainingjob_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	batchv1 "k8s.io/api/batch/v1"
)

// onlyChanges expects an update of exactly these attributes. Every update looks
// at status again, and may learn what was not known before.
type onlyChanges []string

func (want onlyChanges) CheckPlan(_ context.Context, req plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	for _, rc := range req.Plan.ResourceChanges {
		before, _ := rc.Change.Before.(map[string]any)
		after, _ := rc.Change.After.(map[string]any)
		unknown, _ := rc.Change.AfterUnknown.(map[string]any)
		var got []string
		for name, v := range before {
			learns := unknown[name] == true && v == nil
			if name != "status" && !learns && (unknown[name] == true || !reflect.DeepEqual(v, after[name])) {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || !rc.Change.Actions.Update() {
			resp.Error = fmt.Errorf("plan: %v of %q, want an update of %q", rc.Change.Actions, got, []string(want))
		}
	}
}

// What mlk does not own is nobody's business of ours, and stays as it is.
func TestAccForeignEdits(t *testing.T) { // pain 31
	t.Parallel()
	s := newSite(t)
	here := tfconfig.TestNameDirectory()
	var id identity
	steps := []resource.TestStep{{ConfigDirectory: here, Check: s.onJob(id.remember)}}
	for _, edit := range []string{
		`{"metadata":{"labels":{"kueue.x-k8s.io/queue-name":"research"}}}`,
		`{"metadata":{"annotations":{"note":"seen by somebody"}}}`,
		`{"metadata":{"finalizers":["example.com/audit"]}}`,
		`{"spec":{"backoffLimit":9}}`,
		`{"spec":{"activeDeadlineSeconds":7200}}`,
		`{"spec":{"parallelism":0}}`,
		`{"spec":{"suspend":true}}`,
	} {
		steps = append(steps, resource.TestStep{
			PreConfig:        func() { s.edit(edit) },
			ConfigDirectory:  here,
			ConfigPlanChecks: plans(plancheck.ResourceActionNoop),
		})
	}
	steps = append(steps, resource.TestStep{
		PreConfig:       func() { s.edit(`{"metadata":{"finalizers":null}}`) },
		ConfigDirectory: here,
		Check: s.onJob(id.same,
			labelled("kueue.x-k8s.io/queue-name", "research"), labelled("team", "vision"),
			says("annotation", func(j *batchv1.Job) string { return j.Annotations["note"] }, "seen by somebody"),
			says("backoffLimit", func(j *batchv1.Job) int32 { return value(j.Spec.BackoffLimit) }, 9),
			says("suspend", func(j *batchv1.Job) bool { return *j.Spec.Suspend }, true),
		),
	})
	s.run(steps...)
}

// What it owns shows as exactly the attribute that says it, and is put right.
func TestAccDrift(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	here := tfconfig.TestNameDirectory()
	var id identity
	steps := []resource.TestStep{{ConfigDirectory: here, Check: s.onJob(id.remember)}}
	for _, tc := range []struct {
		edit string
		want onlyChanges
	}{
		{`{"metadata":{"labels":{"team":"language"}}}`, onlyChanges{"labels"}},
		{`{"metadata":{"labels":{"team":null}}}`, onlyChanges{"labels"}},
		{`{"metadata":{"annotations":{"contact":"nobody@example.com"}}}`, onlyChanges{"annotations"}},
		{`{"spec":{"backoffLimit":9}}`, onlyChanges{"backoff_limit"}},
		{`{"spec":{"ttlSecondsAfterFinished":1}}`, onlyChanges{"ttl_seconds_after_finished"}},
		{`{"spec":{"ttlSecondsAfterFinished":null}}`, onlyChanges{"ttl_seconds_after_finished"}},
		{`{"spec":{"activeDeadlineSeconds":60}}`, onlyChanges{"active_deadline_seconds"}},
		{`{"spec":{"suspend":true}}`, onlyChanges{"start_time", "suspend"}}, // a resumed run starts anew
	} {
		steps = append(steps, resource.TestStep{
			PreConfig:        func() { s.edit(tc.edit) },
			ConfigDirectory:  here,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{tc.want}},
			Check: s.onJob(id.same, labelled("team", "vision"),
				says("annotation", func(j *batchv1.Job) string { return j.Annotations["contact"] }, "ml@example.com"),
				says("backoffLimit", func(j *batchv1.Job) int32 { return value(j.Spec.BackoffLimit) }, 2),
				says("ttlSecondsAfterFinished", func(j *batchv1.Job) int32 { return value(j.Spec.TTLSecondsAfterFinished) }, 600),
				says("activeDeadlineSeconds", func(j *batchv1.Job) int64 { return value(j.Spec.ActiveDeadlineSeconds) }, 7200),
				says("suspend", func(j *batchv1.Job) bool { return *j.Spec.Suspend }, false),
			),
		})
	}
	s.run(steps...)
}

// What somebody else has set meanwhile is taken back only by force: until then
// the plan shows it, and the apply names who holds which field.
func TestAccConflict(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	here := tfconfig.TestNameDirectory()
	var id identity
	s.run(
		resource.TestStep{ConfigDirectory: here, Check: s.onJob(id.remember)},
		resource.TestStep{
			PreConfig:       func() { s.edit(`{"metadata":{"labels":{"team":"language"}},"spec":{"backoffLimit":9}}`) },
			ConfigDirectory: here,
			ExpectError:     words(`"metadata.labels.team" of Job`, `belongs to "somebody"`, `(labels["team"])`, `"spec.backoffLimit" of Job`, "backoff_limit   = 2", "Nothing was changed", "force_conflicts = true"),
		},
		resource.TestStep{ // what was not taken is as somebody left it, and no plan hides that
			ConfigDirectory:    here,
			PlanOnly:           true,
			ExpectNonEmptyPlan: true,
		},
		resource.TestStep{
			PreConfig:       func() { s.edit(`{"metadata":{"labels":{"team":"vision"}},"spec":{"backoffLimit":2}}`) },
			ConfigDirectory: here,
			Check:           s.onJob(id.same, labelled("team", "vision")),
		},
	)
}

func TestAccImport(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	here := tfconfig.TestNameDirectory()
	s.run(
		resource.TestStep{ConfigDirectory: here},
		resource.TestStep{
			ConfigDirectory:   here,
			ResourceName:      address,
			ImportState:       true,
			ImportStateIdFunc: func(*terraform.State) (string, error) { return s.Namespace + "/" + s.job().Name, nil },
			ImportStateVerify: true,
		},
	)
}
