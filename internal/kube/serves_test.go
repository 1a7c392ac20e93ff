package kube_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// TestServesNot: of a group that is not installed a real API server says "404
// page not found" in plain text; that is an answer, not a failure.
func TestServesNot(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(http.NotFound))
	t.Cleanup(s.Close)
	c, err := kube.NewClient(&rest.Config{Host: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	has, err := c.Serves(t.Context(), kube.JobSet)
	if has || err != nil {
		t.Errorf("got %t, %v", has, err)
	}
}

// TestDiscover: a kind is found in the version that the server prefers, with its
// resource and scope; what is not there is an answer too.
func TestDiscover(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"/apis/cluster.x-k8s.io": `{"name":"cluster.x-k8s.io","versions":[{"version":"v1beta1"},{"version":"v1beta2"}],"preferredVersion":{"version":"v1beta2"}}`,
		"/apis/cluster.x-k8s.io/v1beta2": `{"resources":[{"name":"machinedeployments/scale","kind":"Scale","namespaced":true},` +
			`{"name":"machinedeployments/status","kind":"MachineDeployment","namespaced":true},{"name":"machinedeployments","kind":"MachineDeployment","namespaced":true}]}`,
		"/apis/cluster.x-k8s.io/v1beta1": `{"resources":[{"name":"oldthings","kind":"OldThing"}]}`,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(s.Close)
	c, err := kube.NewClient(&rest.Config{Host: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	machines := kube.Kind{Group: "cluster.x-k8s.io", Version: "v1beta2", Kind: "MachineDeployment", Resource: "machinedeployments", Namespaced: true}
	old := kube.Kind{Group: "cluster.x-k8s.io", Version: "v1beta1", Kind: "OldThing", Resource: "oldthings"}
	for _, want := range []struct {
		group, kind string
		k           kube.Kind
		ok          bool
	}{
		{"cluster.x-k8s.io", "MachineDeployment", machines, true},
		{"cluster.x-k8s.io", "OldThing", old, true},
		{"cluster.x-k8s.io", "Scale", kube.Kind{}, false},
		{"karpenter.k8s.aws", "EC2NodeClass", kube.Kind{}, false},
	} {
		k, ok, err := c.Discover(t.Context(), want.group, want.kind)
		if k != want.k || ok != want.ok || err != nil {
			t.Errorf("%s: got %v, %t, %v", want.kind, k, ok, err)
		}
	}
}
