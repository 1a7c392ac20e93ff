package crd

import (
	"k8s.io/apimachinery/pkg/util/intstr"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// ServiceMonitor is monitoring.coreos.com/v1 ServiceMonitor: a Service whose pods
// Prometheus scrapes.
type ServiceMonitor struct {
	metaac.TypeMetaApplyConfiguration    `json:",inline"`
	*metaac.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`

	Spec *ServiceMonitorSpec `json:"spec,omitempty"`
}

// ServiceMonitorSpec is the specification of a ServiceMonitor.
type ServiceMonitorSpec struct {
	Selector  *metaac.LabelSelectorApplyConfiguration `json:"selector,omitempty"`
	Endpoints []MonitorEndpoint                       `json:"endpoints,omitempty"`
}

// MonitorEndpoint is a port of the pods that is scraped.
type MonitorEndpoint struct {
	TargetPort *intstr.IntOrString `json:"targetPort,omitempty"`
	Path       *string             `json:"path,omitempty"`
}

// IsApplyConfiguration makes a ServiceMonitor one.
func (ServiceMonitor) IsApplyConfiguration() {}

// NewServiceMonitor returns a ServiceMonitor that says nothing but which it is.
func NewServiceMonitor(name, namespace string) *ServiceMonitor {
	s := &ServiceMonitor{ObjectMetaApplyConfiguration: &metaac.ObjectMetaApplyConfiguration{}, Spec: &ServiceMonitorSpec{}}
	s.TypeMetaApplyConfiguration.WithAPIVersion("monitoring.coreos.com/v1").WithKind("ServiceMonitor")
	s.ObjectMetaApplyConfiguration.WithName(name).WithNamespace(namespace)
	return s
}
