package provider_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	providerapi "github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
)

const module = "github.com/mlkube/terraform-provider-mlk"

// described is what attributes of providers and of resources have in common.
type described interface {
	GetMarkdownDescription() string
	GetDescription() string
}

// TestEveryAttributeIsDescribed: a description says more than the name, in
// sentences.
func TestEveryAttributeIsDescribed(t *testing.T) {
	t.Parallel()
	var block providerapi.SchemaResponse
	p := provider.New("test")()
	p.Schema(t.Context(), providerapi.SchemaRequest{}, &block)
	for name, a := range block.Schema.Attributes {
		describe(t, "provider."+name, a)
	}
	for _, newResource := range provider.Resources() {
		r := newResource()
		var meta resource.MetadataResponse
		r.Metadata(t.Context(), resource.MetadataRequest{ProviderTypeName: "mlk"}, &meta)
		var resp resource.SchemaResponse
		r.Schema(t.Context(), resource.SchemaRequest{}, &resp)
		if resp.Schema.MarkdownDescription == "" {
			t.Errorf("%s is not described", meta.TypeName)
		}
		if len(resp.Schema.Blocks) > 0 {
			t.Errorf("%s has blocks; attributes are nested instead", meta.TypeName)
		}
		for name, a := range resp.Schema.Attributes {
			describe(t, meta.TypeName+"."+name, a)
		}
	}
	for _, newData := range provider.DataSources() {
		d := newData()
		var meta datasource.MetadataResponse
		d.Metadata(t.Context(), datasource.MetadataRequest{ProviderTypeName: "mlk"}, &meta)
		var resp datasource.SchemaResponse
		d.Schema(t.Context(), datasource.SchemaRequest{}, &resp)
		if resp.Schema.MarkdownDescription == "" {
			t.Errorf("%s is not described", meta.TypeName)
		}
		if len(resp.Schema.Blocks) > 0 {
			t.Errorf("%s has blocks; attributes are nested instead", meta.TypeName)
		}
		for name, a := range resp.Schema.Attributes {
			describe(t, meta.TypeName+"."+name, a)
		}
	}
}

func describe(t *testing.T, at string, a described) {
	t.Helper()
	text := a.GetMarkdownDescription()
	if text == "" {
		text = a.GetDescription() // the docs take it then, as for timeouts
	}
	name := at[strings.LastIndex(at, ".")+1:]
	switch {
	case !strings.HasSuffix(strings.TrimRight(text, "`)\"*"), "."):
		t.Errorf("the description of %s does not end with a full stop: %q", at, text)
	case letters(text) == letters(name), letters(text) == "the"+letters(name):
		t.Errorf("the description of %s says its name again: %q", at, text)
	}
	for name, inner := range inside(a) {
		describe(t, at+"."+name, inner)
	}
}

// letters is a text without anything but its letters, in lower case.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// layers are what the packages of each layer may import of ours. A layer is
// named by its folder below internal; the longest name counts.
var layers = map[string][]string{
	"provider":    {"provider", "narrow", "resources", "datasources", "lifecycle", "blocks", "kube", "wait", "diagnose", "placement", "gpu", "diags"},
	"narrow":      {"diags"},
	"resources":   {"lifecycle", "blocks", "kube", "wait", "nodepool", "gpu", "diags"},
	"datasources": {"lifecycle", "blocks", "kube", "wait", "diagnose", "placement", "gpu", "diags"},
	"lifecycle":   {"kube", "wait", "diagnose", "placement", "gpu", "diags"},
	"blocks":      {"blocks", "gpu", "diags", "kube/crd"}, // structs that say nothing by themselves
	"diagnose":    {"kube", "wait", "placement", "gpu"},
	"placement":   {"gpu"},
	"nodepool":    {"kube", "gpu"},
	"gpu":         {},
	"wait":        {"kube"},
	"kube":        {"kube"},
	"diags":       {},
	"testkit":     {"lifecycle", "kube", "testkit"},
	"acceptance":  {"provider", "lifecycle", "kube", "testkit"},
}

// forbidden are imports from elsewhere that a layer does without.
var forbidden = map[string][]string{
	"resources":   {"k8s.io/client-go/kubernetes", "k8s.io/client-go/dynamic", "k8s.io/client-go/rest"},
	"datasources": {"k8s.io/client-go/kubernetes", "k8s.io/client-go/dynamic", "k8s.io/client-go/rest"},
	"blocks":      {"k8s.io/client-go/kubernetes", "k8s.io/client-go/dynamic", "k8s.io/client-go/rest"},
	"kube":        {"github.com/hashicorp"},
	"wait":        {"github.com/hashicorp"},
	"diagnose":    {"github.com/hashicorp"},
	"placement":   {"github.com/hashicorp"},
	"nodepool":    {"github.com/hashicorp"},
}

// TestImportsPointDown checks design §2: what a package may know.
func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	for file, parsed := range sources(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		own := path.Dir(file)
		layer, _, _ := strings.Cut(strings.TrimPrefix(own, "internal/"), "/")
		allowed, known := layers[layer]
		if !strings.HasPrefix(own, "internal/") {
			continue // main serves the provider
		}
		if !known {
			t.Errorf("%s: the layer %s has no place in the house; give it one in this test and in DESIGN.md", file, layer)
			continue
		}
		for _, i := range parsed.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(forbidden[layer], func(f string) bool {
				return imported == f || strings.HasPrefix(imported, f+"/") && f != "k8s.io/client-go/kubernetes"
			}) {
				t.Errorf("%s imports %s", file, imported)
			}
			ours, is := strings.CutPrefix(imported, module+"/internal/")
			if !is || "internal/"+ours == own {
				continue
			}
			of, _, _ := strings.Cut(ours, "/")
			if strings.HasPrefix(own, "internal/testkit/bench/") && of == "provider" {
				continue // it measures the provider
			}
			if !slices.Contains(allowed, of) && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s: %s may know %v", file, ours, layer, allowed)
			}
		}
	}
}

// makers are the functions that make diagnostics.
var makers = []string{
	"AddError", "AddWarning", "AddAttributeError", "AddAttributeWarning",
	"NewErrorDiagnostic", "NewWarningDiagnostic", "NewAttributeErrorDiagnostic", "NewAttributeWarningDiagnostic",
}

// TestOnlyDiagsMakesDiagnostics keeps all messages in one voice.
func TestOnlyDiagsMakesDiagnostics(t *testing.T) {
	t.Parallel()
	for file, parsed := range sources(t) {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "internal/diags/") {
			continue
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if s, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains(makers, s.Sel.Name) {
				t.Errorf("%s calls %s: build a diags.Message", file, s.Sel.Name)
			}
			return true
		})
	}
}

// never are words that say nothing to whoever reads the message.
var never = []string{"failed to", "timed out", "Client Error", "context deadline exceeded", "Provider produced"}

// most is the length of a summary.
const most = 90

// verb is a place in a format that a value fills; it counts as nothing.
var verb = regexp.MustCompile(`%[-+#0-9.]*[a-zA-Z]`)

func summary(t *testing.T, where, s string) {
	t.Helper()
	if n := len([]rune(s)); n > most {
		t.Errorf("%s: the summary has %d characters: %q", where, n, s)
	}
	if strings.HasSuffix(s, ".") {
		t.Errorf("%s: the summary ends with a full stop: %q", where, s)
	}
	for _, words := range never {
		if strings.Contains(strings.ToLower(s), strings.ToLower(words)) {
			t.Errorf("%s: the summary says %q: %q", where, words, s)
		}
	}
}

// TestSummaries checks style §8 on every summary that is written down: in the
// code, and in what the explanations are expected to say.
func TestSummaries(t *testing.T) {
	t.Parallel()
	found := 0
	for file, parsed := range sources(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			pair, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			if key, ok := pair.Key.(*ast.Ident); !ok || key.Name != "Summary" {
				return true
			}
			ast.Inspect(pair.Value, func(n ast.Node) bool {
				text, ok := n.(*ast.BasicLit)
				if !ok || text.Kind != token.STRING {
					return true
				}
				s, err := strconv.Unquote(text.Value)
				if err != nil {
					t.Fatal(err)
				}
				found++
				summary(t, file, verb.ReplaceAllString(s, ""))
				return true
			})
			return true
		})
	}
	cases, err := filepath.Glob(filepath.Join(root, "internal", "*", "testdata", "*", "want.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		text, err := os.ReadFile(c)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		for i, line := range lines {
			// A finding is its summary, then what it is about in brackets.
			if i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  [") && line != "" && !strings.HasPrefix(line, " ") {
				found++
				summary(t, c, line)
			}
		}
	}
	if found < len(cases) || found == 0 {
		t.Errorf("only %d summaries were found in %d cases", found, len(cases))
	}
}

// TestPackageNames: a package is called by what it is about.
func TestPackageNames(t *testing.T) {
	t.Parallel()
	for file, parsed := range sources(t) {
		switch name := strings.TrimSuffix(parsed.Name.Name, "_test"); name {
		case "util", "utils", "common", "helper", "helpers", "types", "misc", "base":
			t.Errorf("%s: package %s", file, name)
		}
	}
}

// otherModules are folders with a go.mod of their own, and so their own rules.
var otherModules = []string{"internal/devcluster", "internal/tools", "bin", ".git"}

// sources are the Go files of the module by their path in it.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	out := map[string]*ast.File{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if slices.Contains(otherModules, rel) || d.Name() == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		out[rel] = parsed
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEveryPainHasATest: the tests that DESIGN.md names for what users of other providers
// suffer exist, and a test that names a pain names one that stands there.
func TestEveryPainHasATest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	tests, named := map[string]bool{}, map[int]string{}
	declared, mentioned := regexp.MustCompile(`(?m)^func (Test\w+)\(`), regexp.MustCompile(`\bpains? ((?:\d+(?:, | and )?)+)`)
	err = filepath.WalkDir("..", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range declared.FindAllStringSubmatch(string(source), -1) {
			tests[filepath.Base(filepath.Dir(file))+" "+m[1]] = true
		}
		for _, m := range mentioned.FindAllStringSubmatch(string(source), -1) {
			for _, digits := range regexp.MustCompile(`\d+`).FindAllString(m[1], -1) {
				n, _ := strconv.Atoi(digits)
				named[n] = file
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	known := map[int]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \| .* \| (.*) \|$`).FindAllStringSubmatch(string(text), -1) {
		n, _ := strconv.Atoi(row[1])
		known[n] = true
		if strings.HasPrefix(row[2], "`") && named[n] == "" {
			t.Errorf("pain %d: no test says that it is about it", n)
		}
		for _, name := range regexp.MustCompile("`(\\w+ Test\\w+)`").FindAllStringSubmatch(row[2], -1) {
			if !tests[name[1]] {
				t.Errorf("pain %d: DESIGN.md names %s, which does not exist", n, name[1])
			}
		}
	}
	const least = 42
	if len(known) < least {
		t.Errorf("DESIGN.md lists %d pains, not %d", len(known), least)
	}
	for n, file := range named {
		if !known[n] {
			t.Errorf("%s: pain %d does not stand in DESIGN.md", file, n)
		}
	}
}
