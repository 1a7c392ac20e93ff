package gpustack

import (
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// written says which attribute the user wrote, or could write, for a field: an error
// that pointed at manifests would lead nowhere.
func written(m *Model) diags.Fields {
	if m.Mode.ValueString() != modeDaemonSets {
		return policyFields(m)
	}
	var f diags.Fields
	v := vendorOf(m.Vendor)
	plugin := path.Root("device_plugin")
	m.setFields(&f, "")
	m.containerFields(&f, &m.plugin().Operand, plugin, "", "containers", v.container)
	f.Add(plugin.AtName("selector"), kube.DaemonSet.Kind, "spec", "selector")
	if m.plugin().Config != nil {
		config := plugin.AtName("config")
		pod := []string{kube.DaemonSet.Kind, "spec", "template", "spec"}
		at := func(a path.Path, segments ...string) { f.Add(a, append(append([]string{}, pod...), segments...)...) }
		at(config.AtName("name"), "volumes", "available-configs")
		image := m.plugin().blamedImage(plugin)
		for list, c := range map[string]string{"initContainers": "nvidia-device-plugin-init", "containers": "nvidia-device-plugin-sidecar"} {
			at(config, list, c)
			at(image, list, c, "image")
			at(config.AtName("default"), list, c, "env", "DEFAULT_CONFIG")
		}
	}
	if runs(m.GPUFeatureDiscovery) {
		m.setFields(&f, roleGFD)
		m.containerFields(&f, m.GPUFeatureDiscovery, path.Root("gpu_feature_discovery"), roleGFD, "containers", "gpu-feature-discovery-ctr")
	}
	if runs(m.exporter()) {
		x := path.Root("dcgm_exporter")
		m.setFields(&f, roleExporter)
		m.containerFields(&f, m.exporter(), x, roleExporter, "containers", roleExporter)
		f.Add(x.AtName("service").AtName("type"), kube.Service.Kind, "spec", "type")
		f.Add(x.AtName("service").AtName("internal_traffic_policy"), kube.Service.Kind, "spec", "internalTrafficPolicy")
	}
	class := path.Root("runtime_class")
	f.Add(class.AtName("name"), kube.RuntimeClass.Kind, "metadata", "name")
	f.Add(class.AtName("handler"), kube.RuntimeClass.Kind, "handler")
	return f
}

// setFields adds what all DaemonSets of the stack have in common.
func (m *Model) setFields(f *diags.Fields, role string) {
	add := func(at path.Path, segments ...string) {
		f.Add(at, append([]string{kube.DaemonSet.Key(role), "spec"}, segments...)...)
	}
	d := daemonsetsPath
	for k := range or(m.DaemonSets).Labels {
		add(d.AtName("labels").AtMapKey(k), "template", "metadata", "labels", k)
	}
	for k := range or(m.DaemonSets).Annotations {
		add(d.AtName("annotations").AtMapKey(k), "template", "metadata", "annotations", k)
	}
	add(d.AtName("tolerations"), "template", "spec", "tolerations")
	add(d.AtName("priority_class"), "template", "spec", "priorityClassName")
	add(d.AtName("update_strategy"), "updateStrategy")
	add(d.AtName("max_unavailable"), "updateStrategy", "rollingUpdate")
	add(path.Root("runtime_class").AtName("name"), "template", "spec", "runtimeClassName")
	nodes := path.Root("node_selector")
	add(nodes, "template", "spec", "nodeSelector")
	add(nodes, "template", "spec", "affinity")
	for k := range m.NodeSelector {
		add(nodes.AtMapKey(k), "template", "spec", "nodeSelector", k)
	}
}

// containerFields adds those of one program.
func (m *Model) containerFields(f *diags.Fields, o *Operand, at path.Path, role, list, name string) {
	if o == nil {
		o = &Operand{}
	}
	pod := []string{kube.DaemonSet.Key(role), "spec", "template", "spec"}
	add := func(a path.Path, segments ...string) {
		f.Add(a, append(append(append([]string{}, pod...), list, name), segments...)...)
	}
	f.Add(at.AtName("image_pull_secrets"), append(append([]string{}, pod...), "imagePullSecrets")...)
	add(at)
	add(o.blamedImage(at), "image")
	add(at.AtName("image_pull_policy"), "imagePullPolicy")
	add(at.AtName("args"), "args")
	add(at.AtName("env"), "env")
	for k := range o.Env {
		add(at.AtName("env").AtMapKey(k), "env", k)
	}
	if _, over := o.Env[migVariable]; !over && !m.MIGStrategy.IsNull() {
		add(path.Root("mig_strategy"), "env", migVariable)
	}
	add(at.AtName("resources"), "resources")
	for k := range or(o.Resources).Requests {
		add(at.AtName("resources").AtName("requests").AtMapKey(k), "resources", "requests", k)
	}
	for k := range or(o.Resources).Limits {
		add(at.AtName("resources").AtName("limits").AtMapKey(k), "resources", "limits", k)
	}
}

// blamedImage is which part of the name of an image to look at first: the last that
// the user wrote, and without any where the image comes from.
func (o *Operand) blamedImage(at path.Path) path.Path {
	for _, part := range []struct {
		said types.String
		name string
	}{{o.Version, "version"}, {o.Image, "image"}} {
		if !part.said.IsNull() {
			return at.AtName(part.name)
		}
	}
	return at.AtName("repository")
}
