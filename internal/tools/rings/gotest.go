package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// event is one line of "go test -json" (cmd/test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
}

// goTest runs go test in dir and shows what failed, what was skipped, and one
// line per package.
func goTest(ctx context.Context, dir string, env []string, args ...string) result {
	timeout := testTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(min(timeout, time.Until(deadline)-stopTimeout), time.Second)
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json", "-timeout", timeout.String()}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stderr = dir, env, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopTimeout
	out, err := cmd.StdoutPipe()
	if err != nil {
		return step("go test", func() error { return err })
	}
	if err := cmd.Start(); err != nil {
		return step("go test", func() error { return err })
	}
	got, err := tally(out, os.Stdout)
	if err != nil {
		got.add(step("read go test", func() error { return err }))
	}
	if err := cmd.Wait(); err != nil && got.failed == 0 {
		got.add(step("go test", func() error { return err }))
	}
	if got == (result{}) {
		got.add(step("go test", func() error { return fmt.Errorf("no test ran in %s", filepath.Base(dir)) }))
	}
	return got
}

// tally counts tests, and packages that failed without one: a build that
// broke, a panic, a time limit.
func tally(events io.Reader, to io.Writer) (result, error) {
	var total result
	type key struct{ pkg, test string }
	output := map[key][]string{}
	ran, failed := map[string]int{}, map[string]int{}
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(to, lines.Text())
			continue
		}
		k := key{e.Package, e.Test}
		if e.Test != "" && e.Action == "run" {
			ran[e.Package]++
		}
		show := func() {
			for _, line := range output[k] {
				fmt.Fprint(to, line)
			}
		}
		switch {
		case e.Action == "build-output":
			fmt.Fprint(to, e.Output)
		case e.Action == "output":
			output[k] = append(output[k], e.Output)
		case e.Test != "" && e.Action == "pass":
			total.passed++
		case e.Test != "" && e.Action == "fail":
			total.failed++
			failed[e.Package]++
			show()
		case e.Test != "" && e.Action == "skip":
			total.skipped++
			show()
		case e.Action == "pass" && ran[e.Package] > 0:
			fmt.Fprintf(to, "ok    %s (%.1fs)\n", e.Package, e.Elapsed)
		case e.Action == "fail":
			fmt.Fprintf(to, "FAIL  %s (%.1fs)\n", e.Package, e.Elapsed)
			if failed[e.Package] == 0 {
				total.failed++
				show()
			}
		}
		if slices.Contains([]string{"pass", "fail", "skip"}, e.Action) {
			delete(output, k)
		}
	}
	return total, lines.Err()
}
