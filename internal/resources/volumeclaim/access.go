package volumeclaim

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

var (
	_ basetypes.ListTypable                    = accessType{}
	_ basetypes.ListValuableWithSemanticEquals = access{}
)

// accessType is the attribute type of a claim's access modes. Their order has no
// meaning, but the server would refuse another one as a change of an immutable
// list: a set would lose the order that was applied.
type accessType struct {
	basetypes.ListType
}

func newAccessType() accessType { return accessType{types.ListType{ElemType: types.StringType}} }

func (t accessType) Equal(o attr.Type) bool {
	_, ok := o.(accessType)
	return ok
}

func (t accessType) String() string                       { return "volumeclaim.accessType" }
func (t accessType) ValueType(context.Context) attr.Value { return access{} }

func (t accessType) ValueFromList(_ context.Context, in basetypes.ListValue) (basetypes.ListValuable, diag.Diagnostics) {
	return access{in}, nil
}

func (t accessType) ValueFromTerraform(ctx context.Context, in tftypes.Value) (attr.Value, error) {
	v, err := t.ListType.ValueFromTerraform(ctx, in)
	if err != nil {
		return nil, err
	}
	l, ok := v.(basetypes.ListValue)
	if !ok {
		return nil, fmt.Errorf("unexpected value type %T", v)
	}
	return access{l}, nil
}

// access are the access modes of a claim.
type access struct {
	basetypes.ListValue
}

func (v access) Type(context.Context) attr.Type { return newAccessType() }

func (v access) Equal(o attr.Value) bool {
	other, ok := o.(access)
	return ok && v.ListValue.Equal(other.ListValue)
}

// ListSemanticEquals reports whether both lists have the same elements.
func (v access) ListSemanticEquals(ctx context.Context, o basetypes.ListValuable) (bool, diag.Diagnostics) {
	other, ds := o.ToListValue(ctx)
	for _, l := range []basetypes.ListValue{v.ListValue, other} {
		for _, e := range l.Elements() {
			if e.IsUnknown() {
				return false, ds
			}
		}
	}
	return sameSet(stringsOf(elements(v.ListValue)), stringsOf(elements(other))), ds
}
