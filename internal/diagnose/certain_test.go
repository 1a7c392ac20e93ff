package diagnose

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

func before(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }

func object(t *testing.T, kind, apiVersion string, o any) *unstructured.Unstructured {
	t.Helper()
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: m}
	u.SetKind(kind)
	u.SetAPIVersion(apiVersion)
	return u
}

func aJob(t *testing.T, change ...func(*batchv1.Job)) *unstructured.Unstructured {
	t.Helper()
	j := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ml", Name: "run", UID: "job", CreationTimestamp: before(time.Hour)},
		Spec:       batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: aPod("").Spec}},
		Status:     batchv1.JobStatus{Active: 1},
	}
	for _, c := range change {
		c(j)
	}
	return object(t, "Job", "batch/v1", j)
}

func aPod(name string, change ...func(*corev1.Pod)) corev1.Pod {
	p := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ml", Name: name, UID: types.UID(name), CreationTimestamp: before(time.Hour),
			OwnerReferences: []metav1.OwnerReference{{Kind: "Job", Name: "run", UID: "job", Controller: ptr.To(true)}},
		},
		Spec:   corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "main", Image: "acme/train:1"}}},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	for _, c := range change {
		c(&p)
	}
	return p
}

// ends makes the pod fail with an exit code.
func ends(code int32) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodFailed
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: "Error", FinishedAt: before(time.Second)},
		}}}
	}
}

// restarts makes the container crash that often; waits says whether it backs
// off now or runs again.
func restarts(count int32, waits bool) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodRunning
		s := corev1.ContainerStatus{Name: "main", RestartCount: count, LastTerminationState: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", FinishedAt: before(time.Second)},
		}}
		s.State.Running = &corev1.ContainerStateRunning{StartedAt: before(0)}
		if waits {
			s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
		}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{s}
	}
}

func waits(reason, msg string, since time.Duration) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: msg},
		}}}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.ContainersReady, Status: corev1.ConditionFalse, LastTransitionTime: before(since)}}
	}
}

func podEvent(pod, reason, msg string, count int32, first time.Duration) corev1.Event {
	return corev1.Event{
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "ml", Name: pod, UID: types.UID(pod), FieldPath: "spec.containers{main}"},
		Type:           corev1.EventTypeWarning, Reason: reason, Message: msg, Count: count,
		FirstTimestamp: before(first), LastTimestamp: before(0),
	}
}

func jobEvent(reason, msg string, count int32, first, last time.Duration) corev1.Event {
	return corev1.Event{
		InvolvedObject: corev1.ObjectReference{Kind: "Job", Namespace: "ml", Name: "run", UID: "job"},
		Type:           corev1.EventTypeWarning, Reason: reason, Message: msg, Count: count,
		FirstTimestamp: before(first), LastTimestamp: before(last),
	}
}

func TestCertain(t *testing.T) {
	t.Parallel()
	notFound := `Failed to pull image "acme/train:1": not found`
	backOff := `Back-off pulling image "acme/train:1": ErrImagePull: not found`
	quota := `Error creating: pods "run-%s" is forbidden: exceeded quota: q, requested: cpu=2, used: cpu=9, limited: cpu=10`
	idle := func(j *batchv1.Job) { j.Status.Active = 0 }
	failed := func(j *batchv1.Job) {
		j.Status.Active = 0
		j.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: "BackoffLimitExceeded", Message: "Job has reached the specified backoff limit"}}
	}
	tests := map[string]struct {
		job    []func(*batchv1.Job)
		pods   []corev1.Pod
		events []corev1.Event
		claims []corev1.PersistentVolumeClaim
		// want are the reasons that are certain while waiting for running;
		// final those that are when retries are trusted.
		want, final []string
	}{
		"nothing": {},
		"a pod runs": {pods: []corev1.Pod{aPod("a", func(p *corev1.Pod) {
			p.Status.Phase = corev1.PodRunning
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		})}},
		"the Job is failed, its pods gone":  {job: []func(*batchv1.Job){failed}, want: []string{"BackoffLimitExceeded"}, final: []string{"BackoffLimitExceeded"}},
		"the Job is failed, a pod says why": {job: []func(*batchv1.Job){failed}, pods: []corev1.Pod{aPod("a", ends(1))}, want: []string{"Error"}, final: []string{"Error"}},
		"the Job is about to fail": {job: []func(*batchv1.Job){func(j *batchv1.Job) {
			j.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobFailureTarget, Status: corev1.ConditionTrue, Reason: "DeadlineExceeded"}}
		}}},

		"one failed pod":                       {pods: []corev1.Pod{aPod("a", ends(1))}},
		"two failed pods, same exit":           {pods: []corev1.Pod{aPod("a", ends(1)), aPod("b", ends(1))}, want: []string{"Error"}},
		"two failed pods, different exits":     {pods: []corev1.Pod{aPod("a", ends(1)), aPod("b", ends(2))}},
		"first crash":                          {pods: []corev1.Pod{aPod("a", restarts(0, true))}},
		"one crash, running again":             {pods: []corev1.Pod{aPod("a", restarts(1, false))}},
		"second crash":                         {pods: []corev1.Pod{aPod("a", restarts(1, true))}, want: []string{"Error"}},
		"two crashes, running again":           {pods: []corev1.Pod{aPod("a", restarts(2, false))}, want: []string{"Error"}},
		"one crash each in two pods":           {pods: []corev1.Pod{aPod("a", restarts(0, true)), aPod("b", restarts(0, true))}, want: []string{"Error"}},
		"a crash while the pod is being ended": {pods: []corev1.Pod{aPod("a", restarts(3, true), func(p *corev1.Pod) { p.DeletionTimestamp = ptr.To(before(time.Minute)) })}},
		"two pods lost to disruption":          {pods: []corev1.Pod{aPod("a", ends(143), disrupted), aPod("b", ends(143), disrupted)}},

		"two failed pulls": {
			pods:   []corev1.Pod{aPod("a", waits("ImagePullBackOff", backOff, 20*time.Second))},
			events: []corev1.Event{podEvent("a", "Failed", notFound, 2, 20*time.Second), podEvent("a", "BackOff", backOff, 9, time.Second)},
		},
		"three failed pulls in one event": {
			pods:   []corev1.Pod{aPod("a", waits("ImagePullBackOff", backOff, 20*time.Second))},
			events: []corev1.Event{podEvent("a", "Failed", notFound, 3, 20*time.Second)}, want: []string{"ImageNotFound"}, final: []string{"ImageNotFound"},
		},
		"three failed pulls in three events": {
			pods:   []corev1.Pod{aPod("a", waits("ErrImagePull", "not found", 20*time.Second))},
			events: []corev1.Event{podEvent("a", "Failed", notFound, 1, 20*time.Second), podEvent("a", "Failed", notFound, 1, 10*time.Second), podEvent("a", "Failed", notFound, 0, 0)},
			want:   []string{"ImageNotFound"}, final: []string{"ImageNotFound"},
		},
		"two failed pulls, read twice": {
			pods: []corev1.Pod{aPod("a", waits("ImagePullBackOff", backOff, 20*time.Second))},
			events: []corev1.Event{
				named("e1", podEvent("a", "Failed", notFound, 1, 20*time.Second)), named("e1", podEvent("a", "Failed", notFound, 2, 20*time.Second)),
				named("e1", podEvent("a", "Failed", notFound, 1, 20*time.Second)),
			},
		},
		"three different pull errors": {
			pods: []corev1.Pod{aPod("a", waits("ImagePullBackOff", backOff, 20*time.Second))},
			events: []corev1.Event{
				podEvent("a", "Failed", `Failed to pull image "acme/train:1": i/o timeout`, 1, 20*time.Second),
				podEvent("a", "Failed", `Failed to pull image "acme/train:1": EOF`, 1, 10*time.Second), podEvent("a", "Failed", notFound, 1, 0),
			},
		},
		"three failed pulls, one in each pod": {
			pods: []corev1.Pod{
				aPod("a", waits("ErrImagePull", "not found", 9*time.Second)), aPod("b", waits("ErrImagePull", "not found", 9*time.Second)),
				aPod("c", waits("ErrImagePull", "not found", 9*time.Second)),
			},
			events: []corev1.Event{podEvent("a", "Failed", notFound, 1, 0), podEvent("b", "Failed", notFound, 1, 0), podEvent("c", "Failed", notFound, 1, 0)},
		},
		"pulls counted by the short event": {
			pods:   []corev1.Pod{aPod("a", waits("ImagePullBackOff", backOff, 20*time.Second))},
			events: []corev1.Event{podEvent("a", "Failed", "Error: ErrImagePull", 3, 20*time.Second)}, want: []string{"ImageNotFound"}, final: []string{"ImageNotFound"},
		},
		"back-off without events, short": {pods: []corev1.Pod{aPod("a", waits("ImagePullBackOff", backOff, 119*time.Second))}},
		"back-off without events, long":  {pods: []corev1.Pod{aPod("a", waits("ImagePullBackOff", backOff, 120*time.Second))}, want: []string{"ImageNotFound"}, final: []string{"ImageNotFound"}},

		"config error, young": {pods: []corev1.Pod{aPod("a", waits("CreateContainerConfigError", `secret "s" not found`, 59*time.Second))}},
		"config error, old":   {pods: []corev1.Pod{aPod("a", waits("CreateContainerConfigError", `secret "s" not found`, time.Minute))}, want: []string{"SecretNotFound"}, final: []string{"SecretNotFound"}},
		"config error after a long pull": {
			pods:   []corev1.Pod{aPod("a", waits("CreateContainerConfigError", `secret "s" not found`, time.Hour))},
			events: []corev1.Event{podEvent("a", "Failed", `Error: secret "s" not found`, 4, 40*time.Second)},
		},
		"image name, old":         {pods: []corev1.Pod{aPod("a", waits("InvalidImageName", "x", time.Minute))}, want: []string{"InvalidImageName"}, final: []string{"InvalidImageName"}},
		"image never pulled, old": {pods: []corev1.Pod{aPod("a", waits("ErrImageNeverPull", "x", time.Minute))}, want: []string{"ErrImageNeverPull"}, final: []string{"ErrImageNeverPull"}},
		"image never pulled, new": {pods: []corev1.Pod{aPod("a", waits("ErrImageNeverPull", "x", 2*time.Second))}},
		"container being made":    {pods: []corev1.Pod{aPod("a", waits("ContainerCreating", "", time.Hour))}},
		"runtime does not answer": {pods: []corev1.Pod{aPod("a", waits("CreateContainerError", "context deadline exceeded", time.Hour))}},
		"unschedulable for an hour": {pods: []corev1.Pod{aPod("a", func(p *corev1.Pod) {
			p.Spec.NodeName = ""
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available: 1 Insufficient cpu."}}
		})}},

		"refused once, just now":    {job: []func(*batchv1.Job){idle}, events: []corev1.Event{jobEvent("FailedCreate", fmt.Sprintf(quota, "a"), 1, 29*time.Second, 29*time.Second)}},
		"refused once, a while ago": {job: []func(*batchv1.Job){idle}, events: []corev1.Event{jobEvent("FailedCreate", fmt.Sprintf(quota, "a"), 1, 30*time.Second, 30*time.Second)}, want: []string{"QuotaExceeded"}},
		"refused three times": {
			job: []func(*batchv1.Job){idle},
			events: []corev1.Event{
				jobEvent("FailedCreate", fmt.Sprintf(quota, "a"), 1, 3*time.Second, 3*time.Second), jobEvent("FailedCreate", fmt.Sprintf(quota, "b"), 1, 2*time.Second, 2*time.Second),
				jobEvent("FailedCreate", fmt.Sprintf(quota, "c"), 1, time.Second, time.Second),
			},
			want: []string{"QuotaExceeded"},
		},
		"refused, but a pod is active": {events: []corev1.Event{jobEvent("FailedCreate", fmt.Sprintf(quota, "a"), 9, time.Minute, time.Second)}},
		"refused, then let in": {
			job:    []func(*batchv1.Job){idle},
			events: []corev1.Event{jobEvent("FailedCreate", fmt.Sprintf(quota, "a"), 9, time.Minute, 20*time.Second), jobEvent("SuccessfulCreate", "Created pod: run-b", 1, time.Second, time.Second)},
		},
		"refused by a webhook that does not answer": {
			job:    []func(*batchv1.Job){idle},
			events: []corev1.Event{jobEvent("FailedCreate", `Error creating: Internal error occurred: failed calling webhook "w.example": refused`, 9, time.Hour, 0)},
		},
		"refused while suspended": {
			job:    []func(*batchv1.Job){idle, func(j *batchv1.Job) { j.Spec.Suspend = ptr.To(true) }},
			events: []corev1.Event{jobEvent("FailedCreate", fmt.Sprintf(quota, "a"), 9, time.Minute, time.Second)},
		},
		"an event of a former Job of that name": {
			job:    []func(*batchv1.Job){idle, func(j *batchv1.Job) { j.UID = "another"; j.CreationTimestamp = before(time.Second) }},
			events: []corev1.Event{jobEvent("FailedCreate", fmt.Sprintf(quota, "a"), 9, time.Minute, time.Second)},
		},

		"claim lost":                 {claims: []corev1.PersistentVolumeClaim{aClaim(corev1.ClaimLost)}, want: []string{"ClaimLost"}},
		"three failed provisionings": {claims: []corev1.PersistentVolumeClaim{aClaim(corev1.ClaimPending)}, events: []corev1.Event{claimEvent(3)}},
		"four failed provisionings":  {claims: []corev1.PersistentVolumeClaim{aClaim(corev1.ClaimPending)}, events: []corev1.Event{claimEvent(4)}, want: []string{"ProvisioningFailed"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := Evidence{Objects: []*unstructured.Unstructured{aJob(t, tt.job...)}, Pods: tt.pods, Events: tt.events, Claims: tt.claims, Now: now}
			if diff := cmp.Diff(tt.want, reasons(Certain(e, Policy{}))); diff != "" {
				t.Errorf("waiting for running (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tt.final, reasons(Certain(e, Policy{TrustRetries: true}))); diff != "" {
				t.Errorf("trusting retries (-want +got)\n%s", diff)
			}
			readable(t, Explain(e))
		})
	}
}

func disrupted(p *corev1.Pod) {
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI", Message: "Eviction API: evicting"}}
}

func named(name string, ev corev1.Event) corev1.Event {
	ev.Namespace, ev.Name = "ml", name
	return ev
}

func reasons(fs []Finding) []string {
	var out []string
	for _, f := range fs {
		out = append(out, f.Reason)
	}
	return out
}

func aClaim(phase corev1.PersistentVolumeClaimPhase) corev1.PersistentVolumeClaim {
	return corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ml", Name: "data", UID: "claim", CreationTimestamp: before(time.Hour)},
		Spec: corev1.PersistentVolumeClaimSpec{StorageClassName: ptr.To("fast"), Resources: corev1.VolumeResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
		}},
		Status: corev1.PersistentVolumeClaimStatus{Phase: phase},
	}
}

func claimEvent(count int32) corev1.Event {
	return corev1.Event{
		InvolvedObject: corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: "ml", Name: "data", UID: "claim"},
		Type:           corev1.EventTypeWarning, Reason: "ProvisioningFailed", Message: "no space in pool 7", Count: count,
		FirstTimestamp: before(time.Minute), LastTimestamp: before(0),
	}
}

// A failed pod that belongs to nothing is the end of it.
func TestCertainBarePod(t *testing.T) {
	t.Parallel()
	bare := aPod("a", ends(3), func(p *corev1.Pod) { p.OwnerReferences = nil })
	got := Certain(Evidence{Pods: []corev1.Pod{bare}, Now: now}, Policy{TrustRetries: true})
	if diff := cmp.Diff([]string{"Error"}, reasons(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A hundred pods with one problem are one finding.
func TestFold(t *testing.T) {
	t.Parallel()
	var pods []corev1.Pod
	for i := range 100 {
		pods = append(pods, aPod(fmt.Sprintf("p%d", i), func(p *corev1.Pod) {
			p.Spec.NodeName = ""
			p.Status.Conditions = []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable",
				Message: fmt.Sprintf("0/%d nodes are available: %d Insufficient nvidia.com/gpu.", 90+i%3, 90+i%3),
			}}
		}))
	}
	got := Explain(Evidence{Objects: []*unstructured.Unstructured{aJob(t)}, Pods: pods, Now: now})
	if len(got) != 1 || got[0].Count != 100 {
		t.Errorf("got %d findings, the first for %d pods", len(got), got[0].Count)
	}
}
