package inferenceservice_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/inferenceservice"
)

// classic is a Deployment as people write it, with what the server filled in.
const classic = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: api, namespace: ml}, spec: {replicas: 3, revisionHistoryLimit: 10, progressDeadlineSeconds: 600,
strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 1}}, selector: {matchLabels: {app: api}},
template: {metadata: {labels: {app: api, tier: web}}, spec: {containers: [{name: server, image: "model:1", ports: [{containerPort: 8080, protocol: TCP}]}]}}}}`

func serviceOf(t *testing.T, name, spec string) *kube.Object {
	t.Helper()
	return object(t, `{apiVersion: v1, kind: Service, metadata: {name: `+name+`, namespace: ml}, spec: {`+spec+`}}`)
}

// A Deployment that exists is taken over with the Service that leads to its pods.
func TestCompanion(t *testing.T) {
	t.Parallel()
	elsewhere := serviceOf(t, "api", "clusterIP: 10.0.0.1, selector: {app: other}")
	everything := serviceOf(t, "all", "clusterIP: 10.0.0.2")
	headless := serviceOf(t, "a-headless", "clusterIP: None, selector: {app: api}")
	front := serviceOf(t, "front", "clusterIP: 10.0.0.3, selector: {app: api, tier: web}")
	same := serviceOf(t, "api", "clusterIP: None, selector: {app: api}")
	for name, c := range map[string]struct {
		all  []*kube.Object
		want string
	}{
		"none":                     {[]*kube.Object{elsewhere, everything}, ""},
		"one of another name":      {[]*kube.Object{elsewhere, everything, front}, "front"},
		"one that has an address":  {[]*kube.Object{headless, front}, "front"},
		"only a headless one":      {[]*kube.Object{headless}, "a-headless"},
		"the name says it already": {[]*kube.Object{front, same}, "api"},
	} {
		got := ""
		if o := inferenceservice.Definition().Companion(object(t, classic), kube.Service, c.all); o != nil {
			got = o.GetName()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	live := kube.Live{"Deployment": object(t, classic)}
	m, ds := inferenceservice.Definition().Adopt(live, nil)
	if ds.HasError() {
		t.Fatal(ds)
	}
	type said struct {
		Replicas, Deadline                              int32
		Selector, Container, Unavailable, Surge, Budget string
		Serves                                          bool
	}
	got := said{
		m.Replicas.ValueInt32(), m.Rollout.ProgressDeadlineSeconds.ValueInt32(), m.Selector["app"].ValueString(), m.ContainerName.ValueString(),
		m.Rollout.MaxUnavailable.ValueString(), m.Rollout.MaxSurge.ValueString(), m.StartupBudget.ValueString(), m.Service == nil,
	}
	if d := cmp.Diff(said{3, 600, "api", "server", "1", "", "", false}, got); d != "" {
		t.Error(d)
	}
	for spec, want := range map[string]string{
		"clusterIP: 10.0.0.1, type: ClusterIP, ports: [{port: 8080, targetPort: 8080, protocol: TCP}]": "0 ",
		"clusterIP: 10.0.0.1, type: ClusterIP, ports: [{port: 80, targetPort: 8080, protocol: TCP}]":   "80 ",
		"clusterIP: 10.0.0.1, type: ClusterIP, ports: [{port: 80, targetPort: web, protocol: TCP}]":    "80 web",
		"clusterIP: 10.0.0.1, type: ClusterIP, ports: [{port: 80, targetPort: 80, protocol: TCP}]":     "80 80",
	} {
		live["Service"] = serviceOf(t, "api", spec)
		m, ds := inferenceservice.Definition().Adopt(live, nil)
		if ds.HasError() {
			t.Fatal(ds)
		}
		got := "0 "
		if s := m.Service; s != nil {
			got = s.Port.String() + " " + s.TargetPort.ValueString()
		}
		if got != want {
			t.Errorf("%s: port and target %q, want %q", spec, got, want)
		}
	}
}

// Recreate can be asked for although the server has filled in the bounds of a
// rolling update, which it then refuses.
func TestTakes(t *testing.T) {
	t.Parallel()
	takes := inferenceservice.Definition().Takes
	live := kube.Live{"Deployment": object(t, classic)}
	if d := cmp.Diff([][]string{{"spec", "strategy", "rollingUpdate"}}, takes(model(t, "rollout: {strategy: Recreate}"), live)); d != "" {
		t.Error(d)
	}
	if got := takes(model(t, ""), live); got != nil {
		t.Errorf("takes %v of a rolling update", got)
	}
}

// A label is no reason to wait for the pods, another image is.
func TestWaits(t *testing.T) {
	t.Parallel()
	waits := inferenceservice.Definition().Waits
	for change, want := range map[string]bool{
		"labels: {a: b}": false, "annotations: {a: b}": false, "replicas: 2": true, "env: {A: b}": true, "service: {port: 80}": true, "wait_for: created": true,
	} {
		if got := waits(model(t, ""), model(t, change)); got != want {
			t.Errorf("%s: %v", change, got)
		}
	}
}
