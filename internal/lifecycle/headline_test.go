package lifecycle

import "testing"

// A summary that does not fit first says less of when, then ends at a word.
func TestHeadline(t *testing.T) {
	t.Parallel()
	const title = `Training job "research/llama-finetune"`
	for cause, want := range map[string]string{
		"no node has 9 GPUs":                                              title + ` is not running after 30s: no node has 9 GPUs`,
		"secret s3-keys does not exist":                                   title + ` is not running: secret s3-keys does not exist`,
		"secret s3-keys of volume credentials does not exist":             title + ` is not running: secret s3-keys of volume…`,
		"registry-of-a-company.with.a.very.long.name.example.com is down": title + ` is not running…`,
	} {
		if got := headline(title, []string{"is not running after 30s", "is not running"}, cause); got != want {
			t.Errorf("%q: got %q, want %q", cause, got, want)
		}
	}
}
