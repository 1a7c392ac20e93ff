package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// Image is one image of an archive.
type Image struct {
	// Names are what it can be called by, each with a tag.
	Names []string
	// Layers lie one above the other, the lowest first. Images may share them.
	Layers []Layer
	Config Config
}

// Config is what an image says about the process to start.
type Config struct {
	Env        []string `json:"Env,omitempty"`
	Entrypoint []string `json:"Entrypoint,omitempty"`
	StopSignal string   `json:"StopSignal,omitempty"`
}

// description is the file an image's digest is made of.
type description struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Config       Config `json:"config"`
	RootFS       rootFS `json:"rootfs"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

// entry is an image in manifest.json.
type entry struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}

// Write writes an archive of images.
//
// The older list of names, "repositories", comes before manifest.json because kind
// takes the names from whichever it meets first, and from the latter only those of the
// first image.
func Write(to io.Writer, images ...Image) error {
	out := tar.NewWriter(to)
	written := map[string]bool{}
	repositories := map[string]map[string]string{}
	var manifest []entry
	for _, image := range images {
		d := description{Architecture: runtime.GOARCH, OS: "linux", Config: image.Config, RootFS: rootFS{Type: "layers"}}
		e := entry{RepoTags: image.Names}
		for _, layer := range image.Layers {
			d.RootFS.DiffIDs = append(d.RootFS.DiffIDs, "sha256:"+layer.digest)
			name := layer.digest + ".tar"
			e.Layers = append(e.Layers, name)
			if written[name] {
				continue
			}
			written[name] = true
			if err := copyLayer(out, name, layer); err != nil {
				return err
			}
		}
		content, err := json.Marshal(d)
		if err != nil {
			return err
		}
		digest := sha256.Sum256(content)
		id := hex.EncodeToString(digest[:])
		e.Config = id + ".json"
		if !written[e.Config] {
			written[e.Config] = true
			if err := add(out, e.Config, int64(len(content)), bytes.NewReader(content)); err != nil {
				return err
			}
		}
		for _, name := range image.Names {
			repository, tag, err := split(name)
			if err != nil {
				return err
			}
			if repositories[repository] == nil {
				repositories[repository] = map[string]string{}
			}
			repositories[repository][tag] = id
		}
		manifest = append(manifest, e)
	}
	for _, file := range []struct {
		name    string
		content any
	}{{"repositories", repositories}, {"manifest.json", manifest}} {
		content, err := json.Marshal(file.content)
		if err != nil {
			return err
		}
		if err := add(out, file.name, int64(len(content)), bytes.NewReader(content)); err != nil {
			return err
		}
	}
	return out.Close()
}

func copyLayer(out *tar.Writer, name string, layer Layer) error {
	content, err := os.Open(layer.path)
	if err != nil {
		return err
	}
	defer content.Close()
	return add(out, name, layer.size, content)
}

func add(out *tar.Writer, name string, size int64, content io.Reader) error {
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size}); err != nil {
		return err
	}
	if _, err := io.Copy(out, content); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// split takes a name apart at the colon of its tag, which is not that of a port.
func split(name string) (repository, tag string, err error) {
	colon := strings.LastIndex(name, ":")
	if colon < 0 || strings.Contains(name[colon:], "/") {
		return "", "", fmt.Errorf("image %q has no tag", name)
	}
	return name[:colon], name[colon+1:], nil
}
