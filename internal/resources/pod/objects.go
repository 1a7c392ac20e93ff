package pod

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/report"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

func desired(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
	template, ds := m.Apply()
	if ds.HasError() {
		return nil, ds
	}
	template.Spec.WithRestartPolicy(corev1.RestartPolicy(restartPolicy(m.RestartPolicy)))
	template.Spec.ActiveDeadlineSeconds = m.ActiveDeadlineSeconds.ValueInt64Pointer()
	pod := corev1ac.Pod(m.Name.ValueString(), m.Namespace.ValueString()).WithSpec(template.Spec)
	if t := template.ObjectMetaApplyConfiguration; t != nil {
		pod.WithLabels(t.Labels).WithAnnotations(t.Annotations)
	}
	pod.WithLabels(m.QueueLabels())
	return []runtime.ApplyConfiguration{pod}, ds
}

// restartPolicy is the policy meant: Never when the attribute is null.
func restartPolicy(v types.String) string {
	if v.ValueString() == "" {
		return restartNever
	}
	return v.ValueString()
}

func fields(m *Model) diags.Fields {
	f := m.Fields(path.Empty(), kube.Pod.Kind)
	f.Merge(podspec.QueueField(path.Empty(), kube.Pod.Kind))
	f.Add(path.Root("restart_policy"), kube.Pod.Kind, "spec", "restartPolicy")
	f.Add(path.Root("active_deadline_seconds"), kube.Pod.Kind, "spec", "activeDeadlineSeconds")
	return f
}

// adopt leaves out what the cluster put into the pod. Labels and annotations
// are those of the object, but for the ones that prior says as the pod's.
func adopt(live kube.Live, prior *Model) (*Model, diag.Diagnostics) {
	declared := kube.Live{}
	if o := live[kube.Pod.Kind]; o != nil {
		declared[kube.Pod.Kind] = &kube.Object{Object: kube.Declared(o.Object, nil)}
	}
	p, ds := podOf(declared)
	if p == nil {
		return &Model{}, ds
	}
	var was *podspec.Model
	template := corev1.PodTemplateSpec{Spec: p.Spec}
	if prior != nil {
		was = &prior.Model
		template.Labels, template.Annotations = maps.Clone(p.Labels), maps.Clone(p.Annotations)
		maps.DeleteFunc(template.Labels, func(k, _ string) bool { _, said := was.PodLabels[k]; return !said })
		maps.DeleteFunc(template.Annotations, func(k, _ string) bool { _, said := was.PodAnnotations[k]; return !said })
	}
	spec, ds := podspec.AdoptLike(&template, was)
	m := &Model{Model: spec, Result: types.MapNull(types.StringType)}
	m.AdoptQueue(p.Labels)
	if s := string(p.Spec.RestartPolicy); s != restartNever || prior != nil && !prior.RestartPolicy.IsNull() {
		m.RestartPolicy = types.StringValue(s)
	}
	m.ActiveDeadlineSeconds = types.Int64PointerValue(p.Spec.ActiveDeadlineSeconds)
	return m, ds
}

// observe fills what the cluster decided and what the pod reported. What it no
// longer shows keeps its value.
func observe(m *Model, seen lifecycle.Seen) diag.Diagnostics {
	if m.Result.IsNull() || m.Result.IsUnknown() {
		m.Result = types.MapNull(types.StringType)
	}
	if m.LogLines.ValueInt64() <= 0 {
		m.Log = types.StringNull()
	} else if seen.Log != nil {
		m.Log = types.StringValue(tail(*seen.Log))
	}
	p, ds := podOf(seen.Live)
	if p == nil {
		return ds
	}
	if p.Spec.NodeName != "" {
		m.Node = types.StringValue(p.Spec.NodeName)
	}
	if t := p.Status.StartTime; t != nil {
		m.StartTime = moment(*t)
	}
	if end := podspec.Ended(p, m.Main()); end != nil {
		m.CompletionTime, m.ExitCode = moment(end.FinishedAt), types.Int32Value(end.ExitCode)
		if r, ok := report.Parse(end.Message); ok && p.Status.Phase == corev1.PodSucceeded {
			m.Result = r
		}
	}
	return ds
}

// tail is the end of a log that is too long for the state, from the start of a
// line.
func tail(log string) string {
	if len(log) <= maxLogBytes {
		return log
	}
	log = log[len(log)-maxLogBytes:]
	if _, rest, ok := strings.Cut(log, "\n"); ok {
		log = rest
	}
	return strings.ToValidUTF8(log, "\uFFFD")
}

func moment(t metav1.Time) types.String { return types.StringValue(t.UTC().Format(time.RFC3339)) }

func podOf(live kube.Live) (*corev1.Pod, diag.Diagnostics) {
	p, err := kube.Typed[corev1.Pod](live, kube.Pod.Kind)
	if err != nil {
		return nil, diag.Diagnostics{diags.Message{
			Summary: "The pod on the cluster cannot be read",
			Why:     err.Error(),
			Do:      "It may come from a newer version of Kubernetes than mlk knows. Please report this.",
		}.Error()}
	}
	return p, nil
}

// validate checks the pod, and that what is waited for can come.
func validate(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	ds := podspec.Validate(ctx, c)
	var restart, level types.String
	ds.Append(c.GetAttribute(ctx, path.Root("restart_policy"), &restart)...)
	ds.Append(c.GetAttribute(ctx, path.Root("wait_for"), &level)...)
	if restart.ValueString() == string(corev1.RestartPolicyAlways) && level.ValueString() == levelCompleted {
		ds.Append(diags.Message{
			Summary:  "A pod that is always started again never completes",
			Happened: "With restart_policy = \"Always\" a container that has ended is started again, so wait_for = \"completed\" would wait until its timeout.",
			Do:       "Remove restart_policy, or wait for \"running\".",
			At:       path.Root("wait_for"),
		}.Error())
	}
	return ds
}

// plan replaces the pod where the policy changes in meaning, null and Never
// being the same, and lets another number of lines change the log.
func plan(ctx context.Context, p *lifecycle.Planning[Model]) {
	if p.Destroy || p.Create {
		return
	}
	if p.Changed(path.Root("log_lines")) {
		p.Diagnostics.Append(p.Plan.SetAttribute(ctx, path.Root("log"), types.StringUnknown())...)
	}
	if !p.Changed(path.Root("restart_policy")) {
		return
	}
	var planned types.String
	p.Diagnostics.Append(p.Plan.GetAttribute(ctx, path.Root("restart_policy"), &planned)...)
	if planned.IsUnknown() || restartPolicy(planned) != restartPolicy(p.Prior.RestartPolicy) {
		p.RequiresReplace.Append(path.Root("restart_policy"))
		p.Replace = true
	}
}

// vanished keeps a pod that was seen to end: it is not run again because
// somebody tidied up, or its node went.
func vanished(m *Model, _ lifecycle.Circumstances) lifecycle.Fate {
	return lifecycle.Fate{Keep: !m.CompletionTime.IsNull()}
}
