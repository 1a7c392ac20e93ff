package kind_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A training runs: its container sees the GPUs it asked for, its checkpoints are
// on a claim that was provisioned for it, its result is an output; the next run
// goes on from there.
func TestAccKindTrains(t *testing.T) { // pains 1, 19
	t.Parallel()
	s := newScene(t, "")
	s.MustApply()
	want := map[string]any{
		"claim": "Pending", // when the claim was made nobody used it: WaitForFirstConsumer
		"result": map[string]any{
			"accuracy": "0.55", "checkpoint": "/checkpoints/epoch-20.pt", "gpus": "2", "ranks": "1", "resumed_from": "",
		},
	}
	if diff := cmp.Diff(want, s.outputs()); diff != "" {
		t.Error(diff)
	}

	p := s.pod()
	if p.Status.Phase != corev1.PodSucceeded {
		t.Errorf("pod %s is %s", p.Name, p.Status.Phase)
	}
	node, err := s.Kube.CoreV1().Nodes().Get(t.Context(), p.Spec.NodeName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := node.Labels["nvidia.com/gpu.product"]; got != "NVIDIA-A100-SXM4-80GB" {
		t.Errorf("it ran on node %s with %q", node.Name, got)
	}
	said := s.Log(t.Context(), p.Name, "main")
	if line, _, _ := strings.Cut(said, "\n"); !strings.HasPrefix(line, "[rank 0] 2 GPUs: GPU-") || strings.Count(line, "GPU-") != 2 {
		t.Errorf("the container sees other GPUs: %s", said)
	}

	claim, err := s.Kube.CoreV1().PersistentVolumeClaims(s.Namespace).Get(t.Context(), "checkpoints", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if claim.Status.Phase != corev1.ClaimBound {
		t.Errorf("the claim is %s", claim.Status.Phase)
	}
	volume, err := s.Kube.CoreV1().PersistentVolumes().Get(t.Context(), claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := volume.Annotations["pv.kubernetes.io/provisioned-by"]; got != "rancher.io/local-path" {
		t.Errorf("the volume was made by %q", got)
	}

	// What the cluster did meanwhile is no change.
	if out := s.Apply("-refresh-only"); out.Code != 0 {
		t.Fatal(out)
	}
	if got := s.outputs()["claim"]; got != "Bound" {
		t.Errorf("after a refresh the claim is %v", got)
	}
	s.noChanges()

	s.Set("data", "2026-12-01")
	s.MustApply()
	want["claim"] = "Bound"
	want["result"] = map[string]any{
		"accuracy": "0.69", "checkpoint": "/checkpoints/epoch-30.pt", "gpus": "2", "ranks": "1", "resumed_from": "/checkpoints/epoch-20.pt",
	}
	if diff := cmp.Diff(want, s.outputs()); diff != "" {
		t.Error(diff)
	}
	s.noChanges()
}

// The ranks of a gang find each other through a headless Service, each on a node
// of its own because it takes more than half of that one's GPUs.
func TestAccKindGang(t *testing.T) {
	t.Parallel()
	s := newScene(t, "")
	s.MustApply()
	want := map[string]any{"result": map[string]any{"accuracy": "0.55", "gpus": "5", "ranks": "2", "resumed_from": ""}}
	if diff := cmp.Diff(want, s.outputs()); diff != "" {
		t.Error(diff)
	}
	nodes := map[string]bool{}
	for _, p := range s.pods() {
		nodes[p.Spec.NodeName] = true
		if said := s.Log(t.Context(), p.Name, "main"); !strings.Contains(said, "met 2 ranks at "+s.job().Name+"-0."+s.job().Name) {
			t.Errorf("pod %s: %s", p.Name, said)
		}
	}
	if len(nodes) != 2 {
		t.Errorf("the ranks ran on %v, want two nodes", nodes)
	}
	s.noChanges()
}

// A sidecar starts first, is waited for, and does not keep the run from ending.
func TestAccKindSidecar(t *testing.T) {
	t.Parallel()
	s := newScene(t, "")
	s.MustApply()
	p := s.pod()
	sidecar, main := p.Status.InitContainerStatuses[0], p.Status.ContainerStatuses[0]
	if said := s.Log(t.Context(), p.Name, "teacher"); !strings.Contains(said, "serving on") || sidecar.RestartCount != 0 {
		t.Errorf("the sidecar was started again %d times: %s", sidecar.RestartCount, said)
	}
	if main.State.Terminated == nil || main.State.Terminated.ExitCode != 0 {
		t.Errorf("the training ended as %+v", main.State)
	}
	s.noChanges()
}

// A rank's node takes its pod away: the whole gang starts again, together, from
// the checkpoint.
func TestAccKindGangRestarts(t *testing.T) { // pains 2, 3
	t.Parallel()
	s := newScene(t, "")
	apply := s.Start("apply", "-no-color", "-input=false", "-auto-approve")
	s.AwaitLog("epoch 20/60")
	before := map[string]bool{}
	now := int64(0)
	for _, p := range s.pods() {
		before[p.Name] = true
		if p.Labels["batch.kubernetes.io/job-completion-index"] == "1" {
			if err := s.Kube.CoreV1().Pods(s.Namespace).Delete(t.Context(), p.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out := apply.Finish(); out.Code != 0 {
		t.Fatal(out)
	}
	s.resumed(2, before)
	s.noChanges()
}

// A pod is killed in the middle of its training: the Job makes another, that one
// resumes, and the apply ends well without having noticed.
func TestAccKindResumes(t *testing.T) { // pain 2
	t.Parallel()
	s := newScene(t, "")
	apply := s.Start("apply", "-no-color", "-input=false", "-auto-approve")
	victim := s.AwaitLog("epoch 20/60")
	now := int64(0)
	if err := s.Kube.CoreV1().Pods(s.Namespace).Delete(t.Context(), victim.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Fatal(err)
	}
	if out := apply.Finish(); out.Code != 0 {
		t.Fatal(out)
	}
	s.resumed(1, map[string]bool{victim.Name: true})
	s.noChanges()
}

// resumed checks that so many other pods than the victims brought the run to its
// end, from a checkpoint of theirs.
func (s *scene) resumed(ranks int32, victims map[string]bool) {
	s.t.Helper()
	result, ok := s.outputs()["result"].(map[string]any)
	if !ok {
		s.t.Fatalf("no result: %v", s.outputs())
	}
	from, _ := result["resumed_from"].(string)
	if !strings.HasPrefix(from, "/checkpoints/epoch-") || result["checkpoint"] != "/checkpoints/epoch-60.pt" {
		s.t.Errorf("the result is %v", result)
	}
	for _, p := range s.pods() {
		if p.Status.Phase == corev1.PodSucceeded && victims[p.Name] {
			s.t.Errorf("pod %s, which was killed, has succeeded", p.Name)
		}
	}
	if n := s.job().Status.Succeeded; n != ranks {
		s.t.Errorf("%d pods have succeeded, want %d", n, ranks)
	}
}

func (s *scene) pods() []corev1.Pod {
	s.t.Helper()
	pods, err := s.Pods(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return pods
}
