package trainingjob_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingjob"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// notKnown stands for an unknown value in a configuration.
type notKnown = testkit.Unknown

// config is a configuration as a user writes it, without HCL around it.
type config = map[string]any

// load reads testdata/desired/<mode>.config.yaml.
func load(t *testing.T, mode string) config {
	t.Helper()
	return loadFile(t, filepath.Join("testdata", "desired", mode+".config.yaml"))
}

func loadFile(t *testing.T, file string) config {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var c config
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func fullSchema(t *testing.T) schema.Schema {
	t.Helper()
	var resp resource.SchemaResponse
	trainingjob.New().Schema(t.Context(), resource.SchemaRequest{}, &resp)
	if resp.Diagnostics.HasError() {
		t.Fatal(resp.Diagnostics)
	}
	return resp.Schema
}

// modelOf decodes a configuration, with null where it says nothing.
func modelOf(t *testing.T, c config) *trainingjob.Model {
	t.Helper()
	s := fullSchema(t)
	raw, err := testkit.Value(s.Type().TerraformType(t.Context()), c)
	if err != nil {
		t.Fatal(err)
	}
	var m trainingjob.Model
	if ds := (tfsdk.State{Schema: s, Raw: raw}).Get(t.Context(), &m); ds.HasError() {
		t.Fatalf("%v", ds)
	}
	return &m
}
