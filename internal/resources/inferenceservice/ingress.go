package inferenceservice

import (
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	networkingv1 "k8s.io/api/networking/v1"
	networkingac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

var ingressPath = path.Root("ingress")

// Ingress is how the service is reached from outside, through an ingress controller.
type Ingress struct {
	Class       types.String            `tfsdk:"class"`
	Host        types.String            `tfsdk:"host"`
	Path        types.String            `tfsdk:"path"`
	TLSSecret   types.String            `tfsdk:"tls_secret"`
	Annotations map[string]types.String `tfsdk:"annotations"`
}

// root is the path of everything.
const root = "/"

func ingressAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "Lets requests in from outside, through an ingress controller: an Ingress of the same name. Needs the Service; `url` is the address it makes. Default: none. Not with `route`. Changed in place.",
		Attributes: map[string]schema.Attribute{
			"class": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Name of the IngressClass, such as `nginx`. Default: the cluster's default class.",
				Validators: []validator.String{diags.DNSSubdomain()},
			},
			"host": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Host name of the requests, such as `llama.example.com`, or `*.example.com`. Default: any.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"path": schema.StringAttribute{
				Optional: true, MarkdownDescription: "How their path begins. Default `/`.",
				Validators: []validator.String{beginsWithSlash},
			},
			"tls_secret": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Secret of the namespace that has certificate and key of `host`, as cert-manager makes it. Default: none, so that plain HTTP is spoken.",
				Validators: []validator.String{diags.DNSSubdomain()},
			},
			"annotations": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Annotations of the Ingress alone, as its controller reads them, over those of `annotations`: `{ \"nginx.ingress.kubernetes.io/proxy-read-timeout\" = \"3600\" }` for long answers. Default: none.",
				Validators:          []validator.Map{mapvalidator.NoNullValues(), mapvalidator.KeysAre(diags.AnnotationKey("mlk.dev/"))},
			},
		},
	}
}

// frontPort is the port of the Service that requests from outside go to: the one
// called http, or else its lowest; false without a Service or a port.
func frontPort(m *Model, pod *podspec.Model) (port, bool) {
	all := ports(m.given(), pod)
	if !m.serves() || len(all) == 0 {
		return port{}, false
	}
	for _, p := range all {
		if p.name == portHTTP {
			return p, true
		}
	}
	return all[0], true
}

// apply is the Ingress of a service; nil when there is no port to lead to.
func (i *Ingress) apply(m *Model) *networkingac.IngressApplyConfiguration {
	pod := effective(m)
	front, ok := frontPort(m, &pod)
	if !ok {
		return nil
	}
	at := root
	if !i.Path.IsNull() {
		at = i.Path.ValueString()
	}
	rule := networkingac.IngressRule().WithHTTP(networkingac.HTTPIngressRuleValue().WithPaths(
		networkingac.HTTPIngressPath().WithPath(at).WithPathType(networkingv1.PathTypePrefix).WithBackend(
			networkingac.IngressBackend().WithService(networkingac.IngressServiceBackend().WithName(serviceName(m)).WithPort(
				networkingac.ServiceBackendPort().WithNumber(front.number))))))
	rule.Host = i.Host.ValueStringPointer()
	spec := networkingac.IngressSpec().WithRules(rule)
	spec.IngressClassName = i.Class.ValueStringPointer()
	if !i.TLSSecret.IsNull() {
		tls := networkingac.IngressTLS().WithSecretName(i.TLSSecret.ValueString())
		if !i.Host.IsNull() {
			tls.WithHosts(i.Host.ValueString())
		}
		spec.WithTLS(tls)
	}
	out := networkingac.Ingress(m.Name.ValueString(), m.Namespace.ValueString()).WithSpec(spec)
	if len(i.Annotations) > 0 {
		out.WithAnnotations(values.Plain(i.Annotations))
	}
	return out
}

func (i *Ingress) fields() diags.Fields {
	var f diags.Fields
	kind := kube.Ingress.Kind
	f.Add(ingressPath, kind, "spec") // rules and certificates are of several attributes
	f.Add(ingressPath.AtName("class"), kind, "spec", "ingressClassName")
	for k := range i.Annotations {
		f.Add(ingressPath.AtName("annotations").AtMapKey(k), kind, "metadata", "annotations", k)
	}
	return f
}

// adoptIngress is a live Ingress in the words of prior, which is nil on import; nil
// where its rules are not what these attributes can say.
func adoptIngress(m *Model, live *networkingv1.Ingress, raw *kube.Object, prior *Ingress) *Ingress {
	if live == nil {
		return prior
	}
	i := &Ingress{Class: types.StringPointerValue(live.Spec.IngressClassName)}
	like := prior
	if like == nil {
		like = &Ingress{}
	}
	if rules := live.Spec.Rules; len(rules) > 0 {
		if rules[0].Host != "" {
			i.Host = types.StringValue(rules[0].Host)
		}
		if http := rules[0].HTTP; http != nil && len(http.Paths) > 0 {
			i.Path = values.Word(http.Paths[0].Path, root, like.Path)
		}
	}
	if tls := live.Spec.TLS; len(tls) > 0 {
		i.TLSSecret = types.StringValue(tls[0].SecretName)
	}
	for k, v := range live.Annotations {
		if _, said := like.Annotations[k]; said || prior == nil && !kube.IsGenerated(k) && !reserved(k) {
			if i.Annotations == nil {
				i.Annotations = map[string]types.String{}
			}
			i.Annotations[k] = types.StringValue(v)
		}
	}
	if prior == nil {
		return i
	}
	if made := i.apply(m); made == nil || !faithful(made, raw) {
		return nil
	}
	return i
}

// address is the URL of the Ingress; null where any host will do.
func (i *Ingress) address() types.String {
	if i.Host.IsNull() || strings.HasPrefix(i.Host.ValueString(), "*") {
		return types.StringNull()
	}
	scheme := "http"
	if !i.TLSSecret.IsNull() {
		scheme = "https"
	}
	return types.StringValue(scheme + "://" + i.Host.ValueString() + strings.TrimSuffix(i.Path.ValueString(), root))
}
