package placement

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Spread is how equal pods have to lie to each other.
type Spread struct {
	// Together is the label of nodes of which all must have the same value; "" when
	// they may be anywhere.
	Together string
	// Apart are labels of which no two may have the same value.
	Apart []string
}

// text says what keeps the pods apart.
func (s Spread) text() string {
	switch {
	case len(s.Apart) == 0:
		return ""
	case slices.Contains(s.Apart, corev1.LabelHostname):
		return "Their anti-affinity lets no two of them share a node."
	}
	return fmt.Sprintf("Their anti-affinity lets no two of them have the same %s.", List(s.Apart, shownNodes))
}

// Room is what nodes can hold of equal pods.
type Room struct {
	// Pods fit at a time, Each on the largest of the places.
	Pods, Each int
	Places     []Place
	// Domain is the value of the label Key that has most room; "" for all nodes.
	Key, Domain string
	now         bool
}

// Room counts the pods like v.Pod that the nodes can hold: when they are empty,
// or now. Now counts as empty where nobody knows what is taken.
func (v *View) Room(spread Spread, now bool) Room {
	best := Room{Key: spread.Together, now: now}
	byDomain := map[string]Room{}
	taken := map[string]bool{}
	for _, p := range v.Places {
		if !p.Open() {
			continue
		}
		domain := ""
		if spread.Together != "" {
			if domain = p.Node.Labels[spread.Together]; domain == "" {
				continue
			}
		}
		n := v.slots(p.Node, now)
		if n == 0 {
			continue
		}
		alone := true
		for _, key := range spread.Apart {
			value := p.Node.Labels[key]
			if key == corev1.LabelHostname {
				value = p.Node.Name
			}
			at := domain + "\x00" + key + "\x00" + value
			alone = alone && (value == "" || !taken[at])
			taken[at] = true
			n = 1
		}
		if !alone {
			continue
		}
		d := byDomain[domain]
		d.Key, d.Domain, d.now = spread.Together, domain, now
		d.Pods, d.Each, d.Places = d.Pods+n, max(d.Each, n), append(d.Places, p)
		byDomain[domain] = d
	}
	for _, domain := range slices.Sorted(maps.Keys(byDomain)) {
		if d := byDomain[domain]; d.Pods > best.Pods {
			best = d
		}
	}
	return best
}

// slots is how many pods like v.Pod a node holds.
func (v *View) slots(n *corev1.Node, now bool) int {
	out := -1
	for r, asked := range v.Asks {
		if asked.Sign() <= 0 {
			continue
		}
		h := has(n, r)
		if now {
			h, _ = v.Free(n, r)
		}
		if fit := fits(h, asked); out < 0 || fit < out {
			out = fit
		}
	}
	return max(out, 0)
}

// fits is how often an amount fits into another.
func fits(have, each resource.Quantity) int {
	if m := each.MilliValue(); m > 0 {
		return int(have.MilliValue() / m)
	}
	return 0
}

// Text says where there is how much room; word is what the pods are called.
func (r Room) Text(word string) string {
	when := "when empty"
	if r.now {
		when = "now"
	}
	if len(r.Places) == 0 {
		return fmt.Sprintf("No node can hold such a pod %s", when)
	}
	where := fmt.Sprintf("%s can hold such pods %s (%s)", Plural(len(r.Places), "node"), when, List(names(r.Places), shownNodes))
	if r.Domain != "" {
		where = fmt.Sprintf("All have to be in one domain of %s; the one with most room is %s, where %s", r.Key, r.Domain, where)
	}
	return fmt.Sprintf("%s: room for %s", where, Plural(r.Pods, word))
}

// VolcanoGroup is the annotation of pods that Volcano's scheduler starts together.
const VolcanoGroup = "scheduling.k8s.io/group-name"

// Grouped reports whether a scheduler starts the pod together with the others of its
// group, so that none of them holds anything while there is no room for all.
func Grouped(o *metav1.ObjectMeta, spec *corev1.PodSpec) bool {
	return spec.SchedulingGroup != nil || o.Annotations[VolcanoGroup] != ""
}
