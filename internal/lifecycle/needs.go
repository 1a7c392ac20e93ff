package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// Need is a kind that a configuration asks for and that not every cluster has.
type Need struct {
	Kind kube.Kind
	// Missing is told when the cluster does not have it.
	Missing diags.Message
	// Optional makes it a warning: without the kind something is ignored.
	Optional bool
	// Object has to be there where the kind is served; without a name there is none. Absent
	// is told where it is not, by the names of those of its kind that are.
	Object kube.Ref
	Absent func(there []string) diags.Message
}

// askMost bounds how long a plan waits for the cluster's answer.
const askMost = 5 * time.Second

// survey tells what on the cluster stands against a new object.
func (p *planner[M, P]) survey(prior *M) {
	if p.r.def.Survey == nil || p.r.provider.Unknown != "" || p.diagnostics.HasError() || !p.inputsKnown() {
		return
	}
	m, ds := p.model()
	if ds.HasError() {
		return
	}
	client, err := p.r.provider.Connect()
	if err != nil {
		return // said when something is read or written
	}
	ctx, cancel := context.WithTimeout(p.ctx, askMost)
	defer cancel()
	q := &Query{client: client, provider: p.r.provider, title: p.r.title(P(m)), now: p.r.clock.Now()}
	p.diagnostics.Append(p.r.def.Survey(ctx, q, prior, m)...)
}

// needs tells what an object needs, a fresh one or one that changes, and the cluster
// does not have. A cluster that cannot be asked, or not yet, says nothing against a plan.
func (p *planner[M, P]) needs(fresh bool) {
	if p.r.def.Needs == nil || p.r.provider.Unknown != "" || p.diagnostics.HasError() {
		return
	}
	wanted := p.r.def.Needs(p.ctx, tfsdk.Plan{Schema: p.schema, Raw: p.out})
	if len(wanted) == 0 {
		return
	}
	client, err := p.r.provider.Connect()
	if err != nil {
		return // said when something is read or written
	}
	ctx, cancel := context.WithTimeout(p.ctx, askMost)
	defer cancel()
	for _, n := range wanted {
		has, err := client.Serves(ctx, n.Kind)
		switch {
		case err != nil:
			tflog.Info(p.ctx, "the cluster does not say which kinds it has", map[string]any{"kind": n.Kind.Kind, "error": err.Error()})
		case !has && n.Optional:
			p.diagnostics.Append(n.Missing.Warning())
		case !has:
			p.diagnostics.Append(p.lost(n).Error())
		case n.Object.Name != "":
			p.needsObject(ctx, client, n, fresh)
		}
	}
}

// lost says of a kind that the cluster does not have any more what went with it: no
// update can be made until it is there again, or not asked for.
func (p *planner[M, P]) lost(n Need) diags.Message {
	m := n.Missing
	for _, o := range p.mem.Objects {
		if o.is(n.Kind) {
			ref := kube.Ref{Kind: n.Kind, Namespace: o.Namespace, Name: o.Name}
			m.Happened = joined(m.Happened, fmt.Sprintf("It was there when %s was made: somebody has removed it since, and with it all objects of its kinds.", ref))
			m.Stands = "Nothing was changed."
			break
		}
	}
	return m
}

// needsObject tells of an object that is needed and does not exist: a warning where
// what needs it is there, and changes in something else. Who may not look is told
// nothing.
func (p *planner[M, P]) needsObject(ctx context.Context, client *kube.Client, n Need, fresh bool) {
	live, err := client.Get(ctx, n.Object)
	if err != nil {
		tflog.Info(ctx, "the cluster does not say whether an object exists", map[string]any{"object": n.Object.String(), "error": err.Error()})
		return
	}
	if live != nil {
		return
	}
	var there []string
	if all, err := client.List(ctx, n.Object.Kind, n.Object.Namespace, ""); err == nil {
		for _, o := range all {
			there = append(there, o.GetName())
		}
	}
	slices.Sort(there)
	m := n.Absent(there)
	if at := rootName(m.At); !fresh && !p.changed[at] {
		p.diagnostics.Append(m.Warning())
		return
	}
	p.diagnostics.Append(m.Error())
}
