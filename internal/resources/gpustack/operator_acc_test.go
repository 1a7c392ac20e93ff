package gpustack_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	kubedynamic "k8s.io/client-go/dynamic"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

var policies = schema.GroupVersionResource{Group: "nvidia.com", Version: "v1", Resource: "clusterpolicies"}

// operator plays NVIDIA's: of each ClusterPolicy it makes the DaemonSet of the
// driver, in the test's namespace, and says in the status how far that is.
type operator struct {
	*testkit.Acceptance
	t      *testing.T
	client kubedynamic.ResourceInterface
}

// newOperator starts it. It lasts as long as the test.
func newOperator(t *testing.T) *operator {
	t.Helper()
	acc := testkit.NewAcceptance(t)
	testkit.InstallCRD(t, acc, "", "testdata/clusterpolicies.yaml")
	client, err := kubedynamic.NewForConfig(acc.Config)
	if err != nil {
		t.Fatal(err)
	}
	o := &operator{Acceptance: acc, t: t, client: client.Resource(policies)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		const often = 200 * time.Millisecond
		_ = wait.PollUntilContextCancel(ctx, often, true, func(ctx context.Context) (bool, error) {
			list, err := o.client.List(ctx, metav1.ListOptions{})
			if err != nil {
				return false, nil //nolint:nilerr // tried again
			}
			for i := range list.Items {
				o.reconcile(ctx, &list.Items[i])
			}
			return false, nil
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return o
}

// reconcile does once what the operator does again and again. What fails is tried
// again.
func (o *operator) reconcile(ctx context.Context, p *unstructured.Unstructured) {
	if p.GetDeletionTimestamp() != nil {
		return
	}
	sets := o.Kube.AppsV1().DaemonSets(o.Namespace)
	version, _, _ := unstructured.NestedString(p.Object, "spec", "driver", "version")
	simulate, _, _ := unstructured.NestedString(p.Object, "spec", "daemonsets", "annotations", "mlk.dev/simulate")
	want := o.driver(p, version, simulate)
	set, err := sets.Get(ctx, want.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		set, err = sets.Create(ctx, want, metav1.CreateOptions{})
	case err == nil && set.Spec.Template.Spec.Containers[0].Image != want.Spec.Template.Spec.Containers[0].Image:
		set.Spec.Template = want.Spec.Template
		set, err = sets.Update(ctx, set, metav1.UpdateOptions{})
	}
	if err != nil {
		return
	}
	state, kind, reason, message := "ready", "Ready", "Reconciled", "ClusterPolicy is ready as all resources have been successfully reconciled"
	if s := set.Status; s.ObservedGeneration < set.Generation || s.NumberUnavailable > 0 || s.DesiredNumberScheduled == 0 {
		state, kind, reason, message = "notReady", "Error", "OperandNotReady", "ClusterPolicy is not ready, states not ready: [state-driver]"
	}
	if was, _, _ := unstructured.NestedString(p.Object, "status", "state"); was == state {
		return
	}
	condition := func(is bool, kind, reason, message string) any {
		status := "False"
		if is {
			status = "True"
		}
		return map[string]any{"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": metav1.Now().UTC().Format(time.RFC3339)}
	}
	p.Object["status"] = map[string]any{"state": state, "namespace": o.Namespace, "conditions": []any{
		condition(state == "ready", "Ready", map[bool]string{true: reason, false: "Error"}[kind == "Ready"], message),
		condition(state != "ready", "Error", map[bool]string{true: reason, false: "Ready"}[kind == "Error"], message),
	}}
	_, _ = o.client.UpdateStatus(ctx, p, metav1.UpdateOptions{FieldManager: "gpu-operator"})
}

// driver is the DaemonSet of the driver as the operator makes it.
func (o *operator) driver(p *unstructured.Unstructured, version, simulate string) *appsv1.DaemonSet {
	labels := map[string]string{"app": "nvidia-driver-daemonset"}
	if simulate == "" {
		simulate = "run"
	}
	return &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{
			Name: "nvidia-driver-daemonset", Namespace: o.Namespace, Labels: labels,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: p.GetAPIVersion(), Kind: p.GetKind(), Name: p.GetName(), UID: p.GetUID(), Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(true)}},
		},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			UpdateStrategy: appsv1.DaemonSetUpdateStrategy{
				Type: appsv1.RollingUpdateDaemonSetStrategyType,
			},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{"mlk.dev/simulate": simulate}},
				Spec: corev1.PodSpec{
					NodeSelector: map[string]string{"nvidia.com/gpu.present": "true"},
					Tolerations:  []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
					Containers:   []corev1.Container{{Name: "nvidia-driver-ctr", Image: "nvcr.io/nvidia/driver:" + version}},
				},
			},
		},
	}
}

// policy reads a ClusterPolicy; nil when there is none.
func (o *operator) policy(name string) *unstructured.Unstructured {
	o.t.Helper()
	p, err := o.client.Get(context.Background(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

// edit changes a ClusterPolicy as Helm would.
func (o *operator) edit(name string, change func(spec map[string]any)) {
	o.t.Helper()
	o.Until(o.t, "the ClusterPolicy is changed", func() bool {
		p := o.policy(name)
		spec, _ := p.Object["spec"].(map[string]any)
		change(spec)
		_, err := o.client.Update(context.Background(), p, metav1.UpdateOptions{FieldManager: "helm"})
		return err == nil
	})
}

// runs checks on how many nodes which driver runs.
func (o *operator) runs(version string) error {
	set, err := o.Kube.AppsV1().DaemonSets(o.Namespace).Get(context.Background(), "nvidia-driver-daemonset", metav1.GetOptions{})
	if err != nil {
		return err
	}
	image := set.Spec.Template.Spec.Containers[0].Image
	if s := set.Status; image != "nvcr.io/nvidia/driver:"+version || s.DesiredNumberScheduled < 4 || s.NumberReady != s.DesiredNumberScheduled || s.UpdatedNumberScheduled != s.DesiredNumberScheduled {
		return fmt.Errorf("driver %s is on nodes: %+v, want %s", image, s, version)
	}
	return nil
}
