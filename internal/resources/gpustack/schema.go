package gpustack

import (
	"regexp"

	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

var (
	// imageName is what a ClusterPolicy takes for the name of an image, without
	// registry and tag.
	imageName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._/-]*$`)
	// countOrShare is a number of nodes or a percentage of them.
	countOrShare = regexp.MustCompile(`^(0|[1-9][0-9]{0,4}|(0|[1-9][0-9]?|100)%)$`)
	// prometheusDuration is how Prometheus writes a time.
	prometheusDuration = regexp.MustCompile(`^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$`)
)

func text(description string, validators ...validator.String) schema.StringAttribute {
	return schema.StringAttribute{Optional: true, MarkdownDescription: description, Validators: append([]validator.String{stringvalidator.LengthAtLeast(1)}, validators...)}
}

func choice(description string, values ...string) schema.StringAttribute {
	return schema.StringAttribute{Optional: true, MarkdownDescription: description, Validators: []validator.String{stringvalidator.OneOf(values...)}}
}

func flag(description string) schema.BoolAttribute {
	return schema.BoolAttribute{Optional: true, MarkdownDescription: description}
}

func whole(description string, validators ...validator.Int32) schema.Int32Attribute {
	return schema.Int32Attribute{Optional: true, MarkdownDescription: description, Validators: validators}
}

func block(description string, attributes map[string]schema.Attribute) schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{Optional: true, MarkdownDescription: description, Attributes: attributes}
}

func keyed(description string, keys validator.String, values ...validator.Map) schema.MapAttribute {
	return schema.MapAttribute{
		Optional: true, ElementType: types.StringType, MarkdownDescription: description,
		Validators: append([]validator.Map{mapvalidator.NoNullValues(), mapvalidator.KeysAre(keys)}, values...),
	}
}

func attributes() schema.Schema {
	all := programAttributes()
	all["mode"] = schema.StringAttribute{
		Required: true,
		MarkdownDescription: "Who turns GPUs into resources. `operator`: NVIDIA's GPU Operator, which must be installed; the stack is its ClusterPolicy. " +
			"`daemonsets`: DaemonSets of the stack's own, on clusters without the operator, whose nodes have driver and container toolkit in their image: the device plugin, and where they are asked for GPU Feature Discovery and the DCGM exporter. " +
			"Changing it makes a new stack.",
		Validators: []validator.String{stringvalidator.OneOf(modeOperator, modeDaemonSets)},
	}
	all["vendor"] = choice("Who makes the devices, with `mode = \"daemonsets\"`: `nvidia` (default), `amd` or `intel`. Of AMD and Intel there is the device plugin alone. Changing it makes a new stack.",
		vendorNVIDIA, vendorAMD, vendorIntel)
	all["node_selector"] = keyed("Labels of the nodes that get the DaemonSets, with `mode = \"daemonsets\"`. Default for NVIDIA: nodes with one of `feature.node.kubernetes.io/pci-10de.present=true`, "+
		"`feature.node.kubernetes.io/cpu-model.vendor_id=NVIDIA` and `nvidia.com/gpu.present=true`, as in NVIDIA's own chart; set the last by hand, or by `mlk_gpu_node_pool`, where there is no Node Feature Discovery. "+
		"For AMD `feature.node.kubernetes.io/pci-0300_1002.present=true`, for Intel all nodes of architecture amd64. `{}`: all nodes. Changed in place.",
		diags.LabelKey(), mapvalidator.ValueStringsAre(diags.LabelValue()))
	all["runtime_class"] = block("The RuntimeClass under which the DaemonSets run, with `mode = \"daemonsets\"`, where GPUs are seen under one alone; `{}` for `nvidia`. Workloads name it in `scheduling.runtime_class`. Default: none, the nodes' usual runtime sees GPUs. Changed in place.", map[string]schema.Attribute{
		"name":    text("Name of the RuntimeClass. Default `nvidia`.", diags.DNSSubdomain()),
		"handler": text("What the nodes' container runtime calls it. Default: `name`. Kubernetes lets nobody change that of a RuntimeClass: give it another name too.", diags.DNSSubdomain()),
		"create":  flag("Whether the RuntimeClass is made; false where it is there already. Default true."),
	})
	all["manifests"] = schema.MapAttribute{
		Computed: true, ElementType: types.StringType,
		MarkdownDescription: "What each object is to be with `mode = \"daemonsets\"`, in JSON, by its kind and role; known at plan. What others change of it shows here. Empty with `mode = \"operator\"`.",
	}
	all["operator"] = operatorAttribute()
	all["daemonsets"] = daemonsetsAttribute()
	all["mig_strategy"] = choice("How GPUs that are divided (MIG) are advertised. `none`: as if they were whole. `single`: each part as `nvidia.com/gpu`; all parts of a node are alike. "+
		"`mixed`: each part by its profile, as `nvidia.com/mig-1g.10gb`. Default: the operator's, `single`. Changed in place.", "none", "single", "mixed")
	all["cdi"] = block("Whether the Container Device Interface hands devices to containers, instead of a hook in the container runtime. Changed in place.", map[string]schema.Attribute{
		"enabled": flag("Whether devices are described for CDI. Default false."),
		"default": flag("Whether all containers get their GPUs by CDI. Default false."),
	})
	all["host_paths"] = block("Where things are on the nodes. Changed in place.", map[string]schema.Attribute{
		"root_fs":            text("Root of the node's file system, in which programs find systemd. Default: the operator's, `/`."),
		"driver_install_dir": text("Where the driver is put. Default: the operator's, `/run/nvidia/driver`."),
	})
	all["sandbox_workloads"] = block("GPUs for virtual machines (KubeVirt, Kata). Changed in place.", map[string]schema.Attribute{
		"enabled":          flag("Whether nodes can be prepared for virtual machines. Default false."),
		"default_workload": choice("What nodes are prepared for that bear no label `nvidia.com/gpu.workload.config`. Default `container`.", "container", "vm-passthrough", "vm-vgpu"),
	})
	all["components"] = schema.MapNestedAttribute{
		Computed: true, MarkdownDescription: "The DaemonSets the stack is made of, by name, when last looked at.",
		NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
			"namespace":      schema.StringAttribute{Computed: true, MarkdownDescription: "Namespace it is in."},
			"image":          schema.StringAttribute{Computed: true, MarkdownDescription: "Image of its first container."},
			"matching_nodes": schema.Int32Attribute{Computed: true, MarkdownDescription: "On how many nodes it should run."},
			"ready_nodes":    schema.Int32Attribute{Computed: true, MarkdownDescription: "On how many nodes it is ready."},
			"updated_nodes":  schema.Int32Attribute{Computed: true, MarkdownDescription: "On how many nodes it is of the newest revision."},
		}},
	}
	all["gpus"] = schema.MapAttribute{
		Computed: true, ElementType: types.Int64Type,
		MarkdownDescription: "What all nodes together have to give of the devices, by resource, such as `{ \"nvidia.com/gpu\" = 32 }`, when last looked at. GPUs that are ill do not count.",
	}
	return schema.Schema{MarkdownDescription: description, Attributes: all}
}

const description = "What turns the GPUs of nodes into resources that pods can ask for: driver, container toolkit, device plugin, GPU Feature Discovery, metrics, MIG manager.\n\n" +
	"With `mode = \"operator\"` it is the ClusterPolicy of NVIDIA's GPU Operator (`nvidia.com/v1`). What is not declared is the operator's own choice, and stays what others have set. " +
	"Attributes are those of operator v25.3 and newer; everything else a ClusterPolicy can say goes into `patch`, as `{ ClusterPolicy = { spec = { ... } } }`.\n\n" +
	"A cluster has one ClusterPolicy, and the operator's Helm chart makes it. Import that one rather than making another: " +
	"a plan that finds one refuses, and names the import. The import takes over the fields that the configuration declares and leaves all others to the chart.\n\n" +
	"With `mode = \"daemonsets\"` it is the device plugin of NVIDIA, AMD or Intel as a DaemonSet, and of NVIDIA also GPU Feature Discovery (`gpu_feature_discovery = {}`) and the DCGM exporter with its Service (`dcgm_exporter = {}`). " +
	"A plan that finds another device plugin for the same GPUs on the same nodes refuses: each GPU would be handed out twice.\n\n" +
	"With `wait_for = \"ready\"` an apply ends when the operator reports `ready` and each DaemonSet is ready on all nodes it matches; without the operator, when a node has GPUs to give. " +
	"When that does not come, the error names the program, the nodes, and what its pods say. That no node has a GPU is no fault: the stack comes with the first one that does."

func operatorAttribute() schema.Attribute {
	return block("The operator itself. Changed in place.", map[string]schema.Attribute{
		"default_runtime": choice("Container runtime of nodes that do not tell theirs. Default `docker`; the operator goes by what nodes report.", "docker", "crio", "containerd"),
		"runtime_class":   text("Runtime class that the operator makes, and its programs use. Default `nvidia`.", diags.DNSSubdomain()),
		"labels":          keyed("Labels of all objects that the operator makes. Default: none.", diags.LabelKey(), mapvalidator.ValueStringsAre(diags.LabelValue())),
		"annotations":     keyed("Annotations of all objects that the operator makes. Default: none.", diags.AnnotationKey()),
	})
}

func daemonsetsAttribute() schema.Attribute {
	return block("What all programs of the stack have in common. Changed in place; their pods are replaced as `update_strategy` says.", map[string]schema.Attribute{
		"labels":         keyed("Labels of DaemonSets and pods. Default: none.", diags.LabelKey(), mapvalidator.ValueStringsAre(diags.LabelValue())),
		"annotations":    keyed("Annotations of DaemonSets and pods. Default: none.", diags.AnnotationKey()),
		"tolerations":    podspec.TolerationsAttribute("Taints of nodes the programs put up with. Default: `nvidia.com/gpu` with effect `NoSchedule`; name it again beside others."),
		"priority_class": text("Priority class of the pods. Default: the operator's, `system-node-critical`.", diags.DNSSubdomain()),
		"update_strategy": choice("`RollingUpdate` (default): a change goes from node to node. `OnDelete`: a pod changes when somebody deletes it. The driver always changes by `driver.upgrade_policy`.",
			rolling, "OnDelete"),
		"max_unavailable": text("On how many nodes a program may be missing at a time in an update, a number or a percentage. Default `1`. Only with `RollingUpdate`.",
			stringvalidator.RegexMatches(countOrShare, "must be a number such as 1, or a percentage such as 25%")),
	})
}

// partAttributes are those every program has.
func partAttributes(what, image string) map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"repository": text("Registry and path of the image, such as `nvcr.io/nvidia`. Default: the operator's."),
		"image":      text("Name of the image in `repository`, such as `"+image+"`. Default: the operator's.", stringvalidator.RegexMatches(imageName, "must be the name of an image, without its registry and its tag")),
		"version":    text("Tag of the image, or its digest (`sha256:...`). Default: the operator's; with `mode = \"daemonsets\"` device plugin and GPU Feature Discovery `v0.20.0`, DCGM exporter `4.5.3-4.8.2-distroless`, AMD's device plugin `1.25.2.4` (of ROCm's chart), Intel's `0.34.0` (of Intel's chart). Operators that were installed by their Helm chart know none: name all three of `repository`, `image` and `version` then, or import the chart's ClusterPolicy."),
		"image_pull_policy": choice("When the image is pulled. Default: the operator's, `IfNotPresent`.",
			"Always", "IfNotPresent", "Never"),
		"image_pull_secrets": schema.ListAttribute{
			Optional: true, ElementType: types.StringType, MarkdownDescription: "Secrets of the namespace with which the image is pulled. Default: none.",
			Validators: []validator.List{listvalidator.NoNullValues(), listvalidator.ValueStringsAre(diags.DNSSubdomain())},
		},
		"args": schema.ListAttribute{
			Optional: true, ElementType: types.StringType, MarkdownDescription: "Arguments of " + what + ". Default: the image's.",
			Validators: []validator.List{listvalidator.NoNullValues()},
		},
		"env": podspec.EnvAttribute(what),
	}
}

func withSwitch(of map[string]schema.Attribute, what string) map[string]schema.Attribute {
	of["enabled"] = flag("Whether " + what + " runs. Default: the operator's.")
	return of
}

func withResources(of map[string]schema.Attribute, what string) map[string]schema.Attribute {
	of["resources"] = block("What "+what+" is promised and what it may use at most.", map[string]schema.Attribute{
		"requests": podspec.AmountsAttribute("What the node sets aside, by resource: `{ cpu = \"100m\", memory = \"128Mi\" }`. Default: none."),
		"limits":   podspec.AmountsAttribute("The most it may use, by resource. Default: no limit."),
	})
	return of
}

// with adds attributes to others.
func with(of, more map[string]schema.Attribute) map[string]schema.Attribute {
	for name, a := range more {
		of[name] = a
	}
	return of
}

// choiceAttribute is a ConfigMap of which nodes choose entries.
func choiceAttribute(description, name, byDefault string, entry ...validator.String) schema.Attribute {
	return block(description, map[string]schema.Attribute{
		"name":    text(name, diags.DNSSubdomain()),
		"default": text(byDefault, entry...),
	})
}

// ports are those a host engine can have.
func portAttribute(description string) schema.Attribute {
	return whole(description, int32validator.Between(1, 65535))
}
