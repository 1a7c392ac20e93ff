// Package volumeclaim is mlk_volume_claim: storage that outlives pods.
package volumeclaim

import (
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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_volume_claim.
type Model struct {
	lifecycle.Namespaced
	Size                  quantity.Value `tfsdk:"size"`
	StorageClass          types.String   `tfsdk:"storage_class"`
	Static                types.Bool     `tfsdk:"static"`
	AccessModes           []types.String `tfsdk:"access_modes"`
	VolumeMode            types.String   `tfsdk:"volume_mode"`
	VolumeName            types.String   `tfsdk:"volume_name"`
	Selector              *Selector      `tfsdk:"selector"`
	DataSource            *DataSource    `tfsdk:"data_source"`
	VolumeAttributesClass types.String   `tfsdk:"volume_attributes_class"`
	DeletionProtection    types.Bool     `tfsdk:"deletion_protection"`
	Retain                types.Bool     `tfsdk:"retain"`
	Capacity              types.String   `tfsdk:"capacity"`
}

// Selector chooses among volumes made by hand, by their labels.
type Selector struct {
	MatchLabels      map[string]types.String `tfsdk:"match_labels"`
	MatchExpressions []Expression            `tfsdk:"match_expressions"`
}

// Expression is one requirement of a Selector.
type Expression struct {
	Key      types.String   `tfsdk:"key"`
	Operator types.String   `tfsdk:"operator"`
	Values   []types.String `tfsdk:"values"`
}

// DataSource is what the volume is filled with when it is made.
type DataSource struct {
	APIGroup  types.String `tfsdk:"api_group"`
	Kind      types.String `tfsdk:"kind"`
	Name      types.String `tfsdk:"name"`
	Namespace types.String `tfsdk:"namespace"`
}

// The levels of wait_for.
const (
	created = "created"
	bound   = "bound"
)

// What null stands for.
const (
	defaultAccess = string(corev1.ReadWriteOnce)
	defaultMode   = string(corev1.PersistentVolumeFilesystem)
)

// claimKind is the kind that cloning a claim names.
const claimKind = "PersistentVolumeClaim"

// The attributes that rules name.
var (
	sizePath       = path.Root("size")
	classPath      = path.Root("storage_class")
	staticPath     = path.Root("static")
	accessPath     = path.Root("access_modes")
	modePath       = path.Root("volume_mode")
	volumePath     = path.Root("volume_name")
	selectorPath   = path.Root("selector")
	sourcePath     = path.Root("data_source")
	attributesPath = path.Root("volume_attributes_class")
	protectionPath = path.Root("deletion_protection")
	retainPath     = path.Root("retain")
	capacityPath   = path.Root("capacity")
)

// New returns the mlk_volume_claim resource.
func New() resource.Resource { return lifecycle.New[Model](Definition()) }

// Definition says what mlk_volume_claim is.
func Definition() lifecycle.Definition[Model] {
	return lifecycle.Definition[Model]{
		Type:    "volume_claim",
		Noun:    "Volume claim",
		Schema:  attributes,
		Owns:    []kube.Kind{kube.PersistentVolumeClaim},
		Desired: desired,
		Fields:  fields,
		Adopt:   adopt,
		Observe: observe,
		Ready:   ready,
		WaitFor: []string{created, bound},
		// File system services such as FSx take minutes to make a volume.
		Timeouts: lifecycle.Timeouts{Create: 10 * time.Minute, Update: 10 * time.Minute, Delete: 10 * time.Minute},
		// The other immutable fields have values that mean the same as null, or
		// can be filled in once: see plan.
		Replace: []path.Path{selectorPath, sourcePath},
		Plan:    plan,
		Settle:  settle,
		Refused: refused,
		Release: release,
	}
}

func attributes() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "A persistent volume claim: storage for data sets, checkpoints and model weights that outlives the pods that mount it.\n\n" +
			"It holds data, so it is protected: destroying or replacing it is refused while `deletion_protection` is on. It grows in place. " +
			"A claim of a class with `volume_binding_mode = \"WaitForFirstConsumer\"` gets its volume when its first pod is scheduled; nothing waits for that here.",
		Attributes: map[string]schema.Attribute{
			"size": schema.StringAttribute{
				Required: true, CustomType: quantity.Type{},
				MarkdownDescription: "Least size of the volume, a quantity such as `100Gi` or `2Ti`. A claim that somebody made larger is left as it is. " +
					"Raising it grows a bound volume in place, where its class has `allow_volume_expansion = true`, and waits until it has grown; " +
					"a file system that only grows while it is mounted is not waited for. Volumes do not shrink: lowering it is an error, except to take back a growth that has not happened.",
				Validators: []validator.String{positive{}},
			},
			"storage_class": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Name of the storage class. Default: the cluster's default class, which the cluster fills in, perhaps later. For a claim without class use `static`. Changing it makes a new claim.",
				Validators:          []validator.String{diags.DNSSubdomain()},
			},
			"static": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "`true`: the claim has no class (`storageClassName: \"\"` in Kubernetes) and binds only to a volume somebody made by hand, chosen by `volume_name`, `selector` or size. " +
					"Default `false`. Changing it makes a new claim.",
				Validators: []validator.Bool{withoutClass{}},
			},
			"access_modes": schema.ListAttribute{
				Optional: true, ElementType: types.StringType, CustomType: newAccessType(),
				MarkdownDescription: "How the volume may be mounted: `ReadWriteOnce` by pods of one node, `ReadOnlyMany` and `ReadWriteMany` by many nodes, `ReadWriteOncePod` by one pod (alone in the list). " +
					"Default `[\"ReadWriteOnce\"]`. Order has no meaning. Changing them makes a new claim.",
				Validators: []validator.List{
					listvalidator.SizeAtLeast(1), listvalidator.UniqueValues(), listvalidator.NoNullValues(),
					listvalidator.ValueStringsAre(stringvalidator.OneOf(
						defaultAccess, string(corev1.ReadOnlyMany), string(corev1.ReadWriteMany), string(corev1.ReadWriteOncePod))),
					onePodAlone{},
				},
			},
			"volume_mode": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "`Filesystem` (default) or `Block`, a raw device. Changing it makes a new claim.",
				Validators:          []validator.String{stringvalidator.OneOf(defaultMode, string(corev1.PersistentVolumeBlock))},
			},
			"volume_name": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Name of the persistent volume. Set it to claim a certain volume; otherwise the cluster fills it in when the claim is bound. " +
					"It can be set once on a claim that has no volume; changing it makes a new claim.",
				Validators: []validator.String{diags.DNSSubdomain()},
			},
			"selector": schema.SingleNestedAttribute{
				Optional: true,
				MarkdownDescription: "Chooses among volumes made by hand, by their labels; all requirements must hold. Drivers make no volumes for claims with a selector. " +
					"Default: any volume. Changing it makes a new claim.",
				Attributes: map[string]schema.Attribute{
					"match_labels": schema.MapAttribute{
						Optional: true, ElementType: types.StringType,
						MarkdownDescription: "Labels the volume must have with these values. Default: none.",
						Validators:          []validator.Map{mapvalidator.KeysAre(diags.LabelKey()), mapvalidator.ValueStringsAre(diags.LabelValue()), mapvalidator.NoNullValues()},
					},
					"match_expressions": schema.ListNestedAttribute{
						Optional:            true,
						MarkdownDescription: "Further requirements. Default: none.",
						NestedObject: schema.NestedAttributeObject{
							Validators: []validator.Object{expression{}},
							Attributes: map[string]schema.Attribute{
								"key": schema.StringAttribute{
									Required: true, MarkdownDescription: "Label.",
									Validators: []validator.String{diags.LabelKey()},
								},
								"operator": schema.StringAttribute{
									Required: true, MarkdownDescription: "`In` or `NotIn` (with `values`), `Exists` or `DoesNotExist` (without).",
									Validators: []validator.String{stringvalidator.OneOf(
										string(metav1.LabelSelectorOpIn), string(metav1.LabelSelectorOpNotIn),
										string(metav1.LabelSelectorOpExists), string(metav1.LabelSelectorOpDoesNotExist))},
								},
								"values": schema.ListAttribute{
									Optional: true, ElementType: types.StringType, MarkdownDescription: "Values for `In` and `NotIn`. Default: none.",
									Validators: []validator.List{listvalidator.SizeAtLeast(1), listvalidator.NoNullValues()},
								},
							},
						},
					},
				},
			},
			"data_source": schema.SingleNestedAttribute{
				Optional: true,
				MarkdownDescription: "What the volume is filled with when it is made: another claim (a clone), a VolumeSnapshot, or whatever a populator on the cluster knows. " +
					"`size` must be at least that of the source. Default: an empty volume. Changing it makes a new claim.",
				Validators: []validator.Object{sourceGroup{}},
				Attributes: map[string]schema.Attribute{
					"api_group": schema.StringAttribute{
						Optional:            true,
						MarkdownDescription: "API group of the source, for example `snapshot.storage.k8s.io`. Default: the core group, for a claim.",
						Validators:          []validator.String{diags.DNSSubdomain()},
					},
					"kind": schema.StringAttribute{
						Required:            true,
						MarkdownDescription: "Kind of the source: `PersistentVolumeClaim`, `VolumeSnapshot` or another.",
						Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
					},
					"name": schema.StringAttribute{
						Required:            true,
						MarkdownDescription: "Name of the source.",
						Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
					},
					"namespace": schema.StringAttribute{
						Optional: true,
						MarkdownDescription: "Namespace of the source. Default: the claim's. Another one needs the alpha feature CrossNamespaceVolumeDataSource, " +
							"and a ReferenceGrant in that namespace; clusters without it drop the field.",
						Validators: []validator.String{diags.DNSLabel()},
					},
				},
			},
			"volume_attributes_class": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Name of a VolumeAttributesClass: performance that the driver can change while the volume is in use (IOPS, throughput). " +
					"Default: none. Changed in place on a bound claim; once a class is in effect it can be changed but not removed. Awaited only with `wait_for = \"bound\"`.",
				Validators: []validator.String{diags.DNSSubdomain()},
			},
			"deletion_protection": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "`true`: destroying or replacing the claim is an error at plan. What counts is the state: to delete the claim, first apply `deletion_protection = false`, then destroy. " +
					"Default `true`, and `false` with `retain = true`. Changing it changes nothing on the cluster.",
			},
			"retain": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "`true`: destroying this resource leaves the claim on the cluster, with its volume and data, labelled `mlk.dev/kept=true` and managed by nobody; " +
					"`terraform import` takes it back. Deleting the namespace still deletes it. What counts is the state: apply `retain = true` before destroying. " +
					"Default `false`: the claim is deleted, and the volume's reclaim policy decides over the data. Changing it changes nothing on the cluster.",
			},
			"capacity": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Size the volume has, a quantity; null until the claim is bound. It can be more than `size`, and less while the volume grows.",
			},
		},
	}
}
