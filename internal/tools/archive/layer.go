// Package archive writes container images without a container engine: layers out of
// files, and the archives of "docker save" that engines, containerd and kind read.
package archive

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// Layer is a layer in a file, an uncompressed tar archive.
type Layer struct {
	path   string
	digest string
	size   int64
}

// LayerWriter writes the files of a layer. The same calls give the same bytes: nothing in
// it has a time, and everything belongs to root.
type LayerWriter struct {
	to    *os.File
	tar   *tar.Writer
	known map[string]bool
}

// NewLayer begins a layer in a new file.
func NewLayer(file string) (*LayerWriter, error) {
	to, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	return &LayerWriter{to: to, tar: tar.NewWriter(to), known: map[string]bool{}}, nil
}

// Folder adds a folder; the folders a file lies in need no call.
func (w *LayerWriter) Folder(name string, mode int64) error {
	name = clean(name)
	if name == "" || w.known[name] {
		return nil
	}
	if err := w.Folder(path.Dir(name), 0o755); err != nil {
		return err
	}
	w.known[name] = true
	return w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode})
}

// Bytes adds a file with this content.
func (w *LayerWriter) Bytes(name string, mode int64, content []byte) error {
	if err := w.header(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := w.tar.Write(content)
	return err
}

// File adds a copy of a file of this machine.
func (w *LayerWriter) File(name string, mode int64, from string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	if err := w.header(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(w.tar, source)
	return err
}

// Link adds a symbolic link.
func (w *LayerWriter) Link(name, target string) error {
	return w.header(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777})
}

func (w *LayerWriter) header(h tar.Header) error {
	h.Name = clean(h.Name)
	if err := w.Folder(path.Dir(h.Name), 0o755); err != nil {
		return err
	}
	return w.tar.WriteHeader(&h)
}

// Close ends the layer.
func (w *LayerWriter) Close() (Layer, error) {
	err := w.tar.Close()
	if closed := w.to.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return Layer{}, err
	}
	return OpenLayer(w.to.Name())
}

// OpenLayer takes an uncompressed tar archive for a layer.
func OpenLayer(file string) (Layer, error) {
	content, err := os.Open(file)
	if err != nil {
		return Layer{}, err
	}
	defer content.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, content)
	if err != nil {
		return Layer{}, fmt.Errorf("read %s: %w", file, err)
	}
	return Layer{path: file, digest: hex.EncodeToString(sum.Sum(nil)), size: size}, nil
}

func clean(name string) string {
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}
