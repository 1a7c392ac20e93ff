package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/utils/clock"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// Resource is every resource of the provider.
type Resource[M any, P based[M]] struct {
	def      Definition[M]
	provider *ProviderData
	clock    clock.WithTicker

	formOnce sync.Once
	formed   form
}

var (
	_ resource.ResourceWithConfigure    = &Resource[Namespaced, *Namespaced]{}
	_ resource.ResourceWithModifyPlan   = &Resource[Namespaced, *Namespaced]{}
	_ resource.ResourceWithImportState  = &Resource[Namespaced, *Namespaced]{}
	_ resource.ResourceWithIdentity     = &Resource[Namespaced, *Namespaced]{}
	_ resource.ResourceWithUpgradeState = &Resource[Namespaced, *Namespaced]{}
	_ resource.ResourceWithMoveState    = &Resource[Namespaced, *Namespaced]{}

	_ resource.ResourceWithValidateConfig = &Resource[Namespaced, *Namespaced]{}
)

// New makes the resource of a definition.
func New[M any, P based[M]](def Definition[M]) resource.Resource {
	return &Resource[M, P]{def: def, clock: clock.RealClock{}}
}

// Metadata gives the type name.
func (r *Resource[M, P]) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_" + r.def.Type
}

// Schema gives the attributes of the resource and those all resources have.
func (r *Resource[M, P]) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = withCommon(ctx, r.def.Schema(), r.namespaced(), r.def.WaitFor, r.timeouts())
}

// IdentitySchema gives the identity: where the main object is.
func (r *Resource[M, P]) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	attributes := map[string]identityschema.Attribute{
		"name": identityschema.StringAttribute{RequiredForImport: true, Description: "Name of the main Kubernetes object."},
	}
	if r.namespaced() {
		attributes["namespace"] = identityschema.StringAttribute{OptionalForImport: true, Description: "Namespace of the main Kubernetes object; the provider's when left out."}
	}
	resp.IdentitySchema = identityschema.Schema{Version: 0, Attributes: attributes}
}

// Configure takes what the provider block says. It is called with nil before
// the provider is configured.
func (r *Resource[M, P]) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	if req.ProviderData == nil {
		return
	}
	pd, ok := req.ProviderData.(*ProviderData)
	if !ok {
		resp.Diagnostics.Append(diags.Message{Summary: "The provider handed over unexpected data", Why: fmt.Sprintf("Got %T. This is a bug in mlk.", req.ProviderData)}.Error())
		return
	}
	r.provider = pd
}

// ValidateConfig checks what the configuration alone decides.
func (r *Resource[M, P]) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	if r.def.Validate != nil {
		resp.Diagnostics.Append(r.def.Validate(ctx, req.Config)...)
	}
}

// UpgradeState gives the upgrades of older schema versions.
func (r *Resource[M, P]) UpgradeState(context.Context) map[int64]resource.StateUpgrader {
	if r.def.Upgrades == nil {
		return nil
	}
	return r.def.Upgrades()
}

// MoveState gives the moves from other resource types.
func (r *Resource[M, P]) MoveState(context.Context) []resource.StateMover {
	if r.def.Moves == nil {
		return nil
	}
	return r.def.Moves()
}

func (r *Resource[M, P]) namespaced() bool { return P(new(M)).Place() != nil }

// level is what wait_for asks, or the resource's default; "" when it has none.
func (r *Resource[M, P]) level(m P) string {
	if len(r.def.WaitFor) == 0 {
		return ""
	}
	if p := m.Place(); p != nil && p.WaitFor.ValueString() != "" {
		return p.WaitFor.ValueString()
	}
	return r.def.WaitFor[0]
}

// objectName is the name of the main object.
func (r *Resource[M, P]) objectName(m P) string {
	if r.def.ObjectName != nil {
		return r.def.ObjectName((*M)(m))
	}
	return m.Base().Name.ValueString()
}

// namespace is where the objects are; "" for cluster-wide ones.
func (r *Resource[M, P]) namespace(m P) string {
	if p := m.Place(); p != nil {
		return p.Namespace.ValueString()
	}
	return ""
}

// main is the main object.
func (r *Resource[M, P]) main(m P) kube.Ref {
	kind := r.def.Owns[0]
	if r.def.Main != nil {
		kind = r.def.Main((*M)(m))
	}
	ref := kube.Ref{Kind: kind, Name: r.objectName(m)}
	if kind.Namespaced {
		ref.Namespace = r.namespace(m)
	}
	return ref
}

// scoped reports whether the main object can be one that is, or is not, in a
// namespace.
func (r *Resource[M, P]) scoped(namespaced bool) bool {
	return slices.ContainsFunc(r.mains(), func(k kube.Kind) bool { return k.Namespaced == namespaced })
}

// mainIs is the first kind of main object that is, or is not, in a namespace.
func (r *Resource[M, P]) mainIs(namespaced bool) kube.Kind {
	for _, k := range r.mains() {
		if k.Namespaced == namespaced {
			return k
		}
	}
	return r.mains()[0]
}

// mains are the kinds the main object can be of.
func (r *Resource[M, P]) mains() []kube.Kind {
	if len(r.def.Mains) > 0 {
		return r.def.Mains
	}
	return r.def.Owns[:1]
}

// mainIn is the main object among live ones; nil when it is not there.
func (r *Resource[M, P]) mainIn(live kube.Live) *kube.Object {
	for _, k := range r.mains() {
		if o := live[k.Kind]; o != nil {
			return o
		}
	}
	return nil
}

// title is how diagnostics call the resource: Training job "ml/llama".
func (r *Resource[M, P]) title(m P) string {
	name := m.Base().Name.ValueString()
	if name == "" {
		name = m.Base().ID.ValueString()
	}
	if ns := r.namespace(m); ns != "" {
		name = ns + "/" + name
	}
	return fmt.Sprintf("%s %q", r.def.Noun, name)
}

// address is what a user types after terraform import or untaint.
func (r *Resource[M, P]) address() string { return "mlk_" + r.def.Type + ".<name>" }

// connect returns the client and checks that it is the cluster the state was
// made on.
func (r *Resource[M, P]) connect(ctx context.Context, mem *memory) (*kube.Client, diag.Diagnostics) {
	if r.provider == nil {
		return nil, diag.Diagnostics{diags.Message{Summary: "The provider is not configured", Do: "Add a provider \"mlk\" block."}.Error()}
	}
	if r.provider.Unknown != "" {
		return nil, diag.Diagnostics{diags.Message{
			Summary:  "The provider does not know its cluster yet",
			Happened: fmt.Sprintf("The provider attribute %q is not known, so nothing can be read or written.", r.provider.Unknown),
			Do:       "Apply what makes the cluster first, for example with -target, or in a configuration of its own.",
		}.Error()}
	}
	client, err := r.provider.Connect()
	if err != nil {
		return nil, diag.Diagnostics{diags.Message{Summary: "No cluster can be reached with this provider configuration", Why: err.Error()}.Error()}
	}
	uid, err := client.ClusterUID(ctx)
	if err != nil {
		return nil, failure{title: r.def.Noun, ref: kube.Ref{Kind: kube.Namespace, Name: "kube-system"}, verb: "read", err: err, stands: "Nothing was changed."}.diagnostics()
	}
	if mem.Cluster == "" {
		mem.Cluster = uid // who may not read it now keeps what another user has read
	}
	return client, nil
}

// rightCluster reports whether the client talks to the cluster the state was
// made on; connect must have succeeded.
func (r *Resource[M, P]) rightCluster(ctx context.Context, client *kube.Client, mem memory) bool {
	uid, err := client.ClusterUID(ctx)
	return err != nil || uid == "" || mem.Cluster == "" || uid == mem.Cluster
}

// wrongCluster is the refusal to touch another cluster's objects.
func (r *Resource[M, P]) wrongCluster(title string) diag.Diagnostic {
	return diags.Message{
		Summary:  title + " was made on another cluster",
		Happened: "The provider's configuration now leads to a different cluster: the uid of its kube-system namespace is not the one in the state.",
		Stands:   "Nothing was read or changed. The state still names the objects on the first cluster.",
		Do: "Point the provider at the right cluster (kubeconfig, context, host). " +
			"If the cluster was rebuilt on purpose, set cluster_changed = \"recreate\" in the provider block: its resources are then planned anew.",
	}.Error()
}

func merged(a, b map[string]string) map[string]string {
	out := make(map[string]string, len(a)+len(b))
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// stringsOf returns a known map of strings; nil otherwise.
func stringsOf(m types.Map) map[string]string {
	if m.IsNull() || m.IsUnknown() {
		return nil
	}
	out := make(map[string]string, len(m.Elements()))
	for k, v := range m.Elements() {
		if s, ok := v.(types.String); ok {
			out[k] = s.ValueString()
		}
	}
	return out
}

func bigInt(i int64) *big.Float     { return new(big.Float).SetInt64(i) }
func bigFloat(f float64) *big.Float { return big.NewFloat(f) }

// rootName is the first step of a path.
func rootName(p path.Path) string {
	if len(p.Steps()) == 0 {
		return ""
	}
	if n, ok := p.Steps()[0].(path.PathStepAttributeName); ok {
		return string(n)
	}
	return ""
}
