package trainingschedule_test

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingschedule"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

var update = flag.Bool("update", false, "write the golden files")

func TestDesired(t *testing.T) {
	t.Parallel()
	testkit.Golden(t, trainingschedule.New, trainingschedule.Definition().Desired, *update)
}

func object(t *testing.T, text string) *kube.Object {
	t.Helper()
	o := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return &kube.Object{Object: o}
}

// TestRuns: what a schedule says of its runs, and what it warns of.
func TestRuns(t *testing.T) {
	t.Parallel()
	const (
		cron   = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly, namespace: ml}\nspec: {schedule: 0 2 * * *}\n"
		ran    = cron + "status: {lastScheduleTime: \"2026-11-25T01:00:00Z\"}\n"
		good   = cron + "status: {lastScheduleTime: \"2026-11-25T01:00:00Z\", lastSuccessfulTime: \"2026-11-25T01:10:00Z\"}\n"
		job    = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: nightly-2, namespace: ml, creationTimestamp: \"2026-11-25T01:00:00Z\"}\n"
		older  = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: nightly-1, creationTimestamp: \"2026-11-24T01:00:00Z\"}\n"
		failed = job + "status: {conditions: [{type: FailureTarget, status: \"True\"}, {type: Failed, status: \"True\", reason: BackoffLimitExceeded, message: no tries are left, lastTransitionTime: \"2026-11-25T01:05:00Z\"}]}\n"
		done   = job + "status: {conditions: [{type: Complete, status: \"True\", lastTransitionTime: \"2026-11-25T01:10:00Z\"}]}\n"
	)
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		config, cron string
		jobs         []string
		run, next    string
		warning      string
	}{
		"before the first": {"", cron, nil, "", "2026-11-26T02:00:00Z", ""},
		"time zone":        {"time_zone: Europe/Berlin", cron, nil, "", "2026-11-26T01:00:00Z", ""},
		"suspended":        {"suspend: true", cron, nil, "", "", ""},
		"running":          {"", ran, []string{older, job}, "nightly-2 Running", "2026-11-26T02:00:00Z", ""},
		"complete":         {"", good, []string{done}, "nightly-2 Complete", "2026-11-26T02:00:00Z", ""},
		"failed":           {"", ran, []string{failed, older}, "nightly-2 Failed no tries are left (BackoffLimitExceeded)", "2026-11-26T02:00:00Z", `The last run of training schedule "ml/nightly" failed`},
		"failed and gone":  {"", ran, nil, "Unknown", "2026-11-26T02:00:00Z", ""},
		"good and gone":    {"", good, nil, "Complete", "2026-11-26T02:00:00Z", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := trainingschedule.Definition()
			m := testkit.ReadModel[trainingschedule.Model](t, trainingschedule.New, []byte("{name: nightly, namespace: ml, image: x, schedule: 0 2 * * *, "+tc.config+"}"))
			seen := lifecycle.Seen{Live: kube.Live{"CronJob": object(t, tc.cron)}, Now: now, Beside: map[string][]*kube.Object{kube.Job.Kind: {}}}
			for _, j := range tc.jobs {
				seen.Beside[kube.Job.Kind] = append(seen.Beside[kube.Job.Kind], object(t, j))
			}
			if ds := d.Observe(m, seen); ds.HasError() {
				t.Fatal(ds)
			}
			var run []string
			for _, part := range []string{"name", "outcome", "message"} {
				if v, ok := m.LastRun.Attributes()[part]; ok && !v.IsNull() {
					run = append(run, strings.Trim(v.String(), `"`))
				}
			}
			got := []string{strings.Join(run, " "), m.NextRun.ValueString(), d.Notice(m).Summary}
			if diff := cmp.Diff([]string{tc.run, tc.next, tc.warning}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
