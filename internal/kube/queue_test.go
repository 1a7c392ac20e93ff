package kube

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func manifest(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// What Kueue writes into an object it admits is no drift; what it takes away, or
// writes where no queue is, is.
func TestDriftOfQueuedObjects(t *testing.T) {
	t.Parallel()
	const wanted = `
apiVersion: batch/v1
kind: Job
metadata: {name: a, labels: {kueue.x-k8s.io/queue-name: team-a}}
spec: {template: {spec: {nodeSelector: {os: linux}, tolerations: [{key: gpu, operator: Exists}]}}}
`
	job := func(labels, tolerations string) string {
		return `
apiVersion: batch/v1
kind: Job
metadata: {name: a, labels: {` + labels + `}}
spec: {suspend: false, template: {metadata: {labels: {kueue.x-k8s.io/podset: main}}, spec: {nodeSelector: {os: linux, pool: h100}, tolerations: [` + tolerations + `]}}}
`
	}
	const queued = "kueue.x-k8s.io/queue-name: team-a"
	at := []string{"spec", "template", "spec", "tolerations"}
	for name, tc := range map[string]struct {
		live string
		want [][]string
	}{
		"one is added":   {job(queued, `{key: gpu, operator: Exists}, {key: reserved, operator: Exists}`), nil},
		"ours is gone":   {job(queued, `{key: reserved, operator: Exists}`), [][]string{at}},
		"not in a queue": {job("", `{key: gpu, operator: Exists}, {key: reserved, operator: Exists}`), [][]string{{"metadata", "labels", "kueue.x-k8s.io/queue-name"}, at}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, l := manifest(t, wanted), manifest(t, tc.live)
			got := Drift(w, Declared(l, w))
			slices.SortFunc(got, slices.Compare)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// On import nothing is said of what the queue writes, and it is not taken over.
func TestSuspendIsTheQueues(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]map[string]any{
		"labels: {kueue.x-k8s.io/queue-name: team-a}": nil,
		"labels: {team: a}":                           {"spec": map[string]any{"suspend": true}},
	} {
		live := manifest(t, "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a, "+kind+"}\nspec: {suspend: true, template: {}}\n")
		wanted := manifest(t, "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {template: {}}\n")
		if diff := cmp.Diff(want, Residual(Job, live, wanted)); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
		if got := len(unsayable(Job, &Object{Object: live})); (got == 1) != (want == nil) {
			t.Errorf("%s: %d subtrees are left to others", kind, got)
		}
	}
}
