package inferenceservice_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/resources/inferenceservice"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// What a preset makes is shown, all of it, and only that.
func TestPreset(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "preset", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing to compare with (%v)", err)
	}
	for _, f := range files {
		mode := strings.TrimSuffix(filepath.Base(f), ".yaml")
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			config, err := os.ReadFile(filepath.Join("testdata", "desired", mode+".config.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			m := testkit.ReadModel[inferenceservice.Model](t, inferenceservice.New, config)
			got := shown(t, m)
			if *update {
				raw, err := yaml.Marshal(got)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(f, raw, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{}
			if err := yaml.Unmarshal(raw, &want); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// shown is the attribute preset of a model.
func shown(t *testing.T, m *inferenceservice.Model) map[string]string {
	t.Helper()
	all, ok := inferenceservice.Definition().Derived["preset"](m).(types.Map)
	if !ok {
		t.Fatal("preset is no map")
	}
	got := map[string]string{}
	for k, v := range all.Elements() {
		s, ok := v.(types.String)
		if !ok {
			t.Fatalf("%s is no string", k)
		}
		got[k] = s.ValueString()
	}
	return got
}

// Each part of a preset gives way to what the user says, alone.
func TestPresetOverridden(t *testing.T) {
	t.Parallel()
	const base = "runtime: vllm, gpu: {count: 2}, model: {source: 'hf://org/name@v1', token_secret: hf}"
	all := shown(t, model(t, base))
	for said, gone := range map[string]string{
		"command: [serve]":                                       "command",
		"ports: {http: {port: 8000}}":                            "ports.http",
		"ports: {web: {port: 8000}}":                             "ports.http",
		"liveness_probe: {tcp_socket: {port: '1'}}":              "liveness_probe",
		"startup_budget: 30m":                                    "startup_budget",
		"shared_memory: 8Gi":                                     "shared_memory",
		"volumes: {dshm: {empty_dir: {}}}":                       "shared_memory",
		"volumes: {model: {mount_path: /models, empty_dir: {}}}": "volumes.model",
		"env: {HF_HOME: /models}":                                "env.HF_HOME",
		"env: {HF_TOKEN: none}":                                  "env_value_from.HF_TOKEN",
		"pod_annotations: {prometheus.io/port: '1'}":             "pod_annotations.prometheus.io/port",
	} {
		got, want := shown(t, model(t, base+", "+said)), map[string]string{}
		for k, v := range all {
			if k != gone {
				want[k] = v
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", said, d)
		}
	}
}

// A flag that the user gives is not given again.
func TestPresetArguments(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		"runtime: vllm, gpu: {count: 2}, model: {source: 'pvc://c/dir'}":                                      "[/models, --served-model-name=dir, --tensor-parallel-size=2]",
		"runtime: vllm, gpu: {count: 2, mig_profile: 1g.10gb}, model: {source: 'pvc://c'}":                    "[/models, --served-model-name=c]",
		"runtime: vllm, gpu: {count: 2}, model: {source: 'hf://o/n'}, args: ['-tp', '1']":                     "[o/n]",
		"runtime: vllm, model: {source: 'hf://o/n'}, args: [other]":                                           "",
		"runtime: vllm, model: {source: 'hf://o/n'}, ports: {http: {port: 9}}":                                "[o/n, --port=9]",
		"runtime: sglang, gpu: {count: 4}, model: {source: 'hf://o/n'}, args: ['--tp=2', '--host', '::']":     "[--model-path=o/n, --enable-metrics, --port=30000]",
		"runtime: tgi, gpu: {count: 4}, model: {source: 'oci://r/o/n:1'}, args: [--model-id=x]":               "[--hostname=0.0.0.0, --port=80, --num-shard=4]",
		"runtime: triton, ports: {metrics: {port: 9}}, model: {source: 'gs://b/m'}, args: [--model-store=/x]": "[--metrics-port=9]",
		"runtime: vllm, model: {source: 'oci://r/o/n:1@sha256:ab'}":                                           "[/models, --served-model-name=n]",
		"runtime: vllm, model: {source: 's3://b/m'}, volumes: {model: {mount_path: /here, empty_dir: {}}}":    "[/here, --served-model-name=m]",
		"runtime: ollama, model: {source: 'hf://o/n'}":                                                        "",
	} {
		if got := shown(t, model(t, config))["args"]; got != want {
			t.Errorf("%s: %q, want %q", config, got, want)
		}
	}
}
