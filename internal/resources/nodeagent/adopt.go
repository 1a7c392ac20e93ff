package nodeagent

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/kube/crd"
)

// adopt turns live objects into a model. Without prior, everything is said by the
// attributes of the pod: no preset is recognized.
func adopt(live kube.Live, prior *Model) (*Model, diag.Diagnostics) {
	set, ds := setOf(live)
	if set == nil {
		return &Model{}, ds
	}
	like := prior
	if like == nil {
		like = &Model{}
	}
	m := &Model{Preset: like.Preset}
	m.Name = types.StringValue(set.Name)
	m.Namespace = types.StringValue(set.Namespace)
	m.Selector = adoptSelector(set, m, like)
	adoptPod(m, set, live, prior)
	m.MinReadySeconds = values.Stated(&set.Spec.MinReadySeconds, 0, like.MinReadySeconds)
	m.RevisionHistoryLimit = values.Stated(set.Spec.RevisionHistoryLimit, revisions, like.RevisionHistoryLimit)
	m.UpdateStrategy = adoptStrategy(set.Spec.UpdateStrategy, like.UpdateStrategy)
	ds.Append(adoptService(m, live, prior)...)
	return m, ds
}

// adoptPod fills pod and metrics. What other attributes of prior make of the pod is
// theirs.
func adoptPod(m *Model, set *appsv1.DaemonSet, live kube.Live, prior *Model) {
	template := set.Spec.Template.DeepCopy()
	for k, v := range selectorOf(m) {
		if template.Labels[k] == v {
			delete(template.Labels, k)
		}
	}
	if prior == nil {
		m.Metrics = adoptMetrics(template.Annotations)
		if s := adoptMonitor(live); s != nil {
			m.Metrics = s
		}
		for k := range annotationsOf(m.Metrics) {
			delete(template.Annotations, k)
		}
		m.Model, _ = podspec.Adopt(template)
		m.AdoptQueue(set.Labels)
		return
	}
	m.Metrics = prior.Metrics
	for k, v := range annotationsOf(prior.metrics()) {
		if template.Annotations[k] != v {
			if m.Metrics == nil {
				m.Preset = types.StringNull()
			}
			m.Metrics = nil
		}
		delete(template.Annotations, k)
	}
	was := effective(prior)
	m.Model, _ = podspec.AdoptLike(template, &was)
	m.AdoptQueue(set.Labels)
	unmade(m, prior)
}

// adoptMetrics is what annotations say of metrics; nil where it is not all that
// this resource says.
func adoptMetrics(annotations map[string]string) *Metrics {
	port, err := strconv.ParseInt(annotations[scrapePortKey], 10, 32)
	if annotations[scrapeKey] != "true" || err != nil || port < 1 || strconv.FormatInt(port, 10) != annotations[scrapePortKey] {
		return nil
	}
	m := &Metrics{Port: types.Int32Value(int32(port))}
	if p, ok := annotations[scrapePathKey]; ok {
		if p == "" || p[0] != '/' {
			return nil
		}
		m.Path = types.StringValue(p)
	}
	return m
}

// adoptMonitor is what a ServiceMonitor says of metrics; nil where it says it in
// another way than this resource.
func adoptMonitor(live kube.Live) *Metrics {
	s, err := kube.Typed[crd.ServiceMonitor](live, kube.ServiceMonitor.Kind)
	if err != nil || s == nil || s.Spec == nil || len(s.Spec.Endpoints) != 1 {
		return nil
	}
	e := s.Spec.Endpoints[0]
	if e.TargetPort == nil || e.TargetPort.IntVal == 0 {
		return nil
	}
	return &Metrics{
		Port: types.Int32Value(e.TargetPort.IntVal), Path: types.StringPointerValue(e.Path),
		Scrape: types.StringValue(scrapeMonitor),
	}
}

func adoptSelector(set *appsv1.DaemonSet, m, like *Model) map[string]types.String {
	if set.Spec.Selector == nil || len(set.Spec.Selector.MatchLabels) == 0 {
		return nil
	}
	labels := set.Spec.Selector.MatchLabels
	if maps.Equal(labels, selectorOf(m)) && like.Selector == nil {
		return nil
	}
	return values.Map(labels)
}

func adoptStrategy(s appsv1.DaemonSetUpdateStrategy, like *UpdateStrategy) *UpdateStrategy {
	if like == nil {
		like = &UpdateStrategy{}
	}
	out := UpdateStrategy{Type: values.Word(string(s.Type), rolling, like.Type)}
	if r := s.RollingUpdate; r != nil {
		if r.MaxSurge != nil {
			out.MaxSurge = values.Word(r.MaxSurge.String(), "0", like.MaxSurge)
		}
		usual := "1"
		if !isNone(out.MaxSurge) {
			usual = "0"
		}
		if r.MaxUnavailable != nil {
			out.MaxUnavailable = values.Word(r.MaxUnavailable.String(), usual, like.MaxUnavailable)
		}
	}
	if out == (UpdateStrategy{}) {
		return nil
	}
	return &out
}

// adoptService says what became of Service and ServiceMonitor. One that is not as
// prior made it counts as none of ours.
func adoptService(m *Model, live kube.Live, prior *Model) diag.Diagnostics {
	s, err := kube.Typed[corev1.Service](live, kube.Service.Kind)
	if err != nil {
		return diag.Diagnostics{unreadable(kube.Service.Kind, err)}
	}
	if prior == nil {
		m.Service = foundService(m, s)
		return nil
	}
	m.Service = prior.Service
	if s != nil && prior.Service != nil {
		now := *prior.Service
		if p := s.Spec.InternalTrafficPolicy; p != nil {
			now.InternalTrafficPolicy = values.Word(string(*p), everywhere, now.InternalTrafficPolicy)
		}
		now.Annotations = maps.Clone(now.Annotations)
		for k := range now.Annotations {
			if v, ok := s.Annotations[k]; ok {
				now.Annotations[k] = types.StringValue(v)
			} else {
				delete(now.Annotations, k)
			}
		}
		m.Service = &now
		pod := effective(prior)
		like := *prior
		like.Service = &now
		if otherwise(service(&like, &pod), live[kube.Service.Kind], "spec") {
			m.Service = nil
		}
		if otherwise(service(&like, &pod), live[kube.Service.Kind], "metadata") && monitored(prior) {
			m.Metrics = nil
		}
	}
	if o := live[kube.ServiceMonitor.Kind]; o != nil && monitored(prior) && otherwise(monitor(prior), o, "spec") {
		m.Metrics = nil
	}
	return nil
}

// foundService is a Service as somebody else made it; what these attributes cannot
// say lands in patch.
func foundService(m *Model, s *corev1.Service) *Service {
	if s == nil {
		return nil
	}
	out := &Service{Name: values.Word(s.Name, m.Name.ValueString(), types.StringNull())}
	if p := s.Spec.InternalTrafficPolicy; p != nil {
		out.InternalTrafficPolicy = values.Word(string(*p), everywhere, types.StringNull())
	}
	return out
}

// otherwise reports whether a part of a live object is not as it was said.
func otherwise(said any, live *kube.Object, part string) bool {
	raw, err := json.Marshal(said)
	want := map[string]any{}
	if err != nil || utiljson.Unmarshal(raw, &want) != nil || live == nil {
		return false
	}
	return slices.ContainsFunc(kube.Drift(want, live.Object), func(at []string) bool {
		return at[0] == part && (part == "spec" || len(at) == 1 || at[1] == "labels")
	})
}

// companion finds, among all objects of a kind in the namespace, the one that
// belongs to an imported DaemonSet: the Service that leads to its pods, that of the
// same name first, and the ServiceMonitor of the same name.
func companion(main *kube.Object, k kube.Kind, all []*kube.Object) *kube.Object {
	set, err := kube.Typed[appsv1.DaemonSet](kube.Live{"": main}, "")
	if err != nil || set == nil {
		return nil
	}
	found := slices.DeleteFunc(slices.Clone(all), func(o *kube.Object) bool {
		if k == kube.ServiceMonitor {
			return o.GetName() != main.GetName()
		}
		s, err := kube.Typed[corev1.Service](kube.Live{"": o}, "")
		return err != nil || s == nil || len(s.Spec.Selector) == 0 || s.Spec.Type == corev1.ServiceTypeExternalName ||
			!labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(set.Spec.Template.Labels))
	})
	slices.SortFunc(found, func(a, b *kube.Object) int {
		if same := a.GetName() == main.GetName(); same != (b.GetName() == main.GetName()) {
			if same {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.GetName(), b.GetName())
	})
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

func setOf(live kube.Live) (*appsv1.DaemonSet, diag.Diagnostics) {
	set, err := kube.Typed[appsv1.DaemonSet](live, kube.DaemonSet.Kind)
	if err != nil {
		return nil, diag.Diagnostics{unreadable(kube.DaemonSet.Kind, err)}
	}
	return set, nil
}

func unreadable(kind string, err error) diag.Diagnostic {
	return diags.Message{
		Summary: "The " + kind + " on the cluster cannot be read",
		Why:     err.Error(),
		Do:      "It may come from a newer version of Kubernetes than mlk knows. Please report this.",
	}.Error()
}
