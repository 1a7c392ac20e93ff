package diagnose

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// Bounds of collecting. The three rounds follow each other, their calls run
// side by side, so the worst case is 18 s.
const (
	podsWithin   = 5 * time.Second
	eventsWithin = 7 * time.Second
	logsWithin   = 6 * time.Second
	// logPause is between two tries to read a log of which there was nothing.
	logPause = 700 * time.Millisecond
	// logTries is how often it is tried: nodes that are busy ending the other pods of a
	// gang were seen to need more than one pause.
	logTries = 4
	// askedLogs bounds how many logs are read: as many as findings are shown.
	askedLogs = 5
	// askedLines is more than is quoted, because what a program died of may
	// stand above a long stack trace.
	askedLines = 50
	// askedUIDs bounds how many objects' events are asked for one by one; the
	// server reads the whole namespace for each.
	askedUIDs = 5
	// askedClaims and askedNodes bound single reads.
	askedClaims = 10
	askedNodes  = 3
)

// Target says what evidence is about.
type Target struct {
	Namespace string
	// Objects are the resource's objects as last seen.
	Objects []*unstructured.Unstructured
	// Selector is the label selector of its pods; "" when it has none.
	Selector string
	// Seen are pods seen while waiting. Those that are gone by now stay in the
	// evidence: a Job deletes pods as it fails, and their end with them.
	Seen []corev1.Pod
	// Events are events seen while waiting.
	Events []corev1.Event
	// NoLogs leaves logs unread, and last words that were taken from a log unsaid.
	NoLogs bool
}

// Collect gathers what the cluster tells about a target. What cannot be read
// is left out with a note. It takes some 20 s at most; the caller detaches ctx
// from a cancellation that is the reason for collecting.
func Collect(ctx context.Context, r Reader, t Target) Evidence {
	c := &collector{r: r, e: Evidence{Objects: t.Objects, Now: time.Now()}, noted: map[string]bool{}}
	c.pods(ctx, t)
	masks := c.surroundings(ctx, t)
	c.e.Events = append(c.e.Events, t.Events...)
	masks.over(&c.e)
	if t.NoLogs {
		c.e.quiet()
	} else {
		c.logs(ctx, masks)
	}
	c.e.Now = time.Now()
	return c.e
}

type collector struct {
	r     Reader
	mu    sync.Mutex
	e     Evidence
	noted map[string]bool
}

func (c *collector) pods(ctx context.Context, t Target) {
	ctx, cancel := context.WithTimeout(ctx, podsWithin)
	defer cancel()
	if t.Selector != "" {
		pods, err := c.r.Pods(ctx, t.Namespace, t.Selector)
		c.e.Pods = pods
		// An API server that has just started forbids everything until it has read who
		// may what; the wait was allowed to see the pods.
		if !apierrors.IsForbidden(err) || len(t.Seen) == 0 {
			c.note("The pods", err)
		}
	}
	for _, p := range t.Seen {
		if !slices.ContainsFunc(c.e.Pods, func(q corev1.Pod) bool { return q.UID == p.UID && q.Name == p.Name }) {
			c.e.Pods = append(c.e.Pods, p)
		}
	}
}

// quiet withholds what containers left as last words where that is the end of
// their log.
func (e *Evidence) quiet() {
	for i := range e.Pods {
		for _, container := range containersOf(&e.Pods[i]) {
			if container.TerminationMessagePolicy == corev1.TerminationMessageFallbackToLogsOnError {
				e.withhold(LogKey{Pod: e.Pods[i].Name, Container: container.Name}, "log_tails is false in the provider block")
			}
		}
	}
}

// surroundings reads events, claims, nodes and secrets side by side. It returns
// what hides the secrets.
func (c *collector) surroundings(ctx context.Context, t Target) Masks {
	ctx, cancel := context.WithTimeout(ctx, eventsWithin)
	defer cancel()
	var wg sync.WaitGroup
	claims := c.claimNames(t)
	wg.Go(func() {
		found, err := c.r.Claims(ctx, t.Namespace, claims...)
		c.mu.Lock()
		c.e.Claims = found
		c.mu.Unlock()
		c.note("The volume claims", err)
	})
	wg.Go(func() { c.events(ctx, t, claims) })
	var masks Masks
	pods := c.e.Pods
	wg.Go(func() { masks = CollectMasks(ctx, c.r, t.Namespace, pods) })
	unscheduled, on := c.placement()
	if unscheduled {
		wg.Go(func() {
			nodes, err := c.r.Nodes(ctx)
			c.mu.Lock()
			c.e.Nodes = nodes
			c.mu.Unlock()
			c.note("The nodes", err)
		})
		wg.Go(func() {
			pods, err := c.r.PodsOnNodes(ctx)
			if err == nil {
				c.mu.Lock()
				c.e.NodePods = pods
				c.mu.Unlock()
			}
			c.note("What other pods use on the nodes", err)
		})
	} else if len(on) > 0 {
		wg.Go(func() {
			nodes, err := c.r.Nodes(ctx, on...)
			c.mu.Lock()
			c.e.Nodes = nodes
			c.mu.Unlock()
			c.note("The nodes", err)
		})
	}
	wg.Wait()
	return masks
}

// claimNames lists the claims that the pods mount and the target does not own.
func (c *collector) claimNames(t Target) []string {
	var out []string
	add := func(name string) {
		owned := slices.ContainsFunc(t.Objects, func(o *unstructured.Unstructured) bool {
			return o != nil && o.GetKind() == "PersistentVolumeClaim" && o.GetName() == name
		})
		if !owned && !slices.Contains(out, name) && len(out) < askedClaims {
			out = append(out, name)
		}
	}
	for i := range c.e.Pods {
		p := &c.e.Pods[i]
		if p.Status.Phase != corev1.PodPending {
			continue
		}
		for _, v := range p.Spec.Volumes {
			switch {
			case v.PersistentVolumeClaim != nil:
				add(v.PersistentVolumeClaim.ClaimName)
			case v.Ephemeral != nil:
				add(p.Name + "-" + v.Name)
			}
		}
	}
	return out
}

// placement reports whether a pod has no node although it wants one, and else
// the nodes whose state may explain a pod.
func (c *collector) placement() (unscheduled bool, on []string) {
	for i := range c.e.Pods {
		p := &c.e.Pods[i]
		switch {
		case p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed && p.DeletionTimestamp == nil:
		case p.Spec.NodeName == "":
			if p.DeletionTimestamp == nil && len(p.Spec.SchedulingGates) == 0 {
				unscheduled = true
			}
		case p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodPending:
			if !slices.Contains(on, p.Spec.NodeName) && len(on) < askedNodes {
				on = append(on, p.Spec.NodeName)
			}
		}
	}
	return unscheduled, on
}

func (c *collector) events(ctx context.Context, t Target, claims []string) {
	var uids []types.UID
	var names []string
	for _, o := range t.Objects {
		if o != nil {
			uids, names = append(uids, o.GetUID()), append(names, o.GetName())
		}
	}
	for i := range c.e.Pods {
		uids = append(uids, c.e.Pods[i].UID)
	}
	ask := uids
	if len(uids) > askedUIDs || len(c.e.Pods) == 0 && t.Selector != "" || len(claims) > 0 || slices.Contains(uids, "") {
		// Events of pods that are gone are found by name only.
		ask = nil
	}
	if len(uids) == 0 {
		return
	}
	found, err := c.r.Events(ctx, t.Namespace, ask...)
	c.note("The events", err)
	if ask == nil {
		found = slices.DeleteFunc(found, func(ev corev1.Event) bool {
			o := ev.InvolvedObject
			if slices.Contains(uids, o.UID) || o.Kind == "PersistentVolumeClaim" && slices.Contains(claims, o.Name) {
				return false
			}
			return !slices.ContainsFunc(names, func(n string) bool { return o.Name == n || strings.HasPrefix(o.Name, n+"-") })
		})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.e.Events = found
}

// logs reads the logs that the first findings ask for.
func (c *collector) logs(ctx context.Context, masks Masks) {
	ctx, cancel := context.WithTimeout(ctx, logsWithin)
	defer cancel()
	var wg sync.WaitGroup
	asked := 0
	for _, d := range examine(c.e) {
		if d.log == (logRef{}) || c.e.Withheld[d.log.key] != "" {
			continue
		}
		if asked++; asked > askedLogs {
			break
		}
		wg.Go(func() {
			text, err := c.log(ctx, d.log)
			if err != nil {
				c.note(logNote, err)
				return
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.e.Logs == nil {
				c.e.Logs = map[LogKey]string{}
			}
			c.e.Logs[d.log.key] = masks.Hide(text)
		})
	}
	wg.Wait()
}

// log reads one log. Right after a container's end a busy kubelet may have
// nothing of it yet, so nothing is asked for again, a few times.
func (c *collector) log(ctx context.Context, ref logRef) (string, error) {
	for try := 1; ; try++ {
		text, err := c.logOnce(ctx, ref)
		if apierrors.IsNotFound(err) {
			return "", nil // the pod is gone, and its log with it: no fault worth a note
		}
		if text != "" || err != nil || try == logTries {
			return text, err
		}
		select {
		case <-time.After(logPause):
		case <-ctx.Done():
			return "", nil
		}
	}
}

// logOnce reads one log. A kubelet that no longer has the one asked for may have
// the other: a container can be started again meanwhile.
func (c *collector) logOnce(ctx context.Context, ref logRef) (string, error) {
	text, err := c.r.Logs(ctx, ref.namespace, ref.key.Pod, ref.key.Container, ref.previous, askedLines)
	if apierrors.IsBadRequest(err) {
		text, err = c.r.Logs(ctx, ref.namespace, ref.key.Pod, ref.key.Container, !ref.previous, askedLines)
	}
	if apierrors.IsBadRequest(err) || apierrors.IsNotFound(err) {
		// There is none, which is no fault worth a note.
		return "", nil
	}
	return text, err
}

// logNote begins the note about a log.
const logNote = "The log"

// note records why something is missing, each reason once.
func (c *collector) note(what string, err error) {
	if err == nil {
		return
	}
	s := fmt.Sprintf("%s could not be read: %s.", what, Because(err))
	if errors.Is(err, ErrTruncated) {
		s = fmt.Sprintf("%s are too many to be read in full, so some may be missing here.", what)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.noted[s] {
		return
	}
	c.noted[s] = true
	c.e.Notes = append(c.e.Notes, s)
}

// forbidden cuts the name of the object off an authorizer's words, so that one
// note serves for all pods.
var forbidden = regexp.MustCompile(`^.*? is forbidden: `)

// Because says in words why a read failed.
func Because(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "the API server did not answer in time"
	case errors.Is(err, context.Canceled):
		return "there was no time left"
	case apierrors.IsForbidden(err):
		return "it is forbidden (" + strings.TrimSuffix(forbidden.ReplaceAllString(err.Error(), ""), ".") + ")"
	case apierrors.IsUnauthorized(err):
		return "the cluster no longer accepts the credentials"
	}
	return clause(err.Error())
}

// CollectStay gathers what may keep a deleted object from going away. The
// selector is that of its pods; for a claim, all pods of the namespace count.
func CollectStay(ctx context.Context, r Reader, o *unstructured.Unstructured, selector string) (Stay, []string) {
	c := &collector{r: r, noted: map[string]bool{}}
	s := Stay{Object: o, Now: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, podsWithin+eventsWithin)
	defer cancel()
	ns := o.GetNamespace()
	if ns == "" {
		return s, nil
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		var pods []corev1.Pod
		var err error
		switch p, isPod := decode[corev1.Pod](o); {
		case o.GetKind() == "Pod" && isPod:
			pods = []corev1.Pod{*p}
		case selector == "" && o.GetKind() != "PersistentVolumeClaim":
			return
		default:
			pods, err = r.Pods(ctx, ns, selector)
			c.note("The pods", err)
		}
		s.Pods = pods
		var on []string
		for i := range pods {
			p := &pods[i]
			if p.DeletionTimestamp != nil && p.Spec.NodeName != "" && !slices.Contains(on, p.Spec.NodeName) && len(on) < askedNodes {
				on = append(on, p.Spec.NodeName)
			}
		}
		if len(on) > 0 {
			s.Nodes, err = r.Nodes(ctx, on...)
			c.note("The nodes", err)
		}
	})
	wg.Go(func() {
		events, err := r.Events(ctx, ns, o.GetUID())
		c.note("The events", err)
		s.Events = events
	})
	wg.Go(func() {
		found, err := r.Namespace(ctx, ns)
		if err == nil {
			s.Namespace = found
		} else if !apierrors.IsForbidden(err) {
			c.note("The namespace", err)
		}
	})
	wg.Wait()
	return s, c.e.Notes
}

// ErrTruncated comes with a list that was cut off at its bound.
var ErrTruncated = errors.New("the list was cut off")

// Reader is what collecting needs of a cluster. Errors are the API server's
// own. A list that is cut off comes with ErrTruncated.
type Reader interface {
	// Pods lists the pods of a namespace by label selector; "" means all.
	Pods(ctx context.Context, namespace, selector string) ([]corev1.Pod, error)
	// Events lists the events about the objects; without uids, all of the namespace.
	Events(ctx context.Context, namespace string, uids ...types.UID) ([]corev1.Event, error)
	// Nodes gets nodes by name, those that exist; without names, all.
	Nodes(ctx context.Context, names ...string) ([]corev1.Node, error)
	// PodsOnNodes lists all pods that hold resources of a node.
	PodsOnNodes(ctx context.Context) ([]corev1.Pod, error)
	// Claims gets claims by name, those that exist.
	Claims(ctx context.Context, namespace string, names ...string) ([]corev1.PersistentVolumeClaim, error)
	// Namespace gets a namespace.
	Namespace(ctx context.Context, name string) (*corev1.Namespace, error)
	// Secret gets a secret.
	Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error)
	// Logs returns the last lines of a container's log.
	Logs(ctx context.Context, namespace, pod, container string, previous bool, lines int64) (string, error)
}
