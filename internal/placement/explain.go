package placement

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	podresource "k8s.io/component-helpers/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
)

// shownNodes bounds how many nodes a sentence names.
const shownNodes = 3

// Blamed picks the resource that keeps the pod from running: a device if there
// is one, because ordinary nodes lack it and hide the true cause; one that no
// node has enough of before one that is only in use.
func (v *View) Blamed(short []corev1.ResourceName) (corev1.ResourceName, bool) {
	candidates := slices.Clone(short)
	for _, r := range Keys(v.Asks) {
		q := v.Asks[r]
		if IsExtended(r) && q.Sign() > 0 && !slices.Contains(candidates, r) {
			candidates = append(candidates, r)
		}
	}
	if len(candidates) == 0 {
		return "", false
	}
	weight := func(r corev1.ResourceName) int {
		w := 0
		if len(v.With(r, v.Asks[r])) == 0 {
			w -= 4
		}
		if gpu.Is(r) {
			w -= 2
		} else if IsExtended(r) {
			w--
		}
		if slices.Contains(short, r) {
			w -= 2
		}
		return w
	}
	return slices.MinFunc(candidates, func(a, b corev1.ResourceName) int { return cmp.Compare(weight(a), weight(b)) }), true
}

// ExplainResource says who has how much of a resource. It returns what stands
// in the way instead ("taint", "selector", "cordon") when nodes that have
// enough are closed to the pod, and "" when the finding is complete.
func (v *View) ExplainResource(f *Finding, r corev1.ResourceName) string {
	asked := v.Asks[r]
	big := v.With(r, asked)
	open := slices.DeleteFunc(slices.Clone(big), func(p Place) bool { return !p.Open() })
	if ill := v.ill(r, asked); len(open) == 0 && len(ill) > 0 && (len(big) > 0 || len(v.With(r, resource.Quantity{})) == 0) {
		v.unwell(f, r, asked, ill)
		return ""
	}
	if len(big) > 0 && len(open) == 0 {
		switch {
		case slices.ContainsFunc(big, func(p Place) bool { return p.Matches && len(p.Taints) > 0 && !p.Cordoned }):
			return "taint"
		case slices.ContainsFunc(big, func(p Place) bool { return p.Matches && len(p.Taints) == 0 }):
			return "cordon"
		default:
			return "selector"
		}
	}
	f.PodField = RequestField(&v.Pod.Spec, r)
	f.Happened = fmt.Sprintf("%s cannot be scheduled. It asks for %s.", f.Subject, InFull(r, asked))
	if r == corev1.ResourcePods {
		f.Reason, f.Summary, f.PodField = "TooManyPods", "no node takes more pods", nil
		f.Happened = fmt.Sprintf("%s cannot be scheduled: the nodes it may use already run as many pods as they take.", f.Subject)
		f.Do = "Wait for other pods to end, or add nodes."
		return ""
	}
	if len(big) == 0 {
		v.tooLarge(f, r, asked)
		return ""
	}
	v.inUse(f, r, asked, open)
	return ""
}

// tooLarge explains a request that no node could ever meet.
func (v *View) tooLarge(f *Finding, r corev1.ResourceName, asked resource.Quantity) {
	holders := v.With(r, resource.Quantity{})
	what := Unit(r)
	f.Reason = TooLarge
	if len(holders) == 0 {
		f.Reason = Nobody
		f.Summary = "no node offers " + string(r)
		f.Happened += fmt.Sprintf(" None of the %s offers any.", Plural(len(v.Places), "node"))
		f.Do = fmt.Sprintf("Add nodes with %s. If there are such nodes, see whether the device plugin runs on them, or ask for another resource name.", what)
		if !IsExtended(r) {
			f.Do = "Add nodes, or ask for less."
		}
		return
	}
	largest := slices.MaxFunc(holders, func(a, b Place) int {
		x, y := has(a.Node, r), has(b.Node, r)
		return x.Cmp(y)
	})
	top := has(largest.Node, r)
	f.Summary = fmt.Sprintf("no node has %s", Amount(r, asked))
	much := "so much"
	if IsExtended(r) {
		much = "so many"
	}
	if !IsExtended(r) {
		f.Happened += fmt.Sprintf(" No node has %s: the largest of %s is %s, with %s.", much, Plural(len(holders), "node"), largest.Node.Name, top.String())
	} else if len(holders) == 1 {
		f.Happened += fmt.Sprintf(" No node has %s: %s, the only node with %s, has %s.", much, largest.Node.Name, what, Amount(r, top))
	} else {
		f.Happened += fmt.Sprintf(" No node has %s: the largest of the %s with %s is %s, with %s.", much, Plural(len(holders), "node"), what, largest.Node.Name, Amount(r, top))
	}
	f.Happened = Sentences(f.Happened, v.freeOf(r, holders), v.KeptOut(holders))
	if unhealthy := v.unhealthy(r, holders); unhealthy != "" {
		f.Happened += " " + unhealthy
	}
	switch {
	case gpu.Is(r):
		f.Do = fmt.Sprintf("Lower gpu.count to %s or less and spread the work over more pods, or add nodes with at least %s. No amount of waiting helps with the nodes there are.", top.String(), asked.String())
	default:
		f.Do = fmt.Sprintf("Ask for at most %s, or add larger nodes. No amount of waiting helps with the nodes there are.", Amount(r, top))
	}
}

// inUse explains a request that nodes could meet if they were empty.
func (v *View) inUse(f *Finding, r corev1.ResourceName, asked resource.Quantity, open []Place) {
	f.Reason = InUse
	f.Summary = fmt.Sprintf("no node has %s free", Amount(r, asked))
	f.Happened += fmt.Sprintf(" %s could hold that when empty (%s).", Plural(len(open), "node"), List(names(open), shownNodes))
	f.Happened = Sentences(f.Happened, v.freeOf(r, open), v.holders(r, open))
	others := slices.DeleteFunc(v.With(r, asked), func(p Place) bool { return p.Open() })
	f.Happened = Sentences(f.Happened, v.KeptOut(others))
	f.Do = "Wait for other pods to end, ask for less, or add nodes."
	if gpu.Is(r) {
		f.Do = "Wait for other pods to end, lower gpu.count, or add nodes (mlk_gpu_node_pool)."
	}
}

// freeOf says how much of a resource is free on nodes, if that is known.
func (v *View) freeOf(r corev1.ResourceName, places []Place) string {
	if v.usage == nil || len(places) == 0 {
		return ""
	}
	var best Place
	var most, total resource.Quantity
	for _, p := range places {
		q, _ := v.Free(p.Node, r)
		total.Add(q)
		if best.Node == nil || q.Cmp(most) > 0 {
			best, most = p, q
		}
	}
	if most.Sign() == 0 && IsExtended(r) {
		return "None is free now."
	}
	if most.Sign() == 0 {
		return "Nothing of it is free now."
	}
	if len(places) == 1 {
		return fmt.Sprintf("Free there: %s.", Amount(r, most))
	}
	return fmt.Sprintf("The most that is free on one node is %s, on %s; in all, %s.", Amount(r, most), best.Node.Name, Amount(r, total))
}

// holders names the pods that hold most of a resource.
func (v *View) holders(r corev1.ResourceName, places []Place) string {
	if !IsExtended(r) {
		return ""
	}
	type holder struct {
		pod *corev1.Pod
		q   resource.Quantity
	}
	var hs []holder
	for i := range v.Bound {
		p := &v.Bound[i]
		if !slices.ContainsFunc(places, func(at Place) bool { return at.Node.Name == p.Spec.NodeName }) ||
			p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		if q, ok := podresource.PodRequests(p, podresource.PodResourcesOptions{})[r]; ok && q.Sign() > 0 {
			hs = append(hs, holder{p, q})
		}
	}
	slices.SortStableFunc(hs, func(a, b holder) int {
		if c := b.q.Cmp(a.q); c != 0 {
			return c
		}
		return cmp.Compare(a.pod.Namespace+"/"+a.pod.Name, b.pod.Namespace+"/"+b.pod.Name)
	})
	var parts []string
	for _, h := range hs {
		parts = append(parts, fmt.Sprintf("Pod %s/%s (%s on %s)", h.pod.Namespace, h.pod.Name, h.q.String(), h.pod.Spec.NodeName))
	}
	if len(parts) == 0 {
		return ""
	}
	return "In use by " + List(parts, shownNodes) + "."
}

// ill lists the places open to the pod that would have enough of a device if all
// of them were healthy.
func (v *View) ill(r corev1.ResourceName, asked resource.Quantity) []Place {
	var out []Place
	for _, p := range v.Places {
		whole, able := p.Node.Status.Capacity[r], has(p.Node, r)
		if IsExtended(r) && p.Open() && whole.Cmp(asked) >= 0 && able.Cmp(asked) < 0 {
			out = append(out, p)
		}
	}
	return out
}

// unwell explains a request that only unhealthy devices keep from being met.
func (v *View) unwell(f *Finding, r corev1.ResourceName, asked resource.Quantity, ill []Place) {
	f.Reason = "UnhealthyDevices"
	f.PodField = RequestField(&v.Pod.Spec, r)
	f.Summary = fmt.Sprintf("%s of node %s are unhealthy", Unit(r), ill[0].Node.Name)
	if len(ill) > 1 {
		f.Summary = fmt.Sprintf("%s of %s are unhealthy", Unit(r), Plural(len(ill), "node"))
	}
	f.Happened = fmt.Sprintf("%s cannot be scheduled. It asks for %s.", f.Subject, InFull(r, asked))
	for i, p := range ill {
		if i == shownNodes {
			f.Happened += fmt.Sprintf(" It is the same on %s.", Plural(len(ill)-i, "more node"))
			break
		}
		whole, able := p.Node.Status.Capacity[r], has(p.Node, r)
		well := "none is healthy"
		if able.Sign() > 0 {
			well = "only " + able.String() + " healthy"
		}
		f.Happened += fmt.Sprintf(" Node %s has %s, of which %s.", p.Node.Name, Amount(r, whole), well)
	}
	f.Happened = Sentences(f.Happened, v.KeptOut(slices.DeleteFunc(v.With(r, asked), func(p Place) bool { return p.Open() })))
	f.Do = fmt.Sprintf("See the device plugin's pod and the kernel log (Xid events) on node %s: a GPU has failed, or the plugin does not run. Let the pod run on other nodes meanwhile.", ill[0].Node.Name)
}

// unhealthy points out devices that a node has but cannot hand out.
func (v *View) unhealthy(r corev1.ResourceName, places []Place) string {
	if !IsExtended(r) {
		return ""
	}
	for _, p := range places {
		whole, able := p.Node.Status.Capacity[r], has(p.Node, r)
		if whole.Cmp(able) > 0 {
			whole.Sub(able)
			return fmt.Sprintf("Node %s has %s more that its device plugin reports as unhealthy.", p.Node.Name, whole.String())
		}
	}
	return ""
}

// KeptOut says which nodes taints, labels or cordons close to the pod.
func (v *View) KeptOut(places []Place) string {
	var parts []string
	for _, g := range byTaint(places) {
		parts = append(parts, fmt.Sprintf("%s kept out by taint %s, which the pod does not tolerate.", are(g.nodes), g.name))
	}
	var off, shut []string
	for _, p := range places {
		if !p.Matches {
			off = append(off, p.Node.Name)
		} else if p.Cordoned {
			shut = append(shut, p.Node.Name)
		}
	}
	if len(off) > 0 {
		parts = append(parts, fmt.Sprintf("%s left out by the pod's node selector or affinity%s.", are(off), v.because(off)))
	}
	if len(shut) > 0 {
		parts = append(parts, fmt.Sprintf("%s closed to new pods (cordoned or not ready).", are(shut)))
	}
	return strings.Join(parts, " ")
}

func are(nodes []string) string {
	if len(nodes) == 1 {
		return "Node " + nodes[0] + " is"
	}
	return "Nodes " + List(nodes, shownNodes) + " are"
}

type taintGroup struct {
	name  string
	nodes []string
}

func byTaint(places []Place) []taintGroup {
	var out []taintGroup
	for _, p := range places {
		for _, t := range p.Taints {
			i := slices.IndexFunc(out, func(g taintGroup) bool { return g.name == t.ToString() })
			if i < 0 {
				out = append(out, taintGroup{name: t.ToString()})
				i = len(out) - 1
			}
			out[i].nodes = append(out[i].nodes, p.Node.Name)
		}
	}
	slices.SortStableFunc(out, func(a, b taintGroup) int { return len(b.nodes) - len(a.nodes) })
	return out
}

func names(places []Place) []string {
	out := make([]string, len(places))
	for i, p := range places {
		out[i] = p.Node.Name
	}
	return out
}

// relevant are the places the pod is about: those with its device, else all.
func (v *View) relevant() []Place {
	for _, r := range Keys(v.Asks) {
		if q := v.Asks[r]; gpu.Is(r) && q.Sign() > 0 {
			if has := v.With(r, resource.Quantity{}); len(has) > 0 {
				return has
			}
		}
	}
	return v.Places
}

// ExplainTaints says which taints keep the pod out. Since 1.37 the scheduler
// does not name them. It returns false when there are none.
func (v *View) ExplainTaints(f *Finding) bool {
	f.Reason, f.Summary = "Taints", "taints keep a pod off the nodes it could use"
	f.PodField = []string{"spec", "tolerations"}
	places := v.relevant()
	groups := byTaint(places)
	if len(groups) == 0 {
		f.Do = "Tolerate the taints in scheduling, or use other nodes. See them: kubectl get nodes -o custom-columns=NAME:.metadata.name,TAINTS:.spec.taints"
		return false
	}
	f.Summary = "taint " + Clip(groups[0].name, 40) + " keeps a pod off its nodes"
	f.Happened = Sentences(f.Happened, v.devices(places))
	if len(groups[0].nodes) == len(places) && len(places) > 1 {
		f.Happened += fmt.Sprintf(" Taint %s, which the pod does not tolerate, keeps it off all of them.", groups[0].name)
	} else {
		f.Happened = Sentences(f.Happened, v.KeptOut(places))
	}
	f.Do = fmt.Sprintf("If these nodes are meant for it, tolerate %s in scheduling; otherwise add nodes without that taint.", groups[0].name)
	return true
}

// devices says which nodes have the device the pod asks for.
func (v *View) devices(places []Place) string {
	for _, r := range Keys(v.Asks) {
		if q := v.Asks[r]; gpu.Is(r) && q.Sign() > 0 {
			return fmt.Sprintf("It asks for %s, which %d of %s have (%s).", InFull(r, q), len(places), Plural(len(v.Places), "node"), List(names(places), shownNodes))
		}
	}
	return ""
}

// Closed names the nodes that take no new pods.
func (v *View) Closed() string {
	var shut, lost []string
	for _, p := range v.Places {
		switch {
		case !p.Ready:
			lost = append(lost, p.Node.Name)
		case p.Cordoned:
			shut = append(shut, p.Node.Name)
		}
	}
	out := ""
	if len(shut) > 0 {
		out += " " + are(shut) + " cordoned."
	}
	if len(lost) > 0 {
		out += " " + are(lost) + " not ready."
	}
	return out
}
