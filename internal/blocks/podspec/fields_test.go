package podspec

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	corev1 "k8s.io/api/core/v1"
)

// TestFields finds for each leaf of each shape an attribute that is set.
func TestFields(t *testing.T) {
	t.Parallel()
	for _, name := range shapes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := shape(t, name)
			state := encoded(t, m)
			fields := m.Fields(path.Empty(), "Job", "spec", "template")
			for _, l := range leavesOf(objectOf(t, applied(t, m))) {
				at, ok := fields.Find(append([]string{"Job", "spec", "template"}, l.segments...))
				if !ok {
					t.Errorf("no attribute for %s", l)
					continue
				}
				if _, ok := lookup(state, at); !ok && !followed(l) {
					t.Errorf("%s is said to come from %s, which is not set", l, at)
				}
			}
		})
	}
}

// followed are leaves whose attribute is null: what the model adds by itself.
func followed(l leaf) bool {
	n := len(l.segments)
	return l.segments[n-1] == "protocol" || l.String() == "spec / containers / main / name" || l.segments[n-1] == "tolerations" || n > 1 && l.segments[n-2] == "requests"
}

// encoded is the state of a model.
func encoded(t *testing.T, m *Model) tftypes.Value {
	t.Helper()
	ctx := context.Background()
	state := tfsdk.State{Schema: podSchema, Raw: tftypes.NewValue(podSchema.Type().TerraformType(ctx), nil)}
	if ds := state.Set(ctx, m); ds.HasError() {
		t.Fatal(ds)
	}
	return state.Raw
}

// lookup returns the value of an attribute; ok is false when it is null or
// there is none.
func lookup(state tftypes.Value, at path.Path) (tftypes.Value, bool) {
	p := tftypes.NewAttributePath()
	for _, s := range at.Steps() {
		switch s := s.(type) {
		case path.PathStepAttributeName:
			p = p.WithAttributeName(string(s))
		case path.PathStepElementKeyString:
			p = p.WithElementKeyString(string(s))
		case path.PathStepElementKeyInt:
			p = p.WithElementKeyInt(int(s))
		}
	}
	v, _, err := tftypes.WalkAttributePath(state, p)
	if err != nil {
		return tftypes.Value{}, false
	}
	out, ok := v.(tftypes.Value)
	return out, ok && !out.IsNull()
}

// TestDriftOfEachLeaf changes each leaf of each shape as somebody on the cluster
// might: one of the attributes that are said to make it shows another value.
func TestDriftOfEachLeaf(t *testing.T) {
	t.Parallel()
	for _, name := range shapes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := shape(t, name)
			before := encoded(t, m)
			fields := m.Fields(path.Empty(), "Pod")
			for i, l := range leavesOf(objectOf(t, applied(t, m))) {
				changed, ok := otherValue(l)
				if !ok {
					continue
				}
				live := objectOf(t, applied(t, m))
				leaves := 0
				set(live, nil, &leaves, i, changed)
				b, err := json.Marshal(live)
				if err != nil {
					t.Fatal(err)
				}
				var template corev1.PodTemplateSpec
				if err := json.Unmarshal(b, &template); err != nil {
					continue // no such value in the API
				}
				adopted, ds := AdoptLike(&template, m)
				if ds.HasError() {
					t.Fatal(ds)
				}
				at := fields.FindBelow(append([]string{"Pod"}, l.segments...))
				if len(at) == 0 {
					one, _ := fields.Find(append([]string{"Pod"}, l.segments...))
					at = path.Paths{one}
				}
				if !differs(before, encoded(t, &adopted), at) {
					t.Errorf("%s changed from %v to %v, and none of %v shows it", l, l.value, changed, at)
				}
			}
		})
	}
}

func differs(before, after tftypes.Value, at []path.Path) bool {
	for _, p := range at {
		a, okA := lookup(before, p)
		b, okB := lookup(after, p)
		if okA != okB || okA && !a.Equal(b) {
			return true
		}
	}
	return false
}

// otherValue is a value of the same kind. Keys of list elements stay: changing
// one makes another element.
func otherValue(l leaf) (any, bool) {
	last := l.segments[len(l.segments)-1]
	if len(l.segments) > 2 {
		list := l.segments[len(l.segments)-3]
		for _, k := range keys[list] {
			if k == last {
				return nil, false
			}
		}
	}
	switch v := l.value.(type) {
	case string:
		if len(l.segments) > 2 && (strings.Contains(l.String(), "limits / ") || strings.Contains(l.String(), "requests / ")) {
			return "77", true
		}
		switch last {
		case "sizeLimit", "storage", "divisor":
			return "77", true
		}
		return v + "x", true
	case bool:
		return !v, true
	case float64:
		return v + 1, true
	case []any:
		if len(v) > 1 {
			return v[1:], true
		}
		return []any{}, true
	}
	return nil, false
}

// set replaces the leaf with that number in the order of leavesOf.
func set(v any, at []string, n *int, wanted int, to any) (any, bool) {
	switch x := v.(type) {
	case map[string]any:
		if len(x) == 0 {
			*n++
			return to, *n-1 == wanted
		}
		for _, k := range sortedKeys(x) {
			if r, ok := set(x[k], append(at[:len(at):len(at)], k), n, wanted, to); ok {
				x[k] = r
				return x, true
			}
		}
	case []any:
		names := keys[at[len(at)-1]]
		if names == nil {
			*n++
			return to, *n-1 == wanted
		}
		for i, e := range x {
			m, ok := e.(map[string]any)
			if !ok {
				continue
			}
			for _, k := range names {
				if k == "protocol" && m[k] == nil {
					m[k] = "TCP"
				}
			}
			if r, ok := set(m, at, n, wanted, to); ok {
				x[i] = r
				return x, true
			}
		}
	default:
		*n++
		return to, *n-1 == wanted
	}
	return v, false
}
