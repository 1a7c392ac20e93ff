package inferenceservice_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/inferenceservice"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// deployment is a Deployment of two pods at revision 2, with this status.
func deployment(t *testing.T, status string) *kube.Object {
	t.Helper()
	return object(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: api, namespace: ml, uid: d, generation: 2, annotations: {deployment.kubernetes.io/revision: "2"}},
spec: {replicas: 2}, status: `+status+`}`)
}

// asks makes a Deployment ask for so many pods.
func asks(t *testing.T, d *kube.Object, replicas int64) {
	t.Helper()
	if err := unstructured.SetNestedField(d.Object, replicas, "spec", "replicas"); err != nil {
		t.Fatal(err)
	}
}

// replicaSet is a revision of it.
func replicaSet(t *testing.T, number, ready int) *kube.Object {
	t.Helper()
	return object(t, fmt.Sprintf(`{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: api-h%[1]d, labels: {pod-template-hash: h%[1]d}, annotations: {deployment.kubernetes.io/revision: "%[1]d"},
ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: api, uid: d, controller: true}]},
spec: {template: {spec: {containers: [{name: main, image: "model:%[1]d"}]}}}, status: {replicas: %[2]d, readyReplicas: %[2]d}}`, number, ready))
}

func endpoints(t *testing.T, ready bool) *kube.Object {
	t.Helper()
	return object(t, fmt.Sprintf(`{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: api-x}, addressType: IPv4, endpoints: [{addresses: [10.0.0.1], conditions: {ready: %v}}]}`, ready))
}

// seen is what a look at these objects shows.
func seen(t *testing.T, objects ...*kube.Object) lifecycle.Seen {
	t.Helper()
	s := lifecycle.Seen{Live: kube.Live{}, Now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), Beside: map[string][]*kube.Object{kube.ReplicaSet.Kind: {}, kube.EndpointSlice.Kind: {}}}
	for _, o := range objects {
		if _, beside := s.Beside[o.GetKind()]; beside {
			s.Beside[o.GetKind()] = append(s.Beside[o.GetKind()], o)
			continue
		}
		s.Live[o.GetKind()] = o
	}
	return s
}

const (
	complete = "{observedGeneration: 2, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2}"
	halfway  = "{observedGeneration: 2, replicas: 3, updatedReplicas: 1, readyReplicas: 2, availableReplicas: 2}"
)

func TestReady(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		level  string
		status string
		ready  *bool
		want   wait.Verdict
	}{
		"created":            {"created", "{}", nil, wait.Of(wait.Done, "Pending", "", "The Deployment's controller has not taken notice of it yet")},
		"not observed":       {"ready", "{observedGeneration: 1, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2}", yes(true), wait.Of(wait.Progressing, "Pending", "", "The Deployment's controller has not taken notice of it yet")},
		"old pods remain":    {"ready", halfway, yes(true), wait.Of(wait.Progressing, "Progressing", "", "2 of 2 pods are ready, 1 of this revision")},
		"complete":           {"ready", complete, yes(true), wait.Of(wait.Done, "Ready", "", "2 of 2 pods are ready")},
		"no endpoint":        {"ready", complete, nil, wait.Of(wait.Progressing, "Progressing", "NoEndpoints", "All pods are ready, and the Service leads to none of them yet")},
		"no ready endpoint":  {"ready", complete, yes(false), wait.Of(wait.Progressing, "Progressing", "NoEndpoints", "All pods are ready, and the Service leads to none of them yet")},
		"deadline":           {"ready", "{observedGeneration: 2, replicas: 3, updatedReplicas: 1, readyReplicas: 2, conditions: [{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded}]}", yes(true), wait.Of(wait.Failed, "Failed", "ProgressDeadlineExceeded", "2 of 2 pods are ready, 1 of this revision: the rollout has made no progress for longer than its deadline")},
		"done after it":      {"ready", "{observedGeneration: 2, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2, conditions: [{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded}]}", yes(true), wait.Of(wait.Done, "Ready", "", "2 of 2 pods are ready")},
		"deadline of before": {"ready", "{observedGeneration: 1, conditions: [{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded}]}", nil, wait.Of(wait.Progressing, "Pending", "", "The Deployment's controller has not taken notice of it yet")},
		"refused":            {"ready", "{observedGeneration: 2, conditions: [{type: ReplicaFailure, status: 'True', reason: FailedCreate, message: exceeded quota}]}", nil, wait.Of(wait.Progressing, "Progressing", "FailedCreate", "exceeded quota")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := []*kube.Object{deployment(t, c.status)}
			if c.ready != nil {
				all = append(all, endpoints(t, *c.ready))
			}
			got := inferenceservice.Definition().Ready(model(t, "ports: {http: {port: 1}}"), seen(t, all...), c.level)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func yes(b bool) *bool { return &b }

// Who may not see endpoints, or has no Service, does not wait for them.
func TestReadyWithoutEndpoints(t *testing.T) {
	t.Parallel()
	s := seen(t, deployment(t, complete))
	if got := inferenceservice.Definition().Ready(model(t, "service: {enabled: false}"), s, "ready"); got.Outcome != wait.Done {
		t.Errorf("without a Service: %v", got)
	}
	delete(s.Beside, kube.EndpointSlice.Kind)
	if got := inferenceservice.Definition().Ready(model(t, "ports: {http: {port: 1}}"), s, "ready"); got.Outcome != wait.Done {
		t.Errorf("without the right to see them: %v", got)
	}
}

// Without a probe a server that crashes at its start looks ready for a moment.
func TestReadySteady(t *testing.T) { // pain 13
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		config string
		age    time.Duration
		hash   string
		want   wait.Outcome
	}{
		"just started":    {"", 2 * time.Second, "h2", wait.Progressing},
		"runs for a time": {"", 6 * time.Second, "h2", wait.Done},
		"a probe tells":   {"readiness_probe: {tcp_socket: {port: '1'}}, ", 2 * time.Second, "h2", wait.Done},
		"an old one":      {"", 2 * time.Second, "h1", wait.Done},
	} {
		p := pod(c.hash)
		p.Status = corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
			Name: "main", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-c.age))}},
		}}}
		s := seen(t, deployment(t, complete), replicaSet(t, 1, 0), replicaSet(t, 2, 2), endpoints(t, true))
		s.Pods, s.Now = []corev1.Pod{*p}, now
		if got := inferenceservice.Definition().Ready(model(t, c.config+"ports: {http: {port: 1}}"), s, "ready"); got.Outcome != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A service that is asked to have no pods has nothing to wait for.
func TestReadyStopped(t *testing.T) {
	t.Parallel()
	d := deployment(t, "{observedGeneration: 2}")
	asks(t, d, 0)
	got := inferenceservice.Definition().Ready(model(t, "ports: {http: {port: 1}}"), seen(t, d), "ready")
	if diff := cmp.Diff(wait.Of(wait.Done, "Stopped", "", "The service is asked to have no pods"), got); diff != "" {
		t.Error(diff)
	}
}

func pod(hash string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"pod-template-hash": hash}}}
}

// What is wrong with pods that an update is to replace does not end its wait.
func TestOutdated(t *testing.T) {
	t.Parallel()
	outdated := inferenceservice.Definition().Outdated
	now := seen(t, deployment(t, halfway), replicaSet(t, 1, 2), replicaSet(t, 2, 0))
	before := seen(t, deployment(t, "{observedGeneration: 1}"), replicaSet(t, 1, 2))
	unseen := lifecycle.Seen{Live: now.Live}
	for name, c := range map[string]struct {
		seen lifecycle.Seen
		hash string
		want bool
	}{
		"of the revision before": {now, "h1", true}, "of this revision": {now, "h2", false},
		"before the controller has looked": {before, "h1", true}, "revisions cannot be seen": {unseen, "h1", false},
	} {
		if got := outdated(c.seen, pod(c.hash)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A rollout that failed says who still answers.
func TestServing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sets []*kube.Object
		want string
	}{
		"the one before": {[]*kube.Object{replicaSet(t, 1, 2), replicaSet(t, 2, 0)}, "Revision 1 (image model:1) still serves, with 2 ready pods; revision 2 is the one that failed."},
		"one pod":        {[]*kube.Object{replicaSet(t, 2, 1), replicaSet(t, 3, 0)}, "Revision 2 (image model:2) still serves, with 1 ready pod; revision 3 is the one that failed."},
		"none":           {[]*kube.Object{replicaSet(t, 1, 0), replicaSet(t, 2, 0)}, "No revision serves: none has a ready pod."},
		"the first":      {[]*kube.Object{replicaSet(t, 1, 0)}, ""},
	} {
		got := inferenceservice.Definition().Serving(model(t, ""), seen(t, append(c.sets, deployment(t, halfway))...))
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	m := model(t, "replicas: 2, ports: {http: {port: 1}}")
	d := deployment(t, halfway)
	asks(t, d, 6)
	if ds := inferenceservice.Definition().Observe(m, seen(t, d)); ds.HasError() {
		t.Fatal(ds)
	}
	if m.ReadyReplicas.ValueInt32() != 2 || m.CurrentReplicas.ValueInt32() != 6 {
		t.Errorf("%s ready of %s", m.ReadyReplicas, m.CurrentReplicas)
	}
}
