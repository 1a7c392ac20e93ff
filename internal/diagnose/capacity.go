package diagnose

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

// blamed picks the resource that keeps the pod from running: a device if there
// is one, because ordinary nodes lack it and hide the true cause; one that no
// node has enough of before one that is only in use.
func (s *survey) blamed(short []corev1.ResourceName) (corev1.ResourceName, bool) {
	candidates := slices.Clone(short)
	for _, r := range sortedKeys(s.asks) {
		q := s.asks[r]
		if isExtended(r) && q.Sign() > 0 && !slices.Contains(candidates, r) {
			candidates = append(candidates, r)
		}
	}
	if len(candidates) == 0 {
		return "", false
	}
	weight := func(r corev1.ResourceName) int {
		w := 0
		if len(s.with(r, s.asks[r])) == 0 {
			w -= 4
		}
		if gpu.Is(r) {
			w -= 2
		} else if isExtended(r) {
			w--
		}
		if slices.Contains(short, r) {
			w -= 2
		}
		return w
	}
	return slices.MinFunc(candidates, func(a, b corev1.ResourceName) int { return cmp.Compare(weight(a), weight(b)) }), true
}

// with lists the places whose node could hold an amount of a resource when empty.
func (s *survey) with(r corev1.ResourceName, q resource.Quantity) []place {
	var out []place
	for _, p := range s.places {
		if h := has(p.node, r); h.Sign() > 0 && h.Cmp(q) >= 0 {
			out = append(out, p)
		}
	}
	return out
}

// explainResource says who has how much of a resource. It returns what stands
// in the way instead ("taint", "selector", "cordon") when nodes that have
// enough are closed to the pod, and "" when the finding is complete.
func (s *survey) explainResource(f *Finding, r corev1.ResourceName) string {
	asked := s.asks[r]
	big := s.with(r, asked)
	open := slices.DeleteFunc(slices.Clone(big), func(p place) bool { return !p.open() })
	if ill := s.ill(r, asked); len(open) == 0 && len(ill) > 0 && (len(big) > 0 || len(s.with(r, resource.Quantity{})) == 0) {
		s.unwell(f, r, asked, ill)
		return ""
	}
	if len(big) > 0 && len(open) == 0 {
		switch {
		case slices.ContainsFunc(big, func(p place) bool { return p.matches && len(p.taints) > 0 && !p.cordoned }):
			return "taint"
		case slices.ContainsFunc(big, func(p place) bool { return p.matches && len(p.taints) == 0 }):
			return "cordon"
		default:
			return "selector"
		}
	}
	f.PodField = requestField(&s.pod.Spec, r)
	f.Happened = fmt.Sprintf("%s cannot be scheduled. It asks for %s.", f.Subject, inFull(r, asked))
	if r == corev1.ResourcePods {
		f.Reason, f.Summary, f.PodField = "TooManyPods", "no node takes more pods", nil
		f.Happened = fmt.Sprintf("%s cannot be scheduled: the nodes it may use already run as many pods as they take.", f.Subject)
		f.Do = "Wait for other pods to end, or add nodes."
		return ""
	}
	if len(big) == 0 {
		s.tooLarge(f, r, asked)
		return ""
	}
	s.inUse(f, r, asked, open)
	return ""
}

// tooLarge explains a request that no node could ever meet.
func (s *survey) tooLarge(f *Finding, r corev1.ResourceName, asked resource.Quantity) {
	holders := s.with(r, resource.Quantity{})
	what := unit(r)
	f.Reason = reasonTooLarge
	if len(holders) == 0 {
		f.Reason = "NoNodeOffers"
		f.Summary = "no node offers " + string(r)
		f.Happened += fmt.Sprintf(" None of the %s offers any.", plural(len(s.places), "node"))
		f.Do = fmt.Sprintf("Add nodes with %s. If there are such nodes, see whether the device plugin runs on them, or ask for another resource name.", what)
		if !isExtended(r) {
			f.Do = "Add nodes, or ask for less."
		}
		return
	}
	largest := slices.MaxFunc(holders, func(a, b place) int {
		x, y := has(a.node, r), has(b.node, r)
		return x.Cmp(y)
	})
	top := has(largest.node, r)
	f.Summary = fmt.Sprintf("no node has %s", amountOf(r, asked))
	much := "so much"
	if isExtended(r) {
		much = "so many"
	}
	if !isExtended(r) {
		f.Happened += fmt.Sprintf(" No node has %s: the largest of %s is %s, with %s.", much, plural(len(holders), "node"), largest.node.Name, top.String())
	} else if len(holders) == 1 {
		f.Happened += fmt.Sprintf(" No node has %s: %s, the only node with %s, has %s.", much, largest.node.Name, what, amountOf(r, top))
	} else {
		f.Happened += fmt.Sprintf(" No node has %s: the largest of the %s with %s is %s, with %s.", much, plural(len(holders), "node"), what, largest.node.Name, amountOf(r, top))
	}
	f.Happened = sentences(f.Happened, s.freeOf(r, holders), s.keptOut(holders))
	if unhealthy := s.unhealthy(r, holders); unhealthy != "" {
		f.Happened += " " + unhealthy
	}
	switch {
	case gpu.Is(r):
		f.Do = fmt.Sprintf("Lower gpu.count to %s or less and spread the work over more pods, or add nodes with at least %s. No amount of waiting helps with the nodes there are.", top.String(), asked.String())
	default:
		f.Do = fmt.Sprintf("Ask for at most %s, or add larger nodes. No amount of waiting helps with the nodes there are.", amountOf(r, top))
	}
}

// inUse explains a request that nodes could meet if they were empty.
func (s *survey) inUse(f *Finding, r corev1.ResourceName, asked resource.Quantity, open []place) {
	f.Reason = "Insufficient"
	f.Summary = fmt.Sprintf("no node has %s free", amountOf(r, asked))
	f.Happened += fmt.Sprintf(" %s could hold that when empty (%s).", plural(len(open), "node"), list(names(open), shownNodes))
	f.Happened = sentences(f.Happened, s.freeOf(r, open), s.holders(r, open))
	others := slices.DeleteFunc(s.with(r, asked), func(p place) bool { return p.open() })
	f.Happened = sentences(f.Happened, s.keptOut(others))
	f.Do = "Wait for other pods to end, ask for less, or add nodes."
	if gpu.Is(r) {
		f.Do = "Wait for other pods to end, lower gpu.count, or add nodes (mlk_gpu_node_pool)."
	}
}

// freeOf says how much of a resource is free on nodes, if that is known.
func (s *survey) freeOf(r corev1.ResourceName, places []place) string {
	if s.bound == nil || len(places) == 0 {
		return ""
	}
	var best place
	var most, total resource.Quantity
	for _, p := range places {
		q, _ := s.free(p.node, r)
		total.Add(q)
		if best.node == nil || q.Cmp(most) > 0 {
			best, most = p, q
		}
	}
	if most.Sign() == 0 && isExtended(r) {
		return "None is free now."
	}
	if most.Sign() == 0 {
		return "Nothing of it is free now."
	}
	if len(places) == 1 {
		return fmt.Sprintf("Free there: %s.", amountOf(r, most))
	}
	return fmt.Sprintf("The most that is free on one node is %s, on %s; in all, %s.", amountOf(r, most), best.node.Name, amountOf(r, total))
}

// holders names the pods that hold most of a resource.
func (s *survey) holders(r corev1.ResourceName, places []place) string {
	if !isExtended(r) {
		return ""
	}
	type holder struct {
		pod *corev1.Pod
		q   resource.Quantity
	}
	var hs []holder
	for i := range s.bound {
		p := &s.bound[i]
		if !slices.ContainsFunc(places, func(at place) bool { return at.node.Name == p.Spec.NodeName }) ||
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
	return "In use by " + list(parts, shownNodes) + "."
}

// ill lists the places open to the pod that would have enough of a device if all
// of them were healthy.
func (s *survey) ill(r corev1.ResourceName, asked resource.Quantity) []place {
	var out []place
	for _, p := range s.places {
		whole, able := p.node.Status.Capacity[r], has(p.node, r)
		if isExtended(r) && p.open() && whole.Cmp(asked) >= 0 && able.Cmp(asked) < 0 {
			out = append(out, p)
		}
	}
	return out
}

// unwell explains a request that only unhealthy devices keep from being met.
func (s *survey) unwell(f *Finding, r corev1.ResourceName, asked resource.Quantity, ill []place) {
	f.Reason = "UnhealthyDevices"
	f.PodField = requestField(&s.pod.Spec, r)
	f.Summary = fmt.Sprintf("%s of node %s are unhealthy", unit(r), ill[0].node.Name)
	if len(ill) > 1 {
		f.Summary = fmt.Sprintf("%s of %s are unhealthy", unit(r), plural(len(ill), "node"))
	}
	f.Happened = fmt.Sprintf("%s cannot be scheduled. It asks for %s.", f.Subject, inFull(r, asked))
	for i, p := range ill {
		if i == shownNodes {
			f.Happened += fmt.Sprintf(" It is the same on %s.", plural(len(ill)-i, "more node"))
			break
		}
		whole, able := p.node.Status.Capacity[r], has(p.node, r)
		well := "none is healthy"
		if able.Sign() > 0 {
			well = "only " + able.String() + " healthy"
		}
		f.Happened += fmt.Sprintf(" Node %s has %s, of which %s.", p.node.Name, amountOf(r, whole), well)
	}
	f.Happened = sentences(f.Happened, s.keptOut(slices.DeleteFunc(s.with(r, asked), func(p place) bool { return p.open() })))
	f.Do = fmt.Sprintf("See the device plugin's pod and the kernel log (Xid events) on node %s: a GPU has failed, or the plugin does not run. Let the pod run on other nodes meanwhile.", ill[0].node.Name)
}

// unhealthy points out devices that a node has but cannot hand out.
func (s *survey) unhealthy(r corev1.ResourceName, places []place) string {
	if !isExtended(r) {
		return ""
	}
	for _, p := range places {
		whole, able := p.node.Status.Capacity[r], has(p.node, r)
		if whole.Cmp(able) > 0 {
			whole.Sub(able)
			return fmt.Sprintf("Node %s has %s more that its device plugin reports as unhealthy.", p.node.Name, whole.String())
		}
	}
	return ""
}

// keptOut says which nodes taints, labels or cordons close to the pod.
func (s *survey) keptOut(places []place) string {
	var parts []string
	for _, g := range byTaint(places) {
		parts = append(parts, fmt.Sprintf("%s kept out by taint %s, which the pod does not tolerate.", are(g.nodes), g.name))
	}
	var off, shut []string
	for _, p := range places {
		if !p.matches {
			off = append(off, p.node.Name)
		} else if p.cordoned {
			shut = append(shut, p.node.Name)
		}
	}
	if len(off) > 0 {
		parts = append(parts, fmt.Sprintf("%s left out by the pod's node selector or affinity%s.", are(off), s.because(off)))
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
	return "Nodes " + list(nodes, shownNodes) + " are"
}

type taintGroup struct {
	name  string
	nodes []string
}

func byTaint(places []place) []taintGroup {
	var out []taintGroup
	for _, p := range places {
		for _, t := range p.taints {
			i := slices.IndexFunc(out, func(g taintGroup) bool { return g.name == t.ToString() })
			if i < 0 {
				out = append(out, taintGroup{name: t.ToString()})
				i = len(out) - 1
			}
			out[i].nodes = append(out[i].nodes, p.node.Name)
		}
	}
	slices.SortStableFunc(out, func(a, b taintGroup) int { return len(b.nodes) - len(a.nodes) })
	return out
}

func names(places []place) []string {
	out := make([]string, len(places))
	for i, p := range places {
		out[i] = p.node.Name
	}
	return out
}

// relevant are the places the pod is about: those with its device, else all.
func (s *survey) relevant() []place {
	for _, r := range sortedKeys(s.asks) {
		if q := s.asks[r]; gpu.Is(r) && q.Sign() > 0 {
			if has := s.with(r, resource.Quantity{}); len(has) > 0 {
				return has
			}
		}
	}
	return s.places
}

// explainTaints says which taints keep the pod out. Since 1.37 the scheduler
// does not name them.
func (s *survey) explainTaints(f *Finding, w schedulerWords) {
	f.Reason, f.Summary = "Taints", "taints keep a pod off the nodes it could use"
	f.PodField = []string{"spec", "tolerations"}
	places := s.relevant()
	groups := byTaint(places)
	if len(groups) == 0 {
		f.Do = "Tolerate the taints in scheduling, or use other nodes. See them: kubectl get nodes -o custom-columns=NAME:.metadata.name,TAINTS:.spec.taints"
		for _, r := range w.reasons {
			// Older schedulers do name them.
			if _, t, ok := strings.Cut(r.reason, "untolerated taint {"); ok {
				f.Summary = "taint " + clip(strings.TrimSuffix(t, "}"), 40) + " keeps a pod off the nodes"
			}
		}
		return
	}
	f.Summary = "taint " + clip(groups[0].name, 40) + " keeps a pod off its nodes"
	f.Happened = sentences(f.Happened, s.devices(places))
	if len(groups[0].nodes) == len(places) && len(places) > 1 {
		f.Happened += fmt.Sprintf(" Taint %s, which the pod does not tolerate, keeps it off all of them.", groups[0].name)
	} else {
		f.Happened = sentences(f.Happened, s.keptOut(places))
	}
	f.Do = fmt.Sprintf("If these nodes are meant for it, tolerate %s in scheduling; otherwise add nodes without that taint.", groups[0].name)
}

// clip shortens a word in a summary.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return s[:most-1] + "…"
}

// devices says which nodes have the device the pod asks for.
func (s *survey) devices(places []place) string {
	for _, r := range sortedKeys(s.asks) {
		if q := s.asks[r]; gpu.Is(r) && q.Sign() > 0 {
			return fmt.Sprintf("It asks for %s, which %d of %s have (%s).", inFull(r, q), len(places), plural(len(s.places), "node"), list(names(places), shownNodes))
		}
	}
	return ""
}

// closed names the nodes that take no new pods.
func (s *survey) closed() string {
	var shut, lost []string
	for _, p := range s.places {
		switch {
		case !p.ready:
			lost = append(lost, p.node.Name)
		case p.cordoned:
			shut = append(shut, p.node.Name)
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

// withoutNodes explains a shortage when the nodes could not be read.
func (s *survey) withoutNodes(f *Finding, w schedulerWords) {
	short := w.short()
	if len(short) == 0 {
		return
	}
	r := short[0]
	for _, c := range short {
		if gpu.Is(c) {
			r = c
			break
		}
	}
	f.Reason = "Insufficient"
	f.PodField = requestField(&s.pod.Spec, r)
	f.Summary = "no node has enough " + unit(r) + " for a pod"
	if q, ok := s.asks[r]; ok && q.Sign() > 0 {
		f.Happened += fmt.Sprintf(" It asks for %s.", inFull(r, q))
	}
	f.Do = "Ask for less, wait for other pods to end, or add nodes."
	if gpu.Is(r) {
		f.Do = "Lower gpu.count, wait for other pods to end, or add nodes (mlk_gpu_node_pool)."
		if slices.ContainsFunc(w.reasons, func(n refusedNodes) bool { return strings.Contains(n.reason, "taint") }) {
			f.Do += " If the nodes with GPUs are those with taints, tolerate these."
		}
	}
}

// unit is what people call a resource.
func unit(r corev1.ResourceName) string {
	switch {
	case r == corev1.ResourceCPU:
		return "CPU"
	case r == corev1.ResourceMemory:
		return "memory"
	case r == corev1.ResourceEphemeralStorage:
		return "ephemeral storage"
	case r == corev1.ResourcePods:
		return "room for pods"
	case strings.HasSuffix(string(r), "/gpu"):
		return "GPUs"
	}
	return string(r)
}

// amountOf writes an amount of a resource.
func amountOf(r corev1.ResourceName, q resource.Quantity) string {
	switch {
	case r == corev1.ResourceCPU:
		if q.Cmp(resource.MustParse("1")) == 0 {
			return "1 CPU"
		}
		return q.String() + " CPUs"
	case r == corev1.ResourceMemory:
		return q.String() + " of memory"
	case r == corev1.ResourceEphemeralStorage:
		return q.String() + " of ephemeral storage"
	case r == corev1.ResourcePods:
		return "room for " + plural(int(q.Value()), "pod")
	case strings.HasSuffix(string(r), "/gpu"):
		if q.Value() == 1 {
			return "1 GPU"
		}
		return q.String() + " GPUs"
	}
	return q.String() + " " + string(r)
}

// inFull is an amount with the resource's own name, for its first mention.
func inFull(r corev1.ResourceName, q resource.Quantity) string {
	s := amountOf(r, q)
	if strings.HasSuffix(string(r), "/gpu") {
		s += " (" + string(r) + ")"
	}
	return s
}
