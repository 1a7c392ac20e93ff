package simulate

import "strings"

// The words of a claim's annotation, which is the same as a pod's: WORD[:message=TEXT].
const (
	// ProvisionFail makes every attempt at a volume fail.
	ProvisionFail = "provision-fail"
	// ProvisionStuck leaves the claim pending without a word, as a missing driver does.
	ProvisionStuck = "provision-stuck"
	// ExpandFail makes every attempt to grow fail.
	ExpandFail = "expand-fail"
)

// ClaimVerb returns the word of a claim's annotation, empty without one.
func ClaimVerb(annotations map[string]string) string { return Verb(annotations) }

// ClaimMessage returns the message of a claim's annotation, or what is usual.
func ClaimMessage(annotations map[string]string, usual string) string {
	if _, text, ok := strings.Cut(annotations[Annotation], "message="); ok {
		return text
	}
	return usual
}
