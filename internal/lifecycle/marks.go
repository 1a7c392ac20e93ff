package lifecycle

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// The marks on every object that mlk owns.
const (
	// OwnerLabel holds a hash of type, namespace and name, so that all objects of
	// mlk, or of one resource, can be listed.
	OwnerLabel = "mlk.dev/owner"
	// ResourceAnnotation names the resource for people: training_job/ml/llama-1a2b3c4d.
	ResourceAnnotation = "mlk.dev/resource"
	// ClaimAnnotation is the random mark of the state that owns the object.
	ClaimAnnotation = "mlk.dev/claim"
	// RecordedAnnotation says that a state knows the object. An object without
	// it was left by an apply that was killed.
	RecordedAnnotation = "mlk.dev/recorded"
	// KeptLabel marks objects that were released on purpose.
	KeptLabel = "mlk.dev/kept"
)

// ownerHash is short enough for a label and long enough not to collide.
func ownerHash(typ, id string) string {
	sum := sha256.Sum256([]byte(typ + "/" + id))
	return hex.EncodeToString(sum[:8])
}

// mark puts the owner's marks on an object.
func mark(o *kube.Object, typ, id, claim string) {
	labels := o.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[OwnerLabel] = ownerHash(typ, id)
	o.SetLabels(labels)
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[ResourceAnnotation] = typ + "/" + id
	annotations[ClaimAnnotation] = claim
	o.SetAnnotations(annotations)
}

// isMark reports whether a label or annotation key is one of the marks.
func isMark(key string) bool { return strings.HasPrefix(key, reserved) }

// claimOf returns the claim on a live object; "" when it bears none.
func claimOf(o *kube.Object) string { return o.GetAnnotations()[ClaimAnnotation] }
