// Package quantity holds attribute types whose values mean the same when they
// are written differently: Kubernetes quantities.
package quantity

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/attr/xattr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

var (
	_ basetypes.StringTypable                    = Type{}
	_ basetypes.StringValuableWithSemanticEquals = Value{}
	_ xattr.ValidateableAttribute                = Value{}
)

// Type is the attribute type of a Kubernetes quantity such as "16Gi" or "500m".
type Type struct {
	basetypes.StringType
}

// Equal reports whether o is this type.
func (t Type) Equal(o attr.Type) bool {
	_, ok := o.(Type)
	return ok
}

// String names the type.
func (t Type) String() string { return "quantity.Type" }

// ValueType returns the zero value of the type.
func (t Type) ValueType(context.Context) attr.Value { return Value{} }

// ValueFromString wraps a plain string.
func (t Type) ValueFromString(_ context.Context, in basetypes.StringValue) (basetypes.StringValuable, diag.Diagnostics) {
	return Value{StringValue: in}, nil
}

// ValueFromTerraform decodes a Terraform value.
func (t Type) ValueFromTerraform(ctx context.Context, in tftypes.Value) (attr.Value, error) {
	v, err := t.StringType.ValueFromTerraform(ctx, in)
	if err != nil {
		return nil, err
	}
	s, ok := v.(basetypes.StringValue)
	if !ok {
		return nil, fmt.Errorf("unexpected value type %T", v)
	}
	return Value{StringValue: s}, nil
}

// Value is a Kubernetes quantity. Two values are semantically equal when they
// are the same amount: "1000m" and "1", "1Gi" and "1024Mi".
type Value struct {
	basetypes.StringValue
}

// New returns a known quantity.
func New(s string) Value { return Value{StringValue: basetypes.NewStringValue(s)} }

// Null returns a null quantity.
func Null() Value { return Value{StringValue: basetypes.NewStringNull()} }

// Type returns the attribute type.
func (v Value) Type(context.Context) attr.Type { return Type{} }

// Equal reports whether o is the same quantity, written the same way.
func (v Value) Equal(o attr.Value) bool {
	other, ok := o.(Value)
	return ok && v.StringValue.Equal(other.StringValue)
}

// StringSemanticEquals reports whether both values are the same amount.
func (v Value) StringSemanticEquals(_ context.Context, o basetypes.StringValuable) (bool, diag.Diagnostics) {
	other, ok := o.(Value)
	if !ok {
		return false, nil
	}
	a, errA := resource.ParseQuantity(v.ValueString())
	b, errB := resource.ParseQuantity(other.ValueString())
	if errA != nil || errB != nil {
		return v.ValueString() == other.ValueString(), nil
	}
	return a.Cmp(b) == 0, nil
}

// ValidateAttribute refuses text that is no quantity.
func (v Value) ValidateAttribute(_ context.Context, req xattr.ValidateAttributeRequest, resp *xattr.ValidateAttributeResponse) {
	if v.IsNull() || v.IsUnknown() {
		return
	}
	if _, err := resource.ParseQuantity(v.ValueString()); err != nil {
		resp.Diagnostics.Append(diags.Message{
			Summary: fmt.Sprintf("%q is not a Kubernetes quantity", v.ValueString()),
			Do:      "A quantity is a number with an optional suffix: 16Gi, 500m, 2, 1.5, 10M. Mi, Gi and Ti are powers of 1024; M, G and T are powers of 1000.",
			At:      req.Path,
		}.Error())
	}
}
