package placement

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Plural returns "1 pod" or "3 pods".
func Plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if strings.HasSuffix(one, "x") || strings.HasSuffix(one, "s") {
		return fmt.Sprintf("%d %ses", n, one)
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// List joins names: "a", "a and b", "a, b and 3 more".
func List(names []string, most int) string {
	names = slices.Clone(names)
	if more := len(names) - most; more > 0 {
		names = append(names[:most:most], fmt.Sprintf("%d more", more))
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// Sentences joins sentences, leaving out empty ones.
func Sentences(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}

// Clip shortens a word in a summary.
func Clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return s[:most-1] + "…"
}

// Unit is what people call a resource.
func Unit(r corev1.ResourceName) string {
	switch {
	case r == corev1.ResourceCPU:
		return "CPU"
	case r == corev1.ResourceMemory:
		return "memory"
	case r == corev1.ResourceEphemeralStorage:
		return "ephemeral storage"
	case r == corev1.ResourcePods:
		return "room for pods"
	case strings.HasSuffix(string(r), "/gpu"):
		return "GPUs"
	}
	return string(r)
}

// Amount writes an amount of a resource.
func Amount(r corev1.ResourceName, q resource.Quantity) string {
	switch {
	case r == corev1.ResourceCPU:
		if q.Cmp(resource.MustParse("1")) == 0 {
			return "1 CPU"
		}
		return q.String() + " CPUs"
	case r == corev1.ResourceMemory:
		return q.String() + " of memory"
	case r == corev1.ResourceEphemeralStorage:
		return q.String() + " of ephemeral storage"
	case r == corev1.ResourcePods:
		return "room for " + Plural(int(q.Value()), "pod")
	case strings.HasSuffix(string(r), "/gpu"):
		if q.Value() == 1 {
			return "1 GPU"
		}
		return q.String() + " GPUs"
	}
	return q.String() + " " + string(r)
}

// InFull is an amount with the resource's own name, for its first mention.
func InFull(r corev1.ResourceName, q resource.Quantity) string {
	s := Amount(r, q)
	if strings.HasSuffix(string(r), "/gpu") {
		s += " (" + string(r) + ")"
	}
	return s
}
