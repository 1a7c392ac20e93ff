package nodeimage

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestHash(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, contents := range map[string]map[string][]byte{
		"a file":                {"a": []byte("1")},
		"another content":       {"a": []byte("2")},
		"another name":          {"b": []byte("1")},
		"one more":              {"a": []byte("1"), "b": nil},
		"a name in the content": {"a": []byte("1b 0\n")},
	} {
		sum := hash(contents)
		if other, ok := seen[sum]; ok {
			t.Errorf("%q and %q have the same hash", name, other)
		}
		seen[sum] = name
		if again := hash(maps.Clone(contents)); again != sum {
			t.Errorf("%q: the same contents hash to %s and %s", name, sum, again)
		}
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	got, err := files(fstest.MapFS{
		"go.mod":                  {Data: []byte("module m")},
		"main.go":                 {},
		"kindnode/kube/main.go":   {},
		"kindnode/kube/x_test.go": {},
	}, "go.mod", "kindnode")
	if err != nil {
		t.Fatal(err)
	}
	if names, want := slices.Sorted(maps.Keys(got)), []string{"go.mod", "kindnode/kube/main.go"}; !slices.Equal(names, want) {
		t.Errorf("files are %q, want %q", names, want)
	}
	if string(got["go.mod"]) != "module m" {
		t.Errorf("go.mod has %q", got["go.mod"])
	}
	if _, err := files(fstest.MapFS{}, "go.mod"); err == nil {
		t.Error("a file that is not there counts as nothing")
	}
}

func TestContainerSpec(t *testing.T) {
	t.Parallel()
	got, err := containerSpec([]byte(`{"ociVersion":"1.2","process":{"cwd":"/","rlimits":[{"type":"RLIMIT_NOFILE"}]},"hooks":null}`))
	if err != nil {
		t.Fatal(err)
	}
	var spec struct {
		OCIVersion string `json:"ociVersion"`
		Process    map[string]any
		Hooks      struct{ CreateContainer []struct{ Path string } }
	}
	if err := json.Unmarshal(got, &spec); err != nil {
		t.Fatal(err)
	}
	if _, limited := spec.Process["rlimits"]; limited || spec.OCIVersion != "1.2" || spec.Process["cwd"] != "/" {
		t.Errorf("spec is %s", got)
	}
	if len(spec.Hooks.CreateContainer) != 1 || spec.Hooks.CreateContainer[0].Path != "/kind/bin/mount-product-files.sh" {
		t.Errorf("hooks are %+v", spec.Hooks)
	}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	got, err := settle([]byte("x = 1\n  restrict_oom_score_adj = false\n"))
	if err != nil || string(got) != "x = 1\n  restrict_oom_score_adj = true\n" {
		t.Errorf("settle = %q, %v", got, err)
	}
	if _, err := settle([]byte("x = 1\n")); err == nil || !strings.Contains(err.Error(), "restrict_oom_score_adj") {
		t.Errorf("a config.toml without the line: %v", err)
	}
}

// TestImageNames holds the patterns against kind's source as it is pinned: another
// version may write these names elsewhere.
func TestImageNames(t *testing.T) {
	t.Parallel()
	kind, err := module(t.Context(), ".", "sigs.k8s.io/kind")
	if err != nil {
		t.Fatal(err)
	}
	in := inputs{kind: kind.Dir, kubernetes: "v1.37.2"}
	// In the place of kubeadm stands a program that prints its arguments.
	names, err := in.imageNames(t.Context(), "/bin/echo")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/kindnetd:", "/local-path-provisioner:", "/local-path-helper:", "registry.k8s.io/pause:"} {
		i := slices.IndexFunc(names, func(n string) bool { return strings.Contains(n, want) })
		if i < 0 {
			t.Errorf("%q lacks %s", names, want)
			continue
		}
		if _, ok := find(names[i]); !ok {
			t.Errorf("nothing makes %s", names[i])
		}
	}
	for _, name := range []string{"registry.k8s.io/kube-proxy:v1.37.2", "registry.k8s.io/coredns/coredns:v1.14.6", "registry.k8s.io/etcd:3.7.0-0"} {
		if _, ok := find(name); !ok {
			t.Errorf("nothing makes %s", name)
		}
	}
	if p, ok := find("registry.k8s.io/kube-proxy-next:v1"); ok {
		t.Errorf("an image nobody knows is made as %s", p.repository)
	}
}
