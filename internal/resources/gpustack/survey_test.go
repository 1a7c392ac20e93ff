package gpustack_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/gpustack"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// rig is a stack on a stand-in server with one node of GPUs.
func rig(t *testing.T, capacity string) (*testkit.Core, *fakeapi.Server) {
	t.Helper()
	api := fakeapi.New(t)
	put(api, config{
		"apiVersion": "v1", "kind": "Node", "metadata": config{"name": "gpu-1", "labels": config{"nvidia.com/gpu.present": "true", "team": "ml"}},
		"status": config{"allocatable": config{"nvidia.com/gpu": capacity}},
	})
	client, err := kube.NewClient(api.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	data := &lifecycle.ProviderData{Connect: func() (*kube.Client, error) { return client, nil }, Namespace: "default", ClusterChanged: "error"}
	return testkit.NewCore(t, testkit.Alone{Resource: gpustack.New, Data: data}, nil, "mlk_gpu_stack"), api
}

func put(api *fakeapi.Server, o config) { api.Put(&unstructured.Unstructured{Object: o}, "helm") }

func stack(mode string, more config) config {
	c := config{"name": "gpus", "mode": mode, "wait_for": "created"}
	for k, v := range more {
		c[k] = v
	}
	return c
}

// TestFromOperator: a stack that leaves the operator is not refused for what it leaves.
func TestFromOperator(t *testing.T) {
	t.Parallel()
	core, api := rig(t, "0")
	if out := core.Apply(t.Context(), stack("operator", nil)); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	uid := string(api.Get("ClusterPolicy", "", "gpus").GetUID())
	labels := config{"app": "nvidia-device-plugin-daemonset"}
	put(api, config{
		"apiVersion": "apps/v1", "kind": "DaemonSet",
		"metadata": config{"name": "nvidia-device-plugin-daemonset", "namespace": "gpu-operator", "ownerReferences": []any{
			config{"apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy", "name": "gpus", "uid": uid, "controller": true},
		}},
		"spec": config{"selector": config{"matchLabels": labels}, "template": config{"metadata": config{"labels": labels}, "spec": config{"containers": []any{
			config{"name": "nvidia-device-plugin", "image": "nvcr.io/nvidia/k8s-device-plugin:v0.18.0"},
		}}}},
	})
	out := core.Plan(t.Context(), stack("daemonsets", nil))
	if out.Errors() != "" || len(out.Replace) == 0 {
		t.Errorf("replaces %v, %s", out.Replace, out.Errors())
	}
	put(api, config{"apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy", "metadata": config{"name": "other"}, "spec": config{}})
	if got := core.Plan(t.Context(), stack("daemonsets", nil)).Errors(); !strings.Contains(got, "by ClusterPolicy other") {
		t.Errorf("another policy is no reason: %s", got)
	}
}

// TestAdvertisedAlready warns of nodes that have GPUs to give without any plugin known,
// as long as the stack would come to them.
func TestAdvertisedAlready(t *testing.T) {
	t.Parallel()
	core, _ := rig(t, "8")
	const says = "advertise nvidia.com/* already"
	for selector, warns := range map[string]bool{"ml": true, "vision": false} {
		out := core.Plan(t.Context(), stack("daemonsets", config{"node_selector": config{"team": selector}}))
		if got := out.Warnings(); strings.Contains(got, says) != warns || out.Errors() != "" {
			t.Errorf("nodes of team %s: %s%s", selector, got, out.Errors())
		}
	}
}

// TestRuntimeClasses: one that is there is not made, and none changes its handler.
func TestRuntimeClasses(t *testing.T) {
	t.Parallel()
	core, api := rig(t, "0")
	put(api, config{"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": config{"name": "nvidia"}, "handler": "nvidia"})
	class := func(c config) config { return stack("daemonsets", config{"runtime_class": c}) }
	if got := core.Plan(t.Context(), class(config{})).Errors(); !strings.Contains(got, "RuntimeClass nvidia already exists") || !strings.Contains(got, "create = false") || !strings.Contains(got, "[AttributeName(\"runtime_class\")]") {
		t.Errorf("it says: %s", got)
	}
	if got := core.Apply(t.Context(), class(config{"create": false})).Errors(); got != "" {
		t.Fatal(got)
	}
	out := core.Apply(t.Context(), class(config{"create": true}))
	for _, words := range []string{"RuntimeClass nvidia already exists and is not managed by this resource", "[AttributeName(\"runtime_class\")]"} {
		if !strings.Contains(out.Errors(), words) {
			t.Errorf("without %q: %s", words, out.Errors())
		}
	}
	if strings.Contains(out.Errors(), "terraform import") {
		t.Errorf("no RuntimeClass is a stack: %s", out.Errors())
	}
	if got := core.Apply(t.Context(), class(config{"name": "gpus", "handler": "nvidia"})).Errors(); got != "" {
		t.Fatal(got)
	}
	if got := core.Plan(t.Context(), class(config{"name": "gpus", "handler": "nvidia-cdi"})).Errors(); !strings.Contains(got, "The handler of RuntimeClass gpus cannot change") {
		t.Errorf("it says: %s", got)
	}
	if got := core.Apply(t.Context(), class(config{"name": "cdi", "handler": "nvidia-cdi"})).Errors(); got != "" || api.Get("RuntimeClass", "", "gpus") != nil {
		t.Errorf("another name: %s", got)
	}
}

// TestBlamed: an error about a field leads to what the user wrote, or could write.
func TestBlamed(t *testing.T) {
	t.Parallel()
	m := testkit.ReadModel[gpustack.Model](t, gpustack.New, []byte(`
name: gpus
mode: daemonsets
node_selector: {team: ml}
runtime_class: {}
daemonsets: {labels: {team: ml}, annotations: {a: b}, max_unavailable: 10%}
device_plugin: {version: v1, env: {A: b}, image_pull_secrets: [ngc], resources: {limits: {memory: 1Gi}}, config: {name: c, default: any}}
gpu_feature_discovery: {}
dcgm_exporter: {image: mine, service: {type: ClusterIP}}
mig_strategy: mixed
`))
	pod := func(key string, segments ...string) []string {
		return append([]string{key, "spec", "template", "spec"}, segments...)
	}
	const plugin = "nvidia-device-plugin-ctr"
	for want, field := range map[string][]string{
		"device_plugin.version":                    pod("DaemonSet", "containers", plugin, "image"),
		`device_plugin.env["A"]`:                   pod("DaemonSet", "containers", plugin, "env", "A"),
		`device_plugin.resources.limits["memory"]`: pod("DaemonSet", "containers", plugin, "resources", "limits", "memory"),
		"device_plugin.image_pull_secrets":         pod("DaemonSet", "imagePullSecrets"),
		"device_plugin.config.name":                pod("DaemonSet", "volumes", "available-configs", "configMap", "name"),
		"device_plugin.config.default":             pod("DaemonSet", "initContainers", "nvidia-device-plugin-init", "env", "DEFAULT_CONFIG"),
		"mig_strategy":                             pod("DaemonSet", "containers", plugin, "env", "MIG_STRATEGY"),
		"gpu_feature_discovery.repository":         pod("DaemonSet/gpu-feature-discovery", "containers", "gpu-feature-discovery-ctr", "image"),
		"dcgm_exporter.image":                      pod("DaemonSet/dcgm-exporter", "containers", "dcgm-exporter", "image"),
		"dcgm_exporter":                            pod("DaemonSet/dcgm-exporter", "containers", "dcgm-exporter", "readinessProbe"),
		"dcgm_exporter.service.type":               {"Service", "spec", "type"},
		"daemonsets.priority_class":                pod("DaemonSet/dcgm-exporter", "priorityClassName"),
		`daemonsets.annotations["a"]`:              {"DaemonSet", "spec", "template", "metadata", "annotations", "a"},
		"daemonsets.max_unavailable":               {"DaemonSet", "spec", "updateStrategy", "rollingUpdate", "maxUnavailable"},
		"runtime_class.name":                       pod("DaemonSet", "runtimeClassName"),
		`node_selector["team"]`:                    pod("DaemonSet", "nodeSelector", "team"),
	} {
		fields := gpustack.Definition().Written(m)
		if at, ok := fields.Find(field); !ok || at.String() != want {
			t.Errorf("%v is blamed on %s, want %s", field, at, want)
		}
	}
	fields := gpustack.Definition().Fields(m)
	if at, _ := fields.Find(pod("DaemonSet", "containers", plugin, "image")); at.String() != `manifests["DaemonSet"]` {
		t.Errorf("a change on the cluster shows in %s", at)
	}
}

// TestImportedImages: whatever an image is called, an import says it so that nothing of
// the pods changes.
func TestImportedImages(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("ab", 32)
	for _, image := range []string{
		"nvcr.io/nvidia/k8s-device-plugin:v0.15.0", "nvcr.io/nvidia/k8s-device-plugin:v0.15.0@" + digest,
		"localhost:5000/nvidia/k8s-device-plugin@" + digest, "nvcr.io/nvidia/k8s-device-plugin", "k8s-device-plugin:v1",
	} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			core, api := rig(t, "0")
			labels := config{"app": "plugin"}
			put(api, config{
				"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": config{"name": "plugin", "namespace": "default"},
				"spec": config{"selector": config{"matchLabels": labels}, "template": config{"metadata": config{"labels": labels}, "spec": config{"containers": []any{config{"name": "ctr", "image": image}}}}},
			})
			if out := core.Import(t.Context(), "default/plugin"); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			c, _ := testkit.Plain(core.State).(config)
			for _, computed := range []string{"id", "objects", "status", "components", "gpus", "manifests", "labels_all", "annotations_all"} {
				delete(c, computed)
			}
			if got := core.Validate(t.Context(), c).Errors(); got != "" {
				t.Errorf("what was imported is refused: %s\n%v", got, c)
			}
			if out := core.Apply(t.Context(), c); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			spec := api.Get("DaemonSet", "default", "plugin").Object["spec"].(config)["template"].(config)["spec"].(config) //nolint:forcetypeassert // as it was put
			for _, ctr := range spec["containers"].([]any) {                                                                //nolint:forcetypeassert // likewise
				if got := ctr.(config)["image"]; got != image { //nolint:forcetypeassert // likewise
					t.Errorf("the image is %v by now", got)
				}
			}
		})
	}
}
