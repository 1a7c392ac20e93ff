package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// script puts a program of this name on PATH.
func script(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+content+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	const fails = `echo "Cannot connect to the Docker daemon" >&2; exit 1`
	tests := map[string]struct {
		programs map[string]string
		want     string
		err      string
	}{
		"podman comes first":             {programs: map[string]string{"podman": "echo ok", "docker": "echo 28"}, want: "podman"},
		"docker alone":                   {programs: map[string]string{"docker": "echo 28"}, want: "docker"},
		"docker when podman is broken":   {programs: map[string]string{"podman": "exit 125", "docker": "echo 28"}, want: "docker"},
		"none that runs":                 {programs: map[string]string{"docker": fails}, err: "podman is not installed"},
		"no daemon":                      {programs: map[string]string{"docker": fails}, err: "Cannot connect to the Docker daemon"},
		"a kernel that forbids it first": {programs: map[string]string{"podman": "echo ok", "unshare": "echo Operation not permitted >&2; exit 1"}, err: "Operation not permitted"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(test.err, "not permitted") && os.Geteuid() != 0 {
				test.err, test.want = "", "podman" // without root the engine is asked
			}
			dir := t.TempDir()
			script(t, dir, "unshare", "true")
			for program, content := range test.programs {
				script(t, dir, program, content)
			}
			t.Setenv("PATH", dir) // without apt-get nothing is installed
			e, err := Find(t.Context(), t.TempDir())
			if test.err != "" {
				if !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), test.err) {
					t.Errorf("Find = %v, want ErrNone with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if e.Name != test.want || e.Variables()["KIND_EXPERIMENTAL_PROVIDER"] != test.want {
				t.Errorf("found %+v, want %s", e, test.want)
			}
		})
	}
}
