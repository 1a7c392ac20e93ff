package volumeclaim

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

func mustParse(s string) resource.Quantity { return resource.MustParse(s) }

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func event(reason, message string, second int, change func(*corev1.Event)) corev1.Event {
	e := corev1.Event{Reason: reason, Message: message}
	e.InvolvedObject = corev1.ObjectReference{Kind: claimKind, Name: "data", UID: "u1"}
	e.LastTimestamp = metav1.NewTime(noon.Add(time.Duration(second) * time.Second))
	if change != nil {
		change(&e)
	}
	return e
}

func TestReady(t *testing.T) {
	t.Parallel()
	const waiting = "waiting for first consumer to be created before binding"
	pending := func(c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimPending }
	sized := func(capacity string, more func(*corev1.PersistentVolumeClaim)) func(*corev1.PersistentVolumeClaim) {
		return func(c *corev1.PersistentVolumeClaim) {
			c.Status.Phase, c.Spec.VolumeName = corev1.ClaimBound, "pvc-1"
			c.Status.Capacity[corev1.ResourceStorage] = mustParse(capacity)
			if more != nil {
				more(c)
			}
		}
	}
	holds := func(ts ...corev1.PersistentVolumeClaimConditionType) func(*corev1.PersistentVolumeClaim) {
		return func(c *corev1.PersistentVolumeClaim) {
			for _, t := range ts {
				c.Status.Conditions = append(c.Status.Conditions, corev1.PersistentVolumeClaimCondition{Type: t, Status: corev1.ConditionTrue, Message: "said by " + string(t)})
			}
		}
	}
	used := func(c *corev1.PersistentVolumeClaim) {
		holds(corev1.PersistentVolumeClaimFileSystemResizePending)(c)
		c.Status.Conditions = append(c.Status.Conditions, corev1.PersistentVolumeClaimCondition{Type: corev1.PersistentVolumeClaimUnused, Status: corev1.ConditionFalse})
	}
	allocated := func(s corev1.ClaimResourceStatus) func(*corev1.PersistentVolumeClaim) {
		return func(c *corev1.PersistentVolumeClaim) {
			c.Status.AllocatedResourceStatuses = map[corev1.ResourceName]corev1.ClaimResourceStatus{corev1.ResourceStorage: s}
		}
	}
	modified := func(current string, s corev1.PersistentVolumeClaimModifyVolumeStatus) func(*corev1.PersistentVolumeClaim) {
		return func(c *corev1.PersistentVolumeClaim) {
			c.Status.CurrentVolumeAttributesClassName = &current
			if s != "" {
				c.Status.ModifyVolumeStatus = &corev1.ModifyVolumeStatus{Status: s, TargetVolumeAttributesClassName: "gold"}
			}
		}
	}
	grows := "the volume has 50Gi and grows to 100Gi"
	follows := "the volume has grown to 100Gi; its file system has 50Gi and follows when a pod mounts it"
	changes := "the volume is being changed to the attributes of class gold"

	tests := map[string]struct {
		model  func(*Model)
		live   func(*corev1.PersistentVolumeClaim)
		events []corev1.Event
		level  string
		want   wait.Verdict
	}{
		"created is enough": {
			live: pending, level: created,
			want: wait.Of(wait.Done, "Pending", "", "the claim has no volume yet"),
		},
		"bound waits": {
			live: pending, level: bound,
			want: wait.Of(wait.Progressing, "Pending", "", "the claim has no volume yet"),
		},
		"no phase is pending": {
			live: func(*corev1.PersistentVolumeClaim) {}, level: bound,
			want: wait.Of(wait.Progressing, "Pending", "", "the claim has no volume yet"),
		},
		"the first pod binds it": {
			live: pending, level: bound, events: []corev1.Event{event("WaitForFirstConsumer", waiting, 0, nil)},
			want: wait.Of(wait.Done, "Pending", "WaitForFirstConsumer", "the first pod that mounts the claim binds it: "+waiting),
		},
		"a pod without a node binds nothing": {
			live: pending, level: bound,
			events: []corev1.Event{event("WaitForFirstConsumer", waiting, 0, nil), event("WaitForPodScheduled", "waiting for pod p to be scheduled", 9, nil)},
			want:   wait.Of(wait.Done, "Pending", "WaitForPodScheduled", "the first pod that mounts the claim binds it: waiting for pod p to be scheduled"),
		},
		"with a node the volume is being made": {
			live: func(c *corev1.PersistentVolumeClaim) {
				pending(c)
				c.Annotations = map[string]string{selectedNode: "gpu-1"}
			},
			level: bound, events: []corev1.Event{event("WaitForFirstConsumer", waiting, 0, nil), event("ExternalProvisioning", "waiting for ebs", 0, nil)},
			want: wait.Of(wait.Progressing, "Pending", "ExternalProvisioning", "waiting for ebs"),
		},
		"the newest event counts": {
			live: pending, level: bound,
			events: []corev1.Event{event("ProvisioningFailed", "quota", 5, nil), event("ExternalProvisioning", "waiting for ebs", 1, nil), event("Unheard", "of", 9, nil)},
			want:   wait.Of(wait.Progressing, "Pending", "ProvisioningFailed", "quota"),
		},
		"new events keep their time elsewhere": {
			live: pending, level: bound,
			events: []corev1.Event{
				event("ProvisioningFailed", "again", 0, func(e *corev1.Event) {
					e.LastTimestamp = metav1.Time{}
					e.EventTime = metav1.NewMicroTime(noon)
					e.Series = &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(noon.Add(time.Minute))}
				}),
				event("Provisioning", "once", 30, nil),
			},
			want: wait.Of(wait.Progressing, "Pending", "ProvisioningFailed", "again"),
		},
		"an earlier claim's events are not its own": {
			live: pending, level: bound,
			events: []corev1.Event{event("WaitForFirstConsumer", waiting, 0, func(e *corev1.Event) { e.InvolvedObject.UID = "u0" })},
			want:   wait.Of(wait.Progressing, "Pending", "", "the claim has no volume yet"),
		},
		"created tells why it is pending": {
			live: pending, level: created, events: []corev1.Event{event("FailedBinding", "no persistent volumes available", 0, nil)},
			want: wait.Of(wait.Done, "Pending", "FailedBinding", "no persistent volumes available"),
		},
		"lost": {
			live:  func(c *corev1.PersistentVolumeClaim) { c.Status.Phase, c.Spec.VolumeName = corev1.ClaimLost, "pvc-1" },
			level: created,
			want:  wait.Of(wait.Failed, "Lost", "ClaimLost", "volume pvc-1, to which the claim was bound, no longer exists"),
		},
		"bound":           {live: sized("100Gi", nil), level: bound, want: wait.Of(wait.Done, "Bound", "", "")},
		"larger is fine":  {live: sized("1Ti", nil), level: bound, want: wait.Of(wait.Done, "Bound", "", "")},
		"grows":           {live: sized("50Gi", nil), level: created, want: wait.Of(wait.Progressing, "Bound", "Resizing", grows)},
		"grows, in sight": {live: sized("50Gi", holds(corev1.PersistentVolumeClaimResizing)), level: bound, want: wait.Of(wait.Progressing, "Bound", "Resizing", grows)},
		"the file system follows later": {
			live: sized("50Gi", holds(corev1.PersistentVolumeClaimFileSystemResizePending)), level: created,
			want: wait.Of(wait.Done, "Bound", "FileSystemResizePending", follows),
		},
		"the node has to do its part": {
			live: sized("50Gi", allocated(corev1.PersistentVolumeClaimNodeResizePending)), level: bound,
			want: wait.Of(wait.Done, "Bound", "FileSystemResizePending", follows),
		},
		"a pod mounts it, so it will follow now": {
			live: sized("50Gi", used), level: created,
			want: wait.Of(wait.Progressing, "Bound", "FileSystemResizePending", follows),
		},
		"a driver that cannot": {
			live: sized("50Gi", func(c *corev1.PersistentVolumeClaim) {
				allocated(corev1.PersistentVolumeClaimControllerResizeInfeasible)(c)
				holds(corev1.PersistentVolumeClaimControllerResizeError)(c)
			}),
			level: created,
			want:  wait.Of(wait.Failed, "Bound", "ControllerResizeInfeasible", "said by ControllerResizeError"),
		},
		"an error that may pass": {
			live: sized("50Gi", holds(corev1.PersistentVolumeClaimNodeResizeError)), level: created,
			want: wait.Of(wait.Progressing, "Bound", "NodeResizeError", "said by NodeResizeError"),
		},
		"attributes in effect": {
			model: func(m *Model) { m.VolumeAttributesClass = types.StringValue("gold") },
			live:  sized("100Gi", modified("gold", "")), level: bound, want: wait.Of(wait.Done, "Bound", "", ""),
		},
		"attributes on their way": {
			model: func(m *Model) { m.VolumeAttributesClass = types.StringValue("gold") },
			live:  sized("100Gi", modified("silver", corev1.PersistentVolumeClaimModifyVolumeInProgress)), level: bound,
			want: wait.Of(wait.Progressing, "Bound", "ModifyingVolume", changes),
		},
		"attributes are not awaited by default": {
			model: func(m *Model) { m.VolumeAttributesClass = types.StringValue("gold") },
			live:  sized("100Gi", modified("silver", corev1.PersistentVolumeClaimModifyVolumeInfeasible)), level: created,
			want: wait.Of(wait.Done, "Bound", "ModifyingVolume", changes),
		},
		"attributes the driver refuses": {
			model: func(m *Model) { m.VolumeAttributesClass = types.StringValue("gold") },
			live: sized("100Gi", func(c *corev1.PersistentVolumeClaim) {
				modified("silver", corev1.PersistentVolumeClaimModifyVolumeInfeasible)(c)
				holds(corev1.PersistentVolumeClaimVolumeModifyVolumeError)(c)
			}),
			level: bound, want: wait.Of(wait.Failed, "Bound", "Infeasible", "said by ModifyVolumeError"),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ready(claim(tt.model), lifecycle.Seen{Live: live(tt.live), Events: tt.events, Now: noon}, tt.level)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadyWithoutClaim(t *testing.T) {
	t.Parallel()
	if got := ready(claim(nil), lifecycle.Seen{}, created); got.Outcome != wait.Progressing {
		t.Errorf("a claim that does not exist: %+v", got)
	}
}
