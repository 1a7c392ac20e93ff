package kube

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
)

// AsWritten writes wanted the way live is written where that means the same:
// keyed lists in live's order, and no request that only repeats its limit where
// live has none. mlk writes these in a way of its own; in an adopted object that
// would be another pod template to the server, and restart pods of which nothing
// was changed.
func AsWritten(wanted, live *Object) {
	inOrder("", wanted.Object, live.Object)
	switch live.GetKind() {
	case LeaderWorkerSet.Kind:
		spelledOut(LeaderWorkerSet, nil, wanted.Object, live.Object)
	case InferenceService.Kind:
		spelledOut(InferenceService, nil, wanted.Object, live.Object)
	}
}

// spelledOut adds to wanted the defaults that live spells out. Nobody fills them in
// again in the templates of a custom resource: to leave one out is another template,
// and restarts pods of which nothing was changed.
func spelledOut(k Kind, at []string, wanted, live any) {
	switch w := wanted.(type) {
	case map[string]any:
		l, _ := live.(map[string]any)
		for f, v := range l {
			sub := append(slices.Clone(at), f)
			if now, has := w[f]; has {
				spelledOut(k, sub, now, v)
			} else if slices.Contains(at, templateIn[k.Kind]) && isDefault(k, sub, l, v) {
				w[f] = runtime.DeepCopyJSONValue(v)
			}
		}
	case []any:
		field := last(at)
		l, ok := live.([]any)
		if !ok || !keyed(field, w) || !keyed(field, l) {
			return
		}
		for _, e := range w {
			key := elementKey(field, e)
			if now, has := find(field, l, key); has {
				spelledOut(k, append(slices.Clone(at), key), e, now)
			}
		}
	}
}

func inOrder(field string, wanted, live any) any {
	switch w := wanted.(type) {
	case map[string]any:
		l, _ := live.(map[string]any)
		if field == "resources" && l != nil {
			withoutEchoes(w, l)
		}
		for f, e := range w {
			if now, has := l[f]; has {
				w[f] = inOrder(f, e, now)
			}
		}
	case []any:
		if l, ok := live.([]any); ok && keyed(field, w) && keyed(field, l) {
			return listInOrder(field, w, l)
		}
	}
	return wanted
}

// listInOrder orders a list whose elements live has all of. One that gets or
// loses elements is another list anyway.
func listInOrder(field string, wanted, live []any) []any {
	out := make([]any, 0, len(wanted))
	for _, e := range live {
		w, has := find(field, wanted, elementKey(field, e))
		if !has || field == "env" && !says(e, w) {
			// A variable may come to use another, which must stand before it.
			return wanted
		}
		out = append(out, inOrder("", w, e))
	}
	if len(out) != len(wanted) || field == "initContainers" {
		return wanted // their order is what they do
	}
	return out
}

// says reports whether live says all that wanted does.
func says(live, wanted any) bool {
	w, ok := wanted.(map[string]any)
	l, both := live.(map[string]any)
	return ok && both && len(Drift(w, l)) == 0
}

// withoutEchoes leaves out requests that live leaves to the limit beside them:
// the server gives them to each pod.
func withoutEchoes(wanted, live map[string]any) {
	requests, _ := wanted["requests"].(map[string]any)
	limits, _ := wanted["limits"].(map[string]any)
	said, _ := live["requests"].(map[string]any)
	bound, _ := live["limits"].(map[string]any)
	for name, amount := range requests {
		_, asked := said[name]
		if _, limited := bound[name]; !asked && limited && same([]string{"requests", name}, amount, limits[name]) {
			delete(requests, name)
		}
	}
	if requests != nil && len(requests) == 0 {
		delete(wanted, "requests")
	}
}
