package inferenceservice_test

import (
	"strings"
	"testing"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// TestPodSecurity: pods that the namespace will refuse are said at plan, those of groups
// and of a canary too, and which of them they are.
func TestPodSecurity(t *testing.T) {
	t.Parallel()
	network := attributes{"host_network": true}
	groups := attributes{"multi_node": attributes{"size": 2}, "command": []any{"serve"}, "host_network": true}
	worker := attributes{"multi_node": attributes{"size": 2}, "command": []any{"serve"}, "patch": attributes{"LeaderWorkerSet": attributes{"spec": attributes{"leaderWorkerTemplate": attributes{
		"workerTemplate": attributes{"spec": attributes{"hostIPC": true}},
	}}}}}
	canary := routed("model:1", attributes{"image": "model:2", "weight": 10})
	canary["patch"] = attributes{"Deployment/canary": attributes{"spec": attributes{"template": attributes{"spec": attributes{"hostPID": true}}}}}
	for name, tc := range map[string]struct {
		level  string
		config attributes
		want   string // a line of the warning; "" for no warning
	}{
		"a Deployment":       {"baseline", serviceWith(network), "host namespaces (hostNetwork=true)"},
		"groups":             {"baseline", serviceWith(groups), "host namespaces (hostNetwork=true)"},
		"workers alone":      {"baseline", serviceWith(worker), "worker: host namespaces (hostIPC=true)"},
		"a canary alone":     {"baseline", canary, "canary: host namespaces (hostPID=true)"},
		"groups, any pods":   {"privileged", serviceWith(groups), ""},
		"groups, no pods":    {"", serviceWith(worker), ""},
		"ordinary groups":    {"baseline", serviceWith(attributes{"multi_node": attributes{"size": 2}, "command": []any{"serve"}}), ""},
		"an ordinary canary": {"baseline", routed("model:1", attributes{"image": "model:2", "weight": 10}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := completing(t)
			api.Change("Namespace", "", "default", "admin", func(o map[string]any) {
				if tc.level != "" {
					o["metadata"].(map[string]any)["labels"] = map[string]any{"pod-security.kubernetes.io/enforce": tc.level} //nolint:forcetypeassert // it has metadata
				}
			})
			core, _ := start(t, api, &testkit.Process{})
			out := core.Plan(t.Context(), tc.config)
			said := out.Warnings()
			if out.Errors() != "" || tc.want == "" && said != "" || tc.want != "" && !strings.Contains(said, "will refuse the pods of this inference service") || !strings.Contains(said, "\n"+tc.want+"\n") && !strings.Contains(said, "\n  "+tc.want+"\n") && tc.want != "" {
				t.Errorf("want %q, the plan says %s%s", tc.want, out.Errors(), said)
			}
		})
	}
}
