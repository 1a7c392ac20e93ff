package crd

import (
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// ClusterPolicy is nvidia.com/v1 ClusterPolicy: what NVIDIA's GPU Operator makes of
// the nodes with GPUs. There is one in a cluster.
type ClusterPolicy struct {
	metaac.TypeMetaApplyConfiguration    `json:",inline"`
	*metaac.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`

	Spec *ClusterPolicySpec `json:"spec,omitempty"`
}

// ClusterPolicySpec is the specification of a ClusterPolicy. The first nine are
// required by its definition, be they empty.
type ClusterPolicySpec struct {
	Operator           *PolicyOperator     `json:"operator,omitempty"`
	Daemonsets         *PolicyDaemonsets   `json:"daemonsets,omitempty"`
	Driver             *PolicyDriver       `json:"driver,omitempty"`
	Toolkit            *PolicyToolkit      `json:"toolkit,omitempty"`
	DevicePlugin       *PolicyDevicePlugin `json:"devicePlugin,omitempty"`
	DCGMExporter       *PolicyDCGMExporter `json:"dcgmExporter,omitempty"`
	DCGM               *PolicyDCGM         `json:"dcgm,omitempty"`
	NodeStatusExporter *Operand            `json:"nodeStatusExporter,omitempty"`
	GFD                *Operand            `json:"gfd,omitempty"`

	MIG              *PolicyMIG        `json:"mig,omitempty"`
	MIGManager       *PolicyMIGManager `json:"migManager,omitempty"`
	Validator        *Operand          `json:"validator,omitempty"`
	GDS              *Operand          `json:"gds,omitempty"`
	GDRCopy          *Operand          `json:"gdrcopy,omitempty"`
	CDI              *PolicyCDI        `json:"cdi,omitempty"`
	HostPaths        *PolicyHostPaths  `json:"hostPaths,omitempty"`
	SandboxWorkloads *PolicySandbox    `json:"sandboxWorkloads,omitempty"`
}

// Operand is one of the programs that the operator runs on nodes. Not all of them
// have all of its fields.
type Operand struct {
	Enabled          *bool                                          `json:"enabled,omitempty"`
	Repository       *string                                        `json:"repository,omitempty"`
	Image            *string                                        `json:"image,omitempty"`
	Version          *string                                        `json:"version,omitempty"`
	ImagePullPolicy  *string                                        `json:"imagePullPolicy,omitempty"`
	ImagePullSecrets []string                                       `json:"imagePullSecrets,omitempty"`
	Args             []string                                       `json:"args,omitempty"`
	Env              []OperandVariable                              `json:"env,omitempty"`
	Resources        *coreac.ResourceRequirementsApplyConfiguration `json:"resources,omitempty"`
}

// OperandVariable is an environment variable of an operand.
type OperandVariable struct {
	Name  string  `json:"name"`
	Value *string `json:"value,omitempty"`
}

// PolicyOperator is about the operator itself.
type PolicyOperator struct {
	DefaultRuntime *string           `json:"defaultRuntime,omitempty"`
	RuntimeClass   *string           `json:"runtimeClass,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	Annotations    map[string]string `json:"annotations,omitempty"`
}

// PolicyDaemonsets is what all operands have in common.
type PolicyDaemonsets struct {
	Labels            map[string]string                     `json:"labels,omitempty"`
	Annotations       map[string]string                     `json:"annotations,omitempty"`
	Tolerations       []coreac.TolerationApplyConfiguration `json:"tolerations,omitempty"`
	PriorityClassName *string                               `json:"priorityClassName,omitempty"`
	UpdateStrategy    *string                               `json:"updateStrategy,omitempty"`
	RollingUpdate     *PolicyRollingUpdate                  `json:"rollingUpdate,omitempty"`
}

// PolicyRollingUpdate bounds an update of the operands.
type PolicyRollingUpdate struct {
	MaxUnavailable *string `json:"maxUnavailable,omitempty"`
}

// PolicyDriver is the kernel driver.
type PolicyDriver struct {
	Operand            `json:",inline"`
	KernelModuleType   *string              `json:"kernelModuleType,omitempty"`
	UsePrecompiled     *bool                `json:"usePrecompiled,omitempty"`
	UseNvidiaDriverCRD *bool                `json:"useNvidiaDriverCRD,omitempty"`
	RDMA               *PolicyRDMA          `json:"rdma,omitempty"`
	UpgradePolicy      *PolicyDriverUpgrade `json:"upgradePolicy,omitempty"`
}

// PolicyRDMA is GPUDirect RDMA of the driver.
type PolicyRDMA struct {
	Enabled      *bool `json:"enabled,omitempty"`
	UseHostMOFED *bool `json:"useHostMofed,omitempty"`
}

// PolicyDriverUpgrade is how a new driver gets onto the nodes.
type PolicyDriverUpgrade struct {
	AutoUpgrade         *bool              `json:"autoUpgrade,omitempty"`
	MaxParallelUpgrades *int32             `json:"maxParallelUpgrades,omitempty"`
	MaxUnavailable      any                `json:"maxUnavailable,omitempty"` // a number or a percentage
	Drain               *PolicyDriverDrain `json:"drain,omitempty"`
}

// PolicyDriverDrain is whether and how a node is drained before that.
type PolicyDriverDrain struct {
	Enable         *bool  `json:"enable,omitempty"`
	Force          *bool  `json:"force,omitempty"`
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
	DeleteEmptyDir *bool  `json:"deleteEmptyDir,omitempty"`
}

// PolicyToolkit is what makes container runtimes hand out GPUs.
type PolicyToolkit struct {
	Operand    `json:",inline"`
	InstallDir *string `json:"installDir,omitempty"`
}

// PolicyDevicePlugin is what advertises GPUs.
type PolicyDevicePlugin struct {
	Operand `json:",inline"`
	Config  *PolicyConfig `json:"config,omitempty"`
}

// PolicyConfig names a ConfigMap of the operator's namespace, and the entry in it
// for nodes that choose none.
type PolicyConfig struct {
	Name    *string `json:"name,omitempty"`
	Default *string `json:"default,omitempty"`
}

// PolicyDCGMExporter is what offers metrics of GPUs.
type PolicyDCGMExporter struct {
	Operand        `json:",inline"`
	Config         *PolicyConfig  `json:"config,omitempty"` // without a default
	ServiceMonitor *PolicyMonitor `json:"serviceMonitor,omitempty"`
	Service        *PolicyService `json:"service,omitempty"`
}

// PolicyMonitor is a ServiceMonitor that the operator makes.
type PolicyMonitor struct {
	Enabled          *bool             `json:"enabled,omitempty"`
	Interval         *string           `json:"interval,omitempty"`
	HonorLabels      *bool             `json:"honorLabels,omitempty"`
	AdditionalLabels map[string]string `json:"additionalLabels,omitempty"`
}

// PolicyService is the Service in front of the exporters.
type PolicyService struct {
	Type                  *string `json:"type,omitempty"`
	InternalTrafficPolicy *string `json:"internalTrafficPolicy,omitempty"`
}

// PolicyDCGM is a host engine beside the exporter.
type PolicyDCGM struct {
	Operand  `json:",inline"`
	HostPort *int32 `json:"hostPort,omitempty"`
}

// PolicyMIG is how GPUs that are divided are advertised.
type PolicyMIG struct {
	Strategy *string `json:"strategy,omitempty"`
}

// PolicyMIGManager is what divides GPUs.
type PolicyMIGManager struct {
	Operand          `json:",inline"`
	Config           *PolicyConfig `json:"config,omitempty"`
	GPUClientsConfig *PolicyConfig `json:"gpuClientsConfig,omitempty"` // without a default
}

// PolicyCDI is whether devices are handed out by the Container Device Interface.
type PolicyCDI struct {
	Enabled *bool `json:"enabled,omitempty"`
	Default *bool `json:"default,omitempty"`
}

// PolicyHostPaths are places on the nodes.
type PolicyHostPaths struct {
	RootFS           *string `json:"rootFS,omitempty"`
	DriverInstallDir *string `json:"driverInstallDir,omitempty"`
}

// PolicySandbox is about GPUs for virtual machines.
type PolicySandbox struct {
	Enabled         *bool   `json:"enabled,omitempty"`
	DefaultWorkload *string `json:"defaultWorkload,omitempty"`
}

// IsApplyConfiguration makes a ClusterPolicy one.
func (ClusterPolicy) IsApplyConfiguration() {}

// NewClusterPolicy returns a ClusterPolicy that says nothing but which it is.
func NewClusterPolicy(name string) *ClusterPolicy {
	p := &ClusterPolicy{ObjectMetaApplyConfiguration: &metaac.ObjectMetaApplyConfiguration{}, Spec: &ClusterPolicySpec{
		Operator: &PolicyOperator{}, Daemonsets: &PolicyDaemonsets{}, Driver: &PolicyDriver{}, Toolkit: &PolicyToolkit{}, DevicePlugin: &PolicyDevicePlugin{},
		DCGMExporter: &PolicyDCGMExporter{}, DCGM: &PolicyDCGM{}, NodeStatusExporter: &Operand{}, GFD: &Operand{},
	}}
	p.TypeMetaApplyConfiguration.WithAPIVersion("nvidia.com/v1").WithKind("ClusterPolicy")
	p.WithName(name)
	return p
}
