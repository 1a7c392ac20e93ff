package trainingjob_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
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
		ExpectError:     words("failed: ", "container main exceeded its memory limit", `(resources.limits["memory"])`, "its memory limit of 64Gi (OOMKilled, exit code 137)", "untaint"),
	})
}

// A JobSet that kubectl made, of more Jobs than one, becomes a resource without
// loss: the generated configuration changes nothing, and a label can be changed.
func TestAccEngineJobSetImport(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	client, err := dynamic.NewForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("testdata/TestAccEngineJobSetImport/jobset.yaml")
	if err != nil {
		t.Fatal(err)
	}
	theirs := &unstructured.Unstructured{}
	decode(t, string(raw), &theirs.Object)
	before, err := client.Resource(kube.JobSet.GVR()).Namespace(s.Namespace).Create(t.Context(), theirs, metav1.CreateOptions{FieldManager: "kubectl-create"})
	if err != nil {
		t.Fatal(err)
	}
	cli := testkit.NewCLI(t, "testdata/TestAccEngineJobSetImport", "namespace", s.Namespace)
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
	after := s.jobSets(client)[0]
	if after.GetUID() != before.GetUID() || after.GetLabels()["team"] != "language" {
		t.Errorf("uid %s (was %s), labels %v", after.GetUID(), before.GetUID(), after.GetLabels())
	}
	if d := cmp.Diff(before.Object["spec"], after.Object["spec"]); d != "" {
		t.Error(d)
	}
	if out := cli.Destroy(); out.Code != 0 || len(s.jobSets(client)) != 0 {
		t.Errorf("%d JobSets are left: %s", len(s.jobSets(client)), out)
	}
}
