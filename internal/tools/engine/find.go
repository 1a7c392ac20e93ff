package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// ErrNone is returned where no container can run.
var ErrNone = errors.New("this machine cannot run containers")

// answerTimeout is what an engine may take to say that it is there.
const answerTimeout = 30 * time.Second

// packages make Podman work on Debian: a runtime, and a network whose containers find
// each other by name.
var packages = []string{"podman", "runc", "netavark", "aardvark-dns", "iptables"}

// Find returns the engine to use: Podman, else a Docker that runs, else a Podman it
// installs when this is a Debian and we are root. Its own files are put into home.
func Find(ctx context.Context, home string) (Engine, error) {
	if err := os.MkdirAll(filepath.Join(home, "tmp"), 0o755); err != nil {
		return Engine{}, err
	}
	if err := namespaces(ctx); err != nil {
		return Engine{}, fmt.Errorf("%w: %w", ErrNone, err)
	}
	var tried []string
	for _, name := range []string{"podman", "docker"} {
		e, err := try(ctx, home, name)
		if err == nil {
			return e, nil
		}
		tried = append(tried, err.Error())
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return Engine{}, fmt.Errorf("%w: %s", ErrNone, strings.Join(tried, "; "))
	}
	if _, err := exec.LookPath("podman"); err != nil {
		if err := Install(ctx, packages...); err != nil {
			return Engine{}, fmt.Errorf("%w: %w", ErrNone, err)
		}
	}
	e, err := try(ctx, home, "podman")
	if err != nil {
		return Engine{}, fmt.Errorf("%w: %w", ErrNone, err)
	}
	return e, nil
}

// Install installs packages of Debian. An installation that was interrupted is ended
// first; one that is at work is waited for, and ours goes on when this process is killed.
func Install(ctx context.Context, names ...string) error {
	const wait = "DPkg::Lock::Timeout=600"
	for _, args := range [][]string{
		{"sh", "-c", "dpkg --configure -a || true"}, // it fails while another one is at work
		{"apt-get", "update", "-qq", "-o", wait},
		append([]string{"apt-get", "install", "-y", "-qq", "--no-install-recommends", "-o", wait}, names...),
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// try returns the named engine if it answers.
func try(ctx context.Context, home, name string) (Engine, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return Engine{}, fmt.Errorf("%s is not installed", name)
	}
	e := Engine{Name: name, Path: path, home: home, tmp: filepath.Join(home, "tmp")}
	if name == "podman" {
		if e.settings, err = settings(home); err != nil {
			return Engine{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	question := []string{"info", "--format", "ok"}
	if name == "docker" {
		question = []string{"version", "--format", "{{.Server.Version}}"} // info succeeds without a daemon
	}
	if _, err := e.Output(ctx, question...); err != nil {
		return Engine{}, firstLine(err)
	}
	return e, nil
}

// namespaces tells whether the kernel lets us make what containers are made of. A
// sandbox often has every program and none of the rights. Without root the engine is
// the one to ask.
func namespaces(ctx context.Context) error {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return nil
	}
	out, err := exec.CommandContext(ctx, "unshare", "--mount", "--pid", "--net", "--fork", "true").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s (%w)", strings.TrimSpace(string(out)), err)
	}
	return nil
}

// settings writes what Podman needs where no systemd runs to make its control groups,
// and returns the file; "" where its own settings do.
func settings(home string) (string, error) {
	if _, err := os.Stat("/run/systemd/system"); err == nil || os.Geteuid() != 0 {
		return "", nil
	}
	var lines strings.Builder
	// The limits of such machines lie below Podman's wishes, and it may not raise them.
	lines.WriteString("[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n" +
		"[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n")
	if _, err := exec.LookPath("runc"); err == nil {
		lines.WriteString("runtime = \"runc\"\n")
	}
	if _, err := os.Stat("/usr/lib/podman/netavark"); err == nil {
		lines.WriteString("[network]\nnetwork_backend = \"netavark\"\n")
	}
	file := filepath.Join(home, "containers.conf")
	temporary := file + ".tmp"
	if err := os.WriteFile(temporary, []byte(lines.String()), 0o644); err != nil {
		return "", err
	}
	return file, os.Rename(temporary, file)
}

func firstLine(err error) error {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	return errors.New(strings.Join(lines[:min(len(lines), 2)], ": "))
}
