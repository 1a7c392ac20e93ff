// Package statedir knows what a cluster leaves on disk: one directory per cluster,
// in it the state file, the configuration, keys, logs and etcd's data.
package statedir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/proc"
)

// HomeVariable is the environment variable that moves all clusters to another directory.
const HomeVariable = "DEVCLUSTER_HOME"

// name is a DNS label: it becomes a directory and a kubeconfig context.
var name = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Dir is the directory of one cluster. It may not exist yet.
type Dir struct {
	Name string
	Path string
}

// Home returns the directory that holds all clusters.
func Home() (string, error) {
	if home := os.Getenv(HomeVariable); home != "" {
		return filepath.Abs(home)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for clusters (set %s): %w", HomeVariable, err)
	}
	return filepath.Join(cache, "mlk-devcluster"), nil
}

// Open returns the directory of the named cluster without touching the disk.
func Open(cluster string) (Dir, error) {
	if !name.MatchString(cluster) {
		return Dir{}, fmt.Errorf("--name %q: use lower-case letters, digits and dashes, at most 63", cluster)
	}
	home, err := Home()
	if err != nil {
		return Dir{}, err
	}
	return Dir{Name: cluster, Path: filepath.Join(home, cluster)}, nil
}

// List returns the clusters that have a directory, sorted by name.
func List() ([]Dir, error) {
	home, err := Home()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(home)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list clusters: %w", err)
	}
	var dirs []Dir
	for _, e := range entries {
		if e.IsDir() && name.MatchString(e.Name()) {
			dirs = append(dirs, Dir{Name: e.Name(), Path: filepath.Join(home, e.Name())})
		}
	}
	return dirs, nil
}

// File returns the path of a file or directory of the cluster.
func (d Dir) File(elem ...string) string {
	return filepath.Join(append([]string{d.Path}, elem...)...)
}

// Kubeconfig is the administrator's kubeconfig.
func (d Dir) Kubeconfig() string { return d.File("kubeconfig") }

// Config is the configuration the cluster was started with.
func (d Dir) Config() string { return d.File("config.yaml") }

// Log is the log file of a component.
func (d Dir) Log(component string) string { return d.File("logs", component+".log") }

// Lock makes the directory and keeps other commands away from it until the returned
// function is called. It calls waiting once if somebody else holds the lock.
func (d Dir) Lock(waiting func()) (unlock func(), err error) {
	for {
		if err := os.MkdirAll(d.Path, 0o700); err != nil {
			return nil, fmt.Errorf("make the cluster's directory: %w", err)
		}
		f, err := os.Open(d.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open the cluster's directory: %w", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			waiting()
			if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
				_ = f.Close()
				return nil, fmt.Errorf("lock %s: %w", d.Path, err)
			}
		}
		// A "down" that held the lock has removed the directory: the lock is then on nothing.
		if d.is(f) {
			return func() { _ = f.Close() }, nil
		}
		_ = f.Close()
	}
}

func (d Dir) is(f *os.File) bool {
	here, err := os.Stat(d.Path)
	if err != nil {
		return false
	}
	held, err := f.Stat()
	return err == nil && os.SameFile(here, held)
}

// Clear removes everything in the directory but the directory, which carries the lock.
func (d Dir) Clear() error {
	entries, err := os.ReadDir(d.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear the cluster's directory: %w", err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(d.File(e.Name())); err != nil {
			return fmt.Errorf("clear the cluster's directory: %w", err)
		}
	}
	return nil
}

// Phase is where a cluster stands.
type Phase string

// The phases of a cluster, in order; it ends in Ready or Failed.
const (
	Starting Phase = "starting"
	Ready    Phase = "ready"
	Failed   Phase = "failed"
)

// Process is a component that was started.
type Process struct {
	Component string        `json:"component"`
	Identity  proc.Identity `json:"identity"`
	Log       string        `json:"log"`
}

// Failure says why a cluster stopped by itself.
type Failure struct {
	// Component is the component at fault, or "supervisor".
	Component string `json:"component"`
	// Reason is its exit ("signal: killed") or error, in a few words.
	Reason string `json:"reason"`
	// Log is the path of its log file and Tail the last lines of it.
	Log  string    `json:"log,omitempty"`
	Tail []string  `json:"tail,omitempty"`
	Time time.Time `json:"time"`
}

// String is the failure for people, over several lines.
func (f Failure) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s ended at %s: %s", f.Component, f.Time.Format(time.TimeOnly), f.Reason)
	if f.Log != "" {
		fmt.Fprintf(&b, "\n  log file: %s", f.Log)
	}
	if len(f.Tail) > 0 {
		b.WriteString("\n  its last lines:")
		for _, l := range f.Tail {
			b.WriteString("\n    " + l)
		}
	}
	return b.String()
}

// State is what the supervisor tells the commands. Only the supervisor writes it,
// but for the very first record.
type State struct {
	Phase     Phase     `json:"phase"`
	Step      string    `json:"step,omitempty"`
	Digest    string    `json:"digest"`
	Started   time.Time `json:"started"`
	ReadyAt   time.Time `json:"readyAt,omitzero"`
	Server    string    `json:"server,omitempty"`
	Nodes     int       `json:"nodes,omitempty"`
	Failure   *Failure  `json:"failure,omitempty"`
	Processes []Process `json:"processes,omitempty"`
}

// Process returns the record of a component, or a zero one.
func (s State) Process(component string) Process {
	i := slices.IndexFunc(s.Processes, func(p Process) bool { return p.Component == component })
	if i < 0 {
		return Process{}
	}
	return s.Processes[i]
}

// Read returns the state, or nil if the cluster has none.
func (d Dir) Read() (*State, error) {
	raw, err := os.ReadFile(d.File("state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the cluster's state: %w", err)
	}
	var s State
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("read %s: %w", d.File("state.json"), err)
	}
	return &s, nil
}

// Write replaces the state in one step, so that a reader never sees half of it.
func (d Dir) Write(s State) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the cluster's state: %w", err)
	}
	next := d.File(fmt.Sprintf("state.%d.tmp", os.Getpid()))
	if err := os.WriteFile(next, raw, 0o600); err != nil {
		return fmt.Errorf("write the cluster's state: %w", err)
	}
	if err := os.Rename(next, d.File("state.json")); err != nil {
		return fmt.Errorf("write the cluster's state: %w", err)
	}
	return nil
}

// Tail returns the last lines of a file, at most n, each cut at a readable width.
// A file that cannot be read has none.
func Tail(path string, n int) []string {
	const width = 400 // log lines of the control plane run to kilobytes
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	lines = lines[max(0, len(lines)-n):]
	for i, l := range lines {
		if len(l) > width {
			lines[i] = l[:width] + " …"
		}
	}
	return lines
}
