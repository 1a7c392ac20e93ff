package nodeagent_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

type config = map[string]any

func TestValidate(t *testing.T) {
	t.Parallel()
	unknown := testkit.Unknown{}
	strategy := func(c config) config { return config{"update_strategy": c} }
	for name, tc := range map[string]struct {
		more config
		want string // part of the one diagnostic; "" for none
	}{
		"nothing wrong":          {config{}, ""},
		"no image":               {config{"image": nil}, "The agent needs an image"},
		"image of a preset":      {config{"image": nil, "preset": "dcgm_exporter"}, ""},
		"bounds by hand":         {strategy(config{"type": "OnDelete", "max_surge": "1"}), "belong to update strategy RollingUpdate"},
		"bounds by hand or none": {strategy(config{"type": "OnDelete", "max_surge": unknown, "max_unavailable": unknown}), ""},
		"both ways":              {strategy(config{"max_surge": "1", "max_unavailable": "1"}), "either starts new pods first or ends old ones first"},
		"neither way":            {strategy(config{"max_surge": "0", "max_unavailable": "0"}), "can do nothing"},
		"surge on host ports":    {config{"host_network": true, "ports": config{"http": config{"port": 80}}, "update_strategy": config{"max_surge": "1"}}, "the same port of the node"},
		"Service without a port": {config{"service": config{}}, "would have no port"},
		"Service or none":        {config{"service": unknown}, ""},
		"name of a Service":      {config{"name": "9agent", "ports": config{"http": config{"port": 80}}, "service": config{}}, "cannot be the name of a Service"},
		"monitor of nothing":     {config{"ports": config{"http": config{"port": 80}}, "metrics": config{"scrape": "service_monitor", "port": 80}}, "needs a Service to watch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config{"name": "agent", "image": "agent:1"}
			maps.Copy(c, tc.more)
			got := testkit.NewCore(t, provider.New("test")(), config{}, "mlk_node_agent").Validate(t.Context(), c).Errors()
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) || strings.Contains(got, "\n---\n") {
				t.Errorf("want %q, it says:\n%s", tc.want, got)
			}
		})
	}
}
