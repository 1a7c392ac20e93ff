package nodeagent

import (
	"maps"
	"reflect"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// preset is an agent that mlk knows: what its pod is like where the configuration
// says nothing.
type preset struct {
	pod     podspec.Model
	metrics *Metrics
}

// presetDCGM is NVIDIA's exporter of GPU metrics.
const presetDCGM = "dcgm_exporter"

// What the exporter is and where it listens.
const (
	dcgmImage = "nvcr.io/nvidia/k8s/dcgm-exporter:4.5.3-4.8.2-distroless"
	dcgmPort  = 9400
)

var presets = map[string]preset{
	presetDCGM: {
		metrics: &Metrics{Port: types.Int32Value(dcgmPort)},
		pod: podspec.Model{
			Container: podspec.Container{
				Image: types.StringValue(dcgmImage),
				Env: map[string]types.String{
					"DCGM_EXPORTER_LISTEN":     types.StringValue(":9400"),
					"DCGM_EXPORTER_KUBERNETES": types.StringValue("true"),
					// Seeing all GPUs is not having them: a device that is asked for is a device taken.
					"NVIDIA_VISIBLE_DEVICES": types.StringValue("all"),
				},
				EnvValueFrom: map[string]podspec.EnvValue{"NODE_NAME": {Field: types.StringValue("spec.nodeName")}},
				Ports:        map[string]podspec.Port{"metrics": {Port: types.Int32Value(dcgmPort)}},
				SecurityContext: &podspec.Security{ // profiling counters need it
					RunAsUser: types.Int64Value(0), RunAsNonRoot: types.BoolValue(false),
					Capabilities: &podspec.Capabilities{Add: []types.String{types.StringValue("SYS_ADMIN")}},
				},
				ReadinessProbe: dcgmProbe(),
				LivenessProbe:  dcgmProbe(),
			},
			Volumes: map[string]podspec.Volume{"pod-resources": {
				MountPath: types.StringValue("/var/lib/kubelet/pod-resources"), ReadOnly: types.BoolValue(true),
				HostPath: &podspec.HostPath{Path: types.StringValue("/var/lib/kubelet/pod-resources")},
			}},
			Scheduling: &podspec.Scheduling{
				NodeSelector: map[string]types.String{"nvidia.com/gpu.present": types.StringValue("true")},
				Tolerations:  []podspec.Toleration{{Key: types.StringValue("nvidia.com/gpu"), Operator: types.StringValue("Exists"), Effect: types.StringValue("NoSchedule")}},
			},
		},
	},
}

// dcgmProbe asks the exporter, which takes some time to find its GPUs.
func dcgmProbe() *podspec.Probe {
	return &podspec.Probe{
		HTTPGet: &podspec.HTTPGet{Path: types.StringValue("/health"), Port: types.StringValue("9400")}, InitialDelaySeconds: types.Int32Value(10),
	}
}

// effective is the pod with what the preset makes of it.
func effective(m *Model) podspec.Model {
	p, ok := presets[m.Preset.ValueString()]
	if !ok {
		return m.Model
	}
	return p.under(m.Model)
}

// under is a pod with what the preset says where the pod says nothing.
func (p preset) under(pod podspec.Model) podspec.Model {
	by := p.pod
	if pod.Image.IsNull() {
		pod.Image = by.Image
	}
	env, from := maps.Clone(by.Env), maps.Clone(by.EnvValueFrom)
	for name := range pod.EnvValueFrom {
		delete(env, name)
	}
	for name := range pod.Env {
		delete(from, name)
	}
	pod.Env, pod.EnvValueFrom = beneath(env, pod.Env), beneath(from, pod.EnvValueFrom)
	pod.Ports, pod.Volumes = beneath(by.Ports, pod.Ports), beneath(by.Volumes, pod.Volumes)
	pod.SecurityContext = either(pod.SecurityContext, by.SecurityContext)
	pod.ReadinessProbe = either(pod.ReadinessProbe, by.ReadinessProbe)
	pod.LivenessProbe = either(pod.LivenessProbe, by.LivenessProbe)
	where := podspec.Scheduling{}
	if pod.Scheduling != nil {
		where = *pod.Scheduling
	}
	if !chooses(&where) {
		where.NodeSelector = by.Scheduling.NodeSelector
	}
	if where.Tolerations == nil {
		where.Tolerations = by.Scheduling.Tolerations
	}
	pod.Scheduling = &where
	return pod
}

// chooses reports whether the configuration itself says which nodes are meant.
func chooses(s *podspec.Scheduling) bool {
	return s.NodeSelector != nil || s.NodeAffinity != nil || !s.NodePool.IsNull() || !s.NodeName.IsNull()
}

func beneath[V any](by, over map[string]V) map[string]V {
	out := maps.Clone(by)
	if out == nil {
		return over
	}
	maps.Copy(out, over)
	return out
}

func either[T any](a, b *T) *T {
	if a == nil {
		return b
	}
	return a
}

// presetFields says what the preset made, beside what attributes say of the same.
func presetFields(m *Model) diags.Fields {
	p, ok := presets[m.Preset.ValueString()]
	if !ok {
		return diags.Fields{}
	}
	made := p.under(podspec.Model{ContainerName: m.ContainerName})
	f := made.Fields(path.Empty(), kube.DaemonSet.Kind, "spec", "template")
	return f.MadeBy(presetPath)
}

// unmade takes out of an adopted model what prior does not say and its preset
// makes. Where that is not as the preset makes it, there is no preset any more.
func unmade(m, prior *Model) {
	p, ok := presets[prior.Preset.ValueString()]
	if !ok {
		return
	}
	made, was := p.under(prior.Model), prior.Model
	same := true
	if was.Image.IsNull() {
		if same = m.Image.Equal(made.Image); same {
			m.Image = types.StringNull()
		}
	}
	for _, kept := range []bool{
		without(&m.Env, was.Env, made.Env), without(&m.EnvValueFrom, was.EnvValueFrom, made.EnvValueFrom),
		without(&m.Ports, was.Ports, made.Ports), without(&m.Volumes, was.Volumes, made.Volumes),
		unless(&m.SecurityContext, was.SecurityContext, made.SecurityContext),
		unless(&m.ReadinessProbe, was.ReadinessProbe, made.ReadinessProbe), unless(&m.LivenessProbe, was.LivenessProbe, made.LivenessProbe),
		unplaced(m, &was, &made),
	} {
		same = same && kept
	}
	if !same {
		m.Preset = types.StringNull()
	}
}

// without takes the entries out of have that were made and not said; false when
// one of them is otherwise.
func without[V any](have *map[string]V, said, made map[string]V) bool {
	same := true
	out := maps.Clone(*have)
	for k, v := range made {
		if _, ok := said[k]; ok {
			continue
		}
		if now, ok := out[k]; ok && reflect.DeepEqual(now, v) {
			delete(out, k)
		} else {
			same = false
		}
	}
	if len(out) == 0 && said == nil {
		out = nil
	}
	*have = out
	return same
}

// unless takes away what was made and not said; false when it is otherwise.
func unless[T any](have **T, said, made *T) bool {
	switch {
	case said != nil:
		return true
	case reflect.DeepEqual(*have, made):
		*have = nil
		return true
	}
	return false
}

// unplaced does the same for where the pods run.
func unplaced(m *Model, said, made *podspec.Model) bool {
	was := podspec.Scheduling{}
	if said.Scheduling != nil {
		was = *said.Scheduling
	}
	if m.Scheduling == nil {
		return false
	}
	now, same := *m.Scheduling, true
	if !chooses(&was) {
		if reflect.DeepEqual(now.NodeSelector, made.Scheduling.NodeSelector) {
			now.NodeSelector = nil
		} else {
			same = false
		}
	}
	if was.Tolerations == nil {
		if reflect.DeepEqual(now.Tolerations, made.Scheduling.Tolerations) {
			now.Tolerations = nil
		} else {
			same = false
		}
	}
	m.Scheduling = &now
	if said.Scheduling == nil && reflect.DeepEqual(now, podspec.Scheduling{}) {
		m.Scheduling = nil
	}
	return same
}
