package testkit

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubedynamic "k8s.io/client-go/dynamic"
)

// Kueue is a resource of Kueue's API.
func Kueue(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "kueue.x-k8s.io", Version: "v1beta2", Resource: resource}
}

// Queue makes a LocalQueue in the test's namespace that has so many GPUs for
// itself, and returns a client for what Kueue makes. Its one flavor are H100
// nodes; it adds a node selector and a toleration to what it admits.
func (a *Acceptance) Queue(name string, gpus int64) kubedynamic.Interface {
	a.t.Helper()
	client, err := kubedynamic.NewForConfig(a.Config)
	if err != nil {
		a.t.Fatal(err)
	}
	create := func(at kubedynamic.ResourceInterface, kind, name string, spec map[string]any) {
		a.t.Helper()
		o := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": kind, "metadata": map[string]any{"name": name}, "spec": spec,
		}}
		if _, err := at.Create(context.Background(), o, metav1.CreateOptions{}); err != nil {
			a.t.Fatalf("make %s %s: %v", kind, name, err)
		}
		a.t.Cleanup(func() {
			if err := at.Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
				a.t.Logf("%s %s stays behind: %v", kind, name, err)
			}
		})
	}
	create(client.Resource(Kueue("resourceflavors")), "ResourceFlavor", a.Namespace, map[string]any{
		"nodeLabels":  map[string]any{"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
		"tolerations": []any{map[string]any{"key": "reserved", "operator": "Exists", "effect": "NoSchedule"}},
	})
	create(client.Resource(Kueue("clusterqueues")), "ClusterQueue", a.Namespace, map[string]any{
		"namespaceSelector": map[string]any{"matchLabels": map[string]any{corev1.LabelMetadataName: a.Namespace}},
		"resourceGroups": []any{map[string]any{
			"coveredResources": []any{"nvidia.com/gpu"},
			"flavors":          []any{map[string]any{"name": a.Namespace, "resources": []any{map[string]any{"name": "nvidia.com/gpu", "nominalQuota": gpus}}}},
		}},
	})
	create(client.Resource(Kueue("localqueues")).Namespace(a.Namespace), "LocalQueue", name, map[string]any{"clusterQueue": a.Namespace})
	return client
}
