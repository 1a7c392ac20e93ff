package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// inTheWay refuses to take an object that somebody else made for one beside the main
// object. Only the main object can be imported, so there is no advice to do so.
func (r *Resource[M, P]) inTheWay(m P, ref kube.Ref, live *kube.Object) diag.Diagnostic {
	msg := diags.Message{Do: "Delete it if nobody needs it, or let the one of this resource have another name."}
	if r.def.Standing != nil {
		if known := r.def.Standing((*M)(m), live); known.Do != "" {
			msg = known
		}
	}
	msg.Summary = clip(fmt.Sprintf("%s already exists and is not managed by this resource", ref))
	if fields := live.GetManagedFields(); len(fields) > 0 {
		by := fmt.Sprintf("It was created by %q on %s.", fields[0].Manager, live.GetCreationTimestamp().Format(time.DateOnly))
		msg.Happened = joined(by, msg.Happened)
	}
	msg.Stands = "Nothing was changed."
	return msg.Error()
}

// obstacles tells of objects of others under the names of those that are to be made
// beside the main one, where the definition knows how to get along with them. Those
// of mlk may go in the same apply, which tells if they do not.
func (p *planner[M, P]) obstacles(fresh bool) {
	if p.r.def.Standing == nil || len(p.want) == 0 || p.r.provider.Unknown != "" || p.diagnostics.HasError() {
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
	for _, w := range p.want[1:] {
		if !fresh && p.mem.uid(w.ref) != "" || p.r.def.Standing(m, w.obj).Do == "" {
			continue
		}
		live, err := client.Get(ctx, w.ref)
		if err != nil || live == nil || live.GetDeletionTimestamp() != nil || live.GetLabels()[OwnerLabel] != "" {
			continue // what cannot be read says nothing against a plan
		}
		p.diagnostics.Append(p.r.inTheWay(P(m), w.ref, live))
	}
}
