package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestMisfit(t *testing.T) {
	t.Parallel()
	type extra = func(context.Context, string) (time.Duration, bool, error)
	tests := map[string]struct {
		extra  extra
		have   time.Duration
		reason string
		always bool
	}{
		"time enough":           {have: 10 * time.Minute},
		"too little time":       {have: time.Minute, reason: "it needs about 8m0s and 1m0s of the time is left"},
		"the image would be it": {have: 10 * time.Minute, extra: func(context.Context, string) (time.Duration, bool, error) { return 5 * time.Minute, false, nil }, reason: "about 13m0s"},
		"the image is there":    {have: time.Second, extra: func(context.Context, string) (time.Duration, bool, error) { return 0, true, nil }, always: true},
		"no containers": {have: time.Hour, extra: func(context.Context, string) (time.Duration, bool, error) {
			return 0, false, errors.New("this machine cannot run containers: unshare\nOperation not permitted")
		}, reason: "cannot run containers: unshare; Operation"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := ring{name: "kind", takes: 8 * time.Minute, extra: test.extra}
			reason, always := r.misfit(t.Context(), t.TempDir(), test.have)
			if !strings.Contains(reason, test.reason) || (test.reason == "") != (reason == "") || always != test.always {
				t.Errorf("misfit = %q, %t, want %q, %t", reason, always, test.reason, test.always)
			}
			if strings.Contains(reason, "\n") {
				t.Errorf("%q is more than one line", reason)
			}
		})
	}
}
