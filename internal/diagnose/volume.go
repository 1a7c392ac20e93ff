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

// When trouble with volumes is worth saying or certain.
const (
	// provisionsCertain: more reports of one error than this are certain.
	provisionsCertain = 3
	// silentProvisioner is how long a provisioner may take before its absence
	// is the likeliest cause.
	silentProvisioner = 2 * time.Minute
	// slowStart is how long a container may take to be made before that is a
	// finding of its own.
	slowStart = 2 * time.Minute
)

func claimKey(namespace, name string) string { return "claim/" + namespace + "/" + name }

var (
	classNotFound = regexp.MustCompile(`storageclass(?:\.storage\.k8s\.io)? "([^"]+)" not found`)
	cloudQuota    = regexp.MustCompile(`(?i)quota|limit ?exceeded|RESOURCE_EXHAUSTED|VolumeLimitExceeded|insufficient capacity|ZONE_RESOURCE_POOL_EXHAUSTED`)
	cloudDenied   = regexp.MustCompile(`(?i)UnauthorizedOperation|AccessDenied|AuthorizationFailed|PermissionDenied|not authorized|permission denied|status code: 403`)
	badParameter  = regexp.MustCompile(`(?i)invalid ?(parameter|argument|option|value)|unknown parameter|not supported|unsupported|InvalidArgument`)
)

// claim explains a volume claim that is not well.
func (x *examiner) claim(c *corev1.PersistentVolumeClaim) {
	subject := "PersistentVolumeClaim " + c.Namespace + "/" + c.Name
	events := x.events.of("PersistentVolumeClaim", c)
	f := Finding{Subject: subject, Field: []string{"PersistentVolumeClaim", "spec"}}
	d := draft{rank: rankClaim, key: claimKey(c.Namespace, c.Name), when: c.CreationTimestamp.Time}
	class := ptr.Deref(c.Spec.StorageClassName, "")
	switch c.Status.Phase {
	case corev1.ClaimLost:
		f.Certain, f.Reason, f.Summary = true, "ClaimLost", "volume claim "+c.Name+" has lost its volume"
		f.Happened = subject + " was bound to volume " + orElse(c.Spec.VolumeName, "unknown") + ", which no longer exists or belongs to another claim."
		f.Do = "The data on that volume is gone with it, unless the storage behind it was kept: restore the PersistentVolume, or delete the claim and make it anew."
		if ev := newest(events, "ClaimLost", "ClaimMisbound"); ev != nil {
			f.Why = quote(message(ev))
			if ev.Reason == "ClaimMisbound" {
				f.Reason, f.Summary = "ClaimMisbound", "volume claim "+c.Name+" was bound to a volume of another claim"
			}
		}
		f.Field = []string{"PersistentVolumeClaim", "spec", "volumeName"}
	case corev1.ClaimBound:
		if !x.resize(c, &f, events) {
			return
		}
	default:
		if !x.pendingClaim(c, &f, &d, events, class) {
			return
		}
	}
	d.Finding = f
	x.add(d)
}

func newest(events []*corev1.Event, reasons ...string) *corev1.Event {
	if i := slices.IndexFunc(events, hasReason(reasons...)); i >= 0 {
		return events[i]
	}
	return nil
}

// pendingClaim explains a claim without a volume; false when it only just began.
func (x *examiner) pendingClaim(c *corev1.PersistentVolumeClaim, f *Finding, d *draft, events []*corev1.Event, class string) bool {
	age := x.e.Now.Sub(c.CreationTimestamp.Time)
	classField := []string{"PersistentVolumeClaim", "spec", "storageClassName"}
	if rs := repeats(events, hasReason("ProvisioningFailed")); len(rs) > 0 {
		r := rs[0]
		// A provisioner that was told to try elsewhere may report two errors in turn.
		for _, other := range rs {
			if other.times > r.times {
				r = other
			}
		}
		f.Reason = "ProvisioningFailed"
		f.Certain = r.times > provisionsCertain
		f.Why = quote(message(r.newest))
		f.Happened = fmt.Sprintf("No volume can be made for %s; it was tried %s.", f.Subject, times(r.times))
		provisioningAdvice(c, f, class, message(r.newest))
		return true
	}
	if ev := newest(events, "VolumeMismatch", "FailedBinding"); ev != nil {
		f.Reason, f.Why = ev.Reason, quote(message(ev))
		if ev.Reason == "VolumeMismatch" || strings.Contains(ev.Message, "already bound") {
			f.Summary = "the volume named for claim " + c.Name + " does not fit it"
			f.Happened = fmt.Sprintf("%s names volume %s, which it cannot be bound to.", f.Subject, orElse(c.Spec.VolumeName, "by its selector"))
			f.Do = "Size, access modes, class and volume mode have to agree, and the volume must not belong to another claim."
			f.Field = []string{"PersistentVolumeClaim", "spec", "volumeName"}
			return true
		}
		f.Summary = "volume claim " + c.Name + " has no storage class and no volume fits it"
		f.Happened = f.Subject + " names no storage class, the cluster has no default one, and no volume made by hand fits."
		f.Do = "Name a storage class (kubectl get storageclasses), or make one the default."
		f.Field = classField
		return true
	}
	if ev := newest(events, "WaitForPodScheduled"); ev != nil {
		f.Reason, f.Summary = "WaitForPodScheduled", "volume claim "+c.Name+" waits for its pod to be scheduled"
		f.Happened = f.Subject + " gets its volume once a pod that uses it has a node."
		f.Why = quote(message(ev))
		f.Do = "See why the pod is not scheduled; the claim itself is in order."
		d.rank, f.Field = rankWaiting, nil
		return true
	}
	if rs := repeats(events, hasReason("ExternalProvisioning")); len(rs) > 0 && x.e.Now.Sub(rs[0].first) >= silentProvisioner && newest(events, "Provisioning") == nil {
		f.Reason, f.Summary = "ProvisionerSilent", "nobody makes the volume of claim "+c.Name
		by := c.Annotations["volume.kubernetes.io/storage-provisioner"]
		f.Happened = fmt.Sprintf("%s has waited %s for its provisioner%s, which has said nothing.", f.Subject, span(x.e.Now.Sub(rs[0].first)), spaced(by))
		f.Why = quote(message(rs[0].newest))
		f.Do = fmt.Sprintf("See whether the CSI driver is installed and its controller runs: kubectl get csidrivers. Class %s names its provisioner.", orElse(class, "of the claim"))
		f.Field = classField
		return true
	}
	if ev := newest(events, "WaitForFirstConsumer"); ev != nil {
		f.Reason, f.Summary = "WaitForFirstConsumer", "volume claim "+c.Name+" waits for its first pod"
		f.Happened = fmt.Sprintf("%s is not bound, and that is as it should be: class %s makes the volume when a pod that uses the claim is scheduled.", f.Subject, orElse(class, "of the claim"))
		f.Do = "Do not wait for it to be bound before the pod that uses it exists."
		d.rank, f.Field = rankWaiting, classField
		return true
	}
	if age < silentProvisioner {
		return false
	}
	f.Reason, f.Summary = "ClaimPending", "volume claim "+c.Name+" is not bound"
	f.Happened = fmt.Sprintf("%s has been waiting for a volume for %s.", f.Subject, span(age))
	f.Do = fmt.Sprintf("See what the cluster says about it: kubectl describe pvc -n %s %s", c.Namespace, c.Name)
	d.rank = rankWaiting
	return true
}

func spaced(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}

// provisioningAdvice reads what controllers and clouds say.
func provisioningAdvice(c *corev1.PersistentVolumeClaim, f *Finding, class, msg string) {
	f.Field = []string{"PersistentVolumeClaim", "spec", "storageClassName"}
	f.Summary = "no volume can be made for claim " + c.Name
	switch {
	case classNotFound.MatchString(msg):
		name := classNotFound.FindStringSubmatch(msg)[1]
		f.Reason, f.Summary = "StorageClassNotFound", "storage class "+name+" does not exist"
		f.Do = "Create it, with mlk_storage_class for example, or name one of: kubectl get storageclasses"
	case cloudDenied.MatchString(msg):
		f.Do = "The storage driver lacks rights at the cloud or storage system: see the identity its controller runs under."
	case cloudQuota.MatchString(msg):
		f.Do = "A limit of the cloud or storage system is reached: have it raised, delete volumes that are no longer used, or ask for less."
		f.Field = []string{"PersistentVolumeClaim", "spec", "resources", "requests", "storage"}
	case strings.Contains(strings.ToLower(msg), "access mode"), strings.Contains(msg, "MULTI_NODE"):
		f.Do = fmt.Sprintf("Class %s cannot make volumes with these access modes: block storage serves one node, ReadWriteMany needs a file system such as NFS, Filestore, EFS or Lustre.", orElse(class, "of the claim"))
		f.Field = []string{"PersistentVolumeClaim", "spec", "accessModes"}
	case badParameter.MatchString(msg):
		f.Do = fmt.Sprintf("See parameters and mount options of class %s against what its driver takes, and the size against the driver's limits.", orElse(class, "of the claim"))
	default:
		f.Do = fmt.Sprintf("The words are those of the storage driver behind class %s; its controller's log tells more.", orElse(class, "of the claim"))
	}
}

// resize explains a bound claim that does not grow.
func (x *examiner) resize(c *corev1.PersistentVolumeClaim, f *Finding, events []*corev1.Event) bool {
	want, has := c.Spec.Resources.Requests[corev1.ResourceStorage], c.Status.Capacity[corev1.ResourceStorage]
	if !has.IsZero() && want.Cmp(has) <= 0 {
		return false
	}
	f.Field = []string{"PersistentVolumeClaim", "spec", "resources", "requests", "storage"}
	for _, cond := range c.Status.Conditions {
		if cond.Status != corev1.ConditionTrue {
			continue
		}
		switch cond.Type {
		case corev1.PersistentVolumeClaimControllerResizeError, corev1.PersistentVolumeClaimNodeResizeError:
			f.Why = quote(cond.Message)
		case corev1.PersistentVolumeClaimFileSystemResizePending:
			f.Reason, f.Summary = "FileSystemResizePending", "volume claim "+c.Name+" grows once a pod mounts it"
			f.Happened = fmt.Sprintf("The volume of %s has grown to %s; its file system follows when a pod mounts it.", f.Subject, want.String())
			f.Do = "Nothing: start a pod that uses the claim."
			return true
		}
	}
	ev := newest(events, "VolumeResizeFailed", "FileSystemResizeFailed")
	if ev != nil && f.Why == "" {
		f.Why = quote(message(ev))
	}
	infeasible := false
	for _, st := range c.Status.AllocatedResourceStatuses {
		infeasible = infeasible || st == corev1.PersistentVolumeClaimControllerResizeInfeasible || st == corev1.PersistentVolumeClaimNodeResizeInfeasible
	}
	if f.Why == "" && !infeasible {
		return false
	}
	f.Reason, f.Summary = "ResizeFailed", "volume claim "+c.Name+" cannot grow to "+want.String()
	f.Happened = fmt.Sprintf("%s has %s and cannot grow to %s.", f.Subject, has.String(), want.String())
	f.Do = "See the driver's limits. The size can be lowered again, down to just above what the claim has."
	if infeasible {
		f.Certain = true
		f.Happened += " The storage driver says that this size is not possible."
	}
	return true
}

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
				f.Reason, f.Summary = kind+"NotFound", kindName(kind, m[2])+" of "+what+" does not exist"
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
		if c.Status != corev1.ConditionTrue || c.Type != corev1.PodResizePending && !(c.Type == corev1.PodResizeInProgress && c.Reason == corev1.PodReasonError) {
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
