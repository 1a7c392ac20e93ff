package testkit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Nodes makes simulated nodes of 8 GPUs like one that the cluster has, with those
// labels besides, and waits until they are Ready. Their taint, whose key is the
// namespace, keeps other tests' pods off. They go when the test ends.
func (a *Acceptance) Nodes(t *testing.T, n int, labels map[string]string) []string {
	t.Helper()
	all, err := a.Kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{LabelSelector: "nvidia.com/gpu.count=8"})
	if err != nil || len(all.Items) == 0 {
		t.Fatal("no node of 8 GPUs to copy: ", err)
	}
	like := all.Items[0]
	var out []string
	for i := range n {
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", a.Namespace, i), Labels: maps.Clone(like.Labels), Annotations: like.Annotations},
			Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: a.Namespace, Effect: corev1.TaintEffectNoSchedule}}},
			Status:     corev1.NodeStatus{Capacity: like.Status.Capacity, Allocatable: like.Status.Allocatable},
		}
		maps.Copy(node.Labels, labels)
		node.Labels[corev1.LabelHostname] = node.Name
		if _, err := a.Kube.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = a.Kube.CoreV1().Nodes().Delete(context.Background(), node.Name, metav1.DeleteOptions{}) })
		out = append(out, node.Name)
	}
	for _, name := range out {
		a.Until(t, "node "+name+" is Ready", func() bool {
			node, err := a.Kube.CoreV1().Nodes().Get(t.Context(), name, metav1.GetOptions{})
			return err == nil && slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
				return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
			})
		})
	}
	return out
}
