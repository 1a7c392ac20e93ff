package inferenceservice

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// readDeployment fills the model from a Deployment, its ReplicaSets, the Service that
// leads to its pods, and the canary that mlk has made beside it.
func readDeployment(ctx context.Context, q *lifecycle.Query, m *Model, o *kube.Object) diag.Diagnostics {
	d, ds := understood[appsv1.Deployment](o)
	if ds.HasError() {
		return ds
	}
	ds.Append(fill(ctx, q, m, d)...)
	beside, more := canaryOf(ctx, q, m, d)
	ds.Append(more...)
	m.Revisions = append(m.Revisions, beside...)
	m.Status = lifecycle.StatusOf(judge(d), o)
	return ds
}

// fill notes what a Deployment serves, its status aside.
func fill(ctx context.Context, q *lifecycle.Query, m *Model, d *appsv1.Deployment) diag.Diagnostics {
	sets, ds := setsOf(ctx, q, d)
	ds.Append(front(ctx, q, m, d.Name, d.Spec.Template.Labels, func(*corev1.Service) bool { return false })...)
	m.Revisions = revisions(d, sets, false)
	m.Replicas, m.ReadyReplicas = types.Int32Value(ptr.Deref(d.Spec.Replicas, 1)), types.Int32Value(d.Status.ReadyReplicas)
	return ds
}

// setsOf are the ReplicaSets that may be a Deployment's.
func setsOf(ctx context.Context, q *lifecycle.Query, d *appsv1.Deployment) ([]*appsv1.ReplicaSet, diag.Diagnostics) {
	return typed[appsv1.ReplicaSet](ctx, q, kube.ReplicaSet, d.Namespace, metav1.FormatLabelSelector(d.Spec.Selector))
}

// canarySuffix is what the names of a canary's objects end in.
const canarySuffix = "-canary"

// canaryOf are the revisions of the canary that mlk has made beside a Deployment. The
// shares of the requests are noted on all revisions.
func canaryOf(ctx context.Context, q *lifecycle.Query, m *Model, d *appsv1.Deployment) ([]Revision, diag.Diagnostics) {
	owner := d.Labels[lifecycle.OwnerLabel]
	if owner == "" {
		return nil, nil
	}
	o, ds := q.Get(ctx, kube.Ref{Kind: kube.Deployment, Namespace: d.Namespace, Name: d.Name + canarySuffix})
	if o == nil || o.GetLabels()[lifecycle.OwnerLabel] != owner {
		return nil, ds
	}
	c, more := understood[appsv1.Deployment](o)
	if more.HasError() {
		return nil, append(ds, more...)
	}
	sets, more := setsOf(ctx, q, c)
	ds.Append(more...)
	out := revisions(c, sets, true)
	served, err := q.Client().Serves(ctx, kube.HTTPRoute)
	if err != nil || !served {
		return out, append(ds, q.Refused(kube.Ref{Kind: kube.HTTPRoute, Namespace: d.Namespace, Name: d.Name}, "look for", err)...)
	}
	r, more := q.Get(ctx, kube.Ref{Kind: kube.HTTPRoute, Namespace: d.Namespace, Name: d.Name})
	ds.Append(more...)
	if r != nil {
		share := shareOf(r, d.Name+canarySuffix)
		weigh(out, share)
		weigh(m.Revisions, rest(share))
	}
	return out, ds
}

// whole is all of the requests.
const whole = 100

// rest is what one share of the requests leaves.
func rest(share types.Int32) types.Int32 {
	if share.IsNull() {
		return share
	}
	return types.Int32Value(whole - share.ValueInt32())
}

// weigh notes the share of the requests on revisions.
func weigh(all []Revision, share types.Int32) {
	for i := range all {
		all[i].Weight = share
	}
}

// shareOf is the share of the requests, in percent, that a route leads to a Service:
// in the first of its rules that names it. Null when none does.
func shareOf(route *kube.Object, service string) types.Int32 {
	r, err := kube.Typed[struct {
		Spec struct {
			Rules []struct {
				BackendRefs []struct {
					Name   string `json:"name"`
					Weight *int32 `json:"weight"`
				} `json:"backendRefs"`
			} `json:"rules"`
		} `json:"spec"`
	}](kube.Live{"": route}, "")
	if err != nil {
		return types.Int32Null()
	}
	for _, rule := range r.Spec.Rules {
		var all, mine int32
		found := false
		for _, b := range rule.BackendRefs {
			weight := ptr.Deref(b.Weight, 1)
			all += weight
			if b.Name == service {
				mine, found = mine+weight, true
			}
		}
		if found && all > 0 {
			return types.Int32Value((mine*whole + all/2) / all)
		}
	}
	return types.Int32Null()
}

// judge says how the rollout is.
func judge(d *appsv1.Deployment) wait.Verdict {
	want, s := ptr.Deref(d.Spec.Replicas, 1), d.Status
	told := fmt.Sprintf("%d of %d pods are ready, %d of this revision", s.ReadyReplicas, want, s.UpdatedReplicas)
	switch {
	case s.ObservedGeneration < d.Generation:
		return wait.Of(wait.Progressing, phaseProgressing, "", "The Deployment's controller has not taken notice of its last change yet")
	case want == 0 && s.Replicas == 0:
		return wait.Of(wait.Done, phaseStopped, "", "The service is asked to have no pods")
	case s.UpdatedReplicas == want && s.Replicas == want && s.AvailableReplicas == want:
		return wait.Of(wait.Done, phaseReady, "", told)
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse {
			return wait.Of(wait.Failed, phaseFailed, c.Reason, told)
		}
	}
	return wait.Of(wait.Progressing, phaseProgressing, "", told)
}
