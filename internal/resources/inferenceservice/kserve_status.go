package inferenceservice

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// liveServing is what KServe says of an InferenceService. Its observedGeneration is
// that of the Deployment, and tells nothing of the InferenceService's own.
type liveServing struct {
	URL     string `json:"url"`
	Address *struct {
		URL string `json:"url"`
	} `json:"address"`
	DeploymentMode string          `json:"deploymentMode"`
	Conditions     []liveCondition `json:"conditions"`
	ModelStatus    struct {
		TransitionStatus string `json:"transitionStatus"`
		LastFailureInfo  *struct {
			Reason  string `json:"reason"`
			Message string `json:"message"`
		} `json:"lastFailureInfo"`
	} `json:"modelStatus"`
}

// liveCondition is one of KServe's conditions.
type liveCondition struct {
	Type               string      `json:"type"`
	Status             string      `json:"status"`
	Reason             string      `json:"reason"`
	Message            string      `json:"message"`
	LastTransitionTime metav1.Time `json:"lastTransitionTime"`
}

func (s *liveServing) condition(t string) *liveCondition {
	for i := range s.Conditions {
		if s.Conditions[i].Type == t {
			return &s.Conditions[i]
		}
	}
	return nil
}

func (s *liveServing) is(t string) bool {
	c := s.condition(t)
	return c != nil && c.Status == string(metav1.ConditionTrue)
}

// The conditions, and the transition states that end no better by waiting.
const (
	servedReady     = "Ready"
	servedPredictor = "PredictorReady"
	servedStopped   = "Stopped"

	invalidSpec  = "InvalidSpec"
	failedToLoad = "BlockedByFailedLoad"

	reconcileFailed = "ReconcileFailed"
)

// How long KServe may take to look at a change, where nothing that it writes shows that
// it has. And how long it tries again what it could not write.
const (
	noticedAfter = 10 * time.Second
	retriedFor   = 30 * time.Second
)

// passed reports whether that much time is over. Clocks that disagree by more than
// that are not waited for.
func passed(since time.Time, limit time.Duration, now time.Time) bool {
	age := now.Sub(since)
	return age >= limit || age < -limit
}

// lastWrite is when mlk wrote the main object last; zero when that is not known.
func lastWrite(o *kube.Object) time.Time {
	var out time.Time
	for _, f := range o.GetManagedFields() {
		if f.Manager == kube.Manager && f.Subresource == "" && f.Time != nil && f.Time.After(out) {
			out = f.Time.Time
		}
	}
	return out
}

// noticed reports whether what KServe says is of the InferenceService as mlk wrote it
// last: no status of its says of which generation it is. It is where there was none to
// look at before, where KServe has written the status since or the Deployment as is
// asked, and where it has had time enough. Times of writes are of whole seconds, so a
// status of the same second may be older; nobody but KServe, which has nothing else to
// change, writes the Deployment.
func (s *liveServed) noticed(raw *kube.Object, d *appsv1.Deployment, now time.Time) bool {
	at := lastWrite(raw)
	if passed(at, noticedAfter, now) || len(s.Status.Conditions) > 0 && !at.After(raw.GetCreationTimestamp().Time) {
		return true
	}
	for _, f := range raw.GetManagedFields() {
		if f.Subresource == "status" && f.Time != nil && f.Time.After(at) {
			return true
		}
	}
	return d != nil && s.taken(d) && slices.ContainsFunc(d.ManagedFields, func(f metav1.ManagedFieldsEntry) bool {
		return f.Subresource == "" && f.Time != nil && !f.Time.Time.Before(at)
	})
}

// predictorIn is the Deployment that KServe has made of the service; nil when there is
// none, or it may not be seen.
func predictorIn(seen lifecycle.Seen) *appsv1.Deployment {
	main := seen.Live[kube.InferenceService.Kind]
	var out *appsv1.Deployment
	for _, o := range seen.Beside[kube.Deployment.Kind] {
		if by := kube.Controlled(o); main == nil || by == nil || by.UID != main.GetUID() {
			continue
		}
		d, err := kube.Typed[appsv1.Deployment](kube.Live{"": o}, "")
		if err == nil && d != nil && (out == nil || len(d.Name) < len(out.Name)) {
			out = d // those of workers and canaries have longer names
		}
	}
	return out
}

// lookServed says how far KServe is.
func lookServed(m *Model, seen lifecycle.Seen) wait.Verdict {
	s, err := servedIn(seen.Live)
	if err != nil || s == nil {
		return wait.Of(wait.Progressing, phasePending, "", "The InferenceService does not exist yet")
	}
	st, d := &s.Status, predictorIn(seen)
	noticed := s.noticed(seen.Live[kube.InferenceService.Kind], d, seen.Now)
	if st.is(servedStopped) && noticed {
		return wait.Of(wait.Done, phaseStopped, "", "Its annotation serving.kserve.io/stop keeps it from running")
	}
	if noticed {
		if v, failed := st.failure(seen); failed {
			return v
		}
	}
	if d == nil {
		return lookWithout(st, seen, noticed)
	}
	want, ds := ptr.Deref(d.Spec.Replicas, 1), d.Status
	told := fmt.Sprintf("%d of %d pods are ready, %d of this revision", ds.ReadyReplicas, want, ds.UpdatedReplicas)
	complete := ds.ObservedGeneration >= d.Generation && ds.UpdatedReplicas == want && ds.Replicas == want && ds.AvailableReplicas == want
	progressing := func(message string) wait.Verdict {
		reason := ""
		if c := st.condition(servedPredictor); c != nil && c.Status != string(metav1.ConditionTrue) {
			reason = c.Reason
		}
		return wait.Of(wait.Progressing, phaseProgressing, reason, message)
	}
	switch {
	case !noticed:
		return wait.Of(wait.Progressing, phasePending, "", "KServe has not taken notice of the last change yet")
	case !complete:
		return progressing(told)
	case m.Autoscaling != nil && want < m.Autoscaling.Least():
		return progressing(fmt.Sprintf("The autoscaler has not raised the number of pods from %d to its least yet, %d", want, m.Autoscaling.Least()))
	case !st.is(servedReady):
		return progressing(cmp.Or(st.unready(), told))
	case want > 0 && !steady(m, d, seen):
		return progressing("The pods have only just started, and there is no readiness_probe to tell whether they serve")
	case want == 0:
		return wait.Of(wait.Done, phaseStopped, "", "The service is asked to have no pods")
	}
	return wait.Of(wait.Done, phaseReady, "", fmt.Sprintf("%d of %d pods are ready", ds.ReadyReplicas, want))
}

// lookWithout judges by what KServe says alone, where there is no Deployment to be
// seen: it is not made yet, this user may not see it, or there is none, as in Knative
// mode.
func lookWithout(st *liveServing, seen lifecycle.Seen, noticed bool) wait.Verdict {
	_, known := seen.Beside[kube.Deployment.Kind]
	switch standard := st.DeploymentMode == "" || st.DeploymentMode == standardMode || st.DeploymentMode == "RawDeployment"; {
	case len(st.Conditions) == 0:
		return wait.Of(wait.Progressing, phasePending, "", "KServe has not taken notice of it yet")
	case known && standard:
		return wait.Of(wait.Progressing, phasePending, "", cmp.Or(st.unready(), "KServe has not made its Deployment yet"))
	case !noticed:
		return wait.Of(wait.Progressing, phasePending, "", "KServe has not taken notice of the last change yet")
	case !st.is(servedReady):
		return wait.Of(wait.Progressing, phaseProgressing, "", cmp.Or(st.unready(), "KServe does not say yet that it is ready"))
	}
	return wait.Of(wait.Done, phaseReady, "", "KServe says that it is ready")
}

// unready is what the first condition that is not true says; "" for nothing.
func (s *liveServing) unready() string {
	for _, t := range []string{servedPredictor, "TransformerReady", "ExplainerReady", "IngressReady", servedReady} {
		if c := s.condition(t); c != nil && c.Status != string(metav1.ConditionTrue) && c.Message != "" {
			return t + ": " + c.Message
		}
	}
	return ""
}

// failure is why KServe will not get the service going, where it says so for good.
func (s *liveServing) failure(seen lifecycle.Seen) (wait.Verdict, bool) {
	reason, message := s.ModelStatus.TransitionStatus, ""
	if f := s.ModelStatus.LastFailureInfo; f != nil {
		reason, message = cmp.Or(f.Reason, reason), f.Message
	}
	switch s.ModelStatus.TransitionStatus {
	case invalidSpec:
		return wait.Of(wait.Failed, phaseFailed, reason, cmp.Or(message, "KServe cannot make anything of the InferenceService")), true
	case failedToLoad:
		// Where pods are to be seen they tell, as those of a Deployment do, whether to
		// go on: KServe says this of the first crash, and takes it back.
		if len(seen.Pods) == 0 {
			return wait.Of(wait.Failed, phaseFailed, reason, cmp.Or(message, "The model failed to load")), true
		}
	}
	if c := s.condition(servedPredictor); c != nil && c.Status == string(metav1.ConditionFalse) && c.Reason == reconcileFailed && passed(c.LastTransitionTime.Time, retriedFor, seen.Now) {
		return wait.Of(wait.Failed, phaseFailed, c.Reason, c.Message), true
	}
	return wait.Verdict{}, false
}

// taken reports whether the Deployment is of the InferenceService as it is now, as far
// as labels, annotations and its main container tell: arguments stand at the end of the
// runtime's there.
func (s *liveServed) taken(d *appsv1.Deployment) bool {
	asked := s.deployment().Spec.Template
	asked.Labels, asked.Annotations = over(s.Labels, asked.Labels), over(s.Annotations, asked.Annotations)
	main := func(t *corev1.PodTemplateSpec) *corev1.Container {
		i := slices.IndexFunc(t.Spec.Containers, func(c corev1.Container) bool { return c.Name == kube.ServingContainer })
		if i < 0 {
			return &corev1.Container{}
		}
		return &t.Spec.Containers[i]
	}
	wanted, made := main(&asked).DeepCopy(), main(&d.Spec.Template)
	if args := wanted.Args; len(made.Args) < len(args) || !slices.Equal(made.Args[len(made.Args)-len(args):], args) {
		return false
	}
	wanted.Name, wanted.Args = made.Name, nil
	if s.Spec.Predictor.Model != nil && s.Spec.Predictor.Model.RuntimeVersion != nil {
		wanted.Image = "" // it gets that tag
	}
	template := func(t *corev1.PodTemplateSpec, c *corev1.Container) map[string]any {
		out := map[string]any{}
		raw, err := json.Marshal(map[string]any{"labels": t.Labels, "annotations": t.Annotations, "container": c})
		if err != nil || json.Unmarshal(raw, &out) != nil {
			return map[string]any{}
		}
		return out
	}
	return len(kube.Drift(template(&asked, wanted), template(&d.Spec.Template, made))) == 0
}

// over is what pods get of the labels or annotations of an InferenceService, with those
// of its predictor over them.
func over(own, predictor map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range own {
		if !kube.IsGenerated(k) {
			out[k] = v
		}
	}
	maps.Copy(out, predictor)
	return out
}

// observeServed fills what KServe and the cluster decided.
func observeServed(m *Model, seen lifecycle.Seen) diag.Diagnostics {
	s, err := servedIn(seen.Live)
	if err != nil {
		return diag.Diagnostics{unreadable(kube.InferenceService.Kind, err)}
	}
	switch a := s.Status.Address; {
	case s.Status.URL != "":
		m.URL = types.StringValue(s.Status.URL)
	case a != nil && a.URL != "":
		m.URL = types.StringValue(a.URL)
	case m.URL.IsUnknown():
		m.URL = types.StringNull()
	}
	m.ReadyReplicas, m.CurrentReplicas = types.Int32Null(), types.Int32Null()
	if d := predictorIn(seen); d != nil {
		m.ReadyReplicas, m.CurrentReplicas = types.Int32Value(d.Status.ReadyReplicas), types.Int32Value(ptr.Deref(d.Spec.Replicas, 1))
	}
	return nil
}
