package trainingschedule

import (
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// The outcomes of a run.
const (
	outcomeRunning  = "Running"
	outcomeComplete = "Complete"
	outcomeFailed   = "Failed"
	outcomeUnknown  = "Unknown"
)

// ready judges a schedule: it is there when it exists, whatever its runs do.
func ready(_ *Model, seen lifecycle.Seen, _ string) wait.Verdict {
	c, ds := cronJobOf(seen.Live)
	switch {
	case c == nil || ds.HasError():
		return wait.Of(wait.Progressing, "Pending", "", "The CronJob does not exist yet")
	case c.Spec.Suspend != nil && *c.Spec.Suspend:
		return wait.Of(wait.Done, "Suspended", "", "No more runs start")
	case len(c.Status.Active) == 1:
		return wait.Of(wait.Done, "Running", "", fmt.Sprintf("Run %s is under way", c.Status.Active[0].Name))
	case len(c.Status.Active) > 1:
		return wait.Of(wait.Done, "Running", "", fmt.Sprintf("%d runs are under way", len(c.Status.Active)))
	}
	return wait.Of(wait.Done, "Active", "", "")
}

// observe fills in the runs: the one that is due, and what became of the last.
func observe(m *Model, seen lifecycle.Seen) diag.Diagnostics {
	if m.LastRun.IsNull() || m.LastRun.IsUnknown() {
		m.LastRun = types.ObjectNull(lastRunTypes)
	}
	c, ds := cronJobOf(seen.Live)
	if c == nil {
		return ds
	}
	m.NextRun = next(m, seen.Now)
	if t := c.Status.LastSuccessfulTime; t != nil {
		m.LastSuccess = moment(t)
	}
	jobs, known := seen.Beside[kube.Job.Kind]
	if !known || c.Status.LastScheduleTime == nil {
		return ds
	}
	var newest *batchv1.Job
	for _, o := range jobs {
		job, err := kube.Typed[batchv1.Job](kube.Live{"": o}, "")
		if err == nil && job != nil && (newest == nil || newest.CreationTimestamp.Before(&job.CreationTimestamp)) {
			newest = job
		}
	}
	if newest != nil {
		m.LastRun = runOf(newest)
		return ds
	}
	// Its Job is gone, by a history limit or a TTL.
	run := map[string]attr.Value{
		"name": types.StringNull(), "outcome": types.StringValue(outcomeUnknown), "message": types.StringNull(),
		"start_time": moment(c.Status.LastScheduleTime), "completion_time": types.StringNull(),
	}
	if t := c.Status.LastSuccessfulTime; t != nil && !t.Before(c.Status.LastScheduleTime) {
		run["outcome"], run["completion_time"] = types.StringValue(outcomeComplete), moment(t)
	}
	m.LastRun = types.ObjectValueMust(lastRunTypes, run)
	return ds
}

// runOf is last_run of a Job.
func runOf(job *batchv1.Job) types.Object {
	run := map[string]attr.Value{
		"name": types.StringValue(job.Name), "outcome": types.StringValue(outcomeRunning), "message": types.StringNull(),
		"start_time": moment(&job.CreationTimestamp), "completion_time": types.StringNull(),
	}
	for i := range job.Status.Conditions {
		c := &job.Status.Conditions[i]
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete:
			run["outcome"], run["completion_time"] = types.StringValue(outcomeComplete), moment(&c.LastTransitionTime)
		case batchv1.JobFailed:
			run["outcome"], run["completion_time"] = types.StringValue(outcomeFailed), moment(&c.LastTransitionTime)
			run["message"] = types.StringValue(fmt.Sprintf("%s (%s)", c.Message, c.Reason))
		}
	}
	return types.ObjectValueMust(lastRunTypes, run)
}

func moment(t *metav1.Time) types.String { return types.StringValue(t.UTC().Format(time.RFC3339)) }

// notice tells at each refresh that the last run failed: nobody waits for it, so
// nobody else would.
func notice(m *Model) diags.Message {
	part := func(name string) string {
		s, _ := m.LastRun.Attributes()[name].(types.String)
		return s.ValueString()
	}
	if part("outcome") != outcomeFailed {
		return diags.Message{}
	}
	msg := diags.Message{
		Summary:  fmt.Sprintf("The last run of training schedule %q failed", m.Namespace.ValueString()+"/"+m.Name.ValueString()),
		Happened: fmt.Sprintf("Run %s, started at %s, ended at %s without success. No run has succeeded yet.", part("name"), part("start_time"), part("completion_time")),
		Why:      part("message"),
		Do: fmt.Sprintf("See why: kubectl logs -n %s job/%s\nThe warning goes with the next run that succeeds.",
			m.Namespace.ValueString(), part("name")),
	}
	if !m.LastSuccess.IsNull() {
		msg.Happened = fmt.Sprintf("Run %s, started at %s, ended at %s without success. The last success was at %s.",
			part("name"), part("start_time"), part("completion_time"), m.LastSuccess.ValueString())
	}
	if !m.NextRun.IsNull() {
		msg.Stands = "The next run is due at " + m.NextRun.ValueString() + "."
	}
	return msg
}
