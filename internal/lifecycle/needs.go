package lifecycle

import (
	"context"
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

// needs tells what a new object needs and the cluster does not have. A cluster
// that cannot be asked, or not yet, says nothing against a plan.
func (p *planner[M, P]) needs() {
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
			p.diagnostics.Append(n.Missing.Error())
		}
	}
}
