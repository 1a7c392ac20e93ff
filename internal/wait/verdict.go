// Package wait judges whether objects are where a resource wants them, and
// waits for it over watches.
package wait

// Outcome is what a look at the cluster tells of a wait.
type Outcome int

// The three answers of a look. Only Done and Failed end a wait.
const (
	// Progressing means nothing is certain yet.
	Progressing Outcome = iota
	// Done means the wait has what it asked for.
	Done
	// Failed means it will not get there without somebody changing something.
	Failed
)

// Verdict is a judgement with its reason.
type Verdict struct {
	Outcome Outcome
	// Phase is one word for status.phase: "Pending", "Running", "Complete",
	// "Failed", "Bound", "Suspended".
	Phase string
	// Reason is the CamelCase reason of the condition that decided, if any.
	Reason string
	// Message is one sentence for a person: "1 of 3 pods is running".
	Message string
}

// Of returns a verdict.
func Of(o Outcome, phase, reason, message string) Verdict {
	return Verdict{Outcome: o, Phase: phase, Reason: reason, Message: message}
}
