package podspec

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// keys are the lists of a pod whose elements the server tells apart by a key.
var keys = map[string][]string{
	"containers": {"name"}, "initContainers": {"name"}, "volumes": {"name"}, "env": {"name"}, "volumeMounts": {"mountPath"},
	"volumeDevices": {"devicePath"}, "imagePullSecrets": {"name"}, "hostAliases": {"ip"}, "resourceClaims": {"name"}, "claims": {"name"},
	"topologySpreadConstraints": {"topologyKey", "whenUnsatisfiable"}, "ports": {"containerPort", "protocol"},
}

// leaf is a value of an object with its place: field names, map keys, and the
// keys of list elements.
type leaf struct {
	segments []string
	value    any
}

func (l leaf) String() string { return strings.Join(l.segments, " / ") }

// leavesOf lists the leaves of an object. Lists without keys are one leaf.
func leavesOf(v any) []leaf {
	var out []leaf
	var walk func(at []string, v any)
	walk = func(at []string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if len(v) == 0 {
				out = append(out, leaf{at, v})
			}
			for _, k := range sortedKeys(v) {
				walk(append(at[:len(at):len(at)], k), v[k])
			}
		case []any:
			names := keys[at[len(at)-1]]
			if names == nil {
				out = append(out, leaf{at, v})
				return
			}
			for _, e := range v {
				m, ok := e.(map[string]any)
				if !ok {
					continue
				}
				var id []string
				for _, n := range names {
					if n == "protocol" && m[n] == nil {
						m[n] = "TCP"
					}
					id = append(id, fmt.Sprint(m[n]))
				}
				walk(append(at[:len(at):len(at)], strings.Join(id, "/")), m)
			}
		default:
			out = append(out, leaf{at, v})
		}
	}
	walk(nil, v)
	return out
}

func objectOf(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// isEmpty reports whether a value is what the API leaves out.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case float64:
		return v == 0
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}
