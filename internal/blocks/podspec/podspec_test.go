package podspec

import (
	"encoding/json"
	cli "flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

var update = cli.Bool("update", false, "write the golden files anew")

// podSchema is a resource that has the pod block and nothing else.
var podSchema = schema.Schema{Attributes: Attributes(Options{})}

// value turns plain data into a Terraform value of the type; what is missing is
// null. The word UNKNOWN stands for a value that is not known yet.
func value(t testing.TB, typ tftypes.Type, v any) tftypes.Value {
	t.Helper()
	if v == nil {
		return tftypes.NewValue(typ, nil)
	}
	if v == "UNKNOWN" {
		return tftypes.NewValue(typ, tftypes.UnknownValue)
	}
	switch typ := typ.(type) {
	case tftypes.Object:
		in, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("want an object, have %v", v)
		}
		out := make(map[string]tftypes.Value, len(typ.AttributeTypes))
		for name, at := range typ.AttributeTypes {
			out[name] = value(t, at, in[name])
		}
		for name := range in {
			if _, ok := typ.AttributeTypes[name]; !ok {
				t.Fatalf("there is no attribute %q", name)
			}
		}
		return tftypes.NewValue(typ, out)
	case tftypes.Map:
		in, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("want a map, have %v", v)
		}
		out := make(map[string]tftypes.Value, len(in))
		for k, e := range in {
			out[k] = value(t, typ.ElementType, e)
		}
		return tftypes.NewValue(typ, out)
	case tftypes.List:
		in, ok := v.([]any)
		if !ok {
			t.Fatalf("want a list, have %v", v)
		}
		out := make([]tftypes.Value, len(in))
		for i, e := range in {
			out[i] = value(t, typ.ElementType, e)
		}
		return tftypes.NewValue(typ, out)
	}
	switch v := v.(type) {
	case float64:
		return tftypes.NewValue(typ, big.NewFloat(v))
	case bool, string:
		return tftypes.NewValue(typ, v)
	}
	t.Fatalf("cannot make a value of %T", v)
	return tftypes.Value{}
}

func rawOf(t testing.TB, document string) tftypes.Value {
	t.Helper()
	var in map[string]any
	if err := yaml.Unmarshal([]byte(document), &in); err != nil {
		t.Fatal(err)
	}
	return value(t, podSchema.Type().TerraformType(t.Context()), in)
}

// modelOf decodes attributes as the lifecycle does.
func modelOf(t testing.TB, raw tftypes.Value) *Model {
	t.Helper()
	var m Model
	plan := tfsdk.Plan{Schema: podSchema, Raw: raw}
	if ds := plan.Get(t.Context(), &m); ds.HasError() {
		t.Fatal(ds)
	}
	return &m
}

// shapes are the names of the models in testdata/shapes.
func shapes(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/shapes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no shapes", err)
	}
	var out []string
	for _, f := range files {
		out = append(out, strings.TrimSuffix(filepath.Base(f), ".yaml"))
	}
	return out
}

func shape(t *testing.T, name string) *Model {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/shapes", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return modelOf(t, rawOf(t, string(b)))
}

// applied is the JSON of what the model asks for.
func applied(t *testing.T, m *Model) []byte {
	t.Helper()
	ac, ds := m.Apply()
	if ds.HasError() {
		t.Fatal(ds)
	}
	b, err := json.Marshal(ac)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func templateOf(t *testing.T, b []byte) *corev1.PodTemplateSpec {
	t.Helper()
	var out corev1.PodTemplateSpec
	if err := yaml.UnmarshalStrict(b, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

func asYAML(t *testing.T, b []byte) string {
	t.Helper()
	y, err := yaml.JSONToYAML(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(y)
}

func TestApplyGolden(t *testing.T) {
	t.Parallel()
	for _, name := range shapes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := shape(t, name)
			got := applied(t, m)
			if again := applied(t, shape(t, name)); string(again) != string(got) {
				t.Error("the same model gave different bytes")
			}
			templateOf(t, got) // every field is one of the API
			file := filepath.Join("testdata", name+".golden.yaml")
			if *update {
				if err := os.WriteFile(file, []byte(asYAML(t, got)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), asYAML(t, got)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, name := range shapes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := shape(t, name)
			first := applied(t, m)
			adopted, ds := Adopt(templateOf(t, first))
			if ds.HasError() {
				t.Fatal(ds)
			}
			if d := cmp.Diff(asYAML(t, first), asYAML(t, applied(t, &adopted))); d != "" {
				t.Errorf("applying what was adopted differs:\n%s", d)
			}
			like, ds := AdoptLike(templateOf(t, first), m)
			if ds.HasError() {
				t.Fatal(ds)
			}
			if name != "gpu_none" { // a count of 0 leaves no trace
				if d := cmp.Diff(m, &like); d != "" {
					t.Errorf("adopting like the model gives another model:\n%s", d)
				}
			}
			if strings.HasPrefix(name, "gpu") || name == "mig" || name == "minimal" || name == "volumes" || name == "pod" || name == "tpu" || name == "amd" || name == "shared" || name == "mig_shared" {
				if name == "gpu_none" {
					return
				}
				if d := cmp.Diff(m, &adopted); d != "" {
					t.Errorf("adopting gives another model:\n%s", d)
				}
			}
		})
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	for _, name := range shapes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(filepath.Join("testdata/shapes", name+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			raw := rawOf(t, string(b))
			state := tfsdk.State{Schema: podSchema, Raw: tftypes.NewValue(podSchema.Type().TerraformType(t.Context()), nil)}
			if ds := state.Set(t.Context(), modelOf(t, raw)); ds.HasError() {
				t.Fatal(ds)
			}
			if diff, err := raw.Diff(state.Raw); err != nil || len(diff) > 0 {
				t.Errorf("the state differs from the plan: %v %v", diff, err)
			}
		})
	}
}

func TestEncodeKeepsEmptyApartFromNull(t *testing.T) {
	t.Parallel()
	raw := rawOf(t, `
image: x
command: []
env: {}
env_from: []
volumes: {}
gpu: {count: 0, products: []}
resources: {}
scheduling: {node_selector: {}, tolerations: []}
security_context: {}
extra_containers: {a: {image: other, ports: {}}}
init_containers: []
`)
	state := tfsdk.State{Schema: podSchema, Raw: tftypes.NewValue(podSchema.Type().TerraformType(t.Context()), nil)}
	if ds := state.Set(t.Context(), modelOf(t, raw)); ds.HasError() {
		t.Fatal(ds)
	}
	if diff, err := raw.Diff(state.Raw); err != nil || len(diff) > 0 {
		t.Errorf("the state differs from the plan: %v %v", diff, err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	names := Names()
	if !slices.IsSorted(names) || len(names) != len(podSchema.Attributes) {
		t.Errorf("Names() = %v", names)
	}
	if !slices.Contains(names, "image") || !slices.Contains(names, "gpu") {
		t.Errorf("Names() = %v", names)
	}
}

func TestEveryAttributeIsDescribed(t *testing.T) {
	t.Parallel()
	if ds := podSchema.ValidateImplementation(t.Context()); ds.HasError() {
		t.Fatal(ds)
	}
	var walk func(at string, all map[string]schema.Attribute)
	walk = func(at string, all map[string]schema.Attribute) {
		for name, a := range all {
			here := fmt.Sprintf("%s.%s", at, name)
			if len(a.GetMarkdownDescription()) < 5 || !strings.HasSuffix(a.GetMarkdownDescription(), ".") {
				t.Errorf("%s: %q is no description", here, a.GetMarkdownDescription())
			}
			switch a := a.(type) {
			case schema.SingleNestedAttribute:
				walk(here, a.Attributes)
			case schema.MapNestedAttribute:
				walk(here, a.NestedObject.Attributes)
			case schema.ListNestedAttribute:
				walk(here, a.NestedObject.Attributes)
			}
		}
	}
	walk("", podSchema.Attributes)
	for name, a := range podSchema.Attributes {
		if !strings.Contains(a.GetMarkdownDescription(), "Changing it") {
			t.Errorf("%s does not say what changing it does", name)
		}
	}
}

func TestImageOptional(t *testing.T) {
	t.Parallel()
	if !Attributes(Options{})["image"].IsRequired() || Attributes(Options{ImageOptional: true})["image"].IsRequired() || !Attributes(Options{})["image"].IsRequired() {
		t.Error("Options.ImageOptional does not decide whether image is required")
	}
}

func BenchmarkApply(b *testing.B) {
	raw, err := os.ReadFile("testdata/shapes/minimal.yaml")
	if err != nil {
		b.Fatal(err)
	}
	m := modelOf(b, rawOf(b, string(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ds := m.Apply(); ds.HasError() {
			b.Fatal(ds)
		}
	}
}

func BenchmarkAttributes(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Attributes(Options{})
	}
}

// untabbed lets a flow-style document be indented like the code around it.
func untabbed(document string) string { return strings.ReplaceAll(document, "\n\t\t\t", "\n ") }
