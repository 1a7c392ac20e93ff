package inferenceservice

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// serves reports whether there is to be a Service.
func (m *Model) serves() bool {
	return m.Service == nil || m.Service.Enabled.IsNull() || m.Service.Enabled.ValueBool()
}

// given is what the configuration says of the Service; empty for nothing.
func (m *Model) given() Service {
	if m.Service == nil {
		return Service{}
	}
	return *m.Service
}

// serviceName is the name of the Service.
func serviceName(m *Model) string {
	if n := m.given().Name; !n.IsNull() {
		return n.ValueString()
	}
	if m.inGroups() {
		return m.Name.ValueString() + "-leader" // the set makes a headless one of its own name
	}
	return m.Name.ValueString()
}

// service is the Service; nil for none.
func service(m *Model, pod *podspec.Model) *corev1ac.ServiceApplyConfiguration {
	if !m.serves() || m.byKServe() {
		return nil
	}
	s := m.given()
	spec := corev1ac.ServiceSpec().WithSelector(serviceSelector(m))
	spec.Type = values.Enum[corev1.ServiceType](s.Type)
	spec.SessionAffinity = values.Enum[corev1.ServiceAffinity](s.SessionAffinity)
	spec.LoadBalancerClass = s.LoadBalancerClass.ValueStringPointer()
	if s.Headless.ValueBool() {
		spec.WithClusterIP(corev1.ClusterIPNone)
	}
	for _, p := range ports(s, pod) {
		port := corev1ac.ServicePort().WithPort(p.number).WithProtocol(p.protocol)
		if p.name != "" {
			port.WithName(p.name)
		}
		if p.target != nil {
			port.WithTargetPort(*p.target)
		}
		port.AppProtocol = s.AppProtocol.ValueStringPointer()
		spec.WithPorts(port)
	}
	out := corev1ac.Service(serviceName(m), m.Namespace.ValueString()).WithSpec(spec)
	if len(s.Annotations) > 0 {
		out.WithAnnotations(values.Plain(s.Annotations))
	}
	return out
}

// port is one port of the Service.
type port struct {
	name     string
	number   int32
	protocol corev1.Protocol
	// target is nil where it is the same number.
	target *intstr.IntOrString
}

// ports are those the Service has: the one it is given, or those of the main
// container.
func ports(s Service, pod *podspec.Model) []port {
	var out []port
	for key, p := range pod.Ports {
		number, protocol, name := p.Listen(key)
		out = append(out, port{name: name, number: number, protocol: protocol})
	}
	slices.SortFunc(out, func(a, b port) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.protocol, b.protocol))
	})
	if s.Port.IsNull() {
		for i := range out {
			if out[i].name == "" && len(out) > 1 {
				out[i].name = strings.ToLower(fmt.Sprintf("%s-%d", out[i].protocol, out[i].number)) // several ports need names
			}
		}
		return out
	}
	one := port{number: s.Port.ValueInt32(), protocol: corev1.ProtocolTCP}
	if len(out) == 1 {
		one.name, one.protocol = out[0].name, out[0].protocol
	}
	switch {
	case !s.TargetPort.IsNull():
		one.target = portTarget(s.TargetPort.ValueString())
	case len(out) == 1 && out[0].number != one.number:
		one.target = portTarget(strconv.Itoa(int(out[0].number)))
	}
	return []port{one}
}

func portTarget(s string) *intstr.IntOrString {
	t := intstr.Parse(s)
	return &t
}

// portHTTP is the port that is preferred in url.
const portHTTP = "http"

// url is where the service is reached: by the address of route or ingress, where
// they have one, else inside the cluster; null without a Service, or a port.
func url(m *Model) types.String {
	pod := effective(m)
	at, ok := frontPort(m, &pod)
	switch {
	case !ok:
		return types.StringNull()
	case m.Route != nil && !m.Route.address().IsNull():
		return m.Route.address()
	case m.Ingress != nil && !m.Ingress.address().IsNull():
		return m.Ingress.address()
	}
	number := at.number
	if m.given().Headless.ValueBool() && at.target != nil {
		number = numberOf(*at.target, &pod, number) // its name leads to the pods themselves
	}
	scheme, shown := "http", ":"+strconv.Itoa(int(number))
	const tls, web = 443, 80
	if m.given().AppProtocol.ValueString() == "https" || m.given().AppProtocol.IsNull() && at.number == tls {
		scheme = "https"
	}
	if scheme == "http" && number == web || scheme == "https" && number == tls {
		shown = ""
	}
	return types.StringValue(scheme + "://" + serviceName(m) + "." + m.Namespace.ValueString() + ".svc" + shown)
}

// numberOf is the number of a port of the main container that may be named.
func numberOf(t intstr.IntOrString, pod *podspec.Model, otherwise int32) int32 {
	if t.Type == intstr.Int {
		return t.IntVal
	}
	for key, p := range pod.Ports {
		if number, _, name := p.Listen(key); name == t.StrVal {
			return number
		}
	}
	return otherwise
}

// serviceFields says which attribute made which field of the Service.
func serviceFields(m *Model, pod *podspec.Model) diags.Fields {
	var f diags.Fields
	kind, s := kube.Service.Kind, m.given()
	f.Add(servicePath.AtName("name"), kind, "metadata", "name")
	for k := range s.Annotations {
		f.Add(servicePath.AtName("annotations").AtMapKey(k), kind, "metadata", "annotations", k)
	}
	f.Add(servicePath.AtName("enabled"), kind, "spec")
	f.Add(servicePath.AtName("type"), kind, "spec", "type")
	f.Add(servicePath.AtName("session_affinity"), kind, "spec", "sessionAffinity")
	f.Add(servicePath.AtName("load_balancer_class"), kind, "spec", "loadBalancerClass")
	f.Add(servicePath.AtName("headless"), kind, "spec", "clusterIP")
	f.Add(servicePath.AtName("enabled"), kind, "spec", "ports") // what becomes of them no attribute may say
	f.Add(servicePath.AtName("port"), kind, "spec", "ports")
	for _, p := range ports(s, pod) {
		at := []string{kind, "spec", "ports", fmt.Sprintf("%d/%s", p.number, p.protocol)}
		f.Add(servicePath.AtName("port"), at...)
		f.Add(servicePath.AtName("enabled"), append(at, "name")...)
		f.Add(servicePath.AtName("target_port"), append(at, "targetPort")...)
		f.Add(servicePath.AtName("app_protocol"), append(at, "appProtocol")...)
	}
	return f
}
