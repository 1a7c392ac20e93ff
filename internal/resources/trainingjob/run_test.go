package trainingjob_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingjob"
)

// with returns a configuration with some attributes set; nil removes one.
func with(c, more config) config {
	out := maps.Clone(c)
	for k, v := range more {
		if v == nil {
			delete(out, k)
			continue
		}
		out[k] = v
	}
	return out
}

// vector is a configuration whose run names are pinned below.
var vector = config{
	"name": "llama", "image": "ghcr.io/acme/llama:7b", "command": []any{"python", "train.py"},
	"env":       config{"A": "1", "B": "2"},
	"resources": config{"requests": config{"cpu": "1000m", "memory": "1Gi"}},
	"triggers":  config{"data": "2026-11-01"},
	"pod_failure_policy": []any{config{
		"action": "FailJob", "on_exit_codes": config{"operator": "In", "values": []any{3, 42}},
	}},
	"patch": config{"Job": config{"spec": config{"template": config{"spec": config{"hostIPC": true, "priority": 7, "nodeName": nil}}}}},
}

// TestRunNamesNeverChange pins names that runs in the world bear. If this test
// fails, the fix is never to change what it wants: Terraform would run finished
// trainings again.
func TestRunNamesNeverChange(t *testing.T) {
	t.Parallel()
	got := map[string]string{
		"minimal": runName(t, config{"name": "hello", "image": "busybox:1.36"}),
		"vector":  runName(t, vector),
	}
	want := map[string]string{
		"minimal": "hello-fxllyf3r",
		"vector":  "llama-bezuzcpb",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRunNameIsALabel(t *testing.T) {
	t.Parallel()
	if run := runName(t, vector); !regexp.MustCompile(`^llama-[a-z2-7]{8}$`).MatchString(run) {
		t.Error(run)
	}
}

// TestRunNameFollowsMeaning: what means the same is the same run, and what the
// server changes in place is no part of it.
func TestRunNameFollowsMeaning(t *testing.T) {
	t.Parallel()
	base := runName(t, vector)
	for name, more := range map[string]config{
		"quantities in other words": {"resources": config{"requests": config{"cpu": "1", "memory": "1024Mi"}}},
		"order of exit codes":       {"pod_failure_policy": []any{config{"action": "FailJob", "on_exit_codes": config{"operator": "In", "values": []any{42, 3}}}}},
		"the default said":          {"restart_policy": "Never"},
		"the default mode said":     {"completion_mode": "NonIndexed"},
		"how many at a time":        {"parallelism": 3},
		"order of keys":             {"env": config{"B": "2", "A": "1"}},
		"changed in place": {
			"labels": config{"a": "b"}, "annotations": config{"a": "b"}, "backoff_limit": 0, "active_deadline_seconds": 5,
			"ttl_seconds_after_finished": 0, "suspend": true, "keep_runs": 1, "wait_for": "completed", "on_failure": "keep",
			"force_conflicts": true, "timeouts": config{"create": "1h"},
		},
		"patch of other fields": {"patch": config{"Job": config{"spec": config{
			"podReplacementPolicy": "Failed", "parallelism": 1,
			"template": config{"spec": config{"priority": 7, "hostIPC": true, "nodeName": nil}},
		}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := runName(t, with(vector, more)); got != base {
				t.Errorf("%s, want %s", got, base)
			}
		})
	}
}

func TestRunNameChangesWithTheRun(t *testing.T) {
	t.Parallel()
	names := map[string]string{runName(t, vector): "itself"}
	for name, more := range map[string]config{
		"name":                {"name": "other"},
		"image":               {"image": "ghcr.io/acme/llama:8b"},
		"order of command":    {"command": []any{"train.py", "python"}},
		"args":                {"args": []any{"-v"}},
		"env value":           {"env": config{"A": "1", "B": "3"}},
		"env key":             {"env": config{"A": "1", "C": "2"}},
		"request":             {"resources": config{"requests": config{"cpu": "2", "memory": "1Gi"}}},
		"gpu":                 {"gpu": config{"count": 1}},
		"pod label":           {"pod_labels": config{"a": "b"}},
		"zero is a value":     {"termination_grace_period_seconds": 0},
		"triggers":            {"triggers": config{"data": "2026-11-02"}},
		"no triggers":         {"triggers": nil},
		"restart policy":      {"pod_failure_policy": nil, "restart_policy": "OnFailure"},
		"failure policy":      {"pod_failure_policy": []any{config{"action": "Count", "on_exit_codes": config{"operator": "In", "values": []any{3, 42}}}}},
		"patch of the pod":    {"patch": config{"Job": config{"spec": config{"template": config{"spec": config{"hostIPC": true, "priority": 8, "nodeName": nil}}}}}},
		"null in a patch":     {"patch": config{"Job": config{"spec": config{"template": config{"spec": config{"hostIPC": true, "priority": 7}}}}}},
		"patch directive":     {"patch": config{"Job": config{"spec": config{"$patch": "replace", "template": config{"spec": config{"hostIPC": true, "priority": 7, "nodeName": nil}}}}}},
		"patch of the mode":   {"patch": config{"Job": config{"spec": config{"completionMode": "Indexed", "template": config{"spec": config{"hostIPC": true, "priority": 7, "nodeName": nil}}}}}},
		"completions":         {"patch": config{"Job": config{"spec": config{"completions": 2, "template": config{"spec": config{"hostIPC": true, "priority": 7, "nodeName": nil}}}}}},
		"numbered pods":       {"completion_mode": "Indexed", "completions": 2, "parallelism": 2},
		"more than at a time": {"completion_mode": "Indexed", "completions": 3, "parallelism": 2},
		"completions said":    {"completions": 4},
		"limit per index":     {"completion_mode": "Indexed", "completions": 2, "parallelism": 2, "backoff_limit_per_index": 1},
		"who has to succeed":  {"completion_mode": "Indexed", "completions": 2, "parallelism": 2, "success_policy": []any{config{"succeeded_count": 1}}},
		"template to nothing": {"patch": config{"Job": config{"spec": nil}}},
	} {
		run := runName(t, with(vector, more))
		if other, taken := names[run]; taken {
			t.Errorf("%s has the name of %s: %s", name, other, run)
		}
		names[run] = name
	}
}

// runName is the name that a create plans.
func runName(t *testing.T, c config) string {
	t.Helper()
	out := newWorld(t).Plan(t.Context(), c)
	if out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	return planned(out, "run_name")
}

func TestPlanKeepsTheRun(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ before, after config }{
		"nothing changed":             {vector, vector},
		"in other words":              {vector, with(vector, config{"resources": config{"requests": config{"cpu": "1", "memory": "1024Mi"}}})},
		"in place":                    {vector, with(vector, config{"backoff_limit": 0, "labels": config{"a": "b"}})},
		"the default said":            {vector, with(vector, config{"restart_policy": "Never"})},
		"patch in place":              {vector, with(vector, config{"patch": config{"Job": config{"spec": config{"podReplacementPolicy": "Failed", "template": config{"spec": config{"hostIPC": true, "priority": 7, "nodeName": nil}}}}}})},
		"patch not known, in place":   {vector, with(vector, config{"patch": config{"Job": config{"spec": config{"parallelism": notKnown{}, "template": config{"spec": config{"hostIPC": true, "priority": 7, "nodeName": nil}}}}}})},
		"an imported name":            {with(vector, config{"run_name": "mine"}), with(vector, config{"run_name": "mine", "backoff_limit": 1})},
		"an imported name given up":   {with(vector, config{"run_name": "mine"}), vector},
		"in place, beside a new name": {with(vector, config{"run_name": "mine"}), with(vector, config{"backoff_limit": 1})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.apply(t, tc.before)
			out := w.Plan(t.Context(), tc.after)
			if out.Errors() != "" || len(out.Replace) > 0 {
				t.Errorf("replaced for %v: %s", out.Replace, out.Errors())
			}
			if got, want := planned(out, "run_name"), w.Attribute("run_name"); got != want {
				t.Errorf("run_name %s, want %s", got, want)
			}
		})
	}
}

// TestAGangIsResizedInPlace: where all indexes run at a time, Kubernetes changes
// their number.
func TestAGangIsResizedInPlace(t *testing.T) {
	t.Parallel()
	sized := func(n int) config {
		return with(vector, config{"completion_mode": "Indexed", "completions": n, "parallelism": n})
	}
	w := newWorld(t)
	w.apply(t, sized(2))
	out := w.Plan(t.Context(), sized(4))
	if len(out.Replace) > 0 || !out.Changed || planned(out, "run_name") != runName(t, sized(2)) {
		t.Errorf("changed %v, replaced for %v, run_name %q", out.Changed, out.Replace, planned(out, "run_name"))
	}
}

func TestPlanReplacesTheRun(t *testing.T) { // pain 6
	t.Parallel()
	for name, tc := range map[string]struct {
		before, after config
		because       string
		run           string // "" means not known
		warning       string
	}{
		"image":             {vector, with(vector, config{"image": "x"}), "image", runName(t, with(vector, config{"image": "x"})), ""},
		"triggers":          {vector, with(vector, config{"triggers": config{"data": "x"}}), "triggers", runName(t, with(vector, config{"triggers": config{"data": "x"}})), ""},
		"restart policy":    {with(vector, config{"pod_failure_policy": nil}), with(vector, config{"pod_failure_policy": nil, "restart_policy": "OnFailure"}), "restart_policy", runName(t, with(vector, config{"pod_failure_policy": nil, "restart_policy": "OnFailure"})), ""},
		"patch":             {vector, with(vector, config{"patch": nil}), "patch", runName(t, with(vector, config{"patch": nil})), ""},
		"a chosen name":     {vector, with(vector, config{"run_name": "mine"}), "run_name", "mine", ""},
		"under its name":    {with(vector, config{"run_name": "mine"}), with(vector, config{"run_name": "mine", "image": "x"}), "image", "mine", ""},
		"an unknown input":  {vector, with(vector, config{"env": config{"A": notKnown{}, "B": "2"}}), "env", "", `env["A"]`},
		"an unknown patch":  {vector, with(vector, config{"patch": notKnown{}}), "patch", "", "patch"},
		"unknown in patch":  {vector, with(vector, config{"patch": config{"Job": config{"spec": config{"template": notKnown{}}}}}), "patch", "", "patch.Job.spec.template"},
		"an unknown name":   {vector, with(vector, config{"run_name": notKnown{}}), "run_name", "", "run_name"},
		"numbered pods":     {vector, with(vector, config{"completion_mode": "Indexed", "completions": 2, "parallelism": 2}), "completion_mode", runName(t, with(vector, config{"completion_mode": "Indexed", "completions": 2, "parallelism": 2})), ""},
		"completions":       {vector, with(vector, config{"completions": 2}), "completions", runName(t, with(vector, config{"completions": 2})), ""},
		"an unknown memory": {vector, with(vector, config{"shared_memory": notKnown{}}), "shared_memory", "", "shared_memory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.apply(t, tc.before)
			out := w.Plan(t.Context(), tc.after)
			if !slices.Contains(out.Replace, fmt.Sprintf("AttributeName(%q)", tc.because)) {
				t.Errorf("replaced for %v, want %s", out.Replace, tc.because)
			}
			if got := planned(out, "run_name"); got != tc.run {
				t.Errorf("run_name %q, want %q", got, tc.run)
			}
			if got := out.Warnings(); (tc.warning == "") != (got == "") || !strings.Contains(got, tc.warning) || strings.Contains(got, "---") {
				t.Errorf("warnings %q, want one that names %s", got, tc.warning)
			}
		})
	}
}

func TestPlanOfACreate(t *testing.T) {
	t.Parallel()
	if got := runName(t, with(vector, config{"run_name": "mine"})); got != "mine" {
		t.Errorf("run_name %q", got)
	}
	out := newWorld(t).Plan(t.Context(), with(vector, config{"image": notKnown{}}))
	if got := planned(out, "run_name"); got != "" || out.Warnings() != "" {
		t.Errorf("run_name %q, warnings %v", got, out.Warnings())
	}
}

func TestPlanOfAResumedRunForgetsItsStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.apply(t, with(vector, config{"suspend": true}))
	run, _ := w.Attribute("run_name").(string)
	w.api.Change("Job", "default", run, "kube-controller-manager", func(o map[string]any) {
		merge(o, map[string]any{"status": map[string]any{"startTime": "2026-11-01T08:00:00Z"}})
	})
	if out := w.Refresh(t.Context()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	if got := planned(w.Plan(t.Context(), with(vector, config{"suspend": false})), "start_time"); got != "" {
		t.Errorf("start_time %q is planned", got)
	}
	if got := planned(w.Plan(t.Context(), with(vector, config{"suspend": true, "backoff_limit": 1})), "start_time"); got != "2026-11-01T08:00:00Z" {
		t.Errorf("start_time %q is planned", got)
	}
}

// TestAnEditDoesNotWaitForARun that may be queued for days, but takes what it
// would have waited for along when it is asked to wait anew.
func TestAnEditDoesNotWaitForARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	brief := config{"timeouts": config{"create": "500ms", "update": "500ms"}}
	w.apply(t, vector)
	if out := w.Apply(ctx, with(vector, config{"wait_for": "created", "backoff_limit": 1})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	out := w.Apply(ctx, with(with(vector, brief), config{"wait_for": "running"}))
	if !strings.Contains(out.Errors(), "is not running") {
		t.Fatalf("another level got %q", out.Errors())
	}
	if out = w.Plan(ctx, with(with(vector, brief), config{"wait_for": "running"})); !out.Changed {
		t.Error("a wait that failed is not done again")
	}
}

// TestUpdateLearnsWhatTheRefreshDidNotSee: a run may finish while it is edited.
func TestUpdateLearnsWhatTheRefreshDidNotSee(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.apply(t, vector)
	run, _ := w.Attribute("run_name").(string)
	w.api.Change("Job", "default", run, "kube-controller-manager", func(o map[string]any) {
		merge(o, map[string]any{"status": map[string]any{"startTime": "2026-11-01T08:00:00Z", "completionTime": "2026-11-01T09:00:00Z"}})
	})
	w.apply(t, with(vector, config{"backoff_limit": 1}))
	if got := w.Attribute("completion_time"); got != "2026-11-01T09:00:00Z" {
		t.Errorf("completion_time is %v", got)
	}
}

func TestVanished(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		phase     string
		ttl       any
		completed bool
		seen      time.Duration // ago
		namespace bool
		keep      bool
		unknown   bool
	}{
		"seen complete":                     {phase: "Complete", namespace: true, keep: true},
		"seen complete, namespace gone":     {phase: "Complete", keep: true},
		"seen failed":                       {phase: "Failed", namespace: true, keep: true},
		"completion time seen":              {phase: "Running", completed: true, namespace: true, keep: true},
		"told before":                       {phase: "Unknown", keep: true},
		"running, no ttl":                   {phase: "Running", namespace: true, seen: time.Hour},
		"running, ttl not yet":              {phase: "Running", ttl: 3600, namespace: true, seen: 59 * time.Minute},
		"running, ttl just":                 {phase: "Running", ttl: 3600, namespace: true, seen: time.Hour, keep: true, unknown: true},
		"running, ttl 0":                    {phase: "Running", ttl: 0, namespace: true, keep: true, unknown: true},
		"running, ttl over, namespace gone": {phase: "Running", ttl: 3600, seen: 2 * time.Hour},
		"never looked at":                   {ttl: 60, namespace: true, seen: time.Hour, keep: true, unknown: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := load(t, "minimal")
			if tc.ttl != nil {
				c["ttl_seconds_after_finished"] = tc.ttl
			}
			if tc.completed {
				c["completion_time"] = "2026-11-01T09:00:00Z"
			}
			if tc.phase != "" {
				c["status"] = config{"phase": tc.phase}
			}
			fate := trainingjob.Definition().Vanished(modelOf(t, c), lifecycle.Circumstances{
				NamespaceExists: tc.namespace, LastSeen: now.Add(-tc.seen), Now: now,
			})
			if fate.Keep != tc.keep {
				t.Errorf("keep %v", fate.Keep)
			}
			if (fate.Status.Phase == "Unknown") != tc.unknown || (fate.Warning.Summary != "") != tc.unknown {
				t.Errorf("status %+v, warning %q", fate.Status, fate.Warning.Summary)
			}
			if len(fate.Warning.Summary) > 90 {
				t.Errorf("summary of %d characters", len(fate.Warning.Summary))
			}
		})
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	kept := lifecycle.Released{
		Patch:    map[string]any{"metadata": map[string]any{"labels": map[string]any{"mlk.dev/kept": "hello", "mlk.dev/owner": nil}}},
		Selector: "mlk.dev/kept=hello", Keep: 2,
	}
	for name, tc := range map[string]struct {
		keep any
		job  string
		want lifecycle.Released
	}{
		"complete":       {2, complete, kept},
		"failed":         {2, failed, kept},
		"unfinished":     {2, fresh, lifecycle.Released{}},
		"failing":        {2, failing, lifecycle.Released{}},
		"none wanted":    {0, complete, lifecycle.Released{}},
		"nothing wanted": {nil, complete, lifecycle.Released{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := modelOf(t, with(load(t, "minimal"), config{"keep_runs": tc.keep}))
			if d := cmp.Diff(tc.want, trainingjob.Definition().Release(m, seen(t, tc.job).Live)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestReleaseOfAVanishedRun(t *testing.T) {
	t.Parallel()
	m := modelOf(t, with(load(t, "minimal"), config{"keep_runs": 1}))
	if got := trainingjob.Definition().Release(m, kube.Live{}); got.Patch != nil {
		t.Errorf("%+v", got)
	}
}

func TestCompletedTrustsTheJobsOwnRetries(t *testing.T) {
	t.Parallel()
	d := trainingjob.Definition()
	for _, level := range d.WaitFor {
		if d.Trusts(level) != (level == "completed") {
			t.Error(level)
		}
	}
	if d.WaitFor[0] != "running" {
		t.Errorf("default is %s", d.WaitFor[0])
	}
}
