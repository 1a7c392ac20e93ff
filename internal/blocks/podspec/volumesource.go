package podspec

import (
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
)

// ObjectFiles are the keys of a ConfigMap or Secret as files.
type ObjectFiles struct {
	Name        types.String `tfsdk:"name"`
	Items       []KeyFile    `tfsdk:"items"`
	DefaultMode types.String `tfsdk:"default_mode"`
	Optional    types.Bool   `tfsdk:"optional"`
}

// KeyFile is the file that one key becomes.
type KeyFile struct {
	Key  types.String `tfsdk:"key"`
	Path types.String `tfsdk:"path"`
	Mode types.String `tfsdk:"mode"`
}

// DownwardAPI are facts about the pod as files.
type DownwardAPI struct {
	Items       []FactFile   `tfsdk:"items"`
	DefaultMode types.String `tfsdk:"default_mode"`
}

// FactFile is the file that one fact becomes.
type FactFile struct {
	Path     types.String      `tfsdk:"path"`
	Field    types.String      `tfsdk:"field"`
	Resource *ResourceFieldRef `tfsdk:"resource"`
	Mode     types.String      `tfsdk:"mode"`
}

// Projected puts several sources into one directory.
type Projected struct {
	Sources     []ProjectedSource `tfsdk:"sources"`
	DefaultMode types.String      `tfsdk:"default_mode"`
}

// ProjectedSource is one of them.
type ProjectedSource struct {
	ConfigMap           *ProjectedObject     `tfsdk:"config_map"`
	Secret              *ProjectedObject     `tfsdk:"secret"`
	ServiceAccountToken *ServiceAccountToken `tfsdk:"service_account_token"`
	DownwardAPI         *ProjectedFacts      `tfsdk:"downward_api"`
}

// ProjectedObject are the keys of a ConfigMap or Secret as files.
type ProjectedObject struct {
	Name     types.String `tfsdk:"name"`
	Items    []KeyFile    `tfsdk:"items"`
	Optional types.Bool   `tfsdk:"optional"`
}

// ProjectedFacts are facts about the pod as files.
type ProjectedFacts struct {
	Items []FactFile `tfsdk:"items"`
}

// ServiceAccountToken is a token of the pod's service account as a file.
type ServiceAccountToken struct {
	Path              types.String `tfsdk:"path"`
	Audience          types.String `tfsdk:"audience"`
	ExpirationSeconds types.Int64  `tfsdk:"expiration_seconds"`
}

// source returns what the volume is made of; nil when the model names nothing.
func (v *Volume) source() (*corev1ac.VolumeSourceApplyConfiguration, diag.Diagnostics) {
	out := &corev1ac.VolumeSourceApplyConfiguration{}
	var ds diag.Diagnostics
	switch {
	case !v.Claim.IsNull():
		out.PersistentVolumeClaim = &corev1ac.PersistentVolumeClaimVolumeSourceApplyConfiguration{
			ClaimName: v.Claim.ValueStringPointer(), ReadOnly: v.ClaimReadOnly.ValueBoolPointer(),
		}
	case v.EmptyDir != nil:
		limit, lds := amount(v.EmptyDir.SizeLimit)
		ds.Append(lds...)
		out.EmptyDir = &corev1ac.EmptyDirVolumeSourceApplyConfiguration{Medium: values.Enum[corev1.StorageMedium](v.EmptyDir.Medium), SizeLimit: limit}
	case v.HostPath != nil:
		out.HostPath = &corev1ac.HostPathVolumeSourceApplyConfiguration{
			Path: v.HostPath.Path.ValueStringPointer(), Type: values.Enum[corev1.HostPathType](v.HostPath.Type),
		}
	case v.ConfigMap != nil:
		c := v.ConfigMap
		out.ConfigMap = &corev1ac.ConfigMapVolumeSourceApplyConfiguration{
			LocalObjectReferenceApplyConfiguration: corev1ac.LocalObjectReferenceApplyConfiguration{Name: c.Name.ValueStringPointer()},
			Items:                                  applyItems(c.Items), DefaultMode: mode(c.DefaultMode), Optional: c.Optional.ValueBoolPointer(),
		}
	case v.Secret != nil:
		s := v.Secret
		out.Secret = &corev1ac.SecretVolumeSourceApplyConfiguration{
			SecretName: s.Name.ValueStringPointer(), Items: applyItems(s.Items), DefaultMode: mode(s.DefaultMode), Optional: s.Optional.ValueBoolPointer(),
		}
	case v.CSI != nil:
		out.CSI = v.CSI.apply()
	case v.NFS != nil:
		out.NFS = &corev1ac.NFSVolumeSourceApplyConfiguration{
			Server: v.NFS.Server.ValueStringPointer(), Path: v.NFS.Path.ValueStringPointer(), ReadOnly: v.NFS.ReadOnly.ValueBoolPointer(),
		}
	case v.Image != nil:
		out.Image = &corev1ac.ImageVolumeSourceApplyConfiguration{
			Reference: v.Image.Reference.ValueStringPointer(), PullPolicy: values.Enum[corev1.PullPolicy](v.Image.PullPolicy),
		}
	case v.Projected != nil:
		p, pds := v.Projected.apply()
		ds.Append(pds...)
		out.Projected = p
	case v.DownwardAPI != nil:
		items, ids := applyFacts(v.DownwardAPI.Items)
		ds.Append(ids...)
		out.DownwardAPI = &corev1ac.DownwardAPIVolumeSourceApplyConfiguration{Items: items, DefaultMode: mode(v.DownwardAPI.DefaultMode)}
	case v.Ephemeral != nil:
		e, eds := v.Ephemeral.apply()
		ds.Append(eds...)
		out.Ephemeral = e
	default:
		return nil, nil
	}
	return out, ds
}

func (c *CSI) apply() *corev1ac.CSIVolumeSourceApplyConfiguration {
	out := &corev1ac.CSIVolumeSourceApplyConfiguration{
		Driver: c.Driver.ValueStringPointer(), ReadOnly: c.ReadOnly.ValueBoolPointer(), FSType: c.FSType.ValueStringPointer(),
		VolumeAttributes: values.Plain(c.Attributes),
	}
	if !c.Secret.IsNull() {
		out.NodePublishSecretRef = &corev1ac.LocalObjectReferenceApplyConfiguration{Name: c.Secret.ValueStringPointer()}
	}
	return out
}

func (e *EphemeralPVC) apply() (*corev1ac.EphemeralVolumeSourceApplyConfiguration, diag.Diagnostics) {
	size, ds := amount(e.Size)
	spec := &corev1ac.PersistentVolumeClaimSpecApplyConfiguration{
		StorageClassName: e.StorageClass.ValueStringPointer(), VolumeMode: values.Enum[corev1.PersistentVolumeMode](e.VolumeMode),
	}
	for _, m := range e.AccessModes {
		spec.AccessModes = append(spec.AccessModes, corev1.PersistentVolumeAccessMode(m.ValueString()))
	}
	if size != nil {
		spec.Resources = &corev1ac.VolumeResourceRequirementsApplyConfiguration{Requests: &corev1.ResourceList{corev1.ResourceStorage: *size}}
	}
	template := &corev1ac.PersistentVolumeClaimTemplateApplyConfiguration{Spec: spec}
	if len(e.Labels)+len(e.Annotations) > 0 {
		template.ObjectMetaApplyConfiguration = &metav1ac.ObjectMetaApplyConfiguration{Labels: values.Plain(e.Labels), Annotations: values.Plain(e.Annotations)}
	}
	return &corev1ac.EphemeralVolumeSourceApplyConfiguration{VolumeClaimTemplate: template}, ds
}

func (p *Projected) apply() (*corev1ac.ProjectedVolumeSourceApplyConfiguration, diag.Diagnostics) {
	var ds diag.Diagnostics
	out := &corev1ac.ProjectedVolumeSourceApplyConfiguration{DefaultMode: mode(p.DefaultMode)}
	for _, s := range p.Sources {
		var ac corev1ac.VolumeProjectionApplyConfiguration
		if c := s.ConfigMap; c != nil {
			ac.ConfigMap = &corev1ac.ConfigMapProjectionApplyConfiguration{
				LocalObjectReferenceApplyConfiguration: corev1ac.LocalObjectReferenceApplyConfiguration{Name: c.Name.ValueStringPointer()},
				Items:                                  applyItems(c.Items), Optional: c.Optional.ValueBoolPointer(),
			}
		}
		if c := s.Secret; c != nil {
			ac.Secret = &corev1ac.SecretProjectionApplyConfiguration{
				LocalObjectReferenceApplyConfiguration: corev1ac.LocalObjectReferenceApplyConfiguration{Name: c.Name.ValueStringPointer()},
				Items:                                  applyItems(c.Items), Optional: c.Optional.ValueBoolPointer(),
			}
		}
		if t := s.ServiceAccountToken; t != nil {
			ac.ServiceAccountToken = &corev1ac.ServiceAccountTokenProjectionApplyConfiguration{
				Path: t.Path.ValueStringPointer(), Audience: t.Audience.ValueStringPointer(), ExpirationSeconds: t.ExpirationSeconds.ValueInt64Pointer(),
			}
		}
		if d := s.DownwardAPI; d != nil {
			items, ids := applyFacts(d.Items)
			ds.Append(ids...)
			ac.DownwardAPI = &corev1ac.DownwardAPIProjectionApplyConfiguration{Items: items}
		}
		out.Sources = append(out.Sources, ac)
	}
	return out, ds
}

func applyItems(in []KeyFile) []corev1ac.KeyToPathApplyConfiguration {
	var out []corev1ac.KeyToPathApplyConfiguration
	for _, i := range in {
		out = append(out, corev1ac.KeyToPathApplyConfiguration{Key: i.Key.ValueStringPointer(), Path: i.Path.ValueStringPointer(), Mode: mode(i.Mode)})
	}
	return out
}

func applyFacts(in []FactFile) ([]corev1ac.DownwardAPIVolumeFileApplyConfiguration, diag.Diagnostics) {
	var ds diag.Diagnostics
	var out []corev1ac.DownwardAPIVolumeFileApplyConfiguration
	for _, f := range in {
		r, rds := f.Resource.apply()
		ds.Append(rds...)
		out = append(out, corev1ac.DownwardAPIVolumeFileApplyConfiguration{
			Path: f.Path.ValueStringPointer(), FieldRef: fieldRef(f.Field), ResourceFieldRef: r, Mode: mode(f.Mode),
		})
	}
	return out, ds
}
