package nodepool_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mlkube/terraform-provider-mlk/internal/nodepool"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

const (
	migConfig = "nvidia.com/mig.config"
	migState  = "nvidia.com/mig.config.state"
)

// divided is a pool that asks for a MIG layout.
func divided(config string) nodepool.Wanted {
	w := pool("a", map[string]string{migConfig: config})
	w.Takes, w.Stale = []string{migConfig}, map[string]string{migConfig: migState}
	return w
}

// TestNeverChanged: a change of the layout that was killed after it had taken the old
// state away, and is not made any more, gives that back: nobody writes it again.
func TestNeverChanged(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(f *farm){
		"the pool is destroyed":        func(f *farm) { f.leave(divided("all-1g.10gb")) },
		"destroyed by the older state": func(f *farm) { f.leave(pool("a", nil)) },
		"it asks for no layout": func(f *farm) {
			if pool("a", nil).Complete(f.all()[0]) {
				f.t.Error("no plan would show that there is something to give back")
			}
			f.enter(pool("a", nil), nodepool.Mark{})
			f.leave(pool("a", nil))
		},
		"the old layout is asked for": func(f *farm) { f.enter(divided("all-disabled"), nodepool.Mark{}); f.leave(divided("all-disabled")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFarm(t)
			f.add("n", "gpu-operator", map[string]any{"gpu": "h100", migConfig: "all-disabled", migState: "success"}, nil)
			before := f.node("n")
			writes := 0
			f.Before = func(r fakeapi.Request) error {
				if r.Writes() {
					if writes++; writes == 2 {
						return apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "n", errors.New("no"))
					}
				}
				return nil
			}
			if out := f.writer(divided("all-1g.10gb")).Enter(t.Context(), f.all()); len(out.Failures) != 1 {
				t.Fatalf("%+v", out)
			}
			if _, there := f.node("n").Labels[migState]; there {
				t.Fatal("the old state would end the wait at once")
			}
			then(f)
			if diff := cmp.Diff(before, f.node("n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestOvertaken: what somebody has set after the pool took a label by force is
// theirs; what was there before that is not put over it.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(f *farm){
		"the pool leaves":            func(f *farm) { f.leave(divided("all-1g.10gb")) },
		"the label is not asked for": func(f *farm) { f.enter(pool("a", nil), nodepool.Mark{}) },
	} {
		for _, somebody := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := newFarm(t)
				f.add("n", "gpu-operator", map[string]any{"gpu": "h100", migConfig: "all-disabled"}, nil)
				f.enter(divided("all-1g.10gb"), nodepool.Mark{})
				want := "all-disabled"
				if somebody {
					want = "all-2g.20gb"
					f.Change("Node", "", "n", "kubectl-label", func(o map[string]any) {
						o["metadata"].(map[string]any)["labels"].(map[string]any)[migConfig] = want //nolint:forcetypeassert // as it was put
					})
				}
				leave(f)
				if got := f.node("n").Labels[migConfig]; got != want {
					t.Errorf("the label is %q, want %q", got, want)
				}
			})
		}
	}
}
