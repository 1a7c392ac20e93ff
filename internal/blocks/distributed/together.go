package distributed

import (
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// The values of gang: whose scheduler starts all pods of a run or none. Null is
// nobody's. The objects that tell a scheduler how many there are to be are the
// resource's.
const (
	GangNative  = "native"
	GangVolcano = "volcano"
)

// What tells Volcano which of its PodGroups a pod is of (volcano.sh/apis,
// scheduling/v1beta1/labels.go), and how its scheduler is called.
const (
	volcanoGroup     = "scheduling.k8s.io/group-name"
	volcanoScheduler = "volcano"
)

// Together is whose scheduler starts all pods or none: GangNative, GangVolcano, or
// "" for nobody's.
func (m *Model) Together() string {
	if m == nil {
		return ""
	}
	return m.Gang.ValueString()
}

// Members is how many pods have to fit before the scheduler starts any.
func (m *Model) Members() int32 {
	switch {
	case !m.GangSize.IsNull():
		return m.GangSize.ValueInt32()
	case !m.MinNodes.IsNull():
		return m.MinNodes.ValueInt32()
	}
	return m.Nodes.ValueInt32()
}

// join adds to the traces what makes the pods members of their group.
func (m *Model) join(t *traces, g Gang) {
	switch m.Together() {
	case GangNative:
		t.group = g.Name
	case GangVolcano:
		if t.annotations == nil {
			t.annotations = map[string]string{}
		}
		t.annotations[volcanoGroup] = g.Name
		if !g.SchedulerName {
			t.scheduler = volcanoScheduler
		}
	}
}

// applyGroup writes into a pod of which group it is, and who schedules it.
func (t traces) applyGroup(spec *coreac.PodSpecApplyConfiguration) {
	if t.group != "" {
		spec.WithSchedulingGroup(coreac.PodSchedulingGroup().WithPodGroupName(t.group))
	}
	if t.scheduler != "" {
		spec.WithSchedulerName(t.scheduler)
	}
}

// removeGroup takes that out of a live pod. It reports whether it was there as it
// was made.
func (t traces) removeGroup(spec *corev1.PodSpec) bool {
	same := true
	if t.group != "" {
		same = inGroup(spec, t.group)
		spec.SchedulingGroup = nil
	}
	if t.scheduler != "" {
		same = same && spec.SchedulerName == t.scheduler
		spec.SchedulerName = ""
	}
	return same
}

func inGroup(spec *corev1.PodSpec, name string) bool {
	s := spec.SchedulingGroup
	return s != nil && s.PodGroupName != nil && *s.PodGroupName == name
}

// groupPlaces are where those traces are in the template.
func (t traces) groupPlaces() [][]string {
	var out [][]string
	if t.group != "" {
		out = append(out, []string{"spec", "schedulingGroup"})
	}
	if t.scheduler != "" {
		out = append(out, []string{"spec", "schedulerName"})
	}
	return out
}

// guessGang fills gang from a live template, and returns what the user must have
// said beside it.
func (m *Model) guessGang(spec *batchv1.JobSpec, g Gang) Gang {
	switch pod := &spec.Template.Spec; {
	case inGroup(pod, g.Name):
		m.Gang = types.StringValue(GangNative)
	case spec.Template.Annotations[volcanoGroup] == g.Name:
		m.Gang = types.StringValue(GangVolcano)
		g.SchedulerName = pod.SchedulerName != volcanoScheduler
	}
	return g
}

// together checks what belongs to gang scheduling.
func (g given) together() diag.Diagnostics {
	var ds diag.Diagnostics
	at := path.Root(Root)
	v := g.attribute("gang")
	if g.setting.Scheduled {
		if !v.IsNull() && !v.IsUnknown() {
			ds.Append(diags.Message{
				Summary: "distributed.gang cannot be scheduled",
				Happened: "A PodGroup is of one run: it counts its pods, and has had its start when the first run has. A CronJob makes Jobs alone, " +
					"so that no run after the first would have a group of its own.",
				Do: "Remove it. A queue (scheduling.queue) lets each run of a schedule begin as a whole; or run it with mlk_training_job.",
				At: at.AtName("gang"),
			}.Error())
		}
		return ds
	}
	if v.IsUnknown() || g.setting.Runtime { // a runtime says it by itself: its engine refuses all three
		return ds
	}
	for _, n := range []string{"gang_size", "gang_queue"} {
		only := []string{GangNative, GangVolcano}
		if n == "gang_queue" {
			only = only[1:]
		}
		if !diags.Given(g.attribute(n)) || slices.Contains(only, g.text("gang")) {
			continue
		}
		m := diags.Message{
			Summary:  fmt.Sprintf("distributed.%s does nothing without distributed.gang", n),
			Happened: "Without it no scheduler knows which pods belong together.",
			Do:       "Set distributed.gang = \"volcano\", or remove it.",
			At:       at.AtName(n),
		}
		switch {
		case n == "gang_size":
			m.Do = "Set distributed.gang = \"native\" or \"volcano\", or remove it."
		case g.text("gang") == GangNative:
			m.Summary = "distributed.gang_queue is a queue of Volcano's, not of Kubernetes' own scheduler"
			m.Happened = "Kubernetes' scheduler has no queues of its own."
			m.Do = "Remove it; scheduling.queue names a queue of Kueue. Or set distributed.gang = \"volcano\"."
		}
		ds.Append(m.Error())
	}
	if size, n := g.number("gang_size"), g.number("nodes"); n > 0 && size > n {
		ds.Append(diags.Message{
			Summary: fmt.Sprintf("gang_size = %d is more than nodes = %d", size, n),
			Do:      "No pod would ever start: lower gang_size, or raise nodes.",
			At:      at.AtName("gang_size"),
		}.Error())
	}
	return ds
}
