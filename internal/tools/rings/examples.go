package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/mlkube/terraform-provider-mlk/internal/tools/cli"
)

// configurations returns the folders below dir that hold .tf files.
func configurations(dir string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".terraform" {
			return fs.SkipDir
		}
		if !d.IsDir() && filepath.Ext(path) == ".tf" {
			found = append(found, filepath.Dir(path))
		}
		return nil
	})
	slices.Sort(found)
	return slices.Compact(found), err
}

// source says which provider is meant, for the examples of single resources,
// which leave it out as the registry's pages do.
const source = `terraform {
  required_providers {
    mlk = { source = "mlkube/mlk" }
  }
}
`

// validate copies the configuration of dir and validates it with the provider
// in bin/plugins.
func validate(ctx context.Context, c cli.CLI, dir string) error {
	tmp, err := os.MkdirTemp("", "mlk-example-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	files, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil {
		return err
	}
	named := false
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		named = named || bytes.Contains(content, []byte("required_providers"))
		if err := os.WriteFile(filepath.Join(tmp, filepath.Base(file)), content, 0o600); err != nil {
			return err
		}
	}
	if !named {
		if err := os.WriteFile(filepath.Join(tmp, "source.tf"), []byte(source), 0o600); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"init", "-input=false", "-no-color", "-backend=false"}, {"validate", "-no-color"}} {
		cmd := c.Command(ctx, tmp, args...)
		cmd.Stderr = nil
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", args[0], err, out)
		}
	}
	return nil
}
