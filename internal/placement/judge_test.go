package placement_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/placement"
)

var update = flag.Bool("update", false, "write want.txt anew")

// cluster is what a case has instead of whole manifests of nodes and pods.
type cluster struct {
	Nodes []struct {
		Name  string `json:"name"`
		Count int    `json:"count"`
		corev1.NodeSpec
		Labels map[string]string `json:"labels"`
		// Allocatable is what the node can give; Capacity what it has, where that is more.
		Allocatable corev1.ResourceList `json:"allocatable"`
		Capacity    corev1.ResourceList `json:"capacity"`
	} `json:"nodes"`
	Pods []pod `json:"pods"`
	// Own are pods of the object itself, from before the change.
	Own []pod `json:"own"`
	// Blind leaves unknown what pods take.
	Blind bool `json:"blind"`
}

type pod struct {
	Namespace string              `json:"namespace"`
	Node      string              `json:"node"`
	Asks      corev1.ResourceList `json:"asks"`
}

func (p pod) pod() corev1.Pod {
	var out corev1.Pod
	out.Namespace, out.Spec.NodeName = p.Namespace, p.Node
	out.Spec.Containers = []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: p.Asks}}}
	return out
}

func (c cluster) nodes() []corev1.Node {
	var out []corev1.Node
	for _, n := range c.Nodes {
		for i := range max(n.Count, 1) {
			var node corev1.Node
			node.Name, node.Labels, node.Spec = n.Name, n.Labels, n.NodeSpec
			if n.Count > 1 {
				node.Name = fmt.Sprintf("%s-%d", n.Name, i)
			}
			node.Status.Allocatable, node.Status.Capacity = n.Allocatable.DeepCopy(), n.Allocatable.DeepCopy()
			for r, q := range n.Capacity {
				node.Status.Capacity[r] = q
			}
			if _, ok := node.Status.Allocatable[corev1.ResourcePods]; !ok {
				node.Status.Allocatable[corev1.ResourcePods] = *quantity(110)
			}
			out = append(out, node)
		}
	}
	return out
}

func (c cluster) cluster() placement.Cluster {
	out := placement.Cluster{Nodes: c.nodes()}
	if c.Blind {
		return out
	}
	out.Usage = &placement.Usage{}
	for _, p := range c.Pods {
		pod := p.pod()
		out.Usage.Add(&pod)
	}
	for _, p := range c.Own {
		pod := p.pod()
		out.Usage.Add(&pod)
		out.Own = append(out.Own, pod)
	}
	return out
}

// TestJudge holds the object of each case against its cluster.
func TestJudge(t *testing.T) {
	t.Parallel()
	objects, err := filepath.Glob("testdata/*/object.yaml")
	if err != nil || len(objects) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range objects {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			var o unstructured.Unstructured
			var c cluster
			load(t, file, &o.Object)
			load(t, filepath.Join(dir, "cluster.yaml"), &c)
			got := "nothing\n"
			for _, d := range placement.DemandsOf(&o) {
				v, ok := d.Judge(fmt.Sprintf("%s %q", o.GetKind(), o.GetNamespace()+"/"+o.GetName()), c.cluster())
				if !ok {
					got = written(v)
				}
			}
			want := filepath.Join(dir, "want.txt")
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(text), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func written(v placement.Verdict) string {
	field := v.Field
	if len(field) == 0 {
		field = v.PodField
	}
	never := ""
	if v.Never {
		never = ", never"
	}
	return fmt.Sprintf("%s\n  [%s%s] %s\n\n%s\n\n%s\n", v.Summary, v.Reason, never, strings.Join(field, "."), v.Happened, v.Do)
}

func load(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func quantity(n int64) *resource.Quantity { return resource.NewQuantity(n, resource.DecimalSI) }
