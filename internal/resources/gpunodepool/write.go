package gpunodepool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-log/tflog"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/nodepool"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// change is one create or update on its way.
type change struct {
	p      *Pool
	client *kube.Client
	m      *Model
	mem    *memory
	writer *nodepool.Writer
	limit  time.Duration
	// creating is whether there was no pool before.
	creating bool
	// promised are the members that the plan has named; nil when it left them open,
	// so that nodes that join meanwhile are taken in.
	promised []string
	// nodes are the nodes that matter to the pool, as they were last seen.
	nodes map[string]*corev1.Node
	// machines is the MachineDeployment that the pool scales, of that kind; nil without.
	machines *kube.Object
	kind     kube.Kind
	watched  *kube.Watching
	// save hands the state to Terraform's answer.
	save func() diag.Diagnostics
}

// Create writes the pool to the nodes that match, and waits for as many as are
// asked for. From the first write that may have happened, every return carries
// the state.
func (p *Pool) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var m Model
	resp.Diagnostics.Append(req.Plan.Get(ctx, &m)...)
	limit, ds := m.Timeouts.Create(ctx, limits.Create)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	mem := memory{Claim: lifecycle.NewClaim()}
	save := func() diag.Diagnostics {
		mem.settle(&m)
		ds := resp.State.Set(ctx, &m)
		ds.Append(mem.store(ctx, resp.Private)...)
		return append(ds, identify(ctx, m.Name.ValueString(), resp.Identity)...)
	}
	if m.onDemand() {
		resp.Diagnostics.Append(p.order(ctx, &m, &mem, limit, save, func(o *order) diag.Diagnostics {
			o.creating = true
			return o.create(ctx)
		})...)
		return
	}
	c, s, ds := p.begin(ctx, &m, &mem)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	c.creating, c.limit, c.save = true, limit, save
	if resp.Diagnostics.Append(s.elsewhere()...); resp.Diagnostics.HasError() {
		return
	}
	if resp.Diagnostics.Append(s.conflicts(c.writer.Mark)...); resp.Diagnostics.HasError() {
		return
	}
	scaled, ds := c.scale(ctx, nil)
	if ds.HasError() && !scaled {
		resp.Diagnostics.Append(ds...)
		return
	}
	var out nodepool.Outcome
	wrong := ds
	if !ds.HasError() {
		out, wrong = c.put(ctx, layout{}, s.matching)
	}
	out.Wrote = out.Wrote || scaled
	if (len(out.Failures) > 0 || wrong.HasError()) && !out.Wrote {
		resp.Diagnostics.Append(append(wrong, c.told(ctx, out)...)...)
		return // nothing can exist: nothing to record, nothing to taint
	}
	resp.Diagnostics.Append(c.finish(ctx, append(wrong, c.told(ctx, out)...))...)
	c.recorded() //nolint:contextcheck // the mark outlives the call
}

// Update writes the pool to the nodes that the plan named, cleans those that
// belong to it no more, and waits.
func (p *Pool) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var m, prior Model
	resp.Diagnostics.Append(req.Plan.Get(ctx, &m)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &prior)...)
	mem, ds := recall(ctx, req.Private)
	resp.Diagnostics.Append(ds...)
	limit, ds := m.Timeouts.Update(ctx, limits.Update)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	save := func() diag.Diagnostics {
		mem.settle(&m)
		ds := resp.State.Set(ctx, &m)
		ds.Append(mem.store(ctx, resp.Private)...)
		return append(ds, identify(ctx, m.Name.ValueString(), resp.Identity)...)
	}
	if m.onDemand() {
		resp.Diagnostics.Append(p.order(ctx, &m, &mem, limit, save, func(o *order) diag.Diagnostics { return o.update(ctx, &prior) })...)
		return
	}
	c, s, ds := p.begin(ctx, &m, &mem)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	c.limit, c.save = limit, save
	if resp.Diagnostics.Append(s.foreign(mem.Claim)...); resp.Diagnostics.HasError() {
		return
	}
	c.writer.Mark = nodepool.Mark{Claim: claimFor(&mem, s), Recorded: true, Take: mem.Imported}
	if resp.Diagnostics.Append(s.conflicts(c.writer.Mark)...); resp.Diagnostics.HasError() {
		return
	}
	if !m.Members.IsUnknown() {
		c.promised = append([]string{}, listed(m.Members)...)
	}
	if _, ds := c.scale(ctx, prior.machines()); ds.HasError() {
		resp.Diagnostics.Append(ds...)
		return // the prior state stands: the next plan goes on from what is there
	}
	out, wrong := c.put(ctx, prior.layout(), c.targets(s.matching))
	if len(out.Failures) == 0 && !wrong.HasError() {
		left := c.writer.Leave(ctx, s.stale)
		c.note(left)
		for _, n := range left.Nodes {
			delete(c.nodes, n.Name)
		}
		out.Failures = left.Failures
	}
	if len(out.Failures) == 0 && !wrong.HasError() {
		wrong = c.tidy(ctx, prior.layout())
	}
	if len(out.Failures) > 0 || wrong.HasError() {
		resp.Diagnostics.Append(append(wrong, c.told(ctx, out)...)...)
		return // the prior state stands: the next plan goes on from what is there
	}
	mem.Imported = false
	resp.Diagnostics.Append(c.finish(ctx, nil)...)
}

// claimFor is the claim that an update writes: a new one after an import, and
// where private state was lost the one that the nodes bear.
func claimFor(mem *memory, s sight) string {
	if mem.Claim == "" && !mem.Imported {
		for _, n := range s.all() {
			if r, ok := nodepool.RecordOf(n, s.want.Pool); ok && r.Claim != "" {
				mem.Claim = r.Claim
				break
			}
		}
	}
	if mem.Claim == "" {
		mem.Claim = lifecycle.NewClaim()
	}
	return mem.Claim
}

// begin connects and looks at the nodes.
func (p *Pool) begin(ctx context.Context, m *Model, mem *memory) (*change, sight, diag.Diagnostics) {
	client, ds := p.client(ctx, m.Name.ValueString(), mem)
	if ds.HasError() {
		return nil, sight{}, ds
	}
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return nil, sight{}, lifecycle.Refusal(title(m.Name.ValueString()), kube.Ref{Kind: kube.Node}, "list", err, "Nothing was changed.")
	}
	s := survey(m.wanted(), nodes)
	c := &change{p: p, client: client, m: m, mem: mem, nodes: map[string]*corev1.Node{}}
	for _, n := range s.all() {
		c.nodes[n.Name] = n
	}
	c.writer = &nodepool.Writer{Client: client, Wanted: s.want, Mark: nodepool.Mark{Claim: mem.Claim}, Progress: func(done, all int) {
		tflog.Info(ctx, "nodes are being written", map[string]any{"pool": s.want.Pool, "done": done, "of": all})
	}}
	return c, s, ds
}

// targets are the nodes to write: those that the plan has named, as far as they
// are still there and belong to the pool.
func (c *change) targets(matching []*corev1.Node) []*corev1.Node {
	if c.promised == nil {
		return matching
	}
	return slices.DeleteFunc(slices.Clone(matching), func(n *corev1.Node) bool {
		_, named := slices.BinarySearch(c.promised, n.Name)
		return !named
	})
}

// put writes what nodes refer to, beside what they still refer to, and then nodes.
func (c *change) put(ctx context.Context, prior layout, nodes []*corev1.Node) (nodepool.Outcome, diag.Diagnostics) {
	l := c.m.layout()
	if l.files != nil {
		files := maps.Clone(l.files)
		if prior.ref == l.ref {
			maps.Copy(files, prior.files)
		}
		if err := nodepool.PutFiles(ctx, c.client, l.ref, c.m.Name.ValueString(), files); err != nil {
			return nodepool.Outcome{Wrote: lifecycle.Uncertain(err)}, l.refused(c.m.Name.ValueString(), err)
		}
	}
	out := c.enter(ctx, nodes)
	out.Wrote = out.Wrote || l.files != nil
	return out, nil
}

// tidy takes away what no node refers to any more.
func (c *change) tidy(ctx context.Context, prior layout) diag.Diagnostics {
	l, pool := c.m.layout(), c.m.Name.ValueString()
	if prior.files == nil || prior.ref == l.ref && maps.Equal(prior.files, l.files) {
		return nil
	}
	left := l.files
	if prior.ref != l.ref {
		left = nil
	}
	if err := nodepool.PutFiles(ctx, c.client, prior.ref, pool, left); err != nil {
		return prior.refused(pool, err)
	}
	return nil
}

// enter writes nodes and notes what they are then.
func (c *change) enter(ctx context.Context, nodes []*corev1.Node) nodepool.Outcome {
	out := c.writer.Enter(ctx, nodes)
	c.note(out)
	return out
}

func (c *change) note(out nodepool.Outcome) {
	for _, n := range out.Nodes {
		c.nodes[n.Name] = n
	}
	for _, name := range out.Gone {
		delete(c.nodes, name)
	}
}

// told says why nodes could not be written. A create that the user stopped is no
// error: that would make Terraform taint it.
func (c *change) told(ctx context.Context, out nodepool.Outcome) diag.Diagnostics {
	if len(out.Failures) == 0 {
		return nil
	}
	if c.creating && out.Wrote && errors.Is(ctx.Err(), context.Canceled) {
		c.mem.Pending = true
		return diag.Diagnostics{stopped(c.m.Name.ValueString(), fmt.Sprintf("when %d of its nodes were written", len(out.Nodes)))}
	}
	stands := "Nothing was changed."
	switch {
	case out.Wrote && c.creating:
		stands = fmt.Sprintf("%s written; the pool is recorded in the state. %s", wereWritten(out.Nodes), lifecycle.Tainted(address))
	case out.Wrote:
		stands = fmt.Sprintf("%s written; the next plan goes on from what is there.", wereWritten(out.Nodes))
	}
	return failures(c.writer.Wanted, out.Failures, "write", stands)
}

func wereWritten(nodes []*corev1.Node) string {
	if len(nodes) == 1 {
		return "1 node was"
	}
	return counted(len(nodes), "node") + " were"
}

// stopped tells that the user stopped the apply.
func stopped(name, when string) diag.Diagnostic {
	return diags.Message{
		Summary:  lifecycle.Clip("Stopped waiting for " + title(name)),
		Happened: "The apply was interrupted " + when + ".",
		Stands:   "Nothing was undone; the pool is recorded in the state.",
		Do:       "The next apply goes on with it.",
	}.Warning()
}

// finish waits where nothing went wrong, and saves what there is then, also after
// the user interrupted or time ran out.
func (c *change) finish(ctx context.Context, ds diag.Diagnostics) diag.Diagnostics {
	if len(ds) == 0 {
		c.mem.Pending = true
		ds.Append(c.await(ctx)...)
	}
	verdict := c.verdict()
	if ds.HasError() {
		c.mem.Pending = true
	}
	c.m.see(c.seen(), verdict, true)
	if c.promised != nil {
		c.m.Members = list(c.promised)
	}
	return append(ds, c.save()...)
}

// verdict is how far the pool is, by what was last seen.
func (c *change) verdict() wait.Verdict {
	v := ready(c.m, c.seen())
	if c.m.scaled() {
		return together(c.machines, c.m.apart(), v)
	}
	return v
}

// seen are the nodes that matter to the pool, in order.
func (c *change) seen() []*corev1.Node {
	out := make([]*corev1.Node, 0, len(c.nodes))
	for _, n := range c.nodes {
		out = append(out, n)
	}
	byName(out)
	return out
}

// witnesses is how many nodes say that a state knows the pool: one may go.
const witnesses = 3

// recorded marks some nodes of a new pool as known to a state, once Terraform
// has it. Nodes that are written by updates are marked there.
func (c *change) recorded() {
	nodes := slices.DeleteFunc(c.seen(), func(n *corev1.Node) bool { return !c.writer.Wanted.Complete(n) })
	for _, n := range nodes[:min(witnesses, len(nodes))] {
		c.client.Later(func(ctx context.Context) error { return c.writer.Record(ctx, n) })
	}
}

// Delete takes the pool from its nodes and gives them back as they were. What
// another state has taken over is left alone.
func (p *Pool) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var m Model
	resp.Diagnostics.Append(req.State.Get(ctx, &m)...)
	mem, ds := recall(ctx, req.Private)
	resp.Diagnostics.Append(ds...)
	limit, ds := m.Timeouts.Delete(ctx, limits.Delete)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if m.onDemand() {
		resp.Diagnostics.Append(p.order(ctx, &m, &mem, limit, nil, func(o *order) diag.Diagnostics { return o.destroy(ctx) })...)
		return
	}
	c, s, ds := p.begin(ctx, &m, &mem)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	var mine []*corev1.Node
	var others []string
	for _, n := range s.all() {
		switch {
		case !s.want.Present(n):
		case nodepool.Foreign(n, s.want.Pool, mem.Claim):
			others = append(others, n.Name)
		default:
			mine = append(mine, n)
		}
	}
	if len(others) > 0 {
		resp.Diagnostics.Append(diags.Message{
			Summary:  lifecycle.Clip(fmt.Sprintf("%s was left alone on %s", title(s.want.Pool), counted(len(others), "node"))),
			Happened: fmt.Sprintf("It belongs to another state by now: another workspace, or another resource of this one, has taken it over. See %s.", some(others)),
			Stands:   "It stays on those nodes; this state no longer has it.",
		}.Warning())
	}
	out := c.writer.Leave(ctx, mine)
	if len(out.Failures) > 0 {
		stands := fmt.Sprintf("%s given back as they were; the state still has the pool, and the next destroy goes on.", wereWritten(out.Nodes))
		resp.Diagnostics.Append(failures(s.want, out.Failures, "clean", stands)...)
		return
	}
	if d := m.machines(); d != nil {
		if resp.Diagnostics.Append(p.release(ctx, c.client, d, s.want.Pool)...); resp.Diagnostics.HasError() {
			return
		}
	}
	if l := m.layout(); l.files != nil && len(others) == 0 {
		if err := nodepool.PutFiles(ctx, c.client, l.ref, s.want.Pool, nil); err != nil {
			resp.Diagnostics.Append(lifecycle.Refusal(title(s.want.Pool), l.ref, "clean", err, "The nodes are given back; the state still has the pool, and the next destroy goes on.")...)
		}
	}
}
