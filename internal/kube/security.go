package kube

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// Refusal is one reason for which a namespace takes no pod.
type Refusal struct {
	// Reason is the server's short word for it: "host namespaces"; Detail names
	// the container and the field.
	Reason, Detail string
}

// judge holds the rules of the server's own admission.
var judge = sync.OnceValues(func() (policy.Evaluator, error) {
	return policy.NewEvaluator(policy.DefaultChecks(), nil)
})

// Refusals says why the Pod Security level in a namespace's labels refuses pods
// like these, and which level it is. None for a namespace that enforces none.
func Refusals(labels map[string]string, template *corev1.PodTemplateSpec) (level string, out []Refusal) {
	all := api.LevelVersion{Level: api.LevelPrivileged, Version: api.LatestVersion()}
	p, wrong := api.PolicyToEvaluate(labels, api.Policy{Enforce: all, Audit: all, Warn: all})
	if len(wrong) > 0 {
		return "", nil // the server decides what it makes of labels that say nothing
	}
	rules, err := judge()
	if err != nil {
		return "", nil
	}
	for _, r := range rules.EvaluatePod(p.Enforce, &template.ObjectMeta, &template.Spec) {
		if !r.Allowed {
			out = append(out, Refusal{Reason: r.ForbiddenReason, Detail: r.ForbiddenDetail})
		}
	}
	return string(p.Enforce.Level), out
}
