// Package gpustack is mlk_gpu_stack: what turns the GPUs of nodes into resources that
// pods can ask for, by NVIDIA's GPU Operator or by DaemonSets of its own.
package gpustack

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_gpu_stack.
type Model struct {
	lifecycle.Namespaced

	Mode         types.String            `tfsdk:"mode"`
	Vendor       types.String            `tfsdk:"vendor"`
	NodeSelector map[string]types.String `tfsdk:"node_selector"`
	RuntimeClass *RuntimeClass           `tfsdk:"runtime_class"`

	Operator            *Operator     `tfsdk:"operator"`
	DaemonSets          *DaemonSets   `tfsdk:"daemonsets"`
	Driver              *Driver       `tfsdk:"driver"`
	Toolkit             *Toolkit      `tfsdk:"toolkit"`
	DevicePlugin        *DevicePlugin `tfsdk:"device_plugin"`
	GPUFeatureDiscovery *Operand      `tfsdk:"gpu_feature_discovery"`
	DCGMExporter        *DCGMExporter `tfsdk:"dcgm_exporter"`
	DCGM                *DCGM         `tfsdk:"dcgm"`
	MIGManager          *MIGManager   `tfsdk:"mig_manager"`
	NodeStatusExporter  *Operand      `tfsdk:"node_status_exporter"`
	Validator           *Validator    `tfsdk:"validator"`
	GDS                 *Switched     `tfsdk:"gds"`
	GDRCopy             *Switched     `tfsdk:"gdrcopy"`
	MIGStrategy         types.String  `tfsdk:"mig_strategy"`
	CDI                 *CDI          `tfsdk:"cdi"`
	HostPaths           *HostPaths    `tfsdk:"host_paths"`
	SandboxWorkloads    *Sandbox      `tfsdk:"sandbox_workloads"`

	Manifests  types.Map `tfsdk:"manifests"`
	Components types.Map `tfsdk:"components"`
	GPUs       types.Map `tfsdk:"gpus"`
}

// The values of mode.
const (
	modeOperator   = "operator"
	modeDaemonSets = "daemonsets"
)

// The levels of wait_for.
const (
	levelReady   = "ready"
	levelCreated = "created"
)

// The default bounds of waits: a driver is compiled on each node, ten minutes and
// more, and a change of it goes from node to node.
const (
	readyTimeout  = 45 * time.Minute
	deleteTimeout = 15 * time.Minute
)

// The attributes that rules name.
var (
	modePath       = path.Root("mode")
	namespacePath  = path.Root("namespace")
	daemonsetsPath = path.Root("daemonsets")
)

// New returns the mlk_gpu_stack resource.
func New() resource.Resource { return lifecycle.New[Model](Definition()) }

// Definition returns what makes a GPU stack.
func Definition() lifecycle.Definition[Model] {
	return lifecycle.Definition[Model]{
		Type:   "gpu_stack",
		Noun:   "GPU stack",
		Schema: attributes,
		Owns: []kube.Kind{
			kube.ClusterPolicy, kube.DaemonSet, kube.RuntimeClass, kube.ServiceAccount, kube.ClusterRole, kube.ClusterRoleBinding, kube.Service,
		},
		Roles:       map[string][]kube.Kind{roleGFD: {kube.DaemonSet}, roleExporter: {kube.DaemonSet}},
		Mains:       []kube.Kind{kube.ClusterPolicy, kube.DaemonSet},
		Main:        mainKind,
		Desired:     desired,
		Fields:      fields,
		Written:     written,
		Adopt:       adopt,
		Observe:     observe,
		Ready:       ready,
		WaitFor:     []string{levelReady, levelCreated},
		Timeouts:    lifecycle.Timeouts{Create: readyTimeout, Update: readyTimeout, Delete: deleteTimeout},
		Replace:     []path.Path{modePath, path.Root("vendor"), path.Root("device_plugin").AtName("selector")},
		Pods:        ofPods,
		Beside:      []lifecycle.Look[Model]{{Kind: kube.DaemonSet, Selector: ofDaemonSets, Controlled: true, Apart: true}},
		Outdated:    outdated,
		Within:      within,
		Wide:        wide,
		Lends:       gpu.Is,
		Moving:      []string{"components", "gpus"},
		Waits:       waits,
		Needs:       needs,
		Survey:      survey,
		Standing:    standing,
		Plan:        planned,
		Derived:     map[string]func(*Model) attr.Value{"manifests": func(m *Model) attr.Value { return manifests(m) }},
		PodTemplate: []string{kube.DaemonSet.Kind, "spec", "template"},
		Validate:    validate,
	}
}

// desired returns the objects that the stack is made of.
func desired(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
	if m.Mode.ValueString() == modeDaemonSets {
		return daemonSets(m)
	}
	return policy(m)
}

// mainKind is the kind of the main object: in the mode daemonsets the device plugin.
func mainKind(m *Model) kube.Kind {
	if m.Mode.ValueString() == modeDaemonSets {
		return kube.DaemonSet
	}
	return kube.ClusterPolicy
}

// survey looks for what stands against a new stack.
func survey(ctx context.Context, q *lifecycle.Query, prior, wanted *Model) diag.Diagnostics {
	if wanted.Mode.ValueString() == modeDaemonSets {
		return surveyDaemonSets(ctx, q, prior, wanted)
	}
	return surveyPolicy(ctx, q, prior, wanted)
}

// standing lets a stack get along with a RuntimeClass that is there: toolkits and the
// images of nodes bring one.
func standing(m *Model, live *kube.Object) diags.Message {
	if live.GetKind() != kube.RuntimeClass.Kind || m.RuntimeClass == nil {
		return diags.Message{}
	}
	msg := diags.Message{
		Do: fmt.Sprintf("Use the one that is there: runtime_class = { name = %q, create = false }.\nOr let the stack have one of its own beside it: runtime_class = { name = \"mlk-%s\", handler = %q }.",
			live.GetName(), live.GetName(), m.RuntimeClass.handler()),
		At: path.Root("runtime_class"),
	}
	if handler, _ := kube.At(live.Object, "handler"); handler != m.RuntimeClass.handler() {
		msg.Happened = fmt.Sprintf("Its handler is %q, and the stack asks for %q.", handler, m.RuntimeClass.handler())
	}
	return msg
}

// fields says which attribute made which field.
func fields(m *Model) diags.Fields {
	if m.Mode.ValueString() == modeDaemonSets {
		return madeFields(m)
	}
	return policyFields(m)
}

// adopt turns live objects into a model.
func adopt(live kube.Live, prior *Model) (*Model, diag.Diagnostics) {
	from := adoptPolicy
	if live[kube.DaemonSet.Kind] != nil || prior != nil && prior.Mode.ValueString() == modeDaemonSets {
		from = adoptDaemonSets
	}
	m, ds := from(live, prior)
	noneSeen(m)
	return m, ds
}

// wide reports whether the main object is cluster-wide, as a ClusterPolicy is.
func wide(ctx context.Context, plan tfsdk.Plan) types.Bool {
	var mode types.String
	if plan.GetAttribute(ctx, modePath, &mode).HasError() || mode.IsUnknown() {
		return types.BoolUnknown()
	}
	return types.BoolValue(mode.ValueString() == modeOperator)
}

// needs is the API of the GPU Operator, where it is asked for.
func needs(ctx context.Context, plan tfsdk.Plan) []lifecycle.Need {
	var mode types.String
	if plan.GetAttribute(ctx, modePath, &mode).HasError() {
		return nil
	}
	if mode.ValueString() == modeDaemonSets {
		return needsLabels(ctx, plan)
	}
	if mode.ValueString() != modeOperator {
		return nil
	}
	return []lifecycle.Need{{Kind: kube.ClusterPolicy, Missing: diags.Message{
		Summary:  "This cluster has no ClusterPolicies",
		Happened: "mode = \"operator\" hands the nodes to NVIDIA's GPU Operator, which is not installed (" + kube.ClusterPolicy.APIVersion() + ").",
		Do: "Install the operator first, for example with its Helm chart (helm repo add nvidia https://helm.ngc.nvidia.com/nvidia; helm install gpu-operator nvidia/gpu-operator -n gpu-operator --create-namespace), " +
			"and import the ClusterPolicy that the chart makes: terraform import mlk_gpu_stack.<name> cluster-policy\nOr do without the operator: mode = \"daemonsets\".",
		At: modePath,
	}}}
}

// waits reports whether an update has something to wait for: programs do not care
// for labels of what describes them.
func waits(prior, wanted *Model) bool {
	if prior.WaitFor.ValueString() != wanted.WaitFor.ValueString() || !prior.Patch.Equal(wanted.Patch) || !prior.Manifests.Equal(wanted.Manifests) {
		return true
	}
	was, dw := desired(prior)
	is, di := desired(wanted)
	return dw.HasError() || di.HasError() || !reflect.DeepEqual(was, is)
}

// needsLabels is Node Feature Discovery, without which GPU Feature Discovery writes
// files that nobody reads.
func needsLabels(ctx context.Context, plan tfsdk.Plan) []lifecycle.Need {
	at := path.Root("gpu_feature_discovery")
	var gfd types.Object
	var enabled types.Bool
	if plan.GetAttribute(ctx, at, &gfd).HasError() || gfd.IsNull() || gfd.IsUnknown() || plan.GetAttribute(ctx, at.AtName("enabled"), &enabled).HasError() {
		return nil
	}
	if !enabled.IsNull() && !enabled.ValueBool() {
		return nil
	}
	return []lifecycle.Need{{Kind: nodeFeature, Optional: true, Missing: diags.Message{
		Summary:  "Without Node Feature Discovery no node gets the labels of GPU Feature Discovery",
		Happened: "GPU Feature Discovery writes a file on each node, of which Node Feature Discovery makes labels. It is not installed (" + nodeFeature.APIVersion() + ").",
		Do:       "Install it, with extraLabelNs = [\"nvidia.com\"] in the configuration of its master, or remove gpu_feature_discovery.",
		At:       at,
	}}}
}

// nodeFeature is what Node Feature Discovery keeps of a node.
var nodeFeature = kube.Kind{Group: "nfd.k8s-sigs.io", Version: "v1alpha1", Kind: "NodeFeature", Resource: "nodefeatures", Namespaced: true}
