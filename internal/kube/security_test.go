package kube_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	const (
		rdma     = `spec: {containers: [{name: main, securityContext: {capabilities: {add: [IPC_LOCK]}}}]}`
		hostNet  = `spec: {hostNetwork: true, containers: [{name: main}]}`
		ordinary = `spec: {containers: [{name: main}]}`
	)
	for name, tc := range map[string]struct {
		enforce, pod string
		want         []string
	}{
		"no level":              {"", rdma, nil},
		"privileged":            {"privileged", rdma, nil},
		"locked memory":         {"baseline", rdma, []string{"non-default capabilities"}},
		"the nodes' network":    {"baseline", hostNet, []string{"host namespaces"}},
		"an ordinary pod":       {"baseline", ordinary, nil},
		"a level nobody knows":  {"strict", rdma, nil},
		"ordinary, but limited": {"restricted", ordinary, []string{"allowPrivilegeEscalation != false", "unrestricted capabilities", "runAsNonRoot != true", "seccompProfile"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var template corev1.PodTemplateSpec
			if err := yaml.UnmarshalStrict([]byte(tc.pod), &template); err != nil {
				t.Fatal(err)
			}
			labels := map[string]string{}
			if tc.enforce != "" {
				labels["pod-security.kubernetes.io/enforce"] = tc.enforce
			}
			var got []string
			_, refusals := kube.Refusals(labels, &template)
			for _, r := range refusals {
				got = append(got, r.Reason)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTemplates: whatever makes pods says what they are.
func TestTemplates(t *testing.T) {
	t.Parallel()
	pod := func(image string) string { return "{spec: {containers: [{name: main, image: " + image + "}]}}" }
	for name, tc := range map[string]struct {
		kind kube.Kind
		text string
		want []string
	}{
		"a pod":        {kube.Pod, pod("a"), []string{":a"}},
		"a Job":        {kube.Job, "spec: {template: " + pod("a") + "}", []string{":a"}},
		"a CronJob":    {kube.CronJob, "spec: {jobTemplate: {spec: {template: " + pod("a") + "}}}", []string{":a"}},
		"groups":       {kube.LeaderWorkerSet, "spec: {leaderWorkerTemplate: {leaderTemplate: " + pod("a") + ", workerTemplate: " + pod("b") + "}}", []string{"leader:a", "worker:b"}},
		"equal groups": {kube.LeaderWorkerSet, "spec: {leaderWorkerTemplate: {workerTemplate: " + pod("b") + "}}", []string{":b"}},
		"a JobSet": {
			kube.JobSet, "spec: {replicatedJobs: [{name: launcher, template: {spec: {template: " + pod("a") + "}}}, {name: node, template: {spec: {template: " + pod("b") + "}}}]}",
			[]string{"launcher:a", "node:b"},
		},
		"one of a JobSet": {kube.JobSet, "spec: {replicatedJobs: [{name: main, template: {spec: {template: " + pod("a") + "}}}]}", []string{":a"}},
		"no pods":         {kube.Service, "spec: {}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &kube.Object{}
			if err := yaml.Unmarshal([]byte(tc.text), &o.Object); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, template := range kube.Templates(tc.kind, o) {
				got = append(got, template.Of+":"+template.Spec.Containers[0].Image)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
