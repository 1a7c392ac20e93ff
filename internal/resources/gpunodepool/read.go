package gpunodepool

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/nodepool"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// Read looks at the nodes, all in one list. What the pool declares is not read
// from them: a node that lacks some of it is no member, and is planned as one to
// be written.
func (p *Pool) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var m Model
	resp.Diagnostics.Append(req.State.Get(ctx, &m)...)
	mem, ds := recall(ctx, req.Private)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(identify(ctx, m.Name.ValueString(), resp.Identity)...)
	if p.provider != nil && p.provider.Unknown != "" {
		resp.Diagnostics.Append(lifecycle.Unsettled(p.provider.Unknown))
		return
	}
	known := mem.Cluster
	client, ds := p.client(ctx, m.Name.ValueString(), &mem)
	if ds.HasError() && p.provider != nil && p.provider.ClusterChanged == "recreate" && known != "" {
		if _, uid, lost := p.provider.Client(ctx, noun); !lost.HasError() && uid != "" && uid != known {
			resp.State.RemoveResource(ctx)
			return
		}
	}
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	nodes, err := client.Nodes(ctx)
	if err != nil {
		resp.Diagnostics.Append(lifecycle.Refusal(title(m.Name.ValueString()), kube.Ref{Kind: kube.Node}, "list", err, "The state is unchanged.")...)
		return
	}
	if m.onDemand() {
		exists, ds := m.review(ctx, client, &mem, nodes)
		resp.Diagnostics.Append(ds...)
		switch {
		case ds.HasError():
		case !exists:
			resp.State.RemoveResource(ctx)
		default:
			mem.settle(&m)
			resp.Diagnostics.Append(resp.State.Set(ctx, &m)...)
			resp.Diagnostics.Append(mem.store(ctx, resp.Private)...)
		}
		return
	}
	s := survey(m.wanted(), nodes)
	configured, err := m.layout().written(ctx, client, m.Name.ValueString())
	if err != nil {
		resp.Diagnostics.Append(lifecycle.Refusal(title(m.Name.ValueString()), m.layout().ref, "read", err, "The state is unchanged.")...)
		return
	}
	verdict := ready(&m, s.all())
	if d := m.machines(); d != nil {
		k, live, err := d.find(ctx, client)
		if err != nil || k.Kind == "" {
			resp.Diagnostics.Append(d.unread(title(m.Name.ValueString()), err)...)
			return
		}
		m.seeMachines(live)
		verdict = together(live, m.apart(), verdict)
	}
	m.see(s.all(), verdict, configured)
	if verdict.Outcome == wait.Done {
		mem.Pending = false
	}
	mem.settle(&m)
	resp.Diagnostics.Append(resp.State.Set(ctx, &m)...)
	resp.Diagnostics.Append(mem.store(ctx, resp.Private)...)
}

// ImportState takes a pool into the state: one that nodes bear already, by its
// name, nodes that were labelled and tainted by hand, by "name/selector", or a
// NodePool of Karpenter, by its name.
func (p *Pool) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	name, selector, ds := importID(ctx, req)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	mem := memory{Imported: true}
	client, ds := p.client(ctx, name, &mem)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	nodes, err := client.Nodes(ctx)
	if err != nil {
		resp.Diagnostics.Append(lifecycle.Refusal(title(name), kube.Ref{Kind: kube.Node}, "list", err, "Nothing was imported.")...)
		return
	}
	m, ds := adopt(name, selector, nodes)
	if ds.HasError() && len(selector) == 0 {
		found, failed := adopted(ctx, client, name, nodes)
		if resp.Diagnostics.Append(failed...); failed.HasError() {
			return
		}
		if found != nil {
			m, ds = found, nil
		}
	}
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	if err := m.adoptPlugin(ctx, client, nodes); err != nil {
		resp.Diagnostics.Append(lifecycle.Refusal(title(name), kube.Ref{Kind: kube.ConfigMap}, "read", err, "Nothing was imported.")...)
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
	resp.Diagnostics.Append(mem.store(ctx, resp.Private)...)
	resp.Diagnostics.Append(identify(ctx, name, resp.Identity)...)
}

// importID reads the id, or the identity.
func importID(ctx context.Context, req resource.ImportStateRequest) (name string, selector map[string]string, ds diag.Diagnostics) {
	if req.ID == "" && req.Identity != nil {
		var n types.String
		ds.Append(req.Identity.GetAttribute(ctx, path.Root("name"), &n)...)
		return n.ValueString(), nil, ds
	}
	name, text, by := strings.Cut(req.ID, "/")
	problems := validation.IsDNS1123Label(name)
	if by {
		set, err := labels.ConvertSelectorToLabelsMap(text)
		if err != nil || len(set) == 0 {
			problems = append(problems, fmt.Sprintf("%q is not a list of labels, key=value with commas between them.", text))
		}
		selector = set
	}
	if len(problems) > 0 {
		ds.Append(diags.Message{
			Summary: lifecycle.Clip(fmt.Sprintf("%q is not the id of a GPU node pool", req.ID)),
			Why:     strings.Join(problems, "\n"),
			Do: "A pool that nodes bear already has its name as id: terraform import " + address + " h100\n" +
				"Nodes that were labelled by hand are imported by a selector behind it: terraform import " + address + " h100/nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3",
		}.Error())
	}
	return name, selector, ds
}

// review looks at the NodePool of a pool of Karpenter, and at its nodes; exists is
// whether the NodePool that the state knows is there.
func (m *Model) review(ctx context.Context, client *kube.Client, mem *memory, nodes []*corev1.Node) (exists bool, ds diag.Diagnostics) {
	ref := nodePoolRef(m.Name.ValueString())
	live, err := client.Get(ctx, ref)
	if err != nil {
		return false, lifecycle.Refusal(title(ref.Name), ref, "read", err, "The state is unchanged.")
	}
	if uid := uidIn(m.Objects); live == nil || uid != "" && string(live.GetUID()) != uid {
		return false, nil
	}
	hidden, ds := m.seeNodePool(ctx, live)
	if ds.HasError() {
		return true, ds
	}
	m.show(live, string(live.GetUID()), nodes)
	switch {
	case hidden:
		mem.Pending = true // no attribute shows it: the next apply writes it again
	case judgeNodePool(live).Outcome == wait.Done:
		mem.Pending = false
	}
	return true, nil
}

// adopted is the model of a NodePool of Karpenter; nil when there is none.
func adopted(ctx context.Context, client *kube.Client, name string, nodes []*corev1.Node) (*Model, diag.Diagnostics) {
	has, err := client.Serves(ctx, kube.NodePool)
	if err != nil || !has {
		return nil, nil
	}
	live, err := client.Get(ctx, nodePoolRef(name))
	if err != nil {
		return nil, lifecycle.Refusal(title(name), nodePoolRef(name), "read", err, "Nothing was imported.")
	}
	if live == nil {
		return nil, nil
	}
	m := adoptNodePool(live)
	m.Karpenter = withoutDefaults(m.Karpenter)
	m.ID, m.Name, m.NodeSelector, m.NodeNames = types.StringValue(name), types.StringValue(name), types.MapNull(types.StringType), types.ListNull(types.StringType)
	m.ClusterAPI = types.ObjectNull(machinesTypes)
	m.MIG, m.Sharing, m.PluginConfig = types.ObjectNull(migTypes), types.ObjectNull(sharingTypes), types.ObjectNull(pluginTypes)
	m.Timeouts = lifecycle.NoTimeouts()
	m.show(live, string(live.GetUID()), nodes)
	return m, nil
}

// adopt is the model of a pool as its nodes show it: of what they bear, only that
// which the pool itself has set. What people set by hand the configuration claims.
func adopt(name string, selector map[string]string, nodes []*corev1.Node) (*Model, diag.Diagnostics) {
	w := nodepool.Wanted{Pool: name, Selector: selector}
	s := survey(w, nodes)
	if len(s.matching) == 0 && len(s.stale) == 0 {
		return nil, diag.Diagnostics{diags.Message{
			Summary: lifecycle.Clip(fmt.Sprintf("No node belongs to %s", title(name))),
			Happened: fmt.Sprintf("None of the cluster's %s bears %s=true%s.", counted(len(nodes), "node"), nodepool.Membership(name),
				map[bool]string{true: ", or matches the selector of the id", false: ""}[len(selector) > 0]),
			Stands: "Nothing was imported.",
			Do:     "Nodes that were labelled by hand are imported by a selector behind the name: terraform import " + address + " " + name + "/key=value",
		}.Error()}
	}
	m := &Model{
		ID: types.StringValue(name), Name: types.StringValue(name), NodeSelector: mapOf(selector), NodeNames: types.ListNull(types.StringType),
		Labels: types.MapNull(types.StringType), Taints: types.ListNull(taintType), Timeouts: lifecycle.NoTimeouts(),
		Karpenter: types.ObjectNull(karpenterTypes), ClusterAPI: types.ObjectNull(machinesTypes), Objects: lifecycle.Objects(nil, nil),
		MIG: types.ObjectNull(migTypes), Sharing: types.ObjectNull(sharingTypes), PluginConfig: types.ObjectNull(pluginTypes),
	}
	var named []string
	for _, n := range s.all() {
		if !w.Present(n) {
			continue
		}
		if len(selector) == 0 {
			named = append(named, n.Name)
		}
		if m.Labels.IsNull() {
			own := w.Applied(n)
			delete(own, nodepool.Membership(name))
			if config, ok := own[gpu.LabelMIGConfig]; ok {
				m.MIG = migValue(config)
			}
			delete(own, gpu.LabelMIGConfig)
			delete(own, nodepool.LabelPlugin) // what it stands for is in a file elsewhere
			m.Labels = mapOf(own)
		}
		if r, ok := nodepool.RecordOf(n, name); ok && m.Taints.IsNull() {
			m.Taints, m.Cordon = taintValues(r.Taints), types.BoolPointerValue(r.Cordon)
		}
	}
	if len(named) > 0 {
		m.NodeNames = list(named)
	}
	m.see(s.all(), ready(m, s.all()), true)
	return m, nil
}
