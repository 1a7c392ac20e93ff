package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestTally(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		events string
		want   result
		shown  []string
		hidden []string
	}{
		"each outcome is counted and only what needs a look is shown": {
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"from A\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"from B\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC","Output":"from C\n"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"fail","Package":"p","Elapsed":1.25}
`,
			want:   result{passed: 1, failed: 1, skipped: 1},
			shown:  []string{"from B", "from C", "FAIL  p (1.2s)"},
			hidden: []string{"from A"},
		},
		"a package that does not compile is one failure": {
			events: `{"Action":"build-output","ImportPath":"p","Output":"p.go:1: oops\n"}
{"Action":"build-fail","ImportPath":"p"}
{"Action":"fail","Package":"p","FailedBuild":"p"}
`,
			want:  result{failed: 1},
			shown: []string{"p.go:1: oops"},
		},
		"a package that dies without a failed test is one failure": {
			events: `{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"exit status 3\n"}
{"Action":"fail","Package":"p"}
`,
			want:  result{passed: 1, failed: 1},
			shown: []string{"exit status 3"},
		},
		"a package whose tests passed is one line": {
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Elapsed":2}
`,
			want:  result{passed: 1},
			shown: []string{"ok    p (2.0s)"},
		},
		"a package without tests, or without any that -run chose, is silent": {
			events: `{"Action":"skip","Package":"p"}
{"Action":"pass","Package":"q","Elapsed":1}
`,
			hidden: []string{"p", "q"},
		},
		"what is not an event is shown": {
			events: "go: downloading example.com v1\n",
			shown:  []string{"go: downloading"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			got, err := tally(strings.NewReader(test.events), &out)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("counted %+v, want %+v", got, test.want)
			}
			for _, text := range test.shown {
				if !strings.Contains(out.String(), text) {
					t.Errorf("output lacks %q:\n%s", text, out.String())
				}
			}
			for _, text := range test.hidden {
				if strings.Contains(out.String(), text) {
					t.Errorf("output has %q:\n%s", text, out.String())
				}
			}
		})
	}
}

func TestChooseNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	if _, err := choose([]string{"unit", "acceptance"}); err != nil {
		t.Error(err)
	}
	for _, names := range [][]string{nil, {"units"}} {
		if _, err := choose(names); err == nil || !strings.Contains(err.Error(), "acceptance") {
			t.Errorf("choose(%q) = %v, want an error that lists the rings", names, err)
		}
	}
}
