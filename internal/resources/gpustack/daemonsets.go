package gpustack

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/runtime"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	nodeac "k8s.io/client-go/applyconfigurations/node/v1"
	rbacac "k8s.io/client-go/applyconfigurations/rbac/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// RuntimeClass is under which runtime programs see GPUs.
type RuntimeClass struct {
	Name    types.String `tfsdk:"name"`
	Handler types.String `tfsdk:"handler"`
	Create  types.Bool   `tfsdk:"create"`
}

// The roles of DaemonSets beside the device plugin's.
const (
	roleGFD      = "gpu-feature-discovery"
	roleExporter = "dcgm-exporter"
	rolePlugin   = "device-plugin"
)

// Labels by which DaemonSets know their pods.
const (
	nameKey      = "app.kubernetes.io/name"
	componentKey = "app.kubernetes.io/component"
)

const exporterPort = 9400

// migVariable tells programs how divided GPUs are advertised.
const migVariable = "MIG_STRATEGY"

type object = map[string]any

// runs reports whether a program beside the device plugin is asked for.
func runs(o *Operand) bool { return o != nil && (o.Enabled.IsNull() || o.Enabled.ValueBool()) }

func (m *Model) exporter() *Operand {
	if m.DCGMExporter == nil {
		return nil
	}
	return &m.DCGMExporter.Operand
}

// plugin is what is said of the device plugin.
func (m *Model) plugin() *DevicePlugin {
	if m.DevicePlugin == nil {
		return &DevicePlugin{}
	}
	return m.DevicePlugin
}

// daemonSets returns the DaemonSets of a cluster without operator, and what they need.
func daemonSets(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
	var out []runtime.ApplyConfiguration
	var ds diag.Diagnostics
	add := func(into runtime.ApplyConfiguration, o object) {
		raw, err := json.Marshal(o)
		if err == nil {
			err = json.Unmarshal(raw, into)
		}
		if err != nil {
			ds.Append(diags.Message{Summary: "The GPU stack cannot be written as Kubernetes objects", Why: err.Error()}.Error())
		}
		out = append(out, into)
	}
	add(&appsac.DaemonSetApplyConfiguration{}, m.set("", rolePlugin, m.pluginPod(&ds)))
	if runs(m.GPUFeatureDiscovery) {
		add(&appsac.DaemonSetApplyConfiguration{}, m.set(roleGFD, roleGFD, m.gfdPod(&ds)))
	}
	if runs(m.exporter()) {
		add(&appsac.DaemonSetApplyConfiguration{}, m.set(roleExporter, roleExporter, m.exporterPod(&ds)))
		add(&coreac.ServiceApplyConfiguration{}, m.metricsService())
	}
	if m.plugin().Config != nil {
		add(&coreac.ServiceAccountApplyConfiguration{}, object{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": m.meta("")})
		add(&rbacac.ClusterRoleApplyConfiguration{}, object{
			"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": object{"name": m.wideName()},
			"rules": []any{object{"apiGroups": []any{""}, "resources": []any{"nodes"}, "verbs": []any{"get", "list", "watch"}}},
		})
		add(&rbacac.ClusterRoleBindingApplyConfiguration{}, object{
			"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": object{"name": m.wideName()},
			"roleRef":  object{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": m.wideName()},
			"subjects": []any{object{"kind": "ServiceAccount", "name": m.Name.ValueString(), "namespace": m.Namespace.ValueString()}},
		})
	}
	if r := m.RuntimeClass; r != nil && (r.Create.IsNull() || r.Create.ValueBool()) {
		add(&nodeac.RuntimeClassApplyConfiguration{}, object{
			"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": object{"name": r.name()}, "handler": r.handler(),
		})
	}
	return out, ds
}

func (r *RuntimeClass) name() string { return cmp.Or(r.Name.ValueString(), defaultRuntimeClass) }

// handler is what container runtimes call it.
func (r *RuntimeClass) handler() string { return cmp.Or(r.Handler.ValueString(), r.name()) }

// wideName is the name of what the cluster has but once of each name.
func (m *Model) wideName() string { return m.Namespace.ValueString() + "-" + m.Name.ValueString() }

// meta is the name of an object of the stack.
func (m *Model) meta(role string) object {
	name := m.Name.ValueString()
	if role != "" {
		name += "-" + role
	}
	return object{"name": name, "namespace": m.Namespace.ValueString()}
}

// selectorOf are the labels by which a DaemonSet knows its pods.
func (m *Model) selectorOf(component string) object {
	if s := m.plugin().Selector; component == rolePlugin && len(s) > 0 {
		return texted(values.Plain(s))
	}
	return object{nameKey: labelOf(m.Name.ValueString()), componentKey: component}
}

// labelOf is as much of a name as fits into a label.
func labelOf(name string) string {
	const most = 63
	if len(name) > most {
		name = strings.TrimRight(name[:most], "-.")
	}
	return name
}

func texted(in map[string]string) object {
	out := object{}
	for k, v := range in {
		out[k] = v
	}
	return out
}

// set is a DaemonSet of the stack.
func (m *Model) set(role, component string, pod object) object {
	d, v := or(m.DaemonSets), vendorOf(m.Vendor)
	labels := m.selectorOf(component)
	template := object{"metadata": object{"labels": labels}, "spec": pod}
	if extra := values.Plain(d.Labels); len(extra) > 0 {
		all := texted(extra)
		maps.Copy(all, labels)
		template["metadata"] = object{"labels": all}
	}
	if extra := values.Plain(d.Annotations); len(extra) > 0 {
		template["metadata"].(object)["annotations"] = texted(extra) //nolint:forcetypeassert // made above
	}
	pod["priorityClassName"] = cmp.Or(d.PriorityClass.ValueString(), "system-node-critical")
	if r := m.RuntimeClass; r != nil {
		pod["runtimeClassName"] = r.name()
	}
	tolerations := []any{object{"key": v.taint, "operator": "Exists", "effect": "NoSchedule"}}
	if len(d.Tolerations) > 0 {
		tolerations = nil
		for i := range d.Tolerations {
			tolerations = append(tolerations, d.Tolerations[i].Apply())
		}
	}
	pod["tolerations"] = tolerations
	m.place(pod)
	spec := object{"selector": object{"matchLabels": labels}, "template": template}
	how := object{}
	if !d.UpdateStrategy.IsNull() {
		how["type"] = d.UpdateStrategy.ValueString()
	}
	if !d.MaxUnavailable.IsNull() {
		how["rollingUpdate"] = object{"maxUnavailable": numberOrShare(d.MaxUnavailable.ValueString())}
	}
	if len(how) > 0 {
		spec["updateStrategy"] = how
	}
	return object{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": m.meta(role), "spec": spec}
}

// place says which nodes: those that are named, or those that NVIDIA's own chart
// looks for, by the labels of Node Feature Discovery or one that people set.
func (m *Model) place(pod object) {
	if m.NodeSelector != nil {
		pod["nodeSelector"] = texted(values.Plain(m.NodeSelector))
		return
	}
	in := func(key, value string) any {
		return object{"matchExpressions": []any{object{"key": key, "operator": "In", "values": []any{value}}}}
	}
	switch m.Vendor.ValueString() {
	case vendorAMD:
		pod["nodeSelector"] = object{"feature.node.kubernetes.io/pci-0300_1002.present": "true", "kubernetes.io/arch": "amd64"}
	case vendorIntel:
		pod["nodeSelector"] = object{"kubernetes.io/arch": "amd64"}
	default:
		pod["affinity"] = object{"nodeAffinity": object{"requiredDuringSchedulingIgnoredDuringExecution": object{"nodeSelectorTerms": []any{
			in("feature.node.kubernetes.io/pci-10de.present", "true"), in("feature.node.kubernetes.io/cpu-model.vendor_id", "NVIDIA"), in("nvidia.com/gpu.present", "true"),
		}}}}
	}
}

// container is the main container of a program, with what is said of it.
func (o *Operand) container(name, repository, image, version string, env, fields map[string]string, ds *diag.Diagnostics) object {
	if o == nil {
		o = &Operand{}
	}
	tag := cmp.Or(o.Version.ValueString(), version)
	by := ":"
	if strings.HasPrefix(tag, "sha256:") {
		by = "@"
	}
	out := object{"name": name, "image": cmp.Or(o.Repository.ValueString(), repository) + "/" + cmp.Or(o.Image.ValueString(), image) + by + tag}
	if !o.ImagePullPolicy.IsNull() {
		out["imagePullPolicy"] = o.ImagePullPolicy.ValueString()
	}
	if len(o.Args) > 0 {
		out["args"] = texts(o.Args)
	}
	said := values.Plain(o.Env)
	var all []any
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if _, over := said[k]; !over {
			all = append(all, object{"name": k, "valueFrom": object{"fieldRef": object{"fieldPath": fields[k]}}})
		}
	}
	merged := maps.Clone(env)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, said)
	for _, k := range slices.Sorted(maps.Keys(merged)) {
		e := object{"name": k}
		if merged[k] != "" {
			e["value"] = merged[k]
		}
		all = append(all, e)
	}
	if len(all) > 0 {
		out["env"] = all
	}
	resources, rds := o.Resources.apply()
	ds.Append(rds...)
	if resources != nil {
		out["resources"] = resources
	}
	return out
}

// pod is a pod of one program.
func (o *Operand) pod(containers, volumes []any) object {
	out := object{"containers": containers, "volumes": volumes}
	if o != nil && len(o.ImagePullSecrets) > 0 {
		var all []any
		for _, s := range o.ImagePullSecrets {
			all = append(all, object{"name": s.ValueString()})
		}
		out["imagePullSecrets"] = all
	}
	return out
}

// mounted are directories of the node, as volumes and as mounts.
func mounted(in []volume) (volumes, mounts []any) {
	for _, v := range in {
		source, mount := object{"path": v.path}, object{"name": v.name, "mountPath": v.path}
		if v.kind != "" {
			source["type"] = v.kind
		}
		if v.readOnly {
			mount["readOnly"] = true
		}
		volumes, mounts = append(volumes, object{"name": v.name, "hostPath": source}), append(mounts, mount)
	}
	return volumes, mounts
}

// migStrategy adds how divided GPUs are advertised.
func (m *Model) migStrategy(env map[string]string) map[string]string {
	out := maps.Clone(env)
	if out == nil {
		out = map[string]string{}
	}
	if !m.MIGStrategy.IsNull() {
		out[migVariable] = m.MIGStrategy.ValueString()
	}
	return out
}

// pluginPod is the pod of the device plugin; where nodes choose its configuration,
// with a manager that follows their label.
func (m *Model) pluginPod(ds *diag.Diagnostics) object {
	v, p := vendorOf(m.Vendor), m.plugin()
	volumes, mounts := mounted(v.volumes)
	env := m.migStrategy(v.env)
	if p.Config != nil {
		env["CONFIG_FILE"] = "/config/config.yaml"
	}
	main := p.container(v.container, v.repository, v.image, v.version, env, v.fields, ds)
	main["securityContext"], main["volumeMounts"] = v.security, mounts
	if p.Config == nil {
		return p.pod([]any{main}, volumes)
	}
	shared := []any{object{"name": "available-configs", "mountPath": "/available-configs"}, object{"name": "config", "mountPath": "/config"}}
	main["volumeMounts"] = append(slices.Clone(mounts), shared...)
	manager := func(name, once string) object {
		env := map[string]string{
			"ONESHOT": once, "NODE_LABEL": "nvidia.com/device-plugin.config", "CONFIG_FILE_SRCDIR": "/available-configs", "CONFIG_FILE_DST": "/config/config.yaml",
			"DEFAULT_CONFIG": p.Config.Default.ValueString(), "FALLBACK_STRATEGIES": "named,single", "SEND_SIGNAL": map[string]string{"true": "false", "false": "true"}[once],
		}
		if once == "false" {
			env["SIGNAL"], env["PROCESS_TO_SIGNAL"] = "1", "nvidia-device-plugin" // SIGHUP
		}
		image := Operand{Switched: Switched{Part: Part{Repository: p.Repository, Image: p.Image, Version: p.Version, ImagePullPolicy: p.ImagePullPolicy}}}
		c := image.container(name, v.repository, v.image, v.version, env, map[string]string{"NODE_NAME": "spec.nodeName"}, ds)
		c["command"], c["volumeMounts"] = []any{"config-manager"}, shared
		return c
	}
	pod := p.pod([]any{main, manager("nvidia-device-plugin-sidecar", "false")}, append(volumes,
		object{"name": "available-configs", "configMap": object{"name": p.Config.Name.ValueString()}}, object{"name": "config", "emptyDir": object{}}))
	pod["initContainers"] = []any{manager("nvidia-device-plugin-init", "true")}
	pod["serviceAccountName"], pod["shareProcessNamespace"] = m.Name.ValueString(), true
	return pod
}

// gfdPod is the pod of GPU Feature Discovery. It writes a file that Node Feature
// Discovery makes labels of.
func (m *Model) gfdPod(ds *diag.Diagnostics) object {
	volumes, mounts := mounted([]volume{
		{name: "output-dir", path: "/etc/kubernetes/node-feature-discovery/features.d", kind: "DirectoryOrCreate"},
		{name: "host-sys", path: "/sys", kind: "Directory"},
	})
	o := m.GPUFeatureDiscovery
	fields := map[string]string{"NODE_NAME": "spec.nodeName", "NAMESPACE": "metadata.namespace", "POD_NAME": "metadata.name"}
	c := o.container("gpu-feature-discovery-ctr", nvcr, pluginImage, pluginVersion, m.migStrategy(nil), fields, ds)
	c["command"], c["securityContext"], c["volumeMounts"] = []any{"gpu-feature-discovery"}, object{"privileged": true}, mounts
	return o.pod([]any{c}, volumes)
}

// exporterPod is the pod of the DCGM exporter.
func (m *Model) exporterPod(ds *diag.Diagnostics) object {
	volumes, mounts := mounted([]volume{{name: "pod-resources", path: "/var/lib/kubelet/pod-resources", readOnly: true}})
	o := m.exporter()
	env := map[string]string{"DCGM_EXPORTER_LISTEN": ":9400", "DCGM_EXPORTER_KUBERNETES": "true", "NVIDIA_VISIBLE_DEVICES": "all"}
	c := o.container(roleExporter, dcgmRepository, dcgmImage, dcgmVersion, env, map[string]string{"NODE_NAME": "spec.nodeName"}, ds)
	probe := object{"httpGet": object{"path": "/health", "port": exporterPort}, "initialDelaySeconds": 10}
	c["ports"] = []any{object{"name": "metrics", "containerPort": exporterPort}}
	c["securityContext"] = object{"runAsUser": 0, "runAsNonRoot": false, "capabilities": object{"add": []any{"SYS_ADMIN"}}}
	c["readinessProbe"], c["livenessProbe"], c["volumeMounts"] = probe, probe, mounts
	return o.pod([]any{c}, volumes)
}

// metricsService is in front of the exporters.
func (m *Model) metricsService() object {
	s := or(m.DCGMExporter.Service)
	spec := object{"selector": m.selectorOf(roleExporter), "ports": []any{object{"name": "gpu-metrics", "port": exporterPort}}}
	if !s.Type.IsNull() {
		spec["type"] = s.Type.ValueString()
	}
	if !s.InternalTrafficPolicy.IsNull() {
		spec["internalTrafficPolicy"] = s.InternalTrafficPolicy.ValueString()
	}
	meta := m.meta(roleExporter)
	meta["annotations"] = object{"prometheus.io/scrape": "true"}
	return object{"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
}
