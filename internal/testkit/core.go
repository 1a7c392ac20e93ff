// Package testkit holds what tests of all resources share: a stand-in for
// Terraform's core, golden files, the laws every resource obeys, and helpers of
// the acceptance tests.
package testkit

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Core does to a provider what Terraform does: it proposes, plans, applies,
// refreshes and imports one resource, and keeps its state and private data.
type Core struct {
	t      testing.TB
	server tfprotov6.ProviderServer
	typ    string
	schema *tfprotov6.Schema

	// State is what Terraform would have saved; null when it has nothing.
	State tftypes.Value
	// Private is the private data saved beside it.
	Private []byte
	// Identity is the identity saved beside it, as it is on the wire.
	Identity *tfprotov6.ResourceIdentityData
	// Tainted is whether Terraform would mark the resource tainted.
	Tainted bool
}

// Outcome is what a call left behind.
type Outcome struct {
	// Planned is the planned new state; null on destroy.
	Planned tftypes.Value
	// Replace are the attributes that force replacement.
	Replace []string
	// Changed is whether Terraform would show a change.
	Changed bool
	// Diagnostics are those of all calls made.
	Diagnostics []*tfprotov6.Diagnostic
}

// Errors joins the errors of the outcome; "" when there are none.
func (o Outcome) Errors() string { return messages(o.Diagnostics, tfprotov6.DiagnosticSeverityError) }

// Warnings joins the warnings of the outcome.
func (o Outcome) Warnings() string {
	return messages(o.Diagnostics, tfprotov6.DiagnosticSeverityWarning)
}

func messages(ds []*tfprotov6.Diagnostic, s tfprotov6.DiagnosticSeverity) string {
	var out []string
	for _, d := range ds {
		if d.Severity == s {
			at := ""
			if d.Attribute != nil {
				at = " [" + d.Attribute.String() + "]"
			}
			out = append(out, d.Summary+at+"\n"+d.Detail)
		}
	}
	return strings.Join(out, "\n---\n")
}

// NewCore configures the provider with config and returns a core for one
// resource of the type.
func NewCore(t testing.TB, p provider.Provider, config map[string]any, typ string) *Core {
	t.Helper()
	server := serve(p)
	schemas, err := server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if msg := messages(schemas.Diagnostics, tfprotov6.DiagnosticSeverityError); msg != "" {
		t.Fatal(msg)
	}
	s := schemas.ResourceSchemas[typ]
	if s == nil {
		t.Fatalf("the provider has no resource %s", typ)
	}
	pt := schemas.Provider.ValueType()
	value, err := Value(pt, config)
	if err != nil {
		t.Fatal(err)
	}
	dynamic, err := tfprotov6.NewDynamicValue(pt, value)
	if err != nil {
		t.Fatal(err)
	}
	configured, err := server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{Config: &dynamic})
	if err != nil {
		t.Fatal(err)
	}
	if msg := messages(configured.Diagnostics, tfprotov6.DiagnosticSeverityError); msg != "" {
		t.Fatal(msg)
	}
	return &Core{t: t, server: server, typ: typ, schema: s, State: tftypes.NewValue(s.ValueType(), nil)}
}

// serve serves a provider as main does.
func serve(p provider.Provider) tfprotov6.ProviderServer {
	if ours, ok := p.(lifecycle.Provider); ok {
		return lifecycle.Serve(ours)
	}
	return providerserver.NewProtocol6(p)()
}

// Fork returns a core on the same provider with the same state: another
// workspace with a copy, or the state as it was before something happened.
func (c *Core) Fork() *Core {
	f := *c
	return &f
}

// Stop does what Terraform does when it is interrupted.
func (c *Core) Stop(ctx context.Context) {
	c.t.Helper()
	if _, err := c.server.StopProvider(ctx, &tfprotov6.StopProviderRequest{}); err != nil {
		c.t.Error(err)
	}
}

// Forget drops the state, as if it had never been saved.
func (c *Core) Forget() {
	c.State, c.Private, c.Identity, c.Tainted = tftypes.NewValue(c.schema.ValueType(), nil), nil, nil, false
}

// Attribute returns an attribute of the state as a plain Go value.
func (c *Core) Attribute(name string) any {
	c.t.Helper()
	return Attribute(c.State, name)
}

// Attribute returns a top-level attribute of an object value as a plain Go value.
func Attribute(object tftypes.Value, name string) any {
	if object.IsNull() {
		return nil
	}
	attrs := map[string]tftypes.Value{}
	if err := object.As(&attrs); err != nil {
		return nil
	}
	return Plain(attrs[name])
}

// Plan proposes and plans the configuration; nil config plans to destroy.
func (c *Core) Plan(ctx context.Context, config map[string]any) Outcome {
	c.t.Helper()
	out, _ := c.plan(ctx, config, c.State)
	return out
}

func (c *Core) plan(ctx context.Context, config map[string]any, prior tftypes.Value) (Outcome, *tfprotov6.PlanResourceChangeResponse) {
	c.t.Helper()
	typ := c.schema.ValueType()
	conf := tftypes.NewValue(typ, nil)
	if config != nil {
		conf = c.must(Value(typ, config))
	}
	was, proposed := c.dynamic(prior), c.proposed(prior, conf)
	next := was // Terraform encodes the same as the same
	if !proposed.Equal(prior) {
		next = c.dynamic(proposed)
	}
	resp, err := c.server.PlanResourceChange(ctx, &tfprotov6.PlanResourceChangeRequest{
		TypeName: c.typ, PriorState: was, ProposedNewState: next,
		Config: c.dynamic(conf), PriorPrivate: c.Private, PriorIdentity: c.Identity,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	out := Outcome{Diagnostics: resp.Diagnostics}
	for _, p := range resp.RequiresReplace {
		out.Replace = append(out.Replace, p.String())
	}
	if out.Errors() != "" {
		return out, resp
	}
	out.Planned = c.value(resp.PlannedState)
	out.Changed = !out.Planned.Equal(prior)
	return out, resp
}

// proposed is what Terraform proposes: the configuration, and prior values of
// computed attributes that it leaves out.
func (c *Core) proposed(prior, conf tftypes.Value) tftypes.Value {
	if conf.IsNull() {
		return conf
	}
	have, was := map[string]tftypes.Value{}, map[string]tftypes.Value{}
	if err := conf.As(&have); err != nil {
		c.t.Fatal(err)
	}
	if !prior.IsNull() {
		if err := prior.As(&was); err != nil {
			c.t.Fatal(err)
		}
	}
	out := map[string]tftypes.Value{}
	for _, a := range c.schema.Block.Attributes {
		out[a.Name] = have[a.Name]
		if v, ok := was[a.Name]; ok && a.Computed && have[a.Name].IsNull() {
			out[a.Name] = v
		}
	}
	return tftypes.NewValue(conf.Type(), out)
}

// Apply plans and applies the configuration, replacing where the plan says so;
// nil destroys. State, Private and Tainted follow.
func (c *Core) Apply(ctx context.Context, config map[string]any) Outcome {
	c.t.Helper()
	prior := c.State
	if config == nil && prior.IsNull() {
		return Outcome{}
	}
	out, planned := c.plan(ctx, config, prior)
	if out.Errors() != "" {
		return out
	}
	if config != nil && !prior.IsNull() && (len(out.Replace) > 0 || c.Tainted) {
		if c.Tainted {
			// Terraform plans a tainted resource as if there were none, so that the
			// half of the plan that deletes it has no private data.
			c.Private = nil
		}
		gone := c.Apply(ctx, nil)
		if gone.Errors() != "" {
			return gone
		}
		again := c.Apply(ctx, config)
		again.Replace = out.Replace
		return again
	}
	if config != nil && !out.Changed {
		return out
	}
	conf := tftypes.NewValue(c.schema.ValueType(), nil)
	if config != nil {
		conf = c.must(Value(c.schema.ValueType(), config))
	}
	resp, err := c.server.ApplyResourceChange(ctx, &tfprotov6.ApplyResourceChangeRequest{
		TypeName: c.typ, PriorState: c.dynamic(prior), PlannedState: planned.PlannedState, Config: c.dynamic(conf),
		PlannedPrivate: planned.PlannedPrivate, PlannedIdentity: planned.PlannedIdentity,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	out.Diagnostics = append(out.Diagnostics, resp.Diagnostics...)
	c.State, c.Private, c.Identity = c.value(resp.NewState), resp.Private, resp.NewIdentity
	c.Tainted = prior.IsNull() && !c.State.IsNull() && out.Errors() != ""
	if out.Errors() == "" && config != nil {
		if problem := inconsistent("", out.Planned, c.State); problem != "" {
			c.t.Fatalf("Terraform would say: Provider produced inconsistent result after apply: %s", problem)
		}
	}
	return out
}

// inconsistent checks that a known planned value is what the apply returned.
func inconsistent(at string, planned, got tftypes.Value) string {
	if !planned.IsKnown() {
		return ""
	}
	if planned.IsNull() || got.IsNull() {
		if planned.IsNull() != got.IsNull() {
			return fmt.Sprintf("%s was planned as %s and is %s", at, planned, got)
		}
		return ""
	}
	if planned.IsFullyKnown() {
		if !planned.Equal(got) {
			return fmt.Sprintf("%s was planned as %s and is %s", at, planned, got)
		}
		return ""
	}
	a, b := map[string]tftypes.Value{}, map[string]tftypes.Value{}
	if planned.As(&a) == nil && got.As(&b) == nil {
		for k, v := range a {
			if p := inconsistent(at+"."+k, v, b[k]); p != "" {
				return p
			}
		}
	}
	return ""
}

// Refresh reads the resource. State becomes null when it is gone.
func (c *Core) Refresh(ctx context.Context) Outcome {
	c.t.Helper()
	if c.State.IsNull() {
		return Outcome{}
	}
	resp, err := c.server.ReadResource(ctx, &tfprotov6.ReadResourceRequest{TypeName: c.typ, CurrentState: c.dynamic(c.State), Private: c.Private})
	if err != nil {
		c.t.Fatal(err)
	}
	out := Outcome{Diagnostics: resp.Diagnostics}
	if out.Errors() == "" {
		c.State, c.Private = c.value(resp.NewState), resp.Private
	}
	return out
}

// Import takes an existing object into the state.
func (c *Core) Import(ctx context.Context, id string) Outcome {
	c.t.Helper()
	resp, err := c.server.ImportResourceState(ctx, &tfprotov6.ImportResourceStateRequest{TypeName: c.typ, ID: id})
	if err != nil {
		c.t.Fatal(err)
	}
	out := Outcome{Diagnostics: resp.Diagnostics}
	if out.Errors() == "" && len(resp.ImportedResources) == 1 {
		c.State, c.Private = c.value(resp.ImportedResources[0].State), resp.ImportedResources[0].Private
		read := c.Refresh(ctx)
		out.Diagnostics = append(out.Diagnostics, read.Diagnostics...)
	}
	return out
}

// Validate checks a configuration as terraform validate does.
func (c *Core) Validate(ctx context.Context, config map[string]any) Outcome {
	c.t.Helper()
	conf := c.must(Value(c.schema.ValueType(), config))
	resp, err := c.server.ValidateResourceConfig(ctx, &tfprotov6.ValidateResourceConfigRequest{TypeName: c.typ, Config: c.dynamic(conf)})
	if err != nil {
		c.t.Fatal(err)
	}
	return Outcome{Diagnostics: resp.Diagnostics}
}

// Config returns the state as a configuration: what generated configuration
// would say, computed attributes that nobody can set left out.
func (c *Core) Config() map[string]any {
	c.t.Helper()
	out := map[string]any{}
	for _, a := range c.schema.Block.Attributes {
		if a.Required || a.Optional {
			if v := c.Attribute(a.Name); v != nil {
				out[a.Name] = v
			}
		}
	}
	return out
}

func (c *Core) must(v tftypes.Value, err error) tftypes.Value {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

func (c *Core) dynamic(v tftypes.Value) *tfprotov6.DynamicValue {
	c.t.Helper()
	d, err := tfprotov6.NewDynamicValue(c.schema.ValueType(), v)
	if err != nil {
		c.t.Fatal(err)
	}
	return &d
}

func (c *Core) value(d *tfprotov6.DynamicValue) tftypes.Value {
	c.t.Helper()
	v, err := d.Unmarshal(c.schema.ValueType())
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

// Unknown stands for a value that is not known at plan.
type Unknown struct{}

// Value turns plain Go values (string, bool, int, float64, map[string]any,
// []any, nil, Unknown) into a Terraform value of the type. Attributes that the
// map leaves out are null; ones the type does not have are an error.
func Value(t tftypes.Type, v any) (tftypes.Value, error) {
	if _, ok := v.(Unknown); ok {
		return tftypes.NewValue(t, tftypes.UnknownValue), nil
	}
	if v == nil {
		return tftypes.NewValue(t, nil), nil
	}
	switch t := t.(type) {
	case tftypes.Object:
		in, ok := v.(map[string]any)
		if !ok {
			return tftypes.Value{}, fmt.Errorf("want an object, got %T", v)
		}
		out := map[string]tftypes.Value{}
		for name, at := range t.AttributeTypes {
			e, err := Value(at, in[name])
			if err != nil {
				return tftypes.Value{}, fmt.Errorf("%s: %w", name, err)
			}
			out[name] = e
		}
		for name := range in {
			if _, ok := t.AttributeTypes[name]; !ok {
				return tftypes.Value{}, fmt.Errorf("no attribute %q", name)
			}
		}
		return tftypes.NewValue(t, out), nil
	case tftypes.Map:
		in, ok := v.(map[string]any)
		if !ok {
			return tftypes.Value{}, fmt.Errorf("want a map, got %T", v)
		}
		out := map[string]tftypes.Value{}
		for k, e := range in {
			ev, err := Value(t.ElementType, e)
			if err != nil {
				return tftypes.Value{}, fmt.Errorf("%s: %w", k, err)
			}
			out[k] = ev
		}
		return tftypes.NewValue(t, out), nil
	case tftypes.List:
		return elements(t, t.ElementType, v)
	case tftypes.Set:
		return elements(t, t.ElementType, v)
	}
	if t.Is(tftypes.DynamicPseudoType) {
		return literal(v)
	}
	switch x := v.(type) {
	case int:
		return tftypes.NewValue(t, big.NewFloat(float64(x))), nil
	case int64:
		return tftypes.NewValue(t, new(big.Float).SetInt64(x)), nil
	case float64:
		return tftypes.NewValue(t, big.NewFloat(x)), nil
	}
	return tftypes.NewValue(t, v), nil
}

func elements(t, element tftypes.Type, v any) (tftypes.Value, error) {
	in, ok := v.([]any)
	if !ok {
		return tftypes.Value{}, fmt.Errorf("want a list, got %T", v)
	}
	out := []tftypes.Value{}
	for i, e := range in {
		ev, err := Value(element, e)
		if err != nil {
			return tftypes.Value{}, fmt.Errorf("%d: %w", i, err)
		}
		out = append(out, ev)
	}
	return tftypes.NewValue(t, out), nil
}

// literal makes the value that an expression in a configuration has: objects
// and tuples.
func literal(v any) (tftypes.Value, error) {
	switch x := v.(type) {
	case nil:
		return tftypes.NewValue(tftypes.DynamicPseudoType, nil), nil
	case Unknown:
		return tftypes.NewValue(tftypes.DynamicPseudoType, tftypes.UnknownValue), nil
	case string:
		return tftypes.NewValue(tftypes.String, x), nil
	case bool:
		return tftypes.NewValue(tftypes.Bool, x), nil
	case int:
		return tftypes.NewValue(tftypes.Number, big.NewFloat(float64(x))), nil
	case int64:
		return tftypes.NewValue(tftypes.Number, new(big.Float).SetInt64(x)), nil
	case float64:
		return tftypes.NewValue(tftypes.Number, big.NewFloat(x)), nil
	case map[string]any:
		ts, vs := map[string]tftypes.Type{}, map[string]tftypes.Value{}
		for k, e := range x {
			ev, err := literal(e)
			if err != nil {
				return ev, err
			}
			ts[k], vs[k] = ev.Type(), ev
		}
		return tftypes.NewValue(tftypes.Object{AttributeTypes: ts}, vs), nil
	case []any:
		ts, vs := []tftypes.Type{}, []tftypes.Value{}
		for _, e := range x {
			ev, err := literal(e)
			if err != nil {
				return ev, err
			}
			ts, vs = append(ts, ev.Type()), append(vs, ev)
		}
		return tftypes.NewValue(tftypes.Tuple{ElementTypes: ts}, vs), nil
	}
	return tftypes.Value{}, fmt.Errorf("no literal for %T", v)
}

// Plain turns a Terraform value into plain Go values; null is nil, unknown is
// Unknown, whole numbers are int64.
func Plain(v tftypes.Value) any {
	switch {
	case v.Type() == nil || v.IsNull():
		return nil
	case !v.IsKnown():
		return Unknown{}
	}
	var s string
	if v.Type().Is(tftypes.String) && v.As(&s) == nil {
		return s
	}
	var b bool
	if v.Type().Is(tftypes.Bool) && v.As(&b) == nil {
		return b
	}
	if v.Type().Is(tftypes.Number) {
		n := new(big.Float)
		if v.As(&n) == nil {
			if i, acc := n.Int64(); acc == big.Exact {
				return i
			}
			f, _ := n.Float64()
			return f
		}
	}
	var m map[string]tftypes.Value
	if v.As(&m) == nil {
		out := map[string]any{}
		for k, e := range m {
			out[k] = Plain(e)
		}
		return out
	}
	var l []tftypes.Value
	if v.As(&l) == nil {
		out := []any{}
		for _, e := range l {
			out = append(out, Plain(e))
		}
		return out
	}
	return nil
}
