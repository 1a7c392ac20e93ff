package kube

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The runtimes of KServe, read and never written.
var (
	ServingRuntime        = Kind{Group: "serving.kserve.io", Version: "v1alpha1", Kind: "ServingRuntime", Resource: "servingruntimes", Namespaced: true}
	ClusterServingRuntime = Kind{Group: "serving.kserve.io", Version: "v1alpha1", Kind: "ClusterServingRuntime", Resource: "clusterservingruntimes"}
)

// Labels and annotations of KServe. An InferenceService knows its pods, and what else
// it makes, by its name, and its components by theirs.
const (
	ServedLabel    = "serving.kserve.io/inferenceservice"
	ComponentLabel = "component"

	DeploymentModeAnnotation  = "serving.kserve.io/deploymentMode"
	AutoscalerClassAnnotation = "serving.kserve.io/autoscalerClass"
)

// The names of the component that has the model, and of its container.
const (
	PredictorComponent = "predictor"
	ServingContainer   = "kserve-container"
)

// PredictorOf is the label selector of what an InferenceService makes to serve its
// model; "" for other objects.
func PredictorOf(o *Object) string {
	if o == nil || o.GetKind() != InferenceService.Kind {
		return ""
	}
	return ServedLabel + "=" + o.GetName() + "," + ComponentLabel + "=" + PredictorComponent
}

// recordTries is how often a concurrent write may spoil the mark.
const recordTries = 5

// HandsOn reports whether a controller copies labels and annotations of the kind's
// objects to their pods, so that one more is another pod template and restarts them.
func (k Kind) HandsOn() bool { return k == InferenceService }

// RecordUnseen is Record for objects that hand on their annotations. The mark is that
// its field manager owns an annotation too, one that the object has for good.
func (c *Client) RecordUnseen(ctx context.Context, ref Ref, annotation string) (*Object, error) {
	for try := 1; ; try++ {
		live, err := c.Get(ctx, ref)
		if err != nil || live == nil || hasManager(live, recorder) {
			return live, err
		}
		patch, err := withManager(live, recorder, annotation, time.Now())
		if err != nil || patch == nil {
			return live, err
		}
		if live, err = c.PatchJSON(ctx, ref, patch); err == nil || !apierrors.IsConflict(err) || try == recordTries {
			return live, err
		}
	}
}

// Recorded reports whether an object bears the mark that a state knows it.
func Recorded(o *Object, annotation string) bool {
	_, marked := o.GetAnnotations()[annotation]
	return marked || o.GetKind() == InferenceService.Kind && o.GetAPIVersion() == InferenceService.APIVersion() && hasManager(o, recorder)
}

func hasManager(o *Object, manager string) bool {
	return slices.ContainsFunc(o.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool { return m.Manager == manager })
}

// withManager returns the JSON patch after which one more field manager owns an
// annotation of the object; nil where it has no such annotation. The patch carries the
// resource version.
func withManager(live *Object, manager, annotation string, now time.Time) ([]byte, error) {
	if _, there := live.GetAnnotations()[annotation]; !there {
		return nil, nil
	}
	owned := map[string]any{"f:" + annotation: map[string]any{}}
	fields, err := json.Marshal(map[string]any{"f:metadata": map[string]any{"f:annotations": owned}})
	if err != nil {
		return nil, err
	}
	at := metav1.NewTime(now)
	entries := append(slices.Clone(live.GetManagedFields()), metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: live.GetAPIVersion(),
		Time: &at, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(string(fields)),
	})
	return json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": entries},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()},
	})
}
