package nodeimage

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// code is the part of this package that says how the image is made: changed, it makes
// another image.
//
//go:embed base.go kubernetes.go programs.go rootfs.sh
var code embed.FS

// inputs are what an image is made of.
type inputs struct {
	// cluster and runtime are the folders of the modules the programs come from.
	cluster, runtime string
	// kind is the folder of kind's own module, and kindVersion which it is.
	kind, kindVersion string
	// kubernetes and containerd are versions.
	kubernetes, containerd string
	// rootfs, programs and image are the hashes of all that the results depend on.
	rootfs, programs, image string
}

// read finds the inputs in a checkout and hashes them.
func read(ctx context.Context, root string) (inputs, error) {
	tools := filepath.Join(root, "internal", "tools")
	in := inputs{cluster: filepath.Join(root, "internal", "devcluster"), runtime: filepath.Join(tools, "containerd")}
	var found [3]goModule
	for i, m := range []struct{ dir, path string }{
		{tools, "sigs.k8s.io/kind"}, {in.cluster, "k8s.io/kubernetes"}, {in.runtime, "github.com/containerd/containerd/v2"},
	} {
		var err error
		if found[i], err = module(ctx, m.dir, m.path); err != nil {
			return in, err
		}
	}
	in.kind, in.kindVersion = found[0].Dir, found[0].Version
	in.kubernetes, in.containerd = found[1].Version, found[2].Version
	toolchain, err := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOARCH").Output()
	if err != nil {
		return in, fmt.Errorf("go env: %w", err)
	}
	script, err := code.ReadFile("rootfs.sh")
	if err != nil {
		return in, err
	}
	in.rootfs = hash(map[string][]byte{"rootfs.sh": script, "toolchain": toolchain[strings.Index(string(toolchain), "\n"):]})

	sources, err := files(os.DirFS(root), "internal/devcluster/go.mod", "internal/devcluster/go.sum", "internal/devcluster/kindnode", "internal/tools/containerd")
	if err != nil {
		return in, err
	}
	builder, err := files(code, ".")
	if err != nil {
		return in, err
	}
	sources["toolchain"], sources["how"] = toolchain, builder["programs.go"]
	in.programs = hash(sources)
	builder["rootfs"], builder["programs"], builder["kind"] = []byte(in.rootfs), []byte(in.programs), []byte(in.kindVersion)
	in.image = hash(builder)
	return in, nil
}

// files reads files and whole folders, except tests.
func files(from fs.FS, names ...string) (map[string][]byte, error) {
	found := map[string][]byte{}
	for _, name := range names {
		err := fs.WalkDir(from, name, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			found[path], err = fs.ReadFile(from, path)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// hash is short enough for a tag and long enough to be alone.
func hash(contents map[string][]byte) string {
	names := make([]string, 0, len(contents))
	for name := range contents {
		names = append(names, name)
	}
	slices.Sort(names)
	sum := sha256.New()
	for _, name := range names {
		fmt.Fprintf(sum, "%s %d\n", name, len(contents[name]))
		sum.Write(contents[name])
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// goModule is what "go mod download -json" says about a module.
type goModule struct{ Version, Dir string }

// module finds a module, and fetches it if that was not done yet.
func module(ctx context.Context, dir, path string) (goModule, error) {
	var m goModule
	for _, args := range [][]string{{"list", "-m", "-json", path}, {"mod", "download", "-json", path}} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			return m, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
		}
		if err := json.Unmarshal(out, &m); err != nil {
			return m, err
		}
		if m.Dir != "" {
			break
		}
	}
	return m, nil
}
