package trainingjob

import (
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/kube/crd"
)

// The values of engine; engineJob is the default.
const (
	engineJob      = "job"
	engineJobSet   = "jobset"
	engineKubeflow = "kubeflow"
)

// replicated is the name of the one Job in a JobSet of ours.
const replicated = "main"

// engineMeant is the engine meant: a Job when the attribute is null.
func engineMeant(v types.String) string {
	if v.ValueString() == "" {
		return engineJob
	}
	return v.ValueString()
}

// jobSet reports whether the run is a JobSet.
func (m *Model) jobSet() bool { return engineMeant(m.Engine) == engineJobSet }

// kubeflow reports whether the run is a TrainJob.
func (m *Model) kubeflow() bool { return engineMeant(m.Engine) == engineKubeflow }

// mainKind is the kind of the run's main object.
func mainKind(m *Model) kube.Kind {
	switch {
	case m.jobSet():
		return kube.JobSet
	case m.kubeflow():
		return kube.TrainJob
	}
	return kube.Job
}

// podsAre is the label selector of the run's pods.
func podsAre(m *Model) string {
	if m.kubeflow() {
		return kube.JobSetNameLabel + "=" + m.RunName.ValueString()
	}
	return batchv1.JobNameLabel + "=" + m.jobName()
}

// jobName is the name of the Job whose pods the run's are.
func (m *Model) jobName() string {
	if m.jobSet() {
		return fmt.Sprintf("%s-%s-0", m.RunName.ValueString(), replicated)
	}
	return m.RunName.ValueString()
}

// jobSpecAt is where the specification of the Job is in the main object.
func (m *Model) jobSpecAt() []string {
	if m.jobSet() {
		return []string{kube.JobSet.Kind, "spec", "replicatedJobs", replicated, "template", "spec"}
	}
	return []string{kube.Job.Kind, "spec"}
}

// wrap is the main object of a run whose Job has this specification. What a
// JobSet says itself its Job does not.
func (m *Model) wrap(spec *batchac.JobSpecApplyConfiguration) runtime.ApplyConfiguration {
	name, namespace := m.RunName.ValueString(), m.Namespace.ValueString()
	if !m.jobSet() {
		return batchac.Job(name, namespace).WithLabels(m.QueueLabels()).WithSpec(spec)
	}
	set := crd.NewJobSet(name, namespace)
	set.WithLabels(m.QueueLabels())
	set.Spec.Suspend, set.Spec.TTLSecondsAfterFinished = spec.Suspend, spec.TTLSecondsAfterFinished
	spec.Suspend, spec.TTLSecondsAfterFinished = nil, nil
	// The ranks of a gang have the names they have without a JobSet.
	set.Spec.Network = &crd.JobSetNetwork{EnableDNSHostnames: ptr.To(false)}
	set.Spec.ReplicatedJobs = []crd.ReplicatedJob{{
		Name: ptr.To(replicated), Replicas: ptr.To[int32](1), Template: batchac.JobTemplateSpec().WithSpec(spec),
	}}
	return set
}

// runOf is the run as a Job, whichever engine runs it; nil while it does not
// exist. Of a JobSet it is the first Job it makes, with the end that the JobSet
// has seen. related may hold that Job.
func runOf(live kube.Live, related []*kube.Object) (*batchv1.Job, error) {
	if o := live[kube.TrainJob.Kind]; o != nil {
		spec, err := trainJobSpecOf(o)
		if err != nil {
			return nil, err
		}
		job := spec.job(o)
		job.Status = childStatus(related)
		return job, ended(o, job)
	}
	set := live[kube.JobSet.Kind]
	if set == nil {
		return kube.Typed[batchv1.Job](live, kube.Job.Kind)
	}
	job := &batchv1.Job{}
	if jobs, _, _ := unstructured.NestedSlice(set.Object, "spec", "replicatedJobs"); len(jobs) > 0 {
		first, _ := jobs[0].(map[string]any)
		template, _ := first["template"].(map[string]any)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, job); err != nil {
			return nil, fmt.Errorf("decode %s %s: %w", set.GetKind(), set.GetName(), err)
		}
	}
	job.ObjectMeta = metaOf(set)
	if v, ok, _ := unstructured.NestedBool(set.Object, "spec", "suspend"); ok {
		job.Spec.Suspend = &v
	}
	if v, ok, _ := unstructured.NestedInt64(set.Object, "spec", "ttlSecondsAfterFinished"); ok {
		job.Spec.TTLSecondsAfterFinished = ptr.To(int32(v))
	}
	job.Status = childStatus(related)
	return job, ended(set, job)
}

// metaOf is the metadata of an object, as far as a run is judged by it.
func metaOf(o *kube.Object) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: o.GetName(), Namespace: o.GetNamespace(), UID: o.GetUID(), Labels: o.GetLabels(), Annotations: o.GetAnnotations(),
		CreationTimestamp: o.GetCreationTimestamp(), DeletionTimestamp: o.GetDeletionTimestamp(),
	}
}

// childStatus is the status of the newest Job of a JobSet, but for its end.
func childStatus(related []*kube.Object) batchv1.JobStatus {
	var newest *batchv1.Job
	for _, o := range related {
		if o.GetKind() != kube.Job.Kind {
			continue
		}
		j, err := kube.Typed[batchv1.Job](kube.Live{kube.Job.Kind: o}, kube.Job.Kind)
		if err == nil && (newest == nil || newest.CreationTimestamp.Before(&j.CreationTimestamp)) {
			newest = j
		}
	}
	if newest == nil {
		return batchv1.JobStatus{}
	}
	status := newest.Status
	status.CompletionTime = nil
	status.Conditions = slices.DeleteFunc(slices.Clone(status.Conditions), func(c batchv1.JobCondition) bool {
		return c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed
	})
	return status
}

// ended puts into the Job how its JobSet or TrainJob ended.
func ended(set *kube.Object, job *batchv1.Job) error {
	conditions, _, _ := unstructured.NestedSlice(set.Object, "status", "conditions")
	for _, c := range conditions {
		o, _ := c.(map[string]any)
		var got metav1.Condition
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o, &got); err != nil {
			return fmt.Errorf("decode the conditions of %s %s: %w", set.GetKind(), set.GetName(), err)
		}
		of, known := map[string]batchv1.JobConditionType{"Completed": batchv1.JobComplete, "Complete": batchv1.JobComplete, "Failed": batchv1.JobFailed}[got.Type]
		if !known || got.Status != metav1.ConditionTrue {
			continue
		}
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{
			Type: of, Status: corev1.ConditionTrue, Reason: got.Reason, Message: got.Message, LastTransitionTime: got.LastTransitionTime,
		})
		if of == batchv1.JobComplete {
			job.Status.CompletionTime = &got.LastTransitionTime
		}
	}
	return nil
}

// frozenInSet are the attributes that no JobSet and no TrainJob changes in place and
// that a Job does: all they say of their Jobs is fixed.
func frozenInSet() []string {
	return []string{"parallelism", "backoff_limit", "max_failed_indexes", "active_deadline_seconds", "pod_replacement_policy"}
}

// inSet reports whether the inputs ask for a JobSet, or a TrainJob, which makes one.
func inSet(inputs map[string]attr.Value) bool {
	v, ok := inputs["engine"].(types.String)
	return ok && engineMeant(v) != engineJob
}
