package nodeimage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/mlkube/terraform-provider-mlk/internal/tools/archive"
)

const binFolder = "/usr/local/bin"

// release writes what kind takes for the download kubernetes-server-linux-….tar.gz: the
// version, the programs of a node, and archives of all images its pods are made of.
func (in inputs) release(ctx context.Context, to, rootfs, programs, tmp string) error {
	images, err := in.images(ctx, rootfs, programs, tmp)
	if err != nil {
		return err
	}
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	defer file.Close()
	// It is read once, on this machine: packing it would only take time.
	packed, err := gzip.NewWriterLevel(file, gzip.NoCompression)
	if err != nil {
		return err
	}
	out := tar.NewWriter(packed)
	add := func(name string, size int64, content io.Reader) error {
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "kubernetes/" + name, Mode: 0o755, Size: size}); err != nil {
			return err
		}
		_, err := io.Copy(out, content)
		return err
	}
	err = add("version", int64(len(in.kubernetes)), strings.NewReader(in.kubernetes))
	for _, name := range onNodes {
		// The program is in the base image already, once for all its names.
		script := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\"\n", path.Join(kubeFolder, name))
		err = errors.Join(err, add("server/bin/"+name, int64(len(script)), strings.NewReader(script)))
	}
	for name, contents := range images {
		err = errors.Join(err, func() error {
			archived := filepath.Join(tmp, name+".tar")
			if err := writeArchive(archived, contents); err != nil {
				return err
			}
			content, err := os.Open(archived)
			if err != nil {
				return err
			}
			defer content.Close()
			info, err := content.Stat()
			if err != nil {
				return err
			}
			return add("server/bin/"+name+".tar", info.Size(), content)
		}())
	}
	return errors.Join(err, out.Close(), packed.Close(), file.Close())
}

func writeArchive(to string, images []archive.Image) error {
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	return errors.Join(archive.Write(file, images...), file.Close())
}

// images returns all images of a cluster by the archive they ride in. kind wants four
// archives; that the images with all of Kubernetes share one keeps it in there once.
func (in inputs) images(ctx context.Context, rootfs, programs, tmp string) (map[string][]archive.Image, error) {
	names, err := in.imageNames(ctx, filepath.Join(programs, "kube"))
	if err != nil {
		return nil, err
	}
	layers, err := layers(rootfs, programs, tmp)
	if err != nil {
		return nil, err
	}
	found := map[string][]archive.Image{}
	for _, name := range names {
		p, ok := find(name)
		if !ok {
			return nil, fmt.Errorf("this cluster needs the image %s, and nothing here makes it", name)
		}
		image := archive.Image{Names: []string{name}, Config: archive.Config{Env: []string{"PATH=" + binFolder + ":/usr/sbin:/bin"}}}
		if p.entrypoint != "" {
			image.Config.Entrypoint = []string{p.entrypoint}
		}
		for _, layer := range p.layers {
			image.Layers = append(image.Layers, layers[layer])
		}
		found[p.archive] = append(found[p.archive], image)
	}
	return found, nil
}

// part is how an image is made and where it rides.
type part struct {
	// repository is the end of the image's name before its tag.
	repository string
	layers     []string
	entrypoint string
	archive    string
}

var parts = []part{
	{"/kube-apiserver", []string{"kube"}, "", "kube-apiserver"},
	{"/kube-controller-manager", []string{"kube"}, "", "kube-apiserver"},
	{"/kube-scheduler", []string{"kube"}, "", "kube-apiserver"},
	{"/kube-proxy", []string{"kube", "nft"}, "", "kube-apiserver"},
	{"/etcd", []string{"kube"}, "", "kube-apiserver"},
	{"/kindnetd", []string{"kube"}, binFolder + "/kindnetd", "kube-apiserver"},
	{"/pause", []string{"pause"}, binFolder + "/pause", "kube-controller-manager"},
	{"/coredns", []string{"coredns"}, binFolder + "/coredns", "kube-scheduler"},
	{"/local-path-provisioner", []string{"local-path-provisioner"}, "", "kube-proxy"},
	{"/local-path-helper", []string{"busybox"}, "", "kube-proxy"},
}

func find(image string) (part, bool) {
	for _, p := range parts {
		if strings.Contains(image, p.repository+":") {
			return p, true
		}
	}
	return part{}, false
}

func layers(rootfs, programs, tmp string) (map[string]archive.Layer, error) {
	nft, err := archive.OpenLayer(filepath.Join(rootfs, "nft.tar"))
	if err != nil {
		return nil, err
	}
	made := map[string]archive.Layer{"nft": nft}
	for name, links := range map[string][]string{
		"kube":                   {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "etcd", "kindnetd"},
		"pause":                  nil,
		"coredns":                nil,
		"local-path-provisioner": nil,
		"busybox":                {"../../../bin/sh", "mkdir", "rm"},
	} {
		from := programs
		if name == "busybox" {
			from = rootfs
		}
		w, err := archive.NewLayer(filepath.Join(tmp, name+".layer"))
		if err != nil {
			return nil, err
		}
		err = errors.Join(w.Folder("/tmp", 0o1777), w.File(path.Join(binFolder, name), 0o755, filepath.Join(from, name)))
		for _, link := range links {
			err = errors.Join(err, w.Link(path.Join(binFolder, link), path.Join(binFolder, name)))
		}
		layer, closed := w.Close()
		if err := errors.Join(err, closed); err != nil {
			return nil, err
		}
		made[name] = layer
	}
	return made, nil
}

// imageNames are the images kubeadm starts a cluster with, and those kind adds to it.
func (in inputs) imageNames(ctx context.Context, kube string) ([]string, error) {
	cmd := exec.CommandContext(ctx, kube, "config", "images", "list", "--kubernetes-version", in.kubernetes)
	cmd.Args[0] = "kubeadm"
	listed, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("kubeadm config images list: %w", err)
	}
	sources := map[string]*regexp.Regexp{
		"pkg/build/nodeimage/const_cni.go":             kindImage,
		"pkg/build/nodeimage/const_storage.go":         kindImage,
		"images/base/files/etc/containerd/config.toml": sandboxImage,
	}
	var all bytes.Buffer
	for file, pattern := range sources {
		content, err := os.ReadFile(filepath.Join(in.kind, file))
		if err != nil {
			return nil, err
		}
		matches := pattern.FindAllSubmatch(content, -1)
		if len(matches) == 0 {
			return nil, fmt.Errorf("%s of kind names no image any more", file)
		}
		for _, match := range matches {
			fmt.Fprintf(&all, "%s\n", match[1])
		}
	}
	// kind has its pods use containerd's pause image and not kubeadm's.
	names := strings.Fields(all.String())
	for name := range strings.FieldsSeq(string(listed)) {
		if !strings.Contains(name, "/pause:") {
			names = append(names, name)
		}
	}
	return names, nil
}

var (
	// kindImage finds the images that are constants in kind's source.
	kindImage = regexp.MustCompile(`(?m)^const \w+Image = "([^"]+)"`)
	// sandboxImage finds the image that holds a pod's namespaces.
	sandboxImage = regexp.MustCompile(`sandbox_image = "([^"]+)"`)
)
