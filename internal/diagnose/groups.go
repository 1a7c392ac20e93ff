package diagnose

import (
	"regexp"

	corev1 "k8s.io/api/core/v1"
)

// A LeaderWorkerSet has its pods through StatefulSets, one of the leaders and one
// of each group's workers; these labels tell which pod is which.
const (
	leaderWorkerSet = "LeaderWorkerSet"
	groupsName      = "leaderworkerset.sigs.k8s.io/name"
	groupIndex      = "leaderworkerset.sigs.k8s.io/group-index"
	workerIndex     = "leaderworkerset.sigs.k8s.io/worker-index"
)

// memberOf finds the place in a group in the subject of a finding.
var memberOf = regexp.MustCompile(`Pod (\S+) \((group \d+, (?:leader|worker \d+))\)`)

// member says which pod of which group one is; "" for pods of no group.
func member(p *corev1.Pod) string {
	group, worker := p.Labels[groupIndex], p.Labels[workerIndex]
	switch {
	case p.Labels[groupsName] == "" || group == "" || worker == "":
		return ""
	case worker == "0":
		return "group " + group + ", leader"
	}
	return "group " + group + ", worker " + worker
}
