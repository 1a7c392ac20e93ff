package proc

import "testing"

func TestParseStat(t *testing.T) {
	t.Parallel()
	const rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21"
	for name, line := range map[string]string{
		"plain":       "17 (etcd)" + rest,
		"spaces":      "17 (Web Content)" + rest,
		"parentheses": "17 (a) Z (b)" + rest,
	} {
		ticks, state, err := parseStat(line)
		if err != nil || ticks != "987654" || state != "S" {
			t.Errorf("%s: got %q, %q, %v", name, ticks, state, err)
		}
	}
	for _, line := range []string{"", "17 etcd S", "17 (etcd) S 1 2"} {
		if _, _, err := parseStat(line); err == nil {
			t.Errorf("%q: no error", line)
		}
	}
}
