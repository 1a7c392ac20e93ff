package gpustack

import (
	"fmt"
	"reflect"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/kube/crd"
)

// What the definition of ClusterPolicies fills in.
const (
	defaultRuntime      = "docker"
	defaultRuntimeClass = "nvidia"
	rolling             = "RollingUpdate"
	defaultModuleType   = "auto"
	defaultInstallDir   = "/usr/local/nvidia"
	defaultUnavailable  = "25%"
	defaultDrainSeconds = 300
	defaultMIGConfig    = "all-disabled"
	defaultWorkload     = "container"
)

// adoptPolicy turns a live ClusterPolicy into a model. What the API fills in stays
// null unless prior states it; but for one field of each block that is there only
// where somebody has said something of it.
func adoptPolicy(live kube.Live, prior *Model) (*Model, diag.Diagnostics) {
	p, err := kube.Typed[crd.ClusterPolicy](live, kube.ClusterPolicy.Kind)
	if err != nil {
		return &Model{}, diag.Diagnostics{diags.Message{
			Summary: "The ClusterPolicy on the cluster cannot be read", Why: err.Error(),
			Do: "It may come from a newer version of the GPU Operator than mlk knows. Please report this.",
		}.Error()}
	}
	like := prior
	if like == nil {
		like = &Model{}
	}
	m := &Model{Mode: types.StringValue(modeOperator), Vendor: like.Vendor, Manifests: noManifests}
	if p == nil || p.Spec == nil {
		return m, nil
	}
	if p.ObjectMetaApplyConfiguration != nil {
		m.Name = types.StringPointerValue(p.Name)
	}
	s := p.Spec
	m.Operator = adoptOperator(s.Operator, like.Operator)
	m.DaemonSets = adoptDaemonsets(s.Daemonsets, like.DaemonSets)
	m.Driver = adoptDriver(s.Driver, like.Driver)
	m.Toolkit = adoptToolkit(s.Toolkit, like.Toolkit)
	m.DevicePlugin = adoptPlugin(s.DevicePlugin)
	m.DCGMExporter = adoptExporter(s.DCGMExporter)
	m.DCGM = adoptDCGM(s.DCGM)
	m.NodeStatusExporter = adoptOperand(s.NodeStatusExporter)
	m.GPUFeatureDiscovery = adoptOperand(s.GFD)
	m.MIGManager = adoptMIGManager(s.MIGManager, like.MIGManager)
	m.Validator = adoptOperand(s.Validator).validator()
	m.GDS = adoptOperand(s.GDS).switched()
	m.GDRCopy = adoptOperand(s.GDRCopy).switched()
	if s.MIG != nil {
		m.MIGStrategy = word(s.MIG.Strategy)
	}
	m.adoptRest(s, like)
	return m, nil
}

// adoptRest is what is no program.
func (m *Model) adoptRest(s *crd.ClusterPolicySpec, like *Model) {
	if c := s.CDI; c != nil {
		l := or(like.CDI)
		m.CDI = orNil(CDI{
			Enabled: types.BoolPointerValue(c.Enabled), Default: unless(c.Default, false, l.Default, types.BoolPointerValue),
		})
	}
	if h := s.HostPaths; h != nil {
		m.HostPaths = orNil(HostPaths{RootFS: word(h.RootFS), DriverInstallDir: word(h.DriverInstallDir)})
	}
	if w := s.SandboxWorkloads; w != nil {
		m.SandboxWorkloads = orNil(Sandbox{
			Enabled:         types.BoolPointerValue(w.Enabled),
			DefaultWorkload: unless(w.DefaultWorkload, defaultWorkload, or(like.SandboxWorkloads).DefaultWorkload, word),
		})
	}
}

// or is what a pointer points to; a zero value for nil.
func or[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// orNil is a pointer to a block; nil when it says nothing.
func orNil[T any](v T) *T {
	if reflect.ValueOf(v).IsZero() {
		return nil
	}
	return &v
}

func adoptOperator(o *crd.PolicyOperator, like *Operator) *Operator {
	if o == nil {
		return nil
	}
	l := or(like)
	out := &Operator{
		DefaultRuntime: unless(o.DefaultRuntime, defaultRuntime, l.DefaultRuntime, word),
		RuntimeClass:   unless(o.RuntimeClass, defaultRuntimeClass, l.RuntimeClass, word),
		Labels:         values.Map(o.Labels), Annotations: values.Map(o.Annotations),
	}
	if out.DefaultRuntime.IsNull() && out.RuntimeClass.IsNull() && len(out.Labels)+len(out.Annotations) == 0 {
		return nil
	}
	return out
}

func adoptDaemonsets(d *crd.PolicyDaemonsets, like *DaemonSets) *DaemonSets {
	if d == nil {
		return nil
	}
	out := &DaemonSets{
		Labels: values.Map(d.Labels), Annotations: values.Map(d.Annotations), Tolerations: adoptTolerations(d.Tolerations),
		PriorityClass: word(d.PriorityClassName), UpdateStrategy: unless(d.UpdateStrategy, rolling, or(like).UpdateStrategy, word),
	}
	if d.RollingUpdate != nil {
		out.MaxUnavailable = word(d.RollingUpdate.MaxUnavailable)
	}
	if out.PriorityClass.IsNull() && out.UpdateStrategy.IsNull() && out.MaxUnavailable.IsNull() && len(out.Labels)+len(out.Annotations)+len(out.Tolerations) == 0 {
		return nil
	}
	return out
}

func adoptDriver(d *crd.PolicyDriver, like *Driver) *Driver {
	if d == nil {
		return nil
	}
	l := or(like)
	out := &Driver{
		Operand:          or(adoptOperand(&d.Operand)),
		KernelModuleType: unless(d.KernelModuleType, defaultModuleType, l.KernelModuleType, word),
		UsePrecompiled:   types.BoolPointerValue(d.UsePrecompiled), UseDriverCRD: types.BoolPointerValue(d.UseNvidiaDriverCRD),
		UpgradePolicy: adoptUpgrade(d.UpgradePolicy, l.UpgradePolicy),
	}
	if r := d.RDMA; r != nil {
		out.RDMA = orNil(RDMA{Enabled: types.BoolPointerValue(r.Enabled), UseHostMOFED: types.BoolPointerValue(r.UseHostMOFED)})
	}
	if !out.said() && out.KernelModuleType.IsNull() && out.UsePrecompiled.IsNull() && out.UseDriverCRD.IsNull() && out.RDMA == nil && out.UpgradePolicy == nil {
		return nil
	}
	return out
}

func adoptUpgrade(u *crd.PolicyDriverUpgrade, like *UpgradePolicy) *UpgradePolicy {
	if u == nil {
		return nil
	}
	l := or(like)
	out := UpgradePolicy{
		AutoUpgrade:         types.BoolPointerValue(u.AutoUpgrade),
		MaxParallelUpgrades: unless(u.MaxParallelUpgrades, 1, l.MaxParallelUpgrades, types.Int32PointerValue),
	}
	if u.MaxUnavailable != nil {
		s := fmt.Sprint(u.MaxUnavailable)
		out.MaxUnavailable = unless(&s, defaultUnavailable, l.MaxUnavailable, word)
	}
	if n := u.Drain; n != nil {
		ld := or(l.Drain)
		out.Drain = orNil(Drain{
			Enabled:        types.BoolPointerValue(n.Enable),
			Force:          unless(n.Force, false, ld.Force, types.BoolPointerValue),
			TimeoutSeconds: unless(n.TimeoutSeconds, defaultDrainSeconds, ld.TimeoutSeconds, types.Int32PointerValue),
			DeleteEmptyDir: unless(n.DeleteEmptyDir, false, ld.DeleteEmptyDir, types.BoolPointerValue),
		})
	}
	return orNil(out)
}

func adoptToolkit(t *crd.PolicyToolkit, like *Toolkit) *Toolkit {
	if t == nil {
		return nil
	}
	out := &Toolkit{Operand: or(adoptOperand(&t.Operand)), InstallDir: unless(t.InstallDir, defaultInstallDir, or(like).InstallDir, word)}
	if !out.said() && out.InstallDir.IsNull() {
		return nil
	}
	return out
}

// adoptChoice is a ConfigMap and its default; nil where neither is said.
func adoptChoice(c *crd.PolicyConfig) *Choice {
	if c == nil {
		return nil
	}
	return orNil(Choice{Name: word(c.Name), Default: word(c.Default)})
}

func adoptPlugin(p *crd.PolicyDevicePlugin) *DevicePlugin {
	if p == nil {
		return nil
	}
	out := &DevicePlugin{Operand: or(adoptOperand(&p.Operand)), Config: adoptChoice(p.Config)}
	if !out.said() && out.Config == nil {
		return nil
	}
	return out
}

func adoptExporter(x *crd.PolicyDCGMExporter) *DCGMExporter {
	if x == nil {
		return nil
	}
	out := &DCGMExporter{Operand: or(adoptOperand(&x.Operand))}
	if x.Config != nil {
		out.MetricsConfigMap = word(x.Config.Name)
	}
	if s := x.ServiceMonitor; s != nil {
		out.ServiceMonitor = &ServiceMonitor{
			Enabled: types.BoolPointerValue(s.Enabled), Interval: word(s.Interval), HonorLabels: types.BoolPointerValue(s.HonorLabels), Labels: values.Map(s.AdditionalLabels),
		}
		if m := out.ServiceMonitor; m.Enabled.IsNull() && m.Interval.IsNull() && m.HonorLabels.IsNull() && m.Labels == nil {
			out.ServiceMonitor = nil
		}
	}
	if s := x.Service; s != nil {
		out.Service = orNil(Service{Type: word(s.Type), InternalTrafficPolicy: word(s.InternalTrafficPolicy)})
	}
	if !out.said() && out.MetricsConfigMap.IsNull() && out.ServiceMonitor == nil && out.Service == nil {
		return nil
	}
	return out
}

func adoptDCGM(d *crd.PolicyDCGM) *DCGM {
	if d == nil {
		return nil
	}
	out := &DCGM{Operand: or(adoptOperand(&d.Operand)), HostPort: types.Int32PointerValue(d.HostPort)}
	if !out.said() && out.HostPort.IsNull() {
		return nil
	}
	return out
}

func adoptMIGManager(p *crd.PolicyMIGManager, like *MIGManager) *MIGManager {
	if p == nil {
		return nil
	}
	out := &MIGManager{Operand: or(adoptOperand(&p.Operand))}
	if c := p.Config; c != nil {
		l := or(or(like).Config)
		out.Config = orNil(Choice{
			Name:    word(c.Name),
			Default: unless(c.Default, defaultMIGConfig, l.Default, word),
		})
	}
	if p.GPUClientsConfig != nil {
		out.GPUClientsConfigMap = word(p.GPUClientsConfig.Name)
	}
	if !out.said() && out.Config == nil && out.GPUClientsConfigMap.IsNull() {
		return nil
	}
	return out
}
