package lifecycle

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

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

// TestRoleOfScope: what is in no namespace is granted for the whole cluster.
func TestRoleOfScope(t *testing.T) {
	t.Parallel()
	for want, ref := range map[string]kube.Ref{
		"with a Role and RoleBinding":               {Kind: kube.Job, Namespace: "ml", Name: "a"},
		"with a ClusterRole and ClusterRoleBinding": {Kind: kube.ClusterRole, Name: "a"},
	} {
		err := apierrors.NewForbidden(schema.GroupResource{}, "a", errors.New(`User "x" cannot get`))
		ds := failure{title: "Thing", ref: ref, verb: "read", err: err}.diagnostics()
		if got := ds[0].Detail(); !strings.Contains(got, want) {
			t.Errorf("without %q: %s", want, got)
		}
	}
}
