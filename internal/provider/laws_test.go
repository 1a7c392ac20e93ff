package provider_test

import (
	"flag"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/laws"
)

// root is the folder of the module.
const root = "../.."

// population is how many configurations are drawn for each resource besides
// those written down. The acceptance ring draws more.
const population = 3

// garbage is how much of it may pile up: the laws make much and keep little.
const garbage = 400

// TestLaws runs the laws for every registered resource.
func TestLaws(t *testing.T) {
	t.Parallel()
	usual := debug.SetGCPercent(garbage)
	t.Cleanup(func() { debug.SetGCPercent(usual) })
	for _, newResource := range objectful(t) {
		s := laws.Read(t, root, newResource).Least(t)
		t.Run(s.Type, func(t *testing.T) {
			t.Parallel()
			s.Run(t, laws.Defaults, population)
		})
	}
}

// objectful are the resources that are objects, and so are made by lifecycle.New.
// One that owns keys on objects of others says in a test file of its own what the
// laws mean there.
func objectful(t *testing.T) []func() resource.Resource {
	t.Helper()
	var out []func() resource.Resource
	for _, newResource := range provider.Resources() {
		if _, ok := newResource().(lifecycle.Examined); ok {
			out = append(out, newResource)
			continue
		}
		own := filepath.Join(laws.Read(t, root, newResource).Dir(root), "laws_test.go")
		if _, err := os.Stat(own); err != nil {
			t.Errorf("a resource that is no object lacks its own laws: %v", err)
		}
	}
	return out
}

// TestInterrupted breaks the create of every registered resource everywhere.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for _, newResource := range objectful(t) {
		s := laws.Read(t, root, newResource)
		t.Run(s.Type, func(t *testing.T) {
			t.Parallel()
			s.Interrupt(t, laws.Defaults)
		})
	}
}

var update = flag.Bool("update", false, "write what data sources read into their want.yaml")

// TestDataSources reads every registered data source on the clusters written
// down for it.
func TestDataSources(t *testing.T) {
	t.Parallel()
	for _, newData := range provider.DataSources() {
		s := laws.ReadData(t, root, newData)
		t.Run(s.Type, func(t *testing.T) {
			t.Parallel()
			s.Run(t, *update)
		})
	}
}

// TestDataSourcesAreComplete: what belongs to a data source beside its code.
func TestDataSourcesAreComplete(t *testing.T) {
	t.Parallel()
	told := changes(t)
	for _, newData := range provider.DataSources() {
		s := laws.ReadData(t, root, newData)
		for _, f := range []string{
			filepath.Join(s.Dir(root), "acc_test.go"),
			filepath.Join(root, "examples", "data-sources", s.Type, "data-source.tf"),
			filepath.Join(root, "docs", "data-sources", strings.TrimPrefix(s.Type, "mlk_")+".md"),
		} {
			if _, err := os.Stat(f); err != nil {
				t.Errorf("%s lacks %s", s.Type, f)
			}
		}
		if !strings.Contains(told, s.Type) {
			t.Errorf("no change fragment tells of %s", s.Type)
		}
	}
}

// changes is what the change fragments and the released changes say.
func changes(t *testing.T) string {
	t.Helper()
	out := ""
	fragments, err := filepath.Glob(filepath.Join(root, ".changes", "*", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	released, err := filepath.Glob(filepath.Join(root, ".changes", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(fragments, released...) {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out += string(text)
	}
	return out
}

// TestResourcesAreComplete: what belongs to a resource beside its code.
func TestResourcesAreComplete(t *testing.T) {
	t.Parallel()
	told := changes(t)
	for _, newResource := range provider.Resources() {
		s := laws.Read(t, root, newResource)
		desired := filepath.Join(s.Dir(root), "testdata", "desired")
		examples := filepath.Join(root, "examples", "resources", s.Type)
		for _, f := range []string{
			filepath.Join(desired, "minimal.golden.yaml"), filepath.Join(desired, "full.golden.yaml"),
			filepath.Join(desired, "minimal.config.yaml"), filepath.Join(desired, "full.config.yaml"),
			filepath.Join(s.Dir(root), "acc_test.go"),
			filepath.Join(examples, "resource.tf"), filepath.Join(examples, "import.sh"), filepath.Join(examples, "import.tf"),
			filepath.Join(root, "docs", "resources", strings.TrimPrefix(s.Type, "mlk_")+".md"),
		} {
			if _, err := os.Stat(f); err != nil {
				t.Errorf("%s lacks %s", s.Type, f)
			}
		}
		if !strings.Contains(told, s.Type) {
			t.Errorf("no change fragment tells of %s", s.Type)
		}
	}
}
