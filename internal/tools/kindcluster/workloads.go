package kindcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"

	"github.com/mlkube/terraform-provider-mlk/internal/tools/archive"
	"github.com/mlkube/terraform-provider-mlk/internal/tools/engine"
)

// workload is an image that tests run: one static program.
type workload struct {
	// image is its name before the tag.
	image string
	// program is the folder of its source, and its name in the image.
	program string
	// links are other names of the program.
	links []string
}

var workloads = []workload{
	{image: "mlk.dev/trainer", program: "trainer", links: []string{"torchrun"}},
	{image: "mlk.dev/server", program: "server"},
	{image: "mlk.dev/device-plugin", program: "deviceplugin"},
}

const (
	imagesFolder  = "internal/testkit/images"
	programFolder = "/usr/local/bin"
)

// buildWorkloads compiles the programs and writes the archive of their images. The same code
// gives the same archive.
func buildWorkloads(ctx context.Context, root, dir string) (string, error) {
	var images []archive.Image
	for _, w := range workloads {
		program := filepath.Join(dir, w.program)
		cmd := engine.Gently(exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags", "-s -w", "-o", program, "."))
		cmd.Dir, cmd.Env = filepath.Join(root, imagesFolder, w.program), append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", w.program, err, out)
		}
		layer, err := archive.NewLayer(program + ".layer")
		if err != nil {
			return "", err
		}
		target := path.Join(programFolder, w.program)
		err = errors.Join(layer.Folder("/tmp", 0o1777), layer.File(target, 0o755, program))
		for _, link := range w.links {
			err = errors.Join(err, layer.Link(path.Join(programFolder, link), target))
		}
		written, closed := layer.Close()
		if err := errors.Join(err, closed); err != nil {
			return "", err
		}
		images = append(images, archive.Image{
			Names:  []string{w.image + ":dev"},
			Layers: []archive.Layer{written},
			Config: archive.Config{Env: []string{"PATH=" + programFolder}, Entrypoint: []string{target}},
		})
	}
	var content bytes.Buffer
	if err := archive.Write(&content, images...); err != nil {
		return "", err
	}
	file := filepath.Join(dir, "workloads.tar")
	return file, os.WriteFile(file, content.Bytes(), 0o644)
}
