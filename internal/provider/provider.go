// Package provider is the front door: the provider block, what is made of it,
// and the list of everything the provider offers.
package provider

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/narrow"
)

// mlk is the provider.
type mlk struct {
	version string
	getenv  func(string) string
	data    atomic.Pointer[lifecycle.ProviderData]
}

var _ provider.ProviderWithValidateConfig = &mlk{}

// New returns a function that makes the provider; version goes into the user
// agent and the schema.
func New(version string) func() provider.Provider {
	return func() provider.Provider { return &mlk{version: version, getenv: os.Getenv} }
}

// Configured returns what Configure made of the provider block.
func (p *mlk) Configured() *lifecycle.ProviderData { return p.data.Load() }

// Server serves the provider over the plugin protocol.
func Server(version string) func() tfprotov6.ProviderServer {
	return func() tfprotov6.ProviderServer { return narrow.Serve(Wide(version)()) }
}

// Wide serves the provider with its whole schema, which is what docs are made of.
func Wide(version string) func() tfprotov6.ProviderServer {
	return func() tfprotov6.ProviderServer { return lifecycle.Serve(&mlk{version: version, getenv: os.Getenv}) }
}

// Metadata gives the prefix of all type names.
func (p *mlk) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "mlk"
	resp.Version = p.version
}

// Resources lists the resources.
func (p *mlk) Resources(context.Context) []func() resource.Resource { return Resources() }

// DataSources lists the data sources.
func (p *mlk) DataSources(context.Context) []func() datasource.DataSource { return DataSources() }

// Configure hands the provider block to the resources. It does no I/O: it is
// called several times in one command, also where nothing will be read, and at
// plan possibly with values that are not known yet.
func (p *mlk) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var m model
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	unknown, open, err := unknowns(req.Config.Raw)
	if err != nil {
		resp.Diagnostics.Append(diags.Message{Summary: "The provider block cannot be read", Why: err.Error()}.Error())
		return
	}
	namespace, problem := p.namespace(m)
	if problem != nil {
		resp.Diagnostics.Append(problem)
		return
	}

	data := &lifecycle.ProviderData{
		Unknown:        unknown,
		Open:           open,
		Namespace:      namespace,
		Labels:         known(m.Labels),
		Annotations:    known(m.Annotations),
		NoLogTails:     !m.LogTails.IsNull() && !m.LogTails.ValueBool(),
		ClusterChanged: clusterChangedError,
	}
	if v := m.ClusterChanged.ValueString(); v != "" {
		data.ClusterChanged = v
	}
	if v, ok := m.PlanChecks.Attributes()["placement"].(types.String); ok {
		data.Placement = v.ValueString()
	}
	if data.Placement != lifecycle.PlacementOff {
		data.Inventory = &lifecycle.Inventory{}
	}
	if unknown == "" {
		config, diagnostics := p.config(ctx, m)
		resp.Diagnostics.Append(diagnostics...)
		data.Connect = connectOnce(config)
	} else {
		data.Connect = func() (*kube.Client, error) {
			return nil, fmt.Errorf("the provider attribute %q is not known yet", unknown)
		}
		if req.ClientCapabilities.DeferralAllowed {
			resp.Deferred = &provider.Deferred{Reason: provider.DeferredReasonProviderConfigUnknown}
		}
	}
	p.data.Store(data)
	resp.ResourceData = data
	resp.DataSourceData = data
	resp.EphemeralResourceData = data
	resp.ListResourceData = data
	resp.ActionData = data
}

// connectOnce makes the one client of a provider configuration on first use. A
// failure is not kept: what was missing may be made by another resource of the
// same apply.
func connectOnce(config kube.Config) func() (*kube.Client, error) {
	var (
		mu     sync.Mutex
		client *kube.Client
	)
	return func() (*kube.Client, error) {
		mu.Lock()
		defer mu.Unlock()
		if client != nil {
			return client, nil
		}
		rest, err := config.REST()
		if err != nil {
			return nil, err
		}
		client, err = kube.NewClient(rest)
		return client, err
	}
}

// namespace is where objects go that name no namespace.
func (p *mlk) namespace(m model) (string, diag.Diagnostic) {
	if n := m.Namespace.ValueString(); n != "" {
		return n, nil
	}
	n := p.getenv(kube.EnvNamespace)
	if n == "" {
		return "default", nil
	}
	if problems := validation.IsDNS1123Label(n); len(problems) > 0 {
		return "", diags.Message{
			Summary: kube.EnvNamespace + " is not the name of a namespace",
			Why:     fmt.Sprintf("The environment variable is %q: %s.", n, strings.Join(problems, "; ")),
			Do:      "Correct or unset it, or set namespace in the provider block.",
			At:      path.Root("namespace"),
		}.Error()
	}
	return n, nil
}

// config is the block as the kube package takes it; every value is known.
func (p *mlk) config(ctx context.Context, m model) (kube.Config, diag.Diagnostics) {
	var diagnostics diag.Diagnostics
	c := kube.Config{
		Kubeconfig:           m.Kubeconfig.ValueString(),
		KubeconfigContent:    m.KubeconfigContent.ValueString(),
		Context:              m.Context.ValueString(),
		Host:                 m.Host.ValueString(),
		Token:                m.Token.ValueString(),
		TokenFile:            m.TokenFile.ValueString(),
		ClusterCACertificate: m.ClusterCACertificate.ValueString(),
		ClientCertificate:    m.ClientCertificate.ValueString(),
		ClientKey:            m.ClientKey.ValueString(),
		TLSServerName:        m.TLSServerName.ValueString(),
		Insecure:             m.Insecure.ValueBoolPointer(),
		ProxyURL:             m.ProxyURL.ValueString(),
		QPS:                  m.QPS.ValueFloat64(),
		Burst:                int(m.Burst.ValueInt32()),
		Version:              p.version,
		Getenv:               p.getenv,
	}
	if !m.Exec.IsNull() {
		var e execModel
		diagnostics.Append(m.Exec.As(ctx, &e, basetypes.ObjectAsOptions{})...)
		c.Exec = &kube.Exec{
			APIVersion: e.APIVersion.ValueString(),
			Command:    e.Command.ValueString(),
			Env:        known(e.Env),
		}
		for _, a := range e.Args.Elements() {
			if s, ok := a.(types.String); ok {
				c.Exec.Args = append(c.Exec.Args, s.ValueString())
			}
		}
	}
	return c, diagnostics
}

// known is what a map of strings says for sure; null elements are left out, as
// if they were not written.
func known(m types.Map) map[string]string {
	out := map[string]string{}
	for k, v := range m.Elements() {
		if s, ok := v.(types.String); ok && !s.IsNull() && !s.IsUnknown() {
			out[k] = s.ValueString()
		}
	}
	return out
}
