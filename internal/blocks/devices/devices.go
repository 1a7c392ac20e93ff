// Package devices is how devices are asked for that DRA drivers hand out: which
// ones by CEL expressions, how many, and what their driver is told.
package devices

import (
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	resourceac "k8s.io/client-go/applyconfigurations/resource/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// Request is one kind of device that a claim asks for.
type Request struct {
	Name           types.String   `tfsdk:"name"`
	AdminAccess    types.Bool     `tfsdk:"admin_access"`
	FirstAvailable []Subrequest   `tfsdk:"first_available"`
	DeviceClass    types.String   `tfsdk:"device_class"`
	Selectors      []types.String `tfsdk:"selectors"`
	AllocationMode types.String   `tfsdk:"allocation_mode"`
	Count          types.Int64    `tfsdk:"count"`
	Tolerations    []Toleration   `tfsdk:"tolerations"`

	Capacity map[string]quantity.Value `tfsdk:"capacity"`
}

// Subrequest is one of the alternatives of a request.
type Subrequest struct {
	Name           types.String   `tfsdk:"name"`
	DeviceClass    types.String   `tfsdk:"device_class"`
	Selectors      []types.String `tfsdk:"selectors"`
	AllocationMode types.String   `tfsdk:"allocation_mode"`
	Count          types.Int64    `tfsdk:"count"`
	Tolerations    []Toleration   `tfsdk:"tolerations"`

	Capacity map[string]quantity.Value `tfsdk:"capacity"`
}

// Toleration lets a claim get devices with a taint.
type Toleration struct {
	Key      types.String `tfsdk:"key"`
	Operator types.String `tfsdk:"operator"`
	Value    types.String `tfsdk:"value"`
	Effect   types.String `tfsdk:"effect"`
	Seconds  types.Int64  `tfsdk:"seconds"`
}

// Constraint is what the devices of several requests have in common, or have not.
type Constraint struct {
	Requests          []types.String `tfsdk:"requests"`
	MatchAttribute    types.String   `tfsdk:"match_attribute"`
	DistinctAttribute types.String   `tfsdk:"distinct_attribute"`
}

// Config is what a driver is told about the devices of some requests.
type Config struct {
	Requests   []types.String `tfsdk:"requests"`
	Driver     types.String   `tfsdk:"driver"`
	Parameters types.String   `tfsdk:"parameters"`
}

// Setting is what a driver is told about all devices of a class.
type Setting struct {
	Driver     types.String `tfsdk:"driver"`
	Parameters types.String `tfsdk:"parameters"`
}

// What the server makes of null. It is sent: inside a list that is owned as a
// whole, a default that the server fills in would look like somebody's change.
const (
	exactCount = string(resourcev1.DeviceAllocationModeExactCount)
	all        = string(resourcev1.DeviceAllocationModeAll)
	one        = 1
)

// Apply is the request; at is where it stands in the configuration.
func (r *Request) Apply(at path.Path) (*resourceac.DeviceRequestApplyConfiguration, diag.Diagnostics) {
	out := resourceac.DeviceRequest().WithName(r.Name.ValueString())
	var ds diag.Diagnostics
	if len(r.FirstAvailable) > 0 {
		for i, s := range r.FirstAvailable {
			sub := resourceac.DeviceSubRequest().WithName(s.Name.ValueString()).WithDeviceClassName(s.DeviceClass.ValueString())
			sub.Selectors = Selectors(s.Selectors)
			mode, count := amount(s.AllocationMode, s.Count)
			sub.WithAllocationMode(mode)
			sub.Count = count
			sub.Tolerations = tolerations(s.Tolerations)
			c, cds := capacity(s.Capacity, at.AtName("first_available").AtListIndex(i))
			ds.Append(cds...)
			sub.Capacity = c
			out.WithFirstAvailable(sub)
		}
		return out, ds
	}
	exactly := resourceac.ExactDeviceRequest().WithDeviceClassName(r.DeviceClass.ValueString())
	exactly.Selectors = Selectors(r.Selectors)
	mode, count := amount(r.AllocationMode, r.Count)
	exactly.WithAllocationMode(mode)
	exactly.Count = count
	exactly.AdminAccess = r.AdminAccess.ValueBoolPointer()
	exactly.Tolerations = tolerations(r.Tolerations)
	exactly.Capacity, ds = capacity(r.Capacity, at)
	return out.WithExactly(exactly), ds
}

// Selectors are CEL expressions as the API has them.
func Selectors(in []types.String) []resourceac.DeviceSelectorApplyConfiguration {
	var out []resourceac.DeviceSelectorApplyConfiguration
	for _, e := range in {
		out = append(out, *resourceac.DeviceSelector().WithCEL(resourceac.CELDeviceSelector().WithExpression(e.ValueString())))
	}
	return out
}

func amount(mode types.String, count types.Int64) (resourcev1.DeviceAllocationMode, *int64) {
	if mode.ValueString() == all {
		return resourcev1.DeviceAllocationModeAll, nil
	}
	n := int64(one)
	if !count.IsNull() {
		n = count.ValueInt64()
	}
	return resourcev1.DeviceAllocationModeExactCount, &n
}

func tolerations(in []Toleration) []resourceac.DeviceTolerationApplyConfiguration {
	var out []resourceac.DeviceTolerationApplyConfiguration
	for _, t := range in {
		ac := resourceac.DeviceTolerationApplyConfiguration{
			Key: t.Key.ValueStringPointer(), Value: t.Value.ValueStringPointer(), TolerationSeconds: t.Seconds.ValueInt64Pointer(),
		}
		if !t.Operator.IsNull() {
			ac.WithOperator(resourcev1.DeviceTolerationOperator(t.Operator.ValueString()))
		}
		if !t.Effect.IsNull() {
			ac.WithEffect(resourcev1.DeviceTaintEffect(t.Effect.ValueString()))
		}
		out = append(out, ac)
	}
	return out
}

func capacity(in map[string]quantity.Value, at path.Path) (*resourceac.CapacityRequirementsApplyConfiguration, diag.Diagnostics) {
	if len(in) == 0 {
		return nil, nil
	}
	var ds diag.Diagnostics
	out := map[resourcev1.QualifiedName]resource.Quantity{}
	for name, v := range in {
		q, err := resource.ParseQuantity(v.ValueString())
		if err != nil {
			ds.Append(diags.Message{Summary: "A capacity is no quantity", Why: err.Error(), At: at.AtName("capacity").AtMapKey(name)}.Error())
			continue
		}
		out[resourcev1.QualifiedName(name)] = q
	}
	return resourceac.CapacityRequirements().WithRequests(out), ds
}

// Apply is the constraint.
func (c *Constraint) Apply() *resourceac.DeviceConstraintApplyConfiguration {
	out := resourceac.DeviceConstraint().WithRequests(plain(c.Requests)...)
	if !c.MatchAttribute.IsNull() {
		out.WithMatchAttribute(resourcev1.FullyQualifiedName(c.MatchAttribute.ValueString()))
	}
	if !c.DistinctAttribute.IsNull() {
		out.WithDistinctAttribute(resourcev1.FullyQualifiedName(c.DistinctAttribute.ValueString()))
	}
	return out
}

// Apply is the configuration of the devices of some requests.
func (c *Config) Apply() *resourceac.DeviceClaimConfigurationApplyConfiguration {
	out := resourceac.DeviceClaimConfiguration().WithRequests(plain(c.Requests)...)
	out.Opaque = opaque(c.Driver, c.Parameters)
	return out
}

// Apply is the configuration of all devices of a class.
func (s *Setting) Apply() *resourceac.DeviceClassConfigurationApplyConfiguration {
	out := resourceac.DeviceClassConfiguration()
	out.Opaque = opaque(s.Driver, s.Parameters)
	return out
}

func opaque(driver, parameters types.String) *resourceac.OpaqueDeviceConfigurationApplyConfiguration {
	return resourceac.OpaqueDeviceConfiguration().WithDriver(driver.ValueString()).
		WithParameters(runtime.RawExtension{Raw: []byte(parameters.ValueString())})
}

func plain(in []types.String) []string {
	var out []string
	for _, v := range in {
		out = append(out, v.ValueString())
	}
	return out
}

// sameJSON reports whether two texts say the same object.
func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	p, errP := json.Marshal(x)
	q, errQ := json.Marshal(y)
	return errP == nil && errQ == nil && string(p) == string(q)
}
