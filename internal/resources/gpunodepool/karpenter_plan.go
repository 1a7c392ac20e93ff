package gpunodepool

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// remakes names the attribute that makes another pool of it: its nodes are made
// otherwise, or from another kind of machine. "" for none.
func (m *Model) remakes(state *Model) string {
	switch {
	case !m.Name.Equal(state.Name):
		return "name"
	case m.Karpenter.IsUnknown():
		return ""
	case m.Karpenter.IsNull() != state.Karpenter.IsNull():
		return "karpenter"
	}
	is, _ := m.Karpenter.Attributes()["node_class"].(types.Object)
	was, _ := state.Karpenter.Attributes()["node_class"].(types.Object)
	for _, part := range []string{"group", "kind"} {
		if v, ok := is.Attributes()[part]; ok && !v.IsUnknown() && !v.Equal(was.Attributes()[part]) {
			return "karpenter"
		}
	}
	return ""
}

// drifts warns that a change makes Karpenter replace the nodes there are.
func (m *Model) drifts(state *Model) diag.Diagnostics {
	there := len(state.Nodes.Elements())
	if there == 0 {
		return nil
	}
	var names []string
	say := func(name string, is, was attr.Value) {
		if !is.IsUnknown() && !is.Equal(was) {
			names = append(names, name)
		}
	}
	say("labels", m.Labels, state.Labels)
	say("taints", m.Taints, state.Taints)
	for _, name := range []string{"node_class", "requirements", "startup_taints", "annotations", "expire_after", "termination_grace_period"} {
		if is, ok := m.Karpenter.Attributes()[name]; ok {
			say("karpenter."+name, is, state.Karpenter.Attributes()[name])
		}
	}
	if len(names) == 0 {
		return nil
	}
	first, _, _ := strings.Cut(names[0], ".")
	return diag.Diagnostics{diags.Message{
		Summary:  lifecycle.Clip(fmt.Sprintf("Karpenter will replace the nodes of %s", title(m.Name.ValueString()))),
		Happened: fmt.Sprintf("%s changes, and Karpenter changes no node that is there: it takes %s for drifted, makes others that are as the pool says now, and drains the old ones.", strings.Join(names, ", "), counted(there, "node")),
		Stands:   "How many go at a time is said by karpenter.disruption.budgets; pods with the annotation karpenter.sh/do-not-disrupt hold their node until they end.",
		Do:       "Trainings that would lose their work bear that annotation (pod_annotations), or save checkpoints.",
		At:       path.Root(first),
	}.Warning()}
}

// foreseeKarpenter tells what a pool of Karpenter needs and the cluster does not have.
func (p *Pool) foreseeKarpenter(ctx context.Context, plan *Model, mem memory) (ds diag.Diagnostics) {
	if p.provider.Unknown != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookMost)
	defer cancel()
	client, failed := p.client(ctx, plan.Name.ValueString(), &mem)
	if failed.HasError() {
		return nil // said when something is read or written
	}
	has, err := client.Serves(ctx, kube.NodePool)
	if err != nil {
		tflog.Info(ctx, "the cluster does not say whether it has Karpenter", map[string]any{"error": err.Error()})
		return nil
	}
	if !has {
		return diag.Diagnostics{diags.Message{
			Summary:  "This cluster has no Karpenter",
			Happened: "karpenter makes a NodePool of " + kube.NodePool.APIVersion() + ", which this cluster does not serve.",
			Do: "Install Karpenter 1.0 or newer for your cloud (https://karpenter.sh); if this very configuration installs it, apply that part first, with -target. " +
				"For nodes that are there already use node_selector, for machines of Cluster API cluster_api.",
			At: path.Root("karpenter"),
		}.Error()}
	}
	return append(ds, plan.foreseeClass(ctx, client)...)
}

// foreseeClass looks at the node class that is named.
func (m *Model) foreseeClass(ctx context.Context, client *kube.Client) diag.Diagnostics {
	class, _ := m.Karpenter.Attributes()["node_class"].(types.Object)
	part := func(name string) string { return plainText(class.Attributes()[name]) }
	group, kind, name := part("group"), part("kind"), part("name")
	if group == "" || kind == "" {
		return nil // not known yet
	}
	at := path.Root("karpenter").AtName("node_class")
	k, ok, err := client.Discover(ctx, group, kind)
	if err != nil {
		tflog.Info(ctx, "the cluster does not say which node classes it has", map[string]any{"error": err.Error()})
		return nil
	}
	if !ok {
		return diag.Diagnostics{diags.Message{
			Summary:  lifecycle.Clip(fmt.Sprintf("This cluster has no %s of %s", kind, group)),
			Happened: "karpenter.node_class names a kind that the cluster does not serve, though it has Karpenter.",
			Do:       "Each cloud's Karpenter has its own: EC2NodeClass of karpenter.k8s.aws, AKSNodeClass of karpenter.azure.com. See: kubectl api-resources | grep -i nodeclass",
			At:       at,
		}.Error()}
	}
	if name == "" {
		return nil
	}
	live, err := client.Get(ctx, kube.Ref{Kind: k, Name: name})
	switch {
	case err != nil:
		tflog.Info(ctx, "the node class cannot be looked at", map[string]any{"error": err.Error()})
	case live == nil:
		return diag.Diagnostics{diags.Message{
			Summary:  lifecycle.Clip(fmt.Sprintf("%s %s does not exist", kind, name)),
			Happened: "Karpenter makes no node for the pool before it does.",
			Stands:   fmt.Sprintf("The apply waits a minute for it: that is enough where this configuration makes it too, and refers to it. There are: kubectl get %s", strings.ToLower(kind)),
			At:       at,
		}.Warning()}
	case len(complaints(live)) > 0:
		return diag.Diagnostics{diags.Message{
			Summary:  lifecycle.Clip(fmt.Sprintf("%s %s is not ready", kind, name)),
			Happened: "It says of itself:",
			Why:      strings.Join(complaints(live), "\n"),
			Stands:   "Karpenter makes no node for the pool before it is, and the apply waits for it.",
			At:       at,
		}.Warning()}
	}
	return nil
}

// checkKarpenter refuses beside karpenter what is for nodes that exist.
func (m *Model) checkKarpenter() (ds diag.Diagnostics) {
	if !diags.Given(m.Karpenter) {
		return nil // what is not known yet may be null
	}
	label := "Karpenter's nodes come and go: put the label that asks for it into labels, where the GPU Operator sees it on each new node."
	why := map[string]string{
		"node_selector": "The pool's nodes are those that Karpenter makes for it.", "node_names": "The pool's nodes are those that Karpenter makes for it.",
		"cordon": "No node stays long enough for it. To have no more nodes made, set karpenter.limits = { gpus = 0 }.",
		"mig":    label, "sharing": label, "device_plugin_config": label,
		"min_nodes": "Karpenter makes a node when a pod needs it: without pods there is none, and nobody may wait for one.",
		"min_gpus":  "Karpenter makes a node when a pod needs it: without pods there is none, and nobody may wait for one.",
	}
	for name, v := range map[string]attr.Value{
		"node_selector": m.NodeSelector, "node_names": m.NodeNames, "cordon": m.Cordon, "mig": m.MIG, "sharing": m.Sharing,
		"device_plugin_config": m.PluginConfig, "min_nodes": m.MinNodes, "min_gpus": m.MinGPUs,
	} {
		if v.IsNull() || v.IsUnknown() {
			continue
		}
		ds.Append(diags.Message{
			Summary: fmt.Sprintf("%s cannot be used with karpenter", name), Happened: why[name],
			Do: "Remove one of them.", At: path.Root(name),
		}.Error())
	}
	return append(ds, m.checkRequirements()...)
}

// checkRequirements checks what Karpenter's API would refuse of requirements and
// budgets.
func (m *Model) checkRequirements() (ds diag.Diagnostics) {
	list, _ := m.Karpenter.Attributes()["requirements"].(types.List)
	for i, e := range list.Elements() {
		o, ok := e.(types.Object)
		if !ok || o.IsUnknown() {
			continue
		}
		values, _ := o.Attributes()["values"].(types.List)
		at := path.Root("karpenter").AtName("requirements").AtListIndex(i).AtName("values")
		if values.IsUnknown() {
			continue
		}
		n := len(values.Elements())
		says := ""
		switch op := plainText(o.Attributes()["operator"]); op {
		case "In":
			if n == 0 {
				says = "In needs at least one value."
			}
		case "Gt", "Lt", "Gte", "Lte":
			if n != 1 {
				says = op + " compares with exactly one number."
			}
		case "Exists", "DoesNotExist":
			if n > 0 {
				says = op + " looks at no value."
			}
		}
		if says != "" {
			ds.Append(diags.Message{
				Summary:  lifecycle.Clip(fmt.Sprintf("Karpenter would refuse the requirement on %s", textOr(plainText(o.Attributes()["key"]), "a label"))),
				Happened: says, At: at,
			}.Error())
		}
	}
	d, _ := m.Karpenter.Attributes()["disruption"].(types.Object)
	budgets, _ := d.Attributes()["budgets"].(types.List)
	for i, e := range budgets.Elements() {
		o, ok := e.(types.Object)
		if !ok || o.IsUnknown() {
			continue
		}
		when, long := o.Attributes()["schedule"], o.Attributes()["duration"]
		if !when.IsUnknown() && !long.IsUnknown() && when.IsNull() != long.IsNull() {
			ds.Append(diags.Message{
				Summary: "A budget needs both schedule and duration, or neither", Happened: "Karpenter knows when it begins only with the one, and when it ends only with the other.",
				At: path.Root("karpenter").AtName("disruption").AtName("budgets").AtListIndex(i),
			}.Error())
		}
	}
	return ds
}
