package inferenceservice

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// read fills the model from the Deployment, its ReplicaSets, and the Service that
// leads to its pods.
func read(ctx context.Context, q *lifecycle.Query, m *Model) diag.Diagnostics {
	var ds diag.Diagnostics
	m.Namespace, ds = q.Namespace(m.Namespace)
	if ds.HasError() {
		return ds
	}
	namespace := m.Namespace.ValueString()
	o, found := q.Get(ctx, kube.Ref{Kind: kube.Deployment, Namespace: namespace, Name: m.Name.ValueString()})
	ds.Append(found...)
	if ds.HasError() {
		return ds
	}
	if o == nil {
		ds.Append(missing(ctx, q, m))
		return ds
	}
	d, err := kube.Typed[appsv1.Deployment](kube.Live{"": o}, "")
	if err != nil {
		ds.Append(diags.Message{Summary: "A Deployment cannot be understood", Why: err.Error(), Stands: "Nothing was read."}.Error())
		return ds
	}
	sets, more := typed[appsv1.ReplicaSet](ctx, q, kube.ReplicaSet, namespace, metav1.FormatLabelSelector(d.Spec.Selector))
	ds.Append(more...)
	services, more := typed[corev1.Service](ctx, q, kube.Service, namespace, "")
	ds.Append(more...)
	var slices []*discoveryv1.EndpointSlice
	s := serviceOf(d, services)
	if s != nil {
		slices, more = typed[discoveryv1.EndpointSlice](ctx, q, kube.EndpointSlice, namespace, discoveryv1.LabelServiceName+"="+s.Name)
		ds.Append(more...)
	}
	if ds.HasError() {
		return ds
	}
	m.ID = types.StringValue(d.Namespace + "/" + d.Name)
	m.Service, m.URL = types.StringNull(), types.StringNull()
	if s != nil {
		m.Service, m.URL = types.StringValue(s.Name), url(s)
	}
	m.Endpoints = endpoints(slices)
	m.Revisions = revisions(d, sets, false)
	beside, more := canaryOf(ctx, q, d)
	ds.Append(more...)
	m.Revisions = append(m.Revisions, beside...)
	observe(m, d)
	m.Status = lifecycle.StatusOf(judge(d), o)
	return ds
}

// canaryOf are the revisions of the canary that mlk has made beside a Deployment.
func canaryOf(ctx context.Context, q *lifecycle.Query, d *appsv1.Deployment) ([]Revision, diag.Diagnostics) {
	owner := d.Labels[lifecycle.OwnerLabel]
	if owner == "" {
		return nil, nil
	}
	o, ds := q.Get(ctx, kube.Ref{Kind: kube.Deployment, Namespace: d.Namespace, Name: d.Name + "-canary"})
	if o == nil || o.GetLabels()[lifecycle.OwnerLabel] != owner {
		return nil, ds
	}
	c, err := kube.Typed[appsv1.Deployment](kube.Live{"": o}, "")
	if err != nil {
		return nil, ds
	}
	sets, more := typed[appsv1.ReplicaSet](ctx, q, kube.ReplicaSet, d.Namespace, metav1.FormatLabelSelector(c.Spec.Selector))
	ds.Append(more...)
	return revisions(c, sets, true), ds
}

// typed lists objects as their Go type.
func typed[T any](ctx context.Context, q *lifecycle.Query, k kube.Kind, namespace, selector string) ([]*T, diag.Diagnostics) {
	all, ds := q.List(ctx, k, namespace, selector)
	var out []*T
	for _, o := range all {
		if t, err := kube.Typed[T](kube.Live{"": o}, ""); err == nil && t != nil {
			out = append(out, t)
		}
	}
	return out, ds
}

// mostNamed bounds how many services a message names.
const mostNamed = 10

// missing says that there is no such service, and which there are.
func missing(ctx context.Context, q *lifecycle.Query, m *Model) diag.Diagnostic {
	namespace := m.Namespace.ValueString()
	there, _ := q.List(ctx, kube.Deployment, namespace, "")
	happened := fmt.Sprintf("There is no Deployment in namespace %q.", namespace)
	if len(there) > 0 {
		slices.SortFunc(there, func(a, b *kube.Object) int { return cmp.Compare(a.GetName(), b.GetName()) })
		happened = "The Deployments there:"
		for i, o := range there {
			if i == mostNamed {
				happened += fmt.Sprintf(" and %d more", len(there)-mostNamed)
				break
			}
			happened += " " + o.GetName()
		}
	}
	return diags.Message{
		Summary:  fmt.Sprintf("There is no inference service %q", m.Name.ValueString()),
		Happened: happened,
		Do:       "Check name and namespace. If this configuration makes it, refer to the resource, or name it in depends_on.",
		At:       path.Root("name"),
	}.Error()
}

// serviceOf is the Service that leads to the pods of a Deployment: of several the
// one of the same name, else one that has an address; nil when none does.
func serviceOf(d *appsv1.Deployment, all []*corev1.Service) *corev1.Service {
	rank := func(s *corev1.Service) int {
		switch {
		case s.Name == d.Name:
			return 0
		case s.Spec.ClusterIP != corev1.ClusterIPNone:
			return 1
		}
		return 2
	}
	var best *corev1.Service
	for _, s := range all {
		if len(s.Spec.Selector) == 0 || s.Spec.Type == corev1.ServiceTypeExternalName || !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(d.Spec.Template.Labels)) {
			continue
		}
		if best == nil || cmp.Or(rank(s)-rank(best), cmp.Compare(s.Name, best.Name)) < 0 {
			best = s
		}
	}
	return best
}
