package podspec

import (
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// poolLabel is the prefix of the label mlk_gpu_node_pool gives its nodes.
const (
	poolLabel = "pool.mlk.dev/"
	poolValue = "true"
)

// Scheduling is where the pod may run and who decides.
type Scheduling struct {
	NodePool        types.String            `tfsdk:"node_pool"`
	NodeSelector    map[string]types.String `tfsdk:"node_selector"`
	NodeName        types.String            `tfsdk:"node_name"`
	NodeAffinity    *NodeAffinity           `tfsdk:"node_affinity"`
	PodAffinity     *PodAffinity            `tfsdk:"pod_affinity"`
	PodAntiAffinity *PodAffinity            `tfsdk:"pod_anti_affinity"`
	Tolerations     []Toleration            `tfsdk:"tolerations"`
	TopologySpread  []Spread                `tfsdk:"topology_spread"`
	PriorityClass   types.String            `tfsdk:"priority_class"`
	SchedulerName   types.String            `tfsdk:"scheduler_name"`
	RuntimeClass    types.String            `tfsdk:"runtime_class"`
	Queue           types.String            `tfsdk:"queue"`
}

// Toleration lets the pod run on nodes with a taint.
type Toleration struct {
	Key      types.String `tfsdk:"key"`
	Operator types.String `tfsdk:"operator"`
	Value    types.String `tfsdk:"value"`
	Effect   types.String `tfsdk:"effect"`
	Seconds  types.Int64  `tfsdk:"seconds"`
}

// Spread keeps the numbers of pods in topology domains close to each other.
type Spread struct {
	MaxSkew            types.Int32    `tfsdk:"max_skew"`
	TopologyKey        types.String   `tfsdk:"topology_key"`
	WhenUnsatisfiable  types.String   `tfsdk:"when_unsatisfiable"`
	LabelSelector      *LabelSelector `tfsdk:"label_selector"`
	MinDomains         types.Int32    `tfsdk:"min_domains"`
	NodeAffinityPolicy types.String   `tfsdk:"node_affinity_policy"`
	NodeTaintsPolicy   types.String   `tfsdk:"node_taints_policy"`
	MatchLabelKeys     []types.String `tfsdk:"match_label_keys"`
}

// QueueLabel puts an object into a queue of Kueue.
const QueueLabel = "kueue.x-k8s.io/queue-name"

// QueueLabels are the labels that put an object with such pods into its queue;
// nil without one. They belong on the object itself: Kueue ignores them on a
// pod template.
func (m *Model) QueueLabels() map[string]string {
	if m.Scheduling == nil || m.Scheduling.Queue.IsNull() {
		return nil
	}
	return map[string]string{QueueLabel: m.Scheduling.Queue.ValueString()}
}

// AdoptQueue takes the queue from the labels of the object.
func (m *Model) AdoptQueue(labels map[string]string) {
	queue, ok := labels[QueueLabel]
	if !ok || queue == "" {
		return
	}
	if m.Scheduling == nil {
		m.Scheduling = &Scheduling{}
	}
	m.Scheduling.Queue = types.StringValue(queue)
}

// QueueField says that scheduling.queue, below at, made the label of an object
// of the kind.
func QueueField(at path.Path, kind string) diags.Fields {
	var f diags.Fields
	f.Add(at.AtName("scheduling").AtName("queue"), kind, "metadata", "labels", QueueLabel)
	return f
}

// applyScheduling adds what scheduling and gpu say about nodes.
func (m *Model) applyScheduling(spec *corev1ac.PodSpecApplyConfiguration) diag.Diagnostics {
	s := m.Scheduling
	if s == nil {
		s = &Scheduling{}
	}
	spec.NodeName = s.NodeName.ValueStringPointer()
	spec.PriorityClassName = s.PriorityClass.ValueStringPointer()
	spec.SchedulerName = s.SchedulerName.ValueStringPointer()
	spec.RuntimeClassName = s.RuntimeClass.ValueStringPointer()
	spec.NodeSelector = s.selector()
	for i := range s.TopologySpread {
		spec.TopologySpreadConstraints = append(spec.TopologySpreadConstraints, s.TopologySpread[i].apply())
	}
	for i := range s.Tolerations {
		spec.Tolerations = append(spec.Tolerations, s.Tolerations[i].Apply())
	}
	if t := m.GPU.toleration(); t != nil && !slices.ContainsFunc(s.Tolerations, func(have Toleration) bool { return have.is(t) }) {
		spec.Tolerations = append(spec.Tolerations, corev1ac.TolerationApplyConfiguration{Key: &t.Key, Operator: &t.Operator, Effect: &t.Effect})
	}
	return m.applyAffinity(s, spec)
}

func (s *Scheduling) selector() map[string]string {
	out := values.Plain(s.NodeSelector)
	if s.NodePool.IsNull() {
		return out
	}
	if out == nil {
		out = make(map[string]string, 1)
	}
	out[poolLabel+s.NodePool.ValueString()] = poolValue
	return out
}

// Apply returns the toleration for Kubernetes.
func (t *Toleration) Apply() corev1ac.TolerationApplyConfiguration {
	return corev1ac.TolerationApplyConfiguration{
		Key: t.Key.ValueStringPointer(), Operator: values.Enum[corev1.TolerationOperator](t.Operator), Value: t.Value.ValueStringPointer(),
		Effect: values.Enum[corev1.TaintEffect](t.Effect), TolerationSeconds: t.Seconds.ValueInt64Pointer(),
	}
}

// is reports whether the toleration is exactly o, which has neither value nor seconds.
func (t *Toleration) is(o *corev1.Toleration) bool {
	return t.Key.ValueString() == o.Key && t.Operator.ValueString() == string(o.Operator) && t.Effect.ValueString() == string(o.Effect) &&
		t.Value.ValueString() == "" && t.Seconds.IsNull()
}

func (s *Spread) apply() corev1ac.TopologySpreadConstraintApplyConfiguration {
	return corev1ac.TopologySpreadConstraintApplyConfiguration{
		MaxSkew:            s.MaxSkew.ValueInt32Pointer(),
		TopologyKey:        s.TopologyKey.ValueStringPointer(),
		WhenUnsatisfiable:  values.Enum[corev1.UnsatisfiableConstraintAction](s.WhenUnsatisfiable),
		LabelSelector:      s.LabelSelector.apply(),
		MinDomains:         s.MinDomains.ValueInt32Pointer(),
		NodeAffinityPolicy: values.Enum[corev1.NodeInclusionPolicy](s.NodeAffinityPolicy),
		NodeTaintsPolicy:   values.Enum[corev1.NodeInclusionPolicy](s.NodeTaintsPolicy),
		MatchLabelKeys:     texts(s.MatchLabelKeys),
	}
}
