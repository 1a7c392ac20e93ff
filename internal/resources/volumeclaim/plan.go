package volumeclaim

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// plan settles what follows from the attributes' meaning: the class of a static
// claim, replacement, protection, and the ways size may go.
func plan(ctx context.Context, p *lifecycle.Planning[Model]) {
	if p.Destroy {
		if protected(p.Prior) {
			p.Diagnostics.Append(refusal(p.Prior, "Terraform plans to destroy it.").Error())
		}
		return
	}
	var w wanted
	if !w.read(ctx, p) {
		return
	}
	if w.Static.ValueBool() {
		p.Diagnostics.Append(p.Plan.SetAttribute(ctx, classPath, types.StringNull())...)
	}
	if p.Create {
		return
	}
	for _, at := range w.replacements(p.Prior) {
		p.Replace = true
		p.RequiresReplace.Append(at)
	}
	if p.Replace {
		mayReplace(p, w)
		return
	}
	if p.Changed(sizePath) {
		p.Diagnostics.Append(p.Plan.SetAttribute(ctx, capacityPath, types.StringUnknown())...)
		resize(p, w.Size)
	}
	if p.Changed(attributesPath) && phaseOf(p.Prior) == string(corev1.ClaimPending) {
		p.Diagnostics.Append(tooEarly(p.Prior, "volume_attributes_class", attributesPath).Error())
	}
}

// wanted are the planned values that rules look at; any may be unknown.
type wanted struct {
	Name, Namespace types.String
	Size            quantity.Value
	Static          types.Bool
	Class           types.String
	Mode            types.String
	Volume          types.String
	Access          access
}

func (w *wanted) read(ctx context.Context, p *lifecycle.Planning[Model]) bool {
	for at, target := range map[string]any{
		"name": &w.Name, "namespace": &w.Namespace, "size": &w.Size, "static": &w.Static, "storage_class": &w.Class,
		"volume_mode": &w.Mode, "volume_name": &w.Volume, "access_modes": &w.Access,
	} {
		p.Diagnostics.Append(p.Plan.GetAttribute(ctx, path.Root(at), target)...)
	}
	return !p.Diagnostics.HasError()
}

// replacements are the attributes that cannot become what is wanted. Values
// that mean the same to the server, and what it lets one fill in once, are fine.
func (w *wanted) replacements(prior *Model) []path.Path {
	var out []path.Path
	switch {
	case w.Static.IsUnknown(), w.Static.ValueBool() != prior.Static.ValueBool():
		out = append(out, staticPath)
	case !w.Static.ValueBool() && !prior.StorageClass.IsNull() && !w.Class.Equal(prior.StorageClass):
		out = append(out, classPath)
	}
	if w.Access.IsUnknown() || !sameSet(accessModes(elements(w.Access.ListValue)), accessModes(prior.AccessModes)) {
		out = append(out, accessPath)
	}
	if w.Mode.IsUnknown() || modeOf(w.Mode) != modeOf(prior.VolumeMode) {
		out = append(out, modePath)
	}
	if !prior.VolumeName.IsNull() && !w.Volume.Equal(prior.VolumeName) {
		out = append(out, volumePath)
	}
	return out
}

// mayReplace refuses a replacement that would lose data, or that cannot be done
// because the old claim keeps the name.
func mayReplace(p *lifecycle.Planning[Model], w wanted) {
	var because []string
	for _, at := range append(path.Paths{path.Root("name"), path.Root("namespace"), selectorPath, sourcePath}, p.RequiresReplace...) {
		if name := at.String(); p.Changed(at) && !slices.Contains(because, name) {
			because = append(because, name)
		}
	}
	cause := "Terraform plans to replace it."
	if len(because) > 0 {
		cause = fmt.Sprintf("Terraform plans to replace it, because of a change of %s.", strings.Join(because, ", "))
	}
	stays := w.Name.Equal(p.Prior.Name) && w.Namespace.Equal(p.Prior.Namespace)
	switch {
	case protected(p.Prior):
		p.Diagnostics.Append(refusal(p.Prior, cause).Error())
	case p.Prior.Retain.ValueBool() && stays:
		p.Diagnostics.Append(diags.Message{
			Summary:  title(p.Prior) + " is retained, so it keeps its name",
			Happened: cause + " retain = true would leave the claim in place, and a new one cannot have the same name.",
			Stands:   "Nothing was changed.",
			Do: "Give the new claim another name, or apply retain = false and deletion_protection = false first, alone, if the data may go.\n" +
				"To keep things as they are, undo the change.",
			At: retainPath,
		}.Error())
	}
}

// resize refuses the sizes the server would refuse.
func resize(p *lifecycle.Planning[Model], size quantity.Value) {
	will, okWill := amount(size.StringValue)
	was, okWas := amount(p.Prior.Size.StringValue)
	if !okWill || !okWas || will.Cmp(was) == 0 {
		return
	}
	if phaseOf(p.Prior) == string(corev1.ClaimPending) {
		p.Diagnostics.Append(tooEarly(p.Prior, "size", sizePath).Error())
		return
	}
	have, ok := amount(p.Prior.Capacity)
	if !ok || will.Cmp(was) > 0 || will.Cmp(have) > 0 {
		return
	}
	p.Diagnostics.Append(diags.Message{
		Summary:  fmt.Sprintf("%s cannot shrink to %s", title(p.Prior), size.ValueString()),
		Happened: fmt.Sprintf("The volume has %s. Volumes only grow; all that can be taken back is a growth that has not happened yet.", have.String()),
		Stands:   "Nothing was changed.",
		Do: fmt.Sprintf("Set size to %s. For a smaller volume make a claim under another name and copy the data.",
			p.Prior.Size.ValueString()),
		At: sizePath,
	}.Error())
}

// tooEarly is said of changes the server takes only on bound claims.
func tooEarly(m *Model, attribute string, at path.Path) diags.Message {
	return diags.Message{
		Summary:  fmt.Sprintf("%s has no volume yet, so its %s cannot change", title(m), attribute),
		Happened: fmt.Sprintf("Kubernetes takes a change of %s only once the claim is bound to a volume.", attribute),
		Stands:   "Nothing was changed.",
		Do: "Apply again when its first pod has bound the claim, or make it anew: it holds no data.\n" +
			"terraform apply -replace=mlk_volume_claim.<name>",
		At: at,
	}
}

// protected reports whether the claim must not be deleted. A retained claim is
// not deleted anyway, so only an explicit true protects it.
func protected(m *Model) bool {
	if m.DeletionProtection.IsNull() {
		return !m.Retain.ValueBool()
	}
	return m.DeletionProtection.ValueBool()
}

// refusal is the error of a protected claim.
func refusal(m *Model, cause string) diags.Message {
	why := "deletion_protection is true in the state."
	if m.DeletionProtection.IsNull() {
		why = "deletion_protection is not set, and its default is true."
	}
	return diags.Message{
		Summary:  title(m) + " is protected from deletion",
		Happened: cause + " A claim holds data, which is deleted with it.",
		Why:      why,
		Stands:   "Nothing was changed.",
		Do: "To delete the claim: set deletion_protection = false, apply that alone, then repeat this.\n" +
			"To keep the data but let go of the claim: apply retain = true instead, or run terraform state rm.",
		At: protectionPath,
	}
}

func title(m *Model) string {
	return fmt.Sprintf("Volume claim %q", m.Namespace.ValueString()+"/"+m.Name.ValueString())
}

// phaseOf is the phase when the claim was last seen; "" when it was not.
func phaseOf(m *Model) string {
	phase, _ := m.Status.Attributes()["phase"].(types.String)
	return phase.ValueString()
}

// amount is a known quantity.
func amount(s types.String) (resource.Quantity, bool) {
	if s.IsNull() || s.IsUnknown() {
		return resource.Quantity{}, false
	}
	q, err := resource.ParseQuantity(s.ValueString())
	return q, err == nil
}

func modeOf(v types.String) string {
	if v.IsNull() {
		return defaultMode
	}
	return v.ValueString()
}

// elements are the strings of a known list; nil for null.
func elements(l types.List) []types.String {
	var out []types.String
	for _, e := range l.Elements() {
		if s, ok := e.(types.String); ok {
			out = append(out, s)
		}
	}
	return out
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
