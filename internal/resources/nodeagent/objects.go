package nodeagent

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/kube/crd"
)

// The annotations by which Prometheus finds pods, and what they say.
const (
	scrapeKey     = "prometheus.io/scrape"
	scrapePortKey = "prometheus.io/port"
	scrapePathKey = "prometheus.io/path"
	defaultPath   = "/metrics"
)

// desired returns the DaemonSet, and Service and ServiceMonitor where they are
// asked for.
func desired(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
	pod := effective(m)
	template, ds := pod.Apply()
	if ds.HasError() {
		return nil, ds
	}
	template.WithLabels(selectorOf(m))
	if a := annotationsOf(m.metrics()); a != nil {
		template.WithAnnotations(a)
	}
	spec := appsac.DaemonSetSpec().
		WithSelector(metav1ac.LabelSelector().WithMatchLabels(selectorOf(m))).
		WithTemplate(template)
	spec.MinReadySeconds = m.MinReadySeconds.ValueInt32Pointer()
	spec.RevisionHistoryLimit = m.RevisionHistoryLimit.ValueInt32Pointer()
	if u := m.UpdateStrategy; u != nil {
		spec.WithUpdateStrategy(u.apply())
	}
	out := []runtime.ApplyConfiguration{appsac.DaemonSet(m.Name.ValueString(), m.Namespace.ValueString()).WithLabels(m.QueueLabels()).WithSpec(spec)}
	if s := service(m, &pod); s != nil {
		out = append(out, s)
	}
	if s := monitor(m); s != nil {
		out = append(out, s)
	}
	return out, ds
}

// selectorOf are the labels by which the DaemonSet knows its pods.
func selectorOf(m *Model) map[string]string {
	if len(m.Selector) == 0 {
		return map[string]string{nameKey: labelOf(m.Name.ValueString()), componentKey: component}
	}
	return values.Plain(m.Selector)
}

// labelOf is as much of a name as fits into a label.
func labelOf(name string) string {
	const most = 63
	if len(name) > most {
		name = strings.TrimRight(name[:most], "-.")
	}
	return name
}

// selector is selectorOf as a label selector.
func selector(m *Model) string {
	return metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: selectorOf(m)})
}

func (u *UpdateStrategy) apply() *appsac.DaemonSetUpdateStrategyApplyConfiguration {
	out := appsac.DaemonSetUpdateStrategy()
	out.Type = values.Enum[appsv1.DaemonSetUpdateStrategyType](u.Type)
	if u.MaxUnavailable.IsNull() && u.MaxSurge.IsNull() {
		return out
	}
	how := appsac.RollingUpdateDaemonSet()
	how.MaxUnavailable, how.MaxSurge = values.Share(u.missing()), values.Share(u.MaxSurge)
	return out.WithRollingUpdate(how)
}

// missing is max_unavailable. Beside max_surge the server takes none but 0, and
// would fill in 1.
func (u *UpdateStrategy) missing() types.String {
	if u.MaxUnavailable.IsNull() && !isNone(u.MaxSurge) {
		return types.StringValue("0")
	}
	return u.MaxUnavailable
}

// isNone reports whether a number or share is none, null included.
func isNone(v types.String) bool {
	return v.ValueString() == "" || v.ValueString() == "0" || v.ValueString() == "0%"
}

// metrics are those of the configuration, or of the preset; nil for none.
func (m *Model) metrics() *Metrics {
	if m.Metrics == nil {
		return presets[m.Preset.ValueString()].metrics
	}
	return m.Metrics
}

// annotationsOf are what the pods say of their metrics; nil for nothing.
func annotationsOf(m *Metrics) map[string]string {
	if m == nil || !m.Scrape.IsNull() && m.Scrape.ValueString() != scrapeAnnotations {
		return nil
	}
	out := map[string]string{scrapeKey: "true", scrapePortKey: strconv.Itoa(int(m.Port.ValueInt32()))}
	if !m.Path.IsNull() {
		out[scrapePathKey] = m.Path.ValueString()
	}
	return out
}

// serviceName is the name of the Service, where there is one.
func serviceName(m *Model) string {
	if m.Service == nil || m.Service.Name.IsNull() {
		return m.Name.ValueString()
	}
	return m.Service.Name.ValueString()
}

// service is the Service; nil for none. A ServiceMonitor finds it by its labels.
func service(m *Model, pod *podspec.Model) *corev1ac.ServiceApplyConfiguration {
	if m.Service == nil {
		return nil
	}
	spec := corev1ac.ServiceSpec().WithSelector(selectorOf(m)).WithPorts(ports(pod)...)
	spec.InternalTrafficPolicy = values.Enum[corev1.ServiceInternalTrafficPolicy](m.Service.InternalTrafficPolicy)
	out := corev1ac.Service(serviceName(m), m.Namespace.ValueString()).WithSpec(spec)
	if len(m.Service.Annotations) > 0 {
		out.WithAnnotations(values.Plain(m.Service.Annotations))
	}
	if monitored(m) {
		out.WithLabels(selectorOf(m))
	}
	return out
}

// ports are those of the main container.
func ports(pod *podspec.Model) []*corev1ac.ServicePortApplyConfiguration {
	var out []*corev1ac.ServicePortApplyConfiguration
	for key, p := range pod.Ports {
		number, protocol, name := p.Listen(key)
		port := corev1ac.ServicePort().WithPort(number).WithProtocol(protocol)
		if name == "" && len(pod.Ports) > 1 {
			name = strings.ToLower(fmt.Sprintf("%s-%d", protocol, number)) // several ports need names
		}
		if name != "" {
			port.WithName(name)
		}
		out = append(out, port)
	}
	slices.SortFunc(out, func(a, b *corev1ac.ServicePortApplyConfiguration) int {
		return cmp.Or(cmp.Compare(*a.Port, *b.Port), cmp.Compare(*a.Protocol, *b.Protocol))
	})
	return out
}

// monitored reports whether a ServiceMonitor is asked for.
func monitored(m *Model) bool {
	return m.Metrics != nil && m.Metrics.Scrape.ValueString() == scrapeMonitor
}

// monitor tells the Prometheus Operator to scrape the Service; nil for none.
func monitor(m *Model) *crd.ServiceMonitor {
	if !monitored(m) {
		return nil
	}
	out := crd.NewServiceMonitor(m.Name.ValueString(), m.Namespace.ValueString())
	port := intstr.FromInt32(m.Metrics.Port.ValueInt32())
	out.Spec.Selector = metav1ac.LabelSelector().WithMatchLabels(selectorOf(m))
	out.Spec.Endpoints = []crd.MonitorEndpoint{{
		TargetPort: &port, Path: m.Metrics.Path.ValueStringPointer(),
	}}
	return out
}

// fields says which attribute made which field.
func fields(m *Model) diags.Fields {
	d := kube.DaemonSet.Kind
	var f diags.Fields
	made := metricsPath
	if m.Metrics == nil {
		made = presetPath
	}
	for k := range annotationsOf(m.metrics()) {
		f.Add(made, d, "spec", "template", "metadata", "annotations", k)
	}
	f.Merge(m.Fields(path.Empty(), d, "spec", "template"), presetFields(m), podspec.QueueField(path.Empty(), d))
	for k := range selectorOf(m) {
		f.Add(selectorPath, d, "spec", "template", "metadata", "labels", k)
	}
	f.Add(selectorPath, d, "spec", "selector")
	f.Add(path.Root("min_ready_seconds"), d, "spec", "minReadySeconds")
	f.Add(path.Root("revision_history_limit"), d, "spec", "revisionHistoryLimit")
	f.Add(strategyPath.AtName("type"), d, "spec", "updateStrategy")
	f.Add(strategyPath.AtName("type"), d, "spec", "updateStrategy", "type")
	f.Add(strategyPath.AtName("max_unavailable"), d, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable")
	f.Add(strategyPath.AtName("max_surge"), d, "spec", "updateStrategy", "rollingUpdate", "maxSurge")
	s := kube.Service.Kind
	f.Add(servicePath, s, "spec")
	f.Add(servicePath.AtName("name"), s, "metadata", "name")
	f.Add(servicePath.AtName("internal_traffic_policy"), s, "spec", "internalTrafficPolicy")
	if m.Service != nil {
		for k := range m.Service.Annotations {
			f.Add(servicePath.AtName("annotations").AtMapKey(k), s, "metadata", "annotations", k)
		}
	}
	f.Add(metricsPath, s, "metadata", "labels")
	f.Add(metricsPath, kube.ServiceMonitor.Kind, "spec")
	return f
}

// waits reports whether an update has a rollout to wait for: pods do not care for
// labels of their DaemonSet, or for their Service.
func waits(prior, wanted *Model) bool {
	if prior.WaitFor.ValueString() != wanted.WaitFor.ValueString() || !prior.Patch.Equal(wanted.Patch) {
		return true
	}
	was, dw := desired(prior)
	is, di := desired(wanted)
	return dw.HasError() || di.HasError() || !reflect.DeepEqual(was[0], is[0])
}
