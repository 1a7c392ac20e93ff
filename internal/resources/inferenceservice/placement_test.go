package inferenceservice_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/inferenceservice"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// looking is a service whose plans look at the only node, which has so many GPUs.
func looking(t *testing.T, api *fakeapi.Server, gpus int) *testkit.Core {
	t.Helper()
	n := fmt.Sprint(gpus)
	api.Put(&unstructured.Unstructured{Object: attributes{
		"apiVersion": "v1", "kind": "Node", "metadata": attributes{"name": "a100-0"},
		"status": attributes{"allocatable": attributes{"cpu": "96", "memory": "1Ti", "pods": "110", "nvidia.com/gpu": n}, "capacity": attributes{"nvidia.com/gpu": n}},
	}})
	client, err := kube.NewClient(api.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return testkit.NewCore(t, testkit.Alone{Resource: inferenceservice.New, Data: &lifecycle.ProviderData{
		Namespace: "default", ClusterChanged: "error", Placement: lifecycle.PlacementWarning, Inventory: &lifecycle.Inventory{},
		Connect: func() (*kube.Client, error) { return client, nil },
	}}, nil, "mlk_inference_service")
}

// running puts pods of a Deployment on the node, each with a GPU.
func running(api *fakeapi.Server, deployment, app string, n int) {
	for i := range n {
		api.Put(&unstructured.Unstructured{Object: attributes{
			"apiVersion": "v1", "kind": "Pod",
			"metadata": attributes{
				"name": fmt.Sprintf("%s-abc-%d", deployment, i), "namespace": "default",
				"labels":          attributes{"app.kubernetes.io/name": app, "pod-template-hash": "abc"},
				"ownerReferences": []any{attributes{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": deployment + "-abc", "uid": "u-" + deployment, "controller": true}},
			},
			"spec": attributes{"nodeName": "a100-0", "containers": []any{attributes{
				"name": "main", "image": "i", "resources": attributes{"requests": attributes{"nvidia.com/gpu": "1"}, "limits": attributes{"nvidia.com/gpu": "1"}},
			}}},
			"status": attributes{"phase": "Running"},
		}})
	}
}

// What an autoscaler keeps at the least is asked of the nodes.
func TestLeastPodsArePlaced(t *testing.T) {
	t.Parallel()
	core := looking(t, completing(t), 2)
	with := func(least int) attributes {
		return serviceWith(attributes{"gpu": attributes{"count": 1}, "autoscaling": attributes{"min_replicas": least, "max_replicas": 8}})
	}
	if said := core.Plan(t.Context(), with(2)).Warnings(); said != "" {
		t.Errorf("there is room for two: %s", said)
	}
	if said := core.Plan(t.Context(), with(4)).Warnings(); !strings.Contains(said, "room for 2 of 4 replicas") || !strings.Contains(said, "autoscaling") {
		t.Errorf("four were asked for, the plan says %q", said)
	}
}

// The pods of a canary are asked of the nodes together with those of the service, those
// that an autoscaler keeps at the least too.
func TestCanaryIsPlaced(t *testing.T) {
	t.Parallel()
	gpu := func(c, more attributes) attributes {
		c["gpu"] = attributes{"count": 1}
		for k, v := range more {
			c[k] = v
		}
		return c
	}
	canary := attributes{"image": "model:2", "weight": 10}
	scaled := gpu(routed("model:1", canary), attributes{"replicas": nil, "autoscaling": attributes{"min_replicas": 3, "max_replicas": 8}})
	large := gpu(routed("model:1", canary), attributes{"patch": attributes{"Deployment/canary": attributes{"spec": attributes{"template": attributes{"spec": attributes{
		"containers": []any{attributes{"name": "main", "resources": attributes{"limits": attributes{"nvidia.com/gpu": "16"}, "requests": attributes{"nvidia.com/gpu": "16"}}}},
	}}}}}})
	for name, tc := range map[string]struct {
		gpus   int
		config attributes
		want   []string // of the only warning; none for no warning
	}{
		"room for all":      {4, gpu(routed("model:1", canary), nil), nil},
		"none for canary":   {3, gpu(routed("model:1", canary), nil), []string{"room for 3 of 4 replicas", "with 1 replica for its canary", "[AttributeName(\"replicas\")]"}},
		"autoscaled":        {3, scaled, []string{"room for 3 of 4 replicas", "with 1 replica for its canary", "[AttributeName(\"autoscaling\")"}},
		"autoscaled, room":  {4, scaled, nil},
		"another canary":    {4, large, []string{"no node has 16 GPUs", "[AttributeName(\"canary\")"}},
		"several canaries":  {4, gpu(routed("model:1", attributes{"weight": 10, "replicas": 2}), nil), []string{"room for 4 of 5 replicas", "with 2 replicas for its canary"}},
		"without a canary":  {3, gpu(routed("model:1", nil), nil), nil},
		"nothing for GPUs":  {3, routed("model:1", canary), nil},
		"queued by a queue": {3, gpu(routed("model:1", canary), attributes{"labels": attributes{"kueue.x-k8s.io/queue-name": "team"}}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := looking(t, completing(t), tc.gpus).Plan(t.Context(), tc.config)
			said := out.Warnings()
			if out.Errors() != "" || len(tc.want) == 0 && said != "" {
				t.Errorf("the plan says %s%s", out.Errors(), said)
			}
			for _, want := range tc.want {
				if !strings.Contains(said, want) {
					t.Errorf("the plan does not say %q:\n%s", want, said)
				}
			}
		})
	}
}

// TestCanarySurge: on nodes that are full with the service and its canary, a new version
// of either needs one place more, and a plan that makes no new pods needs none.
func TestCanarySurge(t *testing.T) {
	t.Parallel()
	with := func(image string, replicas int, canary attributes) attributes {
		c := routed(image, canary)
		c["gpu"], c["replicas"], c["selector"] = attributes{"count": 1}, replicas, attributes{"app.kubernetes.io/name": "api"}
		return c
	}
	canary := func(image string, weight int) attributes { return attributes{"image": image, "weight": weight} }
	for name, tc := range map[string]struct {
		gpus int
		next attributes
		want string
	}{
		"another canary":       {4, with("model:1", 3, canary("model:3", 10)), "A rollout of the canary of Inference service"},
		"another canary, room": {5, with("model:1", 3, canary("model:3", 10)), ""},
		"another version":      {4, with("model:3", 3, canary("model:2", 10)), "no free GPUs for the first new replica"},
		"another share":        {4, with("model:1", 3, canary("model:2", 20)), ""},
		"fewer pods":           {4, with("model:1", 2, canary("model:2", 10)), ""},
		"given up":             {4, with("model:1", 3, nil), ""},
		"promoted":             {4, with("model:2", 3, nil), "no free GPUs for the first new replica"},
		"more of the canary":   {4, with("model:1", 3, attributes{"image": "model:2", "weight": 10, "replicas": 2}), "room for 4 of 5 replicas"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := fakeapi.New(t)
			api.Complete, api.Before = rolledOut(""), forbidden
			core := looking(t, api, tc.gpus)
			if out := core.Apply(t.Context(), with("model:1", 3, canary("model:2", 10))); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			api.Before = nil
			running(api, "api", "api", 3)
			running(api, "api-canary", "api-canary", 1)
			next := looking(t, api, tc.gpus) // a later run, which looks at the nodes anew
			next.State, next.Private = core.State, core.Private
			out := next.Plan(t.Context(), tc.next)
			if said := out.Warnings(); out.Errors() != "" || tc.want == "" && said != "" || !strings.Contains(said, tc.want) {
				t.Errorf("want %q, the plan says %s%s", tc.want, out.Errors(), said)
			}
		})
	}
}
