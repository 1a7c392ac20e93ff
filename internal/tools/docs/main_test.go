package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSame(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		have, want map[string]string
		err        string
	}{
		"equal": {
			have: map[string]string{"index.md": "a", "resources/pod.md": "b"},
			want: map[string]string{"index.md": "a", "resources/pod.md": "b"},
		},
		"changed, missing and left over": {
			have: map[string]string{"index.md": "a", "old.md": "c"},
			want: map[string]string{"index.md": "b", "resources/pod.md": "b"},
			err:  "docs/ is stale, run make generate:\n  docs/index.md\n  docs/old.md (nothing generates it)\n  docs/resources/pod.md",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			have, want := t.TempDir(), t.TempDir()
			write(t, have, test.have)
			write(t, want, test.want)
			got := ""
			if err := same(have, want); err != nil {
				got = err.Error()
			}
			if got != test.err {
				t.Errorf("got %q, want %q", got, test.err)
			}
		})
	}
	t.Run("no docs yet", func(t *testing.T) {
		t.Parallel()
		want := t.TempDir()
		write(t, want, map[string]string{"index.md": "a"})
		if err := same(filepath.Join(t.TempDir(), "docs"), want); err == nil {
			t.Error("missing docs are not stale")
		}
	})
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
