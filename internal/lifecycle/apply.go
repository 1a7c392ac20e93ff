package lifecycle

import (
	"context"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// brake cancels the calls that are under way when Terraform says stop.
type brake struct {
	mu   sync.Mutex
	road context.Context //nolint:containedctx // what all calls under way have in common
	halt context.CancelFunc
}

// until returns a context that ends with the next stop, and what to call when
// the work is done.
func (b *brake) until(ctx context.Context) (context.Context, context.CancelFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.road == nil {
		b.road, b.halt = context.WithCancel(context.Background())
	}
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(b.road, cancel)
	return ctx, func() { unhook(); cancel() }
}

// pull cancels the calls under way; later ones wait for the next pull.
func (b *brake) pull() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.halt != nil {
		b.halt()
		b.road, b.halt = nil, nil
	}
}

// applyRaw creates, updates or deletes on the wire's values; nil leaves the
// answer to the framework's server, which walks the whole schema five times for
// what no resource here has: blocks, write-only attributes, and types that mean
// the same when they differ, which were settled by the plan.
func (r *Resource[M, P]) applyRaw(ctx context.Context, data *ProviderData, req *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	mem, keys := recallRaw(req.PlannedPrivate)
	if _, ours := keys[memoryKey]; len(keys) > 1 || len(keys) == 1 && !ours {
		return nil, nil // the framework's keys are for the framework
	}
	f := r.form(ctx)
	prior, err := req.PriorState.Unmarshal(f.typ)
	if err != nil {
		return nil, err
	}
	planned, err := req.PlannedState.Unmarshal(f.typ)
	if err != nil {
		return nil, err
	}
	c := change{
		prior:    tfsdk.State{Schema: f.schema, Raw: prior},
		plan:     tfsdk.Plan{Schema: f.schema, Raw: planned},
		remember: len(keys) == 1,
		mem:      mem,
		state:    tfsdk.State{Schema: f.schema, Raw: prior},
	}
	if err := c.identify(req.PlannedIdentity, r.identity(kube.Ref{}).Type()); err != nil {
		return nil, err
	}
	switch ours := r.with(data); {
	case prior.IsNull():
		c.create(ctx, ours)
	case planned.IsNull():
		c.remove(ctx, ours)
	default:
		c.update(ctx, ours)
	}
	return c.answer(f.typ)
}

// change is a change of a resource: what is asked, and what came of it.
type change struct {
	prior    tfsdk.State
	plan     tfsdk.Plan
	remember bool // whether there is a memory to begin with
	mem      memory

	state       tfsdk.State
	identity    tfsdk.ResourceIdentity
	private     []byte
	diagnostics diag.Diagnostics
}

// identify takes the identity that was planned.
func (c *change) identify(planned *tfprotov6.ResourceIdentityData, typ tftypes.Type) error {
	c.identity.Raw = tftypes.NewValue(typ, nil)
	if planned == nil || planned.IdentityData == nil {
		return nil
	}
	raw, err := planned.IdentityData.Unmarshal(typ)
	if err != nil {
		return err
	}
	c.identity.Raw = raw
	return nil
}

func (c *change) create(ctx context.Context, r resource.Resource) {
	resp := resource.CreateResponse{State: c.state, Identity: &c.identity}
	resp.Private = blank(resp.Private)
	r.Create(ctx, resource.CreateRequest{Plan: c.plan}, &resp)
	c.state, c.diagnostics = resp.State, resp.Diagnostics
	c.keep(ctx, resp.Private)
}

func (c *change) update(ctx context.Context, r resource.Resource) {
	resp := resource.UpdateResponse{State: c.state, Identity: &c.identity}
	resp.Private = blank(resp.Private)
	if c.remember {
		resp.Diagnostics.Append(c.mem.store(ctx, resp.Private)...)
	}
	r.Update(ctx, resource.UpdateRequest{Plan: c.plan, State: c.prior, Private: resp.Private}, &resp)
	c.state, c.diagnostics = resp.State, resp.Diagnostics
	c.keep(ctx, resp.Private)
}

func (c *change) remove(ctx context.Context, r resource.Resource) {
	resp := resource.DeleteResponse{State: c.state, Identity: &c.identity}
	resp.Private = blank(resp.Private)
	if c.remember {
		resp.Diagnostics.Append(c.mem.store(ctx, resp.Private)...)
	}
	r.Delete(ctx, resource.DeleteRequest{State: c.prior, Private: resp.Private}, &resp)
	c.state, c.diagnostics = resp.State, resp.Diagnostics
	if !c.diagnostics.HasError() {
		c.state.Raw = tftypes.NewValue(c.state.Raw.Type(), nil)
		c.identity.Raw = tftypes.NewValue(c.identity.Raw.Type(), nil)
		return
	}
	c.keep(ctx, resp.Private)
}

// keep takes the private data that the next call is to find.
func (c *change) keep(ctx context.Context, private privateReader) {
	value, ds := private.GetKey(ctx, memoryKey)
	c.diagnostics.Append(ds...)
	if len(value) == 0 {
		return
	}
	var err error
	if c.private, err = privately(value); err != nil {
		c.diagnostics.Append(unrecorded(err))
	}
}

// answer is the change on the wire.
func (c *change) answer(typ tftypes.Type) (*tfprotov6.ApplyResourceChangeResponse, error) {
	state, err := tfprotov6.NewDynamicValue(typ, c.state.Raw)
	if err != nil {
		return nil, err
	}
	identity, err := tfprotov6.NewDynamicValue(c.identity.Raw.Type(), c.identity.Raw)
	if err != nil {
		return nil, err
	}
	return &tfprotov6.ApplyResourceChangeResponse{
		NewState:    &state,
		NewIdentity: &tfprotov6.ResourceIdentityData{IdentityData: &identity},
		Private:     c.private,
		Diagnostics: diags.Wired(c.diagnostics),
	}, nil
}

// blank is private data with nothing in it. Its type belongs to the framework
// alone; the field it is for names it.
func blank[T any](*T) *T { return new(T) }
