package gpustack

import (
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// policyFields says which attribute made which field of the ClusterPolicy.
func policyFields(m *Model) diags.Fields {
	var f diags.Fields
	add := func(at path.Path, fields ...string) {
		f.Add(at, append([]string{kube.ClusterPolicy.Kind, "spec"}, fields...)...)
	}
	entries := func(at path.Path, in map[string]types.String, fields ...string) {
		for k := range in {
			add(at.AtMapKey(k), append(append([]string{}, fields...), k)...)
		}
	}
	o := path.Root("operator")
	add(o.AtName("default_runtime"), "operator", "defaultRuntime")
	add(o.AtName("runtime_class"), "operator", "runtimeClass")
	entries(o.AtName("labels"), or(m.Operator).Labels, "operator", "labels")
	entries(o.AtName("annotations"), or(m.Operator).Annotations, "operator", "annotations")

	d := path.Root("daemonsets")
	entries(d.AtName("labels"), or(m.DaemonSets).Labels, "daemonsets", "labels")
	entries(d.AtName("annotations"), or(m.DaemonSets).Annotations, "daemonsets", "annotations")
	add(d.AtName("tolerations"), "daemonsets", "tolerations")
	add(d.AtName("priority_class"), "daemonsets", "priorityClassName")
	add(d.AtName("update_strategy"), "daemonsets", "updateStrategy")
	add(d.AtName("max_unavailable"), "daemonsets", "rollingUpdate", "maxUnavailable")

	for attribute, p := range m.programs() {
		operandFields(&f, p.operand, path.Root(attribute), p.field)
	}
	driverFields(add)
	add(path.Root("toolkit").AtName("install_dir"), "toolkit", "installDir")
	add(path.Root("device_plugin").AtName("config").AtName("name"), "devicePlugin", "config", "name")
	add(path.Root("device_plugin").AtName("config").AtName("default"), "devicePlugin", "config", "default")

	x := path.Root("dcgm_exporter")
	add(x.AtName("metrics_config_map"), "dcgmExporter", "config", "name")
	monitor := x.AtName("service_monitor")
	add(monitor.AtName("enabled"), "dcgmExporter", "serviceMonitor", "enabled")
	add(monitor.AtName("interval"), "dcgmExporter", "serviceMonitor", "interval")
	add(monitor.AtName("honor_labels"), "dcgmExporter", "serviceMonitor", "honorLabels")
	entries(monitor.AtName("labels"), or(or(m.DCGMExporter).ServiceMonitor).Labels, "dcgmExporter", "serviceMonitor", "additionalLabels")
	add(x.AtName("service").AtName("type"), "dcgmExporter", "service", "type")
	add(x.AtName("service").AtName("internal_traffic_policy"), "dcgmExporter", "service", "internalTrafficPolicy")

	add(path.Root("dcgm").AtName("host_port"), "dcgm", "hostPort")
	g := path.Root("mig_manager")
	add(g.AtName("config").AtName("name"), "migManager", "config", "name")
	add(g.AtName("config").AtName("default"), "migManager", "config", "default")
	add(g.AtName("gpu_clients_config_map"), "migManager", "gpuClientsConfig", "name")
	add(path.Root("mig_strategy"), "mig", "strategy")
	add(path.Root("cdi").AtName("enabled"), "cdi", "enabled")
	add(path.Root("cdi").AtName("default"), "cdi", "default")
	add(path.Root("host_paths").AtName("root_fs"), "hostPaths", "rootFS")
	add(path.Root("host_paths").AtName("driver_install_dir"), "hostPaths", "driverInstallDir")
	add(path.Root("sandbox_workloads").AtName("enabled"), "sandboxWorkloads", "enabled")
	add(path.Root("sandbox_workloads").AtName("default_workload"), "sandboxWorkloads", "defaultWorkload")
	return f
}

func driverFields(add func(at path.Path, fields ...string)) {
	d := path.Root("driver")
	add(d.AtName("kernel_module_type"), "driver", "kernelModuleType")
	add(d.AtName("use_precompiled"), "driver", "usePrecompiled")
	add(d.AtName("use_nvidia_driver_crd"), "driver", "useNvidiaDriverCRD")
	add(d.AtName("rdma").AtName("enabled"), "driver", "rdma", "enabled")
	add(d.AtName("rdma").AtName("use_host_mofed"), "driver", "rdma", "useHostMofed")
	u := d.AtName("upgrade_policy")
	add(u.AtName("auto_upgrade"), "driver", "upgradePolicy", "autoUpgrade")
	add(u.AtName("max_parallel_upgrades"), "driver", "upgradePolicy", "maxParallelUpgrades")
	add(u.AtName("max_unavailable"), "driver", "upgradePolicy", "maxUnavailable")
	n := u.AtName("drain")
	add(n.AtName("enabled"), "driver", "upgradePolicy", "drain", "enable")
	add(n.AtName("force"), "driver", "upgradePolicy", "drain", "force")
	add(n.AtName("timeout_seconds"), "driver", "upgradePolicy", "drain", "timeoutSeconds")
	add(n.AtName("delete_empty_dir"), "driver", "upgradePolicy", "drain", "deleteEmptyDir")
}

// program is one of those the stack consists of.
type program struct {
	operand *Operand
	// field is what a ClusterPolicy calls it, daemonSet what the operator calls its
	// DaemonSet, without what tells several drivers apart.
	field, daemonSet string
}

// programs are all programs of the stack, by attribute.
func (m *Model) programs() map[string]program {
	out := map[string]program{
		"gpu_feature_discovery": {m.GPUFeatureDiscovery, "gfd", "gpu-feature-discovery"},
		"node_status_exporter":  {m.NodeStatusExporter, "nodeStatusExporter", "nvidia-node-status-exporter"},
		"validator":             {m.Validator.operand(), "validator", "nvidia-operator-validator"},
		"gds":                   {m.GDS.operand(), "gds", ""},
		"gdrcopy":               {m.GDRCopy.operand(), "gdrcopy", ""},
	}
	if m.Driver != nil {
		out["driver"] = program{&m.Driver.Operand, "driver", "nvidia-driver-daemonset"}
	}
	if m.Toolkit != nil {
		out["toolkit"] = program{&m.Toolkit.Operand, "toolkit", "nvidia-container-toolkit-daemonset"}
	}
	if m.DevicePlugin != nil {
		out["device_plugin"] = program{&m.DevicePlugin.Operand, "devicePlugin", "nvidia-device-plugin-daemonset"}
	}
	if m.DCGMExporter != nil {
		out["dcgm_exporter"] = program{&m.DCGMExporter.Operand, "dcgmExporter", "nvidia-dcgm-exporter"}
	}
	if m.DCGM != nil {
		out["dcgm"] = program{&m.DCGM.Operand, "dcgm", "nvidia-dcgm"}
	}
	if m.MIGManager != nil {
		out["mig_manager"] = program{&m.MIGManager.Operand, "migManager", "nvidia-mig-manager"}
	}
	return out
}
