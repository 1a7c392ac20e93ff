package lifecycle

import (
	"context"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// settled returns planned with each part that means the same as in prior
// replaced by prior's.
func settled(ctx context.Context, t attr.Type, planned, prior tftypes.Value) tftypes.Value {
	if planned.IsNull() || prior.IsNull() || !planned.IsKnown() || !prior.IsKnown() || planned.Equal(prior) {
		return planned
	}
	if meansTheSame(ctx, t, planned, prior) {
		return prior
	}
	switch t := t.(type) {
	case attr.TypeWithAttributeTypes:
		return settledMap(ctx, func(n string) attr.Type { return t.AttributeTypes()[n] }, planned, prior)
	case attr.TypeWithElementType:
		if planned.Type().Is(tftypes.Map{}) {
			return settledMap(ctx, func(string) attr.Type { return t.ElementType() }, planned, prior)
		}
		var a, b []tftypes.Value
		if planned.As(&a) != nil || prior.As(&b) != nil {
			return planned
		}
		a = slices.Clone(a)
		for i := range a {
			if i < len(b) {
				a[i] = settled(ctx, t.ElementType(), a[i], b[i])
			}
		}
		return tftypes.NewValue(planned.Type(), a)
	}
	return planned
}

func settledMap(ctx context.Context, typeOf func(string) attr.Type, planned, prior tftypes.Value) tftypes.Value {
	var a, b map[string]tftypes.Value
	if planned.As(&a) != nil || prior.As(&b) != nil {
		return planned
	}
	a = maps.Clone(a)
	for k, v := range a {
		if w, ok := b[k]; ok {
			if t := typeOf(k); t != nil {
				a[k] = settled(ctx, t, v, w)
			}
		}
	}
	return tftypes.NewValue(planned.Type(), a)
}

// meansTheSame reports whether two known values are semantically equal.
func meansTheSame(ctx context.Context, t attr.Type, a, b tftypes.Value) bool {
	if _, ok := t.(basetypes.DynamicTypable); ok {
		return samePatch(ctx, a, b)
	}
	switch t.(type) {
	case basetypes.ListType:
		return false // a list without a type of its own means its elements
	case basetypes.StringTypable, basetypes.ListTypable:
	default:
		return false
	}
	va, errA := t.ValueFromTerraform(ctx, a)
	vb, errB := t.ValueFromTerraform(ctx, b)
	if errA != nil || errB != nil {
		return false
	}
	var same bool
	var ds diag.Diagnostics
	switch va := va.(type) {
	case basetypes.StringValuableWithSemanticEquals:
		if vb, ok := vb.(basetypes.StringValuable); ok {
			same, ds = va.StringSemanticEquals(ctx, vb)
		}
	case basetypes.ListValuableWithSemanticEquals:
		if vb, ok := vb.(basetypes.ListValuable); ok {
			same, ds = va.ListSemanticEquals(ctx, vb)
		}
	}
	return same && !ds.HasError()
}

// samePatch reports whether two dynamic values are the same to Kubernetes.
func samePatch(ctx context.Context, a, b tftypes.Value) bool {
	if !a.IsFullyKnown() || !b.IsFullyKnown() {
		return false
	}
	va, errA := types.DynamicType.ValueFromTerraform(ctx, a)
	vb, errB := types.DynamicType.ValueFromTerraform(ctx, b)
	if errA != nil || errB != nil {
		return false
	}
	pa, errA := plain(va)
	pb, errB := plain(vb)
	if errA != nil || errB != nil {
		return false
	}
	return kube.Same(pa, pb)
}
