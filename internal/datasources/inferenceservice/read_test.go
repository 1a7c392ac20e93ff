package inferenceservice_test

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mlkube/terraform-provider-mlk/internal/datasources/inferenceservice"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// TestForbiddenIsTold: kinds that may not be read do not keep a service of another kind
// from being found, and are named; where nothing is found they are why.
func TestForbiddenIsTold(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		there     bool
		forbidden []string // paths
		told      []string
		errs      bool
	}{
		"found": {
			there: true, forbidden: []string{"/apis/apps/v1/namespaces/ml/deployments/bge", "/apis/leaderworkerset.x-k8s.io/v1/namespaces/ml/leaderworkersets/bge"},
			told: []string{"was read without looking at Deployments and LeaderWorkerSets", "may not read them", "the InferenceService of that name"},
		},
		"not found": {
			forbidden: []string{"/apis/apps/v1/namespaces/ml/deployments/bge"},
			told:      []string{"refused to read Deployment ml/bge"}, errs: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := fakeapi.New(t)
			if tc.there {
				api.Put(&unstructured.Unstructured{Object: map[string]any{
					"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": map[string]any{"name": "bge", "namespace": "ml"},
					"status": map[string]any{"url": "http://bge.example.com"},
				}})
			}
			api.Before = func(r fakeapi.Request) error {
				for _, p := range tc.forbidden {
					if r.Path == p {
						return apierrors.NewForbidden(schema.GroupResource{Group: "apps", Resource: "deployments"}, "bge", errors.New(`user "me" cannot do that`))
					}
				}
				return nil
			}
			client, err := kube.NewClient(api.Config())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			data := &lifecycle.ProviderData{Connect: func() (*kube.Client, error) { return client, nil }, Namespace: "default"}
			state, out := testkit.ReadData(t, testkit.Alone{DataSource: inferenceservice.New, Data: data}, "mlk_inference_service", map[string]any{"name": "bge", "namespace": "ml"})
			said := out.Warnings()
			if tc.errs {
				said = out.Errors()
			} else if got := testkit.Attribute(state, "url"); got != "http://bge.example.com" {
				t.Errorf("url is %v", got)
			}
			for _, want := range tc.told {
				if !strings.Contains(said, want) {
					t.Errorf("it does not say %q:\n%s%s", want, out.Errors(), out.Warnings())
				}
			}
		})
	}
}
