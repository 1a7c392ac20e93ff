// Package podspec is the pod of every workload resource: schema, model and both
// directions between model and Kubernetes' pod template.
package podspec

import (
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
)

// DefaultContainer is the name of the main container when container_name is null.
const DefaultContainer = "main"

// Model is the pod a workload runs. Embed it in the model of a resource. The
// attributes of the embedded Container are those of the main container.
type Model struct {
	Container

	ContainerName   types.String              `tfsdk:"container_name"`
	GPU             *GPU                      `tfsdk:"gpu"`
	SharedMemory    quantity.Value            `tfsdk:"shared_memory"`
	Volumes         map[string]Volume         `tfsdk:"volumes"`
	InitContainers  []InitContainer           `tfsdk:"init_containers"`
	ExtraContainers map[string]ExtraContainer `tfsdk:"extra_containers"`

	Scheduling *Scheduling       `tfsdk:"scheduling"`
	Devices    map[string]Device `tfsdk:"devices"`

	PodLabels          map[string]types.String `tfsdk:"pod_labels"`
	PodAnnotations     map[string]types.String `tfsdk:"pod_annotations"`
	PodSecurityContext *PodSecurity            `tfsdk:"pod_security_context"`

	ServiceAccount                types.String   `tfsdk:"service_account"`
	AutomountServiceAccountToken  types.Bool     `tfsdk:"automount_service_account_token"`
	ImagePullSecrets              []types.String `tfsdk:"image_pull_secrets"`
	TerminationGracePeriodSeconds types.Int64    `tfsdk:"termination_grace_period_seconds"`
	EnableServiceLinks            types.Bool     `tfsdk:"enable_service_links"`
	ShareProcessNamespace         types.Bool     `tfsdk:"share_process_namespace"`

	HostNetwork types.Bool                `tfsdk:"host_network"`
	HostPID     types.Bool                `tfsdk:"host_pid"`
	HostIPC     types.Bool                `tfsdk:"host_ipc"`
	Hostname    types.String              `tfsdk:"hostname"`
	Subdomain   types.String              `tfsdk:"subdomain"`
	DNSPolicy   types.String              `tfsdk:"dns_policy"`
	DNSConfig   *DNSConfig                `tfsdk:"dns_config"`
	HostAliases map[string][]types.String `tfsdk:"host_aliases"`
}

// Device is a claim for devices handed out by DRA drivers.
type Device struct {
	Claim    types.String `tfsdk:"claim"`
	Template types.String `tfsdk:"template"`
}

// DNSConfig is how the pod resolves names.
type DNSConfig struct {
	Nameservers []types.String `tfsdk:"nameservers"`
	Searches    []types.String `tfsdk:"searches"`
	Options     []DNSOption    `tfsdk:"options"`
}

// DNSOption is one resolver option.
type DNSOption struct {
	Name  types.String `tfsdk:"name"`
	Value types.String `tfsdk:"value"`
}

// Options are what differs between the resources that have a pod.
type Options struct {
	// ImageOptional is for resources that know an image themselves.
	ImageOptional bool
	// OwnVolumes is for resources that bring volumes of their own, as claim
	// templates are: a volume without a source is one of those.
	OwnVolumes bool
	// Changing is the sentence that says what a change of the pod does. ""
	// means new pods.
	Changing string
}

// built is the schema of the block; it is large, and every resource has it.
var built = sync.OnceValue(func() map[string]schema.Attribute {
	all := podAttributes()
	maps.Copy(all, containerAttributes(true))
	return all
})

// Attributes returns the attributes of the pod, to be merged into those of the
// resource. The map is the caller's; the attributes in it are shared.
func Attributes(o Options) map[string]schema.Attribute {
	effect := o.Changing
	if effect == "" {
		effect = "Changing it makes new pods."
	}
	all := maps.Clone(built())
	for name, a := range all {
		all[name] = changing(a, " "+effect)
	}
	if image, ok := all["image"].(schema.StringAttribute); ok && o.ImageOptional {
		image.Required, image.Optional = false, true
		all["image"] = image
	}
	if o.OwnVolumes {
		all["volumes"] = changing(ownVolumes(), " "+effect)
	}
	return all
}

// names are the attribute names of the block in order.
var names = sync.OnceValue(func() []string { return slices.Sorted(maps.Keys(built())) })

// Names returns the names of the attributes of the block, sorted.
func Names() []string { return slices.Clone(names()) }

// containerName is the name of the main container.
func (m *Model) containerName() string {
	if m.ContainerName.IsNull() {
		return DefaultContainer
	}
	return m.ContainerName.ValueString()
}

// Apply returns the pod template the model asks for. Its restart policy, and
// labels that a selector needs, are the resource's to set. The model must be
// wholly known.
func (m *Model) Apply() (*corev1ac.PodTemplateSpecApplyConfiguration, diag.Diagnostics) {
	var ds diag.Diagnostics
	spec := &corev1ac.PodSpecApplyConfiguration{
		ServiceAccountName:            m.ServiceAccount.ValueStringPointer(),
		AutomountServiceAccountToken:  m.AutomountServiceAccountToken.ValueBoolPointer(),
		TerminationGracePeriodSeconds: m.TerminationGracePeriodSeconds.ValueInt64Pointer(),
		EnableServiceLinks:            m.EnableServiceLinks.ValueBoolPointer(),
		ShareProcessNamespace:         m.ShareProcessNamespace.ValueBoolPointer(),
		HostNetwork:                   m.HostNetwork.ValueBoolPointer(),
		HostPID:                       m.HostPID.ValueBoolPointer(),
		HostIPC:                       m.HostIPC.ValueBoolPointer(),
		Hostname:                      m.Hostname.ValueStringPointer(),
		Subdomain:                     m.Subdomain.ValueStringPointer(),
		DNSPolicy:                     values.Enum[corev1.DNSPolicy](m.DNSPolicy),
		DNSConfig:                     m.DNSConfig.apply(),
		SecurityContext:               m.PodSecurityContext.apply(),
	}
	for _, s := range m.ImagePullSecrets {
		spec.ImagePullSecrets = append(spec.ImagePullSecrets, corev1ac.LocalObjectReferenceApplyConfiguration{Name: s.ValueStringPointer()})
	}
	for _, ip := range sortedKeys(m.HostAliases) {
		spec.HostAliases = append(spec.HostAliases, corev1ac.HostAliasApplyConfiguration{IP: &ip, Hostnames: texts(m.HostAliases[ip])})
	}
	for _, name := range sortedKeys(m.Devices) {
		c := m.Devices[name]
		spec.ResourceClaims = append(spec.ResourceClaims, corev1ac.PodResourceClaimApplyConfiguration{
			Name: &name, ResourceClaimName: c.Claim.ValueStringPointer(), ResourceClaimTemplateName: c.Template.ValueStringPointer(),
		})
	}
	ds.Append(m.applyVolumes(spec)...)
	ds.Append(m.applyContainers(spec)...)
	ds.Append(m.applyScheduling(spec)...)

	t := &corev1ac.PodTemplateSpecApplyConfiguration{Spec: spec}
	if len(m.PodLabels)+len(m.PodAnnotations) > 0 {
		t.ObjectMetaApplyConfiguration = &metav1ac.ObjectMetaApplyConfiguration{
			Labels: values.Plain(m.PodLabels), Annotations: values.Plain(m.PodAnnotations),
		}
	}
	return t, ds
}

// applyContainers adds main container, extra containers by name, and init
// containers in their order, each with its mounts.
func (m *Model) applyContainers(spec *corev1ac.PodSpecApplyConfiguration) diag.Diagnostics {
	var ds diag.Diagnostics
	mounts := m.mounts()
	main, mds := m.apply(m.containerName(), mounts)
	ds.Append(mds...)
	ds.Append(m.GPU.limit(main)...)
	m.claim(main)
	spec.Containers = make([]corev1ac.ContainerApplyConfiguration, 0, 1+len(m.ExtraContainers))
	spec.Containers = append(spec.Containers, *main)
	for _, name := range sortedKeys(m.ExtraContainers) {
		e := m.ExtraContainers[name]
		c, cds := e.Container.apply(name, mounts)
		ds.Append(cds...)
		e.Restart.apply(c)
		spec.Containers = append(spec.Containers, *c)
	}
	for i := range m.InitContainers {
		init := &m.InitContainers[i]
		c, cds := init.Container.apply(init.Name.ValueString(), mounts)
		ds.Append(cds...)
		init.Restart.apply(c)
		spec.InitContainers = append(spec.InitContainers, *c)
	}
	for _, name := range sortedKeys(mounts) {
		if !m.hasContainer(name) {
			ds.Append(noContainer(name, root("volumes")))
		}
	}
	return ds
}

// hasContainer reports whether the pod has a container of that name.
func (m *Model) hasContainer(name string) bool {
	if _, ok := m.ExtraContainers[name]; ok || name == m.containerName() {
		return true
	}
	for i := range m.InitContainers {
		if m.InitContainers[i].Name.ValueString() == name {
			return true
		}
	}
	return false
}

func (d *DNSConfig) apply() *corev1ac.PodDNSConfigApplyConfiguration {
	if d == nil {
		return nil
	}
	out := &corev1ac.PodDNSConfigApplyConfiguration{Nameservers: texts(d.Nameservers), Searches: texts(d.Searches)}
	for _, o := range d.Options {
		out.Options = append(out.Options, corev1ac.PodDNSConfigOptionApplyConfiguration{
			Name: o.Name.ValueStringPointer(), Value: o.Value.ValueStringPointer(),
		})
	}
	return out
}
