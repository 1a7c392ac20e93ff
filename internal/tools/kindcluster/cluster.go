// Package kindcluster keeps the kind cluster that the tests on real nodes run on: real
// kubelets and containers, and GPUs that a device plugin of ours lends.
package kindcluster

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/defaults"

	"github.com/mlkube/terraform-provider-mlk/internal/tools/cli"
	"github.com/mlkube/terraform-provider-mlk/internal/tools/engine"
	"github.com/mlkube/terraform-provider-mlk/internal/tools/filelock"
	"github.com/mlkube/terraform-provider-mlk/internal/tools/nodeimage"
)

//go:embed cluster.yaml
var config []byte

const (
	// name is the cluster's, and the beginning of its nodes' names.
	name         = "mlk"
	controlPlane = name + "-control-plane"
	// readyTimeout is what nodes and system pods may take; a slow machine needs a minute.
	readyTimeout = "300s"
	// pullTimeout is what the published image, half a gigabyte, may take.
	pullTimeout = 15 * time.Minute
	// askTimeout bounds the question whether a cluster is well.
	askTimeout = 20 * time.Second
	// gpus is how many the device plugin lends on each worker.
	gpus = 8
)

// Cluster is the one cluster of this user on this machine, whether it runs or not.
type Cluster struct {
	root, home string
	engine     engine.Engine
	out        io.Writer
}

// New returns the cluster for a checkout. What is done to it is said on out.
func New(root, home string, e engine.Engine, out io.Writer) Cluster {
	return Cluster{root: root, home: home, engine: e, out: out}
}

// Lock keeps other runs from the cluster until the returned function is called.
func (c Cluster) Lock(ctx context.Context) (func(), error) {
	return filelock.Acquire(ctx, filepath.Join(c.home, "cluster.lock"), c.out, "another run uses the kind cluster; waiting for it")
}

// Kubeconfig is the path of the file that leads to the cluster.
func (c Cluster) Kubeconfig() string { return filepath.Join(c.home, "kubeconfig") }

// Environ is what programs need beside the environment to find the cluster and its nodes.
func (c Cluster) Environ() []string {
	env := []string{"KUBECONFIG=" + c.Kubeconfig(), "MLK_KIND=1", "MLK_KIND_NAME=" + name, "MLK_KIND_ENGINE=" + c.engine.Path}
	for name, value := range c.engine.Variables() {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

// Image returns the image nodes are made from: the published one when it can be
// pulled, else ours, which is built.
func (c Cluster) Image(ctx context.Context) (string, error) {
	published := published(defaults.Image)
	if c.engine.HasImage(ctx, published) {
		return published, nil
	}
	own, err := nodeimage.Name(ctx, c.root)
	if err != nil || c.engine.HasImage(ctx, own) {
		return own, err
	}
	pull, cancel := context.WithTimeout(ctx, pullTimeout)
	defer cancel()
	_, err = c.engine.Output(pull, "pull", published)
	if err == nil {
		return published, nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	fmt.Fprintf(c.out, "%s cannot be pulled, so a node image is built: %s\n", published, lines[len(lines)-1])
	return nodeimage.Build(ctx, c.root, c.home, c.engine, c.out)
}

// HasImage tells whether nodes can be made without pulling or building an image.
func (c Cluster) HasImage(ctx context.Context) bool {
	own, err := nodeimage.Name(ctx, c.root)
	return c.engine.HasImage(ctx, published(defaults.Image)) || err == nil && c.engine.HasImage(ctx, own)
}

// published writes kind's default image as both engines take it: with its digest alone.
func published(image string) string {
	repository, digest, _ := strings.Cut(image, "@")
	if colon := strings.LastIndex(repository, ":"); colon > 0 {
		repository = repository[:colon]
	}
	return "docker.io/" + repository + "@" + digest
}

// Up makes sure that the cluster runs, made from image and with the workloads of this
// checkout. One that an earlier run left is used when it is as wanted, and else replaced.
func (c Cluster) Up(ctx context.Context, image string) error {
	dir := filepath.Join(c.home, "workloads")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	archive, err := buildWorkloads(ctx, c.root, dir)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	want := record{Image: image, Config: hash(config), Workloads: hash(content)}
	have, err := c.find(ctx)
	if err != nil {
		return err
	}
	what, reason := decide(want, have)
	switch what {
	case reuse:
		fmt.Fprintf(c.out, "the kind cluster %s of an earlier run is used again\n", name)
		return nil
	case replace:
		fmt.Fprintf(c.out, "the kind cluster %s of an earlier run is replaced: %s\n", name, reason)
		if err := c.Down(ctx); err != nil {
			return err
		}
		fallthrough
	case create:
		if err := c.create(ctx, image); err != nil {
			return err
		}
	case refresh:
		fmt.Fprintf(c.out, "the kind cluster %s of an earlier run is used again; %s\n", name, reason)
	}
	if err := c.timed("images are loaded, GPUs are lent, everything runs", func() error {
		return c.install(ctx, archive, what == refresh)
	}); err != nil {
		return err
	}
	return writeRecord(c.home, want)
}

// Down removes the cluster, or whatever is left of one.
func (c Cluster) Down(ctx context.Context) error {
	if err := forget(c.home); err != nil {
		return err
	}
	return c.kind(ctx, nil, "delete", "cluster", "--name", name, "--kubeconfig", c.Kubeconfig())
}

func (c Cluster) find(ctx context.Context) (found, error) {
	var clusters bytes.Buffer
	if err := c.kind(ctx, &clusters, "get", "clusters"); err != nil {
		return found{}, err
	}
	have := found{exists: slices.Contains(strings.Fields(clusters.String()), name)}
	if !have.exists {
		return have, nil
	}
	var err error
	if have.record, err = readRecord(c.home); err != nil {
		return have, err
	}
	ask, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err = c.kubectl(ask, nil, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=10s")
	have.answers = err == nil
	return have, ctx.Err()
}

func (c Cluster) create(ctx context.Context, image string) error {
	file := filepath.Join(c.home, "cluster.yaml")
	if err := os.WriteFile(file, config, 0o644); err != nil {
		return err
	}
	return c.timed("kind cluster "+name+" is created from "+image, func() error {
		return c.kind(ctx, nil, "create", "cluster", "--name", name, "--image", image, "--config", file, "--kubeconfig", c.Kubeconfig())
	})
}

// timed says what is done and how long it took.
func (c Cluster) timed(does string, do func() error) error {
	begun := time.Now()
	err := do()
	if err == nil {
		fmt.Fprintf(c.out, "%s (%s)\n", does, time.Since(begun).Round(time.Second))
	}
	return err
}

// install loads the workloads' images and waits until the cluster is of use.
func (c Cluster) install(ctx context.Context, archive string, again bool) error {
	manifest, err := os.ReadFile(filepath.Join(c.root, imagesFolder, "deviceplugin", "daemonset.yaml"))
	if err != nil {
		return err
	}
	if err := c.kind(ctx, nil, "load", "image-archive", archive, "--name", name); err != nil {
		return err
	}
	if err := c.kubectl(ctx, manifest, "apply", "-f", "-"); err != nil {
		return err
	}
	if again {
		if err := c.kubectl(ctx, nil, "rollout", "restart", "daemonset", "--namespace=kube-system", "mlk-gpu"); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"wait", "--for=condition=Ready", "nodes", "--all"},
		{"wait", "--for=condition=Available", "deployments", "--all", "--all-namespaces"},
		{"rollout", "status", "daemonset", "--namespace=kube-system", "mlk-gpu"},
		{"wait", fmt.Sprintf(`--for=jsonpath={.status.allocatable.nvidia\.com/gpu}=%d`, gpus), "nodes", "--selector=!node-role.kubernetes.io/control-plane"},
	} {
		if err := c.kubectl(ctx, nil, append(args, "--timeout="+readyTimeout)...); err != nil {
			return err
		}
	}
	return nil
}

// kubectl runs the kubectl of the control plane's node: none is needed on this machine.
func (c Cluster) kubectl(ctx context.Context, stdin []byte, args ...string) error {
	call := append([]string{"exec", "-i", controlPlane, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"}, args...)
	cmd := c.engine.Command(ctx, call...)
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// kind runs kind; what it prints goes to ours when no other place is named.
func (c Cluster) kind(ctx context.Context, stdout io.Writer, args ...string) error {
	tool, err := cli.Tool(ctx, c.root, "sigs.k8s.io/kind")
	if err != nil {
		return err
	}
	cmd := engine.Gently(exec.CommandContext(ctx, tool, args...))
	if cmd.Env, err = c.engine.ForKind(); err != nil {
		return err
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if stdout != nil {
		cmd.Stdout = stdout
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("kind %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}
