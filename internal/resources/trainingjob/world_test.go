package trainingjob_test

import (
	"testing"

	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingjob"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// world is Terraform, the provider, and an API server without controllers: no
// Job gets a pod.
type world struct {
	*testkit.Core
	api *fakeapi.Server
	// close waits for marks that are still being written.
	close func()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return worldOn(t, fakeapi.New(t))
}

// worldOn is a workspace of its own on a server that is there.
func worldOn(t *testing.T, api *fakeapi.Server) *world {
	t.Helper()
	core, client := testkit.Start(t, api.Config(), &testkit.Process{}, "mlk_training_job", trainingjob.New)
	return &world{Core: core, api: api, close: client.Close}
}

// apply applies a configuration that must succeed, without waiting for a pod.
func (w *world) apply(t *testing.T, c config) {
	t.Helper()
	if out := w.Apply(t.Context(), with(c, config{"wait_for": "created"})); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
}

// planned is a string attribute of a plan; "" when it is null or unknown.
func planned(out testkit.Outcome, name string) string {
	text, _ := testkit.Attribute(out.Planned, name).(string)
	return text
}
