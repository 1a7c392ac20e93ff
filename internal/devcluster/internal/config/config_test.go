package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const full = `
nodePools:
- name: a100
  count: 3
  gpu: {product: NVIDIA-A100-SXM4-80GB, count: 8, memory: 80Gi, mig: all-3g.40gb}
  cpu: "96"
  memory: 1Ti
  labels: {team: vision}
  taints: [{key: nvidia.com/gpu, value: present, effect: NoSchedule}]
  zone: us-east-1a
  topology: [{label: cloud.provider.com/topology-rack, nodes: 2}]
  resources: {rdma/ib: 8}
featureGates: {GenericWorkload: true}
runtimeConfig: {scheduling.k8s.io/v1beta1: true}
provisioners: [ebs.csi.aws.com]
engines: [kueue, jobset]
crds: [trainer]
`

func TestDecode(t *testing.T) {
	t.Parallel()
	c, err := Decode([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	p := c.NodePools[0]
	if c.Nodes() != 3 || p.GPU.MIG != "all-3g.40gb" || p.Memory != "1Ti" || p.Resources["rdma/ib"] != "8" || p.Taints[0].Value != "present" {
		t.Errorf("got %+v", c)
	}
	if !c.FeatureGates["GenericWorkload"] || c.Provisioners[0] != "ebs.csi.aws.com" {
		t.Errorf("got %+v", c)
	}
}

func TestDecodeWithoutPools(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{}", "featureGates: {A: true}"} {
		c, err := Decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Default().NodePools, c.NodePools); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

// An encoded configuration is what the supervisor reads, and must be the same.
func TestEncodedIsTheSame(t *testing.T) {
	t.Parallel()
	read, err := Decode([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Config{read, Default()} {
		raw, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(raw)
		if err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
		one, err1 := c.Digest()
		two, err2 := again.Digest()
		if one != two || err1 != nil || err2 != nil {
			t.Errorf("digests %s and %s (%v, %v) of\n%s", one, two, err1, err2, raw)
		}
	}
}

func TestDecodeNamesTheField(t *testing.T) {
	t.Parallel()
	pool := func(rest string) string { return "nodePools:\n- {name: a, count: 1, " + rest + "}" }
	for _, c := range []struct{ text, want string }{
		{pool("gpus: {}"), `nodePools[0].gpus`},
		{pool("gpu: {product: A, cuont: 1}"), `nodePools[0].gpu.cuont`},
		{pool("gpu: {product: A}"), `nodePools[0].gpu.count`},
		{pool("gpu: {count: 1}"), `nodePools[0].gpu.product`},
		{pool(`gpu: {count: 1, product: "A 100"}`), `nodePools[0].gpu.product`},
		{pool("gpu: {count: 1, product: A, mig: half}"), `nodePools[0].gpu.mig`},
		{pool("gpu: {count: 1, resource: amd.com/gpu, mig: all-1g.10gb}"), `nodePools[0].gpu.mig`},
		{pool("labels: {'a b': c}"), `nodePools[0].labels["a b"]`},
		{pool("zone: 'a b'"), `nodePools[0].zone`},
		{pool("taints: [{key: a, effect: Never}]"), `nodePools[0].taints[0].effect`},
		{pool("topology: [{label: a, nodes: 0}]"), `nodePools[0].topology[0].nodes`},
		{pool("resources: {ib: 8}"), `nodePools[0].resources["ib"]`},
		{pool("memory: lots"), `nodePools[0].memory`},
		{pool("cpu: -1"), `nodePools[0].cpu`},
		{pool("gpu: {product: A, count: 1, memory: 1ZB}"), `nodePools[0].gpu.memory`},
		{"nodePools: [{name: A, count: 1}]", `nodePools[0].name`},
		{"nodePools: [{name: a, count: -1}]", `nodePools[0].count`},
		{"nodePools: [{name: a, count: many}]", `count`},
		{"nodePools: [{name: a, count: 1}, {name: a, count: 1}]", `nodePools[1].name`},
		{"nodePools: [{name: a, count: 100000}]", `nodePools`},
		{"featureGates: {A: 'yes'}", `featureGates`},
		{"provisioners: ['not one']", `provisioners[0]`},
		{"engines: [kueue, slurm]", `engines[1]: "slurm" is none of jobset, kubeflow, kueue, volcano, karpenter, lws, kserve`},
		{"engines: [kubeflow]", "kubeflow needs jobset"},
		{"crds: ['../x']", `crds[0]`},
		{"a: 1\na: 2", `a`},
	} {
		_, err := Decode([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v does not name %s", c.text, err, c.want)
		}
	}
}
