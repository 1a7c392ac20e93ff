package trainingrun_test

import (
	"context"
	"regexp"
	"testing"
	"time"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// TestAccTrainingRun reads a run in the apply that makes it, by both names; a
// gang that somebody else made and that failed; and one that does not exist.
func TestAccTrainingRun(t *testing.T) {
	t.Parallel()
	acc := testkit.NewAcceptance(t)
	_, err := acc.Kube.CoreV1().Secrets(acc.Namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "hf"}, StringData: map[string]string{"token": "hf_secret123"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	of := func(name string) func(string, knownvalue.Check) statecheck.StateCheck {
		return func(attribute string, want knownvalue.Check) statecheck.StateCheck {
			return statecheck.ExpectKnownValue("data.mlk_training_run."+name, tfjsonpath.New(attribute), want)
		}
	}
	named, newest, gang := of("named"), of("newest"), of("gang")
	accuracy := knownvalue.MapExact(map[string]knownvalue.Check{"accuracy": knownvalue.StringExact("0.93")})
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: testkit.Providers(provider.New("test")),
		Steps: []resource.TestStep{
			{
				ConfigDirectory: tfconfig.TestStepDirectory(), ConfigVariables: acc.Variables(),
				ConfigStateChecks: []statecheck.StateCheck{
					named("outcome", knownvalue.StringExact("succeeded")), named("result", accuracy),
					named("finish_time", knownvalue.NotNull()), named("indexes", knownvalue.ListSizeExact(0)),
					named("pods", knownvalue.ListExact([]knownvalue.Check{knownvalue.ObjectPartial(map[string]knownvalue.Check{
						"node": knownvalue.NotNull(), "phase": knownvalue.StringExact("Succeeded"), "gpus": knownvalue.Int64Exact(2),
						"exit_code": knownvalue.Int64Exact(0), "log": knownvalue.StringRegexp(regexp.MustCompile(`^token \[masked\] accepted`)),
					})})),
					newest("outcome", knownvalue.StringExact("succeeded")), newest("result", accuracy),
					newest("run_name", knownvalue.StringRegexp(regexp.MustCompile(`^train-[a-z2-7]{8}$`))),
					newest("pods", knownvalue.ListExact([]knownvalue.Check{knownvalue.ObjectPartial(map[string]knownvalue.Check{"log": knownvalue.Null()})})),
				},
			},
			{
				PreConfig:       func() { failingGang(t, acc) },
				ConfigDirectory: tfconfig.TestStepDirectory(), ConfigVariables: acc.Variables(),
				ConfigStateChecks: []statecheck.StateCheck{
					gang("outcome", knownvalue.StringExact("failed")),
					statecheck.ExpectKnownValue("data.mlk_training_run.gang", tfjsonpath.New("status").AtMapKey("phase"), knownvalue.StringExact("Failed")),
					gang("indexes", knownvalue.ListExact([]knownvalue.Check{
						index(0, "Failed"), index(1, "Failed"), index(2, "Failed"), index(3, "Failed"),
					})),
					gang("pods", knownvalue.ListSizeExact(4)),
				},
			},
			{
				ConfigDirectory: tfconfig.TestStepDirectory(), ConfigVariables: acc.Variables(),
				ExpectError: regexp.MustCompile(`(?s)There is no training run "gnag".*newest\s+Jobs\s+there:\s+gang.*depends_on`),
			},
		},
	})
}

func index(i int64, state string) knownvalue.Check {
	return knownvalue.ObjectPartial(map[string]knownvalue.Check{
		"index": knownvalue.Int64Exact(i), "state": knownvalue.StringExact(state), "node": knownvalue.NotNull(), "failures": knownvalue.Int64Exact(1),
	})
}

// failingGang makes an indexed Job whose ranks fail, and waits for its end.
func failingGang(t *testing.T, acc *testkit.Acceptance) {
	t.Helper()
	jobs := acc.Kube.BatchV1().Jobs(acc.Namespace)
	_, err := jobs.Create(t.Context(), &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "gang"},
		Spec: batchv1.JobSpec{
			Completions: ptr.To[int32](4), Parallelism: ptr.To[int32](4), CompletionMode: ptr.To(batchv1.IndexedCompletion),
			BackoffLimitPerIndex: ptr.To[int32](0),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"mlk.dev/simulate": "fail:exit=7,after=1s"}},
				Spec:       corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: "pytorch"}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	err = wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		j, err := jobs.Get(ctx, "gang", metav1.GetOptions{})
		return err == nil && len(j.Status.Conditions) > 0 && j.Status.Conditions[len(j.Status.Conditions)-1].Type == batchv1.JobFailed, err
	})
	if err != nil {
		t.Fatal(err)
	}
}
