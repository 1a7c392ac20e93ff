package podspec

import (
	"maps"
	"slices"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// claimed are the claims that containers name.
func (m *Model) claimed() map[string]bool {
	out := map[string]bool{}
	add := func(c *Container) {
		if c.Resources != nil {
			for name := range c.Resources.Claims {
				out[name] = true
			}
		}
	}
	add(&m.Container)
	for i := range m.InitContainers {
		add(&m.InitContainers[i].Container)
	}
	for _, e := range m.ExtraContainers {
		add(&e.Container)
	}
	return out
}

// implied are the claims whose devices go to the main container because no
// container names them, sorted.
func (m *Model) implied() []string {
	claimed := m.claimed()
	return slices.DeleteFunc(sortedKeys(m.Devices), func(name string) bool { return claimed[name] })
}

// claim gives the main container the devices that no container names.
func (m *Model) claim(main *corev1ac.ContainerApplyConfiguration) {
	names := m.implied()
	if len(names) == 0 {
		return
	}
	if main.Resources == nil {
		main.Resources = corev1ac.ResourceRequirements()
	}
	for _, name := range names {
		main.Resources.WithClaims(corev1ac.ResourceClaim().WithName(name))
	}
	slices.SortFunc(main.Resources.Claims, func(a, b corev1ac.ResourceClaimApplyConfiguration) int {
		if *a.Name < *b.Name {
			return -1
		}
		return 1
	})
}

// devices fills the claims of the pod. Those that only the main container uses,
// whole, need not be named there; one that no container uses cannot be said.
func (a *adopter) devices(m *Model) {
	for _, c := range a.spec.ResourceClaims {
		if m.Devices == nil {
			m.Devices = map[string]Device{}
		}
		m.Devices[c.Name] = Device{Claim: pointed(c.ResourceClaimName), Template: pointed(c.ResourceClaimTemplateName)}
	}
	meant := sortedKeys(m.Devices)
	if a.like != nil {
		meant = a.like.implied()
	}
	for _, name := range meant {
		if a.like == nil && a.elsewhere(name) {
			continue
		}
		use, used := DeviceClaim{}, false
		if m.Resources != nil {
			use, used = m.Resources.Claims[name]
		}
		switch {
		case used && use.Request.IsNull():
			m.unclaim(name)
		case !used:
			delete(m.Devices, name)
		}
	}
	if len(m.Devices) == 0 {
		m.Devices = nil
	}
	if r := m.Resources; r != nil && len(r.Limits)+len(r.Requests)+len(r.Claims) == 0 && (a.like == nil || a.like.Resources == nil) {
		m.Resources = nil
	}
}

// unclaim takes a claim out of those the main container names.
func (m *Model) unclaim(name string) {
	r := *m.Resources
	r.Claims = maps.Clone(r.Claims)
	delete(r.Claims, name)
	if len(r.Claims) == 0 {
		r.Claims = nil
	}
	m.Resources = &r
}

// elsewhere reports whether a container other than the main one uses the claim.
func (a *adopter) elsewhere(name string) bool {
	for i := range a.spec.InitContainers {
		for _, c := range a.spec.InitContainers[i].Resources.Claims {
			if c.Name == name {
				return true
			}
		}
	}
	for i := range a.spec.Containers {
		for _, c := range a.spec.Containers[i].Resources.Claims {
			if c.Name == name && i != a.main {
				return true
			}
		}
	}
	return false
}
