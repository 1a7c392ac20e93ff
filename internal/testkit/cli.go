package testkit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// CLI is Terraform or OpenTofu as a user runs it, in a folder of its own, with
// the provider that `make install` put into bin/plugins: for what cannot be seen
// in a test that has the provider inside itself, such as its death.
type CLI struct {
	// Dir holds configuration and state.
	Dir string
	// Variables are those of the configuration, by name.
	Variables map[string]string
	// Env is added to the environment, "NAME=value".
	Env []string
	// Patience bounds one command. 0 is three minutes: a test that hangs should
	// say which.
	Patience time.Duration

	t      testing.TB
	binary string
	rc     string
	data   string
}

// cliTimeout is the default of Patience.
const cliTimeout = 3 * time.Minute

// NewCLI copies the configuration in the folder source and initialises it.
// variables are given in pairs.
func NewCLI(t testing.TB, source string, variables ...string) *CLI {
	t.Helper()
	root := moduleRoot(t)
	c := &CLI{Dir: t.TempDir(), Variables: map[string]string{}, t: t, binary: cliBinary(t, root), rc: filepath.Join(root, "bin", "terraform.rc")}
	if _, err := os.Stat(c.rc); err != nil {
		t.Fatalf("the provider is not installed (make install): %v", err)
	}
	c.data = filepath.Join(c.Dir, ".terraform")
	c.Set(variables...)
	c.Use(source)
	if out := c.Run("init", "-no-color", "-input=false"); out.Code != 0 {
		t.Fatalf("init: %s", out)
	}
	return c
}

// moduleRoot is the folder of go.mod.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}

// cliBinary is $TERRAFORM, else what terraform-plugin-testing is told to use,
// else what is on PATH or was built into bin.
func cliBinary(t testing.TB, root string) string {
	t.Helper()
	for _, name := range []string{os.Getenv("TERRAFORM"), os.Getenv("TF_ACC_TERRAFORM_PATH"), "terraform", "tofu", filepath.Join(root, "bin", "tofu")} {
		if name == "" {
			continue
		}
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	t.Fatal("neither terraform nor tofu is on PATH, and TERRAFORM is not set")
	return ""
}

// Workspace is another folder with the same configuration and no state, as a
// colleague's checkout would be.
func (c *CLI) Workspace(variables ...string) *CLI {
	c.t.Helper()
	w := *c
	w.Dir, w.Variables = c.t.TempDir(), map[string]string{}
	for k, v := range c.Variables {
		w.Variables[k] = v
	}
	w.Set(variables...)
	// The installed provider is shared: nothing writes there after init.
	w.Use(c.Dir)
	lock := ".terraform.lock.hcl"
	raw, err := os.ReadFile(filepath.Join(c.Dir, lock))
	if err != nil {
		c.t.Fatal(err)
	}
	w.Write(lock, raw)
	return &w
}

// Set changes variables, given in pairs.
func (c *CLI) Set(variables ...string) {
	for i := 0; i+1 < len(variables); i += 2 {
		c.Variables[variables[i]] = variables[i+1]
	}
}

// Use replaces the configuration by that of a folder.
func (c *CLI) Use(source string) {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(source, "*.tf"))
	if err != nil || len(files) == 0 {
		c.t.Fatalf("no configuration in %s (%v)", source, err)
	}
	old, err := filepath.Glob(filepath.Join(c.Dir, "*.tf"))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			c.t.Fatal(err)
		}
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			c.t.Fatal(err)
		}
		c.Write(filepath.Base(f), raw)
	}
}

// Write writes a file into the folder.
func (c *CLI) Write(name string, content []byte) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.Dir, name), content, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// Output is what a command left.
type Output struct {
	// Code is the exit code; -1 when a signal ended it.
	Code int
	// Stdout and Stderr are what it printed.
	Stdout, Stderr string
}

// String is everything it printed, for the message of a test.
func (o Output) String() string { return o.Stdout + o.Stderr }

// Says reports whether the command printed the text, however the lines of its
// diagnostics were broken.
func (o Output) Says(text string) bool {
	plain := strings.NewReplacer("│", " ", "╷", " ", "╵", " ").Replace(o.String())
	return strings.Contains(strings.Join(strings.Fields(plain), " "), strings.Join(strings.Fields(text), " "))
}

// Running is a command that has been started.
type Running struct {
	*exec.Cmd

	cancel         context.CancelFunc
	stdout, stderr bytes.Buffer
}

// Start starts a command.
func (c *CLI) Start(args ...string) *Running {
	c.t.Helper()
	// The test's own context ends before its clean-up, which may run commands too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), cmp.Or(c.Patience, cliTimeout))
	r := &Running{cancel: cancel}
	r.Cmd = exec.CommandContext(ctx, c.binary, args...)
	r.Dir, r.Env = c.Dir, c.environment()
	r.Stdout, r.Stderr = &r.stdout, &r.stderr
	if err := r.Start(); err != nil {
		cancel()
		c.t.Fatal(err)
	}
	return r
}

// environment is the user's without what would lead the CLI elsewhere.
func (c *CLI) environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TF_") })
	env = append(env, "TF_CLI_CONFIG_FILE="+c.rc, "TF_DATA_DIR="+c.data, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1")
	for k, v := range c.Variables {
		env = append(env, "TF_VAR_"+k+"="+v)
	}
	return append(env, c.Env...)
}

// Finish waits for the end of a command.
func (r *Running) Finish() Output {
	defer r.cancel()
	err := r.Wait()
	out := Output{Stdout: r.stdout.String(), Stderr: r.stderr.String()}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		out.Code = exit.ExitCode()
	case err != nil:
		out.Code, out.Stderr = -1, out.Stderr+err.Error()
	}
	return out
}

// Run runs a command to its end.
func (c *CLI) Run(args ...string) Output {
	c.t.Helper()
	return c.Start(args...).Finish()
}

// Apply applies the configuration without asking.
func (c *CLI) Apply(args ...string) Output {
	c.t.Helper()
	return c.Run(append([]string{"apply", "-no-color", "-input=false", "-auto-approve"}, args...)...)
}

// MustApply is Apply for where a failure ends the test.
func (c *CLI) MustApply(args ...string) Output {
	c.t.Helper()
	out := c.Apply(args...)
	if out.Code != 0 {
		c.t.Fatalf("apply: %s", out)
	}
	return out
}

// Plan plans; Code is 0 when nothing would change, 2 when something would, and
// 1 on errors.
func (c *CLI) Plan(args ...string) Output {
	c.t.Helper()
	return c.Run(append([]string{"plan", "-no-color", "-input=false", "-detailed-exitcode"}, args...)...)
}

// Destroy destroys everything without asking.
func (c *CLI) Destroy(args ...string) Output {
	c.t.Helper()
	return c.Run(append([]string{"destroy", "-no-color", "-input=false", "-auto-approve"}, args...)...)
}

// RawState is the state file as it is; empty when there is none.
func (c *CLI) RawState() []byte {
	c.t.Helper()
	raw, err := os.ReadFile(filepath.Join(c.Dir, "terraform.tfstate"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		c.t.Fatal(err)
	}
	return raw
}

// StateResource is a resource in the state.
type StateResource struct {
	// Address is "mlk_training_job.run".
	Address string `json:"address"`
	// Values are its attributes.
	Values map[string]any `json:"values"`
	// Tainted is whether the next apply would replace it for that reason.
	Tainted bool `json:"tainted"`
	// DeposedKey is set for an object that is only left to be destroyed.
	DeposedKey string `json:"deposed_key"`
}

// State is the resources in the state, by address.
func (c *CLI) State() map[string]StateResource {
	c.t.Helper()
	out := c.Run("show", "-json")
	if out.Code != 0 {
		c.t.Fatalf("show: %s", out)
	}
	var shown struct {
		Values struct {
			RootModule struct {
				Resources []StateResource `json:"resources"`
			} `json:"root_module"`
		} `json:"values"`
	}
	if err := json.Unmarshal([]byte(out.Stdout), &shown); err != nil {
		c.t.Fatal(err)
	}
	state := map[string]StateResource{}
	for _, r := range shown.Values.RootModule.Resources {
		state[r.Address] = r
	}
	return state
}
