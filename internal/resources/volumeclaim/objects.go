package volumeclaim

import (
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

func desired(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
	size, err := resource.ParseQuantity(m.Size.ValueString())
	if err != nil {
		return nil, diag.Diagnostics{diags.Message{
			Summary: fmt.Sprintf("%q is no size", m.Size.ValueString()),
			Why:     err.Error(), At: sizePath,
		}.Error()}
	}
	spec := corev1ac.PersistentVolumeClaimSpec().
		WithResources(corev1ac.VolumeResourceRequirements().WithRequests(corev1.ResourceList{corev1.ResourceStorage: size}))
	for _, mode := range accessModes(m.AccessModes) {
		spec.WithAccessModes(corev1.PersistentVolumeAccessMode(mode))
	}
	switch {
	case m.Static.ValueBool():
		spec.WithStorageClassName("")
	case !m.StorageClass.IsNull():
		spec.WithStorageClassName(m.StorageClass.ValueString())
	}
	if !m.VolumeMode.IsNull() {
		spec.WithVolumeMode(corev1.PersistentVolumeMode(m.VolumeMode.ValueString()))
	}
	if !m.VolumeName.IsNull() {
		spec.WithVolumeName(m.VolumeName.ValueString())
	}
	if !m.VolumeAttributesClass.IsNull() {
		spec.WithVolumeAttributesClassName(m.VolumeAttributesClass.ValueString())
	}
	if m.Selector != nil {
		spec.WithSelector(m.Selector.apply())
	}
	if m.DataSource != nil {
		spec.WithDataSourceRef(m.DataSource.apply())
	}
	return []runtime.ApplyConfiguration{
		corev1ac.PersistentVolumeClaim(m.Name.ValueString(), m.Namespace.ValueString()).WithSpec(spec),
	}, nil
}

func (s *Selector) apply() *metav1ac.LabelSelectorApplyConfiguration {
	out := metav1ac.LabelSelector()
	if len(s.MatchLabels) > 0 {
		labels := make(map[string]string, len(s.MatchLabels))
		for k, v := range s.MatchLabels {
			labels[k] = v.ValueString()
		}
		out.WithMatchLabels(labels)
	}
	for _, e := range s.MatchExpressions {
		out.WithMatchExpressions(metav1ac.LabelSelectorRequirement().
			WithKey(e.Key.ValueString()).
			WithOperator(metav1.LabelSelectorOperator(e.Operator.ValueString())).
			WithValues(stringsOf(e.Values)...))
	}
	return out
}

// apply fills dataSourceRef, which takes every kind of source; the server
// mirrors it into dataSource by itself.
func (d *DataSource) apply() *corev1ac.TypedObjectReferenceApplyConfiguration {
	out := corev1ac.TypedObjectReference().WithKind(d.Kind.ValueString()).WithName(d.Name.ValueString())
	if !d.APIGroup.IsNull() {
		out.WithAPIGroup(d.APIGroup.ValueString())
	}
	if !d.Namespace.IsNull() {
		out.WithNamespace(d.Namespace.ValueString())
	}
	return out
}

func fields(m *Model) diags.Fields {
	var f diags.Fields
	add := func(at path.Path, segments ...string) {
		f.Add(at, append([]string{claimKind}, segments...)...)
	}
	class := classPath
	if m.Static.ValueBool() {
		class = staticPath
	}
	add(sizePath, "spec", "resources", "requests", "storage")
	add(class, "spec", "storageClassName")
	add(accessPath, "spec", "accessModes")
	add(modePath, "spec", "volumeMode")
	add(volumePath, "spec", "volumeName")
	add(selectorPath, "spec", "selector")
	add(sourcePath, "spec", "dataSource")
	add(sourcePath, "spec", "dataSourceRef")
	add(attributesPath, "spec", "volumeAttributesClassName")
	return f
}

func adopt(live kube.Live, _ *Model) (*Model, diag.Diagnostics) {
	pvc, ds := claimOf(live)
	if pvc == nil {
		return &Model{}, ds
	}
	spec := pvc.Spec
	m := &Model{
		AccessModes:           []types.String{},
		VolumeName:            textOf(&spec.VolumeName),
		VolumeAttributesClass: textOf(spec.VolumeAttributesClassName),
	}
	if q, ok := spec.Resources.Requests[corev1.ResourceStorage]; ok {
		m.Size = quantity.New(q.String())
	}
	if c := spec.StorageClassName; c != nil && *c == "" {
		m.Static = types.BoolValue(true)
	} else {
		m.StorageClass = textOf(c)
	}
	for i, mode := range spec.AccessModes {
		if slices.Contains(spec.AccessModes[:i], mode) {
			m.AccessModes = nil // the server takes a mode twice, the attribute does not
			break
		}
		m.AccessModes = append(m.AccessModes, types.StringValue(string(mode)))
	}
	if len(spec.AccessModes) == 1 && string(spec.AccessModes[0]) == defaultAccess {
		m.AccessModes = nil
	}
	if mode := spec.VolumeMode; mode != nil && string(*mode) != defaultMode {
		m.VolumeMode = types.StringValue(string(*mode))
	}
	if spec.Selector != nil {
		m.Selector = selectorOf(spec.Selector)
	}
	m.DataSource = sourceOf(spec)
	return m, ds
}

func selectorOf(s *metav1.LabelSelector) *Selector {
	out := &Selector{}
	for k, v := range s.MatchLabels {
		if out.MatchLabels == nil {
			out.MatchLabels = map[string]types.String{}
		}
		out.MatchLabels[k] = types.StringValue(v)
	}
	for _, e := range s.MatchExpressions {
		x := Expression{Key: types.StringValue(e.Key), Operator: types.StringValue(string(e.Operator))}
		for _, v := range e.Values {
			x.Values = append(x.Values, types.StringValue(v))
		}
		out.MatchExpressions = append(out.MatchExpressions, x)
	}
	return out
}

func sourceOf(spec corev1.PersistentVolumeClaimSpec) *DataSource {
	switch ref, local := spec.DataSourceRef, spec.DataSource; {
	case ref != nil:
		return &DataSource{
			APIGroup: textOf(ref.APIGroup), Kind: types.StringValue(ref.Kind),
			Name: types.StringValue(ref.Name), Namespace: textOf(ref.Namespace),
		}
	case local != nil:
		return &DataSource{APIGroup: textOf(local.APIGroup), Kind: types.StringValue(local.Kind), Name: types.StringValue(local.Name)}
	}
	return nil
}

// observe fills what the cluster decides: the class when none was named, the
// volume, and its size.
func observe(m *Model, seen lifecycle.Seen) diag.Diagnostics {
	pvc, ds := claimOf(seen.Live)
	if pvc == nil {
		return ds
	}
	if class := textOf(pvc.Spec.StorageClassName); m.StorageClass.IsNull() && !m.Static.ValueBool() {
		m.StorageClass = class
	}
	if m.VolumeName.IsNull() {
		m.VolumeName = textOf(&pvc.Spec.VolumeName)
	}
	if q, ok := pvc.Status.Capacity[corev1.ResourceStorage]; ok {
		m.Capacity = types.StringValue(q.String())
	}
	return ds
}

// release leaves the claim behind, unmanaged, when the user wants to keep the
// data: without the marks nobody takes it for a resource's.
func release(m *Model, live kube.Live) lifecycle.Released {
	if !m.Retain.ValueBool() {
		return lifecycle.Released{Refuse: refuse(m, live)}
	}
	return lifecycle.Released{Patch: map[string]any{"metadata": map[string]any{
		"labels": map[string]any{lifecycle.KeptLabel: "true", lifecycle.OwnerLabel: nil},
		"annotations": map[string]any{
			lifecycle.ResourceAnnotation: nil, lifecycle.ClaimAnnotation: nil, lifecycle.RecordedAnnotation: nil,
		},
	}}}
}

func claimOf(live kube.Live) (*corev1.PersistentVolumeClaim, diag.Diagnostics) {
	pvc, err := kube.Typed[corev1.PersistentVolumeClaim](live, claimKind)
	if err != nil {
		return nil, diag.Diagnostics{diags.Message{Summary: "The claim on the cluster cannot be read", Why: err.Error()}.Error()}
	}
	return pvc, nil
}

// accessModes are the modes null stands for too.
func accessModes(in []types.String) []string {
	if in == nil {
		return []string{defaultAccess}
	}
	return stringsOf(in)
}

func stringsOf(in []types.String) []string {
	out := make([]string, len(in))
	for i, v := range in {
		out[i] = v.ValueString()
	}
	return out
}

// textOf is null for nil and for "", which no attribute gives a meaning.
func textOf(s *string) types.String {
	if s == nil || *s == "" {
		return types.StringNull()
	}
	return types.StringValue(*s)
}
