package acceptance_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// ownManifests are the manifests of this package.
const ownManifests = "testdata/manifests"

// manifestFolders are the folders of manifests to try, by name: our own, and
// real ones when they are there, in the folder MLK_MANIFESTS names or beside
// the checkout.
func manifestFolders() map[string]string {
	folders := map[string]string{"own": ownManifests}
	for _, dir := range []string{os.Getenv("MLK_MANIFESTS"), filepath.Join("..", "..", "..", "shared", "manifests")} {
		if dir == "" {
			continue
		}
		if _, err := os.Stat(dir); err == nil {
			folders["real"] = dir
			break
		}
	}
	return folders
}

// adoptable is what a kind is called on both sides.
type adoptable struct {
	resource   string
	gvr        schema.GroupVersionResource
	namespaced bool
}

var adoptables = map[string]adoptable{
	"Job":                   {"mlk_training_job", schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}, true},
	"PersistentVolumeClaim": {"mlk_volume_claim", schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}, true},
	"StorageClass":          {"mlk_storage_class", schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}, false},
}

// manifest is a document that a resource can adopt.
type manifest struct {
	// label is the file's name as the label of a resource.
	label  string
	object *unstructured.Unstructured
}

var notOfLabels = regexp.MustCompile(`[^a-z0-9]+`)

// readManifests returns the documents of a folder that a resource can adopt, as
// objects of this test's namespace. A class is the cluster's: its name gets the
// namespace's, so that tests do not share it.
func readManifests(t *testing.T, dir, namespace string) []manifest {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests in %s (%v)", dir, err)
	}
	var out []manifest
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		label := "x" + strings.Trim(notOfLabels.ReplaceAllString(strings.TrimSuffix(filepath.Base(f), ".yaml"), "_"), "_")
		reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
		for n := 1; ; n++ {
			doc, err := reader.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			o := &unstructured.Unstructured{}
			text, err := yaml.YAMLToJSON(doc)
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			var head metav1.TypeMeta
			if json.Unmarshal(text, &head) != nil || head.APIVersion == "" {
				continue
			}
			kind, ok := adoptables[head.Kind]
			if !ok || kind.gvr.GroupVersion().String() != head.APIVersion {
				continue
			}
			if err := o.UnmarshalJSON(text); err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			if kind.namespaced {
				o.SetNamespace(namespace)
			} else {
				o.SetNamespace("")
				o.SetName(o.GetName() + "-" + namespace)
			}
			m := manifest{label: label, object: o}
			if n > 1 {
				m.label += "_" + strconv.Itoa(n)
			}
			out = append(out, m)
		}
	}
	return out
}

// writers are the ways people create objects with kubectl. Each leaves other
// field managers behind.
var writers = [][]string{
	{"create", "-f", "-", "-o", "json"},
	{"apply", "-f", "-"},
	{"apply", "--server-side", "-f", "-"},
}

// kubectl creates the manifests, each in one of the ways, and returns those the
// server accepts as it stored them. Classes are deleted when the test ends.
func kubectl(t *testing.T, acc *testkit.Acceptance, manifests []manifest) []manifest {
	t.Helper()
	client, err := dynamic.NewForConfig(acc.Config)
	if err != nil {
		t.Fatal(err)
	}
	batches := make([][]manifest, len(writers))
	for i, m := range manifests {
		way := i % len(writers)
		if m.object.GetName() == "" {
			way = 0 // only create makes names
		}
		batches[way] = append(batches[way], m)
	}
	var out []manifest
	for way, batch := range batches {
		if len(batch) == 0 {
			continue
		}
		var stream bytes.Buffer
		for _, m := range batch {
			raw, err := m.object.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			stream.WriteString("---\n")
			stream.Write(raw)
		}
		cmd := exec.CommandContext(t.Context(), "kubectl", writers[way]...)
		var stdout, stderr bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = &stream, &stdout, &stderr
		// It fails when the server refuses a document; which, we look up below.
		err := cmd.Run()
		if errors.Is(err, exec.ErrNotFound) {
			t.Fatal(err)
		}
		t.Logf("kubectl %s: %d documents\n%s", strings.Join(writers[way], " "), len(batch), stderr.String())
		for _, m := range batch {
			name := m.object.GetName()
			if name == "" {
				name = generated(t, m.object.GetGenerateName(), stdout.Bytes())
			}
			kind := adoptables[m.object.GetKind()]
			o, err := client.Resource(kind.gvr).Namespace(m.object.GetNamespace()).Get(t.Context(), name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, manifest{label: m.label, object: o})
		}
	}
	t.Cleanup(func() {
		for _, m := range out {
			if kind := adoptables[m.object.GetKind()]; !kind.namespaced {
				// The test's context has ended by now.
				if err := client.Resource(kind.gvr).Delete(context.Background(), m.object.GetName(), metav1.DeleteOptions{}); err != nil {
					t.Error(err)
				}
			}
		}
	})
	return out
}

// generated finds the name the server made, in what kubectl create printed:
// objects one after another. Refused ones get the prefix, which no object bears.
func generated(t *testing.T, prefix string, printed []byte) string {
	t.Helper()
	for d := json.NewDecoder(bytes.NewReader(printed)); ; {
		var o metav1.PartialObjectMetadata
		err := d.Decode(&o)
		if errors.Is(err, io.EOF) {
			return prefix
		}
		if err != nil {
			t.Fatal(err)
		}
		if o.GenerateName == prefix {
			return o.Name
		}
	}
}

// live reads an object of the cluster.
func live(t *testing.T, acc *testkit.Acceptance, o *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	client, err := dynamic.NewForConfig(acc.Config)
	if err != nil {
		t.Fatal(err)
	}
	kind := adoptables[o.GetKind()]
	got, err := client.Resource(kind.gvr).Namespace(o.GetNamespace()).Get(t.Context(), o.GetName(), metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return got
}
