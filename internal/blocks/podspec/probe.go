package podspec

import (
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
)

// Probe asks a container how it is.
type Probe struct {
	Exec      *Exec      `tfsdk:"exec"`
	HTTPGet   *HTTPGet   `tfsdk:"http_get"`
	TCPSocket *TCPSocket `tfsdk:"tcp_socket"`
	GRPC      *GRPC      `tfsdk:"grpc"`

	InitialDelaySeconds           types.Int32 `tfsdk:"initial_delay_seconds"`
	PeriodSeconds                 types.Int32 `tfsdk:"period_seconds"`
	TimeoutSeconds                types.Int32 `tfsdk:"timeout_seconds"`
	SuccessThreshold              types.Int32 `tfsdk:"success_threshold"`
	FailureThreshold              types.Int32 `tfsdk:"failure_threshold"`
	TerminationGracePeriodSeconds types.Int64 `tfsdk:"termination_grace_period_seconds"`
}

// Hooks run when a container has started and before it is stopped.
type Hooks struct {
	PostStart *Hook `tfsdk:"post_start"`
	PreStop   *Hook `tfsdk:"pre_stop"`
}

// Hook is what one of the hooks does.
type Hook struct {
	Exec    *Exec    `tfsdk:"exec"`
	HTTPGet *HTTPGet `tfsdk:"http_get"`
	Sleep   *Sleep   `tfsdk:"sleep"`
}

// Exec is a command run in the container.
type Exec struct {
	Command []types.String `tfsdk:"command"`
}

// HTTPGet is a GET request to the container.
type HTTPGet struct {
	Path    types.String `tfsdk:"path"`
	Port    types.String `tfsdk:"port"`
	Scheme  types.String `tfsdk:"scheme"`
	Host    types.String `tfsdk:"host"`
	Headers []HTTPHeader `tfsdk:"headers"`
}

// HTTPHeader is one header of a request.
type HTTPHeader struct {
	Name  types.String `tfsdk:"name"`
	Value types.String `tfsdk:"value"`
}

// TCPSocket is a connection to the container.
type TCPSocket struct {
	Port types.String `tfsdk:"port"`
	Host types.String `tfsdk:"host"`
}

// GRPC is a call of the gRPC health protocol.
type GRPC struct {
	Port    types.Int32  `tfsdk:"port"`
	Service types.String `tfsdk:"service"`
}

// Sleep lets time pass.
type Sleep struct {
	Seconds types.Int64 `tfsdk:"seconds"`
}

func (p *Probe) apply() *corev1ac.ProbeApplyConfiguration {
	if p == nil {
		return nil
	}
	out := &corev1ac.ProbeApplyConfiguration{
		ProbeHandlerApplyConfiguration: corev1ac.ProbeHandlerApplyConfiguration{Exec: p.Exec.apply(), HTTPGet: p.HTTPGet.apply()},
		InitialDelaySeconds:            p.InitialDelaySeconds.ValueInt32Pointer(),
		PeriodSeconds:                  p.PeriodSeconds.ValueInt32Pointer(),
		TimeoutSeconds:                 p.TimeoutSeconds.ValueInt32Pointer(),
		SuccessThreshold:               p.SuccessThreshold.ValueInt32Pointer(),
		FailureThreshold:               p.FailureThreshold.ValueInt32Pointer(),
		TerminationGracePeriodSeconds:  p.TerminationGracePeriodSeconds.ValueInt64Pointer(),
	}
	if t := p.TCPSocket; t != nil {
		out.TCPSocket = &corev1ac.TCPSocketActionApplyConfiguration{Port: values.Share(t.Port), Host: t.Host.ValueStringPointer()}
	}
	if g := p.GRPC; g != nil {
		out.GRPC = &corev1ac.GRPCActionApplyConfiguration{Port: g.Port.ValueInt32Pointer(), Service: g.Service.ValueStringPointer()}
	}
	return out
}

func (h *Hooks) apply() *corev1ac.LifecycleApplyConfiguration {
	if h == nil {
		return nil
	}
	return &corev1ac.LifecycleApplyConfiguration{PostStart: h.PostStart.apply(), PreStop: h.PreStop.apply()}
}

func (h *Hook) apply() *corev1ac.LifecycleHandlerApplyConfiguration {
	if h == nil {
		return nil
	}
	out := &corev1ac.LifecycleHandlerApplyConfiguration{Exec: h.Exec.apply(), HTTPGet: h.HTTPGet.apply()}
	if h.Sleep != nil {
		out.Sleep = &corev1ac.SleepActionApplyConfiguration{Seconds: h.Sleep.Seconds.ValueInt64Pointer()}
	}
	return out
}

func (e *Exec) apply() *corev1ac.ExecActionApplyConfiguration {
	if e == nil {
		return nil
	}
	return &corev1ac.ExecActionApplyConfiguration{Command: texts(e.Command)}
}

func (h *HTTPGet) apply() *corev1ac.HTTPGetActionApplyConfiguration {
	if h == nil {
		return nil
	}
	out := &corev1ac.HTTPGetActionApplyConfiguration{
		Path: h.Path.ValueStringPointer(), Port: values.Share(h.Port), Host: h.Host.ValueStringPointer(), Scheme: values.Enum[corev1.URIScheme](h.Scheme),
	}
	for _, header := range h.Headers {
		out.HTTPHeaders = append(out.HTTPHeaders, corev1ac.HTTPHeaderApplyConfiguration{
			Name: header.Name.ValueStringPointer(), Value: header.Value.ValueStringPointer(),
		})
	}
	return out
}
