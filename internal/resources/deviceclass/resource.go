// Package deviceclass is mlk_device_class: devices that DRA drivers hand out, by
// one name.
package deviceclass

import (
	"regexp"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/runtime"
	resourceac "k8s.io/client-go/applyconfigurations/resource/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/devices"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// Model mirrors the schema of mlk_device_class.
type Model struct {
	lifecycle.Common
	Selectors            []types.String    `tfsdk:"selectors"`
	Config               []devices.Setting `tfsdk:"config"`
	ExtendedResourceName types.String      `tfsdk:"extended_resource_name"`
}

// The attributes that rules name.
var (
	selectorsPath = path.Root("selectors")
	configPath    = path.Root("config")
	extendedPath  = path.Root("extended_resource_name")
)

// extended is the name of an extended resource: a domain that is not Kubernetes'
// own, and a name.
var extended = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)

// A class is stored, and that is all.
const limit = 5 * time.Minute

// New returns the mlk_device_class resource.
func New() resource.Resource { return lifecycle.New[Model](Definition()) }

// Definition returns what makes a device class.
func Definition() lifecycle.Definition[Model] {
	return lifecycle.Definition[Model]{
		Type:     "device_class",
		Noun:     "Device class",
		Schema:   attributes,
		Owns:     []kube.Kind{kube.DeviceClass},
		Desired:  desired,
		Fields:   fields,
		Adopt:    adopt,
		Observe:  func(*Model, lifecycle.Seen) diag.Diagnostics { return nil },
		Ready:    ready,
		Timeouts: lifecycle.Timeouts{Create: limit, Update: limit, Delete: limit},
	}
}

func attributes() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "Devices that DRA drivers hand out, by one name that claims ask for. Which devices those are is said by CEL expressions over what drivers publish in ResourceSlices. Needs Kubernetes 1.34.\n\n" +
			"With `extended_resource_name` pods get them without a claim, as `gpu = { count = 1, resource = \"<name>\" }`. A device plugin must not offer the same resource on those nodes.",
		Attributes: map[string]schema.Attribute{
			"selectors": devices.SelectorsAttribute("Which devices belong to the class:"),
			"config":    devices.SettingsAttribute(),
			"extended_resource_name": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Extended resource by which containers can ask for devices of the class too, such as `nvidia.com/gpu`. Only one class can have it. Default: none. Changed in place.",
				Validators:          []validator.String{stringvalidator.RegexMatches(extended, "must be a name with a domain, such as nvidia.com/gpu")},
			},
		},
	}
}

func desired(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
	spec := resourceac.DeviceClassSpec()
	spec.Selectors = devices.Selectors(m.Selectors)
	for i := range m.Config {
		spec.WithConfig(m.Config[i].Apply())
	}
	spec.ExtendedResourceName = m.ExtendedResourceName.ValueStringPointer()
	return []runtime.ApplyConfiguration{resourceac.DeviceClass(m.Name.ValueString()).WithSpec(spec)}, nil
}

// fields says which attribute made which field.
func fields(*Model) diags.Fields {
	var f diags.Fields
	kind := kube.DeviceClass.Kind
	f.Add(selectorsPath, kind, "spec", "selectors")
	f.Add(configPath, kind, "spec", "config")
	f.Add(extendedPath, kind, "spec", "extendedResourceName")
	return f
}

func adopt(live kube.Live, prior *Model) (*Model, diag.Diagnostics) {
	c, err := kube.Typed[resourcev1.DeviceClass](live, kube.DeviceClass.Kind)
	if err != nil {
		return &Model{}, diag.Diagnostics{diags.Message{
			Summary: "The DeviceClass on the cluster cannot be read", Why: err.Error(),
			Do: "It may come from a newer version of Kubernetes than mlk knows. Please report this.",
		}.Error()}
	}
	m := &Model{}
	if c == nil {
		return m, nil
	}
	var like []devices.Setting
	if prior != nil {
		like = prior.Config
	}
	m.Selectors = devices.AdoptSelectors(c.Spec.Selectors)
	m.Config = devices.AdoptSettings(c.Spec.Config, like)
	m.ExtendedResourceName = types.StringPointerValue(c.Spec.ExtendedResourceName)
	return m, nil
}

// ready: a class can be asked for as soon as it is stored.
func ready(_ *Model, seen lifecycle.Seen, _ string) wait.Verdict {
	if seen.Live[kube.DeviceClass.Kind] == nil {
		return wait.Of(wait.Progressing, "Pending", "", "The device class does not exist yet")
	}
	return wait.Of(wait.Done, "Active", "", "")
}
