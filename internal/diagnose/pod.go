package diagnose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
	"github.com/mlkube/terraform-provider-mlk/internal/placement"
)

func podCondition(p *corev1.Pod, t corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == t {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

// pod explains one pod.
func (x *examiner) pod(p *corev1.Pod) {
	j := x.jobOf(p)
	if p.Status.Phase == corev1.PodSucceeded || jobCondition(j, batchv1.JobComplete) != nil || jobCondition(j, batchv1.JobSuccessCriteriaMet) != nil {
		return
	}
	if j != nil && ptr.Deref(j.Spec.Suspend, false) {
		return
	}
	switch {
	case p.Status.Phase == corev1.PodFailed:
		x.podFailed(p, j)
	case p.DeletionTimestamp != nil:
		if !x.containers(p, j) {
			x.terminating(p)
		}
	case p.Spec.NodeName == "":
		x.unscheduled(p, j)
	case x.containers(p, j):
	case x.startup(p, j):
	default:
		x.notReady(p, j)
	}
}

// failure completes a draft about a pod that has failed or whose container
// has: it is final when nobody will try again.
func (x *examiner) failure(d draft, p *corev1.Pod, j *batchv1.Job) {
	if failed(j) != nil {
		d.final, d.Certain = true, true
		d.Happened = sentences(d.Happened, fate(j))
		c := failed(j)
		if c.Reason == batchv1.JobReasonDeadlineExceeded {
			d.final = false
		}
	}
	if j == nil && metav1.GetControllerOf(p) == nil && p.Status.Phase == corev1.PodFailed {
		d.final, d.Certain = true, true
	}
	d.indexed = podIndex(p) != ""
	d.Count = 1
	d.key = workload(p) + "/" + d.key
	if d.crashKey != "" {
		d.crashKey = workload(p) + "/" + d.crashKey
	}
	x.add(d)
}

// podFailed explains a pod in phase Failed.
func (x *examiner) podFailed(p *corev1.Pod, j *batchv1.Job) {
	if x.rejected(p, j) || x.disrupted(p, j) {
		return
	}
	if s, t, init := worst(p); t != nil {
		x.ended(p, j, s, t, init, false)
		return
	}
	x.failure(draft{rank: rankCrash, key: "failed/" + p.Status.Reason, when: ranUntil(p), Finding: Finding{
		Reason: orElse(p.Status.Reason, "PodFailed"), Subject: podSubject(p), Summary: "a pod has failed",
		Happened: podSubject(p) + " has failed, and no container says why.",
		Why:      quote(p.Status.Message),
		Do:       kubectlDescribe(p),
	}}, p, j)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func kubectlDescribe(p *corev1.Pod) string {
	return fmt.Sprintf("See what the cluster says about it: kubectl describe pod -n %s %s", p.Namespace, p.Name)
}

// ranUntil is when the pod ended, as far as it says.
func ranUntil(p *corev1.Pod) time.Time {
	var t time.Time
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if s.State.Terminated != nil && s.State.Terminated.FinishedAt.After(t) {
			t = s.State.Terminated.FinishedAt.Time
		}
	}
	for _, c := range p.Status.Conditions {
		if t.IsZero() || c.Type == corev1.DisruptionTarget {
			t = c.LastTransitionTime.Time
		}
	}
	if t.IsZero() {
		t = p.CreationTimestamp.Time
	}
	return t
}

var (
	evictedLow       = regexp.MustCompile(`low on resource: ([a-z-]+)`)
	evictedCondition = regexp.MustCompile(`The node had condition: \[?([A-Za-z, ]+)\]?`)
	evictedEmptyDir  = regexp.MustCompile(`Usage of EmptyDir volume "([^"]+)" exceeds the limit "([^"]+)"`)
	evictedContainer = regexp.MustCompile(`Container (\S+) exceeded its local ephemeral storage limit "([^"]+)"`)
	evictedPod       = regexp.MustCompile(`Pod ephemeral local storage usage exceeds the total limit of containers (\S+?)\.?(\s|$)`)
	notAllocated     = regexp.MustCompile(`devices unavailable for ([^\s.]+(?:\.[a-z]+/[^\s.,]+)?)`)
)

// rejected explains a pod that a node has turned away or thrown out: its
// status has a reason of its own.
func (x *examiner) rejected(p *corev1.Pod, j *batchv1.Job) bool {
	reason, msg := p.Status.Reason, p.Status.Message
	if reason == "" {
		return false
	}
	node := orElse(p.Spec.NodeName, "its node")
	f := Finding{Reason: reason, Subject: podSubject(p), Why: quote(msg)}
	rank := rankCrash
	res, outOf := strings.CutPrefix(reason, "OutOf")
	switch {
	case reason == "Evicted":
		evicted(&f, p, msg)
	case reason == "DeadlineExceeded":
		f.Summary = "a pod ran longer than its deadline"
		f.Happened = fmt.Sprintf("%s was stopped after %s, the limit of its activeDeadlineSeconds.", f.Subject, span(time.Duration(ptr.Deref(p.Spec.ActiveDeadlineSeconds, 0))*time.Second))
		f.Do = "Raise the pod's activeDeadlineSeconds, or the Job's instead of the pod's."
		f.PodField = []string{"spec", "activeDeadlineSeconds"}
	case reason == "NodeLost":
		f.Summary = "node " + node + " stopped answering"
		f.Happened = fmt.Sprintf("%s was lost: its node %s stopped answering.", f.Subject, node)
		f.Do = "Nothing in the configuration is at fault. Have the node looked at; the run has to be tried again."
	case reason == "Terminated", reason == "NodeShutdown", reason == "Shutdown":
		f.Summary = "node " + node + " was shut down"
		f.Happened = fmt.Sprintf("%s ended because node %s was shut down.", f.Subject, node)
		if reason == "NodeShutdown" {
			f.Summary = "node " + node + " was shutting down"
			f.Happened = fmt.Sprintf("Node %s was shutting down and did not take %s.", node, f.Subject)
		}
		f.Do = "Spot and preemptible nodes go like this. Write checkpoints, and let the Job ignore disruptions in pod_failure_policy so that they do not use up retries."
	case reason == "Preempting", reason == "Preempted":
		f.Summary = "a pod was pushed off node " + node
		f.Happened = fmt.Sprintf("The kubelet of node %s ended %s to make room for a critical pod.", node, f.Subject)
		f.Do = "Let the Job try again; give it a higher priority class if it happens often."
		f.PodField = []string{"spec", "priorityClassName"}
	case outOf:
		rank = rankConfig
		if res == "cpu" || res == "memory" || res == "ephemeral-storage" || res == "pods" || placement.IsExtended(corev1.ResourceName(res)) {
			f.PodField = placement.RequestField(&p.Spec, corev1.ResourceName(res))
		}
		what := res
		if !placement.IsExtended(corev1.ResourceName(res)) {
			what = placement.Unit(corev1.ResourceName(res))
		}
		f.Summary = "node " + node + " had no " + what + " left for a pod"
		f.Happened = fmt.Sprintf("The scheduler chose node %s for %s, but the node had not enough %s and turned it away.", node, f.Subject, what)
		if res == "pods" {
			f.Summary = "node " + node + " takes no more pods"
			f.Happened = fmt.Sprintf("The scheduler chose node %s for %s, but the node ran as many pods as it takes and turned it away.", node, f.Subject)
		}
		f.Do = "Another pod was quicker, or the node has lost some of it. Try again; if it comes back, compare the node's allocatable with what its pods ask for."
		if gpu.Is(corev1.ResourceName(res)) {
			f.Do = fmt.Sprintf("A GPU may have failed or its device plugin restarted: compare capacity and allocatable of %s on node %s. Try again, or keep off that node.", res, node)
		}
	case reason == "UnexpectedAdmissionError":
		rank = rankConfig
		f.Summary = "node " + node + " could not give a pod its devices"
		f.Happened = fmt.Sprintf("Node %s turned %s away because its device plugin could not hand out what the pod asks for.", node, f.Subject)
		f.Do = fmt.Sprintf("See the device plugin's pod on node %s: a GPU may have failed, or the plugin was restarting. Trying again usually lands on another node.", node)
		if m := notAllocated.FindStringSubmatch(msg); m != nil {
			f.PodField = placement.RequestField(&p.Spec, corev1.ResourceName(m[1]))
		}
		if f.PodField == nil {
			for i := range p.Spec.Containers {
				if f.PodField = acceleratorField(&p.Spec, p.Spec.Containers[i].Name); f.PodField != nil {
					break
				}
			}
		}
	case reason == "TopologyAffinityError":
		rank = rankConfig
		f.Summary = "node " + node + " cannot align the pod's CPUs and devices"
		f.Happened = fmt.Sprintf("The topology manager of node %s turned %s away: its CPUs, memory and devices do not fit into one NUMA domain.", node, f.Subject)
		f.Do = "Ask for no more CPUs, memory and GPUs than one NUMA domain of the node has, or use nodes with a laxer topology manager policy."
	case reason == "NodeAffinity":
		rank = rankConfig
		f.Summary = "node " + node + " no longer has the labels the pod asks for"
		f.Happened = fmt.Sprintf("Node %s turned %s away: its labels do not match the pod's node selector or affinity.", node, f.Subject)
		f.Do = "Something changed the node's labels after scheduling, often feature discovery restarting. Try again."
		f.PodField = []string{"spec", "affinity"}
		if len(p.Spec.NodeSelector) > 0 {
			f.PodField = []string{"spec", "nodeSelector"}
		}
	case reason == "AppArmor":
		rank = rankConfig
		f.Summary = "node " + node + " cannot enforce the pod's AppArmor profile"
		f.Happened = fmt.Sprintf("Node %s turned %s away over its AppArmor profile.", node, f.Subject)
		f.Do = "Load the profile on the nodes, or drop it from the security context."
		f.PodField = []string{"spec", "securityContext"}
	case reason == "InvalidNodeInfo":
		rank = rankConfig
		f.Summary = "node " + node + " was not ready for a pod"
		f.Happened = fmt.Sprintf("Node %s turned %s away because its kubelet could not read what it is itself.", node, f.Subject)
		f.Do = "Try again; if it comes back, have the node looked at."
	case reason == "PodLevelResourcesNotSupported", reason == "SupplementalGroupsPolicyNotSupported",
		reason == "PodFeatureUnsupported", reason == "PodOSNotSupported", reason == "PodOSSelectorNodeLabelDoesNotMatch", reason == "UnexpectedPredicateFailureType":
		rank = rankConfig
		f.Summary = "node " + node + " does not support what the pod asks for"
		f.Happened = fmt.Sprintf("Node %s turned %s away (%s).", node, f.Subject, reason)
		f.Do = "Use nodes with a newer kubelet, or leave the feature out."
	default:
		if _, t, _ := worst(p); t != nil {
			return false
		}
		rank = rankConfig
		f.Summary = "a pod has failed: " + reason
		f.Happened = fmt.Sprintf("%s has failed with reason %s.", f.Subject, reason)
		f.Do = kubectlDescribe(p)
	}
	d := draft{rank: rank, key: "status/" + reason + "/" + same(msg), when: ranUntil(p), Finding: f}
	if rank == rankConfig {
		d.key = "status/" + reason
	}
	x.failure(d, p, j)
	return true
}

// pressures says what a node condition that makes a kubelet evict is about.
var pressures = map[string]string{"MemoryPressure": "memory", "DiskPressure": "disk space", "PIDPressure": "process ids"}

// evicted tells the several reasons apart for which a kubelet evicts.
func evicted(f *Finding, p *corev1.Pod, msg string) {
	node := orElse(p.Spec.NodeName, "its node")
	switch {
	case evictedEmptyDir.MatchString(msg):
		m := evictedEmptyDir.FindStringSubmatch(msg)
		f.Summary = fmt.Sprintf("volume %s outgrew its limit of %s", m[1], m[2])
		f.Happened = fmt.Sprintf("%s was evicted: it wrote more than %s into volume %s.", f.Subject, m[2], m[1])
		f.Do = "Raise the volume's size limit, or write less into it."
		f.PodField = []string{"spec", "volumes", m[1]}
		for i := range p.Spec.Containers {
			if v := sharedMemory(&p.Spec, p.Spec.Containers[i].Name); v != nil && v.Name == m[1] {
				f.Summary = "shared memory outgrew its limit of " + m[2]
				f.Happened = fmt.Sprintf("%s was evicted: it put more than %s into /dev/shm.", f.Subject, m[2])
				f.Do = "Raise shared_memory, or use fewer data loader workers. What is in it also counts towards the memory limit."
			}
		}
	case evictedContainer.MatchString(msg):
		m := evictedContainer.FindStringSubmatch(msg)
		f.Summary = fmt.Sprintf("container %s outgrew its ephemeral-storage limit of %s", m[1], m[2])
		f.Happened = fmt.Sprintf("%s was evicted: container %s wrote more than %s to its own file system and logs.", f.Subject, m[1], m[2])
		f.Do = "Raise the limit of ephemeral-storage in resources, or write data and checkpoints to a volume."
		_, in := container(&p.Spec, m[1])
		f.PodField = []string{"spec", in, m[1], "resources", "limits", "ephemeral-storage"}
	case evictedPod.MatchString(msg):
		m := evictedPod.FindStringSubmatch(msg)
		f.Summary = "a pod outgrew its ephemeral-storage limit of " + m[1]
		f.Happened = fmt.Sprintf("%s was evicted: its containers, logs and empty volumes together wrote more than %s to the node's disk.", f.Subject, m[1])
		f.Do = "Raise the limit of ephemeral-storage in resources, or write data and checkpoints to a volume."
		if f.PodField = placement.RequestField(&p.Spec, corev1.ResourceEphemeralStorage); f.PodField != nil {
			f.PodField[len(f.PodField)-2] = "limits"
		}
	case evictedLow.MatchString(msg), evictedCondition.MatchString(msg):
		what := "resources"
		if m := evictedLow.FindStringSubmatch(msg); m != nil {
			what = m[1]
		} else if m := evictedCondition.FindStringSubmatch(msg); m != nil {
			what = pressures[strings.TrimSpace(m[1])]
			if what == "" {
				what = "resources (" + strings.TrimSpace(m[1]) + ")"
			}
		}
		f.Summary = "node " + node + " ran low on " + what + " and evicted a pod"
		f.Happened = fmt.Sprintf("%s was evicted because node %s ran low on %s.", f.Subject, node, what)
		r := corev1.ResourceName("")
		switch what {
		case "memory":
			r = corev1.ResourceMemory
			f.Do = "Pods that use more memory than they request go first: raise the memory request to what the program really uses."
		case "ephemeral-storage", "disk space", "inodes":
			r = corev1.ResourceEphemeralStorage
			f.Do = "Request as much ephemeral-storage as the program writes outside volumes, or write to a volume. Big images fill the disk too."
		default:
			f.Do = "Look at what else runs on the node; pods that use more than they request go first."
		}
		if f.PodField = placement.RequestField(&p.Spec, r); f.PodField == nil && r != "" && len(p.Spec.Containers) > 0 {
			f.PodField = []string{"spec", "containers", p.Spec.Containers[0].Name, "resources", "requests", string(r)}
		}
	default:
		f.Summary = "a pod was evicted from node " + node
		f.Happened = fmt.Sprintf("%s was evicted by the kubelet of node %s.", f.Subject, node)
		f.Do = "See what else runs on the node; pods that use more than they request go first."
	}
}

// disrupted explains a pod that others have ended.
func (x *examiner) disrupted(p *corev1.Pod, j *batchv1.Job) bool {
	c := podCondition(p, corev1.DisruptionTarget)
	if c == nil || c.Status != corev1.ConditionTrue {
		return false
	}
	node := orElse(p.Spec.NodeName, "its node")
	f := Finding{Reason: c.Reason, Subject: podSubject(p), Why: quote(c.Message)}
	f.Do = "Nothing in the program is at fault. Let the Job ignore disruptions in pod_failure_policy (condition DisruptionTarget) so that they do not use up retries, and write checkpoints."
	switch c.Reason {
	case corev1.PodReasonPreemptionByScheduler:
		f.Summary = "a pod was preempted by one of higher priority"
		f.Happened = fmt.Sprintf("%s was ended on node %s to make room for a pod of higher priority.", f.Subject, node)
		f.PodField = []string{"spec", "priorityClassName"}
	case "DeletionByTaintManager":
		f.Summary = "a pod was removed from node " + node + " by a taint"
		f.Happened = fmt.Sprintf("%s was removed because node %s got a NoExecute taint it does not tolerate: mostly a node that stopped answering or is being drained.", f.Subject, node)
	case "DeletionByDeviceTaintManager":
		f.Summary = "a device of the pod was tainted"
		f.Happened = fmt.Sprintf("%s was removed because a device it used on node %s was tainted as unhealthy.", f.Subject, node)
	case "EvictionByEvictionAPI":
		f.Summary = "a pod was evicted by a drain of node " + node
		f.Happened = fmt.Sprintf("%s was evicted through the API: somebody drains node %s, or an autoscaler removes it.", f.Subject, node)
	case "DeletionByPodGC":
		f.Summary = "node " + node + " is gone"
		f.Happened = fmt.Sprintf("%s was cleared away because its node %s no longer exists.", f.Subject, node)
	case corev1.PodReasonTerminationByKubelet:
		f.Summary = "the kubelet of node " + node + " ended a pod"
		f.Happened = fmt.Sprintf("%s was ended by the kubelet of node %s.", f.Subject, node)
	default:
		f.Summary = "a pod was disrupted on node " + node
		f.Happened = fmt.Sprintf("%s was ended from outside (%s).", f.Subject, c.Reason)
	}
	x.failure(draft{rank: rankAfterEffect, key: "disrupted/" + c.Reason, when: c.LastTransitionTime.Time, Finding: f}, p, j)
	return true
}

// worst picks the container that made the pod fail: one the kernel killed for
// memory, else the first to end badly. The others follow it.
func worst(p *corev1.Pod) (*corev1.ContainerStatus, *corev1.ContainerStateTerminated, bool) {
	var status *corev1.ContainerStatus
	var state *corev1.ContainerStateTerminated
	var isInit bool
	look := func(ss []corev1.ContainerStatus, init bool) {
		for i := range ss {
			t := ss[i].State.Terminated
			if t != nil && stopped(p, t) {
				// What it died of before counts: its tries were over, so it was stopped.
				t = ss[i].LastTerminationState.Terminated
			}
			if t == nil || t.ExitCode == 0 && t.Reason != reasonOOM {
				continue
			}
			if state == nil || t.Reason == reasonOOM && state.Reason != reasonOOM ||
				(t.Reason == reasonOOM) == (state.Reason == reasonOOM) && t.FinishedAt.Before(&state.FinishedAt) {
				status, state, isInit = &ss[i], t, init
			}
		}
	}
	look(p.Status.InitContainerStatuses, true)
	look(p.Status.ContainerStatuses, false)
	return status, state, isInit
}

// stopped reports whether a container ended because its pod was being deleted.
func stopped(p *corev1.Pod, t *corev1.ContainerStateTerminated) bool {
	if p.DeletionTimestamp == nil {
		return false
	}
	asked := p.DeletionTimestamp.Add(-time.Duration(ptr.Deref(p.DeletionGracePeriodSeconds, 0)) * time.Second)
	return !t.FinishedAt.Time.Before(asked)
}
