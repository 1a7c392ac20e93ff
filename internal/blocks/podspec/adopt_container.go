package podspec

import (
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
)

func (a *adopter) container(c *corev1.Container, like *Container) Container {
	if like == nil {
		like = &Container{}
	}
	out := Container{
		Image:                    word(c.Image),
		ImagePullPolicy:          wordUnless(c.ImagePullPolicy, pullPolicy(c.Image)),
		Command:                  words(c.Command),
		Args:                     words(c.Args),
		WorkingDir:               word(c.WorkingDir),
		EnvFrom:                  adoptEnvFrom(c.EnvFrom),
		Resources:                adoptResources(&c.Resources, like.Resources),
		Ports:                    a.ports(c.Ports, like.Ports),
		StartupProbe:             adoptProbe(c.StartupProbe),
		LivenessProbe:            adoptProbe(c.LivenessProbe),
		ReadinessProbe:           adoptProbe(c.ReadinessProbe),
		Hooks:                    adoptHooks(c.Lifecycle),
		SecurityContext:          adoptSecurity(c.SecurityContext),
		TerminationMessagePath:   wordUnless(c.TerminationMessagePath, defaultMessagePath),
		TerminationMessagePolicy: wordUnless(c.TerminationMessagePolicy, corev1.TerminationMessageReadFile),
		Stdin:                    yes(c.Stdin),
		TTY:                      yes(c.TTY),
	}
	out.Env, out.EnvValueFrom = adoptEnv(c.Env)
	return out
}

func adoptRestart(c *corev1.Container) Restart {
	out := Restart{RestartPolicy: pointed(c.RestartPolicy)}
	for _, r := range c.RestartPolicyRules {
		rule := RestartRule{Action: word(r.Action)}
		if e := r.ExitCodes; e != nil {
			rule.ExitCodes = &RestartExitCodes{Operator: word(e.Operator)}
			for _, v := range e.Values {
				rule.ExitCodes.Values = append(rule.ExitCodes.Values, types.Int32Value(v))
			}
		}
		out.RestartPolicyRules = append(out.RestartPolicyRules, rule)
	}
	return out
}

// pullPolicy is the server's default: Always for images without a tag or
// tagged latest (Kubernetes, pkg/apis/core/v1/defaults.go).
func pullPolicy(image string) corev1.PullPolicy {
	if strings.Contains(image, "@") {
		return corev1.PullIfNotPresent
	}
	name := image[strings.LastIndex(image, "/")+1:]
	if _, tag, ok := strings.Cut(name, ":"); !ok || tag == "latest" {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}

// adoptEnv splits the variables by where their values come from. Of two with
// the same name the last is the one containers see. A source no attribute can
// say is left out.
func adoptEnv(in []corev1.EnvVar) (values map[string]types.String, from map[string]EnvValue) {
	for _, v := range in {
		delete(values, v.Name)
		delete(from, v.Name)
		if v.ValueFrom == nil {
			if values == nil {
				values = make(map[string]types.String, len(in))
			}
			values[v.Name] = types.StringValue(v.Value)
			continue
		}
		if source, ok := adoptEnvValue(v.ValueFrom); ok {
			if from == nil {
				from = map[string]EnvValue{}
			}
			from[v.Name] = source
		}
	}
	return values, from
}

func adoptEnvValue(s *corev1.EnvVarSource) (EnvValue, bool) {
	switch {
	case s.SecretKeyRef != nil && isName(s.SecretKeyRef.Name):
		k := s.SecretKeyRef
		return EnvValue{Secret: &KeyRef{Name: word(k.Name), Key: word(k.Key), Optional: types.BoolPointerValue(k.Optional)}}, true
	case s.ConfigMapKeyRef != nil && isName(s.ConfigMapKeyRef.Name):
		k := s.ConfigMapKeyRef
		return EnvValue{ConfigMap: &KeyRef{Name: word(k.Name), Key: word(k.Key), Optional: types.BoolPointerValue(k.Optional)}}, true
	case s.FieldRef != nil:
		return EnvValue{Field: word(s.FieldRef.FieldPath)}, true
	case s.ResourceFieldRef != nil:
		return EnvValue{Resource: adoptResourceField(s.ResourceFieldRef)}, true
	}
	return EnvValue{}, false
}

func adoptResourceField(r *corev1.ResourceFieldSelector) *ResourceFieldRef {
	out := &ResourceFieldRef{Container: word(r.ContainerName), Resource: word(r.Resource), Divisor: quantity.Null()}
	if !r.Divisor.IsZero() {
		out.Divisor = amountOf(&r.Divisor)
	}
	return out
}

// adoptEnvFrom leaves the whole list out when one of its elements cannot be
// said: its order matters.
func adoptEnvFrom(in []corev1.EnvFromSource) []EnvFrom {
	var out []EnvFrom
	for _, e := range in {
		f := EnvFrom{Prefix: word(e.Prefix)}
		switch {
		case e.ConfigMapRef != nil && isName(e.ConfigMapRef.Name):
			f.ConfigMap, f.Optional = word(e.ConfigMapRef.Name), types.BoolPointerValue(e.ConfigMapRef.Optional)
		case e.SecretRef != nil && isName(e.SecretRef.Name):
			f.Secret, f.Optional = word(e.SecretRef.Name), types.BoolPointerValue(e.SecretRef.Optional)
		default:
			return nil
		}
		out = append(out, f)
	}
	return out
}

// adoptResources leaves a request out that equals its limit, as it does when
// the server made it from the limit, unless like states it.
func adoptResources(r *corev1.ResourceRequirements, like *Resources) *Resources {
	out := &Resources{Limits: amountMap(r.Limits)}
	for name, q := range r.Requests {
		stated := false
		if like != nil {
			_, stated = like.Requests[string(name)]
		}
		if limit, ok := r.Limits[name]; ok && limit.Cmp(q) == 0 && !stated {
			continue
		}
		if out.Requests == nil {
			out.Requests = make(map[string]quantity.Value, len(r.Requests))
		}
		out.Requests[string(name)] = amountOf(&q)
	}
	for _, c := range r.Claims {
		if out.Claims == nil {
			out.Claims = make(map[string]DeviceClaim, len(r.Claims))
		}
		out.Claims[c.Name] = DeviceClaim{Request: word(c.Request)}
	}
	return out.orNil()
}

// orNil is nil when nothing is said.
func (r *Resources) orNil() *Resources {
	if r == nil || len(r.Limits)+len(r.Requests)+len(r.Claims) == 0 {
		return nil
	}
	return r
}

func amountMap(in corev1.ResourceList) map[string]quantity.Value {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]quantity.Value, len(in))
	for name, q := range in {
		out[string(name)] = amountOf(&q)
	}
	return out
}

// ports names ports as portKey reads them.
func (a *adopter) ports(in []corev1.ContainerPort, like map[string]Port) map[string]Port {
	var out map[string]Port
	for _, p := range in {
		key, port := p.Name, Port{HostPort: number(p.HostPort), HostIP: word(p.HostIP)}
		switch {
		case key != "":
			port.Port, port.Protocol = number(p.ContainerPort), wordUnless(p.Protocol, corev1.ProtocolTCP)
		case p.Protocol == "" || p.Protocol == corev1.ProtocolTCP:
			key = strconv.Itoa(int(p.ContainerPort))
		default:
			key = strconv.Itoa(int(p.ContainerPort)) + "/" + string(p.Protocol)
		}
		if l, ok := like[key]; ok {
			if !l.Port.IsNull() {
				port.Port = number(p.ContainerPort)
			}
			if l.HostPort.IsNull() && a.spec.HostNetwork && p.HostPort == p.ContainerPort {
				port.HostPort = types.Int32Null() // what the server makes of a pod, and made of templates before 1.28
			}
		}
		if _, taken := out[key]; taken {
			continue
		}
		if out == nil {
			out = make(map[string]Port, len(in))
		}
		out[key] = port
	}
	return out
}

func adoptProbe(p *corev1.Probe) *Probe {
	if p == nil {
		return nil
	}
	out := &Probe{
		Exec:                          adoptExec(p.Exec),
		HTTPGet:                       adoptHTTPGet(p.HTTPGet),
		InitialDelaySeconds:           number(p.InitialDelaySeconds),
		PeriodSeconds:                 numberUnless(p.PeriodSeconds, 10),
		TimeoutSeconds:                numberUnless(p.TimeoutSeconds, 1),
		SuccessThreshold:              numberUnless(p.SuccessThreshold, 1),
		FailureThreshold:              numberUnless(p.FailureThreshold, 3),
		TerminationGracePeriodSeconds: types.Int64PointerValue(p.TerminationGracePeriodSeconds),
	}
	if t := p.TCPSocket; t != nil {
		out.TCPSocket = &TCPSocket{Port: adoptPort(t.Port), Host: word(t.Host)}
	}
	if g := p.GRPC; g != nil {
		out.GRPC = &GRPC{Port: types.Int32Value(g.Port), Service: pointed(g.Service)}
	}
	if out.Exec == nil && out.HTTPGet == nil && out.TCPSocket == nil && out.GRPC == nil {
		return nil
	}
	return out
}

func adoptHooks(l *corev1.Lifecycle) *Hooks {
	if l == nil {
		return nil
	}
	out := &Hooks{PostStart: adoptHook(l.PostStart), PreStop: adoptHook(l.PreStop)}
	if out.PostStart == nil && out.PreStop == nil {
		return nil
	}
	return out
}

func adoptHook(h *corev1.LifecycleHandler) *Hook {
	switch {
	case h == nil:
		return nil
	case h.Exec != nil:
		return &Hook{Exec: adoptExec(h.Exec)}
	case h.HTTPGet != nil:
		return &Hook{HTTPGet: adoptHTTPGet(h.HTTPGet)}
	case h.Sleep != nil:
		return &Hook{Sleep: &Sleep{Seconds: types.Int64Value(h.Sleep.Seconds)}}
	}
	return nil
}

func adoptExec(e *corev1.ExecAction) *Exec {
	if e == nil {
		return nil
	}
	return &Exec{Command: words(e.Command)}
}

func adoptHTTPGet(h *corev1.HTTPGetAction) *HTTPGet {
	if h == nil {
		return nil
	}
	out := &HTTPGet{Path: word(h.Path), Port: adoptPort(h.Port), Scheme: wordUnless(h.Scheme, corev1.URISchemeHTTP), Host: word(h.Host)}
	for _, header := range h.HTTPHeaders {
		out.Headers = append(out.Headers, HTTPHeader{Name: types.StringValue(header.Name), Value: types.StringValue(header.Value)})
	}
	return out
}

func adoptPort(p intstr.IntOrString) types.String { return word(p.String()) }

func adoptSecurity(s *corev1.SecurityContext) *Security {
	if s == nil {
		return nil
	}
	out := &Security{
		Privileged:               types.BoolPointerValue(s.Privileged),
		AllowPrivilegeEscalation: types.BoolPointerValue(s.AllowPrivilegeEscalation),
		ReadOnlyRootFilesystem:   types.BoolPointerValue(s.ReadOnlyRootFilesystem),
		RunAsUser:                types.Int64PointerValue(s.RunAsUser),
		RunAsGroup:               types.Int64PointerValue(s.RunAsGroup),
		RunAsNonRoot:             types.BoolPointerValue(s.RunAsNonRoot),
		SELinuxOptions:           adoptSELinux(s.SELinuxOptions),
	}
	if c := s.Capabilities; c != nil {
		out.Capabilities = &Capabilities{Add: adoptCapabilities(c.Add), Drop: adoptCapabilities(c.Drop)}
	}
	if p := s.SeccompProfile; p != nil {
		out.SeccompProfile = &Profile{Type: word(p.Type), LocalhostProfile: pointed(p.LocalhostProfile)}
	}
	if p := s.AppArmorProfile; p != nil {
		out.AppArmorProfile = &Profile{Type: word(p.Type), LocalhostProfile: pointed(p.LocalhostProfile)}
	}
	return out
}

func adoptCapabilities(in []corev1.Capability) []types.String {
	var out []types.String
	for _, c := range in {
		out = append(out, types.StringValue(string(c)))
	}
	return out
}

// adoptPodSecurity is null for the empty one, which the server fills in.
func adoptPodSecurity(s *corev1.PodSecurityContext) *PodSecurity {
	if s == nil {
		return nil
	}
	out := PodSecurity{
		RunAsUser:           types.Int64PointerValue(s.RunAsUser),
		RunAsGroup:          types.Int64PointerValue(s.RunAsGroup),
		RunAsNonRoot:        types.BoolPointerValue(s.RunAsNonRoot),
		FSGroup:             types.Int64PointerValue(s.FSGroup),
		FSGroupChangePolicy: pointed(s.FSGroupChangePolicy),
		SELinuxOptions:      adoptSELinux(s.SELinuxOptions),
	}
	said := s.RunAsUser != nil || s.RunAsGroup != nil || s.RunAsNonRoot != nil || s.FSGroup != nil || s.FSGroupChangePolicy != nil || s.SELinuxOptions != nil
	for _, g := range s.SupplementalGroups {
		out.SupplementalGroups = append(out.SupplementalGroups, types.Int64Value(g))
	}
	for _, v := range s.Sysctls {
		if out.Sysctls == nil {
			out.Sysctls = map[string]types.String{}
		}
		out.Sysctls[v.Name] = types.StringValue(v.Value)
	}
	if p := s.SeccompProfile; p != nil {
		out.SeccompProfile = &Profile{Type: word(p.Type), LocalhostProfile: pointed(p.LocalhostProfile)}
	}
	if p := s.AppArmorProfile; p != nil {
		out.AppArmorProfile = &Profile{Type: word(p.Type), LocalhostProfile: pointed(p.LocalhostProfile)}
	}
	if !said && len(s.SupplementalGroups)+len(s.Sysctls) == 0 && out.SeccompProfile == nil && out.AppArmorProfile == nil {
		return nil
	}
	return &out
}

func adoptSELinux(s *corev1.SELinuxOptions) *SELinux {
	if s == nil {
		return nil
	}
	return &SELinux{User: word(s.User), Role: word(s.Role), Type: word(s.Type), Level: word(s.Level)}
}
