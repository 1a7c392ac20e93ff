package shardedservice

import (
	"fmt"
	"reflect"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// The phases of a service.
const (
	phasePending  = "Pending"
	phaseUpdating = "Updating"
	phaseReady    = "Ready"
	phaseStopped  = "Stopped"
)

// ready judges the rollout: all pods there, ready, and those the update strategy
// lets change of the newest revision.
func ready(_ *Model, seen lifecycle.Seen, level string) wait.Verdict {
	set, ds := setOf(seen.Live)
	if set == nil || ds.HasError() {
		return wait.Of(wait.Progressing, phasePending, "", "The StatefulSet does not exist yet")
	}
	v := rollout(set)
	if set.DeletionTimestamp != nil {
		return wait.Of(wait.Failed, v.Phase, "Deleted", "The StatefulSet is being deleted")
	}
	if level == levelCreated {
		v.Outcome = wait.Done
	}
	return v
}

func rollout(set *appsv1.StatefulSet) wait.Verdict {
	s := set.Status
	want := ptr.Deref(set.Spec.Replicas, 1)
	updated := want
	if set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		updated = 0
	} else if r := set.Spec.UpdateStrategy.RollingUpdate; r != nil {
		updated = max(0, want-ptr.Deref(r.Partition, 0))
	}
	goOn := func(phase, format string, args ...any) wait.Verdict {
		return wait.Of(wait.Progressing, phase, "", fmt.Sprintf(format, args...))
	}
	switch {
	case s.ObservedGeneration < set.Generation:
		return goOn(phaseUpdating, "The controller has not seen the change yet")
	case s.Replicas > want:
		return goOn(phaseUpdating, "%d of %d pods are to go", s.Replicas-want, s.Replicas)
	case want == 0:
		return wait.Of(wait.Done, phaseStopped, "", "No pods are asked for")
	case s.Replicas < want:
		return goOn(phasePending, "%d of %d pods exist", s.Replicas, want)
	case s.UpdateRevision != s.CurrentRevision && s.UpdatedReplicas < updated:
		return goOn(phaseUpdating, "%d of %d pods are of the new revision, %d are ready", s.UpdatedReplicas, updated, s.ReadyReplicas)
	case s.ReadyReplicas < want:
		return goOn(phasePending, "%d of %d pods are ready", s.ReadyReplicas, want)
	case s.AvailableReplicas < want:
		return goOn(phasePending, "%d of %d pods have been ready for %d s", s.AvailableReplicas, want, set.Spec.MinReadySeconds)
	case s.UpdateRevision != s.CurrentRevision && updated == want:
		return goOn(phaseUpdating, "All pods are of the new revision; the controller has not noted it yet")
	}
	message := ""
	if left := want - s.UpdatedReplicas; s.UpdateRevision != s.CurrentRevision && left > 0 {
		message = fmt.Sprintf("%d of %d pods are of an earlier revision, as update_strategy asks", left, want)
	}
	return wait.Of(wait.Done, phaseReady, "", message)
}

// waits reports whether an update has a rollout to wait for: pods do not care for
// a label of their StatefulSet.
func waits(prior, wanted *Model) bool {
	if prior.WaitFor.ValueString() != wanted.WaitFor.ValueString() || !prior.Patch.Equal(wanted.Patch) {
		return true
	}
	was, dw := desired(prior)
	is, di := desired(wanted)
	return dw.HasError() || di.HasError() || !reflect.DeepEqual(was, is)
}

// outdated reports whether a pod is of an earlier revision than the newest.
func outdated(seen lifecycle.Seen, p *corev1.Pod) bool {
	set, _ := setOf(seen.Live)
	if set == nil || set.Status.ObservedGeneration < set.Generation || set.Status.UpdateRevision == "" {
		return set != nil // nobody knows yet which is the newest
	}
	return p.Labels[appsv1.ControllerRevisionHashLabelKey] != set.Status.UpdateRevision
}

// observe fills the host names.
func observe(m *Model, seen lifecycle.Seen) diag.Diagnostics {
	set, ds := setOf(seen.Live)
	if set != nil {
		m.Hosts = hosts(m, ptr.Deref(set.Spec.Replicas, 1))
	}
	return ds
}

// hosts are the names of that many pods.
func hosts(m *Model, replicas int32) types.List {
	out := []attr.Value{}
	if service := serviceOf(m); service != "" {
		for i := range replicas {
			out = append(out, types.StringValue(fmt.Sprintf("%s-%d.%s.%s.svc", m.Name.ValueString(), m.StartOrdinal.ValueInt32()+i, service, m.Namespace.ValueString())))
		}
	}
	return types.ListValueMust(types.StringType, out)
}
