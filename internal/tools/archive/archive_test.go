package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// member is a file of an archive.
type member struct {
	header  tar.Header
	content string
}

func read(t *testing.T, from io.Reader) (names []string, members map[string]member) {
	t.Helper()
	members = map[string]member{}
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names, members
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		members[h.Name] = member{*h, string(content)}
	}
}

func layer(t *testing.T, file, content string) Layer {
	t.Helper()
	w, err := NewLayer(filepath.Join(t.TempDir(), "layer.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Bytes(file, 0o755, []byte(content)); err != nil {
		t.Fatal(err)
	}
	l, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLayer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, []byte("program"), 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(name string) Layer {
		w, err := NewLayer(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(
			w.Folder("/tmp", 0o1777),
			w.File("/usr/bin/program", 0o755, source),
			w.Bytes("usr/bin/note", 0o644, []byte("text")),
			w.Link("/sbin/init", "/usr/bin/program"),
		)
		if err != nil {
			t.Fatal(err)
		}
		l, err := w.Close()
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first, again := write("first.tar"), write("again.tar")
	if first.digest != again.digest {
		t.Error("the same files gave another layer")
	}
	content, err := os.Open(first.path)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	names, members := read(t, content)
	want := []string{"tmp/", "usr/", "usr/bin/", "usr/bin/program", "usr/bin/note", "sbin/", "sbin/init"}
	if !slices.Equal(names, want) {
		t.Errorf("layer has %q, want %q", names, want)
	}
	if got := members["tmp/"].header.Mode; got != 0o1777 {
		t.Errorf("mode of tmp is %o", got)
	}
	if got := members["usr/bin/program"]; got.content != "program" || got.header.Mode != 0o755 || got.header.Uid != 0 {
		t.Errorf("program is %+v", got)
	}
	if got := members["sbin/init"].header.Linkname; got != "/usr/bin/program" {
		t.Errorf("init links to %q", got)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	shared, own := layer(t, "kube", "all programs"), layer(t, "nft", "one more")
	var out bytes.Buffer
	err := Write(&out,
		Image{Names: []string{"localhost:5000/kube-apiserver:v1"}, Layers: []Layer{shared}, Config: Config{Env: []string{"PATH=/bin"}}},
		Image{Names: []string{"example.com/kube-proxy:v1", "example.com/kube-proxy:v2"}, Layers: []Layer{shared, own}},
	)
	if err != nil {
		t.Fatal(err)
	}
	names, members := read(t, &out)
	repositories, manifest := slices.Index(names, "repositories"), slices.Index(names, "manifest.json")
	if repositories < 0 || repositories > manifest {
		t.Errorf("repositories must come before manifest.json, for kind: %q", names)
	}
	if n := len(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n != shared.digest+".tar" })); n != 1 {
		t.Errorf("the shared layer is there %d times", n)
	}

	var tags map[string]map[string]string
	if err := json.Unmarshal([]byte(members["repositories"].content), &tags); err != nil {
		t.Fatal(err)
	}
	if tags["localhost:5000/kube-apiserver"]["v1"] == "" || len(tags["example.com/kube-proxy"]) != 2 {
		t.Errorf("repositories are %v", tags)
	}
	var entries []entry
	if err := json.Unmarshal([]byte(members["manifest.json"].content), &entries); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		config, ok := members[e.Config]
		if !ok {
			t.Fatalf("there is no %s", e.Config)
		}
		sum := sha256.Sum256([]byte(config.content))
		if e.Config != hex.EncodeToString(sum[:])+".json" {
			t.Errorf("%s is not called after its content", e.Config)
		}
		var d description
		if err := json.Unmarshal([]byte(config.content), &d); err != nil {
			t.Fatal(err)
		}
		for i, name := range e.Layers {
			sum := sha256.Sum256([]byte(members[name].content))
			if d.RootFS.DiffIDs[i] != "sha256:"+hex.EncodeToString(sum[:]) {
				t.Errorf("layer %d of %v has another digest than its content", i, e.RepoTags)
			}
		}
	}
}

func TestWriteWantsTags(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"trainer", "localhost:5000/trainer"} {
		err := Write(io.Discard, Image{Names: []string{name}, Layers: []Layer{layer(t, "f", "x")}})
		if err == nil || !strings.Contains(err.Error(), "has no tag") {
			t.Errorf("Write of %q = %v, want an error about the tag", name, err)
		}
	}
}
