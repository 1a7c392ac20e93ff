package storageclass

import (
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	storagev1ac "k8s.io/client-go/applyconfigurations/storage/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// defaultAnnotation makes a class the one that claims without a class get.
const defaultAnnotation = "storageclass.kubernetes.io/is-default-class"

func desired(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
	sc := storagev1ac.StorageClass(m.Name.ValueString()).
		WithProvisioner(m.Provisioner.ValueString()).
		WithMountOptions(stringsOf(m.MountOptions)...)
	if len(m.Parameters) > 0 {
		parameters := make(map[string]string, len(m.Parameters))
		for k, v := range m.Parameters {
			parameters[k] = v.ValueString()
		}
		sc.WithParameters(parameters)
	}
	if !m.ReclaimPolicy.IsNull() {
		sc.WithReclaimPolicy(corev1.PersistentVolumeReclaimPolicy(m.ReclaimPolicy.ValueString()))
	}
	if !m.VolumeBindingMode.IsNull() {
		sc.WithVolumeBindingMode(storagev1.VolumeBindingMode(m.VolumeBindingMode.ValueString()))
	}
	if !m.AllowVolumeExpansion.IsNull() {
		sc.WithAllowVolumeExpansion(m.AllowVolumeExpansion.ValueBool())
	}
	for _, t := range m.AllowedTopologies {
		term := corev1ac.TopologySelectorTerm()
		for _, e := range t.MatchLabelExpressions {
			term.WithMatchLabelExpressions(corev1ac.TopologySelectorLabelRequirement().
				WithKey(e.Key.ValueString()).WithValues(stringsOf(e.Values)...))
		}
		sc.WithAllowedTopologies(term)
	}
	if !m.Default.IsNull() {
		sc.WithAnnotations(map[string]string{defaultAnnotation: strconv.FormatBool(m.Default.ValueBool())})
	}
	return []runtime.ApplyConfiguration{sc}, nil
}

func fields(*Model) diags.Fields {
	var f diags.Fields
	kind := kube.StorageClass.Kind
	f.Add(path.Root("name"), kind, "metadata", "name")
	f.Add(provisionerPath, kind, "provisioner")
	f.Add(parametersPath, kind, "parameters")
	f.Add(reclaimPath, kind, "reclaimPolicy")
	f.Add(bindingPath, kind, "volumeBindingMode")
	f.Add(path.Root("allow_volume_expansion"), kind, "allowVolumeExpansion")
	f.Add(path.Root("mount_options"), kind, "mountOptions")
	f.Add(path.Root("allowed_topologies"), kind, "allowedTopologies")
	f.Add(defaultPath, kind, "metadata", "annotations", defaultAnnotation)
	return f
}

func adopt(live kube.Live, _ *Model) (*Model, diag.Diagnostics) {
	sc, err := kube.Typed[storagev1.StorageClass](live, kube.StorageClass.Kind)
	if err != nil {
		return nil, unreadable(err)
	}
	m := &Model{}
	if sc == nil {
		return m, nil
	}
	m.Provisioner = types.StringValue(sc.Provisioner)
	if len(sc.Parameters) > 0 {
		m.Parameters = make(map[string]types.String, len(sc.Parameters))
		for k, v := range sc.Parameters {
			m.Parameters[k] = types.StringValue(v)
		}
	}
	if p := sc.ReclaimPolicy; p != nil && string(*p) != defaultReclaim {
		m.ReclaimPolicy = types.StringValue(string(*p))
	}
	if b := sc.VolumeBindingMode; b != nil && string(*b) != defaultBinding {
		m.VolumeBindingMode = types.StringValue(string(*b))
	}
	m.AllowVolumeExpansion = types.BoolPointerValue(sc.AllowVolumeExpansion)
	m.MountOptions = valuesOf(sc.MountOptions)
	for _, term := range sc.AllowedTopologies {
		t := Topology{MatchLabelExpressions: []Expression{}}
		for _, e := range term.MatchLabelExpressions {
			t.MatchLabelExpressions = append(t.MatchLabelExpressions, Expression{Key: types.StringValue(e.Key), Values: valuesOf(e.Values)})
		}
		m.AllowedTopologies = append(m.AllowedTopologies, t)
	}
	// Anything but these two spellings stays an annotation.
	switch sc.Annotations[defaultAnnotation] {
	case "true":
		m.Default = types.BoolValue(true)
	case "false":
		m.Default = types.BoolValue(false)
	}
	return m, nil
}

// observe has nothing to fill in: a storage class has no computed attributes of its own.
func observe(*Model, lifecycle.Seen) diag.Diagnostics { return nil }

// ready: a class is usable as soon as it is stored.
func ready(_ *Model, seen lifecycle.Seen, _ string) wait.Verdict {
	if seen.Live[kube.StorageClass.Kind] == nil {
		return wait.Of(wait.Progressing, "Pending", "", "the storage class does not exist yet")
	}
	return wait.Of(wait.Done, "Active", "", "")
}

func unreadable(err error) diag.Diagnostics {
	return diag.Diagnostics{diags.Message{Summary: "The storage class on the cluster cannot be read", Why: err.Error()}.Error()}
}

func stringsOf(in []types.String) []string {
	out := make([]string, len(in))
	for i, v := range in {
		out[i] = v.ValueString()
	}
	return out
}

// valuesOf returns nil, which is null, for an empty list.
func valuesOf(in []string) []types.String {
	var out []types.String
	for _, s := range in {
		out = append(out, types.StringValue(s))
	}
	return out
}
