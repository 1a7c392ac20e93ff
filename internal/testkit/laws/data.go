package laws

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// DataSubject is a data source and the clusters it is read on:
// internal/datasources/<name>/testdata/read/<case>/ holds config.yaml, the
// objects of cluster.yaml, logs.yaml (namespace/pod/container: text), raw.yaml
// (path: text, of what names no objects) and
// want.yaml, which is the state, or the messages when it cannot be read.
type DataSubject struct {
	New   func() datasource.DataSource
	Type  string
	Cases []string
}

// ReadData finds the cases of a data source below the root of the module.
func ReadData(t testing.TB, root string, newData func() datasource.DataSource) DataSubject {
	t.Helper()
	var meta datasource.MetadataResponse
	newData().Metadata(t.Context(), datasource.MetadataRequest{ProviderTypeName: "mlk"}, &meta)
	s := DataSubject{New: newData, Type: meta.TypeName}
	cases, err := filepath.Glob(filepath.Join(s.Dir(root), "testdata", "read", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if s.Cases = cases; len(cases) == 0 {
		t.Fatalf("%s has no %s", s.Type, filepath.Join(s.Dir(root), "testdata", "read"))
	}
	return s
}

// Dir is the folder of the data source's package.
func (s DataSubject) Dir(root string) string {
	return filepath.Join(root, "internal", "datasources", strings.ReplaceAll(strings.TrimPrefix(s.Type, "mlk_"), "_", ""))
}

// Run reads every case and checks the laws of data sources: what is read is as
// written down, wholly known, with the configuration kept; nothing but GET is
// asked; and whatever request is refused, the answer is an error or a warning in
// words. With update it writes want.yaml.
func (s DataSubject) Run(t *testing.T, update bool) {
	t.Helper()
	seen := map[string]bool{}
	for _, dir := range s.Cases {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			config := load(t, filepath.Join(dir, "config.yaml"))
			api := clusterOf(t, dir, nil)
			state, out := s.read(t, api, config)
			for _, r := range api.Requests() {
				if r.Method != http.MethodGet {
					t.Errorf("a data source asks for %s %s", r.Method, r.Path)
				}
			}
			compareWith(t, filepath.Join(dir, "want.yaml"), written(t, state, out), update)
			if state.IsNull() {
				return
			}
			if !state.IsFullyKnown() {
				t.Error("what was read is not wholly known")
			}
			for name, want := range config {
				seen[name] = true
				if got := testkit.Attribute(state, name); got != nil && fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s was configured as %v and is %v", name, want, got)
				}
			}
			for name, v := range topLevel(t, state) {
				seen[name] = seen[name] || !v.IsNull()
			}
			s.refusals(t, dir, config, len(api.Requests()))
		})
	}
	for name := range s.names(t) {
		if !seen[name] {
			t.Errorf("no case of %s has %s", s.Type, name)
		}
	}
	t.Run("cluster unknown", func(t *testing.T) {
		config := load(t, filepath.Join(s.Cases[0], "config.yaml"))
		_, out := testkit.ReadData(t, testkit.Alone{DataSource: s.New, Data: &lifecycle.ProviderData{Unknown: "host"}}, s.Type, config)
		if msg := out.Errors(); !strings.Contains(msg, `"host"`) || !strings.Contains(msg, "depends_on") {
			t.Errorf("an unknown host: %q", msg)
		}
	})
}

// attributes are the names of all attributes.
func (s DataSubject) names(t testing.TB) map[string]bool {
	t.Helper()
	var resp datasource.SchemaResponse
	s.New().Schema(t.Context(), datasource.SchemaRequest{}, &resp)
	out := map[string]bool{}
	for name := range resp.Schema.Attributes {
		out[name] = true
	}
	return out
}

func topLevel(t testing.TB, state tftypes.Value) map[string]tftypes.Value {
	t.Helper()
	out := map[string]tftypes.Value{}
	if err := state.As(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (s DataSubject) read(t testing.TB, api *fakeapi.Server, config Config) (tftypes.Value, testkit.Outcome) {
	t.Helper()
	client, err := kube.NewClient(api.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	data := &lifecycle.ProviderData{Connect: func() (*kube.Client, error) { return client, nil }, Namespace: "default", ClusterChanged: "error"}
	return testkit.ReadData(t, testkit.Alone{DataSource: s.New, Data: data}, s.Type, config)
}

// unhelpful are words that no message has.
var unhelpful = regexp.MustCompile(`(?i)failed to|timed out|context deadline|%!|<nil>|&\{|map\[`)

// refusals refuses each request of a read in turn.
func (s DataSubject) refusals(t *testing.T, dir string, config Config, requests int) {
	t.Helper()
	for name, with := range map[string]error{
		"forbidden":    apierrors.NewForbidden(schema.GroupResource{Resource: "things"}, "", errors.New(`user "me" cannot do that`)),
		"unauthorized": apierrors.NewUnauthorized("Unauthorized"),
		"500":          apierrors.NewInternalError(errors.New("etcd is away")),
	} {
		for i := range requests {
			n := 0
			api := clusterOf(t, dir, func(fakeapi.Request) error {
				n++
				if n == i+1 {
					return with
				}
				return nil
			})
			state, out := s.read(t, api, config)
			msg := out.Errors() + out.Warnings()
			switch {
			case msg == "":
				t.Errorf("%s for request %d: nobody is told", name, i+1)
			case unhelpful.MatchString(msg):
				t.Errorf("%s for request %d: %s", name, i+1, msg)
			case !state.IsNull() && !state.IsFullyKnown():
				t.Errorf("%s for request %d: what was read is not wholly known", name, i+1)
			}
		}
	}
}

// clusterOf is a server with the objects and logs of a case.
func clusterOf(t testing.TB, dir string, before func(fakeapi.Request) error) *fakeapi.Server {
	t.Helper()
	api := fakeapi.New(t)
	api.Logs = map[string]string{}
	raw, err := os.ReadFile(filepath.Join(dir, "cluster.yaml"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, doc := range regexp.MustCompile(`(?m)^---\s*$`).Split(string(raw), -1) {
		if len(strings.TrimSpace(doc)) == 0 {
			continue
		}
		js, err := yaml.YAMLToJSON([]byte(doc))
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		o := &unstructured.Unstructured{}
		if err := o.UnmarshalJSON(js); err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		if o.GetUID() != "" && api.Get(o.GetKind(), o.GetNamespace(), o.GetName()) != nil {
			api.Remove(o.GetKind(), o.GetNamespace(), o.GetName()) // a namespace that every server begins with
		}
		api.Put(o)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "logs.yaml")); err == nil {
		if err := yaml.Unmarshal(text, &api.Logs); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "raw.yaml")); err == nil {
		if err := yaml.Unmarshal(text, &api.Raw); err != nil {
			t.Fatal(err)
		}
	}
	api.Before = before
	return api
}

// written is what a read returned, as text.
func written(t testing.TB, state tftypes.Value, out testkit.Outcome) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, text := range []string{out.Errors(), out.Warnings()} {
		if text == "" {
			continue
		}
		for l := range strings.Lines(text) {
			b.WriteString(strings.TrimRight("# "+strings.TrimSpace(l), " ") + "\n")
		}
	}
	if state.IsNull() {
		return b.Bytes()
	}
	values := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(topLevel(t, state))) {
		values[name] = testkit.Attribute(state, name)
	}
	text, err := yaml.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(text)
	return b.Bytes()
}

func compareWith(t *testing.T, file string, got []byte, update bool) {
	t.Helper()
	if update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
