package provisioner

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

var drivers = []string{Local, "ebs.csi.aws.com"}

func class(provisioner string, mode storagev1.VolumeBindingMode) *storagev1.StorageClass {
	return &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: "c"}, Provisioner: provisioner, VolumeBindingMode: &mode,
		ReclaimPolicy: ptr.To(corev1.PersistentVolumeReclaimRetain),
	}
}

func claim(annotations map[string]string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "data", UID: "u", Annotations: annotations},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{"storage": resource.MustParse("5Gi")}},
		},
	}
}

func TestDecideToProvision(t *testing.T) {
	t.Parallel()
	const now, late = storagev1.VolumeBindingImmediate, storagev1.VolumeBindingWaitForFirstConsumer
	local := map[string]string{provisionerAnnotation: Local}
	for name, c := range map[string]struct {
		annotations map[string]string
		class       *storagev1.StorageClass
		want        action
	}{
		"immediate":         {local, class(Local, now), provision},
		"another driver":    {map[string]string{provisionerAnnotation: "ebs.csi.aws.com"}, class("ebs.csi.aws.com", now), provision},
		"not our driver":    {map[string]string{provisionerAnnotation: "x.io"}, class("x.io", now), nothing},
		"no class":          {local, nil, nothing},
		"not yet asked":     {nil, class(Local, now), nothing},
		"no consumer":       {local, class(Local, late), nothing},
		"consumer":          {map[string]string{provisionerAnnotation: Local, selectedAnnotation: "n"}, class(Local, late), provision},
		"refused":           {map[string]string{provisionerAnnotation: Local, "mlk.dev/simulate": "provision-fail"}, class(Local, now), refuse},
		"left alone":        {map[string]string{provisionerAnnotation: Local, "mlk.dev/simulate": "provision-stuck"}, class(Local, now), nothing},
		"refused, no pod":   {map[string]string{provisionerAnnotation: Local, "mlk.dev/simulate": "provision-fail"}, class(Local, late), nothing},
		"expand-fail binds": {map[string]string{provisionerAnnotation: Local, "mlk.dev/simulate": "expand-fail"}, class(Local, now), provision},
	} {
		if got := decide(claim(c.annotations), c.class, nil, drivers); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	deleted := claim(local)
	deleted.DeletionTimestamp = &metav1.Time{}
	if got := decide(deleted, class(Local, now), nil, drivers); got != nothing {
		t.Errorf("a deleted claim gets %d", got)
	}
}

func TestDecideToGrow(t *testing.T) {
	t.Parallel()
	volume := volumeFor(claim(nil), class(Local, storagev1.VolumeBindingImmediate))
	bound := func(has string, annotations map[string]string) *corev1.PersistentVolumeClaim {
		c := claim(annotations)
		c.Spec.VolumeName = volume.Name
		c.Status.Phase = corev1.ClaimBound
		c.Status.Capacity = corev1.ResourceList{"storage": resource.MustParse(has)}
		return c
	}
	foreign := volume.DeepCopy()
	foreign.Annotations = nil
	pending := bound("1Gi", nil)
	pending.Status.Phase = corev1.ClaimPending
	for name, c := range map[string]struct {
		claim  *corev1.PersistentVolumeClaim
		volume *corev1.PersistentVolume
		want   action
	}{
		"larger":     {bound("1Gi", nil), volume, grow},
		"equal":      {bound("5Gi", nil), volume, nothing},
		"smaller":    {bound("9Gi", nil), volume, nothing},
		"not bound":  {pending, volume, nothing},
		"no volume":  {bound("1Gi", nil), nil, nothing},
		"not ours":   {bound("1Gi", nil), foreign, nothing},
		"to refuse":  {bound("1Gi", map[string]string{"mlk.dev/simulate": "expand-fail"}), volume, refuseGrowth},
		"was refuse": {bound("5Gi", map[string]string{"mlk.dev/simulate": "expand-fail"}), volume, nothing},
	} {
		if got := decide(c.claim, nil, c.volume, drivers); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestVolume(t *testing.T) {
	t.Parallel()
	v := volumeFor(claim(nil), class(Local, storagev1.VolumeBindingImmediate))
	if v.Name != "pvc-u" || v.Spec.CSI.Driver != "local.mlk.dev" || v.Spec.AccessModes[0] != corev1.ReadWriteMany ||
		v.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain || v.Spec.ClaimRef.UID != "u" {
		t.Errorf("got %+v", v)
	}
	v.Status.Phase = corev1.VolumeReleased
	if discard(v, drivers) {
		t.Error("a volume to retain is deleted")
	}
	v.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimDelete
	if !discard(v, drivers) {
		t.Error("a released volume stays")
	}
	v.Status.Phase = corev1.VolumeBound
	if discard(v, drivers) {
		t.Error("a bound volume is deleted")
	}
}
