package inferenceservice

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// canaryIn is the live Deployment of the canary; nil when there is none.
func canaryIn(live kube.Live) *appsv1.Deployment {
	d, err := kube.Typed[appsv1.Deployment](live, canaryDeployment)
	if err != nil {
		return nil
	}
	return d
}

// withCanary adds to a verdict on the service that on its canary, which must be
// ready too.
func withCanary(m *Model, main wait.Verdict, seen lifecycle.Seen) wait.Verdict {
	c := second(m)
	if c == nil || main.Outcome == wait.Failed {
		return main
	}
	d := canaryIn(seen.Live)
	if d == nil {
		return wait.Of(wait.Progressing, phasePending, "", "The Deployment of the canary does not exist yet")
	}
	v := look(c, d, seen)
	switch {
	case v.Outcome != wait.Done:
		v.Message = "The canary: " + v.Message
		return v
	case main.Outcome != wait.Done:
		main.Message = "The stable version: " + main.Message
		return main
	}
	main.Message = fmt.Sprintf("%s; canary with %d %% of the requests: %d of %d pods are ready", main.Message, m.Canary.Weight.ValueInt32(), d.Status.ReadyReplicas, ptr.Deref(d.Spec.Replicas, 1))
	return main
}

// deafAfter is how long a Gateway is given to take notice of a change of its route:
// one that never says so must not hold an apply up.
const deafAfter = 30 * time.Second

// heard reports whether the Gateways that have said something of the route have
// done so of its last change: until then requests go where they went before.
func heard(seen lifecycle.Seen) bool {
	o := seen.Live[kube.HTTPRoute.Kind]
	if o == nil {
		return true
	}
	for _, f := range o.GetManagedFields() {
		if f.Manager == kube.Manager && f.Subresource == "" && f.Time != nil && seen.Now.Sub(f.Time.Time) > deafAfter {
			return true
		}
	}
	generation, _ := kube.At(o.Object, "metadata", "generation")
	parents, _ := kube.At(o.Object, "status", "parents")
	list, _ := parents.([]any)
	for _, p := range list {
		parent, _ := p.(map[string]any)
		conditions, _ := parent["conditions"].([]any)
		for _, e := range conditions {
			c, _ := e.(map[string]any)
			if at, said := c["observedGeneration"]; said && fmt.Sprint(at) != fmt.Sprint(generation) {
				return false
			}
		}
	}
	return true
}

// serving tells what goes on serving after a rollout that failed.
func serving(m *Model, seen lifecycle.Seen) string {
	d, _ := deploymentOf(seen.Live)
	switch {
	case d == nil:
		return ""
	case d.Kind == kube.LeaderWorkerSet.Kind:
		return groupsServing(seen)
	case d.Kind == kube.InferenceService.Kind:
		if d = predictorIn(seen); d == nil {
			return ""
		}
		return earlier(m, d, seen)
	}
	c := canaryIn(seen.Live)
	if m.Canary == nil || c == nil {
		return earlier(m, d, seen)
	}
	if s := d.Status; s.ObservedGeneration < d.Generation || min(s.UpdatedReplicas, s.AvailableReplicas) < ptr.Deref(d.Spec.Replicas, 1) {
		out := earlier(m, d, seen)
		if out == "" {
			out = fmt.Sprintf("It is the stable version that is not ready: it has %s.", readyPods(d.Status.ReadyReplicas))
		}
		return out + fmt.Sprintf(" The canary (image %s) has %s, and gets no more requests than before.", imageIn(m, &c.Spec.Template), readyPods(c.Status.ReadyReplicas))
	}
	return fmt.Sprintf("The stable version (image %s) serves, with %s; it is the canary that is not ready, and it gets no more requests than before.", imageIn(m, &d.Spec.Template), readyPods(d.Status.ReadyReplicas))
}

// earlier tells which revision before the one that failed still serves.
func earlier(m *Model, d *appsv1.Deployment, seen lifecycle.Seen) string {
	all := revisionsOf(d, seen)
	for i, r := range all {
		if i == 0 || r.set.Status.ReadyReplicas == 0 {
			continue
		}
		image := ""
		if of := imageIn(m, &r.set.Spec.Template); of != "" {
			image = fmt.Sprintf(" (image %s)", of)
		}
		return fmt.Sprintf("Revision %d%s still serves, with %s; revision %d is the one that failed.", r.number, image, readyPods(r.set.Status.ReadyReplicas), all[0].number)
	}
	if len(all) > 1 {
		return "No revision serves: none has a ready pod."
	}
	return ""
}

// imageIn is the image of the main container.
func imageIn(m *Model, t *corev1.PodTemplateSpec) string {
	for _, c := range t.Spec.Containers {
		if c.Name == m.Main() {
			return c.Image
		}
	}
	return ""
}

func readyPods(n int32) string {
	if n == 1 {
		return "1 ready pod"
	}
	return fmt.Sprintf("%d ready pods", n)
}
