package lifecycle

import "testing"

// A summary that does not fit first says less of when and of what, and only then
// ends at a word: the cause is what it is read for.
func TestHeadline(t *testing.T) {
	t.Parallel()
	const title, short = `Training job "research/llama-finetune"`, `Training job "llama-finetune"`
	for cause, want := range map[string]string{
		"no node has 9 GPUs":                                                 title + " is not running after 30s: no node has 9 GPUs",
		"secret s3-keys does not exist":                                      title + " is not running: secret s3-keys does not exist",
		"volume claim imagenet-2026 does not exist":                          title + ": volume claim imagenet-2026 does not exist",
		"secret s3-keys of volume credentials does not exist here":           short + ": secret s3-keys of volume credentials does not exist here",
		"registry-of-a-company.with.a.very.long.name.example.com is down":    short + ": registry-of-a-company.with.a.very.long.name.example.com…",
		"config map trainer-settings of container main has no key optimizer": short + ": config map trainer-settings of container main has no key…",
	} {
		got, whole := headline(cause, title+" is not running after 30s", title+" is not running", title, short)
		if got != want || whole != (want == title+" is not running after 30s: "+cause) {
			t.Errorf("%q: got %q, whole %v, want %q", cause, got, whole, want)
		}
	}
}
