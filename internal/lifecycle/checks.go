package lifecycle

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
)

// question is what a validator is asked.
type question struct {
	config tfsdk.Config
	value  attr.Value
	at     path.Path
	as     path.Expression
}

// check is a validator of any type of attribute.
type check func(context.Context, question) diag.Diagnostics

// checks makes one of each validator; convert gives the validator the value in
// its own type.
func checks[V, I, T any](validators []V, convert func(I, context.Context) (T, diag.Diagnostics), ask func(context.Context, V, question, T) diag.Diagnostics) []check {
	out := make([]check, 0, len(validators))
	for _, v := range validators {
		out = append(out, func(ctx context.Context, q question) diag.Diagnostics {
			general, ok := q.value.(I)
			if !ok {
				return diag.Diagnostics{unfit(ctx, q)}
			}
			value, ds := convert(general, ctx)
			if ds.HasError() {
				return ds
			}
			return append(ds, ask(ctx, v, q, value)...)
		})
	}
	return out
}

// checksOf are the validators of an attribute.
func checksOf(a schema.Attribute) []check {
	switch a := a.(type) {
	case interface{ BoolValidators() []validator.Bool }:
		return checks(a.BoolValidators(), basetypes.BoolValuable.ToBoolValue, func(ctx context.Context, v validator.Bool, q question, value basetypes.BoolValue) diag.Diagnostics {
			var resp validator.BoolResponse
			v.ValidateBool(ctx, validator.BoolRequest{Config: q.config, ConfigValue: value, Path: q.at, PathExpression: q.as}, &resp)
			return resp.Diagnostics
		})
	case interface{ DynamicValidators() []validator.Dynamic }:
		return checks(a.DynamicValidators(), basetypes.DynamicValuable.ToDynamicValue, func(ctx context.Context, v validator.Dynamic, q question, value basetypes.DynamicValue) diag.Diagnostics {
			var resp validator.DynamicResponse
			v.ValidateDynamic(ctx, validator.DynamicRequest{Config: q.config, ConfigValue: value, Path: q.at, PathExpression: q.as}, &resp)
			return resp.Diagnostics
		})
	case interface{ Float32Validators() []validator.Float32 }:
		return checks(a.Float32Validators(), basetypes.Float32Valuable.ToFloat32Value, func(ctx context.Context, v validator.Float32, q question, value basetypes.Float32Value) diag.Diagnostics {
			var resp validator.Float32Response
			v.ValidateFloat32(ctx, validator.Float32Request{Config: q.config, ConfigValue: value, Path: q.at, PathExpression: q.as}, &resp)
			return resp.Diagnostics
		})
	case interface{ Float64Validators() []validator.Float64 }:
		return checks(a.Float64Validators(), basetypes.Float64Valuable.ToFloat64Value, func(ctx context.Context, v validator.Float64, q question, value basetypes.Float64Value) diag.Diagnostics {
			var resp validator.Float64Response
			v.ValidateFloat64(ctx, validator.Float64Request{Config: q.config, ConfigValue: value, Path: q.at, PathExpression: q.as}, &resp)
			return resp.Diagnostics
		})
	case interface{ Int32Validators() []validator.Int32 }:
		return checks(a.Int32Validators(), basetypes.Int32Valuable.ToInt32Value, func(ctx context.Context, v validator.Int32, q question, value basetypes.Int32Value) diag.Diagnostics {
			var resp validator.Int32Response
			v.ValidateInt32(ctx, validator.Int32Request{Config: q.config, ConfigValue: value, Path: q.at, PathExpression: q.as}, &resp)
			return resp.Diagnostics
		})
	case interface{ Int64Validators() []validator.Int64 }:
		return checks(a.Int64Validators(), basetypes.Int64Valuable.ToInt64Value, func(ctx context.Context, v validator.Int64, q question, value basetypes.Int64Value) diag.Diagnostics {
			var resp validator.Int64Response
			v.ValidateInt64(ctx, validator.Int64Request{Config: q.config, ConfigValue: value, Path: q.at, PathExpression: q.as}, &resp)
			return resp.Diagnostics
		})
	case interface{ ListValidators() []validator.List }:
		return checks(a.ListValidators(), basetypes.ListValuable.ToListValue, func(ctx context.Context, v validator.List, q question, value basetypes.ListValue) diag.Diagnostics {
			var resp validator.ListResponse
			v.ValidateList(ctx, validator.ListRequest{Config: q.config, ConfigValue: value, Path: q.at, PathExpression: q.as}, &resp)
			return resp.Diagnostics
		})
	case interface{ MapValidators() []validator.Map }:
		return checks(a.MapValidators(), basetypes.MapValuable.ToMapValue, func(ctx context.Context, v validator.Map, q question, value basetypes.MapValue) diag.Diagnostics {
			var resp validator.MapResponse
			v.ValidateMap(ctx, validator.MapRequest{Config: q.config, ConfigValue: value, Path: q.at, PathExpression: q.as}, &resp)
			return resp.Diagnostics
		})
	case interface{ NumberValidators() []validator.Number }:
		return checks(a.NumberValidators(), basetypes.NumberValuable.ToNumberValue, func(ctx context.Context, v validator.Number, q question, value basetypes.NumberValue) diag.Diagnostics {
			var resp validator.NumberResponse
			v.ValidateNumber(ctx, validator.NumberRequest{Config: q.config, ConfigValue: value, Path: q.at, PathExpression: q.as}, &resp)
			return resp.Diagnostics
		})
	case interface{ ObjectValidators() []validator.Object }:
		return checks(a.ObjectValidators(), basetypes.ObjectValuable.ToObjectValue, func(ctx context.Context, v validator.Object, q question, value basetypes.ObjectValue) diag.Diagnostics {
			var resp validator.ObjectResponse
			v.ValidateObject(ctx, validator.ObjectRequest{Config: q.config, ConfigValue: value, Path: q.at, PathExpression: q.as}, &resp)
			return resp.Diagnostics
		})
	case interface{ SetValidators() []validator.Set }:
		return checks(a.SetValidators(), basetypes.SetValuable.ToSetValue, func(ctx context.Context, v validator.Set, q question, value basetypes.SetValue) diag.Diagnostics {
			var resp validator.SetResponse
			v.ValidateSet(ctx, validator.SetRequest{Config: q.config, ConfigValue: value, Path: q.at, PathExpression: q.as}, &resp)
			return resp.Diagnostics
		})
	case interface{ StringValidators() []validator.String }:
		return checks(a.StringValidators(), basetypes.StringValuable.ToStringValue, func(ctx context.Context, v validator.String, q question, value basetypes.StringValue) diag.Diagnostics {
			var resp validator.StringResponse
			v.ValidateString(ctx, validator.StringRequest{Config: q.config, ConfigValue: value, Path: q.at, PathExpression: q.as}, &resp)
			return resp.Diagnostics
		})
	}
	return nil
}
