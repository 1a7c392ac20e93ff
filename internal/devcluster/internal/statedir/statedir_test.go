package statedir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/proc"
)

func TestOpen(t *testing.T) {
	t.Setenv(HomeVariable, t.TempDir())
	for _, bad := range []string{"", "A", "a/b", "..", "-a", strings.Repeat("a", 64)} {
		if _, err := Open(bad); err == nil {
			t.Errorf("%q is taken for a name", bad)
		}
	}
	d, err := Open("acc-1")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := d.Kubeconfig(), filepath.Join(os.Getenv(HomeVariable), "acc-1", "kubeconfig"); got != want {
		t.Errorf("kubeconfig is %s, want %s", got, want)
	}
}

func TestStateSurvives(t *testing.T) {
	t.Setenv(HomeVariable, t.TempDir())
	d, err := Open("a")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := d.Read(); s != nil || err != nil {
		t.Fatalf("a cluster that never was has state %v, error %v", s, err)
	}
	unlock, err := d.Lock(func() { t.Error("a free lock is waited for") })
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	want := State{
		Phase: Failed, Digest: "abc", Started: time.Unix(1_800_000_000, 0).UTC(), Nodes: 6,
		Failure: &Failure{Component: "etcd", Reason: "signal: killed", Log: "/x", Tail: []string{"a"}, Time: time.Unix(1_800_000_001, 0).UTC()},
		Processes: []Process{
			{Component: "etcd", Identity: proc.Identity{PID: 7, Start: "boot/1"}, Log: "/x"},
		},
	}
	if err := d.Write(want); err != nil {
		t.Fatal(err)
	}
	got, err := d.Read()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Error(diff)
	}
	if got.Process("etcd").Identity.PID != 7 || got.Process("kwok").Identity.PID != 0 {
		t.Error("the process table gives the wrong process")
	}
	if dirs, err := List(); err != nil || len(dirs) != 1 || dirs[0].Name != "a" {
		t.Errorf("list: %v, %v", dirs, err)
	}
	if err := d.Clear(); err != nil {
		t.Fatal(err)
	}
	if s, err := d.Read(); s != nil || err != nil {
		t.Errorf("after clear: %v, %v", s, err)
	}
}

func TestLockIsNotOnARemovedDirectory(t *testing.T) {
	t.Setenv(HomeVariable, t.TempDir())
	d, err := Open("a")
	if err != nil {
		t.Fatal(err)
	}
	first, err := d.Lock(func() {})
	if err != nil {
		t.Fatal(err)
	}
	waiting, locked := make(chan struct{}), make(chan func())
	go func() {
		unlock, err := d.Lock(func() { close(waiting) })
		if err != nil {
			t.Error(err)
		}
		locked <- unlock
	}()
	<-waiting
	if err := os.Remove(d.Path); err != nil {
		t.Fatal(err)
	}
	first()
	second := <-locked
	defer second()
	if _, err := os.Stat(d.Path); err != nil {
		t.Error("the second lock is on nothing:", err)
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	var text strings.Builder
	for i := range 20 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	text.WriteString(strings.Repeat("x", 1000) + "\n")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	got := Tail(path, 2)
	if len(got) != 2 || got[0] != "line 19" || len(got[1]) > 410 {
		t.Errorf("got %q", got)
	}
	if got := Tail(path+".none", 2); got != nil {
		t.Errorf("a missing file has lines: %q", got)
	}
}

func TestFailureNamesEverything(t *testing.T) {
	t.Parallel()
	f := Failure{Component: "kube-scheduler", Reason: "signal: killed", Log: "/logs/kube-scheduler.log", Tail: []string{"last words"}}
	for _, want := range []string{"kube-scheduler", "signal: killed", "/logs/kube-scheduler.log", "last words"} {
		if !strings.Contains(f.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, f)
		}
	}
}
