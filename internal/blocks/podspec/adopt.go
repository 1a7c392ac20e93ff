package podspec

import (
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
)

// The values the server fills in where a pod template says nothing.
const (
	defaultGracePeriod = 30
	defaultMessagePath = "/dev/termination-log"
	defaultFileMode    = 0o644
	defaultTokenTTL    = 3600
)

// controllerKeys are the labels that controllers put on pod templates; a key
// that ends in "/" stands for all behind it.
var controllerKeys = []string{
	"controller-uid", "job-name", "batch.kubernetes.io/", "pod-template-hash", "controller-revision-hash", "pod-template-generation",
	"kueue.x-k8s.io/podset", "kueue.x-k8s.io/cluster-queue-name", "kueue.x-k8s.io/local-queue-name", "kueue.x-k8s.io/workload",
}

// adopter turns one pod template into a model. like, which may be nil, says
// which of several ways to write the same the model should take.
type adopter struct {
	like *Model
	spec *corev1.PodSpec
	main int
}

// Adopt returns the model that, applied, would change nothing about t. What no
// attribute can say is left out, and what the server fills in by itself is
// null. The main container is the one called "main", else the first.
func Adopt(t *corev1.PodTemplateSpec) (Model, diag.Diagnostics) { return AdoptLike(t, nil) }

// AdoptLike is Adopt for a template that like once asked for: where there are
// several ways to write the same thing (gpu or resources, mount_path or
// mounts, shared_memory or a volume …), the model takes that of like, so that
// the two can be compared attribute by attribute. Nil is no preference.
func AdoptLike(t *corev1.PodTemplateSpec, like *Model) (Model, diag.Diagnostics) {
	a := adopter{like: like, spec: &t.Spec}
	s := a.spec
	m := Model{
		PodLabels:                     adoptLabels(t.Labels),
		PodAnnotations:                adoptLabels(t.Annotations),
		PodSecurityContext:            adoptPodSecurity(s.SecurityContext),
		ServiceAccount:                word(s.ServiceAccountName),
		AutomountServiceAccountToken:  types.BoolPointerValue(s.AutomountServiceAccountToken),
		TerminationGracePeriodSeconds: unless(types.Int64PointerValue(s.TerminationGracePeriodSeconds), types.Int64Value(defaultGracePeriod), types.Int64Null()),
		EnableServiceLinks:            unless(types.BoolPointerValue(s.EnableServiceLinks), types.BoolValue(true), types.BoolNull()),
		ShareProcessNamespace:         types.BoolPointerValue(s.ShareProcessNamespace),
		HostNetwork:                   yes(s.HostNetwork),
		HostPID:                       yes(s.HostPID),
		HostIPC:                       yes(s.HostIPC),
		Hostname:                      word(s.Hostname),
		Subdomain:                     word(s.Subdomain),
		DNSPolicy:                     wordUnless(s.DNSPolicy, corev1.DNSClusterFirst),
		DNSConfig:                     adoptDNS(s.DNSConfig),
	}
	for _, ref := range s.ImagePullSecrets {
		if !isName(ref.Name) {
			m.ImagePullSecrets = nil // its order matters: all or none
			break
		}
		m.ImagePullSecrets = append(m.ImagePullSecrets, types.StringValue(ref.Name))
	}
	for _, alias := range s.HostAliases {
		if m.HostAliases == nil {
			m.HostAliases = map[string][]types.String{}
		}
		m.HostAliases[alias.IP] = words(alias.Hostnames)
	}
	m.Scheduling = a.scheduling()
	a.containers(&m)
	a.devices(&m)
	a.volumes(&m)
	return m, nil
}

// containers fills the containers, and gpu from the main one.
func (a *adopter) containers(m *Model) {
	s := a.spec
	for i := range s.InitContainers {
		c := &s.InitContainers[i]
		var like *Container
		if a.like != nil && i < len(a.like.InitContainers) {
			like = &a.like.InitContainers[i].Container
		}
		m.InitContainers = append(m.InitContainers, InitContainer{
			Name: types.StringValue(c.Name), Restart: adoptRestart(c), Container: a.container(c, like),
		})
	}
	if len(s.Containers) == 0 {
		return
	}
	a.main = a.mainContainer()
	for i := range s.Containers {
		c := &s.Containers[i]
		if i == a.main {
			continue
		}
		if m.ExtraContainers == nil {
			m.ExtraContainers = make(map[string]ExtraContainer, len(s.Containers)-1)
		}
		var like *Container
		if a.like != nil {
			e := a.like.ExtraContainers[c.Name]
			like = &e.Container
		}
		m.ExtraContainers[c.Name] = ExtraContainer{Restart: adoptRestart(c), Container: a.container(c, like)}
	}
	main := &s.Containers[a.main]
	var like *Container
	if a.like != nil {
		like = &a.like.Container
	}
	m.Container = a.container(main, like)
	if main.Name != DefaultContainer || a.like != nil && !a.like.ContainerName.IsNull() {
		m.ContainerName = types.StringValue(main.Name)
	}
	a.gpu(m, main)
}

// mainContainer is the index of the main container: that of like, else the one
// with the default name, else the first, which Apply puts the main one at.
func (a *adopter) mainContainer() int {
	wanted := []string{DefaultContainer}
	if a.like != nil {
		wanted = []string{a.like.containerName(), DefaultContainer}
	}
	for _, name := range wanted {
		for i := range a.spec.Containers {
			if a.spec.Containers[i].Name == name {
				return i
			}
		}
	}
	return 0
}

func adoptLabels(in map[string]string) map[string]types.String {
	var out map[string]types.String
	for k, v := range in {
		if isControllerKey(k) {
			continue
		}
		if out == nil {
			out = make(map[string]types.String, len(in))
		}
		out[k] = types.StringValue(v)
	}
	return out
}

func isControllerKey(key string) bool {
	for _, c := range controllerKeys {
		if key == c || strings.HasSuffix(c, "/") && strings.HasPrefix(key, c) {
			return true
		}
	}
	return false
}

func adoptDNS(d *corev1.PodDNSConfig) *DNSConfig {
	if d == nil {
		return nil
	}
	out := &DNSConfig{Nameservers: words(d.Nameservers), Searches: words(d.Searches)}
	for _, o := range d.Options {
		out.Options = append(out.Options, DNSOption{Name: types.StringValue(o.Name), Value: pointed(o.Value)})
	}
	return out
}

// word is a string attribute; null for "", which no string attribute can say.
func word[T ~string](s T) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(string(s))
}

// isName reports whether an object can bear the name. The server stores any
// reference, even YOUR-CLAIM; attributes take names only.
func isName(s string) bool { return len(validation.IsDNS1123Subdomain(s)) == 0 }

// schedulerName is null for the default, and for what is no name.
func schedulerName(s string) types.String {
	if !isName(s) {
		return types.StringNull()
	}
	return wordUnless(s, corev1.DefaultSchedulerName)
}

// wordUnless is word, with null for the server's default.
func wordUnless[T ~string](s, unless T) types.String {
	if s == unless {
		return types.StringNull()
	}
	return word(s)
}

// pointed is word of what p points to; null for nil.
func pointed[T ~string](p *T) types.String {
	if p == nil {
		return types.StringNull()
	}
	return word(*p)
}

// words is a list of strings; null for nil.
func words(in []string) []types.String {
	if in == nil {
		return nil
	}
	out := make([]types.String, len(in))
	for i, s := range in {
		out[i] = types.StringValue(s)
	}
	return out
}

// yes is a flag that the API does not keep when it is false.
func yes(b bool) types.Bool {
	if !b {
		return types.BoolNull()
	}
	return types.BoolValue(true)
}

// number is a number that the API does not keep when it is 0.
func number(n int32) types.Int32 {
	if n == 0 {
		return types.Int32Null()
	}
	return types.Int32Value(n)
}

// numberUnless is number, with null for the server's default.
func numberUnless(n, unless int32) types.Int32 {
	if n == unless {
		return types.Int32Null()
	}
	return number(n)
}

// unless is v, or null where v is the server's default.
func unless[T comparable](v, byDefault, null T) T {
	if v == byDefault {
		return null
	}
	return v
}

// amountOf is a quantity attribute; null for nil.
func amountOf(q *resource.Quantity) quantity.Value {
	if q == nil {
		return quantity.Null()
	}
	return quantity.New(q.String())
}
