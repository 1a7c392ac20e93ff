package nodeimage

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range found {
		names = append(names, e.Name())
	}
	return names
}

func TestMake(t *testing.T) {
	t.Parallel()
	interrupted := errors.New("interrupted")
	tests := map[string]struct {
		before []string
		fail   error
		want   []string
		made   bool
	}{
		"the first time":                      {want: []string{"rootfs-1"}, made: true},
		"there already":                       {before: []string{"rootfs-1/file"}, want: []string{"rootfs-1"}},
		"an earlier one goes":                 {before: []string{"rootfs-0/file", "programs-0/file"}, want: []string{"programs-0", "rootfs-1"}, made: true},
		"one that was interrupted goes":       {before: []string{"rootfs-1.unfinished/half", "rootfs-0.unfinished/half"}, want: []string{"rootfs-1"}, made: true},
		"what is interrupted is not a result": {fail: interrupted, want: []string{"rootfs-1.unfinished"}, made: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			s := store{dir: t.TempDir(), out: &out}
			for _, file := range test.before {
				write(t, s.dir, file, "old")
			}
			made := false
			dir, err := s.make(t.Context(), "rootfs", "1", "root file system", func(_ context.Context, dir string) error {
				made = true
				if found := entries(t, dir); len(found) > 0 {
					t.Errorf("begun with %q of another run", found)
				}
				write(t, dir, "file", "new")
				return test.fail
			})
			if !errors.Is(err, test.fail) {
				t.Errorf("err = %v, want %v", err, test.fail)
			}
			if made != test.made {
				t.Errorf("made = %t, want %t", made, test.made)
			}
			if got := entries(t, s.dir); !slices.Equal(got, test.want) {
				t.Errorf("there is %q, want %q", got, test.want)
			}
			if err == nil && dir != filepath.Join(s.dir, "rootfs-1") {
				t.Errorf("result in %s", dir)
			}
			if says := out.String(); err == nil && strings.Contains(says, "cached") == test.made {
				t.Errorf("said %q", says)
			}
		})
	}
}

func TestMountedBelow(t *testing.T) {
	t.Parallel()
	const mountinfo = `21 1 254:0 / / rw - ext4 /dev/vda rw
30 21 0:5 / /proc rw - proc proc rw
40 21 0:5 / /c/mlk\040kind/rootfs-1.unfinished/rootfs/proc rw - proc proc rw
41 40 0:6 / /c/mlk\040kind/rootfs-1.unfinished/rootfs/proc/sys rw - proc proc rw
42 21 0:7 / /c/mlk\040kind/rootfs-10/dev rw - tmpfs tmpfs rw
`
	got := mountedBelow("/c/mlk kind/rootfs-1.unfinished", mountinfo)
	want := []string{"/c/mlk kind/rootfs-1.unfinished/rootfs/proc/sys", "/c/mlk kind/rootfs-1.unfinished/rootfs/proc"}
	if !slices.Equal(got, want) {
		t.Errorf("mounted are %q, want %q", got, want)
	}
	if got := mountedBelow("/c/mlk kind/rootfs-1", mountinfo); len(got) > 0 {
		t.Errorf("%q lies not below", got)
	}
}

func TestLeftContainers(t *testing.T) {
	t.Parallel()
	got := leftContainers(`kind-build-1 localhost/mlk-kind-base:0123
kind-build-2 docker.io/kindest/base:v1
mlk-worker localhost/mlk-kind-node:0123
kind-build-3
`)
	if want := []string{"kind-build-1"}; !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q: others belong to somebody else", got, want)
	}
}
