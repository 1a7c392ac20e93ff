package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRootIsFoundFromBelow(t *testing.T) {
	t.Parallel()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "internal", "tools", "cli", "cli_test.go")); err != nil {
		t.Errorf("Root() = %s: %v", root, err)
	}
}

func TestFind(t *testing.T) {
	tests := map[string]struct {
		onPath   []string
		variable string
		want     string
		openTofu bool
	}{
		"terraform comes before tofu": {onPath: []string{"terraform", "tofu"}, want: "terraform"},
		"tofu alone":                  {onPath: []string{"tofu"}, want: "tofu", openTofu: true},
		"$TERRAFORM comes first":      {onPath: []string{"terraform", "tofu"}, variable: "tofu", want: "tofu", openTofu: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, binary := range test.onPath {
				fake(t, filepath.Join(dir, binary))
			}
			t.Setenv("PATH", dir)
			t.Setenv("TERRAFORM", test.variable)
			c, err := Find(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(dir, test.want); c.Path != want || c.OpenTofu != test.openTofu {
				t.Errorf("found %s, OpenTofu %t; want %s, %t", c.Path, c.OpenTofu, want, test.openTofu)
			}
		})
	}
	t.Run("$TERRAFORM that is not there is an error", func(t *testing.T) {
		t.Setenv("TERRAFORM", "no-such-cli")
		if _, err := Find(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "$TERRAFORM") {
			t.Errorf("got %v, want an error that names $TERRAFORM", err)
		}
	})
}

func TestEnvLeavesTheUsersSettingsOut(t *testing.T) {
	t.Setenv("TF_CLI_CONFIG_FILE", "/nowhere/terraform.rc")
	t.Setenv("TF_CLI_ARGS_apply", "-destroy")
	t.Setenv("KUBECONFIG", "/some/kubeconfig")
	env := CLI{Path: "/usr/bin/tofu", OpenTofu: true, root: "/checkout"}.AcceptanceEnv()
	for _, want := range []string{
		"TF_CLI_CONFIG_FILE=/checkout/bin/terraform.rc", "TF_ACC=1", "TF_ACC_TERRAFORM_PATH=/usr/bin/tofu",
		"TF_ACC_PROVIDER_HOST=registry.opentofu.org", "KUBECONFIG=/some/kubeconfig",
	} {
		if !slices.Contains(env, want) {
			t.Errorf("environment lacks %s", want)
		}
	}
	for _, v := range env {
		if strings.Contains(v, "nowhere") || strings.HasPrefix(v, "TF_CLI_ARGS") {
			t.Errorf("environment has %s", v)
		}
	}
}

// fake writes a CLI that says what it is called.
func fake(t *testing.T, path string) {
	t.Helper()
	says := "Terraform v1.12.0"
	if filepath.Base(path) == "tofu" {
		says = "OpenTofu v1.12.6"
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho "+says+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}
