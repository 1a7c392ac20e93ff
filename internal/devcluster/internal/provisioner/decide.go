// Package provisioner stands in for volume drivers: it makes, grows and deletes
// persistent volumes that hold nothing.
package provisioner

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/simulate"
)

// Local is the provisioner that every cluster has.
const Local = "mlk.dev/local"

// The annotations by which the control plane and provisioners talk.
const (
	provisionerAnnotation = "volume.kubernetes.io/storage-provisioner"
	selectedAnnotation    = "volume.kubernetes.io/selected-node"
	provisionedAnnotation = "pv.kubernetes.io/provisioned-by"
)

// action is what a claim needs now.
type action int

const (
	nothing action = iota
	provision
	refuse // to provision: the claim says so
	grow
	refuseGrowth
)

// decide says what a claim needs. class and volume are those it names, nil if they do
// not exist; drivers are the provisioners we stand in for.
func decide(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass, volume *corev1.PersistentVolume, drivers []string) action {
	if claim.DeletionTimestamp != nil {
		return nothing
	}
	if claim.Spec.VolumeName != "" {
		return decideGrowth(claim, volume, drivers)
	}
	if class == nil || !slices.Contains(drivers, class.Provisioner) ||
		// The volume controller sets it once it has found no volume that exists already.
		claim.Annotations[provisionerAnnotation] != class.Provisioner {
		return nothing
	}
	late := class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
	if late && claim.Annotations[selectedAnnotation] == "" {
		return nothing
	}
	switch simulate.ClaimVerb(claim.Annotations) {
	case simulate.ProvisionFail:
		return refuse
	case simulate.ProvisionStuck:
		return nothing
	}
	return provision
}

func decideGrowth(claim *corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume, drivers []string) action {
	if claim.Status.Phase != corev1.ClaimBound || !ours(volume, drivers) {
		return nothing
	}
	want, have := claim.Spec.Resources.Requests.Storage(), claim.Status.Capacity.Storage()
	switch {
	case want.Cmp(*have) <= 0:
		return nothing
	case simulate.ClaimVerb(claim.Annotations) == simulate.ExpandFail:
		return refuseGrowth
	}
	return grow
}

// ours tells whether the volume was made by one of the drivers.
func ours(volume *corev1.PersistentVolume, drivers []string) bool {
	return volume != nil && slices.Contains(drivers, volume.Annotations[provisionedAnnotation])
}

// discard tells whether a volume's claim is gone and the volume shall go too.
func discard(volume *corev1.PersistentVolume, drivers []string) bool {
	return ours(volume, drivers) && volume.DeletionTimestamp == nil &&
		volume.Status.Phase == corev1.VolumeReleased &&
		volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete
}

// volumeFor is the volume of a claim. Its name follows from the claim, so that a
// repeated attempt finds the first one.
func volumeFor(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) *corev1.PersistentVolume {
	policy := corev1.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		policy = *class.ReclaimPolicy
	}
	name := "pvc-" + string(claim.UID)
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{provisionedAnnotation: class.Provisioner},
		},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: size(claim)},
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    claim.Spec.VolumeMode,
			StorageClassName:              class.Name,
			MountOptions:                  class.MountOptions,
			PersistentVolumeReclaimPolicy: policy,
			VolumeAttributesClassName:     claim.Spec.VolumeAttributesClassName,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID, ResourceVersion: claim.ResourceVersion,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: driver(class.Provisioner), VolumeHandle: name},
			},
		},
	}
}

func size(claim *corev1.PersistentVolumeClaim) resource.Quantity {
	return claim.Spec.Resources.Requests[corev1.ResourceStorage]
}

// driver makes a CSI driver's name of a provisioner's, which alone may have a slash.
func driver(provisioner string) string {
	domain, name, found := strings.Cut(provisioner, "/")
	if !found {
		return provisioner
	}
	return strings.ToLower(name) + "." + domain
}
