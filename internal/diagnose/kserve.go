package diagnose

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// inferenceService is the kind of KServe's services.
const inferenceService = "InferenceService"

// servedModel is what KServe says of a service.
type servedModel struct {
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		Predictor struct {
			Model *struct {
				ModelFormat struct {
					Name    string `json:"name"`
					Version string `json:"version"`
				} `json:"modelFormat"`
				Runtime    string `json:"runtime"`
				StorageURI string `json:"storageUri"`
			} `json:"model"`
		} `json:"predictor"`
	} `json:"spec"`
	Status struct {
		// Those of KServe's conditions have other severities than metav1's, which are
		// left out here.
		Conditions []struct {
			Type               string      `json:"type"`
			Status             string      `json:"status"`
			Reason             string      `json:"reason"`
			Message            string      `json:"message"`
			LastTransitionTime metav1.Time `json:"lastTransitionTime"`
		} `json:"conditions"`
		ModelStatus struct {
			TransitionStatus string `json:"transitionStatus"`
			LastFailureInfo  *struct {
				Reason   string `json:"reason"`
				Message  string `json:"message"`
				ExitCode int32  `json:"exitCode"`
			} `json:"lastFailureInfo"`
		} `json:"modelStatus"`
	} `json:"status"`
}

func (s *servedModel) String() string {
	return fmt.Sprintf("%s %s/%s", inferenceService, s.Namespace, s.Name)
}

// served explains what KServe says of a service. Its pods' own failures tell more.
func (x *examiner) served(s *servedModel) {
	model := s.Status.ModelStatus
	if x.ofPods("ReplicaSet", s.Namespace, s.Name+"-predictor") != nil && model.TransitionStatus != "InvalidSpec" {
		return
	}
	f, since := s.refused(), x.e.Now
	for _, c := range s.Status.Conditions {
		if c.Type == "PredictorReady" && c.Status == "False" {
			since = c.LastTransitionTime.Time
		}
		if f.Summary == "" && c.Type == "PredictorReady" && c.Status == "False" && c.Reason == "ReconcileFailed" {
			f = Finding{
				Reason: c.Reason, Summary: "KServe cannot make what serves the model", Why: quote(c.Message),
				Happened: fmt.Sprintf("KServe cannot write what %s asks for.", s),
				Do:       "Change what it objects to. KServe tries again by itself.",
				Field:    []string{inferenceService, "spec", "predictor"},
			}
			s.objection(&f, c.Message)
		}
	}
	if f.Summary == "" && len(s.Status.Conditions) == 0 && x.e.Now.Sub(s.CreationTimestamp.Time) >= idleGrace {
		f = Finding{
			Reason: "NotObserved", Summary: "nobody has acted on the InferenceService yet",
			Happened: fmt.Sprintf("KServe has not taken notice of %s.", s),
			Do:       "See whether its controller runs: kubectl get pods -n kserve",
		}
	}
	if f.Summary != "" {
		x.tell(s, f, since)
	}
}

// objected is the field of KServe's Deployment that a server objects to: its first
// container is the one that serves.
var objected = regexp.MustCompile(`spec\.template\.spec\.containers\[0\]\.([\w.]+)`)

// objection adds which field of the serving container a message is about.
func (s *servedModel) objection(f *Finding, message string) {
	field := objected.FindStringSubmatch(message)
	if field == nil {
		return
	}
	at, whose := strings.Split(field[1], "."), "the serving runtime's"
	if s.Spec.Predictor.Model == nil {
		f.Field, whose = append(f.Field, "containers", "kserve-container"), "KServe's own"
	} else {
		f.Field = append(f.Field, "model")
	}
	f.Field = append(f.Field, at...)
	if at[0] == "resources" {
		f.Do = "What resources does not name is " + whose + ": name both, request and limit. KServe tries again by itself."
	}
}

func (x *examiner) tell(s *servedModel, f Finding, since time.Time) {
	f.Subject = s.String()
	x.add(draft{rank: rankJob, key: inferenceService + "/" + s.Namespace + "/" + s.Name + "/" + f.Reason, when: since, Finding: f})
}

// refused is why KServe does not serve the model; empty when it does not say that.
func (s *servedModel) refused() Finding {
	model := s.Status.ModelStatus
	if model.TransitionStatus != "InvalidSpec" && model.TransitionStatus != "BlockedByFailedLoad" {
		return Finding{}
	}
	reason, message := model.TransitionStatus, ""
	if i := model.LastFailureInfo; i != nil {
		reason, message = cmp.Or(i.Reason, reason), i.Message
	}
	at := func(more ...string) []string { return append([]string{inferenceService, "spec", "predictor"}, more...) }
	format, runtime, source := "", "", ""
	if m := s.Spec.Predictor.Model; m != nil {
		if format = fmt.Sprintf("%q", m.ModelFormat.Name); m.ModelFormat.Version != "" {
			format += " of version " + m.ModelFormat.Version
		}
		runtime, source = m.Runtime, m.StorageURI
	}
	list := fmt.Sprintf("kubectl get servingruntimes -n %s; kubectl get clusterservingruntimes", s.Namespace)
	f := Finding{Reason: reason, Why: quote(message)}
	switch reason {
	case "NoSupportingRuntime":
		f.Summary = "no serving runtime takes a model of format " + format
		f.Happened = fmt.Sprintf("%s asks for a runtime for format %s, and no enabled one of the namespace or the cluster takes it by itself.", s, format)
		if runtime != "" {
			f.Summary = fmt.Sprintf("serving runtime %s does not take the model", runtime)
			f.Happened = fmt.Sprintf("%s asks runtime %s for format %s.", s, runtime, format)
		}
		f.Do, f.Field = "Name a format, version and protocol that a runtime takes, or a runtime: "+list, at("model", "modelFormat")
	case "RuntimeNotRecognized":
		f.Summary = fmt.Sprintf("serving runtime %s does not exist", runtime)
		f.Happened = fmt.Sprintf("%s names it, and neither the namespace nor the cluster has it.", s)
		f.Do, f.Field = "Name one of those that there are: "+list, at("model", "runtime")
	case "RuntimeDisabled":
		f.Summary = fmt.Sprintf("serving runtime %s is disabled", runtime)
		f.Happened = fmt.Sprintf("%s names it, and its spec.disabled is true.", s)
		f.Do, f.Field = "Name another one, or have it enabled: "+list, at("model", "runtime")
	case "ModelLoadFailed", "RuntimeUnhealthy", "BlockedByFailedLoad":
		f.Summary = "KServe could not load the model"
		f.Happened = fmt.Sprintf("The model of %s could not be loaded.", s)
		if source != "" {
			f.Happened = fmt.Sprintf("The model of %s could not be loaded from %s.", s, source)
		}
		f.Do, f.Field = fmt.Sprintf("See the logs of its pods: kubectl logs -n %s -l serving.kserve.io/inferenceservice=%s --all-containers", s.Namespace, s.Name), at("model", "storageUri")
	default:
		f.Summary = "KServe can make nothing of the InferenceService"
		f.Happened = fmt.Sprintf("KServe takes %s for invalid.", s)
		f.Do, f.Field = "Change what it objects to.", at()
	}
	return f
}
