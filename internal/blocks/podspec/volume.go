package podspec

import (
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
)

// What shared_memory makes: a volume in memory, mounted where POSIX shared
// memory lives.
const (
	sharedMemoryVolume = "dshm"
	sharedMemoryPath   = "/dev/shm"
)

// Volume is storage of the pod and where containers see it. MountPath,
// ReadOnly and SubPath are one mount in the main container; Mounts are any
// number in any container. A volume without a source is one the resource
// brings itself: only its mounts are made.
type Volume struct {
	MountPath  types.String `tfsdk:"mount_path"`
	ReadOnly   types.Bool   `tfsdk:"read_only"`
	SubPath    types.String `tfsdk:"sub_path"`
	Mounts     []Mount      `tfsdk:"mounts"`
	DevicePath types.String `tfsdk:"device_path"`

	Claim         types.String  `tfsdk:"claim"`
	ClaimReadOnly types.Bool    `tfsdk:"claim_read_only"`
	EmptyDir      *EmptyDir     `tfsdk:"empty_dir"`
	HostPath      *HostPath     `tfsdk:"host_path"`
	ConfigMap     *ObjectFiles  `tfsdk:"config_map"`
	Secret        *ObjectFiles  `tfsdk:"secret"`
	CSI           *CSI          `tfsdk:"csi"`
	NFS           *NFS          `tfsdk:"nfs"`
	Image         *ImageVolume  `tfsdk:"image"`
	Projected     *Projected    `tfsdk:"projected"`
	DownwardAPI   *DownwardAPI  `tfsdk:"downward_api"`
	Ephemeral     *EphemeralPVC `tfsdk:"ephemeral"`
}

// Mount is one place where a container sees a volume.
type Mount struct {
	Path        types.String `tfsdk:"path"`
	Container   types.String `tfsdk:"container"`
	ReadOnly    types.Bool   `tfsdk:"read_only"`
	SubPath     types.String `tfsdk:"sub_path"`
	SubPathExpr types.String `tfsdk:"sub_path_expr"`
	Propagation types.String `tfsdk:"propagation"`
}

// containerMounts are the mounts and block devices of one container.
type containerMounts struct {
	mounts  []corev1ac.VolumeMountApplyConfiguration
	devices []corev1ac.VolumeDeviceApplyConfiguration
}

// places returns all mounts of a volume, the short form first.
func (v *Volume) places() []Mount {
	if v.MountPath.IsNull() {
		return v.Mounts
	}
	short := Mount{Path: v.MountPath, ReadOnly: v.ReadOnly, SubPath: v.SubPath}
	return append([]Mount{short}, v.Mounts...)
}

// mounts returns the mounts of each container, by volume name and then in the
// order they are written in.
func (m *Model) mounts() map[string]containerMounts {
	if len(m.Volumes) == 0 && m.SharedMemory.IsNull() {
		return nil
	}
	out := make(map[string]containerMounts, 1)
	main := m.containerName()
	for _, name := range m.volumeNames() {
		v, ok := m.Volumes[name]
		if !ok {
			v = Volume{MountPath: types.StringValue(sharedMemoryPath)}
		}
		for _, p := range v.places() {
			container := main
			if !p.Container.IsNull() {
				container = p.Container.ValueString()
			}
			c := out[container]
			c.mounts = append(c.mounts, corev1ac.VolumeMountApplyConfiguration{
				Name:             &name,
				MountPath:        p.Path.ValueStringPointer(),
				ReadOnly:         p.ReadOnly.ValueBoolPointer(),
				SubPath:          p.SubPath.ValueStringPointer(),
				SubPathExpr:      p.SubPathExpr.ValueStringPointer(),
				MountPropagation: values.Enum[corev1.MountPropagationMode](p.Propagation),
			})
			out[container] = c
		}
		if !v.DevicePath.IsNull() {
			c := out[main]
			c.devices = append(c.devices, corev1ac.VolumeDeviceApplyConfiguration{Name: &name, DevicePath: v.DevicePath.ValueStringPointer()})
			out[main] = c
		}
	}
	return out
}

// volumeNames are the names of all volumes in order, that of shared_memory
// among them. A volume the user gave that name wins; Validate refuses both.
func (m *Model) volumeNames() []string {
	if m.SharedMemory.IsNull() {
		return sortedKeys(m.Volumes)
	}
	all := map[string]bool{sharedMemoryVolume: true}
	for name := range m.Volumes {
		all[name] = true
	}
	return sortedKeys(all)
}

// applyVolumes adds the volumes of the pod.
func (m *Model) applyVolumes(spec *corev1ac.PodSpecApplyConfiguration) diag.Diagnostics {
	if len(m.Volumes) == 0 && m.SharedMemory.IsNull() {
		return nil
	}
	var ds diag.Diagnostics
	for _, name := range m.volumeNames() {
		v, ok := m.Volumes[name]
		if !ok {
			v = m.sharedMemory()
		}
		source, vds := v.source()
		ds.Append(vds...)
		if source == nil {
			continue
		}
		spec.Volumes = append(spec.Volumes, corev1ac.VolumeApplyConfiguration{Name: &name, VolumeSourceApplyConfiguration: *source})
	}
	return ds
}

func (m *Model) sharedMemory() Volume {
	return Volume{EmptyDir: &EmptyDir{Medium: types.StringValue(string(corev1.StorageMediumMemory)), SizeLimit: m.SharedMemory}}
}

// EmptyDir is a directory that lives as long as the pod.
type EmptyDir struct {
	Medium    types.String   `tfsdk:"medium"`
	SizeLimit quantity.Value `tfsdk:"size_limit"`
}

// HostPath is a file or directory of the node.
type HostPath struct {
	Path types.String `tfsdk:"path"`
	Type types.String `tfsdk:"type"`
}

// CSI is a volume a CSI driver makes for this pod.
type CSI struct {
	Driver     types.String            `tfsdk:"driver"`
	ReadOnly   types.Bool              `tfsdk:"read_only"`
	FSType     types.String            `tfsdk:"fs_type"`
	Attributes map[string]types.String `tfsdk:"attributes"`
	Secret     types.String            `tfsdk:"secret"`
}

// NFS is a directory of an NFS server.
type NFS struct {
	Server   types.String `tfsdk:"server"`
	Path     types.String `tfsdk:"path"`
	ReadOnly types.Bool   `tfsdk:"read_only"`
}

// ImageVolume is the content of an OCI image or artifact.
type ImageVolume struct {
	Reference  types.String `tfsdk:"reference"`
	PullPolicy types.String `tfsdk:"pull_policy"`
}

// EphemeralPVC is a claim made for each pod and deleted with it.
type EphemeralPVC struct {
	AccessModes  []types.String          `tfsdk:"access_modes"`
	StorageClass types.String            `tfsdk:"storage_class"`
	Size         quantity.Value          `tfsdk:"size"`
	VolumeMode   types.String            `tfsdk:"volume_mode"`
	Labels       map[string]types.String `tfsdk:"labels"`
	Annotations  map[string]types.String `tfsdk:"annotations"`
}
