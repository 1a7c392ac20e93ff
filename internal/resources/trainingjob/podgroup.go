package trainingjob

import (
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	schedulingac "k8s.io/client-go/applyconfigurations/scheduling/v1beta1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/distributed"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/kube/crd"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// The queue of Volcano that a group is in where nobody says one.
const volcanoQueue = "default"

// podGroup is what tells a scheduler how many pods of the run to start at once; nil
// without gang. Its pods must have its priority.
func (m *Model) podGroup() runtime.ApplyConfiguration {
	d, name, namespace := m.Distributed, m.jobName(), m.Namespace.ValueString()
	switch d.Together() {
	case distributed.GangNative:
		spec := schedulingac.PodGroupSpec().WithSchedulingPolicy(
			schedulingac.PodGroupSchedulingPolicy().WithGang(schedulingac.GangSchedulingPolicy().WithMinCount(d.Members())))
		spec.PriorityClassName = m.priority().ValueStringPointer()
		return schedulingac.PodGroup(name, namespace).WithSpec(spec)
	case distributed.GangVolcano:
		group := crd.NewVolcanoPodGroup(name, namespace)
		n := d.Members()
		group.Spec.MinMember, group.Spec.Queue = &n, d.GangQueue.ValueStringPointer()
		group.Spec.PriorityClassName = m.priority().ValueStringPointer()
		return group
	}
	return nil
}

// priority is the priority class of the pods.
func (m *Model) priority() types.String {
	if m.Scheduling == nil {
		return types.StringNull()
	}
	return m.Scheduling.PriorityClass
}

// podGroupFields says which attribute made which field of the PodGroup.
func (m *Model) podGroupFields() diags.Fields {
	var f diags.Fields
	if m.Distributed.Together() == "" {
		return f
	}
	at, kind := path.Root(distributed.Root), kube.PodGroup.Kind // both are called so
	f.Add(at.AtName("gang_size"), kind, "spec")
	f.Add(at.AtName("gang_queue"), kind, "spec", "queue")
	return f
}

// adoptPodGroup puts into the gang what a live PodGroup says of it. was is the run
// that it was made from, nil on import.
func adoptPodGroup(d *distributed.Model, live kube.Live, was *Model) {
	o := live[kube.PodGroup.Kind]
	if d.Together() == "" || o == nil {
		return
	}
	like := &Model{Distributed: d}
	if was != nil {
		like = was
	}
	n := membersOf(o)
	if was != nil && priorityOf(o) != was.priority().ValueString() {
		n = 0 // no attribute of the gang is the priority: only that it is not the run's
	}
	if n != like.Distributed.Members() {
		d.GangSize = types.Int32Value(n)
	}
	queue, _, _ := unstructured.NestedString(o.Object, "spec", "queue")
	if like.Distributed.GangQueue.IsNull() && (was != nil || queue == "" || queue == volcanoQueue) {
		return
	}
	d.GangQueue = types.StringValue(queue)
}

// membersOf is how many pods a PodGroup of either kind wants at once.
func membersOf(o *kube.Object) int32 {
	at := []string{"spec", "schedulingPolicy", "gang", "minCount"}
	if o.GroupVersionKind().Group == kube.VolcanoPodGroup.Group {
		at = []string{"spec", "minMember"}
	}
	n, _, _ := unstructured.NestedInt64(o.Object, at...)
	return int32(n)
}

func priorityOf(o *kube.Object) string {
	class, _, _ := unstructured.NestedString(o.Object, "spec", "priorityClassName")
	return class
}

// needsGang are the kinds that gang asks for.
func needsGang(gang string) []lifecycle.Need {
	at := path.Root(distributed.Root).AtName("gang")
	switch gang {
	case distributed.GangNative:
		return []lifecycle.Need{{Kind: kube.PodGroup, Missing: diags.Message{
			Summary: "This cluster does not schedule gangs by itself",
			Happened: "gang = \"native\" needs " + kube.PodGroup.APIVersion() + " PodGroup, which this cluster does not serve. " +
				"Kubernetes has it since 1.37 and leaves it off.",
			Do: "Switch it on: --feature-gates=GenericWorkload=true for kube-apiserver, kube-controller-manager and kube-scheduler, and --runtime-config=" +
				kube.PodGroup.APIVersion() + "=true for kube-apiserver. Where that is not yours to do: gang = \"volcano\" with Volcano, or a queue of Kueue (scheduling.queue), which admits whole runs. " +
				"Or remove gang: pods then start one by one, as they fit.",
			At: at,
		}}}
	case distributed.GangVolcano:
		return []lifecycle.Need{{Kind: kube.VolcanoPodGroup, Missing: diags.Message{
			Summary:  "This cluster has no Volcano",
			Happened: "gang = \"volcano\" needs " + kube.VolcanoPodGroup.APIVersion() + " PodGroup, which this cluster does not serve.",
			Do: "Install Volcano (https://volcano.sh); if this very configuration installs it, apply that part first, with -target. " +
				"Or use a queue of Kueue (scheduling.queue), which admits whole runs. Or remove gang: pods then start one by one, as they fit.",
			At: at,
		}}}
	}
	return nil
}
