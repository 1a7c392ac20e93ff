package gpunodepool

import (
	"flag"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/nodepool"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/laws"
)

var update = flag.Bool("update", false, "write the golden files")

// write is a request as a golden file shows it.
type write map[string]any

// IsApplyConfiguration lets it stand where objects do.
func (write) IsApplyConfiguration() {}

// TestDesired writes down what a configuration makes of a node that a person has
// labelled and tainted before.
func TestDesired(t *testing.T) {
	t.Parallel()
	testkit.Golden(t, New, func(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
		if m.onDemand() {
			o, ds := m.nodePool(t.Context())
			if ds.HasError() {
				return nil, ds
			}
			return []runtime.ApplyConfiguration{write(o.Object)}, nil
		}
		n := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "gpu-1", UID: "uid", ResourceVersion: "7", Labels: map[string]string{"nvidia.com/mig.config": "all-disabled", "nvidia.com/mig.config.state": "success", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "node-type": "old"}},
			Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: "by-hand", Effect: corev1.TaintEffectNoExecute}}},
		}
		c, err := m.wanted().Enter(n, nodepool.Mark{Claim: "CLAIM"})
		if err != nil {
			t.Error(err)
		}
		labels := map[string]any{}
		for k, v := range c.Labels {
			labels[k] = v
		}
		if d := m.machines(); d != nil && m.apart() {
			return []runtime.ApplyConfiguration{write{"of": d.ref(kube.Kind{Kind: kindMachines}).String(), "apply": map[string]any{"spec": map[string]any{"replicas": d.replicas}}, "fieldManager": nodepool.Manager(m.Name.ValueString())}}, nil
		}
		l := m.layout()
		files := map[string]any{}
		for k, v := range l.files {
			files[k] = v
		}
		return []runtime.ApplyConfiguration{
			write{"files": files, "in": l.ref.String()},
			write{"mergePatch": c.Patch},
			write{"apply": map[string]any{"metadata": map[string]any{"labels": labels}}, "fieldManager": nodepool.Manager(m.Name.ValueString())},
		}, nil
	}, *update)
}

// TestEveryAttributeHasAGolden: the configurations together set every attribute.
func TestEveryAttributeHasAGolden(t *testing.T) {
	t.Parallel()
	s := laws.Read(t, "../../..", New)
	delete(s.Configs, "common") // of attributes that resources with one object have
	var resp resource.SchemaResponse
	New().Schema(t.Context(), resource.SchemaRequest{}, &resp)
	for name, a := range resp.Schema.Attributes {
		set := a.IsComputed()
		for _, c := range s.Configs {
			set = set || sets(t, name, a, c[name])
		}
		if !set {
			t.Errorf("no configuration sets %s", name)
		}
	}
}

// sets reports whether a configuration sets an attribute with all that is in it.
func sets(t *testing.T, at string, a schema.Attribute, v any) bool {
	t.Helper()
	var inner map[string]schema.Attribute
	var objects []any
	switch n := a.(type) {
	case schema.SingleNestedAttribute:
		inner, objects = n.Attributes, []any{v}
	case schema.ListNestedAttribute:
		inner = n.NestedObject.Attributes
		objects, _ = v.([]any)
	}
	if v == nil {
		return false
	}
	for name, b := range inner {
		set := false
		for _, o := range objects {
			m, _ := o.(map[string]any)
			set = set || sets(t, at+"."+name, b, m[name])
		}
		if !set {
			return false
		}
	}
	return true
}
