package volumeclaim

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// selectedNode is put on a claim when a pod that mounts it has been scheduled:
// from then on a volume is being made.
const selectedNode = "volume.kubernetes.io/selected-node"

// waitsForPod are the events of a claim whose class binds it to its first pod.
var waitsForPod = []string{"WaitForFirstConsumer", "WaitForPodScheduled"}

// telling are the events that say why a claim has no volume yet (Kubernetes,
// pkg/controller/volume/events).
var telling = append([]string{
	"ProvisioningFailed", "FailedBinding", "VolumeMismatch", "ClaimMisbound", "ClaimLost", "ExternalProvisioning", "Provisioning",
}, waitsForPod...)

// ready judges a claim. Growth is waited for at every level, since a claim that
// is too small is not what was asked for; the first volume only at bound.
func ready(m *Model, seen lifecycle.Seen, level string) wait.Verdict {
	pvc, ds := claimOf(seen.Live)
	switch {
	case ds.HasError():
		return wait.Of(wait.Progressing, "Pending", "", ds.Errors()[0].Detail())
	case pvc == nil:
		return wait.Of(wait.Progressing, "Pending", "", "the claim does not exist yet")
	}
	switch pvc.Status.Phase {
	case corev1.ClaimLost:
		return wait.Of(wait.Failed, string(corev1.ClaimLost), "ClaimLost",
			fmt.Sprintf("volume %s, to which the claim was bound, no longer exists", pvc.Spec.VolumeName))
	case corev1.ClaimBound:
		return boundVerdict(m, pvc, level)
	}
	return pendingVerdict(pvc, seen.Events, level)
}

// pendingVerdict judges a claim without a volume.
func pendingVerdict(pvc *corev1.PersistentVolumeClaim, events []corev1.Event, level string) wait.Verdict {
	const phase = string(corev1.ClaimPending)
	e := latest(pvc, events)
	switch {
	case pvc.Annotations[selectedNode] == "" && slices.Contains(waitsForPod, e.Reason):
		return wait.Of(wait.Done, phase, e.Reason, "the first pod that mounts the claim binds it: "+e.Message)
	case level != bound:
		return wait.Of(wait.Done, phase, e.Reason, orElse(e.Message, "the claim has no volume yet"))
	}
	return wait.Of(wait.Progressing, phase, e.Reason, orElse(e.Message, "the claim has no volume yet"))
}

// boundVerdict judges a claim with a volume: is it large enough, and of the
// right attributes.
func boundVerdict(m *Model, pvc *corev1.PersistentVolumeClaim, level string) wait.Verdict {
	const phase = string(corev1.ClaimBound)
	if v, growing := growth(m, pvc); growing {
		return v
	}
	want := m.VolumeAttributesClass.ValueString()
	if want == "" || pvc.Status.CurrentVolumeAttributesClassName != nil && *pvc.Status.CurrentVolumeAttributesClassName == want {
		return wait.Of(wait.Done, phase, "", "")
	}
	reason, message := "ModifyingVolume", fmt.Sprintf("the volume is being changed to the attributes of class %s", want)
	if c := condition(pvc, corev1.PersistentVolumeClaimVolumeModifyVolumeError); c != nil {
		reason, message = "ModifyVolumeError", c.Message
	}
	s := pvc.Status.ModifyVolumeStatus
	switch {
	case level != bound:
		return wait.Of(wait.Done, phase, reason, message)
	case s != nil && s.Status == corev1.PersistentVolumeClaimModifyVolumeInfeasible:
		return wait.Of(wait.Failed, phase, "Infeasible", message)
	}
	return wait.Of(wait.Progressing, phase, reason, message)
}

// growth judges a bound claim that is smaller than size; growing is false when
// it is large enough.
func growth(m *Model, pvc *corev1.PersistentVolumeClaim) (v wait.Verdict, growing bool) {
	const phase = string(corev1.ClaimBound)
	want, err := resource.ParseQuantity(m.Size.ValueString())
	have, ok := pvc.Status.Capacity[corev1.ResourceStorage]
	if err != nil || !ok || have.Cmp(want) >= 0 {
		return wait.Verdict{}, false
	}
	state := pvc.Status.AllocatedResourceStatuses[corev1.ResourceStorage]
	trouble := condition(pvc, corev1.PersistentVolumeClaimControllerResizeError)
	if c := condition(pvc, corev1.PersistentVolumeClaimNodeResizeError); c != nil {
		trouble = c
	}
	why := fmt.Sprintf("the volume has %s and grows to %s", have.String(), want.String())
	if trouble != nil {
		why = trouble.Message
	}
	switch state {
	case corev1.PersistentVolumeClaimControllerResizeInfeasible, corev1.PersistentVolumeClaimNodeResizeInfeasible:
		return wait.Of(wait.Failed, phase, string(state), why), true
	}
	if trouble != nil {
		return wait.Of(wait.Progressing, phase, string(trouble.Type), why), true
	}
	if condition(pvc, corev1.PersistentVolumeClaimFileSystemResizePending) != nil || state == corev1.PersistentVolumeClaimNodeResizePending {
		outcome := wait.Done
		if mounted(pvc) {
			outcome = wait.Progressing
		}
		return wait.Of(outcome, phase, string(corev1.PersistentVolumeClaimFileSystemResizePending),
			fmt.Sprintf("the volume has grown to %s; its file system has %s and follows when a pod mounts it", want.String(), have.String())), true
	}
	return wait.Of(wait.Progressing, phase, string(corev1.PersistentVolumeClaimResizing), why), true
}

// mounted reports whether a pod is known to use the claim. Clusters before 1.37
// do not say; then the growth of the file system is not waited for.
func mounted(pvc *corev1.PersistentVolumeClaim) bool {
	for _, c := range pvc.Status.Conditions {
		if c.Type == corev1.PersistentVolumeClaimUnused {
			return c.Status == corev1.ConditionFalse
		}
	}
	return false
}

// condition returns the condition when it holds.
func condition(pvc *corev1.PersistentVolumeClaim, t corev1.PersistentVolumeClaimConditionType) *corev1.PersistentVolumeClaimCondition {
	for i, c := range pvc.Status.Conditions {
		if c.Type == t && c.Status == corev1.ConditionTrue {
			return &pvc.Status.Conditions[i]
		}
	}
	return nil
}

// latest is the newest telling event of the claim; zero when there is none.
func latest(pvc *corev1.PersistentVolumeClaim, events []corev1.Event) corev1.Event {
	var out corev1.Event
	for _, e := range events {
		about := e.InvolvedObject
		if about.Kind != claimKind || about.Name != pvc.Name || about.UID != "" && about.UID != pvc.UID {
			continue
		}
		if slices.Contains(telling, e.Reason) && !when(e).Before(when(out)) {
			out = e
		}
	}
	return out
}

// when is the last time the event was seen; old and new event APIs keep it in
// different fields.
func when(e corev1.Event) time.Time {
	t := e.CreationTimestamp.Time
	for _, other := range []time.Time{e.FirstTimestamp.Time, e.LastTimestamp.Time, e.EventTime.Time} {
		if other.After(t) {
			t = other
		}
	}
	if e.Series != nil && e.Series.LastObservedTime.After(t) {
		t = e.Series.LastObservedTime.Time
	}
	return t
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
