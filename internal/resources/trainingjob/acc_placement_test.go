package trainingjob_test

import (
	"testing"
	"time"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// Forty nodes on a cluster that has twenty: the plan says so, and why, and refuses
// where it is told to.
func TestAccPlanTellsPlacement(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.nodes(20)
	cli := testkit.NewCLI(t, "testdata/TestAccPlanTellsPlacement/gang", "namespace", s.Namespace, "placement", "warning")
	begin := time.Now()
	plan := cli.Plan()
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("the plan took %s", took)
	}
	for _, want := range []string{
		"Warning: Training job", "20 nodes short for 40 ranks with 8 GPUs each", "(distributed.nodes)",
		"needs 40 pods at a time, each with 8 GPUs (nvidia.com/gpu)", "20 nodes can hold such pods when empty", "room for 20 ranks; 20 are left over",
		"Add 20 nodes like these", "run with distributed.nodes = 20",
	} {
		if !plan.Says(want) {
			t.Errorf("the plan does not say %q", want)
		}
	}
	if plan.Code != 2 {
		t.Errorf("the plan ended with %d:\n%s", plan.Code, plan)
	}
	cli.Set("placement", "error")
	if plan := cli.Plan(); plan.Code != 1 || !plan.Says("Error: Training job") || !plan.Says("plan_checks.placement") {
		t.Errorf("the plan ended with %d:\n%s", plan.Code, plan)
	}
	cli.Set("placement", "off")
	if plan := cli.Plan(); plan.Code != 2 || plan.Says("nodes short") {
		t.Errorf("the plan ended with %d:\n%s", plan.Code, plan)
	}
}

// A rollout whose first new replica finds no free GPU is said at plan, not after
// its timeout.
func TestAccPlanTellsSurge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.nodes(1)
	cli := testkit.NewCLI(t, "testdata/TestAccPlanTellsPlacement/service", "namespace", s.Namespace, "image", "model:1")
	if first := cli.MustApply(); first.Says("Warning") {
		t.Errorf("a service that fits is warned of:\n%s", first)
	}
	if again := cli.Plan(); again.Code != 0 || again.Says("Warning") {
		t.Errorf("a plan without changes ended with %d:\n%s", again.Code, again)
	}
	cli.Set("image", "model:2")
	plan := cli.Plan()
	for _, want := range []string{"no free GPUs for the first new replica", "makes a new replica before it ends an old one", "None is free now", "max_surge = 0"} {
		if !plan.Says(want) {
			t.Errorf("the plan does not say %q:\n%s", want, plan)
		}
	}
	cli.Set("image", "model:1")
	if out := cli.Destroy(); out.Code != 0 {
		t.Errorf("destroy ended with %d:\n%s", out.Code, out)
	}
}
