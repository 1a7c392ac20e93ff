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

// jobSets are the JobSets of the namespace.
func (s *site) jobSets(client dynamic.Interface) []unstructured.Unstructured {
	s.t.Helper()
	list, err := client.Resource(kube.JobSet.GVR()).Namespace(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return list.Items
}

// A gang that JobSet runs in a queue of Kueue has the outcome it has as a Job:
// ranks, results, an empty plan; what a JobSet lets nobody change is a new run.
func TestAccEngineJobSet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	client := s.Queue("team-a", 8)
	uid := ""
	one := func(again bool, ttl int64) resource.TestCheckFunc {
		return func(*terraform.State) error {
			sets := s.jobSets(client)
			if len(sets) != 1 {
				t.Fatalf("%d JobSets, want 1", len(sets))
			}
			if was := string(sets[0].GetUID()); uid != "" && (was == uid) == again {
				t.Errorf("a new run: %t, want %t", was != uid, again)
			}
			uid = string(sets[0].GetUID())
			if got, _, _ := unstructured.NestedInt64(sets[0].Object, "spec", "ttlSecondsAfterFinished"); got != ttl {
				t.Errorf("ttl %d, want %d", got, ttl)
			}
			for _, p := range s.pods() {
				env := map[string]string{}
				for _, e := range p.Spec.Containers[0].Env {
					env[e.Name] = e.Value
				}
				host := sets[0].GetName() + "-main-0-0." + sets[0].GetName() + "-main-0"
				if env["MASTER_ADDR"] != host || p.Spec.Subdomain != sets[0].GetName()+"-main-0" {
					t.Errorf("pod %s: MASTER_ADDR %q, want %q; subdomain %q", p.Name, env["MASTER_ADDR"], host, p.Spec.Subdomain)
				}
			}
			return nil
		}
	}
	done := []statecheck.StateCheck{phase("Complete"), accuracy(), is("start_time", knownvalue.NotNull()), is("completion_time", knownvalue.NotNull())}
	s.leaving(func(*terraform.State) error {
		if n := len(s.jobSets(client)); n > 0 {
			t.Errorf("%d JobSets are left behind", n)
		}
		return s.nothingLeft(nil)
	},
		resource.TestStep{ConfigStateChecks: done, Check: one(false, 0)},
		resource.TestStep{ConfigPlanChecks: plans(plancheck.ResourceActionUpdate), ConfigStateChecks: done, Check: one(false, 600)},
		resource.TestStep{ConfigPlanChecks: plans(plancheck.ResourceActionReplace), ConfigStateChecks: done, Check: one(true, 600)},
	)
}

// What its pods die of is told as of a Job.
func TestAccEngineJobSetFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run(resource.TestStep{
		ConfigDirectory: tfconfig.TestNameDirectory(),
		ExpectError:     words("failed: container main exceeded its memory limit", `(resources.limits["memory"])`, "its memory limit of 64Gi (OOMKilled, exit code 137)", "untaint"),
	})
}
