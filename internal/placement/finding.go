package placement

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Finding is one thing that keeps pods off nodes, in words.
type Finding struct {
	// Subject is how sentences call the pod, or what is to make it.
	Subject string
	// Reason is a word for machines, Summary a clause without a full stop.
	Reason, Summary string
	// Happened are sentences on what is the matter, Do on what helps.
	Happened, Do string
	// PodField is the field of the pod at fault, "spec" first; nil when none is.
	PodField []string
}

// The reasons of findings that others decide upon.
const (
	// TooLarge: no node could ever take the pod, although nodes of the kind it asks
	// for exist.
	TooLarge = "NoNodeLargeEnough"
	// Nobody: no node has the resource at all.
	Nobody = "NoNodeOffers"
	// InUse: nodes could take the pod if they were empty.
	InUse = "Insufficient"
)

// IsExtended reports whether a resource is a device that pods ask for by count.
func IsExtended(r corev1.ResourceName) bool {
	return strings.Contains(string(r), "/") && !strings.HasPrefix(string(r), "kubernetes.io/")
}

// RequestField names the field by which the pod asks for most of a resource:
// the limit of devices, the request of the rest.
func RequestField(spec *corev1.PodSpec, r corev1.ResourceName) []string {
	var in string
	var by *corev1.Container
	var most int64 = -1
	look := func(list string, cs []corev1.Container) {
		for i := range cs {
			q, ok := cs[i].Resources.Requests[r]
			if !ok {
				q, ok = cs[i].Resources.Limits[r]
			}
			if ok && q.MilliValue() > most {
				by, in, most = &cs[i], list, q.MilliValue()
			}
		}
	}
	look("containers", spec.Containers)
	look("initContainers", spec.InitContainers)
	if by == nil {
		return nil
	}
	kind := "requests"
	if _, ok := by.Resources.Requests[r]; !ok || IsExtended(r) || strings.HasPrefix(string(r), corev1.ResourceHugePagesPrefix) {
		kind = "limits"
	}
	return []string{"spec", in, by.Name, "resources", kind, string(r)}
}

// Keys are the resources of a list, in order.
func Keys(l corev1.ResourceList) []corev1.ResourceName {
	out := make([]corev1.ResourceName, 0, len(l))
	for k := range l {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
