package lifecycle

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// Provider is a provider whose resources all are of this package.
type Provider interface {
	provider.Provider
	// Configured returns what Configure handed to the resources; nil before.
	Configured() *ProviderData
}

// Serve serves a provider: with the framework's own server, but for plans, reads
// and changes of resources and checks of what they say, which are what a person
// waits for. The
// framework sets each top-level attribute of a plan anew, even when nothing
// modifies it, which costs the square of their number: some 60 ms of CPU for a
// training job with its 75 attributes, against under 1 ms here. It needs no
// schema-level defaults, plan modifiers or write-only attributes; a test sees
// to that.
func Serve(p Provider) tfprotov6.ProviderServer {
	s := &server{ProviderServer: providerserver.NewProtocol6(p)(), provider: p, planners: map[string]rawPlanner{}, settled: map[string]Settled{}}
	ctx := context.Background()
	var meta provider.MetadataResponse
	p.Metadata(ctx, provider.MetadataRequest{}, &meta)
	for _, create := range p.Resources(ctx) {
		r := create()
		var named resource.MetadataResponse
		r.Metadata(ctx, resource.MetadataRequest{ProviderTypeName: meta.TypeName}, &named)
		if raw, ok := r.(rawPlanner); ok {
			s.planners[named.TypeName] = raw
		}
		if quick, ok := r.(Settled); ok {
			s.settled[named.TypeName] = quick
		}
	}
	return s
}

type server struct {
	tfprotov6.ProviderServer
	provider Provider
	planners map[string]rawPlanner
	settled  map[string]Settled
	brake    brake
}

// Settled is a resource whose private state tells whether a plan without a change in
// the configuration has anything to do, and whose destroy needs no plan. Then a state
// that lists thousands of things need not be decoded, which the framework does many
// times over.
type Settled interface {
	Settled(private []byte) bool
}

// unplanned is the plan of a resource that is settled, or is to be destroyed; nil
// where it must be planned.
func (s *server) unplanned(req *tfprotov6.PlanResourceChangeRequest) *tfprotov6.PlanResourceChangeResponse {
	r := s.settled[req.TypeName]
	if r == nil || isNull(req.PriorState) {
		return nil
	}
	same := bytes.Equal(req.PriorState.MsgPack, req.ProposedNewState.MsgPack) && len(req.PriorState.MsgPack) > 0
	if !isNull(req.ProposedNewState) && (!same || !r.Settled(req.PriorPrivate)) {
		return nil
	}
	return &tfprotov6.PlanResourceChangeResponse{PlannedState: req.ProposedNewState, PlannedPrivate: req.PriorPrivate, PlannedIdentity: req.PriorIdentity}
}

// isNull reports whether a value on the wire is null.
func isNull(v *tfprotov6.DynamicValue) bool {
	if v == nil {
		return true
	}
	null, err := v.IsNull()
	return err == nil && null
}

// rawPlanner plans and reads on the wire's values.
type rawPlanner interface {
	// readRaw answers a read of a resource whose objects exist; nil leaves the
	// answer to Read.
	readRaw(ctx context.Context, data *ProviderData, req *tfprotov6.ReadResourceRequest) *tfprotov6.ReadResourceResponse
	planRaw(ctx context.Context, data *ProviderData, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error)
	validateRaw(ctx context.Context, data *ProviderData, req *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error)
	// applyRaw makes a change; nil leaves it to the framework's server.
	applyRaw(ctx context.Context, data *ProviderData, req *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error)
}

// PlanResourceChange plans a resource. While the provider's configuration is
// unknown the framework's server answers: it knows about deferral.
func (s *server) PlanResourceChange(ctx context.Context, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	p, data := s.planners[req.TypeName], s.provider.Configured()
	if data != nil && data.Unknown == "" {
		if resp := s.unplanned(req); resp != nil {
			return resp, nil
		}
	}
	if p == nil || data == nil || data.Unknown != "" {
		return s.ProviderServer.PlanResourceChange(ctx, req)
	}
	return p.planRaw(ctx, data, req)
}

// ValidateResourceConfig checks what a configuration says, also before the
// provider is configured.
func (s *server) ValidateResourceConfig(ctx context.Context, req *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	if p := s.planners[req.TypeName]; p != nil {
		return p.validateRaw(ctx, s.provider.Configured(), req)
	}
	return s.ProviderServer.ValidateResourceConfig(ctx, req)
}

// ApplyResourceChange creates, updates or deletes a resource.
func (s *server) ApplyResourceChange(ctx context.Context, req *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	if p, data := s.planners[req.TypeName], s.provider.Configured(); p != nil && data != nil && data.Unknown == "" {
		under, done := s.brake.until(ctx)
		defer done()
		if resp, err := p.applyRaw(under, data, req); resp != nil || err != nil {
			return resp, err
		}
	}
	return s.ProviderServer.ApplyResourceChange(ctx, req)
}

// StopProvider cancels what is under way: Terraform was interrupted.
func (s *server) StopProvider(ctx context.Context, req *tfprotov6.StopProviderRequest) (*tfprotov6.StopProviderResponse, error) {
	s.brake.pull()
	return s.ProviderServer.StopProvider(ctx, req)
}

// ReadResource reads a resource. One whose objects are just as they were keeps
// its state, which then need not even be decoded; of others only what changed
// is encoded.
func (s *server) ReadResource(ctx context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	if p, data := s.planners[req.TypeName], s.provider.Configured(); p != nil && data != nil && data.Unknown == "" {
		if resp := p.readRaw(ctx, data, req); resp != nil {
			return resp, nil
		}
	}
	return s.ProviderServer.ReadResource(ctx, req)
}

func (r *Resource[M, P]) readRaw(ctx context.Context, data *ProviderData, req *tfprotov6.ReadResourceRequest) *tfprotov6.ReadResourceResponse {
	if r.def.Notice != nil {
		return nil // what there is to say of the state is said by Read
	}
	mem, keys := recallRaw(req.Private)
	if mem.lost || len(mem.Objects) == 0 || len(keys) != 1 {
		return nil // something to settle; other keys are the framework's, after an import
	}
	client, err := data.Connect()
	if err != nil || !r.rightCluster(ctx, client, mem) {
		return nil
	}
	refs := mem.refs(r.def.Owns)
	if len(refs) == 0 || !slices.Contains(r.mains(), refs[0].Kind) {
		return nil // the main object is missing
	}
	live := map[kube.Ref]*kube.Object{}
	quiet := !mem.Pending
	for _, ref := range refs {
		o, err := client.Read(ctx, ref)
		if err != nil || !mem.knows(ref, o) {
			return nil
		}
		live[ref] = o
		quiet = quiet && fingerprint(o) == mem.fingerprint(ref)
	}
	quiet = quiet && r.asBefore(ctx, client, live[refs[0]], mem)
	resp := &tfprotov6.ReadResourceResponse{NewState: req.CurrentState, Private: req.Private}
	main := refs[0]
	if quiet {
		mem.LastSeen = r.clock.Now().UTC()
	} else if resp.NewState, resp.Diagnostics = r.restatedRaw(ctx, data, client, req.CurrentState, &mem, refs, live); resp.NewState == nil {
		return nil
	}
	if !quiet || r.def.Vanished != nil {
		if resp.Private, err = mem.raw(); err != nil {
			return nil
		}
	}
	identity := r.identity(kube.Ref{Namespace: main.Namespace, Name: main.Name})
	value, err := tfprotov6.NewDynamicValue(identity.Type(), identity)
	if err != nil {
		return nil
	}
	resp.NewIdentity = &tfprotov6.ResourceIdentityData{IdentityData: &value}
	return resp
}

// restatedRaw is restated on the wire's values; nil where it could not be done.
func (r *Resource[M, P]) restatedRaw(ctx context.Context, data *ProviderData, client *kube.Client, current *tfprotov6.DynamicValue, mem *memory, refs []kube.Ref, live map[kube.Ref]*kube.Object) (*tfprotov6.DynamicValue, []*tfprotov6.Diagnostic) {
	f := r.form(ctx)
	prior, err := current.Unmarshal(f.typ)
	if err != nil || prior.IsNull() {
		return nil, nil
	}
	m, ds := decode[M](ctx, f.schema, prior)
	if ds.HasError() {
		return nil, nil
	}
	raw, ds := r.with(data).restated(ctx, client, f.schema, prior, m, mem, refs, live)
	if ds.HasError() {
		return nil, nil // said again by Read, where everything is still as it was
	}
	value, err := tfprotov6.NewDynamicValue(f.typ, raw)
	if err != nil {
		return nil, nil
	}
	return &value, diags.Wired(ds)
}

// with is the resource with what the provider was configured with. The resource
// that answers is shared by all calls, so nothing is written into it.
func (r *Resource[M, P]) with(data *ProviderData) *Resource[M, P] {
	return &Resource[M, P]{def: r.def, provider: data, clock: r.clock}
}

// raw is the private data that holds this memory alone, as it is on the wire.
func (m memory) raw() ([]byte, error) {
	value, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return privately(value)
}

// privately is private data that holds this value of the memory alone.
func privately(value []byte) ([]byte, error) {
	return json.Marshal(map[string][]byte{memoryKey: value})
}

// form is what decoding and validating need, computed once.
type form struct {
	schema schema.Schema
	typ    tftypes.Type
	exam   examination
}

func (r *Resource[M, P]) form(ctx context.Context) form {
	r.formOnce.Do(func() {
		var resp resource.SchemaResponse
		r.Schema(ctx, resource.SchemaRequest{}, &resp)
		r.formed = form{schema: resp.Schema, typ: resp.Schema.Type().TerraformType(ctx), exam: examinationOf(resp.Schema.Attributes)}
	})
	return r.formed
}

func (r *Resource[M, P]) planRaw(ctx context.Context, data *ProviderData, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	f := r.form(ctx)
	resp := &tfprotov6.PlanResourceChangeResponse{PlannedPrivate: req.PriorPrivate, PlannedIdentity: req.PriorIdentity}
	var in proposal
	var err error
	if in.state, err = req.PriorState.Unmarshal(f.typ); err != nil {
		return nil, err
	}
	same := bytes.Equal(req.PriorState.MsgPack, req.ProposedNewState.MsgPack)
	if in.plan = in.state; !same {
		if in.plan, err = req.ProposedNewState.Unmarshal(f.typ); err != nil {
			return nil, err
		}
	}
	if in.config, err = req.Config.Unmarshal(f.typ); err != nil {
		return nil, err
	}
	if !same {
		in.plan = awaiting(f.schema, in)
	}
	mem, _ := recallRaw(req.PriorPrivate)
	p := &planner[M, P]{r: r.with(data), ctx: ctx, schema: f.schema, mem: mem, in: in}
	p.run()
	planned, err := tfprotov6.NewDynamicValue(f.typ, p.out)
	if err != nil {
		return nil, err
	}
	resp.PlannedState = &planned
	resp.Diagnostics = diags.Wired(p.diagnostics)
	if !p.diagnostics.HasError() {
		for _, at := range p.replace {
			resp.RequiresReplace = append(resp.RequiresReplace, diags.AttributePath(at))
		}
	}
	return resp, nil
}

// awaiting makes computed attributes that the configuration leaves out unknown
// when the plan differs from the state, as the framework does. Computed
// attributes of ours are all at the top.
func awaiting(s schema.Schema, in proposal) tftypes.Value {
	if in.plan.IsNull() || in.plan.Equal(in.state) {
		return in.plan
	}
	planned, config := map[string]tftypes.Value{}, map[string]tftypes.Value{}
	if in.plan.As(&planned) != nil || in.config.As(&config) != nil {
		return in.plan
	}
	out := make(map[string]tftypes.Value, len(planned))
	for name, v := range planned {
		if a := s.Attributes[name]; a != nil && a.IsComputed() && config[name].IsNull() {
			v = tftypes.NewValue(v.Type(), tftypes.UnknownValue)
		}
		out[name] = v
	}
	return tftypes.NewValue(in.plan.Type(), out)
}

// recallRaw reads the memory from private data as it is on the wire: values by
// key, in base 64. It returns all that is there too.
func recallRaw(private []byte) (memory, map[string][]byte) {
	var m memory
	var keys map[string][]byte
	if json.Unmarshal(private, &keys) != nil {
		return m, nil
	}
	if json.Unmarshal(keys[memoryKey], &m) != nil {
		return memory{}, keys
	}
	return m, keys
}
