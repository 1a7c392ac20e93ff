package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/utils/clock"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// DataDefinition is a data source: its schema, and how a model is filled.
// Connecting, defaults, bounds and the words for what the cluster refuses are
// the lifecycle's, the same for all.
type DataDefinition[M any] struct {
	// Type is the type name without the provider's prefix: "training_run".
	Type string
	// Noun is how prose calls it: "Training run".
	Noun string
	// Schema returns the attributes and the description.
	Schema func() schema.Schema
	// Read fills what the configuration leaves out, by asking the cluster and
	// handing the answers to pure functions. All of the configuration is known.
	// A thing that does not exist is an error: whoever reads it relies on it.
	Read func(ctx context.Context, q *Query, m *M) diag.Diagnostics

	// Optional hooks; nil means nothing to do.

	// Name is what the configuration asks about, as "ml/llama", for diagnostics.
	Name func(m *M) string
	// Validate checks what the configuration alone decides and no validator of a
	// single attribute can see. Values may be unknown.
	Validate func(ctx context.Context, c tfsdk.Config) diag.Diagnostics
}

// readWithin bounds a read of a data source. It is what a person waits for at
// every plan, so a cluster that does not answer must not keep them for ever; a
// listing of thousands of nodes and pods takes some ten seconds.
const readWithin = 2 * time.Minute

// Data is every data source of the provider.
type Data[M any] struct {
	def      DataDefinition[M]
	provider *ProviderData
	clock    clock.PassiveClock
}

var (
	_ datasource.DataSourceWithConfigure      = &Data[struct{}]{}
	_ datasource.DataSourceWithValidateConfig = &Data[struct{}]{}
)

// NewData makes the data source of a definition.
func NewData[M any](def DataDefinition[M]) datasource.DataSource {
	return &Data[M]{def: def, clock: clock.RealClock{}}
}

// Metadata gives the type name.
func (d *Data[M]) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_" + d.def.Type
}

// Schema gives the attributes.
func (d *Data[M]) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = d.def.Schema()
}

// Configure takes what the provider block says. It is called with nil before
// the provider is configured.
func (d *Data[M]) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	if req.ProviderData == nil {
		return
	}
	pd, ok := req.ProviderData.(*ProviderData)
	if !ok {
		resp.Diagnostics.Append(diags.Message{Summary: "The provider handed over unexpected data", Why: fmt.Sprintf("Got %T. This is a bug in mlk.", req.ProviderData)}.Error())
		return
	}
	d.provider = pd
}

// ValidateConfig checks what the configuration alone decides.
func (d *Data[M]) ValidateConfig(ctx context.Context, req datasource.ValidateConfigRequest, resp *datasource.ValidateConfigResponse) {
	if d.def.Validate != nil {
		resp.Diagnostics.Append(d.def.Validate(ctx, req.Config)...)
	}
}

// Read asks the cluster.
func (d *Data[M]) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	m := new(M)
	resp.Diagnostics.Append(req.Config.Get(ctx, m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	title := d.def.Noun
	if d.def.Name != nil {
		title = fmt.Sprintf("%s %q", d.def.Noun, d.def.Name(m))
	}
	q, problem := d.query(title)
	if problem != nil {
		resp.Diagnostics.Append(problem)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	resp.Diagnostics.Append(d.def.Read(ctx, q, m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

// query connects, or says why nothing can be asked.
func (d *Data[M]) query(title string) (*Query, diag.Diagnostic) {
	if d.provider == nil {
		return nil, diags.Message{Summary: "The provider is not configured", Do: "Add a provider \"mlk\" block."}.Error()
	}
	if d.provider.Unknown != "" {
		return nil, diags.Message{
			Summary:  clip(title + " cannot be read before its cluster is known"),
			Happened: fmt.Sprintf("The provider attribute %q is not known at this point, because something else in the same apply makes it.", d.provider.Unknown),
			Stands:   "Nothing was read.",
			Do:       "Name what makes the cluster in depends_on of this data source: Terraform then reads it in the apply, when the cluster is there.",
		}.Error()
	}
	client, err := d.provider.Connect()
	if err != nil {
		return nil, diags.Message{Summary: "No cluster can be reached with this provider configuration", Why: err.Error()}.Error()
	}
	return &Query{client: client, provider: d.provider, title: title, now: d.clock.Now()}, nil
}

// Namespace is where the data source looks: what the configuration says, else
// the provider's namespace.
func (q *Query) Namespace(configured types.String) (types.String, diag.Diagnostics) {
	if configured.ValueString() != "" {
		return configured, nil
	}
	if slices.Contains(q.provider.Open, "namespace") {
		return configured, diag.Diagnostics{diags.Message{
			Summary:  clip(q.title + " cannot be read before its namespace is known"),
			Happened: "The data source names no namespace, and that of the provider block is not known at this point.",
			Do:       "Set namespace here, or name what makes it in depends_on.",
			At:       path.Root("namespace"),
		}.Error()}
	}
	return types.StringValue(q.provider.Namespace), nil
}

// StatusAttribute is the attribute status of a data source, of the same shape as
// that of resources. phases says which there are.
func StatusAttribute(phases string) schema.Attribute {
	return schema.SingleNestedAttribute{
		Computed:            true,
		MarkdownDescription: "What the cluster says.",
		Attributes: map[string]schema.Attribute{
			"phase":   schema.StringAttribute{Computed: true, MarkdownDescription: phases},
			"reason":  schema.StringAttribute{Computed: true, MarkdownDescription: "Machine-readable reason of the phase, as Kubernetes gives it; null when there is none."},
			"message": schema.StringAttribute{Computed: true, MarkdownDescription: "A sentence for people; null when there is nothing to say."},
			"conditions": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The conditions of the object.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"type":    schema.StringAttribute{Computed: true, MarkdownDescription: "Type of the condition."},
					"status":  schema.StringAttribute{Computed: true, MarkdownDescription: "`True`, `False` or `Unknown`."},
					"reason":  schema.StringAttribute{Computed: true, MarkdownDescription: "Machine-readable reason."},
					"message": schema.StringAttribute{Computed: true, MarkdownDescription: "Message of the condition."},
				}},
			},
		},
	}
}
