package trainingjob_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
)

// nodes makes nodes of 8 GPUs for this test alone: they bear a label and a taint
// named like its namespace.
func (s *site) nodes(n int) {
	s.t.Helper()
	all, err := s.Kube.CoreV1().Nodes().List(s.t.Context(), metav1.ListOptions{LabelSelector: "nvidia.com/gpu.count=8"})
	if err != nil || len(all.Items) == 0 {
		s.t.Fatal("no node of 8 GPUs to copy: ", err)
	}
	like := all.Items[0]
	for i := range n {
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", s.Namespace, i), Labels: maps.Clone(like.Labels), Annotations: like.Annotations},
			Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: s.Namespace, Effect: corev1.TaintEffectNoSchedule}}},
			Status:     corev1.NodeStatus{Capacity: like.Status.Capacity, Allocatable: like.Status.Allocatable},
		}
		node.Labels["kubernetes.io/hostname"], node.Labels[s.Namespace] = node.Name, "yes"
		if _, err := s.Kube.CoreV1().Nodes().Create(s.t.Context(), node, metav1.CreateOptions{}); err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() {
			if err := s.Kube.CoreV1().Nodes().Delete(cleanup(s.t), node.Name, metav1.DeleteOptions{}); err != nil {
				s.t.Error(err)
			}
		})
	}
}

// witness sees every pod of the namespace as it was last, by uid, and the host
// names that resolved at some time.
type witness struct {
	sync.Mutex
	pods  map[types.UID]corev1.Pod
	hosts map[string]bool
}

// witness looks on while the test runs; each pod it sees is shown to do.
func (s *site) witness(do func(context.Context, corev1.Pod)) *witness {
	s.t.Helper()
	w := &witness{pods: map[types.UID]corev1.Pod{}, hosts: map[string]bool{}}
	ctx, stop := context.WithCancel(s.t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		_ = wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
			w.look(ctx, s, do)
			return false, nil
		})
	})
	s.t.Cleanup(func() { stop(); done.Wait() })
	return w
}

func (w *witness) look(ctx context.Context, s *site, do func(context.Context, corev1.Pod)) {
	pods, err := s.Kube.CoreV1().Pods(s.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return
	}
	slices, err := s.Kube.DiscoveryV1().EndpointSlices(s.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return
	}
	w.Lock()
	for _, p := range pods.Items {
		w.pods[p.UID] = p
	}
	for _, sl := range slices.Items {
		for _, e := range sl.Endpoints {
			if e.Hostname != nil {
				w.hosts[*e.Hostname+"."+sl.Labels["kubernetes.io/service-name"]] = true
			}
		}
	}
	w.Unlock()
	if do != nil {
		for _, p := range pods.Items {
			do(ctx, p)
		}
	}
}

// simulate changes what a pod does while it runs.
func (s *site) simulate(ctx context.Context, p corev1.Pod, what string) {
	patch := fmt.Sprintf(`{"metadata":{"annotations":{"mlk.dev/simulate":%q}}}`, what)
	_, _ = s.Kube.CoreV1().Pods(s.Namespace).Patch(ctx, p.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
}

func rankOf(p corev1.Pod) string { return p.Annotations[batchv1.JobCompletionIndexAnnotation] }

// A gang of four nodes of eight GPUs: every rank on a node of its own, with a
// host name that resolves, and a result.
func TestAccGang(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.nodes(4)
	w := s.witness(nil)
	s.run(resource.TestStep{
		ConfigDirectory: tfconfig.TestNameDirectory(),
		ConfigStateChecks: []statecheck.StateCheck{
			phase("Complete"),
			statecheck.ExpectKnownValue(address, tfjsonpath.New("result").AtMapKey("loss"), knownvalue.StringExact("0.5")),
			statecheck.ExpectKnownValue(address, tfjsonpath.New("results").AtMapKey("3").AtMapKey("loss"), knownvalue.StringExact("0.5")),
			statecheck.ExpectKnownValue(address, tfjsonpath.New("objects"), knownvalue.ListSizeExact(2)),
		},
		Check: func(*terraform.State) error {
			w.Lock()
			defer w.Unlock()
			nodes, ranks := map[string]bool{}, map[string]bool{}
			for _, p := range w.pods {
				nodes[p.Spec.NodeName], ranks[rankOf(p)] = true, true
				env := map[string]corev1.EnvVar{}
				for _, e := range p.Spec.Containers[0].Env {
					env[e.Name] = e
				}
				if f := env["JOB_COMPLETION_INDEX"].ValueFrom; f == nil || f.FieldRef == nil || env["PET_NODE_RANK"].Value != "$(JOB_COMPLETION_INDEX)" {
					return fmt.Errorf("rank %s does not know its rank: %v", rankOf(p), env)
				}
				hosts := strings.Split(env["MLK_HOSTS"].Value, ",")
				if len(hosts) != 4 || env["PET_MASTER_ADDR"].Value != hosts[0] || env["PET_NPROC_PER_NODE"].Value != "8" {
					return fmt.Errorf("environment of rank %s: %v", rankOf(p), env)
				}
				for _, h := range hosts {
					if !w.hosts[h] {
						return fmt.Errorf("host %s never resolved, but %v", h, w.hosts)
					}
				}
			}
			if diff := cmp.Diff([]string{"0", "1", "2", "3"}, slices.Sorted(maps.Keys(ranks))); diff != "" || len(nodes) != 4 {
				return fmt.Errorf("ranks on nodes %v: %s", nodes, diff)
			}
			return nil
		},
	})
	left, err := s.Kube.CoreV1().Services(s.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(left.Items) > 0 {
		t.Errorf("services left behind: %v %v", left.Items, err)
	}
}

// Forty nodes on a cluster that has twenty: said within a minute, and why.
func TestAccGangTooLarge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.nodes(20)
	begin := time.Now()
	s.run(resource.TestStep{ConfigDirectory: tfconfig.TestNameDirectory(), ExpectError: words(
		"failed: 20 nodes short for 40 ranks with 8 GPUs each", "(distributed.nodes)", "needs 40 pods at a time, each with 8 GPUs (nvidia.com/gpu)",
		"20 nodes can hold such pods when empty", "room for 20 ranks; 20 are left over", "Insufficient nvidia.com/gpu", "run with distributed.nodes = 20",
	)})
	if took := time.Since(begin); took > 75*time.Second { // the apply, and the destroy after it
		t.Errorf("it took %s to say so", took)
	}
}

// One rank is killed: rank, pod, limit and attribute are named, and the others
// do not go on for ever.
func TestAccGangOneRankFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.witness(func(ctx context.Context, p corev1.Pod) {
		if rankOf(p) == "3" && p.Status.Phase == corev1.PodRunning {
			s.simulate(ctx, p, "oom:after=1s")
		}
	})
	s.run(resource.TestStep{ConfigDirectory: tfconfig.TestNameDirectory(), ExpectError: words(
		"failed: rank 3: container main exceeded its memory limit", `(resources.limits["memory"])`, "Container main of Pod", "-3-", "(rank 3)",
		"its memory limit of 4Gi (OOMKilled, exit code 137)",
	)})
}

// One rank fails, and all begin again together: of each there are two pods, and
// only one of them counts as failed.
func TestAccGangRestartsTogether(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var once sync.Once
	w := s.witness(nil)
	s.witness(func(ctx context.Context, p corev1.Pod) {
		if w.running() == 3 && rankOf(p) == "2" && p.Status.Phase == corev1.PodRunning {
			once.Do(func() { s.simulate(ctx, p, "fail:after=1s,exit=7") })
		}
	})
	s.run(resource.TestStep{
		ConfigDirectory:   tfconfig.TestNameDirectory(),
		ConfigStateChecks: []statecheck.StateCheck{phase("Complete")},
		Check: func(*terraform.State) error {
			w.Lock()
			defer w.Unlock()
			pods := map[string]int{}
			for _, p := range w.pods {
				pods[rankOf(p)]++
			}
			if diff := cmp.Diff(map[string]int{"0": 2, "1": 2, "2": 2}, pods); diff != "" {
				return fmt.Errorf("pods by rank: %s", diff)
			}
			if n := s.job().Status.Failed; n != 1 {
				return fmt.Errorf("%d pods count as failed, want 1", n)
			}
			return nil
		},
	})
}

// running is how many pods run.
func (w *witness) running() int {
	w.Lock()
	defer w.Unlock()
	n := 0
	for _, p := range w.pods {
		if p.Status.Phase == corev1.PodRunning {
			n++
		}
	}
	return n
}

// An elastic gang grows and shrinks without a new run: ranks that stay are not
// touched.
func TestAccGangResized(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, first := &identity{}, types.UID("")
	sized := func(n int) resource.TestCheckFunc {
		return func(*terraform.State) error {
			var pods []corev1.Pod
			s.until(fmt.Sprintf("%d ranks run", n), func() bool {
				pods = slices.DeleteFunc(s.pods(), func(p corev1.Pod) bool { return p.DeletionTimestamp != nil || p.Status.Phase != corev1.PodRunning })
				return len(pods) == n
			})
			for _, p := range pods {
				switch {
				case rankOf(p) != "0":
				case first == "":
					first = p.UID
				case first != p.UID:
					return fmt.Errorf("rank 0 was made anew")
				}
			}
			return nil
		}
	}
	step := func(action plancheck.ResourceActionType, check func(*batchv1.Job) error, n int) resource.TestStep {
		return resource.TestStep{ConfigPlanChecks: plans(action), Check: resource.ComposeTestCheckFunc(s.onJob(check), sized(n))}
	}
	create := step(plancheck.ResourceActionCreate, id.remember, 2)
	create.ConfigDirectory = tfconfig.TestStepDirectory()
	s.run(create, step(plancheck.ResourceActionUpdate, id.same, 4), step(plancheck.ResourceActionUpdate, id.same, 1))
}
