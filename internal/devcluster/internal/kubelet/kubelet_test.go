package kubelet

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/podlog"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestRequestedLines(t *testing.T) {
	t.Parallel()
	lines := []podlog.Line{
		{Time: noon, Text: "one"},
		{Time: noon.Add(time.Second), Text: "two"},
		{Time: noon.Add(2 * time.Second), Text: "three", Stderr: true},
	}
	for query, want := range map[string]string{
		"":                               "one\ntwo\nthree\n",
		"tailLines=2":                    "two\nthree\n",
		"tailLines=0":                    "",
		"limitBytes=5":                   "one\nt",
		"sinceSeconds=2":                 "two\nthree\n",
		"sinceTime=2026-11-23T12:00:02Z": "three\n",
		"stream=Stdout":                  "one\ntwo\n",
		"stream=Stderr":                  "three\n",
		"stream=All":                     "one\ntwo\nthree\n",
		"timestamps=true&tailLines=1":    "2026-11-23T12:00:02Z three\n",
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		o, err := parse(q)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		var out strings.Builder
		p := &printer{w: &out, options: o}
		p.print(o.last(lines, noon.Add(3*time.Second)))
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	for _, bad := range []string{"tailLines=x", "sinceTime=noon"} {
		q, err := url.ParseQuery(bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(q); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func status(state corev1.ContainerState, restarts int32) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns", UID: "u"},
		Spec:       corev1.PodSpec{NodeName: "n"},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{
			{Name: "main", Image: "img", State: state, RestartCount: restarts},
		}},
	}
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func TestEventsOfImagePull(t *testing.T) {
	t.Parallel()
	none, failed, off := status(corev1.ContainerState{}, 0), status(waiting("ErrImagePull", "not found"), 0), status(waiting("ImagePullBackOff", "x"), 0)
	want := []event{
		{container: "main", kind: "Normal", reason: "Pulling", message: `Pulling image "img"`},
		{container: "main", kind: "Warning", reason: "Failed", message: `Failed to pull image "img": not found`},
		{container: "main", kind: "Warning", reason: "Failed", message: "Error: ErrImagePull"},
	}
	for name, old := range map[string]*corev1.Pod{"first": none, "again": off} {
		if diff := cmp.Diff(want, changes(old, failed), cmp.AllowUnexported(event{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	want = []event{
		{container: "main", kind: "Normal", reason: "BackOff", message: `Back-off pulling image "img"`},
		{container: "main", kind: "Warning", reason: "Failed", message: "Error: ImagePullBackOff"},
	}
	if diff := cmp.Diff(want, changes(failed, off), cmp.AllowUnexported(event{})); diff != "" {
		t.Error(diff)
	}
	if got := changes(off, off); got != nil {
		t.Errorf("nothing changed, but %v", got)
	}
}

func TestEventsOfLifeAndDeath(t *testing.T) {
	t.Parallel()
	running := status(corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, 0)
	running.Status.ContainerStatuses[0].ContainerID = "sim://main-0"
	deleted := running.DeepCopy()
	deleted.DeletionTimestamp = &metav1.Time{Time: noon}
	evicted := running.DeepCopy()
	evicted.Status.Reason, evicted.Status.Message = "Evicted", "low on memory"
	unready := running.DeepCopy()
	unready.Status.Phase = corev1.PodRunning
	unready.Annotations = map[string]string{"mlk.dev/simulate": "never-ready"}
	misspelt := status(corev1.ContainerState{}, 0)
	misspelt.Annotations = map[string]string{"mlk.dev/simulate": "succeeds"}
	reasons := func(events []event) (r []string) {
		for _, e := range events {
			r = append(r, e.reason)
		}
		return r
	}
	for name, c := range map[string]struct {
		got  []event
		want []string
	}{
		"start":         {changes(&corev1.Pod{}, running), []string{"Pulled", "Created", "Started"}},
		"deletion":      {changes(running, deleted), []string{"Killing"}},
		"eviction":      {changes(running, evicted), []string{"Evicted"}},
		"crash":         {changes(running, status(waiting("CrashLoopBackOff", ""), 0)), []string{"BackOff"}},
		"config":        {changes(running, status(waiting("CreateContainerConfigError", "no secret"), 0)), []string{"Failed"}},
		"never ready":   {repeated(unready), []string{"Unhealthy"}},
		"ready":         {repeated(running), nil},
		"unknown words": {changes(&corev1.Pod{}, misspelt), []string{"SimulationUnknown"}},
	} {
		if diff := cmp.Diff(c.want, reasons(c.got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
