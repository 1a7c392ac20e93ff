package distributed

import (
	"fmt"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// The list of hosts that MPI programs start from: a file in the main container,
// from an annotation of the pod.
const (
	hostfileAnnotation = "mlk.dev/hostfile"
	hostfileVolume     = "mlk-hostfile"
	hostfileFolder     = "/etc/mlk"
	hostfileName       = "hostfile"
	hostfilePath       = hostfileFolder + "/" + hostfileName
)

// variable is an environment variable: a text, or a field of the pod.
type variable struct {
	name, value, field string
}

// traces are what a gang leaves in the pod template.
type traces struct {
	subdomain   string
	dnsPolicy   corev1.DNSPolicy
	labels      map[string]string
	annotations map[string]string
	env         []variable
	hostfile    bool
	// near is the pods that have to be in one domain of topologyKey.
	topologyKey string
	near        near
	// group is the PodGroup of Kubernetes' own scheduler, scheduler another one.
	group, scheduler string
}

// near chooses the pods of one run: by label, or by having it in common.
type near struct {
	labels map[string]string
	keys   []string
}

// traces returns what the gang adds to the pod.
func (m *Model) traces(g Gang) traces {
	t := traces{subdomain: g.Name, topologyKey: m.TopologyKey.ValueString()}
	if g.HostNetwork && !g.DNSPolicy {
		// Otherwise the pod resolves names as its node does, which knows no pods.
		t.dnsPolicy = corev1.DNSClusterFirstWithHostNet
	}
	if g.Scheduled {
		t.labels = g.selector()
		t.near.keys = []string{batchv1.JobNameLabel}
	} else {
		t.near.labels = g.selector()
	}
	if m.usesHostfile() && !g.Scheduled {
		t.hostfile = true
		t.annotations = map[string]string{hostfileAnnotation: m.hostfile(g)}
	}
	m.join(&t, g)
	for _, v := range m.environment(g) {
		if !g.Declared[v.name] {
			t.env = append(t.env, v)
		}
	}
	return t
}

// hostfile lists a host per line with the processes it takes, as Open MPI, Intel
// MPI's mpirun and DeepSpeed read it.
func (m *Model) hostfile(g Gang) string {
	var b strings.Builder
	for i := range m.Nodes.ValueInt32() {
		fmt.Fprintf(&b, "%s slots=%d\n", g.host(fmt.Sprint(i)), max(m.processes(g), 1))
	}
	return b.String()
}

// apply writes the traces into a template: variables before those of the user,
// so that they can refer to them.
func (t traces) apply(template *coreac.PodTemplateSpecApplyConfiguration, container string) {
	spec := template.Spec
	spec.WithSubdomain(t.subdomain)
	if t.dnsPolicy != "" {
		spec.WithDNSPolicy(t.dnsPolicy)
	}
	t.applyGroup(spec)
	if len(t.labels)+len(t.annotations) > 0 && template.ObjectMetaApplyConfiguration == nil {
		template.ObjectMetaApplyConfiguration = &metav1ac.ObjectMetaApplyConfiguration{}
	}
	if len(t.labels) > 0 {
		template.WithLabels(t.labels)
	}
	if len(t.annotations) > 0 {
		template.WithAnnotations(t.annotations)
	}
	if t.topologyKey != "" {
		t.applyTopology(spec)
	}
	i := slices.IndexFunc(spec.Containers, func(c coreac.ContainerApplyConfiguration) bool { return c.Name != nil && *c.Name == container })
	if i < 0 {
		return
	}
	main := &spec.Containers[i]
	env := make([]coreac.EnvVarApplyConfiguration, 0, len(t.env)+len(main.Env))
	for _, v := range t.env {
		env = append(env, v.apply())
	}
	main.Env = append(env, main.Env...)
	if t.hostfile {
		spec.WithVolumes(coreac.Volume().WithName(hostfileVolume).WithDownwardAPI(coreac.DownwardAPIVolumeSource().
			WithItems(coreac.DownwardAPIVolumeFile().WithPath(hostfileName).
				WithFieldRef(coreac.ObjectFieldSelector().WithFieldPath(annotationField(hostfileAnnotation))))))
		main.WithVolumeMounts(coreac.VolumeMount().WithName(hostfileVolume).WithMountPath(hostfileFolder).WithReadOnly(true))
	}
}

func (t traces) applyTopology(spec *coreac.PodSpecApplyConfiguration) {
	if spec.Affinity == nil {
		spec.Affinity = coreac.Affinity()
	}
	if spec.Affinity.PodAffinity == nil {
		spec.Affinity.PodAffinity = coreac.PodAffinity()
	}
	selector := coreac.PodAffinityTerm().WithTopologyKey(t.topologyKey).WithMatchLabelKeys(t.near.keys...)
	selector.LabelSelector = &metav1ac.LabelSelectorApplyConfiguration{MatchLabels: t.near.labels}
	spec.Affinity.PodAffinity.WithRequiredDuringSchedulingIgnoredDuringExecution(selector)
}

func (v variable) apply() coreac.EnvVarApplyConfiguration {
	e := coreac.EnvVar().WithName(v.name)
	if v.field != "" {
		e.WithValueFrom(coreac.EnvVarSource().WithFieldRef(coreac.ObjectFieldSelector().WithFieldPath(v.field)))
	} else {
		e.WithValue(v.value)
	}
	return *e
}

func annotationField(key string) string { return fmt.Sprintf("metadata.annotations['%s']", key) }

func labelField(key string) string { return fmt.Sprintf("metadata.labels['%s']", key) }

// places are where the traces are in the template.
func (t traces) places(container string) [][]string {
	out := [][]string{{"spec", "subdomain"}}
	if t.dnsPolicy != "" {
		out = append(out, []string{"spec", "dnsPolicy"})
	}
	for k := range t.labels {
		out = append(out, []string{"metadata", "labels", k})
	}
	for k := range t.annotations {
		out = append(out, []string{"metadata", "annotations", k})
	}
	if t.topologyKey != "" {
		out = append(out, []string{"spec", "affinity", "podAffinity", "requiredDuringSchedulingIgnoredDuringExecution"})
	}
	for _, v := range t.env {
		out = append(out, []string{"spec", "containers", container, "env", v.name})
	}
	if t.hostfile {
		out = append(out, []string{"spec", "volumes", hostfileVolume}, []string{"spec", "containers", container, "volumeMounts", hostfileFolder})
	}
	return out
}

// remove takes the traces out of a live template. It reports whether all were
// there as they were made.
func (t traces) remove(template *corev1.PodTemplateSpec, container string) bool {
	spec := &template.Spec
	same := spec.Subdomain == t.subdomain
	spec.Subdomain = ""
	if t.dnsPolicy != "" {
		same = same && spec.DNSPolicy == t.dnsPolicy
		spec.DNSPolicy = corev1.DNSClusterFirst
	}
	same = t.removeGroup(spec) && same
	same = removeKeys(&template.Labels, t.labels) && same
	same = removeKeys(&template.Annotations, t.annotations) && same
	if t.topologyKey != "" {
		same = t.removeTopology(spec) && same
	}
	i := slices.IndexFunc(spec.Containers, func(c corev1.Container) bool { return c.Name == container })
	if i < 0 {
		return false
	}
	main := &spec.Containers[i]
	for _, v := range t.env {
		at := slices.IndexFunc(main.Env, func(e corev1.EnvVar) bool { return e.Name == v.name })
		if at < 0 {
			same = false
			continue
		}
		same = same && v.is(main.Env[at])
		main.Env = slices.Delete(main.Env, at, at+1)
	}
	if len(main.Env) == 0 {
		main.Env = nil
	}
	if t.hostfile {
		same = removeHostfile(spec, main) && same
	}
	return same
}

func removeKeys(from *map[string]string, keys map[string]string) bool {
	same := true
	for k, v := range keys {
		same = same && (*from)[k] == v
		delete(*from, k)
	}
	if len(*from) == 0 {
		*from = nil
	}
	return same
}

func (v variable) is(e corev1.EnvVar) bool {
	if v.field == "" {
		return e.Value == v.value && e.ValueFrom == nil
	}
	return e.Value == "" && e.ValueFrom != nil && e.ValueFrom.FieldRef != nil && e.ValueFrom.FieldRef.FieldPath == v.field
}

func (t traces) removeTopology(spec *corev1.PodSpec) bool {
	if spec.Affinity == nil || spec.Affinity.PodAffinity == nil {
		return false
	}
	a := spec.Affinity.PodAffinity
	terms := a.RequiredDuringSchedulingIgnoredDuringExecution
	i := slices.IndexFunc(terms, t.isTopology)
	if i < 0 {
		return false
	}
	a.RequiredDuringSchedulingIgnoredDuringExecution = slices.Delete(terms, i, i+1)
	if len(a.RequiredDuringSchedulingIgnoredDuringExecution) == 0 {
		a.RequiredDuringSchedulingIgnoredDuringExecution = nil
		if len(a.PreferredDuringSchedulingIgnoredDuringExecution) == 0 {
			spec.Affinity.PodAffinity = nil
		}
	}
	if *spec.Affinity == (corev1.Affinity{}) {
		spec.Affinity = nil
	}
	return true
}

func (t traces) isTopology(term corev1.PodAffinityTerm) bool {
	if term.TopologyKey != t.topologyKey || term.LabelSelector == nil || len(term.LabelSelector.MatchExpressions) > 0 ||
		len(term.Namespaces) > 0 || term.NamespaceSelector != nil || len(term.MismatchLabelKeys) > 0 ||
		len(term.LabelSelector.MatchLabels) != len(t.near.labels) || !slices.Equal(term.MatchLabelKeys, t.near.keys) {
		return false
	}
	for k, v := range t.near.labels {
		if term.LabelSelector.MatchLabels[k] != v {
			return false
		}
	}
	return true
}

func removeHostfile(spec *corev1.PodSpec, main *corev1.Container) bool {
	same := false
	spec.Volumes = slices.DeleteFunc(spec.Volumes, func(v corev1.Volume) bool {
		if v.Name != hostfileVolume {
			return false
		}
		d := v.DownwardAPI
		same = d != nil && len(d.Items) == 1 && d.Items[0].Path == hostfileName && d.Items[0].FieldRef != nil &&
			d.Items[0].FieldRef.FieldPath == annotationField(hostfileAnnotation)
		return true
	})
	mounted := false
	main.VolumeMounts = slices.DeleteFunc(main.VolumeMounts, func(v corev1.VolumeMount) bool {
		if v.MountPath != hostfileFolder {
			return false
		}
		mounted = v.Name == hostfileVolume && v.ReadOnly && v.SubPath == ""
		return true
	})
	return same && mounted
}
