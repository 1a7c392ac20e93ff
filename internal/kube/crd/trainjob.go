package crd

import (
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// TrainJob is trainer.kubeflow.org/v1alpha1 TrainJob: a run of a training
// runtime, which is where most of its pods is written.
type TrainJob struct {
	metaac.TypeMetaApplyConfiguration    `json:",inline"`
	*metaac.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`

	Spec *TrainJobSpec `json:"spec,omitempty"`
}

// TrainJobSpec is the specification of a TrainJob.
type TrainJobSpec struct {
	RuntimeRef            *RuntimeRef    `json:"runtimeRef,omitempty"`
	Trainer               *Trainer       `json:"trainer,omitempty"`
	RuntimePatches        []RuntimePatch `json:"runtimePatches,omitempty"`
	Suspend               *bool          `json:"suspend,omitempty"`
	ActiveDeadlineSeconds *int64         `json:"activeDeadlineSeconds,omitempty"`
}

// RuntimeRef names the runtime: a TrainingRuntime of the namespace or a
// ClusterTrainingRuntime.
type RuntimeRef struct {
	APIGroup *string `json:"apiGroup,omitempty"`
	Kind     *string `json:"kind,omitempty"`
	Name     *string `json:"name,omitempty"`
}

// Trainer is what a TrainJob says of the container that trains.
type Trainer struct {
	Image            *string                                        `json:"image,omitempty"`
	Command          []string                                       `json:"command,omitempty"`
	Args             []string                                       `json:"args,omitempty"`
	Env              []coreac.EnvVarApplyConfiguration              `json:"env,omitempty"`
	NumNodes         *int32                                         `json:"numNodes,omitempty"`
	ResourcesPerNode *coreac.ResourceRequirementsApplyConfiguration `json:"resourcesPerNode,omitempty"`
	NumProcPerNode   *int32                                         `json:"numProcPerNode,omitempty"`
}

// RuntimePatch is what one manager changes of the pods of a runtime.
type RuntimePatch struct {
	Manager             *string           `json:"manager,omitempty"`
	TrainingRuntimeSpec *RuntimeSpecPatch `json:"trainingRuntimeSpec,omitempty"`
}

// RuntimeSpecPatch is a patch of a runtime's specification.
type RuntimeSpecPatch struct {
	Template *JobSetPatch `json:"template,omitempty"`
}

// JobSetPatch is a patch of the JobSet that a runtime makes.
type JobSetPatch struct {
	Spec *JobSetSpecPatch `json:"spec,omitempty"`
}

// JobSetSpecPatch has the patched Jobs of the JobSet.
type JobSetSpecPatch struct {
	ReplicatedJobs []ReplicatedJobPatch `json:"replicatedJobs,omitempty"`
}

// ReplicatedJobPatch is a patch of one Job of the runtime. Of its template only
// labels, annotations and some fields of the pod can be said.
type ReplicatedJobPatch struct {
	Name     *string                                    `json:"name,omitempty"`
	Template *batchac.JobTemplateSpecApplyConfiguration `json:"template,omitempty"`
}

// IsApplyConfiguration makes a TrainJob one.
func (TrainJob) IsApplyConfiguration() {}

// NewTrainJob returns a TrainJob that says nothing but which it is.
func NewTrainJob(name, namespace string) *TrainJob {
	j := &TrainJob{ObjectMetaApplyConfiguration: &metaac.ObjectMetaApplyConfiguration{}, Spec: &TrainJobSpec{}}
	j.TypeMetaApplyConfiguration.WithAPIVersion("trainer.kubeflow.org/v1alpha1").WithKind("TrainJob")
	j.ObjectMetaApplyConfiguration.WithName(name).WithNamespace(namespace)
	return j
}
