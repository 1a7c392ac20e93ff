package trainingjob_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingjob"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// inQueue is a Job that Kueue manages, suspended or not.
func inQueue(suspend string) string {
	return `{metadata: {labels: {kueue.x-k8s.io/queue-name: team-a}}, spec: {suspend: ` + suspend + `}}`
}

// A run in a queue waits there as long as it takes, in the queue's own words.
func TestReadyInAQueue(t *testing.T) {
	t.Parallel()
	const kueue = `
apiVersion: kueue.x-k8s.io/v1beta2
kind: Workload
metadata: {name: job-run, namespace: ml}
spec: {queueName: team-a}
status: {conditions: [{type: QuotaReserved, status: "False", reason: Pending, message: "insufficient unused quota for nvidia.com/gpu in flavor h100, 4 more needed"}]}
`
	const words = "It waits in queue team-a: insufficient unused quota for nvidia.com/gpu in flavor h100, 4 more needed"
	m := modelOf(t, load(t, "queued"))
	for name, tc := range map[string]struct {
		job, workload, level string
		pods                 []string
		want                 wait.Verdict
	}{
		"queued":                 {inQueue("true"), kueue, "completed", nil, wait.Of(wait.Progressing, "Queued", "WaitingForQuota", words)},
		"queued is enough":       {inQueue("true"), kueue, "created", nil, wait.Of(wait.Done, "Queued", "WaitingForQuota", words)},
		"not admitted":           {inQueue("true"), kueue, "admitted", nil, wait.Of(wait.Progressing, "Queued", "WaitingForQuota", words)},
		"nobody has looked yet":  {inQueue("true"), "", "admitted", nil, wait.Of(wait.Progressing, "Queued", "", "It waits in queue team-a")},
		"admitted":               {inQueue("false"), "", "admitted", nil, wait.Of(wait.Done, "Pending", "", "No pod of the run exists yet")},
		"admitted and scheduled": {inQueue("false"), "", "admitted", []string{bound}, wait.Of(wait.Done, "Pending", "", "Pod p is starting")},
		"without a queue":        {fresh, "", "admitted", nil, wait.Of(wait.Done, "Pending", "", "No pod of the run exists yet")},
		"suspended by somebody":  {suspended, "", "admitted", nil, wait.Of(wait.Progressing, "Suspended", "JobSuspended", "The Job is suspended, by a queue or by somebody")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := seen(t, tc.job, tc.pods...)
			if tc.workload != "" {
				var o map[string]any
				decode(t, tc.workload, &o)
				s.Beside = map[string][]*kube.Object{kube.QueuedWorkload.Kind: {{Object: o}}}
			}
			if d := cmp.Diff(tc.want, trainingjob.Definition().Ready(m, s, tc.level)); d != "" {
				t.Error(d)
			}
		})
	}
}

// What the queue decides is not taken for the user's word on import.
func TestAdoptLeavesSuspendToTheQueue(t *testing.T) {
	t.Parallel()
	for job, want := range map[string]bool{inQueue("true"): false, suspended: true} {
		m, ds := trainingjob.Definition().Adopt(seen(t, job).Live, nil)
		if ds.HasError() {
			t.Fatal(ds)
		}
		if got := m.Suspend.ValueBool(); got != want {
			t.Errorf("%s: suspend %t, want %t", job, got, want)
		}
		if got := m.Scheduling != nil && m.Scheduling.Queue.ValueString() == "team-a"; got == want {
			t.Errorf("%s: scheduling %+v", job, m.Scheduling)
		}
	}
}

func TestSuspendBelongsToTheQueue(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		more config
		want string
	}{
		"both":       {config{"suspend": false}, "suspend belongs to the queue"},
		"queue only": {config{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := load(t, "queued")
			merge(c, tc.more)
			ds := validated(t, c)
			if got := summaries(ds); (tc.want == "") != (got == "") || !strings.Contains(got, tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func validated(t *testing.T, c config) diag.Diagnostics {
	t.Helper()
	s := fullSchema(t)
	raw, err := testkit.Value(s.Type().TerraformType(t.Context()), c)
	if err != nil {
		t.Fatal(err)
	}
	return trainingjob.Definition().Validate(t.Context(), tfsdk.Config{Schema: s, Raw: raw})
}

func summaries(ds diag.Diagnostics) string {
	var out []string
	for _, d := range ds {
		out = append(out, d.Summary())
	}
	return strings.Join(out, "; ")
}
