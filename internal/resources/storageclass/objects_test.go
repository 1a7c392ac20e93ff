package storageclass

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

var update = flag.Bool("update", false, "write the golden files")

// corpus is a folder of manifests people run; tests use it where it is there.
const corpus = "../../../../shared/manifests"

const kind = "StorageClass"

// modes are models of every kind of class, by the name of their golden file.
func modes() map[string]*Model {
	text := types.StringValue
	class := func(provisioner string, change func(*Model)) *Model {
		m := &Model{Provisioner: text(provisioner)}
		m.Name = text("fast")
		if change != nil {
			change(m)
		}
		return m
	}
	return map[string]*Model{
		"minimal": class("mlk.dev/local", nil),
		"full": class("ebs.csi.aws.com", func(m *Model) {
			m.Parameters = map[string]types.String{"type": text("gp3"), "iops": text("6000"), "encrypted": text("true")}
			m.ReclaimPolicy, m.VolumeBindingMode = text("Retain"), text("WaitForFirstConsumer")
			m.AllowVolumeExpansion, m.Default = types.BoolValue(true), types.BoolValue(true)
			m.MountOptions = []types.String{text("noatime"), text("discard")}
			m.AllowedTopologies = []Topology{
				{MatchLabelExpressions: []Expression{
					{Key: text("topology.kubernetes.io/zone"), Values: []types.String{text("us-east-1b"), text("us-east-1a")}},
				}},
				{MatchLabelExpressions: []Expression{
					{Key: text("topology.kubernetes.io/zone"), Values: []types.String{text("eu-west-1a")}},
					{Key: text("topology.kubernetes.io/region"), Values: []types.String{text("eu-west-1")}},
				}},
			}
		}),
		"defaults-said-aloud": class("nfs.csi.k8s.io", func(m *Model) {
			m.Parameters = map[string]types.String{}
			m.ReclaimPolicy, m.VolumeBindingMode = text("Delete"), text("Immediate")
			m.AllowVolumeExpansion, m.Default = types.BoolValue(false), types.BoolValue(false)
			m.MountOptions, m.AllowedTopologies = []types.String{}, []Topology{}
		}),
	}
}

func rendered(t *testing.T, m *Model) map[string]any {
	t.Helper()
	objects, ds := desired(m)
	if ds.HasError() {
		t.Fatalf("desired: %v", ds)
	}
	if len(objects) != 1 {
		t.Fatalf("desired made %d objects, want 1", len(objects))
	}
	raw, err := json.Marshal(objects[0])
	if err != nil {
		t.Fatal(err)
	}
	o := &kube.Object{}
	if err := o.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return o.Object
}

func TestDesired(t *testing.T) {
	t.Parallel()
	for name, m := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := yaml.Marshal(rendered(t, m))
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", "desired", name+".golden.yaml")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want, got) {
				t.Error(cmp.Diff(string(want), string(got)))
			}
		})
	}
}

// TestAdoptRoundTrip: what Adopt makes of an object that the server completed
// asks for that object again, and nothing is left over.
func TestAdoptRoundTrip(t *testing.T) {
	t.Parallel()
	for name, m := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			roundTrip(t, rendered(t, m))
		})
	}
}

func TestAdoptManifests(t *testing.T) {
	t.Parallel()
	dirs := []string{filepath.Join("testdata", "manifests"), corpus}
	if d := os.Getenv("MLK_MANIFESTS"); d != "" {
		dirs = append(dirs, d)
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for doc := range strings.SplitSeq(string(raw), "\n---\n") {
				asJSON, err := yaml.YAMLToJSON([]byte(doc))
				if err != nil {
					continue // the corpus holds templates too
				}
				o := &kube.Object{}
				if o.UnmarshalJSON(asJSON) != nil || o.GetKind() != kind {
					continue
				}
				t.Run(filepath.Base(file)+"/"+o.GetName(), func(t *testing.T) {
					t.Parallel()
					m := roundTrip(t, o.Object)
					set := map[string]value{}
					for k, v := range m.Parameters {
						set[k] = value{text: v.ValueString(), known: true}
					}
					if errors, _ := check(m.Provisioner.ValueString(), set, m.VolumeBindingMode); len(errors) > 0 {
						t.Errorf("a class people use is refused: %v", errors)
					}
				})
			}
		}
	}
}

func roundTrip(t *testing.T, o map[string]any) *Model {
	t.Helper()
	live := kube.Live{kind: {Object: o}}
	for field, filled := range map[string]any{"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"} {
		if o[field] == nil {
			o[field] = filled
		}
	}
	m, ds := adopt(live, nil)
	if ds.HasError() {
		t.Fatalf("adopt: %v", ds)
	}
	m.Name = types.StringValue(live[kind].GetName())
	again := rendered(t, m)
	for _, segments := range kube.Drift(again, o) {
		t.Errorf("applying the adopted model would change %s", strings.Join(segments, "."))
	}
	if rest := kube.Residual(kube.StorageClass, o, again); rest != nil {
		t.Errorf("no attribute says %v", rest)
	}
	return m
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		object map[string]any
		want   *Model
	}{
		"what the server fills in stays null": {
			map[string]any{"provisioner": "p", "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"},
			&Model{Provisioner: types.StringValue("p")},
		},
		"false is not null": {
			map[string]any{
				"provisioner": "p", "allowVolumeExpansion": false,
				"metadata": map[string]any{"annotations": map[string]any{defaultAnnotation: "false"}},
			},
			&Model{Provisioner: types.StringValue("p"), AllowVolumeExpansion: types.BoolValue(false), Default: types.BoolValue(false)},
		},
		"an annotation that says neither is left to annotations": {
			map[string]any{"provisioner": "p", "metadata": map[string]any{"annotations": map[string]any{defaultAnnotation: "yes"}}},
			&Model{Provisioner: types.StringValue("p")},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ds := adopt(kube.Live{kind: {Object: tt.object}}, nil)
			if ds.HasError() {
				t.Fatal(ds)
			}
			common := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Common" }, cmp.Ignore())
			if diff := cmp.Diff(tt.want, got, common); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	for name, m := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fields(m)
			for field := range rendered(t, m) {
				if field == "apiVersion" || field == "kind" || field == "metadata" {
					continue
				}
				if _, ok := f.Find([]string{kind, field}); !ok {
					t.Errorf("no attribute stands behind %s", field)
				}
			}
		})
	}
	f := fields(modes()["full"])
	if at, _ := f.Find([]string{kind, "metadata", "annotations", defaultAnnotation}); at.String() != "default" {
		t.Errorf("the default-class annotation is blamed on %q", at)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	if got := ready(nil, lifecycle.Seen{}, ""); got.Outcome != wait.Progressing {
		t.Errorf("without an object: %+v", got)
	}
	want := wait.Of(wait.Done, "Active", "", "")
	got := ready(nil, lifecycle.Seen{Live: kube.Live{kind: {}}}, "")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
