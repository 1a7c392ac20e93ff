package lifecycle

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/diagnose"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/placement"
)

// What plan_checks of the provider says about placement.
const (
	PlacementWarning = "warning"
	PlacementError   = "error"
	PlacementOff     = "off"
)

// placement warns of pods that no node can take: never, or not now. It asks only
// for what is new or changed, only once all of it is known, and it is silent where
// something else decides about capacity: a queue, or what makes nodes on demand.
func (p *planner[M, P]) placement(prior *M) {
	if len(p.r.def.PodTemplate) == 0 || len(p.want) == 0 || p.r.provider.Unknown != "" || p.diagnostics.HasError() || p.r.provider.Inventory == nil {
		return
	}
	if p.want[0].obj.GetLabels()[kube.QueueLabel] != "" {
		return
	}
	wishes := wishesOf(p.want)
	if len(wishes) == 0 || prior != nil && !p.wishesMore(prior, wishes) {
		return
	}
	client, err := p.r.provider.Connect()
	if err != nil {
		return // said when something is read or written
	}
	nodes, scaling, err := p.r.provider.Inventory.look(p.ctx, client)
	if err != nil || scaling == scalingActive {
		return
	}
	m, ds := p.model()
	if ds.HasError() {
		return
	}
	title := p.r.title(P(m))
	cluster := placement.Cluster{Nodes: nodes}
	var own []corev1.Pod
	for _, w := range together(wishes) {
		v, ok := w.judge(title, cluster)
		if ok && cluster.Usage == nil {
			cluster.Usage = p.r.provider.Inventory.taken(p.ctx, client)
			own = p.own(client, prior)
		}
		if ok {
			cluster.Own = p.of(own, prior, w.refs)
			v, ok = w.judge(title, cluster)
		}
		if !ok {
			p.misplaced(title, P(m), v, w, scaling)
			return // one is enough: pods of one run want the same nodes
		}
	}
}

// wish is what an object asks of the nodes.
type wish struct {
	placement.Demand
	// refs are the objects whose pods it takes the place of.
	refs []kube.Ref
	// surge alone is to be judged: what the object asks for has been, with others.
	surge bool
	// template is what the pods are made of.
	template any
}

func (w wish) judge(title string, c placement.Cluster) (placement.Verdict, bool) {
	if w.surge {
		return w.Surges(title, c)
	}
	return w.Judge(title, c)
}

// wishesOf is what the main object asks for, and those of its kind beside it.
func wishesOf(want []rendered) []wish {
	var out []wish
	for i, w := range want {
		if i > 0 && w.ref.Kind != want[0].ref.Kind {
			continue
		}
		demands := placement.DemandsOf(w.obj)
		if i == 0 {
			demands = demandsOf(want)
		}
		for _, d := range demands {
			if len(d.Template) > 0 {
				d.Template = slices.Clone(d.Template)
				template, _ := kube.At(w.obj.Object, d.Template[1:]...)
				d.Template[0] = w.ref.Key()
				if w.ref.Role != "" {
					d.Of = w.ref.Role
					d.Field = slices.Clone(d.Field)
					d.Field[0] = w.ref.Key()
				}
				out = append(out, wish{Demand: d, refs: []kube.Ref{w.ref}, template: template})
			}
		}
	}
	return out
}

// together puts before wishes whose pods want the same nodes one for all of them.
func together(wishes []wish) []wish {
	var demands []placement.Demand
	var refs []kube.Ref
	for _, w := range wishes {
		demands, refs = append(demands, w.Demand), append(refs, w.refs...)
	}
	all, ok := placement.Joined(demands)
	if !ok {
		return wishes
	}
	for i := range wishes {
		wishes[i].surge = true
	}
	return append([]wish{{Demand: all, refs: refs}}, wishes...)
}

// demandsOf is what the main object asks for. Where an autoscaler sets the number of
// its pods, the fewest that it lets there be are sure to be asked for.
func demandsOf(want []rendered) []placement.Demand {
	for _, w := range want[1:] {
		at := map[kube.Kind][]string{kube.HorizontalPodAutoscaler: {"spec", "minReplicas"}, kube.ScaledObject: {"spec", "minReplicaCount"}}[w.ref.Kind]
		least, said, _ := unstructured.NestedInt64(w.obj.Object, at...)
		if at == nil || !said || least < 1 {
			continue
		}
		scaled := want[0].obj.DeepCopy()
		if unstructured.SetNestedField(scaled.Object, least, "spec", "replicas") != nil {
			return nil
		}
		out := placement.DemandsOf(scaled)
		for i := range out {
			out[i].Field = append([]string{w.ref.Kind.Kind}, at...)
		}
		return out
	}
	return placement.DemandsOf(want[0].obj)
}

// wishesMore reports whether an update asks the nodes for something: other pods,
// or a rollout. It notes which of the objects make no new pods.
func (p *planner[M, P]) wishesMore(prior *M, wishes []wish) bool {
	before, ds := p.r.render(P(prior), "")
	if ds.HasError() || len(before) == 0 {
		return true
	}
	was := wishesOf(before)
	more := len(was) != len(wishes)
	for i := range wishes {
		w := &wishes[i]
		at := slices.IndexFunc(was, func(o wish) bool { return slices.Equal(o.Template, w.Template) })
		if at < 0 {
			more = true
			continue
		}
		w.Rolling.Still = equality.Semantic.DeepEqual(was[at].template, w.template)
		was[at].Rolling.Still = w.Rolling.Still
		more = more || !w.Rolling.Still || !equality.Semantic.DeepEqual(was[at].Demand, w.Demand)
	}
	return more
}

// own are the pods that the planned ones take the place of.
func (p *planner[M, P]) own(client *kube.Client, prior *M) []corev1.Pod {
	if prior == nil {
		return nil
	}
	m := P(prior)
	typed, err := client.Typed()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(p.ctx, askMost)
	defer cancel()
	ref := p.r.main(m)
	selector := p.r.selector(m)
	if selector == "" {
		if ref.Kind != kube.Pod {
			return nil
		}
		live, err := client.Get(ctx, ref)
		if err != nil || live == nil {
			return nil
		}
		pod, err := kube.Typed[corev1.Pod](kube.Live{kube.Pod.Kind: live}, kube.Pod.Kind)
		if err != nil {
			return nil
		}
		return []corev1.Pod{*pod}
	}
	pods, err := diagnose.NewReader(typed).Pods(ctx, ref.Namespace, selector)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(pods, func(pod corev1.Pod) bool { return yields(&pod) })
}

// of are the pods of some objects, as they are called in the state.
func (p *planner[M, P]) of(pods []corev1.Pod, prior *M, refs []kube.Ref) []corev1.Pod {
	if prior == nil {
		return nil
	}
	var owners []owner
	for _, ref := range refs {
		if ref.Role == "" {
			ref = p.r.main(P(prior))
		}
		if ref.Kind == kube.Pod {
			return pods
		}
		owners = append(owners, owner{ref, p.mem.uid(ref)})
	}
	return ownPods(pods, owners...)
}

// misplaced tells what keeps pods off the nodes.
func (p *planner[M, P]) misplaced(title string, m P, v placement.Verdict, w wish, scaling scaling) {
	summary, whole := headline(v.Summary, title, fmt.Sprintf("%s %q", p.r.def.Noun, m.Base().Name.ValueString()), p.r.def.Noun)
	msg := diags.Message{Summary: summary, Happened: v.Happened, Do: v.Do}
	if !whole {
		msg.Happened = title + ": " + v.Summary + ". " + msg.Happened
	}
	if scaling == scalingUnknown && v.Never {
		msg.Happened = placement.Sentences(msg.Happened, "Whether an autoscaler would add nodes could not be seen with these credentials.")
	}
	fields := p.r.blamed(m)
	places := [][]string{v.Field}
	if len(v.Field) == 0 && len(v.PodField) > 0 {
		places = [][]string{slices.Concat(w.Template, v.PodField), slices.Concat(p.r.def.PodTemplate, v.PodField)}
	}
	for _, segments := range places {
		if at, ok := fields.Find(segments); ok && len(segments) > 0 {
			msg.At = at
			break
		}
	}
	if p.r.provider.Placement == PlacementError && v.Never && scaling == scalingNone {
		msg.Stands = "Nothing was changed. This is an error because plan_checks.placement is \"error\" in the provider block."
		p.diagnostics.Append(msg.Error())
		return
	}
	p.diagnostics.Append(msg.Warning())
}
