// Package cli finds what the repository's own tools run: the checkout, the
// Terraform or OpenTofu command line, and the programs pinned in go.mod.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	modulePath = "module github.com/mlkube/terraform-provider-mlk\n"
	openTofu   = "github.com/opentofu/opentofu/cmd/tofu"
	// Without it OpenTofu calls itself a development version, which plugins
	// and version constraints take for a prerelease.
	openTofuRelease = "-s -w -X github.com/opentofu/opentofu/version.dev=no"
)

// CLI is a Terraform or OpenTofu binary, used with the checkout's own settings.
type CLI struct {
	// Path is absolute.
	Path string
	// OpenTofu tells it from Terraform, whose registry host differs.
	OpenTofu bool

	root string
}

// Root returns the checkout the working directory is in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if mod, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && strings.HasPrefix(string(mod), modulePath) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the working directory is not in a checkout of terraform-provider-mlk")
		}
		dir = parent
	}
}

// Find returns $TERRAFORM, else terraform or tofu on PATH, else an OpenTofu
// that it builds from source once.
func Find(ctx context.Context, root string) (CLI, error) {
	found, err := locate(ctx, root)
	if err != nil {
		return CLI{}, err
	}
	c := CLI{Path: found, root: root}
	out, err := c.Command(ctx, root, "version").Output()
	if err != nil {
		return CLI{}, fmt.Errorf("run %s version: %w", found, err)
	}
	c.OpenTofu = strings.Contains(string(out), "OpenTofu")
	return c, nil
}

// Installed reports whether Find would return without building anything.
func Installed(root string) bool {
	_, err := onPath()
	return err == nil || built(root)
}

func locate(ctx context.Context, root string) (string, error) {
	found, err := onPath()
	if err == nil {
		return filepath.Abs(found)
	}
	if os.Getenv("TERRAFORM") != "" {
		return "", fmt.Errorf("$TERRAFORM: %w", err)
	}
	tofu := filepath.Join(root, "bin", "tofu")
	if built(root) {
		return tofu, nil
	}
	fmt.Println("Neither terraform nor tofu is on PATH: building OpenTofu, which takes some 10 minutes of CPU, once.")
	return tofu, Go(ctx, filepath.Join(root, "internal", "tools", "opentofu"), "build", "-ldflags", openTofuRelease, "-o", tofu, openTofu)
}

func onPath() (string, error) {
	if t := os.Getenv("TERRAFORM"); t != "" {
		return exec.LookPath(t)
	}
	if t, err := exec.LookPath("terraform"); err == nil {
		return t, nil
	}
	return exec.LookPath("tofu")
}

// built reports whether bin/tofu is there and of the pinned version.
func built(root string) bool {
	binary, err := os.Stat(filepath.Join(root, "bin", "tofu"))
	if err != nil {
		return false
	}
	pin, err := os.Stat(filepath.Join(root, "internal", "tools", "opentofu", "go.mod"))
	return err == nil && binary.ModTime().After(pin.ModTime())
}

// Env is the environment for this CLI and for whatever runs it: the provider
// comes from bin/plugins, whatever the user's own settings name. Of those only
// what is about logs is kept.
func (c CLI) Env() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "TF_") && !strings.HasPrefix(v, "TF_LOG")
	})
	return append(env,
		"TF_CLI_CONFIG_FILE="+filepath.Join(c.root, "bin", "terraform.rc"),
		"TF_IN_AUTOMATION=1",
		"CHECKPOINT_DISABLE=1",
	)
}

// AcceptanceEnv is Env for terraform-plugin-testing.
func (c CLI) AcceptanceEnv() []string {
	env := append(c.Env(), "TF_ACC=1", "TF_ACC_TERRAFORM_PATH="+c.Path)
	if c.OpenTofu {
		env = append(env, "TF_ACC_PROVIDER_HOST=registry.opentofu.org")
	}
	return env
}

// Command prepares a run in dir; its error output goes to ours.
func (c CLI) Command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.Path, args...)
	cmd.Dir, cmd.Env, cmd.Stderr = dir, c.Env(), os.Stderr
	return cmd
}

// Tool builds a program pinned in internal/tools/go.mod and returns its path.
func Tool(ctx context.Context, root, pkg string) (string, error) {
	binary := filepath.Join(root, "bin", "tools", filepath.Base(pkg))
	return binary, Go(ctx, filepath.Join(root, "internal", "tools"), "build", "-o", binary, pkg)
}

// Go runs the go command in dir, showing what it prints.
func Go(ctx context.Context, dir string, args ...string) error {
	return Run(ctx, dir, "go", args...)
}

// Run runs a command in dir, showing what it prints.
func Run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", filepath.Base(name), strings.Join(args, " "), err)
	}
	return nil
}
