// Command newresource writes the skeleton of a resource: what CONTRIBUTING's
// "Adding a resource" lists, filled so that it compiles. What it leaves to do
// is to replace the ConfigMap in it by the objects the resource is about.
package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/mlkube/terraform-provider-mlk/internal/tools/cli"
)

//go:embed skeleton
var skeleton embed.FS

// typeName is a Terraform type name without the provider's prefix.
var typeName = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// files are the skeleton's files and where they go. Names are templates too.
var files = map[string]string{
	"resource.go":   "internal/resources/{{.Package}}/resource.go",
	"objects.go":    "internal/resources/{{.Package}}/objects.go",
	"resource.tf":   "examples/resources/mlk_{{.Type}}/resource.tf",
	"import.tf":     "examples/resources/mlk_{{.Type}}/import.tf",
	"import.sh":     "examples/resources/mlk_{{.Type}}/import.sh",
	"change.yaml":   ".changes/unreleased/FEATURES-{{.Type}}.yaml",
	"minimal.yaml":  "internal/resources/{{.Package}}/testdata/desired/minimal.config.yaml",
	"acceptance.tf": "internal/resources/{{.Package}}/testdata/{{.Test}}/create/main.tf",
}

// resource names one resource in all the ways the skeleton needs.
type resource struct {
	Type    string // model_cache
	Package string // modelcache
	Noun    string // Model cache
	Prose   string // model cache
	Test    string // TestAccModelCache
	Time    string
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	root, err := cli.Root()
	if err != nil {
		return err
	}
	if len(args) != 1 || !typeName.MatchString(args[0]) {
		return errors.New("name the resource without its prefix: make new RESOURCE=model_cache")
	}
	written, err := write(root, name(args[0], time.Now()))
	if err != nil {
		return err
	}
	fmt.Println("Written:")
	for _, file := range written {
		fmt.Println("  " + file)
	}
	fmt.Println("Next: register it in internal/provider/resources.go; a test then says what is still missing.")
	return nil
}

func name(typ string, now time.Time) resource {
	prose := strings.ReplaceAll(typ, "_", " ")
	camel := ""
	for word := range strings.SplitSeq(typ, "_") {
		camel += strings.ToUpper(word[:1]) + word[1:]
	}
	return resource{
		Type:    typ,
		Package: strings.ReplaceAll(typ, "_", ""),
		Noun:    strings.ToUpper(prose[:1]) + prose[1:],
		Prose:   prose,
		Test:    "TestAcc" + camel,
		Time:    now.UTC().Format(time.RFC3339),
	}
}

// write renders the skeleton below root. It overwrites nothing.
func write(root string, r resource) ([]string, error) {
	rendered := map[string]string{}
	var order []string
	for source, target := range files {
		content, err := skeleton.ReadFile("skeleton/" + source + ".tmpl")
		if err != nil {
			return nil, err
		}
		to, err := render(target, r)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(filepath.Join(root, to)); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is there already; nothing was written", to)
		}
		if rendered[to], err = render(string(content), r); err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
		order = append(order, to)
	}
	for to, content := range rendered {
		file := filepath.Join(root, to)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	slices.Sort(order)
	return order, nil
}

func render(text string, r resource) (string, error) {
	t, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = t.Execute(&out, r)
	return out.String(), err
}
