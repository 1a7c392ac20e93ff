package podspec

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// Container is what the main container, init containers and extra containers
// have in common. Their mounts stand with the volumes.
type Container struct {
	Image           types.String   `tfsdk:"image"`
	ImagePullPolicy types.String   `tfsdk:"image_pull_policy"`
	Command         []types.String `tfsdk:"command"`
	Args            []types.String `tfsdk:"args"`
	WorkingDir      types.String   `tfsdk:"working_dir"`

	Env          map[string]types.String `tfsdk:"env"`
	EnvValueFrom map[string]EnvValue     `tfsdk:"env_value_from"`
	EnvFrom      []EnvFrom               `tfsdk:"env_from"`

	Resources *Resources      `tfsdk:"resources"`
	Ports     map[string]Port `tfsdk:"ports"`

	StartupProbe   *Probe `tfsdk:"startup_probe"`
	LivenessProbe  *Probe `tfsdk:"liveness_probe"`
	ReadinessProbe *Probe `tfsdk:"readiness_probe"`
	Hooks          *Hooks `tfsdk:"hooks"`

	SecurityContext          *Security    `tfsdk:"security_context"`
	TerminationMessagePath   types.String `tfsdk:"termination_message_path"`
	TerminationMessagePolicy types.String `tfsdk:"termination_message_policy"`
	Stdin                    types.Bool   `tfsdk:"stdin"`
	TTY                      types.Bool   `tfsdk:"tty"`
}

// Restart is when a container other than the main one is started again.
type Restart struct {
	RestartPolicy      types.String  `tfsdk:"restart_policy"`
	RestartPolicyRules []RestartRule `tfsdk:"restart_policy_rules"`
}

// RestartRule makes an exception from restart_policy for some exit codes.
type RestartRule struct {
	Action    types.String      `tfsdk:"action"`
	ExitCodes *RestartExitCodes `tfsdk:"exit_codes"`
}

// RestartExitCodes says which exit codes a rule is about.
type RestartExitCodes struct {
	Operator types.String  `tfsdk:"operator"`
	Values   []types.Int32 `tfsdk:"values"`
}

// InitContainer runs before the main container, or beside it as a sidecar.
type InitContainer struct {
	Name types.String `tfsdk:"name"`
	Restart
	Container
}

// ExtraContainer runs beside the main container.
type ExtraContainer struct {
	Restart
	Container
}

// Resources are what a container is promised and what it may use at most.
type Resources struct {
	Requests map[string]quantity.Value `tfsdk:"requests"`
	Limits   map[string]quantity.Value `tfsdk:"limits"`
	Claims   map[string]DeviceClaim    `tfsdk:"claims"`
}

// DeviceClaim is the use of a resource claim of the pod.
type DeviceClaim struct {
	Request types.String `tfsdk:"request"`
}

// Port is a port the container listens on.
type Port struct {
	Port     types.Int32  `tfsdk:"port"`
	Protocol types.String `tfsdk:"protocol"`
	HostPort types.Int32  `tfsdk:"host_port"`
	HostIP   types.String `tfsdk:"host_ip"`
}

// apply returns the container with the mounts that are for it.
func (c *Container) apply(name string, mounts map[string]containerMounts) (*corev1ac.ContainerApplyConfiguration, diag.Diagnostics) {
	var ds diag.Diagnostics
	resources, rds := c.Resources.apply()
	ds.Append(rds...)
	env, eds := c.applyEnv()
	ds.Append(eds...)
	ports, pds := applyPorts(c.Ports)
	ds.Append(pds...)
	out := &corev1ac.ContainerApplyConfiguration{
		Name:                     &name,
		Image:                    c.Image.ValueStringPointer(),
		ImagePullPolicy:          values.Enum[corev1.PullPolicy](c.ImagePullPolicy),
		Command:                  texts(c.Command),
		Args:                     texts(c.Args),
		WorkingDir:               c.WorkingDir.ValueStringPointer(),
		Env:                      env,
		EnvFrom:                  applyEnvFrom(c.EnvFrom),
		Resources:                resources,
		Ports:                    ports,
		StartupProbe:             c.StartupProbe.apply(),
		LivenessProbe:            c.LivenessProbe.apply(),
		ReadinessProbe:           c.ReadinessProbe.apply(),
		Lifecycle:                c.Hooks.apply(),
		SecurityContext:          c.SecurityContext.apply(),
		TerminationMessagePath:   c.TerminationMessagePath.ValueStringPointer(),
		TerminationMessagePolicy: values.Enum[corev1.TerminationMessagePolicy](c.TerminationMessagePolicy),
		Stdin:                    c.Stdin.ValueBoolPointer(),
		TTY:                      c.TTY.ValueBoolPointer(),
	}
	if m, ok := mounts[name]; ok {
		out.VolumeMounts, out.VolumeDevices = m.mounts, m.devices
	}
	return out, ds
}

func (r *Restart) apply(c *corev1ac.ContainerApplyConfiguration) {
	c.RestartPolicy = values.Enum[corev1.ContainerRestartPolicy](r.RestartPolicy)
	for _, rule := range r.RestartPolicyRules {
		ac := corev1ac.ContainerRestartRuleApplyConfiguration{Action: values.Enum[corev1.ContainerRestartRuleAction](rule.Action)}
		if e := rule.ExitCodes; e != nil {
			ac.ExitCodes = &corev1ac.ContainerRestartRuleOnExitCodesApplyConfiguration{
				Operator: values.Enum[corev1.ContainerRestartRuleOnExitCodesOperator](e.Operator),
			}
			for _, v := range e.Values {
				ac.ExitCodes.Values = append(ac.ExitCodes.Values, v.ValueInt32())
			}
		}
		c.RestartPolicyRules = append(c.RestartPolicyRules, ac)
	}
}

// apply returns limits and requests. A limit without a request is also said as
// a request: the server would fill it in once and never follow a later change
// of the limit, which then fails as "request above limit".
func (r *Resources) apply() (*corev1ac.ResourceRequirementsApplyConfiguration, diag.Diagnostics) {
	if r == nil {
		return nil, nil
	}
	var ds diag.Diagnostics
	limits, lds := amounts(r.Limits)
	ds.Append(lds...)
	requests, rds := amounts(r.Requests)
	ds.Append(rds...)
	for name, q := range limits {
		if _, ok := requests[name]; ok {
			continue
		}
		if requests == nil {
			requests = make(corev1.ResourceList, len(limits))
		}
		requests[name] = q
	}
	out := &corev1ac.ResourceRequirementsApplyConfiguration{}
	if limits != nil {
		out.Limits = &limits
	}
	if requests != nil {
		out.Requests = &requests
	}
	for _, name := range sortedKeys(r.Claims) {
		out.Claims = append(out.Claims, corev1ac.ResourceClaimApplyConfiguration{Name: &name, Request: r.Claims[name].Request.ValueStringPointer()})
	}
	return out, ds
}

func amounts(in map[string]quantity.Value) (corev1.ResourceList, diag.Diagnostics) {
	if len(in) == 0 {
		return nil, nil
	}
	var ds diag.Diagnostics
	out := make(corev1.ResourceList, len(in))
	for name, v := range in {
		q, qds := amount(v)
		ds.Append(qds...)
		if q != nil {
			out[corev1.ResourceName(name)] = *q
		}
	}
	return out, ds
}

// portKey splits the key of a port. A number, or "number/PROTOCOL", which no
// port name can be, is a port without a name.
func portKey(key string) (name string, number int32, protocol string) {
	text, protocol, _ := strings.Cut(key, "/")
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return key, 0, ""
	}
	return "", int32(n), protocol
}

// Listen is what a Service needs to know of the port that stands under key: its
// number, protocol and name, "" for a port without one.
func (p Port) Listen(key string) (number int32, protocol corev1.Protocol, name string) {
	name, number, of := portKey(key)
	protocol = corev1.ProtocolTCP
	if of != "" {
		protocol = corev1.Protocol(of)
	}
	if !p.Protocol.IsNull() {
		protocol = corev1.Protocol(p.Protocol.ValueString())
	}
	if !p.Port.IsNull() {
		number = p.Port.ValueInt32()
	}
	return number, protocol, name
}

func applyPorts(in map[string]Port) ([]corev1ac.ContainerPortApplyConfiguration, diag.Diagnostics) {
	if len(in) == 0 {
		return nil, nil
	}
	var ds diag.Diagnostics
	out := make([]corev1ac.ContainerPortApplyConfiguration, 0, len(in))
	for _, key := range sortedKeys(in) {
		p := in[key]
		name, number, protocol := portKey(key)
		ac := corev1ac.ContainerPortApplyConfiguration{
			ContainerPort: p.Port.ValueInt32Pointer(),
			Protocol:      values.Enum[corev1.Protocol](p.Protocol),
			HostPort:      p.HostPort.ValueInt32Pointer(),
			HostIP:        p.HostIP.ValueStringPointer(),
		}
		if name != "" {
			ac.Name = &name
		}
		if ac.ContainerPort == nil && number != 0 {
			ac.ContainerPort = &number
		}
		if ac.Protocol == nil && protocol != "" {
			pr := corev1.Protocol(protocol)
			ac.Protocol = &pr
		}
		if ac.ContainerPort == nil {
			ds.Append(diags.Message{
				Summary: fmt.Sprintf("Port %q has no number", key),
				Do:      "Set port to the number the container listens on.",
				At:      root("ports").AtMapKey(key).AtName("port"),
			}.Error())
		}
		out = append(out, ac)
	}
	return out, ds
}
