package gpustack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// readyDaemonSets says how far the DaemonSets are, and what nodes have of them.
func readyDaemonSets(m *Model, seen lifecycle.Seen) wait.Verdict {
	main, err := kube.Typed[appsv1.DaemonSet](seen.Live, kube.DaemonSet.Kind)
	switch {
	case err != nil || main == nil:
		return wait.Of(wait.Progressing, phasePending, "", "The DaemonSet of the device plugin does not exist yet")
	case main.DeletionTimestamp != nil:
		return wait.Of(wait.Failed, phasePending, "Deleted", "The DaemonSet of the device plugin is being deleted")
	}
	if left := unfinished(seen); len(left) > 0 {
		return wait.Of(wait.Progressing, phaseUpdating, "", strings.Join(left, "; "))
	}
	if main.Status.DesiredNumberScheduled == 0 {
		return wait.Of(wait.Done, phaseIdle, "NoNodes", "No node matches; the stack comes with the first one that does")
	}
	if len(seen.Pods) == 0 && seen.Now.Sub(main.CreationTimestamp.Time) < settleFor {
		return wait.Of(wait.Progressing, phasePending, "", "The pods have only just been made")
	}
	for i := range seen.Pods {
		p := &seen.Pods[i]
		for j := range p.Spec.Containers {
			c := &p.Spec.Containers[j]
			if c.ReadinessProbe == nil && podspec.Active(p) && !outdated(seen, p) && (!podspec.Runs(p, c.Name) || !podspec.Lasts(p, c.Name, seen.Now)) {
				return wait.Of(wait.Progressing, phasePending, "", "The pods have only just started")
			}
		}
	}
	if seen.Lent != nil && len(advertised(m, seen.Lent)) == 0 {
		return wait.Of(wait.Progressing, phasePending, "NothingAdvertised", fmt.Sprintf(
			"The device plugin is ready on %d nodes, and none of them has any %s* to give: does it see the driver? Where GPUs are only seen under a runtime class, set runtime_class",
			main.Status.NumberReady, vendorOf(m.Vendor).domain))
	}
	return wait.Of(wait.Done, phaseReady, "", "")
}

// surveyDaemonSets refuses a second device plugin for the same devices of a node.
func surveyDaemonSets(ctx context.Context, q *lifecycle.Query, prior, wanted *Model) diag.Diagnostics {
	v := vendorOf(wanted.Vendor)
	var nodes []corev1.Node
	var has []string
	_ = q.EachNode(ctx, "", func(n *corev1.Node) {
		nodes = append(nodes, *n)
		for name, amount := range n.Status.Allocatable {
			if strings.HasPrefix(string(name), v.domain) && !amount.IsZero() && !slices.Contains(has, n.Name) {
				has = append(has, n.Name)
			}
		}
	})
	if v.domain == nvidia {
		policies, _ := q.List(ctx, kube.ClusterPolicy, "", "")
		for _, p := range policies {
			if enabled, said, _ := nestedBool(p, "spec", "devicePlugin", "enabled"); said && !enabled {
				continue
			}
			return diag.Diagnostics{diags.Message{
				Summary:  fmt.Sprintf("The GPU Operator runs a device plugin already, by ClusterPolicy %s", p.GetName()),
				Happened: "Two device plugins on a node advertise the same GPUs, and hand each of them out twice.",
				Stands:   "Nothing was changed.",
				Do: fmt.Sprintf("Leave it to the operator: mode = \"operator\", and terraform import mlk_gpu_stack.<name> %s\n"+
					"Or have it leave this to you: devicePlugin.enabled = false in that ClusterPolicy.", p.GetName()),
				At: modePath,
			}.Error()}
		}
	}
	all, _ := q.List(ctx, kube.DaemonSet, "", "")
	for _, o := range all {
		own := func(m *Model) bool {
			return m != nil && m.Mode.ValueString() == modeDaemonSets && o.GetNamespace() == m.Namespace.ValueString() && o.GetName() == m.Name.ValueString()
		}
		set, err := kube.Typed[appsv1.DaemonSet](kube.Live{"": o}, "")
		if err != nil || set == nil || own(prior) || own(wanted) || !v.isPlugin(set) {
			continue
		}
		both := meeting(wanted, set, nodes)
		if both == "" {
			continue
		}
		return diag.Diagnostics{diags.Message{
			Summary:  fmt.Sprintf("DaemonSet %s/%s is a device plugin for the same GPUs", set.Namespace, set.Name),
			Happened: fmt.Sprintf("It would meet this one on node %s, among others. Two device plugins on a node advertise the same GPUs, and hand each of them out twice.", both),
			Stands:   "Nothing was changed.",
			Do: fmt.Sprintf("Take it over: terraform import mlk_gpu_stack.<name> %s/%s\nOr remove it, or keep the two apart by node_selector.",
				set.Namespace, set.Name),
			At: modePath,
		}.Error()}
	}
	if len(has) == 0 {
		return nil
	}
	slices.Sort(has)
	return diag.Diagnostics{diags.Message{
		Summary:  fmt.Sprintf("%d nodes advertise %s* already", len(has), v.domain),
		Happened: "Something makes resources of their GPUs that is no DaemonSet known to mlk: part of the nodes' image, or of the cloud. " + some(has) + ".",
		Do:       "Look what it is before a second device plugin comes to these nodes, or leave them out by node_selector.",
		At:       modePath,
	}.Warning()}
}

// some names the first of several.
func some(names []string) string {
	if len(names) > mostNodes {
		return "The first: " + strings.Join(names[:mostNodes], ", ")
	}
	return "They are: " + strings.Join(names, ", ")
}

// isPlugin reports whether a DaemonSet is a device plugin for the vendor's devices:
// GPU Feature Discovery comes in the same image.
func (v vendor) isPlugin(set *appsv1.DaemonSet) bool {
	for _, c := range set.Spec.Template.Spec.Containers {
		other := slices.ContainsFunc(append(slices.Clone(c.Command), c.Name), func(s string) bool {
			return strings.Contains(s, "gpu-feature-discovery") || strings.Contains(s, "labeller") || strings.Contains(s, "mps-control")
		})
		if !other && slices.ContainsFunc(v.plugins, func(part string) bool { return strings.Contains(c.Image, part) }) {
			return true
		}
	}
	return false
}

// meeting is a node on which both would run; "" for none. Taints do not count: both
// tolerate those of GPU nodes.
func meeting(m *Model, set *appsv1.DaemonSet, nodes []corev1.Node) string {
	objects, ds := daemonSets(m)
	if ds.HasError() || len(objects) == 0 {
		return ""
	}
	ours, ok := typedSet(objects[0])
	if !ok {
		return ""
	}
	where := func(s *appsv1.DaemonSet) nodeaffinity.RequiredNodeAffinity {
		return nodeaffinity.GetRequiredNodeAffinity(&corev1.Pod{Spec: s.Spec.Template.Spec})
	}
	a, b := where(ours), where(set)
	for i := range nodes {
		x, errX := a.Match(&nodes[i])
		y, errY := b.Match(&nodes[i])
		if errX == nil && errY == nil && x && y {
			return nodes[i].Name
		}
	}
	return ""
}
