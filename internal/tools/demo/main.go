// Command demo runs examples/quickstart on a local cluster of its own ("up"),
// or removes both again ("down").
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/mlkube/terraform-provider-mlk/internal/tools/cli"
)

const cluster = "demo"

// leftovers are what a demo writes beside the example, all ignored by git.
var leftovers = []string{
	".terraform", ".terraform.lock.hcl", "terraform.tfstate", "terraform.tfstate.backup",
	".terraform.tfstate.lock.info", "demo.auto.tfvars",
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	root, err := cli.Root()
	if err != nil {
		return err
	}
	c, err := cli.Find(ctx, root)
	if err != nil {
		return err
	}
	d := demo{cli: c, root: root, dir: filepath.Join(root, "examples", "quickstart"), devcluster: filepath.Join(root, "bin", "devcluster")}
	switch strings.Join(args, " ") {
	case "up":
		return d.up(ctx)
	case "down":
		return d.down(ctx)
	}
	return errors.New("usage: demo up|down")
}

type demo struct {
	cli        cli.CLI
	root       string
	dir        string
	devcluster string
}

func (d demo) up(ctx context.Context) error {
	if !d.running(ctx) {
		// A state without its cluster describes objects that are gone; the
		// provider would rightly refuse to go on with another cluster.
		if err := d.clean(); err != nil {
			return err
		}
		if err := cli.Run(ctx, d.root, d.devcluster, "up", "--name", cluster); err != nil {
			return err
		}
	}
	kubeconfig, err := d.kubeconfig(ctx)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(d.dir, "demo.auto.tfvars"), fmt.Appendf(nil, "kubeconfig = %q\n", kubeconfig), 0o600); err != nil {
		return err
	}
	if err := d.withProvider(ctx, "apply", "-input=false", "-auto-approve"); err != nil {
		return err
	}
	d.explain(kubeconfig)
	return nil
}

// withProvider runs the CLI with the provider as it is built now; the lock file
// holds the checksum of the one before.
func (d demo) withProvider(ctx context.Context, args ...string) error {
	if err := os.RemoveAll(filepath.Join(d.dir, ".terraform.lock.hcl")); err != nil {
		return err
	}
	if err := d.terraform(ctx, "init", "-input=false"); err != nil {
		return err
	}
	return d.terraform(ctx, args...)
}

func (d demo) down(ctx context.Context) error {
	// A destroy that fails is reported, but everything it left goes with the cluster.
	var destroyed error
	if _, err := os.Stat(filepath.Join(d.dir, "terraform.tfstate")); err == nil && d.running(ctx) {
		destroyed = d.withProvider(ctx, "destroy", "-input=false", "-auto-approve")
	}
	if err := cli.Run(ctx, d.root, d.devcluster, "down", "--name", cluster); err != nil {
		return errors.Join(destroyed, err)
	}
	return errors.Join(destroyed, d.clean())
}

func (d demo) running(ctx context.Context) bool {
	return exec.CommandContext(ctx, d.devcluster, "status", "--name", cluster).Run() == nil
}

func (d demo) kubeconfig(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, d.devcluster, "kubeconfig", "--name", cluster).Output()
	if err != nil {
		return "", fmt.Errorf("ask devcluster for its kubeconfig: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// terraform runs the CLI in the example's folder. An interrupt reaches it from
// the terminal too; it must be left to save its state, so it is not killed.
func (d demo) terraform(ctx context.Context, args ...string) error {
	cmd := d.cli.Command(context.WithoutCancel(ctx), d.dir, args...)
	cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", filepath.Base(d.cli.Path), args[0], err)
	}
	return nil
}

func (d demo) clean() error {
	for _, name := range leftovers {
		if err := os.RemoveAll(filepath.Join(d.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (d demo) explain(kubeconfig string) {
	fmt.Printf(`
What happened
  A Kubernetes control plane runs on this machine, with simulated GPU nodes.
  On it now: a storage class, two volume claims, and a training job that asked
  for 2 GPUs, was scheduled onto an A100 node and has finished.

Where to look next
  export KUBECONFIG=%s
  kubectl get nodes,jobs,pods,pvc -o wide
  cd %s
  %[3]s show
  %[3]s output
  %[3]s plan              # no changes
  Ask for 16 GPUs per pod in main.tf and apply again: the error quotes the scheduler.
  make demo-down          # removes all of it

`, kubeconfig, d.dir, d.cli.Path)
}
