package diagnose

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// waiting explains a container that a kubelet cannot start.
func (x *examiner) waiting(p *corev1.Pod, j *batchv1.Job, s *corev1.ContainerStatus, init bool) {
	w := s.State.Waiting
	what := noun(init) + " " + s.Name
	f := Finding{Reason: w.Reason, Subject: containerSubject(p, s.Name, init), Why: quote(w.Message)}
	c := &cause{pod: p, spec: &p.Spec, name: s.Name, what: what, f: &f, t: &corev1.ContainerStateTerminated{Message: w.Message}}
	d := draft{rank: rankConfig, when: x.waitingSince(p, s)}
	switch w.Reason {
	case "ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "SignatureValidationFailed", "ImageInspectError":
		x.pull(p, s, c, &d)
	case "InvalidImageName":
		f.Summary = "the image name of " + what + " is not valid"
		f.Happened = fmt.Sprintf("The image name %q of %s cannot be parsed.", specImage(c, s), what)
		f.Do = "Write it as registry/repository:tag or registry/repository@sha256:…, in lower case and without a scheme such as https://."
		f.PodField = c.field("image")
		x.grace(&d, &f)
	case "ErrImageNeverPull":
		f.Summary = "the image of " + what + " is not on its node"
		f.Happened = fmt.Sprintf("Image %q is not on node %s, and the pull policy Never forbids fetching it.", specImage(c, s), p.Spec.NodeName)
		f.Do = "Load the image onto the node, or set image_pull_policy to IfNotPresent."
		f.PodField = c.field("imagePullPolicy")
		x.grace(&d, &f)
	case "CreateContainerConfigError":
		configError(c, w.Message)
		x.grace(&d, &f)
	case "CreateContainerError", "PreCreateHookError":
		f.Happened = fmt.Sprintf("The container runtime of node %s cannot create %s.", p.Spec.NodeName, what)
		createError(c, w.Message)
	case "RunContainerError", "StartError", "PreStartHookError":
		f.Happened = fmt.Sprintf("%s of %s could not be started.", upperFirst(what), podSubject(p))
		startAdvice(c, w.Message)
		d.crashKey, d.crashes = s.Name+"/"+w.Reason, crashes(s)
	case "PostStartHookError":
		f.Summary = "the post_start hook of " + what + " fails"
		f.Happened = fmt.Sprintf("The postStart hook of %s failed, so the container was ended.", what)
		f.Do = "Fix the hook's command; it runs inside the container, at the same time as the program."
		f.PodField = c.field("lifecycle", "postStart")
	case reasonCrashLoop:
		f.Summary = what + " crashes again and again"
		f.Happened = fmt.Sprintf("%s of %s has ended %s and is started again after ever longer pauses. How it ended is not recorded.", upperFirst(what), podSubject(p), times(crashes(s)))
		f.Why = ""
		f.Do = fmt.Sprintf("Its output: kubectl logs -n %s %s -c %s --previous", p.Namespace, p.Name, s.Name)
		d.rank, d.crashKey, d.crashes = rankCrash, s.Name+"/crash", crashes(s)
		d.log = logRef{key: LogKey{p.Name, s.Name}, namespace: p.Namespace, previous: true}
		f.Log = lastLines(x.e.Logs[d.log.key])
	case "CreatePodSandboxError", "ConfigPodSandboxError", "KillPodSandboxError", "NetworkNotReady":
		f.Summary = "node " + p.Spec.NodeName + " cannot set up the network of a pod"
		f.Happened = fmt.Sprintf("Node %s cannot set up the sandbox of %s.", p.Spec.NodeName, podSubject(p))
		f.Do = fmt.Sprintf("See the network plugin's pod on node %s. Nothing in the configuration is at fault.", p.Spec.NodeName)
	case "ResizePodInPlaceError":
		f.Summary = "the resources of " + what + " could not be changed in place"
		f.Happened = fmt.Sprintf("Node %s could not change the resources of %s while it runs.", p.Spec.NodeName, podSubject(p))
		f.Do = "Ask for what the node has, or let the pod be made anew."
		f.PodField = c.field("resources")
	default:
		f.Summary = what + " cannot start: " + w.Reason
		f.Happened = fmt.Sprintf("%s of %s waits with reason %s.", upperFirst(what), podSubject(p), w.Reason)
		f.Do = kubectlDescribe(p)
	}
	d.Finding = f
	if d.key == "" {
		d.key = strings.Join([]string{"waiting", s.Name, f.Summary, same(f.Why)}, "/")
	}
	if d.crashKey != "" {
		d.crashKey = workload(p) + "/" + d.crashKey
	}
	d.Count = 1
	d.indexed = podIndex(p) != ""
	d.key = workload(p) + "/" + d.key
	if j != nil && failed(j) != nil && failed(j).Reason != batchv1.JobReasonDeadlineExceeded {
		d.rank = rankWaiting
	}
	x.add(d)
}

// specImage is the image as the user wrote it; the status may show another name.
func specImage(c *cause, s *corev1.ContainerStatus) string {
	if spec, _ := container(c.spec, c.name); spec != nil && spec.Image != "" {
		return spec.Image
	}
	return s.Image
}

// waitingSince is since when a container is refused: the first event that says
// so, else the last time the pod's readiness changed.
func (x *examiner) waitingSince(p *corev1.Pod, s *corev1.ContainerStatus) time.Time {
	w := s.State.Waiting
	var first time.Time
	for _, ev := range x.events.of("Pod", p) {
		if ev.Type != corev1.EventTypeWarning || !ofContainer(ev, s.Name) {
			continue
		}
		if ev.Reason != "Failed" && ev.Reason != "InspectFailed" && ev.Reason != w.Reason {
			continue
		}
		if t := firstSeen(ev); first.IsZero() || t.Before(first) {
			first = t
		}
	}
	if !first.IsZero() {
		return first
	}
	for _, t := range []corev1.PodConditionType{corev1.ContainersReady, corev1.PodInitialized, corev1.PodScheduled} {
		if c := podCondition(p, t); c != nil && c.LastTransitionTime.After(first) {
			first = c.LastTransitionTime.Time
		}
	}
	if p.Status.StartTime != nil && p.Status.StartTime.After(first) {
		first = p.Status.StartTime.Time
	}
	if first.IsZero() {
		first = p.CreationTimestamp.Time
	}
	return first
}

// grace makes a configuration error certain once what it lacks had time to be
// made in the same apply.
func (x *examiner) grace(d *draft, f *Finding) {
	age := x.e.Now.Sub(d.when)
	f.Certain = age >= configGrace
	if age >= time.Second {
		f.Happened += fmt.Sprintf(" This has been so for %s.", span(age))
	}
}

var (
	missingKey    = regexp.MustCompile(`couldn't find key (\S+) in (ConfigMap|Secret) \S+/(\S+)`)
	missingObject = regexp.MustCompile(`(configmap|secret) "([^"]+)" not found`)
)

// configError reads what a kubelet says when a container's configuration
// names what is not there.
func configError(c *cause, msg string) {
	f, ns := c.f, c.pod.Namespace
	switch {
	case missingKey.MatchString(msg):
		m := missingKey.FindStringSubmatch(msg)
		f.Reason = m[2] + "KeyNotFound"
		f.Summary = fmt.Sprintf("%s of %s has no key %s", kindName(m[2], m[3]), c.what, m[1])
		f.Happened = fmt.Sprintf("%s of %s cannot start: %s in namespace %s has no key %s.", upperFirst(c.what), podSubject(c.pod), kindName(m[2], m[3]), ns, m[1])
		f.Do = "Add the key, or name one that is there."
		f.PodField = c.reference(m[2], m[3], m[1])
	case missingObject.MatchString(msg):
		m := missingObject.FindStringSubmatch(msg)
		kind := "ConfigMap"
		if m[1] == "secret" {
			kind = "Secret"
		}
		f.Reason = kind + "NotFound"
		f.Summary = fmt.Sprintf("%s of %s does not exist", kindName(kind, m[2]), c.what)
		f.Happened = fmt.Sprintf("%s of %s cannot start: there is no %s in namespace %s.", upperFirst(c.what), podSubject(c.pod), kindName(kind, m[2]), ns)
		f.Do = fmt.Sprintf("Create it in namespace %s, or correct the name; the pod starts by itself once it is there.", ns)
		f.PodField = c.reference(kind, m[2], "")
	case strings.Contains(msg, "runAsNonRoot"):
		f.Reason = "RunAsNonRoot"
		f.Summary = c.what + " would run as root, which is forbidden"
		if strings.Contains(msg, "non-numeric") {
			f.Summary = "run_as_non_root needs the user of " + c.what + " as a number"
		}
		f.Happened = fmt.Sprintf("%s of %s cannot start under runAsNonRoot.", upperFirst(c.what), podSubject(c.pod))
		f.Do = "Set run_as_user to a number other than 0, use an image with such a user, or drop run_as_non_root."
		f.PodField = c.field("securityContext", "runAsUser")
	case strings.Contains(msg, "subPath"), strings.Contains(msg, "subpath"):
		f.Summary = "a sub_path of " + c.what + " cannot be mounted"
		f.Happened = fmt.Sprintf("%s of %s cannot start: a sub_path of its mounts cannot be prepared.", upperFirst(c.what), podSubject(c.pod))
		f.Do = "See that the path exists in the volume and that the pod may write there."
		f.PodField = c.field("volumeMounts")
	default:
		f.Summary = "the configuration of " + c.what + " cannot be met"
		f.Happened = fmt.Sprintf("%s of %s cannot start: something its configuration names is not there.", upperFirst(c.what), podSubject(c.pod))
		f.Do = "Provide what is missing; the pod starts by itself once it is there."
	}
}

func kindName(kind, name string) string {
	if kind == "Secret" {
		return "secret " + name
	}
	return "config map " + name
}

// reference finds where the container names a ConfigMap or Secret.
func (c *cause) reference(kind, name, key string) []string {
	spec, _ := container(c.spec, c.name)
	if spec == nil {
		return nil
	}
	for _, e := range spec.Env {
		if e.ValueFrom == nil {
			continue
		}
		if r := e.ValueFrom.SecretKeyRef; kind == "Secret" && r != nil && r.Name == name && (key == "" || r.Key == key) {
			return c.field("env", e.Name)
		}
		if r := e.ValueFrom.ConfigMapKeyRef; kind == "ConfigMap" && r != nil && r.Name == name && (key == "" || r.Key == key) {
			return c.field("env", e.Name)
		}
	}
	for _, e := range spec.EnvFrom {
		if kind == "Secret" && e.SecretRef != nil && e.SecretRef.Name == name || kind == "ConfigMap" && e.ConfigMapRef != nil && e.ConfigMapRef.Name == name {
			return c.field("envFrom")
		}
	}
	return nil
}

// createError reads what a container runtime says when it cannot make a container.
func createError(c *cause, msg string) {
	f := c.f
	switch {
	case strings.Contains(msg, "no command specified"):
		f.Summary = c.what + " has no command"
		f.Do = "The image has no entrypoint of its own: set command."
		f.PodField = c.field("command")
	case strings.Contains(msg, "is reserved for"), strings.Contains(msg, "name is in use"), strings.Contains(msg, "is already in use"):
		f.Summary = "the runtime of a node still holds a former " + c.what
		f.Do = "This passes when the runtime has cleared the former container away; if it does not, the node's runtime needs a restart."
	case strings.Contains(msg, "context deadline exceeded"):
		f.Summary = "the container runtime of a node does not answer"
		f.Do = fmt.Sprintf("Node %s is overloaded or its disk is slow; see its state. Nothing in the configuration is at fault.", c.pod.Spec.NodeName)
	default:
		startAdvice(c, msg)
		f.Summary = strings.Replace(f.Summary, "could not be started", "could not be created", 1)
	}
}

var backOffPull = regexp.MustCompile(`^Back-off pulling image "[^"]*":? ?(ErrImagePull: )?`)

// pull explains an image that does not come.
func (x *examiner) pull(p *corev1.Pod, s *corev1.ContainerStatus, c *cause, d *draft) {
	f, w := c.f, s.State.Waiting
	image := specImage(c, s)
	d.rank = rankPull
	events := x.events.of("Pod", p)
	failed := repeats(events, func(ev *corev1.Event) bool {
		return ev.Reason == "Failed" && strings.Contains(ev.Message, "pull") && !strings.HasPrefix(message(ev), "Error: ") && ofContainer(ev, s.Name) &&
			(ev.InvolvedObject.FieldPath != "" || !strings.Contains(ev.Message, `"`) || strings.Contains(ev.Message, image))
	})
	if len(failed) == 0 {
		// What a kubelet says at each failed pull besides the error itself.
		failed = repeats(events, func(ev *corev1.Event) bool {
			return ev.Reason == "Failed" && strings.HasPrefix(message(ev), "Error: ErrImagePull") && ofContainer(ev, s.Name)
		})
	}
	said := backOffPull.ReplaceAllString(w.Message, "")
	pulls := 0
	for _, r := range failed {
		pulls = max(pulls, r.times)
	}
	if len(failed) > 0 {
		if told := message(failed[0].newest); said == "" && !strings.HasPrefix(told, "Error: ") {
			said = told
		}
		f.Certain = pulls >= pullsCertain
	} else {
		f.Certain = x.e.Now.Sub(d.when) >= pullGrace
	}
	f.Happened = fmt.Sprintf("Image %q of %s cannot be pulled onto node %s.", image, c.what, orElse(p.Spec.NodeName, "its node"))
	if pulls > 1 {
		f.Happened += fmt.Sprintf(" It was tried %s with the same error.", times(pulls))
	}
	f.PodField = c.field("image")
	f.Why = quote(said)
	pullAdvice(c, image, said)
	d.key = strings.Join([]string{"pull", s.Name, image, f.Reason}, "/")
}

// pullAdvice reads what registries and runtimes say.
func pullAdvice(c *cause, image, msg string) {
	f := c.f
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(strings.ToLower(msg), w) {
				return true
			}
		}
		return false
	}
	registry := registryOf(image)
	switch {
	case f.Reason == "SignatureValidationFailed" || has("signature validation"):
		f.Summary = "the image signature of " + c.what + " is not accepted"
		f.Do = "Use an image signed as the nodes' policy asks, or have the policy changed."
	case has("toomanyrequests", "429 too many requests", "pull rate limit"):
		f.Reason = "PullRateLimit"
		f.Summary = "registry " + registry + " limits pulls, so " + c.what + " cannot start"
		f.Do = "Log in with an image pull secret to get a higher limit, or use a mirror of the image in your own registry. It may pass by itself after some hours."
		f.PodField = []string{"spec", "imagePullSecrets"}
	case has("pull access denied", "insufficient_scope"):
		f.Reason = "PullDenied"
		f.Summary = "the image of " + c.what + " does not exist or may not be pulled"
		f.Do = fmt.Sprintf("Check the name %q for typing errors. If the repository is private, add an image pull secret for %s in namespace %s.", image, registry, c.pod.Namespace)
	case has("unauthorized", "401", "403 forbidden", "authorization failed", "no basic auth credentials", "authentication required", "denied:", "permission denied", "forbidden"):
		f.Reason = "PullUnauthorized"
		f.Summary = "registry " + registry + " refuses to give the image of " + c.what
		f.Do = fmt.Sprintf("Add an image pull secret for %s in namespace %s (image_pull_secrets), or renew the one that is set; cloud registries want the nodes' identity to be allowed to read.", registry, c.pod.Namespace)
		f.PodField = []string{"spec", "imagePullSecrets"}
		if len(c.spec.ImagePullSecrets) == 0 {
			f.PodField = c.field("image")
		}
	case has("no match for platform", "no matching manifest", "no image found in manifest list for architecture", "no image found in image index for architecture"):
		f.Reason = "WrongArchitecture"
		f.Summary = "the image of " + c.what + " does not exist for its node's architecture"
		f.Do = "Use an image for the architecture of these nodes, or select nodes by kubernetes.io/arch."
	case has("not found", "manifest unknown", "manifest_unknown", "name_unknown", "repository does not exist"):
		f.Reason = "ImageNotFound"
		f.Summary = "the image of " + c.what + " does not exist"
		f.Do = fmt.Sprintf("Check name and tag of %q: the registry answers, and does not know it.", image)
	case has("x509", "certificate"):
		f.Reason = "RegistryCertificate"
		f.Summary = "the certificate of registry " + registry + " is not trusted"
		f.Do = "The nodes' container runtime has to know the registry's certificate authority."
	case has("http: server gave http response to https client"):
		f.Reason = "RegistryPlainHTTP"
		f.Summary = "registry " + registry + " speaks plain HTTP"
		f.Do = "Serve the registry over TLS, or configure the nodes' container runtime to accept it."
	case has("no space left on device", "disk quota"):
		f.Reason = "NodeDiskFull"
		f.Summary = "node " + c.pod.Spec.NodeName + " has no room for the image of " + c.what
		f.Do = "Use nodes with a bigger disk, or a smaller image; other images and logs on the node count too."
	case has("short-name"):
		f.Reason = "ShortImageName"
		f.Summary = "the image name of " + c.what + " lacks its registry"
		f.Do = fmt.Sprintf("Write the registry out, such as docker.io/%s.", image)
	case f.Reason == "RegistryUnavailable" || has("registry is unavailable", "no such host", "i/o timeout", "connection refused", "connection reset", "tls handshake timeout", "dial tcp", "network is unreachable", "bad gateway", "service unavailable", "gateway timeout", "eof"):
		f.Reason = "RegistryUnreachable"
		f.Summary = "registry " + registry + " cannot be reached"
		f.Do = fmt.Sprintf("See that node %s can reach %s (name resolution, proxy, firewall), and that the registry is up.", c.pod.Spec.NodeName, registry)
	case f.Reason == "ImageInspectError":
		f.Summary = "node " + c.pod.Spec.NodeName + " cannot read the image of " + c.what
		f.Do = "The node's image store is damaged: have the image removed there, or use another node."
		f.PodField = nil
	default:
		f.Summary = "the image of " + c.what + " cannot be pulled"
		f.Do = fmt.Sprintf("Check name and tag of %q, and whether the registry wants an image pull secret.", image)
	}
}

// registryOf names the registry an image comes from.
func registryOf(image string) string {
	host, _, ok := strings.Cut(image, "/")
	if ok && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return host
	}
	return "docker.io"
}
