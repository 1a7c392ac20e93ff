package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// checkpoint is what a checkpoint file holds.
type checkpoint struct {
	Epoch int `json:"epoch"`
	// GPUs are the devices it was written with, for who looks at it later.
	GPUs []string `json:"gpus"`
	Host string   `json:"host"`
}

// save writes a checkpoint; rank 0 does it for all. A file is whole or not there,
// however the program ends.
func (t *training) save() error {
	if t.o.checkpoints == "" || t.o.rank != 0 || t.epoch == 0 {
		return nil
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	raw, err := json.Marshal(checkpoint{Epoch: t.epoch, GPUs: t.o.gpus, Host: host})
	if err != nil {
		return err
	}
	name := filepath.Join(t.o.checkpoints, fmt.Sprintf("epoch-%d.pt", t.epoch))
	half := name + ".tmp"
	if err := os.WriteFile(half, raw, 0o600); err != nil {
		return fmt.Errorf("write a checkpoint: %w", err)
	}
	if err := os.Rename(half, name); err != nil {
		return fmt.Errorf("write a checkpoint: %w", err)
	}
	t.newest = name
	return nil
}

// resume takes the newest checkpoint; without one the training begins anew.
func (t *training) resume() error {
	if t.o.checkpoints == "" {
		return nil
	}
	names, err := filepath.Glob(filepath.Join(t.o.checkpoints, "epoch-*.pt"))
	if err != nil {
		return err
	}
	if _, err := os.Stat(t.o.checkpoints); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no folder for checkpoints: %w", err)
	}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read a checkpoint: %w", err)
		}
		var c checkpoint
		if err := json.Unmarshal(raw, &c); err != nil {
			return fmt.Errorf("checkpoint %s is damaged: %w", name, err)
		}
		if c.Epoch > t.epoch {
			t.epoch, t.from, t.newest = c.Epoch, name, name
		}
	}
	if t.from != "" {
		t.say("resumed from %s", t.from)
	}
	return nil
}
