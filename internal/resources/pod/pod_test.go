package pod_test

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/pod"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

var update = flag.Bool("update", false, "write the golden files")

func TestDesired(t *testing.T) {
	t.Parallel()
	testkit.Golden(t, pod.New, pod.Definition().Desired, *update)
}

func model(t *testing.T, text string) *pod.Model {
	t.Helper()
	return testkit.ReadModel[pod.Model](t, pod.New, []byte("{name: one, namespace: ml, image: busybox, "+text+"}"))
}

// live is a pod with this status.
func live(t *testing.T, text string) kube.Live {
	t.Helper()
	o := map[string]any{}
	if err := yaml.Unmarshal([]byte(`
apiVersion: v1
kind: Pod
metadata: {name: one, namespace: ml}
`+text), &o); err != nil {
		t.Fatal(err)
	}
	return kube.Live{"Pod": {Object: o}}
}

const (
	pending = `status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: "0/6 nodes are available"}]}`
	placed  = "spec: {nodeName: a100-0}\nstatus: {phase: Pending, containerStatuses: [{name: main, state: {waiting: {reason: ContainerCreating}}}]}"
	fresh   = "spec: {nodeName: a100-0}\nstatus: {phase: Running, containerStatuses: [{name: main, started: true, state: {running: {startedAt: \"2026-11-25T12:00:58Z\"}}}]}"
	running = "spec: {nodeName: a100-0}\nstatus: {phase: Running, containerStatuses: [{name: main, started: true, state: {running: {startedAt: \"2026-11-25T12:00:00Z\"}}}]}"
	ended   = "spec: {nodeName: a100-0}\nstatus: {phase: Succeeded, startTime: \"2026-11-25T12:00:00Z\", containerStatuses: [{name: main, state: {terminated: {exitCode: 0, finishedAt: \"2026-11-25T12:00:30Z\", message: '{\"gpus\": 2}'}}}]}"
	failed  = "spec: {nodeName: a100-0}\nstatus: {phase: Failed, containerStatuses: [{name: main, state: {terminated: {exitCode: 3, reason: Error, finishedAt: \"2026-11-25T12:00:30Z\", message: '{\"gpus\": 2}'}}}]}"
	evicted = "status: {phase: Failed, reason: Evicted, message: The node was low on resource}"
)

var now = time.Date(2026, 11, 25, 12, 1, 0, 0, time.UTC)

func TestReady(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		level, pod string
		want       wait.Verdict
	}{
		"created":               {"created", pending, wait.Of(wait.Done, "Pending", "Unschedulable", "The pod is not scheduled: 0/6 nodes are available")},
		"not scheduled":         {"scheduled", pending, wait.Of(wait.Progressing, "Pending", "Unschedulable", "The pod is not scheduled: 0/6 nodes are available")},
		"scheduled":             {"scheduled", placed, wait.Of(wait.Done, "Pending", "ContainerCreating", "Container main waits")},
		"starting":              {"running", placed, wait.Of(wait.Progressing, "Pending", "ContainerCreating", "Container main waits")},
		"running for 2 seconds": {"running", fresh, wait.Of(wait.Progressing, "Running", "", "Container main is running")},
		"running":               {"running", running, wait.Of(wait.Done, "Running", "", "Container main is running")},
		"not completed":         {"completed", running, wait.Of(wait.Progressing, "Running", "", "Container main is running")},
		"completed":             {"completed", ended, wait.Of(wait.Done, "Succeeded", "", "")},
		"ended well":            {"running", ended, wait.Of(wait.Done, "Succeeded", "", "")},
		"failed":                {"running", failed, wait.Of(wait.Failed, "Failed", "Error", "Container main ended with exit code 3")},
		"evicted":               {"completed", evicted, wait.Of(wait.Failed, "Failed", "Evicted", "The node was low on resource")},
		"failed but created":    {"created", failed, wait.Of(wait.Done, "Failed", "Error", "Container main ended with exit code 3")},
		"new":                   {"running", "spec: {}", wait.Of(wait.Progressing, "Pending", "", "The pod waits for a node")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := pod.Definition().Ready(model(t, ""), lifecycle.Seen{Live: live(t, tc.pod), Now: now}, tc.level)
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	text, null := types.StringValue, types.StringNull()
	long := strings.Repeat("0123456789abcde\n", 3000)
	type seen struct {
		Node, Start, End, Log types.String
		Exit                  types.Int32
		Result                int
	}
	for name, tc := range map[string]struct {
		config, pod string
		log         *string
		want        seen
	}{
		"pending":           {"", pending, nil, seen{null, null, null, null, types.Int32Null(), 0}},
		"ended":             {"", ended, nil, seen{text("a100-0"), text("2026-11-25T12:00:00Z"), text("2026-11-25T12:00:30Z"), null, types.Int32Value(0), 1}},
		"no result of that": {"", failed, nil, seen{text("a100-0"), null, text("2026-11-25T12:00:30Z"), null, types.Int32Value(3), 0}},
		"log":               {"log_lines: 2", running, ptr("a\nb\n"), seen{text("a100-0"), null, null, text("a\nb\n"), types.Int32Null(), 0}},
		"log unasked":       {"", running, ptr("a\nb\n"), seen{text("a100-0"), null, null, null, types.Int32Null(), 0}},
		"long log":          {"log_lines: 1000", running, &long, seen{text("a100-0"), null, null, text(long[len(long)-32<<10+16:]), types.Int32Null(), 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := model(t, tc.config)
			if ds := pod.Definition().Observe(m, lifecycle.Seen{Live: live(t, tc.pod), Log: tc.log}); ds.HasError() {
				t.Fatal(ds)
			}
			if d := cmp.Diff(tc.want, seen{m.Node, m.StartTime, m.CompletionTime, m.Log, m.ExitCode, len(m.Result.Elements())}); d != "" {
				t.Error(d)
			}
		})
	}
}

func ptr(s string) *string { return &s }

// A pod that was seen to end is not run again because it was tidied away.
func TestVanished(t *testing.T) { // pain 1
	t.Parallel()
	m := model(t, "")
	if pod.Definition().Vanished(m, lifecycle.Circumstances{}).Keep {
		t.Error("a pod that never ended is kept")
	}
	m.CompletionTime = types.StringValue("2026-11-25T12:00:30Z")
	if !pod.Definition().Vanished(m, lifecycle.Circumstances{}).Keep {
		t.Error("a pod that has ended is run again")
	}
}
