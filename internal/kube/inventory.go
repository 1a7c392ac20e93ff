package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// pageOf is how many nodes or pods come with one answer. A page is dropped before
// the next is asked for, so that it bounds the memory of a walk.
const pageOf = 500

// EachNode shows the nodes of the cluster that match the label selector, page by
// page, without what no question about room needs: the images they hold are most
// of their size. The node belongs to the caller.
func (c *Client) EachNode(ctx context.Context, selector string, look func(*corev1.Node)) error {
	typed, err := c.Typed()
	if err != nil {
		return err
	}
	return pages(ctx, metav1.ListOptions{LabelSelector: selector}, func(o metav1.ListOptions) (string, error) {
		l, err := typed.CoreV1().Nodes().List(ctx, o)
		if err != nil {
			return "", err
		}
		for i := range l.Items {
			look(slimNode(&l.Items[i]))
		}
		return l.Continue, nil
	})
}

// slimNode copies a node out of its page, without images, volumes and annotations.
func slimNode(n *corev1.Node) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, UID: n.UID, Labels: n.Labels, CreationTimestamp: n.CreationTimestamp, DeletionTimestamp: n.DeletionTimestamp},
		Spec:       corev1.NodeSpec{Taints: n.Spec.Taints, Unschedulable: n.Spec.Unschedulable, ProviderID: n.Spec.ProviderID},
		Status: corev1.NodeStatus{
			Capacity: n.Status.Capacity, Allocatable: n.Status.Allocatable, Conditions: n.Status.Conditions, NodeInfo: n.Status.NodeInfo,
		},
	}
}

// onNodes are the pods that take something of a node. The server leaves out the
// others: pods that have ended may be most of them.
var onNodes = fields.AndSelectors(
	fields.OneTermNotEqualSelector("spec.nodeName", ""),
	fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)),
	fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed)),
).String()

// EachPodOnNodes shows all pods of the cluster that take something of a node, page
// by page. A pod is valid during the call only.
func (c *Client) EachPodOnNodes(ctx context.Context, look func(*corev1.Pod)) error {
	typed, err := c.Typed()
	if err != nil {
		return err
	}
	return pages(ctx, metav1.ListOptions{FieldSelector: onNodes}, func(o metav1.ListOptions) (string, error) {
		l, err := typed.CoreV1().Pods(metav1.NamespaceAll).List(ctx, o)
		if err != nil {
			return "", err
		}
		for i := range l.Items {
			look(&l.Items[i])
		}
		return l.Continue, nil
	})
}

// pages walks a list to its end.
func pages(ctx context.Context, o metav1.ListOptions, list func(metav1.ListOptions) (more string, err error)) error {
	o.Limit = pageOf
	for {
		more, err := list(o)
		if err != nil || more == "" {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		o.Continue = more
	}
}
