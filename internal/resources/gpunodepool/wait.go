package gpunodepool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// The phases of a pool.
const (
	phaseReady   = "Ready"
	phaseEmpty   = "Empty"
	phaseWaiting = "Waiting"
)

// ready judges the nodes of a pool against what is to be waited for.
func ready(m *Model, nodes []*corev1.Node) wait.Verdict {
	w := m.wanted()
	var at, able int64
	for _, n := range nodes {
		if !w.Matches(n) || !gpu.Ready(n) {
			continue
		}
		at++
		_, a, _ := gpu.Of(n).Counts()
		able += a
	}
	if v := m.layout().judge(w, nodes); v.Outcome != wait.Done {
		return v
	}
	offered := fmt.Sprintf("%s Ready, with %s", isOrAre(at, "node"), counted(int(able), "GPU"))
	switch {
	case at < m.MinNodes.ValueInt64():
		return wait.Of(wait.Progressing, phaseWaiting, "TooFewNodes", fmt.Sprintf("%d of %s Ready", at, isOrAre(m.MinNodes.ValueInt64(), "node")))
	case able < m.MinGPUs.ValueInt64():
		return wait.Of(wait.Progressing, phaseWaiting, "TooFewGPUs", fmt.Sprintf("%d of %s offered by Ready nodes", able, isOrAre(m.MinGPUs.ValueInt64(), "GPU")))
	case len(nodes) == 0:
		return wait.Of(wait.Done, phaseEmpty, "NoNodes", "no node matches")
	}
	return wait.Of(wait.Done, phaseReady, "", offered)
}

func isOrAre(n int64, thing string) string {
	if n == 1 {
		return counted(int(n), thing) + " is"
	}
	return counted(int(n), thing) + " are"
}

// await waits until the pool has what is asked for, and takes nodes in that join
// meanwhile, unless the plan has named all that it may write.
func (c *change) await(ctx context.Context) diag.Diagnostics {
	if c.verdict().Outcome == wait.Done {
		c.mem.Pending = false
		return nil
	}
	woken := make(chan struct{}, 1)
	watching := c.client.Watch(kube.Node, "", woken)
	defer watching.Stop()
	if c.machines != nil {
		machines := c.client.Watch(c.kind, c.machines.GetNamespace(), woken)
		defer machines.Stop()
		c.watched = machines
	}
	var problems diag.Diagnostics
	verdict, err := wait.Until(ctx, c.p.clock, woken, func(ctx context.Context) wait.Verdict {
		c.look(ctx, watching)
		if problems = c.join(ctx); problems.HasError() {
			return wait.Of(wait.Failed, phaseWaiting, "NotWritten", "")
		}
		c.glance(ctx)
		return c.verdict()
	})
	switch {
	case err == nil && verdict.Outcome == wait.Done:
		c.mem.Pending = false
		return nil
	case problems.HasError() && ctx.Err() == nil:
		return problems
	case err == nil:
		return c.severe(c.m.layout().failed(c.writer.Wanted, c.seen()))
	case errors.Is(err, context.Canceled):
		return diag.Diagnostics{stopped(c.m.Name.ValueString(), "while mlk waited: "+verdict.Message)}
	}
	return diag.Diagnostics{c.late(ctx, verdict)}
}

// look notes what the watch shows of the nodes that matter. A watch that is broken
// or forbidden is replaced by a list.
func (c *change) look(ctx context.Context, watching *kube.Watching) {
	if !watching.Ready() {
		return
	}
	w := c.writer.Wanted
	present := map[string]bool{}
	note := func(n *corev1.Node) {
		if !w.Matches(n) && !w.Present(n) {
			return
		}
		present[n.Name] = true
		if have := c.nodes[n.Name]; have != nil && have.UID == n.UID && kube.Older(n.ResourceVersion, have.ResourceVersion) {
			return // the watch has not caught up with our write
		}
		c.nodes[n.Name] = n
	}
	if !watching.Healthy() {
		nodes, err := c.client.Nodes(ctx)
		if err != nil {
			return
		}
		for _, n := range nodes {
			note(n)
		}
	} else {
		objects, err := watching.Matching("")
		if err != nil {
			return
		}
		for _, o := range objects {
			if n, err := kube.AsNode(o); err == nil {
				note(n)
			}
		}
	}
	for name := range c.nodes {
		if !present[name] {
			delete(c.nodes, name)
		}
	}
}

// glance notes what the watch shows of the MachineDeployment.
func (c *change) glance(ctx context.Context) {
	if c.watched == nil {
		return
	}
	if c.watched.Healthy() {
		if now := c.watched.Get(c.machines.GetNamespace(), c.machines.GetName()); now != nil && !kube.Older(now.GetResourceVersion(), c.machines.GetResourceVersion()) {
			c.machines = now
		}
		return
	}
	ref := kube.Ref{Kind: c.kind, Namespace: c.machines.GetNamespace(), Name: c.machines.GetName()}
	if now, err := c.client.Get(ctx, ref); err == nil && now != nil {
		c.machines = now
	}
}

// join writes nodes that belong to the pool and are not as it declares.
func (c *change) join(ctx context.Context) diag.Diagnostics {
	if c.promised != nil {
		return nil
	}
	w := c.writer.Wanted
	nodes := slices.DeleteFunc(c.seen(), func(n *corev1.Node) bool { return !w.Matches(n) || w.Complete(n) })
	if len(nodes) == 0 {
		return nil
	}
	s := sight{want: w, matching: nodes}
	if ds := s.conflicts(c.writer.Mark); ds.HasError() {
		return ds
	}
	return c.told(ctx, c.enter(ctx, nodes))
}

// late explains a wait that ran out of time.
func (c *change) late(ctx context.Context, verdict wait.Verdict) diag.Diagnostic {
	m := diags.Message{
		Summary:  lifecycle.Clip(fmt.Sprintf("%s has not what it waits for after %s", title(c.m.Name.ValueString()), c.limit)),
		Happened: capital(verdict.Message) + ".",
		Why:      strings.Join(c.shortcomings(), "\n"),
		Stands:   "The nodes there are bear the pool's labels and taints, and the pool is recorded in the state.",
		Do:       "Look at the nodes that are named, or at what makes nodes. To wait for less, lower the minimum; to wait longer, raise timeouts.",
		At:       path.Root("min_nodes"),
	}
	if verdict.Reason == "TooFewGPUs" {
		m.At = path.Root("min_gpus")
	}
	switch verdict.Reason {
	case reasonMIG:
		m.At = path.Root("mig")
	case reasonSharing:
		m.At = path.Root("sharing")
	case reasonMachines:
		m.At = path.Root("cluster_api")
		m.Why = c.machinesLate(ctx)
		m.Stands = "The MachineDeployment asks for so many machines, and the pool is recorded in the state."
		m.Do = "Look at the machines that are named, and at the log of their infrastructure's provider. To wait longer, raise timeouts."
	}
	return c.severe(m)[0]
}

// severe makes a failed wait an error, or a warning with on_failure = "keep".
func (c *change) severe(m diags.Message) diag.Diagnostics {
	if c.m.OnFailure.ValueString() == "keep" {
		m.Stands = "The nodes there are bear the pool's labels and taints; the next plan waits again."
		return diag.Diagnostics{m.Warning()}
	}
	if c.creating {
		m.Stands += " " + lifecycle.Tainted(address)
	}
	return diag.Diagnostics{m.Error()}
}

// shortcomings says of the first nodes that offer less than they could why.
func (c *change) shortcomings() []string {
	var out []string
	more := 0
	say := func(format string, args ...any) {
		if len(out) == mostCauses {
			more++
			return
		}
		out = append(out, fmt.Sprintf(format, args...))
	}
	matching := 0
	for _, n := range c.seen() {
		if !c.writer.Wanted.Matches(n) {
			continue
		}
		matching++
		facts := gpu.Of(n)
		whole, able, ill := facts.Counts()
		switch {
		case !gpu.Ready(n):
			say("Node %s is not Ready: %s", n.Name, notReady(n))
		case c.m.layout().doing(n) != "":
			say("Node %s: %s", n.Name, c.m.layout().doing(n))
		case whole == 0 && facts.Product != "":
			say("Node %s is labelled as having %s and offers no GPU: its device plugin does not run, or its driver is not there yet.", n.Name, facts.Product)
		case ill > 0:
			say("Node %s can hand out %d of its %s: the device plugin found the others ill.", n.Name, able, counted(int(whole), "GPU"))
		}
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("and %s with problems", counted(more, "more node")))
	}
	if len(out) == 0 {
		out = append(out, fmt.Sprintf("%s, and each of them is well: there are too few.", map[bool]string{
			true: "1 node matches", false: counted(matching, "node") + " match",
		}[matching == 1]))
	}
	return out
}

// notReady is what the node says of its being Ready.
func notReady(n *corev1.Node) string {
	for _, cond := range n.Status.Conditions {
		if cond.Type == corev1.NodeReady {
			return strings.Trim(cond.Reason+": "+cond.Message, ": ")
		}
	}
	return "its kubelet has not reported yet"
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
