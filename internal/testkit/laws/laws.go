// Package laws holds what is true of every resource of the provider, whatever
// it is: property tests over configurations, driven the way Terraform drives a
// provider. A resource brings its configurations; the laws are written once.
package laws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// Config is a configuration of a resource in plain Go values.
type Config = map[string]any

// Subject is a resource under the laws.
type Subject struct {
	// New makes the resource.
	New func() resource.Resource
	// Type is its type name: mlk_training_job.
	Type string
	// Configs are configurations by name. Together they set every attribute.
	Configs map[string]Config

	// shapes are the names of the configurations that came from blocks.
	shapes []string
	// elsewhere are configurations that make what the stand-in server does not know.
	elsewhere []Config
}

// Tally counts what a run of the laws covered.
type Tally struct {
	// Configs and Population are the configurations read and drawn.
	Configs, Population int
	// Leaves were sent, Mutations of them and of what holds them were made.
	Leaves, Mutations int
	// Strangers are fields that somebody else set.
	Strangers int
	// Refused are the configurations that the server does not take.
	Refused int
	// Kept are the mutations that cannot be made, by reason.
	Kept map[string]int

	done map[string]bool
}

// first reports whether no earlier configuration had the same change of the
// same value.
func (t *Tally) first(o sent, m mutation) bool {
	key := fmt.Sprintf("%s %s: %s", o.kind, m, show(m.at.in(o.object)))
	if t.done[key] {
		return false
	}
	t.done[key] = true
	return true
}

// Complete fills in what the API server adds to an object.
type Complete func(o runtime.Object, create bool) error

// Defaults completes objects as fakeapi knows the server to do.
func Defaults(o runtime.Object, _ bool) error {
	fakeapi.Defaults(o)
	return nil
}

// The provider's own labels and annotations: they are on every object.
var (
	providerLabels      = map[string]string{"laws.example.com/team": "provider"}
	providerAnnotations = map[string]string{"laws.example.com/contact": "provider"}
)

// rig is Terraform with one resource, in front of an API server.
type rig struct {
	*testkit.Core
	s   Subject
	api *fakeapi.Server
	// close waits for marks that are still being written.
	close func()
}

// server is an API server that completes objects.
func server(t testing.TB, complete Complete, c Config) *fakeapi.Server {
	t.Helper()
	api := fakeapi.New(t)
	if ns, ok := c["namespace"].(string); ok {
		o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": ns}}}
		api.Put(o)
	}
	api.Complete = complete
	return api
}

// newRig is a workspace on the server.
func newRig(t testing.TB, s Subject, api *fakeapi.Server, wrap func(http.RoundTripper) http.RoundTripper) *rig {
	t.Helper()
	cfg := api.Config()
	if wrap != nil {
		cfg.Wrap(wrap)
	}
	client, err := kube.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	data := &lifecycle.ProviderData{
		Connect:   func() (*kube.Client, error) { return client, nil },
		Namespace: "default", ClusterChanged: "error", Labels: providerLabels, Annotations: providerAnnotations,
	}
	return &rig{Core: testkit.NewCore(t, testkit.Alone{Resource: s.New, Data: data}, nil, s.Type), s: s, api: api, close: client.Close}
}

// schemaOf is the schema of the resource.
func (s Subject) schemaOf(t testing.TB) schema.Schema {
	t.Helper()
	var resp resource.SchemaResponse
	s.New().Schema(t.Context(), resource.SchemaRequest{}, &resp)
	if resp.Diagnostics.HasError() {
		t.Fatal(resp.Diagnostics)
	}
	return resp.Schema
}

// made applies a configuration on a new server and returns the objects that
// were sent; none when the server refused them.
func (s Subject) made(t testing.TB, complete Complete, c Config) (*rig, []sent) {
	t.Helper()
	r := newRig(t, s, server(t, complete, c), nil)
	var refused error
	r.api.Complete = func(o runtime.Object, create bool) error {
		refused = complete(o, create)
		return refused
	}
	if out := r.Apply(t.Context(), c); refused != nil {
		return r, nil
	} else if out.Errors() != "" {
		t.Fatalf("apply: %s", out.Errors())
	}
	r.api.Complete = complete
	objects := applied(t, r.api)
	if len(objects) == 0 {
		t.Fatal("nothing was applied")
	}
	return r, objects
}

// sent is an object as the provider applied it.
type sent struct {
	kind, namespace, name string
	object                map[string]any
}

// applied are the objects of all server-side applies so far, the last of each.
func applied(t testing.TB, api *fakeapi.Server) []sent {
	t.Helper()
	var out []sent
	for _, r := range api.Requests() {
		o := &unstructured.Unstructured{}
		if r.Method != http.MethodPatch || r.DryRun || o.UnmarshalJSON(r.Body) != nil {
			continue // merge and JSON patches are no whole objects
		}
		s := sent{o.GetKind(), o.GetNamespace(), o.GetName(), o.Object}
		out = slices.DeleteFunc(out, func(e sent) bool { return e.kind == s.kind && e.namespace == s.namespace && e.name == s.name })
		out = append(out, s)
	}
	return out
}

func (s sent) String() string { return fmt.Sprintf("%s %s/%s", s.kind, s.namespace, s.name) }

// isMark reports whether a field is one of mlk's marks, which are no part of
// what the user declares, as is to which object another belongs.
func isMark(segments []string) bool {
	if len(segments) > 1 && segments[0] == "metadata" && segments[1] == "ownerReferences" {
		return true
	}
	return len(segments) > 1 && segments[0] == "metadata" && strings.HasPrefix(segments[len(segments)-1], "mlk.dev/")
}

// derived are the computed attributes that changes on the cluster may show in: they
// are planned from what others declare.
var derived = []string{"labels_all", "annotations_all", "preset", "manifests"}

// settable are the attributes a state is compared by: those the user declares,
// and what the provider adds to them.
func settable(sch schema.Schema, c Config) []string {
	var out []string
	for name, a := range sch.Attributes {
		if _, set := c[name]; set || !a.IsComputed() || slices.Contains(derived, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// differing are the attributes of two states that are not the same.
func differing(names []string, a, b *testkit.Core) []string {
	var out []string
	for _, n := range names {
		if !equal(a.Attribute(n), b.Attribute(n)) {
			out = append(out, n)
		}
	}
	return out
}

func equal(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// show is a value for a message.
func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// Run checks all laws on all configurations and says what was covered.
func (s Subject) Run(t *testing.T, complete Complete, population int) {
	t.Helper()
	tally := &Tally{Configs: len(s.Configs), Kept: map[string]int{}, done: map[string]bool{}}
	t.Run("coverage", func(t *testing.T) { s.coverage(t) })
	all := map[string]Config{}
	for name, c := range s.Configs {
		all[name] = c
	}
	for i, c := range s.draw(t, population) {
		all[fmt.Sprintf("drawn-%d", i)] = c
		tally.Population++
	}
	for name, c := range all {
		t.Run(name, func(t *testing.T) { s.check(t, complete, c, tally) })
	}
	kept := ""
	for reason, n := range tally.Kept {
		kept += fmt.Sprintf("; %d not changed: %s", n, reason)
	}
	t.Logf("%s: %d configurations and %d drawn (%d refused by the server), %d leaves, %d mutations, %d strangers%s",
		s.Type, tally.Configs, tally.Population, tally.Refused, tally.Leaves, tally.Mutations, tally.Strangers, kept)
}

// check checks the laws that hold of one configuration.
func (s Subject) check(t *testing.T, complete Complete, c Config, tally *Tally) {
	t.Helper()
	r, objects := s.made(t, complete, c)
	if objects == nil {
		tally.Refused++
		return
	}
	t.Run("round trip", func(t *testing.T) { r.roundTrip(t, c) })
	t.Run("strangers are invisible", func(t *testing.T) { r.strangers(t, c, objects, tally) })
	t.Run("drift is seen", func(t *testing.T) { r.drift(t, c, complete, objects, tally) })
	t.Run("determinism", func(t *testing.T) { r.determinism(t) })
	t.Run("import agrees", func(t *testing.T) { s.imports(t, c, r, objects) })
}

// roundTrip: a refresh of an untouched object leaves the state as it was, and
// nothing to plan; so does one that has to look at all of it.
func (r *rig) roundTrip(t *testing.T, c Config) {
	t.Helper()
	f := r.Fork()
	for _, touched := range []bool{false, true} {
		if touched {
			for _, o := range applied(t, r.api) {
				r.api.Change(o.kind, o.namespace, o.name, "test", func(live map[string]any) {
					_ = unstructured.SetNestedField(live, int64(7), "metadata", "generation")
				})
			}
		}
		if out := f.Refresh(t.Context()); out.Errors() != "" {
			t.Fatal(out.Errors())
		}
		for _, n := range differing(settable(r.s.schemaOf(t), c), r.Core, f) {
			t.Errorf("after a refresh %s is %s, it was %s (looked at it all: %v)", n, show(f.Attribute(n)), show(r.Attribute(n)), touched)
		}
	}
	r.nothingPlanned(t, f, c)
}

// nothingPlanned checks that the configuration asks for nothing new.
func (r *rig) nothingPlanned(t *testing.T, f *testkit.Core, c Config) {
	t.Helper()
	out := f.Plan(t.Context(), c)
	if out.Errors() != "" {
		t.Fatalf("plan: %s", out.Errors())
	}
	if !out.Changed {
		return
	}
	t.Errorf("the plan is not empty (replace %v)", out.Replace)
	for name := range r.s.schemaOf(t).Attributes {
		if want, is := testkit.Attribute(out.Planned, name), f.Attribute(name); !equal(want, is) {
			t.Errorf("%s is %s, planned is %s", name, show(is), show(want))
		}
	}
}

// determinism: the same state asks for the same bytes, each time it is read.
func (r *rig) determinism(t *testing.T) {
	t.Helper()
	resource, ok := r.s.New().(lifecycle.Examined)
	if !ok {
		t.Fatal("the resource was not made by lifecycle.New")
	}
	const again = 10
	var first []byte
	for range again {
		e, ds := resource.Examine(t.Context(), r.s.schemaOf(t), r.State)
		if ds.HasError() {
			t.Fatal(ds)
		}
		objects, ds := e.Objects()
		if ds.HasError() {
			t.Fatal(ds)
		}
		got, err := json.Marshal(objects)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if !bytes.Equal(first, got) {
			t.Errorf("it was\n%s\nthen\n%s", first, got)
		}
	}
}
