package kindcluster

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// record says what a cluster was made of. It is written when the cluster is whole, so
// that one without a record is what an interrupted run has left.
type record struct {
	// Image is the nodes' image, and Config the hash of the cluster's configuration.
	Image, Config string
	// Workloads is the hash of the images that were loaded into it.
	Workloads string
}

// found is what there is of a cluster.
type found struct {
	exists  bool
	record  record
	answers bool
}

// action is what has to be done for a cluster as wanted.
type action string

const (
	create  action = "create"
	replace action = "replace"
	refresh action = "refresh"
	reuse   action = "reuse"
)

// decide returns what to do, and for what reason an existing cluster is not used as it is.
func decide(want record, have found) (action, string) {
	switch {
	case !have.exists:
		return create, ""
	case have.record == record{}:
		return replace, "an interrupted run left it half made"
	case have.record.Image != want.Image:
		return replace, "its nodes are made from another image"
	case have.record.Config != want.Config:
		return replace, "its configuration was another"
	case !have.answers:
		return replace, "it does not answer, or a node is not ready"
	case have.record.Workloads != want.Workloads:
		return refresh, "the images in it were built from other code"
	}
	return reuse, ""
}

func recordFile(home string) string { return filepath.Join(home, "cluster.json") }

// readRecord returns the empty record where there is none, or one that nobody understands.
func readRecord(home string) (record, error) {
	var r record
	content, err := os.ReadFile(recordFile(home))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if !json.Valid(content) {
		return r, nil
	}
	return r, json.Unmarshal(content, &r)
}

func writeRecord(home string, r record) error {
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	temporary := recordFile(home) + ".tmp"
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, recordFile(home))
}

func forget(home string) error {
	err := os.Remove(recordFile(home))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
