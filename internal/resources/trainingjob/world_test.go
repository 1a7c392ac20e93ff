package trainingjob_test

import (
	"context"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/resources/trainingjob"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// alone is a provider that has nothing but training jobs.
type alone struct {
	data *lifecycle.ProviderData
}

// Configured lets plans and reads be served as main serves them.
func (p alone) Configured() *lifecycle.ProviderData { return p.data }

func (alone) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "mlk"
}
func (alone) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse) {}
func (p alone) Configure(_ context.Context, _ provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	resp.ResourceData = p.data
}
func (alone) DataSources(context.Context) []func() datasource.DataSource { return nil }
func (alone) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{trainingjob.New}
}

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
	client, err := kube.NewClient(api.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	p := alone{&lifecycle.ProviderData{
		Namespace: "default", ClusterChanged: "error",
		Connect: func() (*kube.Client, error) { return client, nil },
	}}
	return &world{Core: testkit.NewCore(t, p, nil, "mlk_training_job"), api: api, close: client.Close}
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
