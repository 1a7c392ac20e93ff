package nodeagent_test

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/nodeagent"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

func object(t *testing.T, text string) *kube.Object {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

func model(t *testing.T, more string) *nodeagent.Model {
	t.Helper()
	return testkit.ReadModel[nodeagent.Model](t, nodeagent.New, []byte("name: agent\nnamespace: ml\nimage: a\n"+more))
}

func daemonSet(t *testing.T, spec, status string) *kube.Object {
	t.Helper()
	return object(t, `{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent, namespace: ml, uid: d, generation: 2}, spec: {`+spec+`}, status: {`+status+`}}`)
}

func TestReady(t *testing.T) {
	t.Parallel()
	const done = "observedGeneration: 2, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberReady: 3, numberAvailable: 3"
	for name, c := range map[string]struct {
		spec, status string
		want         wait.Verdict
	}{
		"not noticed": {
			"", "observedGeneration: 1, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberReady: 3, numberAvailable: 3",
			wait.Of(wait.Progressing, "Updating", "", "The controller of DaemonSets has not taken notice of it yet"),
		},
		"no node": {"", "observedGeneration: 2", wait.Of(wait.Done, "Idle", "NoNodes", "No node matches; the agent comes with the first one that does")},
		"rolling": {
			"", "observedGeneration: 2, desiredNumberScheduled: 3, updatedNumberScheduled: 1, numberReady: 2, numberAvailable: 2",
			wait.Of(wait.Progressing, "Updating", "", "1 of 3 nodes have the agent of this revision, on 2 it is ready"),
		},
		"not ready": {
			"", "observedGeneration: 2, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberReady: 2, numberAvailable: 2",
			wait.Of(wait.Progressing, "Pending", "", "The agent is ready on 2 of 3 nodes"),
		},
		"not for long": {
			"minReadySeconds: 9", "observedGeneration: 2, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberReady: 3, numberAvailable: 1",
			wait.Of(wait.Progressing, "Pending", "", "The agent has been ready on 1 of 3 nodes for 9 s"),
		},
		"done": {"", done, wait.Of(wait.Done, "Ready", "", "")},
		"by hand": {
			"updateStrategy: {type: OnDelete}", "observedGeneration: 2, desiredNumberScheduled: 3, updatedNumberScheduled: 1, numberReady: 3, numberAvailable: 3",
			wait.Of(wait.Done, "Ready", "", "On 2 of 3 nodes the agent is of an earlier revision until somebody deletes its pod, as update_strategy asks"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := lifecycle.Seen{Live: kube.Live{"DaemonSet": daemonSet(t, c.spec, c.status)}}
			if got := nodeagent.Definition().Ready(model(t, ""), seen, "ready"); got != c.want {
				t.Errorf("got %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// Without a probe a pod counts when it has lasted, those of earlier revisions aside.
func TestSteady(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	pod := func(hash string, age time.Duration) corev1.Pod {
		return corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"controller-revision-hash": hash}},
			Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
				Name: "main", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-age))}},
			}}},
		}
	}
	seen := lifecycle.Seen{
		Now:  now,
		Live: kube.Live{"DaemonSet": daemonSet(t, "", "observedGeneration: 2, desiredNumberScheduled: 1, updatedNumberScheduled: 1, numberReady: 1, numberAvailable: 1")},
		Beside: map[string][]*kube.Object{"ControllerRevision": {
			object(t, `{apiVersion: apps/v1, kind: ControllerRevision, metadata: {name: a, labels: {controller-revision-hash: new}}, revision: 2}`),
			object(t, `{apiVersion: apps/v1, kind: ControllerRevision, metadata: {name: b, labels: {controller-revision-hash: old}}, revision: 1}`),
		}},
	}
	for _, c := range []struct {
		pod  corev1.Pod
		more string
		want wait.Outcome
	}{
		{pod("new", time.Second), "", wait.Progressing},
		{pod("new", time.Second), "readiness_probe: {tcp_socket: {port: \"80\"}}", wait.Done},
		{pod("new", time.Minute), "", wait.Done},
		{pod("old", time.Second), "", wait.Done},
	} {
		seen.Pods = []corev1.Pod{c.pod}
		if got := nodeagent.Definition().Ready(model(t, c.more), seen, "ready"); got.Outcome != c.want {
			t.Errorf("%s %s: %+v", c.pod.Labels, c.more, got)
		}
		old := c.pod.Labels["controller-revision-hash"] == "old"
		if got := nodeagent.Definition().Outdated(seen, &c.pod); got != old {
			t.Errorf("%s: outdated %v", c.pod.Labels, got)
		}
	}
}

// Until it is certain which revision is the newest, no pod fails an update: the ones
// in sight may be what it is about to replace.
func TestOutdatedUntilSeen(t *testing.T) { // pain 13
	t.Parallel()
	const counted = "observedGeneration: 2, desiredNumberScheduled: 6, updatedNumberScheduled: 1"
	revision := func(hash string, n int) *kube.Object {
		return object(t, fmt.Sprintf(`{apiVersion: apps/v1, kind: ControllerRevision, metadata: {name: %s, labels: {controller-revision-hash: %[1]s}}, revision: %d}`, hash, n))
	}
	both := []*kube.Object{revision("new", 2), revision("old", 1)}
	for name, c := range map[string]struct {
		status    string
		revisions []*kube.Object
		forbidden bool
		hash      string
		want      bool
	}{
		"the watch has shown none yet":         {status: counted, revisions: []*kube.Object{}, hash: "old", want: true},
		"the watch shows only the former":      {status: "observedGeneration: 2, desiredNumberScheduled: 6", revisions: both[1:], hash: "old", want: true},
		"the controller has not looked":        {status: "observedGeneration: 1, desiredNumberScheduled: 6, updatedNumberScheduled: 6", revisions: both, hash: "new", want: true},
		"a former one":                         {status: counted, revisions: both, hash: "old", want: true},
		"the newest":                           {status: counted, revisions: both, hash: "new"},
		"revisions may not be read, all count": {status: counted, forbidden: true, hash: "old"},
	} {
		seen := lifecycle.Seen{Live: kube.Live{"DaemonSet": daemonSet(t, "", c.status)}, Beside: map[string][]*kube.Object{}}
		if !c.forbidden {
			seen.Beside["ControllerRevision"] = c.revisions
		}
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"controller-revision-hash": c.hash}}}
		if got := nodeagent.Definition().Outdated(seen, &p); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	seen := lifecycle.Seen{
		Live:   kube.Live{"DaemonSet": daemonSet(t, "", "observedGeneration: 2, desiredNumberScheduled: 1, updatedNumberScheduled: 1, numberReady: 1, numberAvailable: 1")},
		Beside: map[string][]*kube.Object{"ControllerRevision": {}},
	}
	if got := nodeagent.Definition().Ready(model(t, ""), seen, "ready"); got.Outcome != wait.Progressing {
		t.Errorf("done before a revision was seen: %+v", got)
	}
}

// A ServiceMonitor watches the Service by its labels, and is found again.
func TestMonitor(t *testing.T) {
	t.Parallel()
	m := model(t, "preset: dcgm_exporter\nservice: {}\nmetrics: {port: 9400, scrape: service_monitor, path: /metrics}\n")
	live := kube.Live{}
	for _, o := range testkit.Objects(t, nodeagent.Definition().Desired, m) {
		live[(&kube.Object{Object: o}).GetKind()] = &kube.Object{Object: o}
	}
	if len(live) != 3 {
		t.Fatalf("made %v", live)
	}
	labels, _, _ := unstructured.NestedStringMap(live["ServiceMonitor"].Object, "spec", "selector", "matchLabels")
	for k, v := range labels {
		if live["Service"].GetLabels()[k] != v {
			t.Errorf("the Service has no label %s=%s", k, v)
		}
	}
	for _, prior := range []*nodeagent.Model{nil, m} {
		got, ds := nodeagent.Definition().Adopt(live, prior)
		if ds.HasError() || got.Metrics == nil || *got.Metrics != *m.Metrics {
			t.Errorf("adopted %+v %v", got.Metrics, ds)
		}
	}
	found := nodeagent.Definition().Companion(live["DaemonSet"], kube.ServiceMonitor, []*kube.Object{object(t, "{metadata: {name: other}}"), live["ServiceMonitor"]})
	if found != live["ServiceMonitor"] {
		t.Errorf("found %v", found)
	}
	if err := unstructured.SetNestedSlice(live["ServiceMonitor"].Object, []any{map[string]any{"targetPort": int64(1), "path": "/metrics"}}, "spec", "endpoints"); err != nil {
		t.Fatal(err)
	}
	if got, _ := nodeagent.Definition().Adopt(live, m); got.Metrics != nil {
		t.Errorf("a changed ServiceMonitor is not seen: %+v", got.Metrics)
	}
}
