package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// asProgram makes the test binary the program, for what needs a process.
const asProgram = "TRAINER_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// env looks up in pairs.
func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	type place struct {
		rank, world int
		master      string
	}
	for name, tc := range map[string]struct {
		env  []string
		want place
		err  string
	}{
		"alone":             {want: place{0, 1, ""}},
		"an index alone":    {env: []string{"JOB_COMPLETION_INDEX", "3"}, want: place{3, 1, ""}},
		"torchrun":          {env: []string{"PET_NNODES", "4", "PET_NODE_RANK", "2", "PET_MASTER_ADDR", "run-0.run", "PET_MASTER_PORT", "29400", "RANK", "7"}, want: place{2, 4, "run-0.run:29400"}},
		"elastic":           {env: []string{"PET_NNODES", "2:4", "JOB_COMPLETION_INDEX", "1", "MASTER_ADDR", "run-0.run"}, want: place{1, 2, "run-0.run:29500"}},
		"plain":             {env: []string{"WORLD_SIZE", "2", "RANK", "1", "MASTER_ADDR", "10.0.0.1", "MASTER_PORT", "1234"}, want: place{1, 2, "10.0.0.1:1234"}},
		"no such rank":      {env: []string{"WORLD_SIZE", "2", "RANK", "2", "MASTER_ADDR", "a"}, err: "rank 2 is none of 0 to 1"},
		"no master":         {env: []string{"WORLD_SIZE", "2", "RANK", "1"}, err: "MASTER_ADDR is not set"},
		"$(…) not replaced": {env: []string{"WORLD_SIZE", "2", "RANK", "$(JOB_COMPLETION_INDEX)"}, err: `the rank is "$(JOB_COMPLETION_INDEX)"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := parse(nil, env(tc.env...))
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("got %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := (place{o.rank, o.world, o.master}); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// outcome is what a run of the program left.
type outcome struct {
	code   int
	log    string
	result map[string]string
}

// call runs the program inside the test.
func call(t *testing.T, getenv func(string) string, args ...string) outcome {
	t.Helper()
	results := filepath.Join(t.TempDir(), "termination-log")
	var log strings.Builder
	out := outcome{code: run(args, getenv, results, &log), log: log.String()}
	if raw, err := os.ReadFile(results); err == nil {
		if err := json.Unmarshal(raw, &out.result); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// The command of examples/quickstart.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	data, checkpoints := t.TempDir(), t.TempDir()
	got := call(t, env("NVIDIA_VISIBLE_DEVICES", "GPU-a,GPU-b"),
		"--nproc-per-node=2", "train.py", "--data="+data, "--checkpoints="+checkpoints, "--epochs=90", "--epoch-time=1ms")
	want := map[string]string{"accuracy": "0.93", "checkpoint": checkpoints + "/epoch-90.pt"}
	if diff := cmp.Diff(want, got.result); got.code != 0 || diff != "" {
		t.Errorf("code %d, %s\n%s", got.code, diff, got.log)
	}
	if !strings.Contains(got.log, "2 GPUs: GPU-a,GPU-b") {
		t.Error(got.log)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		code int
		says string
	}{
		"exit code":        {[]string{"--exit=42"}, 42, "asked to exit with 42"},
		"after an epoch":   {[]string{"--epoch-time=1ms", "--checkpoint-every=1", "--at=2", "--exit=3"}, 3, "epoch 2/10"},
		"unknown option":   {[]string{"train.py", "--epoch=90"}, 2, "-epoch"},
		"unknown argument": {[]string{"train.py", "--epochs=90", "more"}, 2, "unrecognized arguments: more"},
		"no data":          {[]string{"--data=/nowhere"}, 1, "no such data set: open /nowhere"},
		"no checkpoints":   {[]string{"--checkpoints=/nowhere"}, 1, "no folder for checkpoints"},
		"too few GPUs":     {[]string{"--nproc-per-node=2"}, 1, "invalid device ordinal: 2 processes, 0 GPUs"},
		"full":             {[]string{"--fill=/dev/full"}, 1, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := call(t, env(), tc.args...)
			if got.code != tc.code || !strings.Contains(got.log, tc.says) {
				t.Errorf("code %d, want %d and %q:\n%s", got.code, tc.code, tc.says, got.log)
			}
		})
	}
}

// program starts the program as a process and waits for a line of its log.
func program(t *testing.T, until string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "TERMINATION_LOG="+filepath.Join(t.TempDir(), "log"))
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it has ended in most tests
	})
	seen := make([]byte, 0, 4096)
	for !strings.Contains(string(seen), until) {
		b := make([]byte, 512)
		n, err := out.Read(b)
		if err != nil {
			t.Fatalf("%v after %q", err, seen)
		}
		seen = append(seen, b[:n]...)
	}
	go io.Copy(io.Discard, out) //nolint:errcheck // only so that the program can go on writing
	return cmd
}

func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its exit code is asked for below
		close(done)
	}()
	select {
	case <-done:
		return cmd.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
		return 0
	}
}

// A run that is stopped writes a checkpoint, and the next one goes on there.
func TestResumes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := program(t, "epoch 16 hangs", "--checkpoints="+dir, "--epochs=1000", "--epoch-time=1ms", "--at=15", "--hang")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(t, cmd); code != exitTerminated {
		t.Errorf("exit code %d, want %d", code, exitTerminated)
	}
	got := call(t, env(), "--checkpoints="+dir, "--epochs=20", "--epoch-time=0", "--report")
	want := map[string]string{"accuracy": "0.55", "checkpoint": dir + "/epoch-20.pt", "gpus": "0", "ranks": "1", "resumed_from": dir + "/epoch-15.pt"}
	if diff := cmp.Diff(want, got.result); got.code != 0 || diff != "" {
		t.Errorf("code %d, %s\n%s", got.code, diff, got.log)
	}
}

func TestIgnoresSIGTERM(t *testing.T) {
	t.Parallel()
	cmd := program(t, "epoch 10/", "--ignore-sigterm", "--epochs=200", "--epoch-time=5ms")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(t, cmd); code != 0 {
		t.Errorf("exit code %d, want 0: it was to train to the end", code)
	}
}

func TestHangs(t *testing.T) {
	t.Parallel()
	cmd := program(t, "epoch 4 hangs", "--at=3", "--hang", "--epoch-time=1ms")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(t, cmd); code != exitTerminated {
		t.Errorf("exit code %d, want %d", code, exitTerminated)
	}
}

func TestTakesMemory(t *testing.T) {
	t.Parallel()
	cmd := program(t, "hangs", "--allocate=64Mi", "--hang")
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			if kb, err := strconv.Atoi(strings.Fields(v)[0]); err != nil || kb < 64<<10 {
				t.Errorf("%d kB are resident, want 64 MiB (%v)", kb, err)
			}
		}
	}
}

// freePort is a port nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// ranks runs a gang.
func ranks(t *testing.T, n int, args ...string) []outcome {
	t.Helper()
	port := freePort(t)
	out := make([]outcome, n)
	var all sync.WaitGroup
	for rank := range n {
		all.Go(func() {
			e := env("WORLD_SIZE", strconv.Itoa(n), "JOB_COMPLETION_INDEX", strconv.Itoa(rank), "MASTER_ADDR", "127.0.0.1", "MASTER_PORT", port)
			out[rank] = call(t, e, args...)
		})
	}
	all.Wait()
	return out
}

func TestRendezvous(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for rank, got := range ranks(t, 4, "--epoch-time=1ms", "--checkpoints="+dir, "--report") {
		if got.code != 0 || !strings.Contains(got.log, "met 4 ranks at 127.0.0.1:") {
			t.Errorf("rank %d: code %d\n%s", rank, got.code, got.log)
		}
		if (got.result != nil) != (rank == 0) {
			t.Errorf("rank %d reported %v", rank, got.result)
		}
		if rank == 0 && got.result["ranks"] != "4" {
			t.Errorf("the result: %v", got.result)
		}
	}
}

// A rank that dies takes the others with it: they name it.
func TestRankDies(t *testing.T) {
	t.Parallel()
	got := ranks(t, 3, "--epoch-time=1ms", "--exit=137", "--at=5", "--faulty-rank=2")
	if got[2].code != 137 {
		t.Errorf("rank 2: code %d\n%s", got[2].code, got[2].log)
	}
	if got[0].code != 1 || !strings.Contains(got[0].log, "NCCL error: connection to rank 2 closed by peer") {
		t.Errorf("rank 0: code %d\n%s", got[0].code, got[0].log)
	}
	if got[1].code != 1 || !strings.Contains(got[1].log, "NCCL error: connection to rank 0 closed by peer") {
		t.Errorf("rank 1: code %d\n%s", got[1].code, got[1].log)
	}
}

func TestNobodyComes(t *testing.T) {
	t.Parallel()
	e := env("WORLD_SIZE", "2", "RANK", "0", "MASTER_ADDR", "127.0.0.1", "MASTER_PORT", freePort(t))
	got := call(t, e, "--rendezvous-timeout=100ms")
	if got.code != 1 || !strings.Contains(got.log, "1 of 2 ranks came") {
		t.Errorf("code %d\n%s", got.code, got.log)
	}
}
