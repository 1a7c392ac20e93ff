package trainingschedule

import (
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/distributed"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/jobspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// desired returns the CronJob, and the Service of a gang.
func desired(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
	template, ds := m.Model.Apply()
	if ds.HasError() {
		return nil, ds
	}
	job := m.Job.Apply(template)
	m.Distributed.Apply(job, m.gang())
	jobs := batchac.JobTemplateSpec().WithSpec(job)
	if labels := m.QueueLabels(); len(labels) > 0 {
		jobs.WithLabels(labels) // each run queues by itself
	}
	spec := batchac.CronJobSpec().WithSchedule(m.Schedule.ValueString()).WithJobTemplate(jobs)
	// The pointers keep null apart from 0 and false.
	spec.TimeZone = m.TimeZone.ValueStringPointer()
	spec.Suspend = m.Suspend.ValueBoolPointer()
	spec.StartingDeadlineSeconds = m.StartingDeadlineSeconds.ValueInt64Pointer()
	spec.SuccessfulJobsHistoryLimit = m.SuccessfulJobsHistoryLimit.ValueInt32Pointer()
	spec.FailedJobsHistoryLimit = m.FailedJobsHistoryLimit.ValueInt32Pointer()
	if !m.ConcurrencyPolicy.IsNull() {
		spec.WithConcurrencyPolicy(batchv1.ConcurrencyPolicy(m.ConcurrencyPolicy.ValueString()))
	}
	objects := []runtime.ApplyConfiguration{batchac.CronJob(m.Name.ValueString(), m.Namespace.ValueString()).WithSpec(spec)}
	if service := m.Distributed.Service(m.gang(), m.Namespace.ValueString()); service != nil {
		objects = append(objects, service)
	}
	return objects, ds
}

// gang is what distributed has to know of the rest.
func (m *Model) gang() distributed.Gang {
	return distributed.GangOf(&m.Model, &m.Job, m.Name.ValueString(), true)
}

// fields says which attribute made which field of the CronJob.
func fields(m *Model) diags.Fields {
	cron := kube.CronJob.Kind
	f := m.Distributed.Fields(path.Root(distributed.Root), m.gang(), cron, "spec", "jobTemplate", "spec")
	f.Merge(m.Fields(path.Empty(), cron, "spec", "jobTemplate", "spec", "template"), jobspec.Fields(path.Empty(), cron, "spec", "jobTemplate", "spec"))
	f.Add(path.Root("scheduling").AtName("queue"), cron, "spec", "jobTemplate", "metadata", "labels", podspec.QueueLabel)
	for attribute, field := range map[string]string{
		"schedule": "schedule", "time_zone": "timeZone", "concurrency_policy": "concurrencyPolicy", "suspend": "suspend",
		"starting_deadline_seconds": "startingDeadlineSeconds", "successful_jobs_history_limit": "successfulJobsHistoryLimit",
		"failed_jobs_history_limit": "failedJobsHistoryLimit",
	} {
		f.Add(path.Root(attribute), cron, "spec", field)
	}
	return f
}

// adopt turns a live CronJob into a model. Where prior is known, a default is
// stated for what prior states.
func adopt(live kube.Live, prior *Model) (*Model, diag.Diagnostics) {
	c, ds := cronJobOf(live)
	blank := Model{LastRun: types.ObjectNull(lastRunTypes)}
	if c == nil {
		return &blank, ds
	}
	like := prior
	var wasPod *podspec.Model
	if prior != nil {
		wasPod = &prior.Model
	} else {
		like = &Model{}
	}
	gang, ds := adoptGang(c, live, prior)
	pod, pds := podspec.AdoptLike(&c.Spec.JobTemplate.Spec.Template, wasPod)
	ds.Append(pds...)
	m := &Model{
		Model: pod, Job: jobspec.Adopt(&c.Spec.JobTemplate.Spec, allStated(like.Job)), Distributed: gang,
		Schedule:                   types.StringValue(c.Spec.Schedule),
		TimeZone:                   types.StringPointerValue(c.Spec.TimeZone),
		StartingDeadlineSeconds:    types.Int64PointerValue(c.Spec.StartingDeadlineSeconds),
		SuccessfulJobsHistoryLimit: values.Stated(c.Spec.SuccessfulJobsHistoryLimit, keepGood, like.SuccessfulJobsHistoryLimit),
		FailedJobsHistoryLimit:     values.Stated(c.Spec.FailedJobsHistoryLimit, keepFailed, like.FailedJobsHistoryLimit),
		LastRun:                    types.ObjectNull(lastRunTypes),
	}
	m.AdoptQueue(c.Spec.JobTemplate.Labels)
	m.Name = types.StringValue(c.Name)
	if s := string(c.Spec.ConcurrencyPolicy); s != allow || !like.ConcurrencyPolicy.IsNull() {
		m.ConcurrencyPolicy = types.StringValue(s)
	}
	if s := c.Spec.Suspend; s != nil && (*s || !like.Suspend.IsNull()) {
		m.Suspend = types.BoolValue(*s)
	}
	return m, ds
}

// allStated is a Job in which every default counts as stated: the server fills in
// none in the template of a CronJob, so that what is there somebody has said.
func allStated(j jobspec.Job) *jobspec.Job {
	j.BackoffLimit, j.Parallelism, j.Completions = types.Int32Value(0), types.Int32Value(0), types.Int32Value(0)
	j.CompletionMode, j.PodReplacementPolicy = types.StringValue(""), types.StringValue("")
	return &j
}

// adoptGang takes what a gang made out of the CronJob, and returns the gang. On
// import it looks for one only in CronJobs of mlk.
func adoptGang(c *batchv1.CronJob, live kube.Live, prior *Model) (*distributed.Model, diag.Diagnostics) {
	service, err := kube.Typed[corev1.Service](live, kube.Service.Kind)
	if err != nil {
		return nil, undecodable(err)
	}
	spec := &c.Spec.JobTemplate.Spec
	if prior != nil {
		return prior.Distributed.Adopt(spec, service, prior.gang()), nil
	}
	if c.Labels[lifecycle.OwnerLabel] == "" {
		return nil, nil
	}
	pod, ds := podspec.Adopt(&spec.Template)
	pod.Env, pod.EnvValueFrom = nil, nil
	if spec.Template.Spec.DNSPolicy == corev1.DNSClusterFirstWithHostNet {
		pod.DNSPolicy = types.StringNull()
	}
	return distributed.Recognize(spec, distributed.GangOf(&pod, &jobspec.Job{}, c.Name, true)), ds
}

func cronJobOf(live kube.Live) (*batchv1.CronJob, diag.Diagnostics) {
	c, err := kube.Typed[batchv1.CronJob](live, kube.CronJob.Kind)
	if err != nil {
		return nil, undecodable(err)
	}
	return c, nil
}

func undecodable(err error) diag.Diagnostics {
	return diag.Diagnostics{diags.Message{
		Summary: "The CronJob on the cluster cannot be read",
		Why:     err.Error(),
		Do:      "It may come from a newer version of Kubernetes than mlk knows. Please report this.",
	}.Error()}
}
