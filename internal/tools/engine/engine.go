// Package engine finds the container engine of this machine, Podman or Docker, and runs it.
package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Engine is a container engine that answers.
type Engine struct {
	// Name is "podman" or "docker".
	Name string
	// Path is the program's.
	Path string

	// home is a folder of ours for settings, and tmp one for temporary files.
	home, tmp string
	// settings is the file that replaces Podman's own, "" for none.
	settings string
}

// Environ is the environment for the engine, and for what calls it.
func (e Engine) Environ() []string {
	env := append(os.Environ(), "TMPDIR="+e.tmp)
	for name, value := range e.Variables() {
		env = append(env, name+"="+value)
	}
	return env
}

// Temporary returns the engine with another folder for temporary files: what is killed
// leaves them.
func (e Engine) Temporary(dir string) Engine {
	e.tmp = dir
	return e
}

// Variables are those of Environ that a person at a shell needs as well.
func (e Engine) Variables() map[string]string {
	v := map[string]string{"KIND_EXPERIMENTAL_PROVIDER": e.Name}
	if e.settings != "" {
		v["CONTAINERS_CONF"] = e.settings
	}
	return v
}

// Command prepares a call of the engine.
func (e Engine) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, e.Path, args...)
	cmd.Env = e.Environ()
	return Gently(cmd)
}

// ForKind is the environment for kind, which calls the engine by its name.
//
// It mounts /lib/modules into every node. Docker makes a folder that is not there,
// Podman refuses: it is called through a script that names an empty folder of ours.
func (e Engine) ForKind() ([]string, error) {
	const modules = "/lib/modules"
	if _, err := os.Stat(modules); err == nil || e.Name != "podman" {
		return e.Environ(), nil
	}
	empty, bin := filepath.Join(e.home, "modules"), filepath.Join(e.home, "bin")
	for _, dir := range []string{empty, bin} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	script := fmt.Sprintf("#!/bin/bash\nexec %q \"${@/#%s:/%s:}\"\n", e.Path, strings.ReplaceAll(modules, "/", `\/`), strings.ReplaceAll(empty, "/", `\/`))
	if err := os.WriteFile(filepath.Join(bin, e.Name), []byte(script), 0o755); err != nil {
		return nil, err
	}
	return append(e.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH")), nil
}

// Output runs the engine and returns what it prints.
func (e Engine) Output(ctx context.Context, args ...string) (string, error) {
	var complaint bytes.Buffer
	cmd := e.Command(ctx, args...)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", e.Name, args[0], err, bytes.TrimSpace(complaint.Bytes()))
	}
	return strings.TrimSpace(string(out)), nil
}

// HasImage tells whether the engine's store holds an image of this name.
func (e Engine) HasImage(ctx context.Context, image string) bool {
	return e.Command(ctx, "image", "inspect", "--format", "{{.Id}}", image).Run() == nil
}

// Load takes the images of an archive that write writes into the engine's store.
func (e Engine) Load(ctx context.Context, write func(io.Writer) error) error {
	in, out := io.Pipe()
	cmd := e.Command(ctx, "load")
	cmd.Stdin = in
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		err := write(out)
		out.CloseWithError(err)
		written <- err
	}()
	err := cmd.Wait()
	in.CloseWithError(errors.New("the engine reads no more"))
	if err != nil {
		return fmt.Errorf("%s load: %w\n%s", e.Name, err, said.String())
	}
	return <-written
}

// RemoveImages removes the images of a repository except one, from earlier builds. One
// that is in use stays.
func (e Engine) RemoveImages(ctx context.Context, repository, except string) error {
	listed, err := e.Output(ctx, "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference="+repository)
	if err != nil {
		return err
	}
	for image := range strings.FieldsSeq(listed) {
		if image != except && strings.HasPrefix(image, repository+":") {
			_ = e.Command(ctx, "rmi", image).Run()
		}
	}
	return nil
}

// stopTimeout is what a program may take to end after it was asked to.
const stopTimeout = 20 * time.Second

// Gently makes a command end by itself when its context does: what it has begun is put
// away, and only after a while it is killed. It does not outlive this process.
func Gently(cmd *exec.Cmd) *exec.Cmd {
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopTimeout
	dieWithUs(cmd)
	return cmd
}
