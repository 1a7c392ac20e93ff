package crd

import (
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// HTTPRoute is gateway.networking.k8s.io/v1 HTTPRoute: which requests to a Gateway
// go to which Services.
type HTTPRoute struct {
	metaac.TypeMetaApplyConfiguration    `json:",inline"`
	*metaac.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`

	Spec *HTTPRouteSpec `json:"spec,omitempty"`
}

// HTTPRouteSpec is the specification of an HTTPRoute.
type HTTPRouteSpec struct {
	ParentRefs []ParentRef     `json:"parentRefs,omitempty"`
	Hostnames  []string        `json:"hostnames,omitempty"`
	Rules      []HTTPRouteRule `json:"rules,omitempty"`
}

// ParentRef names a Gateway, or one of its listeners.
type ParentRef struct {
	Name        *string `json:"name,omitempty"`
	Namespace   *string `json:"namespace,omitempty"`
	SectionName *string `json:"sectionName,omitempty"`
}

// HTTPRouteRule sends the requests that match to Services.
type HTTPRouteRule struct {
	Matches     []HTTPRouteMatch   `json:"matches,omitempty"`
	BackendRefs []HTTPBackendRef   `json:"backendRefs,omitempty"`
	Timeouts    *HTTPRouteTimeouts `json:"timeouts,omitempty"`
}

// HTTPRouteMatch is a condition on requests.
type HTTPRouteMatch struct {
	Path *HTTPPathMatch `json:"path,omitempty"`
}

// HTTPPathMatch is a condition on their path.
type HTTPPathMatch struct {
	Type  *string `json:"type,omitempty"`
	Value *string `json:"value,omitempty"`
}

// HTTPBackendRef is a Service and its share of the requests.
type HTTPBackendRef struct {
	Name   *string `json:"name,omitempty"`
	Port   *int32  `json:"port,omitempty"`
	Weight *int32  `json:"weight,omitempty"`
}

// HTTPRouteTimeouts bound an answer.
type HTTPRouteTimeouts struct {
	Request        *string `json:"request,omitempty"`
	BackendRequest *string `json:"backendRequest,omitempty"`
}

// IsApplyConfiguration makes an HTTPRoute one.
func (HTTPRoute) IsApplyConfiguration() {}

// NewHTTPRoute returns an HTTPRoute that says nothing but which it is.
func NewHTTPRoute(name, namespace string) *HTTPRoute {
	r := &HTTPRoute{ObjectMetaApplyConfiguration: &metaac.ObjectMetaApplyConfiguration{}, Spec: &HTTPRouteSpec{}}
	r.TypeMetaApplyConfiguration.WithAPIVersion("gateway.networking.k8s.io/v1").WithKind("HTTPRoute")
	r.ObjectMetaApplyConfiguration.WithName(name).WithNamespace(namespace)
	return r
}
