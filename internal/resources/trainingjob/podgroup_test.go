package trainingjob_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingjob"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// together is a gang of so many nodes that Kubernetes' own scheduler starts as one.
func together(nodes int, more config) config {
	gang := with(config{"nodes": nodes, "gang": "native"}, more)
	return config{"name": "gang", "image": "x", "distributed": gang}
}

// minCount is how many pods the PodGroup of a run wants at once.
func minCount(t *testing.T, api *fakeapi.Server, run string) int64 {
	t.Helper()
	o := api.Get("PodGroup", "default", run)
	if o == nil {
		t.Fatal("there is no PodGroup")
	}
	n, _, _ := unstructured.NestedInt64(o.Object, "spec", "schedulingPolicy", "gang", "minCount")
	return n
}

// TestPodGroupOfARun: it goes with its Job, follows the number of nodes, is put right
// where others change or remove it, and no run begins for any of it.
func TestPodGroupOfARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.apply(t, together(4, nil))
	run := fmt.Sprint(w.Attribute("run_name"))
	owners := w.api.Get("PodGroup", "default", run).GetOwnerReferences()
	if len(owners) != 1 || owners[0].UID != w.api.Get("Job", "default", run).GetUID() || minCount(t, w.api, run) != 4 {
		t.Errorf("owners %v, %d pods at once", owners, minCount(t, w.api, run))
	}
	again := func(what string, c config, want int64) {
		t.Helper()
		if out := w.Refresh(t.Context()); out.Errors() != "" {
			t.Fatal(what, out.Errors())
		}
		out := w.Plan(t.Context(), with(c, config{"wait_for": "created"}))
		if !out.Changed || len(out.Replace) > 0 {
			t.Errorf("%s: changed %v, replaced for %v", what, out.Changed, out.Replace)
		}
		w.apply(t, c)
		if n := minCount(t, w.api, run); n != want {
			t.Errorf("%s: %d pods at once, want %d", what, n, want)
		}
		if now := fmt.Sprint(w.Attribute("run_name")); now != run {
			t.Errorf("%s: another run, %s", what, now)
		}
	}
	again("resized", together(6, nil), 6)
	again("smaller size", together(6, config{"gang_size": 5}), 5)
	again("no size", together(6, nil), 6)
	w.api.Change("PodGroup", "default", run, "somebody", func(o map[string]any) {
		_ = unstructured.SetNestedField(o, int64(2), "spec", "schedulingPolicy", "gang", "minCount")
	})
	again("changed", with(together(6, nil), config{"force_conflicts": true}), 6)
	w.api.Remove("PodGroup", "default", run)
	again("removed", together(6, nil), 6)
}

// TestPodGroupIsDeletedAfterItsRun: it is held until its pods have ended, which they
// do when their Job goes.
func TestPodGroupIsDeletedAfterItsRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.apply(t, together(2, nil))
	before := len(w.api.Requests())
	if out := w.Apply(t.Context(), nil); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	var got []string
	for _, r := range w.api.Requests()[before:] {
		if r.Method == http.MethodDelete {
			got = append(got, strings.Split(r.Path, "/")[len(strings.Split(r.Path, "/"))-2])
		}
	}
	if d := cmp.Diff([]string{"jobs", "podgroups", "services"}, got); d != "" {
		t.Error(d)
	}
}

// TestPodGroupIsImported loses the state of a gang and imports it.
func TestPodGroupIsImported(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]config{
		"native": together(3, nil),
		"size":   together(3, config{"gang_size": 2}),
		"torch":  together(3, config{"launcher": "torchrun", "min_nodes": 2}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.apply(t, c)
			w.close()
			run := fmt.Sprint(w.Attribute("run_name"))
			other := worldOn(t, w.api)
			if out := other.Import(t.Context(), "default/"+run); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			out := other.Plan(t.Context(), with(c, config{"wait_for": "created"}))
			if out.Errors() != "" || len(out.Replace) > 0 {
				t.Errorf("replaced for %v: %s (is %v)", out.Replace, out.Errors(), other.Attribute("distributed"))
			}
			if out := other.Apply(t.Context(), nil); out.Errors() != "" || w.api.Get("PodGroup", "default", run) != nil {
				t.Errorf("destroy left the PodGroup: %s", out.Errors())
			}
		})
	}
}

// TestGangNeedsItsScheduler: a cluster that does not start gangs is found out at plan,
// with what to switch on or to install.
func TestGangNeedsItsScheduler(t *testing.T) {
	t.Parallel()
	for gang, want := range map[string][]string{
		"native":  {"This cluster does not schedule gangs by itself", "--feature-gates=GenericWorkload=true", "--runtime-config=scheduling.k8s.io/v1beta1=true"},
		"volcano": {"This cluster has no Volcano", "scheduling.volcano.sh/v1beta1", "Install Volcano"},
	} {
		t.Run(gang, func(t *testing.T) {
			t.Parallel()
			api := fakeapi.New(t)
			api.Raw = map[string]string{"/apis/scheduling.k8s.io/v1beta1": `{"kind":"APIResourceList","resources":[]}`}
			out := worldOn(t, api).Plan(t.Context(), together(2, config{"gang": gang}))
			for _, w := range want {
				if !strings.Contains(out.Errors(), w) {
					t.Errorf("the plan does not say %q: %s", w, out.Errors())
				}
			}
		})
	}
}

// TestDesiredVolcano is what a gang of Volcano's scheduler is made of.
func TestDesiredVolcano(t *testing.T) {
	t.Parallel()
	golden(t, "testdata/desired/gang-volcano.golden.yaml", modelOf(t, loadFile(t, "testdata/desired/gang-volcano.elsewhere.yaml")))
}

// TestVolcanoSaysWhatItIs: a live PodGroup of Volcano's is read back as what it was
// made from, and what others have changed of it shows beside the run, not as another.
func TestVolcanoSaysWhatItIs(t *testing.T) {
	t.Parallel()
	was := modelOf(t, loadFile(t, "testdata/desired/gang-volcano.elsewhere.yaml"))
	for name, tc := range map[string]struct {
		spec  config
		size  string
		queue string
	}{
		"as it was":      {config{"minMember": int64(4), "queue": "team-a", "priorityClassName": "research"}, "<null>", `"team-a"`},
		"other size":     {config{"minMember": int64(2), "queue": "team-a", "priorityClassName": "research"}, "2", `"team-a"`},
		"other queue":    {config{"minMember": int64(4), "queue": "team-b", "priorityClassName": "research"}, "<null>", `"team-b"`},
		"other priority": {config{"minMember": int64(4), "queue": "team-a", "priorityClassName": "x"}, "0", `"team-a"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live := kube.Live{}
			for _, o := range sentOf(t, was) {
				u := &unstructured.Unstructured{Object: o}
				live[u.GetKind()] = u
			}
			live["PodGroup"].Object["spec"] = tc.spec
			got, ds := trainingjob.Definition().Adopt(live, was)
			if ds.HasError() || got.Distributed == nil {
				t.Fatal(ds, got.Distributed)
			}
			if d := got.Distributed; d.GangSize.String() != tc.size || d.GangQueue.String() != tc.queue || d.Gang != was.Distributed.Gang {
				t.Errorf("size %s, queue %s, gang %s", d.GangSize, d.GangQueue, d.Gang)
			}
			if !got.Scheduling.PriorityClass.Equal(was.Scheduling.PriorityClass) || !got.Scheduling.SchedulerName.IsNull() {
				t.Errorf("scheduling %+v", got.Scheduling)
			}
		})
	}
}

// TestNeedsObjects: the runtime of a TrainJob, and a queue of Volcano's.
func TestNeedsObjects(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		more config
		want string
	}{
		"of the launcher":      {config{"engine": "kubeflow", "distributed": config{"nodes": 2, "launcher": "jax"}}, "ClusterTrainingRuntime jax-distributed"},
		"of the cluster":       {config{"engine": "kubeflow", "training_runtime": config{"name": "ours"}}, "ClusterTrainingRuntime ours"},
		"of the namespace":     {config{"engine": "kubeflow", "training_runtime": config{"name": "ours", "kind": "TrainingRuntime"}}, "TrainingRuntime ml/ours"},
		"not known":            {config{"engine": "kubeflow", "training_runtime": config{"name": notKnown{}}}, ""},
		"Volcano":              {together(2, config{"gang": "volcano"}), ""},
		"a queue of Volcano's": {together(2, config{"gang": "volcano", "gang_queue": "team-a"}), "Queue team-a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, n := range trainingjob.Definition().Needs(t.Context(), planOf(t, with(config{"name": "x", "namespace": "ml", "image": "x"}, tc.more))) {
				if n.Object.Name == "" {
					continue
				}
				got = append(got, n.Object.String())
				msg := n.Absent([]string{"one", "two"})
				if !strings.Contains(msg.Happened, "one, two") || !strings.Contains(msg.Summary, n.Object.Name) {
					t.Errorf("%s: %s", msg.Summary, msg.Happened)
				}
			}
			if want := slices.DeleteFunc([]string{tc.want}, func(s string) bool { return s == "" }); !slices.Equal(want, got) {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}
