package crd

import (
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// InferenceService is serving.kserve.io/v1beta1 InferenceService: a model that KServe
// serves, by a container of one's own or by one of its serving runtimes.
type InferenceService struct {
	metaac.TypeMetaApplyConfiguration    `json:",inline"`
	*metaac.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`

	Spec *InferenceServiceSpec `json:"spec,omitempty"`
}

// InferenceServiceSpec is the specification of an InferenceService.
type InferenceServiceSpec struct {
	Predictor *Predictor `json:"predictor,omitempty"`
}

// Predictor is the component that has the model. The pod is part of it.
type Predictor struct {
	*coreac.PodSpecApplyConfiguration `json:",inline"`

	Model              *ServedModel                                 `json:"model,omitempty"`
	Labels             map[string]string                            `json:"labels,omitempty"`
	Annotations        map[string]string                            `json:"annotations,omitempty"`
	MinReplicas        *int32                                       `json:"minReplicas,omitempty"`
	MaxReplicas        *int32                                       `json:"maxReplicas,omitempty"`
	ScaleMetric        *string                                      `json:"scaleMetric,omitempty"`
	ScaleTarget        *int32                                       `json:"scaleTarget,omitempty"`
	AutoScaling        *PredictorScaling                            `json:"autoScaling,omitempty"`
	DeploymentStrategy *appsac.DeploymentStrategyApplyConfiguration `json:"deploymentStrategy,omitempty"`
}

// ServedModel is a model that a serving runtime serves, and what the container of the
// runtime is given beside what the runtime says.
type ServedModel struct {
	*coreac.ContainerApplyConfiguration `json:",inline"`

	ModelFormat     *ModelFormat `json:"modelFormat,omitempty"`
	Runtime         *string      `json:"runtime,omitempty"`
	RuntimeVersion  *string      `json:"runtimeVersion,omitempty"`
	ProtocolVersion *string      `json:"protocolVersion,omitempty"`
	StorageURI      *string      `json:"storageUri,omitempty"`
}

// ModelFormat is what a model is for.
type ModelFormat struct {
	Name    *string `json:"name,omitempty"`
	Version *string `json:"version,omitempty"`
}

// PredictorScaling is what the number of pods follows where that is more than one
// metric.
type PredictorScaling struct {
	Metrics []PredictorMetric `json:"metrics,omitempty"`
}

// PredictorMetric is one metric of the pods' resources.
type PredictorMetric struct {
	Type     *string                  `json:"type,omitempty"`
	Resource *PredictorMetricResource `json:"resource,omitempty"`
}

// PredictorMetricResource is how much of a resource the pods use.
type PredictorMetricResource struct {
	Name   *string                `json:"name,omitempty"`
	Target *PredictorMetricTarget `json:"target,omitempty"`
}

// PredictorMetricTarget is how much they are to use, in percent of what they request.
type PredictorMetricTarget struct {
	Type               *string `json:"type,omitempty"`
	AverageUtilization *int32  `json:"averageUtilization,omitempty"`
}

// IsApplyConfiguration makes an InferenceService one.
func (InferenceService) IsApplyConfiguration() {}

// NewInferenceService returns an InferenceService that says nothing but which it is.
func NewInferenceService(name, namespace string) *InferenceService {
	s := &InferenceService{
		ObjectMetaApplyConfiguration: &metaac.ObjectMetaApplyConfiguration{},
		Spec:                         &InferenceServiceSpec{Predictor: &Predictor{}},
	}
	s.TypeMetaApplyConfiguration.WithAPIVersion("serving.kserve.io/v1beta1").WithKind("InferenceService")
	s.ObjectMetaApplyConfiguration.WithName(name).WithNamespace(namespace)
	return s
}
