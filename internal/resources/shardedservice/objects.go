package shardedservice

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
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
)

func desired(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
	template, ds := m.Apply()
	if ds.HasError() {
		return nil, ds
	}
	template.WithLabels(selectorOf(m))
	spec := appsac.StatefulSetSpec().
		WithSelector(metav1ac.LabelSelector().WithMatchLabels(selectorOf(m))).
		WithTemplate(template)
	// The pointers keep null apart from 0.
	spec.Replicas = m.Replicas.ValueInt32Pointer()
	spec.MinReadySeconds = m.MinReadySeconds.ValueInt32Pointer()
	spec.RevisionHistoryLimit = m.RevisionHistoryLimit.ValueInt32Pointer()
	if s := serviceOf(m); s != "" {
		spec.WithServiceName(s)
	}
	if !m.StartOrdinal.IsNull() {
		spec.WithOrdinals(appsac.StatefulSetOrdinals().WithStart(m.StartOrdinal.ValueInt32()))
	}
	if !m.PodManagementPolicy.IsNull() {
		spec.WithPodManagementPolicy(appsv1.PodManagementPolicyType(m.PodManagementPolicy.ValueString()))
	}
	if r := m.ClaimRetentionPolicy; r != nil {
		policy := appsac.StatefulSetPersistentVolumeClaimRetentionPolicy()
		policy.WhenDeleted = values.Enum[appsv1.PersistentVolumeClaimRetentionPolicyType](r.WhenDeleted)
		policy.WhenScaled = values.Enum[appsv1.PersistentVolumeClaimRetentionPolicyType](r.WhenScaled)
		spec.WithPersistentVolumeClaimRetentionPolicy(policy)
	}
	if u := m.UpdateStrategy; u != nil {
		spec.WithUpdateStrategy(u.apply())
	}
	for _, name := range slices.Sorted(maps.Keys(m.ClaimTemplates)) {
		t := m.ClaimTemplates[name]
		claim, tds := t.apply(name)
		ds.Append(tds...)
		spec.WithVolumeClaimTemplates(claim)
	}
	out := []runtime.ApplyConfiguration{appsac.StatefulSet(m.Name.ValueString(), m.Namespace.ValueString()).WithLabels(m.QueueLabels()).WithSpec(spec)}
	if s := service(m); s != nil {
		out = append(out, s)
	}
	return out, ds
}

// selectorOf are the labels by which the StatefulSet knows its pods.
func selectorOf(m *Model) map[string]string {
	if len(m.Selector) == 0 {
		return map[string]string{nameKey: m.Name.ValueString(), componentKey: component}
	}
	return values.Plain(m.Selector)
}

// selector is selectorOf as a label selector.
func selector(m *Model) string {
	return metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: selectorOf(m)})
}

// makesService reports whether the headless Service is this resource's.
func makesService(m *Model) bool { return m.HeadlessService.IsNull() || m.HeadlessService.ValueBool() }

// serviceOf is the name of the headless Service; "" for none.
func serviceOf(m *Model) string {
	if m.ServiceName.IsNull() && makesService(m) {
		return m.Name.ValueString()
	}
	return m.ServiceName.ValueString()
}

// service is the headless Service: it finds pods that are not ready too, which
// have to meet before they are. Nil when it is not this resource's.
func service(m *Model) *corev1ac.ServiceApplyConfiguration {
	if !makesService(m) {
		return nil
	}
	spec := corev1ac.ServiceSpec().WithClusterIP(corev1.ClusterIPNone).WithPublishNotReadyAddresses(true).WithSelector(selectorOf(m))
	for _, key := range slices.Sorted(maps.Keys(m.Ports)) {
		number, protocol, name := m.Ports[key].Listen(key)
		port := corev1ac.ServicePort().WithPort(number).WithProtocol(protocol)
		if name == "" {
			name = strings.ToLower(fmt.Sprintf("%s-%d", protocol, number)) // several ports need names
		}
		spec.WithPorts(port.WithName(name))
	}
	return corev1ac.Service(serviceOf(m), m.Namespace.ValueString()).WithSpec(spec)
}

func (u *UpdateStrategy) apply() *appsac.StatefulSetUpdateStrategyApplyConfiguration {
	out := appsac.StatefulSetUpdateStrategy()
	out.Type = values.Enum[appsv1.StatefulSetUpdateStrategyType](u.Type)
	if u.Partition.IsNull() && u.MaxUnavailable.IsNull() {
		return out
	}
	how := appsac.RollingUpdateStatefulSetStrategy()
	how.Partition = u.Partition.ValueInt32Pointer()
	if !u.MaxUnavailable.IsNull() {
		how.WithMaxUnavailable(intstr.Parse(u.MaxUnavailable.ValueString()))
	}
	return out.WithRollingUpdate(how)
}

func (t *ClaimTemplate) apply(name string) (*corev1ac.PersistentVolumeClaimApplyConfiguration, diag.Diagnostics) {
	size, err := resource.ParseQuantity(t.Size.ValueString())
	if err != nil {
		return nil, diag.Diagnostics{diags.Message{
			Summary: strconv.Quote(t.Size.ValueString()) + " is no size", Why: err.Error(), At: templatesPath.AtMapKey(name).AtName("size"),
		}.Error()}
	}
	spec := corev1ac.PersistentVolumeClaimSpec().
		WithResources(corev1ac.VolumeResourceRequirements().WithRequests(corev1.ResourceList{corev1.ResourceStorage: size}))
	modes := t.AccessModes
	if modes == nil {
		modes = []types.String{types.StringValue(access)}
	}
	for _, mode := range modes {
		spec.WithAccessModes(corev1.PersistentVolumeAccessMode(mode.ValueString()))
	}
	spec.StorageClassName = t.StorageClass.ValueStringPointer()
	spec.VolumeMode = values.Enum[corev1.PersistentVolumeMode](t.VolumeMode)
	claim := corev1ac.PersistentVolumeClaim(name, "").WithSpec(spec)
	claim.Namespace = nil
	if len(t.Labels) > 0 {
		claim.WithLabels(values.Plain(t.Labels))
	}
	if len(t.Annotations) > 0 {
		claim.WithAnnotations(values.Plain(t.Annotations))
	}
	return claim, nil
}

// fields says which attribute made which field.
func fields(m *Model) diags.Fields {
	set := kube.StatefulSet.Kind
	f := m.Fields(path.Empty(), set, "spec", "template")
	f.Merge(podspec.QueueField(path.Empty(), set))
	for k := range selectorOf(m) {
		f.Add(selectorPath, set, "spec", "template", "metadata", "labels", k)
	}
	f.Merge(podspec.QueueField(path.Empty(), set))
	f.Add(selectorPath, set, "spec", "selector")
	f.Add(path.Root("replicas"), set, "spec", "replicas")
	f.Add(path.Root("start_ordinal"), set, "spec", "ordinals")
	f.Add(servicePath, set, "spec", "serviceName")
	f.Add(templatesPath, set, "spec", "volumeClaimTemplates")
	retention := path.Root("claim_retention_policy")
	f.Add(retention, set, "spec", "persistentVolumeClaimRetentionPolicy")
	f.Add(retention.AtName("when_deleted"), set, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted")
	f.Add(retention.AtName("when_scaled"), set, "spec", "persistentVolumeClaimRetentionPolicy", "whenScaled")
	f.Add(policyPath, set, "spec", "podManagementPolicy")
	strategy := path.Root("update_strategy")
	f.Add(strategy, set, "spec", "updateStrategy")
	f.Add(strategy.AtName("type"), set, "spec", "updateStrategy", "type")
	f.Add(strategy.AtName("partition"), set, "spec", "updateStrategy", "rollingUpdate", "partition")
	f.Add(strategy.AtName("max_unavailable"), set, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable")
	f.Add(path.Root("min_ready_seconds"), set, "spec", "minReadySeconds")
	f.Add(path.Root("revision_history_limit"), set, "spec", "revisionHistoryLimit")
	f.Add(headlessPath, kube.Service.Kind, "spec")
	f.Add(servicePath, kube.Service.Kind, "metadata", "name")
	return f
}
