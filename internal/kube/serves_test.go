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
