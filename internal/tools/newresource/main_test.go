package main

import (
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 23, 21, 0, 0, 0, time.UTC)

func TestWriteLaysEveryFile(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if _, err := write(root, name("model_cache", now)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		".changes/unreleased/FEATURES-model_cache.yaml",
		"examples/resources/mlk_model_cache/import.sh",
		"examples/resources/mlk_model_cache/import.tf",
		"examples/resources/mlk_model_cache/resource.tf",
		"internal/resources/modelcache/objects.go",
		"internal/resources/modelcache/resource.go",
		"internal/resources/modelcache/testdata/TestAccModelCache/create/main.tf",
		"internal/resources/modelcache/testdata/desired/minimal.config.yaml",
	}
	var got []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		file, _ := filepath.Rel(root, path)
		got = append(got, filepath.ToSlash(file))
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(string(content), "{{") {
			t.Errorf("%s was not rendered:\n%s", file, content)
		}
		if filepath.Ext(path) == ".go" {
			formatted, err := format.Source(content)
			if err != nil {
				t.Errorf("%s: %v", file, err)
			} else if string(formatted) != string(content) {
				t.Errorf("%s is not formatted", file)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("wrote\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWriteOverwritesNothing(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if _, err := write(root, name("pod", now)); err != nil {
		t.Fatal(err)
	}
	if _, err := write(root, name("pod", now)); err == nil || !strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("second write: %v", err)
	}
}

func TestTypeName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"pod": true, "gpu_node_pool": true, "": false, "Pod": false, "mlk-pod": false, "pod_": false, "../pod": false} {
		if got := typeName.MatchString(text); got != want {
			t.Errorf("typeName matches %q: %t, want %t", text, got, want)
		}
	}
}
