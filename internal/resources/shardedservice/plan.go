package shardedservice

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// countOrShare is a number of pods or a percentage of them.
var countOrShare = regexp.MustCompile(`^([1-9][0-9]*|[1-9][0-9]?%|100%)$`)

// positive checks that a size is more than nothing.
type positive struct{}

// Description says what is checked.
func (positive) Description(context.Context) string { return "must be more than 0" }

// MarkdownDescription says what is checked.
func (positive) MarkdownDescription(context.Context) string { return "must be more than 0" }

// ValidateString checks a known size.
func (positive) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if q, err := resource.ParseQuantity(req.ConfigValue.ValueString()); err == nil && q.Sign() <= 0 {
		resp.Diagnostics.Append(diags.Message{
			Summary: fmt.Sprintf("%q is no size for a volume", req.ConfigValue.ValueString()),
			Do:      "Ask for more than nothing, for example 100Gi.",
			At:      req.Path,
		}.Error())
	}
}

// validate checks what the configuration alone decides: that volumes without a
// source have a claim template, and what belongs together.
func validate(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	ds := podspec.Validate(ctx, c)
	var volumes, templates types.Map
	var strategy types.Object
	ds.Append(c.GetAttribute(ctx, path.Root("volumes"), &volumes)...)
	ds.Append(c.GetAttribute(ctx, templatesPath, &templates)...)
	ds.Append(c.GetAttribute(ctx, path.Root("update_strategy"), &strategy)...)
	if ds.HasError() {
		return ds
	}
	if !templates.IsUnknown() {
		for name, e := range volumes.Elements() {
			v, ok := e.(types.Object)
			_, named := templates.Elements()[name]
			has, may := sources(v)
			if !ok || v.IsUnknown() || named && !has || !named && may {
				continue
			}
			at := path.Root("volumes").AtMapKey(name)
			if named {
				ds.Append(diags.Message{
					Summary: fmt.Sprintf("Volume %q has a source and a claim template", name),
					Do:      "Where a claim template has the name of a volume, the volume says only where it is mounted: remove its source, or rename one of them.",
					At:      at,
				}.Error())
				continue
			}
			ds.Append(diags.Message{
				Summary: fmt.Sprintf("Volume %q has no source", name),
				Do:      fmt.Sprintf("Give it one, or a claim template of its name: claim_templates = { %s = { size = \"100Gi\" } }.", name),
				At:      at,
			}.Error())
		}
	}
	if !strategy.IsNull() && !strategy.IsUnknown() {
		kind, _ := strategy.Attributes()["type"].(types.String)
		for _, name := range []string{"partition", "max_unavailable"} {
			if v := strategy.Attributes()[name]; kind.ValueString() == onDelete && v != nil && diags.Given(v) {
				ds.Append(diags.Message{
					Summary: name + " needs the update strategy RollingUpdate",
					Do:      "Remove type = \"OnDelete\", or " + name + ".",
					At:      path.Root("update_strategy").AtName(name),
				}.Error())
			}
		}
	}
	return ds
}

// sources reports whether a volume has a source, and whether it has or may have one:
// what is not known yet may still be none.
func sources(v types.Object) (has, may bool) {
	for name, a := range v.Attributes() {
		if !slices.Contains([]string{"mount_path", "read_only", "sub_path", "mounts", "device_path", "claim_read_only"}, name) {
			has, may = has || diags.Given(a), may || !a.IsNull()
		}
	}
	return has, may
}

// plan finds what Kubernetes never changes on a StatefulSet. Only a claim
// template that grows does not need a new one: see recast.
func plan(ctx context.Context, p *lifecycle.Planning[Model]) {
	if p.Destroy {
		return
	}
	if !p.Create {
		replacements(p)
	}
	m := p.Wanted
	switch {
	case m == nil:
		if !p.Create {
			p.Diagnostics.Append(p.Plan.SetAttribute(ctx, hostsPath, types.ListUnknown(types.StringType))...)
		}
	case !m.Replicas.IsNull():
		p.Diagnostics.Append(p.Plan.SetAttribute(ctx, hostsPath, hosts(m, m.Replicas.ValueInt32()))...)
	case p.Create || p.Changed(path.Root("replicas")) || p.Changed(path.Root("start_ordinal")) || len(p.RequiresReplace) > 0 || p.Changed(headlessPath):
		p.Diagnostics.Append(p.Plan.SetAttribute(ctx, hostsPath, types.ListUnknown(types.StringType))...)
	}
}

func replacements(p *lifecycle.Planning[Model]) {
	for _, at := range []path.Path{selectorPath, servicePath, policyPath, headlessPath, templatesPath} {
		if !p.Changed(at) {
			continue
		}
		if p.Wanted == nil {
			if at.Equal(templatesPath) || at.Equal(headlessPath) {
				continue // decided when it is known
			}
			p.RequiresReplace.Append(at)
			continue
		}
		if frozenDiffers(at, p.Prior, p.Wanted) {
			p.RequiresReplace.Append(at)
		}
	}
	if p.Wanted != nil && len(p.RequiresReplace) == 0 {
		grow(p)
	}
	p.Replace = p.Replace || len(p.RequiresReplace) > 0
}

// frozenDiffers reports whether what the attribute makes differs in meaning.
func frozenDiffers(at path.Path, prior, wanted *Model) bool {
	switch {
	case at.Equal(selectorPath):
		return !reflect.DeepEqual(selectorOf(prior), selectorOf(wanted))
	case at.Equal(servicePath), at.Equal(headlessPath):
		return serviceOf(prior) != serviceOf(wanted)
	case at.Equal(policyPath):
		return orElse(prior.PodManagementPolicy, ordered) != orElse(wanted.PodManagementPolicy, ordered)
	}
	return !sameButSize(prior.ClaimTemplates, wanted.ClaimTemplates)
}

func orElse(s types.String, other string) string {
	if s.IsNull() {
		return other
	}
	return s.ValueString()
}

// sameButSize reports whether claim templates differ in nothing but sizes.
func sameButSize(a, b map[string]ClaimTemplate) bool {
	if len(a) != len(b) {
		return false
	}
	for name, t := range a {
		u, ok := b[name]
		if !ok {
			return false
		}
		u.Size = t.Size
		x, dx := t.apply(name)
		y, dy := u.apply(name)
		if dx.HasError() || dy.HasError() {
			return false
		}
		if x.Spec.VolumeMode == nil {
			x.Spec.WithVolumeMode(corev1.PersistentVolumeFilesystem)
		}
		if y.Spec.VolumeMode == nil {
			y.Spec.WithVolumeMode(corev1.PersistentVolumeFilesystem)
		}
		if !reflect.DeepEqual(x, y) {
			return false
		}
	}
	return true
}

// grow refuses to shrink volumes, and says what growing them does.
func grow(p *lifecycle.Planning[Model]) {
	for _, name := range sortedKeys(p.Wanted.ClaimTemplates) {
		was, okWas := amount(p.Prior.ClaimTemplates[name].Size)
		want, okWant := amount(p.Wanted.ClaimTemplates[name].Size)
		if !okWas || !okWant || want.Cmp(was) >= 0 {
			continue
		}
		p.Diagnostics.Append(diags.Message{
			Summary:  fmt.Sprintf("Volumes do not shrink: claim template %q", name),
			Happened: fmt.Sprintf("The claims of sharded service %q have %s, and the configuration asks for %s.", p.Wanted.Name.ValueString(), was.String(), want.String()),
			Do:       "Set size back. For smaller volumes, make another service and copy the data.",
			At:       templatesPath.AtMapKey(name).AtName("size"),
		}.Error())
	}
}

func amount(q quantity.Value) (resource.Quantity, bool) {
	out, err := resource.ParseQuantity(q.ValueString())
	return out, err == nil
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// recast makes the StatefulSet anew around its pods where a claim template has
// grown, after the claims have. A StatefulSet whose templates are as large
// already needs nothing.
func recast(m *Model, live *kube.Object) *lifecycle.Recast {
	set, _ := setOf(kube.Live{kube.StatefulSet.Kind: live})
	if set == nil {
		return nil
	}
	grows := false
	for i := range set.Spec.VolumeClaimTemplates {
		t := &set.Spec.VolumeClaimTemplates[i]
		want, ok := amount(m.ClaimTemplates[t.Name].Size)
		grows = grows || ok && want.Cmp(t.Spec.Resources.Requests[corev1.ResourceStorage]) > 0
	}
	if !grows {
		return nil
	}
	return &lifecycle.Recast{
		Kind: kube.PersistentVolumeClaim, Selector: selector(m),
		Patch: func(o *kube.Object) map[string]any { return larger(m, o) },
		Refused: func(ref kube.Ref, said string) diags.Message {
			first, _, _ := strings.Cut(said, "\n")
			return diags.Message{
				Summary:  fmt.Sprintf("%s cannot grow", ref),
				Happened: "Volumes grow only when they are bound, and when their storage class allows it.",
				Why:      first,
				Do:       "Set allow_volume_expansion = true on the class (mlk_storage_class changes it in place) if its driver can, and see that the claim is bound. Then apply again; otherwise set size back.",
				At:       templatesPath,
			}
		},
	}
}

// larger is the patch that grows a claim of this service; nil when it is none, or
// is large enough.
func larger(m *Model, o *kube.Object) map[string]any {
	claim, err := kube.Typed[corev1.PersistentVolumeClaim](kube.Live{"": o}, "")
	if err != nil || claim == nil {
		return nil
	}
	for name, t := range m.ClaimTemplates {
		number, ours := strings.CutPrefix(claim.Name, name+"-"+m.Name.ValueString()+"-")
		want, ok := amount(t.Size)
		if !ours || !ok || strings.Trim(number, "0123456789") != "" || number == "" || want.Cmp(claim.Spec.Resources.Requests[corev1.ResourceStorage]) <= 0 {
			continue
		}
		return map[string]any{"spec": map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": t.Size.ValueString()}}}}
	}
	return nil
}
