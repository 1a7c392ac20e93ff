package trainingjob

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/distributed"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/kube/crd"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// TrainingRuntime names what a TrainJob is a run of.
type TrainingRuntime struct {
	Name types.String `tfsdk:"name"`
	Kind types.String `tfsdk:"kind"`
}

// The kinds of runtimes, the default first.
const (
	runtimeOfCluster   = "ClusterTrainingRuntime"
	runtimeOfNamespace = "TrainingRuntime"
)

// patchManager is who patches a runtime for us.
const patchManager = "mlk.dev/terraform"

// launcherJob is the Job of an MPI runtime that starts the program.
const launcherJob = "launcher"

// shipped are the runtimes that come with Kubeflow Trainer, by launcher.
func shipped() map[string]string {
	return map[string]string{
		distributed.LauncherTorchrun:  "torch-distributed",
		distributed.LauncherJAX:       "jax-distributed",
		distributed.LauncherDeepSpeed: "deepspeed-distributed",
	}
}

// runtimeRef is the runtime meant: the shipped one of the launcher where none is named.
func (m *Model) runtimeRef() *crd.RuntimeRef {
	name, kind := "", runtimeOfCluster
	if r := m.TrainingRuntime; r != nil {
		name = r.Name.ValueString()
		if !r.Kind.IsNull() {
			kind = r.Kind.ValueString()
		}
	} else if m.Distributed != nil {
		name = shipped()[m.Distributed.Launcher.ValueString()]
	}
	return &crd.RuntimeRef{APIGroup: ptr.To(kube.TrainJob.Group), Kind: &kind, Name: &name}
}

// patchedJobs are the Jobs of the runtime whose pods are patched.
func (m *Model) patchedJobs() []string {
	if m.Distributed != nil && m.Distributed.Launcher.ValueString() == distributed.LauncherDeepSpeed {
		return []string{kube.TrainerNode, launcherJob}
	}
	return []string{kube.TrainerNode}
}

// trainerPod is the pod with the name that the container that trains has in every runtime.
func (m *Model) trainerPod() *podspec.Model {
	pod := m.Model
	if pod.ContainerName.IsNull() {
		pod.ContainerName = types.StringValue(kube.TrainerNode)
	}
	return &pod
}

// trainJob is the run as a TrainJob: what its trainer can say, a patch of the
// runtime's pods for the rest. What neither can say is an error.
func (m *Model) trainJob() (runtime.ApplyConfiguration, diag.Diagnostics) {
	template, ds := m.trainerPod().Apply()
	if ds.HasError() {
		return nil, ds
	}
	job := crd.NewTrainJob(m.RunName.ValueString(), m.Namespace.ValueString())
	job.WithLabels(m.QueueLabels())
	job.Spec.RuntimeRef = m.runtimeRef()
	job.Spec.Suspend = m.Suspend.ValueBoolPointer()
	job.Spec.ActiveDeadlineSeconds = m.ActiveDeadlineSeconds.ValueInt64Pointer()
	trainer, patch, rest := split(template)
	if d := m.Distributed; d != nil {
		trainer.NumNodes, trainer.NumProcPerNode = d.Nodes.ValueInt32Pointer(), d.ProcessesPerNode.ValueInt32Pointer()
	}
	if said(trainer) {
		job.Spec.Trainer = trainer
	}
	if said(patch) {
		set := &crd.JobSetSpecPatch{}
		for _, name := range m.patchedJobs() {
			set.ReplicatedJobs = append(set.ReplicatedJobs, crd.ReplicatedJobPatch{
				Name: &name, Template: batchac.JobTemplateSpec().WithSpec(batchac.JobSpec().WithTemplate(patch)),
			})
		}
		job.Spec.RuntimePatches = []crd.RuntimePatch{{
			Manager:             ptr.To(patchManager),
			TrainingRuntimeSpec: &crd.RuntimeSpecPatch{Template: &crd.JobSetPatch{Spec: set}},
		}}
	}
	ds.Append(m.unsayable(rest)...)
	return job, ds
}

// split divides a pod into what a trainer says, what a patch of a runtime can
// say, and the rest (Kubeflow Trainer, trainjob_types.go, PodSpecPatch).
func split(pod *coreac.PodTemplateSpecApplyConfiguration) (trainer *crd.Trainer, patch, rest *coreac.PodTemplateSpecApplyConfiguration) {
	left := *pod.Spec
	patch = &coreac.PodTemplateSpecApplyConfiguration{ObjectMetaApplyConfiguration: pod.ObjectMetaApplyConfiguration, Spec: &coreac.PodSpecApplyConfiguration{
		ServiceAccountName: left.ServiceAccountName, Volumes: left.Volumes, ImagePullSecrets: left.ImagePullSecrets,
		SecurityContext: left.SecurityContext, NodeSelector: left.NodeSelector, Affinity: left.Affinity, Tolerations: left.Tolerations,
		SchedulingGates: left.SchedulingGates, TerminationGracePeriodSeconds: left.TerminationGracePeriodSeconds,
	}}
	left.ServiceAccountName, left.Volumes, left.ImagePullSecrets, left.SecurityContext = nil, nil, nil, nil
	left.NodeSelector, left.Affinity, left.Tolerations, left.SchedulingGates = nil, nil, nil, nil
	left.TerminationGracePeriodSeconds, left.RestartPolicy = nil, nil
	left.Containers = slices.Clone(left.Containers)
	main := &left.Containers[0]
	trainer = &crd.Trainer{Image: main.Image, Command: main.Command, Args: main.Args, Env: main.Env, ResourcesPerNode: main.Resources}
	if len(main.VolumeMounts) > 0 || main.SecurityContext != nil {
		patch.Spec.Containers = []coreac.ContainerApplyConfiguration{{Name: ptr.To(kube.TrainerNode), VolumeMounts: main.VolumeMounts, SecurityContext: main.SecurityContext}}
	}
	main.Image, main.Command, main.Args, main.Env, main.Resources = nil, nil, nil, nil, nil
	main.VolumeMounts, main.SecurityContext = nil, nil
	if ptr.Deref(main.Name, "") == kube.TrainerNode {
		main.Name = nil
	}
	return trainer, patch, &coreac.PodTemplateSpecApplyConfiguration{Spec: &left}
}

// said reports whether a struct says anything.
func said(v any) bool { return len(leaves(tree(v), nil)) > 0 }

func tree(v any) any {
	var out any
	if raw, err := json.Marshal(v); err == nil {
		_ = json.Unmarshal(raw, &out) // what was just written can be read
	}
	return out
}

// leaves are the places of the values in a tree; elements of a list of named
// things are called by their name.
func leaves(v any, at []string) [][]string {
	var out [][]string
	switch x := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(x)) {
			out = append(out, leaves(x[k], append(slices.Clone(at), k))...)
		}
	case []any:
		for _, e := range x {
			m, _ := e.(map[string]any)
			name, named := m["name"].(string)
			if !named {
				name = kube.TrainerNode // that of the main container was taken out
			}
			out = append(out, leaves(e, append(slices.Clone(at), name))...)
		}
	default:
		return [][]string{at}
	}
	return out
}

// unsayable refuses the attributes whose fields a TrainJob does not have.
func (m *Model) unsayable(rest *coreac.PodTemplateSpecApplyConfiguration) diag.Diagnostics {
	fields := m.trainerPod().Fields(path.Empty(), "pod")
	var names []string
	var first path.Path
	for _, leaf := range leaves(tree(rest), []string{"pod"}) {
		at, ok := fields.Find(leaf)
		name, _, _ := strings.Cut(at.String(), "[") // of lists the whole
		if !ok {
			at, name = path.Root("engine"), strings.Join(leaf[1:], ".")
		}
		if slices.Contains(names, name) {
			continue
		}
		if names = append(names, name); len(names) == 1 {
			first = at
		}
	}
	if len(names) == 0 {
		return nil
	}
	return diag.Diagnostics{cannotSay(first, names, m.runtimeRef()).Error()}
}

// cannotSay is what a user is told of attributes that a TrainJob has no fields for.
func cannotSay(first path.Path, names []string, ref *crd.RuntimeRef) diags.Message {
	const most = 6
	list := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	summary := "A TrainJob cannot say " + names[0]
	if more := len(names) - 1; more > 0 {
		summary += fmt.Sprintf(" and %d more", more)
	}
	where := "the training runtime"
	if ref != nil && *ref.Name != "" {
		where = *ref.Kind + " " + *ref.Name
	}
	return diags.Message{
		Summary: summary,
		Happened: "With engine = \"kubeflow\" the pods are those of a training runtime. A run says image, command, args, environment, resources and number of nodes, " +
			"and adds volumes, labels, service account, security contexts and where pods may run. It has no field for: " + list + ".",
		Do: "Say it in " + where + ", or use engine = \"jobset\", which says all of it.",
		At: first,
	}
}

// trainJobFields says which attribute made which field of a TrainJob.
func (m *Model) trainJobFields() diags.Fields {
	kind, pod := kube.TrainJob.Kind, m.trainerPod()
	var f diags.Fields
	f.Add(path.Root("run_name"), kind, "metadata", "name")
	f.Add(path.Root("suspend"), kind, "spec", "suspend")
	f.Add(path.Root("active_deadline_seconds"), kind, "spec", "activeDeadlineSeconds")
	f.Add(path.Root("training_runtime"), kind, "spec", "runtimeRef")
	if m.TrainingRuntime == nil {
		f.Add(path.Root(distributed.Root), kind, "spec", "runtimeRef")
	}
	f.Add(path.Root(distributed.Root).AtName("nodes"), kind, "spec", "trainer", "numNodes")
	f.Add(path.Root(distributed.Root).AtName("processes_per_node"), kind, "spec", "trainer", "numProcPerNode")
	f.Merge(podspec.QueueField(path.Empty(), kind))
	main := []string{"pod", "spec", "containers", kube.TrainerNode}
	all := pod.Fields(path.Empty(), "pod")
	for from, to := range map[string]string{"image": "image", "command": "command", "args": "args", "env": "env", "resources": "resourcesPerNode"} {
		f.Merge(all.Moved(append(slices.Clone(main), from), []string{kind, "spec", "trainer", to}))
	}
	f.Add(path.Root("pod_labels"), kind, "spec", "runtimePatches")
	for _, name := range m.patchedJobs() {
		f.Merge(pod.Fields(path.Empty(), kind, "spec", "runtimePatches", patchManager, "trainingRuntimeSpec", "template", "spec", "replicatedJobs", name, "template", "spec", "template"))
	}
	// What the Job dies of that the JobSet makes is told of a Job.
	f.Merge(pod.Fields(path.Empty(), kube.Job.Kind, "spec", "template"))
	return f
}

// trainJobSpec is what is read of a live TrainJob.
type trainJobSpec struct {
	RuntimeRef struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"runtimeRef"`
	Trainer struct {
		Image            string                      `json:"image"`
		Command          []string                    `json:"command"`
		Args             []string                    `json:"args"`
		Env              []corev1.EnvVar             `json:"env"`
		NumNodes         *int32                      `json:"numNodes"`
		NumProcPerNode   *int32                      `json:"numProcPerNode"`
		ResourcesPerNode corev1.ResourceRequirements `json:"resourcesPerNode"`
	} `json:"trainer"`
	Suspend               *bool  `json:"suspend"`
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds"`
	RuntimePatches        []struct {
		Manager             string `json:"manager"`
		TrainingRuntimeSpec struct {
			Template struct {
				Spec struct {
					ReplicatedJobs []struct {
						Name     string                  `json:"name"`
						Template batchv1.JobTemplateSpec `json:"template"`
					} `json:"replicatedJobs"`
				} `json:"spec"`
			} `json:"template"`
		} `json:"trainingRuntimeSpec"`
	} `json:"runtimePatches"`
}

func trainJobSpecOf(o *kube.Object) (*trainJobSpec, error) {
	spec, _, err := unstructured.NestedMap(o.Object, "spec")
	if err != nil {
		return nil, err
	}
	out := &trainJobSpec{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(spec, out); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", o.GetKind(), o.GetName(), err)
	}
	return out, nil
}

// job is the Job that a TrainJob says of the one that trains: what its trainer and
// our patch say.
func (s *trainJobSpec) job(o *kube.Object) *batchv1.Job {
	job := &batchv1.Job{}
	for _, p := range s.RuntimePatches {
		for _, r := range p.TrainingRuntimeSpec.Template.Spec.ReplicatedJobs {
			if p.Manager == patchManager && r.Name == kube.TrainerNode {
				job.Spec = r.Template.Spec
			}
		}
	}
	containers := job.Spec.Template.Spec.Containers
	i := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == kube.TrainerNode })
	if i < 0 {
		containers, i = append(containers, corev1.Container{Name: kube.TrainerNode}), len(containers)
	}
	main, t := &containers[i], s.Trainer
	main.Image, main.Command, main.Args, main.Env, main.Resources = t.Image, t.Command, t.Args, t.Env, t.ResourcesPerNode
	job.Spec.Template.Spec.Containers = containers
	job.Spec.Suspend, job.Spec.ActiveDeadlineSeconds = s.Suspend, s.ActiveDeadlineSeconds
	job.Spec.CompletionMode = ptr.To(batchv1.IndexedCompletion) // as all of JobSet's are
	job.ObjectMeta = metaOf(o)
	job.Kind = kube.TrainJob.Kind
	return job
}

// adoptTrainJob turns a live TrainJob into a model.
func adoptTrainJob(live *kube.Object, prior *Model) (*Model, diag.Diagnostics) {
	spec, err := trainJobSpecOf(live)
	if err != nil {
		return &Model{}, undecodable(err)
	}
	job := spec.job(live)
	var like *podspec.Model
	if prior != nil {
		like = prior.trainerPod()
	}
	pod, ds := podspec.AdoptLike(&job.Spec.Template, like)
	if prior == nil || prior.ContainerName.IsNull() {
		pod.ContainerName = types.StringNull()
	}
	if spec.Trainer.Image == "" {
		pod.Image = types.StringNull()
	}
	m := &Model{Model: pod, Engine: types.StringValue(engineKubeflow), Distributed: adoptNodes(spec, prior)}
	m.ActiveDeadlineSeconds = types.Int64PointerValue(spec.ActiveDeadlineSeconds)
	if prior != nil && prior.TrainingRuntime == nil && *prior.runtimeRef().Name == spec.RuntimeRef.Name && spec.RuntimeRef.Kind == runtimeOfCluster {
		m.TrainingRuntime = nil // the launcher's
	} else {
		m.TrainingRuntime = &TrainingRuntime{Name: types.StringValue(spec.RuntimeRef.Name)}
		if k := spec.RuntimeRef.Kind; k == runtimeOfNamespace || prior != nil && prior.TrainingRuntime != nil && !prior.TrainingRuntime.Kind.IsNull() {
			m.TrainingRuntime.Kind = types.StringValue(k)
		}
	}
	m.adoptRun(job, prior)
	return m, ds
}

// adoptNodes is the gang of a TrainJob; of its runtime nothing is known.
func adoptNodes(spec *trainJobSpec, prior *Model) *distributed.Model {
	if spec.Trainer.NumNodes == nil {
		return nil
	}
	out := &distributed.Model{}
	if prior != nil && prior.Distributed != nil {
		*out = *prior.Distributed
	}
	out.Nodes = types.Int32Value(*spec.Trainer.NumNodes)
	out.ProcessesPerNode = types.Int32PointerValue(spec.Trainer.NumProcPerNode)
	return out
}

// What Kubeflow Trainer (pkg/runtime/core) and Kueue (pkg/controller/jobs/trainjob)
// say of a TrainJob without its runtime; whose webhook is asked first is chance.
const (
	saysNoRuntime = "must be created before the TrainJob is created"
	saysNotFound  = "runtime '%s' not found"
)

// refused puts into the user's words why Kubeflow Trainer takes no such TrainJob.
func refused(m *Model, said string) diags.Message {
	if !m.kubeflow() {
		return diags.Message{}
	}
	ref := m.runtimeRef()
	if !strings.Contains(said, saysNoRuntime) && !strings.Contains(said, fmt.Sprintf(saysNotFound, *ref.Name)) {
		return diags.Message{}
	}
	msg := noRuntime(ref, m.Namespace.ValueString(), m.TrainingRuntime == nil, nil)
	msg.Why = said
	return msg
}

// noRuntime is what a user is told of a runtime that does not exist; there are the
// names of those that do. usual is whether it is that of the launcher.
func noRuntime(ref *crd.RuntimeRef, namespace string, usual bool, there []string) diags.Message {
	where, list, at := "the cluster", "kubectl get clustertrainingruntimes", path.Root("training_runtime")
	if *ref.Kind == runtimeOfNamespace {
		where, list = "namespace "+namespace, "kubectl get trainingruntimes -n "+namespace
	}
	if usual {
		at = path.Root(distributed.Root)
	}
	msg := diags.Message{
		Summary:  fmt.Sprintf("The training runtime %q does not exist", *ref.Name),
		Happened: fmt.Sprintf("A TrainJob is a run of a runtime, and %s has no %s of that name.", where, *ref.Kind),
		Do: fmt.Sprintf("Name another one in training_runtime (%q lists them), or install it: Kubeflow Trainer's own come apart from its controller. "+
			"If this very configuration makes it, apply that part first, with -target.", list),
		At: at,
	}
	const most = 8
	if n := len(there); n > 0 {
		names := strings.Join(there[:min(n, most)], ", ")
		if n > most {
			names += fmt.Sprintf(" and %d more", n-most)
		}
		msg.Happened += fmt.Sprintf(" It has: %s.", names)
	}
	return msg
}

// needsRuntime is the TrainJob that the plan asks for, with the runtime it is of.
func needsRuntime(ctx context.Context, plan tfsdk.Plan) []lifecycle.Need {
	out := []lifecycle.Need{{Kind: kube.TrainJob, Missing: diags.Message{
		Summary:  "This cluster has no TrainJob API",
		Happened: "engine = \"kubeflow\" needs " + kube.TrainJob.APIVersion() + " of Kubeflow Trainer 2, which this cluster does not serve. The older Training Operator (PyTorchJob and others) is another API.",
		Do:       "Install Kubeflow Trainer and its runtimes (https://trainer.kubeflow.org); if this very configuration installs it, apply that part first, with -target. Or use engine = \"jobset\", or remove engine: a Job runs everywhere.",
		At:       path.Root("engine"),
	}}}
	var m Model
	var namespace, name, kind, launcher types.String
	runtime, gang := path.Root("training_runtime"), path.Root(distributed.Root)
	for target, at := range map[*types.String]path.Path{&namespace: path.Root("namespace"), &name: runtime.AtName("name"), &kind: runtime.AtName("kind"), &launcher: gang.AtName("launcher")} {
		if plan.GetAttribute(ctx, at, target).HasError() || target.IsUnknown() {
			return out // not known yet
		}
	}
	if !name.IsNull() {
		m.TrainingRuntime = &TrainingRuntime{Name: name, Kind: kind}
	} else {
		m.Distributed = &distributed.Model{Launcher: launcher}
	}
	ref := m.runtimeRef()
	if *ref.Name == "" {
		return out
	}
	out[0].Object = kube.Ref{Kind: kube.ClusterTrainingRuntime, Name: *ref.Name}
	if *ref.Kind == runtimeOfNamespace {
		out[0].Object = kube.Ref{Kind: kube.TrainingRuntime, Namespace: namespace.ValueString(), Name: *ref.Name}
	}
	out[0].Absent = func(there []string) diags.Message {
		return noRuntime(ref, namespace.ValueString(), m.TrainingRuntime == nil, there)
	}
	return out
}
