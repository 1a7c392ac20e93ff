package gpustack

import (
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
	"github.com/mlkube/terraform-provider-mlk/internal/kube/crd"
)

// Operator is what is said of the GPU Operator itself.
type Operator struct {
	DefaultRuntime types.String            `tfsdk:"default_runtime"`
	RuntimeClass   types.String            `tfsdk:"runtime_class"`
	Labels         map[string]types.String `tfsdk:"labels"`
	Annotations    map[string]types.String `tfsdk:"annotations"`
}

// DaemonSets is what all programs of the stack have in common.
type DaemonSets struct {
	Labels         map[string]types.String `tfsdk:"labels"`
	Annotations    map[string]types.String `tfsdk:"annotations"`
	Tolerations    []podspec.Toleration    `tfsdk:"tolerations"`
	PriorityClass  types.String            `tfsdk:"priority_class"`
	UpdateStrategy types.String            `tfsdk:"update_strategy"`
	MaxUnavailable types.String            `tfsdk:"max_unavailable"`
}

// Driver is the kernel driver.
type Driver struct {
	Operand
	KernelModuleType types.String   `tfsdk:"kernel_module_type"`
	UsePrecompiled   types.Bool     `tfsdk:"use_precompiled"`
	UseDriverCRD     types.Bool     `tfsdk:"use_nvidia_driver_crd"`
	RDMA             *RDMA          `tfsdk:"rdma"`
	UpgradePolicy    *UpgradePolicy `tfsdk:"upgrade_policy"`
}

// RDMA is GPUDirect RDMA of the driver.
type RDMA struct {
	Enabled      types.Bool `tfsdk:"enabled"`
	UseHostMOFED types.Bool `tfsdk:"use_host_mofed"`
}

// UpgradePolicy is how a new driver gets onto the nodes.
type UpgradePolicy struct {
	AutoUpgrade         types.Bool   `tfsdk:"auto_upgrade"`
	MaxParallelUpgrades types.Int32  `tfsdk:"max_parallel_upgrades"`
	MaxUnavailable      types.String `tfsdk:"max_unavailable"`
	Drain               *Drain       `tfsdk:"drain"`
}

// Drain is whether and how a node is drained before that.
type Drain struct {
	Enabled        types.Bool  `tfsdk:"enabled"`
	Force          types.Bool  `tfsdk:"force"`
	TimeoutSeconds types.Int32 `tfsdk:"timeout_seconds"`
	DeleteEmptyDir types.Bool  `tfsdk:"delete_empty_dir"`
}

// Toolkit is what makes container runtimes hand out GPUs.
type Toolkit struct {
	Operand
	InstallDir types.String `tfsdk:"install_dir"`
}

// Choice names a ConfigMap and the entry in it for nodes that choose none.
type Choice struct {
	Name    types.String `tfsdk:"name"`
	Default types.String `tfsdk:"default"`
}

// DevicePlugin is what advertises GPUs.
type DevicePlugin struct {
	Operand
	Config   *Choice                 `tfsdk:"config"`
	Selector map[string]types.String `tfsdk:"selector"`
}

// DCGMExporter is what offers metrics of GPUs.
type DCGMExporter struct {
	Operand
	MetricsConfigMap types.String    `tfsdk:"metrics_config_map"`
	ServiceMonitor   *ServiceMonitor `tfsdk:"service_monitor"`
	Service          *Service        `tfsdk:"service"`
}

// ServiceMonitor tells the Prometheus Operator to scrape the exporters.
type ServiceMonitor struct {
	Enabled     types.Bool              `tfsdk:"enabled"`
	Interval    types.String            `tfsdk:"interval"`
	HonorLabels types.Bool              `tfsdk:"honor_labels"`
	Labels      map[string]types.String `tfsdk:"labels"`
}

// Service is in front of the exporters.
type Service struct {
	Type                  types.String `tfsdk:"type"`
	InternalTrafficPolicy types.String `tfsdk:"internal_traffic_policy"`
}

// DCGM is a host engine beside the exporter.
type DCGM struct {
	Operand
	HostPort types.Int32 `tfsdk:"host_port"`
}

// MIGManager is what divides GPUs.
type MIGManager struct {
	Operand
	Config              *Choice      `tfsdk:"config"`
	GPUClientsConfigMap types.String `tfsdk:"gpu_clients_config_map"`
}

// CDI is whether devices are handed out by the Container Device Interface.
type CDI struct {
	Enabled types.Bool `tfsdk:"enabled"`
	Default types.Bool `tfsdk:"default"`
}

// HostPaths are places on the nodes.
type HostPaths struct {
	RootFS           types.String `tfsdk:"root_fs"`
	DriverInstallDir types.String `tfsdk:"driver_install_dir"`
}

// Sandbox is about GPUs for virtual machines.
type Sandbox struct {
	Enabled         types.Bool   `tfsdk:"enabled"`
	DefaultWorkload types.String `tfsdk:"default_workload"`
}

// policy returns the ClusterPolicy.
func policy(m *Model) ([]runtime.ApplyConfiguration, diag.Diagnostics) {
	out := crd.NewClusterPolicy(m.Name.ValueString())
	s := out.Spec
	var ds diag.Diagnostics
	operand := func(o *Operand) crd.Operand {
		c, ods := o.apply()
		ds.Append(ods...)
		return c
	}
	if o := m.Operator; o != nil {
		s.Operator = &crd.PolicyOperator{
			DefaultRuntime: o.DefaultRuntime.ValueStringPointer(), RuntimeClass: o.RuntimeClass.ValueStringPointer(),
			Labels: values.Plain(o.Labels), Annotations: values.Plain(o.Annotations),
		}
	}
	s.Daemonsets = m.DaemonSets.policy()
	if d := m.Driver; d != nil {
		s.Driver = d.policy(operand(&d.Operand))
	}
	if t := m.Toolkit; t != nil {
		s.Toolkit = &crd.PolicyToolkit{Operand: operand(&t.Operand), InstallDir: t.InstallDir.ValueStringPointer()}
	}
	if p := m.DevicePlugin; p != nil {
		s.DevicePlugin = &crd.PolicyDevicePlugin{Operand: operand(&p.Operand), Config: p.Config.policy()}
	}
	if x := m.DCGMExporter; x != nil {
		s.DCGMExporter = x.policy(operand(&x.Operand))
	}
	if d := m.DCGM; d != nil {
		s.DCGM = &crd.PolicyDCGM{Operand: operand(&d.Operand), HostPort: d.HostPort.ValueInt32Pointer()}
	}
	exporter, gfd := operand(m.NodeStatusExporter), operand(m.GPUFeatureDiscovery)
	s.NodeStatusExporter, s.GFD = &exporter, &gfd
	if m.MIGManager != nil {
		s.MIGManager = orNil(crd.PolicyMIGManager{
			Operand: operand(&m.MIGManager.Operand), Config: m.MIGManager.Config.policy(),
			GPUClientsConfig: orNil(crd.PolicyConfig{Name: m.MIGManager.GPUClientsConfigMap.ValueStringPointer()}),
		})
	}
	for at, o := range map[**crd.Operand]*Operand{&s.Validator: m.Validator.operand(), &s.GDS: m.GDS.operand(), &s.GDRCopy: m.GDRCopy.operand()} {
		if o != nil {
			*at = orNil(operand(o))
		}
	}
	m.policyRest(s)
	return []runtime.ApplyConfiguration{out}, ds
}

// policyRest fills what is no program.
func (m *Model) policyRest(s *crd.ClusterPolicySpec) {
	if !m.MIGStrategy.IsNull() {
		s.MIG = &crd.PolicyMIG{Strategy: m.MIGStrategy.ValueStringPointer()}
	}
	if c := m.CDI; c != nil {
		s.CDI = orNil(crd.PolicyCDI{Enabled: c.Enabled.ValueBoolPointer(), Default: c.Default.ValueBoolPointer()})
	}
	if h := m.HostPaths; h != nil {
		s.HostPaths = orNil(crd.PolicyHostPaths{RootFS: h.RootFS.ValueStringPointer(), DriverInstallDir: h.DriverInstallDir.ValueStringPointer()})
	}
	if w := m.SandboxWorkloads; w != nil {
		s.SandboxWorkloads = orNil(crd.PolicySandbox{Enabled: w.Enabled.ValueBoolPointer(), DefaultWorkload: w.DefaultWorkload.ValueStringPointer()})
	}
}

func (d *DaemonSets) policy() *crd.PolicyDaemonsets {
	if d == nil {
		return &crd.PolicyDaemonsets{}
	}
	out := &crd.PolicyDaemonsets{
		Labels: values.Plain(d.Labels), Annotations: values.Plain(d.Annotations),
		PriorityClassName: d.PriorityClass.ValueStringPointer(), UpdateStrategy: d.UpdateStrategy.ValueStringPointer(),
	}
	for i := range d.Tolerations {
		out.Tolerations = append(out.Tolerations, d.Tolerations[i].Apply())
	}
	if !d.MaxUnavailable.IsNull() {
		out.RollingUpdate = &crd.PolicyRollingUpdate{MaxUnavailable: d.MaxUnavailable.ValueStringPointer()}
	}
	return out
}

func (d *Driver) policy(o crd.Operand) *crd.PolicyDriver {
	out := &crd.PolicyDriver{
		Operand: o, KernelModuleType: d.KernelModuleType.ValueStringPointer(),
		UsePrecompiled: d.UsePrecompiled.ValueBoolPointer(), UseNvidiaDriverCRD: d.UseDriverCRD.ValueBoolPointer(),
	}
	if r := d.RDMA; r != nil {
		out.RDMA = orNil(crd.PolicyRDMA{Enabled: r.Enabled.ValueBoolPointer(), UseHostMOFED: r.UseHostMOFED.ValueBoolPointer()})
	}
	if u := d.UpgradePolicy; u != nil {
		up := crd.PolicyDriverUpgrade{AutoUpgrade: u.AutoUpgrade.ValueBoolPointer(), MaxParallelUpgrades: u.MaxParallelUpgrades.ValueInt32Pointer()}
		if !u.MaxUnavailable.IsNull() {
			up.MaxUnavailable = numberOrShare(u.MaxUnavailable.ValueString())
		}
		if n := u.Drain; n != nil {
			up.Drain = orNil(crd.PolicyDriverDrain{
				Enable: n.Enabled.ValueBoolPointer(), Force: n.Force.ValueBoolPointer(),
				TimeoutSeconds: n.TimeoutSeconds.ValueInt32Pointer(), DeleteEmptyDir: n.DeleteEmptyDir.ValueBoolPointer(),
			})
		}
		out.UpgradePolicy = orNil(up)
	}
	return out
}

// numberOrShare is a number, or a percentage as text.
func numberOrShare(s string) any {
	if v := intstr.Parse(s); v.Type == intstr.Int {
		return int64(v.IntVal)
	}
	return s
}

func (c *Choice) policy() *crd.PolicyConfig {
	if c == nil {
		return nil
	}
	return orNil(crd.PolicyConfig{Name: c.Name.ValueStringPointer(), Default: c.Default.ValueStringPointer()})
}

func (x *DCGMExporter) policy(o crd.Operand) *crd.PolicyDCGMExporter {
	out := &crd.PolicyDCGMExporter{Operand: o}
	if !x.MetricsConfigMap.IsNull() {
		out.Config = &crd.PolicyConfig{Name: x.MetricsConfigMap.ValueStringPointer()}
	}
	if s := x.ServiceMonitor; s != nil {
		out.ServiceMonitor = orNil(crd.PolicyMonitor{
			Enabled: s.Enabled.ValueBoolPointer(), Interval: s.Interval.ValueStringPointer(),
			HonorLabels: s.HonorLabels.ValueBoolPointer(), AdditionalLabels: values.Plain(s.Labels),
		})
	}
	if s := x.Service; s != nil {
		out.Service = orNil(crd.PolicyService{Type: s.Type.ValueStringPointer(), InternalTrafficPolicy: s.InternalTrafficPolicy.ValueStringPointer()})
	}
	return out
}
