package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// ValidateConfig refuses settings that contradict each other. It is silent
// about what is not known yet.
func (p *mlk) ValidateConfig(ctx context.Context, req provider.ValidateConfigRequest, resp *provider.ValidateConfigResponse) {
	var m model
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(contradictions(m)...)
}

// pairs are the attributes that cannot be set together, and why.
var pairs = []struct{ one, other, why string }{
	{"kubeconfig", "kubeconfig_content", "Both say which kubeconfig to use."},
	{"token", "token_file", "Both say which token to use."},
	{"token", "exec", "Both say how to authenticate."},
	{"token_file", "exec", "Both say how to authenticate."},
	{"client_certificate", "exec", "With a client certificate the command would never be run."},
	{"insecure", "cluster_ca_certificate", "One says to accept any certificate, the other which ones to trust."},
}

// needs are the attributes that mean nothing without another.
var needs = []struct{ one, other, why string }{
	{"client_certificate", "client_key", "A certificate authenticates only together with its private key."},
	{"client_key", "client_certificate", "A private key authenticates only together with its certificate."},
	{"burst", "qps", "Without qps nothing is held back, so there is no burst to limit."},
}

// credentials are the attributes that are sent to the server as a proof.
var credentials = []string{"token", "token_file", "client_certificate", "exec"}

func contradictions(m model) diag.Diagnostics {
	var out diag.Diagnostics
	values := map[string]attr.Value{
		"kubeconfig": m.Kubeconfig, "kubeconfig_content": m.KubeconfigContent,
		"token": m.Token, "token_file": m.TokenFile, "exec": m.Exec,
		"client_certificate": m.ClientCertificate, "client_key": m.ClientKey,
		"cluster_ca_certificate": m.ClusterCACertificate, "qps": m.QPS, "burst": m.Burst,
	}
	set := func(name string) bool {
		if name == "insecure" {
			return m.Insecure.ValueBool() // insecure = false contradicts nothing
		}
		return !values[name].IsNull() && !values[name].IsUnknown()
	}
	for _, p := range pairs {
		if set(p.one) && set(p.other) {
			out.Append(diags.Message{
				Summary: fmt.Sprintf("The provider block sets both %s and %s", p.one, p.other),
				Why:     p.why,
				Do:      "Remove one of them.",
				At:      path.Root(p.other),
			}.Error())
		}
	}
	for _, p := range needs {
		if set(p.one) && values[p.other].IsNull() {
			out.Append(diags.Message{
				Summary: fmt.Sprintf("The provider block sets %s without %s", p.one, p.other),
				Why:     p.why,
				Do:      fmt.Sprintf("Set %s too, or remove %s.", p.other, p.one),
				At:      path.Root(p.one),
			}.Error())
		}
	}
	if strings.HasPrefix(m.Host.ValueString(), "http://") {
		for _, name := range credentials {
			if set(name) {
				out.Append(diags.Message{
					Summary: fmt.Sprintf("The provider's %s would be sent unencrypted", name),
					Why:     fmt.Sprintf("host is %s, and credentials are only sent over https.", m.Host.ValueString()),
					Do:      fmt.Sprintf("Use an https address, or remove %s where none is needed, as behind kubectl proxy.", name),
					At:      path.Root("host"),
				}.Error())
				break
			}
		}
	}
	return out
}

// setting checks one string attribute.
type setting struct {
	// must and fault follow the attribute's name, in documentation and in the
	// summary of an error.
	must, fault string
	// check's error follows the attribute's name too.
	check func(string) error
}

func (s setting) Description(context.Context) string         { return s.must }
func (s setting) MarkdownDescription(context.Context) string { return s.must }

func (s setting) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if err := s.check(req.ConfigValue.ValueString()); err != nil {
		resp.Diagnostics.Append(diags.Message{
			Summary: fmt.Sprintf("The provider's %s %s", req.Path, s.fault),
			Why:     fmt.Sprintf("%s %v.", req.Path, err),
			At:      req.Path,
		}.Error())
	}
}

// filled refuses the empty string: falling back to the environment instead
// could mean another cluster.
func filled() validator.String {
	return setting{"must not be empty", "is empty", func(s string) error {
		if strings.TrimSpace(s) == "" {
			return errors.New("has nothing in it; null leaves it out")
		}
		return nil
	}}
}

// singleLine refuses the text of a file where its path is wanted.
func singleLine() validator.String {
	return setting{"must be a path", "is not a path", func(s string) error {
		if strings.ContainsAny(strings.TrimSpace(s), "\r\n") {
			return errors.New("has several lines; it takes a path, not the text of a file")
		}
		return nil
	}}
}

// hostURL, proxyURL, certificates and privateKey check what the kube package
// will need. They leave the empty string to filled.
func hostURL() validator.String {
	return setting{"must be the address of an API server", "is not the address of an API server", unlessEmpty(func(s string) error {
		_, err := kube.ParseHost(s)
		return err
	})}
}

func proxyURL() validator.String {
	return setting{"must be the URL of a proxy", "is not the URL of a proxy", unlessEmpty(kube.CheckProxy)}
}

func certificates() validator.String {
	return setting{"must be a certificate", "is not a certificate", unlessEmpty(func(s string) error {
		_, err := kube.ParseCertificates(s)
		return err
	})}
}

func privateKey() validator.String {
	return setting{"must be a private key", "is not a private key", unlessEmpty(func(s string) error {
		_, err := kube.ParseKey(s)
		return err
	})}
}

func unlessEmpty(check func(string) error) func(string) error {
	return func(s string) error {
		if strings.TrimSpace(s) == "" {
			return nil
		}
		return check(s)
	}
}
