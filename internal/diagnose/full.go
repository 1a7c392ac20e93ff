package diagnose

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// noSpace is what C, Python and Rust say, and in small letters Go.
var noSpace = regexp.MustCompile(`(?i)no space left on device`)

// volumeFull explains a program that found no room where it wrote to a volume;
// false when its words name no path in one.
func (c *cause) volumeFull(words string) bool {
	line := lineOf(words, noSpace)
	v := c.writtenTo(line)
	if line == "" || v == nil {
		return false
	}
	f := c.f
	f.Reason = "VolumeFull"
	f.Summary = fmt.Sprintf("%s filled volume %s", c.what, v.Name)
	f.PodField = []string{"spec", "volumes", v.Name}
	full := "was full"
	switch e := v.EmptyDir; {
	case v.PersistentVolumeClaim != nil:
		f.Do = fmt.Sprintf("Make claim %s larger, or delete what is not needed there, such as old checkpoints.", v.PersistentVolumeClaim.ClaimName)
	case e != nil && e.SizeLimit != nil && !e.SizeLimit.IsZero():
		full += ", at " + e.SizeLimit.String()
		f.Do = "Raise its size_limit, or write less into it."
		if e.Medium == corev1.StorageMediumMemory {
			f.Do = "Raise its size_limit, or write less into it. It is memory, and what is in it counts towards the memory limit."
		}
	case e != nil && e.Medium == corev1.StorageMediumMemory:
		f.Do = "It is memory: raise the memory limit, or write less into it."
	default:
		f.Do = fmt.Sprintf("It shares a disk of node %s, which is full: write less, or write to a claim.", orElse(c.pod.Spec.NodeName, "of the pod"))
	}
	f.Happened = fmt.Sprintf("%s of %s ended with %s%s: volume %s %s.", upperFirst(c.what), podSubject(c.pod), exitText(c.t), ranMark, v.Name, full)
	if f.Why == "" && !strings.Contains(f.Log, line) {
		f.Why = quote(line)
	}
	return true
}

// writtenTo is the volume that a line of the container's names a path in: of
// mounts in each other the inner one.
func (c *cause) writtenTo(line string) *corev1.Volume {
	spec, _ := container(c.spec, c.name)
	if spec == nil {
		return nil
	}
	name, deepest := "", 0
	for _, m := range spec.VolumeMounts {
		path := strings.TrimRight(m.MountPath, "/")
		if len(path) > deepest && strings.Contains(line, path+"/") {
			name, deepest = m.Name, len(path)
		}
	}
	for i := range c.spec.Volumes {
		if c.spec.Volumes[i].Name == name && deepest > 0 {
			return &c.spec.Volumes[i]
		}
	}
	return nil
}
