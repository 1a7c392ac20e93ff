package trainingjob_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// A Job that kubectl made becomes a resource: Terraform writes the configuration,
// which changes nothing, and what is then changed in it really changes.
func TestAccGeneratedConfig(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	raw, err := os.ReadFile("testdata/TestAccGeneratedConfig/job.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var job batchv1.Job
	if err := utilyaml.Unmarshal(raw, &job); err != nil {
		t.Fatal(err)
	}
	jobs := s.Kube.BatchV1().Jobs(s.Namespace)
	before, err := jobs.Create(t.Context(), &job, metav1.CreateOptions{FieldManager: "kubectl-create"})
	if err != nil {
		t.Fatal(err)
	}
	cli := testkit.NewCLI(t, "testdata/TestAccGeneratedConfig", "namespace", s.Namespace)
	if out := cli.Plan("-generate-config-out=generated.tf"); out.Code == 1 || !out.Says("1 to import, 0 to add, 0 to change, 0 to destroy") {
		t.Fatal(out)
	}
	generated, err := os.ReadFile(cli.Dir + "/generated.tf")
	if err != nil {
		t.Fatal(err)
	}
	cli.MustApply()
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("the plan after the import: %s", out)
	}
	if d := cmp.Diff(specOf(t, before), specOf(t, s.job())); d != "" {
		t.Error(d)
	}
	// One label changed, one removed, although kubectl made both.
	changed := strings.NewReplacer(`"vision"`, `"language"`).Replace(string(generated))
	var kept []string
	for line := range strings.Lines(changed) {
		if !strings.Contains(line, `"gold"`) {
			kept = append(kept, line)
		}
	}
	cli.Write("generated.tf", []byte(strings.Join(kept, "")))
	cli.MustApply()
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("the plan after the change: %s", out)
	}
	after := s.job()
	if after.UID != before.UID {
		t.Error("the run was made anew")
	}
	for key, want := range map[string]string{"team": "language", "tier": ""} {
		if err := labelled(key, want)(after); err != nil {
			t.Error(err)
		}
	}
	if after.Labels[ownerLabel] == "" {
		t.Error("the Job does not bear our mark after a write")
	}
	if out := cli.Destroy(); out.Code != 0 || len(s.jobs()) != 0 {
		t.Errorf("%d jobs are left: %s", len(s.jobs()), out)
	}
}

// specOf is a Job without what moves by itself.
func specOf(t *testing.T, j *batchv1.Job) map[string]any {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"labels": j.Labels, "annotations": j.Annotations, "spec": j.Spec})
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
