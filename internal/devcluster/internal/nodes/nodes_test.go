package nodes

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/config"
)

func decode(t *testing.T, text string) config.Config {
	t.Helper()
	c, err := config.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaultNodes(t *testing.T) {
	t.Parallel()
	all := Of(config.Default())
	if len(all) != 6 {
		t.Fatalf("%d nodes", len(all))
	}
	for _, n := range all {
		for k, v := range n.Labels {
			if m := validation.IsQualifiedName(k); len(m) > 0 {
				t.Errorf("%s: label %s: %v", n.Name, k, m)
			}
			if m := validation.IsValidLabelValue(v); len(m) > 0 {
				t.Errorf("%s: label %s=%s: %v", n.Name, k, v, m)
			}
		}
		if len(n.Spec.Taints) > 0 {
			t.Errorf("%s is tainted", n.Name)
		}
	}
	h := all[2]
	for k, want := range map[string]string{
		"nvidia.com/gpu.product":       "NVIDIA-H100-80GB-HBM3",
		"nvidia.com/gpu.memory":        "81559",
		"nvidia.com/gpu.family":        "hopper",
		"nvidia.com/gpu.compute.major": "9",
		"nvidia.com/gpu.count":         "8",
		"nvidia.com/mig.capable":       "true",
		"kubernetes.io/hostname":       "h100-0",
	} {
		if got := h.Labels[k]; got != want {
			t.Errorf("%s is %q, want %q", k, got, want)
		}
	}
	if q := h.Status.Allocatable["nvidia.com/gpu"]; q.Value() != 8 {
		t.Errorf("%s GPUs", q.String())
	}
	cpu := all[4]
	if _, ok := cpu.Labels["nvidia.com/gpu.present"]; ok {
		t.Error("a node without GPU has their label")
	}
}

func TestConfiguredNodes(t *testing.T) {
	t.Parallel()
	all := Of(decode(t, `
nodePools:
- name: mig
  count: 3
  gpu: {product: NVIDIA-A100-SXM4-80GB, count: 4, memory: 40Gi, mig: all-3g.20gb}
  cpu: "8"
  labels: {nvidia.com/gpu.machine: p4d.24xlarge}
  zone: europe-west4-b
  topology: [{label: example.com/rack, nodes: 2}]
  resources: {rdma/ib: 2}
- name: amd
  count: 1
  gpu: {product: AMD-Instinct-MI300X, count: 8, resource: amd.com/gpu}
`))
	n, last, amd := all[0], all[2], all[3]
	for k, want := range map[string]string{
		"nvidia.com/gpu.memory":        "40960",
		"nvidia.com/gpu.machine":       "p4d.24xlarge",
		"nvidia.com/mig.strategy":      "mixed",
		"nvidia.com/mig.config":        "all-3g.20gb",
		"nvidia.com/mig-3g.20gb.count": "8",
		corev1.LabelTopologyZone:       "europe-west4-b",
		corev1.LabelTopologyRegion:     "europe-west4",
		"example.com/rack":             "mig-rack-0",
	} {
		if got := n.Labels[k]; got != want {
			t.Errorf("%s is %q, want %q", k, got, want)
		}
	}
	if got := last.Labels["example.com/rack"]; got != "mig-rack-1" {
		t.Errorf("the third node is in rack %q", got)
	}
	for k, want := range map[corev1.ResourceName]int64{"nvidia.com/mig-3g.20gb": 8, "nvidia.com/gpu": 0, "rdma/ib": 2, "cpu": 8} {
		if q := n.Status.Capacity[k]; q.Value() != want {
			t.Errorf("%s of %s, want %d", q.String(), k, want)
		}
	}
	if q := amd.Status.Capacity["amd.com/gpu"]; q.Value() != 8 {
		t.Errorf("%s AMD GPUs", q.String())
	}
	if _, ok := amd.Labels["nvidia.com/gpu.present"]; ok {
		t.Error("an AMD node has NVIDIA labels")
	}
}

func TestRegion(t *testing.T) {
	t.Parallel()
	for zone, want := range map[string]string{"us-east-1a": "us-east-1", "europe-west4-b": "europe-west4", "zone1": "zone1", "abc": "abc"} {
		if got := region(zone); got != want {
			t.Errorf("region of %s is %s, want %s", zone, got, want)
		}
	}
}
