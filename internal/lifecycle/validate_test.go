package lifecycle_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// grumbler is a validator that says what it was asked, and may refuse it.
type grumbler struct{ refuses bool }

func (grumbler) Description(context.Context) string         { return "grumbles" }
func (grumbler) MarkdownDescription(context.Context) string { return "grumbles" }

func (g grumbler) grumble(v attr.Value, at path.Path, as path.Expression, ds *diag.Diagnostics) {
	if g.refuses {
		ds.AddAttributeError(at, "refusal", fmt.Sprintf("%s as %s", v, as))
		return
	}
	ds.AddAttributeWarning(at, "grumble", fmt.Sprintf("%s as %s", v, as))
}

func (g grumbler) ValidateBool(_ context.Context, req validator.BoolRequest, resp *validator.BoolResponse) {
	g.grumble(req.ConfigValue, req.Path, req.PathExpression, &resp.Diagnostics)
}

func (g grumbler) ValidateDynamic(_ context.Context, req validator.DynamicRequest, resp *validator.DynamicResponse) {
	g.grumble(req.ConfigValue, req.Path, req.PathExpression, &resp.Diagnostics)
}

func (g grumbler) ValidateFloat32(_ context.Context, req validator.Float32Request, resp *validator.Float32Response) {
	g.grumble(req.ConfigValue, req.Path, req.PathExpression, &resp.Diagnostics)
}

func (g grumbler) ValidateFloat64(_ context.Context, req validator.Float64Request, resp *validator.Float64Response) {
	g.grumble(req.ConfigValue, req.Path, req.PathExpression, &resp.Diagnostics)
}

func (g grumbler) ValidateInt32(_ context.Context, req validator.Int32Request, resp *validator.Int32Response) {
	g.grumble(req.ConfigValue, req.Path, req.PathExpression, &resp.Diagnostics)
}

func (g grumbler) ValidateInt64(_ context.Context, req validator.Int64Request, resp *validator.Int64Response) {
	g.grumble(req.ConfigValue, req.Path, req.PathExpression, &resp.Diagnostics)
}

func (g grumbler) ValidateList(_ context.Context, req validator.ListRequest, resp *validator.ListResponse) {
	g.grumble(req.ConfigValue, req.Path, req.PathExpression, &resp.Diagnostics)
}

func (g grumbler) ValidateMap(_ context.Context, req validator.MapRequest, resp *validator.MapResponse) {
	g.grumble(req.ConfigValue, req.Path, req.PathExpression, &resp.Diagnostics)
}

func (g grumbler) ValidateNumber(_ context.Context, req validator.NumberRequest, resp *validator.NumberResponse) {
	g.grumble(req.ConfigValue, req.Path, req.PathExpression, &resp.Diagnostics)
}

func (g grumbler) ValidateObject(_ context.Context, req validator.ObjectRequest, resp *validator.ObjectResponse) {
	g.grumble(req.ConfigValue, req.Path, req.PathExpression, &resp.Diagnostics)
}

func (g grumbler) ValidateSet(_ context.Context, req validator.SetRequest, resp *validator.SetResponse) {
	g.grumble(req.ConfigValue, req.Path, req.PathExpression, &resp.Diagnostics)
}

func (g grumbler) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	g.grumble(req.ConfigValue, req.Path, req.PathExpression, &resp.Diagnostics)
}

// medley has attributes of every kind, each with a validator.
type medley struct {
	testProvider
}

func (*medley) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource {
		d := thingDefinition()
		d.Schema = medleySchema
		return lifecycle.New[thing](d)
	}}
}

func medleySchema() schema.Schema {
	inside := func() map[string]schema.Attribute {
		return map[string]schema.Attribute{
			"must":   schema.StringAttribute{Required: true},
			"may":    schema.StringAttribute{Optional: true, Validators: []validator.String{grumbler{}}},
			"silent": schema.StringAttribute{Optional: true},
			"read":   schema.StringAttribute{Computed: true},
		}
	}
	nested := func() schema.NestedAttributeObject {
		return schema.NestedAttributeObject{Attributes: inside(), Validators: []validator.Object{grumbler{}}}
	}
	return schema.Schema{Attributes: map[string]schema.Attribute{
		"bool":    schema.BoolAttribute{Optional: true, Validators: []validator.Bool{grumbler{}}},
		"dynamic": schema.DynamicAttribute{Optional: true, Validators: []validator.Dynamic{grumbler{}}},
		"float32": schema.Float32Attribute{Optional: true, Validators: []validator.Float32{grumbler{}}},
		"float64": schema.Float64Attribute{Optional: true, Validators: []validator.Float64{grumbler{}}},
		"int32":   schema.Int32Attribute{Optional: true, Validators: []validator.Int32{grumbler{}}},
		"int64":   schema.Int64Attribute{Optional: true, Validators: []validator.Int64{grumbler{}}},
		"list":    schema.ListAttribute{Optional: true, ElementType: types.StringType, Validators: []validator.List{grumbler{}}},
		"map":     schema.MapAttribute{Optional: true, ElementType: types.StringType, Validators: []validator.Map{grumbler{}}},
		"number":  schema.NumberAttribute{Optional: true, Validators: []validator.Number{grumbler{}}},
		"object":  schema.ObjectAttribute{Optional: true, AttributeTypes: map[string]attr.Type{"a": types.StringType}, Validators: []validator.Object{grumbler{}}},
		"set":     schema.SetAttribute{Optional: true, ElementType: types.StringType, Validators: []validator.Set{grumbler{}}},
		"string":  schema.StringAttribute{Required: true, Validators: []validator.String{grumbler{}}},
		"amount":  schema.StringAttribute{Optional: true, CustomType: quantity.Type{}},
		"old":     schema.StringAttribute{Optional: true, DeprecationMessage: "use string"},
		"read":    schema.StringAttribute{Computed: true},
		"one":     schema.SingleNestedAttribute{Optional: true, Attributes: inside(), Validators: []validator.Object{grumbler{}}},
		"listed":  schema.ListNestedAttribute{Optional: true, NestedObject: nested(), Validators: []validator.List{grumbler{}}},
		"chosen":  schema.SetNestedAttribute{Optional: true, NestedObject: nested(), Validators: []validator.Set{grumbler{}}},
		"shut":    schema.ListNestedAttribute{Optional: true, NestedObject: nested(), Validators: []validator.List{grumbler{refuses: true}}},
		"named":   schema.MapNestedAttribute{Optional: true, NestedObject: nested(), Validators: []validator.Map{grumbler{}}},
	}}
}

// TestValidatorsAreAskedAsByTheFramework gives the framework's server and ours the
// same configurations and compares what the validators were asked.
func TestValidatorsAreAskedAsByTheFramework(t *testing.T) {
	t.Parallel()
	full := map[string]any{"must": "x", "may": "y"}
	unknown := testkit.Unknown{}
	configs := []map[string]any{
		{"name": "one"},
		{"name": "one", "string": "s", "bool": true, "dynamic": "d", "float32": 1.5, "float64": 2.5, "int32": 3, "int64": 4, "number": 5, "list": []any{"a"}, "map": map[string]any{"k": "v"}, "set": []any{"b"}, "object": map[string]any{"a": "b"}},
		{"name": "one", "string": "s", "amount": "64 GB", "old": "o", "read": "r"},
		{"name": "one", "string": "s", "one": full, "listed": []any{full, full}, "shut": []any{full}, "chosen": []any{full}, "named": map[string]any{"a": full, "b": full}},
		{"name": "one", "string": "s", "one": map[string]any{"read": "r"}, "listed": []any{map[string]any{}}, "chosen": []any{map[string]any{}}, "named": map[string]any{"a": map[string]any{"silent": "s"}}},
		{"name": "one", "string": unknown, "list": unknown, "one": unknown, "listed": unknown, "chosen": unknown, "named": unknown, "amount": unknown, "old": unknown, "dynamic": unknown},
		{"name": "one", "string": "s", "one": map[string]any{"must": unknown, "may": unknown}},
	}
	p := &medley{testProvider{data: &lifecycle.ProviderData{}}}
	ours, theirs := lifecycle.Serve(p), providerserver.NewProtocol6(hidden{p})()
	for i, config := range configs {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			got, want := asked(t, ours, config), asked(t, theirs, config)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("framework (-), ours (+):\n%s", diff)
			}
			if len(got) < len(config) {
				t.Errorf("%d things were said of %d attributes: %v", len(got), len(config), got)
			}
		})
	}
}

// TestUnknownElementsLackNothing has elements that are not known yet, as those of a
// for expression over what is made in the same apply. The framework says that they
// lack what they must have.
func TestUnknownElementsLackNothing(t *testing.T) {
	t.Parallel()
	s := lifecycle.Serve(&medley{testProvider{data: &lifecycle.ProviderData{}}})
	for _, config := range []map[string]any{
		{"name": "one", "string": "s", "listed": []any{testkit.Unknown{}}},
		{"name": "one", "string": "s", "named": map[string]any{"a": testkit.Unknown{}}},
		{"name": "one", "string": "s", "chosen": []any{testkit.Unknown{}}},
	} {
		for _, said := range asked(t, s, config) {
			if strings.HasPrefix(said, "ERROR") && !strings.Contains(said, "shut") {
				t.Errorf("%v: %s", config, said)
			}
		}
	}
}

// asked is what a server says of a configuration, in order. Where we have words of our
// own for what the framework says, both are made one.
func asked(t *testing.T, s tfprotov6.ProviderServer, config map[string]any) []string {
	t.Helper()
	schemas, err := s.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	typ := schemas.ResourceSchemas["mlk_thing"].ValueType()
	value, err := testkit.Value(typ, config)
	if err != nil {
		t.Fatal(err)
	}
	wired, err := tfprotov6.NewDynamicValue(typ, value)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.ValidateResourceConfig(t.Context(), &tfprotov6.ValidateResourceConfigRequest{TypeName: "mlk_thing", Config: &wired})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range resp.Diagnostics {
		said, at := d.Summary+": "+d.Detail, d.Attribute.String()
		at, _, _ = strings.Cut(at, ".ElementKeyValue") // ours end at the set
		for _, words := range [][2]string{{"Missing Configuration for Required", " is not set"}, {"Invalid Configuration for Read-Only", " cannot be set"}, {"Attribute Deprecated", " is deprecated"}} {
			if strings.HasPrefix(d.Summary, words[0]) || strings.HasSuffix(d.Summary, words[1]) {
				said, at = words[1], fmt.Sprint(d.Attribute.Steps()[:1])
			}
		}
		out = append(out, fmt.Sprintf("%s %s %s", d.Severity, at, said))
	}
	slices.Sort(out)
	return out
}

var _ provider.Provider = &medley{}
