package placement

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
)

// The reasons of Judge beside those of single pods.
const (
	// GangTooLarge: the nodes cannot hold all pods of a run at a time, even when they
	// are empty.
	GangTooLarge = "GangTooLarge"
	// TooMany: the nodes cannot hold all replicas, even when they are empty.
	TooMany = "TooManyReplicas"
	// Busy: what is wanted would fit if others ended.
	Busy = "NotFree"
	// NoSurge: a rollout finds no place for its first new pod.
	NoSurge = "NoRoomForSurge"
)

// Cluster is what a demand is held against.
type Cluster struct {
	Nodes []corev1.Node
	// Usage is what pods take of them; nil when that is not known.
	Usage *Usage
	// Own are the pods that the demand takes the place of.
	Own []corev1.Pod
}

// Verdict is what there is to say of a demand.
type Verdict struct {
	Finding
	// Field is the object's field at fault, its kind first; nil when it is
	// Finding.PodField, or none.
	Field []string
	// Never: no waiting helps with the nodes there are.
	Never bool
}

// Judge says what keeps the demand from being met; ok when nothing does that can
// be known. subject is how sentences call it: Training job "ml/llama".
func (d Demand) Judge(subject string, c Cluster) (v Verdict, ok bool) {
	if v, ok := d.Fits(subject, c); !ok {
		return v, false
	}
	return d.Surges(subject, c)
}

// open reports whether nodes have a say in where the pods run: a cluster without
// nodes is being made, or makes them on demand.
func (d Demand) open(c Cluster) bool {
	return d.Count > 0 && d.Pod.Spec.NodeName == "" && len(c.Nodes) > 0
}

// counted reports whether it can be known what the pods find free: for others that
// are less important room would be made.
func (d Demand) counted(c Cluster) bool { return c.Usage != nil && d.Pod.Spec.PriorityClassName == "" }

// Fits is Judge without how a rollout goes.
func (d Demand) Fits(subject string, c Cluster) (v Verdict, ok bool) {
	if !d.open(c) {
		return Verdict{}, true
	}
	view := See(d.Pod, c.Nodes, nil)
	empty := view.Room(d.Spread, false)
	switch {
	case empty.Pods == 0 || empty.Pods < d.Least && empty.Each == 0:
		return d.never(subject, view)
	case empty.Pods < d.Least:
		return Verdict{Finding: d.Short(subject, view, empty, view.scarce(empty)), Field: d.Field, Never: true}, false
	case empty.Pods < d.Count && (d.Word == "replica" || d.Word == groupMember):
		return Verdict{Finding: d.tooMany(subject, view, empty), Field: d.Field, Never: true}, false
	}
	if !d.counted(c) {
		return Verdict{}, true
	}
	return d.now(subject, c)
}

// never explains a demand of which not even one pod fits on an empty node.
func (d Demand) never(subject string, v *View) (Verdict, bool) {
	if d.awaitsPool(v) {
		return Verdict{}, true
	}
	f := Finding{Subject: "A pod of " + subject, Reason: "Unschedulable"}
	f.Happened = f.Subject + " cannot be scheduled."
	kind := "resource"
	if r, ok := v.Blamed(v.short()); ok {
		kind = v.ExplainResource(&f, r)
	}
	switch kind {
	case "":
		if f.Reason == InUse { // each of its wishes can be met, but not by one node
			v.combination(&f)
		}
	case "taint":
		v.ExplainTaints(&f)
	case "cordon":
		f.Reason, f.Summary = "NodesCordoned", "the nodes that could take a pod are closed to new pods"
		f.Happened += v.Closed()
		f.Do = "Open them again (kubectl uncordon), wait for those that are not ready, or add nodes."
		return Verdict{Finding: f}, false
	default:
		if slices.ContainsFunc(v.Places, func(p Place) bool { return p.Matches }) {
			v.ExplainTaints(&f)
		} else {
			v.ExplainLabels(&f)
		}
	}
	if f.Summary == "" {
		f.Summary = "no node can take such a pod"
	}
	return Verdict{Finding: f, Never: f.Reason == TooLarge || f.Reason == Nobody || f.Reason == "NodeLabels" || f.Reason == "Taints"}, false
}

// awaitsPool reports whether the pod wants nodes of a pool that no node is in
// yet: the pool may be part of the same plan.
func (d Demand) awaitsPool(v *View) bool {
	rs, _ := requirements(d.Pod)
	return slices.ContainsFunc(rs, func(r requirement) bool {
		return strings.HasPrefix(r.key, gpu.PoolPrefix) && !slices.ContainsFunc(v.Places, func(p Place) bool { _, ok := p.Node.Labels[r.key]; return ok })
	})
}

// short lists the resources of which no open place has enough.
func (v *View) short() []corev1.ResourceName {
	var out []corev1.ResourceName
	for _, r := range Keys(v.Asks) {
		q := v.Asks[r]
		if q.Sign() > 0 && !slices.ContainsFunc(v.With(r, q), Place.Open) {
			out = append(out, r)
		}
	}
	return out
}

// combination explains that no single node has all that is asked for.
func (v *View) combination(f *Finding) {
	f.Reason, f.Summary = TooLarge, "no node has all that a pod asks for"
	var parts []string
	for _, r := range Keys(v.Asks) {
		q := v.Asks[r]
		if r == corev1.ResourcePods || q.Sign() <= 0 {
			continue
		}
		open := slices.DeleteFunc(v.With(r, q), func(p Place) bool { return !p.Open() })
		parts = append(parts, fmt.Sprintf("%s (%s)", InFull(r, q), Plural(len(open), "node")))
	}
	f.Happened = fmt.Sprintf("%s asks for %s. Each is to be had, but not all on one node.", f.Subject, List(parts, 6))
	f.Do = "Ask for less of what the larger nodes lack, or add nodes that have all of it."
}

// Short explains a gang of which the empty nodes cannot hold all pods, for want of
// a resource.
func (d Demand) Short(subject string, v *View, room Room, r corev1.ResourceName) Finding {
	each := Amount(r, v.Asks[r])
	missing := up(d.Least-room.Pods, max(room.Each, 1))
	f := Finding{
		Subject: subject, Reason: GangTooLarge,
		Summary: fmt.Sprintf("%s short for %s with %s each", Plural(missing, "node"), Plural(d.Least, d.Word), each),
	}
	left := d.Least - room.Pods
	f.Happened = fmt.Sprintf("%s needs %d pods at a time, each with %s. %s; %d %s left over.",
		subject, d.Least, InFull(r, v.Asks[r]), room.Text(d.Word), left, agree(left, "is", "are"))
	closed := slices.DeleteFunc(v.With(r, v.Asks[r]), Place.Open)
	f.Happened = Sentences(f.Happened, d.Spread.text(), v.KeptOut(closed), v.small(r))
	f.Do = fmt.Sprintf("Add %s like these (mlk_gpu_node_pool), or run with distributed.nodes = %d. No amount of waiting helps with the nodes there are.", Plural(missing, "node"), room.Pods)
	return f
}

// scarce is the resource that keeps the nodes from holding more: the device, or
// what the places have least of.
func (v *View) scarce(room Room) corev1.ResourceName {
	if r, device := v.Blamed(nil); device {
		return r
	}
	out, least := corev1.ResourceCPU, -1
	for _, p := range room.Places {
		for _, r := range Keys(v.Asks) {
			q := v.Asks[r]
			if n := fits(has(p.Node, r), q); q.Sign() > 0 && (least < 0 || n < least) {
				out, least = r, n
			}
		}
	}
	return out
}

// small says which open nodes have the device, but fewer than a pod asks for.
func (v *View) small(r corev1.ResourceName) string {
	if !IsExtended(r) {
		return ""
	}
	var out []Place
	for _, p := range v.Places {
		h := has(p.Node, r)
		if p.Open() && h.Sign() > 0 && h.Cmp(v.Asks[r]) < 0 {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return Sentences(fmt.Sprintf("%s too small for such a pod (%s).", are(names(out)), amounts(r, out)), v.unhealthy(r, out))
}

// amounts lists how much of a resource places have.
func amounts(r corev1.ResourceName, places []Place) string {
	var out []string
	for _, p := range places {
		if a := Amount(r, has(p.Node, r)); !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return List(out, shownNodes)
}

// tooMany explains replicas that do not all fit on the empty nodes.
func (d Demand) tooMany(subject string, v *View, room Room) Finding {
	r, left := v.scarce(room), d.Count-room.Pods
	f := Finding{Subject: subject, Reason: TooMany}
	f.Summary = fmt.Sprintf("the nodes have room for %d of %s", room.Pods, Plural(d.Count, d.Word))
	f.Happened = fmt.Sprintf("%s asks for %s, each with %s. %s; %d will wait.", subject, Plural(d.Count, d.Word), InFull(r, v.Asks[r]), room.Text(d.Word), left)
	closed := slices.DeleteFunc(v.With(r, v.Asks[r]), Place.Open)
	f.Happened = Sentences(f.Happened, d.parts(), d.Spread.text(), v.KeptOut(closed), v.small(r))
	f.Do = fmt.Sprintf("Add %s like these, or ask for %s. No amount of waiting helps with the nodes there are.", Plural(up(left, max(room.Each, 1)), "node"), Plural(room.Pods, d.Word))
	return f
}

// now explains a demand that would fit if others ended.
func (d Demand) now(subject string, c Cluster) (Verdict, bool) {
	v := See(d.Pod, c.Nodes, c.others())
	room := v.Room(d.Spread, true)
	want := d.Least
	if d.Word == "replica" {
		want = d.Count
	}
	if room.Pods < want {
		return Verdict{Finding: d.busy(subject, v, room, want), Field: d.Field}, false
	}
	return Verdict{}, true
}

// others is what pods take of the nodes that stay whatever becomes of the demand.
func (c Cluster) others() *Usage {
	out := c.Usage.Clone()
	for i := range c.Own {
		out.Remove(&c.Own[i])
	}
	return out
}

// Surges says what keeps a rollout from its first new pod, where that is made before an
// old one ends; ok when nothing does that can be known.
func (d Demand) Surges(subject string, c Cluster) (v Verdict, ok bool) {
	if !d.open(c) || !d.counted(c) || d.Rolling.Ends || d.Rolling.Still || d.Rolling.Unavailable > 0 || !slices.ContainsFunc(c.Own, func(p corev1.Pod) bool { return Holds(&p) }) {
		return Verdict{}, true
	}
	beside := See(d.Pod, c.Nodes, c.Usage)
	if d.awaitsPool(beside) || beside.Room(d.Spread, true).Pods > 0 {
		return Verdict{}, true
	}
	if d.Of != "" {
		subject = "the " + d.Of + " of " + subject
	}
	room := See(d.Pod, c.Nodes, c.others()).Room(d.Spread, true)
	r := beside.scarce(room)
	f := Finding{Subject: subject, Reason: NoSurge, Summary: "no free " + Unit(r) + " for the first new replica"}
	if d.Of != "" {
		f.Summary += " of its " + d.Of
	}
	f.Happened = fmt.Sprintf("A rollout of %s makes a new replica before it ends an old one, and that needs %s more. %s",
		subject, InFull(r, beside.Asks[r]), beside.freeOf(r, room.Places))
	f.Happened = Sentences(f.Happened, beside.heldBy(r))
	f.Do = "Free or add nodes, or let an old replica end first (max_surge = 0 and max_unavailable = 1), with one replica fewer serving meanwhile."
	return Verdict{Finding: f, Field: []string{d.Template[0], "spec", "strategy"}}, false
}

func (d Demand) busy(subject string, v *View, room Room, want int) Finding {
	r := v.scarce(v.Room(d.Spread, false))
	each := Amount(r, v.Asks[r])
	f := Finding{Subject: subject, Reason: Busy, Summary: fmt.Sprintf("%d of %s with %s fit now", room.Pods, Plural(want, d.Word), each)}
	if want == 1 {
		f.Summary = "no node has " + each + " free now"
	}
	f.Happened = fmt.Sprintf("%s asks for %s at a time, each with %s. %s.", subject, Plural(want, d.Word), InFull(r, v.Asks[r]), room.Text(d.Word))
	if want == 1 {
		f.Happened = fmt.Sprintf("%s asks for %s. %s.", subject, InFull(r, v.Asks[r]), room.Text(d.Word))
	}
	open := slices.DeleteFunc(v.With(r, v.Asks[r]), func(p Place) bool { return !p.Open() })
	f.Happened = Sentences(f.Happened, d.parts(), v.freeOf(r, open), v.heldBy(r))
	f.Do = "It starts when others end. Raise timeouts if the apply is to wait for that, or wait for less (wait_for)."
	if d.Word == "rank" && !Grouped(&d.Pod.ObjectMeta, &d.Pod.Spec) {
		f.Do = "Its pods that fit would hold their devices and wait for the rest. " + f.Do + " A queue (scheduling.queue) or a gang scheduler (distributed.gang) starts all of them together."
	}
	return f
}

// heldBy names the namespaces that hold devices.
func (v *View) heldBy(r corev1.ResourceName) string {
	if !IsExtended(r) || v.usage == nil {
		return ""
	}
	var parts []string
	for _, n := range v.usage.Namespaces() {
		parts = append(parts, fmt.Sprintf("namespace %s (%d)", n.Name, n.GPUs))
	}
	if len(parts) == 0 {
		return ""
	}
	return "GPUs of the cluster are held by " + List(parts, shownNodes) + "."
}
