package podspec

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// The attributes below are built by kind; all of them are optional unless
// required() says otherwise.

func text(description string, validators ...validator.String) schema.StringAttribute {
	return schema.StringAttribute{Optional: true, MarkdownDescription: description, Validators: validators}
}

func required(a schema.StringAttribute) schema.StringAttribute {
	a.Optional, a.Required = false, true
	return a
}

func choice(description string, values ...string) schema.StringAttribute {
	return text(description, stringvalidator.OneOf(values...))
}

func size(description string) schema.StringAttribute {
	return schema.StringAttribute{Optional: true, CustomType: quantity.Type{}, MarkdownDescription: description, Validators: []validator.String{notNegative{}}}
}

func flag(description string) schema.BoolAttribute {
	return schema.BoolAttribute{Optional: true, MarkdownDescription: description}
}

func small(description string, validators ...validator.Int32) schema.Int32Attribute {
	return schema.Int32Attribute{Optional: true, MarkdownDescription: description, Validators: validators}
}

func whole(description string, validators ...validator.Int64) schema.Int64Attribute {
	return schema.Int64Attribute{Optional: true, MarkdownDescription: description, Validators: validators}
}

func list(description string, validators ...validator.List) schema.ListAttribute {
	return schema.ListAttribute{
		Optional: true, ElementType: types.StringType, MarkdownDescription: description,
		Validators: append([]validator.List{listvalidator.NoNullValues()}, validators...),
	}
}

func table(description string, validators ...validator.Map) schema.MapAttribute {
	return schema.MapAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: description, Validators: validators}
}

func object(description string, attributes map[string]schema.Attribute, validators ...validator.Object) schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional: true, MarkdownDescription: description, Attributes: attributes, Validators: validators, CustomType: typeOf(attributes),
	}
}

func objects(description string, attributes map[string]schema.Attribute, validators ...validator.Object) schema.ListNestedAttribute {
	return schema.ListNestedAttribute{
		Optional: true, MarkdownDescription: description,
		NestedObject: schema.NestedAttributeObject{Attributes: attributes, Validators: validators, CustomType: typeOf(attributes)},
	}
}

func byName(description string, keys validator.String, attributes map[string]schema.Attribute, validators ...validator.Object) schema.MapNestedAttribute {
	a := schema.MapNestedAttribute{
		Optional: true, MarkdownDescription: description,
		NestedObject: schema.NestedAttributeObject{Attributes: attributes, Validators: validators, CustomType: typeOf(attributes)},
	}
	if keys != nil {
		a.Validators = []validator.Map{mapvalidator.KeysAre(keys), mapvalidator.NoNullValues()}
	}
	return a
}

// typeOf is the type of an object with the attributes. The framework would make
// it anew, with all that is below it, each time it looks at a value.
func typeOf(attributes map[string]schema.Attribute) basetypes.ObjectType {
	out := basetypes.ObjectType{AttrTypes: make(map[string]attr.Type, len(attributes))}
	for name, a := range attributes {
		out.AttrTypes[name] = a.GetType()
	}
	return out
}

// changing adds what a change of a top-level attribute does, as a sentence after
// what the attribute is.
func changing(a schema.Attribute, effect string) schema.Attribute {
	switch a := a.(type) {
	case schema.StringAttribute:
		a.MarkdownDescription += effect
		return a
	case schema.BoolAttribute:
		a.MarkdownDescription += effect
		return a
	case schema.Int64Attribute:
		a.MarkdownDescription += effect
		return a
	case schema.ListAttribute:
		a.MarkdownDescription += effect
		return a
	case schema.MapAttribute:
		a.MarkdownDescription += effect
		return a
	case schema.SingleNestedAttribute:
		a.MarkdownDescription += effect
		return a
	case schema.MapNestedAttribute:
		a.MarkdownDescription += effect
		return a
	case schema.ListNestedAttribute:
		a.MarkdownDescription += effect
		return a
	}
	return a
}

func podAttributes() map[string]schema.Attribute {
	extra := containerAttributes(false)
	addRestart(extra)
	init := containerAttributes(false)
	addRestart(init)
	init["name"] = required(text("Name of the container, a DNS label, unlike that of any other container of the pod.", diags.DNSLabel()))
	return map[string]schema.Attribute{
		"container_name": text(fmt.Sprintf("Name of the main container, a DNS label. Default `%s`. `mounts` in `volumes` and log commands name it.", DefaultContainer), diags.DNSLabel()),
		"gpu":            gpuAttribute(),
		"shared_memory": size("Size of `/dev/shm` in the main container, for example `16Gi`: a volume called `" + sharedMemoryVolume + "` in the node's memory, which counts towards the container's memory limit. " +
			"PyTorch data loaders and NCCL need more than the 64 MiB containers get without it. Default: none is made."),
		"volumes": volumesAttribute(),
		"init_containers": objects("Containers that run before the main one, each to its end, in this order. One with `restart_policy = \"Always\"` is a sidecar: "+
			"it starts in its turn and then runs beside the main container, and does not keep a run from completing. Their mounts stand with `volumes`.", init),
		"extra_containers": byName("Containers that run beside the main one, by name. A run completes only when all of them have ended; "+
			"for helpers that never end, use `init_containers` with `restart_policy = \"Always\"`. Their mounts stand with `volumes`.", diags.DNSLabel(), extra),
		"scheduling": schedulingAttribute(),
		"devices": byName("Claims for devices that DRA drivers hand out, by name: `{ gpu = { template = \"any-gpu\" } }`. The main container gets the devices of a claim that no container names in `resources.claims`; "+
			"there several containers can share devices, or each can get those of one request. Needs Kubernetes 1.34.", diags.DNSLabel(), map[string]schema.Attribute{
			"claim":    text("Name of an existing ResourceClaim, shared by all pods.", diags.DNSSubdomain()),
			"template": text("Name of a ResourceClaimTemplate, such as that of an `mlk_resource_claim_template`; each pod gets a claim of its own.", diags.DNSSubdomain()),
		}, exactlyOne("claim", "template")),
		"pod_labels": table("Labels of the pods. Values are label values; null leaves a label out.",
			mapvalidator.KeysAre(diags.LabelKey()), mapvalidator.ValueStringsAre(diags.LabelValue())),
		"pod_annotations": table("Annotations of the pods: GCS FUSE, service meshes, multi-network and log collectors are configured here. Null leaves one out.",
			mapvalidator.KeysAre(diags.AnnotationKey())),
		"pod_security_context": podSecurityAttribute(),
		"service_account":      text("Service account the pod runs as. Default: the namespace's `default`.", diags.DNSSubdomain()),
		"automount_service_account_token": flag("Whether the containers find a token of the service account at `/var/run/secrets/kubernetes.io/serviceaccount`. " +
			"Default: what the service account says, else true."),
		"image_pull_secrets": list("Names of Secrets of type `kubernetes.io/dockerconfigjson` to pull images with.", listvalidator.ValueStringsAre(diags.DNSSubdomain())),
		"termination_grace_period_seconds": whole("Seconds between the signal to stop and the end by force: the time to write a last checkpoint. `0` ends at once. Default 30.",
			int64validator.AtLeast(0)),
		"enable_service_links":    flag("Whether each Service of the namespace appears as environment variables. Default true."),
		"share_process_namespace": flag("Whether the containers see each other's processes. Default false."),
		"host_network":            flag("Whether the pod uses the node's network, as RDMA and TPU set-ups may need. `dns_policy = \"ClusterFirstWithHostNet\"` belongs to it. Default false."),
		"host_pid":                flag("Whether the pod sees the node's processes. Default false."),
		"host_ipc":                flag("Whether the pod uses the node's IPC namespace. Default false."),
		"hostname":                text("Host name of the pod, a DNS label. Default: the pod's name.", diags.DNSLabel()),
		"subdomain":               text("Name of the headless Service under which the pod's host name is found in DNS, a DNS label.", diags.DNSLabel()),
		"dns_policy":              choice("How names are resolved: `ClusterFirst` (default), `ClusterFirstWithHostNet`, `Default` (as the node does) or `None` (`dns_config` alone).", "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
		"dns_config": object("Resolver settings added to those of `dns_policy`.", map[string]schema.Attribute{
			"nameservers": list("Addresses of name servers, at most 3.", listvalidator.SizeAtMost(3)),
			"searches":    list("Domains to search host names in, at most 32.", listvalidator.SizeAtMost(32)),
			"options": objects("Resolver options in order.", map[string]schema.Attribute{
				"name":  required(text("Name of the option, such as `ndots`.")),
				"value": text("Value of the option. Default: none, for options that are switches."),
			}),
		}),
		"host_aliases": schema.MapAttribute{
			Optional: true, ElementType: types.ListType{ElemType: types.StringType},
			MarkdownDescription: "Host names to put into `/etc/hosts`, by address: `{ \"10.0.0.1\" = [\"storage\"] }`.",
		},
	}
}

func gpuAttribute() schema.Attribute {
	return object("Accelerators of the pod. They become requests and limits of the main container, and node affinity and a toleration of the pod, all visible in the plan. "+
		"Other containers ask for theirs in `resources.limits`.", map[string]schema.Attribute{
		"count": schema.Int64Attribute{
			Required:            true,
			MarkdownDescription: "How many accelerators the main container gets, as whole devices, slices or shares. `0`: none, and none of the other attributes has an effect.",
			Validators:          []validator.Int64{int64validator.AtLeast(0)},
		},
		"resource": text("Name of the extended resource. Default `"+nvidiaGPU+"`. Others: `amd.com/gpu`, `gpu.intel.com/xe`, `gpu.intel.com/i915`, `habana.ai/gaudi`, `google.com/tpu`, `aws.amazon.com/neuron`, "+
			"or whatever a device plugin of yours advertises.", resourceName{extended: true}),
		"mig_profile": text("MIG slice of an NVIDIA GPU, such as `3g.40gb`: asks for `nvidia.com/mig-3g.40gb`, which nodes with MIG strategy `mixed` advertise. Not with `resource`.", migProfile()),
		"shared":      flag("Asks for a share of a GPU, `nvidia.com/gpu.shared`, as time-slicing or MPS with renaming advertise it. Without renaming shares are ordinary GPUs and need nothing. Not with `resource`. Default false."),
		"products": list("Products that will do, as the nodes' labels spell them: `nvidia.com/gpu.product` (`NVIDIA-A100-SXM4-80GB`), `amd.com/gpu.product-name`, `gpu.intel.com/product`, "+
			"`cloud.google.com/gke-tpu-accelerator`. Default: any.", listvalidator.SizeAtLeast(1), listvalidator.ValueStringsAre(diags.LabelValue())),
		"min_memory": size("Least memory of one GPU, for example `40Gi`; NVIDIA only. Compared with the node label `" + labelMemory + "` (MiB), which is a little less than the name of the product says: " +
			"an H100 80GB has 81559 MiB, so ask for `79Gi`. Default: any."),
		"min_compute_capability": text("Least CUDA compute capability, such as `8.0` (A100) or `9.0` (H100); NVIDIA only. Default: any.", computeCapability()),
		"tolerate_taint":         flag("Whether the pod tolerates the taint that keeps other pods off GPU nodes, `" + nvidiaGPU + ":NoSchedule` or its like. Default true."),
	}, gpuChecks{})
}
