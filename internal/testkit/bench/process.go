package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// run is what one command cost.
type run struct {
	wall time.Duration
	// provider is the largest resident set of a provider process, in bytes.
	provider int64
}

// terraform runs the CLI in one directory.
type terraform struct {
	dir, rc, kubeconfig string
}

// binary is $TERRAFORM, else terraform or tofu on PATH.
func binary() string {
	if t := os.Getenv("TERRAFORM"); t != "" {
		return t
	}
	for _, name := range []string{"terraform", "tofu"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	return "terraform"
}

// sampling is how often the memory of the provider is looked at. The kernel
// keeps the peak, so only processes that live shorter can be missed.
const sampling = 50 * time.Millisecond

func (t terraform) run(args ...string) (run, error) {
	c := exec.Command(binary(), append([]string{args[0], "-no-color"}, args[1:]...)...)
	c.Dir = t.dir
	c.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+t.rc, "KUBECONFIG="+t.kubeconfig, "TF_IN_AUTOMATION=1")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	start := time.Now()
	if err := c.Start(); err != nil {
		return run{}, err
	}
	done := make(chan struct{})
	peak := make(chan int64)
	go func() {
		most := int64(0)
		ticker := time.NewTicker(sampling)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				peak <- most
				return
			case <-ticker.C:
				most = max(most, providerPeak(c.Process.Pid))
			}
		}
	}()
	err := c.Wait()
	wall := time.Since(start)
	close(done)
	r := run{wall: wall, provider: <-peak}
	if err != nil {
		return r, fmt.Errorf("terraform %s: %w\n%s", args[0], err, out.String())
	}
	return r, nil
}

// providerPeak is the largest peak memory of the providers that the CLI started.
func providerPeak(parent int) int64 {
	most := int64(0)
	stats, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "terraform-provi") {
			continue
		}
		if field(string(text), "PPid") == int64(parent) {
			most = max(most, field(string(text), "VmHWM")<<10)
		}
	}
	return most
}

// memoryUnder sums the proportional memory of the processes whose command line
// names the directory.
func memoryUnder(dir string) int64 {
	sum := int64(0)
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, []byte(dir)) {
			continue
		}
		rollup, err := os.ReadFile(filepath.Join(filepath.Dir(path), "smaps_rollup"))
		if err == nil {
			sum += field(string(rollup), "Pss") << 10
		}
	}
	return sum
}

// field reads a number from a "Name: value" line.
func field(text, name string) int64 {
	for _, line := range strings.Split(text, "\n") {
		rest, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		words := strings.Fields(rest)
		if len(words) == 0 {
			return 0
		}
		n, err := strconv.ParseInt(words[0], 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	return 0
}
