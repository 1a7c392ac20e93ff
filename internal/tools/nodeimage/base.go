package nodeimage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/mlkube/terraform-provider-mlk/internal/tools/archive"
)

const (
	// kubeProgram is all of Kubernetes in one file, and kubeFolder its names.
	kubeProgram = "/usr/local/lib/kube/kube"
	kubeFolder  = "/usr/local/lib/kube"
	units       = "/etc/systemd/system"
)

// onNodes are the names under which a node itself runs Kubernetes.
var onNodes = []string{"kubelet", "kubeadm", "kubectl"}

// base is kind's base image: the root file system, and above it kind's own files and
// the programs that kind does not put there itself.
func (in inputs) base(ctx context.Context, name, rootfs, programs, tmp string) (archive.Image, error) {
	system, err := archive.OpenLayer(filepath.Join(rootfs, "rootfs.tar"))
	if err != nil {
		return archive.Image{}, err
	}
	w, err := archive.NewLayer(filepath.Join(tmp, "base.tar"))
	if err != nil {
		return archive.Image{}, err
	}
	err = errors.Join(in.kindFiles(w), enable(w), runtimeFiles(ctx, w, programs))
	above, closed := w.Close()
	if err := errors.Join(err, closed); err != nil {
		return archive.Image{}, err
	}
	return archive.Image{
		Names:  []string{name},
		Layers: []archive.Layer{system, above},
		Config: archive.Config{
			Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "container=docker"},
			Entrypoint: []string{"/usr/local/bin/entrypoint", "/sbin/init"},
			StopSignal: "SIGRTMIN+3", // systemd takes SIGTERM for a wish to start again
		},
	}, nil
}

// kindFiles adds images/base/files of kind with the modes its Dockerfile gives.
func (in inputs) kindFiles(w *archive.LayerWriter) error {
	from := os.DirFS(filepath.Join(in.kind, "images", "base", "files"))
	return fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		if name == "etc/containerd/config.toml" {
			if content, err = settle(content); err != nil {
				return err
			}
		}
		mode := int64(0o644)
		if path.Base(path.Dir(name)) == "bin" {
			mode = 0o755
		}
		return w.Bytes(name, mode, content)
	})
}

// settle lets containers start where nothing may lower the score by which the kernel
// chooses whom to kill for memory, as on most machines of CI.
func settle(config []byte) ([]byte, error) {
	const before, after = "restrict_oom_score_adj = false", "restrict_oom_score_adj = true"
	changed := strings.Replace(string(config), before, after, 1)
	if changed == string(config) {
		return nil, fmt.Errorf("kind's config.toml has no line %q any more", before)
	}
	return []byte(changed), nil
}

// enable does what the Dockerfile has systemctl do.
func enable(w *archive.LayerWriter) error {
	err := w.Folder("/etc/kubernetes/manifests", 0o755)
	for _, unit := range []string{"kubelet", "containerd", "undo-mount-hacks"} {
		err = errors.Join(err, w.Link(units+"/multi-user.target.wants/"+unit+".service", units+"/"+unit+".service"))
	}
	return errors.Join(err, w.Link(units+"/systemd-binfmt.service", "/dev/null"))
}

// runtimeFiles adds what runs containers, and Kubernetes.
func runtimeFiles(ctx context.Context, w *archive.LayerWriter, programs string) error {
	spec, err := exec.CommandContext(ctx, filepath.Join(programs, "ctr"), "oci", "spec").Output()
	if err != nil {
		return fmt.Errorf("ctr oci spec: %w", err)
	}
	if spec, err = containerSpec(spec); err != nil {
		return err
	}
	err = w.Bytes("/etc/containerd/cri-base.json", 0o644, spec)
	for _, name := range []string{"containerd", "ctr", "containerd-shim-runc-v2"} {
		err = errors.Join(err, w.File("/usr/local/bin/"+name, 0o755, filepath.Join(programs, name)))
	}
	for _, plugin := range []string{"host-local", "loopback", "ptp", "portmap"} {
		err = errors.Join(err, w.Link("/opt/cni/bin/"+plugin, "/usr/lib/cni/"+plugin))
	}
	err = errors.Join(err, w.File(kubeProgram, 0o755, filepath.Join(programs, "kube")))
	for _, name := range onNodes {
		err = errors.Join(err, w.Link(path.Join(kubeFolder, name), path.Base(kubeProgram)))
	}
	return err
}

// containerSpec changes what containers start from as kind's Dockerfile does with jq.
func containerSpec(spec []byte) ([]byte, error) {
	var s map[string]any
	if err := json.Unmarshal(spec, &s); err != nil {
		return nil, fmt.Errorf("read what ctr oci spec printed: %w", err)
	}
	if process, ok := s["process"].(map[string]any); ok {
		delete(process, "rlimits")
	}
	s["hooks"] = map[string]any{"createContainer": []any{map[string]any{"path": "/kind/bin/mount-product-files.sh"}}}
	return json.Marshal(s)
}
