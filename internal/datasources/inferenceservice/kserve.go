package inferenceservice

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// kserveService is the part of an InferenceService of KServe that is read. Not its
// observedGeneration: that is of the Deployment, and tells nothing of its own.
type kserveService struct {
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		Predictor predictor `json:"predictor"`
		Canary    []struct {
			Name           string    `json:"name"`
			TrafficPercent *int32    `json:"trafficPercent"`
			Predictor      predictor `json:"predictor"`
		} `json:"canary"`
	} `json:"spec"`
	Status struct {
		Conditions  []kserveCondition `json:"conditions"`
		URL         string            `json:"url"`
		ModelStatus struct {
			TransitionStatus string `json:"transitionStatus"`
			LastFailureInfo  *struct {
				Reason  string `json:"reason"`
				Message string `json:"message"`
			} `json:"lastFailureInfo"`
		} `json:"modelStatus"`
	} `json:"status"`
}

// kserveCondition is what KServe says of one part of a service.
type kserveCondition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// predictor is what serves the model.
type predictor struct {
	Name  string `json:"name"`
	Model *struct {
		StorageURI string `json:"storageUri"`
	} `json:"model"`
}

// readKServe fills the model from an InferenceService, and from the Deployments that
// KServe makes of it in its mode Standard. Where it makes none, with Knative, what only
// they say is null.
func readKServe(ctx context.Context, q *lifecycle.Query, m *Model, o *kube.Object) diag.Diagnostics {
	s, ds := understood[kserveService](o)
	if ds.HasError() {
		return ds
	}
	m.Service, m.Endpoints, m.Revisions = types.StringNull(), []Endpoint{}, []Revision{}
	m.Replicas, m.ReadyReplicas = types.Int32Null(), types.Int32Null()
	d, more := s.deployment(ctx, q, s.Spec.Predictor.Name)
	ds.Append(more...)
	if d != nil {
		ds.Append(fill(ctx, q, m, d)...)
		s.name(m.Revisions, s.Spec.Predictor)
	}
	if ds.HasError() {
		return ds
	}
	left := int32(whole)
	var beside []Revision
	for _, c := range s.Spec.Canary {
		share := ptr.Deref(c.TrafficPercent, 0)
		left -= share
		second, more := s.deployment(ctx, q, cmp.Or(c.Name, c.Predictor.Name))
		ds.Append(more...)
		if second == nil {
			continue
		}
		sets, more := setsOf(ctx, q, second)
		ds.Append(more...)
		made := revisions(second, sets, true)
		s.name(made, c.Predictor)
		weigh(made, types.Int32Value(share))
		beside = append(beside, made...)
	}
	if len(s.Spec.Canary) > 0 {
		weigh(m.Revisions, types.Int32Value(max(left, 0)))
	}
	m.Revisions = append(m.Revisions, beside...)
	m.URL = types.StringNull()
	if s.Status.URL != "" {
		m.URL = types.StringValue(s.Status.URL)
	}
	m.Status = lifecycle.StatusOf(s.judge(d), o)
	return ds
}

// deployment is the one that KServe makes of a predictor, which may have a name; nil
// when it has made none.
func (s *kserveService) deployment(ctx context.Context, q *lifecycle.Query, predictor string) (*appsv1.Deployment, diag.Diagnostics) {
	name := s.Name + "-predictor"
	if predictor != "" {
		name = s.Name + "-" + predictor + "-predictor"
	}
	o, ds := q.Get(ctx, kube.Ref{Kind: kube.Deployment, Namespace: s.Namespace, Name: name})
	if o == nil || !controls(s.UID, o) {
		return nil, ds
	}
	d, more := understood[appsv1.Deployment](o)
	return d, append(ds, more...)
}

// name notes the model that the InferenceService itself names on the current revision,
// where the pods do not say which it is.
func (s *kserveService) name(all []Revision, p predictor) {
	if p.Model == nil || p.Model.StorageURI == "" {
		return
	}
	for i := range all {
		if all[i].Current.ValueBool() && all[i].Model.IsNull() {
			all[i].Model = types.StringValue(p.Model.StorageURI)
		}
	}
}

// The words that KServe has for how the model is.
const (
	modelUpToDate = "UpToDate"
	modelBlocked  = "BlockedByFailedLoad"
	modelInvalid  = "InvalidSpec"
)

// judge says how the service is by KServe's own account, and by its Deployment, which
// may be nil: what KServe says may be of the time before a change.
func (s *kserveService) judge(d *appsv1.Deployment) wait.Verdict {
	is := func(condition string) bool {
		return slices.ContainsFunc(s.Status.Conditions, func(c kserveCondition) bool {
			return c.Type == condition && c.Status == string(metav1.ConditionTrue)
		})
	}
	model := s.Status.ModelStatus
	switch {
	case is("Stopped"):
		return wait.Of(wait.Done, phaseStopped, "", "The service is stopped")
	case model.TransitionStatus == modelBlocked || model.TransitionStatus == modelInvalid:
		reason, message := model.TransitionStatus, "KServe cannot serve the model"
		if f := model.LastFailureInfo; f != nil {
			reason = cmp.Or(f.Reason, reason)
			if f.Message != "" {
				message += ": " + f.Message
			}
		}
		return wait.Of(wait.Failed, phaseFailed, reason, message)
	case d != nil && judge(d).Outcome != wait.Done:
		return judge(d)
	case is("Ready") && (model.TransitionStatus == "" || model.TransitionStatus == modelUpToDate):
		return wait.Of(wait.Done, phaseReady, "", "KServe says that it is ready")
	}
	for _, c := range s.Status.Conditions {
		if c.Status == string(metav1.ConditionFalse) && c.Type != "Ready" && c.Type != "Stopped" {
			message := c.Type + " is not true yet"
			if c.Message != "" {
				message = fmt.Sprintf("%s: %s", c.Type, c.Message)
			}
			return wait.Of(wait.Progressing, phaseProgressing, c.Reason, message)
		}
	}
	return wait.Of(wait.Progressing, phaseProgressing, "", "KServe has not said that it is ready yet")
}
