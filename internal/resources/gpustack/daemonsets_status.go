package gpustack

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	_ = q.EachNode(ctx, "", func(n *corev1.Node) { nodes = append(nodes, *n) })
	var going string // the ClusterPolicy that this stack takes the place of
	if prior != nil && prior.Mode.ValueString() == modeOperator {
		going = prior.Name.ValueString()
	}
	if v.domain == nvidia {
		policies, _ := q.List(ctx, kube.ClusterPolicy, "", "")
		for _, p := range policies {
			if enabled, said, _ := nestedBool(p, "spec", "devicePlugin", "enabled"); said && !enabled || p.GetName() == going {
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
		if by := metav1.GetControllerOf(set); by != nil && by.Kind == kube.ClusterPolicy.Kind && by.Name == going {
			continue // it goes with the policy
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
	has := v.advertisers(wanted, nodes)
	if len(has) == 0 || prior != nil { // what goes has made them, as likely as not
		return nil
	}
	return diag.Diagnostics{diags.Message{
		Summary:  fmt.Sprintf("%d nodes advertise %s* already", len(has), v.domain),
		Happened: "Something makes resources of their GPUs that is no DaemonSet known to mlk: part of the nodes' image, or of the cloud. " + some(has) + ".",
		Do:       "Look what it is before a second device plugin comes to these nodes, or leave them out by node_selector.",
		At:       modePath,
	}.Warning()}
}

// madeClass is the name of the RuntimeClass that the stack makes, and whether it
// makes one.
func (m *Model) madeClass() (string, bool) {
	if m == nil || m.RuntimeClass == nil {
		return "", false
	}
	r := m.RuntimeClass
	if !r.Create.IsNull() && !r.Create.ValueBool() {
		return "", false
	}
	return r.name(), true
}

// planned refuses what no RuntimeClass can become.
func planned(_ context.Context, p *lifecycle.Planning[Model]) {
	if p.Create || p.Destroy || p.Replace || p.Prior == nil || p.Wanted == nil {
		return
	}
	was, before := p.Prior.madeClass()
	name, after := p.Wanted.madeClass()
	if !before || !after || was != name || p.Prior.RuntimeClass.handler() == p.Wanted.RuntimeClass.handler() {
		return
	}
	p.Diagnostics.Append(diags.Message{
		Summary:  lifecycle.Clip(fmt.Sprintf("The handler of RuntimeClass %s cannot change", name)),
		Happened: fmt.Sprintf("It is %q, and would be %q. Kubernetes lets nobody change it.", p.Prior.RuntimeClass.handler(), p.Wanted.RuntimeClass.handler()),
		Stands:   "Nothing was changed.",
		Do:       "Give the class another name as well, in runtime_class.name: the stack then makes that one and removes this.",
		At:       path.Root("runtime_class").AtName("handler"),
	}.Error())
}

// advertisers are the nodes the stack would come to that have devices to give by
// themselves, in order.
func (v vendor) advertisers(m *Model, nodes []corev1.Node) []string {
	ours := placeOf(m)
	var out []string
	for i := range nodes {
		n := &nodes[i]
		if in, err := ours.Match(n); err != nil || !in {
			continue
		}
		for name, amount := range n.Status.Allocatable {
			if strings.HasPrefix(string(name), v.domain) && !amount.IsZero() {
				out = append(out, n.Name)
				break
			}
		}
	}
	slices.Sort(out)
	return out
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
	a, b := placeOf(m), nodeaffinity.GetRequiredNodeAffinity(&corev1.Pod{Spec: set.Spec.Template.Spec})
	for i := range nodes {
		x, errX := a.Match(&nodes[i])
		y, errY := b.Match(&nodes[i])
		if errX == nil && errY == nil && x && y {
			return nodes[i].Name
		}
	}
	return ""
}

// placeOf is on which nodes the stack runs.
func placeOf(m *Model) nodeaffinity.RequiredNodeAffinity {
	pod := object{}
	m.place(pod)
	var spec corev1.PodSpec
	if raw, err := json.Marshal(pod); err == nil {
		_ = json.Unmarshal(raw, &spec) // as it was just written
	}
	return nodeaffinity.GetRequiredNodeAffinity(&corev1.Pod{Spec: spec})
}
