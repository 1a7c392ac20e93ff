package trainingjob

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
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

// needsGang is what gang asks for. What is not known yet is not looked for.
func needsGang(ctx context.Context, plan tfsdk.Plan) []lifecycle.Need {
	at := path.Root(distributed.Root).AtName("gang")
	var gang, queue types.String
	_ = plan.GetAttribute(ctx, at, &gang)
	_ = plan.GetAttribute(ctx, path.Root(distributed.Root).AtName("gang_queue"), &queue)
	switch gang.ValueString() {
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
		out := []lifecycle.Need{{Kind: kube.VolcanoPodGroup, Missing: diags.Message{
			Summary:  "This cluster has no Volcano",
			Happened: "gang = \"volcano\" needs " + kube.VolcanoPodGroup.APIVersion() + " PodGroup, which this cluster does not serve.",
			Do: "Install Volcano (https://volcano.sh); if this very configuration installs it, apply that part first, with -target. " +
				"Or use a queue of Kueue (scheduling.queue), which admits whole runs. Or remove gang: pods then start one by one, as they fit.",
			At: at,
		}}}
		if queue.ValueString() != "" {
			out[0].Object = kube.Ref{Kind: kube.VolcanoQueue, Name: queue.ValueString()}
			out[0].Absent = func(there []string) diags.Message { return noVolcanoQueue(queue.ValueString(), there) }
		}
		return out
	}
	return nil
}

// noVolcanoQueue is what a user is told of a queue that does not exist.
func noVolcanoQueue(name string, there []string) diags.Message {
	msg := diags.Message{
		Summary:  fmt.Sprintf("Volcano has no queue %q", name),
		Happened: "The pods of a gang in a queue that does not exist are never started.",
		Do: "Name another one in distributed.gang_queue (\"kubectl get queues.scheduling.volcano.sh\" lists them), or make it. " +
			"If this very configuration makes it, apply that part first, with -target.",
		At: path.Root(distributed.Root).AtName("gang_queue"),
	}
	if len(there) > 0 {
		msg.Happened += " There are: " + strings.Join(there, ", ") + "."
	}
	return msg
}
