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
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// kueue is a resource of Kueue's API.
func kueue(name string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "kueue.x-k8s.io", Version: "v1beta2", Resource: name}
}

// queue makes LocalQueue team-a in the test's namespace, with 8 GPUs of its own:
// one flavor of H100 nodes, which adds a node selector and a toleration to what
// it admits.
func (s *site) queue() dynamic.Interface {
	s.t.Helper()
	client, err := dynamic.NewForConfig(s.Config)
	if err != nil {
		s.t.Fatal(err)
	}
	create := func(resource, kind string, spec map[string]any) {
		o := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": kind, "metadata": map[string]any{"name": s.Namespace}, "spec": spec,
		}}
		at := client.Resource(kueue(resource))
		if _, err := at.Create(s.t.Context(), o, metav1.CreateOptions{}); err != nil {
			s.t.Fatalf("make %s: %v", kind, err)
		}
		s.t.Cleanup(func() {
			if err := at.Delete(cleanup(s.t), s.Namespace, metav1.DeleteOptions{}); err != nil {
				s.t.Error(err)
			}
		})
	}
	create("resourceflavors", "ResourceFlavor", map[string]any{
		"nodeLabels":  map[string]any{"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
		"tolerations": []any{map[string]any{"key": "reserved", "operator": "Exists", "effect": "NoSchedule"}},
	})
	create("clusterqueues", "ClusterQueue", map[string]any{
		"namespaceSelector": map[string]any{"matchLabels": map[string]any{corev1.LabelMetadataName: s.Namespace}},
		"resourceGroups": []any{map[string]any{
			"coveredResources": []any{"nvidia.com/gpu"},
			"flavors":          []any{map[string]any{"name": s.Namespace, "resources": []any{map[string]any{"name": "nvidia.com/gpu", "nominalQuota": "8"}}}},
		}},
	})
	local := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue", "metadata": map[string]any{"name": "team-a"},
		"spec": map[string]any{"clusterQueue": s.Namespace},
	}}
	if _, err := client.Resource(kueue("localqueues")).Namespace(s.Namespace).Create(s.t.Context(), local, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	return client
}

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
	client := s.queue()
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
			ConfigStateChecks: []statecheck.StateCheck{phase("Queued"), message("waits in queue team-a: couldn't assign flavors"), message("insufficient unused quota for nvidia.com/gpu")},
			Check: func(*terraform.State) error {
				second := s.named("second")
				if !*second.Spec.Suspend {
					t.Error("Kueue does not hold the second run back")
				}
				return id.remember(second)
			},
		},
		resource.TestStep{ // the first one goes
			ConfigStateChecks: []statecheck.StateCheck{phase("Running")},
			Check:             s.onJob(id.same, injected),
		},
		resource.TestStep{ // changed in place while Kueue has its hands on it
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

// deactivate does what an administrator does to take a run out of its queue.
func (s *site) deactivate(client dynamic.Interface) {
	s.t.Helper()
	workloads := client.Resource(kueue("workloads")).Namespace(s.Namespace)
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
			s.queue()
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
	s.queue()
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
