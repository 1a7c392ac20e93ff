package podspec

import (
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
)

// Security is what a container may do on its node.
type Security struct {
	Privileged               types.Bool    `tfsdk:"privileged"`
	AllowPrivilegeEscalation types.Bool    `tfsdk:"allow_privilege_escalation"`
	ReadOnlyRootFilesystem   types.Bool    `tfsdk:"read_only_root_filesystem"`
	RunAsUser                types.Int64   `tfsdk:"run_as_user"`
	RunAsGroup               types.Int64   `tfsdk:"run_as_group"`
	RunAsNonRoot             types.Bool    `tfsdk:"run_as_non_root"`
	Capabilities             *Capabilities `tfsdk:"capabilities"`
	SeccompProfile           *Profile      `tfsdk:"seccomp_profile"`
	AppArmorProfile          *Profile      `tfsdk:"app_armor_profile"`
	SELinuxOptions           *SELinux      `tfsdk:"se_linux_options"`
}

// PodSecurity is what all containers of a pod may do unless theirs says otherwise.
type PodSecurity struct {
	RunAsUser           types.Int64             `tfsdk:"run_as_user"`
	RunAsGroup          types.Int64             `tfsdk:"run_as_group"`
	RunAsNonRoot        types.Bool              `tfsdk:"run_as_non_root"`
	FSGroup             types.Int64             `tfsdk:"fs_group"`
	FSGroupChangePolicy types.String            `tfsdk:"fs_group_change_policy"`
	SupplementalGroups  []types.Int64           `tfsdk:"supplemental_groups"`
	Sysctls             map[string]types.String `tfsdk:"sysctls"`
	SeccompProfile      *Profile                `tfsdk:"seccomp_profile"`
	AppArmorProfile     *Profile                `tfsdk:"app_armor_profile"`
	SELinuxOptions      *SELinux                `tfsdk:"se_linux_options"`
}

// Capabilities are Linux capabilities given to or taken from a container.
type Capabilities struct {
	Add  []types.String `tfsdk:"add"`
	Drop []types.String `tfsdk:"drop"`
}

// Profile names a seccomp or AppArmor profile.
type Profile struct {
	Type             types.String `tfsdk:"type"`
	LocalhostProfile types.String `tfsdk:"localhost_profile"`
}

// SELinux is an SELinux context.
type SELinux struct {
	User  types.String `tfsdk:"user"`
	Role  types.String `tfsdk:"role"`
	Type  types.String `tfsdk:"type"`
	Level types.String `tfsdk:"level"`
}

func (s *Security) apply() *corev1ac.SecurityContextApplyConfiguration {
	if s == nil {
		return nil
	}
	out := &corev1ac.SecurityContextApplyConfiguration{
		Privileged:               s.Privileged.ValueBoolPointer(),
		AllowPrivilegeEscalation: s.AllowPrivilegeEscalation.ValueBoolPointer(),
		ReadOnlyRootFilesystem:   s.ReadOnlyRootFilesystem.ValueBoolPointer(),
		RunAsUser:                s.RunAsUser.ValueInt64Pointer(),
		RunAsGroup:               s.RunAsGroup.ValueInt64Pointer(),
		RunAsNonRoot:             s.RunAsNonRoot.ValueBoolPointer(),
		SeccompProfile:           s.SeccompProfile.seccomp(),
		AppArmorProfile:          s.AppArmorProfile.appArmor(),
		SELinuxOptions:           s.SELinuxOptions.apply(),
	}
	if c := s.Capabilities; c != nil {
		out.Capabilities = &corev1ac.CapabilitiesApplyConfiguration{Add: capabilities(c.Add), Drop: capabilities(c.Drop)}
	}
	return out
}

func capabilities(in []types.String) []corev1.Capability {
	var out []corev1.Capability
	for _, c := range in {
		out = append(out, corev1.Capability(c.ValueString()))
	}
	return out
}

func (s *PodSecurity) apply() *corev1ac.PodSecurityContextApplyConfiguration {
	if s == nil {
		return nil
	}
	out := &corev1ac.PodSecurityContextApplyConfiguration{
		RunAsUser:           s.RunAsUser.ValueInt64Pointer(),
		RunAsGroup:          s.RunAsGroup.ValueInt64Pointer(),
		RunAsNonRoot:        s.RunAsNonRoot.ValueBoolPointer(),
		FSGroup:             s.FSGroup.ValueInt64Pointer(),
		FSGroupChangePolicy: values.Enum[corev1.PodFSGroupChangePolicy](s.FSGroupChangePolicy),
		SeccompProfile:      s.SeccompProfile.seccomp(),
		AppArmorProfile:     s.AppArmorProfile.appArmor(),
		SELinuxOptions:      s.SELinuxOptions.apply(),
	}
	for _, g := range s.SupplementalGroups {
		out.SupplementalGroups = append(out.SupplementalGroups, g.ValueInt64())
	}
	for _, name := range sortedKeys(s.Sysctls) {
		out.Sysctls = append(out.Sysctls, corev1ac.SysctlApplyConfiguration{Name: &name, Value: s.Sysctls[name].ValueStringPointer()})
	}
	return out
}

func (p *Profile) seccomp() *corev1ac.SeccompProfileApplyConfiguration {
	if p == nil {
		return nil
	}
	return &corev1ac.SeccompProfileApplyConfiguration{
		Type: values.Enum[corev1.SeccompProfileType](p.Type), LocalhostProfile: p.LocalhostProfile.ValueStringPointer(),
	}
}

func (p *Profile) appArmor() *corev1ac.AppArmorProfileApplyConfiguration {
	if p == nil {
		return nil
	}
	return &corev1ac.AppArmorProfileApplyConfiguration{
		Type: values.Enum[corev1.AppArmorProfileType](p.Type), LocalhostProfile: p.LocalhostProfile.ValueStringPointer(),
	}
}

func (s *SELinux) apply() *corev1ac.SELinuxOptionsApplyConfiguration {
	if s == nil {
		return nil
	}
	return &corev1ac.SELinuxOptionsApplyConfiguration{
		User: s.User.ValueStringPointer(), Role: s.Role.ValueStringPointer(), Type: s.Type.ValueStringPointer(), Level: s.Level.ValueStringPointer(),
	}
}
