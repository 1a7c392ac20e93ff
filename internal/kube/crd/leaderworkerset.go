package crd

import (
	"k8s.io/apimachinery/pkg/util/intstr"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// LeaderWorkerSet is leaderworkerset.x-k8s.io/v1 LeaderWorkerSet: groups of pods, each
// with a leader and its workers, that live and die together.
type LeaderWorkerSet struct {
	metaac.TypeMetaApplyConfiguration    `json:",inline"`
	*metaac.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`

	Spec *LeaderWorkerSetSpec `json:"spec,omitempty"`
}

// LeaderWorkerSetSpec is the specification of a LeaderWorkerSet.
type LeaderWorkerSetSpec struct {
	Replicas             *int32                `json:"replicas,omitempty"`
	LeaderWorkerTemplate *LeaderWorkerTemplate `json:"leaderWorkerTemplate,omitempty"`
	RolloutStrategy      *GroupRollout         `json:"rolloutStrategy,omitempty"`
	StartupPolicy        *string               `json:"startupPolicy,omitempty"`
	NetworkConfig        *GroupNetwork         `json:"networkConfig,omitempty"`
}

// LeaderWorkerTemplate is what a group is made of. Without a template of the leader
// it is made as the workers are.
type LeaderWorkerTemplate struct {
	Size           *int32                                    `json:"size,omitempty"`
	RestartPolicy  *string                                   `json:"restartPolicy,omitempty"`
	LeaderTemplate *coreac.PodTemplateSpecApplyConfiguration `json:"leaderTemplate,omitempty"`
	WorkerTemplate *coreac.PodTemplateSpecApplyConfiguration `json:"workerTemplate,omitempty"`
	SubGroupPolicy *SubGroupPolicy                           `json:"subGroupPolicy,omitempty"`
}

// SubGroupPolicy divides the pods of a group.
type SubGroupPolicy struct {
	Type *string `json:"subGroupPolicyType,omitempty"`
	Size *int32  `json:"subGroupSize,omitempty"`
}

// GroupRollout is how groups are replaced.
type GroupRollout struct {
	Type          *string             `json:"type,omitempty"`
	RollingUpdate *GroupRollingUpdate `json:"rollingUpdateConfiguration,omitempty"`
}

// GroupRollingUpdate bounds a rollout, in groups.
type GroupRollingUpdate struct {
	Partition      *int32              `json:"partition,omitempty"`
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
	MaxSurge       *intstr.IntOrString `json:"maxSurge,omitempty"`
}

// GroupNetwork says how the pods of a group find each other.
type GroupNetwork struct {
	SubdomainPolicy *string `json:"subdomainPolicy,omitempty"`
}

// IsApplyConfiguration makes a LeaderWorkerSet one.
func (LeaderWorkerSet) IsApplyConfiguration() {}

// NewLeaderWorkerSet returns a LeaderWorkerSet that says nothing but which it is.
func NewLeaderWorkerSet(name, namespace string) *LeaderWorkerSet {
	s := &LeaderWorkerSet{
		ObjectMetaApplyConfiguration: &metaac.ObjectMetaApplyConfiguration{},
		Spec:                         &LeaderWorkerSetSpec{LeaderWorkerTemplate: &LeaderWorkerTemplate{}},
	}
	s.TypeMetaApplyConfiguration.WithAPIVersion("leaderworkerset.x-k8s.io/v1").WithKind("LeaderWorkerSet")
	s.ObjectMetaApplyConfiguration.WithName(name).WithNamespace(namespace)
	return s
}
