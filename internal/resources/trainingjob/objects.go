package trainingjob

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/distributed"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/jobspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// desired returns the main object of the run, and of a gang the Service and the
// PodGroup; a TrainJob brings its own.
func desired(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
	if m.kubeflow() {
		job, ds := m.trainJob()
		return []runtime.ApplyConfiguration{job}, ds
	}
	template, ds := m.Model.Apply()
	if ds.HasError() {
		return nil, ds
	}
	spec := m.Job.Apply(template)
	spec.Suspend = m.Suspend.ValueBoolPointer()
	m.Distributed.Apply(spec, m.gang())
	objects := []runtime.ApplyConfiguration{m.wrap(spec)}
	if service := m.Distributed.Service(m.gang(), m.Namespace.ValueString()); service != nil {
		objects = append(objects, service)
	}
	if group := m.podGroup(); group != nil {
		objects = append(objects, group)
	}
	return objects, ds
}

// gang is what distributed has to know of the rest.
func (m *Model) gang() distributed.Gang {
	return distributed.GangOf(&m.Model, &m.Job, m.jobName(), false)
}

// fields says which attribute made which field of the Job.
func fields(m *Model) diags.Fields {
	if m.kubeflow() {
		return m.trainJobFields()
	}
	spec, main := m.jobSpecAt(), mainKind(m).Kind
	f := m.Distributed.Fields(path.Root(distributed.Root), m.gang(), spec...)
	f.Merge(m.Fields(path.Empty(), append(slices.Clone(spec), "template")...), jobspec.Fields(path.Empty(), spec...), podspec.QueueField(path.Empty(), main), m.podGroupFields())
	f.Add(path.Root("run_name"), main, "metadata", "name")
	f.Add(path.Root("suspend"), main, "spec", "suspend")
	if m.jobSet() {
		f.Add(path.Root("ttl_seconds_after_finished"), main, "spec", "ttlSecondsAfterFinished")
		f.Add(path.Root("engine"), main, "spec", "network")
		f.Add(path.Root("engine"), append(slices.Clone(spec[:4]), "name")...)
		f.Add(path.Root("engine"), append(slices.Clone(spec[:4]), "replicas")...)
		// What the Job it makes dies of is told of a Job.
		f.Merge(m.Distributed.Fields(path.Root(distributed.Root), m.gang(), kube.Job.Kind, "spec"),
			m.Fields(path.Empty(), kube.Job.Kind, "spec", "template"), jobspec.Fields(path.Empty(), kube.Job.Kind, "spec"))
	}
	return f
}

// adopt turns a live Job into a model. Where prior is known, a default is stated
// for what prior states.
func adopt(live kube.Live, prior *Model) (*Model, diag.Diagnostics) {
	if o := live[kube.TrainJob.Kind]; o != nil {
		return adoptTrainJob(o, prior)
	}
	job, err := runOf(live, nil)
	if err != nil || job == nil {
		return &Model{}, undecodable(err)
	}
	var wasPod *podspec.Model
	var wasJob *jobspec.Job
	if prior != nil {
		wasPod, wasJob = &prior.Model, &prior.Job
	}
	gang, ds := adoptGang(job, live, prior)
	pod, pds := podspec.AdoptLike(&job.Spec.Template, wasPod)
	ds.Append(pds...)
	m := &Model{Model: pod, Job: jobspec.Adopt(&job.Spec, wasJob), Distributed: gang}
	if manual := job.Spec.ManualSelector; manual != nil && *manual {
		// Nothing generated these labels, whatever they are called.
		for k, v := range job.Spec.Template.Labels {
			if m.PodLabels == nil {
				m.PodLabels = map[string]types.String{}
			}
			m.PodLabels[k] = types.StringValue(v)
		}
	}
	if live[kube.JobSet.Kind] != nil {
		m.Engine = types.StringValue(engineJobSet)
	} else if prior != nil && !prior.Engine.IsNull() {
		m.Engine = types.StringValue(engineJob)
	}
	m.adoptRun(job, prior)
	return m, ds
}

// adoptRun fills what is told alike of a run on every engine.
func (m *Model) adoptRun(job *batchv1.Job, prior *Model) {
	m.Name = types.StringValue(nameOf(job))
	m.RunName = types.StringValue(job.Name)
	m.AdoptQueue(job.Labels)
	// Whether a run in a queue is suspended is the queue's business.
	if s := job.Spec.Suspend; s != nil && (*s && !queued(job) || prior != nil && !prior.Suspend.IsNull()) {
		m.Suspend = types.BoolValue(*s)
	}
	m.Result, m.Results = types.MapNull(types.StringType), types.MapNull(resultType)
}

// adoptGang takes what a gang made out of the Job, and returns the gang. On
// import it looks for one only in Jobs of mlk: others say what they are by
// completions, parallelism and completion_mode, with a Service of their own.
func adoptGang(job *batchv1.Job, live kube.Live, prior *Model) (*distributed.Model, diag.Diagnostics) {
	service, err := kube.Typed[corev1.Service](live, kube.Service.Kind)
	if err != nil {
		return nil, undecodable(err)
	}
	if prior != nil {
		gang := prior.Distributed.Adopt(&job.Spec, service, prior.gang())
		adoptPodGroup(gang, live, prior)
		return gang, nil
	}
	if job.Labels[lifecycle.OwnerLabel] == "" {
		return nil, nil
	}
	pod, ds := podspec.Adopt(&job.Spec.Template)
	pod.Env, pod.EnvValueFrom = nil, nil
	if job.Spec.Template.Spec.DNSPolicy == corev1.DNSClusterFirstWithHostNet {
		pod.DNSPolicy = types.StringNull()
	}
	gang := distributed.Recognize(&job.Spec, distributed.GangOf(&pod, &jobspec.Job{}, job.Name, false))
	adoptPodGroup(gang, live, nil)
	return gang, ds
}

// generatedRun is the form of a run name that mlk made: see runName.
var generatedRun = regexp.MustCompile(fmt.Sprintf(`^(.+)-[a-z2-7]{%d}$`, hashLength))

// nameOf is a valid name for an adopted run: that of its training if mlk made
// the Job, so that the configuration it was made from fits again, else the Job's
// own where it fits, else as much of it as does. The run keeps its name all the
// same, as run_name.
func nameOf(job *batchv1.Job) string {
	if m := generatedRun.FindStringSubmatch(job.Name); m != nil && job.Annotations[lifecycle.RecordedAnnotation] != "" && len(m[1]) <= maxName {
		return m[1]
	}
	name := strings.ReplaceAll(job.Name, ".", "-")
	if len(name) > maxName {
		name = name[:maxName]
	}
	return strings.TrimRight(name, "-")
}

func undecodable(err error) diag.Diagnostics {
	if err == nil {
		return nil
	}
	return diag.Diagnostics{diags.Message{
		Summary: "The Job on the cluster cannot be read",
		Why:     err.Error(),
		Do:      "It may come from a newer version of Kubernetes than mlk knows. Please report this.",
	}.Error()}
}
