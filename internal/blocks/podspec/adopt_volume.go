package podspec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
)

// placed is a mount in its container.
type placed struct {
	container string
	main      bool
	mount     *corev1.VolumeMount
}

// volumes fills volumes and shared_memory. A volume whose source no attribute
// can say is left out with all its mounts; a mount of a volume the pod does
// not name itself, as stateful sets have, makes one without a source.
func (a *adopter) volumes(m *Model) {
	places, devices := a.places()
	beyond := map[string]bool{}
	for i := range a.spec.Volumes {
		v := &a.spec.Volumes[i]
		out, ok := adoptSource(&v.VolumeSource)
		if !ok {
			beyond[v.Name] = true
			continue
		}
		if a.isSharedMemory(v, places[v.Name]) && devices[v.Name] == "" {
			m.SharedMemory = amountOf(v.EmptyDir.SizeLimit)
			delete(places, v.Name)
			continue
		}
		m.setVolume(v.Name, out)
	}
	for name := range places {
		if _, ok := m.Volumes[name]; !ok && !beyond[name] {
			m.setVolume(name, Volume{})
		}
	}
	for name, v := range m.Volumes {
		v.DevicePath = word(devices[name])
		a.mounted(&v, name, places[name])
		m.Volumes[name] = v
	}
}

func (m *Model) setVolume(name string, v Volume) {
	if m.Volumes == nil {
		m.Volumes = map[string]Volume{}
	}
	m.Volumes[name] = v
}

// places returns the mounts of each volume, and the device path in the main
// container of those that have exactly one.
func (a *adopter) places() (map[string][]placed, map[string]string) {
	places, devices := map[string][]placed{}, map[string]string{}
	add := func(c *corev1.Container, main bool) {
		for i := range c.VolumeMounts {
			vm := &c.VolumeMounts[i]
			if !strings.HasPrefix(vm.MountPath, "/") {
				continue // the server takes data and C:\data, the attributes do not
			}
			places[vm.Name] = append(places[vm.Name], placed{c.Name, main, vm})
		}
	}
	for i := range a.spec.InitContainers {
		add(&a.spec.InitContainers[i], false)
	}
	for i := range a.spec.Containers {
		add(&a.spec.Containers[i], i == a.main)
	}
	if len(a.spec.Containers) > 0 {
		for _, d := range a.spec.Containers[a.main].VolumeDevices {
			devices[d.Name] = d.DevicePath
		}
	}
	return places, devices
}

// isSharedMemory reports whether the volume and its mounts are what
// shared_memory generates.
func (a *adopter) isSharedMemory(v *corev1.Volume, places []placed) bool {
	if v.Name != sharedMemoryVolume || len(places) != 1 || a.like != nil && a.like.SharedMemory.IsNull() {
		return false
	}
	e, p := v.EmptyDir, places[0]
	return e != nil && e.Medium == corev1.StorageMediumMemory && e.SizeLimit != nil && p.main && isPlain(p.mount) &&
		p.mount.MountPath == sharedMemoryPath && !p.mount.ReadOnly && p.mount.SubPath == ""
}

// isPlain reports whether mount_path, read_only and sub_path can say the mount.
func isPlain(m *corev1.VolumeMount) bool {
	return m.SubPathExpr == "" && (m.MountPropagation == nil || *m.MountPropagation == corev1.MountPropagationNone)
}

// mounted fills where containers see the volume: the short form where it will
// do, unless like has the long one.
func (a *adopter) mounted(v *Volume, name string, places []placed) {
	var like Volume
	if a.like != nil {
		like = a.like.Volumes[name]
	}
	if !like.MountPath.IsNull() {
		// Further mounts are somebody else's: the short form has room for one.
		i := slices.IndexFunc(places, func(p placed) bool { return p.main && p.mount.MountPath == like.MountPath.ValueString() })
		if i < 0 {
			i = slices.IndexFunc(places, func(p placed) bool { return p.main })
		}
		if i < 0 {
			return
		}
		places = places[i : i+1]
	}
	if len(places) == 1 && places[0].main && isPlain(places[0].mount) && like.Mounts == nil && v.DevicePath.IsNull() {
		vm := places[0].mount
		v.MountPath, v.ReadOnly, v.SubPath = types.StringValue(vm.MountPath), yes(vm.ReadOnly), word(vm.SubPath)
		return
	}
	rank := func(p placed) int {
		for i, l := range like.Mounts {
			if l.Path.ValueString() == p.mount.MountPath && (l.Container.ValueString() == p.container || l.Container.IsNull() && p.main) {
				return i
			}
		}
		return len(like.Mounts)
	}
	slices.SortStableFunc(places, func(x, y placed) int { return rank(x) - rank(y) })
	for _, p := range places {
		vm := p.mount
		out := Mount{
			Path: types.StringValue(vm.MountPath), ReadOnly: yes(vm.ReadOnly), SubPath: word(vm.SubPath), SubPathExpr: word(vm.SubPathExpr),
			Propagation: wordUnless(deref(vm.MountPropagation), corev1.MountPropagationNone),
		}
		named := rank(p) < len(like.Mounts) && !like.Mounts[rank(p)].Container.IsNull()
		if !p.main || named {
			out.Container = types.StringValue(p.container)
		}
		v.Mounts = append(v.Mounts, out)
	}
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// adoptSource returns a volume with the source; ok is false when no attribute
// can say it. No source at all is what the server makes an empty directory of.
func adoptSource(s *corev1.VolumeSource) (v Volume, ok bool) {
	switch {
	case s.PersistentVolumeClaim != nil && isName(s.PersistentVolumeClaim.ClaimName):
		v.Claim, v.ClaimReadOnly = word(s.PersistentVolumeClaim.ClaimName), yes(s.PersistentVolumeClaim.ReadOnly)
	case s.EmptyDir != nil:
		v.EmptyDir = &EmptyDir{Medium: word(s.EmptyDir.Medium), SizeLimit: amountOf(s.EmptyDir.SizeLimit)}
	case s.HostPath != nil:
		v.HostPath = &HostPath{Path: word(s.HostPath.Path), Type: pointed(s.HostPath.Type)}
	case s.ConfigMap != nil && isName(s.ConfigMap.Name):
		c := s.ConfigMap
		v.ConfigMap = &ObjectFiles{Name: word(c.Name), Items: adoptItems(c.Items), DefaultMode: defaultMode(c.DefaultMode), Optional: types.BoolPointerValue(c.Optional)}
	case s.Secret != nil && isName(s.Secret.SecretName):
		c := s.Secret
		v.Secret = &ObjectFiles{Name: word(c.SecretName), Items: adoptItems(c.Items), DefaultMode: defaultMode(c.DefaultMode), Optional: types.BoolPointerValue(c.Optional)}
	case s.CSI != nil:
		v.CSI = &CSI{Driver: word(s.CSI.Driver), ReadOnly: types.BoolPointerValue(s.CSI.ReadOnly), FSType: pointed(s.CSI.FSType), Attributes: values.Map(s.CSI.VolumeAttributes)}
		if ref := s.CSI.NodePublishSecretRef; ref != nil && isName(ref.Name) {
			v.CSI.Secret = word(ref.Name)
		}
	case s.NFS != nil:
		v.NFS = &NFS{Server: word(s.NFS.Server), Path: word(s.NFS.Path), ReadOnly: yes(s.NFS.ReadOnly)}
	case s.Image != nil && s.Image.Reference != "":
		v.Image = &ImageVolume{Reference: word(s.Image.Reference), PullPolicy: wordUnless(s.Image.PullPolicy, pullPolicy(s.Image.Reference))}
	case s.Projected != nil:
		v.Projected, ok = adoptProjected(s.Projected)
		return v, ok
	case s.DownwardAPI != nil:
		v.DownwardAPI = &DownwardAPI{Items: adoptFacts(s.DownwardAPI.Items), DefaultMode: defaultMode(s.DownwardAPI.DefaultMode)}
	case s.Ephemeral != nil:
		v.Ephemeral, ok = adoptEphemeral(s.Ephemeral)
		return v, ok
	case *s == corev1.VolumeSource{}:
		v.EmptyDir = &EmptyDir{SizeLimit: quantity.Null()}
	default:
		return v, false
	}
	return v, true
}

// octal is a file mode in octal digits; null for nil.
func octal(mode *int32) types.String {
	if mode == nil {
		return types.StringNull()
	}
	return types.StringValue(fmt.Sprintf("%04o", *mode))
}

// defaultMode is octal, with null for the server's default.
func defaultMode(mode *int32) types.String {
	if mode != nil && *mode == defaultFileMode {
		return types.StringNull()
	}
	return octal(mode)
}

func adoptItems(in []corev1.KeyToPath) []KeyFile {
	var out []KeyFile
	for _, i := range in {
		out = append(out, KeyFile{Key: word(i.Key), Path: word(i.Path), Mode: octal(i.Mode)})
	}
	return out
}

func adoptFacts(in []corev1.DownwardAPIVolumeFile) []FactFile {
	var out []FactFile
	for _, f := range in {
		fact := FactFile{Path: word(f.Path), Mode: octal(f.Mode)}
		if f.FieldRef != nil {
			fact.Field = word(f.FieldRef.FieldPath)
		}
		if f.ResourceFieldRef != nil {
			fact.Resource = adoptResourceField(f.ResourceFieldRef)
		}
		out = append(out, fact)
	}
	return out
}

// adoptProjected says the sources only if it can say all of them: the list has
// no keys that a patch could add one by.
func adoptProjected(p *corev1.ProjectedVolumeSource) (*Projected, bool) {
	out := &Projected{DefaultMode: defaultMode(p.DefaultMode)}
	for _, s := range p.Sources {
		var o ProjectedSource
		switch {
		case s.ConfigMap != nil && isName(s.ConfigMap.Name):
			o.ConfigMap = &ProjectedObject{Name: word(s.ConfigMap.Name), Items: adoptItems(s.ConfigMap.Items), Optional: types.BoolPointerValue(s.ConfigMap.Optional)}
		case s.Secret != nil && isName(s.Secret.Name):
			o.Secret = &ProjectedObject{Name: word(s.Secret.Name), Items: adoptItems(s.Secret.Items), Optional: types.BoolPointerValue(s.Secret.Optional)}
		case s.ServiceAccountToken != nil:
			t := s.ServiceAccountToken
			o.ServiceAccountToken = &ServiceAccountToken{
				Path: word(t.Path), Audience: word(t.Audience),
				ExpirationSeconds: unless(types.Int64PointerValue(t.ExpirationSeconds), types.Int64Value(defaultTokenTTL), types.Int64Null()),
			}
		case s.DownwardAPI != nil:
			o.DownwardAPI = &ProjectedFacts{Items: adoptFacts(s.DownwardAPI.Items)}
		default:
			return nil, false
		}
		out.Sources = append(out.Sources, o)
	}
	return out, true
}

// adoptEphemeral needs what the attributes require.
func adoptEphemeral(e *corev1.EphemeralVolumeSource) (*EphemeralPVC, bool) {
	t := e.VolumeClaimTemplate
	if t == nil || len(t.Spec.AccessModes) == 0 {
		return nil, false
	}
	size, ok := t.Spec.Resources.Requests[corev1.ResourceStorage]
	if !ok {
		return nil, false
	}
	out := &EphemeralPVC{
		Size: amountOf(&size), StorageClass: pointed(t.Spec.StorageClassName),
		VolumeMode: wordUnless(deref(t.Spec.VolumeMode), corev1.PersistentVolumeFilesystem),
		Labels:     values.Map(t.Labels), Annotations: values.Map(t.Annotations),
	}
	for _, m := range t.Spec.AccessModes {
		out.AccessModes = append(out.AccessModes, types.StringValue(string(m)))
	}
	return out, true
}
