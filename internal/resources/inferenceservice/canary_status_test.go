package inferenceservice_test

import (
	"fmt"
	"testing"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/inferenceservice"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// A Gateway that tells of routes must have taken notice of the last change, but not
// for ever: requests go where they went before until then.
func TestReadyOnceHeard(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		observed, applied string
		want              wait.Outcome
	}{
		"nobody tells":     {"", "2026-11-25T11:59:59Z", wait.Done},
		"taken notice of":  {"3", "2026-11-25T11:59:59Z", wait.Done},
		"not yet":          {"2", "2026-11-25T11:59:59Z", wait.Progressing},
		"not for too long": {"2", "2026-11-25T11:59:00Z", wait.Done},
	} {
		parents := "[]"
		if c.observed != "" {
			parents = fmt.Sprintf(`[{conditions: [{type: Accepted, status: "True", observedGeneration: %s}]}]`, c.observed)
		}
		route := object(t, fmt.Sprintf(`{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: api, generation: 3,
managedFields: [{manager: %s, operation: Apply, time: %q}]}, status: {parents: %s}}`, kube.Manager, c.applied, parents))
		s := seen(t, deployment(t, complete), replicaSet(t, 2, 2), endpoints(t, true), route)
		got := inferenceservice.Definition().Ready(model(t, "readiness_probe: {tcp_socket: {port: '1'}}, ports: {http: {port: 1}}"), s, "ready")
		if got.Outcome != c.want || c.want == wait.Progressing && got.Reason != "RoutePending" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Both versions must be ready, and the message says which is not.
func TestReadyWithCanary(t *testing.T) {
	t.Parallel()
	const one = "{observedGeneration: 2, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1}"
	for name, c := range map[string]struct {
		main, canary string
		want         wait.Outcome
		message      string
	}{
		"both":       {complete, one, wait.Done, "2 of 2 pods are ready; canary with 10 % of the requests: 1 of 1 pods are ready"},
		"the canary": {complete, "{observedGeneration: 2}", wait.Progressing, "The canary: 0 of 1 pods are ready, 0 of this revision"},
		"the stable": {halfway, one, wait.Progressing, "The stable version: 2 of 2 pods are ready, 1 of this revision"},
		"no canary":  {complete, "", wait.Progressing, "The Deployment of the canary does not exist yet"},
	} {
		s := seen(t, deployment(t, c.main), replicaSet(t, 2, 2), endpoints(t, true))
		if c.canary != "" {
			s.Live["Deployment/canary"] = object(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: api-canary, namespace: ml, generation: 2}, spec: {replicas: 1}, status: `+c.canary+`}`)
		}
		got := inferenceservice.Definition().Ready(model(t, "readiness_probe: {tcp_socket: {port: '1'}}, ports: {http: {port: 1}}, route: {gateway: g}, canary: {weight: 10}"), s, "ready")
		if got.Outcome != c.want || got.Message != c.message {
			t.Errorf("%s: %v", name, got)
		}
	}
}
