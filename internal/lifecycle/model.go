package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// withComputed is the state raw with the computed attributes of the model. A
// refresh changes nothing else of a state but what drifted, and encoding all of
// a training job takes longer than everything else in its refresh.
func withComputed(ctx context.Context, s schema.Schema, raw tftypes.Value, m any) (tftypes.Value, error) {
	have := map[string]tftypes.Value{}
	if err := raw.As(&have); err != nil {
		return raw, err
	}
	out := maps.Clone(have) // As hands out the value's own map
	v := reflect.ValueOf(m).Elem()
	where := fieldsOf(v.Type())
	for name, a := range s.Attributes {
		if !a.IsComputed() {
			continue
		}
		at, ok := where[name]
		if !ok {
			return raw, fmt.Errorf("the model has no field for %s", name)
		}
		computed, ok := v.FieldByIndex(at).Interface().(attr.Value)
		if !ok {
			return raw, fmt.Errorf("the field for %s is no attribute value", name)
		}
		value, err := computed.ToTerraformValue(ctx)
		if err != nil {
			return raw, err
		}
		out[name] = value
	}
	return tftypes.NewValue(raw.Type(), out), nil
}

// unrecorded says that a model cannot hold its computed attributes, which its
// first test shows.
func unrecorded(err error) diag.Diagnostic {
	return diags.Message{Summary: "What the cluster showed cannot be recorded", Why: err.Error() + ". This is a bug in mlk."}.Error()
}

// decode turns a state into a model: attribute by attribute, for the framework
// walks to each of them anew from the root, which costs four times as much.
func decode[M any](ctx context.Context, s schema.Schema, raw tftypes.Value) (*M, diag.Diagnostics) {
	m := new(M)
	if decodeFields(ctx, s, raw, reflect.ValueOf(m).Elem()) {
		return m, nil
	}
	m = new(M)
	ds := tfsdk.State{Schema: s, Raw: raw}.Get(ctx, m)
	if ds.HasError() {
		return nil, ds
	}
	return m, ds
}

// decodeFields fills the fields of a model; false where something does not fit,
// which the framework then puts into words.
func decodeFields(ctx context.Context, s schema.Schema, raw tftypes.Value, m reflect.Value) bool {
	have := map[string]tftypes.Value{}
	if raw.IsNull() || !raw.IsKnown() || raw.As(&have) != nil {
		return false
	}
	where := fieldsOf(m.Type())
	if len(where) != len(s.Attributes) {
		return false
	}
	for name, at := range where {
		a, value := s.Attributes[name], have[name]
		if a == nil || value.Type() == nil {
			return false
		}
		field := m.FieldByIndex(at)
		if k := field.Kind(); value.IsNull() && (k == reflect.Pointer || k == reflect.Map || k == reflect.Slice) {
			continue
		}
		got, err := a.GetType().ValueFromTerraform(ctx, value)
		switch {
		case err != nil:
			return false
		case reflect.TypeOf(got).AssignableTo(field.Type()):
			field.Set(reflect.ValueOf(got))
		case tfsdk.ValueAs(ctx, got, field.Addr().Interface()).HasError():
			return false
		}
	}
	return true
}

// tagged are the fields of model types by their attribute: map[reflect.Type]map[string][]int.
var tagged sync.Map

// fieldsOf says where the attributes of a model are, those of embedded structs too.
func fieldsOf(t reflect.Type) map[string][]int {
	if known, ok := tagged.Load(t); ok {
		if fields, ok := known.(map[string][]int); ok {
			return fields
		}
	}
	out := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		if name := f.Tag.Get("tfsdk"); name != "" && name != "-" {
			out[name] = f.Index
		}
	}
	tagged.Store(t, out)
	return out
}
