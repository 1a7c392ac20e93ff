package trainingjob_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingjob"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// shapes are the gangs of the block's own tests.
func shapes(t *testing.T) map[string]config {
	t.Helper()
	files, err := filepath.Glob("../../blocks/distributed/testdata/shapes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	out := map[string]config{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var c config
		if err := yaml.Unmarshal(text, &c); err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(f), ".yaml")] = with(config{"name": "gang", "image": "x"}, c)
	}
	return out
}

// TestGangIsImported loses the state of a gang and imports it: the configuration
// it was made from plans nothing, and destroying it leaves no Service behind.
func TestGangIsImported(t *testing.T) {
	t.Parallel()
	for name, c := range shapes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.apply(t, c)
			w.close()
			run := fmt.Sprint(w.Attribute("run_name"))
			if made := w.api.Get("Service", "default", run) != nil; made != (name != "none") {
				t.Fatalf("a Service was made: %v", made)
			}
			again := worldOn(t, w.api)
			if out := again.Import(t.Context(), "default/"+run); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			out := again.Plan(t.Context(), with(c, config{"wait_for": "created"}))
			if out.Errors() != "" || len(out.Replace) > 0 {
				t.Errorf("replaced for %v: %s (is %v)", out.Replace, out.Errors(), again.Attribute("distributed"))
			}
			if out := again.Apply(t.Context(), nil); out.Errors() != "" || w.api.Get("Service", "default", run) != nil {
				t.Errorf("destroy left the Service: %s", out.Errors())
			}
		})
	}
}

// TestGangOwnsItsService: the Service goes with its Job, whoever collects that.
func TestGangOwnsItsService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := with(config{"name": "gang", "image": "x"}, config{"distributed": config{"nodes": 2, "launcher": "jax"}})
	w.apply(t, c)
	run := fmt.Sprint(w.Attribute("run_name"))
	owners := w.api.Get("Service", "default", run).GetOwnerReferences()
	if len(owners) != 1 || owners[0].UID != w.api.Get("Job", "default", run).GetUID() {
		t.Errorf("owners %v", owners)
	}
	// Somebody takes it away, or bends it: it is made as it was, and no run begins.
	w.api.Remove("Service", "default", run)
	if out := w.Refresh(t.Context()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	w.apply(t, c)
	w.api.Change("Service", "default", run, "somebody", func(o map[string]any) {
		o["spec"].(map[string]any)["selector"] = map[string]any{"app": "other"} //nolint:forcetypeassert // a Service has a spec
	})
	if out := w.Refresh(t.Context()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	out := w.Plan(t.Context(), c)
	if !out.Changed || len(out.Replace) > 0 {
		t.Errorf("changed %v, replaced for %v", out.Changed, out.Replace)
	}
	if now := fmt.Sprint(w.Attribute("run_name")); now != run {
		t.Errorf("another run: %s", now)
	}
}

// TestGangIsResized: where the pods do not depend on their number it changes in
// place, and where they do it is another run.
func TestGangIsResized(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		gang    config
		inPlace bool
	}{
		"none":        {config{}, true},
		"torchrun":    {config{"launcher": "torchrun"}, false},
		"elastic":     {config{"launcher": "torchrun", "min_nodes": 2}, true},
		"jax":         {config{"launcher": "jax"}, false},
		"tensorflow":  {config{"launcher": "tensorflow"}, false},
		"deepspeed":   {config{"launcher": "deepspeed"}, false},
		"mpi":         {config{"launcher": "mpi"}, false},
		"the default": {config{"launcher": "none", "success": "all", "restart": "pod"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sized := func(n int) config {
				return config{"name": "gang", "image": "x", "wait_for": "created", "distributed": with(config{"nodes": n}, tc.gang)}
			}
			w := newWorld(t)
			w.apply(t, sized(4))
			run := fmt.Sprint(w.Attribute("run_name"))
			out := w.Plan(t.Context(), sized(6))
			if inPlace := len(out.Replace) == 0 && planned(out, "run_name") == run; inPlace != tc.inPlace || !out.Changed {
				t.Fatalf("in place %v, want %v: replaced for %v, run %q", inPlace, tc.inPlace, out.Replace, planned(out, "run_name"))
			}
			if !tc.inPlace {
				return
			}
			w.apply(t, sized(6))
			spec := w.api.Get("Job", "default", run).Object["spec"].(map[string]any) //nolint:forcetypeassert // a Job has a spec
			if spec["completions"] != int64(6) || spec["parallelism"] != int64(6) {
				t.Errorf("completions %v, parallelism %v", spec["completions"], spec["parallelism"])
			}
		})
	}
}

// pod is a pod of rank n of the Job below.
func podOfRank(n int, more string) string {
	return fmt.Sprintf(`{metadata: {name: train-%d-x, uid: pod-%d, creationTimestamp: "2026-11-23T12:00:00Z", annotations: {batch.kubernetes.io/job-completion-index: "%d"}}, %s}`, n, n, n, more)
}

const (
	runningPod = `status: {phase: Running, containerStatuses: [{name: main, state: {running: {startedAt: "2026-11-23T12:00:01Z"}}}]}`
	waitingPod = `status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: "0/2 nodes are available"}]}`
	failedPod  = `status: {phase: Failed, containerStatuses: [{name: main, state: {terminated: {exitCode: 137, reason: OOMKilled, finishedAt: "2026-11-23T12:05:00Z"}}}]}`
	endedPod   = `status: {phase: Succeeded, containerStatuses: [{name: main, state: {terminated: {exitCode: 0, finishedAt: "2026-11-23T12:05:00Z", message: '{"loss": 0.%d}'}}}]}`
	laterPod   = `status: {phase: Running}`
)

func TestReadyOfGangs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		gang  config
		level string
		job   string
		pods  []string
		done  bool
		says  string
	}{
		"all run":             {config{"nodes": 2}, "running", `{}`, []string{podOfRank(0, runningPod), podOfRank(1, runningPod)}, true, "2 of 2 ranks are running"},
		"one waits":           {config{"nodes": 2}, "running", `{}`, []string{podOfRank(0, runningPod), podOfRank(1, waitingPod)}, false, "1 of 2 ranks are running. Rank 1 (pod train-1-x) is not scheduled: 0/2 nodes are available"},
		"one is not there":    {config{"nodes": 2}, "running", `{}`, []string{podOfRank(0, runningPod)}, false, "1 of 2"},
		"one is done":         {config{"nodes": 2}, "running", `{status: {succeeded: 1}}`, []string{podOfRank(0, runningPod), podOfRank(1, fmt.Sprintf(endedPod, 1))}, true, ""},
		"one was done":        {config{"nodes": 2}, "running", `{status: {succeeded: 1}}`, []string{podOfRank(0, runningPod)}, true, ""},
		"enough run":          {config{"nodes": 2, "min_nodes": 1, "launcher": "torchrun"}, "running", `{}`, []string{podOfRank(0, runningPod), podOfRank(1, waitingPod)}, true, "1 of 2"},
		"scheduled":           {config{"nodes": 2}, "scheduled", `{}`, []string{podOfRank(0, `spec: {nodeName: a}`), podOfRank(1, `spec: {nodeName: b}`)}, true, ""},
		"one scheduled":       {config{"nodes": 2}, "scheduled", `{}`, []string{podOfRank(0, `spec: {nodeName: a}`), podOfRank(1, waitingPod)}, false, ""},
		"pods cannot be seen": {config{"nodes": 2}, "running", `{status: {ready: 2}}`, nil, true, "2 of 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := modelOf(t, config{"name": "train", "image": "x", "distributed": tc.gang})
			v := trainingjob.Definition().Ready(m, seen(t, tc.job, tc.pods...), tc.level)
			if (v.Outcome == wait.Done) != tc.done || !strings.Contains(v.Message, tc.says) {
				t.Errorf("done %v, want %v: %q, want %q", v.Outcome == wait.Done, tc.done, v.Message, tc.says)
			}
		})
	}
}

func TestRenew(t *testing.T) {
	t.Parallel()
	restarted := strings.Replace(podOfRank(0, laterPod), "12:00:00Z", "12:06:00Z", 1)
	disrupted := strings.Replace(failedPod, "phase: Failed", `phase: Failed, conditions: [{type: DisruptionTarget, status: "True"}]`, 1)
	for name, tc := range map[string]struct {
		restart string
		job     string
		pods    []string
		want    []string
	}{
		"the others go":         {"all", `{}`, []string{podOfRank(0, runningPod), podOfRank(1, failedPod), podOfRank(2, waitingPod)}, []string{"train-0-x", "train-2-x"}},
		"nobody has failed":     {"all", `{}`, []string{podOfRank(0, runningPod), podOfRank(1, runningPod)}, nil},
		"each for itself":       {"pod", `{}`, []string{podOfRank(0, runningPod), podOfRank(1, failedPod)}, nil},
		"already begun anew":    {"all", `{}`, []string{restarted, podOfRank(1, failedPod)}, nil},
		"only disrupted":        {"all", `{}`, []string{podOfRank(0, runningPod), podOfRank(1, disrupted)}, nil},
		"the Job has given up":  {"all", `{status: {conditions: [{type: FailureTarget, status: "True"}]}}`, []string{podOfRank(0, runningPod), podOfRank(1, failedPod)}, nil},
		"those that have ended": {"all", `{}`, []string{podOfRank(0, fmt.Sprintf(endedPod, 1)), podOfRank(1, failedPod)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := modelOf(t, config{"name": "train", "image": "x", "distributed": config{"nodes": 3, "restart": tc.restart}})
			if diff := cmp.Diff(tc.want, trainingjob.Definition().Renew(m, seen(t, tc.job, tc.pods...))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestResults: the run reports what rank 0 does, and each rank for itself. What
// was seen before stays.
func TestResults(t *testing.T) {
	t.Parallel()
	m := modelOf(t, config{"name": "train", "image": "x", "distributed": config{"nodes": 3}})
	observe := trainingjob.Definition().Observe
	job := `{spec: {completionMode: Indexed}}`
	if ds := observe(m, seen(t, job, podOfRank(1, fmt.Sprintf(endedPod, 1)))); ds.HasError() {
		t.Fatal(ds)
	}
	if !m.Result.IsNull() {
		t.Errorf("rank 1 speaks for the run: %s", m.Result)
	}
	if ds := observe(m, seen(t, job, podOfRank(0, fmt.Sprintf(endedPod, 5)), podOfRank(2, runningPod))); ds.HasError() {
		t.Fatal(ds)
	}
	got := []string{m.Result.String(), m.Results.String()}
	if diff := cmp.Diff([]string{`{"loss":"0.5"}`, `{"0":{"loss":"0.5"},"1":{"loss":"0.1"}}`}, got); diff != "" {
		t.Error(diff)
	}
}

// TestPodsThatTheNamespaceRefuses: the plan of a run warns where the namespace
// will take none of its pods, names the attribute, and is silent otherwise.
func TestPodsThatTheNamespaceRefuses(t *testing.T) {
	t.Parallel()
	rdma := config{
		"name": "train", "namespace": "ml", "image": "x", "distributed": config{"nodes": 2, "launcher": "torchrun"},
		"resources":        config{"limits": config{"rdma/ib": "1", "hugepages-2Mi": "1Gi", "memory": "8Gi"}},
		"security_context": config{"capabilities": config{"add": []any{"IPC_LOCK"}}},
	}
	for name, tc := range map[string]struct {
		level string
		more  config
		want  string
		at    string
	}{
		"locked memory":      {"baseline", nil, "non-default capabilities (container \"main\" must not include \"IPC_LOCK\"", "security_context"},
		"the nodes' network": {"baseline", config{"host_network": true, "security_context": nil}, "host namespaces (hostNetwork=true)", "host_network"},
		"all is allowed":     {"privileged", config{"host_network": true}, "", ""},
		"nothing is asked":   {"baseline", config{"security_context": nil}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.api.Put(&unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": "Namespace",
				"metadata": map[string]any{"name": "ml", "labels": map[string]any{"pod-security.kubernetes.io/enforce": tc.level}},
			}})
			out := w.Plan(t.Context(), with(rdma, tc.more))
			if out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			if got := out.Warnings(); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("warned %q, want %q", got, tc.want)
			}
			for _, d := range out.Diagnostics {
				if !strings.Contains(d.Attribute.String(), tc.at) {
					t.Errorf("points at %s, want %s", d.Attribute, tc.at)
				}
			}
		})
	}
}
