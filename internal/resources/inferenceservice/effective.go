package inferenceservice

import (
	"reflect"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
)

// probeEvery is how often the start-up probe asks, which is the server's default
// period.
const probeEvery = 10 * time.Second

// effective is the pod with what other attributes make of it.
func effective(m *Model) podspec.Model {
	pod := m.Model
	if pod.StartupProbe == nil {
		pod.StartupProbe = startupProbe(m)
	}
	return pod
}

// startupProbe asks what tells whether the server is ready, for as long as it
// may take to be; nil without a budget.
func startupProbe(m *Model) *podspec.Probe {
	of := m.ReadinessProbe
	if of == nil {
		of = m.LivenessProbe
	}
	limit := budgetOf(m.StartupBudget)
	if of == nil || limit == 0 {
		return nil
	}
	tries := (limit + probeEvery - 1) / probeEvery
	p := &podspec.Probe{Exec: of.Exec, HTTPGet: of.HTTPGet, TCPSocket: of.TCPSocket, GRPC: of.GRPC, TimeoutSeconds: of.TimeoutSeconds}
	if tries != serverTries {
		p.FailureThreshold = types.Int32Value(int32(tries))
	}
	return p
}

// serverTries is the server's default for how often a probe may fail.
const serverTries = 3

// budgetOf is a duration; 0 for null, and for text that is none, which is refused
// when the configuration is read.
func budgetOf(v types.String) time.Duration {
	d, err := time.ParseDuration(v.ValueString())
	if err != nil {
		return 0
	}
	return d
}

// unmade takes out of an adopted model what prior does not say and other
// attributes of it make; where that is gone, those attributes are too.
func unmade(m, prior *Model) {
	made := effective(prior)
	switch {
	case prior.StartupProbe != nil || made.StartupProbe == nil:
	case m.StartupProbe == nil:
		m.StartupBudget = types.StringNull()
	case reflect.DeepEqual(m.StartupProbe, made.StartupProbe):
		m.StartupProbe = nil
	}
}
