package inferenceservice_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// guard watches the Deployments of a site while an apply changes them.
type guard struct {
	mu       sync.Mutex
	breaches []string
	seen     int
	done     chan struct{}
	stop     func()
}

// guards begins to watch: what is wrong with any Deployment the cluster shows from
// now on is kept, as judge says it.
func (s *site) guards(judge func(d *appsv1.Deployment) string) *guard {
	s.t.Helper()
	list, err := s.Kube.AppsV1().Deployments(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	w, err := s.Kube.AppsV1().Deployments(s.Namespace).Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		s.t.Fatal(err)
	}
	g := &guard{done: make(chan struct{}), stop: cancel}
	go func() {
		defer close(g.done)
		for e := range w.ResultChan() {
			d, ok := e.Object.(*appsv1.Deployment)
			if !ok {
				continue
			}
			g.mu.Lock()
			g.seen++
			if e.Type == watch.Deleted {
				g.breaches = append(g.breaches, d.Name+" is deleted")
			} else if wrong := judge(d); wrong != "" {
				g.breaches = append(g.breaches, wrong)
			}
			g.mu.Unlock()
		}
	}()
	return g
}

// check ends the watch: nothing may have been wrong, and something must have been
// seen.
func (g *guard) check(*terraform.State) error {
	g.stop()
	<-g.done
	switch {
	case len(g.breaches) > 0:
		return fmt.Errorf("while it was applied: %v", g.breaches)
	case g.seen == 0:
		return fmt.Errorf("the watch saw nothing")
	}
	return nil
}

// neverBelow is a judgement of the Deployment api.
func neverBelow(pods int32) func(d *appsv1.Deployment) string {
	return func(d *appsv1.Deployment) string {
		if *d.Spec.Replicas != pods || d.Status.AvailableReplicas < pods {
			return fmt.Sprintf("%d pods are asked for and %d available, want %d", *d.Spec.Replicas, d.Status.AvailableReplicas, pods)
		}
		return ""
	}
}

// scalers are the names of the autoscalers there are.
func (s *site) scalers(want ...string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		list, err := s.Kube.AutoscalingV2().HorizontalPodAutoscalers(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		var got []string
		for i := range list.Items {
			got = append(got, list.Items[i].Name)
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("autoscalers %v, want %v", got, want)
		}
		return nil
	}
}

// TestAccAutoscaling: what the autoscaler sets plans nothing, and switching it on or
// off leaves the pods there are, watched on the cluster during the apply.
func TestAccAutoscaling(t *testing.T) { // pains 20, 21
	t.Parallel()
	s := newSite(t)
	var watched *guard
	watching := func() { watched = s.guards(neverBelow(6)) }
	six := is("current_replicas", knownvalue.Int32Exact(6))
	s.run(
		resource.TestStep{ // the autoscaler raises it from one pod to its least
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            resource.ComposeTestCheckFunc(s.serves(true, "model:1", 2, "api"), s.scalers("api")),
		},
		resource.TestStep{ // 2 to 6: nothing to plan
			PreConfig: func() {
				scale, err := s.Kube.AppsV1().Deployments(s.Namespace).GetScale(t.Context(), "api", metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				scale.Spec.Replicas = 6
				if _, err := s.Kube.AppsV1().Deployments(s.Namespace).UpdateScale(t.Context(), "api", scale, metav1.UpdateOptions{FieldManager: "kube-controller-manager"}); err != nil {
					t.Fatal(err)
				}
				s.Until(t, "there are six pods", func() bool { return s.deployment().Status.AvailableReplicas == 6 })
			},
			ConfigDirectory: tfconfig.StaticDirectory("testdata/TestAccAutoscaling/1"),
			PlanOnly:        true,
		},
		resource.TestStep{ // off
			PreConfig:         watching,
			ConfigPlanChecks:  plans(plancheck.ResourceActionUpdate),
			Check:             resource.ComposeTestCheckFunc(func(st *terraform.State) error { return watched.check(st) }, s.serves(false, "model:1", 6, "api"), s.scalers()),
			ConfigStateChecks: []statecheck.StateCheck{six},
		},
		resource.TestStep{ // and on again
			PreConfig:         watching,
			ConfigDirectory:   tfconfig.StaticDirectory("testdata/TestAccAutoscaling/1"),
			ConfigPlanChecks:  plans(plancheck.ResourceActionUpdate),
			Check:             resource.ComposeTestCheckFunc(func(st *terraform.State) error { return watched.check(st) }, s.serves(false, "model:1", 6, "api"), s.scalers("api")),
			ConfigStateChecks: []statecheck.StateCheck{six},
		},
		resource.TestStep{ // another one takes the place of one that somebody deleted
			PreConfig: func() {
				if err := s.Kube.AutoscalingV2().HorizontalPodAutoscalers(s.Namespace).Delete(t.Context(), "api", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				watching()
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            resource.ComposeTestCheckFunc(func(*terraform.State) error { watched.stop(); return nil }, s.serves(false, "model:1", 6, "api"), s.scalers("load")),
		},
		resource.TestStep{ // it is found by what it scales, whatever its name
			ConfigDirectory:         tfconfig.StaticDirectory("testdata/TestAccAutoscaling/5"),
			ResourceName:            address,
			ImportState:             true,
			ImportStateId:           s.Namespace + "/api",
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"force_conflicts", "wait_for", "autoscaling", "status"},
		},
	)
}
