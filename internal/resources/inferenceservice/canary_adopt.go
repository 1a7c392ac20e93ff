package inferenceservice

import (
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/kube/crd"
)

// adoptCanary is the live canary in the words of prior; nil where those cannot say
// what has become of it. On import, and where one is there that prior does not have,
// it is what it has other than the service.
func adoptCanary(m *Model, live kube.Live, prior *Model) (*Canary, diag.Diagnostics) {
	d, err := kube.Typed[appsv1.Deployment](live, canaryDeployment)
	if err != nil {
		return nil, diag.Diagnostics{unreadable(kube.Deployment.Kind, err)}
	}
	route, err := kube.Typed[crd.HTTPRoute](live, kube.HTTPRoute.Kind)
	if err != nil {
		return nil, diag.Diagnostics{unreadable(kube.HTTPRoute.Kind, err)}
	}
	of := prior
	if of == nil {
		of = m
	}
	known := of.Canary != nil
	switch {
	case d == nil && known:
		c := *of.Canary
		c.Weight = weightOf(of, route, c.Weight)
		return &c, nil
	case d == nil:
		return nil, nil
	}
	like := Canary{}
	if known {
		like = *of.Canary
	}
	as := *of
	as.Canary = &like
	c := canaryLike(second(&as), d, like, known)
	c.Weight = weightOf(of, route, like.Weight)
	if known {
		as.Canary = &c
		made, ds := version(second(&as))
		if ds.HasError() {
			return nil, ds
		}
		for i, key := range []string{canaryDeployment, canaryService} {
			if o := live[key]; o != nil && i < len(made) && !faithful(made[i], o) {
				return nil, nil
			}
		}
	}
	return &c, nil
}

// canaryLike is what a live canary has other than as asked for. What it does not
// say itself it says only where it differs.
func canaryLike(as *Model, d *appsv1.Deployment, like Canary, known bool) Canary {
	c, pod := like, effective(as)
	if n := ptr.Deref(d.Spec.Replicas, 1); n != as.Replicas.ValueInt32() {
		c.Replicas = types.Int32Value(n)
	}
	at := slices.IndexFunc(d.Spec.Template.Spec.Containers, func(o corev1.Container) bool { return o.Name == as.Main() })
	if at < 0 {
		return c
	}
	main := d.Spec.Template.Spec.Containers[at]
	if main.Image != pod.Image.ValueString() {
		c.Image = types.StringValue(main.Image)
	}
	if now := words(main.Args...); len(now) > 0 && !sameWords(now, pod.Args) && sameWords(as.Args, pod.Args) {
		c.Args = now // where a preset adds some, they cannot be told apart
	}
	if now := words(main.Command...); len(now) > 0 && !sameWords(now, pod.Command) {
		c.Command = now
	}
	c.Env = envLike(main.Env, like.Env, as.Env, known)
	return c
}

// envLike are the variables of the canary's own: those it says, as they are, and
// without any said, those that the service has not or has otherwise.
func envLike(live []corev1.EnvVar, said, all map[string]types.String, known bool) map[string]types.String {
	out := maps.Clone(said)
	have := map[string]string{}
	for _, e := range live {
		if e.ValueFrom != nil {
			continue
		}
		have[e.Name] = e.Value
		if v, ok := all[e.Name]; !known && (!ok || v.ValueString() != e.Value) {
			if out == nil {
				out = map[string]types.String{}
			}
			out[e.Name] = types.StringValue(e.Value)
		}
	}
	for k := range said {
		if v, ok := have[k]; ok {
			out[k] = types.StringValue(v)
		} else {
			delete(out, k)
		}
	}
	return out
}

// weightOf is the share of the requests that a live route leads to the canary;
// otherwise where there is no route to ask.
func weightOf(m *Model, route *crd.HTTPRoute, otherwise types.Int32) types.Int32 {
	if route == nil || route.Spec == nil || len(route.Spec.Rules) == 0 {
		if otherwise.IsNull() {
			return types.Int32Value(0)
		}
		return otherwise
	}
	for _, b := range route.Spec.Rules[0].BackendRefs {
		if ptr.Deref(b.Name, "") == canaryName(m) {
			return types.Int32Value(ptr.Deref(b.Weight, 1))
		}
	}
	return types.Int32Value(0)
}

func sameWords(a, b []types.String) bool {
	return slices.EqualFunc(a, b, func(x, y types.String) bool { return x.Equal(y) })
}
