package diagnose

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// eventIndex holds events by the object they are about.
type eventIndex map[string][]*corev1.Event

func eventKey(kind, namespace, name string) string { return kind + "/" + namespace + "/" + name }

// indexEvents sorts the events about the named objects, the newest first. It
// leaves all others out: a namespace may hold thousands. An event that was read
// twice, by a watch and by a list, is counted once, as it was seen last.
func indexEvents(events []corev1.Event, about []string) eventIndex {
	ix := make(eventIndex, len(about))
	for _, k := range about {
		ix[k] = nil
	}
	at := map[string]int{}
	for i := range events {
		ev := &events[i]
		o := ev.InvolvedObject
		k := eventKey(o.Kind, o.Namespace, o.Name)
		evs, ok := ix[k]
		if !ok {
			continue
		}
		id := ev.Namespace + "/" + ev.Name
		if j, twice := at[id]; twice && ev.Name != "" {
			if count(ev) > count(evs[j]) {
				evs[j] = ev
			}
			continue
		}
		at[id] = len(evs)
		ix[k] = append(evs, ev)
	}
	for _, evs := range ix {
		slices.SortStableFunc(evs, func(a, b *corev1.Event) int { return lastSeen(b).Compare(lastSeen(a)) })
	}
	return ix
}

// of returns the events about an object, the newest first. Events of a former
// object of that name are left out where uids tell.
func (ix eventIndex) of(kind string, o metav1.Object) []*corev1.Event {
	var out []*corev1.Event
	for _, ev := range ix[eventKey(kind, o.GetNamespace(), o.GetName())] {
		if u := ev.InvolvedObject.UID; u == "" || o.GetUID() == "" || u == o.GetUID() {
			out = append(out, ev)
		}
	}
	return out
}

// count is how often an event was seen; both generations of the API count.
func count(ev *corev1.Event) int {
	n := int(ev.Count)
	if ev.Series != nil {
		n = max(n, int(ev.Series.Count))
	}
	return max(n, 1)
}

func firstSeen(ev *corev1.Event) time.Time {
	for _, t := range []time.Time{ev.FirstTimestamp.Time, ev.EventTime.Time, ev.CreationTimestamp.Time} {
		if !t.IsZero() {
			return t
		}
	}
	return ev.LastTimestamp.Time
}

func lastSeen(ev *corev1.Event) time.Time {
	t := ev.LastTimestamp.Time
	if ev.Series != nil && ev.Series.LastObservedTime.After(t) {
		t = ev.Series.LastObservedTime.Time
	}
	if t.IsZero() {
		return firstSeen(ev)
	}
	return t
}

// repeated is one message that events keep saying.
type repeated struct {
	newest *corev1.Event
	times  int
	first  time.Time
}

// repeats groups the events that match by what they say. The group with the
// newest event comes first.
func repeats(events []*corev1.Event, match func(*corev1.Event) bool) []repeated {
	var order []string
	groups := map[string]*repeated{}
	for _, ev := range events {
		if !match(ev) {
			continue
		}
		k := ev.Reason + "\x00" + same(ev.Message)
		g, ok := groups[k]
		if !ok {
			g = &repeated{newest: ev, first: firstSeen(ev)}
			groups[k] = g
			order = append(order, k)
		}
		g.times += count(ev)
		if f := firstSeen(ev); f.Before(g.first) {
			g.first = f
		}
	}
	out := make([]repeated, 0, len(order))
	for _, k := range order {
		out = append(out, *groups[k])
	}
	return out
}

// ofContainer reports whether an event is about the container; events that do
// not say which one may be.
func ofContainer(ev *corev1.Event, container string) bool {
	path := ev.InvolvedObject.FieldPath
	return path == "" || strings.HasSuffix(path, "{"+container+"}")
}

func newest(events []*corev1.Event, reasons ...string) *corev1.Event {
	if i := slices.IndexFunc(events, hasReason(reasons...)); i >= 0 {
		return events[i]
	}
	return nil
}

// newestWarning finds what was last complained of, for reasons not known here.
func newestWarning(events []*corev1.Event) *corev1.Event {
	if i := slices.IndexFunc(events, func(ev *corev1.Event) bool { return ev.Type == corev1.EventTypeWarning }); i >= 0 {
		return events[i]
	}
	return nil
}

func hasReason(reasons ...string) func(*corev1.Event) bool {
	return func(ev *corev1.Event) bool { return slices.Contains(reasons, ev.Reason) }
}

// message returns an event's words without the prefix of the API machinery.
func message(ev *corev1.Event) string { return strings.TrimPrefix(ev.Message, combined) }
