package acceptance_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// exampleRoot is the folder of all examples.
const exampleRoot = "../../examples"

// engineExamples are those that need engines on the cluster: see
// TestAccEngineExamples.
const engineExamples = "examples/engines/"

// stackExample would be a second device plugin beside those of other tests: the tests
// of the resource apply what it shows.
const stackExample = "examples/resources/mlk_gpu_stack/"

// engineServing are the model servers that need one: see TestAccEngineServing.
var engineServing = []string{"examples/serving/multi-node", "examples/serving/kserve"}

func needsEngines(file string) bool {
	return strings.Contains(file, engineExamples) || slices.ContainsFunc(engineServing, func(e string) bool { return strings.Contains(file, e) }) || strings.Contains(file, stackExample)
}

// source says which provider is meant, for the examples of single resources,
// which leave it out as the registry's pages do.
const source = `terraform {
  required_providers {
    mlk = { source = "mlkube/mlk" }
  }
}
`

// TestAccExamples plans every example as it stands, and applies, plans again
// and destroys those of resources, launchers and model servers, in a namespace of the test.
func TestAccExamples(t *testing.T) {
	t.Parallel()
	var folders []string
	err := filepath.WalkDir(exampleRoot, func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".tf" && !needsEngines(path) {
			folders = append(folders, filepath.Dir(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range slices.Compact(folders) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			tryExample(t, dir)
		})
	}
}

// TestAccEngineServing does the same for the model servers that need an engine.
func TestAccEngineServing(t *testing.T) {
	t.Parallel()
	for _, dir := range engineServing {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			tryExample(t, filepath.Join("..", "..", dir))
		})
	}
}

func tryExample(t *testing.T, dir string) {
	t.Helper()
	acc := testkit.NewAcceptance(t)
	cli := testkit.NewCLI(t, exampleIn(t, dir))
	canary := filepath.Base(dir) == "canary" // which TestAccServingCanary applies
	if canary {
		gatewayAPI(t, acc)
	}
	if out := cli.Plan(); out.Code == 1 {
		t.Fatalf("plan: %s", out)
	}
	known := schemas(t)
	of := filepath.Base(filepath.Dir(dir))
	if _, ok := known[filepath.Base(dir)]; !ok && filepath.Base(dir) != "single-gpu" && of != "distributed" && of != "serving" || canary {
		return // other tests apply it
	}
	cli.Write("test_override.tf", []byte(overrides(t, dir, acc.Namespace, known)))
	t.Cleanup(func() {
		if out := cli.Destroy(); out.Code != 0 {
			t.Errorf("destroy: %s", out)
		}
	})
	cli.MustApply()
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("the second plan is not empty: %s", out)
	}
}

// exampleIn is a copy of an example that can be initialised. Imports are of
// objects that are not there.
func exampleIn(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	files, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil {
		t.Fatal(err)
	}
	named := false
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(f) == "import.tf" {
			continue
		}
		named = named || strings.Contains(string(text), "required_providers")
		if err := os.WriteFile(filepath.Join(to, filepath.Base(f)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !named {
		if err := os.WriteFile(filepath.Join(to, "source.tf"), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// examined is a resource of the provider and its schema.
type examined struct {
	schema schema.Schema
	levels []string
}

func schemas(t *testing.T) map[string]examined {
	t.Helper()
	out := map[string]examined{}
	for _, newResource := range provider.Resources() {
		r := newResource()
		var meta resource.MetadataResponse
		r.Metadata(t.Context(), resource.MetadataRequest{ProviderTypeName: "mlk"}, &meta)
		var resp resource.SchemaResponse
		r.Schema(t.Context(), resource.SchemaRequest{}, &resp)
		e := examined{schema: resp.Schema}
		if x, ok := r.(lifecycle.Examined); ok {
			e.levels = x.Levels()
		}
		out[meta.TypeName] = e
	}
	return out
}

var (
	resourceBlock = regexp.MustCompile(`(?m)^resource "([^"]+)" "([^"]+)"`)
	outputBlock   = regexp.MustCompile(`(?m)^output "([^"]+)"`)
)

// overrides put the resources of an example where the test is alone, let it
// wait for nothing that only a real cluster has, and let it clean up.
func overrides(t *testing.T, dir, namespace string, known map[string]examined) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	for _, f := range files {
		if filepath.Base(f) == "import.tf" {
			continue
		}
		more, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, more...), '\n')
	}
	var out strings.Builder
	for _, m := range resourceBlock.FindAllStringSubmatch(string(text), -1) {
		e := known[m[1]]
		fmt.Fprintf(&out, "resource %q %q {\n", m[1], m[2])
		if _, ok := e.schema.Attributes["namespace"]; ok {
			fmt.Fprintf(&out, "  namespace = %q\n", namespace)
		} else {
			fmt.Fprintf(&out, "  name = %q\n", namespace+"-"+m[2])
		}
		if slices.Contains(e.levels, "created") {
			fmt.Fprintf(&out, "  wait_for = %q\n", "created")
		}
		if _, ok := e.schema.Attributes["deletion_protection"]; ok {
			fmt.Fprintln(&out, "  deletion_protection = false")
		}
		fmt.Fprintln(&out, "}")
	}
	// Outputs of what the test does not wait for.
	for _, m := range outputBlock.FindAllStringSubmatch(string(text), -1) {
		fmt.Fprintf(&out, "output %q {\n  value = null\n}\n", m[1])
	}
	return out.String()
}

// TestAccGated lets a result decide what is deployed: a run that is good enough
// opens the gate, one that is not leaves all that is behind it undone.
func TestAccGated(t *testing.T) {
	t.Parallel()
	for accuracy, opens := range map[string]bool{"0.93": true, "0.71": false} {
		t.Run(accuracy, func(t *testing.T) {
			t.Parallel()
			acc := testkit.NewAcceptance(t)
			cli := testkit.NewCLI(t, exampleIn(t, filepath.Join(exampleRoot, "gated")))
			cli.Write("test_override.tf", []byte(fmt.Sprintf(`
resource "mlk_training_job" "classifier" {
  namespace       = %[1]q
  pod_annotations = { "mlk.dev/simulate" = "succeed:after=1s,message={\"accuracy\": %[2]s, \"checkpoint\": \"s3://models/1\"}" }
}
resource "mlk_pod" "server" {
  namespace = %[1]q
}
`, acc.Namespace, accuracy)))
			t.Cleanup(func() {
				if out := cli.Destroy(); out.Code != 0 {
					t.Errorf("destroy: %s", out)
				}
			})
			out := cli.Apply()
			if opened := out.Code == 0; opened != opens || !opens && !out.Says("0.9 is needed to deploy it") {
				t.Fatalf("the gate opened: %v, want %v: %s", opened, opens, out)
			}
			pods, err := acc.Kube.CoreV1().Pods(acc.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "!batch.kubernetes.io/job-name"})
			if err != nil || (len(pods.Items) == 1) != opens {
				t.Errorf("%d pods serve, %v", len(pods.Items), err)
			}
		})
	}
}
