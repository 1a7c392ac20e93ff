package diagnose

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
	"github.com/mlkube/terraform-provider-mlk/internal/placement"
)

// mainContainer is the container that the pod is about: the first.
func mainContainer(spec *corev1.PodSpec) *corev1.Container {
	if len(spec.Containers) == 0 {
		return nil
	}
	return &spec.Containers[0]
}

// container finds a container by name, and the list it stands in.
func container(spec *corev1.PodSpec, name string) (*corev1.Container, string) {
	for i := range spec.Containers {
		if spec.Containers[i].Name == name {
			return &spec.Containers[i], "containers"
		}
	}
	for i := range spec.InitContainers {
		if spec.InitContainers[i].Name == name {
			return &spec.InitContainers[i], "initContainers"
		}
	}
	return nil, "containers"
}

// acceleratorField names the field by which a container asks for its device,
// or nil.
func acceleratorField(spec *corev1.PodSpec, name string) []string {
	c, in := container(spec, name)
	if c == nil {
		return nil
	}
	for _, list := range []corev1.ResourceList{c.Resources.Limits, c.Resources.Requests} {
		for _, r := range placement.Keys(list) {
			if gpu.Is(r) {
				return []string{"spec", in, name, "resources", "limits", string(r)}
			}
		}
	}
	return nil
}

// sharedMemory finds the memory volume that a container mounts at /dev/shm.
func sharedMemory(spec *corev1.PodSpec, name string) *corev1.Volume {
	c, _ := container(spec, name)
	if c == nil {
		return nil
	}
	for _, m := range c.VolumeMounts {
		if strings.TrimRight(m.MountPath, "/") != "/dev/shm" {
			continue
		}
		for i := range spec.Volumes {
			v := &spec.Volumes[i]
			if v.Name == m.Name && v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory {
				return v
			}
		}
	}
	return nil
}

// volumeOfClaim names the pod's volume that mounts a claim.
func volumeOfClaim(spec *corev1.PodSpec, claim string) string {
	for _, v := range spec.Volumes {
		if v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim {
			return v.Name
		}
	}
	return ""
}
