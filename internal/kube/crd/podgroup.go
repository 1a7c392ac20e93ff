package crd

import (
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// VolcanoPodGroup is scheduling.volcano.sh/v1beta1 PodGroup: pods of which Volcano's
// scheduler starts so many at once or none.
type VolcanoPodGroup struct {
	metaac.TypeMetaApplyConfiguration    `json:",inline"`
	*metaac.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`

	Spec *VolcanoPodGroupSpec `json:"spec,omitempty"`
}

// VolcanoPodGroupSpec is the specification of a PodGroup of Volcano's.
type VolcanoPodGroupSpec struct {
	MinMember         *int32  `json:"minMember,omitempty"`
	Queue             *string `json:"queue,omitempty"`
	PriorityClassName *string `json:"priorityClassName,omitempty"`
}

// IsApplyConfiguration makes a VolcanoPodGroup one.
func (VolcanoPodGroup) IsApplyConfiguration() {}

// NewVolcanoPodGroup returns a PodGroup that says nothing but which it is.
func NewVolcanoPodGroup(name, namespace string) *VolcanoPodGroup {
	g := &VolcanoPodGroup{ObjectMetaApplyConfiguration: &metaac.ObjectMetaApplyConfiguration{}, Spec: &VolcanoPodGroupSpec{}}
	g.TypeMetaApplyConfiguration.WithAPIVersion("scheduling.volcano.sh/v1beta1").WithKind("PodGroup")
	g.ObjectMetaApplyConfiguration.WithName(name).WithNamespace(namespace)
	return g
}
