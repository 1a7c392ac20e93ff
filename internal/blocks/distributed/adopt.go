package distributed

import (
	"math"

	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// Adopt takes what a gang like m makes out of a live Job's spec, and returns the
// gang that the rest says: m itself where nothing has changed, nil where the
// spec is none of it any more. spec is changed. service is the live Service, nil
// when it was not read.
func (m *Model) Adopt(spec *batchv1.JobSpec, service *corev1.Service, g Gang) *Model {
	if m == nil {
		return nil
	}
	out := *m
	gang := spec.CompletionMode != nil && *spec.CompletionMode == batchv1.IndexedCompletion
	gang = m.traces(g).remove(&spec.Template, g.Container) && gang
	out.Nodes = m.size(spec)
	spec.CompletionMode, spec.Completions, spec.Parallelism = nil, nil, nil
	if m.success() == successLeader && !g.SuccessPolicy {
		if !onlyLeader(spec.SuccessPolicy) {
			out.Success = types.StringValue(successAll)
		}
		spec.SuccessPolicy = nil
	}
	if m.RestartsAll() && !m.adoptRestart(spec, g) {
		out.Restart = types.StringNull()
	}
	if service != nil && m.serves() && !serves(service, g) {
		out.HeadlessService = types.BoolValue(false)
	}
	if !gang {
		return nil
	}
	return &out
}

// size is the number of pods: of two numbers that should be the same, the one
// that has changed.
func (m *Model) size(spec *batchv1.JobSpec) types.Int32 {
	for _, n := range []*int32{spec.Completions, spec.Parallelism} {
		if n == nil || *n != m.Nodes.ValueInt32() {
			return types.Int32PointerValue(n)
		}
	}
	return m.Nodes
}

func onlyLeader(p *batchv1.SuccessPolicy) bool {
	return p != nil && len(p.Rules) == 1 && p.Rules[0].SucceededIndexes != nil && *p.Rules[0].SucceededIndexes == leader && p.Rules[0].SucceededCount == nil
}

// adoptRestart removes what restart = "all" has made, and reports whether it was
// as it should be.
func (m *Model) adoptRestart(spec *batchv1.JobSpec, g Gang) bool {
	same := true
	if !g.PerIndex {
		same = spec.BackoffLimitPerIndex != nil && *spec.BackoffLimitPerIndex == restartsOfAll
		spec.BackoffLimitPerIndex = nil
		if spec.BackoffLimit != nil && *spec.BackoffLimit == math.MaxInt32 {
			spec.BackoffLimit = nil // what the server sets beside it
		}
	}
	if !g.MaxFailed {
		same = same && spec.MaxFailedIndexes != nil && *spec.MaxFailedIndexes == 0
		spec.MaxFailedIndexes = nil
	}
	if !g.Failure {
		same = same && onlyDisruptions(spec.PodFailurePolicy)
		spec.PodFailurePolicy = nil
		if spec.PodReplacementPolicy != nil && *spec.PodReplacementPolicy == batchv1.Failed {
			spec.PodReplacementPolicy = nil // likewise
		}
	}
	return same
}

func onlyDisruptions(p *batchv1.PodFailurePolicy) bool {
	if p == nil || len(p.Rules) != 1 || p.Rules[0].Action != batchv1.PodFailurePolicyActionIgnore || p.Rules[0].OnExitCodes != nil {
		return false
	}
	c := p.Rules[0].OnPodConditions
	return len(c) == 1 && c[0].Type == corev1.DisruptionTarget && (c[0].Status == corev1.ConditionTrue || c[0].Status == "")
}

// serves reports whether a Service makes the host names of the gang resolve.
func serves(s *corev1.Service, g Gang) bool {
	want := g.selector()
	if s.Spec.ClusterIP != corev1.ClusterIPNone || !s.Spec.PublishNotReadyAddresses || len(s.Spec.Selector) < len(want) {
		return false
	}
	for k, v := range want {
		if s.Spec.Selector[k] != v {
			return false
		}
	}
	return true
}
