package resourceclaimtemplate

import (
	"github.com/hashicorp/terraform-plugin-framework/diag"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/runtime"
	resourceac "k8s.io/client-go/applyconfigurations/resource/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/devices"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

func desired(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
	var ds diag.Diagnostics
	claim := resourceac.DeviceClaim()
	for i := range m.Requests {
		r, rds := m.Requests[i].Apply(requestsPath.AtListIndex(i))
		ds.Append(rds...)
		claim.WithRequests(r)
	}
	for i := range m.Constraints {
		claim.WithConstraints(m.Constraints[i].Apply())
	}
	for i := range m.Config {
		claim.WithConfig(m.Config[i].Apply())
	}
	spec := resourceac.ResourceClaimTemplateSpec().WithSpec(resourceac.ResourceClaimSpec().WithDevices(claim))
	if len(m.ClaimLabels) > 0 {
		spec.WithLabels(values.Plain(m.ClaimLabels))
	}
	if len(m.ClaimAnnotations) > 0 {
		spec.WithAnnotations(values.Plain(m.ClaimAnnotations))
	}
	return []runtime.ApplyConfiguration{resourceac.ResourceClaimTemplate(m.Name.ValueString(), m.Namespace.ValueString()).WithSpec(spec)}, ds
}

// fields says which attribute made which field.
func fields(*Model) diags.Fields {
	var f diags.Fields
	kind := kube.ResourceClaimTemplate.Kind
	f.Add(requestsPath, kind, "spec", "spec", "devices", "requests")
	f.Add(constraintsPath, kind, "spec", "spec", "devices", "constraints")
	f.Add(configPath, kind, "spec", "spec", "devices", "config")
	f.Add(labelsPath, kind, "spec", "metadata", "labels")
	f.Add(annotationsPath, kind, "spec", "metadata", "annotations")
	return f
}

func adopt(live kube.Live, prior *Model) (*Model, diag.Diagnostics) {
	t, err := kube.Typed[resourcev1.ResourceClaimTemplate](live, kube.ResourceClaimTemplate.Kind)
	if err != nil {
		return &Model{}, diag.Diagnostics{diags.Message{
			Summary: "The ResourceClaimTemplate on the cluster cannot be read", Why: err.Error(),
			Do: "It may come from a newer version of Kubernetes than mlk knows. Please report this.",
		}.Error()}
	}
	m := &Model{}
	if t == nil {
		return m, nil
	}
	like := prior
	if like == nil {
		like = &Model{}
	}
	d := t.Spec.Spec.Devices
	m.Requests = devices.AdoptRequests(d.Requests, like.Requests)
	m.Constraints = devices.AdoptConstraints(d.Constraints)
	m.Config = devices.AdoptConfigs(d.Config, like.Config)
	m.ClaimLabels = values.Map(t.Spec.Labels)
	m.ClaimAnnotations = values.Map(t.Spec.Annotations)
	return m, nil
}

// observe has nothing to fill in.
func observe(*Model, lifecycle.Seen) diag.Diagnostics { return nil }

// ready: a template can be used as soon as it is stored.
func ready(_ *Model, seen lifecycle.Seen, _ string) wait.Verdict {
	if seen.Live[kube.ResourceClaimTemplate.Kind] == nil {
		return wait.Of(wait.Progressing, "Pending", "", "The template does not exist yet")
	}
	return wait.Of(wait.Done, "Active", "", "")
}
