// Package simulate knows the grammar of the annotation that says what a pod does. KWOK's
// stages carry it out; here it is checked, so that a misspelt word does not go unseen.
package simulate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Annotation is the pod annotation VERB[:KEY=VALUE[,KEY=VALUE…]].
const Annotation = "mlk.dev/simulate"

// verbs are the words there are, each with the keys it takes.
var verbs = map[string][]string{
	"succeed":        {"after", "container", "message"},
	"run":            {},
	"hang":           {},
	"fail":           {"exit", "after", "times", "container", "message"},
	"crashloop":      {"exit", "after", "times", "container", "message"},
	"oom":            {"after", "times", "container"},
	"never-ready":    {"container"},
	"slow-ready":     {"after", "container"},
	"imagepull":      {"container", "message"},
	"configerror":    {"container", "message"},
	"stuck-creating": {"container"},
	"waiting":        {"reason", "container", "message"},
	"init-fail":      {"exit", "message"},
	"evict":          {"after", "message"},
}

// forms are the values the keys take. A message is free.
var forms = map[string]*regexp.Regexp{
	"after":     regexp.MustCompile(`^[0-9]+[sm]$`),
	"exit":      regexp.MustCompile(`^[0-9]{1,3}$`),
	"times":     regexp.MustCompile(`^[0-9]+$`),
	"container": regexp.MustCompile(`^[a-z0-9-]+$`),
	"reason":    regexp.MustCompile(`^[A-Za-z]+$`),
}

// Verb returns the word of a pod's annotation, empty without one.
func Verb(annotations map[string]string) string {
	verb, _, _ := strings.Cut(annotations[Annotation], ":")
	return verb
}

// Check says what is wrong with a pod's annotation; nil if it has none.
func Check(annotations map[string]string) error {
	text, ok := annotations[Annotation]
	if !ok {
		return nil
	}
	verb, rest, _ := strings.Cut(text, ":")
	keys, ok := verbs[verb]
	if !ok {
		return fmt.Errorf("%s: %q is none of %s; the pod runs", Annotation, verb, strings.Join(slices.Sorted(maps.Keys(verbs)), ", "))
	}
	for rest != "" {
		key, value, ok := strings.Cut(rest, "=")
		switch {
		case !ok || !slices.Contains(keys, key):
			return fmt.Errorf("%s: %s does not take %q, but %s", Annotation, verb, key, strings.Join(keys, ", "))
		case key == "message":
			return nil
		}
		value, rest, _ = strings.Cut(value, ",")
		if !forms[key].MatchString(value) {
			return fmt.Errorf("%s: %s=%q is not of the form %s", Annotation, key, value, forms[key])
		}
	}
	return nil
}
