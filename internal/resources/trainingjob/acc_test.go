package trainingjob_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

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

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// address is the run of all configurations.
const address = "mlk_training_job.run"

// ownerLabel marks what belongs to a state, keptLabel what was left on purpose.
const (
	ownerLabel = "mlk.dev/owner"
	keptLabel  = "mlk.dev/kept"
)

// site is an acceptance test at work in its namespace.
type site struct {
	*testkit.Acceptance
	t *testing.T
}

func newSite(t *testing.T) *site {
	t.Helper()
	return &site{Acceptance: testkit.NewAcceptance(t), t: t}
}

// run runs the steps. A step without a configuration has that of its number
// under testdata, or the test's only one; each but those that say otherwise is
// followed by a check that the plan is empty. Nothing of ours is left at the end.
func (s *site) run(steps ...resource.TestStep) {
	s.t.Helper()
	s.leaving(s.nothingLeft, steps...)
}

func (s *site) leaving(atEnd resource.TestCheckFunc, steps ...resource.TestStep) {
	s.t.Helper()
	for i := range steps {
		if steps[i].ConfigDirectory == nil {
			steps[i].ConfigDirectory = tfconfig.TestStepDirectory()
		}
		if steps[i].ConfigVariables == nil {
			steps[i].ConfigVariables = s.Variables()
		}
	}
	resource.Test(s.t, resource.TestCase{
		ProtoV6ProviderFactories: testkit.Providers(provider.New("test")),
		CheckDestroy:             atEnd,
		Steps:                    steps,
	})
}

// nothingLeft checks that no object of the namespace bears the owner's mark.
func (s *site) nothingLeft(*terraform.State) error {
	jobs, err := s.Kube.BatchV1().Jobs(s.Namespace).List(s.t.Context(), metav1.ListOptions{LabelSelector: ownerLabel})
	if err != nil {
		return err
	}
	for _, j := range jobs.Items {
		return fmt.Errorf("job %s is left behind", j.Name)
	}
	return nil
}

// jobs are the Jobs of the namespace, the oldest first.
func (s *site) jobs() []batchv1.Job {
	s.t.Helper()
	list, err := s.Kube.BatchV1().Jobs(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	slices.SortStableFunc(list.Items, func(a, b batchv1.Job) int {
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	return list.Items
}

// job is the only Job of the namespace.
func (s *site) job() *batchv1.Job {
	s.t.Helper()
	jobs := s.jobs()
	if len(jobs) != 1 {
		s.t.Fatalf("%d jobs, want 1", len(jobs))
	}
	return &jobs[0]
}

func (s *site) pods() []corev1.Pod {
	s.t.Helper()
	list, err := s.Kube.CoreV1().Pods(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return list.Items
}

// edit changes the only Job as somebody else would.
func (s *site) edit(patch string) {
	s.t.Helper()
	_, err := s.Kube.BatchV1().Jobs(s.Namespace).
		Patch(s.t.Context(), s.job().Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		s.t.Fatal(err)
	}
}

// deleteJob deletes the only Job as kubectl does, and waits until it is gone.
func (s *site) deleteJob() {
	s.t.Helper()
	background := metav1.DeletePropagationBackground
	err := s.Kube.BatchV1().Jobs(s.Namespace).Delete(s.t.Context(), s.job().Name, metav1.DeleteOptions{PropagationPolicy: &background})
	if err != nil {
		s.t.Fatal(err)
	}
	s.until("the Job goes", func() bool { return len(s.jobs()) == 0 })
}

// until waits for what only the cluster does.
func (s *site) until(what string, done func() bool) {
	s.t.Helper()
	err := wait.PollUntilContextTimeout(s.t.Context(), 200*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return done(), nil
	})
	if err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
}

// onJob checks the only Job of the namespace.
func (s *site) onJob(checks ...func(*batchv1.Job) error) resource.TestCheckFunc {
	return func(*terraform.State) error {
		jobs := s.jobs()
		if len(jobs) != 1 {
			return fmt.Errorf("%d jobs, want 1", len(jobs))
		}
		for _, check := range checks {
			if err := check(&jobs[0]); err != nil {
				return err
			}
		}
		return nil
	}
}

// identity tells whether the Job is the one of the step before.
type identity struct{ uid types.UID }

func (i *identity) remember(j *batchv1.Job) error {
	i.uid = j.UID
	return nil
}

func (i *identity) same(j *batchv1.Job) error {
	if j.UID != i.uid {
		return fmt.Errorf("job %s was made anew", j.Name)
	}
	return nil
}

func (i *identity) another(j *batchv1.Job) error {
	if j.UID == i.uid {
		return fmt.Errorf("job %s is still the old one", j.Name)
	}
	return i.remember(j)
}

// says checks one thing about a Job.
func says[T comparable](what string, get func(*batchv1.Job) T, want T) func(*batchv1.Job) error {
	return func(j *batchv1.Job) error {
		if got := get(j); got != want {
			return fmt.Errorf("job %s: %s is %v, want %v", j.Name, what, got, want)
		}
		return nil
	}
}

func labelled(key, want string) func(*batchv1.Job) error {
	return says("label "+key, func(j *batchv1.Job) string { return j.Labels[key] }, want)
}

func hasImage(want string) func(*batchv1.Job) error {
	return says("image", func(j *batchv1.Job) string { return j.Spec.Template.Spec.Containers[0].Image }, want)
}

// value is what a pointer points at, and -1 where there is none.
func value[T int32 | int64](p *T) T {
	if p == nil {
		return -1
	}
	return *p
}

func plans(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, action)}}
}

func is(attribute string, want knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New(attribute), want)
}

func phase(want string) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New("status").AtMapKey("phase"), knownvalue.StringExact(want))
}

// words matches a text that has all of these, in this order, wherever Terraform
// broke its lines.
func words(parts ...string) *regexp.Regexp {
	var out []string
	for _, p := range parts {
		var quoted []string
		for _, w := range strings.Fields(p) {
			quoted = append(quoted, regexp.QuoteMeta(w))
		}
		out = append(out, strings.Join(quoted, `[\s│]+`))
	}
	return regexp.MustCompile("(?s)" + strings.Join(out, ".*"))
}

// cleanup is a context that outlives the test's own, which ends before what
// t.Cleanup runs.
func cleanup(t *testing.T) context.Context {
	t.Helper()
	return context.WithoutCancel(t.Context())
}
