package podspec

import (
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// gpuFields adds what gpu generates in the main container.
func (m *Model) gpuFields(main fieldsBelow) {
	if !m.GPU.wanted() {
		return
	}
	gpu := main.to(main.at.AtName("gpu"), "resources")
	if m.Resources == nil {
		gpu.name("count")
	}
	if m.Resources == nil || len(m.Resources.Limits) == 0 {
		gpu.name("count", "limits")
		gpu.name("count", "requests")
	}
	gpu.name("count", "limits", m.GPU.resource())
	gpu.name("count", "requests", m.GPU.resource())
}

func (m *Model) schedulingFields(spec fieldsBelow) {
	b := spec.to(spec.at.AtName("scheduling"))
	s := m.Scheduling
	if s == nil {
		s = &Scheduling{}
	}
	for attribute, field := range map[string]string{
		"node_name": "nodeName", "priority_class": "priorityClassName", "scheduler_name": "schedulerName", "runtime_class": "runtimeClassName",
		"topology_spread": "topologySpreadConstraints",
	} {
		b.name(attribute, field)
	}
	if len(s.NodeSelector) > 0 {
		b.name("node_selector", "nodeSelector")
	} else {
		b.name("node_pool", "nodeSelector")
	}
	for key := range s.NodeSelector {
		b.add(b.at.AtName("node_selector").AtMapKey(key), "nodeSelector", key)
	}
	if !s.NodePool.IsNull() {
		b.name("node_pool", "nodeSelector", poolLabel+s.NodePool.ValueString())
	}
	for i := range s.TopologySpread {
		t := &s.TopologySpread[i]
		b.add(b.at.AtName("topology_spread").AtListIndex(i), "topologySpreadConstraints", t.TopologyKey.ValueString()+"/"+t.WhenUnsatisfiable.ValueString())
	}
	gpu := spec.at.AtName("gpu")
	b.taints(m, gpu.AtName("tolerate_taint"))
	b.affinity(m, gpu)
}

// taints maps the list of tolerations, which has no keys, to all that fill it.
func (b fieldsBelow) taints(m *Model, tolerate path.Path) {
	if m.Scheduling != nil && len(m.Scheduling.Tolerations) > 0 {
		b.name("tolerations", "tolerations")
	}
	if m.GPU.toleration() != nil {
		b.add(tolerate, "tolerations")
	}
}

// affinity maps the affinity. Its terms have no keys, and scheduling and gpu
// share one list of them.
func (b fieldsBelow) affinity(m *Model, gpu path.Path) {
	const required, preferred = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"
	s := m.Scheduling
	if s == nil {
		s = &Scheduling{}
	}
	b.near("pod_affinity", "podAffinity", s.PodAffinity)
	b.near("pod_anti_affinity", "podAntiAffinity", s.PodAntiAffinity)
	node := b.to(b.at.AtName("node_affinity"), "affinity", "nodeAffinity")
	var terms []path.Path
	if a := s.NodeAffinity; a != nil {
		node.add(node.at)
		node.name("preferred", preferred)
		if len(a.Required) > 0 {
			terms = append(terms, node.at.AtName("required"))
		}
	}
	if m.GPU.wanted() {
		if len(m.GPU.Products) > 0 {
			terms = append(terms, gpu.AtName("products"))
		}
		if !m.GPU.MinMemory.IsNull() {
			terms = append(terms, gpu.AtName("min_memory"))
		}
		if !m.GPU.MinComputeCapability.IsNull() {
			terms = append(terms, gpu.AtName("min_compute_capability"))
		}
	}
	for _, at := range terms {
		if s.NodeAffinity == nil {
			node.add(at)
			b.add(at, "affinity")
		}
		node.add(at, required)
		node.add(at, required, "nodeSelectorTerms")
	}
}

// near maps the affinity to pods.
func (b fieldsBelow) near(attribute, field string, a *PodAffinity) {
	if a == nil {
		return
	}
	p := b.to(b.at.AtName(attribute), "affinity", field)
	p.add(p.at)
	p.name("required", "requiredDuringSchedulingIgnoredDuringExecution")
	p.name("preferred", "preferredDuringSchedulingIgnoredDuringExecution")
	b.add(p.at, "affinity")
}

func (m *Model) volumeFields(spec fieldsBelow) {
	main := m.containerName()
	every := "volumes"
	if len(m.Volumes) == 0 {
		every = "shared_memory"
	}
	spec.name(every, "volumes")
	for _, name := range m.volumeNames() {
		v, ok := m.Volumes[name]
		if !ok {
			spec.name("shared_memory", "volumes", name)
			spec.name("shared_memory", "containers", main, "volumeMounts")
			spec.name("shared_memory", "containers", main, "volumeMounts", sharedMemoryPath)
			continue
		}
		at := spec.at.AtName("volumes").AtMapKey(name)
		to := spec.to(at, "volumes", name)
		to.add(at)
		v.sourceFields(to)
		if !v.MountPath.IsNull() {
			spec.mount(at, "mount_path", "containers", main, v.MountPath.ValueString())
		}
		for i := range v.Mounts {
			p := &v.Mounts[i]
			list, container := m.containerList(p.Container)
			spec.mount(at.AtName("mounts").AtListIndex(i), "path", list, container, p.Path.ValueString())
		}
		if !v.DevicePath.IsNull() {
			spec.add(at.AtName("device_path"), "containers", main, "volumeDevices")
			spec.add(at.AtName("device_path"), "containers", main, "volumeDevices", v.DevicePath.ValueString())
		}
	}
}

// containerList returns the list and the name of the container a mount is in.
func (m *Model) containerList(container types.String) (list, name string) {
	if container.IsNull() {
		return "containers", m.containerName()
	}
	for i := range m.InitContainers {
		if m.InitContainers[i].Name.Equal(container) {
			return "initContainers", container.ValueString()
		}
	}
	return "containers", container.ValueString()
}

// mount maps one mount; place is the attribute that says where it is.
func (b fieldsBelow) mount(at path.Path, place, list, container, mountPath string) {
	b.name("volumes", list, container, "volumeMounts")
	m := b.to(at, list, container, "volumeMounts", mountPath)
	m.name(place)
	m.name(place, "mountPath")
	m.add(at, "name")
	m.name("read_only", "readOnly")
	m.name("sub_path", "subPath")
	if place == "path" {
		m.name("sub_path_expr", "subPathExpr")
		m.name("propagation", "mountPropagation")
	}
}

// sourceFields maps what the volume is made of.
func (v *Volume) sourceFields(to fieldsBelow) {
	sub := func(attribute, field string, below map[string]string) {
		b := to.to(to.at.AtName(attribute), field)
		b.add(b.at)
		for a, f := range below {
			b.name(a, f)
		}
	}
	files := map[string]string{"items": "items", "default_mode": "defaultMode", "optional": "optional"}
	switch {
	case !v.Claim.IsNull():
		to.name("claim", "persistentVolumeClaim")
		to.name("claim_read_only", "persistentVolumeClaim", "readOnly")
	case v.EmptyDir != nil:
		sub("empty_dir", "emptyDir", map[string]string{"medium": "medium", "size_limit": "sizeLimit"})
	case v.HostPath != nil:
		sub("host_path", "hostPath", map[string]string{"path": "path", "type": "type"})
	case v.ConfigMap != nil:
		sub("config_map", "configMap", files)
		to.add(to.at.AtName("config_map").AtName("name"), "configMap", "name")
	case v.Secret != nil:
		sub("secret", "secret", files)
		to.add(to.at.AtName("secret").AtName("name"), "secret", "secretName")
	case v.CSI != nil:
		sub("csi", "csi", map[string]string{"driver": "driver", "read_only": "readOnly", "fs_type": "fsType", "attributes": "volumeAttributes", "secret": "nodePublishSecretRef"})
		for k := range v.CSI.Attributes {
			to.add(to.at.AtName("csi").AtName("attributes").AtMapKey(k), "csi", "volumeAttributes", k)
		}
	case v.NFS != nil:
		sub("nfs", "nfs", map[string]string{"server": "server", "path": "path", "read_only": "readOnly"})
	case v.Image != nil:
		sub("image", "image", map[string]string{"reference": "reference", "pull_policy": "pullPolicy"})
	case v.Projected != nil:
		sub("projected", "projected", map[string]string{"sources": "sources", "default_mode": "defaultMode"})
	case v.DownwardAPI != nil:
		sub("downward_api", "downwardAPI", map[string]string{"items": "items", "default_mode": "defaultMode"})
	case v.Ephemeral != nil:
		sub("ephemeral", "ephemeral", nil)
		e := to.to(to.at.AtName("ephemeral"), "ephemeral", "volumeClaimTemplate")
		e.name("labels", "metadata", "labels")
		e.name("annotations", "metadata", "annotations")
		e.name("access_modes", "spec", "accessModes")
		e.name("storage_class", "spec", "storageClassName")
		e.name("volume_mode", "spec", "volumeMode")
		e.name("size", "spec", "resources")
	}
}
