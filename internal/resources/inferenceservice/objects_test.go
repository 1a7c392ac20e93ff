package inferenceservice_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/inferenceservice"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

var update = flag.Bool("update", false, "write the golden files")

func TestDesired(t *testing.T) {
	t.Parallel()
	testkit.Golden(t, inferenceservice.New, inferenceservice.Definition().Desired, *update)
}

func model(t *testing.T, text string) *inferenceservice.Model {
	t.Helper()
	return testkit.ReadModel[inferenceservice.Model](t, inferenceservice.New, []byte("{name: api, namespace: ml, image: model, "+text+"}"))
}

// object is a live object as its YAML says.
func object(t *testing.T, text string) *kube.Object {
	t.Helper()
	o := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return &kube.Object{Object: o}
}

// The deadline of a rollout must not end it before anybody stops waiting for it,
// nor while the model may still load.
func TestDeadline(t *testing.T) { // pain 15
	t.Parallel()
	for name, c := range map[string]struct {
		config string
		want   int64
	}{
		"default timeouts":      {"", 30 * 60},
		"a longer update":       {"timeouts: {update: 2h}", 2 * 60 * 60},
		"a model that loads":    {"startup_budget: 45m, liveness_probe: {tcp_socket: {port: '1'}}", 55 * 60},
		"pods that must last":   {"rollout: {min_ready_seconds: 60}", 31 * 60},
		"stated":                {"rollout: {progress_deadline_seconds: 900}", 900},
		"short timeouts":        {"timeouts: {create: 1m, update: 1m}", 10 * 60},
		"stated, with a longer": {"timeouts: {update: 2h}, rollout: {progress_deadline_seconds: 60}", 60},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _ := kube.At(testkit.Objects(t, inferenceservice.Definition().Desired, model(t, c.config))[0], "spec", "progressDeadlineSeconds")
			if got != c.want {
				t.Errorf("the deadline is %v, want %d", got, c.want)
			}
		})
	}
}

// A value that pods read only when they start rolls them out anew, and is not
// shown to everybody who may look at them.
func TestRestartOn(t *testing.T) { // pain 22
	t.Parallel()
	hash := func(config string) any {
		v, _ := kube.At(testkit.Objects(t, inferenceservice.Definition().Desired, model(t, config))[0], "spec", "template", "metadata", "annotations", "mlk.dev/restart-on")
		return v
	}
	one := hash("restart_on: {config: 'secret: 1'}")
	if one == nil || strings.Contains(fmt.Sprint(one), "secret") {
		t.Errorf("the annotation is %v", one)
	}
	if again := hash("restart_on: {config: 'secret: 1'}"); again != one {
		t.Errorf("the same values make %v and %v", one, again)
	}
	if other := hash("restart_on: {config: 'secret: 2'}"); other == one {
		t.Error("another value makes the same annotation")
	}
	if hash("") != nil {
		t.Error("nothing makes an annotation")
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		"ports: {http: {port: 8000}}":                                                         "http://api.ml.svc:8000",
		"ports: {http: {port: 80}}":                                                           "http://api.ml.svc",
		"ports: {http: {port: 8000}}, service: {port: 80}":                                    "http://api.ml.svc",
		"ports: {web: {port: 8443}}, service: {port: 443}":                                    "https://api.ml.svc",
		"ports: {http: {port: 8000}}, service: {port: 8443, app_protocol: https}":             "https://api.ml.svc:8443",
		"ports: {grpc: {port: 70}, http: {port: 8000}}":                                       "http://api.ml.svc:8000",
		"ports: {'8080': {}, '8081/TCP': {}}":                                                 "http://api.ml.svc:8080",
		"ports: {http: {port: 8000}}, service: {port: 80, headless: true}":                    "http://api.ml.svc:8000",
		"ports: {http: {port: 8000}}, service: {port: 80, headless: true, target_port: http}": "http://api.ml.svc:8000",
		"ports: {http: {port: 8000}}, service: {name: other, port: 80}":                       "http://other.ml.svc",
		"ports: {http: {port: 8000}}, service: {enabled: false}":                              "",
		"service: {port: 81}":                                                                 "http://api.ml.svc:81",
	} {
		m := model(t, config)
		if ds := inferenceservice.Definition().Observe(m, seen(t)); ds.HasError() {
			t.Fatal(ds)
		}
		if got := m.URL.ValueString(); got != want {
			t.Errorf("%s: %q, want %q", config, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	const served = "ports: {http: {port: 8000}}"
	for name, c := range map[string]struct{ config, want string }{
		"fine":                   {served, ""},
		"no port":                {"", "The Service would have no port"},
		"the runtime knows":      {"runtime: vllm, startup_budget: 5m", ""},
		"runtime of its own":     {"runtime: custom", "The Service would have no port"},
		"token of a claim":       {served + ", model: {source: 'pvc://c', token_secret: s}", "A model on a claim needs no token"},
		"token of an image":      {served + ", model: {source: 'oci://r/i', token_secret: s}", "The image of a model is pulled with image_pull_secrets"},
		"key without secret":     {served + ", model: {source: 'hf://o/n', token_key: k}", "token_key needs token_secret"},
		"key of s3":              {served + ", model: {source: 's3://b', token_secret: s, token_key: k}", "token_key says nothing for s3"},
		"token for ollama":       {"runtime: ollama, model: {source: 'hf://o/n', token_secret: s}", "Ollama takes no token of Hugging Face's hub"},
		"nobody calls":           {"service: {enabled: false}", ""},
		"port of the Service":    {"service: {port: 80}", ""},
		"two ways":               {served + ", startup_budget: 5m, startup_probe: {tcp_socket: {port: http}}", "startup_budget and startup_probe say the same thing"},
		"nothing to ask":         {served + ", startup_budget: 5m", "startup_budget needs to know how to ask the server"},
		"given up while loading": {served + ", startup_budget: 20m, liveness_probe: {tcp_socket: {port: http}}, rollout: {progress_deadline_seconds: 600}", "The rollout would be given up while the model may still load"},
		"nothing can move":       {served + ", rollout: {max_surge: '0', max_unavailable: '0%'}", "A rollout can do nothing when max_surge and max_unavailable are both 0"},
		"recreate":               {served + ", rollout: {strategy: Recreate, max_surge: '1'}", "max_surge and max_unavailable belong to strategy RollingUpdate"},
		"deadline":               {served + ", rollout: {min_ready_seconds: 60, progress_deadline_seconds: 60}", "progress_deadline_seconds must be more than min_ready_seconds"},
		"target":                 {served + ", service: {target_port: http}", "target_port needs port"},
		"headless balancer":      {served + ", service: {headless: true, type: LoadBalancer}", "A headless Service has type ClusterIP"},
		"class":                  {served + ", service: {load_balancer_class: a/b}", "load_balancer_class needs type LoadBalancer"},
		"name":                   {"service: {name: 1st, port: 80}", `"1st" cannot be the name of a Service`},
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

func config(t *testing.T, text string) tfsdk.Config {
	t.Helper()
	var c map[string]any
	if err := yaml.Unmarshal([]byte("{name: api, image: model, "+text+"}"), &c); err != nil {
		t.Fatal(err)
	}
	var resp resource.SchemaResponse
	inferenceservice.New().Schema(t.Context(), resource.SchemaRequest{}, &resp)
	raw, err := testkit.Value(resp.Schema.Type().TerraformType(t.Context()), c)
	if err != nil {
		t.Fatal(err)
	}
	return tfsdk.Config{Schema: resp.Schema, Raw: raw}
}
