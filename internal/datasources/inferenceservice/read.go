package inferenceservice

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// engine is a kind of object that runs model servers, and how one of them is read.
type engine struct {
	kind kube.Kind
	// plural is what messages call several.
	plural string
	// builtin kinds are on every cluster.
	builtin bool
	read    func(ctx context.Context, q *lifecycle.Query, m *Model, o *kube.Object) diag.Diagnostics
}

// engines are those that are looked at, in this order.
func engines() []engine {
	return []engine{
		{kube.Deployment, "Deployments", true, readDeployment},
		{kube.LeaderWorkerSet, "LeaderWorkerSets", false, readGroups},
		{kube.InferenceService, "InferenceServices of KServe", false, readKServe},
	}
}

// read fills the model from the first object of the name: what makes the pods, the
// Service that leads to them, and the revisions. A kind that the cluster does not
// have is passed over; of one that may not be read somebody has to hear.
func read(ctx context.Context, q *lifecycle.Query, m *Model) diag.Diagnostics {
	var ds diag.Diagnostics
	m.Namespace, ds = q.Namespace(m.Namespace)
	if ds.HasError() {
		return ds
	}
	var looked, closed []engine
	var refusals diag.Diagnostics
	for _, e := range engines() {
		ref := kube.Ref{Kind: e.kind, Namespace: m.Namespace.ValueString(), Name: m.Name.ValueString()}
		if !e.builtin {
			served, err := q.Client().Serves(ctx, e.kind)
			if err != nil {
				return append(ds, q.Refused(ref, "look for", err)...)
			}
			if !served {
				continue
			}
		}
		o, err := q.Client().Get(ctx, ref)
		switch {
		case apierrors.IsForbidden(err):
			closed = append(closed, e)
			refusals.Append(q.Refused(ref, "read", err)...)
		case err != nil:
			return append(ds, q.Refused(ref, "read", err)...)
		case o != nil:
			m.ID = types.StringValue(o.GetNamespace() + "/" + o.GetName())
			ds.Append(e.read(ctx, q, m, o)...)
			if len(closed) > 0 {
				ds.Append(unseen(q, e, closed))
			}
			return ds
		default:
			looked = append(looked, e)
		}
	}
	if len(closed) > 0 {
		return append(ds, refusals...)
	}
	return append(ds, missing(ctx, q, m, looked))
}

// unseen tells of kinds that would have counted before the one that was found.
func unseen(q *lifecycle.Query, found engine, closed []engine) diag.Diagnostic {
	var names []string
	for _, e := range closed {
		names = append(names, e.plural)
	}
	return diags.Message{
		Summary:  fmt.Sprintf("%s was read without looking at %s", q.Title(), strings.Join(names, " and ")),
		Happened: fmt.Sprintf("These credentials may not read them. What was read is of the %s of that name.", found.kind.Kind),
		Do:       "Nothing, if it is the one you mean: one of the others that has the same name would have been read in its place.",
	}.Warning()
}

// front fills where the pods with some labels are reached, and who answers there.
// own are Services that do not count: what an engine makes for itself.
func front(ctx context.Context, q *lifecycle.Query, m *Model, name string, pods labels.Set, own func(*corev1.Service) bool) diag.Diagnostics {
	namespace := m.Namespace.ValueString()
	services, ds := typed[corev1.Service](ctx, q, kube.Service, namespace, "")
	m.Service, m.URL, m.Endpoints = types.StringNull(), types.StringNull(), []Endpoint{}
	s := serviceOf(name, pods, slices.DeleteFunc(services, own))
	if s == nil || ds.HasError() {
		return ds
	}
	all, more := typed[discoveryv1.EndpointSlice](ctx, q, kube.EndpointSlice, namespace, discoveryv1.LabelServiceName+"="+s.Name)
	ds.Append(more...)
	m.Service, m.URL, m.Endpoints = types.StringValue(s.Name), url(s), endpoints(all)
	return ds
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

// understood is an object as its Go type, or why it is none.
func understood[T any](o *kube.Object) (*T, diag.Diagnostics) {
	t, err := kube.Typed[T](kube.Live{"": o}, "")
	if err != nil {
		return nil, diag.Diagnostics{diags.Message{
			Summary: fmt.Sprintf("A %s cannot be understood", o.GetKind()), Why: err.Error(), Stands: "Nothing was read.",
		}.Error()}
	}
	return t, nil
}

// mostNamed bounds how many services a message names.
const mostNamed = 10

// missing says that there is no such service, where it was looked for, and which
// there are.
func missing(ctx context.Context, q *lifecycle.Query, m *Model, looked []engine) diag.Diagnostic {
	namespace := m.Namespace.ValueString()
	happened := fmt.Sprintf("This is what was looked at in namespace %q:", namespace)
	for _, e := range looked {
		there, ds := q.List(ctx, e.kind, namespace, "")
		happened += "\n  " + e.plural + ": " + named(there, ds.HasError())
	}
	return diags.Message{
		Summary:  fmt.Sprintf("There is no inference service %q", m.Name.ValueString()),
		Happened: happened,
		Do:       "Check name and namespace. If this configuration makes it, refer to the resource, or name it in depends_on.",
		At:       path.Root("name"),
	}.Error()
}

// named are the names of objects; hidden is whether these credentials see none of them.
func named(all []*kube.Object, hidden bool) string {
	if hidden {
		return "none of that name; which there are may not be listed with these credentials"
	}
	if len(all) == 0 {
		return "none"
	}
	slices.SortFunc(all, func(a, b *kube.Object) int { return cmp.Compare(a.GetName(), b.GetName()) })
	var names []string
	for _, o := range all[:min(len(all), mostNamed)] {
		names = append(names, o.GetName())
	}
	out := strings.Join(names, ", ")
	if more := len(all) - mostNamed; more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}

// serviceOf is the Service that leads to pods with some labels: of several the one
// called name, else one that has an address; nil when none does.
func serviceOf(name string, pods labels.Set, all []*corev1.Service) *corev1.Service {
	rank := func(s *corev1.Service) int {
		switch {
		case s.Name == name:
			return 0
		case s.Spec.ClusterIP != corev1.ClusterIPNone:
			return 1
		}
		return 2
	}
	var best *corev1.Service
	for _, s := range all {
		if len(s.Spec.Selector) == 0 || s.Spec.Type == corev1.ServiceTypeExternalName || !labels.SelectorFromSet(s.Spec.Selector).Matches(pods) {
			continue
		}
		if best == nil || cmp.Or(rank(s)-rank(best), cmp.Compare(s.Name, best.Name)) < 0 {
			best = s
		}
	}
	return best
}
