package gpustack

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// The phases of status.
const (
	phasePending  = "Pending"
	phaseUpdating = "Updating"
	phaseReady    = "Ready"
	phaseIdle     = "Idle"
	phaseIgnored  = "Ignored"
)

// How much of what is wrong one message tells.
const (
	mostSets  = 4
	mostNodes = 3
)

// componentType is an entry of components.
var componentType = types.ObjectType{AttrTypes: map[string]attr.Type{
	"namespace": types.StringType, "image": types.StringType,
	"matching_nodes": types.Int32Type, "ready_nodes": types.Int32Type, "updated_nodes": types.Int32Type,
}}

// noneSeen fills the computed attributes of a model that was adopted.
func noneSeen(m *Model) {
	m.Components, m.GPUs = types.MapNull(componentType), types.MapNull(types.Int64Type)
}

// ready judges what was seen against a level of wait_for.
func ready(m *Model, seen lifecycle.Seen, level string) wait.Verdict {
	v := readyPolicy(seen)
	if m.Mode.ValueString() == modeDaemonSets {
		v = readyDaemonSets(m, seen)
	}
	if level == levelCreated && v.Outcome == wait.Progressing && seen.Live[mainKind(m).Kind] != nil {
		v.Outcome = wait.Done
	}
	return v
}

// sets are the DaemonSets of the stack, by name.
func sets(seen lifecycle.Seen) []*appsv1.DaemonSet {
	var out []*appsv1.DaemonSet
	all := slices.Clone(seen.Beside[kube.DaemonSet.Kind])
	for _, o := range seen.Live {
		if o != nil && o.GetKind() == kube.DaemonSet.Kind {
			all = append(all, o)
		}
	}
	for _, o := range all {
		if set, err := kube.Typed[appsv1.DaemonSet](kube.Live{"": o}, ""); err == nil && set != nil {
			out = append(out, set)
		}
	}
	slices.SortFunc(out, func(a, b *appsv1.DaemonSet) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// unfinished says of each DaemonSet that is not as it should be on how many nodes it
// is, and on which not; nil when all are.
func unfinished(seen lifecycle.Seen) []string {
	var out []string
	for _, set := range sets(seen) {
		s := set.Status
		byHand := set.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType
		switch {
		case s.ObservedGeneration < set.Generation:
			out = append(out, set.Name+" has just been changed")
		case s.UpdatedNumberScheduled < s.DesiredNumberScheduled && !byHand:
			out = append(out, fmt.Sprintf("%s is new on %d of %d nodes%s", set.Name, s.UpdatedNumberScheduled, s.DesiredNumberScheduled, where(set, seen.Pods)))
		case s.NumberReady < s.DesiredNumberScheduled:
			out = append(out, fmt.Sprintf("%s is ready on %d of %d nodes%s", set.Name, s.NumberReady, s.DesiredNumberScheduled, where(set, seen.Pods)))
		}
	}
	if len(out) > mostSets {
		out = append(out[:mostSets:mostSets], fmt.Sprintf("and %d more", len(out)-mostSets))
	}
	return out
}

// where names the nodes on which pods of a DaemonSet are not ready, and why: " (not
// on gpu-1: ImagePullBackOff)".
func where(set *appsv1.DaemonSet, pods []corev1.Pod) string {
	var out []string
	for i := range pods {
		p := &pods[i]
		if by := metav1.GetControllerOf(p); by == nil || by.UID != set.UID || isReady(p) {
			continue
		}
		node := p.Spec.NodeName
		if node == "" {
			node = "a node that has no room for it"
		}
		if why := waiting(p); why != "" {
			node += ": " + why
		}
		out = append(out, node)
	}
	if len(out) == 0 {
		return ""
	}
	slices.Sort(out)
	if len(out) > mostNodes {
		out = append(out[:mostNodes:mostNodes], fmt.Sprintf("and %d more", len(out)-mostNodes))
	}
	return " (not on " + strings.Join(out, ", ") + ")"
}

func isReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// waiting is what the first container that does not run waits for. The init
// containers of the operator's programs wait for those before them.
func waiting(p *corev1.Pod) string {
	for _, c := range p.Status.InitContainerStatuses {
		switch {
		case c.State.Waiting != nil && c.State.Waiting.Reason != "PodInitializing":
			return c.Name + " " + c.State.Waiting.Reason
		case c.State.Running != nil:
			return "waits in " + c.Name
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Waiting != nil && c.State.Waiting.Reason != "" {
			return c.Name + " " + c.State.Waiting.Reason
		}
	}
	return ""
}

// observe fills what the stack has made of the nodes.
func observe(m *Model, seen lifecycle.Seen) diag.Diagnostics {
	if _, looked := seen.Beside[kube.DaemonSet.Kind]; looked || m.Mode.ValueString() == modeDaemonSets || m.Components.IsNull() || m.Components.IsUnknown() {
		all := map[string]attr.Value{}
		for _, set := range sets(seen) {
			image := types.StringNull()
			if c := set.Spec.Template.Spec.Containers; len(c) > 0 {
				image = types.StringValue(c[0].Image)
			}
			all[set.Name] = types.ObjectValueMust(componentType.AttrTypes, map[string]attr.Value{
				"namespace": types.StringValue(set.Namespace), "image": image,
				"matching_nodes": types.Int32Value(set.Status.DesiredNumberScheduled),
				"ready_nodes":    types.Int32Value(set.Status.NumberReady),
				"updated_nodes":  types.Int32Value(set.Status.UpdatedNumberScheduled),
			})
		}
		m.Components = types.MapValueMust(componentType, all)
	}
	if seen.Lent != nil || m.GPUs.IsNull() || m.GPUs.IsUnknown() {
		all := map[string]attr.Value{}
		for name, amount := range advertised(m, seen.Lent) {
			all[name] = types.Int64Value(amount)
		}
		m.GPUs = types.MapValueMust(types.Int64Type, all)
	}
	return nil
}

// nvidia begins the names of the resources that NVIDIA's device plugin advertises.
const nvidia = "nvidia.com/"

// advertised is what all nodes have to give of the vendor's devices.
func advertised(m *Model, l *lifecycle.Lending) map[string]int64 {
	if l == nil {
		return nil
	}
	out := maps.Clone(l.Amounts)
	maps.DeleteFunc(out, func(name string, _ int64) bool { return !strings.HasPrefix(name, vendorOf(m.Vendor).domain) })
	return out
}

// settleFor is how long the operator is given to take notice of a change, where its
// status says nothing of that: it has no field for the generation it has seen.
const settleFor = 10 * time.Second

// noticed reports whether the operator has had the time to see what we have written
// last: it has written its status since, or some time has passed.
func noticed(o *kube.Object, now time.Time) bool {
	var written, answered time.Time
	for _, f := range o.GetManagedFields() {
		switch {
		case f.Time == nil:
		case f.Subresource != "":
			answered = later(answered, f.Time.Time)
		case f.Manager == kube.Manager:
			written = later(written, f.Time.Time)
		}
	}
	return answered.After(written) || now.Sub(written) >= settleFor
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// The generation of a DaemonSet's pod template: an annotation of it, and a label of
// its pods.
const (
	generationOfSet = appsv1.DeprecatedTemplateGeneration
	generationOfPod = "pod-template-generation"
)

// outdated reports whether a pod is of an earlier revision of its DaemonSet, or
// nobody knows yet because the operator may not have seen what was changed.
func outdated(seen lifecycle.Seen, p *corev1.Pod) bool {
	if o := seen.Live[kube.ClusterPolicy.Kind]; o != nil && !noticed(o, seen.Now) {
		return true
	}
	by := metav1.GetControllerOf(p)
	for _, set := range sets(seen) {
		if by == nil || set.UID != by.UID {
			continue
		}
		newest := set.Annotations[generationOfSet]
		return set.Status.ObservedGeneration < set.Generation || newest != "" && p.Labels[generationOfPod] != newest
	}
	return false
}
