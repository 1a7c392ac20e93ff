package narrow

import (
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// recorded is a state as Terraform keeps it: attributes by name, dynamic ones
// together with their type.
type recorded map[string]json.RawMessage

// unwrapped is recorded state whose dynamic values have lost their types: as a
// resource with typed attributes would have recorded it.
func unwrapped(state *tfprotov6.RawState, wide tftypes.Type) *tfprotov6.RawState {
	var all recorded
	if state == nil || json.Unmarshal(state.JSON, &all) != nil {
		return state
	}
	all.unwrap(wide)
	text, err := json.Marshal(all)
	if err != nil {
		return state
	}
	return &tfprotov6.RawState{JSON: text, Flatmap: state.Flatmap}
}

// unwrap takes the types off all attributes, those of objects too: which are
// narrow may have changed since. What is dynamic in the whole type stays so.
func (r recorded) unwrap(wide tftypes.Type) {
	for name, text := range r {
		t := memberOf(wide, name)
		inner := attributes(text)
		switch {
		case inner == nil || t == nil:
		case inner.dynamic():
			r[name] = inner["value"]
		default:
			inner.unwrap(t)
			if text, err := json.Marshal(inner); err == nil {
				r[name] = text
			}
		}
	}
}

// current reports whether what is dynamic in the recorded state is what would be
// dynamic now.
func (r recorded) current(parts map[string]*part, wide tftypes.Type) bool {
	for name, text := range r {
		inner, p, t := attributes(text), parts[name], memberOf(wide, name)
		switch {
		case inner == nil || t == nil:
		case inner.dynamic():
			if p == nil || p.inner != nil {
				return false
			}
		case p == nil:
		case p.inner == nil || !inner.current(p.inner, t):
			return false
		}
	}
	return true
}

// memberOf is the type of an attribute; nil when it has none of its own.
func memberOf(t tftypes.Type, name string) tftypes.Type {
	o, ok := t.(tftypes.Object)
	if !ok || o.AttributeTypes[name] == nil || o.AttributeTypes[name].Is(tftypes.DynamicPseudoType) {
		return nil
	}
	return o.AttributeTypes[name]
}

// attributes are those of an object or map; nil for anything else.
func attributes(text json.RawMessage) recorded {
	var out recorded
	if len(text) == 0 || text[0] != '{' || json.Unmarshal(text, &out) != nil {
		return nil
	}
	return out
}

// dynamic reports whether this is not an object but a dynamic value with its
// type, which for what is ever narrowed is an array: ["object", {…}].
func (r recorded) dynamic() bool {
	return len(r) == 2 && len(r["type"]) > 0 && r["type"][0] == '[' && r["value"] != nil
}
