package crd

import (
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// ScaledObject is keda.sh/v1alpha1 ScaledObject: by what KEDA scales a workload.
type ScaledObject struct {
	metaac.TypeMetaApplyConfiguration    `json:",inline"`
	*metaac.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`

	Spec *ScaledObjectSpec `json:"spec,omitempty"`
}

// ScaledObjectSpec is the specification of a ScaledObject.
type ScaledObjectSpec struct {
	ScaleTargetRef        *ScaleTarget          `json:"scaleTargetRef,omitempty"`
	PollingInterval       *int32                `json:"pollingInterval,omitempty"`
	CooldownPeriod        *int32                `json:"cooldownPeriod,omitempty"`
	InitialCooldownPeriod *int32                `json:"initialCooldownPeriod,omitempty"`
	IdleReplicaCount      *int32                `json:"idleReplicaCount,omitempty"`
	MinReplicaCount       *int32                `json:"minReplicaCount,omitempty"`
	MaxReplicaCount       *int32                `json:"maxReplicaCount,omitempty"`
	Fallback              *ScaleFallback        `json:"fallback,omitempty"`
	Advanced              *ScaledObjectAdvanced `json:"advanced,omitempty"`
	Triggers              []ScaleTrigger        `json:"triggers,omitempty"`
}

// ScaleTarget is what is scaled; a Deployment where nothing else is said.
type ScaleTarget struct {
	APIVersion *string `json:"apiVersion,omitempty"`
	Kind       *string `json:"kind,omitempty"`
	Name       *string `json:"name,omitempty"`
}

// ScaleFallback is how many pods there are while a metric cannot be had.
type ScaleFallback struct {
	FailureThreshold *int32 `json:"failureThreshold,omitempty"`
	Replicas         *int32 `json:"replicas,omitempty"`
}

// ScaledObjectAdvanced is about the HorizontalPodAutoscaler that KEDA makes.
type ScaledObjectAdvanced struct {
	Autoscaler *ScaledObjectAutoscaler `json:"horizontalPodAutoscalerConfig,omitempty"`
}

// ScaledObjectAutoscaler says what that is called.
type ScaledObjectAutoscaler struct {
	Name *string `json:"name,omitempty"`
}

// ScaleTrigger is one thing that pods are wanted for.
type ScaleTrigger struct {
	Type           *string           `json:"type,omitempty"`
	Name           *string           `json:"name,omitempty"`
	MetricType     *string           `json:"metricType,omitempty"`
	Metadata       map[string]string `json:"metadata,omitempty"`
	Authentication *ScaleTriggerAuth `json:"authenticationRef,omitempty"`
}

// ScaleTriggerAuth names what a trigger gets its credentials from.
type ScaleTriggerAuth struct {
	Name *string `json:"name,omitempty"`
	Kind *string `json:"kind,omitempty"`
}

// IsApplyConfiguration makes a ScaledObject one.
func (ScaledObject) IsApplyConfiguration() {}

// NewScaledObject returns a ScaledObject that says nothing but which it is.
func NewScaledObject(name, namespace string) *ScaledObject {
	o := &ScaledObject{ObjectMetaApplyConfiguration: &metaac.ObjectMetaApplyConfiguration{}, Spec: &ScaledObjectSpec{}}
	o.TypeMetaApplyConfiguration.WithAPIVersion("keda.sh/v1alpha1").WithKind("ScaledObject")
	o.ObjectMetaApplyConfiguration.WithName(name).WithNamespace(namespace)
	return o
}
