package placement

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// servedSet is the part of an InferenceService that says what its pods are.
type servedSet struct {
	Spec struct {
		Predictor struct {
			corev1.PodSpec `json:",inline"`

			Model *struct {
				corev1.Container `json:",inline"`
			} `json:"model"`
			Labels             map[string]string          `json:"labels"`
			MinReplicas        *int32                     `json:"minReplicas"`
			DeploymentStrategy *appsv1.DeploymentStrategy `json:"deploymentStrategy"`
		} `json:"predictor"`
	} `json:"spec"`
}

// demand is that of the Deployment which KServe makes of the predictor, as far as the
// InferenceService says it: a serving runtime may ask for more.
func (s *servedSet) demand(o *unstructured.Unstructured) Demand {
	p := &s.Spec.Predictor
	d := &appsv1.Deployment{}
	d.Spec.Replicas = p.MinReplicas
	d.Spec.Template = corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: p.Labels}, Spec: p.PodSpec}
	if p.Model != nil {
		main := p.Model.Container
		main.Name = "kserve-container"
		d.Spec.Template.Spec.Containers = append([]corev1.Container{main}, p.Containers...)
	}
	if p.DeploymentStrategy != nil {
		d.Spec.Strategy = *p.DeploymentStrategy
	}
	out := ofDeployment(o, d)
	out.Field = []string{"InferenceService", "spec", "predictor", "minReplicas"}
	return out
}
