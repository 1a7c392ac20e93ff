package devices

import (
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework/types"
	resourcev1 "k8s.io/api/resource/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
)

// AdoptRequests are requests in the words of like, which may be nil.
func AdoptRequests(in []resourcev1.DeviceRequest, like []Request) []Request {
	var out []Request
	for i := range in {
		r := &in[i]
		was := at(like, i)
		made := Request{Name: types.StringValue(r.Name)}
		if e := r.Exactly; e != nil {
			made.DeviceClass = word(e.DeviceClassName)
			made.Selectors = AdoptSelectors(e.Selectors)
			made.AllocationMode, made.Count = adoptAmount(e.AllocationMode, e.Count, was.AllocationMode, was.Count)
			made.AdminAccess = types.BoolPointerValue(e.AdminAccess)
			made.Tolerations = adoptTolerations(e.Tolerations)
			made.Capacity = adoptCapacity(e.Capacity)
		}
		for j := range r.FirstAvailable {
			s := &r.FirstAvailable[j]
			then := at(was.FirstAvailable, j)
			sub := Subrequest{
				Name: types.StringValue(s.Name), DeviceClass: word(s.DeviceClassName), Selectors: AdoptSelectors(s.Selectors),
				Tolerations: adoptTolerations(s.Tolerations), Capacity: adoptCapacity(s.Capacity),
			}
			sub.AllocationMode, sub.Count = adoptAmount(s.AllocationMode, s.Count, then.AllocationMode, then.Count)
			made.FirstAvailable = append(made.FirstAvailable, sub)
		}
		out = append(out, made)
	}
	return out
}

// at is an element; the zero value where there is none.
func at[T any](in []T, i int) T {
	var zero T
	if i >= len(in) {
		return zero
	}
	return in[i]
}

// AdoptSelectors are the expressions of selectors.
func AdoptSelectors(in []resourcev1.DeviceSelector) []types.String {
	var out []types.String
	for _, s := range in {
		if s.CEL != nil {
			out = append(out, types.StringValue(s.CEL.Expression))
		}
	}
	return out
}

func adoptAmount(mode resourcev1.DeviceAllocationMode, count int64, wasMode types.String, wasCount types.Int64) (types.String, types.Int64) {
	m, n := types.StringNull(), types.Int64Null()
	if mode != "" && (string(mode) != exactCount || !wasMode.IsNull()) {
		m = types.StringValue(string(mode))
	}
	if count != 0 && (count != one || !wasCount.IsNull()) {
		n = types.Int64Value(count)
	}
	return m, n
}

func adoptTolerations(in []resourcev1.DeviceToleration) []Toleration {
	var out []Toleration
	for _, t := range in {
		out = append(out, Toleration{
			Key: word(t.Key), Operator: word(string(t.Operator)), Value: word(t.Value), Effect: word(string(t.Effect)), Seconds: types.Int64PointerValue(t.TolerationSeconds),
		})
	}
	return out
}

func adoptCapacity(in *resourcev1.CapacityRequirements) map[string]quantity.Value {
	if in == nil || len(in.Requests) == 0 {
		return nil
	}
	out := map[string]quantity.Value{}
	for name, q := range in.Requests {
		out[string(name)] = quantity.New(q.String())
	}
	return out
}

// AdoptConstraints are constraints.
func AdoptConstraints(in []resourcev1.DeviceConstraint) []Constraint {
	var out []Constraint
	for _, c := range in {
		made := Constraint{Requests: words(c.Requests)}
		if c.MatchAttribute != nil {
			made.MatchAttribute = types.StringValue(string(*c.MatchAttribute))
		}
		if c.DistinctAttribute != nil {
			made.DistinctAttribute = types.StringValue(string(*c.DistinctAttribute))
		}
		out = append(out, made)
	}
	return out
}

// AdoptConfigs are what drivers are told about the devices of a claim.
func AdoptConfigs(in []resourcev1.DeviceClaimConfiguration, like []Config) []Config {
	var out []Config
	for i, c := range in {
		made := Config{Requests: words(c.Requests)}
		made.Driver, made.Parameters = adoptOpaque(c.Opaque, at(like, i).Parameters)
		out = append(out, made)
	}
	return out
}

// AdoptSettings are what drivers are told about the devices of a class.
func AdoptSettings(in []resourcev1.DeviceClassConfiguration, like []Setting) []Setting {
	var out []Setting
	for i, c := range in {
		var made Setting
		made.Driver, made.Parameters = adoptOpaque(c.Opaque, at(like, i).Parameters)
		out = append(out, made)
	}
	return out
}

// adoptOpaque writes parameters as jsonencode does, unless they were written in
// another way that means the same.
func adoptOpaque(o *resourcev1.OpaqueDeviceConfiguration, like types.String) (driver, parameters types.String) {
	if o == nil {
		return types.StringNull(), types.StringNull()
	}
	text := string(o.Parameters.Raw)
	var v any
	if json.Unmarshal(o.Parameters.Raw, &v) == nil {
		if raw, err := json.Marshal(v); err == nil {
			text = string(raw)
		}
	}
	if sameJSON(text, like.ValueString()) {
		text = like.ValueString()
	}
	return types.StringValue(o.Driver), types.StringValue(text)
}

func word(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}

func words(in []string) []types.String {
	var out []types.String
	for _, s := range in {
		out = append(out, types.StringValue(s))
	}
	return out
}
