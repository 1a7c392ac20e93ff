package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// When repeated trouble of a container counts as certain.
const (
	crashesCertain = 2
	pullsCertain   = 3
	configGrace    = time.Minute
	// pullGrace serves where the events that count pulls cannot be read: by
	// then a kubelet has tried at least three times (it waits 10 s, then 20 s).
	pullGrace = 2 * time.Minute
)

// Reasons that container statuses give.
const (
	reasonOOM       = "OOMKilled"
	reasonCrashLoop = "CrashLoopBackOff"
	reasonUnknown   = "ContainerStatusUnknown"
)

// containers explains the containers of a pod that is on a node; false when
// none has anything to say.
func (x *examiner) containers(p *corev1.Pod, j *batchv1.Job) bool {
	found := false
	look := func(ss []corev1.ContainerStatus, init bool) {
		for i := range ss {
			found = x.container(p, j, &ss[i], init) || found
		}
	}
	look(p.Status.InitContainerStatuses, true)
	if found {
		// The others wait for the init container.
		return true
	}
	look(p.Status.ContainerStatuses, false)
	return found
}

func (x *examiner) container(p *corev1.Pod, j *batchv1.Job, s *corev1.ContainerStatus, init bool) bool {
	last := s.LastTerminationState.Terminated
	if last != nil && stopped(p, last) {
		last = nil
	}
	switch {
	case s.State.Terminated != nil:
		t := s.State.Terminated
		if t.ExitCode == 0 && t.Reason != reasonOOM || stopped(p, t) {
			return false
		}
		x.ended(p, j, s, t, init, false)
		return true
	case s.State.Waiting != nil:
		w := s.State.Waiting
		if isRoutine(w.Reason) {
			if last == nil || last.ExitCode == 0 {
				return false
			}
			x.ended(p, j, s, last, init, true)
			return true
		}
		if p.DeletionTimestamp != nil && last == nil {
			return false
		}
		if (w.Reason == reasonCrashLoop || strings.HasPrefix(w.Reason, "RunContainer")) && last != nil {
			x.ended(p, j, s, last, init, true)
			return true
		}
		x.waiting(p, j, s, init)
		return true
	case s.State.Running != nil:
		if last == nil || last.ExitCode == 0 && last.Reason != reasonOOM || s.Ready || init && s.Started != nil && *s.Started {
			return false
		}
		x.ended(p, j, s, last, init, true)
		return true
	}
	return false
}

// isRoutine reports whether every container waits for this reason once.
func isRoutine(reason string) bool {
	return reason == "" || reason == "ContainerCreating" || reason == "PodInitializing"
}

// crashes is how often the container has ended so far.
func crashes(s *corev1.ContainerStatus) int {
	n := int(s.RestartCount)
	if s.State.Running == nil {
		n++
	}
	return n
}

func containerSubject(p *corev1.Pod, name string, init bool) string {
	if init {
		return podSubject(p) + " init container " + name
	}
	return podSubject(p) + " container " + name
}

func noun(init bool) string {
	if init {
		return "init container"
	}
	return "container"
}

// ended explains a container that ended badly. Previous is whether the log of
// that end is the one before the current container's.
func (x *examiner) ended(p *corev1.Pod, j *batchv1.Job, s *corev1.ContainerStatus, t *corev1.ContainerStateTerminated, init, previous bool) {
	key := LogKey{Pod: p.Name, Container: s.Name}
	f := Finding{
		Subject: containerSubject(p, s.Name, init),
		Log:     lastLines(x.e.Logs[key]),
		Why:     quote(t.Message),
	}
	what := noun(init) + " " + s.Name
	n := crashes(s)
	d := draft{when: t.FinishedAt.Time, crashes: n, log: logRef{key: key, namespace: p.Namespace, previous: previous}}
	c := cause{pod: p, name: s.Name, what: what, t: t, f: &f, spec: &p.Spec, log: x.e.Logs[key]}
	d.rank = c.explain()
	if probe := x.killedByProbe(p, s, t); probe != nil {
		*c.f = probeFinding(f, p, s.Name, what, probe)
	}
	ran := ""
	if !t.StartedAt.IsZero() && t.FinishedAt.After(t.StartedAt.Time) {
		ran = " after running for " + span(t.FinishedAt.Sub(t.StartedAt.Time))
	}
	f.Happened = strings.ReplaceAll(f.Happened, ranMark, ran)
	if n > 1 {
		f.Happened += fmt.Sprintf(" It has ended %s in this pod.", times(n))
	}
	if sick := sickDevices(p, s); sick != "" && d.rank >= rankCrash {
		f.Happened += " " + sick
		f.Do = fmt.Sprintf("Have node %s looked at (kernel log, Xid events) and keep off it meanwhile.", p.Spec.NodeName)
	}
	cmd := fmt.Sprintf("kubectl logs -n %s %s -c %s", p.Namespace, p.Name, s.Name)
	if previous {
		cmd += " --previous"
	}
	why := x.e.Withheld[key]
	if why != "" {
		f.Log = ""
		if f.Why == quote(t.Message) && !isNotStarted(t) {
			f.Why = "" // a probe's and the runtime's words are not the program's
		}
	}
	// One quote: a termination message taken from the log is the log.
	if f.Log != "" && f.Why != "" {
		if strings.Contains(f.Log, f.Why) && strings.Contains(f.Why, "\n") {
			f.Why = ""
		} else if strings.Contains(f.Why, f.Log) {
			f.Log = ""
		}
	}
	switch {
	case f.Log != "" || f.Why != "":
	case why != "":
		f.Do = fmt.Sprintf("%s What it wrote is not quoted here: %s. See it with: %s", strings.TrimSuffix(f.Do, lastWordsName), why, cmd)
	default:
		said := " It left no message; its output: "
		if slices.ContainsFunc(x.e.Notes, func(n string) bool { return strings.HasPrefix(n, logNote) }) {
			said = " Its output, for somebody who may read it: "
		}
		f.Do += said + cmd
	}
	d.Finding = f
	exit := fmt.Sprintf("%s/%s/%d", s.Name, t.Reason, t.ExitCode)
	d.key = "ended/" + exit + "/" + f.Reason + "/" + same(f.Why)
	if t.Reason != reasonUnknown {
		d.crashKey = exit
	}
	if t.ExitCode == 0 && t.Reason != reasonOOM {
		d.crashKey = ""
	}
	x.failure(d, p, j)
}

// sickDevices tells of devices of the container that were found unhealthy.
func sickDevices(p *corev1.Pod, s *corev1.ContainerStatus) string {
	var sick []string
	for _, r := range s.AllocatedResourcesStatus {
		for _, d := range r.Resources {
			if d.Health == corev1.ResourceHealthStatusUnhealthy {
				sick = append(sick, fmt.Sprintf("%s (%s)", d.ResourceID, r.Name))
			}
		}
	}
	switch len(sick) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("Its device %s on node %s is reported as unhealthy.", sick[0], p.Spec.NodeName)
	}
	return fmt.Sprintf("Its devices %s on node %s are reported as unhealthy.", list(sick, 3), p.Spec.NodeName)
}

// ranMark stands in a text where the running time goes.
const ranMark = "\x00ran"

// killedByProbe returns the event of the probe for whose failure the kubelet
// ended the container, or nil.
func (x *examiner) killedByProbe(p *corev1.Pod, s *corev1.ContainerStatus, t *corev1.ContainerStateTerminated) *corev1.Event {
	if t.Reason == reasonOOM {
		return nil
	}
	killed := false
	events := x.events.of("Pod", p)
	for _, ev := range events {
		if ev.Reason == "Killing" && strings.Contains(ev.Message, "Container "+s.Name+" failed") && strings.Contains(ev.Message, "probe") {
			killed = true
		}
	}
	if !killed {
		return nil
	}
	for _, ev := range events {
		if ev.Reason == "Unhealthy" && ofContainer(ev, s.Name) && !strings.HasPrefix(ev.Message, "Readiness") {
			return ev
		}
	}
	return nil
}

func probeFinding(f Finding, p *corev1.Pod, name, what string, ev *corev1.Event) Finding {
	kind, field := "liveness", "livenessProbe"
	if strings.HasPrefix(ev.Message, "Startup") {
		kind, field = "startup", "startupProbe"
	}
	_, in := container(&p.Spec, name)
	f.Reason = "ProbeFailed"
	f.Summary = "the " + kind + " probe of " + what + " failed"
	f.Happened = fmt.Sprintf("The kubelet ended %s of %s%s because its %s probe failed.", what, podSubject(p), ranMark, kind)
	f.Why = quote(message(ev))
	f.Do = "Give the probe more time (failure_threshold × period_seconds), or fix what it asks for. Loading a large model can take many minutes: use a startup probe for that."
	f.PodField = []string{"spec", in, name, field}
	return f
}
