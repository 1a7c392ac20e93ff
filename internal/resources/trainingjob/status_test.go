package trainingjob_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingjob"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// seen is a look at a Job with this status (and spec fields) and these pods.
func seen(t *testing.T, job string, pods ...string) lifecycle.Seen {
	t.Helper()
	var o map[string]any
	decode(t, `
apiVersion: batch/v1
kind: Job
metadata: {name: run, namespace: ml, uid: u1}
spec: {template: {spec: {containers: [{name: main, image: x}]}}}
`, &o)
	var more map[string]any
	decode(t, job, &more)
	merge(o, more)
	s := lifecycle.Seen{Live: kube.Live{"Job": {Object: o}}, Now: time.Unix(0, 0)}
	for _, p := range pods {
		var pod corev1.Pod
		decode(t, p, &pod)
		s.Pods = append(s.Pods, pod)
	}
	return s
}

func merge(into, from map[string]any) {
	for k, v := range from {
		a, isMap := into[k].(map[string]any)
		b, both := v.(map[string]any)
		if isMap && both {
			merge(a, b)
			continue
		}
		into[k] = v
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := utilyaml.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// States of Jobs and pods that the tables share.
const (
	fresh     = `status: {}`
	complete  = `status: {conditions: [{type: SuccessCriteriaMet, status: "True"}, {type: Complete, status: "True", reason: CompletionsReached, message: Reached expected number of succeeded pods}]}`
	failed    = `status: {failed: 7, conditions: [{type: FailureTarget, status: "True"}, {type: Failed, status: "True", reason: BackoffLimitExceeded, message: Job has reached the specified backoff limit}]}`
	failing   = `status: {conditions: [{type: FailureTarget, status: "True", reason: BackoffLimitExceeded, message: limit}]}`
	succeeded = `status: {conditions: [{type: SuccessCriteriaMet, status: "True", reason: CompletionsReached}]}`
	suspended = `{spec: {suspend: true}, status: {conditions: [{type: Suspended, status: "True"}]}}`
	resuming  = `{spec: {suspend: false}, status: {conditions: [{type: Suspended, status: "True"}]}}`
	deleting  = `metadata: {deletionTimestamp: "2026-11-01T00:00:00Z"}`
	retrying  = `status: {failed: 2}`

	unscheduled = `{metadata: {name: p}, status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: 0/4 nodes are available}]}}`
	bound       = `{metadata: {name: p}, spec: {nodeName: n}, status: {phase: Pending, conditions: [{type: PodScheduled, status: "True"}]}}`
	running     = `{metadata: {name: p}, spec: {nodeName: n}, status: {phase: Running, containerStatuses: [{name: main, state: {running: {}}}]}}`
	young       = `{metadata: {name: p}, spec: {nodeName: n}, status: {phase: Running, containerStatuses: [{name: main, state: {running: {startedAt: "1969-12-31T23:59:56Z"}}}]}}`
	older       = `{metadata: {name: p}, spec: {nodeName: n}, status: {phase: Running, containerStatuses: [{name: main, started: true, state: {running: {startedAt: "1969-12-31T23:59:55Z"}}}]}}`
	ahead       = `{metadata: {name: p}, spec: {nodeName: n}, status: {phase: Running, containerStatuses: [{name: main, state: {running: {startedAt: "1970-01-01T00:00:09Z"}}}]}}`
	probing     = `{metadata: {name: p}, spec: {nodeName: n}, status: {phase: Running, containerStatuses: [{name: main, started: false, state: {running: {startedAt: "1969-12-31T23:00:00Z"}}}]}}`
	crashing    = `{metadata: {name: p}, spec: {nodeName: n}, status: {phase: Running, containerStatuses: [{name: main, state: {waiting: {reason: CrashLoopBackOff}}}, {name: side, state: {running: {}}}]}}`
	finished    = `{metadata: {name: p}, spec: {nodeName: n}, status: {phase: Succeeded}}`
	crashed     = `{metadata: {name: p}, spec: {nodeName: n}, status: {phase: Failed}}`
	stranger    = `{metadata: {name: p, ownerReferences: [{apiVersion: batch/v1, kind: Job, name: run, uid: older, controller: true}]}, spec: {nodeName: n}, status: {phase: Running, containerStatuses: [{name: main, state: {running: {}}}]}}`
)

func TestReady(t *testing.T) {
	t.Parallel()
	const progressing, done, fails = wait.Progressing, wait.Done, wait.Failed
	for name, tc := range map[string]struct {
		job  string
		pods []string
		// outcomes at created, scheduled, running and completed.
		want   [4]wait.Outcome
		phase  string
		reason string
	}{
		"just made":              {fresh, nil, [4]wait.Outcome{done, progressing, progressing, progressing}, "Pending", ""},
		"not scheduled":          {fresh, []string{unscheduled}, [4]wait.Outcome{done, progressing, progressing, progressing}, "Pending", "Unschedulable"},
		"scheduled":              {fresh, []string{bound}, [4]wait.Outcome{done, done, progressing, progressing}, "Pending", ""},
		"running":                {fresh, []string{running}, [4]wait.Outcome{done, done, done, progressing}, "Running", ""},
		"has just started":       {fresh, []string{young}, [4]wait.Outcome{done, done, progressing, progressing}, "Running", ""},
		"has run for a while":    {fresh, []string{older}, [4]wait.Outcome{done, done, done, progressing}, "Running", ""},
		"one of two has":         {fresh, []string{young, older}, [4]wait.Outcome{done, done, done, progressing}, "Running", ""},
		"a clock far ahead":      {fresh, []string{ahead}, [4]wait.Outcome{done, done, done, progressing}, "Running", ""},
		"startup probe pending":  {fresh, []string{probing}, [4]wait.Outcome{done, done, progressing, progressing}, "Running", ""},
		"counted, yet crashing":  {`status: {ready: 1}`, []string{crashing}, [4]wait.Outcome{done, done, progressing, progressing}, "Pending", ""},
		"only a sidecar runs":    {fresh, []string{crashing}, [4]wait.Outcome{done, done, progressing, progressing}, "Pending", ""},
		"ready by count":         {`status: {ready: 1}`, nil, [4]wait.Outcome{done, done, done, progressing}, "Running", ""},
		"pod has succeeded":      {fresh, []string{finished}, [4]wait.Outcome{done, done, done, progressing}, "Running", ""},
		"pod has failed":         {retrying, []string{crashed}, [4]wait.Outcome{done, progressing, progressing, progressing}, "Pending", ""},
		"pods of an earlier job": {fresh, []string{stranger}, [4]wait.Outcome{done, progressing, progressing, progressing}, "Pending", ""},
		"success decided":        {succeeded, nil, [4]wait.Outcome{done, done, done, progressing}, "Running", "CompletionsReached"},
		"failure decided":        {failing, nil, [4]wait.Outcome{done, progressing, progressing, progressing}, "Running", "BackoffLimitExceeded"},
		"complete":               {complete, nil, [4]wait.Outcome{done, done, done, done}, "Complete", "CompletionsReached"},
		"failed":                 {failed, nil, [4]wait.Outcome{done, fails, fails, fails}, "Failed", "BackoffLimitExceeded"},
		"suspended by a queue":   {suspended, nil, [4]wait.Outcome{done, progressing, progressing, progressing}, "Suspended", "JobSuspended"},
		"resuming":               {resuming, nil, [4]wait.Outcome{done, progressing, progressing, progressing}, "Pending", ""},
		"being deleted":          {deleting, []string{running}, [4]wait.Outcome{done, fails, fails, fails}, "Running", "Deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, level := range []string{"created", "scheduled", "running", "completed"} {
				got := trainingjob.Definition().Ready(modelOf(t, load(t, "minimal")), seen(t, tc.job, tc.pods...), level)
				if got.Outcome != tc.want[i] {
					t.Errorf("%s: outcome %d, want %d (%s)", level, got.Outcome, tc.want[i], got.Message)
				}
				if got.Phase != tc.phase || level != "created" && got.Reason != tc.reason {
					t.Errorf("%s: %s %s, want %s %s", level, got.Phase, got.Reason, tc.phase, tc.reason)
				}
				if got.Message == "" {
					t.Errorf("%s: no message", level)
				}
			}
		})
	}
}

func TestReadyDoesNotWaitForARunSuspendedAsConfigured(t *testing.T) {
	t.Parallel()
	m := modelOf(t, load(t, "suspended"))
	for _, level := range []string{"scheduled", "running", "completed"} {
		want := wait.Of(wait.Done, "Suspended", "JobSuspended", "Suspended as configured")
		if d := cmp.Diff(want, trainingjob.Definition().Ready(m, seen(t, suspended), level)); d != "" {
			t.Error(d)
		}
	}
}

func TestReadyWithoutJob(t *testing.T) {
	t.Parallel()
	got := trainingjob.Definition().Ready(modelOf(t, load(t, "minimal")), lifecycle.Seen{}, "running")
	if got.Outcome != wait.Progressing || got.Phase != "Pending" {
		t.Errorf("%+v", got)
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	pod := func(phase, finished, container, message string) string {
		return `{metadata: {name: p}, status: {phase: ` + phase + `, containerStatuses: [{name: ` + container +
			`, state: {terminated: {exitCode: 0, finishedAt: "` + finished + `", message: '` + message + `'}}}]}}`
	}
	none := types.MapNull(types.StringType)
	result := func(kv ...string) types.Map {
		out := map[string]attr.Value{}
		for i := 0; i < len(kv); i += 2 {
			out[kv[i]] = types.StringValue(kv[i+1])
		}
		return types.MapValueMust(types.StringType, out)
	}
	for name, tc := range map[string]struct {
		prior      config
		job        string
		pods       []string
		start, end types.String
		result     types.Map
	}{
		"nothing yet": {nil, fresh, nil, types.StringNull(), types.StringNull(), none},
		"times are UTC": {
			nil, `status: {startTime: "2026-11-01T10:00:00+02:00", completionTime: "2026-11-01T09:00:00Z"}`, nil,
			types.StringValue("2026-11-01T08:00:00Z"), types.StringValue("2026-11-01T09:00:00Z"), none,
		},
		"a result": {
			nil, fresh,
			[]string{pod("Succeeded", "2026-11-01T09:00:00Z", "main", `{"accuracy": 0.930, "model": "s3://x", "best": true, "curve": [1, 2], "none": null, "deep": {"a": "b"}}`)},
			types.StringNull(), types.StringNull(),
			result("accuracy", "0.930", "model", "s3://x", "best", "true", "curve", "[1,2]", "deep", `{"a":"b"}`),
		},
		"an empty object is a result": {nil, fresh, []string{pod("Succeeded", "2026-11-01T09:00:00Z", "main", `{}`)}, types.StringNull(), types.StringNull(), result()},
		"plain text is none":          {nil, fresh, []string{pod("Succeeded", "2026-11-01T09:00:00Z", "main", `done`)}, types.StringNull(), types.StringNull(), none},
		"a list is none":              {nil, fresh, []string{pod("Succeeded", "2026-11-01T09:00:00Z", "main", `[1]`)}, types.StringNull(), types.StringNull(), none},
		"null is none":                {nil, fresh, []string{pod("Succeeded", "2026-11-01T09:00:00Z", "main", `null`)}, types.StringNull(), types.StringNull(), none},
		"a failed pod has none":       {nil, fresh, []string{pod("Failed", "2026-11-01T09:00:00Z", "main", `{"a": 1}`)}, types.StringNull(), types.StringNull(), none},
		"a sidecar has none":          {nil, fresh, []string{pod("Succeeded", "2026-11-01T09:00:00Z", "side", `{"a": 1}`)}, types.StringNull(), types.StringNull(), none},
		"the newest counts": {
			nil, fresh,
			[]string{pod("Succeeded", "2026-11-01T09:00:00Z", "main", `{"a": 2}`), pod("Succeeded", "2026-11-01T08:00:00Z", "main", `{"a": 1}`)},
			types.StringNull(), types.StringNull(), result("a", "2"),
		},
		"what is gone keeps its value": {
			config{"start_time": "2026-11-01T08:00:00Z", "completion_time": "2026-11-01T09:00:00Z", "result": config{"a": "1"}},
			fresh, nil, types.StringValue("2026-11-01T08:00:00Z"), types.StringValue("2026-11-01T09:00:00Z"), result("a", "1"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := load(t, "minimal")
			merge(c, tc.prior)
			m := modelOf(t, c)
			if ds := trainingjob.Definition().Observe(m, seen(t, tc.job, tc.pods...)); ds.HasError() {
				t.Fatal(ds)
			}
			if d := cmp.Diff([]any{tc.start, tc.end, tc.result}, []any{m.StartTime, m.CompletionTime, m.Result}); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestObserveWithoutJobKeepsEverything(t *testing.T) {
	t.Parallel()
	c := load(t, "minimal")
	merge(c, config{"completion_time": "2026-11-01T09:00:00Z", "result": config{"a": "1"}})
	m, want := modelOf(t, c), modelOf(t, c)
	if ds := trainingjob.Definition().Observe(m, lifecycle.Seen{}); ds.HasError() {
		t.Fatal(ds)
	}
	if d := cmp.Diff(want.Result, m.Result); d != "" || !want.CompletionTime.Equal(m.CompletionTime) {
		t.Error(d, m.CompletionTime)
	}
}

func TestOnlyWhatMovesARunIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before, after config
		want          bool
	}{
		"a label":              {config{}, config{"labels": config{"a": "b"}}, false},
		"a ttl":                {config{"ttl_seconds_after_finished": 1}, config{}, false},
		"resumed":              {config{"suspend": true}, config{"suspend": false}, true},
		"no longer suspended":  {config{"suspend": true}, config{}, true},
		"false said":           {config{}, config{"suspend": false}, false},
		"another level":        {config{}, config{"wait_for": "completed"}, true},
		"a level, and a label": {config{"wait_for": "completed"}, config{"wait_for": "completed", "labels": config{"a": "b"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			minimal := load(t, "minimal")
			if got := trainingjob.Definition().Waits(modelOf(t, with(minimal, tc.before)), modelOf(t, with(minimal, tc.after))); got != tc.want {
				t.Errorf("waits: %v", got)
			}
		})
	}
}
