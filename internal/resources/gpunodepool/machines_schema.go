package gpunodepool

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

var machinesTypes = map[string]attr.Type{"machine_deployment": types.StringType, "namespace": types.StringType, "replicas": types.Int64Type}

func machinesAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "Scales a MachineDeployment of Cluster API that exists (`cluster.x-k8s.io`, in the version that the cluster serves). The pool owns its number of replicas and nothing else of it; create and update wait until so many machines are ready. " +
			"With `node_selector` the nodes that come are labelled and tainted as they join, where the pool's `min_nodes` waits for them. " +
			"A MachineDeployment often is in a management cluster and its nodes in another: then this pool is of a provider for the management cluster, without `node_selector`, and a second pool labels the nodes where they are. " +
			"Where the cluster autoscaler's annotations are on it, the number is the autoscaler's and is left alone; the plan says so. " +
			"Destroying the pool, or removing this, leaves the machines as they are, and the number to whoever sets it next. Changed in place.",
		Attributes: map[string]schema.Attribute{
			"machine_deployment": schema.StringAttribute{Required: true, MarkdownDescription: "Name of the MachineDeployment.", Validators: []validator.String{diags.DNSSubdomain()}},
			"namespace":          schema.StringAttribute{Optional: true, MarkdownDescription: "Its namespace. Default `default`.", Validators: []validator.String{diags.DNSLabel()}},
			"replicas": schema.Int64Attribute{
				Required: true, MarkdownDescription: "How many machines there are to be. Fewer than there are take machines away, with what runs on them.",
				Validators: []validator.Int64{int64validator.AtLeast(0)},
			},
		},
	}
}

// scaled reports whether the pool scales machines.
func (m *Model) scaled() bool { return !m.ClusterAPI.IsNull() }

// apart reports whether the pool scales machines and is of no nodes that it knows.
func (m *Model) apart() bool { return m.scaled() && m.NodeSelector.IsNull() && m.NodeNames.IsNull() }

// checkMachines refuses beside cluster_api what has no nodes to be on.
func (m *Model) checkMachines() (ds diag.Diagnostics) {
	if !diags.Given(m.ClusterAPI) {
		return nil // what is not known yet may be null
	}
	if !m.Karpenter.IsNull() && !m.Karpenter.IsUnknown() {
		ds.Append(diags.Message{
			Summary: "cluster_api cannot be used with karpenter", Happened: "Karpenter makes machines by itself, and of no MachineDeployment.",
			Do: "Remove one of them.", At: path.Root("cluster_api"),
		}.Error())
		return ds
	}
	if !m.apart() {
		return nil
	}
	for name, v := range map[string]attr.Value{
		"labels": m.Labels, "taints": m.Taints, "cordon": m.Cordon, "mig": m.MIG, "sharing": m.Sharing,
		"device_plugin_config": m.PluginConfig, "min_nodes": m.MinNodes, "min_gpus": m.MinGPUs,
	} {
		if v.IsNull() || v.IsUnknown() {
			continue
		}
		ds.Append(diags.Message{
			Summary:  fmt.Sprintf("%s needs node_selector or node_names beside cluster_api", name),
			Happened: "Cluster API's machines become nodes with names of their own, and which they are the pool must be told.",
			Do:       "Say node_selector, by a label that the MachineDeployment gives its nodes. Where the nodes are in another cluster than the MachineDeployment, declare a second pool there.",
			At:       path.Root(name),
		}.Error())
	}
	return ds
}
