package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEditFindsEachTextOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "main.go"), filepath.Join(dir, "edited.go")
	if err := os.WriteFile(from, []byte("a b b"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (recipe{edits: []edit{{"a", "c"}}}).edit(from, to); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(to); err != nil || string(got) != "c b b" {
		t.Errorf("%q, %v", got, err)
	}
	for _, text := range []string{"b", "d"} {
		if err := (recipe{edits: []edit{{text, "c"}}}).edit(from, to); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a.yaml": "---\nkind: A\n", "b.yaml": "kind: B\n",
		"folder/kustomization.yaml": "resources: [c.yaml]\nnamePrefix: my-\n",
		"folder/c.yaml":             "apiVersion: v1\nkind: C\nmetadata: {name: c}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := together(dir, "*.yaml folder")
	if want := "---\nkind: A\n---\nkind: B\n---\napiVersion: v1\nkind: C\nmetadata:\n  name: my-c\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if _, err := together(dir, "*.yaml *.json"); err == nil || !strings.Contains(err.Error(), "*.json") {
		t.Errorf("what matches nothing: %v", err)
	}
}

func TestEveryModuleHasARecipe(t *testing.T) {
	t.Parallel()
	modules, err := filepath.Glob("../../devcluster/engines/*/go.mod")
	if err != nil || len(modules) == 0 {
		t.Fatalf("%v, %v", modules, err)
	}
	for _, m := range modules {
		name := filepath.Base(filepath.Dir(m))
		r, ok := recipes()[name]
		text, err := os.ReadFile(m)
		if err != nil {
			t.Fatal(err)
		}
		if !ok || !strings.Contains(string(text), r.module+" v") {
			t.Errorf("%s: its recipe is %+v", name, r)
		}
	}
}
