package shardedservice

import (
	"encoding/json"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// adopt turns live objects into a model. On import, the Service of a StatefulSet
// that mlk did not make is somebody else's.
func adopt(live kube.Live, prior *Model) (*Model, diag.Diagnostics) {
	set, ds := setOf(live)
	if set == nil {
		return &Model{Hosts: types.ListNull(types.StringType)}, ds
	}
	like := prior
	if like == nil {
		like = &Model{}
	}
	var was *podspec.Model
	if prior != nil {
		was = &prior.Model
	}
	m := &Model{Hosts: types.ListNull(types.StringType)}
	m.Name = types.StringValue(set.Name)
	m.Selector = adoptSelector(set, like)
	template := set.Spec.Template.DeepCopy()
	for k, v := range selectorOf(m) {
		if template.Labels[k] == v {
			delete(template.Labels, k)
		}
	}
	m.Model, ds = podspec.AdoptLike(template, was)
	m.AdoptQueue(set.Labels)
	m.Replicas = values.Stated(set.Spec.Replicas, 1, like.Replicas)
	m.RevisionHistoryLimit = values.Stated(set.Spec.RevisionHistoryLimit, revisions, like.RevisionHistoryLimit)
	m.MinReadySeconds = values.Stated(&set.Spec.MinReadySeconds, 0, like.MinReadySeconds)
	if o := set.Spec.Ordinals; o != nil {
		m.StartOrdinal = types.Int32Value(o.Start)
	}
	m.PodManagementPolicy = values.Word(string(set.Spec.PodManagementPolicy), ordered, like.PodManagementPolicy)
	m.ClaimRetentionPolicy = adoptRetention(set.Spec.PersistentVolumeClaimRetentionPolicy, like.ClaimRetentionPolicy)
	m.UpdateStrategy = adoptStrategy(set.Spec.UpdateStrategy, like.UpdateStrategy)
	m.ClaimTemplates = adoptTemplates(set.Spec.VolumeClaimTemplates, like.ClaimTemplates)
	adoptService(m, set, live, prior)
	return m, ds
}

func adoptSelector(set *appsv1.StatefulSet, like *Model) map[string]types.String {
	if set.Spec.Selector == nil {
		return nil
	}
	labels := set.Spec.Selector.MatchLabels
	usual := selectorOf(&Model{Namespaced: like.Namespaced})
	usual[nameKey] = set.Name
	same := len(labels) == len(usual)
	for k, v := range usual {
		same = same && labels[k] == v
	}
	if same && like.Selector == nil || len(labels) == 0 {
		return nil
	}
	return values.Map(labels)
}

func adoptRetention(r *appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy, like *Retention) *Retention {
	if r == nil {
		return nil
	}
	if like == nil {
		like = &Retention{}
	}
	out := Retention{
		WhenDeleted: values.Word(string(r.WhenDeleted), retain, like.WhenDeleted),
		WhenScaled:  values.Word(string(r.WhenScaled), retain, like.WhenScaled),
	}
	if out.WhenDeleted.IsNull() && out.WhenScaled.IsNull() {
		return nil
	}
	return &out
}

func adoptStrategy(s appsv1.StatefulSetUpdateStrategy, like *UpdateStrategy) *UpdateStrategy {
	if like == nil {
		like = &UpdateStrategy{}
	}
	out := UpdateStrategy{Type: values.Word(string(s.Type), rolling, like.Type)}
	if s.RollingUpdate == nil {
		out.Type = values.Word(string(s.Type), "", types.StringNull()) // stated: unstated, the server states the rest as well
	}
	if r := s.RollingUpdate; r != nil {
		out.Partition = values.Stated(r.Partition, 0, like.Partition)
		if r.MaxUnavailable != nil {
			out.MaxUnavailable = values.Word(r.MaxUnavailable.String(), "1", like.MaxUnavailable)
		}
	}
	if out.Type.IsNull() && out.Partition.IsNull() && out.MaxUnavailable.IsNull() {
		return nil
	}
	return &out
}

// adoptTemplates says what attributes can; the rest of a template lands in patch.
func adoptTemplates(in []corev1.PersistentVolumeClaim, like map[string]ClaimTemplate) map[string]ClaimTemplate {
	var out map[string]ClaimTemplate
	for i := range in {
		c := &in[i]
		was := like[c.Name]
		t := ClaimTemplate{Size: quantity.Null(), VolumeMode: types.StringNull(), StorageClass: types.StringNull()}
		if q, ok := c.Spec.Resources.Requests[corev1.ResourceStorage]; ok {
			t.Size = quantity.New(q.String())
		} else {
			continue
		}
		if s := c.Spec.StorageClassName; s != nil && *s != "" {
			t.StorageClass = types.StringValue(*s)
		}
		if mode := c.Spec.VolumeMode; mode != nil {
			t.VolumeMode = values.Word(string(*mode), filesystem, was.VolumeMode)
		}
		if len(c.Spec.AccessModes) != 1 || string(c.Spec.AccessModes[0]) != access || was.AccessModes != nil {
			for _, mode := range c.Spec.AccessModes {
				t.AccessModes = append(t.AccessModes, types.StringValue(string(mode)))
			}
		}
		t.Labels, t.Annotations = values.Map(c.Labels), values.Map(c.Annotations)
		if out == nil {
			out = map[string]ClaimTemplate{}
		}
		out[c.Name] = t
	}
	return out
}

// adoptService tells whose the headless Service is, and whether it still is what
// this resource makes.
func adoptService(m *Model, set *appsv1.StatefulSet, live kube.Live, prior *Model) {
	beside := live[kube.Service.Kind]
	if prior == nil {
		usual := ""
		if beside != nil || set.Labels[lifecycle.OwnerLabel] != "" {
			usual = set.Name
		} else {
			m.HeadlessService = types.BoolValue(false)
		}
		m.ServiceName = values.Word(set.Spec.ServiceName, usual, types.StringNull())
		return
	}
	m.HeadlessService = prior.HeadlessService
	usual := ""
	if makesService(prior) {
		usual = set.Name
	}
	m.ServiceName = values.Word(set.Spec.ServiceName, usual, prior.ServiceName)
	if want := service(prior); want != nil && beside != nil {
		raw, err := json.Marshal(want)
		said := map[string]any{}
		if err != nil || utiljson.Unmarshal(raw, &said) != nil {
			return
		}
		other := slices.ContainsFunc(kube.Drift(said, beside.Object), func(at []string) bool { return at[0] == "spec" })
		if other {
			m.HeadlessService = types.BoolValue(false)
		}
	}
}

func setOf(live kube.Live) (*appsv1.StatefulSet, diag.Diagnostics) {
	set, err := kube.Typed[appsv1.StatefulSet](live, kube.StatefulSet.Kind)
	if err != nil {
		return nil, diag.Diagnostics{diags.Message{
			Summary: "The StatefulSet on the cluster cannot be read",
			Why:     err.Error(),
			Do:      "It may come from a newer version of Kubernetes than mlk knows. Please report this.",
		}.Error()}
	}
	return set, nil
}
