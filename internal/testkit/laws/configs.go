package laws

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// configSuffix is how the files end that hold configurations, beside the golden
// files of what they make.
const configSuffix = ".config.yaml"

// elsewhereSuffix ends the names of files of configurations that make kinds the
// stand-in server does not know: they count as setting their attributes, and the
// resource's own tests try them.
const elsewhereSuffix = ".elsewhere.yaml"

// minimal is the configuration every resource has: what is required, no more.
const minimal = "minimal"

// Read finds the configurations of a resource below the root of the module:
// internal/resources/<name>/testdata/desired/*.config.yaml, and for each block
// it is made of the shapes of the block's own tests, put into the minimal one.
func Read(t testing.TB, root string, newResource func() resource.Resource) Subject {
	t.Helper()
	var meta resource.MetadataResponse
	newResource().Metadata(t.Context(), resource.MetadataRequest{ProviderTypeName: "mlk"}, &meta)
	s := Subject{New: newResource, Type: meta.TypeName, Configs: map[string]Config{}}
	files, err := filepath.Glob(filepath.Join(s.Dir(root), "testdata", "desired", "*"+configSuffix))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		s.Configs[strings.TrimSuffix(filepath.Base(f), configSuffix)] = load(t, f)
	}
	others, err := filepath.Glob(filepath.Join(s.Dir(root), "testdata", "desired", "*"+elsewhereSuffix))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range others {
		s.elsewhere = append(s.elsewhere, load(t, f))
	}
	least, ok := s.Configs[minimal]
	if !ok {
		t.Fatalf("%s has no %s", s.Type, filepath.Join("testdata", "desired", minimal+configSuffix))
	}
	shapes, err := filepath.Glob(filepath.Join(root, "internal", "blocks", "*", "testdata", "shapes", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	sch := s.schemaOf(t)
	for _, f := range shapes {
		shape := load(t, f)
		fits := true
		for name := range shape {
			_, has := sch.Attributes[name]
			fits = fits && has
		}
		if fits {
			name := filepath.Base(filepath.Dir(filepath.Dir(filepath.Dir(f)))) + "-" + strings.TrimSuffix(filepath.Base(f), ".yaml")
			s.Configs[name] = merged(least, shape)
			s.shapes = append(s.shapes, name)
		}
	}
	s.Configs["common"] = merged(least, s.common(sch))
	// Nothing runs here: a create returns as soon as the objects exist.
	if examined, ok := newResource().(lifecycle.Examined); ok && slices.Contains(examined.Levels(), "created") {
		for _, c := range s.Configs {
			c["wait_for"] = "created"
		}
	}
	return s
}

// Dir is the folder of the resource's package.
func (s Subject) Dir(root string) string {
	return filepath.Join(root, "internal", "resources", strings.ReplaceAll(strings.TrimPrefix(s.Type, "mlk_"), "_", ""))
}

// common are the attributes that every resource has from the lifecycle.
func (s Subject) common(sch schema.Schema) Config {
	c := Config{
		"labels":          map[string]any{"laws.example.com/team": "mine", "tier": ""},
		"annotations":     map[string]any{"laws.example.com/Note": "a note"},
		"force_conflicts": true,
		"timeouts":        map[string]any{"create": "1m", "update": "1m", "delete": "1m"},
	}
	if _, ok := sch.Attributes["on_failure"]; ok {
		c["on_failure"] = "keep"
	}
	return c
}

func load(t testing.TB, file string) Config {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var c Config
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return c
}

// coverage: the configurations together set every attribute that can be set. A
// block that appears in several places, as a probe does, counts once.
func (s Subject) coverage(t *testing.T) {
	t.Helper()
	all, set := s.attributes(t)
	for at, name := range all {
		if !slices.ContainsFunc(slices.Collect(maps.Values(set)), func(in map[string]bool) bool { return in[at] }) {
			t.Errorf("no configuration sets %s", name)
		}
	}
}

// attributes are all attributes that can be set, by block and name, with the
// path of one place; and those that each configuration sets.
func (s Subject) attributes(t testing.TB) (map[string]string, map[string]map[string]bool) {
	t.Helper()
	all, set := map[string]string{}, map[string]map[string]bool{}
	var look func(at string, attributes map[string]schema.Attribute, values []any, in map[string]bool)
	look = func(at string, attributes map[string]schema.Attribute, values []any, in map[string]bool) {
		block := strings.Join(slices.Sorted(maps.Keys(attributes)), ",")
		for name, a := range attributes {
			if !a.IsOptional() && !a.IsRequired() {
				continue
			}
			here := strings.TrimPrefix(at+"."+name, ".")
			all[block+"/"+name] = here
			var of []any
			for _, v := range values {
				object, _ := v.(map[string]any)
				if e, ok := object[name]; ok {
					of, in[block+"/"+name] = append(of, e), true
				}
			}
			if nested, objects := nestedIn(a); nested != nil {
				look(here, nested, objects(of), in)
			}
		}
	}
	for name, c := range s.Configs {
		set[name] = map[string]bool{}
		look("", s.schemaOf(t).Attributes, []any{c}, set[name])
	}
	for i, c := range s.elsewhere {
		name := fmt.Sprintf("elsewhere-%d", i)
		set[name] = map[string]bool{}
		look("", s.schemaOf(t).Attributes, []any{c}, set[name])
	}
	return all, set
}

// Least leaves out the shapes of blocks that set nothing which the others do
// not: the block has tests of its own.
func (s Subject) Least(t testing.TB) Subject {
	t.Helper()
	_, set := s.attributes(t)
	least := s
	least.Configs = map[string]Config{}
	covered := map[string]bool{}
	for name, c := range s.Configs {
		if !slices.Contains(s.shapes, name) {
			least.Configs[name] = c
			maps.Copy(covered, set[name])
		}
	}
	for next := minimal; next != ""; {
		least.Configs[next] = s.Configs[next]
		maps.Copy(covered, set[next])
		next = ""
		most := 0
		for _, name := range slices.Sorted(maps.Keys(s.Configs)) {
			more := 0
			for at := range set[name] {
				if !covered[at] {
					more++
				}
			}
			if more > most {
				next, most = name, more
			}
		}
	}
	return least
}

// nestedIn are the attributes inside an attribute, and a function that takes
// its objects out of its values; nil where it has none.
func nestedIn(a schema.Attribute) (map[string]schema.Attribute, func(values []any) []any) {
	objects := func(values []any) []any {
		var out []any
		for _, v := range values {
			switch x := v.(type) {
			case map[string]any:
				out = append(out, slices.Collect(maps.Values(x))...)
			case []any:
				out = append(out, x...)
			}
		}
		return out
	}
	switch n := a.(type) {
	case schema.SingleNestedAttribute:
		return n.Attributes, func(values []any) []any { return values }
	case schema.ListNestedAttribute:
		return n.NestedObject.Attributes, objects
	case schema.MapNestedAttribute:
		return n.NestedObject.Attributes, objects
	}
	return nil, nil
}

// seed makes the population the same in every run.
const seed = 20261123

// draw makes up configurations: attributes of different configurations
// together, with parts left out. What the provider's own checks refuse is drawn
// again, so that every one is valid.
func (s Subject) draw(t testing.TB, n int) []Config {
	t.Helper()
	if n == 0 {
		return nil
	}
	judge := newRig(t, s, server(t, nil, nil), nil)
	var out []Config
	const tries = 100
	for i := 0; len(out) < n && i < n*tries; i++ {
		c := s.mix(s.schemaOf(t), rand.New(rand.NewPCG(seed, uint64(i))))
		if judge.Validate(t.Context(), c).Errors() == "" {
			out = append(out, c)
		}
	}
	if len(out) < n {
		t.Errorf("only %d of %d drawn configurations are valid", len(out), n*tries)
	}
	return out
}

// mix takes each attribute from a configuration that has it, or leaves it out.
func (s Subject) mix(sch schema.Schema, random *rand.Rand) Config {
	names := slices.Sorted(maps.Keys(s.Configs))
	c := Config{}
	for _, at := range slices.Sorted(maps.Keys(sch.Attributes)) {
		a := sch.Attributes[at]
		var from []any
		for _, n := range names {
			if v, ok := s.Configs[n][at]; ok {
				from = append(from, v)
			}
		}
		const oneIn = 3
		// A patch fits the configuration it was written for; without what the least one
		// has, few are valid.
		_, needed := s.Configs[minimal][at]
		if len(from) == 0 || at == "patch" || !needed && !a.IsRequired() && at != "wait_for" && random.IntN(oneIn) > 0 {
			continue
		}
		c[at] = thin(random, a, from[random.IntN(len(from))])
	}
	return c
}

// thin leaves out some of what a value may do without: optional attributes,
// entries of maps, elements at the end of lists.
func thin(random *rand.Rand, a schema.Attribute, v any) any {
	const oneIn = 5
	out := func() bool { return random.IntN(oneIn) == 0 }
	object := func(all map[string]schema.Attribute, v any) any {
		m, ok := v.(map[string]any)
		if !ok {
			return v
		}
		less := map[string]any{}
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if in, ok := all[k]; ok && (in.IsRequired() || !out()) {
				less[k] = thin(random, in, m[k])
			}
		}
		return less
	}
	same := func(v any) any { return v }
	entries, nested := same, false
	switch n := a.(type) {
	case schema.SingleNestedAttribute:
		return object(n.Attributes, v)
	case schema.ListNestedAttribute:
		entries, nested = func(v any) any { return object(n.NestedObject.Attributes, v) }, true
	case schema.MapNestedAttribute:
		entries, nested = func(v any) any { return object(n.NestedObject.Attributes, v) }, true
	case schema.MapAttribute, schema.ListAttribute:
		nested = true
	}
	if !nested {
		return v
	}
	switch x := v.(type) {
	case map[string]any:
		less := map[string]any{}
		for _, k := range slices.Sorted(maps.Keys(x)) {
			if !out() {
				less[k] = entries(x[k])
			}
		}
		return less
	case []any:
		less := []any{}
		for _, e := range x {
			if !out() {
				less = append(less, entries(e))
			}
		}
		return less
	}
	return v
}
