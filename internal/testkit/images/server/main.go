// Command server stands in for a model server where containers really run: it
// takes its time to start, answers health checks and completions, counts
// requests as vLLM does, and fails when it is told to.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// Exit codes besides those the server is asked for.
const (
	exitFailed = 1
	exitUsage  = 2
	// exitTerminated is the shell's number for SIGTERM.
	exitTerminated = 128 + int(syscall.SIGTERM)
)

// headerTimeout bounds how long a client may take to say what it wants.
const headerTimeout = 10 * time.Second

// options are what flags ask for.
type options struct {
	addr  string
	model string
	gpus  int
	// startUp is how long the model takes to load: nothing listens until then.
	startUp time.Duration
	// failStart ends the program instead of the start.
	failStart int
	// drain is how long requests may go on after SIGTERM.
	drain time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stderr)
	stop()
	os.Exit(code)
}

// run serves until ctx ends, and returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, log io.Writer) int {
	var o options
	port := ""
	f := flag.NewFlagSet("server", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&port, "port", "8000", "port of everything")
	f.StringVar(&o.model, "model", "stand-in", "name of the model in answers")
	f.DurationVar(&o.startUp, "start-up", 0, "how long the model takes to load; nothing listens meanwhile")
	f.IntVar(&o.failStart, "fail-start", 0, "exit with this code when the model should be loaded")
	f.DurationVar(&o.drain, "drain", 10*time.Second, "how long requests may go on after SIGTERM")
	if err := f.Parse(args); err != nil || f.NArg() > 0 {
		fmt.Fprintf(log, "server: error: unrecognized arguments: %s (%v)\n", strings.Join(f.Args(), " "), err)
		return exitUsage
	}
	o.addr = net.JoinHostPort("", port)
	if v := getenv("NVIDIA_VISIBLE_DEVICES"); v != "" && v != "void" && v != "none" {
		o.gpus = strings.Count(v, ",") + 1
	}
	fmt.Fprintf(log, "INFO: loading model %s onto %d GPUs\n", o.model, o.gpus)
	select {
	case <-time.After(o.startUp):
	case <-ctx.Done():
		// As Python does: nobody handles the signal yet.
		return exitTerminated
	}
	if o.failStart != 0 {
		fmt.Fprintln(log, "ERROR: EngineCore failed to start: torch.OutOfMemoryError: CUDA out of memory")
		return o.failStart
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.addr)
	if err != nil {
		fmt.Fprintln(log, "ERROR:", err)
		return exitFailed
	}
	fmt.Fprintln(log, "INFO: serving on", l.Addr())
	return serve(ctx, l, newModel(o), log)
}

// serve answers until ctx ends, then lets requests come to their end, or until
// the model is told to exit.
func serve(ctx context.Context, l net.Listener, m *model, log io.Writer) int {
	s := &http.Server{Handler: m.handler(), ReadHeaderTimeout: headerTimeout}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		fmt.Fprintln(log, "ERROR:", err)
		return exitFailed
	case code := <-m.exit:
		fmt.Fprintf(log, "ERROR: asked to exit with %d\n", code)
		return code
	case <-ctx.Done():
	}
	fmt.Fprintln(log, "INFO: shutting down")
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.drain)
	defer cancel()
	if err := s.Shutdown(last); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(log, "ERROR: requests were cut:", err)
		return exitFailed
	}
	return 0
}
