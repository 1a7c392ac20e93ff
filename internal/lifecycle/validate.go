package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/attr/xattr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// validateRaw checks a configuration on the wire's values. The framework looks
// every attribute up from the root, null or not, twice for each resource of a
// plan; most attributes of a resource are null and have nothing to say then.
func (r *Resource[M, P]) validateRaw(ctx context.Context, data *ProviderData, req *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	f := r.form(ctx)
	raw, err := req.Config.Unmarshal(f.typ)
	if err != nil {
		return nil, err
	}
	config := tfsdk.Config{Schema: f.schema, Raw: raw}
	var resp resource.ValidateConfigResponse
	r.with(data).ValidateConfig(ctx, resource.ValidateConfigRequest{Config: config}, &resp)
	e := examiner{config: config, found: resp.Diagnostics}
	e.object(ctx, f.exam, raw, path.Empty(), path.MatchRelative())
	return &tfprotov6.ValidateResourceConfigResponse{Diagnostics: diags.Wired(e.found)}, nil
}

// examination is what is to be looked at in an object, made once of a schema.
type examination []facet

// facet is one attribute of an object.
type facet struct {
	name               string
	typ                attr.Type
	required, readOnly bool
	deprecated         string
	checks             []check
	// each is what is inside: of the attribute itself, or of each of its elements.
	each   examination
	single bool
	// element is the type of an element, and elementChecks are its own validators.
	element       attr.Type
	elementChecks []check
}

// examinationOf makes an examination of the attributes of an object.
func examinationOf(attributes map[string]schema.Attribute) examination {
	out := make(examination, 0, len(attributes))
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		f := facet{
			name: name, typ: a.GetType(), required: a.IsRequired(), readOnly: a.IsComputed() && !a.IsOptional(),
			deprecated: a.GetDeprecationMessage(), checks: checksOf(a),
		}
		switch a := a.(type) {
		case schema.SingleNestedAttribute:
			f.each, f.single = examinationOf(a.Attributes), true
		case schema.ListNestedAttribute:
			f.elements(a.NestedObject)
		case schema.SetNestedAttribute:
			f.elements(a.NestedObject)
		case schema.MapNestedAttribute:
			f.elements(a.NestedObject)
		}
		out = append(out, f)
	}
	return out
}

func (f *facet) elements(o schema.NestedAttributeObject) {
	f.each, f.element = examinationOf(o.Attributes), o.Type()
	f.elementChecks = checksOf(schema.ObjectAttribute{Validators: o.Validators})
}

// examiner looks at a configuration.
type examiner struct {
	config tfsdk.Config
	found  diag.Diagnostics
}

// object examines an object. What is null is examined only where it may not be,
// or where a validator has asked to see it.
func (e *examiner) object(ctx context.Context, x examination, v tftypes.Value, at path.Path, as path.Expression) {
	values := map[string]tftypes.Value{}
	if v.IsNull() || !v.IsKnown() || v.As(&values) != nil {
		return
	}
	root := len(at.Steps()) == 0
	for i := range x {
		f := &x[i]
		v := values[f.name]
		if v.IsNull() && !f.required && len(f.checks) == 0 {
			continue
		}
		if root {
			e.attribute(ctx, f, v, path.Root(f.name), path.MatchRoot(f.name))
		} else {
			e.attribute(ctx, f, v, at.AtName(f.name), as.AtName(f.name))
		}
	}
}

// attribute examines one attribute, and what is inside it.
func (e *examiner) attribute(ctx context.Context, f *facet, v tftypes.Value, at path.Path, as path.Expression) {
	switch {
	case f.required && v.IsNull():
		e.say(diags.Message{
			Summary: fmt.Sprintf("%s is not set", at),
			Why:     "It is required wherever what it belongs to is written.",
			Do:      "Set it. The documentation of the resource says what it means.",
			At:      at,
		})
	case f.readOnly && !v.IsNull():
		e.say(diags.Message{
			Summary: fmt.Sprintf("%s cannot be set", at),
			Why:     "It is computed: mlk reads it from the cluster.",
			Do:      "Remove it from the configuration.",
			At:      at,
		})
	}
	value, ok := e.value(ctx, f.typ, v, at)
	if !ok {
		return
	}
	refused := e.ask(ctx, f.checks, question{config: e.config, value: value, at: at, as: as})
	switch {
	case refused: // what is inside may then mean nothing
	case f.single:
		e.object(ctx, f.each, v, at, as)
	case f.element != nil:
		e.elements(ctx, f, v, at, as)
	}
	if f.deprecated != "" && !v.IsNull() && v.IsKnown() {
		e.found.Append(diags.Message{Summary: fmt.Sprintf("%s is deprecated", at), Why: f.deprecated, At: at}.Warning())
	}
}

// elements examines the objects of a list, a set or a map.
func (e *examiner) elements(ctx context.Context, f *facet, v tftypes.Value, at path.Path, as path.Expression) {
	if v.IsNull() || !v.IsKnown() {
		return
	}
	one := func(v tftypes.Value, at path.Path, as path.Expression) {
		if len(f.elementChecks) > 0 {
			value, ok := e.value(ctx, f.element, v, at)
			if !ok {
				return
			}
			e.ask(ctx, f.elementChecks, question{config: e.config, value: value, at: at, as: as})
		}
		e.object(ctx, f.each, v, at, as)
	}
	var list []tftypes.Value
	var byKey map[string]tftypes.Value
	switch {
	case v.Type().Is(tftypes.Map{}) && v.As(&byKey) == nil:
		for _, key := range slices.Sorted(maps.Keys(byKey)) {
			one(byKey[key], at.AtMapKey(key), as.AtMapKey(key))
		}
	case v.As(&list) != nil:
	case v.Type().Is(tftypes.Set{}):
		for _, v := range list {
			if key, ok := e.value(ctx, f.element, v, at); ok {
				one(v, at.AtSetValue(key), as.AtSetValue(key))
			}
		}
	default:
		for i, v := range list {
			one(v, at.AtListIndex(i), as.AtListIndex(i))
		}
	}
}

func (e *examiner) say(m diags.Message) { e.found.Append(m.Error()) }

// ask reports whether a validator refused what it saw.
func (e *examiner) ask(ctx context.Context, checks []check, q question) (refused bool) {
	for _, c := range checks {
		ds := c(ctx, q)
		refused = refused || ds.HasError()
		e.found.Append(ds...)
	}
	return refused
}

// value is a value in its type, which may itself refuse what it says.
func (e *examiner) value(ctx context.Context, typ attr.Type, v tftypes.Value, at path.Path) (attr.Value, bool) {
	value, err := typ.ValueFromTerraform(ctx, v)
	if err != nil {
		e.say(diags.Message{Summary: fmt.Sprintf("%s cannot be read", at), Why: err.Error(), At: at})
		return nil, false
	}
	own, ok := value.(xattr.ValidateableAttribute)
	if !ok {
		return value, true
	}
	var resp xattr.ValidateAttributeResponse
	own.ValidateAttribute(ctx, xattr.ValidateAttributeRequest{Path: at}, &resp)
	e.found.Append(resp.Diagnostics...)
	return value, !resp.Diagnostics.HasError()
}

// unfit says that a validator cannot look at a value, which is a mistake in a schema.
func unfit(ctx context.Context, q question) diag.Diagnostic {
	return diags.Message{Summary: fmt.Sprintf("%s cannot be checked", q.at), Why: fmt.Sprintf("Its validator does not fit a %s. This is a bug in mlk.", q.value.Type(ctx)), At: q.at}.Error()
}
