package diagnose

import (
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
)

// gangSize is how many pods of a Job have to run at the same time; 0 for a Job
// whose pods may run one after the other.
func gangSize(j *batchv1.Job) int64 {
	if j == nil || ptr.Deref(j.Spec.CompletionMode, batchv1.NonIndexedCompletion) != batchv1.IndexedCompletion || j.Spec.Completions == nil ||
		*j.Spec.Completions != ptr.Deref(j.Spec.Parallelism, 1) || *j.Spec.Completions < 2 {
		return 0
	}
	return int64(*j.Spec.Completions)
}

// gangRefused turns a shortage into what it is for a gang that the nodes could
// not hold even if they were empty: its own pods hold what the others lack, and
// do not give it back before the others have come.
func (x *examiner) gangRefused(f *Finding, p *corev1.Pod, j *batchv1.Job) {
	size := gangSize(j)
	if size == 0 || f.Reason != "Insufficient" || len(x.e.Nodes) == 0 {
		return
	}
	s := x.survey(p)
	for _, r := range sortedKeys(s.asks) {
		asked := s.asks[r]
		if !IsAccelerator(r) || asked.Sign() <= 0 {
			continue
		}
		var room, most int64
		var open, shut []place
		for _, at := range s.with(r, asked) {
			if !at.open() {
				shut = append(shut, at)
				continue
			}
			fits := times64(has(at.node, r), asked)
			room, most = room+fits, max(most, fits)
			open = append(open, at)
		}
		if room >= size || most == 0 {
			return
		}
		missing := (size - room + most - 1) / most
		f.Reason = reasonGangTooLarge
		f.Summary = fmt.Sprintf("the nodes hold %d of the %d pods that have to run at once", room, size)
		those := fmt.Sprintf("The %d nodes that could take them (%s) have", len(open), list(names(open), shownNodes))
		if len(open) == 1 {
			those = fmt.Sprintf("The one node that could take them (%s) has", open[0].node.Name)
		}
		f.Happened = fmt.Sprintf("%s needs %d pods at once, each with %s. %s room for %d when empty: %d more of that size %s needed.",
			jobSubject(j), size, inFull(r, asked), those, room, missing, agree(int32(missing), "is", "are"))
		f.Happened = sentences(f.Happened, s.keptOut(shut))
		f.Do = fmt.Sprintf("Add %s (mlk_gpu_node_pool), or let the run have fewer pods. No amount of waiting helps with the nodes there are: its own pods hold what the others lack.", plural(int(missing), "node"))
		f.Field = []string{"Job", "spec", "completions"}
		return
	}
}

// times64 is how often an amount fits into another.
func times64(whole, part resource.Quantity) int64 {
	if part.Value() <= 0 {
		return 0
	}
	return whole.Value() / part.Value()
}
