package gpunodepool

import (
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
	"github.com/mlkube/terraform-provider-mlk/internal/nodepool"
)

// The types of attributes that divide GPUs.
var (
	migTypes     = map[string]attr.Type{"config": types.StringType, "strategy": types.StringType}
	sharingTypes = map[string]attr.Type{
		"strategy": types.StringType, "replicas": types.Int64Type, "rename": types.BoolType,
		"fail_requests_greater_than_one": types.BoolType, "resource": types.StringType,
	}
	pluginTypes = map[string]attr.Type{"namespace": types.StringType, "name": types.StringType}
)

func migAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "How the GPUs of the nodes are divided by MIG. The GPU Operator's MIG manager does it; create and update wait until it says `success` on every Ready node, and a layout that it says `failed` of ends the wait. " +
			"Pods that use the GPUs have to be gone. The label `nvidia.com/mig.config` is taken over whoever set it, and given back when the pool goes. Default: left alone. Changed in place.",
		Attributes: map[string]schema.Attribute{
			"config": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "Name of a layout in the MIG manager's ConfigMap, for example `all-1g.10gb`, `all-balanced` or `all-disabled`.",
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1), diags.LabelValue()},
			},
			"strategy": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "How the device plugin offers MIG devices: `single` as `nvidia.com/gpu`, `mixed` by their profile as `nvidia.com/mig-1g.10gb`, `none` not at all. It is written into the plugin's configuration for these nodes: see `device_plugin_config`. " +
					"Default: left to the device plugin.",
				Validators: []validator.String{stringvalidator.OneOf("none", "single", "mixed")},
			},
		},
	}
}

// mostReplicas bounds the shares of one GPU: an MPS server has 48 clients, and a
// driver cannot serve more contexts well.
const mostReplicas = 128

func sharingAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "Lets several pods share each GPU of the nodes. A configuration of NVIDIA's device plugin is written for the pool and chosen by the label `nvidia.com/device-plugin.config`; " +
			"create and update wait until the Ready nodes offer the shares. Default: left alone. Changed in place; without it nodes go back to the configuration they had.",
		Attributes: map[string]schema.Attribute{
			"strategy": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "`time-slicing`: pods take turns, and nothing keeps their memory or their faults apart. `mps`: pods run side by side, each with its part of memory and compute (whole GPUs only, not with MIG).",
				Validators:          []validator.String{stringvalidator.OneOf(nodepool.TimeSlicing, nodepool.MPS)},
			},
			"replicas": schema.Int64Attribute{
				Required:            true,
				MarkdownDescription: "How many shares each GPU has, from 2 to 128.",
				Validators:          []validator.Int64{int64validator.Between(2, mostReplicas)},
			},
			"rename": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Whether shares are offered as `nvidia.com/gpu.shared`, so that nobody gets one who asks for a whole GPU. Default `false`: as `nvidia.com/gpu`.",
			},
			"fail_requests_greater_than_one": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Whether a container that asks for more than one share is refused; it would not get more of a GPU. With `time-slicing` only. Default `false`.",
			},
			"resource": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "What is shared: `nvidia.com/gpu` (default), or MIG devices of one profile, for example `nvidia.com/mig-3g.40gb`, with `time-slicing`.",
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
			},
		},
	}
}

func pluginAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "The ConfigMap that the device plugin takes its configurations from, for `sharing` and `mig.strategy`. The pool owns a key of its own in it. " +
			"With the GPU Operator it is the one that the ClusterPolicy names in `devicePlugin.config.name`. Changed in place.",
		Attributes: map[string]schema.Attribute{
			"namespace": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Namespace of the ConfigMap, that of the device plugin. Default `gpu-operator`.",
				Validators:          []validator.String{diags.DNSLabel()},
			},
			"name": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Name of the ConfigMap; it is made when it is not there. Default `device-plugin-config`.",
				Validators:          []validator.String{diags.DNSSubdomain()},
			},
		},
	}
}

// checkLayout checks what MIG and sharing say together.
func (m *Model) checkLayout() (ds diag.Diagnostics) {
	said := func(o types.Object) bool { return !o.IsNull() && !o.IsUnknown() } // what is not known yet may be null
	strategy := m.MIG.Attributes()["strategy"]
	for k, by := range map[string]bool{
		gpu.LabelMIGConfig:   said(m.MIG),
		nodepool.LabelPlugin: said(m.Sharing) || said(m.MIG) && !strategy.IsNull() && !strategy.IsUnknown(),
	} {
		if _, ok := m.Labels.Elements()[k]; ok && by {
			ds.Append(diags.Message{
				Summary: fmt.Sprintf("%s is set twice", k), Happened: "mig and sharing set this label themselves, and wait for what it asks for.",
				Do: "Remove it from labels.", At: path.Root("labels").AtMapKey(k),
			}.Error())
		}
	}
	how := plainText(m.Sharing.Attributes()["strategy"])
	what := plainText(m.Sharing.Attributes()["resource"])
	strict, _ := m.Sharing.Attributes()["fail_requests_greater_than_one"].(types.Bool)
	if how != nodepool.MPS {
		return ds
	}
	if config := plainText(m.MIG.Attributes()["config"]); config != "" && config != migDisabled || strings.Contains(what, "/mig-") {
		ds.Append(diags.Message{
			Summary:  "MPS does not share MIG devices",
			Happened: "NVIDIA's device plugin shares whole GPUs by MPS, and refuses a configuration that has both.",
			Do:       "Use sharing.strategy = \"time-slicing\", or leave mig out.",
			At:       path.Root("sharing").AtName("strategy"),
		}.Error())
	}
	if strict.ValueBool() {
		ds.Append(diags.Message{
			Summary:  "MPS knows no fail_requests_greater_than_one",
			Happened: "With MPS the device plugin refuses such requests by itself.",
			Do:       "Remove it.",
			At:       path.Root("sharing").AtName("fail_requests_greater_than_one"),
		}.Error())
	}
	return ds
}
