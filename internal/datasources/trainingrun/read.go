package trainingrun

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// read finds the run, and fills the model from its Job and pods.
func read(ctx context.Context, q *lifecycle.Query, m *Model) diag.Diagnostics {
	var ds diag.Diagnostics
	m.Namespace, ds = q.Namespace(m.Namespace)
	if ds.HasError() {
		return ds
	}
	o, found := find(ctx, q, m)
	ds.Append(found...)
	if ds.HasError() {
		return ds
	}
	job, err := kube.Typed[batchv1.Job](kube.Live{"": o}, "")
	if err != nil {
		ds.Append(diags.Message{Summary: "A Job cannot be understood", Why: err.Error(), Stands: "Nothing was read."}.Error())
		return ds
	}
	pods, podErrs := q.Pods(ctx, job.Namespace, batchv1.JobNameLabel+"="+job.Name)
	ds.Append(podErrs...)
	if ds.HasError() {
		return ds
	}
	mine := own(job, pods)
	observe(m, job, mine, q.Now())
	m.Status = lifecycle.StatusOf(judge(job, mine), o)
	if lines := m.LogLines.ValueInt64(); lines > 0 {
		logs, problems := q.Logs(ctx, job.Namespace, logged(mine), lines)
		ds.Append(problems...)
		for i := range m.Pods {
			m.Pods[i].Log = filled(strings.TrimRight(logs[m.Pods[i].Name.ValueString()], "\n"))
		}
	}
	return ds
}

// logged picks the pods whose logs are read: those that failed first.
func logged(pods []*corev1.Pod) []*corev1.Pod {
	out := slices.DeleteFunc(slices.Clone(pods), func(p *corev1.Pod) bool { return p.Spec.NodeName == "" })
	slices.SortStableFunc(out, func(a, b *corev1.Pod) int {
		x, y := a.Status.Phase == corev1.PodFailed, b.Status.Phase == corev1.PodFailed
		switch {
		case x && !y:
			return -1
		case y && !x:
			return 1
		}
		return 0
	})
	return out[:min(len(out), loggedPods)]
}

// find gets the Job of the run that was asked for.
func find(ctx context.Context, q *lifecycle.Query, m *Model) (*kube.Object, diag.Diagnostics) {
	namespace := m.Namespace.ValueString()
	if run := m.RunName.ValueString(); run != "" {
		o, ds := q.Get(ctx, kube.Ref{Kind: kube.Job, Namespace: namespace, Name: run})
		if o != nil || ds.HasError() {
			return o, ds
		}
		jobs, ds := q.List(ctx, kube.Job, namespace, kube.JobSetNameLabel+"="+run)
		if ds.HasError() {
			return nil, ds
		}
		if o := leading(jobs); o != nil {
			return o, nil
		}
		return nil, missing(ctx, q, m, path.Root("run_name"), nil)
	}
	jobs, ds := q.List(ctx, kube.Job, namespace, "")
	if ds.HasError() {
		return nil, ds
	}
	o := newestOf(m.Name.ValueString(), jobs)
	if o == nil {
		return nil, missing(ctx, q, m, path.Root("name"), jobs)
	}
	return o, ds
}

// runOf is the name of the run that a Job is of: that of its JobSet, or TrainJob,
// which has the same name, where one made it.
func runOf(o metav1.Object) string {
	if set := o.GetLabels()[kube.JobSetNameLabel]; set != "" {
		return set
	}
	return o.GetName()
}

// leaders are what the Job that speaks for a JobSet is called there: ours, the
// launcher of an MPI runtime, the one that trains in others.
var leaders = []string{"main", "launcher", kube.TrainerNode}

// leading is the Job among those of one JobSet that speaks for it: of others'
// JobSets the first; nil when there is none.
func leading(jobs []*kube.Object) *kube.Object {
	for _, name := range leaders {
		for _, o := range jobs {
			if o.GetLabels()[kube.ReplicatedJobLabel] == name {
				return o
			}
		}
	}
	for _, o := range jobs {
		if o.GetLabels()["jobset.sigs.k8s.io/job-global-index"] == "0" {
			return o
		}
	}
	return nil
}

// runHash is how mlk_training_job ends the names of its runs.
var runHash = regexp.MustCompile(`^-[a-z2-7]{8}$`)

// isRunOf reports whether a Job is a run of a training: made by
// mlk_training_job under a name of its own making, through a JobSet or TrainJob of
// such a name too, kept by it, or made by a schedule of that name.
func isRunOf(training string, o *kube.Object) bool {
	if o.GetLabels()[lifecycle.KeptLabel] == training {
		return true
	}
	rest, named := strings.CutPrefix(runOf(o), training)
	if named && runHash.MatchString(rest) && runOf(o) != o.GetName() {
		return leading([]*kube.Object{o}) != nil
	}
	if by := o.GetAnnotations()[lifecycle.ResourceAnnotation]; named && runHash.MatchString(rest) && strings.HasPrefix(by, "training_job/") {
		return true
	}
	owner := kube.Controlled(o)
	return owner != nil && owner.Kind == "CronJob" && owner.Name == training
}

// newestOf is the newest run of a training; nil when there is none.
func newestOf(training string, jobs []*kube.Object) *kube.Object {
	runs := slices.DeleteFunc(slices.Clone(jobs), func(o *kube.Object) bool { return !isRunOf(training, o) })
	if len(runs) == 0 {
		return nil
	}
	return slices.MaxFunc(runs, byAge)
}

func byAge(a, b *kube.Object) int {
	x, y := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if c := x.Compare(y.Time); c != 0 {
		return c
	}
	return cmp.Compare(a.GetName(), b.GetName())
}

// tidied says why a run that existed may not any more.
const tidied = "A finished run is deleted after ttl_seconds_after_finished; its result stays with the mlk_training_job that made it."

// shownRuns bounds how many runs a message names.
const shownRuns = 5

// missing says that there is no such run, and why: the namespace, or the name.
func missing(ctx context.Context, q *lifecycle.Query, m *Model, at path.Path, jobs []*kube.Object) diag.Diagnostics {
	namespace := m.Namespace.ValueString()
	if jobs == nil {
		var ds diag.Diagnostics
		if jobs, ds = q.List(ctx, kube.Job, namespace, ""); ds.HasError() {
			return ds
		}
	}
	if len(jobs) > 0 {
		return diag.Diagnostics{unknownRun(m, at, jobs).Error()}
	}
	exists, err := q.Client().NamespaceExists(ctx, namespace)
	if err != nil {
		return q.Refused(kube.Ref{Kind: kube.Namespace, Name: namespace}, "read", err)
	}
	if exists {
		return diag.Diagnostics{unknownRun(m, at, nil).Error()}
	}
	return diag.Diagnostics{diags.Message{
		Summary:  fmt.Sprintf("Namespace %s does not exist", namespace),
		Happened: "So there is no training run in it.",
		Do:       "Correct namespace, here or in the provider block. If this configuration makes the namespace and the run, name them in depends_on, so that the run is read after it was made.",
		At:       path.Root("namespace"),
	}.Error()}
}

// unknownRun says that there is no such run, and which there are.
func unknownRun(m *Model, at path.Path, jobs []*kube.Object) diags.Message {
	asked, namespace := m.RunName.ValueString(), m.Namespace.ValueString()
	msg := diags.Message{
		Summary:  fmt.Sprintf("There is no training run %q in namespace %s", asked, namespace),
		Happened: "No Job of that name exists.",
		Do:       "Check run_name and namespace. If this configuration makes the run, name its resource in depends_on, so that it is read after it was made. " + tidied,
		At:       at,
	}
	if at.Equal(path.Root("name")) {
		asked = m.Name.ValueString()
		msg.Summary = fmt.Sprintf("Training %q has no run in namespace %s", asked, namespace)
		msg.Happened = fmt.Sprintf("No Job there is called %s-<hash> and made by mlk_training_job, kept by it, or made by a schedule of that name.", asked)
		msg.Do = "Check name and namespace, and name the resource that makes the run, if it is in this configuration, in depends_on. A run whose name was chosen by hand is found with run_name. " + tidied
	}
	if len([]rune(msg.Summary)) > 90 {
		msg.Summary = "There is no such training run"
	}
	if len(jobs) == 0 {
		msg.Happened += " The namespace has no Jobs at all."
		return msg
	}
	jobs = slices.SortedFunc(slices.Values(jobs), func(a, b *kube.Object) int { return byAge(b, a) })
	var names []string
	for _, o := range jobs[:min(len(jobs), shownRuns)] {
		names = append(names, runOf(o))
	}
	msg.Happened += " The newest Jobs there: " + strings.Join(names, ", ") + "."
	return msg
}
