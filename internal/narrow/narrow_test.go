package narrow

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// The tests' resource type has one attribute of each kind there is, in
// "volumes", which is large enough to be dynamic, and an object "scheduling"
// that keeps its type with a dynamic attribute in it.

func text(name string) *tfprotov6.SchemaAttribute {
	return &tfprotov6.SchemaAttribute{Name: name, Type: tftypes.String, Optional: true}
}

func many(prefix string) []*tfprotov6.SchemaAttribute {
	var out []*tfprotov6.SchemaAttribute
	for _, c := range "abcdefghij" {
		out = append(out, text(prefix+string(c)))
	}
	return out
}

func nested(name string, mode tfprotov6.SchemaObjectNestingMode, attributes ...*tfprotov6.SchemaAttribute) *tfprotov6.SchemaAttribute {
	return &tfprotov6.SchemaAttribute{Name: name, Optional: true, NestedType: &tfprotov6.SchemaObject{Nesting: mode, Attributes: attributes}}
}

const (
	single = tfprotov6.SchemaObjectNestingModeSingle
	list   = tfprotov6.SchemaObjectNestingModeList
	table  = tfprotov6.SchemaObjectNestingModeMap
)

func testSchema() *tfprotov6.Schema {
	path := &tfprotov6.SchemaAttribute{Name: "path", Type: tftypes.String, Required: true, Description: "Where it is mounted. A path."}
	volumes := nested("volumes", table, append(many("pad_"),
		path,
		&tfprotov6.SchemaAttribute{Name: "read_only", Type: tftypes.Bool, Optional: true},
		&tfprotov6.SchemaAttribute{Name: "mode", Type: tftypes.Number, Optional: true},
		&tfprotov6.SchemaAttribute{Name: "options", Type: tftypes.Map{ElementType: tftypes.String}, Optional: true},
		&tfprotov6.SchemaAttribute{Name: "codes", Type: tftypes.Set{ElementType: tftypes.Number}, Optional: true},
		&tfprotov6.SchemaAttribute{Name: "anything", Type: tftypes.DynamicPseudoType, Optional: true},
		nested("mounts", list, text("at"), text("sub_path")),
		nested("secret", single, text("name")),
	)...)
	return &tfprotov6.Schema{Version: 1, Block: &tfprotov6.SchemaBlock{Attributes: []*tfprotov6.SchemaAttribute{
		text("name"), volumes,
		nested("scheduling", single, text("node"), nested("affinity", list, many("term_")...)),
		nested("gpu", single, text("count")),
		{Name: "patch", Type: tftypes.DynamicPseudoType, Optional: true},
		{Name: "status", Computed: true, NestedType: &tfprotov6.SchemaObject{Nesting: single, Attributes: many("s_")}},
	}}}
}

func testForm() *form {
	s := testSchema()
	narrowed, parts := narrowSchema(s)
	return &form{version: s.Version, wide: s.ValueType(), narrow: narrowed.ValueType(), parts: parts}
}

func TestOnlyLargeAttributesAreNarrowed(t *testing.T) {
	t.Parallel()
	narrowed, _ := narrowSchema(testSchema())
	got := map[string]bool{}
	for _, a := range narrowed.Block.Attributes {
		got[a.Name] = a.NestedType == nil && a.Type.Is(tftypes.DynamicPseudoType)
	}
	want := map[string]bool{"name": false, "volumes": true, "scheduling": false, "gpu": false, "patch": true, "status": false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dynamic attributes (-want +got):\n%s", diff)
	}
	affinity := narrowed.Block.Attributes[2].NestedType.Attributes[1]
	if affinity.NestedType != nil || !affinity.Type.Is(tftypes.DynamicPseudoType) || !affinity.Optional {
		t.Errorf("scheduling.affinity travels as %+v, want an optional dynamic attribute", affinity)
	}
	if whole := testSchema(); whole.Block.Attributes[1].NestedType == nil {
		t.Error("the whole schema was changed")
	}
}

// The values of the tests, as a user writes them.

func str(s string) tftypes.Value { return tftypes.NewValue(tftypes.String, s) }

func object(in map[string]tftypes.Value) tftypes.Value {
	types := map[string]tftypes.Type{}
	for k, v := range in {
		types[k] = v.Type()
	}
	return tftypes.NewValue(tftypes.Object{AttributeTypes: types}, in)
}

func tuple(in ...tftypes.Value) tftypes.Value {
	types := []tftypes.Type{}
	for _, v := range in {
		types = append(types, v.Type())
	}
	return tftypes.NewValue(tftypes.Tuple{ElementTypes: types}, in)
}

func number(n int64) tftypes.Value { return tftypes.NewValue(tftypes.Number, n) }

// written is a resource whose volumes are as given; the rest is null.
func written(f *form, volumes tftypes.Value) tftypes.Value {
	object, ok := f.narrow.(tftypes.Object)
	if !ok {
		panic("a resource is an object")
	}
	values := map[string]tftypes.Value{}
	for name, t := range object.AttributeTypes {
		values[name] = tftypes.NewValue(t, nil)
	}
	values["name"] = str("t")
	values["volumes"] = volumes
	return tftypes.NewValue(f.narrow, values)
}

func onWire(t *testing.T, typ tftypes.Type, v tftypes.Value) *tfprotov6.DynamicValue {
	t.Helper()
	d, err := tfprotov6.NewDynamicValue(typ, v)
	if err != nil {
		t.Fatal(err)
	}
	return &d
}

func offWire(t *testing.T, typ tftypes.Type, d *tfprotov6.DynamicValue) tftypes.Value {
	t.Helper()
	v, err := d.Unmarshal(typ)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func attribute(t *testing.T, v tftypes.Value, name string) tftypes.Value {
	t.Helper()
	var all map[string]tftypes.Value
	if err := v.As(&all); err != nil {
		t.Fatal(err)
	}
	return all[name]
}

// inner is a provider that answers with what the test says.
type inner struct {
	tfprotov6.ProviderServer
	got   tftypes.Value
	state func(in tftypes.Value) tftypes.Value
}

func (i *inner) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	return &tfprotov6.GetProviderSchemaResponse{ResourceSchemas: map[string]*tfprotov6.Schema{"mlk_thing": testSchema()}}, nil
}

func (i *inner) answer(in *tfprotov6.DynamicValue) (*tfprotov6.DynamicValue, error) {
	typ := testSchema().ValueType()
	var err error
	if i.got, err = in.Unmarshal(typ); err != nil {
		return nil, err
	}
	out := i.got
	if i.state != nil {
		out = i.state(i.got)
	}
	d, err := tfprotov6.NewDynamicValue(typ, out)
	return &d, err
}

func (i *inner) ReadResource(_ context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	state, err := i.answer(req.CurrentState)
	return &tfprotov6.ReadResourceResponse{NewState: state}, err
}

func (i *inner) PlanResourceChange(_ context.Context, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	state, err := i.answer(req.ProposedNewState)
	at := tftypes.NewAttributePath().WithAttributeName("volumes").WithElementKeyString("data").WithAttributeName("path")
	return &tfprotov6.PlanResourceChangeResponse{PlannedState: state, RequiresReplace: []*tftypes.AttributePath{at}}, err
}

func (i *inner) ApplyResourceChange(_ context.Context, req *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	state, err := i.answer(req.PlannedState)
	return &tfprotov6.ApplyResourceChangeResponse{NewState: state}, err
}

func (i *inner) ValidateResourceConfig(_ context.Context, req *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	_, err := i.answer(req.Config)
	return &tfprotov6.ValidateResourceConfigResponse{}, err
}

func (i *inner) UpgradeResourceState(_ context.Context, req *tfprotov6.UpgradeResourceStateRequest) (*tfprotov6.UpgradeResourceStateResponse, error) {
	typ := testSchema().ValueType()
	v, err := req.RawState.UnmarshalWithOpts(typ, tfprotov6.UnmarshalOpts{ValueFromJSONOpts: tftypes.ValueFromJSONOpts{IgnoreUndefinedAttributes: true}})
	if err != nil {
		return nil, err
	}
	d, err := tfprotov6.NewDynamicValue(typ, v)
	return &tfprotov6.UpgradeResourceStateResponse{UpgradedState: &d}, err
}

// What shows thousands of objects travels as it is, however large the rest is.
func TestGathering(t *testing.T) {
	t.Parallel()
	s := testSchema()
	s.Block.Attributes = append(s.Block.Attributes, &tfprotov6.SchemaAttribute{
		Name: "nodes", Computed: true, Type: tftypes.Map{ElementType: tftypes.Object{AttributeTypes: map[string]tftypes.Type{"ready": tftypes.Bool}}},
	})
	if out, parts := narrowSchema(s); out != s || len(parts) > 0 {
		t.Errorf("it is narrowed: %v", parts)
	}
}
