package gpunodepool

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// ValidateConfig checks what the configuration alone decides. What is unknown is
// not held against it.
func (p *Pool) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var m Model
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if m.NodeSelector.IsNull() && m.NodeNames.IsNull() && m.Karpenter.IsNull() && m.ClusterAPI.IsNull() {
		resp.Diagnostics.Append(diags.Message{
			Summary: "A GPU node pool needs node_selector, node_names or karpenter",
			Do:      "Say which nodes belong to the pool: by their labels, for example { \"nvidia.com/gpu.present\" = \"true\" }, or by their names. Or have Karpenter make them (karpenter), or scale machines of Cluster API (cluster_api).",
			At:      path.Root("node_selector"),
		}.Error())
	}
	for k, v := range m.Labels.Elements() {
		needs, ok := m.NodeSelector.Elements()[k]
		if ok && !v.IsUnknown() && !needs.IsUnknown() && !v.Equal(needs) {
			resp.Diagnostics.Append(diags.Message{
				Summary:  "The pool's own label would take its nodes out of the pool",
				Happened: fmt.Sprintf("node_selector asks for %s=%s, and labels would set it to %s on the nodes that match.", k, plainText(needs), plainText(v)),
				Do:       "Give the label another key, or select the nodes by another label.",
				At:       path.Root("labels").AtMapKey(k),
			}.Error())
		}
	}
	resp.Diagnostics.Append(m.checkTaints()...)
	resp.Diagnostics.Append(m.checkLayout()...)
	resp.Diagnostics.Append(m.checkKarpenter()...)
	resp.Diagnostics.Append(m.checkMachines()...)
	named := int64(len(m.NodeNames.Elements()))
	if m.NodeSelector.IsNull() && m.Karpenter.IsNull() && !m.NodeNames.IsUnknown() && !m.NodeNames.IsNull() && !m.MinNodes.IsUnknown() && m.MinNodes.ValueInt64() > named {
		resp.Diagnostics.Append(diags.Message{
			Summary:  "min_nodes is more than the pool can have",
			Happened: fmt.Sprintf("node_names names %s, min_nodes waits for %d.", counted(int(named), "node"), m.MinNodes.ValueInt64()),
			Do:       "Lower min_nodes, or name more nodes.",
			At:       path.Root("min_nodes"),
		}.Error())
	}
}

// kept are the taints that Kubernetes itself sets and takes away.
const kept = "node.kubernetes.io/"

func (m *Model) checkTaints() (ds diag.Diagnostics) {
	seen := map[string]bool{}
	for i, e := range m.Taints.Elements() {
		o, ok := e.(types.Object)
		if !ok || o.IsUnknown() {
			continue
		}
		key, effect := o.Attributes()["key"], o.Attributes()["effect"]
		if key.IsUnknown() {
			continue
		}
		if strings.HasPrefix(plainText(key), kept) {
			ds.Append(diags.Message{
				Summary:  fmt.Sprintf("Kubernetes itself sets taints under %s", kept),
				Happened: fmt.Sprintf("Its node controller takes %s away again, or sets it, by the state of each node.", plainText(key)),
				Do:       "Use a key of your own; to keep new pods away, use cordon = true.",
				At:       path.Root("taints").AtListIndex(i).AtName("key"),
			}.Error())
		}
		if effect.IsUnknown() {
			continue
		}
		at := plainText(key) + ":" + plainText(effect)
		if seen[at] {
			ds.Append(diags.Message{
				Summary:  "A taint is declared twice",
				Happened: fmt.Sprintf("A node can have %s only once, with one value.", at),
				Do:       "Remove one of them. The same key with another effect is another taint.",
				At:       path.Root("taints").AtListIndex(i),
			}.Error())
		}
		seen[at] = true
	}
	return ds
}
