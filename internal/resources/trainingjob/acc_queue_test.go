package trainingjob_test

import (
	"context"
	"maps"
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
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// named returns the Job of a training.
func (s *site) named(training string) *batchv1.Job {
	s.t.Helper()
	for _, j := range s.jobs() {
		if j.Labels["mlk.dev/owner"] != "" && len(j.Name) > len(training) && j.Name[:len(training)] == training {
			return &j
		}
	}
	s.t.Fatalf("no Job of %s", training)
	return nil
}

// Over its quota a run waits its turn, and runs when another one ends. Whatever
// Kueue writes meanwhile (suspend, node selector, tolerations, labels of the
// pods), no plan shows it and no apply undoes it.
func TestAccEngineQueue(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	client := s.Queue("team-a", 8)
	var id identity
	injected := func(j *batchv1.Job) error {
		pod := j.Spec.Template.Spec
		want := map[string]string{"kubernetes.io/os": "linux", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
		if !maps.Equal(pod.NodeSelector, want) || len(pod.Tolerations) != 2 || *j.Spec.Suspend {
			t.Errorf("the Job is not as Kueue admits it: %v, %v", pod.NodeSelector, pod.Tolerations)
		}
		return nil
	}
	message := func(what string) statecheck.StateCheck {
		return statecheck.ExpectKnownValue(address, tfjsonpath.New("status").AtMapKey("message"), knownvalue.StringRegexp(words(what)))
	}
	s.run(
		resource.TestStep{
			ConfigStateChecks: []statecheck.StateCheck{phase("Queued")},
			Check: func(*terraform.State) error {
				second := s.named("second")
				if !*second.Spec.Suspend {
					t.Error("Kueue does not hold the second run back")
				}
				return id.remember(second)
			},
		},
		resource.TestStep{ // a refresh tells what Kueue has said meanwhile
			PreConfig:         func() { s.until("Kueue has looked at both", func() bool { return s.judged(client) == 2 }) },
			ConfigDirectory:   tfconfig.StaticDirectory("testdata/TestAccEngineQueue/1"),
			ConfigPlanChecks:  plans(plancheck.ResourceActionNoop),
			ConfigStateChecks: []statecheck.StateCheck{message("waits in queue team-a: couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu")},
		},
		resource.TestStep{ // the first one goes
			ConfigDirectory:   tfconfig.StaticDirectory("testdata/TestAccEngineQueue/2"),
			ConfigStateChecks: []statecheck.StateCheck{phase("Running")},
			Check:             s.onJob(id.same, injected),
		},
		resource.TestStep{ // changed in place while Kueue has its hands on it
			ConfigDirectory:  tfconfig.StaticDirectory("testdata/TestAccEngineQueue/3"),
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check: s.onJob(id.same, injected, labelled("team", "vision"),
				says("ttl", func(j *batchv1.Job) int32 { return value(j.Spec.TTLSecondsAfterFinished) }, 600)),
		},
		resource.TestStep{ // Kueue takes it back, and its fields with it
			PreConfig: func() {
				s.deactivate(client)
				s.until("Kueue suspends the run", func() bool { return *s.job().Spec.Suspend })
			},
			ConfigDirectory:   tfconfig.StaticDirectory("testdata/TestAccEngineQueue/3"),
			ConfigPlanChecks:  plans(plancheck.ResourceActionNoop),
			ConfigStateChecks: []statecheck.StateCheck{phase("Queued")},
			Check:             s.onJob(id.same),
		},
	)
}

// judged is how many Workloads of the namespace Kueue has said something about.
func (s *site) judged(client dynamic.Interface) int {
	s.t.Helper()
	list, err := client.Resource(testkit.Kueue("workloads")).Namespace(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for _, w := range list.Items {
		if conditions, _, _ := unstructured.NestedSlice(w.Object, "status", "conditions"); len(conditions) > 0 {
			n++
		}
	}
	return n
}

// deactivate does what an administrator does to take a run out of its queue.
func (s *site) deactivate(client dynamic.Interface) {
	s.t.Helper()
	workloads := client.Resource(testkit.Kueue("workloads")).Namespace(s.Namespace)
	list, err := workloads.List(s.t.Context(), metav1.ListOptions{LabelSelector: "kueue.x-k8s.io/job-uid=" + string(s.job().UID)})
	if err != nil || len(list.Items) != 1 {
		s.t.Fatalf("workloads: %v, %v", list, err)
	}
	if _, err := workloads.Patch(s.t.Context(), list.Items[0].GetName(), types.MergePatchType, []byte(`{"spec":{"active":false}}`), metav1.PatchOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// What no waiting cures fails at once, in Kueue's words.
func TestAccEngineQueueNever(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"TooMuch": {
			"failed: it asks for more than queue team-a can ever give", `(scheduling.queue)`,
			"asks for 16 nvidia.com/gpu", "is 8, what it may borrow included", "> maximum capacity (8)", "run `terraform untaint",
		},
		"NoFlavor": {"failed: no flavor of queue team-a suits its pods", "example.com/fpga unavailable in ClusterQueue"},
		"NoQueue":  {"failed: queue team-z does not exist", "LocalQueue team-z doesn't exist", "kubectl get localqueue team-z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.Queue("team-a", 8)
			started := time.Now()
			s.run(resource.TestStep{ConfigDirectory: tfconfig.TestNameDirectory(), ExpectError: words(want...)})
			if took := time.Since(started); took > 2*time.Minute {
				t.Errorf("it took %s to say so", took)
			}
		})
	}
}

// A Job that somebody queued is adopted with its queue, and stays in it whatever
// is changed: giving up "suspend" would start it past the queue.
func TestAccEngineQueueImport(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Queue("team-a", 8)
	yes := true
	theirs := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "theirs", Labels: map[string]string{"kueue.x-k8s.io/queue-name": "team-a"}},
		Spec: batchv1.JobSpec{Suspend: &yes, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name: "main", Image: "pytorch/pytorch:2.1",
				Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"nvidia.com/gpu": apiresource.MustParse("4")}},
			}},
		}}},
	}
	// Nothing of the queue's quota is left.
	hog := theirs.DeepCopy()
	hog.Name = "hog"
	hog.Spec.Template.Annotations = map[string]string{"mlk.dev/simulate": "run"}
	hog.Spec.Template.Spec.Containers[0].Resources.Limits["nvidia.com/gpu"] = apiresource.MustParse("8")
	jobs := s.Kube.BatchV1().Jobs(s.Namespace)
	if _, err := jobs.Create(t.Context(), hog, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	get := func(name string) *batchv1.Job {
		j, err := jobs.Get(context.WithoutCancel(t.Context()), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	s.until("the quota is used up", func() bool { return !*get("hog").Spec.Suspend })
	before, err := jobs.Create(t.Context(), theirs, metav1.CreateOptions{FieldManager: "kubectl-create"})
	if err != nil {
		t.Fatal(err)
	}
	held := func(ttl int32) resource.TestCheckFunc {
		return func(*terraform.State) error {
			j := get("theirs")
			if !*j.Spec.Suspend || j.UID != before.UID || value(j.Spec.TTLSecondsAfterFinished) != ttl || j.Status.StartTime != nil {
				t.Errorf("suspend %t, uid %s (was %s), ttl %d, start %v", *j.Spec.Suspend, j.UID, before.UID, value(j.Spec.TTLSecondsAfterFinished), j.Status.StartTime)
			}
			return nil
		}
	}
	here := tfconfig.TestNameDirectory()
	s.run(
		resource.TestStep{ConfigDirectory: here, ConfigStateChecks: []statecheck.StateCheck{phase("Queued"), is("patch", knownvalue.Null())}, Check: held(-1)},
		resource.TestStep{ConfigDirectory: here, ConfigVariables: s.Variables("ttl", "600"), Check: held(600)},
	)
}
