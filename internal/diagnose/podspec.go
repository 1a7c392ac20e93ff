package diagnose

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
)

// isExtended reports whether a resource is a device that pods ask for by count.
func isExtended(r corev1.ResourceName) bool {
	return strings.Contains(string(r), "/") && !strings.HasPrefix(string(r), "kubernetes.io/")
}

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

// requestField names the field by which the pod asks for most of a resource:
// the limit of devices, the request of the rest.
func requestField(spec *corev1.PodSpec, r corev1.ResourceName) []string {
	var name, in string
	var most int64 = -1
	look := func(list string, cs []corev1.Container) {
		for _, c := range cs {
			q, ok := c.Resources.Requests[r]
			if !ok {
				q, ok = c.Resources.Limits[r]
			}
			if ok && q.MilliValue() > most {
				name, in, most = c.Name, list, q.MilliValue()
			}
		}
	}
	look("containers", spec.Containers)
	look("initContainers", spec.InitContainers)
	if most < 0 {
		return nil
	}
	kind := "requests"
	if isExtended(r) || strings.HasPrefix(string(r), corev1.ResourceHugePagesPrefix) {
		kind = "limits"
	}
	if c, _ := container(spec, name); c != nil && kind == "requests" {
		if _, ok := c.Resources.Requests[r]; !ok {
			kind = "limits"
		}
	}
	return []string{"spec", in, name, "resources", kind, string(r)}
}

// acceleratorField names the field by which a container asks for its device,
// or nil.
func acceleratorField(spec *corev1.PodSpec, name string) []string {
	c, in := container(spec, name)
	if c == nil {
		return nil
	}
	for _, list := range []corev1.ResourceList{c.Resources.Limits, c.Resources.Requests} {
		for _, r := range sortedKeys(list) {
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

func sortedKeys(l corev1.ResourceList) []corev1.ResourceName {
	out := make([]corev1.ResourceName, 0, len(l))
	for k := range l {
		out = append(out, k)
	}
	return sorted(out)
}
