package kube

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// Residual returns the strategic merge patch that turns wanted into live: what
// somebody once declared on a live object and wanted does not say. Server
// defaults, metadata and status are left out. Nil when nothing is left.
func Residual(k Kind, live, wanted map[string]any) map[string]any {
	live = withoutQueue(Declared(live, wanted))
	if k != TrainJob && k != ClusterPolicy { // of which the server makes no requests
		live, wanted = withoutFollowers(live), withoutFollowers(wanted)
	}
	out := map[string]any{}
	for field, v := range live {
		switch field {
		case "apiVersion", "kind", "metadata", "status":
			continue
		}
		w, has := wanted[field]
		if r, ok := residual(k, []string{field}, live, v, w, has); ok {
			out[field] = r
		}
	}
	for field := range wanted {
		if _, ok := live[field]; !ok && field != "metadata" && !empty(wanted[field]) {
			out[field] = nil
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// residual is what a patch must say at path at so that w becomes v. ok is false
// when nothing needs to be said.
func residual(k Kind, at []string, parent map[string]any, v, w any, has bool) (any, bool) {
	if !has {
		if isDefault(k, at, parent, v) {
			return nil, false
		}
		return prune(k, at, v)
	}
	switch x := v.(type) {
	case map[string]any:
		wm, ok := w.(map[string]any)
		if !ok {
			return prune(k, at, v)
		}
		return residualMap(k, at, x, wm)
	case []any:
		wl, ok := w.([]any)
		field := last(at)
		// Patches of other kinds are merged as plain JSON, where a list is one value.
		if ok && keyed(field, x) && keyed(field, wl) {
			if scheme.Scheme.Recognizes(k.GVK()) && !wholeLists[field] {
				return residualList(k, at, x, wl)
			}
			wl = listInOrder(field, wl, x)
		}
		if ok && len(Drift(map[string]any{field: w}, map[string]any{field: v})) == 0 && !saysMore(k, at, x, wl) {
			return nil, false
		}
		return runtime.DeepCopyJSONValue(v), true
	default:
		if same(at, w, v) {
			return nil, false
		}
		return v, true
	}
}

func residualMap(k Kind, at []string, live, wanted map[string]any) (any, bool) {
	out := map[string]any{}
	for f, v := range live {
		w, has := wanted[f]
		sub := append(append([]string{}, at...), f)
		if r, ok := residual(k, sub, live, v, w, has); ok {
			out[f] = r
		}
	}
	for f, w := range wanted {
		if _, ok := live[f]; !ok && !empty(w) {
			out[f] = nil
		}
	}
	return out, len(out) > 0
}

// withoutFollowers copies an object without the resource requests that the
// server makes from limits when nobody states them.
func withoutFollowers(o map[string]any) map[string]any {
	out := make(map[string]any, len(o))
	for f, v := range o {
		out[f] = stripFollowers(v)
	}
	requests, ok := out["requests"].(map[string]any)
	if !ok {
		return out
	}
	for name, q := range requests {
		if requestFollowsLimit(out, name, q) {
			delete(requests, name)
		}
	}
	if len(requests) == 0 {
		delete(out, "requests")
	}
	return out
}

func stripFollowers(v any) any {
	switch x := v.(type) {
	case map[string]any:
		return withoutFollowers(x)
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = stripFollowers(e)
		}
		return out
	}
	return v
}

func residualList(k Kind, at []string, live, wanted []any) (any, bool) {
	field := last(at)
	var out []any
	for _, e := range live {
		key := elementKey(field, e)
		w, has := find(field, wanted, key)
		em, ok := e.(map[string]any)
		if !ok {
			continue
		}
		sub := append(append([]string{}, at...), key)
		if !has {
			if p, ok := prune(k, sub, em); ok {
				out = append(out, p)
			}
			continue
		}
		wm, ok := w.(map[string]any)
		if !ok {
			continue
		}
		if r, ok := residualMap(k, sub, em, wm); ok {
			rm, ok := r.(map[string]any)
			if !ok {
				continue
			}
			for _, name := range listKeys[field] {
				if v, ok := em[name]; ok {
					rm[name] = v
				}
			}
			out = append(out, rm)
		}
	}
	for _, w := range wanted {
		if _, has := find(field, live, elementKey(field, w)); has {
			continue
		}
		wm, ok := w.(map[string]any)
		if !ok {
			continue
		}
		gone := map[string]any{"$patch": "delete"}
		for _, name := range listKeys[field] {
			if v, ok := wm[name]; ok {
				gone[name] = v
			}
		}
		out = append(out, gone)
	}
	return out, len(out) > 0
}

// saysMore reports whether elements of a keyless list hold fields that wanted
// does not name and the server did not fill in.
func saysMore(k Kind, at []string, live, wanted []any) bool {
	if len(live) != len(wanted) {
		return true
	}
	for i := range live {
		lm, ok := live[i].(map[string]any)
		if !ok {
			continue
		}
		wm, ok := wanted[i].(map[string]any)
		if !ok {
			return true
		}
		sub := append(append([]string{}, at...), fmt.Sprint(i))
		if _, more := residualMap(k, sub, lm, wm); more {
			return true
		}
	}
	return false
}

// prune copies a value without the server's defaults; ok is false when nothing
// is left of it.
func prune(k Kind, at []string, v any) (any, bool) {
	switch x := v.(type) {
	case nil:
		return nil, false
	case map[string]any:
		out := map[string]any{}
		for f, e := range x {
			sub := append(append([]string{}, at...), f)
			if isDefault(k, sub, x, e) {
				continue
			}
			if p, ok := prune(k, sub, e); ok {
				out[f] = p
			}
		}
		// A union member such as emptyDir says something even when it is all defaults.
		if len(out) == 0 && isContainerOfLabels(at) {
			return nil, false
		}
		return out, true
	case []any:
		out := make([]any, 0, len(x))
		for i, e := range x {
			key := elementKey(last(at), e)
			if key == "" {
				key = fmt.Sprint(i)
			}
			if p, ok := prune(k, append(append([]string{}, at...), key), e); ok {
				out = append(out, p)
			}
		}
		return out, true
	}
	return v, true
}

func isContainerOfLabels(at []string) bool {
	switch last(at) {
	case "labels", "annotations", "metadata", "resources", "requests", "updateStrategy", "rollingUpdate", "persistentVolumeClaimRetentionPolicy":
		return true
	}
	return false
}

func toString(v any) string { return fmt.Sprint(v) }
