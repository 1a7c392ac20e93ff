// Package nodeagent is mlk_node_agent: a pod on every node that matches, as a
// DaemonSet, for what serves the node itself.
package nodeagent

import (
	"time"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_node_agent.
type Model struct {
	lifecycle.Namespaced
	podspec.Model

	Preset               types.String            `tfsdk:"preset"`
	Selector             map[string]types.String `tfsdk:"selector"`
	Metrics              *Metrics                `tfsdk:"metrics"`
	Service              *Service                `tfsdk:"service"`
	UpdateStrategy       *UpdateStrategy         `tfsdk:"update_strategy"`
	MinReadySeconds      types.Int32             `tfsdk:"min_ready_seconds"`
	RevisionHistoryLimit types.Int32             `tfsdk:"revision_history_limit"`
	MatchingNodes        types.Int32             `tfsdk:"matching_nodes"`
	ReadyNodes           types.Int32             `tfsdk:"ready_nodes"`
}

// Metrics are what the agent offers to Prometheus.
type Metrics struct {
	Port   types.Int32  `tfsdk:"port"`
	Path   types.String `tfsdk:"path"`
	Scrape types.String `tfsdk:"scrape"`
}

// Service is how pods elsewhere reach the agents.
type Service struct {
	Name                  types.String            `tfsdk:"name"`
	InternalTrafficPolicy types.String            `tfsdk:"internal_traffic_policy"`
	Annotations           map[string]types.String `tfsdk:"annotations"`
}

// UpdateStrategy is how pods are replaced when their template changes.
type UpdateStrategy struct {
	Type           types.String `tfsdk:"type"`
	MaxUnavailable types.String `tfsdk:"max_unavailable"`
	MaxSurge       types.String `tfsdk:"max_surge"`
}

// The levels of wait_for.
const (
	levelReady   = "ready"
	levelCreated = "created"
)

// The default bounds of waits: an update goes from node to node.
const (
	readyTimeout  = 20 * time.Minute
	deleteTimeout = 10 * time.Minute
)

// The attributes that rules name.
var (
	presetPath   = path.Root("preset")
	selectorPath = path.Root("selector")
	metricsPath  = path.Root("metrics")
	servicePath  = path.Root("service")
	strategyPath = path.Root("update_strategy")
)

// New returns the mlk_node_agent resource.
func New() resource.Resource { return lifecycle.New[Model](Definition()) }

// Definition returns what makes a node agent.
func Definition() lifecycle.Definition[Model] {
	return lifecycle.Definition[Model]{
		Type:        "node_agent",
		Noun:        "Node agent",
		Schema:      attributes,
		Owns:        []kube.Kind{kube.DaemonSet, kube.Service, kube.ServiceMonitor},
		Desired:     desired,
		Fields:      fields,
		Adopt:       adopt,
		Observe:     observe,
		Ready:       ready,
		WaitFor:     []string{levelReady, levelCreated},
		Timeouts:    lifecycle.Timeouts{Create: readyTimeout, Update: readyTimeout, Delete: deleteTimeout},
		Replace:     []path.Path{selectorPath},
		Pods:        selector,
		Beside:      []lifecycle.Look[Model]{{Kind: kube.ControllerRevision, Selector: ofRevisions, Controlled: true}},
		Outdated:    outdated,
		Moving:      []string{"matching_nodes", "ready_nodes"},
		PodTemplate: []string{kube.DaemonSet.Kind, "spec", "template"},
		Companion:   companion,
		Waits:       waits,
		Needs:       needs,
		Validate:    validate,
	}
}
