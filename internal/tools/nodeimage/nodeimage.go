// Package nodeimage builds the image of a kind node where no registry can be reached:
// from Debian packages, Go modules and kind's own sources, and then with "kind build".
package nodeimage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mlkube/terraform-provider-mlk/internal/tools/archive"
	"github.com/mlkube/terraform-provider-mlk/internal/tools/cli"
	"github.com/mlkube/terraform-provider-mlk/internal/tools/engine"
	"github.com/mlkube/terraform-provider-mlk/internal/tools/filelock"
)

// ErrNeedsRoot is returned where the root file system cannot be made.
var ErrNeedsRoot = errors.New("building a node image needs Linux, root and debootstrap")

// The names images have in the engine's store; the tag is the hash of what they are made of.
const (
	baseRepository = "localhost/mlk-kind-base"
	nodeRepository = "localhost/mlk-kind-node"
)

// mirrorVariable names the Debian mirror to use instead of debootstrap's own choice.
const mirrorVariable = "MLK_DEBIAN_MIRROR"

// Home is the folder that holds what builds and clusters leave.
func Home() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for what kind needs: %w", err)
	}
	return filepath.Join(cache, "mlk", "kind"), nil
}

// Name returns the name of the image that a checkout gives.
func Name(ctx context.Context, root string) (string, error) {
	in, err := read(ctx, root)
	return nodeRepository + ":" + in.image, err
}

// Build returns the name of the node image, which it builds unless the engine has it.
func Build(ctx context.Context, root, home string, e engine.Engine, out io.Writer) (string, error) {
	s := store{dir: home, out: out}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", err
	}
	unlock, err := filelock.Acquire(ctx, filepath.Join(home, "lock"), out, "another build of a node image is at work; waiting for it")
	if err != nil {
		return "", err
	}
	defer unlock()
	in, err := read(ctx, root)
	if err != nil {
		return "", err
	}
	b := build{store: s, inputs: in, engine: e, root: root}
	return nodeRepository + ":" + in.image, b.run(ctx)
}

type build struct {
	store
	inputs
	engine engine.Engine
	root   string
}

func (b build) run(ctx context.Context) error {
	node, base := nodeRepository+":"+b.image, baseRepository+":"+b.image
	tmp, err := b.scratch()
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) // what cannot be removed is tried again by the next run
	b.engine = b.engine.Temporary(tmp)
	if err := b.removeContainers(ctx); err != nil {
		return err
	}
	if b.engine.HasImage(ctx, node) {
		b.cached("node image " + node)
		return nil
	}
	rootfs, err := b.make(ctx, "rootfs", b.rootfs, "root file system from Debian packages", b.debootstrap)
	if err != nil {
		return err
	}
	programs, err := b.make(ctx, "programs", b.programs, "Kubernetes "+b.kubernetes+" and containerd from Go modules", b.compile)
	if err != nil {
		return err
	}
	if b.engine.HasImage(ctx, base) {
		b.cached("base image")
	} else if err := b.timed("base image from both and kind's files", func() error { return b.loadBase(ctx, base, rootfs, programs, tmp) }); err != nil {
		return err
	}
	release := filepath.Join(tmp, "kubernetes.tar.gz")
	if err := b.timed("archives of the cluster's images", func() error { return b.release(ctx, release, rootfs, programs, tmp) }); err != nil {
		return err
	}
	if err := b.timed("kind build node-image", func() error { return b.kindBuild(ctx, node, base, release, tmp) }); err != nil {
		return err
	}
	// Earlier images are of no use; that one of them is in use is no failure.
	if err := b.engine.RemoveImages(ctx, nodeRepository, node); err != nil {
		return err
	}
	return b.engine.RemoveImages(ctx, baseRepository, base)
}

// removeContainers removes the container of a build that was killed.
func (b build) removeContainers(ctx context.Context) error {
	listed, err := b.engine.Output(ctx, "ps", "-a", "--format", "{{.Names}} {{.Image}}", "--filter", "name=kind-build-")
	if err != nil {
		return err
	}
	for _, name := range leftContainers(listed) {
		if _, err := b.engine.Output(ctx, "rm", "-f", "-v", name); err != nil {
			return err
		}
	}
	return nil
}

// leftContainers returns those of the listed containers that builds of ours have left.
func leftContainers(listed string) []string {
	var names []string
	for line := range strings.Lines(listed) {
		fields := strings.Fields(line)
		if len(fields) == 2 && strings.HasPrefix(fields[0], "kind-build-") && strings.HasPrefix(fields[1], baseRepository+":") {
			names = append(names, fields[0])
		}
	}
	return names
}

func (b build) debootstrap(ctx context.Context, dir string) error {
	if os.Geteuid() != 0 {
		return ErrNeedsRoot
	}
	if _, err := exec.LookPath("debootstrap"); err != nil {
		if err := engine.Install(ctx, "debootstrap"); err != nil {
			return errors.Join(ErrNeedsRoot, err)
		}
	}
	script, err := code.ReadFile("rootfs.sh")
	if err != nil {
		return err
	}
	// Namespaces of its own: whatever ends it also ends all it has started, and unmounts
	// all it has mounted.
	args := []string{"--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-s", "--", dir}
	if mirror := os.Getenv(mirrorVariable); mirror != "" {
		args = append(args, mirror)
	}
	cmd := engine.Gently(exec.CommandContext(ctx, "unshare", args...))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGKILL) }
	cmd.Stdin = strings.NewReader(string(script))
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, said)
	}
	return nil
}

func (b build) loadBase(ctx context.Context, name, rootfs, programs, tmp string) error {
	image, err := b.base(ctx, name, rootfs, programs, tmp)
	if err != nil {
		return err
	}
	return b.engine.Load(ctx, func(to io.Writer) error { return archive.Write(to, image) })
}

func (b build) kindBuild(ctx context.Context, node, base, release, tmp string) error {
	kind, err := cli.Tool(ctx, b.root, "sigs.k8s.io/kind")
	if err != nil {
		return err
	}
	// kind builds with a program called docker only, and pulls a base image although it
	// is there already.
	shim := filepath.Join(tmp, "bin")
	if err := os.MkdirAll(shim, 0o755); err != nil {
		return err
	}
	script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = pull ] && exit 0\nexec %q \"$@\"\n", b.engine.Path)
	if err := os.WriteFile(filepath.Join(shim, "docker"), []byte(script), 0o755); err != nil {
		return err
	}
	cmd := engine.Gently(exec.CommandContext(ctx, kind, "build", "node-image", "--type", "file", release, "--base-image", base, "--image", node))
	cmd.Env = append(b.engine.Environ(), "PATH="+shim+string(os.PathListSeparator)+os.Getenv("PATH"))
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, said)
	}
	return nil
}
