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
	main := p.want[0]
	if main.obj.GetLabels()[kube.QueueLabel] != "" {
		return
	}
	demands := demandsOf(p.want)
	if len(demands) == 0 || prior != nil && !p.demandsMore(prior, main.obj, demands) {
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
	for _, d := range demands {
		v, ok := d.Judge(title, cluster)
		if ok && cluster.Usage == nil {
			cluster.Usage = p.r.provider.Inventory.taken(p.ctx, client)
			cluster.Own = p.own(client, prior)
			v, ok = d.Judge(title, cluster)
		}
		if !ok {
			p.misplaced(title, P(m), v, scaling)
			return // one is enough: pods of one run want the same nodes
		}
	}
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

// demandsMore reports whether an update asks the nodes for something: other pods,
// or a rollout.
func (p *planner[M, P]) demandsMore(prior *M, wanted *kube.Object, demands []placement.Demand) bool {
	before, ds := p.r.render(P(prior), "")
	if ds.HasError() || len(before) == 0 {
		return true
	}
	if !equality.Semantic.DeepEqual(demands, demandsOf(before)) {
		return true
	}
	at := p.r.def.PodTemplate[1:]
	old, _ := kube.At(before[0].obj.Object, at...)
	now, _ := kube.At(wanted.Object, at...)
	return len(at) > 0 && !equality.Semantic.DeepEqual(old, now)
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
	return slices.DeleteFunc(ownPods(pods, owner{ref, p.mem.uid(ref)}), func(pod corev1.Pod) bool { return yields(&pod) })
}

// misplaced tells what keeps pods off the nodes.
func (p *planner[M, P]) misplaced(title string, m P, v placement.Verdict, scaling scaling) {
	summary, whole := headline(v.Summary, title, fmt.Sprintf("%s %q", p.r.def.Noun, m.Base().Name.ValueString()), p.r.def.Noun)
	msg := diags.Message{Summary: summary, Happened: v.Happened, Do: v.Do}
	if !whole {
		msg.Happened = title + ": " + v.Summary + ". " + msg.Happened
	}
	if scaling == scalingUnknown && v.Never {
		msg.Happened = placement.Sentences(msg.Happened, "Whether an autoscaler would add nodes could not be seen with these credentials.")
	}
	segments := v.Field
	if len(segments) == 0 && len(v.PodField) > 0 {
		segments = append(slices.Clone(p.r.def.PodTemplate), v.PodField...)
	}
	fields := p.r.fields(m)
	if at, ok := fields.Find(segments); ok && len(segments) > 0 {
		msg.At = at
	}
	if p.r.provider.Placement == PlacementError && v.Never && scaling == scalingNone {
		msg.Stands = "Nothing was changed. This is an error because plan_checks.placement is \"error\" in the provider block."
		p.diagnostics.Append(msg.Error())
		return
	}
	p.diagnostics.Append(msg.Warning())
}
