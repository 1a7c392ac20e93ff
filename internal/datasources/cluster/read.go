package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diagnose"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// lease is how parts of the control plane say who leads.
var lease = kube.Kind{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease", Resource: "leases", Namespaced: true}

// leaders are the parts of the control plane whose leases are looked at.
var leaders = []string{"kube-scheduler", "kube-controller-manager"}

// reader reads one thing after the other, and notes what cannot be read.
type reader struct {
	q  *lifecycle.Query
	m  *Model
	ds diag.Diagnostics
}

func read(ctx context.Context, q *lifecycle.Query, m *Model) diag.Diagnostics {
	r := &reader{q: q, m: m}
	info, err := q.Client().ServerVersion(ctx)
	if err != nil {
		return q.Refused(kube.Ref{Kind: kube.Kind{Version: "v1", Kind: "Version", Resource: "version"}, Name: "of the API server"}, "read", err)
	}
	m.Version, m.Platform = types.StringValue(info.GitVersion), filled(info.Platform)
	r.id(ctx)
	r.checks(ctx)
	r.controllers(ctx)
	r.installed(ctx)
	facts := r.nodes(ctx)
	m.Cloud, m.Distribution = filled(facts.cloud()), filled(facts.distribution(info.GitVersion, m.APIs))
	m.Healthy = healthy(m)
	return r.ds
}

// missing tells what could not be read.
func (r *reader) missing(what, null string, err error) {
	r.ds.Append(diags.Message{
		Summary:  what + " of the cluster cannot be read",
		Happened: fmt.Sprintf("%s: %s.", what, diagnose.Because(err)),
		Stands:   fmt.Sprintf("Everything else was read; %s null.", null),
	}.Warning())
}

func (r *reader) id(ctx context.Context) {
	o, err := r.q.Client().Get(ctx, kube.Ref{Kind: kube.Namespace, Name: "kube-system"})
	switch {
	case err != nil:
		r.missing("The identity", "id is", err)
	case o != nil:
		r.m.ID = types.StringValue(string(o.GetUID()))
	}
}

func (r *reader) checks(ctx context.Context) {
	checks, err := r.q.Client().Readyz(ctx)
	if err != nil {
		r.missing("The health", "checks is", err)
		return
	}
	r.m.Checks = map[string]types.String{}
	var failed []string
	for _, c := range checks {
		r.m.Checks[c.Name] = types.StringValue("ok")
		if !c.OK {
			r.m.Checks[c.Name] = types.StringValue(c.Message)
			failed = append(failed, c.Name)
		}
	}
	if len(failed) > 0 {
		r.ds.Append(diags.Message{
			Summary:  "The API server is not ready",
			Happened: fmt.Sprintf("It says so itself (/readyz). What fails: %s.", strings.Join(failed, ", ")),
			Do:       "See the API server's log, and etcd if that is what fails. Applies may fail meanwhile.",
		}.Warning())
	}
}

// renewedWithin is what a clock may go wrong by, beside twice a lease's duration.
const renewedWithin = time.Minute

func (r *reader) controllers(ctx context.Context) {
	out := map[string]Controller{}
	for _, name := range leaders {
		o, err := r.q.Client().Get(ctx, kube.Ref{Kind: lease, Namespace: "kube-system", Name: name})
		if err != nil {
			r.missing("The lease of "+name, "controllers is", err)
			return
		}
		l, err := kube.Typed[coordinationv1.Lease](kube.Live{"": o}, "")
		if err != nil || l == nil {
			continue // it has none that can be seen
		}
		out[name] = leader(l, r.q.Now())
	}
	r.m.Controllers = out
}

func (r *reader) installed(ctx context.Context) {
	groups, err := r.q.Client().APIGroups(ctx)
	if err != nil {
		r.missing("The list of APIs", "engines and apis are", err)
		return
	}
	r.m.APIs = map[string][]types.String{}
	for g, versions := range groups {
		list := make([]types.String, 0, len(versions))
		for _, v := range versions {
			list = append(list, types.StringValue(v))
		}
		r.m.APIs[g] = list
	}
	r.m.Engines = enginesOf(groups)
}

func (r *reader) nodes(ctx context.Context) *tally {
	t := newTally()
	if err := r.q.Client().EachNode(ctx, "", func(n *corev1.Node) { t.add(n) }); err != nil {
		r.missing("The list of nodes", "nodes and cloud are", err)
		return newTally()
	}
	r.m.Nodes = t.said()
	return t
}
