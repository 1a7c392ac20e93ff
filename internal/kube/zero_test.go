package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDriftOfZeros: what is gone from the server was a change, unless the
// server leaves such a value out by itself.
func TestDriftOfZeros(t *testing.T) {
	t.Parallel()
	job := func(spec map[string]any) map[string]any {
		return map[string]any{"apiVersion": "batch/v1", "kind": "Job", "spec": spec}
	}
	pod := func(spec map[string]any) map[string]any {
		return job(map[string]any{"template": map[string]any{"spec": spec}})
	}
	tests := map[string]struct {
		wanted, live map[string]any
		want         [][]string
	}{
		"a TTL of 0 is not no TTL": {
			job(map[string]any{"ttlSecondsAfterFinished": int64(0)}), job(map[string]any{}),
			[][]string{{"spec", "ttlSecondsAfterFinished"}},
		},
		"a volume that is all defaults": {
			pod(map[string]any{"volumes": []any{map[string]any{"name": "a", "emptyDir": map[string]any{}}}}),
			pod(map[string]any{"volumes": []any{map[string]any{"name": "a"}}}),
			[][]string{{"spec", "template", "spec", "volumes", "a", "emptyDir"}},
		},
		"a label without a value": {
			map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"labels": map[string]any{"a": "", "b": "x"}}},
			map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"labels": map[string]any{"b": "x"}}},
			[][]string{{"metadata", "labels", "a"}},
		},
		"a label without a value of a custom resource": {
			map[string]any{"apiVersion": "example.com/v1", "kind": "Thing", "metadata": map[string]any{"labels": map[string]any{"a": "", "b": "x"}}},
			map[string]any{"apiVersion": "example.com/v1", "kind": "Thing", "metadata": map[string]any{"labels": map[string]any{"b": "x"}}},
			[][]string{{"metadata", "labels", "a"}},
		},
		"the only label, without a value": {
			map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"labels": map[string]any{"a": ""}}},
			map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{}},
			[][]string{{"metadata", "labels"}},
		},
		"false, which the server leaves out": {
			pod(map[string]any{"hostNetwork": false, "containers": []any{map[string]any{"name": "a", "resources": map[string]any{}}}}),
			pod(map[string]any{"containers": []any{map[string]any{"name": "a"}}}), nil,
		},
		"a class of no name": {
			map[string]any{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": map[string]any{"storageClassName": "", "selector": map[string]any{}}},
			map[string]any{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": map[string]any{"selector": map[string]any{}}},
			[][]string{{"spec", "storageClassName"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, Drift(tt.wanted, tt.live)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSameTellsZeroFromNothing(t *testing.T) {
	t.Parallel()
	for _, v := range []any{nil, false, int64(0), ""} {
		if Same(map[string]any{"a": v, "b": "x"}, map[string]any{"b": "x"}) {
			t.Errorf("a patch that sets %v is taken for one that does not", v)
		}
	}
	if !Same(map[string]any{"limits": map[string]any{"cpu": "1000m"}}, map[string]any{"limits": map[string]any{"cpu": "1"}}) {
		t.Error("1000m is not 1")
	}
}
