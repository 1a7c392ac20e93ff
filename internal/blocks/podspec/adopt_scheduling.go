package podspec

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
)

// scheduling returns what the pod says about nodes, gpu's part included.
func (a *adopter) scheduling() *Scheduling {
	spec := a.spec
	s := &Scheduling{
		NodeName:      word(spec.NodeName),
		PriorityClass: word(spec.PriorityClassName),
		SchedulerName: schedulerName(spec.SchedulerName),
		RuntimeClass:  pointed(spec.RuntimeClassName),
	}
	s.NodePool, s.NodeSelector = a.selector()
	s.Tolerations = AdoptTolerations(spec.Tolerations)
	for _, t := range spec.TopologySpreadConstraints {
		s.TopologySpread = append(s.TopologySpread, Spread{
			MaxSkew: types.Int32Value(t.MaxSkew), TopologyKey: word(t.TopologyKey), WhenUnsatisfiable: word(t.WhenUnsatisfiable),
			LabelSelector: adoptSelector(t.LabelSelector), MinDomains: types.Int32PointerValue(t.MinDomains),
			NodeAffinityPolicy: pointed(t.NodeAffinityPolicy), NodeTaintsPolicy: pointed(t.NodeTaintsPolicy), MatchLabelKeys: words(t.MatchLabelKeys),
		})
	}
	if f := spec.Affinity; f != nil {
		s.NodeAffinity = adoptNodeAffinity(f.NodeAffinity)
		if p := f.PodAffinity; p != nil {
			s.PodAffinity = adoptPodAffinity(p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
		}
		if p := f.PodAntiAffinity; p != nil {
			s.PodAntiAffinity = adoptPodAffinity(p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
		}
	}
	return s.orNil()
}

// orNil is nil when nothing is said.
func (s *Scheduling) orNil() *Scheduling {
	said := len(s.NodeSelector)+len(s.Tolerations)+len(s.TopologySpread) > 0 || s.NodeAffinity != nil || s.PodAffinity != nil || s.PodAntiAffinity != nil
	for _, v := range []types.String{s.NodePool, s.NodeName, s.PriorityClass, s.SchedulerName, s.RuntimeClass} {
		said = said || !v.IsNull()
	}
	if !said {
		return nil
	}
	return s
}

// selector tells the pool, of which there can be one, from other labels.
func (a *adopter) selector() (pool types.String, selector map[string]types.String) {
	selector = values.Map(a.spec.NodeSelector)
	if a.like != nil && (a.like.Scheduling == nil || a.like.Scheduling.NodePool.IsNull()) {
		return types.StringNull(), selector
	}
	var keys []string
	for k, v := range a.spec.NodeSelector {
		if strings.HasPrefix(k, poolLabel) && v == poolValue {
			keys = append(keys, k)
		}
	}
	if len(keys) != 1 {
		return types.StringNull(), selector
	}
	delete(selector, keys[0])
	if len(selector) == 0 {
		selector = nil
	}
	return types.StringValue(strings.TrimPrefix(keys[0], poolLabel)), selector
}

func adoptNodeAffinity(a *corev1.NodeAffinity) *NodeAffinity {
	if a == nil {
		return nil
	}
	out := &NodeAffinity{}
	if r := a.RequiredDuringSchedulingIgnoredDuringExecution; r != nil {
		out.Required = adoptTerms(r.NodeSelectorTerms)
	}
	for _, p := range a.PreferredDuringSchedulingIgnoredDuringExecution {
		out.Preferred = append(out.Preferred, PreferredNode{Weight: types.Int32Value(p.Weight), NodeTerm: adoptTerm(p.Preference)})
	}
	return out
}

func adoptTerms(in []corev1.NodeSelectorTerm) []NodeTerm {
	var out []NodeTerm
	for _, t := range in {
		out = append(out, adoptTerm(t))
	}
	return out
}

func adoptTerm(t corev1.NodeSelectorTerm) NodeTerm {
	convert := func(in []corev1.NodeSelectorRequirement) []Expression {
		var out []Expression
		for _, r := range in {
			out = append(out, Expression{Key: types.StringValue(r.Key), Operator: word(r.Operator), Values: words(r.Values)})
		}
		return out
	}
	return NodeTerm{Expressions: convert(t.MatchExpressions), Fields: convert(t.MatchFields)}
}

func adoptPodAffinity(required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) *PodAffinity {
	out := &PodAffinity{}
	for i := range required {
		out.Required = append(out.Required, adoptPodTerm(&required[i]))
	}
	for i := range preferred {
		out.Preferred = append(out.Preferred, PreferredPod{Weight: types.Int32Value(preferred[i].Weight), PodTerm: adoptPodTerm(&preferred[i].PodAffinityTerm)})
	}
	return out
}

func adoptPodTerm(t *corev1.PodAffinityTerm) PodTerm {
	return PodTerm{
		TopologyKey: word(t.TopologyKey), LabelSelector: adoptSelector(t.LabelSelector), Namespaces: words(t.Namespaces),
		NamespaceSelector: adoptSelector(t.NamespaceSelector), MatchLabelKeys: words(t.MatchLabelKeys), MismatchLabelKeys: words(t.MismatchLabelKeys),
	}
}

func adoptSelector(s *metav1.LabelSelector) *LabelSelector {
	if s == nil {
		return nil
	}
	out := &LabelSelector{MatchLabels: values.Map(s.MatchLabels)}
	for _, e := range s.MatchExpressions {
		out.Expressions = append(out.Expressions, Expression{Key: types.StringValue(e.Key), Operator: word(e.Operator), Values: words(e.Values)})
	}
	return out
}

// gpu moves what gpu would generate from resources and scheduling to gpu.
func (a *adopter) gpu(m *Model, main *corev1.Container) {
	name := a.accelerator(main)
	if name == "" {
		return
	}
	limit := main.Resources.Limits[corev1.ResourceName(name)]
	g := &GPU{Count: types.Int64Value(limit.Value()), MinMemory: quantity.Null()}
	g.Resource, g.MIGProfile, g.Shared = a.spelled(name)
	m.GPU = g
	delete(m.Resources.Limits, name)
	delete(m.Resources.Requests, name)
	if len(m.Resources.Limits) == 0 {
		m.Resources.Limits = nil
	}
	if len(m.Resources.Requests) == 0 {
		m.Resources.Requests = nil
	}
	m.Resources = m.Resources.orNil()
	a.tolerated(m)
	a.chosen(m)
	if m.Scheduling != nil {
		m.Scheduling = m.Scheduling.orNil()
	}
}

// accelerator is the resource of the main container that gpu.count can say; ""
// when there is none: a whole number, and what is requested is the limit.
func (a *adopter) accelerator(c *corev1.Container) string {
	var candidates []string
	if a.like != nil {
		if !a.like.GPU.wanted() {
			return ""
		}
		candidates = append(candidates, a.like.GPU.resource())
	}
	var found []string
	for name := range c.Resources.Limits {
		if isAccelerator(string(name)) {
			found = append(found, string(name))
		}
	}
	slices.Sort(found)
	for _, name := range append(candidates, found...) {
		limit, ok := c.Resources.Limits[corev1.ResourceName(name)]
		if !ok || limit.Sign() <= 0 || limit.MilliValue()%1000 != 0 {
			continue
		}
		if request, ok := c.Resources.Requests[corev1.ResourceName(name)]; ok && request.Cmp(limit) != 0 {
			continue
		}
		return name
	}
	return ""
}

// isAccelerator reports whether a resource is a device that computes: those of
// the known vendors save what they sell beside it, such as network cards.
func isAccelerator(name string) bool {
	switch name {
	case nvidiaGPU, nvidiaGPU + sharedSuffix, "gpu.intel.com/i915", "gpu.intel.com/xe", "habana.ai/gaudi", "google.com/tpu",
		"aws.amazon.com/neuron", "aws.amazon.com/neuroncore", "aws.amazon.com/neurondevice":
		return true
	}
	return strings.HasPrefix(name, nvidiaMIG) || strings.HasPrefix(name, "amd.com/")
}

// spelled says which attributes make the resource name: those of like, else
// the shortest.
func (a *adopter) spelled(name string) (resource, profile types.String, shared types.Bool) {
	if a.like != nil && a.like.GPU != nil && a.like.GPU.resource() == name {
		return a.like.GPU.Resource, a.like.GPU.MIGProfile, a.like.GPU.Shared
	}
	base, isShared := strings.CutSuffix(name, sharedSuffix)
	if isShared {
		shared = types.BoolValue(true)
	}
	if base == nvidiaGPU {
		return resource, profile, shared
	}
	if p, ok := strings.CutPrefix(base, nvidiaMIG); ok && migPattern.MatchString(p) {
		return resource, types.StringValue(p), shared
	}
	return types.StringValue(name), profile, types.BoolNull()
}

// tolerated tells gpu's toleration from the user's own: it is the last, and
// there is no other like it, since Apply adds none where one is.
func (a *adopter) tolerated(m *Model) {
	want := m.GPU.toleration()
	var all []Toleration
	if m.Scheduling != nil {
		all = m.Scheduling.Tolerations
	}
	isIt := func(t Toleration) bool { return t.is(want) }
	if a.like != nil && a.like.Scheduling != nil && slices.ContainsFunc(a.like.Scheduling.Tolerations, isIt) && slices.ContainsFunc(all, isIt) {
		m.GPU.TolerateTaint = a.like.GPU.TolerateTaint
		return
	}
	if slices.IndexFunc(all, isIt) != len(all)-1 || len(all) == 0 {
		m.GPU.TolerateTaint = types.BoolValue(false)
		return
	}
	if a.like != nil && a.like.GPU.TolerateTaint.ValueBool() {
		m.GPU.TolerateTaint = a.like.GPU.TolerateTaint
	}
	m.Scheduling.Tolerations = all[:len(all)-1]
	if len(m.Scheduling.Tolerations) == 0 {
		m.Scheduling.Tolerations = nil
	}
}

// chosen tells what gpu requires of nodes from the user's own node affinity. It
// reads the last expressions of each term, and keeps what it read only if
// applying it gives back the same terms.
func (a *adopter) chosen(m *Model) {
	if m.Scheduling == nil || m.Scheduling.NodeAffinity == nil || a.spec.Affinity == nil || a.spec.Affinity.NodeAffinity == nil {
		return
	}
	if a.like != nil && len(a.like.GPU.Products) == 0 && a.like.GPU.MinMemory.IsNull() && a.like.GPU.MinComputeCapability.IsNull() {
		return
	}
	required := a.spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	if required == nil || len(required.NodeSelectorTerms) == 0 {
		return
	}
	terms := required.NodeSelectorTerms
	g := *m.GPU
	own, step := g.read(terms)
	if own == nil {
		return
	}
	affinity := &NodeAffinity{Preferred: m.Scheduling.NodeAffinity.Preferred}
	for i := 0; i < len(own); i += step {
		affinity.Required = append(affinity.Required, adoptTerm(own[i]))
	}
	if len(affinity.Required) == 1 && len(affinity.Required[0].Expressions)+len(affinity.Required[0].Fields) == 0 {
		affinity.Required = nil
	}
	alternatives, ds := g.requirements()
	if ds.HasError() || !equality.Semantic.DeepEqual(affinity.requiredTerms(alternatives), terms) {
		return
	}
	*m.GPU = g
	m.Scheduling.NodeAffinity = affinity
	if affinity.Required == nil && affinity.Preferred == nil {
		m.Scheduling.NodeAffinity = nil
	}
}

// read takes what gpu would generate off the end of each term, and fills gpu
// from the first of them. It returns the terms without it, and how many of
// them stem from one of the user's; nil when there is nothing of the kind.
func (g *GPU) read(terms []corev1.NodeSelectorTerm) (own []corev1.NodeSelectorTerm, step int) {
	v := vendorOf(g.resource())
	step = 1
	found := false
	for i, t := range terms {
		rest := t.MatchExpressions
		take := func(key string, operator corev1.NodeSelectorOperator) ([]string, bool) {
			if len(rest) == 0 || key == "" || rest[len(rest)-1].Key != key || rest[len(rest)-1].Operator != operator {
				return nil, false
			}
			values := rest[len(rest)-1].Values
			rest = rest[:len(rest)-1]
			return values, len(values) > 0
		}
		number := func(values []string) int64 {
			n, err := strconv.ParseInt(values[0], 10, 64)
			if err != nil {
				return 0 // comparing what comes of it will fail
			}
			return n
		}
		first := i == 0
		if minor, ok := take(labelComputeMinor, corev1.NodeSelectorOpGt); ok {
			if major, ok := take(labelComputeMajor, corev1.NodeSelectorOpIn); ok && i == 1 {
				step = 2
				g.MinComputeCapability = types.StringValue(major[0] + "." + strconv.FormatInt(number(minor)+1, 10))
			}
		} else if major, ok := take(labelComputeMajor, corev1.NodeSelectorOpGt); ok {
			found = true
			if first {
				g.MinComputeCapability = types.StringValue(strconv.FormatInt(number(major)+1, 10) + ".0")
			}
		}
		if memory, ok := take(labelMemory, corev1.NodeSelectorOpGt); ok {
			found = true
			if first {
				g.MinMemory = amountOf(resource.NewQuantity((number(memory)+1)*mebi, resource.BinarySI))
			}
		}
		if products, ok := take(v.product, corev1.NodeSelectorOpIn); ok {
			found = true
			if first {
				g.Products = words(products)
			}
		}
		own = append(own, corev1.NodeSelectorTerm{MatchExpressions: rest, MatchFields: t.MatchFields})
	}
	if !found || len(own)%step != 0 {
		return nil, 0
	}
	return own, step
}
