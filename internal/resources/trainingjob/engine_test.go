package trainingjob_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingjob"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// gangInJobSet is the configuration of a gang that JobSet runs.
func gangInJobSet(t *testing.T) config {
	t.Helper()
	text, err := os.ReadFile("testdata/jobset/gang.config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c config
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// sentOf are the objects of a configuration as they are sent, in their order.
func sentOf(t *testing.T, m *trainingjob.Model) []map[string]any {
	t.Helper()
	acs, ds := trainingjob.Definition().Desired(m)
	if ds.HasError() {
		t.Fatal(ds)
	}
	var out []map[string]any
	for _, ac := range acs {
		raw, err := yaml.Marshal(ac)
		if err != nil {
			t.Fatal(err)
		}
		var o map[string]any
		decode(t, string(raw), &o)
		out = append(out, o)
	}
	return out
}

func TestDesiredJobSet(t *testing.T) {
	t.Parallel()
	golden(t, "testdata/jobset/gang.golden.yaml", modelOf(t, gangInJobSet(t)))
}

// golden compares what a model asks for with a file.
func golden(t *testing.T, file string, m *trainingjob.Model) {
	t.Helper()
	var got []byte
	for _, o := range sentOf(t, m) {
		text, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		got = append(append(got, "---\n"...), text...)
	}
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Error(d)
	}
}

// Every field of the JobSet is somebody's: drift names the attribute.
func TestEveryFieldOfAJobSetHasAnAttribute(t *testing.T) {
	t.Parallel()
	m := modelOf(t, gangInJobSet(t))
	fields := trainingjob.Definition().Fields(m)
	for _, o := range sentOf(t, m) {
		kind, _ := o["kind"].(string)
		for _, segments := range kube.Drift(o, map[string]any{"apiVersion": o["apiVersion"], "kind": kind, "metadata": o["metadata"], "spec": map[string]any{}}) {
			at := append([]string{kind}, segments...)
			if _, ok := fields.Find(at); !ok && len(fields.FindBelow(at)) == 0 {
				t.Errorf("%q has no attribute", at)
			}
		}
	}
}

// How a JobSet fares is told as of a Job.
func TestReadyOfAJobSet(t *testing.T) {
	t.Parallel()
	c := gangInJobSet(t)
	delete(c, "distributed")
	m := modelOf(t, c)
	for name, tc := range map[string]struct {
		set, child string
		pods       []string
		level      string
		want       wait.Verdict
	}{
		"just made": {`{}`, "", nil, "running", wait.Of(wait.Progressing, "Pending", "", "No pod of the run exists yet")},
		"queued":    {`spec: {suspend: true}`, "", nil, "running", wait.Of(wait.Progressing, "Queued", "", "It waits in queue team-a")},
		"running":   {`{}`, `status: {active: 1}`, []string{inSet}, "running", wait.Of(wait.Done, "Running", "", "Pod p is running")},
		"its Job is complete and it is not": {
			`{}`, `status: {conditions: [{type: Complete, status: "True"}]}`, nil, "completed",
			wait.Of(wait.Progressing, "Pending", "", "No pod of the run exists yet"),
		},
		"completed": {
			`status: {conditions: [{type: Completed, status: "True", reason: AllJobsCompleted, message: done}]}`, "", nil, "completed",
			wait.Of(wait.Done, "Complete", "AllJobsCompleted", "done"),
		},
		"failed": {
			`status: {conditions: [{type: Failed, status: "True", reason: FailedJobs, message: its Job failed}]}`, "", nil, "completed",
			wait.Of(wait.Failed, "Failed", "FailedJobs", "its Job failed"),
		},
		"pods of an earlier one": {`{}`, "", []string{stranger}, "running", wait.Of(wait.Progressing, "Pending", "", "No pod of the run exists yet")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o, more map[string]any
			decode(t, `
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata: {name: run, namespace: ml, uid: u1, labels: {kueue.x-k8s.io/queue-name: team-a}}
spec: {replicatedJobs: [{name: main, template: {spec: {template: {spec: {containers: [{name: main, image: x}]}}}}}]}
`, &o)
			decode(t, tc.set, &more)
			merge(o, more)
			s := seen(t, fresh, tc.pods...)
			s.Live = kube.Live{"JobSet": {Object: o}}
			if tc.child != "" {
				s.Beside = map[string][]*kube.Object{kube.Job.Kind: {seen(t, tc.child).Live["Job"]}}
			}
			if d := cmp.Diff(tc.want, trainingjob.Definition().Ready(m, s, tc.level)); d != "" {
				t.Error(d)
			}
		})
	}
}

const inSet = `{metadata: {name: p, labels: {jobset.sigs.k8s.io/jobset-uid: u1}, ownerReferences: [{apiVersion: batch/v1, kind: Job, name: run-main-0, uid: u2, controller: true}]}, spec: {nodeName: n}, status: {phase: Running, containerStatuses: [{name: main, state: {running: {startedAt: "1969-12-31T23:00:00Z"}}}]}}`

// A cluster without JobSet is found out at plan, and one that has it is not asked
// for Kueue unless there is a queue.
func TestNeeds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		more config
		want []string
	}{
		"a Job":             {config{"engine": nil, "scheduling": nil}, nil},
		"a Job by its name": {config{"engine": "job", "scheduling": nil}, nil},
		"a JobSet":          {config{"scheduling": nil}, []string{"JobSet"}},
		"both":              {config{}, []string{"JobSet", "LocalQueue"}},
		"a TrainJob":        {config{"engine": "kubeflow", "scheduling": nil}, []string{"TrainJob"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := gangInJobSet(t)
			merge(c, tc.more)
			var got []string
			for _, n := range trainingjob.Definition().Needs(t.Context(), planOf(t, c)) {
				got = append(got, n.Kind.Kind)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func planOf(t *testing.T, c config) tfsdk.Plan {
	t.Helper()
	s := fullSchema(t)
	raw, err := testkit.Value(s.Type().TerraformType(t.Context()), c)
	if err != nil {
		t.Fatal(err)
	}
	return tfsdk.Plan{Schema: s, Raw: raw}
}
