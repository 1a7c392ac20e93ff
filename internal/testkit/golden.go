package testkit

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// ReadModel decodes a configuration in YAML into the model of a resource, with
// null where it says nothing.
func ReadModel[M any](t testing.TB, newResource func() resource.Resource, text []byte) *M {
	t.Helper()
	var c map[string]any
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	var resp resource.SchemaResponse
	newResource().Schema(t.Context(), resource.SchemaRequest{}, &resp)
	if resp.Diagnostics.HasError() {
		t.Fatal(resp.Diagnostics)
	}
	raw, err := Value(resp.Schema.Type().TerraformType(t.Context()), c)
	if err != nil {
		t.Fatal(err)
	}
	m := new(M)
	if ds := (tfsdk.State{Schema: resp.Schema, Raw: raw}).Get(t.Context(), m); ds.HasError() {
		t.Fatalf("%v", ds)
	}
	return m
}

// Objects are the objects a model asks for, as plain JSON values.
func Objects[M any](t testing.TB, desired func(*M) ([]runtime.ApplyConfiguration, diag.Diagnostics), m *M) []map[string]any {
	t.Helper()
	acs, ds := desired(m)
	if ds.HasError() {
		t.Fatalf("%v", ds)
	}
	var out []map[string]any
	for _, ac := range acs {
		raw, err := json.Marshal(ac)
		if err != nil {
			t.Fatal(err)
		}
		o := map[string]any{}
		if err := utiljson.Unmarshal(raw, &o); err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

// Golden compares what each configuration in testdata/desired/*.config.yaml
// makes with the golden file of its name, or writes that when update is set.
func Golden[M any](t *testing.T, newResource func() resource.Resource, desired func(*M) ([]runtime.ApplyConfiguration, diag.Diagnostics), update bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "desired", "*.config.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no configurations (%v)", err)
	}
	for _, f := range files {
		mode := strings.TrimSuffix(filepath.Base(f), ".config.yaml")
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			for i, o := range Objects(t, desired, ReadModel[M](t, newResource, text)) {
				if i > 0 {
					got.WriteString("---\n")
				}
				doc, err := yaml.Marshal(o)
				if err != nil {
					t.Fatal(err)
				}
				got.Write(doc)
			}
			golden := filepath.Join("testdata", "desired", mode+".golden.yaml")
			if update {
				if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got.String()); d != "" {
				t.Error(d)
			}
		})
	}
}
