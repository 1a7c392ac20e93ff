package gpustack_test

import (
	"strings"
	"testing"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

type config = map[string]any

// TestValidate refuses what the other mode, or the other vendor, would make nothing of,
// and holds what is not known yet against nobody.
func TestValidate(t *testing.T) {
	t.Parallel()
	unknown := testkit.Unknown{}
	operator := func(c config) config { c["mode"] = "operator"; return c }
	sets := func(c config) config { c["mode"] = "daemonsets"; return c }
	for name, tc := range map[string]struct {
		config config
		want   string // part of the one diagnostic; "" for none
	}{
		"the operator":                {operator(config{"driver": config{}}), ""},
		"in a namespace":              {operator(config{"namespace": "gpus"}), "A ClusterPolicy is in no namespace"},
		"in a namespace or none":      {operator(config{"namespace": unknown}), ""},
		"nodes for the operator":      {operator(config{"node_selector": config{"a": "b"}}), `node_selector has no meaning with mode = "operator"`},
		"vendor for the operator":     {operator(config{"vendor": "amd"}), `vendor has no meaning with mode = "operator"`},
		"bounds by hand":              {operator(config{"daemonsets": config{"update_strategy": "OnDelete", "max_unavailable": "1"}}), "max_unavailable belongs to update strategy RollingUpdate"},
		"bounds by hand, or none":     {operator(config{"daemonsets": config{"update_strategy": "OnDelete", "max_unavailable": unknown}}), ""},
		"DaemonSets":                  {sets(config{}), ""},
		"a driver as a DaemonSet":     {sets(config{"driver": config{}}), `driver has no meaning with mode = "daemonsets"`},
		"no plugin":                   {sets(config{"device_plugin": config{"enabled": false}}), "A stack without its device plugin is none"},
		"a plugin, perhaps":           {sets(config{"device_plugin": config{"enabled": unknown}}), ""},
		"a configuration of no name":  {sets(config{"device_plugin": config{"config": config{}}}), "device_plugin.config names no ConfigMap"},
		"discovery of other GPUs":     {sets(config{"vendor": "intel", "gpu_feature_discovery": config{}}), "it is about GPUs of NVIDIA"},
		"a name with dots":            {sets(config{"name": "gpus.ml", "dcgm_exporter": config{}}), "no name for the Service of its exporter"},
		"a long name":                 {sets(config{"name": strings.Repeat("g", 50), "dcgm_exporter": config{}}), "no name for the Service of its exporter"},
		"a long name, no exporter":    {sets(config{"name": strings.Repeat("g", 50), "dcgm_exporter": config{"enabled": false}}), ""},
		"a name that just fits":       {sets(config{"name": strings.Repeat("g", 49), "dcgm_exporter": config{}}), ""},
		"discovery of GPUs not known": {sets(config{"vendor": unknown, "gpu_feature_discovery": config{}}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.config["name"] == nil {
				tc.config["name"] = "gpus"
			}
			got := testkit.NewCore(t, provider.New("test")(), config{}, "mlk_gpu_stack").Validate(t.Context(), tc.config).Errors()
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) || strings.Contains(got, "\n---\n") {
				t.Errorf("want %q, it says:\n%s", tc.want, got)
			}
		})
	}
}
