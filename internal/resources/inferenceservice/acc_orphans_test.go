package inferenceservice_test

import (
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// TestAccLeftBehind: somebody deletes the Deployment, and the next configuration asks for
// less beside it. What it had goes with the next apply, which tells; the Service that is
// still asked for stays and is changed in place; what is somebody else's is not touched.
func TestAccLeftBehind(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	cli := testkit.NewCLI(t, "testdata/TestAccLeftBehind", "namespace", s.Namespace, "more", "yes")
	cli.MustApply()
	scalers := s.Kube.AutoscalingV2().HorizontalPodAutoscalers(s.Namespace)
	ours, err := scalers.Get(t.Context(), "api", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// A copy of ours that somebody has made, marks of another resource included.
	theirs := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Labels: ours.Labels, Annotations: map[string]string{}}, Spec: ours.Spec}
	for k, v := range ours.Annotations {
		theirs.Annotations[k] = v
	}
	theirs.Annotations["mlk.dev/resource"] = "inference_service/" + s.Namespace + "/other"
	theirs.Spec.ScaleTargetRef.Name = "other"
	if _, err := scalers.Create(t.Context(), theirs, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	service, err := s.Kube.CoreV1().Services(s.Namespace).Get(t.Context(), "api", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	deployments := s.Kube.AppsV1().Deployments(s.Namespace)
	if err := deployments.Delete(t.Context(), "api", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	s.Until(t, "the Deployment is gone", func() bool {
		_, err := deployments.Get(t.Context(), "api", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	cli.Set("more", "no")
	out := cli.MustApply()
	for _, want := range []string{"2 objects that an earlier one left behind were deleted", "HorizontalPodAutoscaler " + s.Namespace + "/api", "PodDisruptionBudget " + s.Namespace + "/api"} {
		if !out.Says(want) {
			t.Errorf("the apply does not say %q:\n%s", want, out)
		}
	}
	if err := s.scalers("theirs")(nil); err != nil {
		t.Error(err)
	}
	budgets, err := s.Kube.PolicyV1().PodDisruptionBudgets(s.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(budgets.Items) > 0 {
		t.Errorf("%d disruption budgets are left (%v)", len(budgets.Items), err)
	}
	now, err := s.Kube.CoreV1().Services(s.Namespace).Get(t.Context(), "api", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if now.UID != service.UID || now.Spec.Ports[0].Port != 81 {
		t.Errorf("Service %s (was %s), port %d", now.UID, service.UID, now.Spec.Ports[0].Port)
	}
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("still a change: %s", out)
	}
	if out := cli.Destroy(); out.Code != 0 {
		t.Errorf("destroy: %s", out)
	}
	if left := s.services(); len(left) > 0 {
		t.Errorf("destroy left %v", left)
	}
}
