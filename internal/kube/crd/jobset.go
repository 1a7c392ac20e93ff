// Package crd has the custom resources that mlk writes, as small structs of
// pointers: what is nil is not said, so that applying it claims nothing else. The
// modules of the projects they come from are not imported.
package crd

import (
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// JobSet is jobset.x-k8s.io/v1alpha2 JobSet: Jobs that begin and end together.
type JobSet struct {
	metaac.TypeMetaApplyConfiguration    `json:",inline"`
	*metaac.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`

	Spec *JobSetSpec `json:"spec,omitempty"`
}

// JobSetSpec is the specification of a JobSet.
type JobSetSpec struct {
	ReplicatedJobs          []ReplicatedJob `json:"replicatedJobs,omitempty"`
	Network                 *JobSetNetwork  `json:"network,omitempty"`
	Suspend                 *bool           `json:"suspend,omitempty"`
	TTLSecondsAfterFinished *int32          `json:"ttlSecondsAfterFinished,omitempty"`
}

// ReplicatedJob is a Job that a JobSet makes, called <JobSet>-<name>-<number>.
type ReplicatedJob struct {
	Name     *string                                    `json:"name,omitempty"`
	Replicas *int32                                     `json:"replicas,omitempty"`
	Template *batchac.JobTemplateSpecApplyConfiguration `json:"template,omitempty"`
}

// JobSetNetwork says whether the JobSet makes a Service for its pods.
type JobSetNetwork struct {
	EnableDNSHostnames *bool `json:"enableDNSHostnames,omitempty"`
}

// IsApplyConfiguration makes a JobSet one.
func (JobSet) IsApplyConfiguration() {}

// NewJobSet returns a JobSet that says nothing but which it is.
func NewJobSet(name, namespace string) *JobSet {
	j := &JobSet{ObjectMetaApplyConfiguration: &metaac.ObjectMetaApplyConfiguration{}, Spec: &JobSetSpec{}}
	j.TypeMetaApplyConfiguration.WithAPIVersion("jobset.x-k8s.io/v1alpha2").WithKind("JobSet")
	j.ObjectMetaApplyConfiguration.WithName(name).WithNamespace(namespace)
	return j
}
