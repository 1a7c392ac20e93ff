package inferenceservice_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/inferenceservice"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// argsOf are the arguments of leader and workers of what a configuration makes.
func argsOf(t *testing.T, config string) [2]string {
	t.Helper()
	set := testkit.Objects(t, inferenceservice.Definition().Desired, model(t, config))[0]
	var out [2]string
	for i, template := range []string{"leaderTemplate", "workerTemplate"} {
		v, _ := kube.At(set, "spec", "leaderWorkerTemplate", template, "spec", "containers")
		raw, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var containers []corev1.Container
		if err := yaml.Unmarshal(raw, &containers); err != nil {
			t.Fatal(err)
		}
		out[i] = strings.Join(containers[0].Args, " ")
	}
	return out
}

// Servers are told how the model is split over the pods of a group, save what the
// user's own arguments say.
func TestMultiNodeArguments(t *testing.T) {
	t.Parallel()
	const vllm = "--distributed-executor-backend=mp --nnodes=$(LWS_GROUP_SIZE) --node-rank=$(LWS_WORKER_INDEX) --master-addr=$(LWS_LEADER_ADDRESS)"
	const sglang = "--host=0.0.0.0 --enable-metrics --port=30000 --tensor-parallel-size=32 --nnodes=$(LWS_GROUP_SIZE) --node-rank=$(LWS_WORKER_INDEX) --dist-init-addr=$(LWS_LEADER_ADDRESS):20000"
	for name, c := range map[string]struct{ config, leader, worker string }{
		"vllm": {
			"runtime: vllm, gpu: {count: 8}, multi_node: {size: 4}",
			"--tensor-parallel-size=8 --pipeline-parallel-size=4 " + vllm, "--tensor-parallel-size=8 --pipeline-parallel-size=4 " + vllm + " --headless",
		},
		"one GPU each":          {"runtime: vllm, gpu: {count: 1}, multi_node: {size: 2}", "--pipeline-parallel-size=2 " + vllm, "--pipeline-parallel-size=2 " + vllm + " --headless"},
		"other arguments":       {"runtime: vllm, args: [-pp, '1', -tp, '16'], gpu: {count: 8}, multi_node: {size: 2}", vllm + " -pp 1 -tp 16", vllm + " -pp 1 -tp 16 --headless"},
		"Ray":                   {"runtime: vllm, args: [--distributed-executor-backend=ray], gpu: {count: 8}, multi_node: {size: 2}", "--distributed-executor-backend=ray", "--distributed-executor-backend=ray"},
		"sglang":                {"runtime: sglang, gpu: {count: 8}, multi_node: {size: 4}", sglang, sglang},
		"a server of one's own": {"args: [serve], ports: {http: {port: 1}}, multi_node: {size: 2, worker: {args: [work]}}", "serve", "work"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff([2]string{c.leader, c.worker}, argsOf(t, c.config)); d != "" {
				t.Error(d)
			}
		})
	}
}

// set is a live LeaderWorkerSet of two groups with that status.
func set(t *testing.T, spec, status string) *kube.Object {
	t.Helper()
	return object(t, `
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: api, namespace: ml, uid: u1, generation: 3}
spec: {`+spec+` leaderWorkerTemplate: {size: 2, workerTemplate: {spec: {containers: [{name: main, image: model}]}}}}
status: {`+status+`}`)
}

// member is a pod of a group; started is how long it has run, 0 for one that does not.
func member(now time.Time, at, revision string, ready bool, started time.Duration) corev1.Pod {
	group, worker, _ := strings.Cut(at, "/")
	name := "api-" + group
	if worker != "0" {
		name += "-" + worker
	}
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ml", Labels: map[string]string{
		kube.GroupsNameLabel: "api", kube.GroupIndexLabel: group, kube.WorkerIndexLabel: worker, kube.GroupRevisionLabel: revision,
	}}}
	p.Status.Phase = corev1.PodPending
	if started > 0 {
		p.Status.Phase = corev1.PodRunning
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-started))}}}}
	}
	if ready {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	return p
}

// What is waited for is whole groups, of the newest revision.
func TestMultiNodeReady(t *testing.T) {
	t.Parallel()
	now := time.Now()
	const available = "observedGeneration: 3, replicas: 2, readyReplicas: 2, updatedReplicas: 2, conditions: [{type: Available, status: 'True', reason: AllGroupsReady, message: m, lastTransitionTime: '2026-01-01T00:00:00Z'}]"
	for name, c := range map[string]struct {
		config, spec, status string
		pods                 []corev1.Pod
		want                 string
	}{
		"not seen by its controller": {"", "replicas: 2,", "observedGeneration: 2, " + strings.TrimPrefix(available, "observedGeneration: 3, "), nil, "Pending: The controller of LeaderWorkerSets has not taken notice of it yet"},
		"an old controller":          {"", "replicas: 2,", strings.TrimPrefix(available, "observedGeneration: 3, "), nil, "Pending: The controller of LeaderWorkerSets has not taken notice of it yet"},
		"ready":                      {"", "replicas: 2,", available, []corev1.Pod{member(now, "0/0", "b", true, time.Minute), member(now, "0/1", "b", true, time.Minute)}, "Ready: 2 of 2 groups of 2 pods are ready"},
		"a worker has just started":  {"", "replicas: 2,", available, []corev1.Pod{member(now, "0/0", "b", true, time.Minute), member(now, "0/1", "b", true, time.Second)}, "Progressing: The pods have only just started, and there is no readiness_probe to tell whether they serve"},
		"a worker is missing": {
			"", "replicas: 2,", "observedGeneration: 3, replicas: 2, readyReplicas: 1, updatedReplicas: 2, conditions: [{type: Progressing, status: 'True', reason: r, message: m, lastTransitionTime: '2026-01-01T00:00:00Z'}]",
			[]corev1.Pod{member(now, "0/0", "b", true, time.Minute), member(now, "1/1", "b", false, 0)},
			"Progressing: 1 of 2 groups are ready, 2 of this revision; not ready: api-1-1 (group 1, worker 1)",
		},
		"an update goes on": {"", "replicas: 2,", strings.Replace(available, "]", ", {type: UpdateInProgress, status: 'True', reason: r, message: m, lastTransitionTime: '2026-01-01T00:00:00Z'}]", 1), nil, "Progressing: 2 of 2 groups are ready, 2 of this revision"},
		"stopped":           {"", "replicas: 0,", "observedGeneration: 3", nil, "Stopped: The service is asked to have no groups"},
		"below its least":   {"autoscaling: {min_replicas: 3, max_replicas: 4, cpu_percent: 80},", "replicas: 2,", available, nil, "Progressing: The autoscaler has not raised the number of groups from 2 to its least yet, 3"},
		"a partition keeps others": {
			"", "replicas: 2,", strings.Replace(available, "updatedReplicas: 2", "updatedReplicas: 1", 1),
			[]corev1.Pod{member(now, "1/0", "b", true, time.Minute), member(now, "1/1", "b", true, time.Minute)},
			"Ready: 2 of 2 groups of 2 pods are ready",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := model(t, c.config+" ports: {http: {port: 1}}, service: {enabled: false}, multi_node: {size: 2}")
			got := inferenceservice.Definition().Ready(m, lifecycle.Seen{Live: kube.Live{kube.LeaderWorkerSet.Kind: set(t, c.spec, c.status)}, Pods: c.pods, Now: now}, "ready")
			if said := got.Phase + ": " + got.Message; said != c.want {
				t.Errorf("%s\nwant %s", said, c.want)
			}
		})
	}
}

// After a rollout that failed, the groups that have not been touched are told, and
// their pods end no wait.
func TestMultiNodeServing(t *testing.T) {
	t.Parallel()
	now := time.Now()
	leaders := object(t, `
kind: StatefulSet
metadata: {name: api, namespace: ml, labels: {`+kube.GroupRevisionLabel+`: b}, ownerReferences: [{kind: LeaderWorkerSet, name: api, uid: u1, controller: true}]}`)
	workers := object(t, `
kind: StatefulSet
metadata: {name: api-0, namespace: ml, labels: {`+kube.GroupRevisionLabel+`: a}, ownerReferences: [{kind: Pod, name: api-0, uid: u2, controller: true}]}`)
	old, young := member(now, "0/0", "a", true, time.Minute), member(now, "1/0", "b", false, 0)
	seen := lifecycle.Seen{
		Live:   kube.Live{kube.LeaderWorkerSet.Kind: set(t, "replicas: 2,", "observedGeneration: 3, replicas: 2")},
		Beside: map[string][]*kube.Object{kube.StatefulSet.Kind: {workers, leaders}},
		Pods:   []corev1.Pod{old, young}, Now: now,
	}
	def, m := inferenceservice.Definition(), model(t, "ports: {http: {port: 1}}, multi_node: {size: 2}")
	if got, want := def.Serving(m, seen), "Group 0 still serves, with the revision before."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !def.Outdated(seen, &old) || def.Outdated(seen, &young) {
		t.Error("which pods are of an earlier revision is not seen")
	}
	seen.Pods = []corev1.Pod{young}
	if got, want := def.Serving(m, seen), "No group serves: none has a ready leader."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestMultiNodeValidate(t *testing.T) {
	t.Parallel()
	const served = "ports: {http: {port: 8000}}, "
	for name, c := range map[string]struct{ config, want string }{
		"fine":                    {served + "multi_node: {size: 4, subgroup_size: 2, subgroup_exclusive_topology: rack}", ""},
		"fine without the leader": {served + "multi_node: {size: 5, subgroup_size: 2, subgroup_type: LeaderExcluded}", ""},
		"a selector":              {served + "selector: {a: b}, multi_node: {size: 2}", "known by its name"},
		"on one node":             {"runtime: tgi, multi_node: {size: 2}", "tgi cannot split a model over several nodes"},
		"its own Service":         {served + "service: {name: api}, multi_node: {size: 2}", "The Service cannot be called \"api\""},
		"nothing moves":           {served + "rollout: {max_unavailable: '0'}, multi_node: {size: 2}", "max_surge is 0 with multi_node"},
		"a canary":                {served + "canary: {weight: 10}, route: {gateway: g}, multi_node: {size: 2}", "A service in groups has no canary"},
		"recreate":                {served + "rollout: {strategy: Recreate}, multi_node: {size: 2}", "no strategy Recreate"},
		"a deadline":              {served + "rollout: {progress_deadline_seconds: 600}, multi_node: {size: 2}", "cannot say progress_deadline_seconds"},
		"uniform and otherwise":   {served + "multi_node: {size: 2, uniform: true, worker: {image: b}}", "uniform workers"},
		"subgroups of what":       {served + "multi_node: {size: 2, subgroup_type: LeaderWorker}", "subgroup_type needs subgroup_size"},
		"subgroups left over":     {served + "multi_node: {size: 6, subgroup_size: 4}", "cannot be divided into subgroups of 4"},
		"the leader left over":    {served + "multi_node: {size: 4, subgroup_size: 2, subgroup_type: LeaderExcluded}", "size - 1 must be a multiple"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ds := validated(t, c.config)
			switch {
			case c.want == "" && ds != "":
				t.Errorf("refused: %s", ds)
			case !strings.Contains(ds, c.want):
				t.Errorf("said %q, want %q", ds, c.want)
			}
		})
	}
}

// validated is what is said against a configuration.
func validated(t *testing.T, text string) string {
	t.Helper()
	out := ""
	for _, d := range inferenceservice.Definition().Validate(t.Context(), config(t, text)) {
		out += d.Summary() + ": " + d.Detail() + "\n"
	}
	return out
}

// TestEnginesDoNotShare: what stands beside the Deployment of another workspace is not
// taken, and not removed, by a service of the same name that is in groups.
func TestEnginesDoNotShare(t *testing.T) {
	t.Parallel()
	api, ctx := completing(t), t.Context()
	first, client := start(t, api, &testkit.Process{})
	if out := first.Apply(ctx, serviceWith(attributes{"autoscaling": attributes{"max_replicas": 4}, "disruption_budget": attributes{"max_unavailable": "1"}})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	client.Close()
	budget := api.Get("PodDisruptionBudget", "default", "api").GetUID()
	other, _ := start(t, api, &testkit.Process{})
	groups := attributes{"multi_node": attributes{"size": 2}, "command": []any{"serve"}}
	if out := other.Apply(ctx, serviceWith(groups)); out.Errors() != "" || out.Warnings() != "" {
		t.Errorf("errors %q, warnings %q", out.Errors(), out.Warnings())
	}
	if now := api.Get("PodDisruptionBudget", "default", "api"); now == nil || now.GetUID() != budget {
		t.Error("the disruption budget of the other workspace is gone")
	}
	groups["autoscaling"] = attributes{"max_replicas": 2}
	third, _ := start(t, api, &testkit.Process{})
	api.Remove("LeaderWorkerSet", "default", "api")
	if out := third.Apply(ctx, serviceWith(groups)); !strings.Contains(out.Errors(), "HorizontalPodAutoscaler default/api already exists and belongs to another state") {
		t.Errorf("it took the autoscaler: %q", out.Errors())
	}
}
