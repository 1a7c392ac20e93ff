package trainingjob_test

import (
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// trainJobs are the TrainJobs of the namespace.
func (s *site) trainJobs(client dynamic.Interface) []unstructured.Unstructured {
	s.t.Helper()
	list, err := client.Resource(kube.TrainJob.GVR()).Namespace(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return list.Items
}

// A gang that Kubeflow Trainer runs in a queue of Kueue has the outcome it has as a
// Job: ranks with the runtime's environment, results, an empty plan whatever queue
// and webhooks write; a label is changed in place, the number of nodes is a new run.
func TestAccEngineKubeflow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	client := s.Queue("team-a", 8)
	uid := ""
	one := func(again bool, nodes int) resource.TestCheckFunc {
		return func(*terraform.State) error {
			jobs := s.trainJobs(client)
			if len(jobs) != 1 {
				t.Fatalf("%d TrainJobs, want 1", len(jobs))
			}
			if was := string(jobs[0].GetUID()); uid != "" && (was == uid) == again {
				t.Errorf("a new run: %t, want %t", was != uid, again)
			}
			uid = string(jobs[0].GetUID())
			if pods := s.pods(); len(pods) != nodes {
				t.Errorf("%d pods, want %d", len(pods), nodes)
			}
			for _, p := range s.pods() {
				env := map[string]string{}
				for _, e := range p.Spec.Containers[0].Env {
					env[e.Name] = e.Value
				}
				host := jobs[0].GetName() + "-node-0-0." + jobs[0].GetName()
				if c := p.Spec.Containers[0]; c.Name != "node" || c.Image != "pytorch/pytorch:2.1" || env["PET_MASTER_ADDR"] != host || env["NCCL_DEBUG"] != "INFO" ||
					c.Resources.Limits.Name("nvidia.com/gpu", "").Value() != 4 || c.VolumeMounts[0].MountPath != "/dev/shm" {
					t.Errorf("pod %s: %s %s, %v, %v, PET_MASTER_ADDR wants %s", p.Name, c.Name, c.Image, env, c.VolumeMounts, host)
				}
			}
			return nil
		}
	}
	done := []statecheck.StateCheck{phase("Complete"), accuracy(), is("start_time", knownvalue.NotNull()), is("completion_time", knownvalue.NotNull())}
	s.leaving(func(*terraform.State) error {
		if n := len(s.trainJobs(client)); n > 0 {
			t.Errorf("%d TrainJobs are left behind", n)
		}
		return s.nothingLeft(nil)
	},
		resource.TestStep{ConfigStateChecks: done, Check: one(false, 2)},
		resource.TestStep{ConfigPlanChecks: plans(plancheck.ResourceActionUpdate), ConfigStateChecks: done, Check: one(false, 2)},
		resource.TestStep{ConfigPlanChecks: plans(plancheck.ResourceActionReplace), ConfigStateChecks: done, Check: one(true, 1)},
	)
}

// What its pods die of is told as of a Job, and a runtime that does not exist in
// the words of Kubeflow Trainer.
func TestAccEngineKubeflowFails(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"OOMKilled": {"failed: ", "container node exceeded its memory limit", `(resources.limits["memory"])`, "its memory limit of 64Gi (OOMKilled, exit code 137)", "untaint"},
		"NoRuntime": {`training runtime "nowhere" does not exist`, "training_runtime", "kubectl get clustertrainingruntimes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.run(resource.TestStep{
				ConfigDirectory: tfconfig.StaticDirectory("testdata/TestAccEngineKubeflowFails/" + name),
				ExpectError:     words(want...),
			})
		})
	}
}
