package laws

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/resource/schema"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// What is not known is tried in handfuls, each place in two of them with different
// others, since what is next to it may hide what would be said: then alone, to tell which.
const (
	handful  = 6
	shuffles = 2
)

// Unknown puts values that are not known yet in the place of the attributes of each
// configuration, of those it sets and of those it leaves out. They may turn out to be
// what was there, or nothing, and with that the configuration is valid: so nothing may
// be said against it before. tried is what other resources have shown of the blocks that
// they share.
func (s Subject) Unknown(t *testing.T, tried *sync.Map, valid func(Config) string) {
	t.Helper()
	sch := s.schemaOf(t)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // nothing is secret here
	for _, name := range slices.Sorted(maps.Keys(s.Configs)) {
		c := maps.Clone(s.Configs[name])
		maps.DeleteFunc(c, func(name string, _ any) bool { _, ok := sch.Attributes[name]; return !ok })
		if valid(c) != "" {
			delete(c, "wait_for") // which Read has added
		}
		if msg := valid(c); msg != "" {
			t.Errorf("%s is not valid: %s", name, msg)
			continue
		}
		var open [][]any
		for _, at := range places(sch.Attributes, c, nil) {
			// The same in the same surroundings says the same.
			around, err := json.Marshal(nextTo(c, at))
			if err != nil {
				t.Fatal(err)
			}
			key, block := shape(at)+string(around), slices.Contains(s.shapes, name)
			if !block {
				key = s.Type + key
			}
			if _, done := tried.LoadOrStore(key, true); !done && (!block || len(at) > 1) { // beside a block there is what the minimal configuration has
				open = append(open, at)
			}
		}
		for range shuffles {
			random.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
			for some := range slices.Chunk(open, handful) {
				heldAgainst(t, name, c, some, valid)
			}
		}
	}
}

// heldAgainst tells what is said of a configuration while some of it is not known.
func heldAgainst(t *testing.T, name string, c Config, places [][]any, valid func(Config) string) {
	t.Helper()
	changed := any(c)
	var names []string
	for _, at := range places {
		changed, names = put(changed, at, testkit.Unknown{}), append(names, shape(at))
	}
	open, ok := changed.(map[string]any)
	if !ok {
		return
	}
	msg := valid(open)
	if msg == "" {
		return
	}
	if len(places) > 1 {
		for _, at := range places {
			heldAgainst(t, name, c, [][]any{at}, valid)
		}
	}
	t.Errorf("%s, while not known is %s: %s", name, strings.Join(names, ", "), msg)
}

// places are the paths of all attributes that can be set in an object, and in the
// objects inside it: names, keys of maps and indexes of lists.
func places(attributes map[string]schema.Attribute, values map[string]any, at []any) [][]any {
	var out [][]any
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		if !a.IsOptional() && !a.IsRequired() {
			continue
		}
		here := append(slices.Clone(at), name)
		out = append(out, here)
		inside, _ := nestedIn(a)
		if inside == nil {
			continue
		}
		switch _, single := a.(schema.SingleNestedAttribute); x := values[name].(type) {
		case map[string]any:
			if single {
				out = append(out, places(inside, x, here)...)
				continue
			}
			for _, key := range slices.Sorted(maps.Keys(x)) {
				if o, ok := x[key].(map[string]any); ok {
					out = append(out, places(inside, o, append(slices.Clone(here), key))...)
				}
			}
		case []any:
			for i, e := range x {
				if o, ok := e.(map[string]any); ok {
					out = append(out, places(inside, o, append(slices.Clone(here), i))...)
				}
			}
		}
	}
	return out
}

// nextTo is what decides about a place: the object it is in, and of the whole
// configuration what is not inside of others.
func nextTo(c map[string]any, at []any) map[string]any {
	if len(at) == 1 {
		return c
	}
	var v any = c
	for _, step := range at[:len(at)-1] {
		switch x := v.(type) {
		case map[string]any:
			v = x[fmt.Sprint(step)]
		case []any:
			if i, ok := step.(int); ok {
				v = x[i]
			}
		}
	}
	o, _ := v.(map[string]any)
	return o
}

// shape is a path as people write it.
func shape(at []any) string {
	var out []string
	for _, step := range at {
		out = append(out, fmt.Sprint(step))
	}
	return strings.Join(out, ".")
}

// put is a value with another one at a place; the value itself stays as it is.
func put(v any, at []any, with any) any {
	if len(at) == 0 {
		return with
	}
	switch x := v.(type) {
	case []any:
		i, ok := at[0].(int)
		if !ok {
			return v
		}
		out := slices.Clone(x)
		out[i] = put(x[i], at[1:], with)
		return out
	case map[string]any:
		key, ok := at[0].(string)
		if !ok {
			return v
		}
		out := maps.Clone(x)
		out[key] = put(x[key], at[1:], with)
		return out
	}
	return with
}
