package inferenceservice_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/inferenceservice"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// What an InferenceService has no field for is refused, with what to do instead.
func TestKServeValidate(t *testing.T) {
	t.Parallel()
	const runtime = "image: null, engine: kserve, kserve: {model_format: sklearn}"
	for name, c := range map[string]struct{ config, want string }{
		"a container":           {"engine: kserve", ""},
		"a runtime":             {runtime + ", model: {source: 's3://b/m'}", ""},
		"what patch says":       {"image: null, engine: kserve, patch: {InferenceService: {spec: {predictor: {sklearn: {}}}}}", ""},
		"nothing":               {"image: null, engine: kserve", "The InferenceService would serve nothing"},
		"no image":              {"image: null, ports: {http: {port: 1}}", "image is missing"},
		"kserve alone":          {"kserve: {model_format: a}, ports: {http: {port: 1}}", "kserve needs engine = \"kserve\""},
		"two engines":           {"engine: deployment, multi_node: {size: 2}, ports: {http: {port: 1}}", "multi_node makes a LeaderWorkerSet, and no Deployment"},
		"groups":                {"engine: kserve, multi_node: {size: 2}", "multi_node makes a LeaderWorkerSet, and engine = \"kserve\" an InferenceService"},
		"a Service":             {"engine: kserve, service: {port: 80}", "An InferenceService has no Service of its own to set"},
		"a route":               {"engine: kserve, route: {gateway: g}", "An InferenceService has no HTTPRoute of its own to set"},
		"an Ingress":            {"engine: kserve, ingress: {host: h}", "An InferenceService has no Ingress of its own to set"},
		"a selector":            {"engine: kserve, selector: {a: b}", "KServe chooses the labels by which it knows the pods"},
		"metrics of pods":       {"engine: kserve, autoscaling: {max_replicas: 2, pods_metrics: {queue: '5'}}", "KServe scales by CPU and memory alone"},
		"behavior":              {"engine: kserve, autoscaling: {max_replicas: 2, behavior: {scale_up: {stabilization_window_seconds: 5}}}", "KServe leaves the behavior of its autoscaler to Kubernetes"},
		"name of an autoscaler": {"engine: kserve, autoscaling: {max_replicas: 2, name: a}", "KServe names the autoscaler itself"},
		"triggers":              {"engine: kserve, autoscaling: {keda: {max_replicas: 2, triggers: [{type: cron, metadata: {}}]}}", "An InferenceService has no triggers of KEDA's"},
		"a deadline":            {"engine: kserve, rollout: {progress_deadline_seconds: 900}", "An InferenceService cannot say progress_deadline_seconds"},
		"revisions":             {"engine: kserve, rollout: {revision_history_limit: 1}", "An InferenceService cannot say revision_history_limit"},
		"two servers":           {runtime + ", runtime: vllm", "kserve and runtime name two servers"},
		"a token":               {runtime + ", model: {source: 'hf://o/n', token_secret: s}", "KServe takes credentials from the service account"},
		"a directory":           {runtime + ", model: {source: 'hf://o/n', mount_path: /m}", "KServe chooses where the model lies"},
		"name of a container":   {"engine: kserve, container_name: server", "The main container of an InferenceService is called \"kserve-container\""},
		"name":                  {"name: 1st, engine: kserve", "\"1st\" cannot be the name of an InferenceService"},
		"a longer name":         {"name: " + strings.Repeat("a", 54) + ", engine: kserve", fmt.Sprintf("%q cannot be the name of an InferenceService", strings.Repeat("a", 54))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			for _, d := range inferenceservice.Definition().Validate(t.Context(), config(t, c.config)) {
				got += d.Summary()
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// A cluster without KServe is told of at plan.
func TestKServeNeeds(t *testing.T) {
	t.Parallel()
	c := config(t, "engine: kserve")
	var resp resource.SchemaResponse
	inferenceservice.New().Schema(t.Context(), resource.SchemaRequest{}, &resp)
	needs := inferenceservice.Definition().Needs(t.Context(), tfsdk.Plan{Schema: resp.Schema, Raw: c.Raw})
	if len(needs) != 1 || needs[0].Kind != kube.InferenceService || needs[0].Missing.Summary != "This cluster has no InferenceService API" {
		t.Errorf("needs %v", needs)
	}
}

// Limits that KServe writes by itself are told, once, where a container names none.
func TestKServeLimits(t *testing.T) {
	t.Parallel()
	const limits, more = "resources: {limits: {memory: 8Gi}}", "resources: {limits: {cpu: '2'}}"
	for name, c := range map[string]struct {
		config  string
		create  bool
		changed string
		want    string
	}{
		"none":              {"engine: kserve", true, "", "KServe limits the memory of Inference service \"ml/api\""},
		"another":           {"engine: kserve, " + more, true, "", "KServe limits the memory of Inference service \"ml/api\""},
		"its own":           {"engine: kserve, " + limits, true, "", ""},
		"the runtime's":     {"image: null, engine: kserve, kserve: {model_format: sklearn}", true, "", ""},
		"a Deployment":      {"replicas: 1", true, "", ""},
		"told before":       {"engine: kserve", false, "image", ""},
		"no longer its own": {"engine: kserve", false, "resources", "KServe limits the memory of Inference service \"ml/api\""},
	} {
		p := &lifecycle.Planning[inferenceservice.Model]{
			Wanted: model(t, c.config), Create: c.create,
			Changed: func(at path.Path) bool { return at.Equal(path.Root(c.changed)) },
		}
		inferenceservice.Definition().Plan(t.Context(), p)
		got := ""
		for _, d := range p.Diagnostics {
			got += d.Summary()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// kservice is a live InferenceService, which mlk has written so long ago.
func kservice(t *testing.T, now time.Time, ago time.Duration, predictor, status string) *kube.Object {
	t.Helper()
	return object(t, `
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  {name: api, namespace: ml, uid: u1, generation: 3, annotations: {a: b}, creationTimestamp: "2026-03-02T08:00:00Z",
   managedFields: [{manager: `+kube.Manager+`, operation: Apply, time: "`+now.Add(-ago).UTC().Format(time.RFC3339)+`"}]}
spec: {predictor: {`+predictor+`}}
status: {`+status+`}`)
}

// predictor is the Deployment that KServe has made of it.
func predictor(t *testing.T, container, status string) *kube.Object {
	t.Helper()
	return object(t, `
apiVersion: apps/v1
kind: Deployment
metadata:
  {name: api-predictor, namespace: ml, uid: u2, generation: 7, ownerReferences: [{kind: InferenceService, name: api, uid: u1, controller: true, apiVersion: v1}],
   managedFields: [{manager: manager, operation: Update, time: "2026-03-02T10:00:00Z"}]}
spec: {replicas: 2, template: {metadata: {annotations: {a: b}}, spec: {containers: [{name: kserve-container, `+container+`}]}}}
status: {`+status+`}`)
}

// What is waited for is a Deployment of KServe's that is of the InferenceService as it
// is now, and KServe's own word. Its observedGeneration is the Deployment's.
func TestKServeReady(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	const asked = "containers: [{name: kserve-container, image: 'server:2', args: [--b]}]"
	const made = "image: 'server:2', args: [--a, --b], resources: {limits: {cpu: 1}}"
	const all = "observedGeneration: 7, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2"
	const yes = "observedGeneration: 1, deploymentMode: Standard, conditions: [{type: Ready, status: 'True'}]"
	deployed := func(o ...*kube.Object) []*kube.Object { return o }
	for name, c := range map[string]struct {
		ago    time.Duration
		status string
		beside []*kube.Object
		pods   []corev1.Pod
		want   string
		unseen bool
	}{
		"not seen by KServe":         {beside: deployed(), want: "Pending: KServe has not taken notice of it yet"},
		"no Deployment":              {status: yes, beside: deployed(), want: "Pending: KServe has not made its Deployment yet"},
		"ready":                      {status: yes, beside: deployed(predictor(t, made, all)), want: "Ready: 2 of 2 pods are ready"},
		"of the change before":       {status: yes, beside: deployed(predictor(t, "image: 'server:1'", all)), want: "Pending: KServe has not taken notice of the last change yet"},
		"shown by no Deployment":     {ago: -time.Second, status: yes, beside: deployed(predictor(t, made, all)), want: "Pending: KServe has not taken notice of the last change yet"},
		"otherwise for good":         {ago: time.Minute, status: yes, beside: deployed(predictor(t, "image: 'mirror/server:2'", all)), want: "Ready: 2 of 2 pods are ready"},
		"its pods come":              {status: yes, beside: deployed(predictor(t, made, strings.Replace(all, "updatedReplicas: 2", "updatedReplicas: 1", 1))), want: "Progressing: 2 of 2 pods are ready, 1 of this revision"},
		"an old controller":          {status: yes, beside: deployed(predictor(t, made, strings.Replace(all, "observedGeneration: 7", "observedGeneration: 6", 1))), want: "Progressing: 2 of 2 pods are ready, 2 of this revision"},
		"no way to it":               {status: "conditions: [{type: Ready, status: 'False'}, {type: IngressReady, status: 'False', message: no gateway}]", beside: deployed(predictor(t, made, all)), want: "Progressing: IngressReady: no gateway"},
		"stopped":                    {ago: time.Minute, status: "conditions: [{type: Stopped, status: 'True'}]", beside: deployed(), want: "Stopped: Its annotation serving.kserve.io/stop keeps it from running"},
		"Knative":                    {ago: time.Minute, status: "deploymentMode: Knative, conditions: [{type: Ready, status: 'True'}]", beside: deployed(), want: "Ready: KServe says that it is ready"},
		"no right to see it":         {ago: time.Minute, status: yes, unseen: true, want: "Ready: KServe says that it is ready"},
		"just changed, and not seen": {status: yes, unseen: true, want: "Pending: KServe has not taken notice of the last change yet"},
		"no runtime": {
			ago: time.Minute, status: "modelStatus: {transitionStatus: InvalidSpec, lastFailureInfo: {reason: NoSupportingRuntime, message: none found}}, conditions: [{type: Ready, status: Unknown}]",
			beside: deployed(), want: "Failed: none found",
		},
		"no runtime, before the change": {
			status: "modelStatus: {transitionStatus: InvalidSpec, lastFailureInfo: {reason: NoSupportingRuntime, message: none found}}, conditions: [{type: Ready, status: Unknown}]",
			beside: deployed(), want: "Pending: KServe has not made its Deployment yet",
		},
		"no runtime any more, beside the Deployment of before": {
			ago: time.Minute, status: "modelStatus: {transitionStatus: InvalidSpec, lastFailureInfo: {reason: NoSupportingRuntime, message: none found}}, conditions: [{type: Ready, status: 'True'}]",
			beside: deployed(predictor(t, made, all)), want: "Failed: none found",
		},
		"not loaded": {
			ago: time.Minute, status: "modelStatus: {transitionStatus: BlockedByFailedLoad, lastFailureInfo: {reason: ModelLoadFailed, message: no credentials}}, conditions: [{type: Ready, status: 'False'}]",
			beside: deployed(predictor(t, made, "observedGeneration: 7")), want: "Failed: no credentials",
		},
		"not loaded, and tried again": {
			ago: time.Minute, status: "modelStatus: {transitionStatus: BlockedByFailedLoad, lastFailureInfo: {reason: ModelLoadFailed, message: no credentials}}, conditions: [{type: Ready, status: 'False'}]",
			beside: deployed(predictor(t, made, "observedGeneration: 7")), pods: []corev1.Pod{{}}, want: "Progressing: 0 of 2 pods are ready, 0 of this revision",
		},
		"refused for long": {
			ago: time.Minute, status: "conditions: [{type: PredictorReady, status: 'False', reason: ReconcileFailed, message: invalid, lastTransitionTime: '2026-03-02T09:59:00Z'}]",
			beside: deployed(), want: "Failed: invalid",
		},
		"refused just now": {
			ago: time.Minute, status: "conditions: [{type: PredictorReady, status: 'False', reason: ReconcileFailed, message: conflict, lastTransitionTime: '2026-03-02T09:59:59Z'}]",
			beside: deployed(), want: "Pending: PredictorReady: conflict",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := lifecycle.Seen{
				Live: kube.Live{kube.InferenceService.Kind: kservice(t, now, c.ago, asked, c.status)},
				Pods: c.pods, Beside: map[string][]*kube.Object{}, Now: now,
			}
			if !c.unseen {
				seen.Beside[kube.Deployment.Kind] = c.beside
			}
			m := model(t, "engine: kserve, args: [--b], readiness_probe: {tcp_socket: {port: '1'}}")
			got := inferenceservice.Definition().Ready(m, seen, "ready")
			if said := got.Phase + ": " + got.Message; said != c.want {
				t.Errorf("%s\nwant %s", said, c.want)
			}
		})
	}
}

// What KServe says is of the InferenceService as it is now when it has written its
// status after mlk has, not in the same second, or when mlk has only just made it.
func TestKServeNoticed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 10, 0, 9, 0, time.UTC)
	for name, c := range map[string]struct {
		created, wrote, said string
		want                 wait.Outcome
	}{
		"before":             {"08:00:00", "10:00:05", "10:00:03", wait.Progressing},
		"in the same second": {"08:00:00", "10:00:05", "10:00:05", wait.Progressing},
		"after":              {"08:00:00", "10:00:05", "10:00:06", wait.Failed},
		"it is new":          {"10:00:05", "10:00:05", "10:00:05", wait.Failed},
		"long ago":           {"08:00:00", "09:59:59", "08:00:01", wait.Failed},
	} {
		o := object(t, `
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  {name: api, namespace: ml, uid: u1, creationTimestamp: "2026-03-02T`+c.created+`Z", managedFields: [
    {manager: `+kube.Manager+`, operation: Apply, time: "2026-03-02T`+c.wrote+`Z"}, {manager: manager, operation: Update, subresource: status, time: "2026-03-02T`+c.said+`Z"}]}
spec: {predictor: {}}
status: {modelStatus: {transitionStatus: InvalidSpec}, conditions: [{type: Ready, status: "False"}]}`)
		seen := lifecycle.Seen{Live: kube.Live{kube.InferenceService.Kind: o}, Beside: map[string][]*kube.Object{kube.Deployment.Kind: {}}, Now: now}
		if got := inferenceservice.Definition().Ready(model(t, "engine: kserve"), seen, "ready"); got.Outcome != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// url is KServe's to say: it is not known when the service is made, and stays
// afterwards.
func TestKServeURL(t *testing.T) {
	t.Parallel()
	def := inferenceservice.Definition()
	m := model(t, "engine: kserve")
	if got := def.Derived["url"](m); !got.IsUnknown() {
		t.Errorf("planned %s", got)
	}
	now := time.Now()
	seen := lifecycle.Seen{Live: kube.Live{kube.InferenceService.Kind: kservice(t, now, 0, "", "url: 'http://api-ml.example.com', address: {url: 'http://api-predictor.ml.svc.cluster.local'}")}}
	if ds := def.Observe(m, seen); ds.HasError() || m.URL.ValueString() != "http://api-ml.example.com" || !m.ReadyReplicas.IsNull() {
		t.Errorf("url %s, %s pods are ready: %v", m.URL, m.ReadyReplicas, ds)
	}
}

// Revisions of a hub's models are written otherwise in KServe.
func TestKServeSources(t *testing.T) {
	t.Parallel()
	for source, uri := range map[string]string{
		"hf://o/n@main": "hf://o/n:main", "hf://o/n": "hf://o/n", "pvc://claim/a": "pvc://claim/a", "s3://b/m@1": "s3://b/m@1", "oci://r/i:1": "oci://r/i:1",
	} {
		m := model(t, "image: null, engine: kserve, kserve: {model_format: a}, model: {source: '"+source+"'}")
		o := testkit.Objects(t, inferenceservice.Definition().Desired, m)[0]
		if got, _ := kube.At(o, "spec", "predictor", "model", "storageUri"); got != uri {
			t.Errorf("%s is %v, want %s", source, got, uri)
		}
		adopted, ds := inferenceservice.Definition().Adopt(kube.Live{kube.InferenceService.Kind: {Object: o}}, nil)
		if ds.HasError() || adopted.Weights == nil || adopted.Weights.Source.ValueString() != source {
			t.Errorf("%s is adopted as %v: %v", uri, adopted.Weights, ds)
		}
	}
}
