// Package supervisor runs one cluster: it starts the components, brings the cluster to
// readiness, plays the kubelets and the volume driver, and ends everything when one
// component ends.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/component"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/config"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/engine"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/proc"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/stages"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/statedir"
)

// Command is the hidden subcommand that runs a supervisor.
const Command = "supervise"

// Name is what the supervisor is called where components are listed.
const Name = "supervisor"

// tailLines is how much of a dead component's log is kept as its last words.
const tailLines = 12

// errStopped is the cause when somebody asked the supervisor to end.
var errStopped = errors.New("stopped")

// cluster is a running cluster, as its supervisor sees it.
type cluster struct {
	dir      statedir.Dir
	config   config.Config
	plan     component.Plan
	engines  []engine.Engine
	launcher *launcher
	state    statedir.State
	// kubelet is where the simulated nodes' kubelet listens.
	kubelet net.Listener
	rest    *rest.Config
	client  kubernetes.Interface
	dynamic dynamic.Interface
	// broken gets the error of a service that the supervisor plays itself.
	broken chan error
}

// Run runs the cluster in dir until a signal or the end of a component. Its outcome is
// in the state file; the error is for the log.
func Run(dir statedir.Dir) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	signal.Ignore(syscall.SIGHUP)

	c := &cluster{dir: dir, launcher: newLauncher(dir), broken: make(chan error, 8)}
	err := c.run(ctx)
	c.launcher.killAll()
	if errors.Is(err, errStopped) {
		return nil
	}
	c.fail(err)
	return err
}

func (c *cluster) run(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	if err := c.begin(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	kwok, err := component.FindKwok(self)
	if err != nil {
		return err
	}
	if err := c.prepare(self); err != nil {
		return err
	}

	work := make(chan error, 1)
	go func() { work <- c.bringUp(ctx, self, c.plan.Specs(self, kwok)) }()
	for {
		select {
		case <-parent.Done():
			cancel(errStopped)
			return errStopped
		case e := <-c.launcher.exits:
			cancel(nil)
			return &death{e}
		case err := <-c.broken:
			return c.preferDeath(err)
		case err := <-work:
			if err != nil {
				// A component's death is the better explanation of a failed call to it.
				return c.preferDeath(err)
			}
			work = nil
		}
	}
}

// death is the end of a component as an error.
type death struct{ ended }

func (d *death) Error() string { return fmt.Sprintf("%s: %s", d.component, d.exit) }

// preferDeath waits a moment for news of a dead component.
func (c *cluster) preferDeath(err error) error {
	const grace = 500 * time.Millisecond // a process is reaped well within this
	select {
	case e := <-c.launcher.exits:
		return &death{e}
	case <-time.After(grace):
		return err
	}
}

// begin takes the directory over: no second supervisor can be here after it.
func (c *cluster) begin() error {
	// "up" holds our standard input until it has written its own record.
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return fmt.Errorf("wait for the command that started this: %w", err)
	}
	lock, err := os.OpenFile(c.dir.File("supervisor.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock the cluster: %w", err)
	}
	// Held, and the file kept open, until the process ends.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another supervisor runs this cluster: %w", err)
	}
	self, err := proc.Self()
	if err != nil {
		return err
	}
	if c.config, err = config.Load(c.dir.Config()); err != nil {
		return err
	}
	digest, err := c.config.Digest()
	if err != nil {
		return err
	}
	c.state = statedir.State{
		Phase:   statedir.Starting,
		Digest:  digest,
		Started: time.Now(),
		Nodes:   c.config.Nodes(),
		Processes: []statedir.Process{
			{Component: Name, Identity: self, Log: c.dir.Log(Name)},
		},
	}
	return c.step("preparing keys")
}

// step records what is being done, for "up" and "status" to show.
func (c *cluster) step(what string) error {
	c.state.Step = what
	klog.InfoS("Step", "doing", what, "after", time.Since(c.state.Started).Round(time.Millisecond))
	return c.dir.Write(c.state)
}

// prepare writes all files the components read.
func (c *cluster) prepare(self string) error {
	const ownPorts, enginePorts = 3, 2
	ports, err := freePorts(ownPorts + enginePorts*len(c.config.Engines))
	if err != nil {
		return err
	}
	if c.engines, err = engine.New(self, c.dir.Path, c.config.Engines, ports[ownPorts:]); err != nil {
		return err
	}
	c.plan = component.Plan{
		Dir:           c.dir.Path,
		EtcdPort:      ports[0],
		PeerPort:      ports[1],
		APIPort:       ports[2],
		FeatureGates:  c.config.FeatureGates,
		RuntimeConfig: c.config.RuntimeConfig,
		Controllers:   c.config.Engines,
	}
	for _, e := range c.engines {
		if err := e.WriteFiles(); err != nil {
			return err
		}
	}
	if c.kubelet, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return fmt.Errorf("listen for the kubelets: %w", err)
	}
	if err := c.plan.WriteKeys(c.dir.Name, c.dir.Kubeconfig()); err != nil {
		return err
	}
	port, err := portOf(c.kubelet)
	if err != nil {
		return err
	}
	text, err := stages.Config(port)
	if err != nil {
		return fmt.Errorf("write the stages: %w", err)
	}
	if err := os.WriteFile(c.plan.StageFile(), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the stages: %w", err)
	}
	if c.rest, err = clientcmd.BuildConfigFromFlags("", c.dir.Kubeconfig()); err != nil {
		return fmt.Errorf("read the kubeconfig back: %w", err)
	}
	c.rest.QPS = -1 // the API server's own flow control is enough
	if c.client, err = kubernetes.NewForConfig(c.rest); err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	if c.dynamic, err = dynamic.NewForConfig(c.rest); err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	c.state.Server = c.plan.Server()
	return nil
}

// freePorts returns ports nobody listens on now. All are held until the last is found,
// so that they differ.
func freePorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = l.Close() }()
		port, err := portOf(l)
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}

// portOf returns the port that a listener has got.
func portOf(l net.Listener) (int, error) {
	at, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		return 0, fmt.Errorf("read the port of a listener: %w", err)
	}
	return int(at.Port()), nil
}

// fail records why the cluster ended.
func (c *cluster) fail(err error) {
	f := statedir.Failure{Component: Name, Reason: err.Error(), Time: time.Now()}
	var d *death
	if errors.As(err, &d) {
		f.Component, f.Reason, f.Log = d.component, d.exit, d.log
		f.Tail = statedir.Tail(d.log, tailLines)
	}
	c.state.Phase, c.state.Step, c.state.Failure = statedir.Failed, "", &f
	if err := c.dir.Write(c.state); err != nil {
		klog.ErrorS(err, "The failure is not recorded")
	}
}
