package inferenceservice

import (
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// adopt turns live objects into a model. Without prior, a Service beside the
// Deployment is one that leads to its pods: see companion.
func adopt(live kube.Live, prior *Model) (*Model, diag.Diagnostics) {
	d, ds := deploymentOf(live)
	if d == nil {
		return &Model{}, ds
	}
	beside, err := kube.Typed[corev1.Service](live, kube.Service.Kind)
	if err != nil {
		return &Model{}, diag.Diagnostics{unreadable(kube.Service.Kind, err)}
	}
	if d.Kind == kube.InferenceService.Kind {
		return adoptServed(live, d, prior)
	}
	like := prior
	if like == nil {
		like = &Model{}
	}
	m := &Model{Engine: like.Engine, RestartOn: like.RestartOn, StartupBudget: like.StartupBudget, Runtime: like.Runtime, Weights: like.Weights, Preset: noPreset}
	m.Name = types.StringValue(d.Name)
	m.Namespace = types.StringValue(d.Namespace)
	sets, err := groupsOf(live)
	if err != nil {
		return &Model{}, diag.Diagnostics{unreadable(kube.LeaderWorkerSet.Kind, err)}
	}
	if sets != nil {
		m.MultiNode = adoptMultiNode(sets, prior)
	}
	m.Selector = adoptSelector(d, m, like)
	adoptPod(m, d, prior)
	if sets != nil {
		adoptWorker(m, sets, live[kube.LeaderWorkerSet.Kind], prior)
	}
	m.Replicas = values.Stated(d.Spec.Replicas, 1, like.Replicas)
	canary, cds := adoptCanary(m, live, prior)
	m.Canary = canary
	ds.Append(cds...)
	ds.Append(adoptSatellites(m, live, prior)...)
	if sets != nil {
		m.Rollout = adoptGroupRollout(&d.Spec.Strategy, like.Rollout)
	} else {
		m.Rollout = adoptRollout(&d.Spec, like)
	}
	if prior == nil {
		m.Service = adoptService(m, beside)
	} else {
		m.Service = serviceLike(prior, beside, live[kube.Service.Kind])
	}
	return m, ds
}

// adoptPod fills the pod. What other attributes of prior make of it is theirs.
func adoptPod(m *Model, d *appsv1.Deployment, prior *Model) {
	template := d.Spec.Template.DeepCopy()
	for k, v := range selectorOf(m) {
		if template.Labels[k] == v {
			delete(template.Labels, k)
		}
	}
	if prior == nil {
		m.Model, _ = podspec.Adopt(template)
		m.AdoptQueue(d.Labels)
		return
	}
	if hash, ok := template.Annotations[restartKey]; ok || len(prior.RestartOn) > 0 {
		if hash != restartHash(prior.RestartOn) {
			m.RestartOn = nil
		}
		if len(prior.RestartOn) > 0 {
			delete(template.Annotations, restartKey)
		}
	}
	was := effective(prior)
	m.Model, _ = podspec.AdoptLike(template, &was)
	m.AdoptQueue(d.Labels)
	unmade(m, prior)
}

func adoptSelector(d *appsv1.Deployment, m, like *Model) map[string]types.String {
	if d.Spec.Selector == nil || len(d.Spec.Selector.MatchLabels) == 0 {
		return nil
	}
	labels := d.Spec.Selector.MatchLabels
	if maps.Equal(labels, selectorOf(m)) && like.Selector == nil {
		return nil
	}
	return values.Map(labels)
}

func adoptRollout(spec *appsv1.DeploymentSpec, prior *Model) *Rollout {
	like := prior.Rollout
	if like == nil {
		like = &Rollout{}
	}
	out := Rollout{
		Strategy:             values.Word(string(spec.Strategy.Type), rolling, like.Strategy),
		MinReadySeconds:      values.Stated(&spec.MinReadySeconds, 0, like.MinReadySeconds),
		RevisionHistoryLimit: values.Stated(spec.RevisionHistoryLimit, revisions, like.RevisionHistoryLimit),
	}
	usual := *prior
	usual.Rollout = &out
	out.ProgressDeadlineSeconds = values.Stated(spec.ProgressDeadlineSeconds, deadline(&usual), like.ProgressDeadlineSeconds)
	if r := spec.Strategy.RollingUpdate; r != nil {
		if r.MaxSurge != nil {
			out.MaxSurge = values.Word(r.MaxSurge.String(), quarter, like.MaxSurge)
		}
		if r.MaxUnavailable != nil {
			out.MaxUnavailable = values.Word(r.MaxUnavailable.String(), quarter, like.MaxUnavailable)
		}
	}
	if out == (Rollout{}) && prior.Rollout == nil {
		return nil
	}
	return &out
}

// adoptService is a Service as somebody else made it; what these attributes
// cannot say lands in patch.
func adoptService(m *Model, live *corev1.Service) *Service {
	if live == nil {
		return &Service{Enabled: types.BoolValue(false)}
	}
	s := common(live, Service{})
	s.Name = values.Word(live.Name, serviceName(m), types.StringNull())
	for k, v := range live.Annotations {
		if kube.IsGenerated(k) || reserved(k) {
			continue
		}
		if s.Annotations == nil {
			s.Annotations = map[string]types.String{}
		}
		s.Annotations[k] = types.StringValue(v)
	}
	if len(live.Spec.Ports) > 0 && !sameAsContainer(live, &m.Model) {
		p := live.Spec.Ports[0]
		s.Port = types.Int32Value(p.Port)
		s.TargetPort = targetLike(s, p, &m.Model)
		s.AppProtocol = types.StringPointerValue(p.AppProtocol)
	}
	if empty(s) {
		return nil
	}
	return &s
}

// sameAsContainer reports whether the ports are those of the main container.
func sameAsContainer(live *corev1.Service, pod *podspec.Model) bool {
	made := ports(Service{}, pod)
	return slices.EqualFunc(made, live.Spec.Ports, func(a port, b corev1.ServicePort) bool {
		return a.number == b.Port && a.protocol == b.Protocol && a.name == b.Name && b.TargetPort.IntVal == b.Port && b.AppProtocol == nil
	})
}

// common is what an update of the Service may have changed, as like says it.
func common(live *corev1.Service, like Service) Service {
	s := like
	s.Type = values.Word(string(live.Spec.Type), clusterIP, like.Type)
	s.SessionAffinity = values.Word(string(live.Spec.SessionAffinity), affinityNone, like.SessionAffinity)
	s.LoadBalancerClass = types.StringPointerValue(live.Spec.LoadBalancerClass)
	switch headless := live.Spec.ClusterIP == corev1.ClusterIPNone; {
	case headless, !like.Headless.IsNull():
		s.Headless = types.BoolValue(headless)
	}
	return s
}

// targetLike is where a port leads; null where nobody stated it and it is what
// null makes.
func targetLike(s Service, p corev1.ServicePort, pod *podspec.Model) types.String {
	bare := s
	bare.TargetPort = types.StringNull()
	usual := p.Port
	for _, q := range ports(bare, pod) {
		if q.target != nil {
			usual = q.target.IntVal
		}
	}
	if s.TargetPort.IsNull() && p.TargetPort.StrVal == "" && p.TargetPort.IntVal == usual {
		return types.StringNull()
	}
	return types.StringValue(p.TargetPort.String())
}

// serviceLike is the Service in the words of prior. Where no attribute says what
// became of it, it counts as none of ours.
func serviceLike(prior *Model, live *corev1.Service, raw *kube.Object) *Service {
	if live == nil || !prior.serves() {
		return prior.Service
	}
	s := common(live, prior.given())
	s.Annotations = maps.Clone(s.Annotations)
	for k := range s.Annotations {
		if v, ok := live.Annotations[k]; ok {
			s.Annotations[k] = types.StringValue(v)
		} else {
			delete(s.Annotations, k)
		}
	}
	pod := effective(prior)
	portLike(&s, live, &pod)
	now := *prior
	now.Service = &s
	said, err := plainObject(service(&now, &pod))
	if err == nil && slices.ContainsFunc(kube.Drift(said, raw.Object), func(at []string) bool { return at[0] == "spec" }) {
		s.Enabled = types.BoolValue(false)
	}
	if prior.Service == nil && empty(s) {
		return nil
	}
	return &s
}

// portLike fills port, target_port and app_protocol from the live ports that were
// asked for.
func portLike(s *Service, live *corev1.Service, pod *podspec.Model) {
	asked := ports(*s, pod)
	at := slices.IndexFunc(live.Spec.Ports, func(p corev1.ServicePort) bool {
		return slices.ContainsFunc(asked, func(a port) bool { return a.number == p.Port && a.protocol == p.Protocol })
	})
	if at < 0 && len(live.Spec.Ports) == 0 {
		s.Port = types.Int32Null()
		return
	}
	missing := slices.ContainsFunc(asked, func(a port) bool {
		return !slices.ContainsFunc(live.Spec.Ports, func(p corev1.ServicePort) bool { return a.number == p.Port && a.protocol == p.Protocol })
	})
	p := live.Spec.Ports[max(at, 0)]
	if !s.Port.IsNull() || missing {
		s.Port = types.Int32Value(p.Port)
		s.TargetPort = targetLike(*s, p, pod)
	}
	for _, p := range live.Spec.Ports {
		ours := slices.ContainsFunc(asked, func(a port) bool { return a.number == p.Port && a.protocol == p.Protocol })
		if spoken := types.StringPointerValue(p.AppProtocol); ours && !s.AppProtocol.IsNull() && !spoken.Equal(s.AppProtocol) {
			s.AppProtocol = spoken
			return
		}
	}
}

func empty(s Service) bool {
	return len(s.Annotations) == 0 && s.Enabled.IsNull() && s.Name.IsNull() && s.Type.IsNull() && s.Port.IsNull() && s.TargetPort.IsNull() &&
		s.Headless.IsNull() && s.AppProtocol.IsNull() && s.SessionAffinity.IsNull() && s.LoadBalancerClass.IsNull()
}

// deploymentOf is the live Deployment, or what stands for it; nil for none.
func deploymentOf(live kube.Live) (*appsv1.Deployment, diag.Diagnostics) {
	switch sets, err := groupsOf(live); {
	case err != nil:
		return nil, diag.Diagnostics{unreadable(kube.LeaderWorkerSet.Kind, err)}
	case sets != nil:
		return sets.deployment(), nil
	}
	switch s, err := servedIn(live); {
	case err != nil:
		return nil, diag.Diagnostics{unreadable(kube.InferenceService.Kind, err)}
	case s != nil:
		return s.deployment(), nil
	}
	d, err := kube.Typed[appsv1.Deployment](live, kube.Deployment.Kind)
	if err != nil {
		return nil, diag.Diagnostics{unreadable(kube.Deployment.Kind, err)}
	}
	return d, nil
}

func unreadable(kind string, err error) diag.Diagnostic {
	return diags.Message{
		Summary: "The " + kind + " on the cluster cannot be read",
		Why:     err.Error(),
		Do:      "It may come from a newer version of Kubernetes than mlk knows. Please report this.",
	}.Error()
}
