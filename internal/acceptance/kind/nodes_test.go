package kind_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// These tests disturb nodes that all others use. They are not parallel, so that
// they run one after the other before the parallel ones go on.

// A node is drained and starts anew while an apply waits for a run on it: the
// run goes on from its checkpoint when the node is back, and the apply ends well.
//
//nolint:paralleltest // restarts a node
func TestAccKindDrained(t *testing.T) { // pain 2
	s := newScene(t, "TestAccKindResumes")
	apply := s.Start("apply", "-no-color", "-input=false", "-auto-approve")
	victim := s.AwaitLog("epoch 10/60")
	node := victim.Spec.NodeName
	s.drain(node)
	s.Engine("restart", "--time=2", node)
	s.Ready(node)
	s.cordon(node, false)
	if out := apply.Finish(); out.Code != 0 {
		t.Fatal(out)
	}
	s.resumed(1, map[string]bool{victim.Name: true})
	s.noChanges()
	// GPUs are lent again: the device plugin registers with the new kubelet.
	s.Until("the node has GPUs again", func(ctx context.Context) (bool, error) {
		n, err := s.Kube.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		gpus := n.Status.Allocatable["nvidia.com/gpu"]
		return gpus.Value() == 8, nil
	})
}

// cordon keeps new pods away from a node, or lets them come again.
func (s *scene) cordon(node string, on bool) {
	s.t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"unschedulable":%t}}`, on)
	ctx := context.WithoutCancel(s.t.Context()) // the clean-up uncordons
	if _, err := s.Kube.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// drain does to the test's pods what kubectl drain does, and waits until they are gone.
func (s *scene) drain(node string) {
	s.t.Helper()
	s.t.Cleanup(func() { s.cordon(node, false) })
	s.cordon(node, true)
	for _, p := range s.pods() {
		err := s.Kube.CoreV1().Pods(s.Namespace).EvictV1(s.t.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: p.Name}})
		if err != nil {
			s.t.Fatal(err)
		}
		s.Until("pod "+p.Name+" has left", func(ctx context.Context) (bool, error) {
			now, err := s.Kube.CoreV1().Pods(s.Namespace).Get(ctx, p.Name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			return err == nil && now.Status.Phase == corev1.PodFailed, err
		})
	}
}

// The control plane starts anew while an apply waits: it goes on when that is back.
//
//nolint:paralleltest // restarts the control plane
func TestAccKindControlPlane(t *testing.T) {
	s := newScene(t, "")
	apply := s.Start("apply", "-no-color", "-input=false", "-auto-approve")
	s.AwaitLog("epoch 10/40")
	s.Engine("restart", "--time=2", s.ControlPlane())
	out := apply.Finish()
	s.Ready(s.ControlPlane())
	if out.Code != 0 {
		t.Fatal(out)
	}
	if diff := cmp.Diff(map[string]any{"result": map[string]any{"accuracy": "0.78"}}, s.outputs()); diff != "" {
		t.Error(diff)
	}
	s.noChanges()
}

// A GPU gets ill under a run: what the run died of and what the node says of its
// device stand together. Then no healthy GPU is left, and the next run is told.
//
//nolint:paralleltest // takes a node's GPUs away
func TestAccKindUnhealthyGPU(t *testing.T) {
	k := newScene(t, "", "node", "")
	workers := k.Workers()
	node := workers[len(workers)-1].Name
	k.Set("node", node)
	apply := k.Start("apply", "-no-color", "-input=false", "-auto-approve")
	k.AwaitLog("2 GPUs: GPU-")
	k.SetUnhealthy(node, "all")
	explains(t, apply.Finish(),
		"failed: container main exited with code 1", "Its devices GPU-", "on node "+node+" are reported as unhealthy",
		"asked to exit with 1", "run `terraform untaint", "Have node "+node+" looked at")

	k.Set("patience", "15s")
	explains(t, k.Apply("-replace="+address),
		"is not completed: GPUs of node "+node+" are unhealthy", "(gpu.count)", "Node "+node+" has 8 GPUs, of which none is healthy",
		"Insufficient nvidia.com/gpu")
}
