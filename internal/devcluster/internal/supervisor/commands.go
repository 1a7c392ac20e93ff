package supervisor

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/config"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/proc"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/statedir"
)

// stopped is what Look calls a cluster that has no state.
const stopped statedir.Phase = "down"

const (
	// glance is how often a command looks at the state file of a starting cluster.
	glance = 50 * time.Millisecond
	// killPatience is how long processes may take to go after SIGKILL; a machine that
	// swaps needs seconds.
	killPatience = 20 * time.Second
)

// Look returns the phase of a cluster as it is now, and its state, nil if it has none.
// A supervisor that is gone without a word has failed.
func Look(dir statedir.Dir) (statedir.Phase, *statedir.State, error) {
	s, err := dir.Read()
	if err != nil || s == nil {
		return stopped, nil, err
	}
	if s.Phase != statedir.Failed && !s.Process(Name).Identity.Alive() {
		log := dir.Log(Name)
		s.Phase, s.Step = statedir.Failed, ""
		s.Failure = &statedir.Failure{
			Component: Name, Reason: "it is gone and left no word, as after a kill -9 or a restart of the machine",
			Log: log, Tail: statedir.Tail(log, tailLines), Time: time.Now(),
		}
	}
	return s.Phase, s, nil
}

// Up starts the cluster, or waits for one that is starting. It returns when the cluster
// is ready. If ctx ends before, everything that was started is ended.
func Up(ctx context.Context, dir statedir.Dir, cfg config.Config, out io.Writer) error {
	unlock, err := dir.Lock(func() { fmt.Fprintf(out, "another command works on cluster %q; waiting for it\n", dir.Name) })
	if err != nil {
		return err
	}
	defer unlock()
	digest, err := cfg.Digest()
	if err != nil {
		return err
	}
	phase, s, err := Look(dir)
	if err != nil {
		return err
	}
	switch {
	case (phase == statedir.Ready || phase == statedir.Starting) && s.Digest != digest:
		return fmt.Errorf("cluster %q is %s with another configuration (%s); end it first: devcluster down --name %s",
			dir.Name, phase, dir.Config(), dir.Name)
	case phase == statedir.Ready:
		fmt.Fprintf(out, "cluster %q runs already\n", dir.Name)
		announce(out, dir, s)
		return nil
	case phase == statedir.Starting:
		fmt.Fprintf(out, "cluster %q is being started already\n", dir.Name)
		return await(ctx, dir, s.Process(Name).Identity, out)
	case phase == statedir.Failed:
		fmt.Fprintf(out, "the last run of cluster %q failed and is cleared away: %s\n", dir.Name, s.Failure)
	}
	if err := clearAway(dir, s); err != nil {
		return err
	}
	supervisor, err := spawn(dir, cfg, digest)
	if err != nil {
		return err
	}
	return await(ctx, dir, supervisor, out)
}

// spawn starts the supervisor in a session of its own.
func spawn(dir statedir.Dir, cfg config.Config, digest string) (proc.Identity, error) {
	raw, err := cfg.Encode()
	if err != nil {
		return proc.Identity{}, fmt.Errorf("encode the configuration: %w", err)
	}
	if err := os.WriteFile(dir.Config(), raw, 0o600); err != nil {
		return proc.Identity{}, fmt.Errorf("write the configuration: %w", err)
	}
	if err := os.MkdirAll(dir.File("logs"), 0o700); err != nil {
		return proc.Identity{}, fmt.Errorf("make the log directory: %w", err)
	}
	log, err := os.OpenFile(dir.Log(Name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return proc.Identity{}, fmt.Errorf("open the supervisor's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	self, err := os.Executable()
	if err != nil {
		return proc.Identity{}, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(self, Command, "--name", dir.Name)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// The supervisor waits until this end is closed, so that its own records come after ours.
	held, err := cmd.StdinPipe()
	if err != nil {
		return proc.Identity{}, fmt.Errorf("start the supervisor: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return proc.Identity{}, fmt.Errorf("start the supervisor: %w", err)
	}
	defer func() { _ = held.Close() }()
	go func() { _ = cmd.Wait() }() // reaps it; its end is seen by its identity
	id, err := proc.Of(cmd.Process.Pid)
	if err != nil {
		return proc.Identity{}, fmt.Errorf("the supervisor ended at once; see %s", dir.Log(Name))
	}
	// This one counts if the supervisor never gets to write its own.
	return id, dir.Write(statedir.State{
		Phase: statedir.Starting, Digest: digest, Started: time.Now(), Nodes: cfg.Nodes(),
		Processes: []statedir.Process{{Component: Name, Identity: id, Log: dir.Log(Name)}},
	})
}

// await follows a starting cluster and says what it does.
func await(ctx context.Context, dir statedir.Dir, supervisor proc.Identity, out io.Writer) error {
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	begin, last := time.Now(), ""
	for {
		phase, s, err := Look(dir)
		if err != nil {
			return err
		}
		switch phase {
		case statedir.Ready:
			fmt.Fprintf(out, "cluster %q is ready after %s\n", dir.Name, time.Since(begin).Round(100*time.Millisecond))
			announce(out, dir, s)
			return nil
		case statedir.Failed:
			return fmt.Errorf("cluster %q did not start: %s", dir.Name, s.Failure)
		case stopped:
			return fmt.Errorf("cluster %q was removed while it started", dir.Name)
		}
		if s.Step != last {
			last = s.Step
			fmt.Fprintf(out, "%5.1fs  %s\n", time.Since(begin).Seconds(), last)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			fmt.Fprintln(out, "interrupted; ending what was started")
			if err := end(dir, supervisor); err != nil {
				return err
			}
			if err := dir.Clear(); err != nil {
				return err
			}
			return fmt.Errorf("cluster %q was not started: interrupted", dir.Name)
		}
	}
}

func announce(out io.Writer, dir statedir.Dir, s *statedir.State) {
	fmt.Fprintf(out, "  %d nodes, API server %s\n  export KUBECONFIG=%s\n", s.Nodes, s.Server, dir.Kubeconfig())
}

// Down ends the cluster and removes its directory. A cluster that is not there is no error.
func Down(dir statedir.Dir, out io.Writer) error {
	if _, err := os.Stat(dir.Path); os.IsNotExist(err) {
		fmt.Fprintf(out, "cluster %q is down already\n", dir.Name)
		return nil
	}
	unlock, err := dir.Lock(func() { fmt.Fprintf(out, "another command works on cluster %q; waiting for it\n", dir.Name) })
	if err != nil {
		return err
	}
	defer unlock()
	s, err := dir.Read()
	if err != nil {
		return err
	}
	if err := clearAway(dir, s); err != nil {
		return err
	}
	if err := os.Remove(dir.Path); err != nil {
		return fmt.Errorf("remove the cluster's directory: %w", err)
	}
	fmt.Fprintf(out, "cluster %q is down\n", dir.Name)
	return nil
}

// clearAway ends what is left of a cluster and empties its directory.
func clearAway(dir statedir.Dir, s *statedir.State) error {
	if s != nil {
		if err := end(dir, s.Process(Name).Identity); err != nil {
			return err
		}
	}
	return dir.Clear()
}

// end kills the supervisor first, so that it neither reports the others' deaths nor
// starts more, then everything that is on record. It returns when all are gone.
func end(dir statedir.Dir, supervisor proc.Identity) error {
	if err := kill(supervisor); err != nil {
		return err
	}
	s, err := dir.Read()
	if err != nil || s == nil {
		return err
	}
	var rest []proc.Identity
	for _, p := range s.Processes {
		rest = append(rest, p.Identity)
	}
	return kill(rest...)
}

// kill ends processes and waits until they are gone.
func kill(all ...proc.Identity) error {
	for _, id := range all {
		if err := id.Signal(syscall.SIGKILL); err != nil {
			return err
		}
	}
	for deadline := time.Now().Add(killPatience); ; time.Sleep(glance) {
		i := slices.IndexFunc(all, proc.Identity.Alive)
		if i < 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d is still there %s after it was killed", all[i].PID, killPatience)
		}
	}
}
