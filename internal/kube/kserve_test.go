package kube

import (
	"encoding/json"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KServe copies annotations to pods, so the mark that a state knows an
// InferenceService must not be one: it would restart them.
func TestRecordedUnseen(t *testing.T) {
	t.Parallel()
	ours := entry(Manager, metav1.ManagedFieldsOperationApply, "", `{"f:metadata":{"f:annotations":{"f:mlk.dev/resource":{}}}}`)
	live := managed([]metav1.ManagedFieldsEntry{ours})
	live.SetAPIVersion(InferenceService.APIVersion())
	live.SetKind(InferenceService.Kind)
	if patch, err := withManager(live, recorder, "mlk.dev/resource", time.Now()); patch != nil || err != nil {
		t.Errorf("of an object without the annotation: %s %v", patch, err)
	}
	live.SetAnnotations(map[string]string{"mlk.dev/resource": "inference_service/ml/api"})
	if Recorded(live, "mlk.dev/recorded") {
		t.Error("recorded before it is")
	}
	raw, err := withManager(live, recorder, "mlk.dev/resource", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var patch []struct {
		Path  string
		Value json.RawMessage
	}
	if err := json.Unmarshal(raw, &patch); err != nil {
		t.Fatal(err)
	}
	if len(patch) != 2 || patch[0].Path != "/metadata/managedFields" || patch[1].Path != "/metadata/resourceVersion" {
		t.Fatalf("the patch changes more, or does not insist on the version: %s", raw)
	}
	var entries []metav1.ManagedFieldsEntry
	if err := json.Unmarshal(patch[0].Value, &entries); err != nil {
		t.Fatal(err)
	}
	live.SetManagedFields(entries)
	if !Recorded(live, "mlk.dev/recorded") || len(entries) != 2 {
		t.Errorf("not recorded: %s", raw)
	}
	if live.SetKind(Deployment.Kind); Recorded(live, "mlk.dev/recorded") {
		t.Error("the mark of other kinds is an annotation")
	}
}
