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
	"slices"
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

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
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

// adoptables are the kinds that are adopted; those without a resource come along
// with others.
var adoptables = map[string]adoptable{
	"Deployment":              {"mlk_inference_service", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, true},
	"HorizontalPodAutoscaler": {"", schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}, true},
	"PodDisruptionBudget":     {"", schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}, true},
	"Service":                 {"", schema.GroupVersionResource{Version: "v1", Resource: "services"}, true},
	"CronJob":                 {"mlk_training_schedule", schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "cronjobs"}, true},
	"DaemonSet":               {"mlk_node_agent", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}, true},
	"DeviceClass":             {"mlk_device_class", schema.GroupVersionResource{Group: "resource.k8s.io", Version: "v1", Resource: "deviceclasses"}, false},
	"ResourceClaimTemplate":   {"mlk_resource_claim_template", schema.GroupVersionResource{Group: "resource.k8s.io", Version: "v1", Resource: "resourceclaimtemplates"}, true},
	"JobSet":                  {"mlk_training_job", kube.JobSet.GVR(), true},
	"Job":                     {"mlk_training_job", schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}, true},
	"PersistentVolumeClaim":   {"mlk_volume_claim", schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}, true},
	"Pod":                     {"mlk_pod", schema.GroupVersionResource{Version: "v1", Resource: "pods"}, true},
	"StatefulSet":             {"mlk_sharded_service", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}, true},
	"StorageClass":            {"mlk_storage_class", schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}, false},
	"TrainJob":                {"mlk_training_job", kube.TrainJob.GVR(), true},
}

// follow reports whether an object comes along with a Deployment that is adopted.
var follow = map[string]func(o, deployment *unstructured.Unstructured) bool{
	"Service": func(o, deployment *unstructured.Unstructured) bool { return selects(deployment, o, "spec", "selector") },
	"PodDisruptionBudget": func(o, deployment *unstructured.Unstructured) bool {
		return selects(deployment, o, "spec", "selector", "matchLabels")
	},
	"HorizontalPodAutoscaler": func(o, deployment *unstructured.Unstructured) bool {
		target, _, _ := unstructured.NestedStringMap(o.Object, "spec", "scaleTargetRef")
		return target["kind"] == deployment.GetKind() && target["name"] == deployment.GetName()
	},
}

// selects reports whether labels that stand in an object pick the pods of a
// Deployment.
func selects(deployment, o *unstructured.Unstructured, at ...string) bool {
	wanted, _, _ := unstructured.NestedStringMap(o.Object, at...)
	have, _, _ := unstructured.NestedStringMap(deployment.Object, "spec", "template", "metadata", "labels")
	for k, v := range wanted {
		if have[k] != v {
			return false
		}
	}
	return len(wanted) > 0
}

// together parts what is imported from what comes along with it.
func together(objects []manifest) (mains []manifest, beside map[string][]manifest) {
	beside = map[string][]manifest{}
	for _, m := range objects {
		if follow[m.object.GetKind()] == nil {
			mains = append(mains, m)
		}
	}
	for _, m := range mains {
		for _, o := range objects {
			if along := follow[o.object.GetKind()]; along != nil && m.object.GetKind() == kube.Deployment.Kind && along(o.object, m.object) {
				beside[address(m)] = append(beside[address(m)], o)
			}
		}
	}
	return mains, beside
}

// manifest is a document that a resource can adopt, or that comes along with one.
type manifest struct {
	// label is the file's name as the label of a resource.
	label  string
	object *unstructured.Unstructured
}

var notOfLabels = regexp.MustCompile(`[^a-z0-9]+`)

// ofEngines are the kinds that only clusters with engines have.
var ofEngines = []string{"JobSet", "TrainJob"}

// readManifests returns the documents of a folder that a resource can adopt, as
// objects of this test's namespace: those of engines, or the others. A class is the
// cluster's: its name gets the namespace's, so that tests do not share it.
func readManifests(t *testing.T, dir, namespace string, engines bool) []manifest {
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
			if !ok || kind.gvr.GroupVersion().String() != head.APIVersion || slices.Contains(ofEngines, head.Kind) != engines {
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
var writers = []struct {
	args  []string
	write func(t *testing.T, c dynamic.ResourceInterface, o *unstructured.Unstructured) (*unstructured.Unstructured, error)
}{
	{[]string{"create", "-f", "-", "-o", "json"}, createdBy("kubectl-create", false)},
	{[]string{"apply", "-f", "-"}, createdBy("kubectl-client-side-apply", true)},
	{[]string{"apply", "--server-side", "-f", "-"}, func(t *testing.T, c dynamic.ResourceInterface, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		t.Helper()
		return c.Apply(t.Context(), o.GetName(), o, metav1.ApplyOptions{FieldManager: "kubectl"})
	}},
}

// createdBy writes as kubectl of that name does, on machines that have none.
func createdBy(manager string, note bool) func(*testing.T, dynamic.ResourceInterface, *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return func(t *testing.T, c dynamic.ResourceInterface, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		t.Helper()
		o = o.DeepCopy()
		if note {
			raw, err := o.MarshalJSON()
			if err != nil {
				return nil, err
			}
			annotations := o.GetAnnotations()
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations[lastApplied] = string(raw)
			o.SetAnnotations(annotations)
		}
		return c.Create(t.Context(), o, metav1.CreateOptions{FieldManager: manager, FieldValidation: metav1.FieldValidationStrict})
	}
}

// create makes the objects of the manifests, each in one of kubectl's ways, and
// returns those the server accepts as it stored them. Classes are deleted when
// the test ends.
func create(t *testing.T, acc *testkit.Acceptance, manifests []manifest) []manifest {
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
		names := kubectl(t, client, way, batch)
		for i, m := range batch {
			o, err := resourceOf(client, m.object).Get(t.Context(), names[i], metav1.GetOptions{})
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
			if !adoptables[m.object.GetKind()].namespaced {
				// The test's context has ended by now.
				if err := resourceOf(client, m.object).Delete(context.Background(), m.object.GetName(), metav1.DeleteOptions{}); err != nil {
					t.Error(err)
				}
			}
		}
	})
	return out
}

// kubectl creates the objects in one of its ways, and returns their names. What
// the server refuses is logged.
func kubectl(t *testing.T, client dynamic.Interface, way int, batch []manifest) []string {
	t.Helper()
	names := make([]string, len(batch))
	if _, err := exec.LookPath("kubectl"); err != nil {
		for i, m := range batch {
			o, err := writers[way].write(t, resourceOf(client, m.object), m.object)
			if err != nil {
				t.Logf("%s: %v", m.label, err)
				names[i] = m.label
				continue
			}
			names[i] = o.GetName()
		}
		return names
	}
	var stream, stdout, stderr bytes.Buffer
	for _, m := range batch {
		raw, err := m.object.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		stream.WriteString("---\n")
		stream.Write(raw)
	}
	cmd := exec.CommandContext(t.Context(), "kubectl", writers[way].args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &stream, &stdout, &stderr
	// It fails when the server refuses one document; the others are there.
	err := cmd.Run()
	t.Logf("kubectl %s: %d documents (%v)\n%s", strings.Join(writers[way].args, " "), len(batch), err, stderr.String())
	for i, m := range batch {
		if names[i] = m.object.GetName(); names[i] == "" {
			names[i] = generated(t, m.object.GetGenerateName(), stdout.Bytes())
		}
	}
	return names
}

// generated finds the name the server made, in what kubectl create printed:
// objects one after another. A refused one gets the prefix, which is no name.
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

func resourceOf(client dynamic.Interface, o *unstructured.Unstructured) dynamic.ResourceInterface {
	return client.Resource(adoptables[o.GetKind()].gvr).Namespace(o.GetNamespace())
}

// live reads an object of the cluster.
func live(t *testing.T, acc *testkit.Acceptance, o *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	client, err := dynamic.NewForConfig(acc.Config)
	if err != nil {
		t.Fatal(err)
	}
	got, err := resourceOf(client, o).Get(t.Context(), o.GetName(), metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return got
}
