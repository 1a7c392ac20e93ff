package diagnose

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseScheduler(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		msg  string
		want schedulerWords
	}{
		"one reason": {
			"0/4 nodes are available: 4 Insufficient nvidia.com/gpu.",
			schedulerWords{nodes: 4, reasons: []refusedNodes{{4, "Insufficient nvidia.com/gpu"}}, quote: "0/4 nodes are available: 4 Insufficient nvidia.com/gpu."},
		},
		"preemption does not help": {
			"0/4 nodes are available: 1 Insufficient cpu, 3 node(s) had untolerated taint(s). preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling.",
			schedulerWords{nodes: 4, reasons: []refusedNodes{{1, "Insufficient cpu"}, {3, "node(s) had untolerated taint(s)"}}, quote: "0/4 nodes are available: 1 Insufficient cpu, 3 node(s) had untolerated taint(s)."},
		},
		"preemption under way": {
			"0/2 nodes are available: 2 Insufficient cpu. preemption: found a potential placement for pod on node n1, preempting 3 victims",
			schedulerWords{nodes: 2, reasons: []refusedNodes{{2, "Insufficient cpu"}}, quote: "0/2 nodes are available: 2 Insufficient cpu.", preempting: "found a potential placement for pod on node n1, preempting 3 victims"},
		},
		"taint named, as before 1.37": {
			"0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 node(s) had untolerated taint {a: b}. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
			schedulerWords{nodes: 3, reasons: []refusedNodes{{1, "node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }"}, {2, "node(s) had untolerated taint {a: b}"}}, quote: "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 node(s) had untolerated taint {a: b}."},
		},
		"reason with a comma": {
			"0/2 nodes are available: 2 request gpu, sub 1: no such device.",
			schedulerWords{nodes: 2, reasons: []refusedNodes{{2, "request gpu, sub 1: no such device"}}, quote: "0/2 nodes are available: 2 request gpu, sub 1: no such device."},
		},
		"the whole cluster": {
			"0/6 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/6 nodes are available: 6 Preemption is not helpful for scheduling.",
			schedulerWords{nodes: 6, whole: "pod has unbound immediate PersistentVolumeClaims", quote: "0/6 nodes are available: pod has unbound immediate PersistentVolumeClaims."},
		},
		"no nodes at all": {
			"no nodes available to schedule pods",
			schedulerWords{nodes: -1, whole: "no nodes available to schedule pods", quote: "no nodes available to schedule pods"},
		},
		"empty": {"", schedulerWords{nodes: -1, quote: ""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, parseScheduler(tt.msg), cmp.AllowUnexported(schedulerWords{}, refusedNodes{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
