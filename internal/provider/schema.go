package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-validators/float64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// model mirrors the provider block. Any value may be unknown.
type model struct {
	Kubeconfig           types.String  `tfsdk:"kubeconfig"`
	KubeconfigContent    types.String  `tfsdk:"kubeconfig_content"`
	Context              types.String  `tfsdk:"context"`
	Host                 types.String  `tfsdk:"host"`
	Token                types.String  `tfsdk:"token"`
	TokenFile            types.String  `tfsdk:"token_file"`
	ClusterCACertificate types.String  `tfsdk:"cluster_ca_certificate"`
	ClientCertificate    types.String  `tfsdk:"client_certificate"`
	ClientKey            types.String  `tfsdk:"client_key"`
	TLSServerName        types.String  `tfsdk:"tls_server_name"`
	Insecure             types.Bool    `tfsdk:"insecure"`
	ProxyURL             types.String  `tfsdk:"proxy_url"`
	Exec                 types.Object  `tfsdk:"exec"`
	Namespace            types.String  `tfsdk:"namespace"`
	Labels               types.Map     `tfsdk:"labels"`
	Annotations          types.Map     `tfsdk:"annotations"`
	ClusterChanged       types.String  `tfsdk:"cluster_changed"`
	LogTails             types.Bool    `tfsdk:"log_tails"`
	PlanChecks           types.Object  `tfsdk:"plan_checks"`
	QPS                  types.Float64 `tfsdk:"qps"`
	Burst                types.Int32   `tfsdk:"burst"`
}

// execModel mirrors exec.
type execModel struct {
	APIVersion types.String `tfsdk:"api_version"`
	Command    types.String `tfsdk:"command"`
	Args       types.List   `tfsdk:"args"`
	Env        types.Map    `tfsdk:"env"`
}

// The values of cluster_changed.
const (
	clusterChangedError    = "error"
	clusterChangedRecreate = "recreate"
)

// reserved is the prefix of the marks mlk puts on its objects.
const reserved = "mlk.dev/"

// The limits of numbers. A smaller rate would stall an apply for minutes.
const (
	leastQPS   = 0.1
	leastBurst = 1
)

// Schema describes the provider block.
func (p *mlk) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Runs machine learning on Kubernetes: training runs, and the storage they need.\n\n" +
			"Each connection setting is taken from the first of these that has it:\n\n" +
			"1. its own attribute in the provider block;\n" +
			"2. `kubeconfig_content`;\n" +
			"3. the files that `kubeconfig` names;\n" +
			"4. the environment: its own variable (`KUBE_HOST`, `KUBE_TOKEN`, …), then the kubeconfig files of `KUBE_CONFIG_PATH`, else `KUBE_CONFIG_PATHS`, else `KUBECONFIG`;\n" +
			"5. the service account of the pod that Terraform runs in, when nothing above names a cluster.\n\n" +
			"Credentials count as one setting: a `token` replaces everything a kubeconfig says about its user. The kubeconfig files of the environment are not read when the block sets `host`, unless it sets `context` too. " +
			"`~/.kube/config` is read only where one of the above names it. " +
			"Values may be unknown at plan, for example because the cluster is made in the same apply: the plan is then made from the configuration alone.",
		Attributes: map[string]schema.Attribute{
			"kubeconfig": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Path of a kubeconfig file, `~` being the home directory. Several paths, separated by `:` (`;` on Windows) as in `KUBECONFIG`, are merged as kubectl does: the first to name a thing wins. " +
					"Each file must exist. Conflicts with `kubeconfig_content`. Default: the files of `KUBE_CONFIG_PATH`, else `KUBE_CONFIG_PATHS`, else `KUBECONFIG`, of which some may be missing.",
				Validators: []validator.String{filled(), singleLine()},
			},
			"kubeconfig_content": schema.StringAttribute{
				Optional: true, Sensitive: true,
				MarkdownDescription: "Text of a kubeconfig, for runs that have no files, such as remote runs. Conflicts with `kubeconfig`. Relative paths in it start at Terraform's working directory.",
				Validators:          []validator.String{filled()},
			},
			"context": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Name of the context to use of the kubeconfig. Default: `KUBE_CTX`, else the kubeconfig's `current-context`; with `kubeconfig_content` its `current-context` goes first. " +
					"`KUBE_CTX_CLUSTER` and `KUBE_CTX_AUTH_INFO` replace the cluster and the user of a context that was not chosen here, in a kubeconfig that comes from files.",
				Validators: []validator.String{filled()},
			},
			"host": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "URL of the API server, for example `https://10.0.0.1:6443`; `https` when it has no scheme. May have a path, as behind Rancher. " +
					"Replaces the server of the kubeconfig when both are set. Default: `KUBE_HOST`.",
				Validators: []validator.String{filled(), hostURL()},
			},
			"token": schema.StringAttribute{
				Optional: true, Sensitive: true,
				MarkdownDescription: "Bearer token. It cannot be refreshed in a long apply: prefer `token_file` or `exec` where tokens expire within hours. Conflicts with `token_file` and `exec`. Default: `KUBE_TOKEN`.",
				Validators:          []validator.String{filled()},
			},
			"token_file": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Path of a file with a bearer token, `~` being the home directory. The file is read again every minute, and at once when the server answers 401, so that a token that is renewed outside stays good in a long apply. " +
					"Conflicts with `token` and `exec`. Default: `KUBE_TOKEN_FILE`.",
				Validators: []validator.String{filled(), singleLine()},
			},
			"cluster_ca_certificate": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Certificates of the authorities that may sign the API server's certificate, in PEM or base64 of PEM. Conflicts with `insecure = true`. " +
					"Default: `KUBE_CLUSTER_CA_CERT_DATA`; where nothing names an authority, those this machine trusts.",
				Validators: []validator.String{filled(), certificates()},
			},
			"client_certificate": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Client certificate to authenticate with, in PEM or base64 of PEM. Needs `client_key`; conflicts with `exec`. Default: `KUBE_CLIENT_CERT_DATA`.",
				Validators:          []validator.String{filled(), certificates()},
			},
			"client_key": schema.StringAttribute{
				Optional: true, Sensitive: true,
				MarkdownDescription: "Private key of `client_certificate`, in PEM or base64 of PEM. Default: `KUBE_CLIENT_KEY_DATA`.",
				Validators:          []validator.String{filled(), privateKey()},
			},
			"tls_server_name": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Name that the API server's certificate must be made out to, when it is not the name in `host`, for example behind a tunnel. Default: `KUBE_TLS_SERVER_NAME`, else the host's name.",
				Validators:          []validator.String{filled()},
			},
			"insecure": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "Accept any certificate of the API server. Whoever is in between can then read credentials: only for test clusters. " +
					"`false` also overrules `insecure-skip-tls-verify` in a kubeconfig. Conflicts with `cluster_ca_certificate` when `true`. Default: `KUBE_INSECURE`, else `false`.",
			},
			"proxy_url": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Proxy to reach the API server through: an `http`, `https` or `socks5` URL. Default: `KUBE_PROXY_URL`, else what `HTTPS_PROXY` and `NO_PROXY` say.",
				Validators:          []validator.String{filled(), proxyURL()},
			},
			"exec": schema.SingleNestedAttribute{
				Optional: true,
				MarkdownDescription: "Command that prints credentials, as in a kubeconfig, for example `aws eks get-token`. It is run when the first request is sent, when its credentials expire, and when the server answers 401. " +
					"It must be installed where Terraform runs, and cannot ask questions. Conflicts with `token`, `token_file` and `client_certificate`.",
				Attributes: map[string]schema.Attribute{
					"api_version": schema.StringAttribute{
						Required:            true,
						MarkdownDescription: "Version of `ExecCredential` that the command prints: `client.authentication.k8s.io/v1` or `client.authentication.k8s.io/v1beta1`.",
						Validators:          []validator.String{stringvalidator.OneOf("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")},
					},
					"command": schema.StringAttribute{
						Required:            true,
						MarkdownDescription: "Command to run: a path, or a name that is looked up on `PATH`.",
						Validators:          []validator.String{filled()},
					},
					"args": schema.ListAttribute{
						Optional: true, ElementType: types.StringType,
						MarkdownDescription: "Arguments of the command, in order. Default: none.",
						Validators:          []validator.List{listvalidator.NoNullValues()},
					},
					"env": schema.MapAttribute{
						Optional: true, Sensitive: true, ElementType: types.StringType,
						MarkdownDescription: "Environment variables for the command, besides those Terraform runs with. Default: none.",
						Validators:          []validator.Map{mapvalidator.KeysAre(filled())},
					},
				},
			},
			"namespace": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Namespace of resources that set none. Existing objects stay where they are when it changes. The namespace of a kubeconfig context is not used, " +
					"because it is nothing the configuration says. Default: `KUBE_NAMESPACE`, else `default`.",
				Validators: []validator.String{diags.DNSLabel()},
			},
			"labels": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Labels of every object, besides those of its resource, which win. They are shown in each plan as `labels_all`, and changed in place. Keys under `mlk.dev/` are reserved. Default: none.",
				Validators:          []validator.Map{mapvalidator.KeysAre(diags.LabelKey(reserved)), mapvalidator.ValueStringsAre(diags.LabelValue())},
			},
			"annotations": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Annotations of every object, besides those of its resource, which win. They are shown in each plan as `annotations_all`, and changed in place. Keys under `mlk.dev/` are reserved. Default: none.",
				Validators:          []validator.Map{mapvalidator.KeysAre(diags.AnnotationKey(reserved))},
			},
			"cluster_changed": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "What to do when the cluster behind this block is not the one a resource was made on. `error` (default): refuse, with the state untouched, because the block probably points at the wrong cluster. " +
					"`recreate`: forget the objects of the old cluster and make them anew on this one, for clusters that are rebuilt on purpose.",
				Validators: []validator.String{stringvalidator.OneOf(clusterChangedError, clusterChangedRecreate)},
			},
			"log_tails": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "Whether explanations of a failure quote the end of the log, at most 10 lines, of the containers that failed. Values that containers get from secrets are masked; where those cannot be read, nothing is quoted. " +
					"`false` keeps logs out of Terraform's output, for logs that hold other people's data. Default: `true`.",
			},
			"plan_checks": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "What a plan asks the cluster beyond whether it takes the objects. Unchanged resources are not asked about. Default: everything is asked that can be.",
				Attributes: map[string]schema.Attribute{
					"placement": schema.StringAttribute{
						Optional: true,
						MarkdownDescription: "What to make of pods that the nodes have no room for: GPUs that no node has, a gang larger than the cluster, taints and labels that leave no node, a rollout that finds no free GPU. " +
							"`warning` (default): say so in the plan. `error`: refuse the plan where no waiting would help and there is no sign of an autoscaler; say the rest. `off`: do not look. " +
							"The nodes are read once for all resources of a plan. Nothing is said where they may not be read, for resources in a queue, and where Karpenter or the cluster autoscaler makes nodes.",
						Validators: []validator.String{stringvalidator.OneOf(lifecycle.PlacementWarning, lifecycle.PlacementError, lifecycle.PlacementOff)},
					},
				},
			},
			"qps": schema.Float64Attribute{
				Optional:            true,
				MarkdownDescription: "Most requests a second that mlk sends to the API server, at least 0.1. Default: no limit on this side; the server's own priority and fairness keeps the order.",
				Validators:          []validator.Float64{float64validator.AtLeast(leastQPS)},
			},
			"burst": schema.Int32Attribute{
				Optional:            true,
				MarkdownDescription: "Requests that may go at once before `qps` holds them back, at least 1. Needs `qps`. Default: 10.",
				Validators:          []validator.Int32{int32validator.AtLeast(leastBurst)},
			},
		},
	}
}
