// Package config reads what a cluster shall be: its nodes, feature gates, API versions
// and simulated volume drivers.
package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// Config is the configuration file of a cluster.
type Config struct {
	// NodePools are the nodes. Empty means two nodes of eight A100, two of eight H100
	// and two without GPUs.
	NodePools []Pool `json:"nodePools,omitempty"`
	// FeatureGates go to the API server, the controller manager and the scheduler.
	FeatureGates map[string]bool `json:"featureGates,omitempty"`
	// RuntimeConfig switches API versions, for example scheduling.k8s.io/v1beta1.
	RuntimeConfig map[string]bool `json:"runtimeConfig,omitempty"`
	// Provisioners are volume drivers to stand in for besides mlk.dev/local.
	Provisioners []string `json:"provisioners,omitempty"`
	// Engines are controllers that run beside the control plane: see EngineNames.
	Engines []string `json:"engines,omitempty"`
	// CRDs are engines whose kinds are there while they themselves are not.
	CRDs []string `json:"crds,omitempty"`
}

// EngineNames are the engines a cluster can have, in the order in which they start:
// Kubeflow Trainer looks at its start for JobSet, Kueue for the kinds it shall queue.
var EngineNames = []string{"jobset", "kubeflow", "kueue", "volcano", "karpenter", "lws", "kserve"}

// Pool is a number of equal nodes, named <pool>-0, <pool>-1 and so on.
type Pool struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
	// GPU is nil for nodes without accelerators.
	GPU *GPU `json:"gpu,omitempty"`
	// CPU and Memory are the node's capacity; there is plenty unless they say less.
	CPU    Quantity `json:"cpu,omitempty"`
	Memory Quantity `json:"memory,omitempty"`
	// Labels and Annotations come on top of those devcluster writes, and win.
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Taints      []corev1.Taint    `json:"taints,omitempty"`
	// Zone becomes topology.kubernetes.io/zone, and its region part …/region.
	Zone string `json:"zone,omitempty"`
	// Topology groups the pool's nodes, outermost level first.
	Topology []Level `json:"topology,omitempty"`
	// Resources are further extended resources, for example rdma/ib: 8.
	Resources map[string]Quantity `json:"resources,omitempty"`
}

// GPU describes the accelerators of a node.
type GPU struct {
	// Product is the value of nvidia.com/gpu.product; known ones bring their memory,
	// family and compute capability.
	Product string `json:"product"`
	Count   int    `json:"count"`
	// Memory is per GPU, a quantity ("80Gi") or a number of MiB.
	Memory Quantity `json:"memory,omitempty"`
	// MIG is a mig-parted layout such as all-3g.40gb.
	MIG string `json:"mig,omitempty"`
	// Resource is the extended resource, nvidia.com/gpu unless said otherwise. Another
	// vendor's nodes get no NVIDIA labels.
	Resource string `json:"resource,omitempty"`
}

// Level is one level of a topology: runs of so many nodes share a label's value.
type Level struct {
	Label string `json:"label"`
	Nodes int    `json:"nodes"`
}

// NVIDIA is the resource that GPUs have unless a pool says otherwise.
const NVIDIA = "nvidia.com/gpu"

// maxNodes is beyond what two cores can play; a larger number is a slip of the finger.
const maxNodes = 10000

// mig is the form of a layout that mig-parted knows.
var mig = regexp.MustCompile(`^all-(disabled|[12347]g\.[0-9]+gb)$`)

// Default is the cluster without a configuration file.
func Default() Config {
	return Config{NodePools: []Pool{
		{Name: "a100", Count: 2, GPU: &GPU{Product: "NVIDIA-A100-SXM4-80GB", Count: 8}},
		{Name: "h100", Count: 2, GPU: &GPU{Product: "NVIDIA-H100-80GB-HBM3", Count: 8}},
		{Name: "cpu", Count: 2},
	}}
}

// Load reads a configuration file; no path means the default.
func Load(path string) (Config, error) {
	if path == "" {
		return Default(), nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	c, err := Decode(raw)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Decode reads YAML. Unknown and repeated fields are errors that name the field.
func Decode(raw []byte) (Config, error) {
	asJSON, err := yaml.YAMLToJSONStrict(raw)
	if err != nil {
		return Config{}, err
	}
	var c Config
	strict, err := kjson.UnmarshalStrict(asJSON, &c)
	if err != nil {
		return Config{}, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if len(strict) > 0 {
		return Config{}, errors.Join(strict...)
	}
	if len(c.NodePools) == 0 {
		c.NodePools = Default().NodePools
	}
	return c, c.validate()
}

// WithEngines returns the configuration with these engines too.
func (c Config) WithEngines(names []string) (Config, error) {
	for _, name := range names {
		if !slices.Contains(c.Engines, name) {
			c.Engines = append(slices.Clone(c.Engines), name)
		}
	}
	return c, c.validate()
}

// Encode writes the configuration as YAML.
func (c Config) Encode() ([]byte, error) { return yaml.Marshal(c) }

// Digest is equal for equal configurations.
func (c Config) Digest() (string, error) {
	raw, err := c.Encode()
	if err != nil {
		return "", fmt.Errorf("encode the configuration: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8]), nil
}

// Nodes is the number of nodes in all pools.
func (c Config) Nodes() int {
	n := 0
	for _, p := range c.NodePools {
		n += p.Count
	}
	return n
}

func (c Config) validate() error {
	var errs []error
	seen := map[string]bool{}
	for i, p := range c.NodePools {
		field := fmt.Sprintf("nodePools[%d]", i)
		if seen[p.Name] {
			errs = append(errs, fmt.Errorf("%s.name: %q is used twice", field, p.Name))
		}
		seen[p.Name] = true
		errs = append(errs, p.validate(field)...)
	}
	if n := c.Nodes(); n > maxNodes {
		errs = append(errs, fmt.Errorf("nodePools: %d nodes are more than %d", n, maxNodes))
	}
	for i, p := range c.Provisioners {
		for _, m := range validation.IsQualifiedName(strings.ToLower(p)) {
			errs = append(errs, fmt.Errorf("provisioners[%d]: %q: %s", i, p, m))
		}
	}
	for i, e := range c.Engines {
		if !slices.Contains(EngineNames, e) {
			errs = append(errs, fmt.Errorf("engines[%d]: %q is none of %s", i, e, strings.Join(EngineNames, ", ")))
		}
	}
	if slices.Contains(c.Engines, "kubeflow") && !slices.Contains(c.Engines, "jobset") {
		errs = append(errs, errors.New("engines: kubeflow needs jobset, of which its runs are made"))
	}
	for i, name := range c.CRDs {
		for _, m := range validation.IsDNS1123Label(name) {
			errs = append(errs, fmt.Errorf("crds[%d]: %q: %s", i, name, m))
		}
	}
	return errors.Join(errs...)
}

func (p Pool) validate(field string) (errs []error) {
	report := func(at, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s.%s: %w", field, at, fmt.Errorf(format, args...)))
	}
	for _, m := range validation.IsDNS1123Label(p.Name) {
		report("name", "%q: %s", p.Name, m)
	}
	if p.Count < 0 {
		report("count", "%d is negative", p.Count)
	}
	for _, k := range slices.Sorted(maps.Keys(p.Labels)) {
		for _, m := range slices.Concat(validation.IsQualifiedName(k), validation.IsValidLabelValue(p.Labels[k])) {
			report(fmt.Sprintf("labels[%q]", k), "%s", m)
		}
	}
	for _, m := range validation.IsValidLabelValue(p.Zone) {
		report("zone", "%q: %s", p.Zone, m)
	}
	for i, t := range p.Taints {
		effects := []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute}
		if !slices.Contains(effects, t.Effect) {
			report(fmt.Sprintf("taints[%d].effect", i), "%q is none of %v", t.Effect, effects)
		}
		for _, m := range validation.IsQualifiedName(t.Key) {
			report(fmt.Sprintf("taints[%d].key", i), "%q: %s", t.Key, m)
		}
	}
	for i, l := range p.Topology {
		for _, m := range validation.IsQualifiedName(l.Label) {
			report(fmt.Sprintf("topology[%d].label", i), "%q: %s", l.Label, m)
		}
		if l.Nodes < 1 {
			report(fmt.Sprintf("topology[%d].nodes", i), "%d: at least one node shares a value", l.Nodes)
		}
	}
	for at, q := range map[string]Quantity{"cpu": p.CPU, "memory": p.Memory} {
		if err := q.check(); err != nil {
			report(at, "%w", err)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(p.Resources)) {
		if err := p.Resources[k].check(); err != nil {
			report(fmt.Sprintf("resources[%q]", k), "%w", err)
		}
		if !strings.Contains(k, "/") {
			report(fmt.Sprintf("resources[%q]", k), "an extended resource has a domain, as rdma/ib has")
		}
	}
	if p.GPU != nil {
		errs = append(errs, p.GPU.validate(field+".gpu")...)
	}
	return errs
}

func (g GPU) validate(field string) (errs []error) {
	report := func(at, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s.%s: %w", field, at, fmt.Errorf(format, args...)))
	}
	if g.Count < 1 {
		report("count", "%d: a GPU node has at least one; leave gpu out for nodes without", g.Count)
	}
	if g.Product == "" && (g.Resource == "" || g.Resource == NVIDIA) {
		report("product", "missing, for example NVIDIA-A100-SXM4-80GB")
	}
	for _, m := range validation.IsValidLabelValue(g.Product) {
		report("product", "%q: %s (GPU Feature Discovery writes dashes for spaces)", g.Product, m)
	}
	if err := g.Memory.check(); err != nil {
		report("memory", "%w", err)
	}
	if g.MIG != "" && !mig.MatchString(g.MIG) {
		report("mig", "%q is not like all-3g.40gb or all-disabled", g.MIG)
	}
	if g.MIG != "" && g.Resource != "" && g.Resource != NVIDIA {
		report("mig", "only %s has it", NVIDIA)
	}
	return errs
}
