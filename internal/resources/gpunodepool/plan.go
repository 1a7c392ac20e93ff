package gpunodepool

import (
	"context"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/nodepool"
)

// lookMost bounds how long a plan waits for the cluster's answer.
const lookMost = 10 * time.Second

// ModifyPlan settles what a plan of the pool changes. Values follow from
// configuration and state alone, as Terraform plans twice; of the cluster it asks
// only what stands in the way.
func (p *Pool) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if p.provider == nil || req.Plan.Raw.IsNull() {
		return
	}
	var plan Model
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	mem, ds := recall(ctx, req.Private)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	if req.State.Raw.IsNull() {
		plan.ID = plan.Name
		resp.Diagnostics.Append(resp.Plan.Set(ctx, &plan)...)
		p.foresee(ctx, &plan, nil, mem, resp)
		return
	}
	var state Model
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if by := plan.remakes(&state); by != "" {
		resp.RequiresReplace = append(resp.RequiresReplace, path.Root(by))
		plan.forget()
		plan.Objects = types.ListUnknown(lifecycle.ObjectType())
		resp.Diagnostics.Append(resp.Plan.Set(ctx, &plan)...)
		if plan.onDemand() { // of nodes that the pool still bears nothing can be said
			p.foresee(ctx, &plan, nil, memory{}, resp)
		}
		return
	}
	due := plan.follow(&state, mem.Pending)
	resp.Diagnostics.Append(resp.Plan.Set(ctx, &plan)...)
	if due {
		p.foresee(ctx, &plan, &state, mem, resp)
	}
}

// forget makes unknown what a new pool will see.
func (m *Model) forget() {
	m.ID = m.Name
	m.Members, m.Nodes = types.ListUnknown(types.StringType), types.MapUnknown(nodeType)
	m.Totals, m.Status = types.ObjectUnknown(totalsTypes), types.ObjectUnknown(lifecycle.StatusTypes())
}

// follow plans the computed attributes of an update, and reports whether there is
// anything to do.
func (m *Model) follow(state *Model, pending bool) bool {
	if sameTaints(m.Taints, state.Taints) {
		m.Taints = state.Taints
	}
	m.NodeNames = settledNames(m.NodeNames, state.NodeNames)
	others := !m.NodeSelector.Equal(state.NodeSelector) || !m.NodeNames.Equal(state.NodeNames)
	changed := others
	for _, pair := range [][2]attr.Value{
		{m.Labels, state.Labels},
		{m.Taints, state.Taints},
		{m.Cordon, state.Cordon},
		{m.MIG, state.MIG},
		{m.Sharing, state.Sharing},
		{m.PluginConfig, state.PluginConfig},
		{m.Karpenter, state.Karpenter},
		{m.ClusterAPI, state.ClusterAPI},
		{m.MinNodes, state.MinNodes},
		{m.MinGPUs, state.MinGPUs},
		{m.ForceConflicts, state.ForceConflicts},
		{m.OnFailure, state.OnFailure},
		{m.Timeouts, state.Timeouts},
	} {
		changed = changed || !pair[0].Equal(pair[1])
	}
	matching := list(names(state.Nodes))
	m.ID, m.Members, m.Nodes, m.Totals, m.Status = state.ID, state.Members, state.Nodes, state.Totals, state.Status
	m.Objects = state.Objects
	onDemand := !state.Karpenter.IsNull()
	if !changed && !pending && (onDemand || matching.Equal(state.Members)) {
		return false
	}
	m.forget()
	if !others && !pending && !onDemand {
		m.Members = matching
	}
	return true
}

// sameTaints reports whether two lists hold the same taints, in whatever order.
func sameTaints(a, b types.List) bool {
	if a.IsUnknown() || b.IsUnknown() || a.IsNull() != b.IsNull() || len(a.Elements()) != len(b.Elements()) {
		return false
	}
	for _, e := range a.Elements() {
		if !slices.ContainsFunc(b.Elements(), e.Equal) {
			return false
		}
	}
	return true
}

// settledNames are planned names, in the order of the state where they are the same.
func settledNames(planned, state types.List) types.List {
	a, b := listed(planned), listed(state)
	if planned.IsNull() || planned.IsUnknown() || state.IsNull() || len(a) != len(planned.Elements()) {
		return planned
	}
	slices.Sort(a)
	slices.Sort(b)
	if slices.Equal(a, b) {
		return state
	}
	return planned
}

// foresee looks at the nodes and tells what stands in the way. A cluster that
// cannot be asked, or not yet, says nothing against a plan.
func (p *Pool) foresee(ctx context.Context, plan, state *Model, mem memory, resp *resource.ModifyPlanResponse) {
	if plan.onDemand() {
		if state != nil {
			resp.Diagnostics.Append(plan.drifts(state)...)
		}
		resp.Diagnostics.Append(p.foreseeKarpenter(ctx, plan, mem)...)
		return
	}
	if p.provider.Unknown != "" || !plan.declaredKnown() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookMost)
	defer cancel()
	client, ds := p.client(ctx, plan.Name.ValueString(), &mem)
	if ds.HasError() {
		return // said when something is read or written
	}
	if d := plan.machines(); d != nil {
		resp.Diagnostics.Append(d.foresee(ctx, client, plan.Name.ValueString(), plan.ForceConflicts.ValueBool())...)
	}
	if plan.apart() {
		return
	}
	nodes, err := client.Nodes(ctx)
	if err != nil {
		tflog.Info(ctx, "the nodes cannot be looked at for a plan", map[string]any{"error": err.Error()})
		return
	}
	s := survey(plan.wanted(), nodes)
	mark := nodepool.Mark{Claim: mem.Claim, Take: mem.Imported}
	// Of a new pool's name nothing is said: a tainted pool that is replaced is planned
	// as if there were none, while its nodes still bear it.
	resp.Diagnostics.Append(s.foreign(mem.Claim)...)
	resp.Diagnostics.Append(s.conflicts(mark)...)
	resp.Diagnostics.Append(plan.layout().unfit(s.matching)...)
	if len(s.matching) == 0 && (state == nil || len(names(state.Nodes)) > 0) {
		resp.Diagnostics.Append(s.nobody(len(nodes)))
	}
}

// sight are the nodes that matter to a pool.
type sight struct {
	want nodepool.Wanted
	// matching belong to it, stale bear something of it and belong no more.
	matching, stale []*corev1.Node
}

func survey(w nodepool.Wanted, nodes []*corev1.Node) sight {
	s := sight{want: w}
	for _, n := range nodes {
		switch {
		case w.Matches(n):
			s.matching = append(s.matching, n)
		case w.Present(n):
			s.stale = append(s.stale, n)
		}
	}
	byName(s.matching)
	byName(s.stale)
	return s
}

// all are the nodes of a sight.
func (s sight) all() []*corev1.Node { return slices.Concat(s.matching, s.stale) }
