package volumeclaim

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// settle returns the model to compare with a live claim, or to apply over it:
// size is a minimum, so a claim that was made larger keeps its size. A size
// that was lowered on purpose stays: it takes a failed growth back. prior is
// the model of the state; nil when nothing is about to change.
func settle(m, prior *Model, live kube.Live) *Model {
	pvc, _ := claimOf(live)
	if pvc == nil {
		return m
	}
	have := pvc.Spec.Resources.Requests[corev1.ResourceStorage]
	want, ok := amount(m.Size.StringValue)
	if !ok || want.Cmp(have) >= 0 {
		return m
	}
	if prior != nil {
		if was, ok := amount(prior.Size.StringValue); ok && want.Cmp(was) < 0 {
			return m
		}
	}
	settled := *m
	settled.Size = quantity.New(have.String())
	return &settled
}

// refuse protects data from deletes that no plan of this resource has seen:
// -replace, and the replacement of a tainted resource. A claim without a volume
// holds nothing. The message is empty when the claim may go.
func refuse(m *Model, live kube.Live) diags.Message {
	pvc, _ := claimOf(live)
	if !protected(m) || pvc == nil || pvc.Spec.VolumeName == "" {
		return diags.Message{}
	}
	msg := refusal(m, "Terraform was about to delete it for a replacement (-replace, or a tainted resource).")
	msg.Stands = "The claim and its volume are as they were; the state still has them."
	msg.Do += "\nTo keep a tainted claim: terraform untaint mlk_volume_claim.<name>."
	return msg
}

// What the server says when a claim cannot change (Kubernetes, admission plugin
// PersistentVolumeClaimResize and ValidatePersistentVolumeClaimUpdate). None of
// the texts names a field that an attribute generates.
const (
	saysNoExpansion = "only dynamically provisioned pvc can be resized"
	saysNotBound    = "Only bound persistent volume claims can be expanded"
	saysImmutable   = "spec is immutable after creation"
)

// refused puts a refusal of the server into the user's words; empty for those
// it has nothing to add to.
func refused(m *Model, said string) diags.Message {
	first, _, _ := strings.Cut(said, "\n")
	switch {
	case strings.Contains(said, saysNoExpansion):
		happened := "Its storage class does not allow volumes to grow, or the volume was made by hand."
		if m.Static.ValueBool() {
			happened = "Volumes made by hand do not grow: only a storage class can allow it."
		} else if c := m.StorageClass.ValueString(); c != "" {
			happened = fmt.Sprintf("Storage class %q does not allow volumes to grow, or no longer exists.", c)
		}
		return diags.Message{
			Summary:  fmt.Sprintf("%s cannot grow to %s", title(m), m.Size.ValueString()),
			Happened: happened,
			Why:      first,
			Stands:   "The claim is as it was.",
			Do: "Set allow_volume_expansion = true on the class (mlk_storage_class changes it in place) if its driver can, then apply again; otherwise set size back.\n" +
				"Or make a larger claim under another name and copy the data.",
			At: sizePath,
		}
	case strings.Contains(said, saysNotBound):
		return tooEarly(m, "size", sizePath)
	case strings.Contains(said, saysImmutable):
		return diags.Message{
			Summary:  title(m) + " cannot be changed like this in place",
			Happened: "Of a claim only size and volume_attributes_class can change, and only once it is bound to a volume.",
			Why:      first,
			Stands:   "The claim is as it was.",
			Do:       "Plan again: the claim has changed since the plan was made.",
		}
	}
	return diags.Message{}
}
