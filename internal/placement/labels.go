package placement

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// requirement is one thing that the pod demands of a node's labels.
type requirement struct {
	key, text string
	selector  labels.Selector
	field     []string
}

// requirements lists the demands of node selector and required affinity.
// Several terms of an affinity are alternatives; alternatives is then true.
func requirements(p *corev1.Pod) (rs []requirement, alternatives bool) {
	keys := make([]string, 0, len(p.Spec.NodeSelector))
	for k := range p.Spec.NodeSelector {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		v := p.Spec.NodeSelector[k]
		rs = append(rs, requirement{k, k + "=" + v, labels.SelectorFromSet(labels.Set{k: v}), []string{"spec", "nodeSelector", k}})
	}
	a := p.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return rs, false
	}
	terms := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	for _, term := range terms {
		for _, e := range term.MatchExpressions {
			op, text := selection.Operator(""), ""
			switch e.Operator {
			case corev1.NodeSelectorOpIn:
				op, text = selection.In, e.Key+" in ("+strings.Join(e.Values, ", ")+")"
			case corev1.NodeSelectorOpNotIn:
				op, text = selection.NotIn, e.Key+" not in ("+strings.Join(e.Values, ", ")+")"
			case corev1.NodeSelectorOpExists:
				op, text = selection.Exists, "label "+e.Key
			case corev1.NodeSelectorOpDoesNotExist:
				op, text = selection.DoesNotExist, "no label "+e.Key
			case corev1.NodeSelectorOpGt:
				op, text = selection.GreaterThan, e.Key+" > "+strings.Join(e.Values, "")
			case corev1.NodeSelectorOpLt:
				op, text = selection.LessThan, e.Key+" < "+strings.Join(e.Values, "")
			default:
				continue
			}
			r, err := labels.NewRequirement(e.Key, op, e.Values)
			if err != nil {
				continue
			}
			rs = append(rs, requirement{e.Key, text, labels.NewSelector().Add(*r), AffinityField()})
		}
	}
	return rs, len(terms) > 1
}

// ExplainLabels says which demand on labels no node meets, and what there is.
func (v *View) ExplainLabels(f *Finding) {
	f.Reason, f.Summary = "NodeLabels", "no node has the labels that a pod asks for"
	rs, alternatives := requirements(v.Pod)
	if len(rs) > 0 {
		f.PodField = rs[0].field
	}
	f.Do = "Correct node selector or affinity, or label the nodes. See what they have: kubectl get nodes --show-labels"
	if len(v.Places) == 0 || len(rs) == 0 {
		return
	}
	places := v.relevant()
	f.Happened = Sentences(f.Happened, v.devices(places))
	for _, r := range rs {
		if slices.ContainsFunc(places, func(p Place) bool { return r.selector.Matches(labels.Set(p.Node.Labels)) }) {
			continue
		}
		f.PodField = r.field
		seen := valuesOf(places, r.key)
		switch {
		case alternatives:
			f.Happened += " None of them meets " + r.text + "."
		case seen == "":
			f.Happened += fmt.Sprintf(" It wants %s, but no such node has label %s.", r.text, r.key)
		default:
			f.Happened += fmt.Sprintf(" It wants %s; the nodes have %s.", r.text, seen)
		}
		if !alternatives {
			f.Do = "Ask for a value that nodes have, or add or label nodes."
			if strings.HasPrefix(r.key, "nvidia.com/gpu.product") {
				f.Do = "Put a product that nodes have into gpu.products, or add nodes with what it names."
			}
			return
		}
	}
	if !alternatives && len(rs) > 1 {
		var all []string
		for _, r := range rs {
			all = append(all, r.text)
		}
		f.Happened += fmt.Sprintf(" Each of its demands is met by some node, but no node meets all of them: %s.", List(all, 4))
	}
}

// because says which demand on labels leaves the named nodes out.
func (v *View) because(nodes []string) string {
	rs, alternatives := requirements(v.Pod)
	if alternatives {
		return ""
	}
	for _, r := range rs {
		var out []Place
		for _, p := range v.Places {
			if slices.Contains(nodes, p.Node.Name) && !r.selector.Matches(labels.Set(p.Node.Labels)) {
				out = append(out, p)
			}
		}
		if len(out) == len(nodes) {
			if seen := valuesOf(out, r.key); seen != "" {
				return fmt.Sprintf(" (it wants %s, they have %s)", r.text, seen)
			}
			return fmt.Sprintf(" (it wants %s)", r.text)
		}
	}
	return ""
}

// valuesOf lists the values that nodes have for a label, the frequent first.
func valuesOf(places []Place, key string) string {
	counts := map[string]int{}
	for _, p := range places {
		if v, ok := p.Node.Labels[key]; ok {
			counts[v]++
		}
	}
	values := make([]string, 0, len(counts))
	for v := range counts {
		values = append(values, v)
	}
	slices.SortFunc(values, func(a, b string) int {
		if c := counts[b] - counts[a]; c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	for i, v := range values {
		if v == "" {
			values[i] = `""`
		}
	}
	return List(values, 5)
}

// AffinityField is the field of the demands on nodes that an affinity makes.
func AffinityField() []string {
	return []string{"spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"}
}
