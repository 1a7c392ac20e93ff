package supervisor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/component"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/proc"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/statedir"
)

// ended is the news that a component is gone.
type ended struct {
	component string
	log       string
	exit      string
}

// launcher starts components from one thread, because the kernel ends them with it.
type launcher struct {
	dir   statedir.Dir
	start chan func()
	// exits gets one entry for each component that ends.
	exits    chan ended
	children []*exec.Cmd
}

func newLauncher(dir statedir.Dir) *launcher {
	l := &launcher{dir: dir, start: make(chan func()), exits: make(chan ended, 16)}
	go func() {
		runtime.LockOSThread() // never unlocked: see proc.DieWithParent
		for f := range l.start {
			f()
		}
	}()
	return l
}

// launch starts a component with its own log file and process group.
func (l *launcher) launch(s component.Spec) (statedir.Process, error) {
	log := l.dir.Log(s.Name)
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return statedir.Process{}, fmt.Errorf("open the log of %s: %w", s.Name, err)
	}
	defer func() { _ = out.Close() }()

	cmd := exec.Command(s.Path, s.Args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = l.dir.Path
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	proc.DieWithParent(cmd.SysProcAttr)

	started := make(chan error)
	l.start <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return statedir.Process{}, fmt.Errorf("start %s: %w", s.Name, err)
	}
	l.children = append(l.children, cmd)
	// A child is a zombie until Wait takes it, so its PID cannot be another's yet.
	id, err := proc.Of(cmd.Process.Pid)
	go func() {
		l.exits <- ended{component: s.Name, log: log, exit: describe(cmd.Wait())}
	}()
	if err != nil {
		return statedir.Process{}, fmt.Errorf("%s ended at once; see %s", s.Name, log)
	}
	return statedir.Process{Component: s.Name, Identity: id, Log: log}, nil
}

// killAll ends every component. Nothing in a cluster is worth a slow shutdown.
func (l *launcher) killAll() {
	for _, c := range l.children {
		_ = c.Process.Kill() // os.Process knows when it has been waited for
	}
}

// describe says how a process ended: "exit status 1", "signal: killed".
func describe(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "exit status 0"
	case errors.As(err, &exit):
		return exit.String()
	default:
		return err.Error()
	}
}
