package acceptance_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// TestAccUnknown makes a cluster, as far as Terraform can tell, and what runs on
// it in one apply; and changes it in a later one.
func TestAccUnknown(t *testing.T) { // pain 24
	t.Parallel()
	acc := testkit.NewAcceptance(t)
	p := newProxy(t, acc.Config)
	cli := testkit.NewCLI(t, "testdata/TestAccUnknown", "host", p.URL, "namespace", acc.Namespace)
	cli.MustApply()
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("a plan gives %d: %s", out.Code, out)
	}
	jobs, err := acc.Kube.BatchV1().Jobs(acc.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: lifecycle.OwnerLabel + ",edition=first,static=yes"})
	if err != nil || len(jobs.Items) != 12 {
		t.Fatalf("%d Jobs bear the labels (%v)", len(jobs.Items), err)
	}
	uids := map[string]string{}
	for _, j := range jobs.Items {
		uids[j.Name] = string(j.UID)
	}

	// Now the provider is not known again, while its resources exist.
	cli.Set("edition", "second")
	if out := cli.Plan(); out.Code != 2 || !out.Says("was not refreshed") {
		t.Errorf("a plan with an unknown cluster gives %d: %s", out.Code, out)
	}
	cli.MustApply()
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("a plan gives %d: %s", out.Code, out)
	}
	jobs, err = acc.Kube.BatchV1().Jobs(acc.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: lifecycle.OwnerLabel + ",edition=second"})
	if err != nil || len(jobs.Items) != 12 {
		t.Fatalf("%d Jobs bear the new label (%v)", len(jobs.Items), err)
	}
	kept := 0
	for _, j := range jobs.Items {
		if uids[j.Name] == string(j.UID) {
			kept++
		}
	}
	if kept != 11 {
		t.Errorf("%d runs were kept; only the one with another image is a new one", kept)
	}
	if out := cli.Destroy(); out.Code != 0 {
		t.Error(out)
	}
	jobs, err = acc.Kube.BatchV1().Jobs(acc.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(jobs.Items) != 0 {
		t.Errorf("destroy left %d Jobs (%v)", len(jobs.Items), err)
	}
}
