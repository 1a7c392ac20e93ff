package narrow

import (
	"context"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// GetProviderSchema answers with the narrow schemas.
func (s *server) GetProviderSchema(ctx context.Context, req *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	resp, err := s.ProviderServer.GetProviderSchema(ctx, req)
	if err != nil {
		return nil, err
	}
	out := *resp
	out.ResourceSchemas = make(map[string]*tfprotov6.Schema, len(resp.ResourceSchemas))
	for name, schema := range resp.ResourceSchemas {
		out.ResourceSchemas[name], _ = narrowSchema(schema)
	}
	return &out, nil
}

// ValidateResourceConfig checks names and types of what was narrowed, then lets
// the provider check the rest.
func (s *server) ValidateResourceConfig(ctx context.Context, req *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	in := *req
	if t := s.travel(req.TypeName); t != nil {
		in.Config = t.widen(req.Config)
		if t.failed() {
			return &tfprotov6.ValidateResourceConfigResponse{Diagnostics: t.problems()}, t.err
		}
	}
	resp, err := s.ProviderServer.ValidateResourceConfig(ctx, &in)
	if err == nil {
		diags.OfValidators(resp.Diagnostics)
	}
	return resp, err
}

// ReadResource reads; what has not changed keeps the user's spelling.
func (s *server) ReadResource(ctx context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	t := s.travel(req.TypeName)
	if t == nil {
		return s.ProviderServer.ReadResource(ctx, req)
	}
	in := *req
	in.CurrentState = t.widen(req.CurrentState)
	if t.failed() {
		return &tfprotov6.ReadResourceResponse{Diagnostics: t.problems()}, t.err
	}
	resp, err := s.ProviderServer.ReadResource(ctx, &in)
	if err != nil {
		return nil, err
	}
	resp.NewState = t.narrow(resp.NewState)
	return resp, t.err
}

// PlanResourceChange plans. Terraform accepts for a dynamic attribute just what
// the configuration or the state says, so the plan is spelt like one of them.
func (s *server) PlanResourceChange(ctx context.Context, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	t := s.travel(req.TypeName)
	if t == nil {
		return s.ProviderServer.PlanResourceChange(ctx, req)
	}
	in := *req
	in.PriorState = t.widen(req.PriorState)
	in.ProposedNewState = t.widen(req.ProposedNewState)
	in.Config = t.widen(req.Config)
	if t.failed() {
		return &tfprotov6.PlanResourceChangeResponse{Diagnostics: t.problems()}, t.err
	}
	resp, err := s.ProviderServer.PlanResourceChange(ctx, &in)
	if err != nil {
		return nil, err
	}
	t.whole = true
	resp.PlannedState = t.narrow(resp.PlannedState)
	for i, at := range resp.RequiresReplace {
		resp.RequiresReplace[i] = t.form.outside(at)
	}
	return resp, t.err
}

// ApplyResourceChange applies; the new state is spelt as it was planned.
func (s *server) ApplyResourceChange(ctx context.Context, req *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	t := s.travel(req.TypeName)
	if t == nil {
		return s.ProviderServer.ApplyResourceChange(ctx, req)
	}
	in := *req
	in.PlannedState = t.widen(req.PlannedState)
	in.PriorState = t.widen(req.PriorState)
	in.Config = t.widen(req.Config)
	if t.failed() {
		// Nothing was asked of the cluster: what there was is what there is.
		return &tfprotov6.ApplyResourceChangeResponse{NewState: req.PriorState, Private: req.PlannedPrivate, Diagnostics: t.problems()}, t.err
	}
	resp, err := s.ProviderServer.ApplyResourceChange(ctx, &in)
	if err != nil {
		return nil, err
	}
	resp.NewState = t.narrow(resp.NewState)
	return resp, t.err
}

// ImportResourceState imports.
func (s *server) ImportResourceState(ctx context.Context, req *tfprotov6.ImportResourceStateRequest) (*tfprotov6.ImportResourceStateResponse, error) {
	resp, err := s.ProviderServer.ImportResourceState(ctx, req)
	if err != nil {
		return nil, err
	}
	for _, imported := range resp.ImportedResources {
		t := s.travel(imported.TypeName)
		if t == nil {
			continue
		}
		if imported.State = t.narrow(imported.State); t.err != nil {
			return nil, t.err
		}
	}
	return resp, nil
}

// MoveResourceState takes over the state of another type, which is ours and
// narrow only when the provider is.
func (s *server) MoveResourceState(ctx context.Context, req *tfprotov6.MoveResourceStateRequest) (*tfprotov6.MoveResourceStateResponse, error) {
	in := *req
	if from, err := s.form(req.SourceTypeName); err != nil {
		return nil, err
	} else if from != nil {
		in.SourceState = unwrapped(req.SourceState, from.wide)
	}
	resp, err := s.ProviderServer.MoveResourceState(ctx, &in)
	if err != nil {
		return nil, err
	}
	t := s.travel(req.TargetTypeName)
	if t == nil {
		return resp, nil
	}
	resp.TargetState = t.narrow(resp.TargetState)
	return resp, t.err
}

// UpgradeResourceState decodes recorded state. Of this version and form it is
// taken as it is. Else the provider upgrades it, which gets it as if nothing had
// been narrowed; what was narrow then need not be what is narrow now.
func (s *server) UpgradeResourceState(ctx context.Context, req *tfprotov6.UpgradeResourceStateRequest) (*tfprotov6.UpgradeResourceStateResponse, error) {
	t := s.travel(req.TypeName)
	if t == nil || req.RawState == nil {
		return s.ProviderServer.UpgradeResourceState(ctx, req)
	}
	if t.failed() {
		return nil, t.err
	}
	if req.Version == t.form.version && attributes(req.RawState.JSON).current(t.form.parts, t.form.wide) {
		opts := tfprotov6.UnmarshalOpts{ValueFromJSONOpts: tftypes.ValueFromJSONOpts{IgnoreUndefinedAttributes: true}}
		if v, err := req.RawState.UnmarshalWithOpts(t.form.narrow, opts); err == nil {
			state, err := tfprotov6.NewDynamicValue(t.form.narrow, v)
			return &tfprotov6.UpgradeResourceStateResponse{UpgradedState: &state}, err
		}
	}
	in := *req
	in.RawState = unwrapped(req.RawState, t.form.wide)
	resp, err := s.ProviderServer.UpgradeResourceState(ctx, &in)
	if err != nil {
		return nil, err
	}
	resp.UpgradedState = t.narrow(resp.UpgradedState)
	return resp, t.err
}

// GenerateResourceConfig writes the configuration of an imported resource.
func (s *server) GenerateResourceConfig(ctx context.Context, req *tfprotov6.GenerateResourceConfigRequest) (*tfprotov6.GenerateResourceConfigResponse, error) {
	t := s.travel(req.TypeName)
	if t == nil {
		return s.ProviderServer.GenerateResourceConfig(ctx, req)
	}
	in := *req
	in.State = t.widen(req.State)
	if t.failed() {
		return &tfprotov6.GenerateResourceConfigResponse{Diagnostics: t.problems()}, t.err
	}
	resp, err := s.ProviderServer.GenerateResourceConfig(ctx, &in)
	if err != nil {
		return nil, err
	}
	resp.Config = t.narrow(resp.Config)
	return resp, t.err
}
