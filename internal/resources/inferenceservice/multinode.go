package inferenceservice

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/kube/crd"
)

var multiNodePath = path.Root("multi_node")

// MultiNode lets several pods, each on a node of its own as a rule, serve one model.
type MultiNode struct {
	Size                      types.Int32  `tfsdk:"size"`
	Worker                    *Worker      `tfsdk:"worker"`
	Uniform                   types.Bool   `tfsdk:"uniform"`
	RestartPolicy             types.String `tfsdk:"restart_policy"`
	StartupPolicy             types.String `tfsdk:"startup_policy"`
	SubdomainPolicy           types.String `tfsdk:"subdomain_policy"`
	Partition                 types.Int32  `tfsdk:"partition"`
	ExclusiveTopology         types.String `tfsdk:"exclusive_topology"`
	SubgroupSize              types.Int32  `tfsdk:"subgroup_size"`
	SubgroupType              types.String `tfsdk:"subgroup_type"`
	SubgroupExclusiveTopology types.String `tfsdk:"subgroup_exclusive_topology"`
}

// Worker is what the workers of a group do otherwise than its leader.
type Worker struct {
	ContainerName types.String            `tfsdk:"container_name"`
	Image         types.String            `tfsdk:"image"`
	Command       []types.String          `tfsdk:"command"`
	Args          []types.String          `tfsdk:"args"`
	Env           map[string]types.String `tfsdk:"env"`
}

// inGroups reports whether the service is a LeaderWorkerSet.
func (m *Model) inGroups() bool { return m.MultiNode != nil }

// size is the number of pods of a group; 1 for a service without groups.
func (m *Model) size() int32 {
	if m.MultiNode == nil {
		return 1
	}
	return m.MultiNode.Size.ValueInt32()
}

// The variables that a LeaderWorkerSet gives to each container.
const (
	leaderAddress = "$(LWS_LEADER_ADDRESS)"
	groupSize     = "$(LWS_GROUP_SIZE)"
	workerNumber  = "$(LWS_WORKER_INDEX)"
)

// flagged is an argument, and the flags that say the same.
type flagged struct {
	value string
	flags []string
}

// The flags by which somebody splits a model over nodes in another way.
const executorFlag = "--distributed-executor-backend"

// across are the arguments that split the model over the pods of a group; none for
// servers that cannot, or when the user's own arguments do it.
func (m *Model) across(s *server) []flagged {
	gpus := max(splitOver(m), 1)
	switch runtime := m.Runtime.ValueString(); {
	case runtime == vllm && told(m.Args, []string{executorFlag}):
		return nil
	case runtime == vllm:
		out := []flagged{
			{strconv.Itoa(int(m.size())), []string{"--pipeline-parallel-size", "-pp"}},
			{"mp", []string{executorFlag}},
			{groupSize, []string{"--nnodes", "-n"}},
			{workerNumber, []string{"--node-rank", "-r"}},
			{leaderAddress, []string{"--master-addr"}},
		}
		if gpus > 1 {
			out = slices.Insert(out, 0, flagged{strconv.FormatInt(gpus, 10), s.parallel})
		}
		return out
	case runtime == sglang:
		return []flagged{
			{strconv.FormatInt(gpus*int64(m.size()), 10), s.parallel},
			{groupSize, []string{"--nnodes"}},
			{workerNumber, []string{"--node-rank"}},
			{leaderAddress + ":20000", []string{"--dist-init-addr", "--nccl-init-addr"}},
		}
	}
	return nil
}

// workerFlags are the arguments that only workers get: those of vLLM serve nobody.
func (m *Model) workerFlags() []string {
	if m.Runtime.ValueString() != vllm || told(m.Args, []string{executorFlag, "--headless"}) {
		return nil
	}
	return []string{"--headless"}
}

// workerPod is the pod of a worker, made of that of the leader. Nobody calls a
// worker, so there is nothing to ask it.
func (m *Model) workerPod(leader *podspec.Model) podspec.Model {
	w := *leader
	if m.MultiNode.Uniform.ValueBool() {
		return w
	}
	w.Ports, w.StartupProbe, w.LivenessProbe, w.ReadinessProbe = nil, nil, nil, nil
	w.PodAnnotations = m.unscraped(w.PodAnnotations)
	if flags := m.workerFlags(); len(flags) > 0 {
		w.Args = slices.Concat(w.Args, words(flags...))
	}
	o := m.MultiNode.Worker
	if o == nil {
		return w
	}
	if !o.ContainerName.IsNull() {
		w.ContainerName = o.ContainerName
		w.Volumes = mountedIn(w.Volumes, leader.Main(), o.ContainerName)
	}
	if !o.Image.IsNull() {
		w.Image = o.Image
	}
	if o.Command != nil {
		w.Command = someOf(o.Command)
	}
	if o.Args != nil {
		w.Args = someOf(o.Args)
	}
	if len(o.Env) > 0 {
		w.Env = maps.Clone(w.Env)
		if w.Env == nil {
			w.Env = map[string]types.String{}
		}
		w.EnvValueFrom = maps.Clone(w.EnvValueFrom)
		for k, v := range o.Env {
			w.Env[k] = v
			delete(w.EnvValueFrom, k)
		}
	}
	return w
}

// unscraped are annotations without those by which a runtime lets its metrics be
// found: workers have none.
func (m *Model) unscraped(all map[string]types.String) map[string]types.String {
	out := maps.Clone(all)
	maps.DeleteFunc(out, func(key string, _ types.String) bool {
		_, own := m.PodAnnotations[key]
		return !own && strings.HasPrefix(key, scrapePrefix)
	})
	if len(out) == 0 {
		return nil
	}
	return out
}

// someOf is a list as a pod has it: an empty one is none, so that the image's own counts.
func someOf(list []types.String) []types.String {
	if len(list) == 0 {
		return nil
	}
	return list
}

// mountedIn are volumes whose mounts name a container, with another name for it.
func mountedIn(volumes map[string]podspec.Volume, was string, is types.String) map[string]podspec.Volume {
	out := maps.Clone(volumes)
	for key, v := range out {
		v.Mounts = slices.Clone(v.Mounts)
		for i := range v.Mounts {
			if v.Mounts[i].Container.ValueString() == was {
				v.Mounts[i].Container = is
			}
		}
		out[key] = v
	}
	return out
}

// groups is the LeaderWorkerSet of a service.
func groups(m *Model, pod *podspec.Model) (*crd.LeaderWorkerSet, diag.Diagnostics) {
	n := m.MultiNode
	out := crd.NewLeaderWorkerSet(m.Name.ValueString(), m.Namespace.ValueString())
	out.WithLabels(m.QueueLabels())
	for key, v := range map[string]types.String{kube.ExclusiveTopology: n.ExclusiveTopology, kube.SubGroupExclusiveTopology: n.SubgroupExclusiveTopology} {
		if !v.IsNull() {
			out.WithAnnotations(map[string]string{key: v.ValueString()})
		}
	}
	out.Spec.Replicas = m.Replicas.ValueInt32Pointer()
	out.Spec.StartupPolicy = n.StartupPolicy.ValueStringPointer()
	if !n.SubdomainPolicy.IsNull() {
		out.Spec.NetworkConfig = &crd.GroupNetwork{SubdomainPolicy: n.SubdomainPolicy.ValueStringPointer()}
	}
	out.Spec.RolloutStrategy = m.groupRollout()
	t := out.Spec.LeaderWorkerTemplate
	t.Size, t.RestartPolicy = n.Size.ValueInt32Pointer(), n.RestartPolicy.ValueStringPointer()
	if !n.SubgroupSize.IsNull() {
		t.SubGroupPolicy = &crd.SubGroupPolicy{Type: n.SubgroupType.ValueStringPointer(), Size: n.SubgroupSize.ValueInt32Pointer()}
	}
	var ds diag.Diagnostics
	made := func(pod *podspec.Model) *corev1ac.PodTemplateSpecApplyConfiguration {
		template, tds := m.template(pod)
		ds.Append(tds...)
		return template
	}
	worker := m.workerPod(pod)
	if t.WorkerTemplate = made(&worker); !n.Uniform.ValueBool() {
		t.LeaderTemplate = made(pod)
	}
	return out, ds
}

// groupRollout is how groups are replaced; nil where nothing is said.
func (m *Model) groupRollout() *crd.GroupRollout {
	u := crd.GroupRollingUpdate{Partition: m.MultiNode.Partition.ValueInt32Pointer()}
	var kind *string
	if r := m.Rollout; r != nil {
		u.MaxSurge, u.MaxUnavailable, kind = values.Share(r.MaxSurge), values.Share(r.MaxUnavailable), r.Strategy.ValueStringPointer()
	}
	switch {
	case u != (crd.GroupRollingUpdate{}):
		return &crd.GroupRollout{Type: kind, RollingUpdate: &u}
	case kind != nil:
		return &crd.GroupRollout{Type: kind}
	}
	return nil
}

// serviceSelector are the labels by which the Service knows its pods: of groups only
// the leaders answer.
func serviceSelector(m *Model) map[string]string {
	out := selectorOf(m)
	if m.inGroups() {
		out[kube.WorkerIndexLabel] = kube.LeaderIndex
	}
	return out
}

// isLeader reports whether a pod of a group is its leader.
func isLeader(p *corev1.Pod) bool { return p.Labels[kube.WorkerIndexLabel] == kube.LeaderIndex }
