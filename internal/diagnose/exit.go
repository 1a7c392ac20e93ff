package diagnose

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// cause works out why a container ended.
type cause struct {
	pod  *corev1.Pod
	spec *corev1.PodSpec
	// name of the container; what is how texts call it: "container main".
	name, what string
	t          *corev1.ContainerStateTerminated
	f          *Finding
	// log is all of the log that was read; the finding quotes its end.
	log string
}

// field names a field of the container.
func (c *cause) field(segments ...string) []string {
	_, in := container(c.spec, c.name)
	return append([]string{"spec", in, c.name}, segments...)
}

// explain fills the finding and returns its rank.
func (c *cause) explain() int {
	f, t := c.f, c.t
	f.Reason = t.Reason
	words, last := t.Message+"\n"+c.log, t.Message+"\n"+f.Log
	switch {
	case t.Reason == reasonOOM:
		c.oom()
		return rankCause
	case isNotStarted(t):
		c.notStarted()
		return rankCause
	case t.Reason == reasonUnknown:
		f.Summary = c.what + " was lost with its node"
		f.Happened = fmt.Sprintf("How %s of %s ended is not known: node %s lost track of it.", c.what, podSubject(c.pod), orElse(c.pod.Spec.NodeName, "unknown"))
		f.Do = "Nothing in the configuration is at fault, unless the node ran out of memory or disk: see its events."
		return rankAfterEffect
	case t.ExitCode == 0:
		f.Reason = "EndedEarly"
		f.Summary = c.what + " ends by itself and is started again"
		f.Happened = fmt.Sprintf("%s of %s ends with exit code 0%s and is started again each time.", upperFirst(c.what), podSubject(c.pod), ranMark)
		f.Do = "It is expected to run on. See that its command stays in the foreground."
		return rankCrash
	}
	for _, s := range signs {
		said := words
		if s.rank == rankAfterEffect {
			// Programs live through a lost connection; only the last words count.
			said = last
		}
		if s.match.MatchString(said) {
			if s.match == noSpace && c.volumeFull(words) {
				return s.rank
			}
			f.Reason = s.reason
			f.Summary = c.what + " " + s.clause
			f.Happened = fmt.Sprintf("%s of %s ended with %s%s: it %s.", upperFirst(c.what), podSubject(c.pod), exitText(t), ranMark, s.clause)
			f.Do = s.do
			if s.field != nil {
				f.PodField = s.field(c)
			}
			if line := lineOf(c.log, s.match); f.Why == "" && line != "" && !strings.Contains(f.Log, line) {
				f.Why = quote(line)
			}
			return s.rank
		}
	}
	f.Happened = fmt.Sprintf("%s of %s ended with %s%s.", upperFirst(c.what), podSubject(c.pod), exitText(t), ranMark)
	if main := mainContainer(c.spec); main != nil && main.Name != c.name {
		// Of several containers it helps to see which is meant.
		f.PodField = c.field()
	}
	if limit := c.memoryLimit(); t.ExitCode == 137 && limit != "" && c.pod.DeletionTimestamp == nil {
		f.Reason = "Killed"
		f.Summary = c.what + " was killed, perhaps for its memory"
		f.PodField = c.field("resources", "limits", "memory")
		f.Do = fmt.Sprintf("Nobody recorded who killed it, and nobody asked its pod to stop. Suspect %s first: a container runtime misses the kernel's kill now and then, when the container ends with it. "+
			"Compare what the program uses with the limit, and raise it or use less: smaller batches, fewer data loader workers.", limit)
		return rankCrash
	}
	e, ok := exits[t.ExitCode]
	if !ok {
		f.Summary = fmt.Sprintf("%s exited with code %d", c.what, t.ExitCode)
		f.Do = "The program ended by itself, the cluster is not at fault."
		if f.Why != "" || f.Log != "" {
			f.Do += lastWordsName
		}
		return rankCrash
	}
	f.Summary = c.what + " " + e.clause
	f.Do = e.do
	if e.field != nil {
		f.PodField = e.field(c)
	}
	if e.reason != "" {
		f.Reason = e.reason
	}
	return e.rank
}

// lastWordsName is the advice where there are last words.
const lastWordsName = " Fix what its last words name."

// isNotStarted reports whether the runtime could not start the program, so that
// the message is the runtime's.
func isNotStarted(t *corev1.ContainerStateTerminated) bool {
	return t.Reason == "StartError" || t.Reason == "ContainerCannotRun" || t.ExitCode == 128 && t.Message != ""
}

// lineOf returns the last line of a log that matches.
func lineOf(log string, match *regexp.Regexp) string {
	found := ""
	for l := range strings.Lines(log) {
		if match.MatchString(l) {
			found = strings.TrimSpace(l)
		}
	}
	return found
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// exitText says an exit code as a person would, with the signal it stands for.
func exitText(t *corev1.ContainerStateTerminated) string {
	names := map[int32]string{
		2: "SIGINT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 15: "SIGTERM",
	}
	s := fmt.Sprintf("exit code %d", t.ExitCode)
	if n, ok := names[t.ExitCode-128]; ok && t.ExitCode > 128 {
		s += " (" + n + ")"
	}
	return s
}

// exit is what an exit code means.
type exit struct {
	reason, clause, do string
	rank               int
	field              func(*cause) []string
}

func commandField(c *cause) []string { return c.field("command") }
func imageField(c *cause) []string   { return c.field("image") }

// exits holds the codes that tell something whatever the program.
var exits = map[int32]exit{
	2:   {"", "exited with code 2", "Code 2 mostly means wrong arguments: shells and argument parsers end so. Compare command and args with what the program takes.", rankCrash, nil},
	126: {"NotExecutable", "could not be run: its command is not executable", "Make the file executable in the image (chmod +x), or start it through its interpreter.", rankCause, commandField},
	127: {"CommandNotFound", "could not be run: its command was not found", "Compare command with what the image holds and its PATH; a script's first line may name an interpreter that is missing.", rankCause, commandField},
	132: {"IllegalInstruction", "used a CPU instruction that its node lacks", "The program is built for another CPU (AVX-512, say). Use an image built for these nodes, or nodes with such CPUs.", rankCause, imageField},
	134: {"Aborted", "aborted itself", "An assertion or a native library (NCCL, CUDA) gave up. Its last words name the place; set NCCL_DEBUG=INFO when NCCL is involved.", rankCrash, nil},
	135: {"BusError", "died of a bus error", "Most often /dev/shm is too small for the data loader's workers: raise shared_memory, or use fewer workers.", rankCause, shmField},
	136: {"ArithmeticError", "died of an arithmetic error", "A division by zero in native code, as a rule.", rankCrash, nil},
	137: {"Killed", "was killed", "Nobody recorded running out of memory, so it was killed from outside: it did not stop within its grace period, or the node ran out of memory and killed a process of it. See the events of its node; a memory limit makes such kills visible.", rankCrash, nil},
	139: {"SegmentationFault", "crashed with a segmentation fault", "Native code (CUDA, NCCL, a Python extension) crashed. Compare the versions of driver, CUDA and libraries; set PYTHONFAULTHANDLER=1 to see where.", rankCrash, nil},
	143: {"Terminated", "was asked to stop", "It got SIGTERM: its pod was deleted, preempted or drained, or its node went away. It did not fail by itself.", rankAfterEffect, nil},
}

func shmField(c *cause) []string {
	if v := sharedMemory(c.spec, c.name); v != nil {
		return []string{"spec", "volumes", v.Name}
	}
	return []string{"spec", "volumes"}
}

// sign is a cause that programs themselves name, in a message or a log.
type sign struct {
	match              *regexp.Regexp
	reason, clause, do string
	rank               int
	field              func(*cause) []string
}

// signs holds what the usual frameworks say, the specific before the general.
var signs = []sign{
	{
		regexp.MustCompile(`CUDA out of memory|OutOfMemoryError: CUDA|CUDA_ERROR_OUT_OF_MEMORY|HIP out of memory|RESOURCE_EXHAUSTED: (Out of memory|Failed to allocate)`),
		"GPUOutOfMemory", "ran out of GPU memory",
		"Use a smaller batch, activation checkpointing or sharding, or GPUs with more memory (gpu.products, gpu.min_memory). More host memory does not help.",
		rankCause, func(c *cause) []string { return acceleratorField(c.spec, c.name) },
	},
	{
		regexp.MustCompile(`out of shared memory|insufficient shared memory|DataLoader worker.*Bus error|unable to open shared memory object|(?i:no space left on device.*/dev/shm|/dev/shm.*no space left)`),
		"SharedMemoryFull", "ran out of shared memory",
		"Raise shared_memory, or use fewer data loader workers.",
		rankCause, shmField,
	},
	{
		regexp.MustCompile(`CUDA driver version is insufficient|no kernel image is available for execution|forward compatibility was attempted|unsupported display driver`),
		"DriverMismatch", "does not match its node's GPU driver",
		"Use an image with an older CUDA, or nodes with a newer driver (label nvidia.com/cuda.driver-version.full) or another GPU generation.",
		rankCause, imageField,
	},
	{
		regexp.MustCompile(`no CUDA-capable device|No CUDA GPUs are available|Found no NVIDIA driver|CUDA_ERROR_NO_DEVICE`),
		"NoGPU", "found no GPU",
		"Ask for one with gpu.count, and see that CUDA_VISIBLE_DEVICES is not set and the image does not hide the driver.",
		rankCause, func(c *cause) []string {
			if f := acceleratorField(c.spec, c.name); f != nil {
				return f
			}
			return c.field("resources", "limits")
		},
	},
	{
		regexp.MustCompile(`uncorrectable (NVLink|ECC) error|unspecified launch failure.*Xid|CUDA error: (hardware|uncorrectable)`),
		"GPUFault", "was hit by a faulty GPU",
		"Have the node's GPU looked at (kernel log, Xid events) and keep off it meanwhile; the program is not at fault.",
		rankCause, nil,
	},
	{
		regexp.MustCompile(`exec format error`),
		"WrongArchitecture", "is built for another CPU architecture",
		"Use an image for the architecture of these nodes, or select nodes by kubernetes.io/arch.",
		rankCause, imageField,
	},
	{
		noSpace,
		"DiskFull", "ran out of disk space",
		"See which path it wrote to: grow that volume, or write to one instead of the container's own file system.",
		rankCause, nil,
	},
	{
		regexp.MustCompile(`NCCL error|ncclSystemError|ncclInternalError|ncclRemoteError|ncclUnhandledCudaError|Connection (reset|closed) by peer|DistStoreError|RendezvousTimeoutError|RendezvousConnectionError|The client socket has (failed|timed out)`),
		"PeerLost", "lost contact with the other ranks",
		"Another rank has mostly failed first: look for its cause. If none has, see that the pods reach each other (network policies, NCCL_SOCKET_IFNAME) with NCCL_DEBUG=INFO.",
		rankAfterEffect, nil,
	},
}

func (c *cause) oom() {
	f := c.f
	f.Summary = c.what + " exceeded its memory limit"
	limit := c.memoryLimit()
	f.PodField = c.field("resources", "limits", "memory")
	if limit == "" {
		f.Summary = c.what + " was killed because its node ran out of memory"
		f.Happened = fmt.Sprintf("%s of %s was killed (OOMKilled, exit code %d)%s. It has no memory limit, so its node %s ran out of memory.", upperFirst(c.what), podSubject(c.pod), c.t.ExitCode, ranMark, orElse(c.pod.Spec.NodeName, ""))
		f.Do = "Set resources.requests.memory and resources.limits.memory to what the program needs, so that it lands on a node that has it."
		return
	}
	f.Happened = fmt.Sprintf("%s of %s was killed for using more than %s (OOMKilled, exit code %d)%s.", upperFirst(c.what), podSubject(c.pod), limit, c.t.ExitCode, ranMark)
	f.Do = "Raise resources.limits.memory, or make the program use less: smaller batches, fewer data loader workers."
	if v := sharedMemory(c.spec, c.name); v != nil {
		size := ""
		if v.EmptyDir.SizeLimit != nil {
			size = " (up to " + v.EmptyDir.SizeLimit.String() + ")"
		}
		f.Do += " What it puts into /dev/shm" + size + " counts towards the limit."
	}
}

// memoryLimit says which memory limit the container has; "" when it has none.
func (c *cause) memoryLimit() string {
	if spec, _ := container(c.spec, c.name); spec != nil {
		if q, ok := spec.Resources.Limits[corev1.ResourceMemory]; ok {
			return "its memory limit of " + q.String()
		}
	}
	if c.spec.Resources != nil {
		if q, ok := c.spec.Resources.Limits[corev1.ResourceMemory]; ok {
			return "the pod's memory limit of " + q.String()
		}
	}
	return ""
}

var (
	notFoundInPath = regexp.MustCompile(`exec: "?([^":]+)"?: (executable file not found in \$PATH|stat [^:]*: no such file or directory)|no such file or directory`)
	noPermission   = regexp.MustCompile(`permission denied`)
	nvidiaHook     = regexp.MustCompile(`nvidia-container-cli|nvidia-container-runtime|libnvidia|unresolvable CDI devices|failed to inject CDI|nvml`)
	nvidiaNeeds    = regexp.MustCompile(`unsatisfied condition: (cuda|brand|driver)`)
)

// notStarted explains a container whose process could not be started.
func (c *cause) notStarted() {
	f := c.f
	f.Reason = orElse(c.t.Reason, "StartError")
	f.Happened = fmt.Sprintf("%s of %s could not be started.", upperFirst(c.what), podSubject(c.pod))
	startAdvice(c, c.t.Message)
}

// startAdvice reads the words of the container runtime.
func startAdvice(c *cause, msg string) {
	f := c.f
	switch {
	case nvidiaNeeds.MatchString(msg):
		f.Summary = c.what + " needs a newer GPU driver than its node has"
		f.Do = "Use an image with an older CUDA, or nodes with a newer driver (label nvidia.com/cuda.driver-version.full)."
		f.PodField = c.field("image")
	case nvidiaHook.MatchString(msg):
		f.Summary = "the NVIDIA runtime could not set up " + c.what
		f.Do = fmt.Sprintf("The driver or container toolkit on node %s is not in order: see the GPU Operator's pods there. Nothing in the configuration is at fault.", orElse(c.pod.Spec.NodeName, "of the pod"))
		if g := acceleratorField(c.spec, c.name); g != nil {
			f.PodField = g
		}
	case strings.Contains(msg, "exec format error"):
		f.Summary = c.what + " is built for another CPU architecture"
		f.Do = "Use an image for the architecture of these nodes, or select nodes by kubernetes.io/arch."
		f.PodField = c.field("image")
	case notFoundInPath.MatchString(msg) && !strings.Contains(msg, "mount"):
		f.Summary = "the command of " + c.what + " was not found"
		f.Do = "Compare command and working_dir with what the image holds and its PATH."
		f.PodField = c.field("command")
	case noPermission.MatchString(msg):
		f.Summary = c.what + " could not be started: permission denied"
		f.Do = "Make the command executable in the image, or run as a user who may execute it."
		f.PodField = c.field("command")
	case strings.Contains(msg, "mount"), strings.Contains(msg, "not a directory"):
		f.Summary = c.what + " could not be started: a mount does not fit"
		f.Do = "See that mount paths and sub_path are of the same kind (file on file, directory on directory) and exist in the volume."
		f.PodField = c.field("volumeMounts")
	default:
		f.Summary = c.what + " could not be started"
		f.Do = "The container runtime's words are above; see that command, user and mounts suit the image."
	}
}
