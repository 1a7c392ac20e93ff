package inferenceservice

import (
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// workerKey is how preset calls what becomes of the leader's pod in a worker.
const workerKey = "multi_node.worker"

// workerMade says what becomes of the leader's pod in a worker; "" where both are
// made of one template.
func (m *Model) workerMade(leader *podspec.Model) string {
	if !m.inGroups() || m.MultiNode.Uniform.ValueBool() {
		return ""
	}
	var without []string
	for _, p := range []struct {
		name string
		has  bool
	}{
		{"metrics", len(m.unscraped(leader.PodAnnotations)) < len(leader.PodAnnotations)},
		{"ports", len(leader.Ports) > 0},
		{"startup_probe", leader.StartupProbe != nil},
		{"liveness_probe", leader.LivenessProbe != nil},
		{"readiness_probe", leader.ReadinessProbe != nil},
	} {
		if p.has {
			without = append(without, p.name)
		}
	}
	out := "as the leader"
	if len(without) > 0 {
		out += ", without " + strings.Join(without, ", ")
	}
	if flags := m.workerFlags(); len(flags) > 0 && (m.MultiNode.Worker == nil || m.MultiNode.Worker.Args == nil) {
		out += ", with " + strings.Join(flags, " ")
	}
	return out
}

// groupFields says which attribute made which field of a LeaderWorkerSet.
func groupFields(m *Model, made *filled) diags.Fields {
	var f diags.Fields
	kind, n := kube.LeaderWorkerSet.Kind, m.MultiNode
	template := []string{kind, "spec", "leaderWorkerTemplate"}
	worker := append(slices.Clone(template), "workerTemplate")
	if n.Uniform.ValueBool() {
		f.Merge(templateFields(m, made, worker...))
	} else {
		f.Merge(templateFields(m, made, append(slices.Clone(template), "leaderTemplate")...))
		f.Merge(workerFields(m, &made.pod, worker))
	}
	for at, field := range map[string][]string{"size": {"size"}, "restart_policy": {"restartPolicy"}, "subgroup_type": {"subGroupPolicy", "subGroupPolicyType"}} {
		f.Add(multiNodePath.AtName(at), append(slices.Clone(template), field...)...)
	}
	f.Add(multiNodePath.AtName("subgroup_size"), append(slices.Clone(template), "subGroupPolicy")...)
	f.Add(multiNodePath.AtName("startup_policy"), kind, "spec", "startupPolicy")
	f.Add(multiNodePath.AtName("subdomain_policy"), kind, "spec", "networkConfig")
	f.Add(multiNodePath.AtName("exclusive_topology"), kind, "metadata", "annotations", kube.ExclusiveTopology)
	f.Add(multiNodePath.AtName("subgroup_exclusive_topology"), kind, "metadata", "annotations", kube.SubGroupExclusiveTopology)
	f.Add(rolloutPath.AtName("strategy"), kind, "spec", "rolloutStrategy", "type")
	rolling := []string{kind, "spec", "rolloutStrategy", "rollingUpdateConfiguration"}
	f.Add(multiNodePath.AtName("partition"), append(slices.Clone(rolling), "partition")...)
	f.Add(rolloutPath.AtName("max_surge"), append(slices.Clone(rolling), "maxSurge")...)
	f.Add(rolloutPath.AtName("max_unavailable"), append(slices.Clone(rolling), "maxUnavailable")...)
	f.Add(replicasPath, kind, "spec", "replicas")
	f.Merge(podspec.QueueField(path.Empty(), kind))
	return f
}

// workerFields are those of the workers' template: what worker says is its own, and
// the rest follows from the leader's pod.
func workerFields(m *Model, leader *podspec.Model, at []string) diags.Fields {
	var f diags.Fields
	f.Add(presetPath.AtMapKey(workerKey), at...)
	o := m.MultiNode.Worker
	if o == nil {
		return f
	}
	pod, root := m.workerPod(leader), multiNodePath.AtName("worker")
	containers := append(slices.Clone(at), "spec", "containers")
	main := append(slices.Clone(containers), pod.Main())
	// Without these, what worker says may still look the same.
	for _, list := range [][]string{containers, main, append(slices.Clone(main), "env")} {
		f.Add(presetPath.AtMapKey(workerKey), list...)
	}
	for name, said := range map[string]bool{"image": !o.Image.IsNull(), "command": o.Command != nil, "args": o.Args != nil} {
		if said {
			f.Add(root.AtName(name), append(slices.Clone(main), name)...)
		}
	}
	for k := range o.Env {
		f.Add(root.AtName("env").AtMapKey(k), append(slices.Clone(main), "env", k)...)
	}
	return f
}
