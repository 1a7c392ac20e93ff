package inferenceservice

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	apitypes "k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// groupSet is the part of a LeaderWorkerSet that is read.
type groupSet struct {
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		Replicas             *int32 `json:"replicas"`
		LeaderWorkerTemplate struct {
			Size           *int32                  `json:"size"`
			LeaderTemplate *corev1.PodTemplateSpec `json:"leaderTemplate"`
			WorkerTemplate corev1.PodTemplateSpec  `json:"workerTemplate"`
		} `json:"leaderWorkerTemplate"`
	} `json:"spec"`
	Status struct {
		Replicas           int32              `json:"replicas"`
		ReadyReplicas      int32              `json:"readyReplicas"`
		UpdatedReplicas    int32              `json:"updatedReplicas"`
		ObservedGeneration *int64             `json:"observedGeneration"`
		Conditions         []metav1.Condition `json:"conditions"`
	} `json:"status"`
}

// leader is what the leaders are made of, who answer.
func (g *groupSet) leader() *corev1.PodTemplateSpec {
	if t := g.Spec.LeaderWorkerTemplate.LeaderTemplate; t != nil {
		return t
	}
	return &g.Spec.LeaderWorkerTemplate.WorkerTemplate
}

// readGroups fills the model from a LeaderWorkerSet, its StatefulSets and pods, and the
// Service that leads to its leaders.
func readGroups(ctx context.Context, q *lifecycle.Query, m *Model, o *kube.Object) diag.Diagnostics {
	g, ds := understood[groupSet](o)
	if ds.HasError() {
		return ds
	}
	pods, more := q.Pods(ctx, g.Namespace, kube.GroupSetsOf(o))
	ds.Append(more...)
	sets, more := typed[appsv1.StatefulSet](ctx, q, kube.StatefulSet, g.Namespace, kube.GroupSetsOf(o))
	ds.Append(more...)
	numbers, more := typed[appsv1.ControllerRevision](ctx, q, kube.ControllerRevision, g.Namespace, kube.GroupSetsOf(o))
	ds.Append(more...)
	leaders := labels.Set{}
	maps.Copy(leaders, g.leader().Labels)
	leaders[kube.GroupsNameLabel], leaders[kube.WorkerIndexLabel] = g.Name, kube.LeaderIndex
	// The Service of the set's own, by which its pods find each other, leads to workers too.
	ds.Append(front(ctx, q, m, g.Name, leaders, func(s *corev1.Service) bool { return controls(g.UID, s) })...)
	m.Replicas, m.ReadyReplicas = types.Int32Value(ptr.Deref(g.Spec.Replicas, 1)), types.Int32Value(g.Status.ReadyReplicas)
	m.Revisions = groupRevisions(g, pods, sets, numbers)
	m.Status = lifecycle.StatusOf(judgeGroups(g), o)
	return ds
}

// controls reports whether the object with a uid made another.
func controls(uid apitypes.UID, o metav1.Object) bool {
	by := metav1.GetControllerOf(o)
	return by != nil && by.UID == uid
}

// group is one group as its pods show it.
type group struct {
	leader *corev1.Pod
	ready  int32
}

// groupRevisions are those of which there are groups, and the current one, the newest
// first. A group is ready when all of its pods are.
func groupRevisions(g *groupSet, pods []corev1.Pod, sets []*appsv1.StatefulSet, numbers []*appsv1.ControllerRevision) []Revision {
	groups := map[string]*group{}
	for i := range pods {
		p := &pods[i]
		index := p.Labels[kube.GroupIndexLabel]
		if p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded || index == "" {
			continue
		}
		if groups[index] == nil {
			groups[index] = &group{}
		}
		if p.Labels[kube.WorkerIndexLabel] == kube.LeaderIndex {
			groups[index].leader = p
		}
		if answers(p) {
			groups[index].ready++
		}
	}
	found := map[string]*Revision{}
	add := func(hash string, t *corev1.PodTemplateSpec) *Revision {
		if found[hash] == nil {
			image, model := runs(t)
			found[hash] = &Revision{
				Revision: numberOf(g, hash, numbers), Current: types.BoolValue(false), Canary: types.BoolValue(false), Image: image, Model: model,
				Replicas: types.Int32Value(0), ReadyReplicas: types.Int32Value(0),
			}
		}
		return found[hash]
	}
	if hash := currentHash(g, sets); hash != "" {
		add(hash, g.leader()).Current = types.BoolValue(true)
	}
	for _, index := range slices.Sorted(maps.Keys(groups)) {
		at := groups[index]
		if at.leader == nil {
			continue
		}
		r := add(at.leader.Labels[kube.GroupRevisionLabel], &corev1.PodTemplateSpec{ObjectMeta: at.leader.ObjectMeta, Spec: at.leader.Spec})
		r.Replicas = types.Int32Value(r.Replicas.ValueInt32() + 1)
		if at.ready == ptr.Deref(g.Spec.LeaderWorkerTemplate.Size, 1) {
			r.ReadyReplicas = types.Int32Value(r.ReadyReplicas.ValueInt32() + 1)
		}
	}
	out := []Revision{}
	for _, hash := range slices.Sorted(maps.Keys(found)) {
		out = append(out, *found[hash])
	}
	slices.SortStableFunc(out, func(a, b Revision) int {
		return cmp.Or(cmp.Compare(b.Revision.ValueInt64(), a.Revision.ValueInt64()), first(b.Current)-first(a.Current))
	})
	return out
}

func first(current types.Bool) int {
	if current.ValueBool() {
		return 1
	}
	return 0
}

func answers(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// currentHash is the hash of the newest templates, which the StatefulSet of the leaders
// bears; "" while that has not heard of the last change.
func currentHash(g *groupSet, sets []*appsv1.StatefulSet) string {
	if !g.heard() {
		return ""
	}
	for _, s := range sets {
		if s.Name == g.Name && controls(g.UID, s) {
			return s.Labels[kube.GroupRevisionLabel]
		}
	}
	return ""
}

// heard reports whether the controller has taken notice of the last change.
func (g *groupSet) heard() bool {
	return g.Status.ObservedGeneration != nil && *g.Status.ObservedGeneration >= g.Generation
}

// numberOf is the number that a LeaderWorkerSet has given to a revision; null where it
// is not written down any more.
func numberOf(g *groupSet, hash string, numbers []*appsv1.ControllerRevision) types.Int64 {
	for _, n := range numbers {
		if controls(g.UID, n) && n.Labels[kube.GroupRevisionLabel] == hash {
			return types.Int64Value(n.Revision)
		}
	}
	return types.Int64Null()
}

// judgeGroups says how the rollout of groups is.
func judgeGroups(g *groupSet) wait.Verdict {
	want, s := ptr.Deref(g.Spec.Replicas, 1), g.Status
	told := fmt.Sprintf("%d of %d groups are ready, %d of this revision", s.ReadyReplicas, want, s.UpdatedReplicas)
	switch {
	case !g.heard():
		return wait.Of(wait.Progressing, phaseProgressing, "", "The controller of LeaderWorkerSets has not taken notice of its last change yet")
	case want == 0 && s.Replicas == 0:
		return wait.Of(wait.Done, phaseStopped, "", "The service is asked to have no groups")
	case s.Replicas == want && meta.IsStatusConditionTrue(s.Conditions, "Available") && !meta.IsStatusConditionTrue(s.Conditions, "UpdateInProgress"):
		return wait.Of(wait.Done, phaseReady, "", told)
	}
	return wait.Of(wait.Progressing, phaseProgressing, "", told)
}
