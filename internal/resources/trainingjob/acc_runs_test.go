package trainingjob_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// diary notes which Jobs are made and deleted, in order.
type diary struct {
	mu      sync.Mutex
	entries []string
}

func (s *site) keepDiary() *diary {
	s.t.Helper()
	d := &diary{}
	w, err := s.Kube.BatchV1().Jobs(s.Namespace).Watch(s.t.Context(), metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(w.Stop)
	go func() {
		for e := range w.ResultChan() {
			j, ok := e.Object.(*batchv1.Job)
			if !ok || e.Type != watch.Added && e.Type != watch.Deleted {
				continue
			}
			d.mu.Lock()
			d.entries = append(d.entries, fmt.Sprintf("%s %s", e.Type, j.Spec.Template.Spec.Containers[0].Image))
			d.mu.Unlock()
		}
	}()
	return d
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.entries)
}

func TestAccCreateBeforeDestroy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := s.keepDiary()
	var id identity
	s.run(
		resource.TestStep{Check: s.onJob(id.remember)},
		resource.TestStep{
			ConfigPlanChecks:  plans(plancheck.ResourceActionCreateBeforeDestroy),
			Check:             s.onJob(id.another, hasImage("pytorch/pytorch:2.2")),
			ConfigStateChecks: []statecheck.StateCheck{phase("Running")},
		},
	)
	want := []string{"ADDED pytorch/pytorch:2.1", "ADDED pytorch/pytorch:2.2", "DELETED pytorch/pytorch:2.1", "DELETED pytorch/pytorch:2.2"}
	s.until("the watch catches up", func() bool { return len(d.read()) >= len(want) })
	if got := d.read(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAccKeepRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	// census checks which attempt is owned, 0 for none, and which are left on purpose.
	var names []string
	census := func(owned int, kept ...int) resource.TestCheckFunc {
		return func(*terraform.State) error {
			for _, j := range s.jobs() {
				if !slices.Contains(names, j.Name) {
					names = append(names, j.Name)
				}
			}
			want := map[string]string{}
			for _, k := range kept {
				want[names[k-1]] = "kept"
			}
			if owned > 0 {
				want[names[owned-1]] = "owned"
			}
			for _, j := range s.jobs() {
				got := ""
				switch {
				case j.Labels[ownerLabel] != "":
					got = "owned"
				case j.Labels[keptLabel] == "train":
					got = "kept"
				}
				if got != want[j.Name] {
					return fmt.Errorf("job %s is %q, want %q", j.Name, got, want[j.Name])
				}
				delete(want, j.Name)
			}
			if len(want) > 0 {
				return fmt.Errorf("not there: %v", want)
			}
			return nil
		}
	}
	replace := plans(plancheck.ResourceActionReplace)
	s.leaving(
		census(0, 2, 3),
		resource.TestStep{Check: census(1)},
		resource.TestStep{ConfigPlanChecks: replace, Check: census(2, 1)},
		resource.TestStep{ConfigPlanChecks: replace, Check: census(3, 2)},
		resource.TestStep{ // what was left on purpose is nobody's run again
			ExpectError: words("already exists: it was kept on purpose", "change triggers"),
		},
	)
}

// The same module in two workspaces, and one with the other's state.
func TestAccWorkspaces(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ours := testkit.NewCLI(t, "testdata/TestAccWorkspaces", "namespace", s.Namespace)
	theirs := ours.Workspace()
	ours.MustApply()
	id := s.job().UID
	refused := theirs.Apply()
	if refused.Code == 0 || !refused.Says("already exists and belongs to another state") || !refused.Says("Nothing was changed") || !refused.Says("terraform import mlk_training_job.") {
		t.Errorf("the second workspace: %s", refused)
	}
	if len(theirs.State()) != 0 {
		t.Errorf("the second workspace has %v", theirs.State())
	}
	if out := theirs.Destroy(); out.Code != 0 || s.job().UID != id {
		t.Errorf("the second workspace's destroy: %s", out)
	}
	if out := ours.Plan(); out.Code != 0 {
		t.Errorf("the first workspace: %s", out)
	}
	if out := ours.Destroy(); out.Code != 0 || len(s.jobs()) != 0 {
		t.Errorf("%d jobs are left: %s", len(s.jobs()), out)
	}
}

// A run whose state was lost is refused, and comes back by an import: its
// configuration fits without a change.
func TestAccLostState(t *testing.T) { // pain 30
	t.Parallel()
	s := newSite(t)
	core := s.core()
	c := s.config("run", config{"labels": config{"team": "vision"}})
	must(t, core.Apply(t.Context(), c))
	run := s.Namespace + "/" + s.job().Name
	id := s.job().UID
	s.until("the run is recorded", func() bool { return s.job().Annotations["mlk.dev/recorded"] != "" })
	core.Forget()
	if out := core.Apply(t.Context(), c); !words("already exists and belongs to another state", "terraform import mlk_training_job.<name> "+run).MatchString(out.Errors()) {
		t.Errorf("an apply without state: %q", out.Errors())
	}
	must(t, core.Import(t.Context(), run))
	if out := must(t, core.Plan(t.Context(), c)); out.Changed {
		t.Errorf("the plan after the import: %v, was %v", out.Planned, core.State)
	}
	if s.job().UID != id {
		t.Error("the run was made anew")
	}
	must(t, core.Apply(t.Context(), nil))
	if err := s.nothingLeft(nil); err != nil {
		t.Error(err)
	}
}
