package acceptance_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

var update = flag.Bool("update", false, "write golden files")

// quickstartOverride puts the quickstart where the test is alone, with an image
// that the kind cluster has. Its command and all else stay as they are.
const quickstartOverride = `provider "mlk" {
  namespace = %[1]q
}
resource "mlk_storage_class" "fast" {
  name = "%[1]s-fast"
}
resource "mlk_training_job" "resnet" {
  image = %[2]q
}
`

// quickstartPatience bounds the apply: it waits five minutes for the training.
const quickstartPatience = 6 * time.Minute

// TestAccQuickstart applies examples/quickstart on whatever cluster there is: on
// simulated nodes and on real ones the same plan, the same outputs.
func TestAccQuickstart(t *testing.T) {
	t.Parallel()
	acc := testkit.NewAcceptance(t)
	cli := testkit.NewCLI(t, filepath.Join(exampleRoot, "quickstart"))
	provisioner := "mlk.dev/local"
	if testkit.OnKind() {
		provisioner = "rancher.io/local-path"
		cli.Set("provisioner", provisioner)
	}
	cli.Write("test_override.tf", fmt.Appendf(nil, quickstartOverride, acc.Namespace, testkit.Trainer))
	t.Cleanup(func() {
		if out := cli.Destroy(); out.Code != 0 {
			t.Errorf("destroy: %s", out)
		}
	})

	if out := cli.Plan("-out=plan"); out.Code != 2 {
		t.Fatalf("plan: %s", out)
	}
	out := cli.Run("show", "-json", "plan")
	if out.Code != 0 {
		t.Fatalf("show: %s", out)
	}
	names := strings.NewReplacer(acc.Namespace, "NAMESPACE", provisioner, "PROVISIONER")
	golden(t, "plan", planned(t, names.Replace(out.Stdout)))

	cli.Patience = quickstartPatience
	if out := cli.Run("apply", "-no-color", "-input=false", "plan"); out.Code != 0 {
		t.Fatalf("apply: %s", out)
	}
	out = cli.Run("output", "-json")
	golden(t, "outputs", pretty(t, out.Stdout))
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("the second plan is not empty: %s", out)
	}
}

// planned is what a plan says will be: the known values of each resource, and
// the outputs.
func planned(t *testing.T, raw string) string {
	t.Helper()
	type change struct {
		Actions []string `json:"actions"`
		After   any      `json:"after"`
		Unknown any      `json:"after_unknown"`
	}
	var plan struct {
		Resources []struct {
			Address string `json:"address"`
			Change  change `json:"change"`
		} `json:"resource_changes"`
		Outputs map[string]change `json:"output_changes"`
	}
	if err := json.Unmarshal([]byte(raw), &plan); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	for _, r := range plan.Resources {
		out[r.Address] = map[string]any{"actions": r.Change.Actions, "values": said(r.Change.After)}
	}
	for name, c := range plan.Outputs {
		out["output."+name] = map[string]any{"value": said(c.After), "unknown": c.Unknown}
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// said is a value without what is null, false or empty in it: a plan names all
// attributes there are.
func said(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range x {
			if s := said(e); s != nil {
				out[k] = s
			}
		}
		if len(out) > 0 {
			return out
		}
		return nil
	case []any:
		var out []any
		for _, e := range x {
			out = append(out, said(e))
		}
		if slices.ContainsFunc(out, func(e any) bool { return e != nil }) {
			return out
		}
		return nil
	case bool:
		if !x {
			return nil
		}
	}
	return v
}

func pretty(t *testing.T, raw string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// golden compares with a file of the test's.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", t.Name(), name+".golden.json")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: %s", file, diff)
	}
}
