package provider

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// block makes a provider block of some attributes; the others are null.
func block(t *testing.T, attributes map[string]tftypes.Value) tfsdk.Config {
	t.Helper()
	var resp provider.SchemaResponse
	(&mlk{}).Schema(t.Context(), provider.SchemaRequest{}, &resp)
	kind, ok := resp.Schema.Type().TerraformType(t.Context()).(tftypes.Object)
	if !ok {
		t.Fatal("the block is no object")
	}
	values := map[string]tftypes.Value{}
	for name, of := range kind.AttributeTypes {
		values[name] = tftypes.NewValue(of, nil)
	}
	for name, v := range attributes {
		if _, ok := values[name]; !ok {
			t.Fatalf("there is no attribute %s", name)
		}
		values[name] = v
	}
	return tfsdk.Config{Schema: resp.Schema, Raw: tftypes.NewValue(kind, values)}
}

func str(s string) tftypes.Value { return tftypes.NewValue(tftypes.String, s) }

var unknownString = tftypes.NewValue(tftypes.String, tftypes.UnknownValue)

func strs(m map[string]any) tftypes.Value {
	values := map[string]tftypes.Value{}
	for k, v := range m {
		values[k] = tftypes.NewValue(tftypes.String, v)
	}
	return tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, values)
}

var execType = tftypes.Object{AttributeTypes: map[string]tftypes.Type{
	"api_version": tftypes.String, "command": tftypes.String,
	"args": tftypes.List{ElementType: tftypes.String}, "env": tftypes.Map{ElementType: tftypes.String},
}}

func exec(env tftypes.Value) tftypes.Value {
	return tftypes.NewValue(execType, map[string]tftypes.Value{
		"api_version": str("client.authentication.k8s.io/v1"), "command": str("aws"),
		"args": tftypes.NewValue(tftypes.List{ElementType: tftypes.String}, []tftypes.Value{str("eks"), str("get-token")}),
		"env":  env,
	})
}

// configure configures a provider in an environment of its own.
func configure(t *testing.T, env map[string]string, config tfsdk.Config, deferral bool) (*lifecycle.ProviderData, provider.ConfigureResponse) {
	t.Helper()
	p := &mlk{version: "test", getenv: func(name string) string { return env[name] }}
	var resp provider.ConfigureResponse
	p.Configure(t.Context(), provider.ConfigureRequest{
		Config:             config,
		ClientCapabilities: provider.ConfigureProviderClientCapabilities{DeferralAllowed: deferral},
	}, &resp)
	data, _ := resp.ResourceData.(*lifecycle.ProviderData)
	return data, resp
}

func TestSchemaIsValid(t *testing.T) {
	t.Parallel()
	server, err := providerserver.NewProtocol6WithError(New("test")())()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range resp.Diagnostics {
		t.Errorf("%s: %s", d.Summary, d.Detail)
	}
	described(t, "provider", resp.Provider.Block.Attributes)
}

// described checks that every attribute says what it does, in sentences.
func described(t *testing.T, where string, attributes []*tfprotov6.SchemaAttribute) {
	t.Helper()
	for _, a := range attributes {
		name := where + "." + a.Name
		if len(a.Description) < 15 || !strings.HasSuffix(a.Description, ".") {
			t.Errorf("%s is not described: %q", name, a.Description)
		}
		if a.Optional && !strings.Contains(a.Description, "efault") && !strings.HasSuffix(a.Name, "kubeconfig_content") && a.Name != "exec" {
			t.Errorf("%s does not say its default: %q", name, a.Description)
		}
		if a.NestedType != nil {
			described(t, name, a.NestedType.Attributes)
		}
	}
}

func TestSecretsAreSensitive(t *testing.T) {
	t.Parallel()
	var resp provider.SchemaResponse
	(&mlk{}).Schema(t.Context(), provider.SchemaRequest{}, &resp)
	var got []string
	for _, name := range []string{"kubeconfig", "kubeconfig_content", "host", "token", "token_file", "client_certificate", "client_key"} {
		if resp.Schema.Attributes[name].IsSensitive() {
			got = append(got, name)
		}
	}
	if diff := cmp.Diff([]string{"kubeconfig_content", "token", "client_key"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	none := map[string]string{}
	tests := map[string]struct {
		block    map[string]tftypes.Value
		env      map[string]string
		deferral bool
		want     lifecycle.ProviderData
		deferred bool
	}{
		"nothing": {
			want: lifecycle.ProviderData{Namespace: "default", Labels: none, Annotations: none, ClusterChanged: "error"},
		},
		"everything the resources see": {
			block: map[string]tftypes.Value{
				"namespace": str("ml"), "cluster_changed": str("recreate"),
				"labels":      strs(map[string]any{"team": "research", "left-out": nil}),
				"annotations": strs(map[string]any{"example.com/cost": "4711"}),
			},
			env: map[string]string{"KUBE_NAMESPACE": "env"},
			want: lifecycle.ProviderData{
				Namespace: "ml", ClusterChanged: "recreate",
				Labels: map[string]string{"team": "research"}, Annotations: map[string]string{"example.com/cost": "4711"},
			},
		},
		"no log tails": {
			block: map[string]tftypes.Value{"log_tails": tftypes.NewValue(tftypes.Bool, false)},
			want:  lifecycle.ProviderData{Namespace: "default", Labels: none, Annotations: none, ClusterChanged: "error", NoLogTails: true},
		},
		"log tails, as by default": {
			block: map[string]tftypes.Value{"log_tails": tftypes.NewValue(tftypes.Bool, true)},
			want:  lifecycle.ProviderData{Namespace: "default", Labels: none, Annotations: none, ClusterChanged: "error"},
		},
		"plan checks": {
			block: map[string]tftypes.Value{"plan_checks": tftypes.NewValue(
				tftypes.Object{AttributeTypes: map[string]tftypes.Type{"placement": tftypes.String}}, map[string]tftypes.Value{"placement": tftypes.NewValue(tftypes.String, "error")},
			)},
			want: lifecycle.ProviderData{Namespace: "default", Labels: none, Annotations: none, ClusterChanged: "error", Placement: "error"},
		},
		"the namespace of the environment": {
			env:  map[string]string{"KUBE_NAMESPACE": "env"},
			want: lifecycle.ProviderData{Namespace: "env", Labels: none, Annotations: none, ClusterChanged: "error"},
		},
		"an unknown host": {
			block: map[string]tftypes.Value{"host": unknownString, "token": unknownString, "labels": strs(map[string]any{"a": "b"})},
			want: lifecycle.ProviderData{
				Unknown: "host", Namespace: "default", Labels: map[string]string{"a": "b"}, Annotations: none, ClusterChanged: "error",
			},
		},
		"an unknown kubeconfig": {
			block: map[string]tftypes.Value{"kubeconfig_content": unknownString},
			env:   map[string]string{"KUBECONFIG": "some-other-cluster"},
			want:  lifecycle.ProviderData{Unknown: "kubeconfig_content", Namespace: "default", Labels: none, Annotations: none, ClusterChanged: "error"},
		},
		"an unknown command": {
			block: map[string]tftypes.Value{"exec": tftypes.NewValue(execType, tftypes.UnknownValue)},
			want:  lifecycle.ProviderData{Unknown: "exec", Namespace: "default", Labels: none, Annotations: none, ClusterChanged: "error"},
		},
		"an unknown value deep inside": {
			block: map[string]tftypes.Value{"exec": exec(strs(map[string]any{"AWS_PROFILE": tftypes.UnknownValue}))},
			want:  lifecycle.ProviderData{Unknown: "exec.env", Namespace: "default", Labels: none, Annotations: none, ClusterChanged: "error"},
		},
		"what shapes the objects is named first": {
			block: map[string]tftypes.Value{
				"host": unknownString, "annotations": strs(map[string]any{"a": tftypes.UnknownValue}),
				"labels": strs(map[string]any{"a": tftypes.UnknownValue, "b": "known"}),
			},
			want: lifecycle.ProviderData{Unknown: "labels", Open: []string{"labels", "annotations"}, Namespace: "default", Labels: map[string]string{"b": "known"}, Annotations: none, ClusterChanged: "error"},
		},
		"unknown, and Terraform can wait": {
			block:    map[string]tftypes.Value{"host": unknownString},
			deferral: true,
			want:     lifecycle.ProviderData{Unknown: "host", Namespace: "default", Labels: none, Annotations: none, ClusterChanged: "error"},
			deferred: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, resp := configure(t, tt.env, block(t, tt.block), tt.deferral)
			if resp.Diagnostics.HasError() {
				t.Fatal(resp.Diagnostics)
			}
			connect := data.Connect
			got := *data
			got.Connect, got.Inventory = nil, nil
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if tt.deferred != (resp.Deferred != nil) {
				t.Errorf("deferred: %v", resp.Deferred)
			}
			if resp.DataSourceData != resp.ResourceData || resp.EphemeralResourceData != resp.ResourceData ||
				resp.ListResourceData != resp.ResourceData || resp.ActionData != resp.ResourceData {
				t.Error("not everything gets the same")
			}
			if tt.want.Unknown != "" {
				if _, err := connect(); err == nil || !strings.Contains(err.Error(), `"`+tt.want.Unknown+`" is not known yet`) {
					t.Errorf("connect: %v", err)
				}
			}
		})
	}
}

func TestNamespaceOfTheEnvironmentIsChecked(t *testing.T) {
	t.Parallel()
	_, resp := configure(t, map[string]string{"KUBE_NAMESPACE": "Not A Name"}, block(t, nil), false)
	want := "KUBE_NAMESPACE is not the name of a namespace"
	if len(resp.Diagnostics) != 1 || resp.Diagnostics[0].Summary() != want {
		t.Errorf("got %v, want %q", resp.Diagnostics, want)
	}
}

// authority is any certificate.
const authority = `-----BEGIN CERTIFICATE-----
MIIBgDCCASWgAwIBAgIUd/YYk5Ag++PCfSlEhGUydoRKFs0wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyMzIxMjIxN1oYDzIxMjYxMDMw
MjEyMjE3WjAUMRIwEAYDVQQDDAlhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAT7gnVFBbxp5pP59wSA9/8dRpIRF283BEzZ+xoRL19DxFjEqX6AsENv
mOYAnKBHjL+mxwi1slK6KLk7LpI91DUZo1MwUTAdBgNVHQ4EFgQU615lCMozIsJN
Hd+V2qUw/xbbfUYwHwYDVR0jBBgwFoAU615lCMozIsJNHd+V2qUw/xbbfUYwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAjl94QdK6bt6SSafAJXHS
z9nBLW1kU9toGaHSnvpDdBICIQDWPA7jfYxspGCRSRev2ZyHEZuIVW5kj+nnpH5D
2g04BA==
-----END CERTIFICATE-----
`

const lab = `{apiVersion: v1, kind: Config, current-context: lab, contexts: [{name: lab, context: {cluster: lab}}],
clusters: [{name: lab, cluster: {server: https://lab.example.com}}]}`

func TestConnect(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	// Configure reads nothing: the file is not there yet.
	data, resp := configure(t, nil, block(t, map[string]tftypes.Value{"kubeconfig": str(file)}), false)
	if resp.Diagnostics.HasError() {
		t.Fatal(resp.Diagnostics)
	}
	if _, err := data.Connect(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want an error that names the missing file", err)
	}
	// Another resource of the same apply may write it.
	if err := os.WriteFile(file, []byte(lab), 0o600); err != nil {
		t.Fatal(err)
	}
	one, err := data.Connect()
	if err != nil {
		t.Fatal(err)
	}
	two, err := data.Connect()
	if err != nil {
		t.Fatal(err)
	}
	if one != two {
		t.Error("each call makes another client")
	}
}

func TestNothingConfigured(t *testing.T) { // pain 24
	t.Parallel()
	data, resp := configure(t, nil, block(t, nil), false)
	if resp.Diagnostics.HasError() {
		t.Fatal(resp.Diagnostics)
	}
	_, err := data.Connect()
	if err == nil || !strings.HasPrefix(err.Error(), "No cluster is configured. Set one of these:") || strings.Contains(err.Error(), "localhost") {
		t.Errorf("got %v", err)
	}
}

// Every connection attribute arrives where it is used.
func TestEveryAttributeArrives(t *testing.T) {
	t.Parallel()
	set := map[string]tftypes.Value{
		"kubeconfig": str("f"), "kubeconfig_content": str("g"), "context": str("c"), "host": str("h"), "token": str("t"), "token_file": str("tf"),
		"cluster_ca_certificate": str("ca"), "client_certificate": str("cc"), "client_key": str("ck"), "tls_server_name": str("sn"),
		"insecure": tftypes.NewValue(tftypes.Bool, false), "proxy_url": str("p"), "exec": exec(strs(map[string]any{"A": "b", "left-out": nil})),
		"qps": tftypes.NewValue(tftypes.Number, 2.5), "burst": tftypes.NewValue(tftypes.Number, 7),
	}
	var m model
	if d := block(t, set).Get(t.Context(), &m); d.HasError() {
		t.Fatal(d)
	}
	got, d := (&mlk{version: "1"}).config(t.Context(), m)
	if d.HasError() {
		t.Fatal(d)
	}
	insecure := got.Insecure
	if insecure == nil || *insecure {
		t.Errorf("insecure is %v, want false", insecure)
	}
	type fields = map[string]any
	want := fields{
		"kubeconfig": "f", "kubeconfig_content": "g", "context": "c", "host": "h", "token": "t", "token_file": "tf",
		"cluster_ca_certificate": "ca", "client_certificate": "cc", "client_key": "ck", "tls_server_name": "sn", "proxy_url": "p",
		"qps": 2.5, "burst": 7, "version": "1",
		"exec": fields{
			"api_version": "client.authentication.k8s.io/v1", "command": "aws",
			"args": []string{"eks", "get-token"}, "env": map[string]string{"A": "b"},
		},
	}
	seen := fields{
		"kubeconfig": got.Kubeconfig, "kubeconfig_content": got.KubeconfigContent, "context": got.Context, "host": got.Host, "token": got.Token,
		"token_file": got.TokenFile, "cluster_ca_certificate": got.ClusterCACertificate, "client_certificate": got.ClientCertificate,
		"client_key": got.ClientKey, "tls_server_name": got.TLSServerName, "proxy_url": got.ProxyURL,
		"qps": got.QPS, "burst": got.Burst, "version": got.Version,
		"exec": fields{"api_version": got.Exec.APIVersion, "command": got.Exec.Command, "args": got.Exec.Args, "env": got.Exec.Env},
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

// validate asks a real provider server, as Terraform does, so that the
// validators of the schema run too.
func validate(t *testing.T, config tfsdk.Config) []*tfprotov6.Diagnostic {
	t.Helper()
	server, err := providerserver.NewProtocol6WithError(New("test")())()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tfprotov6.NewDynamicValue(config.Raw.Type(), config.Raw)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.ValidateProviderConfig(t.Context(), &tfprotov6.ValidateProviderConfigRequest{Config: &raw})
	if err != nil {
		t.Fatal(err)
	}
	return resp.Diagnostics
}

func TestValidate(t *testing.T) {
	t.Parallel()
	null := tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, nil)
	yes, no := tftypes.NewValue(tftypes.Bool, true), tftypes.NewValue(tftypes.Bool, false)
	unknownBool := tftypes.NewValue(tftypes.Bool, tftypes.UnknownValue)
	garbage := "-----BEGIN CERTIFICATE-----\n" + base64.StdEncoding.EncodeToString([]byte("x")) + "\n-----END CERTIFICATE-----\n"

	tests := map[string]struct {
		block map[string]tftypes.Value
		want  []string
	}{
		"nothing":              {nil, nil},
		"host with kubeconfig": {map[string]tftypes.Value{"kubeconfig": str("~/.kube/config"), "host": str("https://tunnel:6443")}, nil},
		"all unknown": {map[string]tftypes.Value{
			"kubeconfig": unknownString, "kubeconfig_content": unknownString, "token": unknownString, "token_file": unknownString,
			"client_certificate": unknownString, "client_key": unknownString, "insecure": unknownBool, "cluster_ca_certificate": unknownString,
			"exec": tftypes.NewValue(execType, tftypes.UnknownValue), "burst": tftypes.NewValue(tftypes.Number, tftypes.UnknownValue),
			"labels": tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, tftypes.UnknownValue),
		}, nil},
		"a certificate whose key is unknown": {map[string]tftypes.Value{"client_key": unknownString, "client_certificate": unknownString}, nil},
		"insecure = false with a CA":         {map[string]tftypes.Value{"insecure": no, "cluster_ca_certificate": str(authority)}, nil},

		"two kubeconfigs": {
			map[string]tftypes.Value{"kubeconfig": str("a"), "kubeconfig_content": str("b")},
			[]string{`kubeconfig_content: The provider block sets both kubeconfig and kubeconfig_content`},
		},
		"three ways to authenticate": {
			map[string]tftypes.Value{"token": str("a"), "token_file": str("b"), "exec": exec(null)},
			[]string{
				`exec: The provider block sets both token and exec`,
				`exec: The provider block sets both token_file and exec`,
				`token_file: The provider block sets both token and token_file`,
			},
		},
		"insecure and a CA": {
			map[string]tftypes.Value{"insecure": yes, "cluster_ca_certificate": str(authority)},
			[]string{`cluster_ca_certificate: The provider block sets both insecure and cluster_ca_certificate`},
		},
		"a certificate without its key, and a command": {
			map[string]tftypes.Value{"client_certificate": str(authority), "exec": exec(null)},
			[]string{
				`client_certificate: The provider block sets client_certificate without client_key`,
				`exec: The provider block sets both client_certificate and exec`,
			},
		},
		"burst alone": {
			map[string]tftypes.Value{"burst": tftypes.NewValue(tftypes.Number, 5)},
			[]string{`burst: The provider block sets burst without qps`},
		},
		"credentials without encryption": {
			map[string]tftypes.Value{"host": str("http://h"), "token": str("t")},
			[]string{`host: The provider's token would be sent unencrypted`},
		},
		"kubectl proxy": {map[string]tftypes.Value{"host": str("http://127.0.0.1:8001")}, nil},

		"empty strings": {
			map[string]tftypes.Value{"kubeconfig_content": str(""), "token": str(" \n"), "host": str("")},
			[]string{
				`host: The provider's host is empty`,
				`kubeconfig_content: The provider's kubeconfig_content is empty`,
				`token: The provider's token is empty`,
			},
		},
		"the text of a file for its path": {
			map[string]tftypes.Value{"kubeconfig": str(lab)},
			[]string{`kubeconfig: The provider's kubeconfig is not a path`},
		},
		"addresses": {
			map[string]tftypes.Value{"host": str("tcp://h"), "proxy_url": str("proxy:3128")},
			[]string{
				`host: The provider's host is not the address of an API server`,
				`proxy_url: The provider's proxy_url is not the URL of a proxy`,
			},
		},
		"certificates": {
			map[string]tftypes.Value{"cluster_ca_certificate": str("/etc/ca.pem"), "client_certificate": str(garbage), "client_key": str("x")},
			[]string{
				`client_certificate: The provider's client_certificate is not a certificate`,
				`client_key: The provider's client_key is not a private key`,
				`cluster_ca_certificate: The provider's cluster_ca_certificate is not a certificate`,
			},
		},
		"labels and annotations": {
			map[string]tftypes.Value{
				"labels":      strs(map[string]any{"mlk.dev/owner": "me", "Team.example/x": "a", "team": "not a label value"}),
				"annotations": strs(map[string]any{"mlk.dev/claim": "mine", "Team.example/note": "any text: at all"}),
			},
			[]string{
				`annotations: "mlk.dev/claim" is not an annotation key you can set`,
				`labels: "Team.example/x" is not a label key you can set`,
				`labels: "mlk.dev/owner" is not a label key you can set`,
				`labels: "not a label value" is not a label value`,
			},
		},
		"a namespace": {
			map[string]tftypes.Value{"namespace": str("ML")},
			[]string{`namespace: "ML" is not a DNS label`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, d := range validate(t, block(t, tt.block)) {
				got = append(got, attribute(d.Attribute)+": "+d.Summary)
				if len(d.Summary) > 90 || strings.HasSuffix(d.Summary, ".") {
					t.Errorf("the summary %q is not in our style", d.Summary)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What is wrong is said once, in full, without the secret.
func TestValidateDetail(t *testing.T) {
	t.Parallel()
	var got []string
	for _, d := range validate(t, block(t, map[string]tftypes.Value{"client_key": str("my-secret"), "proxy_url": str("ftp://me:my-secret@proxy")})) {
		got = append(got, d.Summary+"\n"+d.Detail)
	}
	slices.Sort(got)
	want := []string{
		"The provider block sets client_key without client_certificate\nA private key authenticates only together with its certificate.\n\nSet client_certificate too, or remove client_key.",
		"The provider's client_key is not a private key\nclient_key is neither PEM nor base64 of PEM; if it is the path of a file, use file().",
		"The provider's proxy_url is not the URL of a proxy\nproxy_url has the scheme \"ftp\"; it must be http, https or socks5.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNumbersAndChoices(t *testing.T) {
	t.Parallel()
	for name, attributes := range map[string]map[string]tftypes.Value{
		"qps":             {"qps": tftypes.NewValue(tftypes.Number, 0)},
		"burst":           {"qps": tftypes.NewValue(tftypes.Number, 1), "burst": tftypes.NewValue(tftypes.Number, 0)},
		"cluster_changed": {"cluster_changed": str("ignore")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := validate(t, block(t, attributes))
			if len(got) != 1 || attribute(got[0].Attribute) != name {
				t.Errorf("got %v, want one error at %s", got, name)
			}
		})
	}
}

// attribute writes a path as users do.
func attribute(p *tftypes.AttributePath) string {
	out := path.Empty()
	for _, step := range p.Steps() {
		switch s := step.(type) {
		case tftypes.AttributeName:
			out = out.AtName(string(s))
		case tftypes.ElementKeyString:
			out = out.AtMapKey(string(s))
		}
	}
	return out.String()
}
