package volumeclaim

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

var update = flag.Bool("update", false, "write the golden files")

// corpus is a folder of manifests people run; tests use it where it is there.
const corpus = "../../../../shared/manifests"

func claim(change func(*Model)) *Model {
	m := &Model{Size: quantity.New("100Gi")}
	m.Name, m.Namespace = types.StringValue("data"), types.StringValue("ml")
	if change != nil {
		change(m)
	}
	return m
}

// modes are models of every kind of claim, by the name of their golden file.
func modes() map[string]*Model {
	text, list := types.StringValue, func(in ...string) []types.String {
		var out []types.String
		for _, s := range in {
			out = append(out, types.StringValue(s))
		}
		return out
	}
	return map[string]*Model{
		"minimal": claim(nil),
		"full": claim(func(m *Model) {
			m.Size = quantity.New("2048Gi")
			m.StorageClass = text("fast")
			m.AccessModes = list("ReadWriteMany", "ReadOnlyMany")
			m.VolumeMode = text("Block")
			m.VolumeName = text("pv-1")
			m.VolumeAttributesClass = text("gold")
			m.Selector = &Selector{
				MatchLabels: map[string]types.String{"tier": text("hot"), "zone": text("a")},
				MatchExpressions: []Expression{
					{Key: text("owner"), Operator: text("In"), Values: list("ml", "data")},
					{Key: text("old"), Operator: text("DoesNotExist")},
				},
			}
			m.DataSource = &DataSource{
				APIGroup: text("snapshot.storage.k8s.io"), Kind: text("VolumeSnapshot"), Name: text("nightly"), Namespace: text("backup"),
			}
			m.DeletionProtection, m.Retain = types.BoolValue(false), types.BoolValue(true)
		}),
		"static":       claim(func(m *Model) { m.Static, m.VolumeName = types.BoolValue(true), text("nfs-1") }),
		"clone":        claim(func(m *Model) { m.DataSource = &DataSource{Kind: text("PersistentVolumeClaim"), Name: text("base")} }),
		"any-selector": claim(func(m *Model) { m.Selector = &Selector{} }),
		"one-pod":      claim(func(m *Model) { m.AccessModes = list("ReadWriteOncePod"); m.Static = types.BoolValue(false) }),
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

func TestDesiredRefusesWhatIsNoSize(t *testing.T) {
	t.Parallel()
	_, ds := desired(claim(func(m *Model) { m.Size = quantity.New("much") }))
	if !ds.HasError() {
		t.Error("no error for a size of \"much\"")
	}
}

// served is an object as the API server returns it: with what it fills in.
func served(o map[string]any) kube.Live {
	spec, _ := o["spec"].(map[string]any)
	if spec["volumeMode"] == nil {
		spec["volumeMode"] = "Filesystem"
	}
	if ref, ok := spec["dataSourceRef"].(map[string]any); ok && ref["namespace"] == nil && spec["dataSource"] == nil {
		spec["dataSource"] = ref
	}
	if local, ok := spec["dataSource"].(map[string]any); ok && spec["dataSourceRef"] == nil {
		spec["dataSourceRef"] = local
	}
	return kube.Live{claimKind: {Object: o}}
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
				if o.UnmarshalJSON(asJSON) != nil || o.GetKind() != claimKind {
					continue
				}
				t.Run(filepath.Base(file), func(t *testing.T) {
					t.Parallel()
					roundTrip(t, o.Object)
				})
			}
		}
	}
}

func roundTrip(t *testing.T, o map[string]any) {
	t.Helper()
	live := served(o)
	m, ds := adopt(live, nil)
	if ds.HasError() {
		t.Fatalf("adopt: %v", ds)
	}
	m.Name, m.Namespace = types.StringValue(live[claimKind].GetName()), types.StringValue(live[claimKind].GetNamespace())
	again := rendered(t, m)
	for _, segments := range kube.Drift(again, o) {
		if segments[0] == "spec" {
			t.Errorf("applying the adopted model would change %s", strings.Join(segments, "."))
		}
	}
	if rest := kube.Residual(kube.PersistentVolumeClaim, o, again); rest != nil {
		t.Errorf("no attribute says %v", rest)
	}
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spec map[string]any
		want func(*Model)
	}{
		"defaults stay null": {
			spec: map[string]any{"accessModes": []any{"ReadWriteOnce"}, "volumeMode": "Filesystem", "storageClassName": "standard"},
			want: func(m *Model) { m.StorageClass = types.StringValue("standard") },
		},
		"no class": {
			spec: map[string]any{"accessModes": []any{"ReadWriteOnce"}, "storageClassName": ""},
			want: func(m *Model) { m.Static = types.BoolValue(true) },
		},
		"class not filled in yet": {
			spec: map[string]any{"accessModes": []any{"ReadWriteOnce"}},
			want: func(*Model) {},
		},
		"an empty group is the core group": {
			spec: map[string]any{
				"accessModes":   []any{"ReadWriteOnce"},
				"dataSourceRef": map[string]any{"apiGroup": "", "kind": "PersistentVolumeClaim", "name": "base"},
			},
			want: func(m *Model) {
				m.DataSource = &DataSource{Kind: types.StringValue("PersistentVolumeClaim"), Name: types.StringValue("base")}
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.spec["resources"] = map[string]any{"requests": map[string]any{"storage": "5Gi"}}
			got, ds := adopt(kube.Live{claimKind: {Object: map[string]any{"apiVersion": "v1", "kind": claimKind, "spec": tt.spec}}}, nil)
			if ds.HasError() {
				t.Fatal(ds)
			}
			want := &Model{Size: quantity.New("5Gi")}
			tt.want(want)
			if diff := cmp.Diff(want, got, compareModels); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// compareModels leaves out what the lifecycle fills in.
var compareModels = cmp.FilterPath(func(p cmp.Path) bool {
	return p.Last().Type() == nil || strings.HasPrefix(p.Last().String(), ".Namespaced")
}, cmp.Ignore())

func TestFields(t *testing.T) {
	t.Parallel()
	for name, m := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fields(m)
			var leaves func(v any, at []string)
			leaves = func(v any, at []string) {
				if o, ok := v.(map[string]any); ok {
					for k, e := range o {
						leaves(e, append(append([]string{}, at...), k))
					}
					return
				}
				if _, ok := f.Find(append([]string{claimKind}, at...)); !ok {
					t.Errorf("no attribute stands behind %s", strings.Join(at, "."))
				}
			}
			leaves(rendered(t, m)["spec"], []string{"spec"})
		})
	}
	static := fields(modes()["static"])
	if at, _ := static.Find([]string{claimKind, "spec", "storageClassName"}); !at.Equal(path.Root("static")) {
		t.Errorf("storageClassName of a static claim is blamed on %s", at)
	}
}

func live(change func(*corev1.PersistentVolumeClaim)) kube.Live {
	pvc := &corev1.PersistentVolumeClaim{}
	pvc.APIVersion, pvc.Kind, pvc.Name, pvc.Namespace, pvc.UID = "v1", claimKind, "data", "ml", "u1"
	pvc.Spec.Resources.Requests = corev1.ResourceList{}
	pvc.Status.Capacity = corev1.ResourceList{}
	change(pvc)
	raw, err := json.Marshal(pvc)
	if err != nil {
		panic(err)
	}
	o := &kube.Object{}
	if err := o.UnmarshalJSON(raw); err != nil {
		panic(err)
	}
	return kube.Live{claimKind: o}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	class := "standard"
	boundTo := live(func(c *corev1.PersistentVolumeClaim) {
		c.Spec.StorageClassName, c.Spec.VolumeName = &class, "pvc-1"
		c.Status.Capacity[corev1.ResourceStorage] = mustParse("107374182400")
	})
	tests := map[string]struct {
		m    *Model
		live kube.Live
		want func(*Model)
	}{
		"fills in what the cluster decided": {
			m: claim(nil), live: boundTo,
			want: func(m *Model) {
				m.StorageClass, m.VolumeName, m.Capacity = types.StringValue("standard"), types.StringValue("pvc-1"), types.StringValue("107374182400")
			},
		},
		"a static claim never has a class": {
			m: claim(func(m *Model) { m.Static = types.BoolValue(true) }), live: boundTo,
			want: func(m *Model) {
				m.Static, m.VolumeName, m.Capacity = types.BoolValue(true), types.StringValue("pvc-1"), types.StringValue("107374182400")
			},
		},
		"pending": {
			m: claim(nil), live: live(func(*corev1.PersistentVolumeClaim) {}), want: func(*Model) {},
		},
		"what is no longer shown stays": {
			m: claim(func(m *Model) { m.Capacity = types.StringValue("1Gi") }), live: kube.Live{},
			want: func(m *Model) { m.Capacity = types.StringValue("1Gi") },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if ds := observe(tt.m, lifecycle.Seen{Live: tt.live}); ds.HasError() {
				t.Fatal(ds)
			}
			want := claim(nil)
			tt.want(want)
			if diff := cmp.Diff(want, tt.m, compareModels); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	if got := release(claim(nil), nil); got.Patch != nil {
		t.Errorf("a claim that is not retained is kept: %v", got.Patch)
	}
	got := release(claim(func(m *Model) { m.Retain = types.BoolValue(true) }), nil)
	raw, err := json.Marshal(got.Patch)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"metadata":{"annotations":{"mlk.dev/claim":null,"mlk.dev/recorded":null,"mlk.dev/resource":null},"labels":{"mlk.dev/kept":"true","mlk.dev/owner":null}}}`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Error(diff)
	}
	if got.Selector != "" {
		t.Error("retained claims must never be thinned out")
	}
}
