package kube

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// tree is a YAML-less way to write JSON values: numbers without a point are int64.
func tree(t *testing.T, text string) map[string]any {
	t.Helper()
	o := &Object{}
	if err := json.Unmarshal([]byte(`{"apiVersion":"batch/v1","kind":"Job"}`), &o.Object); err != nil {
		t.Fatal(err)
	}
	raw := append([]byte(`{"apiVersion":"batch/v1","kind":"Job","tree":`), append([]byte(text), '}')...)
	if err := o.UnmarshalJSON(raw); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	m, ok := o.Object["tree"].(map[string]any)
	if !ok {
		t.Fatalf("%s is no object", text)
	}
	return m
}

func TestDrift(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		wanted, live string
		want         [][]string
	}{
		"nothing":                  {`{}`, `{"spec":{"a":1}}`, nil},
		"equal":                    {`{"spec":{"a":1,"b":"x","c":true}}`, `{"spec":{"a":1,"b":"x","c":true}}`, nil},
		"others' fields":           {`{"spec":{"a":1}}`, `{"spec":{"a":1,"b":2},"status":{}}`, nil},
		"a leaf":                   {`{"spec":{"a":1,"b":2}}`, `{"spec":{"a":1,"b":3}}`, [][]string{{"spec", "b"}}},
		"a leaf that is gone":      {`{"spec":{"a":1}}`, `{"spec":{}}`, [][]string{{"spec", "a"}}},
		"a struct that is gone":    {`{"spec":{"a":{"b":1}}}`, `{"spec":{}}`, [][]string{{"spec", "a"}}},
		"an empty entry is gone":   {`{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{"metadata":{"annotations":{"a":""}}}}}`, `{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{}}}`, [][]string{{"spec", "template", "metadata"}}},
		"metrics in another order": {`{"metrics":[{"type":"Pods","pods":{"metric":{"name":"a"}}},{"type":"Resource","resource":{"name":"cpu"}}]}`, `{"metrics":[{"type":"Resource","resource":{"name":"cpu"}},{"type":"Pods","pods":{"metric":{"name":"a"}}}]}`, nil}, // pain 21
		"a metric that is gone":    {`{"metrics":[{"type":"Resource","resource":{"name":"cpu"}}]}`, `{"metrics":[{"type":"Resource","resource":{"name":"memory"}}]}`, [][]string{{"metrics", "Resource/cpu"}}},
		"all labels are gone":      {`{"metadata":{"labels":{"a":"1","b":"2"}}}`, `{"metadata":{}}`, [][]string{{"metadata", "labels"}}},
		"another type":             {`{"a":{"b":1}}`, `{"a":"b"}`, [][]string{{"a"}}},
		"a list became a string":   {`{"args":["x"]}`, `{"args":"x"}`, [][]string{{"args"}}},
		"numbers of other types":   {`{"a":1}`, `{"a":1.0}`, nil},
		"a text is not a number":   {`{"a":"1"}`, `{"a":1}`, [][]string{{"a"}}},
		"amounts in other words":   {`{"limits":{"memory":"1Gi"}}`, `{"limits":{"memory":"1024Mi"}}`, nil},
		"amounts":                  {`{"limits":{"memory":"1Gi"}}`, `{"limits":{"memory":"1G"}}`, [][]string{{"limits", "memory"}}},
		"an amount as a number":    {`{"limits":{"cpu":"1"}}`, `{"limits":{"cpu":1}}`, nil},
		"not every text is amount": {`{"env":[{"name":"A","value":"1Gi"}]}`, `{"env":[{"name":"A","value":"1024Mi"}]}`, [][]string{{"env", "A", "value"}}},
		"order of a keyed list": {
			`{"containers":[{"name":"a","image":"x"},{"name":"b","image":"y"}]}`,
			`{"containers":[{"name":"b","image":"y"},{"name":"a","image":"x"}]}`, nil,
		},
		"an element of a keyed list": {
			`{"containers":[{"name":"a","image":"x"}]}`, `{"containers":[{"name":"b","image":"y"},{"name":"a","image":"z"}]}`,
			[][]string{{"containers", "a", "image"}},
		},
		"an element is gone": {
			`{"containers":[{"name":"a"},{"name":"b"}]}`, `{"containers":[{"name":"b"}]}`, [][]string{{"containers", "a"}},
		},
		"the default protocol is part of the key": {
			`{"ports":[{"containerPort":80,"name":"x"}]}`, `{"ports":[{"containerPort":80,"protocol":"TCP","name":"y"}]}`,
			[][]string{{"ports", "80/TCP", "name"}},
		},
		"two protocols of one port": {
			`{"ports":[{"containerPort":53,"protocol":"UDP","name":"u"},{"containerPort":53,"protocol":"TCP","name":"t"}]}`,
			`{"ports":[{"containerPort":53,"protocol":"TCP","name":"t"},{"containerPort":53,"protocol":"UDP","name":"v"}]}`,
			[][]string{{"ports", "53/UDP", "name"}},
		},
		"order of a list without keys": {`{"args":["a","b"]}`, `{"args":["b","a"]}`, [][]string{{"args"}}},
		"length of a list":             {`{"args":["a"]}`, `{"args":["a","b"]}`, [][]string{{"args"}}},
		"inside a list without keys":   {`{"rules":[{"action":"Count"}]}`, `{"rules":[{"action":"Ignore"}]}`, [][]string{{"rules"}}},
		"others' fields in such a list": {
			`{"tolerations":[{"key":"a"}]}`, `{"tolerations":[{"key":"a","operator":"Equal"}]}`, nil,
		},
		"a keyed list with a key twice": {
			`{"env":[{"name":"A","value":"1"},{"name":"A","value":"2"}]}`, `{"env":[{"name":"A","value":"1"},{"name":"A","value":"3"}]}`,
			[][]string{{"env"}},
		},
		"a whole keyed list is gone": {`{"volumes":[{"name":"a"}]}`, `{}`, [][]string{{"volumes"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Drift(tree(t, tc.wanted), tree(t, tc.live))
			if diff := cmp.Diff(tc.want, got, cmpopts.SortSlices(func(a, b []string) bool { return len(a) < len(b) })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestDriftPathsAreTheirOwn guards against paths that share memory: the next
// sibling must not overwrite an earlier finding.
func TestDriftPathsAreTheirOwn(t *testing.T) {
	t.Parallel()
	got := Drift(
		tree(t, `{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"1","command":["x"],"env":[{"name":"E","value":"1"},{"name":"F","value":"1"}]}]}}}}`),
		tree(t, `{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"2","command":["y"],"env":[{"name":"E","value":"2"},{"name":"F","value":"2"}]}]}}}}`))
	at := func(rest ...string) []string {
		return append([]string{"spec", "template", "spec", "containers", "a"}, rest...)
	}
	want := [][]string{at("command"), at("env", "E", "value"), at("env", "F", "value"), at("image")}
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(func(a, b []string) bool { return a[len(a)-1]+a[len(a)-2] < b[len(b)-1]+b[len(b)-2] })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSame(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		a, b string
		want bool
	}{
		"equal":                    {`{"Job":{"spec":{"a":1}}}`, `{"Job":{"spec":{"a":1}}}`, true},
		"one says more":            {`{"Job":{"spec":{"a":1}}}`, `{"Job":{"spec":{"a":1,"b":2}}}`, false},
		"the other says more":      {`{"Job":{"spec":{"a":1,"b":2}}}`, `{"Job":{"spec":{"a":1}}}`, false},
		"amounts":                  {`{"limits":{"cpu":"1000m"}}`, `{"limits":{"cpu":1}}`, true},
		"order of a keyed list":    {`{"env":[{"name":"A"},{"name":"B"}]}`, `{"env":[{"name":"B"},{"name":"A"}]}`, true},
		"null is not silence":      {`{"Job":{"spec":{"a":null}}}`, `{"Job":{"spec":{}}}`, false},
		"null is null":             {`{"a":null}`, `{"a":null}`, true},
		"null is not a value":      {`{"a":null}`, `{"a":1}`, false},
		"a list of another length": {`{"args":["a"]}`, `{"args":["a","a"]}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Same(tree(t, tc.a), tree(t, tc.b)); got != tc.want {
				t.Errorf("got %v", got)
			}
			if got := Same(tree(t, tc.b), tree(t, tc.a)); got != tc.want {
				t.Errorf("the other way round: %v", got)
			}
		})
	}
}

func TestAt(t *testing.T) {
	t.Parallel()
	o := tree(t, `{"spec":{"containers":[{"name":"a","env":[{"name":"E","value":"1"}],"ports":[{"containerPort":80,"name":"web"}]}],"args":["x","y"],"zero":0,"null":null}}`)
	for name, tc := range map[string]struct {
		at   []string
		want any
		ok   bool
	}{
		"the whole":           {nil, any(o), true},
		"a leaf":              {[]string{"spec", "zero"}, int64(0), true},
		"a null":              {[]string{"spec", "null"}, nil, true},
		"nothing":             {[]string{"spec", "one"}, nil, false},
		"below a leaf":        {[]string{"spec", "zero", "x"}, nil, false},
		"by key":              {[]string{"spec", "containers", "a", "env", "E", "value"}, "1", true},
		"by a key of two":     {[]string{"spec", "containers", "a", "ports", "80/TCP", "name"}, "web", true},
		"by index":            {[]string{"spec", "args", "1"}, "y", true},
		"by index, keyed":     {[]string{"spec", "containers", "0", "name"}, "a", true},
		"beyond the end":      {[]string{"spec", "args", "2"}, nil, false},
		"a negative index":    {[]string{"spec", "args", "-1"}, nil, false},
		"an unknown key":      {[]string{"spec", "containers", "b"}, nil, false},
		"an element of a map": {[]string{"spec", "containers", "a", "env", "E", "value", "0"}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := At(o, tc.at...)
			if ok != tc.ok {
				t.Fatalf("found: %v", ok)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
