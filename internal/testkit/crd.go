package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubedynamic "k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

// InstallCRD gives the cluster a custom resource that it does not have yet, from a
// file of a Go module, or of the test when module is "". Other tests may need it
// too, so it stays.
func InstallCRD(t *testing.T, a *Acceptance, module, file string) {
	t.Helper()
	if module != "" {
		dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
		if err != nil {
			t.Fatalf("find the module %s: %v", module, err)
		}
		file = filepath.Join(strings.TrimSpace(string(dir)), file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &o.Object); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	client, err := kubedynamic.NewForConfig(a.Config)
	if err != nil {
		t.Fatal(err)
	}
	crds := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	if _, err := crds.Create(t.Context(), o, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatalf("install %s: %v", o.GetName(), err)
	}
	a.Until(t, o.GetName()+" is served", func() bool {
		live, err := crds.Get(t.Context(), o.GetName(), metav1.GetOptions{})
		if err != nil {
			return false
		}
		conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
		for _, e := range conditions {
			if c, ok := e.(map[string]any); ok && c["type"] == "Established" && c["status"] == "True" {
				return true
			}
		}
		return false
	})
}
