package gpustack

import (
	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// operandAttributes are those of a program with all that can be said.
func operandAttributes(what, image string) map[string]schema.Attribute {
	return withResources(withSwitch(partAttributes(what, image), what), what)
}

// programAttributes are the programs of the stack.
func programAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"driver": driverAttribute(),
		"toolkit": block("The NVIDIA Container Toolkit, which teaches container runtimes to hand out GPUs. Set `enabled = false` where the nodes' image has it. Changed in place.",
			with(operandAttributes("the toolkit", "container-toolkit"), map[string]schema.Attribute{
				"install_dir": text("Where it is put on the nodes. Default `/usr/local/nvidia`."),
			})),
		"device_plugin": block("The device plugin, which advertises GPUs to the kubelet as resources. Changed in place.",
			with(operandAttributes("the device plugin", "k8s-device-plugin"), map[string]schema.Attribute{
				"config": choiceAttribute("Configurations of the device plugin, for sharing GPUs for example; a node chooses one by its label `nvidia.com/device-plugin.config`. `mlk_gpu_node_pool` can write both.",
					"ConfigMap of the operator's namespace with the configurations, one in each entry.",
					"Entry for nodes that choose none. Default: none; such nodes share nothing."),
				"selector": keyed("Labels by which the DaemonSet knows its pods, with `mode = \"daemonsets\"`; the pods get them. Default: `app.kubernetes.io/name` and `app.kubernetes.io/component`. "+
					"Set it to keep those of an imported DaemonSet. Changing it makes a new stack.", diags.LabelKey(), mapvalidator.SizeAtLeast(1), mapvalidator.ValueStringsAre(diags.LabelValue())),
			})),
		"gpu_feature_discovery": block("GPU Feature Discovery, which has nodes labelled with what their GPUs are (`nvidia.com/gpu.product` and others). Needs Node Feature Discovery, which the operator's Helm chart brings. Changed in place.",
			operandAttributes("GPU Feature Discovery", "k8s-device-plugin")),
		"dcgm_exporter": exporterAttribute(),
		"dcgm": block("A DCGM host engine of its own, to which exporters and other tools connect, instead of the one inside the exporter. Default: none. Changed in place.",
			with(operandAttributes("the host engine", "dcgm"), map[string]schema.Attribute{
				"host_port": portAttribute("Port of the node at which it listens, 1 to 65535. Default: none; before operator v24.9 it was 5555."),
			})),
		"mig_manager": block("The MIG manager, which divides GPUs as a node's label `nvidia.com/mig.config` asks; see `mig` of `mlk_gpu_node_pool`. Changed in place.",
			with(operandAttributes("the MIG manager", "k8s-mig-manager"), map[string]schema.Attribute{
				"config": choiceAttribute("Layouts that nodes can ask for.",
					"ConfigMap of the operator's namespace with layouts for mig-parted, in its entry `config.yaml`. Default `default-mig-parted-config`, the operator's own.",
					"Layout of nodes that ask for none: `all-disabled`, which is the default and all that the operator takes.", stringvalidator.OneOf(defaultMIGConfig)),
				"gpu_clients_config_map": text("ConfigMap of the operator's namespace that lists programs on the nodes, outside Kubernetes, to stop while a GPU is divided. Default: none.", diags.DNSSubdomain()),
			})),
		"node_status_exporter": block("Metrics of how far the stack has come on each node. Default: none. Changed in place.",
			operandAttributes("the exporter of the nodes' state", "gpu-operator-validator")),
		"validator": block("The validator, which looks on each node whether driver, toolkit and device plugin have done their work. It cannot be left out. Changed in place.",
			withResources(partAttributes("the validator", "gpu-operator-validator"), "the validator")),
		"gds": block("GPUDirect Storage: reads from NVMe and network storage straight into GPU memory. It runs beside the driver. Default: none. Changed in place.",
			withSwitch(partAttributes("GPUDirect Storage", "nvidia-fs"), "GPUDirect Storage")),
		"gdrcopy": block("GDRCopy: copies of small data by the CPU from and to GPU memory. It runs beside the driver. Default: none. Changed in place.",
			withSwitch(partAttributes("GDRCopy", "gdrdrv"), "GDRCopy")),
	}
}

func driverAttribute() schema.Attribute {
	return block("The kernel driver, which is compiled on each node, or comes compiled. Set `enabled = false` where the nodes' image has a driver. Changed in place; nodes get it as `upgrade_policy` says.",
		with(operandAttributes("the driver", "driver"), map[string]schema.Attribute{
			"kernel_module_type": choice("`open`: NVIDIA's open kernel modules, for Turing and newer. `proprietary`: the closed ones. `auto` (default): what is recommended for the GPUs of a node.",
				"auto", "open", "proprietary"),
			"use_precompiled": flag("Whether the driver comes compiled for the node's kernel, so that none is compiled there. `version` is then the branch, such as `580`. Default false."),
			"use_nvidia_driver_crd": flag("Whether drivers are said by NVIDIADriver objects, one for each kind of node, instead of here; nothing else of `driver` counts then. Default false. " +
				"Changing it makes the operator remove one kind of driver pods and start the other."),
			"rdma": block("GPUDirect RDMA: network cards that read and write GPU memory.", map[string]schema.Attribute{
				"enabled":        flag("Whether the module `nvidia-peermem` is loaded. Default false."),
				"use_host_mofed": flag("Whether the network driver (MOFED) is part of the nodes' image rather than of the Network Operator. Default false."),
			}),
			"upgrade_policy": block("How a new driver gets onto nodes: pods with GPUs must leave them first.", map[string]schema.Attribute{
				"auto_upgrade":          flag("Whether the operator changes drivers by itself, node by node. Default false: a node gets the new driver when somebody deletes its driver pod, and nobody waits for that."),
				"max_parallel_upgrades": whole("On how many nodes at a time; 0 for no bound. Default 1.", int32validator.AtLeast(0)),
				"max_unavailable": text("Of how many nodes the GPUs may be missing at a time, a number or a percentage. Default `25%`.",
					stringvalidator.RegexMatches(countOrShare, "must be a number such as 5, or a percentage such as 25%")),
				"drain": block("Whether nodes are drained, where it is not enough that pods with GPUs leave.", map[string]schema.Attribute{
					"enabled":          flag("Whether a node is drained. Default false."),
					"force":            flag("Whether pods that no controller makes again are deleted too. Default false."),
					"timeout_seconds":  whole("Seconds after which a drain counts as failed; 0 for never. Default 300.", int32validator.AtLeast(0)),
					"delete_empty_dir": flag("Whether pods go that have files in `emptyDir` volumes, which are lost. Default false."),
				}),
			}),
		}))
}

func exporterAttribute() schema.Attribute {
	return block("The DCGM exporter: metrics of GPUs for Prometheus, at port 9400. Changed in place.",
		with(operandAttributes("the exporter", "dcgm-exporter"), map[string]schema.Attribute{
			"metrics_config_map": text("ConfigMap of the operator's namespace with the list of metrics, in its entry `dcgm-metrics.csv`. Default: the exporter's own list.", diags.DNSSubdomain()),
			"service_monitor": block("A ServiceMonitor that the operator makes, for clusters with the Prometheus Operator. Default: none.", map[string]schema.Attribute{
				"enabled":      flag("Whether there is one. Default false."),
				"interval":     text("How often metrics are read, as Prometheus writes it: `15s`. Default: Prometheus' own.", stringvalidator.RegexMatches(prometheusDuration, "must be a time such as 15s or 1m30s")),
				"honor_labels": flag("Whether the exporter's labels win over those of Prometheus, so that `pod` and `namespace` are those of the user of a GPU. Default false."),
				"labels":       keyed("Labels by which Prometheus finds the ServiceMonitor. Default: none.", diags.LabelKey(), mapvalidator.ValueStringsAre(diags.LabelValue())),
			}),
			"service": block("The Service in front of the exporters.", map[string]schema.Attribute{
				"type":                    choice("`ClusterIP` (default), `NodePort` or `LoadBalancer`.", "ClusterIP", "NodePort", "LoadBalancer"),
				"internal_traffic_policy": choice("`Cluster` (default): a request goes to any exporter. `Local`: to the one on the caller's node.", "Cluster", "Local"),
			}),
		}))
}
