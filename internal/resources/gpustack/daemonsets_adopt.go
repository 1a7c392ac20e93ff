package gpustack

import (
	"maps"
	"reflect"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// adoptDaemonSets turns live objects into a model. With prior, manifests shows what
// others have changed. On import the device plugin's DaemonSet is taken over; what
// these attributes do not say of it lands in patch.
func adoptDaemonSets(live kube.Live, prior *Model) (*Model, diag.Diagnostics) {
	if prior != nil {
		m := *prior
		m.Manifests = prior.shown(live)
		return &m, nil
	}
	set, err := kube.Typed[appsv1.DaemonSet](live, kube.DaemonSet.Kind)
	if err != nil || set == nil {
		why := "there is none"
		if err != nil {
			why = err.Error()
		}
		return &Model{}, diag.Diagnostics{diags.Message{
			Summary: "The DaemonSet on the cluster cannot be read", Why: why,
			Do: "It may come from a newer version of Kubernetes than mlk knows. Please report this.",
		}.Error()}
	}
	m := &Model{Mode: types.StringValue(modeDaemonSets)}
	m.Name, m.Namespace = types.StringValue(set.Name), types.StringValue(set.Namespace)
	pod := set.Spec.Template.Spec
	if len(pod.Containers) > 0 {
		c := &pod.Containers[0]
		for i := range pod.Containers { // the one that is no configuration manager
			if len(pod.Containers[i].Command) == 0 || pod.Containers[i].Command[0] != "config-manager" {
				c = &pod.Containers[i]
				break
			}
		}
		m.adoptPlugin(c)
	}
	if set.Spec.Selector != nil && !maps.Equal(plainOf(m.selectorOf(rolePlugin)), set.Spec.Selector.MatchLabels) {
		m.DevicePlugin.Selector = values.Map(set.Spec.Selector.MatchLabels)
	}
	m.adoptPlace(&pod)
	d := &DaemonSets{PriorityClass: types.StringNull()}
	if pod.PriorityClassName != "system-node-critical" && pod.PriorityClassName != "" {
		d.PriorityClass = types.StringValue(pod.PriorityClassName)
	}
	usual := []corev1.Toleration{{Key: vendorOf(m.Vendor).taint, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}}
	if !reflect.DeepEqual(pod.Tolerations, usual) {
		d.Tolerations = podspec.AdoptTolerations(pod.Tolerations)
	}
	if set.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
		d.UpdateStrategy = types.StringValue("OnDelete")
	}
	if r := set.Spec.UpdateStrategy.RollingUpdate; r != nil && r.MaxUnavailable != nil && r.MaxUnavailable.String() != "1" {
		d.MaxUnavailable = types.StringValue(r.MaxUnavailable.String())
	}
	m.DaemonSets = orNil(*d)
	if pod.RuntimeClassName != nil {
		m.RuntimeClass = &RuntimeClass{Name: types.StringValue(*pod.RuntimeClassName), Create: types.BoolValue(false)}
	}
	m.Manifests = manifests(m)
	return m, nil
}

// adoptPlugin says which device plugin a container runs.
func (m *Model) adoptPlugin(c *corev1.Container) {
	p := &DevicePlugin{}
	m.DevicePlugin = p
	for _, name := range []string{vendorAMD, vendorIntel} {
		for _, part := range vendors[name].plugins {
			if strings.Contains(c.Image, part) {
				m.Vendor = types.StringValue(name)
			}
		}
	}
	image, tag := c.Image, "latest"
	whole, _, _ := strings.Cut(image, "@")
	if at := strings.LastIndex(whole, ":"); at > strings.LastIndex(whole, "/") {
		image, tag = image[:at], image[at+1:] // a digest behind the tag goes with it
	} else if whole != image {
		image, tag = whole, image[len(whole)+1:]
	}
	if at := strings.LastIndex(image, "/"); at > 0 {
		p.Repository, image = types.StringValue(image[:at]), image[at+1:]
	}
	p.Image, p.Version = types.StringValue(image), types.StringValue(tag)
	p.Args = words(c.Args)
	for _, e := range c.Env {
		if byDefault, known := vendorOf(m.Vendor).env[e.Name]; e.ValueFrom == nil && (!known || byDefault != e.Value) {
			if p.Env == nil {
				p.Env = map[string]types.String{}
			}
			p.Env[e.Name] = types.StringValue(e.Value)
		}
	}
	if requests, limits := podspec.AdoptAmounts(c.Resources.Requests), podspec.AdoptAmounts(c.Resources.Limits); requests != nil || limits != nil {
		p.Resources = &Resources{Requests: requests, Limits: limits}
	}
}

// adoptPlace says on which nodes a pod runs.
func (m *Model) adoptPlace(pod *corev1.PodSpec) {
	made := object{}
	m.place(made)
	usual, _ := made["nodeSelector"].(object)
	switch {
	case len(pod.NodeSelector) > 0 && !maps.Equal(plainOf(usual), pod.NodeSelector):
		m.NodeSelector = values.Map(pod.NodeSelector)
	case len(pod.NodeSelector) == 0 && (usual != nil || pod.Affinity == nil || pod.Affinity.NodeAffinity == nil):
		m.NodeSelector = map[string]types.String{}
	}
}

func plainOf(in object) map[string]string {
	out := make(map[string]string, len(in))
	for k, v := range in {
		out[k], _ = v.(string)
	}
	return out
}
