// Command trainer stands in for a training program where containers really run:
// it uses no GPU and learns nothing, but starts, meets its peers, writes
// checkpoints, resumes, reports and fails as one does. The image has it as
// /usr/local/bin/trainer and as torchrun, so that a configuration written for
// PyTorch runs with nothing but its image changed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// What the program's end tells besides 0 and the codes it is asked for.
const (
	exitFailed     = 1
	exitUsage      = 2
	exitTerminated = 128 + int(syscall.SIGTERM)
)

// terminationLog is where Kubernetes looks for a container's last words.
const terminationLog = "/dev/termination-log"

func main() {
	path := terminationLog
	if p := os.Getenv("TERMINATION_LOG"); p != "" {
		path = p
	}
	os.Exit(run(os.Args[1:], os.Getenv, path, os.Stderr))
}

// run is the program: it trains as told and returns the exit code. What it says
// goes to log, what it reports to the file results.
func run(args []string, getenv func(string) string, results string, log io.Writer) int {
	o, err := parse(args, getenv)
	if err != nil {
		fmt.Fprintln(log, "train.py: error:", err)
		return exitUsage
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if o.ignoreSigterm {
		signal.Ignore(syscall.SIGTERM)
	} else {
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
		defer stop()
	}
	t := &training{o: o, log: log, results: results}
	err = t.run(ctx)
	var code exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		t.traceback(err)
		return int(code)
	case ctx.Err() != nil:
		t.say("SIGTERM: stopped in epoch %d", t.epoch+1)
		return exitTerminated
	}
	t.traceback(err)
	return exitFailed
}
