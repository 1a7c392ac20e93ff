package devices

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	resourcev1 "k8s.io/api/resource/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// qualified is a name with the domain of who defined it.
var qualified = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z_][A-Za-z0-9_]*$`)

// capacityName is a name that may leave out the domain of the driver.
var capacityName = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z_][A-Za-z0-9_]*$`)

// SelectorsAttribute is a list of CEL expressions. of says whose devices they select.
func SelectorsAttribute(of string) schema.ListAttribute {
	return schema.ListAttribute{
		Optional: true, ElementType: types.StringType,
		MarkdownDescription: of + " CEL expressions that must all be true of a device, at most " + fmt.Sprint(resourcev1.DeviceSelectorsMaxSize) + ": " +
			"`device.driver == \"gpu.nvidia.com\"`, `device.attributes[\"gpu.nvidia.com\"].productName.contains(\"H100\")`, `device.capacity[\"gpu.nvidia.com\"].memory.compareTo(quantity(\"40Gi\")) >= 0`. " +
			"They are compiled at plan, as the API server does it. Default: any device.",
		Validators: []validator.List{listvalidator.SizeBetween(1, resourcev1.DeviceSelectorsMaxSize), listvalidator.NoNullValues(), listvalidator.ValueStringsAre(expression{})},
	}
}

// SettingsAttribute is what drivers are told about all devices of a class.
func SettingsAttribute() schema.ListNestedAttribute {
	return schema.ListNestedAttribute{
		Optional:            true,
		MarkdownDescription: "What drivers are told about devices that are handed out by this class; what a claim says itself comes after it. Default: nothing. Changed in place, for claims that are made later.",
		Validators:          []validator.List{listvalidator.SizeBetween(1, resourcev1.DeviceConfigMaxSize)},
		NestedObject:        schema.NestedAttributeObject{Attributes: opaqueAttributes()},
	}
}

func opaqueAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"driver": schema.StringAttribute{
			Required: true, MarkdownDescription: "Name of the driver that is told, such as `gpu.nvidia.com`.", Validators: []validator.String{diags.DNSSubdomain()},
		},
		"parameters": schema.StringAttribute{
			Required: true,
			MarkdownDescription: "What it is told, an object as JSON in the driver's own terms: `jsonencode({ apiVersion = \"resource.nvidia.com/v1beta1\", kind = \"GpuConfig\", sharing = { strategy = \"TimeSlicing\" } })`. " +
				"At most 10 KiB.",
			Validators: []validator.String{stringvalidator.LengthAtMost(resourcev1.OpaqueParametersMaxLength), jsonObject{}},
		},
	}
}

// ConfigsAttribute is what drivers are told about the devices of a claim.
func ConfigsAttribute(changing string) schema.ListNestedAttribute {
	a := opaqueAttributes()
	a["requests"] = namesAttribute("Names of the requests whose devices are meant; `<request>/<alternative>` for one of `first_available`. Default: all.")
	return schema.ListNestedAttribute{
		Optional: true, MarkdownDescription: "What drivers are told about the devices they hand out. Default: nothing. " + changing,
		Validators:   []validator.List{listvalidator.SizeBetween(1, resourcev1.DeviceConfigMaxSize)},
		NestedObject: schema.NestedAttributeObject{Attributes: a},
	}
}

// ConstraintsAttribute is what the devices of several requests have in common.
func ConstraintsAttribute(changing string) schema.ListNestedAttribute {
	name := []validator.String{stringvalidator.RegexMatches(qualified, "must be a name with a domain, such as resource.kubernetes.io/pcieRoot")}
	return schema.ListNestedAttribute{
		Optional: true, MarkdownDescription: "What the devices have in common, or must not have; each with exactly one of `match_attribute` and `distinct_attribute`. Default: nothing. " + changing,
		Validators: []validator.List{listvalidator.SizeBetween(1, resourcev1.DeviceConstraintsMaxSize)},
		NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
			"requests": namesAttribute("Names of the requests whose devices are meant. Default: all."),
			"match_attribute": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Attribute that all of them have with the same value, such as `resource.kubernetes.io/pcieRoot` for a GPU and a network card on one PCIe switch.", Validators: name,
			},
			"distinct_attribute": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Attribute that no two of them have with the same value, such as `gpu.nvidia.com/parentUUID` for slices of different GPUs.", Validators: name,
			},
		}},
	}
}

func namesAttribute(description string) schema.ListAttribute {
	return schema.ListAttribute{
		Optional: true, ElementType: types.StringType, MarkdownDescription: description,
		Validators: []validator.List{listvalidator.SizeAtLeast(1), listvalidator.NoNullValues(), listvalidator.UniqueValues()},
	}
}

// RequestsAttribute is what a claim asks for.
func RequestsAttribute(changing string) schema.ListNestedAttribute {
	a := deviceAttributes()
	a["admin_access"] = schema.BoolAttribute{
		Optional: true, MarkdownDescription: "Whether the devices are looked at, for monitoring, and not taken: others may have them. Only in namespaces with the label `resource.kubernetes.io/admin-access=true`. Default false.",
	}
	sub := deviceAttributes()
	required(sub, "device_class")
	a["first_available"] = schema.ListNestedAttribute{
		Optional: true,
		MarkdownDescription: fmt.Sprintf("Alternatives, the best first: the first that can be had is taken. At most %d. Then the request itself has only a name. Needs Kubernetes 1.34.",
			resourcev1.FirstAvailableDeviceRequestMaxSize),
		Validators:   []validator.List{listvalidator.SizeBetween(1, resourcev1.FirstAvailableDeviceRequestMaxSize)},
		NestedObject: schema.NestedAttributeObject{Attributes: sub},
	}
	return schema.ListNestedAttribute{
		Optional: true, MarkdownDescription: fmt.Sprintf("The devices that a claim asks for, at most %d requests; all of them must be had. Each has either `device_class` or `first_available`. %s", resourcev1.DeviceRequestsMaxSize, changing),
		Validators:   []validator.List{listvalidator.SizeBetween(1, resourcev1.DeviceRequestsMaxSize)},
		NestedObject: schema.NestedAttributeObject{Attributes: a},
	}
}

// deviceAttributes are those that a request and its alternatives have alike.
func deviceAttributes() map[string]schema.Attribute {
	out := map[string]schema.Attribute{
		"name": schema.StringAttribute{
			Required: true, MarkdownDescription: "Name, a DNS label, by which containers, constraints and configurations mean it.", Validators: []validator.String{diags.DNSLabel()},
		},
		"device_class": schema.StringAttribute{
			Optional: true, MarkdownDescription: "Name of the device class, such as that of an `mlk_device_class` or a driver's own, `gpu.nvidia.com`.", Validators: []validator.String{diags.DNSSubdomain()},
		},
		"selectors": SelectorsAttribute("Which devices of the class will do:"),
		"allocation_mode": schema.StringAttribute{
			Optional: true, MarkdownDescription: "`ExactCount` (default): as many devices as `count` says. `All`: all of a node that will do, at least one.", Validators: []validator.String{stringvalidator.OneOf(exactCount, all)},
		},
		"count": schema.Int64Attribute{
			Optional: true, MarkdownDescription: "How many devices. Default 1. Not with `allocation_mode = \"All\"`.", Validators: []validator.Int64{int64validator.AtLeast(one)},
		},
		"capacity": schema.MapAttribute{
			Optional: true, ElementType: quantity.Type{},
			MarkdownDescription: "How much of a device that is shared is needed, by the name of what it has: `{ memory = \"10Gi\" }`. Default: all of a device. Needs the feature `DRAConsumableCapacity` of the cluster.",
			Validators:          []validator.Map{mapvalidator.SizeAtLeast(1), mapvalidator.NoNullValues(), mapvalidator.KeysAre(stringvalidator.RegexMatches(capacityName, "must be a name such as memory, or gpu.nvidia.com/memory"))},
		},
		"tolerations": schema.ListNestedAttribute{
			Optional:            true,
			MarkdownDescription: fmt.Sprintf("Taints of devices that are put up with, at most %d. Default: none.", resourcev1.DeviceTolerationsMaxLength),
			Validators:          []validator.List{listvalidator.SizeBetween(1, resourcev1.DeviceTolerationsMaxLength)},
			NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
				"key":      schema.StringAttribute{Optional: true, MarkdownDescription: "Key of the taint. Default: any; `operator` must then be `Exists`."},
				"operator": schema.StringAttribute{Optional: true, MarkdownDescription: "`Equal` (default): the taint has `value`. `Exists`: it may have any.", Validators: []validator.String{stringvalidator.OneOf(string(resourcev1.DeviceTolerationOpEqual), string(resourcev1.DeviceTolerationOpExists))}},
				"value":    schema.StringAttribute{Optional: true, MarkdownDescription: "Value of the taint."},
				"effect":   schema.StringAttribute{Optional: true, MarkdownDescription: "Effect of the taint: `NoSchedule` or `NoExecute`. Default: both.", Validators: []validator.String{stringvalidator.OneOf(string(resourcev1.DeviceTaintEffectNoSchedule), string(resourcev1.DeviceTaintEffectNoExecute))}},
				"seconds":  schema.Int64Attribute{Optional: true, MarkdownDescription: "Seconds that a pod keeps a device when the taint appears, for `NoExecute` only. Default: for ever."},
			}},
		},
	}
	return out
}

func required(a map[string]schema.Attribute, name string) {
	if s, ok := a[name].(schema.StringAttribute); ok {
		s.Optional, s.Required = false, true
		a[name] = s
	}
}

// jsonObject takes text that is an object in JSON.
type jsonObject struct{}

func (jsonObject) Description(context.Context) string               { return "must be an object in JSON" }
func (j jsonObject) MarkdownDescription(ctx context.Context) string { return j.Description(ctx) }

func (jsonObject) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(req.ConfigValue.ValueString()), &v); err != nil || v == nil {
		why := ""
		if err != nil {
			why = err.Error()
		}
		resp.Diagnostics.Append(diags.Message{
			Summary: "The parameters of a driver must be an object in JSON", Why: why,
			Do: "Write them with jsonencode({ … }).", At: req.Path,
		}.Error())
	}
}
