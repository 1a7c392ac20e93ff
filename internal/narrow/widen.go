package narrow

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// widener turns what a user wrote into the whole type, by the rules Terraform
// has for typed attributes: text, numbers and booleans turn into each other,
// tuples into lists, objects into maps, and what is left out is null.
type widener struct {
	problems diag.Diagnostics
}

// object widens the narrowed parts of an object.
func (w *widener) object(v tftypes.Value, wide tftypes.Type, parts map[string]*part, at path.Path) tftypes.Value {
	if v.IsNull() || !v.IsKnown() {
		return as(v, wide)
	}
	var in map[string]tftypes.Value
	if v.As(&in) != nil {
		return as(v, wide)
	}
	out := make(map[string]tftypes.Value, len(in))
	for name, e := range in {
		if p := parts[name]; p != nil {
			e = w.part(e, p, at.AtName(name))
		}
		out[name] = e
	}
	return tftypes.NewValue(wide, out)
}

func (w *widener) part(v tftypes.Value, p *part, at path.Path) tftypes.Value {
	if p.inner != nil {
		return w.object(v, p.typ, p.inner, at)
	}
	return w.attribute(v, p.wide, p.typ, at)
}

// as is a null or unknown value in another type.
func as(v tftypes.Value, t tftypes.Type) tftypes.Value {
	if v.IsKnown() {
		return tftypes.NewValue(t, nil)
	}
	return tftypes.NewValue(t, tftypes.UnknownValue)
}

func (w *widener) attribute(v tftypes.Value, a *tfprotov6.SchemaAttribute, t tftypes.Type, at path.Path) tftypes.Value {
	switch {
	case v.IsNull() || !v.IsKnown():
		return as(v, t)
	case a.NestedType == nil:
		return w.value(v, t, at)
	case a.NestedType.Nesting == tfprotov6.SchemaObjectNestingModeSingle:
		return w.nested(v, a.NestedType, t, at)
	}
	return w.collection(v, t, at, func(e tftypes.Value, t tftypes.Type, at path.Path) tftypes.Value {
		return w.nested(e, a.NestedType, t, at)
	})
}

// nested widens one nested object.
func (w *widener) nested(v tftypes.Value, o *tfprotov6.SchemaObject, t tftypes.Type, at path.Path) tftypes.Value {
	if v.IsNull() || !v.IsKnown() {
		return as(v, t)
	}
	var in map[string]tftypes.Value
	typ, ok := t.(tftypes.Object)
	if !ok || v.As(&in) != nil {
		return w.mismatch(v, t, at)
	}
	out := make(map[string]tftypes.Value, len(o.Attributes))
	for _, a := range o.Attributes {
		e, ok := in[a.Name]
		if !ok {
			e = tftypes.NewValue(tftypes.DynamicPseudoType, nil)
		}
		if a.Required && e.IsNull() {
			w.missing(a, at)
		}
		out[a.Name] = w.attribute(e, a, typ.AttributeTypes[a.Name], at.AtName(a.Name))
	}
	for name := range in {
		if _, ok := out[name]; !ok {
			w.stranger(name, o, at)
		}
	}
	return tftypes.NewValue(t, out)
}

// value widens to a type without a schema of its own.
func (w *widener) value(v tftypes.Value, t tftypes.Type, at path.Path) tftypes.Value {
	switch {
	case v.IsNull() || !v.IsKnown():
		return as(v, t)
	case t.Is(tftypes.DynamicPseudoType) || v.Type().Equal(t):
		return v
	case t.Is(tftypes.String), t.Is(tftypes.Number), t.Is(tftypes.Bool):
		return w.primitive(v, t, at)
	}
	return w.collection(v, t, at, w.value)
}

// collection widens to a list, set or map, each element by one.
func (w *widener) collection(v tftypes.Value, t tftypes.Type, at path.Path, one func(tftypes.Value, tftypes.Type, path.Path) tftypes.Value) tftypes.Value {
	if m, ok := t.(tftypes.Map); ok {
		var in map[string]tftypes.Value
		if v.As(&in) != nil {
			return w.mismatch(v, t, at)
		}
		out := make(map[string]tftypes.Value, len(in))
		for k, e := range in {
			out[k] = one(e, m.ElementType, at.AtMapKey(k))
		}
		return tftypes.NewValue(t, out)
	}
	element := elementOf(t)
	var in []tftypes.Value
	if element == nil || v.As(&in) != nil {
		return w.mismatch(v, t, at)
	}
	out := make([]tftypes.Value, 0, len(in))
	for i, e := range in {
		e = one(e, element, at.AtListIndex(i))
		if t.Is(tftypes.Set{}) && slices.ContainsFunc(out, e.Equal) {
			continue
		}
		out = append(out, e)
	}
	return tftypes.NewValue(t, out)
}

func elementOf(t tftypes.Type) tftypes.Type {
	switch t := t.(type) {
	case tftypes.List:
		return t.ElementType
	case tftypes.Set:
		return t.ElementType
	}
	return nil
}

// precision is that of numbers in Terraform.
const precision = 512

func (w *widener) primitive(v tftypes.Value, t tftypes.Type, at path.Path) tftypes.Value {
	var s string
	var n big.Float
	var b bool
	switch {
	case v.Type().Is(tftypes.String) && v.As(&s) == nil:
		switch {
		case t.Is(tftypes.Bool) && (s == "true" || s == "false"):
			return tftypes.NewValue(t, s == "true")
		case t.Is(tftypes.Number):
			if f, _, err := big.ParseFloat(s, 10, precision, big.ToNearestEven); err == nil {
				return tftypes.NewValue(t, f)
			}
		}
	case t.Is(tftypes.String) && v.Type().Is(tftypes.Number) && v.As(&n) == nil:
		return tftypes.NewValue(t, n.Text('f', -1))
	case t.Is(tftypes.String) && v.Type().Is(tftypes.Bool) && v.As(&b) == nil:
		return tftypes.NewValue(t, fmt.Sprint(b))
	}
	return w.mismatch(v, t, at)
}

// mismatch says that a value has a wrong type. It never shows the value, which
// may be a secret.
func (w *widener) mismatch(v tftypes.Value, t tftypes.Type, at path.Path) tftypes.Value {
	w.problems.Append(diags.Message{
		Summary:  fmt.Sprintf("%s must be %s", at, kindOf(t)),
		Happened: fmt.Sprintf("The configuration gives %s.", kindOf(v.Type())),
		At:       at,
	}.Error())
	return tftypes.NewValue(t, nil)
}

func (w *widener) missing(a *tfprotov6.SchemaAttribute, at path.Path) {
	w.problems.Append(diags.Message{
		Summary:  fmt.Sprintf("%s has no %s", at, a.Name),
		Happened: fmt.Sprintf("%s is required there. %s", a.Name, firstSentence(a.Description)),
		At:       at.AtName(a.Name),
	}.Error())
}

// stranger says that an attribute does not exist, and which one may be meant.
func (w *widener) stranger(name string, o *tfprotov6.SchemaObject, at path.Path) {
	var names []string
	for _, a := range o.Attributes {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	m := diags.Message{
		Summary:  fmt.Sprintf("%s has no attribute called %q", at, name),
		Happened: "It may have " + strings.Join(names, ", ") + ".",
		At:       at,
	}
	if near := nearest(name, names); near != "" {
		m.Do = fmt.Sprintf("Did you mean %q?", near)
	}
	w.problems.Append(m.Error())
}

// misspelt is how many letters a name may be away from one that is offered.
const misspelt = 3

func nearest(name string, names []string) string {
	best, at := "", misspelt+1
	for _, n := range names {
		if d := levenshtein.Distance(name, n, nil); d < at {
			best, at = n, d
		}
	}
	return best
}

// kindOf names a type as a user would.
func kindOf(t tftypes.Type) string {
	switch t := t.(type) {
	case tftypes.List:
		return "a list of " + plural(t.ElementType)
	case tftypes.Set:
		return "a set of " + plural(t.ElementType)
	case tftypes.Map:
		return "a map of " + plural(t.ElementType)
	case tftypes.Tuple:
		return "a list"
	case tftypes.Object:
		return "an object"
	}
	switch {
	case t.Is(tftypes.String):
		return "a string"
	case t.Is(tftypes.Number):
		return "a number"
	case t.Is(tftypes.Bool):
		return "true or false"
	}
	return "another value"
}

func plural(t tftypes.Type) string {
	switch {
	case t.Is(tftypes.String):
		return "strings"
	case t.Is(tftypes.Number):
		return "numbers"
	case t.Is(tftypes.Bool):
		return "booleans"
	case t.Is(tftypes.Object{}):
		return "objects"
	}
	return "collections"
}

// firstSentence is the beginning of a description, up to its first full stop.
func firstSentence(description string) string {
	if i := strings.Index(description, ". "); i >= 0 {
		return description[:i+1]
	}
	return description
}
