package diagnose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// startup explains a pod on a node whose containers are not made yet: volumes,
// network, images on their way. False when it only just began.
func (x *examiner) startup(p *corev1.Pod, _ *batchv1.Job) bool {
	if p.Status.Phase != corev1.PodPending {
		return false
	}
	events := x.events.of("Pod", p)
	f := Finding{Subject: podSubject(p), Count: 1}
	d := draft{rank: rankVolume, indexed: podIndex(p) != ""}
	node := p.Spec.NodeName
	if ev := newest(events, "FailedMount", "FailedAttachVolume", "FailedMapVolume", "VolumePermissionChangeInProgress", "FailedPrepareDynamicResources",
		"FailedCreatePodSandBox", "FailedPodSandBoxStatus", "NetworkNotReady"); ev != nil && !overcome(events, ev) {
		d.when = lastSeen(ev)
		f.Reason, f.Why = ev.Reason, quote(message(ev))
		x.startupEvent(&f, p, ev, events)
	} else {
		since := p.CreationTimestamp.Time
		if p.Status.StartTime != nil {
			since = p.Status.StartTime.Time
		}
		age := x.e.Now.Sub(since)
		d.when, d.rank = since, rankWaiting
		pulling := newest(events, "Pulling")
		switch {
		case pulling != nil && !overcome(events, pulling):
			f.Reason, f.Summary = "Pulling", "an image is still being pulled"
			f.Happened = fmt.Sprintf("Node %s has been pulling an image of %s for %s. Large images take minutes.", node, f.Subject, span(x.e.Now.Sub(lastSeen(pulling))))
			f.Why = quote(message(pulling))
			f.Do = "Wait longer (timeouts), or make the image smaller or known to the nodes beforehand."
		case runningInit(p) != "":
			name := runningInit(p)
			f.Reason, f.Summary = "Initializing", "init container "+name+" is still running"
			f.Happened = fmt.Sprintf("%s waits for its init container %s, which has run for %s.", f.Subject, name, span(x.e.Now.Sub(initSince(p, name))))
			f.Do = fmt.Sprintf("Wait longer (timeouts), or see what it does: kubectl logs -n %s %s -c %s", p.Namespace, p.Name, name)
		case age >= slowStart:
			f.Reason, f.Summary = "ContainerCreating", "the containers of a pod are still being made"
			f.Happened = fmt.Sprintf("%s has been on node %s for %s, its containers are not made, and the node does not say why.", f.Subject, node, span(age))
			f.Do = kubectlDescribe(p)
			if ev := newestWarning(events); ev != nil && !overcome(events, ev) {
				f.Reason, f.Why = ev.Reason, quote(message(ev))
				f.Happened = fmt.Sprintf("%s has been on node %s for %s and its containers are not made.", f.Subject, node, span(age))
			}
			if n := x.node(node); n != nil {
				if c := nodeReady(n); c != nil && c.Status != corev1.ConditionTrue {
					f.Reason, f.Summary, f.Why = "NodeNotReady", "node "+node+" is not ready", quote(c.Message)
					f.Do = "Have the node looked at; the pod starts when it answers again."
				}
			}
		default:
			return false
		}
	}
	d.Finding = f
	d.key = strings.Join([]string{workload(p), "startup", f.Reason, f.Summary}, "/")
	x.add(d)
	return true
}

// overcome reports whether a container was made after the event, so that what
// it told of is past.
func overcome(events []*corev1.Event, ev *corev1.Event) bool {
	return slices.ContainsFunc(events, func(o *corev1.Event) bool {
		switch o.Reason {
		case "Created", "Started", "Pulled":
			return lastSeen(o).After(lastSeen(ev))
		}
		return false
	})
}

func runningInit(p *corev1.Pod) string {
	for _, s := range p.Status.InitContainerStatuses {
		if s.State.Running != nil && !ptr.Deref(s.Started, false) || s.State.Running != nil && !isSidecar(p, s.Name) {
			return s.Name
		}
	}
	return ""
}

func isSidecar(p *corev1.Pod, name string) bool {
	c, in := container(&p.Spec, name)
	return c != nil && in == "initContainers" && ptr.Deref(c.RestartPolicy, "") == corev1.ContainerRestartPolicyAlways
}

func initSince(p *corev1.Pod, name string) time.Time {
	for _, s := range p.Status.InitContainerStatuses {
		if s.Name == name && s.State.Running != nil {
			return s.State.Running.StartedAt.Time
		}
	}
	return time.Time{}
}

var (
	volumeName      = regexp.MustCompile(`for volume "([^"]+)"|unmounted volumes=\[([^\]\s,]+)|volumes/kubernetes\.io~[^/]+/([^/]+)/`)
	mountMissing    = regexp.MustCompile(`(configmap|secret) "([^"]+)" not found|references non-existent (config|secret) key`)
	multiAttach     = regexp.MustCompile(`Multi-Attach error`)
	driverNotOnNode = regexp.MustCompile(`driver name (\S+) not found in the list of registered CSI drivers`)
)

// startupEvent explains an event that keeps a pod's containers from being made.
func (x *examiner) startupEvent(f *Finding, p *corev1.Pod, ev *corev1.Event, events []*corev1.Event) {
	node, msg := orElse(p.Spec.NodeName, "its node"), message(ev)
	n := count(ev)
	what := "a volume"
	if m := volumeName.FindStringSubmatch(msg); m != nil {
		if v := x.podVolume(p, m[1]+m[2]+m[3]); v != "" {
			what = "volume " + v
			f.PodField = []string{"spec", "volumes", v}
		}
	}
	f.Happened = fmt.Sprintf("%s of %s cannot be mounted on node %s; it was tried %s.", upperFirst(what), f.Subject, node, times(n))
	switch ev.Reason {
	case "FailedAttachVolume", "FailedMapVolume":
		f.Summary = what + " cannot be attached to node " + node
		f.Happened = fmt.Sprintf("%s of %s cannot be attached to node %s.", upperFirst(what), f.Subject, node)
		f.Do = "The words are those of the storage driver; see its controller and node pods."
		if multiAttach.MatchString(msg) {
			f.Reason, f.Summary = "MultiAttach", what+" is still attached to another node"
			f.Happened += " It can be attached to one node at a time, and another still has it."
			f.Do = "Wait until the pod that uses it has ended; when its node is dead, delete that pod by force once the node is surely off. Pods on several nodes need access mode ReadWriteMany."
		}
	case "FailedMount":
		f.Summary = what + " cannot be mounted"
		f.Do = "See that the volume exists and that the node can reach the storage."
		switch {
		case mountMissing.MatchString(msg):
			m := mountMissing.FindStringSubmatch(msg)
			if m[2] != "" {
				kind := "ConfigMap"
				if m[1] == "secret" {
					kind = "Secret"
				}
				f.Reason, f.Summary = kind+"NotFound", kindName(kind, m[2])+" of "+what+" is missing"
				f.Happened = fmt.Sprintf("%s of %s cannot be mounted: there is no %s in namespace %s.", upperFirst(what), f.Subject, kindName(kind, m[2]), p.Namespace)
				f.Do = fmt.Sprintf("Create it in namespace %s, or correct the name; the pod starts by itself once it is there.", p.Namespace)
			} else {
				f.Reason = map[string]string{"config": "ConfigMapKeyNotFound", "secret": "SecretKeyNotFound"}[m[3]]
				f.Summary = fmt.Sprintf("the %s of %s lacks a key", map[string]string{"config": "config map", "secret": "secret"}[m[3]], what)
				f.Do = "Add the key, or take it out of the volume's items."
			}
			if since := x.e.Now.Sub(firstSeen(ev)); since >= configGrace {
				f.Certain = true
			}
		case driverNotOnNode.MatchString(msg):
			f.Reason, f.Summary = "DriverNotOnNode", "the storage driver of "+what+" does not run on node "+node
			f.Do = fmt.Sprintf("See the node pods of CSI driver %s: they have to run on node %s, and so have to tolerate its taints.", driverNotOnNode.FindStringSubmatch(msg)[1], node)
		case strings.Contains(msg, "timed out waiting for the condition"), strings.Contains(msg, "context deadline exceeded"):
			f.Do = "Mounting takes too long: a slow storage system, or ownership being changed file by file on a large volume (set fsGroupChangePolicy to OnRootMismatch)."
			if older := newest(events, "FailedAttachVolume"); older != nil {
				f.Why = quote(message(older))
			}
		case strings.Contains(msg, "permission denied"), strings.Contains(msg, "access denied"):
			f.Do = "The storage server refuses the node: see its export rules and credentials."
		case strings.Contains(msg, "gcsfuse"), strings.Contains(msg, "fuse"):
			f.Do = "See the bucket's name and that the pod's service account may read it."
		case strings.Contains(msg, "hostPath type check failed"):
			f.Do = fmt.Sprintf("The path is not on node %s, or is of another type.", node)
		}
	case "VolumePermissionChangeInProgress":
		f.Summary = "ownership of the files on " + what + " is being changed"
		f.Happened = fmt.Sprintf("Node %s is changing the group of every file on %s of %s, which takes long on large volumes.", node, what, f.Subject)
		f.Do = "Set fsGroupChangePolicy to OnRootMismatch in the pod's security context, so that it is done once."
		f.PodField = []string{"spec", "securityContext", "fsGroupChangePolicy"}
	case "FailedPrepareDynamicResources":
		f.Summary = "node " + node + " cannot prepare the devices of a pod"
		f.Happened = fmt.Sprintf("The DRA driver on node %s cannot prepare what the resource claims of %s were given.", node, f.Subject)
		f.Do = fmt.Sprintf("See the DRA driver's pod on node %s.", node)
		f.PodField = []string{"spec", "resourceClaims"}
	case "FailedCreatePodSandBox", "FailedPodSandBoxStatus", "NetworkNotReady":
		f.Summary = "node " + node + " cannot set up the network of a pod"
		f.Happened = fmt.Sprintf("Node %s cannot set up the network of %s; it was tried %s.", node, f.Subject, times(n))
		f.Do = fmt.Sprintf("See the network plugin's pod on node %s, and whether its addresses are used up. Nothing in the configuration is at fault.", node)
		if strings.Contains(msg, "RuntimeClass") || strings.Contains(msg, "no runtime for") {
			f.Summary = "node " + node + " does not have the pod's runtime class"
			f.Happened = fmt.Sprintf("Node %s cannot run %s: it has no such runtime; it was tried %s.", node, f.Subject, times(n))
			f.Do = "Use nodes that have it, or drop runtime_class_name."
			f.PodField = []string{"spec", "runtimeClassName"}
		}
		f.Why = quote(msg)
	}
}

// podVolume turns the name in an event, which may be the PersistentVolume's,
// into the name of the pod's volume.
func (x *examiner) podVolume(p *corev1.Pod, name string) string {
	for _, v := range p.Spec.Volumes {
		if v.Name == name {
			return name
		}
	}
	for _, c := range x.claims {
		if c.Spec.VolumeName == name && c.Namespace == p.Namespace {
			return volumeOfClaim(&p.Spec, c.Name)
		}
	}
	return ""
}

// notReady explains a pod that runs and is not ready, or whose size cannot be
// changed.
func (x *examiner) notReady(p *corev1.Pod, _ *batchv1.Job) {
	f := Finding{Subject: podSubject(p), Count: 1}
	d := draft{rank: rankNotReady, indexed: podIndex(p) != "", when: x.e.Now}
	for _, c := range p.Status.Conditions {
		refused := c.Type == corev1.PodResizePending || c.Type == corev1.PodResizeInProgress && c.Reason == corev1.PodReasonError
		if c.Status != corev1.ConditionTrue || !refused {
			continue
		}
		f.Reason, f.Summary, f.Why = "Resize"+c.Reason, "the resources of a running pod cannot be changed now", quote(c.Message)
		f.Happened = fmt.Sprintf("Node %s does not give %s the resources it now asks for.", p.Spec.NodeName, f.Subject)
		f.Do = "Wait for other pods on the node to end, or let the pod be made anew elsewhere."
		if c.Reason == corev1.PodReasonInfeasible {
			f.Do = "The node can never give that much: let the pod be made anew elsewhere, or ask for less."
		}
		d.Finding, d.key = f, workload(p)+"/resize/"+c.Reason
		x.add(d)
		return
	}
	if p.Status.Phase != corev1.PodRunning {
		return
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return
		}
	}
	for _, s := range p.Status.ContainerStatuses {
		if s.Ready || s.State.Running == nil {
			continue
		}
		spec, in := container(&p.Spec, s.Name)
		f.Subject = containerSubject(p, s.Name, false)
		f.Reason, f.Summary = "NotReady", "container "+s.Name+" runs but is not ready"
		f.Happened = fmt.Sprintf("Container %s of %s has run for %s and is not ready.", s.Name, podSubject(p), span(x.e.Now.Sub(s.State.Running.StartedAt.Time)))
		f.Do = fmt.Sprintf("See what it does: kubectl logs -n %s %s -c %s", p.Namespace, p.Name, s.Name)
		for _, ev := range x.events.of("Pod", p) {
			if ev.Reason != "Unhealthy" || !ofContainer(ev, s.Name) {
				continue
			}
			f.Why = quote(message(ev))
			field := "readinessProbe"
			if strings.HasPrefix(ev.Message, "Startup") {
				field = "startupProbe"
			}
			f.PodField = []string{"spec", in, s.Name, field}
			f.Do = "The probe asks for what the program does not give, or not yet: compare its path and port with what the program serves, and give a large model time to load."
			break
		}
		if f.PodField == nil && spec != nil && spec.ReadinessProbe != nil {
			f.PodField = []string{"spec", in, s.Name, "readinessProbe"}
		}
		d.Finding, d.key = f, strings.Join([]string{workload(p), "notready", s.Name, same(f.Why)}, "/")
		d.log = logRef{key: LogKey{p.Name, s.Name}, namespace: p.Namespace}
		d.Log = lastLines(x.e.Logs[d.log.key])
		x.add(d)
		return
	}
	if c := podCondition(p, corev1.PodReady); c != nil && c.Reason == "ReadinessGatesNotReady" {
		f.Reason, f.Summary, f.Why = c.Reason, "a readiness gate of a pod is not met", quote(c.Message)
		f.Happened = f.Subject + " runs, but a readiness gate keeps it from counting as ready."
		f.Do = "Whoever serves the gate (a load balancer controller, say) has not agreed yet."
		f.PodField = []string{"spec", "readinessGates"}
		d.Finding, d.key = f, workload(p)+"/gates"
		x.add(d)
	}
}
