package kindcluster

import (
	"os"
	"strings"
	"testing"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	want := record{Image: "node:1", Config: "c", Workloads: "w"}
	tests := map[string]struct {
		have   found
		want   action
		reason string
	}{
		"nothing there":            {have: found{}, want: create},
		"a record without cluster": {have: found{record: want}, want: create},
		"a cluster without record": {have: found{exists: true, answers: true}, want: replace, reason: "half made"},
		"another image":            {have: found{exists: true, answers: true, record: record{"node:0", "c", "w"}}, want: replace, reason: "another image"},
		"another configuration":    {have: found{exists: true, answers: true, record: record{"node:1", "x", "w"}}, want: replace, reason: "configuration"},
		"stopped":                  {have: found{exists: true, record: want}, want: replace, reason: "does not answer"},
		"stopped, with other code": {have: found{exists: true, record: record{"node:1", "c", "x"}}, want: replace, reason: "does not answer"},
		"other code in the images": {have: found{exists: true, answers: true, record: record{"node:1", "c", "x"}}, want: refresh, reason: "other code"},
		"the very one":             {have: found{exists: true, answers: true, record: want}, want: reuse},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, reason := decide(want, test.have)
			if got != test.want || !strings.Contains(reason, test.reason) || (test.reason == "") != (reason == "") {
				t.Errorf("decide = %s (%q), want %s (%q)", got, reason, test.want, test.reason)
			}
		})
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	if got, err := readRecord(home); err != nil || got != (record{}) {
		t.Errorf("no record reads as %v, %v", got, err)
	}
	want := record{Image: "node:1", Config: "c", Workloads: "w"}
	if err := writeRecord(home, want); err != nil {
		t.Fatal(err)
	}
	if got, err := readRecord(home); err != nil || got != want {
		t.Errorf("read %v, %v, want %v", got, err, want)
	}
	if err := os.WriteFile(recordFile(home), []byte(`{"Image": "no`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := readRecord(home); err != nil || got != (record{}) {
		t.Errorf("half a record reads as %v, %v, want none", got, err)
	}
	for range 2 {
		if err := forget(home); err != nil {
			t.Error(err)
		}
	}
}
