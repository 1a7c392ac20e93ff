package diagnose

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// When trouble with volumes is worth saying or certain.
const (
	// provisionsCertain: more reports of one error than this are certain.
	provisionsCertain = 3
	// silentProvisioner is how long a provisioner may take before its absence
	// is the likeliest cause.
	silentProvisioner = 2 * time.Minute
	// slowStart is how long a container may take to be made before that is a
	// finding of its own.
	slowStart = 30 * time.Second
)

func claimKey(namespace, name string) string { return "claim/" + namespace + "/" + name }

var (
	classNotFound = regexp.MustCompile(`storageclass(?:\.storage\.k8s\.io)? "([^"]+)" not found`)
	cloudQuota    = regexp.MustCompile(`(?i)quota|limit ?exceeded|RESOURCE_EXHAUSTED|VolumeLimitExceeded|insufficient capacity|ZONE_RESOURCE_POOL_EXHAUSTED`)
	cloudDenied   = regexp.MustCompile(`(?i)UnauthorizedOperation|AccessDenied|AuthorizationFailed|PermissionDenied|not authorized|permission denied|status code: 403`)
	badParameter  = regexp.MustCompile(`(?i)invalid ?(parameter|argument|option|value)|unknown parameter|not supported|unsupported|InvalidArgument`)
)

// claim explains a volume claim that is not well.
func (x *examiner) claim(c *corev1.PersistentVolumeClaim) {
	subject := "PersistentVolumeClaim " + c.Namespace + "/" + c.Name
	events := x.events.of("PersistentVolumeClaim", c)
	f := Finding{Subject: subject, Field: []string{"PersistentVolumeClaim", "spec"}}
	d := draft{rank: rankClaim, key: claimKey(c.Namespace, c.Name), when: c.CreationTimestamp.Time}
	class := ptr.Deref(c.Spec.StorageClassName, "")
	switch c.Status.Phase {
	case corev1.ClaimLost:
		f.Certain, f.Reason, f.Summary = true, "ClaimLost", "volume claim "+c.Name+" has lost its volume"
		f.Happened = subject + " was bound to volume " + orElse(c.Spec.VolumeName, "unknown") + ", which no longer exists or belongs to another claim."
		f.Do = "The data on that volume is gone with it, unless the storage behind it was kept: restore the PersistentVolume, or delete the claim and make it anew."
		if ev := newest(events, "ClaimLost", "ClaimMisbound"); ev != nil {
			f.Why = quote(message(ev))
			if ev.Reason == "ClaimMisbound" {
				f.Reason, f.Summary = "ClaimMisbound", "volume claim "+c.Name+" was bound to a volume of another claim"
			}
		}
		f.Field = []string{"PersistentVolumeClaim", "spec", "volumeName"}
	case corev1.ClaimBound:
		if !x.resize(c, &f, events) {
			return
		}
	default:
		if !x.pendingClaim(c, &f, &d, events, class) {
			return
		}
	}
	d.Finding = f
	x.add(d)
}

// pendingClaim explains a claim without a volume; false when it only just began.
func (x *examiner) pendingClaim(c *corev1.PersistentVolumeClaim, f *Finding, d *draft, events []*corev1.Event, class string) bool {
	age := x.e.Now.Sub(c.CreationTimestamp.Time)
	classField := []string{"PersistentVolumeClaim", "spec", "storageClassName"}
	if rs := repeats(events, hasReason("ProvisioningFailed")); len(rs) > 0 {
		r := rs[0]
		// A provisioner that was told to try elsewhere may report two errors in turn.
		for _, other := range rs {
			if other.times > r.times {
				r = other
			}
		}
		f.Reason = "ProvisioningFailed"
		f.Certain = r.times > provisionsCertain
		f.Why = quote(message(r.newest))
		f.Happened = fmt.Sprintf("No volume can be made for %s; it was tried %s.", f.Subject, times(r.times))
		provisioningAdvice(c, f, class, message(r.newest))
		return true
	}
	if ev := newest(events, "VolumeMismatch", "FailedBinding"); ev != nil {
		f.Reason, f.Why = ev.Reason, quote(message(ev))
		if ev.Reason == "VolumeMismatch" || strings.Contains(ev.Message, "already bound") {
			f.Summary = "the volume named for claim " + c.Name + " does not fit it"
			f.Happened = fmt.Sprintf("%s names volume %s, which it cannot be bound to.", f.Subject, orElse(c.Spec.VolumeName, "by its selector"))
			f.Do = "Size, access modes, class and volume mode have to agree, and the volume must not belong to another claim."
			f.Field = []string{"PersistentVolumeClaim", "spec", "volumeName"}
			return true
		}
		f.Summary = "volume claim " + c.Name + " has no storage class and no volume fits it"
		f.Happened = f.Subject + " names no storage class, the cluster has no default one, and no volume made by hand fits."
		f.Do = "Name a storage class (kubectl get storageclasses), or make one the default."
		f.Field = classField
		return true
	}
	if ev := newest(events, "WaitForPodScheduled"); ev != nil {
		f.Reason, f.Summary = "WaitForPodScheduled", "volume claim "+c.Name+" waits for its pod to be scheduled"
		f.Happened = f.Subject + " gets its volume once a pod that uses it has a node."
		f.Why = quote(message(ev))
		f.Do = "See why the pod is not scheduled; the claim itself is in order."
		d.rank, f.Field = rankWaiting, nil
		return true
	}
	if rs := repeats(events, hasReason("ExternalProvisioning")); len(rs) > 0 && x.e.Now.Sub(rs[0].first) >= silentProvisioner && newest(events, "Provisioning") == nil {
		f.Reason, f.Summary = "ProvisionerSilent", "nobody makes the volume of claim "+c.Name
		by := c.Annotations["volume.kubernetes.io/storage-provisioner"]
		f.Happened = fmt.Sprintf("%s has waited %s for its provisioner%s, which has said nothing.", f.Subject, span(x.e.Now.Sub(rs[0].first)), spaced(by))
		f.Why = quote(message(rs[0].newest))
		f.Do = fmt.Sprintf("See whether the CSI driver is installed and its controller runs: kubectl get csidrivers. Class %s names its provisioner.", orElse(class, "of the claim"))
		f.Field = classField
		return true
	}
	if ev := newest(events, "WaitForFirstConsumer"); ev != nil {
		f.Reason, f.Summary = "WaitForFirstConsumer", "volume claim "+c.Name+" waits for its first pod"
		f.Happened = fmt.Sprintf("%s is not bound, and that is as it should be: class %s makes the volume when a pod that uses the claim is scheduled.", f.Subject, orElse(class, "of the claim"))
		f.Do = "Do not wait for it to be bound before the pod that uses it exists."
		d.rank, f.Field = rankWaiting, classField
		return true
	}
	if age < silentProvisioner {
		return false
	}
	f.Reason, f.Summary = "ClaimPending", "volume claim "+c.Name+" is not bound"
	f.Happened = fmt.Sprintf("%s has been waiting for a volume for %s.", f.Subject, span(age))
	f.Do = fmt.Sprintf("See what the cluster says about it: kubectl describe pvc -n %s %s", c.Namespace, c.Name)
	if ev := newestWarning(events); ev != nil {
		f.Reason, f.Why = ev.Reason, quote(message(ev))
	}
	d.rank = rankWaiting
	return true
}

func spaced(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}

// provisioningAdvice reads what controllers and clouds say.
func provisioningAdvice(c *corev1.PersistentVolumeClaim, f *Finding, class, msg string) {
	f.Field = []string{"PersistentVolumeClaim", "spec", "storageClassName"}
	f.Summary = "no volume can be made for claim " + c.Name
	switch {
	case classNotFound.MatchString(msg):
		name := classNotFound.FindStringSubmatch(msg)[1]
		f.Reason, f.Summary = "StorageClassNotFound", "storage class "+name+" does not exist"
		f.Do = "Create it, with mlk_storage_class for example, or name one of: kubectl get storageclasses"
	case cloudDenied.MatchString(msg):
		f.Do = "The storage driver lacks rights at the cloud or storage system: see the identity its controller runs under."
	case cloudQuota.MatchString(msg):
		f.Do = "A limit of the cloud or storage system is reached: have it raised, delete volumes that are no longer used, or ask for less."
		f.Field = []string{"PersistentVolumeClaim", "spec", "resources", "requests", "storage"}
	case strings.Contains(strings.ToLower(msg), "access mode"), strings.Contains(msg, "MULTI_NODE"):
		f.Do = fmt.Sprintf("Class %s cannot make volumes with these access modes: block storage serves one node, ReadWriteMany needs a file system such as NFS, Filestore, EFS or Lustre.", orElse(class, "of the claim"))
		f.Field = []string{"PersistentVolumeClaim", "spec", "accessModes"}
	case badParameter.MatchString(msg):
		f.Do = fmt.Sprintf("See parameters and mount options of class %s against what its driver takes, and the size against the driver's limits.", orElse(class, "of the claim"))
	default:
		f.Do = fmt.Sprintf("The words are those of the storage driver behind class %s; its controller's log tells more.", orElse(class, "of the claim"))
	}
}

// resize explains a bound claim that does not grow.
func (x *examiner) resize(c *corev1.PersistentVolumeClaim, f *Finding, events []*corev1.Event) bool {
	want, has := c.Spec.Resources.Requests[corev1.ResourceStorage], c.Status.Capacity[corev1.ResourceStorage]
	if !has.IsZero() && want.Cmp(has) <= 0 {
		return false
	}
	f.Field = []string{"PersistentVolumeClaim", "spec", "resources", "requests", "storage"}
	for _, cond := range c.Status.Conditions {
		if cond.Status != corev1.ConditionTrue {
			continue
		}
		switch cond.Type {
		case corev1.PersistentVolumeClaimControllerResizeError, corev1.PersistentVolumeClaimNodeResizeError:
			f.Why = quote(cond.Message)
		case corev1.PersistentVolumeClaimFileSystemResizePending:
			f.Reason, f.Summary = "FileSystemResizePending", "volume claim "+c.Name+" grows once a pod mounts it"
			f.Happened = fmt.Sprintf("The volume of %s has grown to %s; its file system follows when a pod mounts it.", f.Subject, want.String())
			f.Do = "Nothing: start a pod that uses the claim."
			return true
		}
	}
	ev := newest(events, "VolumeResizeFailed", "FileSystemResizeFailed")
	if ev != nil && f.Why == "" {
		f.Why = quote(message(ev))
	}
	infeasible := false
	for _, st := range c.Status.AllocatedResourceStatuses {
		infeasible = infeasible || st == corev1.PersistentVolumeClaimControllerResizeInfeasible || st == corev1.PersistentVolumeClaimNodeResizeInfeasible
	}
	if f.Why == "" && !infeasible {
		return false
	}
	f.Reason, f.Summary = "ResizeFailed", "volume claim "+c.Name+" cannot grow to "+want.String()
	f.Happened = fmt.Sprintf("%s has %s and cannot grow to %s.", f.Subject, has.String(), want.String())
	f.Do = "See the driver's limits. The size can be lowered again, down to just above what the claim has."
	if infeasible {
		f.Certain = true
		f.Happened += " The storage driver says that this size is not possible."
	}
	return true
}
