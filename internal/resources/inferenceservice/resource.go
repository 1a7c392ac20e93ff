// Package inferenceservice is mlk_inference_service: a model server as a
// Deployment, and the Service it is reached by; or as a LeaderWorkerSet, or an
// InferenceService of KServe.
package inferenceservice

import (
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/autoscaling"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_inference_service.
type Model struct {
	lifecycle.Namespaced
	podspec.Model

	Engine          types.String            `tfsdk:"engine"`
	KServe          *KServe                 `tfsdk:"kserve"`
	Runtime         types.String            `tfsdk:"runtime"`
	Weights         *Weights                `tfsdk:"model"`
	Preset          types.Map               `tfsdk:"preset"`
	Replicas        types.Int32             `tfsdk:"replicas"`
	Selector        map[string]types.String `tfsdk:"selector"`
	Service         *Service                `tfsdk:"service"`
	Rollout         *Rollout                `tfsdk:"rollout"`
	OnFailedRollout types.String            `tfsdk:"on_failed_rollout"`
	Autoscaling     *autoscaling.Model      `tfsdk:"autoscaling"`
	Canary          *Canary                 `tfsdk:"canary"`
	MultiNode       *MultiNode              `tfsdk:"multi_node"`
	Budget          *Budget                 `tfsdk:"disruption_budget"`
	Ingress         *Ingress                `tfsdk:"ingress"`
	Route           *Route                  `tfsdk:"route"`
	RestartOn       map[string]types.String `tfsdk:"restart_on"`
	StartupBudget   types.String            `tfsdk:"startup_budget"`
	URL             types.String            `tfsdk:"url"`
	ReadyReplicas   types.Int32             `tfsdk:"ready_replicas"`
	CurrentReplicas types.Int32             `tfsdk:"current_replicas"`
}

// Service is how the pods are reached.
type Service struct {
	Enabled           types.Bool              `tfsdk:"enabled"`
	Name              types.String            `tfsdk:"name"`
	Type              types.String            `tfsdk:"type"`
	Port              types.Int32             `tfsdk:"port"`
	TargetPort        types.String            `tfsdk:"target_port"`
	Headless          types.Bool              `tfsdk:"headless"`
	Annotations       map[string]types.String `tfsdk:"annotations"`
	AppProtocol       types.String            `tfsdk:"app_protocol"`
	SessionAffinity   types.String            `tfsdk:"session_affinity"`
	LoadBalancerClass types.String            `tfsdk:"load_balancer_class"`
}

// Rollout is how pods are replaced when what they run changes.
type Rollout struct {
	Strategy                types.String `tfsdk:"strategy"`
	MaxSurge                types.String `tfsdk:"max_surge"`
	MaxUnavailable          types.String `tfsdk:"max_unavailable"`
	MinReadySeconds         types.Int32  `tfsdk:"min_ready_seconds"`
	ProgressDeadlineSeconds types.Int32  `tfsdk:"progress_deadline_seconds"`
	RevisionHistoryLimit    types.Int32  `tfsdk:"revision_history_limit"`
}

// The levels of wait_for.
const (
	levelReady   = "ready"
	levelCreated = "created"
)

// The default bounds of waits. A node for a GPU may have to be bought and tens
// of GB of image pulled and of weights loaded before a model answers.
const (
	readyTimeout  = 30 * time.Minute
	deleteTimeout = 10 * time.Minute
)

// The attributes that rules name.
var (
	replicasPath = path.Root("replicas")
	selectorPath = path.Root("selector")
	servicePath  = path.Root("service")
	rolloutPath  = path.Root("rollout")
	budgetPath   = path.Root("startup_budget")
	scalingPath  = path.Root("autoscaling")
	restartPath  = path.Root("restart_on")
	runtimePath  = path.Root("runtime")
	modelPath    = path.Root("model")
)

// New returns the mlk_inference_service resource.
func New() resource.Resource { return lifecycle.New[Model](Definition()) }

// Definition returns what makes an inference service.
func Definition() lifecycle.Definition[Model] {
	return lifecycle.Definition[Model]{
		Type:     "inference_service",
		Noun:     "Inference service",
		Schema:   attributes,
		Owns:     []kube.Kind{kube.Deployment, kube.LeaderWorkerSet, kube.InferenceService, kube.Service, kube.HorizontalPodAutoscaler, kube.ScaledObject, kube.PodDisruptionBudget, kube.Ingress, kube.HTTPRoute},
		Mains:    []kube.Kind{kube.Deployment, kube.LeaderWorkerSet, kube.InferenceService},
		Main:     mainKind,
		Roles:    map[string][]kube.Kind{roleCanary: {kube.Deployment, kube.Service}},
		Desired:  desired,
		Fields:   fields,
		Adopt:    adopt,
		Observe:  observe,
		Ready:    ready,
		WaitFor:  []string{levelReady, levelCreated},
		Timeouts: lifecycle.Timeouts{Create: readyTimeout, Update: readyTimeout, Delete: deleteTimeout},
		Replace:  []path.Path{selectorPath},
		Pods:     selector,
		Scalers:  []kube.Kind{kube.HorizontalPodAutoscaler, kube.ScaledObject},
		Beside: []lifecycle.Look[Model]{
			{Kind: kube.ReplicaSet, Selector: ofRevisions, Controlled: true},
			{Kind: kube.EndpointSlice, Selector: ofEndpoints},
			{Kind: kube.StatefulSet, Selector: lifecycle.ByMain[Model](kube.GroupSetsOf), Apart: true},
			{Kind: kube.Deployment, Selector: lifecycle.ByMain[Model](kube.PredictorOf), Apart: true},
			{Kind: kube.ReplicaSet, Selector: func(_ *Model, main *kube.Object) string { return kube.PredictorOf(main) }},
		},
		Outdated:    outdated,
		Serving:     serving,
		Rollback:    func(m *Model) bool { return m.OnFailedRollout.ValueString() == rollbackFailed },
		Derived:     map[string]func(*Model) attr.Value{"preset": preset, "url": plannedURL},
		Moving:      []string{"ready_replicas", "current_replicas"},
		PodTemplate: []string{kube.Deployment.Kind, "spec", "template"},
		Companion:   companion,
		Takes:       takes,
		Interim:     interim,
		Heeds:       []kube.Kind{kube.HTTPRoute},
		Waits:       waits,
		Validate:    validate,
		Needs:       needs,
		Survey:      surveyServing,
		Plan:        plan,
	}
}
