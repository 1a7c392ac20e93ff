package gpustack

import "github.com/hashicorp/terraform-plugin-framework/types"

// vendor is who makes the devices, and what its device plugin is: as its own
// manifests have it.
type vendor struct {
	// domain begins the names of its resources; taint is that of its nodes.
	domain, taint string
	// repository, image and version are those of the device plugin.
	repository, image, version string
	// container is the main container.
	container string
	// env and fields are its variables, by value and by field of the pod.
	env, fields map[string]string
	security    map[string]any
	volumes     []volume
	// plugins are parts of the names of images that are device plugins for the same
	// devices.
	plugins []string
}

// volume is a directory of the node.
type volume struct {
	name, path, kind string
	readOnly         bool
}

// The values of vendor.
const (
	vendorNVIDIA = "nvidia"
	vendorAMD    = "amd"
	vendorIntel  = "intel"
)

// The images, and where their versions come from.
const (
	nvcr = "nvcr.io/nvidia"
	// NVIDIA/k8s-device-plugin v0.20.0; GPU Feature Discovery is in the same image.
	pluginImage, pluginVersion = "k8s-device-plugin", "v0.20.0"
	// NVIDIA/dcgm-exporter 4.5.3-4.8.2.
	dcgmRepository, dcgmImage, dcgmVersion = "nvcr.io/nvidia/k8s", "dcgm-exporter", "4.5.3-4.8.2-distroless"
	// ROCm/k8s-device-plugin, helm/amd-gpu/values.yaml.
	amdVersion = "1.25.2.4"
	// intel/helm-charts, 0.34.0.
	intelVersion = "0.34.0"
)

// confined is a container without rights.
var confined = map[string]any{"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []any{"ALL"}}}

const pluginSockets = "/var/lib/kubelet/device-plugins"

var vendors = map[string]vendor{
	vendorNVIDIA: {
		domain: nvidia, taint: "nvidia.com/gpu", repository: nvcr, image: pluginImage, version: pluginVersion,
		container: "nvidia-device-plugin-ctr", env: map[string]string{"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"},
		security: confined, volumes: []volume{{name: "kubelet-device-plugins-dir", path: pluginSockets, kind: "Directory"}},
		plugins: []string{"nvidia/k8s-device-plugin", "nvidia-gpu-device-plugin"},
	},
	vendorAMD: {
		domain: "amd.com/", taint: "amd.com/gpu", repository: "docker.io/rocm", image: pluginImage, version: amdVersion,
		container: "amdgpu-dp-cntr", security: confined,
		volumes: []volume{{name: "dp", path: pluginSockets}, {name: "sys", path: "/sys"}},
		plugins: []string{"rocm/k8s-device-plugin"},
	},
	vendorIntel: {
		domain: "gpu.intel.com/", taint: "gpu.intel.com/i915", repository: "docker.io/intel", image: "intel-gpu-plugin", version: intelVersion,
		container: "intel-gpu-plugin", fields: map[string]string{"NODE_NAME": "spec.nodeName", "HOST_IP": "status.hostIP"},
		security: map[string]any{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "seLinuxOptions": map[string]any{"type": "container_device_plugin_t"}},
		volumes: []volume{
			{name: "devfs", path: "/dev/dri", readOnly: true},
			{name: "sysfsdrm", path: "/sys/class/drm", readOnly: true},
			{name: "kubeletsockets", path: pluginSockets},
			{name: "cdipath", path: "/var/run/cdi", kind: "DirectoryOrCreate"},
		},
		plugins: []string{"intel-gpu-plugin"},
	},
}

// vendorOf is the vendor that is named, NVIDIA where none is.
func vendorOf(name types.String) vendor {
	if v, ok := vendors[name.ValueString()]; ok {
		return v
	}
	return vendors[vendorNVIDIA]
}
