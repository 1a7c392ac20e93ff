package trainingjob_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingjob"
)

var update = flag.Bool("update", false, "write the golden files")

// modes are the configurations whose Jobs are golden files.
var modes = []string{"minimal", "gpu", "full", "suspended", "queued", "gang", "gang-native", "mpi"}

func TestDesired(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			var got []byte
			for i, o := range objectsOf(t, modelOf(t, load(t, mode))) {
				text, err := yaml.Marshal(o)
				if err != nil {
					t.Fatal(err)
				}
				if i > 0 {
					got = append(got, "---\n"...)
				}
				got = append(got, text...)
			}
			golden := filepath.Join("testdata", "desired", mode+".golden.yaml")
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestRoundTrip adopts what every mode makes: adopting and applying again must
// say the same, and so must a second time.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			first := jobOf(t, modelOf(t, load(t, mode)))
			metadata := first["metadata"].(map[string]any) //nolint:forcetypeassert // an object has metadata
			// A gang is looked for only in what mlk has made.
			metadata["labels"] = map[string]any{lifecycle.OwnerLabel: "x"}
			second := jobOf(t, adopt(t, first))
			delete(metadata, "labels")
			// These two say what the server says anyway.
			dropDefaults(first)
			if d := cmp.Diff(first, second); d != "" {
				t.Error(d)
			}
		})
	}
}

func dropDefaults(job map[string]any) {
	if spec, ok := job["spec"].(map[string]any); ok && spec["suspend"] == false {
		delete(spec, "suspend")
	}
}

// TestEveryLeafHasAnAttribute changes each value a run sends, one at a time: the
// change must be found, and blamed on an attribute.
func TestEveryLeafHasAnAttribute(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			m := modelOf(t, load(t, mode))
			fields := trainingjob.Definition().Fields(m)
			job := jobOf(t, m)
			spec := map[string]any{"spec": job["spec"]}
			leaves := 0
			eachLeaf(spec, func() {
				leaves++
				drift := kube.Drift(map[string]any{"spec": jobOf(t, m)["spec"]}, spec)
				if len(drift) == 0 {
					t.Error("a change was not seen")
				}
				for _, d := range drift {
					if _, ok := fields.Find(append([]string{"Job"}, d...)); !ok {
						t.Errorf("no attribute makes %s", strings.Join(d, "."))
					}
				}
			})
			if leaves < 3 {
				t.Errorf("only %d leaves", leaves)
			}
		})
	}
}

// eachLeaf calls look while each leaf in turn has another value.
func eachLeaf(v any, look func()) {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			if changed, ok := other(e); ok {
				x[k] = changed
				look()
				x[k] = e
			} else {
				eachLeaf(e, look)
			}
		}
	case []any:
		for i, e := range x {
			if changed, ok := other(e); ok {
				x[i] = changed
				look()
				x[i] = e
			} else {
				eachLeaf(e, look)
			}
		}
	}
}

func other(v any) (any, bool) {
	switch x := v.(type) {
	case string:
		return x + "7", true
	case bool:
		return !x, true
	case int64:
		return x + 1, true
	}
	return nil, false
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	m := adoptYAML(t, `
apiVersion: batch/v1
kind: Job
metadata: {name: train.v1, namespace: ml}
spec:
  backoffLimit: 6
  completions: 1
  parallelism: 1
  completionMode: NonIndexed
  podReplacementPolicy: TerminatingOrFailed
  suspend: false
  activeDeadlineSeconds: 0
  selector: {matchLabels: {batch.kubernetes.io/controller-uid: abc}}
  template:
    metadata:
      labels: {app: train, controller-uid: abc, job-name: train.v1, batch.kubernetes.io/controller-uid: abc, batch.kubernetes.io/job-name: train.v1}
    spec:
      restartPolicy: Never
      containers: [{name: main, image: "busybox:1.36"}]
`)
	type picked struct {
		Name, RunName, Restart types.String
		Backoff                types.Int32
		Deadline               types.Int64
		Suspend                types.Bool
		Labels                 map[string]types.String
	}
	got := picked{m.Name, m.RunName, m.RestartPolicy, m.BackoffLimit, m.ActiveDeadlineSeconds, m.Suspend, m.PodLabels}
	want := picked{
		Name: types.StringValue("train-v1"), RunName: types.StringValue("train.v1"), Restart: types.StringNull(),
		Backoff: types.Int32Null(), Deadline: types.Int64Value(0), Suspend: types.BoolNull(),
		Labels: map[string]types.String{"app": types.StringValue("train")},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestAdoptStatesDefaultsWhereTheyWereStated(t *testing.T) {
	t.Parallel()
	live := jobOf(t, modelOf(t, with(load(t, "minimal"), config{"backoff_limit": 6, "suspend": false})))
	prior := modelOf(t, with(load(t, "minimal"), config{"backoff_limit": 3, "suspend": true}))
	m, ds := trainingjob.Definition().Adopt(kube.Live{"Job": {Object: live}}, prior)
	if ds.HasError() {
		t.Fatal(ds)
	}
	if m.BackoffLimit.ValueInt32() != 6 || m.Suspend.IsNull() || m.Suspend.ValueBool() {
		t.Errorf("backoff_limit %s, suspend %s", m.BackoffLimit, m.Suspend)
	}
}

func TestAdoptKeepsLabelsOfAManualSelector(t *testing.T) {
	t.Parallel()
	m := adoptYAML(t, `
apiVersion: batch/v1
kind: Job
metadata: {name: x, namespace: ml}
spec:
  manualSelector: true
  selector: {matchLabels: {job-name: mine}}
  template:
    metadata: {labels: {job-name: mine}}
    spec: {restartPolicy: OnFailure, containers: [{name: main, image: "busybox:1.36"}]}
`)
	if d := cmp.Diff(map[string]types.String{"job-name": types.StringValue("mine")}, m.PodLabels); d != "" {
		t.Error(d)
	}
	if m.RestartPolicy.ValueString() != "OnFailure" {
		t.Errorf("restart_policy = %s", m.RestartPolicy)
	}
}

// The run of a lost state fits the configuration that made it; what others made
// keeps its name, however much it looks like a run's.
func TestAdoptedRunsHaveTheNameOfTheirTraining(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ job, annotations, want string }{
		{"llama-qgjrdfey", `{mlk.dev/recorded: "true"}`, "llama"},
		{"llama-training", `{}`, "llama-training"},
		{"llama-training", `{mlk.dev/resource: training_job/ml/llama-training}`, "llama-training"},
		{"mine", `{mlk.dev/recorded: "true"}`, "mine"},
	} {
		m := adoptYAML(t, `
apiVersion: batch/v1
kind: Job
metadata: {name: `+tc.job+`, namespace: ml, annotations: `+tc.annotations+`}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: x}]}}}
`)
		if m.Name.ValueString() != tc.want || m.RunName.ValueString() != tc.job {
			t.Errorf("%v: name %s, run_name %s", tc, m.Name, m.RunName)
		}
	}
}

func TestAdoptedNamesAreValid(t *testing.T) {
	t.Parallel()
	for job, want := range map[string]string{
		"short": "short",
		"a-name-of-exactly-forty-characters-as-is-": "a-name-of-exactly-forty-characters-as-is",
		"a-name-of-thirty-nine-characters-and-a-.x": "a-name-of-thirty-nine-characters-and-a",
		"dots.in.it": "dots-in-it",
	} {
		o := &kube.Object{Object: map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"name": job}, "spec": map[string]any{
			"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "main", "image": "x"}}}},
		}}}
		m, ds := trainingjob.Definition().Adopt(kube.Live{"Job": o}, nil)
		if ds.HasError() {
			t.Fatal(ds)
		}
		if m.Name.ValueString() != want || m.RunName.ValueString() != job {
			t.Errorf("%s: name %s, run_name %s", job, m.Name, m.RunName)
		}
	}
}

// TestRealJobs adopts Jobs from real repositories: what comes back may say less
// than the manifest (the rest is patch's), never something else.
func TestRealJobs(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("MLK_MANIFESTS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "manifests")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := filepath.Glob(filepath.Join("testdata", "adopt", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range append(own, files...) {
		for _, doc := range documents(t, file) {
			if doc["kind"] != "Job" || doc["apiVersion"] != "batch/v1" {
				continue
			}
			seen++
			t.Run(filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				again := jobOf(t, adopt(t, doc))
				delete(again, "metadata")
				fillIn(doc)
				for _, d := range kube.Drift(map[string]any{"spec": again["spec"]}, doc) {
					t.Errorf("adopting changes %s", strings.Join(d, "."))
				}
			})
		}
	}
	if seen == 0 {
		t.Fatal("no Job was found, not even in testdata/adopt")
	}
	t.Logf("%d Jobs", seen)
}

// fillIn sets the defaults that mlk states itself, as the server would.
func fillIn(v any) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			fillIn(e)
		}
	case map[string]any:
		for _, e := range x {
			fillIn(e)
		}
		if limits, ok := x["limits"].(map[string]any); ok {
			requests, ok := x["requests"].(map[string]any)
			if !ok {
				requests = map[string]any{}
				x["requests"] = requests
			}
			for name, q := range limits {
				if _, ok := requests[name]; !ok {
					requests[name] = q
				}
			}
		}
		conditions, _ := x["onPodConditions"].([]any)
		for _, c := range conditions {
			if m, ok := c.(map[string]any); ok && m["status"] == nil {
				m["status"] = "True"
			}
		}
	}
}

func documents(t *testing.T, file string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		doc, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		var o map[string]any
		if err := utilyaml.Unmarshal(doc, &o); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if o != nil {
			out = append(out, o)
		}
	}
}

// jobOf is the Job that a model asks for.
func jobOf(t *testing.T, m *trainingjob.Model) map[string]any {
	t.Helper()
	return objectsOf(t, m)[0]
}

// objectsOf are all the objects that a model asks for, the Job first.
func objectsOf(t *testing.T, m *trainingjob.Model) []map[string]any {
	t.Helper()
	acs, ds := trainingjob.Definition().Desired(m)
	if ds.HasError() {
		t.Fatalf("%v", ds)
	}
	out := make([]map[string]any, len(acs))
	for i, ac := range acs {
		text, err := json.Marshal(ac)
		if err != nil {
			t.Fatal(err)
		}
		var o unstructured.Unstructured
		if err := o.UnmarshalJSON(text); err != nil {
			t.Fatal(err)
		}
		out[i] = o.Object
	}
	return out
}

func adopt(t *testing.T, job map[string]any) *trainingjob.Model {
	t.Helper()
	m, ds := trainingjob.Definition().Adopt(kube.Live{"Job": {Object: job}}, nil)
	if ds.HasError() {
		t.Fatalf("%v", ds)
	}
	if ns, ok := job["metadata"].(map[string]any)["namespace"].(string); ok {
		m.Namespace = types.StringValue(ns)
	}
	return m
}

func adoptYAML(t *testing.T, text string) *trainingjob.Model {
	t.Helper()
	var o map[string]any
	if err := utilyaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return adopt(t, o)
}
