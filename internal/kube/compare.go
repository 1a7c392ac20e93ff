package kube

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// listKeys are the lists whose elements the server tells apart by a key, by the
// field that holds the list (Kubernetes API: patchMergeKey and listMapKey
// markers). A list that is not here is compared as a whole.
var listKeys = map[string][]string{
	"containers":                {"name"},
	"initContainers":            {"name"},
	"ephemeralContainers":       {"name"},
	"volumes":                   {"name"},
	"env":                       {"name"},
	"volumeMounts":              {"mountPath"},
	"volumeDevices":             {"devicePath"},
	"imagePullSecrets":          {"name"},
	"hostAliases":               {"ip"},
	"topologySpreadConstraints": {"topologyKey", "whenUnsatisfiable"},
	"resourceClaims":            {"name"},
	"claims":                    {"name"},
	"schedulingGates":           {"name"},
	"conditions":                {"type"},
	"replicatedJobs":            {"name"},
	"runtimePatches":            {"manager"},
	"ports":                     {"containerPort", "port", "protocol"},
	"metrics":                   {"type"}, // and a name: see metricKey
}

// wholeLists are those of listKeys that the server does not merge: they have an
// order that means nothing, and a patch replaces them.
var wholeLists = map[string]bool{"metrics": true}

// quantityParents are the fields whose values (or whose entries' values) are
// quantities, which the server writes in its own way.
var quantityParents = map[string]bool{
	"limits": true, "requests": true, "capacity": true, "hard": true, "sizeLimit": true, "storage": true, "divisor": true,
}

// elementKey names an element of a keyed list: the values of its keys joined by
// "/"; "" when it has none.
func elementKey(field string, element any) string {
	m, ok := element.(map[string]any)
	if !ok {
		return ""
	}
	if field == "metrics" {
		return metricKey(m)
	}
	var parts []string
	for _, k := range listKeys[field] {
		switch v, has := m[k]; {
		case has:
			parts = append(parts, fmt.Sprint(v))
		case k == "protocol":
			parts = append(parts, "TCP") // the server's default, part of the key
		}
	}
	return strings.Join(parts, "/")
}

// metricKey tells the metrics of an autoscaler apart by type and name:
// "Resource/cpu", "Pods/queue", "ContainerResource/main/cpu".
func metricKey(metric map[string]any) string {
	kind, _ := metric["type"].(string)
	if kind == "" {
		return ""
	}
	source, _ := metric[strings.ToLower(kind[:1])+kind[1:]].(map[string]any)
	parts := []string{kind}
	for _, at := range [][]string{{"describedObject", "kind"}, {"describedObject", "name"}, {"container"}, {"name"}, {"metric", "name"}} {
		if v, ok := At(source, at...); ok {
			parts = append(parts, fmt.Sprint(v))
		}
	}
	return strings.Join(parts, "/")
}

// keyed reports whether the list under field is told apart by keys, and its
// elements all bear distinct ones.
func keyed(field string, list []any) bool {
	if _, ok := listKeys[field]; !ok {
		return false
	}
	seen := map[string]bool{}
	for _, e := range list {
		k := elementKey(field, e)
		if k == "" || seen[k] {
			return false
		}
		seen[k] = true
	}
	return true
}

// find returns the element of a keyed list with that key.
func find(field string, list []any, key string) (any, bool) {
	for _, e := range list {
		if elementKey(field, e) == key {
			return e, true
		}
	}
	return nil, false
}

// Drift returns the fields that wanted names and live has with another meaning,
// each as its path: field names, map keys, and the keys of list elements.
// Fields that only live has are none of our business.
func Drift(wanted, live map[string]any) [][]string {
	w := drifting{root: wanted}
	w.walk(nil, wanted, live, true)
	return w.out
}

// drifting is one comparison.
type drifting struct {
	root map[string]any
	out  [][]string
}

func (d *drifting) found(at ...string) { d.out = append(d.out, slices.Clone(at)) }

// missing reports whether a wanted value is missed where live has none.
func (d *drifting) missing(at []string, wanted any) bool {
	if !empty(wanted) || wanted != nil && keepsZero(d.root, at, wanted) {
		return true
	}
	m, _ := wanted.(map[string]any)
	for k, v := range m {
		if d.missing(append(slices.Clone(at), k), v) {
			return true // the one label of a map may be ""
		}
	}
	return false
}

func (d *drifting) walk(at []string, wanted, live any, exists bool) {
	switch w := wanted.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			if exists && live != nil || d.missing(at, w) {
				d.found(at...)
			}
			return
		}
		for k, v := range w {
			lv, has := l[k]
			d.walk(append(at, k), v, lv, has)
		}
	case []any:
		field := last(at)
		l, ok := live.([]any)
		if !ok {
			if !empty(w) {
				d.found(at...)
			}
			return
		}
		if keyed(field, w) && keyed(field, l) {
			for _, e := range w {
				k := elementKey(field, e)
				le, has := find(field, l, k)
				if !has {
					d.found(append(slices.Clone(at), k)...)
					continue
				}
				d.walk(append(at, k), e, le, true)
			}
			return
		}
		if len(w) != len(l) {
			d.found(at...)
			return
		}
		for i := range w {
			sub := drifting{root: d.root}
			sub.walk(append(slices.Clone(at), strconv.Itoa(i)), w[i], l[i], true)
			if len(sub.out) > 0 {
				// Elements without a key have no name of their own: the list changed.
				d.found(at...)
				return
			}
		}
	default:
		if !exists {
			if d.missing(at, wanted) {
				d.found(at...)
			}
			return
		}
		if !same(at, wanted, live) {
			d.found(at...)
		}
	}
}

func last(at []string) string {
	if len(at) == 0 {
		return ""
	}
	return at[len(at)-1]
}

// empty reports whether a value is what a server leaves out: nothing, zero,
// false, "", or a collection of nothing.
func empty(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case bool:
		return !x
	case string:
		return x == ""
	case int64:
		return x == 0
	case float64:
		return x == 0
	case map[string]any:
		for _, e := range x {
			if !empty(e) {
				return false
			}
		}
		return true
	case []any:
		return len(x) == 0
	}
	return false
}

// same reports whether two leaves mean the same.
func same(at []string, a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	if isQuantity(at) {
		qa, errA := resource.ParseQuantity(fmt.Sprint(a))
		qb, errB := resource.ParseQuantity(fmt.Sprint(b))
		return errA == nil && errB == nil && qa.Cmp(qb) == 0
	}
	na, okA := number(a)
	nb, okB := number(b)
	return okA && okB && na == nb
}

func isQuantity(at []string) bool {
	for i := len(at) - 1; i >= 0 && i >= len(at)-2; i-- {
		if quantityParents[at[i]] {
			return true
		}
	}
	return false
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	case int:
		return float64(n), true
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	}
	return 0, false
}

// At returns the value at a path of field names and list keys.
func At(o map[string]any, segments ...string) (any, bool) {
	var v any = o
	for i, s := range segments {
		switch x := v.(type) {
		case map[string]any:
			e, ok := x[s]
			if !ok {
				return nil, false
			}
			v = e
		case []any:
			e, ok := find(last(segments[:i]), x, s)
			if !ok {
				n, err := strconv.Atoi(s)
				if err != nil || n < 0 || n >= len(x) {
					return nil, false
				}
				e = x[n]
			}
			v = e
		default:
			return nil, false
		}
	}
	return v, true
}

// Same reports whether two values mean the same to the API server: quantities
// by amount, numbers by value, keyed lists in any order.
func Same(a, b any) bool {
	return len(Drift(map[string]any{"": a}, map[string]any{"": b})) == 0 &&
		len(Drift(map[string]any{"": b}, map[string]any{"": a})) == 0 && zeros(a) == zeros(b)
}

// zeros counts the nulls, zeros, falses and empty texts in a value, which Drift
// may take for nothing: in a patch, to set one of them, to remove a field and
// to say nothing are three things.
func zeros(v any) int {
	n := 0
	switch x := v.(type) {
	case map[string]any:
		for _, e := range x {
			n += zeros(e)
		}
	case []any:
		for _, e := range x {
			n += zeros(e)
		}
	default:
		if empty(v) {
			return 1
		}
	}
	return n
}
