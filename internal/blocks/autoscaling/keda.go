package autoscaling

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube/crd"
)

// Keda mirrors the attribute keda.
type Keda struct {
	Triggers              []Trigger    `tfsdk:"triggers"`
	MinReplicas           types.Int32  `tfsdk:"min_replicas"`
	MaxReplicas           types.Int32  `tfsdk:"max_replicas"`
	IdleReplicas          types.Int32  `tfsdk:"idle_replicas"`
	PollingInterval       types.Int32  `tfsdk:"polling_interval"`
	CooldownPeriod        types.Int32  `tfsdk:"cooldown_period"`
	InitialCooldownPeriod types.Int32  `tfsdk:"initial_cooldown_period"`
	Fallback              *Fallback    `tfsdk:"fallback"`
	HPAName               types.String `tfsdk:"hpa_name"`
}

// Trigger is one thing that pods are wanted for.
type Trigger struct {
	Type           types.String            `tfsdk:"type"`
	Metadata       map[string]types.String `tfsdk:"metadata"`
	Name           types.String            `tfsdk:"name"`
	MetricType     types.String            `tfsdk:"metric_type"`
	Authentication *Authentication         `tfsdk:"authentication_ref"`
}

// Authentication names what a trigger gets its credentials from.
type Authentication struct {
	Name types.String `tfsdk:"name"`
	Kind types.String `tfsdk:"kind"`
}

// Fallback is how many pods there are while a trigger cannot be asked.
type Fallback struct {
	FailureThreshold types.Int32 `tfsdk:"failure_threshold"`
	Replicas         types.Int32 `tfsdk:"replicas"`
}

// deploymentKind is the kind of what a ScaledObject scales where it says nothing else.
const deploymentKind = "Deployment"

// scaledObject is the kind of what KEDA scales by.
const scaledObject = "ScaledObject"

// ScaledObject returns what KEDA scales a target by; nil when it does not.
func (m *Model) ScaledObject(t Target) *crd.ScaledObject {
	if m == nil || m.Keda == nil {
		return nil
	}
	k, out := m.Keda, crd.NewScaledObject(m.ObjectName(t), t.Namespace)
	out.Spec = &crd.ScaledObjectSpec{
		ScaleTargetRef:  &crd.ScaleTarget{Name: &t.Name},
		MinReplicaCount: k.MinReplicas.ValueInt32Pointer(), MaxReplicaCount: k.MaxReplicas.ValueInt32Pointer(), IdleReplicaCount: k.IdleReplicas.ValueInt32Pointer(),
		PollingInterval: k.PollingInterval.ValueInt32Pointer(), CooldownPeriod: k.CooldownPeriod.ValueInt32Pointer(), InitialCooldownPeriod: k.InitialCooldownPeriod.ValueInt32Pointer(),
	}
	if t.Kind.Kind != deploymentKind { // what KEDA takes it for where nothing is said
		version, kind := t.Kind.GroupVersion().String(), t.Kind.Kind
		out.Spec.ScaleTargetRef.APIVersion, out.Spec.ScaleTargetRef.Kind = &version, &kind
	}
	if f := k.Fallback; f != nil {
		out.Spec.Fallback = &crd.ScaleFallback{FailureThreshold: f.FailureThreshold.ValueInt32Pointer(), Replicas: f.Replicas.ValueInt32Pointer()}
	}
	if !k.HPAName.IsNull() {
		out.Spec.Advanced = &crd.ScaledObjectAdvanced{Autoscaler: &crd.ScaledObjectAutoscaler{Name: k.HPAName.ValueStringPointer()}}
	}
	for _, g := range k.Triggers {
		trigger := crd.ScaleTrigger{Type: g.Type.ValueStringPointer(), Name: g.Name.ValueStringPointer(), MetricType: g.MetricType.ValueStringPointer(), Metadata: map[string]string{}}
		for key, v := range g.Metadata {
			trigger.Metadata[key] = v.ValueString()
		}
		if a := g.Authentication; a != nil {
			trigger.Authentication = &crd.ScaleTriggerAuth{Name: a.Name.ValueStringPointer(), Kind: a.Kind.ValueStringPointer()}
		}
		out.Spec.Triggers = append(out.Spec.Triggers, trigger)
	}
	return out
}

// kedaFields says which attribute at and below root made which field.
func (m *Model) kedaFields(root path.Path) diags.Fields {
	var f diags.Fields
	at := root.AtName("keda")
	f.Add(root.AtName("name"), scaledObject, "metadata", "name")
	f.Add(root, scaledObject, "spec") // whom it scales no attribute says
	for attribute, field := range map[string]string{
		"triggers": "triggers", "min_replicas": "minReplicaCount", "max_replicas": "maxReplicaCount", "idle_replicas": "idleReplicaCount",
		"polling_interval": "pollingInterval", "cooldown_period": "cooldownPeriod", "initial_cooldown_period": "initialCooldownPeriod",
		"fallback": "fallback", "hpa_name": "advanced",
	} {
		f.Add(at.AtName(attribute), scaledObject, "spec", field)
	}
	return f
}

// ScaledBy reports whether a ScaledObject is that of a target.
func ScaledBy(live *crd.ScaledObject, t Target) bool {
	if live == nil || live.Spec == nil || live.Spec.ScaleTargetRef == nil {
		return false
	}
	ref := live.Spec.ScaleTargetRef
	return ptr.Deref(ref.Name, "") == t.Name && ptr.Deref(ref.Kind, deploymentKind) == t.Kind.Kind &&
		ptr.Deref(ref.APIVersion, t.Kind.GroupVersion().String()) == t.Kind.GroupVersion().String()
}

// AdoptScaledObject turns a ScaledObject into a model, in the words of prior, which
// is nil on import. One that scales something else is nil.
func AdoptScaledObject(live *crd.ScaledObject, t Target, prior *Model) *Model {
	if live == nil {
		return prior
	}
	if !ScaledBy(live, t) {
		return nil
	}
	s := live.Spec
	k := &Keda{
		MinReplicas: types.Int32PointerValue(s.MinReplicaCount), MaxReplicas: types.Int32PointerValue(s.MaxReplicaCount), IdleReplicas: types.Int32PointerValue(s.IdleReplicaCount),
		PollingInterval: types.Int32PointerValue(s.PollingInterval), CooldownPeriod: types.Int32PointerValue(s.CooldownPeriod), InitialCooldownPeriod: types.Int32PointerValue(s.InitialCooldownPeriod),
	}
	if f := s.Fallback; f != nil {
		k.Fallback = &Fallback{FailureThreshold: types.Int32PointerValue(f.FailureThreshold), Replicas: types.Int32PointerValue(f.Replicas)}
	}
	if a := s.Advanced; a != nil && a.Autoscaler != nil {
		k.HPAName = types.StringPointerValue(a.Autoscaler.Name)
	}
	for _, g := range s.Triggers {
		trigger := Trigger{
			Type: types.StringPointerValue(g.Type), Name: types.StringPointerValue(g.Name), MetricType: types.StringPointerValue(g.MetricType), Metadata: map[string]types.String{},
		}
		for key, v := range g.Metadata {
			trigger.Metadata[key] = types.StringValue(v)
		}
		if a := g.Authentication; a != nil {
			trigger.Authentication = &Authentication{Name: types.StringPointerValue(a.Name), Kind: types.StringPointerValue(a.Kind)}
		}
		k.Triggers = append(k.Triggers, trigger)
	}
	m := &Model{Keda: k, Tolerance: quantity.Null()}
	if name := ptr.Deref(live.Name, ""); name != t.Name || prior != nil && !prior.Name.IsNull() {
		m.Name = types.StringValue(name)
	}
	return m
}

// secrets are what KEDA's scalers call what must not be read by everybody.
var secrets = []string{"password", "apikey", "token", "bearertoken", "clientsecret", "personalaccesstoken", "awssecretaccesskey", "sastoken", "accesskey", "connection", "connectionstring"}

// validateKeda checks what the attributes of keda say together, and that nothing
// else of autoscaling is said beside it. Values may be unknown.
func validateKeda(ctx context.Context, c tfsdk.Config, at path.Path) diag.Diagnostics {
	var all types.Object
	ds := c.GetAttribute(ctx, at, &all)
	if ds.HasError() {
		return ds
	}
	for name, v := range all.Attributes() {
		if name != "keda" && name != "name" && !v.IsNull() && !v.IsUnknown() {
			ds.Append(diags.Message{
				Summary:  clip(fmt.Sprintf("autoscaling.%s does nothing beside keda", name)),
				Happened: "KEDA makes a HorizontalPodAutoscaler of its own from its triggers; two would fight over the number of pods.",
				Do:       fmt.Sprintf("Remove autoscaling.%s: the fewest and the most pods are keda.min_replicas and keda.max_replicas, CPU and metrics of Prometheus are triggers.", name),
				At:       at.AtName(name),
			}.Error())
		}
	}
	k := at.AtName("keda")
	var least, most, idle types.Int32
	var triggers types.List
	for name, into := range map[string]any{"min_replicas": &least, "max_replicas": &most, "idle_replicas": &idle, "triggers": &triggers} {
		ds.Append(c.GetAttribute(ctx, k.AtName(name), into)...)
	}
	switch {
	case ds.HasError():
		return ds
	case most.IsNull():
		ds.Append(diags.Message{
			Summary: "keda needs max_replicas",
			Do:      "Say how many pods there may be at most: each takes what it asks for, GPUs too. KEDA's own default is 100.",
			At:      k.AtName("max_replicas"),
		}.Error())
	case !most.IsUnknown() && least.ValueInt32() > most.ValueInt32():
		ds.Append(diags.Message{
			Summary: fmt.Sprintf("min_replicas is %d and max_replicas %d", least.ValueInt32(), most.ValueInt32()),
			Do:      "max_replicas must be at least min_replicas.",
			At:      k.AtName("max_replicas"),
		}.Error())
	}
	if !idle.IsNull() && !idle.IsUnknown() && !least.IsUnknown() && idle.ValueInt32() >= least.ValueInt32() {
		ds.Append(diags.Message{
			Summary: "idle_replicas must be less than min_replicas",
			Do:      "Remove idle_replicas to have min_replicas pods while no trigger is active, or raise min_replicas.",
			At:      k.AtName("idle_replicas"),
		}.Error())
	}
	for i := range triggers.Elements() {
		ds.Append(validateTrigger(ctx, c, k.AtName("triggers").AtListIndex(i))...)
	}
	return ds
}

// validateTrigger keeps secrets out of the state.
func validateTrigger(ctx context.Context, c tfsdk.Config, at path.Path) diag.Diagnostics {
	var metadata types.Map
	if ds := c.GetAttribute(ctx, at.AtName("metadata"), &metadata); ds.HasError() {
		return nil // the trigger is not known yet
	}
	var ds diag.Diagnostics
	for key := range metadata.Elements() {
		if slices.Contains(secrets, strings.ToLower(key)) {
			ds.Append(diags.Message{
				Summary:  clip(fmt.Sprintf("metadata.%s would put a secret into the state", key)),
				Happened: "What a trigger says is written into the ScaledObject and the state, where many may read it.",
				Do:       "Put it into a Secret, let a TriggerAuthentication name that, and name this in authentication_ref; or use KEDA's " + key + "FromEnv with a variable of the pods.",
				At:       at.AtName("metadata").AtMapKey(key),
			}.Error())
		}
	}
	return ds
}

// clip keeps a summary within a line.
func clip(s string) string {
	const most = 90
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
