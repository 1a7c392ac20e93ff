package diagnose

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
)

const selector = "batch.kubernetes.io/job-name=run"

func labelled(p *corev1.Pod) {
	p.Labels = map[string]string{"batch.kubernetes.io/job-name": "run"}
}

func pending(p *corev1.Pod) {
	labelled(p)
	p.Spec.NodeName = ""
	p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("16")}
	p.Spec.Containers[0].Resources.Requests = p.Spec.Containers[0].Resources.Limits
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."}}
}

func gpuNode(name, gpus string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{
		Allocatable: corev1.ResourceList{"nvidia.com/gpu": resource.MustParse(gpus)},
	}}
}

// deny makes the server refuse a verb on a resource the way an authorizer does.
func deny(c *fake.Clientset, verb, res, sub string) {
	c.PrependReactor(verb, res, func(a k8stesting.Action) (bool, runtime.Object, error) {
		if a.GetSubresource() != sub {
			return false, nil, nil
		}
		full := res
		if sub != "" {
			full += "/" + sub
		}
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: res}, "a",
			fmt.Errorf("User %q cannot %s resource %q in API group \"\" in the namespace %q", "ana", verb, full, "ml"))
	})
}

func ptrTo[T any](v T) *T { return &v }

func collect(t *testing.T, c *fake.Clientset, change ...func(*Target)) Evidence {
	t.Helper()
	target := Target{Namespace: "ml", Objects: []*unstructured.Unstructured{aJob(t)}, Selector: selector}
	for _, f := range change {
		f(&target)
	}
	return Collect(t.Context(), NewReader(c), target)
}

// logOptions are the options of a request for a log.
func logOptions(t *testing.T, a k8stesting.Action) *corev1.PodLogOptions {
	t.Helper()
	if g, ok := a.(k8stesting.GenericAction); ok {
		if o, ok := g.GetValue().(*corev1.PodLogOptions); ok {
			return o
		}
	}
	t.Fatalf("%#v does not ask for a log", a)
	return nil
}

func TestCollectLogs(t *testing.T) {
	t.Parallel()
	c := fake.NewClientset(ptrTo(aPod("a", labelled, ends(1))), ptrTo(aPod("b", labelled, func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning })))
	e := collect(t, c)
	if diff := cmp.Diff(map[LogKey]string{{"a", "main"}: "fake logs"}, e.Logs); diff != "" {
		t.Errorf("logs only of what failed (-want +got)\n%s", diff)
	}
	if len(e.Notes) > 0 {
		t.Errorf("notes without need: %q", e.Notes)
	}
	for _, a := range c.Actions() {
		if a.GetSubresource() != "log" {
			continue
		}
		if o := logOptions(t, a); o.Previous || o.Container != "main" || *o.TailLines != askedLines || *o.LimitBytes != logBytes {
			t.Errorf("asked for the log with %+v", o)
		}
	}
	if fs := Explain(e); len(fs) != 1 || fs[0].Log != "fake logs" {
		t.Errorf("got %+v", fs)
	}
}

func TestCollectPreviousLog(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*corev1.Pod)
		want   bool
	}{
		"failed for good":       {ends(1), false},
		"backs off":             {restarts(1, true), true},
		"runs again":            {restarts(1, false), true},
		"second end, no policy": {func(p *corev1.Pod) { ends(1)(p); p.Status.ContainerStatuses[0].RestartCount = 1 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := fake.NewClientset(ptrTo(aPod("a", labelled, tt.change)))
			collect(t, c)
			var got []bool
			for _, a := range c.Actions() {
				if a.GetSubresource() == "log" {
					got = append(got, logOptions(t, a).Previous)
				}
			}
			if diff := cmp.Diff([]bool{tt.want}, got); diff != "" {
				t.Errorf("previous (-want +got)\n%s", diff)
			}
		})
	}
}

func TestCollectNoLogs(t *testing.T) {
	t.Parallel()
	c := fake.NewClientset(ptrTo(aPod("a", labelled, ends(1))))
	e := collect(t, c, func(t *Target) { t.NoLogs = true })
	for _, a := range c.Actions() {
		if a.GetSubresource() == "log" {
			t.Errorf("a log was read")
		}
	}
	if len(e.Logs) > 0 || len(Explain(e)) != 1 {
		t.Errorf("got logs %v, findings %v", e.Logs, Explain(e))
	}
}

// What may not be read is missing, and a note says so once.
func TestCollectForbidden(t *testing.T) {
	t.Parallel()
	broken := func(c *fake.Clientset) {}
	for name, tt := range map[string]struct {
		pods   []corev1.Pod
		deny   func(*fake.Clientset)
		notes  []string
		expect string
	}{
		"logs": {
			[]corev1.Pod{aPod("a", labelled, ends(1)), aPod("b", labelled, ends(2)), aPod("c", labelled, ends(3))},
			func(c *fake.Clientset) { deny(c, "get", "pods", "log") },
			[]string{`The log could not be read: it is forbidden (User "ana" cannot get resource "pods/log" in API group "" in the namespace "ml").`},
			"container main exited with code",
		},
		"pods": {
			nil, func(c *fake.Clientset) { deny(c, "list", "pods", "") },
			[]string{`The pods could not be read: it is forbidden (User "ana" cannot list resource "pods" in API group "" in the namespace "ml").`},
			"",
		},
		"events": {
			[]corev1.Pod{aPod("a", labelled, ends(1))},
			func(c *fake.Clientset) { deny(c, "list", "events", "") },
			[]string{`The events could not be read: it is forbidden (User "ana" cannot list resource "events" in API group "" in the namespace "ml").`},
			"container main exited with code",
		},
		"nodes": {
			[]corev1.Pod{aPod("a", pending)},
			func(c *fake.Clientset) { deny(c, "list", "nodes", "") },
			[]string{`The nodes could not be read: it is forbidden (User "ana" cannot list resource "nodes" in API group "" in the namespace "ml").`},
			"no node has enough GPUs for a pod",
		},
		"nothing": {[]corev1.Pod{aPod("a", pending)}, broken, nil, "no node has 16 GPUs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objs := []runtime.Object{gpuNode("n1", "8")}
			for i := range tt.pods {
				objs = append(objs, &tt.pods[i])
			}
			c := fake.NewClientset(objs...)
			tt.deny(c)
			e := collect(t, c)
			if diff := cmp.Diff(tt.notes, e.Notes); diff != "" {
				t.Errorf("notes (-want +got)\n%s", diff)
			}
			if fs := Explain(e); tt.expect != "" && (len(fs) == 0 || !strings.HasPrefix(fs[0].Summary, tt.expect)) {
				t.Errorf("got %+v", fs)
			}
		})
	}
}

// Only one namespace's pods may be listed: the nodes are told, what is free is not.
func TestCollectNodePodsForbidden(t *testing.T) {
	t.Parallel()
	c := fake.NewClientset(ptrTo(aPod("a", pending)), gpuNode("n1", "8"))
	c.PrependReactor("list", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
		if a.GetNamespace() != "" {
			return false, nil, nil
		}
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New(`User "ana" cannot list resource "pods" at the cluster scope`))
	})
	e := collect(t, c)
	want := []string{`What other pods use on the nodes could not be read: it is forbidden (User "ana" cannot list resource "pods" at the cluster scope).`}
	if diff := cmp.Diff(want, e.Notes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if e.NodePods != nil || len(e.Nodes) != 1 || strings.Contains(Explain(e)[0].Happened, "free") {
		t.Errorf("got %d nodes, node pods %v: %s", len(e.Nodes), e.NodePods, Explain(e)[0].Happened)
	}
}

// Nodes are not asked for when every pod has one.
func TestCollectNodesOnlyWhenNeeded(t *testing.T) {
	t.Parallel()
	c := fake.NewClientset(ptrTo(aPod("a", labelled, ends(1))), gpuNode("n1", "8"))
	collect(t, c)
	for _, a := range c.Actions() {
		if a.GetResource().Resource == "nodes" {
			t.Errorf("%s nodes", a.GetVerb())
		}
	}
}

// Pods that went while waiting still tell how they ended.
func TestCollectSeenPods(t *testing.T) {
	t.Parallel()
	c := fake.NewClientset(ptrTo(aPod("b", labelled, ends(1))))
	gone, same := aPod("a", labelled, restarts(3, true)), aPod("b", labelled)
	e := collect(t, c, func(t *Target) { t.Seen = []corev1.Pod{gone, same} })
	var got []string
	for _, p := range e.Pods {
		got = append(got, fmt.Sprint(p.Name, " ", p.Status.Phase))
	}
	if diff := cmp.Diff([]string{"b Failed", "a Running"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// An API server that has just started forbids what the wait was allowed a moment
// before: nobody is told that their rights are missing.
func TestCollectForbiddenAfterSeen(t *testing.T) {
	t.Parallel()
	c := fake.NewClientset()
	deny(c, "list", "pods", "")
	e := collect(t, c, func(t *Target) { t.Seen = []corev1.Pod{aPod("a", labelled, ends(1))} })
	if fs := Explain(e); len(e.Notes) > 0 || len(fs) != 1 {
		t.Errorf("notes %q, findings %+v", e.Notes, fs)
	}
}

// Who may not read a log is not told to read it.
func TestUnreadLog(t *testing.T) {
	t.Parallel()
	c := fake.NewClientset(ptrTo(aPod("a", labelled, ends(1))))
	deny(c, "get", "pods", "log")
	want := "The program ended by itself, the cluster is not at fault. Its output, for somebody who may read it: kubectl logs -n ml a -c main"
	if fs := Explain(collect(t, c)); len(fs) != 1 || fs[0].Do != want {
		t.Errorf("got %+v, want %q", fs, want)
	}
}

// Of a busy namespace's events only those about the target stay.
func TestCollectEvents(t *testing.T) {
	t.Parallel()
	var objs []runtime.Object
	for i, ev := range []corev1.Event{
		jobEvent("FailedCreate", "no", 1, 0, 0), podEvent("run-gone", "BackOff", "again", 1, 0), podEvent("other", "BackOff", "again", 1, 0),
		{InvolvedObject: corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: "ml", Name: "data"}, Reason: "ProvisioningFailed"},
	} {
		ev.Namespace, ev.Name = "ml", fmt.Sprintf("e%d", i)
		objs = append(objs, &ev)
	}
	e := collect(t, fake.NewClientset(objs...))
	var got []string
	for _, ev := range e.Events {
		got = append(got, ev.InvolvedObject.Name)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"run", "run-gone"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// script is a Reader whose answers a test writes.
type script struct {
	Reader
	mu   sync.Mutex
	logs func(ctx context.Context, pod string, previous bool) (string, error)
	pods []corev1.Pod
	// asked are the logs that were asked for.
	asked []string
	slow  bool
}

func (s *script) Pods(ctx context.Context, _, _ string) ([]corev1.Pod, error) {
	if s.slow {
		<-ctx.Done()
		return nil, fmt.Errorf("list pods: %w", ctx.Err())
	}
	return s.pods, nil
}

func (s *script) Events(ctx context.Context, _ string, _ ...types.UID) ([]corev1.Event, error) {
	return nil, ErrTruncated
}

func (s *script) Claims(context.Context, string, ...string) ([]corev1.PersistentVolumeClaim, error) {
	return nil, nil
}

func (s *script) Logs(ctx context.Context, _, pod, _ string, previous bool, _ int64) (string, error) {
	s.mu.Lock()
	s.asked = append(s.asked, fmt.Sprint(pod, " ", previous))
	s.mu.Unlock()
	return s.logs(ctx, pod, previous)
}

func scripted(t *testing.T, s *script) Evidence {
	t.Helper()
	return Collect(t.Context(), s, Target{Namespace: "ml", Objects: []*unstructured.Unstructured{aJob(t)}, Selector: selector})
}

// A list that is cut off is used, with a note.
func TestCollectTruncated(t *testing.T) {
	t.Parallel()
	e := scripted(t, &script{})
	if diff := cmp.Diff([]string{"The events are too many to be read in full, so some may be missing here."}, e.Notes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A kubelet that has no such log is asked for the other, and none is no fault.
func TestCollectLogOfOtherRun(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		have  map[bool]string
		asked []string
		want  map[LogKey]string
	}{
		"the right one":  {map[bool]string{true: "old"}, []string{"a true"}, map[LogKey]string{{"a", "main"}: "old"}},
		"only the other": {map[bool]string{false: "new"}, []string{"a true", "a false"}, map[LogKey]string{{"a", "main"}: "new"}},
		"none":           {nil, slices.Repeat([]string{"a true", "a false"}, logTries), map[LogKey]string{{"a", "main"}: ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{pods: []corev1.Pod{aPod("a", restarts(1, true))}, logs: func(_ context.Context, _ string, previous bool) (string, error) {
				if text, ok := tt.have[previous]; ok {
					return text, nil
				}
				return "", apierrors.NewBadRequest("previous terminated container \"main\" in pod \"a\" not found")
			}}
			e := scripted(t, s)
			if diff := cmp.Diff(tt.asked, s.asked); diff != "" {
				t.Errorf("asked (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, e.Logs); diff != "" {
				t.Errorf("logs (-want +got)\n%s", diff)
			}
			if len(e.Notes) != 1 { // of the events
				t.Errorf("notes: %q", e.Notes)
			}
		})
	}
}

// A busy kubelet gives nothing of a log right after the container's end.
func TestCollectLogThatComesLate(t *testing.T) {
	t.Parallel()
	said := []string{"late", "", "", ""}
	s := &script{pods: []corev1.Pod{aPod("a", ends(1))}, logs: func(context.Context, string, bool) (string, error) {
		last := said[len(said)-1]
		said = said[:len(said)-1]
		return last, nil
	}}
	if got := scripted(t, s).Logs[LogKey{"a", "main"}]; got != "late" {
		t.Errorf("got %q", got)
	}
}

// Many causes, few logs.
func TestCollectBoundsLogs(t *testing.T) {
	t.Parallel()
	s := &script{logs: func(context.Context, string, bool) (string, error) { return "x", nil }}
	for i := range 20 {
		s.pods = append(s.pods, aPod(fmt.Sprintf("p%d", i), ends(int32(i+10))))
	}
	if scripted(t, s); len(s.asked) != askedLogs {
		t.Errorf("%d logs were read", len(s.asked))
	}
}

// Without time there is still what the caller has seen.
func TestCollectOutOfTime(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	e := Collect(ctx, &script{slow: true}, Target{Namespace: "ml", Objects: []*unstructured.Unstructured{aJob(t)}, Selector: selector, Seen: []corev1.Pod{aPod("a", ends(1))}, NoLogs: true})
	if len(Explain(e)) != 1 || !slices.Contains(e.Notes, "The pods could not be read: the API server did not answer in time.") {
		t.Errorf("notes %q, findings %+v", e.Notes, Explain(e))
	}
}

func TestBecause(t *testing.T) {
	t.Parallel()
	unreachable := errors.New(`Get "https://10.0.0.1:6443/api/v1/pods": dial tcp 10.0.0.1:6443: connect: connection refused`)
	for want, err := range map[string]error{
		`Get "https://10.0.0.1:6443/api/v1/pods": dial tcp 10.0.0.1:6443: connect: connection refused`: unreachable,
		"the cluster no longer accepts the credentials":                                                apierrors.NewUnauthorized("Unauthorized"),
		"there was no time left": context.Canceled,
	} {
		if got := Because(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestReaderPages(t *testing.T) {
	t.Parallel()
	c := fake.NewClientset()
	page := 0
	c.PrependReactor("list", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
		if l, ok := a.(k8stesting.ListActionImpl); !ok || l.ListOptions.Limit != pageSize {
			t.Errorf("asked with %+v, want a limit of %d", a, pageSize)
		}
		page++
		l := &corev1.PodList{ListMeta: metav1.ListMeta{Continue: fmt.Sprint(page)}, Items: slices.Repeat([]corev1.Pod{aPod("a", labelled)}, pageSize)}
		return true, l, nil
	})
	pods, err := NewReader(c).Pods(t.Context(), "ml", selector)
	if !errors.Is(err, ErrTruncated) || len(pods) != mostPods {
		t.Errorf("got %d pods, %v", len(pods), err)
	}
}

// A continue token that has expired leaves what was read so far.
func TestReaderExpired(t *testing.T) {
	t.Parallel()
	c := fake.NewClientset()
	first := true
	c.PrependReactor("list", "nodes", func(k8stesting.Action) (bool, runtime.Object, error) {
		if !first {
			return true, nil, &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusGone, Reason: metav1.StatusReasonExpired}}
		}
		first = false
		return true, &corev1.NodeList{ListMeta: metav1.ListMeta{Continue: "1"}, Items: make([]corev1.Node, 3)}, nil
	})
	nodes, err := NewReader(c).Nodes(t.Context())
	if !errors.Is(err, ErrTruncated) || len(nodes) != 3 {
		t.Errorf("got %d nodes, %v", len(nodes), err)
	}
}

func TestReaderByName(t *testing.T) {
	t.Parallel()
	claim := aClaim(corev1.ClaimPending)
	c := fake.NewClientset(gpuNode("n1", "8"), &claim)
	r := NewReader(c)
	if nodes, err := r.Nodes(t.Context(), "n1", "n2"); err != nil || len(nodes) != 1 {
		t.Errorf("got %d nodes, %v", len(nodes), err)
	}
	if claims, err := r.Claims(t.Context(), "ml", "data", "gone"); err != nil || len(claims) != 1 {
		t.Errorf("got %d claims, %v", len(claims), err)
	}
	if _, err := r.Events(t.Context(), "ml", "job", "a"); err != nil {
		t.Error(err)
	}
	var asked []string
	for _, a := range c.Actions() {
		if l, ok := a.(k8stesting.ListActionImpl); ok {
			asked = append(asked, l.ListRestrictions.Fields.String())
		}
	}
	if diff := cmp.Diff([]string{"involvedObject.uid=job", "involvedObject.uid=a"}, asked); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestCollectStay(t *testing.T) {
	t.Parallel()
	gone := metav1.NewTime(time.Now().Add(-time.Hour))
	job := aJob(t)
	job.SetDeletionTimestamp(&gone)
	job.SetFinalizers([]string{metav1.FinalizerDeleteDependents})
	lost := gpuNode("n1", "8")
	lost.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, Message: "Kubelet stopped posting node status."}}
	c := fake.NewClientset(lost, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ml"}}, ptrTo(aPod("a", labelled, func(p *corev1.Pod) {
		p.DeletionTimestamp, p.Finalizers = &gone, []string{"batch.kubernetes.io/job-tracking"}
	})))
	stay, notes := CollectStay(t.Context(), NewReader(c), job, selector)
	got := Blockers(stay)
	if len(notes) != 0 || len(got) != 1 || got[0].Reason != "NodeLost" || got[0].Why != "Kubelet stopped posting node status." {
		t.Errorf("notes %q, got %+v", notes, got)
	}
}
