package narrow

import (
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// spelling is one way of writing a value: as the user did, and in the whole type.
type spelling struct {
	narrow, wide tftypes.Value
}

// object narrows an object. Of the spellings, the first that means the same is
// taken; what none means is written with what is not null in it.
func narrowObject(v tftypes.Value, narrow tftypes.Type, parts map[string]*part, known []spelling) tftypes.Value {
	if v.IsNull() || !v.IsKnown() {
		return as(v, narrow)
	}
	var in map[string]tftypes.Value
	if v.As(&in) != nil {
		return as(v, narrow)
	}
	types := map[string]tftypes.Type{}
	if t, ok := narrow.(tftypes.Object); ok {
		types = t.AttributeTypes
	}
	out := maps.Clone(in)
	for name, p := range parts {
		inside := members(known, name)
		if p.inner != nil {
			out[name] = narrowObject(in[name], types[name], p.inner, inside)
			continue
		}
		out[name] = express(in[name], inside)
	}
	return tftypes.NewValue(narrow, out)
}

// plannedObject narrows a plan. A dynamic attribute that is neither as the
// configuration nor as the state says, because the provider plans the state's
// words for some part of it, is written as in the configuration: the last of the
// spellings.
func plannedObject(v tftypes.Value, narrow tftypes.Type, parts map[string]*part, known []spelling) tftypes.Value {
	var in, chosen map[string]tftypes.Value
	out := narrowObject(v, narrow, parts, known)
	if v.IsNull() || !v.IsKnown() || v.As(&in) != nil || out.As(&chosen) != nil {
		return out
	}
	chosen = maps.Clone(chosen)
	for name, p := range parts {
		inside := members(known, name)
		switch {
		case len(inside) == 0:
		case p.inner != nil:
			chosen[name] = plannedObject(in[name], chosen[name].Type(), p.inner, inside)
		case !slices.ContainsFunc(inside, func(k spelling) bool { return in[name].Equal(k.wide) }):
			chosen[name] = inside[len(inside)-1].narrow
		}
	}
	return tftypes.NewValue(narrow, chosen)
}

// express writes a value without its type, as dynamic attributes hold it.
func express(v tftypes.Value, known []spelling) tftypes.Value {
	for _, k := range known {
		if v.Equal(k.wide) {
			return k.narrow
		}
	}
	switch t := v.Type(); {
	case v.IsNull() || !v.IsKnown():
		return as(v, tftypes.DynamicPseudoType)
	case t.Is(tftypes.Object{}), t.Is(tftypes.Map{}):
		return expressObject(v, known)
	case t.Is(tftypes.List{}), t.Is(tftypes.Set{}), t.Is(tftypes.Tuple{}):
		return expressTuple(v, known)
	}
	return v
}

func expressObject(v tftypes.Value, known []spelling) tftypes.Value {
	var in map[string]tftypes.Value
	if v.As(&in) != nil {
		return v
	}
	optional := v.Type().Is(tftypes.Object{})
	out, types := map[string]tftypes.Value{}, map[string]tftypes.Type{}
	for name, e := range in {
		inside := members(known, name)
		if optional && e.IsNull() && len(inside) == 0 {
			continue // nobody wrote it
		}
		out[name] = express(e, inside)
		types[name] = out[name].Type()
	}
	return tftypes.NewValue(tftypes.Object{AttributeTypes: types}, out)
}

func expressTuple(v tftypes.Value, known []spelling) tftypes.Value {
	var in []tftypes.Value
	if v.As(&in) != nil {
		return v
	}
	out, types := make([]tftypes.Value, len(in)), make([]tftypes.Type, len(in))
	for i, e := range in {
		out[i] = express(e, items(known, i))
		types[i] = out[i].Type()
	}
	return tftypes.NewValue(tftypes.Tuple{ElementTypes: types}, out)
}

// members are the spellings of what is called name in each.
func members(known []spelling, name string) []spelling {
	var out []spelling
	for _, k := range known {
		var narrow, wide map[string]tftypes.Value
		if k.narrow.As(&narrow) != nil || k.wide.As(&wide) != nil {
			continue
		}
		n, ok := narrow[name]
		w, both := wide[name]
		if ok && both {
			out = append(out, spelling{n, w})
		}
	}
	return out
}

// items are the spellings of the i-th element of each.
func items(known []spelling, i int) []spelling {
	var out []spelling
	for _, k := range known {
		var narrow, wide []tftypes.Value
		if k.narrow.As(&narrow) != nil || k.wide.As(&wide) != nil || len(narrow) != len(wide) {
			continue // a set holds no more than was written, and less where it was written twice
		}
		if i < len(narrow) {
			out = append(out, spelling{narrow[i], wide[i]})
		}
	}
	return slices.Clip(out)
}
