package podlog

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func pod(annotations map[string]string, owner string) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "train-0", Annotations: annotations},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name:      "main",
			Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("8"), "cpu": resource.MustParse("4")}},
		}}},
	}
	if owner != "" {
		p.OwnerReferences = []metav1.OwnerReference{{Kind: owner}}
	}
	return p
}

func terminated(exit int32) *corev1.ContainerStateTerminated {
	return &corev1.ContainerStateTerminated{ExitCode: exit, StartedAt: metav1.NewTime(start), FinishedAt: metav1.NewTime(start.Add(time.Second))}
}

func TestFind(t *testing.T) {
	t.Parallel()
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(start.Add(time.Minute))}}
	waiting := func(reason string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
	}
	for name, c := range map[string]struct {
		state, last corev1.ContainerState
		previous    bool
		exit        int32
		err         string
	}{
		"running":           {state: running},
		"ended":             {state: corev1.ContainerState{Terminated: terminated(3)}, exit: 3},
		"restarted":         {state: running, last: corev1.ContainerState{Terminated: terminated(3)}, previous: true, exit: 3},
		"back-off":          {state: waiting("CrashLoopBackOff"), last: corev1.ContainerState{Terminated: terminated(4)}, exit: 4},
		"no previous":       {state: running, previous: true, err: `previous terminated container "main" in pod "train-0" not found`},
		"creating":          {state: waiting("ContainerCreating"), err: `container "main" in pod "train-0" is waiting to start: ContainerCreating`},
		"image":             {state: waiting("ImagePullBackOff"), err: `waiting to start: trying and failing to pull image`},
		"nothing known yet": {err: "no logs yet"},
	} {
		p := pod(nil, "")
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", State: c.state, LastTerminationState: c.last}}
		run, err := Find(p, "main", c.previous)
		switch {
		case c.err == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: error %v, want %s", name, err, c.err)
		case run.Exit != c.exit:
			t.Errorf("%s: exit %d, want %d", name, run.Exit, c.exit)
		}
	}
	if _, err := Find(pod(nil, ""), "main", false); err == nil {
		t.Error("a pod without status has a log")
	}
}

func text(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.Text + "\n")
	}
	return b.String()
}

func TestText(t *testing.T) {
	t.Parallel()
	end := start.Add(time.Second)
	for name, c := range map[string]struct {
		pod  *corev1.Pod
		run  Run
		want []string
		not  string
	}{
		"job ends well":  {pod(nil, "Job"), Run{Started: start, Ended: end}, []string{"8 accelerators", "epoch 1 step 300", "training finished"}, "Traceback"},
		"job fails":      {pod(nil, "Job"), Run{Started: start, Ended: end, Exit: 3}, []string{"Traceback", "RuntimeError: simulated failure, exit code 3\n"}, "finished"},
		"job says why":   {pod(nil, "Job"), Run{Started: start, Ended: end, Exit: 3, Message: "disk full"}, []string{"RuntimeError: disk full\n"}, "simulated"},
		"out of memory":  {pod(nil, "Job"), Run{Started: start, Ended: end, Exit: 137, Reason: "OOMKilled"}, []string{"Killed\n"}, "Traceback"},
		"job runs":       {pod(nil, "Job"), Run{Started: start}, []string{"starting to train"}, "finished"},
		"server":         {pod(nil, "ReplicaSet"), Run{Started: start}, []string{"Uvicorn running"}, "epoch"},
		"cuda":           {pod(map[string]string{Annotation: CUDAOOM}, "Job"), Run{Started: start, Ended: end, Exit: 1}, []string{"CUDA out of memory"}, "simulated"},
		"own text":       {pod(map[string]string{Annotation: "one\ntwo"}, "Job"), Run{Started: start, Ended: end, Exit: 1}, []string{"one\ntwo\n"}, "Traceback"},
		"server by kind": {pod(map[string]string{Annotation: Server}, "Job"), Run{Started: start}, []string{"Uvicorn"}, "epoch"},
	} {
		got := text(append(Body(c.pod, "main", c.run, start.Add(10*time.Second)), Ending(c.pod, "main", c.run)...))
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, got)
			}
		}
		if c.not != "" && strings.Contains(got, c.not) {
			t.Errorf("%s: %q is in\n%s", name, c.not, got)
		}
	}
}

// Lines once shown must stay, or following a log would repeat or lose some.
func TestBodyGrows(t *testing.T) {
	t.Parallel()
	p, run := pod(nil, "Job"), Run{Started: start}
	before := ""
	for _, age := range []time.Duration{0, time.Second, time.Minute, 10 * time.Minute, 3 * time.Hour, 40 * 24 * time.Hour} {
		lines := Body(p, "main", run, start.Add(age))
		now := text(lines)
		if !strings.HasPrefix(now, before) {
			t.Fatalf("at %s the earlier lines have changed", age)
		}
		for i := 1; i < len(lines); i++ {
			if lines[i].Time.Before(lines[i-1].Time) {
				t.Fatalf("at %s line %d is before line %d", age, i, i-1)
			}
		}
		before = now
	}
	if n := strings.Count(before, "\n"); n > 100_000 {
		t.Errorf("40 days make %d lines", n)
	}
}
