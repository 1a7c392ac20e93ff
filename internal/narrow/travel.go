package narrow

import (
	"bytes"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// travel carries the values of one request to the provider and back.
type travel struct {
	form *form
	w    widener
	err  error
	// known are the values widened so far, in their order.
	known []spelling
	raw   []carried
	// whole asks that attributes are spelt like one of the known as a whole.
	whole bool
}

// carried is a value of the request in both forms, as on the wire.
type carried struct {
	narrow, wide *tfprotov6.DynamicValue
}

// travel begins a request for a resource type; nil when it travels as it is.
func (s *server) travel(typeName string) *travel {
	f, err := s.form(typeName)
	if f == nil && err == nil {
		return nil
	}
	return &travel{form: f, err: err}
}

func (t *travel) failed() bool { return t.err != nil || t.w.problems.HasError() }

func (t *travel) problems() []*tfprotov6.Diagnostic { return diags.Wired(t.w.problems) }

// widen is a value of the request as the provider knows it. Problems are noted.
func (t *travel) widen(v *tfprotov6.DynamicValue) *tfprotov6.DynamicValue {
	if v == nil || t.err != nil {
		return v
	}
	for _, c := range t.raw {
		if bytes.Equal(c.narrow.MsgPack, v.MsgPack) && bytes.Equal(c.narrow.JSON, v.JSON) {
			return c.wide
		}
	}
	narrow, err := v.Unmarshal(t.form.narrow)
	if err != nil {
		t.err = err
		return v
	}
	wide := v
	if !t.form.bare(narrow) {
		before := len(t.w.problems)
		value := t.w.object(narrow, t.form.wide, t.form.parts, path.Empty())
		if len(t.w.problems) > before {
			return v
		}
		encoded, err := tfprotov6.NewDynamicValue(t.form.wide, value)
		if err != nil {
			t.err = err
			return v
		}
		wide = &encoded
		t.known = append(t.known, spelling{narrow: narrow, wide: value})
	}
	t.raw = append(t.raw, carried{narrow: v, wide: wide})
	return wide
}

// bare reports whether nothing narrowed has a value: both forms then are the
// same on the wire.
func (f *form) bare(v tftypes.Value) bool { return bareObject(v, f.parts) }

func bareObject(v tftypes.Value, parts map[string]*part) bool {
	if v.IsNull() {
		return true
	}
	var in map[string]tftypes.Value
	if !v.IsKnown() || v.As(&in) != nil {
		return false
	}
	for name, p := range parts {
		e := in[name]
		if e.IsNull() || p.inner != nil && bareObject(e, p.inner) {
			continue
		}
		return false
	}
	return true
}

// narrow is a value of the provider's answer as the CLI knows it.
func (t *travel) narrow(v *tfprotov6.DynamicValue) *tfprotov6.DynamicValue {
	if v == nil || t.err != nil {
		return v
	}
	for _, c := range t.raw {
		if bytes.Equal(c.wide.MsgPack, v.MsgPack) {
			return c.narrow
		}
	}
	wide, err := v.Unmarshal(t.form.wide)
	if err != nil {
		t.err = err
		return v
	}
	if bareObject(wide, t.form.parts) {
		return v
	}
	encoded, err := tfprotov6.NewDynamicValue(t.form.narrow, t.spell(wide))
	if err != nil {
		t.err = err
		return v
	}
	return &encoded
}

func (t *travel) spell(wide tftypes.Value) tftypes.Value {
	if t.whole {
		return plannedObject(wide, t.form.narrow, t.form.parts, t.known)
	}
	return narrowObject(wide, t.form.narrow, t.form.parts, t.known)
}

// outside shortens a path that leads into a dynamic value: Terraform looks for
// it in the user's spelling, where it need not exist.
func (f *form) outside(at *tftypes.AttributePath) *tftypes.AttributePath {
	parts := f.parts
	out := tftypes.NewAttributePath()
	for _, step := range at.Steps() {
		name, ok := step.(tftypes.AttributeName)
		if !ok {
			return at
		}
		out = out.WithAttributeName(string(name))
		p := parts[string(name)]
		switch {
		case p == nil:
			return at
		case p.inner == nil:
			return out
		}
		parts = p.inner
	}
	return at
}
