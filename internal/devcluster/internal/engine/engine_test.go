package engine

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/component"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/config"
)

// built is a folder that looks as if these engines had been built.
func built(t *testing.T, names ...string) string {
	t.Helper()
	home := t.TempDir()
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(home, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, name, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(Variable, home)
	return home
}

func TestNew(t *testing.T) { //nolint:paralleltest // where the engines are is said in the environment
	home, cluster := built(t, "jobset", "kueue"), t.TempDir()
	all, err := New("/bin/devcluster", cluster, []string{"kueue", "jobset"}, []int{1, 2, 3, 4})
	if err != nil {
		t.Fatal(err)
	}
	var specs []component.Spec
	for _, e := range all {
		specs = append(specs, e.Spec("/k"))
	}
	want := []component.Spec{
		{Name: "jobset", Path: filepath.Join(home, "jobset", "jobset"), Args: []string{"--config=" + filepath.Join(cluster, "engines", "jobset", "config.yaml"), "--kubeconfig=/k"}},
		{Name: "kueue", Path: filepath.Join(home, "kueue", "kueue"), Args: []string{"--config=" + filepath.Join(cluster, "engines", "kueue", "config.yaml"), "--kubeconfig=/k"}},
	}
	if diff := cmp.Diff(want, specs); diff != "" {
		t.Errorf("in the order in which they must start:\n%s", diff)
	}
}

func TestNewNamesWhatIsNotBuilt(t *testing.T) { //nolint:paralleltest // where the engines are is said in the environment
	built(t, "jobset")
	_, err := New("/bin/devcluster", t.TempDir(), []string{"jobset", "kueue"}, []int{1, 2, 3, 4})
	if err == nil || !strings.Contains(err.Error(), "engine kueue") || !strings.Contains(err.Error(), "make engines") {
		t.Errorf("got %v", err)
	}
}

// Every engine has a configuration that is whole and listens on this machine only.
func TestWriteFiles(t *testing.T) { //nolint:paralleltest // where the engines are is said in the environment
	built(t, config.EngineNames...)
	all, err := New("/bin/devcluster", t.TempDir(), config.EngineNames, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Name == karpenter || e.Name == kserve {
			continue // their configuration is no such file
		}
		if err := e.WriteFiles(); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(e.configuration())
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			Kind    string
			Metrics struct{ BindAddress string }
			Health  struct{ HealthProbeBindAddress string }
			Webhook struct {
				Host, CertDir string
				Port          int
			}
		}
		if err := yaml.Unmarshal(raw, &c); err != nil {
			t.Fatalf("%s: %v\n%s", e.Name, err, raw)
		}
		if e.Name == volcano { // told by flags where to listen
			if args := strings.Join(e.Spec("/k").Args, " "); !strings.Contains(args, "--healthz-address=127.0.0.1:8 ") || !strings.Contains(e.Health(), "127.0.0.1:8/") {
				t.Errorf("%s, %s", args, e.Health())
			}
			continue
		}
		if c.Kind != "Configuration" || c.Webhook.Host != "127.0.0.1" || c.Webhook.Port != e.WebhookPort || c.Metrics.BindAddress != "0" ||
			!strings.HasPrefix(c.Health.HealthProbeBindAddress, "127.0.0.1:") || !strings.Contains(e.Health(), c.Health.HealthProbeBindAddress) {
			t.Errorf("%s: %+v", e.Name, c)
		}
		for _, file := range []string{"tls.crt", "tls.key"} {
			if dir := filepath.Dir(e.configuration()); c.Webhook.CertDir != "" && c.Webhook.CertDir != dir {
				t.Errorf("%s: certificates in %s, its configuration in %s", e.Name, c.Webhook.CertDir, dir)
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(e.configuration()), file)); err != nil {
				t.Errorf("%s: %v", e.Name, err)
			}
		}
	}
	raw, err := os.ReadFile(all[2].configuration())
	if err != nil || !strings.Contains(string(raw), "[batch/job, jobset.x-k8s.io/jobset, trainer.kubeflow.org/trainjob]") {
		t.Errorf("Kueue beside the others does not queue their runs: %v\n%s", err, raw)
	}
}

// Karpenter is told all but the machines by flags and its environment.
func TestKarpenter(t *testing.T) { //nolint:paralleltest // where the engines are is said in the environment
	home, cluster := built(t, karpenter), t.TempDir()
	all, err := New("/bin/devcluster", cluster, []string{karpenter}, []int{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := all[0].WriteFiles(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(cluster, "engines", karpenter, "config.json")
	want := component.Spec{
		Name: karpenter, Path: filepath.Join(home, karpenter, karpenter), Env: []string{"KUBECONFIG=/k"},
		Args: []string{"--instance-types-file-path=" + file, "--disable-leader-election=true", "--metrics-port=1", "--health-probe-port=2"},
	}
	if diff := cmp.Diff(want, all[0].Spec("/k")); diff != "" {
		t.Error(diff)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var machines []struct {
		Name      string
		Resources map[string]string
	}
	if err := json.Unmarshal(raw, &machines); err != nil || len(machines) == 0 || machines[0].Resources["nvidia.com/gpu"] != "8" {
		t.Errorf("%v, %v", machines, err)
	}
}

// KServe is told by flags and its environment where to listen, and the rest in the cluster.
func TestKServe(t *testing.T) { //nolint:paralleltest // where the engines are is said in the environment
	home, cluster := built(t, kserve), t.TempDir()
	all, err := New("/bin/devcluster", cluster, []string{kserve}, []int{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := all[0].WriteFiles(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cluster, "engines", kserve)
	want := component.Spec{
		Name: kserve, Path: filepath.Join(home, kserve, kserve), Env: []string{"WEBHOOK_CERT_DIR=" + dir},
		Args: []string{"--kubeconfig=/k", "--metrics-addr=0", "--health-probe-addr=127.0.0.1:2", "--webhook-port=1"},
	}
	if diff := cmp.Diff(want, all[0].Spec("/k")); diff != "" {
		t.Error(diff)
	}
	if got, want := all[0].Health(), "http://127.0.0.1:2/readyz"; got != want {
		t.Errorf("its health is asked at %s, not %s", got, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "tls.crt")); err != nil {
		t.Error(err)
	}
	objects, err := read(filepath.Join(dir, "config.yaml"))
	if err != nil || len(objects) != 2 || objects[0].GetKind() != "Namespace" || objects[1].GetNamespace() != objects[0].GetName() {
		t.Fatalf("no namespace with its configuration: %v, %v", objects, err)
	}
	data, _, err := unstructured.NestedStringMap(objects[1].Object, "data")
	if err != nil {
		t.Fatal(err)
	}
	for key, text := range data {
		var said map[string]any
		if err := json.Unmarshal([]byte(text), &said); err != nil {
			t.Errorf("%s: %v", key, err)
		}
		if key == "deploy" && said["defaultDeploymentMode"] != "Standard" || key == "ingress" && said["disableIngressCreation"] != true {
			t.Errorf("it wants what is not here: %s: %s", key, text)
		}
	}
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	o := &unstructured.Unstructured{Object: map[string]any{
		"kind": "MutatingWebhookConfiguration",
		"webhooks": []any{map[string]any{
			"name":         "mjob.kb.io",
			"clientConfig": map[string]any{"service": map[string]any{"name": "webhook-service", "namespace": "system", "path": "/mutate-batch-v1-job"}},
		}},
	}}
	if err := redirect(o, 17, []byte("CA")); err != nil {
		t.Fatal(err)
	}
	want := []any{map[string]any{
		"name": "mjob.kb.io",
		"clientConfig": map[string]any{
			"url": "https://127.0.0.1:17/mutate-batch-v1-job", "caBundle": base64.StdEncoding.EncodeToString([]byte("CA")),
		},
	}}
	if diff := cmp.Diff(want, o.Object["webhooks"]); diff != "" {
		t.Error(diff)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "crds.yaml")
	if err := os.WriteFile(file, []byte("---\nkind: A\nmetadata: {name: a}\n---\n---\n# nothing\n---\nkind: B\nmetadata: {name: b}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	objects, err := read(file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range objects {
		names = append(names, o.GetName())
	}
	if diff := cmp.Diff([]string{"a", "b"}, names); diff != "" {
		t.Error(diff)
	}
}
