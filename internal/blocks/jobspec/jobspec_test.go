package jobspec_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/jobspec"
)

// TestAdopt: what a server stores for a specification comes back as what was
// written, without the defaults it filled in.
func TestAdopt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		stored string
		like   *jobspec.Job
		want   string // the specification sent again, without the pod
	}{
		"all defaults":         {`{completions: 1, parallelism: 1, backoffLimit: 6, completionMode: NonIndexed, podReplacementPolicy: TerminatingOrFailed}`, nil, `{}`},
		"a work queue":         {`{parallelism: 1, backoffLimit: 6, completionMode: NonIndexed}`, nil, `{parallelism: 1}`},
		"several in turn":      {`{completions: 5, parallelism: 1, backoffLimit: 6}`, nil, `{completions: 5}`},
		"one of several":       {`{completions: 1, parallelism: 3}`, nil, `{completions: 1, parallelism: 3}`},
		"held":                 {`{completions: 1, parallelism: 0}`, nil, `{completions: 1, parallelism: 0}`},
		"a gang":               {`{completions: 4, parallelism: 4, completionMode: Indexed}`, nil, `{completions: 4, parallelism: 4, completionMode: Indexed}`},
		"limit per index":      {`{completions: 4, parallelism: 4, completionMode: Indexed, backoffLimit: 2147483647, backoffLimitPerIndex: 0, maxFailedIndexes: 0}`, nil, `{completions: 4, parallelism: 4, completionMode: Indexed, backoffLimitPerIndex: 0, maxFailedIndexes: 0}`},
		"both limits":          {`{completions: 4, parallelism: 4, completionMode: Indexed, backoffLimit: 6, backoffLimitPerIndex: 1}`, nil, `{completions: 4, parallelism: 4, completionMode: Indexed, backoffLimit: 6, backoffLimitPerIndex: 1}`},
		"rules":                {`{podFailurePolicy: {rules: [{action: FailIndex, onExitCodes: {operator: In, values: [3]}}]}, podReplacementPolicy: Failed}`, nil, `{podFailurePolicy: {rules: [{action: FailIndex, onExitCodes: {operator: In, values: [3]}}]}}`},
		"the leader decides":   {`{completions: 2, parallelism: 2, completionMode: Indexed, successPolicy: {rules: [{succeededIndexes: "0"}]}}`, nil, `{completions: 2, parallelism: 2, completionMode: Indexed, successPolicy: {rules: [{succeededIndexes: "0"}]}}`},
		"defaults when stated": {`{completions: 1, parallelism: 1, completionMode: NonIndexed, backoffLimit: 6}`, stated(), `{completions: 1, parallelism: 1, completionMode: NonIndexed, backoffLimit: 6}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var spec batchv1.JobSpec
			if err := yaml.UnmarshalStrict([]byte(tc.stored), &spec); err != nil {
				t.Fatal(err)
			}
			j := jobspec.Adopt(&spec, tc.like)
			sent, err := json.Marshal(j.Apply(coreac.PodTemplateSpec().WithSpec(coreac.PodSpec())))
			if err != nil {
				t.Fatal(err)
			}
			var got, want map[string]any
			if err := json.Unmarshal(sent, &got); err != nil {
				t.Fatal(err)
			}
			delete(got, "template")
			if err := yaml.Unmarshal([]byte(tc.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// stated is a model that states what the server sets by itself.
func stated() *jobspec.Job {
	return &jobspec.Job{
		Completions: types.Int32Value(1), Parallelism: types.Int32Value(1),
		CompletionMode: types.StringValue("NonIndexed"), BackoffLimit: types.Int32Value(6),
	}
}
