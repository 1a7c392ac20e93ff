package inferenceservice_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// sets reaches the LeaderWorkerSets of the namespace.
func (s *site) sets() dynamic.ResourceInterface {
	s.t.Helper()
	client, err := dynamic.NewForConfig(s.Config)
	if err != nil {
		s.t.Fatal(err)
	}
	return client.Resource(kube.LeaderWorkerSet.GVR()).Namespace(s.Namespace)
}

func (s *site) set() *unstructured.Unstructured {
	s.t.Helper()
	set, err := s.sets().Get(s.t.Context(), "api", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return set
}

// members are the live pods of the set by their place, "0/0" being the leader of the
// first group.
func (s *site) members() map[string]*corev1.Pod {
	s.t.Helper()
	list, err := s.Kube.CoreV1().Pods(s.Namespace).List(s.t.Context(), metav1.ListOptions{LabelSelector: kube.GroupsNameLabel + "=api"})
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]*corev1.Pod{}
	for i := range list.Items {
		if p := &list.Items[i]; p.DeletionTimestamp == nil {
			out[p.Labels[kube.GroupIndexLabel]+"/"+p.Labels[kube.WorkerIndexLabel]] = p
		}
	}
	return out
}

// grouped checks the set and whether it is the one of the check before, its pods and
// their image, and that the Service leads to leaders only.
func (s *site) grouped(another bool, image, service string, places ...string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		set, pods := s.set(), s.members()
		if (set.GetUID() != s.uid) != another {
			return fmt.Errorf("another LeaderWorkerSet: %v, want %v", !another, another)
		}
		s.uid = set.GetUID()
		if got := slices.Sorted(maps.Keys(pods)); !slices.Equal(got, places) {
			return fmt.Errorf("pods %v, want %v", got, places)
		}
		leaders := map[string]bool{}
		for at, p := range pods {
			c := p.Spec.Containers[0]
			if c.Image != image {
				return fmt.Errorf("pod %s: image %s, want %s", p.Name, c.Image, image)
			}
			leader := strings.HasSuffix(at, "/0")
			if headless := slices.Contains(c.Args, "--headless"); strings.HasPrefix(image, "vllm/") && headless == leader {
				return fmt.Errorf("pod %s has arguments %v", p.Name, c.Args)
			}
			if leader {
				leaders[p.Name] = true
			}
		}
		return s.leadsTo(service, leaders)
	}
}

// leadsTo checks which pods a Service has.
func (s *site) leadsTo(service string, pods map[string]bool) error {
	slices, err := s.Kube.DiscoveryV1().EndpointSlices(s.Namespace).List(s.t.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + service})
	if err != nil {
		return err
	}
	got := map[string]bool{}
	for i := range slices.Items {
		for _, e := range slices.Items[i].Endpoints {
			if e.TargetRef != nil && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				got[e.TargetRef.Name] = true
			}
		}
	}
	if d := cmp.Diff(pods, got); d != "" {
		return fmt.Errorf("Service %s: %s", service, d)
	}
	return nil
}

// A model on more nodes than one, with the real controller: made, rolled out in
// place, put right, left to an autoscaler, and made anew where nothing else helps.
func TestAccEngineMultiNode(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	four := []string{"0/0", "0/1", "1/0", "1/1"}
	two := func(*terraform.State) error {
		if n, _, _ := unstructured.NestedInt64(s.set().Object, "spec", "replicas"); n != 2 {
			return fmt.Errorf("%d groups, want 2", n)
		}
		return nil
	}
	patch := func(body map[string]any) {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.sets().Patch(t.Context(), "api", types.MergePatchType, raw, metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
			t.Fatal(err)
		}
	}
	second, scaled := tfconfig.StaticDirectory("testdata/TestAccEngineMultiNode/2"), tfconfig.StaticDirectory("testdata/TestAccEngineMultiNode/3")
	s.run(
		resource.TestStep{
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            s.grouped(true, "vllm/vllm-openai:v0.11.0", "api-leader", four...),
			ConfigStateChecks: []statecheck.StateCheck{
				is("url", knownvalue.StringExact("http://api-leader."+s.Namespace+".svc:8000")),
				is("ready_replicas", knownvalue.Int32Exact(2)),
				is("preset", knownvalue.MapPartial(map[string]knownvalue.Check{
					"args":              knownvalue.StringExact("[meta-llama/Llama-3.1-405B-Instruct, --tensor-parallel-size=4, --pipeline-parallel-size=2, --distributed-executor-backend=mp, --nnodes=$(LWS_GROUP_SIZE), --node-rank=$(LWS_WORKER_INDEX), --master-addr=$(LWS_LEADER_ADDRESS)]"),
					"multi_node.worker": knownvalue.StringExact("as the leader, without metrics, ports, startup_probe, liveness_probe, readiness_probe, with --headless"),
				})),
			},
		},
		resource.TestStep{
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            s.grouped(false, "vllm/vllm-openai:v0.11.1", "api-leader", four...),
		},
		resource.TestStep{ // what others change in leaders or workers is put right
			PreConfig: func() {
				patch(map[string]any{"spec": map[string]any{"leaderWorkerTemplate": map[string]any{"restartPolicy": "RecreateGroupOnPodRestart"}, "startupPolicy": "LeaderCreated"}})
			},
			ConfigDirectory:  second,
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            s.grouped(false, "vllm/vllm-openai:v0.11.1", "api-leader", four...),
		},
		resource.TestStep{ // an autoscaler takes over the groups there are
			ConfigDirectory:  scaled,
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            resource.ComposeTestCheckFunc(two, s.scalers("api"), s.grouped(false, "vllm/vllm-openai:v0.11.1", "api-leader", four...)),
		},
		resource.TestStep{ // deleted by somebody
			PreConfig: func() {
				if err := s.sets().Delete(t.Context(), "api", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				s.Until(t, "its pods are gone", func() bool { return len(s.members()) == 0 })
			},
			ConfigDirectory:  scaled,
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            s.grouped(true, "vllm/vllm-openai:v0.11.1", "api-leader", "0/0", "0/1"),
		},
		resource.TestStep{
			ConfigDirectory:         scaled,
			ResourceName:            address,
			ImportState:             true,
			ImportStateId:           s.Namespace + "/api",
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: imported,
		},
		resource.TestStep{ // subgroups cannot come later
			ConfigDirectory:  tfconfig.StaticDirectory("testdata/TestAccEngineMultiNode/4"),
			ConfigPlanChecks: plans(plancheck.ResourceActionDestroyBeforeCreate),
			Check:            s.grouped(true, "server:1", "api-leader", "0/0", "0/1", "0/2"),
		},
		resource.TestStep{ // one pod is enough after all
			ConfigDirectory:  tfconfig.StaticDirectory("testdata/TestAccEngineMultiNode/5"),
			ConfigPlanChecks: plans(plancheck.ResourceActionDestroyBeforeCreate),
			Check:            s.serves(true, "server:1", 1, "api"),
		},
	)
}

// imported is what an import reads otherwise than it was written: the pod as it is,
// not what makes it.
var imported = []string{
	"force_conflicts", "wait_for", "runtime", "model", "preset", "status", "args", "command", "env", "ports", "liveness_probe", "readiness_probe", "startup_probe",
	"pod_annotations", "shared_memory", "volumes", "multi_node", "patch",
}

// What keeps a group from coming up is told with the group and the pod.
func TestAccEngineMultiNodeFails(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"Worker":   {"failed", "image of container main does not exist", "Pod", "group 0, worker"},
		"Quota":    {"failed: quota gpus is used up", "(gpu.count)", "StatefulSet", "api-0"},
		"TooLarge": {"is not ready", "no node has 16 GPUs", "(gpu.count)", "group 0,"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			if name == "Quota" {
				s.quota("requests.nvidia.com/gpu", "1")
			}
			began := time.Now()
			s.run(resource.TestStep{ConfigDirectory: tfconfig.TestNameDirectory(), ExpectError: testkit.Words(want...)})
			if took := time.Since(began); took > 2*time.Minute {
				t.Errorf("it took %s to be told", took)
			}
		})
	}
}

// A LeaderWorkerSet of the project's own examples, with the Service that leads to its
// leaders, becomes a resource without loss.
func TestAccEngineMultiNodeImport(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	client, err := dynamic.NewForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("testdata/TestAccEngineMultiNodeImport/objects.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var before *unstructured.Unstructured
	for _, text := range strings.Split(string(raw), "\n---\n") {
		theirs := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &theirs.Object); err != nil {
			t.Fatal(err)
		}
		kind := map[string]kube.Kind{kube.Service.Kind: kube.Service, kube.LeaderWorkerSet.Kind: kube.LeaderWorkerSet}[theirs.GetKind()]
		made, err := client.Resource(kind.GVR()).Namespace(s.Namespace).Create(t.Context(), theirs, metav1.CreateOptions{FieldManager: "kubectl-create"})
		if err != nil {
			t.Fatal(err)
		}
		if kind == kube.LeaderWorkerSet {
			before = made
		}
	}
	cli := testkit.NewCLI(t, "testdata/TestAccEngineMultiNodeImport", "namespace", s.Namespace)
	if out := cli.Plan("-generate-config-out=generated.tf"); out.Code == 1 || !out.Says("1 to import, 0 to add, 0 to change, 0 to destroy") {
		t.Fatal(out)
	}
	generated, err := os.ReadFile(cli.Dir + "/generated.tf")
	if err != nil {
		t.Fatal(err)
	}
	cli.MustApply()
	cli.Write("generated.tf", []byte(strings.ReplaceAll(string(generated), `"vision"`, `"language"`)))
	cli.MustApply()
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("the plan after the change: %s", out)
	}
	after := s.set()
	if after.GetUID() != before.GetUID() || after.GetLabels()["team"] != "language" {
		t.Errorf("uid %s (was %s), labels %v", after.GetUID(), before.GetUID(), after.GetLabels())
	}
	if d := cmp.Diff(before.Object["spec"], after.Object["spec"]); d != "" {
		t.Error(d)
	}
	if !strings.Contains(string(generated), "container_name = \"vllm-worker\"") || !strings.Contains(string(generated), "name                = \"vllm-leader\"") && !strings.Contains(string(generated), "vllm-leader") {
		t.Errorf("generated:\n%s", generated)
	}
	if out := cli.Destroy(); out.Code != 0 {
		t.Errorf("destroy: %s", out)
	}
}
