package lifecycle

import "testing"

// TestOfRole calls a second object of a kind by what it is for.
func TestOfRole(t *testing.T) {
	t.Parallel()
	for want, in := range map[string][2]string{
		`Canary of inference service "ml/llama"`:   {"canary", `Inference service "ml/llama"`},
		`dcgm-exporter of GPU stack "gpus/plugin"`: {"dcgm-exporter", `GPU stack "gpus/plugin"`},
		"dcgm-exporter": {"dcgm-exporter", ""},
		"Canary":        {"canary", ""},
	} {
		if got := ofRole(in[0], in[1]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
