package inferenceservice

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// restartKey is the annotation of the pods that restart_on changes.
const restartKey = "mlk.dev/restart-on"

// desired returns the versions there are, and what scales and leads to them.
func desired(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
	var out []runtime.ApplyConfiguration
	var ds diag.Diagnostics
	for _, v := range versions(m) {
		made, vds := version(v)
		ds.Append(vds...)
		out = append(out, made...)
	}
	if ds.HasError() {
		return nil, ds
	}
	return append(out, satellites(m)...), ds
}

// version returns what makes the pods of a version, and the Service unless there is
// to be none.
func version(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
	var main runtime.ApplyConfiguration
	var ds diag.Diagnostics
	pod := effective(m)
	switch {
	case m.byKServe():
		main, ds = served(m, &pod)
	case m.inGroups():
		main, ds = groups(m, &pod)
	default:
		main, ds = deployment(m)
	}
	if ds.HasError() {
		return nil, ds
	}
	out := []runtime.ApplyConfiguration{main}
	if s := service(m, &pod); s != nil {
		out = append(out, s)
	}
	return out, ds
}

// template is the pod template of a pod of the service.
func (m *Model) template(pod *podspec.Model) (*corev1ac.PodTemplateSpecApplyConfiguration, diag.Diagnostics) {
	template, ds := pod.Apply()
	if ds.HasError() {
		return nil, ds
	}
	if mainKind(m) == kube.Deployment {
		template.WithLabels(selectorOf(m))
	}
	if len(m.RestartOn) > 0 {
		template.WithAnnotations(map[string]string{restartKey: restartHash(m.RestartOn)})
	}
	return template, ds
}

// deployment is that of a version; nil when there are errors.
func deployment(m *Model) (*appsac.DeploymentApplyConfiguration, diag.Diagnostics) {
	pod := effective(m)
	template, ds := m.template(&pod)
	if ds.HasError() {
		return nil, ds
	}
	spec := appsac.DeploymentSpec().
		WithSelector(metav1ac.LabelSelector().WithMatchLabels(selectorOf(m))).
		WithTemplate(template)
	spec.Replicas = m.Replicas.ValueInt32Pointer()
	m.Rollout.apply(spec)
	if spec.ProgressDeadlineSeconds == nil {
		spec.WithProgressDeadlineSeconds(deadline(m))
	}
	return appsac.Deployment(m.Name.ValueString(), m.Namespace.ValueString()).WithLabels(m.QueueLabels()).WithSpec(spec), ds
}

// selectorOf are the labels by which what makes the pods knows them.
func selectorOf(m *Model) map[string]string {
	switch {
	case m.byKServe():
		return map[string]string{kube.ServedLabel: m.Name.ValueString(), kube.ComponentLabel: kube.PredictorComponent}
	case m.inGroups():
		return map[string]string{kube.GroupsNameLabel: m.Name.ValueString()}
	case len(m.Selector) == 0:
		return map[string]string{nameKey: labelOf(m.Name.ValueString()), componentKey: component}
	}
	return values.Plain(m.Selector)
}

// labelOf is as much of a name as fits into a label.
func labelOf(name string) string {
	const most = 63
	if len(name) > most {
		name = strings.TrimRight(name[:most], "-.")
	}
	return name
}

// selector selects the pods of all versions.
func selector(m *Model) string {
	if m.Canary == nil {
		return metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: selectorOf(m)})
	}
	out, other := &metav1.LabelSelector{}, canarySelector(m)
	for k, v := range selectorOf(m) {
		out.MatchExpressions = append(out.MatchExpressions, metav1.LabelSelectorRequirement{
			Key: k, Operator: metav1.LabelSelectorOpIn, Values: []string{v, other[k].ValueString()},
		})
	}
	return metav1.FormatLabelSelector(out)
}

// restartHash changes when one of the values does.
func restartHash(of map[string]types.String) string {
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(of)) {
		for _, part := range []string{k, of[k].ValueString()} {
			_, _ = h.Write([]byte(part + "\x00"))
		}
	}
	const enough = 8
	return hex.EncodeToString(h.Sum(nil)[:enough])
}

// margin is how much longer than the model loads a rollout may stand still: a
// pod has to find a node and pull its image first. It is Kubernetes' default too.
const margin = 10 * time.Minute

// deadline is how many seconds a rollout may go without progress when nobody says
// it: as long as somebody waits for it, and as the model may need.
func deadline(m *Model) int32 {
	longest := fill(m).budget + margin
	for _, t := range []string{"create", "update"} {
		longest = max(longest, timeout(m, t))
	}
	if m.Rollout != nil {
		longest += time.Duration(m.Rollout.MinReadySeconds.ValueInt32()) * time.Second
	}
	return int32(longest / time.Second)
}

// timeout is a bound of the configuration, or its default.
func timeout(m *Model, name string) time.Duration {
	s, _ := m.Timeouts.Attributes()[name].(types.String)
	if d, err := time.ParseDuration(s.ValueString()); err == nil {
		return d
	}
	return readyTimeout
}

func (r *Rollout) apply(spec *appsac.DeploymentSpecApplyConfiguration) {
	if r == nil {
		return
	}
	spec.MinReadySeconds = r.MinReadySeconds.ValueInt32Pointer()
	spec.ProgressDeadlineSeconds = r.ProgressDeadlineSeconds.ValueInt32Pointer()
	spec.RevisionHistoryLimit = r.RevisionHistoryLimit.ValueInt32Pointer()
	if r.Strategy.IsNull() && r.MaxSurge.IsNull() && r.MaxUnavailable.IsNull() {
		return
	}
	how := appsac.DeploymentStrategy()
	how.Type = values.Enum[appsv1.DeploymentStrategyType](r.Strategy)
	if !r.MaxSurge.IsNull() || !r.MaxUnavailable.IsNull() {
		how.RollingUpdate = &appsac.RollingUpdateDeploymentApplyConfiguration{MaxSurge: values.Share(r.MaxSurge), MaxUnavailable: values.Share(r.MaxUnavailable)}
	}
	spec.WithStrategy(how)
}

// fields says which attribute made which field.
func fields(m *Model) diags.Fields {
	made := fill(m)
	// What a node or the scheduler objects to is told of a Deployment's pods, whatever
	// makes them.
	f := deploymentFields(m, made)
	if m.byKServe() {
		f.Merge(servedFields(m, made), satelliteFields(m))
		return f
	}
	if m.inGroups() {
		f.Merge(groupFields(m, made))
	}
	f.Merge(serviceFields(m, &made.pod), satelliteFields(m), canaryFields(m))
	return f
}

// templateFields are those of a pod template.
func templateFields(m *Model, made *filled, segments ...string) diags.Fields {
	var f diags.Fields
	f.Add(restartPath, append(slices.Clone(segments), "metadata", "annotations", restartKey)...)
	if !m.StartupBudget.IsNull() && m.StartupProbe == nil && made.pod.StartupProbe != nil {
		for _, handler := range [][]string{nil, {"exec"}, {"httpGet"}, {"tcpSocket"}, {"grpc"}} {
			f.Add(budgetPath, slices.Concat(segments, []string{"spec", "containers", m.Main(), "startupProbe"}, handler)...)
		}
	}
	f.Merge(podFields(made, segments...))
	return f
}

func deploymentFields(m *Model, made *filled) diags.Fields {
	d := kube.Deployment.Kind
	f := templateFields(m, made, d, "spec", "template")
	for k := range selectorOf(m) {
		f.Add(selectorPath, d, "spec", "template", "metadata", "labels", k)
	}
	f.Add(selectorPath, d, "spec", "selector")
	f.Merge(podspec.QueueField(path.Empty(), d))
	f.Add(replicasPath, d, "spec", "replicas")
	for attribute, field := range map[string]string{
		"min_ready_seconds": "minReadySeconds", "progress_deadline_seconds": "progressDeadlineSeconds", "revision_history_limit": "revisionHistoryLimit",
	} {
		f.Add(rolloutPath.AtName(attribute), d, "spec", field)
	}
	f.Add(rolloutPath.AtName("strategy"), d, "spec", "strategy")
	f.Add(rolloutPath.AtName("max_surge"), d, "spec", "strategy", "rollingUpdate", "maxSurge")
	f.Add(rolloutPath.AtName("max_unavailable"), d, "spec", "strategy", "rollingUpdate", "maxUnavailable")
	return f
}

// takes are the bounds of a rolling update when there is to be none: Kubernetes
// refuses them then, and filled them in itself where nobody has set them.
func takes(m *Model, live kube.Live) [][]string {
	d, _ := deploymentOf(live)
	if d == nil || kindOf(d) != kube.Deployment || d.Spec.Strategy.RollingUpdate == nil || m.Rollout == nil || m.Rollout.Strategy.ValueString() != recreate {
		return nil
	}
	return [][]string{{"spec", "strategy", "rollingUpdate"}}
}

// waits reports whether an update changes more than labels and annotations of the
// objects, so that there is something to wait for.
func waits(prior, wanted *Model) bool {
	if prior.WaitFor.ValueString() != wanted.WaitFor.ValueString() {
		return true
	}
	specs := func(m *Model) []any {
		var out []any
		objects, _ := desired(m)
		for _, ac := range objects {
			o, err := plainObject(ac)
			if err != nil {
				return nil
			}
			out = append(out, o["kind"], o["spec"])
		}
		if m.byKServe() { // its pods get these too
			out = append(out, m.LabelsAll, m.AnnotationsAll)
		}
		return out
	}
	return !reflect.DeepEqual(specs(prior), specs(wanted)) || !prior.Patch.Equal(wanted.Patch)
}
