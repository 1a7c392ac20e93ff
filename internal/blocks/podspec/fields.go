package podspec

import (
	"slices"
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// fieldsBelow adds entries below one place of the API and one attribute.
type fieldsBelow struct {
	f        *diags.Fields
	at       path.Path
	segments []string
}

// to goes down both sides.
func (b fieldsBelow) to(at path.Path, segments ...string) fieldsBelow {
	return fieldsBelow{b.f, at, append(slices.Clip(b.segments), segments...)}
}

// add maps the field segments to the attribute at.
func (b fieldsBelow) add(at path.Path, segments ...string) {
	b.f.Add(at, append(slices.Clip(b.segments), segments...)...)
}

// name maps the field to the attribute of that name.
func (b fieldsBelow) name(attribute string, segments ...string) {
	b.add(b.at.AtName(attribute), segments...)
}

// Fields says which attribute generated which field of the pod template, whose
// place in the objects is segments: "Job", "spec", "template". The attributes
// of the block are below at, which is path.Empty() for a resource.
//
// A list without keys, such as tolerations, may be filled by several
// attributes: there is one entry for each, the one of the long form first.
func (m *Model) Fields(at path.Path, segments ...string) diags.Fields {
	var f diags.Fields
	template := fieldsBelow{f: &f, at: at, segments: segments}
	template.name("pod_labels", "metadata", "labels")
	for k := range m.PodLabels {
		template.add(at.AtName("pod_labels").AtMapKey(k), "metadata", "labels", k)
	}
	template.name("pod_annotations", "metadata", "annotations")
	for k := range m.PodAnnotations {
		template.add(at.AtName("pod_annotations").AtMapKey(k), "metadata", "annotations", k)
	}
	spec := template.to(at, "spec")
	m.podFields(spec)
	m.volumeFields(spec)
	m.schedulingFields(spec)

	main := spec.to(at, "containers", m.containerName())
	main.name("container_name")
	m.fields(main)
	m.gpuFields(main)
	for _, name := range m.implied() {
		main.add(at.AtName("devices").AtMapKey(name), "resources", "claims", name)
	}
	for name, e := range m.ExtraContainers {
		c := spec.to(at.AtName("extra_containers").AtMapKey(name), "containers", name)
		c.add(c.at)
		e.fields(c)
		c.name("restart_policy", "restartPolicy")
		c.name("restart_policy_rules", "restartPolicyRules")
	}
	spec.name("init_containers", "initContainers")
	for i := range m.InitContainers {
		init := &m.InitContainers[i]
		c := spec.to(at.AtName("init_containers").AtListIndex(i), "initContainers", init.Name.ValueString())
		c.add(c.at)
		init.fields(c)
		c.name("name", "name")
		c.name("restart_policy", "restartPolicy")
		c.name("restart_policy_rules", "restartPolicyRules")
	}
	return f
}

func (m *Model) podFields(spec fieldsBelow) {
	for attribute, field := range map[string]string{
		"service_account": "serviceAccountName", "automount_service_account_token": "automountServiceAccountToken",
		"image_pull_secrets": "imagePullSecrets", "termination_grace_period_seconds": "terminationGracePeriodSeconds",
		"enable_service_links": "enableServiceLinks", "share_process_namespace": "shareProcessNamespace",
		"host_network": "hostNetwork", "host_pid": "hostPID", "host_ipc": "hostIPC", "hostname": "hostname", "subdomain": "subdomain",
		"dns_policy": "dnsPolicy", "dns_config": "dnsConfig", "host_aliases": "hostAliases", "devices": "resourceClaims",
		"pod_security_context": "securityContext",
	} {
		spec.name(attribute, field)
	}
	for ip := range m.HostAliases {
		spec.add(spec.at.AtName("host_aliases").AtMapKey(ip), "hostAliases", ip)
	}
	for name := range m.Devices {
		c := spec.to(spec.at.AtName("devices").AtMapKey(name), "resourceClaims", name)
		c.add(c.at)
		c.name("claim", "resourceClaimName")
		c.name("template", "resourceClaimTemplateName")
	}
	if m.DNSConfig != nil {
		d := spec.to(spec.at.AtName("dns_config"), "dnsConfig")
		d.name("nameservers", "nameservers")
		d.name("searches", "searches")
		d.name("options", "options")
	}
	if m.PodSecurityContext != nil {
		s := spec.to(spec.at.AtName("pod_security_context"), "securityContext")
		for attribute, field := range map[string]string{
			"run_as_user": "runAsUser", "run_as_group": "runAsGroup", "run_as_non_root": "runAsNonRoot", "fs_group": "fsGroup",
			"fs_group_change_policy": "fsGroupChangePolicy", "supplemental_groups": "supplementalGroups", "sysctls": "sysctls",
			"seccomp_profile": "seccompProfile", "app_armor_profile": "appArmorProfile", "se_linux_options": "seLinuxOptions",
		} {
			s.name(attribute, field)
		}
		securityFields(s, m.PodSecurityContext.SeccompProfile, m.PodSecurityContext.AppArmorProfile, m.PodSecurityContext.SELinuxOptions)
	}
}

// fields adds those of one container. Mounts are the volumes' to add.
func (c *Container) fields(to fieldsBelow) {
	for attribute, field := range map[string]string{
		"image": "image", "image_pull_policy": "imagePullPolicy", "command": "command", "args": "args", "working_dir": "workingDir",
		"env_from": "envFrom", "ports": "ports",
		"startup_probe": "startupProbe", "liveness_probe": "livenessProbe", "readiness_probe": "readinessProbe", "hooks": "lifecycle",
		"security_context": "securityContext", "termination_message_path": "terminationMessagePath",
		"termination_message_policy": "terminationMessagePolicy", "stdin": "stdin", "tty": "tty",
	} {
		to.name(attribute, field)
	}
	c.envFields(to)
	c.Resources.fields(to)
	for key, p := range c.Ports {
		name, number, protocol := portKey(key)
		if !p.Port.IsNull() {
			number = p.Port.ValueInt32()
		}
		if !p.Protocol.IsNull() {
			protocol = p.Protocol.ValueString()
		}
		if protocol == "" {
			protocol = "TCP"
		}
		e := to.to(to.at.AtName("ports").AtMapKey(key), "ports", strconv.Itoa(int(number))+"/"+protocol)
		e.add(e.at)
		if name == "" && p.Port.IsNull() {
			continue
		}
		e.name("port", "containerPort")
		e.name("protocol", "protocol")
		e.name("host_port", "hostPort")
		e.name("host_ip", "hostIP")
	}
	c.StartupProbe.fields(to.to(to.at.AtName("startup_probe"), "startupProbe"))
	c.LivenessProbe.fields(to.to(to.at.AtName("liveness_probe"), "livenessProbe"))
	c.ReadinessProbe.fields(to.to(to.at.AtName("readiness_probe"), "readinessProbe"))
	if c.Hooks != nil {
		h := to.to(to.at.AtName("hooks"), "lifecycle")
		h.name("post_start", "postStart")
		h.name("pre_stop", "preStop")
	}
	if s := c.SecurityContext; s != nil {
		b := to.to(to.at.AtName("security_context"), "securityContext")
		for attribute, field := range map[string]string{
			"privileged": "privileged", "allow_privilege_escalation": "allowPrivilegeEscalation", "read_only_root_filesystem": "readOnlyRootFilesystem",
			"run_as_user": "runAsUser", "run_as_group": "runAsGroup", "run_as_non_root": "runAsNonRoot", "capabilities": "capabilities",
			"seccomp_profile": "seccompProfile", "app_armor_profile": "appArmorProfile", "se_linux_options": "seLinuxOptions",
		} {
			b.name(attribute, field)
		}
		if s.Capabilities != nil {
			capabilities := b.to(b.at.AtName("capabilities"), "capabilities")
			capabilities.name("add", "add")
			capabilities.name("drop", "drop")
		}
		securityFields(b, s.SeccompProfile, s.AppArmorProfile, s.SELinuxOptions)
	}
}

func securityFields(b fieldsBelow, seccomp, appArmor *Profile, se *SELinux) {
	if seccomp != nil {
		p := b.to(b.at.AtName("seccomp_profile"), "seccompProfile")
		p.name("type", "type")
		p.name("localhost_profile", "localhostProfile")
	}
	if appArmor != nil {
		p := b.to(b.at.AtName("app_armor_profile"), "appArmorProfile")
		p.name("type", "type")
		p.name("localhost_profile", "localhostProfile")
	}
	if se != nil {
		p := b.to(b.at.AtName("se_linux_options"), "seLinuxOptions")
		for _, n := range []string{"user", "role", "type", "level"} {
			p.name(n, n)
		}
	}
}

func (c *Container) envFields(to fieldsBelow) {
	if len(c.Env) > 0 {
		to.name("env", "env")
	}
	if len(c.EnvValueFrom) > 0 {
		to.name("env_value_from", "env")
	}
	for name, v := range c.Env {
		if _, both := c.EnvValueFrom[name]; v.IsNull() || both {
			continue
		}
		to.add(to.at.AtName("env").AtMapKey(name), "env", name)
	}
	for name, v := range c.EnvValueFrom {
		e := to.to(to.at.AtName("env_value_from").AtMapKey(name), "env", name)
		e.add(e.at)
		if v.Secret != nil {
			keyFields(e.to(e.at.AtName("secret"), "valueFrom", "secretKeyRef"))
		}
		if v.ConfigMap != nil {
			keyFields(e.to(e.at.AtName("config_map"), "valueFrom", "configMapKeyRef"))
		}
		if !v.Field.IsNull() {
			e.name("field", "valueFrom", "fieldRef")
		}
		if v.Resource != nil {
			r := e.to(e.at.AtName("resource"), "valueFrom", "resourceFieldRef")
			r.add(r.at)
			r.name("container", "containerName")
			r.name("resource", "resource")
			r.name("divisor", "divisor")
		}
	}
}

func keyFields(b fieldsBelow) {
	b.add(b.at)
	b.name("name", "name")
	b.name("key", "key")
	b.name("optional", "optional")
}

func (r *Resources) fields(to fieldsBelow) {
	if r == nil {
		return
	}
	b := to.to(to.at.AtName("resources"), "resources")
	b.add(b.at)
	b.name("limits", "limits")
	b.name("requests", "requests")
	b.name("claims", "claims")
	for name := range r.Limits {
		b.add(b.at.AtName("limits").AtMapKey(name), "limits", name)
		// A request that follows the limit is null here, and shows up when
		// somebody makes it another.
		b.add(b.at.AtName("requests").AtMapKey(name), "requests", name)
	}
	for name := range r.Requests {
		if _, limited := r.Limits[name]; !limited {
			b.add(b.at.AtName("requests").AtMapKey(name), "requests", name)
		}
	}
	for name := range r.Claims {
		c := b.to(b.at.AtName("claims").AtMapKey(name), "claims", name)
		c.add(c.at)
		c.name("request", "request")
	}
}

func (p *Probe) fields(to fieldsBelow) {
	if p == nil {
		return
	}
	for attribute, field := range map[string]string{
		"exec": "exec", "http_get": "httpGet", "tcp_socket": "tcpSocket", "grpc": "grpc",
		"initial_delay_seconds": "initialDelaySeconds", "period_seconds": "periodSeconds", "timeout_seconds": "timeoutSeconds",
		"success_threshold": "successThreshold", "failure_threshold": "failureThreshold", "termination_grace_period_seconds": "terminationGracePeriodSeconds",
	} {
		to.name(attribute, field)
	}
	if p.HTTPGet != nil {
		h := to.to(to.at.AtName("http_get"), "httpGet")
		for attribute, field := range map[string]string{"path": "path", "port": "port", "scheme": "scheme", "host": "host", "headers": "httpHeaders"} {
			h.name(attribute, field)
		}
	}
	if p.TCPSocket != nil {
		t := to.to(to.at.AtName("tcp_socket"), "tcpSocket")
		t.name("port", "port")
		t.name("host", "host")
	}
	if p.GRPC != nil {
		g := to.to(to.at.AtName("grpc"), "grpc")
		g.name("port", "port")
		g.name("service", "service")
	}
}
