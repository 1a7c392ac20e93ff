// Package gpunodepool is mlk_gpu_node_pool: labels, taints and cordon on the
// nodes that a selector matches. A pool is not one object: it owns single keys of
// nodes that it shares with others, so it has a life of its own beside the
// lifecycle of resources that are objects. What is written is decided in nodepool.
package gpunodepool

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/utils/clock"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_gpu_node_pool. All of it can be unknown.
type Model struct {
	ID             types.String   `tfsdk:"id"`
	Name           types.String   `tfsdk:"name"`
	NodeSelector   types.Map      `tfsdk:"node_selector"`
	NodeNames      types.List     `tfsdk:"node_names"`
	Labels         types.Map      `tfsdk:"labels"`
	Taints         types.List     `tfsdk:"taints"`
	Cordon         types.Bool     `tfsdk:"cordon"`
	MIG            types.Object   `tfsdk:"mig"`
	Sharing        types.Object   `tfsdk:"sharing"`
	PluginConfig   types.Object   `tfsdk:"device_plugin_config"`
	Karpenter      types.Object   `tfsdk:"karpenter"`
	ClusterAPI     types.Object   `tfsdk:"cluster_api"`
	MinNodes       types.Int64    `tfsdk:"min_nodes"`
	MinGPUs        types.Int64    `tfsdk:"min_gpus"`
	ForceConflicts types.Bool     `tfsdk:"force_conflicts"`
	OnFailure      types.String   `tfsdk:"on_failure"`
	Timeouts       timeouts.Value `tfsdk:"timeouts"`
	Members        types.List     `tfsdk:"members"`
	Nodes          types.Map      `tfsdk:"nodes"`
	Totals         types.Object   `tfsdk:"totals"`
	Status         types.Object   `tfsdk:"status"`
	Objects        types.List     `tfsdk:"objects"`
}

const (
	noun    = "GPU node pool"
	address = "mlk_gpu_node_pool.<name>"
)

// limits bound operations: nodes may take half an hour to come with their drivers.
var limits = lifecycle.Timeouts{Create: 30 * time.Minute, Update: 30 * time.Minute, Delete: 10 * time.Minute}

// Pool is the resource.
type Pool struct {
	provider *lifecycle.ProviderData
	clock    clock.WithTicker
}

var (
	_ resource.ResourceWithConfigure      = &Pool{}
	_ resource.ResourceWithModifyPlan     = &Pool{}
	_ resource.ResourceWithImportState    = &Pool{}
	_ resource.ResourceWithIdentity       = &Pool{}
	_ resource.ResourceWithValidateConfig = &Pool{}
	_ lifecycle.Settled                   = &Pool{}
)

// New returns the mlk_gpu_node_pool resource.
func New() resource.Resource { return &Pool{clock: clock.RealClock{}} }

// Metadata gives the type name.
func (p *Pool) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_gpu_node_pool"
}

// IdentitySchema gives the identity: the name of the pool.
func (p *Pool) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identityschema.Schema{Attributes: map[string]identityschema.Attribute{
		"name": identityschema.StringAttribute{RequiredForImport: true, Description: "Name of the pool, as in the label that its nodes bear."},
	}}
}

// Configure takes what the provider block says. It is called with nil before
// the provider is configured.
func (p *Pool) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	if req.ProviderData == nil {
		return
	}
	data, ok := req.ProviderData.(*lifecycle.ProviderData)
	if !ok {
		resp.Diagnostics.Append(diags.Message{Summary: "The provider handed over unexpected data", Why: fmt.Sprintf("Got %T. This is a bug in mlk.", req.ProviderData)}.Error())
		return
	}
	p.provider = data
}

// title is how diagnostics call a pool.
func title(name string) string { return fmt.Sprintf("%s %q", noun, name) }

// client connects, and refuses another cluster than the one mem knows. What may
// not be asked is not held against it.
func (p *Pool) client(ctx context.Context, name string, mem *memory) (*kube.Client, diag.Diagnostics) {
	if p.provider == nil {
		return nil, diag.Diagnostics{diags.Message{Summary: "The provider is not configured", Do: "Add a provider \"mlk\" block."}.Error()}
	}
	client, uid, ds := p.provider.Client(ctx, noun)
	if ds.HasError() {
		return nil, ds
	}
	if mem.Cluster != "" && uid != "" && mem.Cluster != uid {
		return nil, append(ds, lifecycle.WrongCluster(title(name)))
	}
	if mem.Cluster == "" {
		mem.Cluster = uid
	}
	return client, ds
}

// identify sets the resource identity, for those who have one.
func identify(ctx context.Context, name string, id *tfsdk.ResourceIdentity) diag.Diagnostics {
	if id == nil {
		return nil
	}
	return id.SetAttribute(ctx, path.Root("name"), types.StringValue(name))
}
