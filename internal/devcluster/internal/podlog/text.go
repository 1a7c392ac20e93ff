package podlog

import (
	"fmt"
	"math"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Annotation chooses the log text: the name of a kind, or the text itself.
const Annotation = "mlk.dev/log"

// The kinds of log there are. Whatever the kind, a failed run ends in an error.
const (
	Training  = "training"
	Server    = "server"
	Traceback = "traceback"
	CUDAOOM   = "cuda-oom"
	NCCL      = "nccl"
)

// Line is one line of a container's log.
type Line struct {
	Time   time.Time
	Text   string
	Stderr bool
}

// pace is the time between two lines of a running container while it is younger than
// age. It grows, so that a container of a week has some ten thousand lines and not a
// million, and depends on nothing else, so that lines once shown stay.
var paces = []struct{ age, pace time.Duration }{
	{2 * time.Minute, time.Second},
	{time.Hour, 10 * time.Second},
	{math.MaxInt64, time.Minute},
}

// source is what the text is made from.
type source struct {
	pod       *corev1.Pod
	container string
	run       Run
}

// Body returns what the container has logged until now or, if it has ended, until
// shortly before its end. A later call returns at least the same lines.
func Body(pod *corev1.Pod, container string, run Run, now time.Time) []Line {
	s := source{pod, container, run}
	kind := pod.Annotations[Annotation]
	switch {
	case kind == "":
		kind = s.usual()
	case !known(kind):
		return s.verbatim(kind)
	}
	var lines []Line
	for i, text := range s.opening(kind) {
		lines = append(lines, Line{Time: s.clamp(run.Started.Add(time.Duration(i) * 10 * time.Millisecond)), Text: text})
	}
	end := now
	if !run.Ended.IsZero() {
		end = run.Ended
	}
	for i, at := 0, time.Duration(0); ; i++ {
		at += pace(at)
		t := run.Started.Add(at)
		// A run of a second has something to show too.
		if t.After(end) && (run.Ended.IsZero() || i >= 3) {
			return lines
		}
		lines = append(lines, Line{Time: s.clamp(t), Text: s.step(kind, i)})
	}
}

// Ending returns the last words of a container that has ended.
func Ending(pod *corev1.Pod, container string, run Run) []Line {
	s := source{pod, container, run}
	kind := pod.Annotations[Annotation]
	if run.Ended.IsZero() || kind != "" && !known(kind) {
		return nil
	}
	if kind == "" {
		kind = s.usual()
	}
	var lines []Line
	for _, text := range s.closing(kind) {
		lines = append(lines, Line{Time: run.Ended, Text: text, Stderr: run.Exit != 0})
	}
	return lines
}

func pace(age time.Duration) time.Duration {
	for _, p := range paces {
		if age < p.age {
			return p.pace
		}
	}
	return time.Minute
}

func known(kind string) bool {
	switch kind {
	case Training, Server, Traceback, CUDAOOM, NCCL:
		return true
	}
	return false
}

// usual is a server's log for what serves, and a training run's for all else.
func (s source) usual() string {
	for _, o := range s.pod.OwnerReferences {
		switch o.Kind {
		case "ReplicaSet", "StatefulSet", "DaemonSet":
			return Server
		}
	}
	for _, c := range s.pod.Spec.Containers {
		if c.Name == s.container && len(c.Ports) > 0 && len(s.pod.OwnerReferences) == 0 {
			return Server
		}
	}
	return Training
}

func (s source) verbatim(text string) []Line {
	var lines []Line
	for l := range strings.Lines(text) {
		lines = append(lines, Line{Time: s.run.Started, Text: strings.TrimSuffix(l, "\n")})
	}
	return lines
}

func (s source) clamp(t time.Time) time.Time {
	if !s.run.Ended.IsZero() && t.After(s.run.Ended) {
		return s.run.Ended
	}
	return t
}

// rank is the completion index of the pod, "0" without one.
func (s source) rank() string {
	if r := s.pod.Annotations["batch.kubernetes.io/job-completion-index"]; r != "" {
		return r
	}
	return "0"
}

// gpus is how many accelerators the container asked for, of any vendor.
func (s source) gpus() int64 {
	var n int64
	for _, c := range s.pod.Spec.Containers {
		if c.Name != s.container {
			continue
		}
		for name, q := range c.Resources.Limits {
			if strings.Contains(string(name), "/") {
				n += q.Value()
			}
		}
	}
	return n
}

func (s source) opening(kind string) []string {
	if kind == Server {
		return []string{
			"INFO:     Started server process [1]",
			"INFO:     Waiting for application startup.",
			fmt.Sprintf("INFO:     %d accelerators visible, loading the model", s.gpus()),
			"INFO:     Application startup complete.",
			"INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)",
		}
	}
	return []string{
		fmt.Sprintf("[rank%s] torch 2.8.0, CUDA 12.8, %d accelerators, host %s", s.rank(), s.gpus(), s.pod.Name),
		fmt.Sprintf("[rank%s] loading the dataset: 1281167 samples in 128 shards", s.rank()),
		fmt.Sprintf("[rank%s] starting to train, batch size 256", s.rank()),
	}
}

func (s source) step(kind string, i int) string {
	if kind == Server {
		return fmt.Sprintf("INFO:     127.0.0.1:%d - \"GET /health HTTP/1.1\" 200 OK", 40000+i%20000)
	}
	loss := 0.35 + 3.1*math.Exp(-float64(i)/40)
	return fmt.Sprintf("[rank%s] epoch %d step %d loss %.4f lr %.1e samples/s %d",
		s.rank(), 1+i/10, (i+1)*100, loss, 3e-4*math.Exp(-float64(i)/400), 3100+(i*37)%200)
}

func (s source) closing(kind string) []string {
	r := s.run
	switch {
	case r.Exit == 0 && kind == Server:
		return []string{"INFO:     Shutting down", "INFO:     Finished server process [1]"}
	case r.Exit == 0:
		return []string{fmt.Sprintf("[rank%s] training finished, model saved to /checkpoints/final", s.rank())}
	case r.Reason == "OOMKilled":
		// The kernel gives no chance for last words; a shell prints this one.
		return []string{fmt.Sprintf("[rank%s] allocating 32 GiB for the shuffle buffer", s.rank()), "Killed"}
	case r.Exit == 143:
		return []string{"received SIGTERM, stopping"}
	case r.Exit == 137:
		return nil
	}
	return failure(kind, r)
}

// failure is an error as Python prints it.
func failure(kind string, r Run) []string {
	said := fmt.Sprintf("RuntimeError: simulated failure, exit code %d", r.Exit)
	frame := []string{
		"Traceback (most recent call last):",
		`  File "/app/train.py", line 214, in <module>`,
		"    main()",
		`  File "/app/train.py", line 187, in main`,
		"    loss = train_step(model, batch)",
	}
	switch kind {
	case CUDAOOM:
		said = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.25 GiB of which 1.19 GiB is free."
	case NCCL:
		frame = append([]string{
			"[rank0]:[E ProcessGroupNCCL.cpp:632] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1024, OpType=ALLREDUCE, Timeout(ms)=600000) ran for 600037 milliseconds before timing out.",
		}, frame...)
		said = "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:2106, unhandled system error (run with NCCL_DEBUG=INFO for details)"
	}
	if r.Message != "" {
		said = "RuntimeError: " + strings.TrimSpace(strings.TrimPrefix(r.Message, "RuntimeError: "))
	}
	return append(frame, strings.Split(said, "\n")...)
}
