// Package storageclass is mlk_storage_class: how volumes of one sort are made.
package storageclass

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_storage_class.
type Model struct {
	lifecycle.Common
	Provisioner          types.String            `tfsdk:"storage_provisioner"`
	Parameters           map[string]types.String `tfsdk:"parameters"`
	ReclaimPolicy        types.String            `tfsdk:"reclaim_policy"`
	VolumeBindingMode    types.String            `tfsdk:"volume_binding_mode"`
	AllowVolumeExpansion types.Bool              `tfsdk:"allow_volume_expansion"`
	MountOptions         []types.String          `tfsdk:"mount_options"`
	AllowedTopologies    []Topology              `tfsdk:"allowed_topologies"`
	Default              types.Bool              `tfsdk:"default"`
}

// Topology is one set of places; all its expressions must match.
type Topology struct {
	MatchLabelExpressions []Expression `tfsdk:"match_label_expressions"`
}

// Expression matches nodes whose label Key has one of Values.
type Expression struct {
	Key    types.String   `tfsdk:"key"`
	Values []types.String `tfsdk:"values"`
}

// The attributes that rules name.
var (
	provisionerPath = path.Root("storage_provisioner")
	parametersPath  = path.Root("parameters")
	reclaimPath     = path.Root("reclaim_policy")
	bindingPath     = path.Root("volume_binding_mode")
	defaultPath     = path.Root("default")
	annotationsPath = path.Root("annotations")
)

// What the server fills in for null.
const (
	defaultReclaim = string(corev1.PersistentVolumeReclaimDelete)
	defaultBinding = string(storagev1.VolumeBindingImmediate)
)

// maxParameters is the server's bound on the number of parameters.
const maxParameters = 512

// New returns the mlk_storage_class resource.
func New() resource.Resource { return lifecycle.New[Model](Definition()) }

// Definition says what mlk_storage_class is.
func Definition() lifecycle.Definition[Model] {
	return lifecycle.Definition[Model]{
		Type:    "storage_class",
		Noun:    "Storage class",
		Schema:  attributes,
		Owns:    []kube.Kind{kube.StorageClass},
		Desired: desired,
		Fields:  fields,
		Adopt:   adopt,
		Observe: observe,
		Ready:   ready,
		// A storage class is there as soon as it is stored: nothing to wait for
		// but a terminating one of the same name.
		Timeouts: lifecycle.Timeouts{Create: 5 * time.Minute, Update: 5 * time.Minute, Delete: 5 * time.Minute},
		// The other immutable fields have values that mean the same as null: see plan.
		Replace: []path.Path{provisionerPath},
		Plan:    plan,
	}
}

func attributes() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "A storage class: which driver makes volumes, and how. Claims name it (`mlk_volume_claim.storage_class`). " +
			"Known CSI drivers' parameters are checked at plan: contradictions are errors, unknown keys are warnings.\n\n" +
			"Kubernetes lets nobody change `storage_provisioner`, `parameters`, `reclaim_policy` and `volume_binding_mode`: changing one makes a new class under the same name. " +
			"Volumes that exist stay as they are; claims made in between wait until the new class is there.",
		Attributes: map[string]schema.Attribute{
			"storage_provisioner": schema.StringAttribute{
				Required: true,
				MarkdownDescription: "Name of the driver that makes the volumes, for example `ebs.csi.aws.com`, `pd.csi.storage.gke.io`, `disk.csi.azure.com`, `nfs.csi.k8s.io`. " +
					"`kubernetes.io/no-provisioner` makes none: claims bind to volumes made by hand. Changing it makes a new class.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"parameters": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Parameters of the driver; the values are strings (`\"3000\"`, `\"true\"`). At most 512. Default: none. Changing them makes a new class.",
				Validators: []validator.Map{
					mapvalidator.SizeAtMost(maxParameters),
					mapvalidator.KeysAre(stringvalidator.LengthAtLeast(1)),
					mapvalidator.NoNullValues(),
					driverParameters{},
				},
			},
			"reclaim_policy": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "What happens to a volume whose claim is deleted: `Delete` (default) deletes it with its data, `Retain` leaves it for somebody to reuse by hand. " +
					"Changing it makes a new class; volumes that exist keep the policy they were made with.",
				Validators: []validator.String{stringvalidator.OneOf(defaultReclaim, string(corev1.PersistentVolumeReclaimRetain))},
			},
			"volume_binding_mode": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "When a claim gets its volume: `Immediate` (default) at once, `WaitForFirstConsumer` when its first pod is scheduled, so that the volume is where the GPUs are. " +
					"Changing it makes a new class.",
				Validators: []validator.String{stringvalidator.OneOf(defaultBinding, string(storagev1.VolumeBindingWaitForFirstConsumer))},
			},
			"allow_volume_expansion": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Whether claims of this class can grow (`mlk_volume_claim.size`). Default `false`. Changed in place.",
			},
			"mount_options": schema.ListAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Options volumes of this class are mounted with, for example `nfsvers=4.1`. Nobody checks them before the mount. Default: none. Changed in place, for new volumes.",
				Validators:          []validator.List{listvalidator.NoNullValues()},
			},
			"allowed_topologies": schema.ListNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Where volumes may be made: in places that match one of these. Default: wherever the driver can. Changed in place, for new volumes.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"match_label_expressions": schema.ListNestedAttribute{
						Required:            true,
						MarkdownDescription: "Labels of the nodes' topology; all must match. No key twice.",
						NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
							"key": schema.StringAttribute{
								Required:            true,
								MarkdownDescription: "Label, for example `topology.kubernetes.io/zone` or `topology.gke.io/zone`.",
								Validators:          []validator.String{diags.LabelKey()},
							},
							"values": schema.ListAttribute{
								Required: true, ElementType: types.StringType,
								MarkdownDescription: "Values of the label, one of which must match.",
								Validators:          []validator.List{listvalidator.SizeAtLeast(1), listvalidator.UniqueValues(), listvalidator.NoNullValues()},
							},
						}},
					},
				}},
			},
			"default": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "Whether claims that name no class get this one (annotation `storageclass.kubernetes.io/is-default-class`). When several classes are the default, the newest wins. " +
					"Default: the annotation is not set, and left alone when somebody else sets it. Changed in place.",
				Validators: []validator.Bool{notAlsoAnnotated{}},
			},
		},
	}
}

// plan replaces the class when a field that cannot change does so in meaning:
// null means what the server fills in.
func plan(ctx context.Context, p *lifecycle.Planning[Model]) {
	if p.Create || p.Destroy {
		return
	}
	replace := func(at path.Path) {
		p.Replace = true
		p.RequiresReplace.Append(at)
	}
	for _, f := range []struct {
		at       path.Path
		fallback string
	}{{reclaimPath, defaultReclaim}, {bindingPath, defaultBinding}} {
		var was, will types.String
		p.Diagnostics.Append(p.State.GetAttribute(ctx, f.at, &was)...)
		p.Diagnostics.Append(p.Plan.GetAttribute(ctx, f.at, &will)...)
		if will.IsUnknown() || meaning(was, f.fallback) != meaning(will, f.fallback) {
			replace(f.at)
		}
	}
	var was, will types.Map
	p.Diagnostics.Append(p.State.GetAttribute(ctx, parametersPath, &was)...)
	p.Diagnostics.Append(p.Plan.GetAttribute(ctx, parametersPath, &will)...)
	if will.IsUnknown() || len(was.Elements())+len(will.Elements()) > 0 && !was.Equal(will) {
		replace(parametersPath)
	}
}

// meaning is what a value stands for on the server.
func meaning(v types.String, fallback string) string {
	if v.IsNull() {
		return fallback
	}
	return v.ValueString()
}
