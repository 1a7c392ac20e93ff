package inferenceservice

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// The phases of status.
const (
	phasePending     = "Pending"
	phaseProgressing = "Progressing"
	phaseReady       = "Ready"
	phaseStopped     = "Stopped"
	phaseIdle        = "Idle"
	phaseFailed      = "Failed"
)

// revisionKey numbers the revisions of a Deployment, on it and on its ReplicaSets.
const revisionKey = "deployment.kubernetes.io/revision"

// deadlineExceeded is the reason of a rollout that has stood still for too long.
const deadlineExceeded = "ProgressDeadlineExceeded"

// ofRevisions selects the ReplicaSets of the Deployment; "" where that is KServe's.
func ofRevisions(m *Model, _ *kube.Object) string {
	if m.byKServe() {
		return ""
	}
	return selector(m)
}

// ofEndpoints selects who serves the Service; "" where there is none.
func ofEndpoints(m *Model, _ *kube.Object) string {
	if !m.serves() || m.byKServe() {
		return ""
	}
	if m.Canary != nil {
		return fmt.Sprintf("%s in (%s,%s)", discoveryv1.LabelServiceName, serviceName(m), canaryName(m))
	}
	return discoveryv1.LabelServiceName + "=" + serviceName(m)
}

// ready judges the rollout against a level of wait_for.
func ready(m *Model, seen lifecycle.Seen, level string) wait.Verdict {
	d, ds := deploymentOf(seen.Live)
	if d == nil || ds.HasError() {
		return wait.Of(wait.Progressing, phasePending, "", "The Deployment does not exist yet")
	}
	var v wait.Verdict
	switch kindOf(d) {
	case kube.InferenceService:
		v = lookServed(m, seen)
	case kube.LeaderWorkerSet:
		if sets, err := groupsOf(seen.Live); err == nil && sets != nil {
			v = lookGroups(m, sets, seen)
		}
	default:
		v = withCanary(m, look(m, d, seen), seen)
	}
	if level == levelCreated {
		v.Outcome = wait.Done
	}
	return v
}

// look says how far the rollout is.
func look(m *Model, d *appsv1.Deployment, seen lifecycle.Seen) wait.Verdict {
	want, s := ptr.Deref(d.Spec.Replicas, 1), d.Status
	if s.ObservedGeneration < d.Generation {
		return wait.Of(wait.Progressing, phasePending, "", "The Deployment's controller has not taken notice of it yet")
	}
	told := fmt.Sprintf("%d of %d pods are ready, %d of this revision", s.ReadyReplicas, want, s.UpdatedReplicas)
	complete := s.UpdatedReplicas == want && s.Replicas == want && s.AvailableReplicas == want
	switch progress := conditionOf(d, appsv1.DeploymentProgressing); {
	case m.Autoscaling != nil && want < m.Autoscaling.Least():
		return wait.Of(wait.Progressing, phaseProgressing, "", fmt.Sprintf("The autoscaler has not raised the number of pods from %d to its least yet, %d", want, m.Autoscaling.Least()))
	case complete && want == 0 && m.Autoscaling != nil:
		return wait.Of(wait.Done, phaseIdle, "", "The autoscaler keeps no pod at the moment")
	case complete && want == 0:
		return wait.Of(wait.Done, phaseStopped, "", "The service is asked to have no pods")
	case complete && !steady(m, d, seen):
		return wait.Of(wait.Progressing, phaseProgressing, "", "The pods have only just started, and there is no readiness_probe to tell whether they serve")
	case complete && !answers(m, seen):
		return wait.Of(wait.Progressing, phaseProgressing, "NoEndpoints", "All pods are ready, and the Service leads to none of them yet")
	case complete && !heard(seen):
		return wait.Of(wait.Progressing, phaseProgressing, "RoutePending", "All pods are ready, and the Gateway has not taken notice of the route's last change yet")
	case complete:
		reason, trouble := routeTrouble(seen.Live)
		return wait.Of(wait.Done, phaseReady, reason, fmt.Sprintf("%d of %d pods are ready", s.ReadyReplicas, want)+trouble+scalingTrouble(seen.Live))
	case progress != nil && progress.Reason == deadlineExceeded:
		return wait.Of(wait.Failed, phaseFailed, progress.Reason, told+": the rollout has made no progress for longer than its deadline")
	default:
		v := wait.Of(wait.Progressing, phaseProgressing, "", told)
		if failure := conditionOf(d, appsv1.DeploymentReplicaFailure); failure != nil && failure.Status == corev1.ConditionTrue {
			v.Reason, v.Message = failure.Reason, failure.Message
		}
		return v
	}
}

func conditionOf(d *appsv1.Deployment, t appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range d.Status.Conditions {
		if d.Status.Conditions[i].Type == t {
			return &d.Status.Conditions[i]
		}
	}
	return nil
}

// lasting is how long a rollout must have been complete where its pods are not seen.
const lasting = 5 * time.Second

// steady reports whether the pods have run long enough to believe that they go on,
// where no probe asks them: a server that cannot start ends within seconds, and
// each of its tries looks like one that is ready until then.
func steady(m *Model, d *appsv1.Deployment, seen lifecycle.Seen) bool {
	if pod := effective(m); pod.ReadinessProbe != nil {
		return true
	}
	current := int32(0)
	for i := range seen.Pods {
		p := &seen.Pods[i]
		if !podspec.Active(p) || outdated(seen, p) {
			continue
		}
		if by := metav1.GetControllerOf(p); by != nil && by.Name != d.Name+"-"+p.Labels[appsv1.DefaultDeploymentUniqueLabelKey] {
			continue // the other version's
		}
		if current++; !podspec.Runs(p, m.Main()) || !podspec.Lasts(p, m.Main(), seen.Now) {
			return false
		}
	}
	if c := conditionOf(d, appsv1.DeploymentProgressing); c != nil && current < d.Status.Replicas {
		// The watch of the pods is behind, or this user may not see them.
		age := seen.Now.Sub(c.LastUpdateTime.Time)
		return age >= lasting || age < -lasting
	}
	return true
}

// answers reports whether the Service has a pod to send requests to. Without the
// right to see that, it is taken to have.
func answers(m *Model, seen lifecycle.Seen) bool {
	all, known := seen.Beside[kube.EndpointSlice.Kind]
	if !known || !m.serves() {
		return true
	}
	for _, o := range all {
		s, err := kube.Typed[discoveryv1.EndpointSlice](kube.Live{"": o}, "")
		if err != nil || s == nil {
			continue
		}
		if of, said := s.Labels[discoveryv1.LabelServiceName]; said && of != serviceName(m) {
			continue // the other version's
		}
		for _, e := range s.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				return true
			}
		}
	}
	return false
}

// revision is one ReplicaSet of the Deployment.
type revision struct {
	number int
	set    *appsv1.ReplicaSet
}

// revisionsOf are those of the Deployment that were seen, the newest first.
func revisionsOf(d *appsv1.Deployment, seen lifecycle.Seen) []revision {
	var out []revision
	for _, o := range seen.Beside[kube.ReplicaSet.Kind] {
		set, err := kube.Typed[appsv1.ReplicaSet](kube.Live{"": o}, "")
		if err != nil || set == nil {
			continue
		}
		if by := metav1.GetControllerOf(set); by != nil && by.Name != d.Name {
			continue // the other version's
		}
		n, err := strconv.Atoi(set.Annotations[revisionKey])
		if err != nil {
			continue
		}
		out = append(out, revision{n, set})
	}
	slices.SortFunc(out, func(a, b revision) int { return cmp.Compare(b.number, a.number) })
	return out
}

// outdated reports whether a pod is of an earlier revision of its Deployment. Until
// the newest revision has been seen to be the Deployment's, all are.
func outdated(seen lifecycle.Seen, p *corev1.Pod) bool {
	d, _ := deploymentOf(seen.Live)
	if c := canaryIn(seen.Live); c != nil && c.Spec.Selector != nil && matching(c.Spec.Selector.MatchLabels, p.Labels) {
		d = c
	}
	switch {
	case d == nil:
		return false
	case d.Kind == kube.LeaderWorkerSet.Kind:
		return groupOutdated(seen, p)
	case d.Kind == kube.InferenceService.Kind:
		if d = predictorIn(seen); d == nil {
			return false // without the right to see it, pods are all there is
		}
	}
	if _, known := seen.Beside[kube.ReplicaSet.Kind]; !known {
		return false // without the right to see revisions, pods are all there is
	}
	all := revisionsOf(d, seen)
	if len(all) == 0 || d.Status.ObservedGeneration < d.Generation || all[0].set.Annotations[revisionKey] != d.Annotations[revisionKey] {
		return true
	}
	const hash = appsv1.DefaultDeploymentUniqueLabelKey
	return p.Labels[hash] != all[0].set.Labels[hash]
}

// observe fills what the cluster decided.
func observe(m *Model, seen lifecycle.Seen) diag.Diagnostics {
	if !m.byKServe() {
		m.URL = url(m)
	}
	if m.Preset.IsNull() || m.Preset.IsUnknown() {
		f := fill(m)
		m.Preset = f.shown(&f.pod)
	}
	d, ds := deploymentOf(seen.Live)
	if d == nil {
		return ds
	}
	if d.Kind == kube.InferenceService.Kind {
		return append(ds, observeServed(m, seen)...)
	}
	m.ReadyReplicas = types.Int32Value(d.Status.ReadyReplicas)
	m.CurrentReplicas = types.Int32Value(ptr.Deref(d.Spec.Replicas, 1))
	return ds
}
