package trainingjob_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingjob"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// elsewhere reads a configuration of a kind that only clusters with engines have.
func elsewhere(t *testing.T, mode string) config {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "desired", mode+".elsewhere.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c config
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDesiredTrainJob(t *testing.T) {
	t.Parallel()
	golden(t, "testdata/desired/trainjob.golden.yaml", modelOf(t, elsewhere(t, "trainjob")))
}

// What a TrainJob says is adopted as the attributes that said it, with what it was
// like known and, but for the launcher, without.
func TestTrainJobRoundTrip(t *testing.T) {
	t.Parallel()
	m := modelOf(t, elsewhere(t, "trainjob"))
	first := sentOf(t, m)[0]
	for name, prior := range map[string]*trainingjob.Model{"import": nil, "refresh": m} {
		got, ds := trainingjob.Definition().Adopt(kube.Live{"TrainJob": {Object: first}}, prior)
		if ds.HasError() {
			t.Fatal(ds)
		}
		got.Namespace = m.Namespace
		if d := cmp.Diff(first, sentOf(t, got)[0]); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if got.TrainingRuntime.Name.ValueString() != "torch-distributed" || got.Distributed.Nodes.ValueInt32() != 2 {
			t.Errorf("%s: %+v %+v", name, got.TrainingRuntime, got.Distributed)
		}
	}
}

// Every field of a TrainJob is somebody's: drift names the attribute.
func TestEveryFieldOfATrainJobHasAnAttribute(t *testing.T) {
	t.Parallel()
	m := modelOf(t, elsewhere(t, "trainjob"))
	fields := trainingjob.Definition().Fields(m)
	o := sentOf(t, m)[0]
	for _, segments := range kube.Drift(o, map[string]any{"apiVersion": o["apiVersion"], "kind": o["kind"], "metadata": o["metadata"], "spec": map[string]any{}}) {
		at := append([]string{"TrainJob"}, segments...)
		if _, ok := fields.Find(at); !ok && len(fields.FindBelow(at)) == 0 {
			t.Errorf("%q has no attribute", at)
		}
	}
	for at, want := range map[string]string{
		"trainer.image":                            "image",
		"trainer.env.NCCL_DEBUG":                   `env["NCCL_DEBUG"]`,
		"trainer.numNodes":                         "distributed.nodes",
		"trainer.resourcesPerNode.requests.memory": `resources.requests["memory"]`,
		"runtimePatches.mlk~trainingRuntimeSpec.template.spec.replicatedJobs.node.template.spec.template.spec.serviceAccountName": "service_account",
	} {
		segments := []string{"TrainJob", "spec"}
		for _, s := range strings.FieldsFunc(at, func(r rune) bool { return r == '.' || r == '~' }) {
			segments = append(segments, strings.Replace(s, "mlk", "mlk.dev/terraform", 1))
		}
		if got, _ := fields.Find(segments); got.String() != want {
			t.Errorf("%s is of %s, want %s", at, got, want)
		}
	}
}

// What a TrainJob has no field for is refused, by the name of the attribute, and
// with the place where it can be said.
func TestTrainJobCannotSay(t *testing.T) {
	t.Parallel()
	c := elsewhere(t, "trainjob")
	merge(c, config{"host_network": true, "working_dir": "/app", "init_containers": []any{map[string]any{"name": "fetch", "image": "curl"}}})
	_, ds := trainingjob.Definition().Desired(modelOf(t, c))
	if len(ds) != 1 || ds[0].Severity() != diag.SeverityError {
		t.Fatal(ds)
	}
	text := ds[0].Summary() + "\n" + ds[0].Detail()
	for _, want := range []string{"A TrainJob cannot say ", "and 2 more", "working_dir", "host_network", "working_dir", "init_containers", "TrainingRuntime torch-distributed", `engine = "jobset"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
}

// The launcher chooses a runtime where none is named, and a runtime's pods have
// their rest from it.
func TestTrainJobOfALauncher(t *testing.T) {
	t.Parallel()
	for launcher, want := range map[string]string{"torchrun": "torch-distributed", "jax": "jax-distributed", "deepspeed": "deepspeed-distributed"} {
		c := config{"name": "llama", "run_name": "llama-aaaaaaaa", "namespace": "ml", "engine": "kubeflow", "distributed": map[string]any{"nodes": 4, "launcher": launcher}}
		spec, _ := sentOf(t, modelOf(t, c))[0]["spec"].(map[string]any)
		if d := cmp.Diff(map[string]any{
			"runtimeRef": map[string]any{"apiGroup": "trainer.kubeflow.org", "kind": "ClusterTrainingRuntime", "name": want},
			"trainer":    map[string]any{"numNodes": int64(4)},
		}, spec); d != "" {
			t.Error(d)
		}
	}
}

// How a TrainJob fares is told as of a Job.
func TestReadyOfATrainJob(t *testing.T) {
	t.Parallel()
	m := modelOf(t, elsewhere(t, "trainjob"))
	pod := func(name, job, index string) string {
		return `{metadata: {name: ` + name + `, labels: {jobset.sigs.k8s.io/jobset-name: run, jobset.sigs.k8s.io/replicatedjob-name: ` + job + `, batch.kubernetes.io/job-completion-index: "` + index + `"}},` +
			` spec: {nodeName: n}, status: {phase: Running, containerStatuses: [{name: node, state: {running: {startedAt: "1969-12-31T23:00:00Z"}}}]}}`
	}
	for name, tc := range map[string]struct {
		more, child string
		pods        []string
		level       string
		want        wait.Verdict
	}{
		"just made":        {`{}`, "", nil, "running", wait.Of(wait.Progressing, "Pending", "", "0 of 2 ranks are running")},
		"queued":           {`spec: {suspend: true}`, "", nil, "running", wait.Of(wait.Progressing, "Queued", "", "It waits in queue team-a")},
		"the data arrives": {`{}`, "", []string{pod("i", "dataset-initializer", "0")}, "running", wait.Of(wait.Progressing, "Pending", "", "0 of 2 ranks are running")},
		"one rank":         {`{}`, "", []string{pod("p", "node", "0")}, "running", wait.Of(wait.Progressing, "Pending", "", "1 of 2 ranks are running")},
		"both":             {`{}`, "", []string{pod("p", "node", "0"), pod("q", "node", "1")}, "running", wait.Of(wait.Done, "Running", "", "2 of 2 ranks are running")},
		"led by another":   {`{}`, "", []string{pod("p", "launcher", "0"), pod("q", "node", "0")}, "running", wait.Of(wait.Done, "Running", "", "2 of 2 ranks are running")},
		"completed": {
			`status: {conditions: [{type: Complete, status: "True", reason: AllJobsCompleted, message: done}]}`, "", nil, "completed",
			wait.Of(wait.Done, "Complete", "AllJobsCompleted", "done"),
		},
		"failed": {
			`status: {conditions: [{type: Failed, status: "True", reason: FailedJobs, message: its Job failed}]}`, "", nil, "completed",
			wait.Of(wait.Failed, "Failed", "FailedJobs", "its Job failed"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o, more map[string]any
			decode(t, `
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: run, namespace: ml, uid: u1, labels: {kueue.x-k8s.io/queue-name: team-a}}
spec: {runtimeRef: {name: torch-distributed}, trainer: {numNodes: 2}}
`, &o)
			decode(t, tc.more, &more)
			merge(o, more)
			s := seen(t, fresh, tc.pods...)
			s.Live = kube.Live{"TrainJob": {Object: o}}
			if d := cmp.Diff(tc.want, trainingjob.Definition().Ready(m, s, tc.level)); d != "" {
				t.Error(d)
			}
		})
	}
}
