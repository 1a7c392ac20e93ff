package trainingjob_test

import (
	"os"
	"testing"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// ^C while a training runs must neither end nor taint it.
func TestAccInterrupted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	cli := testkit.NewCLI(t, "testdata/TestAccInterrupted", "namespace", s.Namespace)
	apply := cli.Start("apply", "-no-color", "-input=false", "-auto-approve")
	s.until("the run starts", func() bool { return len(s.pods()) == 1 && s.pods()[0].Status.Phase == "Running" })
	if err := apply.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	out := apply.Finish()
	if !out.Says(`Stopped waiting for Training job "`+s.Namespace+`/train"`) || !out.Says("The next apply goes on waiting for it") {
		t.Errorf("the interrupted apply: %s", out)
	}
	id := s.job().UID
	if r, ok := cli.State()[address]; !ok || r.Tainted || r.Values["run_name"] != s.job().Name {
		t.Errorf("the state after it: %v", r)
	}
	if out := cli.Plan(); out.Code != 2 || !out.Says("will be updated in-place") {
		t.Errorf("the plan after it: %s", out)
	}
	cli.MustApply()
	if result, ok := cli.State()[address].Values["result"].(map[string]any); !ok || result["accuracy"] != "0.93" {
		t.Errorf("the next apply did not wait for the result: %v", cli.State()[address].Values)
	}
	if s.job().UID != id {
		t.Error("the run was made anew")
	}
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("the plan at the end: %s", out)
	}
	if out := cli.Destroy(); out.Code != 0 || len(s.jobs()) != 0 {
		t.Errorf("%d jobs are left: %s", len(s.jobs()), out)
	}
}
