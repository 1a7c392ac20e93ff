package inferenceservice

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// liveGroups is a LeaderWorkerSet as it is read.
type liveGroups struct {
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		Replicas             *int32 `json:"replicas"`
		LeaderWorkerTemplate struct {
			Size           *int32                  `json:"size"`
			RestartPolicy  string                  `json:"restartPolicy"`
			LeaderTemplate *corev1.PodTemplateSpec `json:"leaderTemplate"`
			WorkerTemplate corev1.PodTemplateSpec  `json:"workerTemplate"`
			SubGroupPolicy *struct {
				Type string `json:"subGroupPolicyType"`
				Size *int32 `json:"subGroupSize"`
			} `json:"subGroupPolicy"`
		} `json:"leaderWorkerTemplate"`
		RolloutStrategy struct {
			Type          string `json:"type"`
			RollingUpdate *struct {
				Partition      *int32              `json:"partition"`
				MaxUnavailable *intstr.IntOrString `json:"maxUnavailable"`
				MaxSurge       *intstr.IntOrString `json:"maxSurge"`
			} `json:"rollingUpdateConfiguration"`
		} `json:"rolloutStrategy"`
		StartupPolicy string `json:"startupPolicy"`
		NetworkConfig *struct {
			SubdomainPolicy string `json:"subdomainPolicy"`
		} `json:"networkConfig"`
	} `json:"spec"`
	Status struct {
		Replicas           int32              `json:"replicas"`
		ReadyReplicas      int32              `json:"readyReplicas"`
		UpdatedReplicas    int32              `json:"updatedReplicas"`
		ObservedGeneration *int64             `json:"observedGeneration"`
		Conditions         []metav1.Condition `json:"conditions"`
	} `json:"status"`
}

func groupsOf(live kube.Live) (*liveGroups, error) {
	return kube.Typed[liveGroups](live, kube.LeaderWorkerSet.Kind)
}

// deployment is the LeaderWorkerSet as the Deployment of its leaders, so that what
// is true of both is written once.
func (g *liveGroups) deployment() *appsv1.Deployment {
	template := &g.Spec.LeaderWorkerTemplate.WorkerTemplate
	if leader := g.Spec.LeaderWorkerTemplate.LeaderTemplate; leader != nil {
		template = leader
	}
	d := &appsv1.Deployment{ObjectMeta: g.ObjectMeta}
	d.Kind = kube.LeaderWorkerSet.Kind
	d.Spec.Replicas, d.Spec.Template = g.Spec.Replicas, *template
	d.Spec.Strategy.Type = appsv1.DeploymentStrategyType(g.Spec.RolloutStrategy.Type)
	if u := g.Spec.RolloutStrategy.RollingUpdate; u != nil {
		d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxUnavailable: u.MaxUnavailable, MaxSurge: u.MaxSurge}
	}
	d.Status.Replicas, d.Status.ReadyReplicas, d.Status.UpdatedReplicas = g.Status.Replicas, g.Status.ReadyReplicas, g.Status.UpdatedReplicas
	return d
}

// adoptMultiNode is the live set in the words of prior, which is nil on import, but
// for the workers.
func adoptMultiNode(g *liveGroups, prior *Model) *MultiNode {
	like := &MultiNode{}
	if prior != nil && prior.MultiNode != nil {
		like = prior.MultiNode
	}
	t := &g.Spec.LeaderWorkerTemplate
	n := &MultiNode{
		Size:              types.Int32Value(ptr.Deref(t.Size, 1)),
		Worker:            like.Worker,
		Uniform:           like.Uniform,
		RestartPolicy:     values.Word(t.RestartPolicy, recreateOnRestart, like.RestartPolicy),
		StartupPolicy:     values.Word(g.Spec.StartupPolicy, leaderCreated, like.StartupPolicy),
		ExclusiveTopology: annotated(g, kube.ExclusiveTopology),
	}
	if prior == nil && t.LeaderTemplate == nil {
		n.Uniform = types.BoolValue(true)
	}
	if g.Spec.NetworkConfig != nil {
		n.SubdomainPolicy = values.Word(g.Spec.NetworkConfig.SubdomainPolicy, subdomainShared, like.SubdomainPolicy)
	}
	if u := g.Spec.RolloutStrategy.RollingUpdate; u != nil {
		n.Partition = values.Stated(u.Partition, 0, like.Partition)
	}
	if s := t.SubGroupPolicy; s != nil {
		n.SubgroupSize, n.SubgroupType = types.Int32PointerValue(s.Size), values.Word(s.Type, leaderIncluded, like.SubgroupType)
	}
	n.SubgroupExclusiveTopology = annotated(g, kube.SubGroupExclusiveTopology)
	return n
}

// adoptGroupRollout is how groups are replaced, in the words of prior.
func adoptGroupRollout(live *appsv1.DeploymentStrategy, prior *Rollout) *Rollout {
	like := prior
	if like == nil {
		like = &Rollout{}
	}
	out := Rollout{Strategy: values.Word(string(live.Type), rolling, like.Strategy)}
	if r := live.RollingUpdate; r != nil {
		if r.MaxSurge != nil {
			out.MaxSurge = values.Word(r.MaxSurge.String(), "0", like.MaxSurge)
		}
		if r.MaxUnavailable != nil {
			out.MaxUnavailable = values.Word(r.MaxUnavailable.String(), "1", like.MaxUnavailable)
		}
	}
	if out == (Rollout{}) && prior == nil {
		return nil
	}
	return &out
}

func annotated(g *liveGroups, key string) types.String {
	if v, ok := g.Annotations[key]; ok {
		return types.StringValue(v)
	}
	return types.StringNull()
}

// adoptWorker is what live workers do otherwise than their leader. On import that is
// all that can be said of it; else what prior says, and preset shows the rest.
func adoptWorker(m *Model, g *liveGroups, raw *kube.Object, prior *Model) {
	if m.MultiNode.Uniform.ValueBool() {
		return
	}
	template := &g.Spec.LeaderWorkerTemplate.WorkerTemplate
	if prior == nil {
		pod, _ := podspec.Adopt(template)
		m.MultiNode.Worker = workerUnlike(&pod, &m.Model)
		m.Preset = withWorker(m.Preset, m.workerMade(&m.Model))
		return
	}
	leader := effective(prior)
	was := prior.workerPod(&leader)
	now, _ := podspec.AdoptLike(template, &was)
	m.MultiNode.Worker = workerLike(prior.MultiNode.Worker, &now)
	if more := workerDrift(prior, &was, raw); more != "" {
		m.Preset = withWorker(m.Preset, more)
	}
}

// withWorker is preset with another word on workers.
func withWorker(preset types.Map, said string) types.Map {
	elements := maps.Clone(preset.Elements())
	elements[workerKey] = types.StringValue(said)
	return types.MapValueMust(types.StringType, elements)
}

// workerUnlike are the differences of two pods that worker can say; nil for none.
func workerUnlike(worker, leader *podspec.Model) *Worker {
	var o Worker
	if worker.Main() != leader.Main() {
		o.ContainerName = types.StringValue(worker.Main())
	}
	if !worker.Image.Equal(leader.Image) {
		o.Image = worker.Image
	}
	for _, l := range []struct {
		to        *[]types.String
		have, has []types.String
	}{{&o.Command, worker.Command, leader.Command}, {&o.Args, worker.Args, leader.Args}} {
		if !slices.EqualFunc(l.have, l.has, func(a, b types.String) bool { return a.Equal(b) }) {
			*l.to = append([]types.String{}, l.have...)
		}
	}
	for k, v := range worker.Env {
		if had, ok := leader.Env[k]; !ok || !had.Equal(v) {
			if o.Env == nil {
				o.Env = map[string]types.String{}
			}
			o.Env[k] = v
		}
	}
	if reflect.DeepEqual(o, Worker{}) {
		return nil
	}
	return &o
}

// workerLike is what prior says of the workers, as they are.
func workerLike(prior *Worker, now *podspec.Model) *Worker {
	if prior == nil {
		return nil
	}
	o := *prior
	if !o.Image.IsNull() {
		o.Image = now.Image
	}
	if o.Command != nil && len(o.Command)+len(now.Command) > 0 {
		o.Command = now.Command
	}
	if o.Args != nil && len(o.Args)+len(now.Args) > 0 {
		o.Args = now.Args
	}
	o.Env = maps.Clone(o.Env)
	for k := range o.Env {
		if v, ok := now.Env[k]; ok {
			o.Env[k] = v
		} else {
			delete(o.Env, k)
		}
	}
	return &o
}

// workerDrift says what of the workers' template is not as it is made; "" for
// nothing that worker does not show.
func workerDrift(prior *Model, was *podspec.Model, live *kube.Object) string {
	template, ds := prior.template(was)
	if ds.HasError() {
		return ""
	}
	wanted, err := plainObject(template)
	if err != nil {
		return ""
	}
	v, _ := kube.At(kube.Declared(live.Object, nil), "spec", "leaderWorkerTemplate", "workerTemplate")
	have, _ := v.(map[string]any)
	fields := workerFields(prior, was, nil)
	var out []string
	for _, at := range kube.Drift(wanted, have) {
		if shown, _ := fields.Find(at); !shown.Equal(presetPath.AtMapKey(workerKey)) {
			continue
		}
		said := "removed"
		if v, ok := kube.At(have, at...); ok {
			if raw, err := json.Marshal(v); err == nil {
				said = string(raw)
			}
		}
		out = append(out, fmt.Sprintf("%s: %s", strings.Join(at, "."), said))
	}
	return strings.Join(out, "; ")
}
