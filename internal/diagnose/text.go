package diagnose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mlkube/terraform-provider-mlk/internal/placement"
)

// logLines bounds a quoted log: enough for a stack trace's end, short enough
// to be read.
const logLines = 10

// quoteBytes bounds one quote of a server's or program's words.
const quoteBytes = 1000

// lastLines returns the last lines of a log, bounded in number and width.
func lastLines(s string) string {
	const width = 300
	lines := tail(s)
	for i, l := range lines {
		if len(l) > width {
			lines[i] = strings.ToValidUTF8(l[:width], "") + " …"
		}
	}
	return strings.Join(lines, "\n")
}

// tail returns the last lines that say something.
func tail(s string) []string {
	s = strings.TrimRight(strings.ReplaceAll(s, "\r", "\n"), "\n \t")
	if s == "" {
		return nil
	}
	lines := slices.DeleteFunc(strings.Split(s, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
	if len(lines) > logLines {
		lines = lines[len(lines)-logLines:]
	}
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " \t")
	}
	return lines
}

// noise is what runtimes put before what went wrong, the same whatever it is.
var noise = regexp.MustCompile(`rpc error: code = \w+ desc = |failed to create containerd task: |failed to create shim task: |OCI runtime create failed: |runc create failed: `)

// quote bounds what somebody said, and leaves out what says nothing. Errors begin with what was tried and end
// with why it did not work, so the middle goes first.
func quote(s string) string {
	s = noise.ReplaceAllString(s, "")
	s = strings.TrimSpace(strings.Join(tail(s), "\n"))
	if len(s) > quoteBytes {
		const head = quoteBytes / 3
		s = strings.ToValidUTF8(s[:head], "") + " … " + strings.ToValidUTF8(s[len(s)-quoteBytes+head:], "")
	}
	return s
}

// plural returns "1 pod" or "3 pods".
func plural(n int, one string) string { return placement.Plural(n, one) }

// times returns "once", "twice" or "5 times".
func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// span returns a duration as people say it: "45s", "12m", "3h20m".
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return "less than a second"
	case d < 2*time.Minute:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		s := strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
		if strings.HasSuffix(s, "h0m") {
			s = strings.TrimSuffix(s, "0m")
		}
		return s
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// list joins names: "a", "a and b", "a, b and 3 more".
func list(names []string, most int) string { return placement.List(names, most) }

// sentences joins sentences, leaving out empty ones.
func sentences(parts ...string) string { return placement.Sentences(parts...) }

// random matches what differs between two reports of the same problem: pod
// name suffixes, addresses, digests, counters.
var random = regexp.MustCompile(`pods "[^"]*"|0x[0-9a-f]+|sha256:[0-9a-f]+|\d+`)

// combined is what the API machinery puts before events it has lumped together.
const combined = "(combined from similar events): "

// same returns a text without what differs between two reports of the same problem.
func same(s string) string {
	return random.ReplaceAllString(strings.TrimPrefix(s, combined), "#")
}
