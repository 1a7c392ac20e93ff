package trainingjob_test

import (
	"context"
	"errors"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	resourceschema "github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingjob"
)

// alone is a provider that has nothing but training jobs, and no cluster.
type alone struct{}

func (alone) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "mlk"
}
func (alone) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{}
}
func (alone) Configure(_ context.Context, _ provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	resp.ResourceData = &lifecycle.ProviderData{
		Namespace: "default",
		Connect:   func() (*kube.Client, error) { return nil, errors.New("a plan asks no cluster") },
	}
}
func (alone) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{trainingjob.New}
}
func (alone) DataSources(context.Context) []func() datasource.DataSource { return nil }

// planner plans training jobs over the protocol that Terraform speaks.
type planner struct {
	t      *testing.T
	server tfprotov6.ProviderServer
	schema resourceschema.Schema
	typ    tftypes.Type
}

func newPlanner(t *testing.T) *planner {
	t.Helper()
	server, err := providerserver.NewProtocol6WithError(alone{})()
	if err != nil {
		t.Fatal(err)
	}
	p := &planner{t: t, server: server, schema: fullSchema(t)}
	p.typ = p.schema.Type().TerraformType(t.Context())
	none := tftypes.Object{}
	_, err = server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{Config: p.encode(none, tftypes.NewValue(none, map[string]tftypes.Value{}))})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// state is a planned or prior state of a resource.
type state struct {
	t        *testing.T
	attrs    map[string]tftypes.Value
	replace  []string
	warnings []string
}

// text is a string attribute; "" when it is null or unknown.
func (s state) text(name string) string {
	s.t.Helper()
	v := s.attrs[name]
	if v.IsNull() || !v.IsKnown() {
		return ""
	}
	var text string
	if err := v.As(&text); err != nil {
		s.t.Fatal(err)
	}
	return text
}

// applied is the state after an apply that learned nothing.
func (s state) applied() state {
	out := state{t: s.t, attrs: map[string]tftypes.Value{}}
	for n, v := range s.attrs {
		if !v.IsFullyKnown() {
			v = tftypes.NewValue(v.Type(), nil)
		}
		out.attrs[n] = v
	}
	return out
}

func (s state) set(name, text string) state {
	s.attrs[name] = tftypes.NewValue(tftypes.String, text)
	return s
}

func (p *planner) create(c config) state {
	p.t.Helper()
	configured := raw(p.t, p.schema, c)
	return p.plan(tftypes.NewValue(p.typ, nil), p.proposed(state{}, configured), configured)
}

func (p *planner) update(prior state, c config) state {
	p.t.Helper()
	configured := raw(p.t, p.schema, c)
	return p.plan(tftypes.NewValue(p.typ, prior.attrs), p.proposed(prior, configured), configured)
}

// proposed is what Terraform proposes: the configuration, and the prior values
// of computed attributes it does not set.
func (p *planner) proposed(prior state, configured tftypes.Value) tftypes.Value {
	p.t.Helper()
	attrs := map[string]tftypes.Value{}
	if err := configured.As(&attrs); err != nil {
		p.t.Fatal(err)
	}
	out := map[string]tftypes.Value{}
	for n, v := range attrs {
		out[n] = v
		if !v.IsNull() || !p.schema.Attributes[n].IsComputed() {
			continue
		}
		if prior.attrs != nil {
			out[n] = prior.attrs[n]
		} else {
			out[n] = tftypes.NewValue(v.Type(), tftypes.UnknownValue)
		}
	}
	return tftypes.NewValue(p.typ, out)
}

func (p *planner) plan(prior, proposed, configured tftypes.Value) state {
	p.t.Helper()
	resp, err := p.server.PlanResourceChange(p.t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName: "mlk_training_job", PriorState: p.encode(p.typ, prior), ProposedNewState: p.encode(p.typ, proposed), Config: p.encode(p.typ, configured),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	out := state{t: p.t, attrs: map[string]tftypes.Value{}}
	for _, d := range resp.Diagnostics {
		if d.Severity == tfprotov6.DiagnosticSeverityError {
			p.t.Fatalf("%s: %s", d.Summary, d.Detail)
		}
		out.warnings = append(out.warnings, d.Summary+"\n"+d.Detail)
	}
	planned, err := resp.PlannedState.Unmarshal(p.typ)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := planned.As(&out.attrs); err != nil {
		p.t.Fatal(err)
	}
	for _, at := range resp.RequiresReplace {
		if n, ok := at.Steps()[0].(tftypes.AttributeName); ok {
			out.replace = append(out.replace, string(n))
		}
	}
	return out
}

func (p *planner) encode(typ tftypes.Type, v tftypes.Value) *tfprotov6.DynamicValue {
	p.t.Helper()
	d, err := tfprotov6.NewDynamicValue(typ, v)
	if err != nil {
		p.t.Fatal(err)
	}
	return &d
}
