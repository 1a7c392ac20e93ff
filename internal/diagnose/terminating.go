package diagnose

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// stuckAfter is how long past its grace period a pod may stay before that is
// worth saying.
const stuckAfter = 30 * time.Second

// terminating explains a pod that is being deleted and does not go.
func (x *examiner) terminating(p *corev1.Pod) {
	late := x.e.Now.Sub(p.DeletionTimestamp.Time)
	if late < stuckAfter {
		return
	}
	f := stuckPod(p, x.e.Now, x.node(p.Spec.NodeName))
	x.add(draft{rank: rankNotReady, key: "stuck/" + workload(p) + p.Spec.NodeName, when: p.DeletionTimestamp.Time, Finding: f})
}

func (x *examiner) node(name string) *corev1.Node {
	for i := range x.e.Nodes {
		if x.e.Nodes[i].Name == name {
			return &x.e.Nodes[i]
		}
	}
	return nil
}

// stuckPod says why a deleted pod is still there.
func stuckPod(p *corev1.Pod, now time.Time, node *corev1.Node) Finding {
	f := Finding{
		Reason: "PodTerminating", Subject: podSubject(p), Count: 1,
		Summary:  "a deleted pod does not go away",
		Happened: fmt.Sprintf("%s should have ended %s ago.", podSubject(p), span(now.Sub(p.DeletionTimestamp.Time))),
	}
	ready := nodeReady(node)
	lost := ready != nil && ready.Status != corev1.ConditionTrue
	for _, c := range p.Status.Conditions {
		lost = lost || c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue && c.Reason == "DeletionByTaintManager"
	}
	var kept []string
	for _, name := range p.Finalizers {
		if name != batchv1.JobTrackingFinalizer {
			kept = append(kept, name)
		}
	}
	switch {
	case lost:
		f.Reason = "NodeLost"
		f.Summary = "node " + p.Spec.NodeName + " does not answer, so a pod on it cannot end"
		f.Happened += fmt.Sprintf(" Its node %s does not answer, so nobody can confirm that it has stopped.", p.Spec.NodeName)
		f.Do = fmt.Sprintf("Bring the node back, or, once it is surely off, delete it: kubectl delete node %s", p.Spec.NodeName)
		if ready != nil {
			f.Why = quote(ready.Message)
		}
	case len(kept) > 0:
		f.Happened += fmt.Sprintf(" Finalizer %s keeps it.", list(kept, 3))
		f.Do = "See whether " + finalizerOwner(kept[0]) + " runs."
	default:
		if p.Spec.NodeName != "" {
			f.Happened += fmt.Sprintf(" The kubelet of node %s has not confirmed that its containers stopped.", p.Spec.NodeName)
		}
		f.Do = kubectlDescribe(p)
	}
	return f
}

func nodeReady(n *corev1.Node) *corev1.NodeCondition {
	if n == nil {
		return nil
	}
	for i := range n.Status.Conditions {
		if n.Status.Conditions[i].Type == corev1.NodeReady {
			return &n.Status.Conditions[i]
		}
	}
	return nil
}
