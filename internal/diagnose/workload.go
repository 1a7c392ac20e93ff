package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// workload notes an object whose controller makes pods, other than a Job, and
// what to say of it once its pods have been looked at.
func (x *examiner) workload(o *unstructured.Unstructured) {
	switch o.GetKind() {
	case "Deployment":
		if d, ok := decode[appsv1.Deployment](o); ok {
			m := maker{d, "Deployment", &d.Spec.Template}
			x.makers, x.explain = append(x.makers, m), append(x.explain, func() { x.deployment(m, d) })
		}
	case "ReplicaSet":
		if r, ok := decode[appsv1.ReplicaSet](o); ok {
			m := maker{r, "ReplicaSet", &r.Spec.Template}
			x.makers, x.explain = append(x.makers, m), append(x.explain, func() { x.refused(m, r.Status.Replicas, ptr.Deref(r.Spec.Replicas, 1)) })
		}
	case "StatefulSet":
		if s, ok := decode[appsv1.StatefulSet](o); ok {
			m := maker{s, "StatefulSet", &s.Spec.Template}
			x.makers, x.explain = append(x.makers, m), append(x.explain, func() { x.statefulSet(m, s) })
		}
	case "DaemonSet":
		if d, ok := decode[appsv1.DaemonSet](o); ok {
			m := maker{d, "DaemonSet", &d.Spec.Template}
			x.makers, x.explain = append(x.makers, m), append(x.explain, func() { x.daemonSet(m, d) })
		}
	case inferenceService:
		if s, ok := decode[servedModel](o); ok {
			x.explain = append(x.explain, func() { x.served(s) })
		}
	case "CronJob":
		if c, ok := decode[batchv1.CronJob](o); ok {
			m := maker{c, "CronJob", &c.Spec.JobTemplate.Spec.Template}
			x.makers, x.explain = append(x.makers, m), append(x.explain, func() { x.cronJob(m, c) })
		}
	}
}

// ofPods returns the first finding about a pod of a controller whose name begins
// with prefix; nil when the pods have nothing to say.
func (x *examiner) ofPods(kind, namespace, prefix string) *draft {
	for i := range x.drafts {
		if strings.HasPrefix(x.drafts[i].key, kind+"/"+namespace+"/"+prefix) {
			return &x.drafts[i]
		}
	}
	return nil
}

// stalled adds a finding about a rollout itself.
func (x *examiner) stalled(m maker, f Finding, since time.Time) {
	f.Subject = m.String()
	x.add(draft{rank: rankJob, key: m.kind + "/rollout/" + m.GetNamespace() + "/" + m.GetName() + "/" + f.Reason, when: since, Finding: f})
}

// unseen tells of an object that its controller has not looked at; false when it has.
func (x *examiner) unseen(m maker, observed int64) bool {
	if observed >= m.GetGeneration() || x.e.Now.Sub(m.GetCreationTimestamp().Time) < idleGrace {
		return false
	}
	x.stalled(m, Finding{
		Reason: "NotObserved", Summary: "nobody has acted on the " + m.kind + " yet",
		Happened: fmt.Sprintf("The controller of %s has not taken notice of its last change.", m),
		Do:       "See whether kube-controller-manager runs.",
	}, x.e.Now)
	return true
}

func deploymentCondition(d *appsv1.Deployment, t appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range d.Status.Conditions {
		if d.Status.Conditions[i].Type == t {
			return &d.Status.Conditions[i]
		}
	}
	return nil
}

// deployment explains what a Deployment itself says. Its pods' own failures tell
// more, and get what it says as a sentence.
func (x *examiner) deployment(m maker, d *appsv1.Deployment) {
	want := ptr.Deref(d.Spec.Replicas, 1)
	s := d.Status
	if c := deploymentCondition(d, appsv1.DeploymentReplicaFailure); c != nil && c.Status == corev1.ConditionTrue {
		x.replicaFailure(m, d, c, want)
		return
	}
	if x.unseen(m, s.ObservedGeneration) {
		return
	}
	done := s.UpdatedReplicas >= want && s.Replicas == s.UpdatedReplicas && s.AvailableReplicas == s.UpdatedReplicas
	progressing := deploymentCondition(d, appsv1.DeploymentProgressing)
	pods := x.ofPods("ReplicaSet", d.Namespace, d.Name+"-")
	late := progressing != nil && progressing.Reason == "ProgressDeadlineExceeded"
	deadline := span(time.Duration(ptr.Deref(d.Spec.ProgressDeadlineSeconds, 600)) * time.Second)
	switch {
	case done:
	case progressing != nil && progressing.Reason == "ReplicaSetCreateError":
		x.stalled(m, Finding{
			Reason: progressing.Reason, Summary: "the Deployment cannot make its ReplicaSet", Why: quote(progressing.Message),
			Happened: fmt.Sprintf("%s has no pods of this version: the API server refused the ReplicaSet that would make them.", m),
			Do:       "Change what the API server objects to.",
		}, progressing.LastTransitionTime.Time)
	case d.Spec.Paused:
		x.stalled(m, Finding{
			Reason: "DeploymentPaused", Summary: "the Deployment is paused",
			Happened: fmt.Sprintf("%s is paused, so its last change is not rolled out: %s of this version.", m, some(s.UpdatedReplicas, want)),
			Do:       fmt.Sprintf("Resume it: kubectl rollout resume -n %s deployment/%s", d.Namespace, d.Name),
			Field:    []string{"Deployment", "spec", "paused"},
		}, x.e.Now)
	case pods != nil && late:
		pods.Happened = sentences(pods.Happened, fmt.Sprintf("%s has made no progress for longer than its progress deadline of %s.", m, deadline))
	case pods != nil:
	case late:
		x.stalled(m, Finding{
			Reason: progressing.Reason, Summary: "the rollout has made no progress for " + deadline, Why: quote(progressing.Message),
			Happened: fmt.Sprintf("%s: %s ready, and no more became so within %s (progressDeadlineSeconds).", m, some(s.ReadyReplicas, want), deadline),
			Do:       "Its pods do not say why: see kubectl describe of them. The rollout goes on by itself when they become ready; a model that loads for long needs a longer deadline.",
			Field:    []string{"Deployment", "spec", "progressDeadlineSeconds"},
		}, progressing.LastTransitionTime.Time)
	case s.UpdatedReplicas >= want && s.ReadyReplicas >= want && s.AvailableReplicas < want && d.Spec.MinReadySeconds > 0:
		x.stalled(m, Finding{
			Reason: "MinimumReplicasUnavailable", Summary: "the pods have not been ready for long enough",
			Happened: fmt.Sprintf("%s: all %d pods are ready, but a pod counts only once it has been so for %s (minReadySeconds). So far %s available.", m, want, span(time.Duration(d.Spec.MinReadySeconds)*time.Second), some(s.AvailableReplicas, want)),
			Do:       "Wait longer (timeouts), or lower min_ready_seconds.",
			Field:    []string{"Deployment", "spec", "minReadySeconds"},
		}, x.e.Now)
	case s.UpdatedReplicas >= want && s.Replicas > s.UpdatedReplicas && s.AvailableReplicas >= want:
		old := s.Replicas - s.UpdatedReplicas
		x.stalled(m, Finding{
			Reason: "OldPodsEnding", Summary: "pods of the former version are still ending",
			Happened: fmt.Sprintf("%s: the new pods are ready, and %s of the former version %s still there.", m, plural(int(old), "pod"), agree(old, "is", "are")),
			Do:       "Wait until they have ended; a long grace period delays it.",
		}, x.e.Now)
	case s.AvailableReplicas < want:
		x.stalled(m, Finding{
			Reason: "MinimumReplicasUnavailable", Summary: some(s.AvailableReplicas, want) + " available",
			Happened: fmt.Sprintf("Of %s, %s available, and no pod says why.", m, some(s.AvailableReplicas, want)),
			Do:       fmt.Sprintf("See what the cluster says about it: kubectl describe deployment -n %s %s", d.Namespace, d.Name),
		}, x.e.Now)
	}
}

// replicaFailure explains a Deployment that may not make, or not delete, its pods.
func (x *examiner) replicaFailure(m maker, d *appsv1.Deployment, c *appsv1.DeploymentCondition, want int32) {
	if c.Reason == "FailedDelete" {
		x.stalled(m, Finding{
			Reason: c.Reason, Summary: "pods of the former version cannot be deleted", Why: quote(c.Message),
			Happened: fmt.Sprintf("%s cannot delete pods that have to go: the API server refuses it.", m),
			Do:       "Change what the API server objects to: a webhook, as a rule.",
		}, c.LastTransitionTime.Time)
		return
	}
	f := x.tellRefusal(m, c.Message, c.LastTransitionTime.Time, c.LastUpdateTime.Time, 0, d.Status.UpdatedReplicas, want)
	if old := d.Status.Replicas - d.Status.UpdatedReplicas; f.Reason == "QuotaExceeded" && old > 0 {
		// Room comes when a pod of the former version ends, if the strategy lets one.
		f.Certain = f.Certain && stuck(d, want)
		f.Happened += fmt.Sprintf(" %s of the former version still %s, and count.", upperFirst(plural(int(old), "pod")), agree(old, "runs", "run"))
		f.Do = "A rollout needs room for a new pod beside the old ones: let it end an old pod first (max_unavailable of 1 or more, or strategy Recreate), or have the quota raised."
		f.Field = []string{"Deployment", "spec", "strategy"}
		f.PodField = nil
	}
}

// stuck reports whether a rollout may end no pod of the former version before
// there is a new one.
func stuck(d *appsv1.Deployment, want int32) bool {
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return false
	}
	const byDefault = "25%"
	missing := intstr.FromString(byDefault)
	if r := d.Spec.Strategy.RollingUpdate; r != nil && r.MaxUnavailable != nil {
		missing = *r.MaxUnavailable
	}
	most, err := intstr.GetScaledValueFromIntOrPercent(&missing, int(want), false)
	return err == nil && int(d.Status.AvailableReplicas) <= int(want)-most
}

// statefulSet explains what a StatefulSet does not get done.
func (x *examiner) statefulSet(m maker, s *appsv1.StatefulSet) {
	want := ptr.Deref(s.Spec.Replicas, 1)
	st := s.Status
	if st.Replicas < want && x.refused(m, st.Replicas, want) {
		return
	}
	if x.unseen(m, st.ObservedGeneration) {
		return
	}
	ordered := s.Spec.PodManagementPolicy != appsv1.ParallelPodManagement
	updating := st.UpdateRevision != "" && st.CurrentRevision != st.UpdateRevision
	if set := s.Labels[groupsName]; set != "" && x.ofPods(leaderWorkerSet, s.Namespace, set+"/") != nil {
		return // one of its groups is told of
	}
	if pods := x.ofPods("StatefulSet", s.Namespace, s.Name+"/"); pods != nil {
		if ordered && st.Replicas < want {
			pods.Happened += fmt.Sprintf(" %s makes its pods one after the other: it has %d of %d and waits for this one.", m, st.Replicas, want)
		} else if ordered && updating {
			pods.Happened += fmt.Sprintf(" %s replaces its pods one after the other and waits for this one; if it is still of the former version, delete it by hand, for the controller does not.", m)
		}
		return
	}
	switch strategy := s.Spec.UpdateStrategy; {
	case updating && strategy.Type == appsv1.OnDeleteStatefulSetStrategyType:
		x.stalled(m, Finding{
			Reason: "OnDelete", Summary: "pods of the former version wait to be deleted by hand",
			Happened: fmt.Sprintf("%s has %s of this version and %d of the former. Its update strategy is OnDelete: a pod is made anew only when somebody deletes it.", m, plural(int(st.UpdatedReplicas), "pod"), want-st.UpdatedReplicas),
			Do:       fmt.Sprintf("Delete them one by one (kubectl delete pod -n %s …), or use update strategy RollingUpdate.", s.Namespace),
			Field:    []string{"StatefulSet", "spec", "updateStrategy"},
		}, x.e.Now)
	case st.ReadyReplicas < want:
		x.stalled(m, Finding{
			Reason: "NotReady", Summary: some(st.ReadyReplicas, want) + " ready",
			Happened: fmt.Sprintf("Of %s, %s ready, and no pod says why.", m, some(st.ReadyReplicas, want)),
			Do:       fmt.Sprintf("See what the cluster says about it: kubectl describe statefulset -n %s %s", s.Namespace, s.Name),
		}, x.e.Now)
	}
}

// daemonSet explains what a DaemonSet does not get done.
func (x *examiner) daemonSet(m maker, d *appsv1.DaemonSet) {
	st := d.Status
	if st.CurrentNumberScheduled < st.DesiredNumberScheduled && x.refused(m, st.CurrentNumberScheduled, st.DesiredNumberScheduled) {
		return
	}
	if x.unseen(m, st.ObservedGeneration) || x.ofPods("DaemonSet", d.Namespace, d.Name+"/") != nil {
		return
	}
	events := x.events.of("DaemonSet", d)
	switch {
	case st.DesiredNumberScheduled == 0:
		x.stalled(m, Finding{
			Reason: "NoNodes", Summary: "no node is one the DaemonSet runs on",
			Happened: fmt.Sprintf("%s runs nowhere: no node has the labels that its node selector asks for. That is no fault where such nodes come later, as in a pool that was scaled to none.", m),
			Do:       "Compare the selector with the nodes' labels: kubectl get nodes --show-labels",
			PodField: []string{"spec", "nodeSelector"},
		}, x.e.Now)
	case newest(events, "FailedDaemonPod") != nil && st.NumberUnavailable > 0:
		ev := newest(events, "FailedDaemonPod")
		x.stalled(m, Finding{
			Reason: ev.Reason, Summary: "pods of the DaemonSet fail and are made again", Why: quote(message(ev)),
			Happened: fmt.Sprintf("%s runs on %d of %s. A pod of it failed and was deleted, so what it died of is not known.", m, st.NumberAvailable, plural(int(st.DesiredNumberScheduled), "node")),
			Do:       fmt.Sprintf("Follow the next one: kubectl get pods -n %s -w", d.Namespace),
		}, lastSeen(ev))
	case st.NumberUnavailable > 0 || st.UpdatedNumberScheduled < st.DesiredNumberScheduled:
		x.stalled(m, Finding{
			Reason: "NotReady", Summary: fmt.Sprintf("the DaemonSet is ready on %s of %s", number(st.NumberAvailable), plural(int(st.DesiredNumberScheduled), "node")),
			Happened: fmt.Sprintf("%s should run on %s; on %s it is of this version, on %s it is ready. No pod says why.", m, plural(int(st.DesiredNumberScheduled), "node"), number(st.UpdatedNumberScheduled), number(st.NumberAvailable)),
			Do:       fmt.Sprintf("See what the cluster says about it: kubectl describe daemonset -n %s %s", d.Namespace, d.Name),
		}, x.e.Now)
	}
}

// scheduleTrouble is what the CronJob controller says in events, and what it means.
var scheduleTrouble = map[string]struct {
	summary, happened, do string
	field                 []string
}{
	"UnparseableSchedule": {"the schedule cannot be read", "its controller cannot read the schedule, so no run is started.", "Correct the schedule: five fields, or @daily and the like.", []string{"CronJob", "spec", "schedule"}},
	"InvalidSchedule":     {"the schedule cannot be read", "its controller cannot read the schedule, so no run is started.", "Correct the schedule: five fields, or @daily and the like.", []string{"CronJob", "spec", "schedule"}},
	"UnsupportedSchedule": {"the time zone stands in the schedule", "a TZ or CRON_TZ inside the schedule is not supported.", "Take it out of the schedule and set time_zone.", []string{"CronJob", "spec", "schedule"}},
	"UnknownTimeZone":     {"the time zone is not known", "its controller does not know the time zone, so no run is started.", "Use a name of the IANA database, such as Europe/Berlin; the cluster may have an old one.", []string{"CronJob", "spec", "timeZone"}},
	"TooManyMissedTimes":  {"too many runs were missed", "more than 100 starts were missed, by a controller that was down or a clock that jumped.", "Set starting_deadline_seconds, so that only recent starts count, and check the clocks of the control plane.", []string{"CronJob", "spec", "startingDeadlineSeconds"}},
	"MissSchedule":        {"a run was not started in time", "its controller was too late for a start and left it out.", "Raise starting_deadline_seconds, or see whether kube-controller-manager is overloaded.", []string{"CronJob", "spec", "startingDeadlineSeconds"}},
	"JobAlreadyActive":    {"a run was left out because the former one still runs", "its concurrency policy Forbid lets no run start beside another.", "Let runs be shorter or rarer, or use concurrency policy Replace or Allow.", []string{"CronJob", "spec", "concurrencyPolicy"}},
	"MissingJob":          {"a run was deleted by somebody", "a run that was active is gone.", "Nothing in the configuration is at fault; the next run starts at its time.", nil},
	"UnexpectedJob":       {"a run was found that the schedule did not start", "there is a run that its controller does not know.", "See who made it: kubectl describe job", nil},
}

// cronJob explains why a schedule starts no runs. How its runs go is told of
// their Jobs.
func (x *examiner) cronJob(m maker, c *batchv1.CronJob) {
	events := x.events.of("CronJob", c)
	started := newest(events, "SuccessfulCreate")
	if refusals := repeats(events, hasReason("FailedCreate")); len(refusals) > 0 &&
		(started == nil || lastSeen(refusals[0].newest).After(lastSeen(started))) {
		r := refusals[0]
		x.tellRefusal(m, message(r.newest), r.first, lastSeen(r.newest), r.times, 0, 0)
		return
	}
	i := slices.IndexFunc(events, func(ev *corev1.Event) bool { _, known := scheduleTrouble[ev.Reason]; return known })
	if i >= 0 && (started == nil || lastSeen(events[i]).After(lastSeen(started))) {
		t := scheduleTrouble[events[i].Reason]
		x.stalled(m, Finding{
			Certain: slices.Contains([]string{"UnparseableSchedule", "InvalidSchedule", "UnsupportedSchedule", "UnknownTimeZone"}, events[i].Reason),
			Reason:  events[i].Reason, Summary: t.summary, Happened: m.String() + ": " + t.happened,
			Why: quote(message(events[i])), Do: t.do, Field: t.field,
		}, lastSeen(events[i]))
		return
	}
	if ptr.Deref(c.Spec.Suspend, false) {
		x.stalled(m, Finding{
			Reason: "Suspended", Summary: "the schedule is suspended", Happened: m.String() + " is suspended, so it starts no runs.",
			Do: "Set suspend = false.", Field: []string{"CronJob", "spec", "suspend"},
		}, x.e.Now)
	}
}

// number writes a count as people do, none for 0.
func number(n int32) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}

// some says "2 of 3 pods are", for what comes after the verb.
func some(n, of int32) string {
	return fmt.Sprintf("%s of %s %s", number(n), plural(int(of), "pod"), agree(max(n, 1), "is", "are"))
}

// agree picks the form of a word that goes with a count.
func agree(n int32, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}
