// Command docs writes docs/ from the provider's schema, templates/ and
// examples/ without a network; with -check it writes nothing and fails when
// docs/ is stale.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mlkube/terraform-provider-mlk/internal/tools/cli"
)

const (
	generator = "github.com/hashicorp/terraform-plugin-docs/cmd/tfplugindocs"
	// scratch is relative to the checkout, as tfplugindocs wants it.
	scratch = "bin/docs"

	usesProvider = `terraform {
  required_providers {
    mlk = { source = "mlkube/mlk" }
  }
}
`
)

func main() {
	check := flag.Bool("check", false, "fail when docs/ is stale instead of writing it")
	flag.Parse()
	if err := run(context.Background(), *check); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, check bool) error {
	root, err := cli.Root()
	if err != nil {
		return err
	}
	c, err := cli.Find(ctx, root)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mlk-docs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	schema, err := providerSchema(ctx, c, root, dir)
	if err != nil {
		return err
	}
	tool, err := cli.Tool(ctx, root, generator)
	if err != nil {
		return err
	}
	target := "docs"
	if check {
		target = scratch
		if err := os.RemoveAll(filepath.Join(root, scratch)); err != nil {
			return err
		}
	}
	generate := exec.CommandContext(ctx, tool, "generate", "--provider-name", "mlk", "--rendered-provider-name", "mlk",
		"--providers-schema", schema, "--rendered-website-dir", target)
	generate.Dir = root
	if out, err := generate.CombinedOutput(); err != nil {
		return fmt.Errorf("tfplugindocs: %w\n%s", err, out)
	}
	if !check {
		return nil
	}
	return same(filepath.Join(root, "docs"), filepath.Join(root, scratch))
}

// providerSchema writes what "providers schema -json" says to a file of dir and
// returns its name. tfplugindocs would ask the CLI itself, but it only knows
// Terraform and its registry's name of the provider. The provider that is asked
// tells its whole schema.
func providerSchema(ctx context.Context, c cli.CLI, root, dir string) (string, error) {
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(usesProvider), 0o600); err != nil {
		return "", err
	}
	if err := cli.Go(ctx, root, "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, "plugins", "terraform-provider-mlk"), "./internal/provider/wide"); err != nil {
		return "", err
	}
	settings := filepath.Join(dir, "terraform.rc")
	text := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"mlkube/mlk\" = %q\n  }\n}\n", filepath.Join(dir, "plugins"))
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		return "", err
	}
	read := c.Command(ctx, dir, "providers", "schema", "-json")
	read.Env = append(read.Env, "TF_CLI_CONFIG_FILE="+settings)
	var said bytes.Buffer
	read.Stderr = &said
	out, err := read.Output()
	if err != nil {
		return "", fmt.Errorf("read the provider's schema: %w\n%s", err, &said)
	}
	var all struct {
		FormatVersion string                     `json:"format_version"`
		Schemas       map[string]json.RawMessage `json:"provider_schemas"`
	}
	if err := json.Unmarshal(out, &all); err != nil {
		return "", fmt.Errorf("parse the provider's schema: %w", err)
	}
	for name, schema := range all.Schemas {
		if strings.HasSuffix(name, "/mlkube/mlk") {
			all.Schemas = map[string]json.RawMessage{"mlk": schema}
		}
	}
	named, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "schema.json")
	return file, os.WriteFile(file, named, 0o600)
}

// same returns an error that lists the files in which two trees differ.
func same(have, want string) error {
	files, err := list(have)
	if err != nil {
		return err
	}
	wanted, err := list(want)
	if err != nil {
		return err
	}
	var stale []string
	for name, content := range wanted {
		if !bytes.Equal(files[name], content) {
			stale = append(stale, "docs/"+name)
		}
	}
	for name := range files {
		if _, ok := wanted[name]; !ok {
			stale = append(stale, "docs/"+name+" (nothing generates it)")
		}
	}
	if len(stale) == 0 {
		return nil
	}
	slices.Sort(stale)
	return fmt.Errorf("docs/ is stale, run make generate:\n  %s", strings.Join(stale, "\n  "))
}

func list(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return files, nil
	}
	return files, err
}
