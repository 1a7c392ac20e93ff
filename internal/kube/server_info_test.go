package kube_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// TestReadyz reads what API servers answer, who say with an error code that they
// are not ready.
func TestReadyz(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("[+]poststarthook/something-with-a-long-name ok\n", 60)
	for name, tt := range map[string]struct {
		code   int
		answer string
		want   []kube.Check
		failed bool
	}{
		"ready":       {200, "[+]ping ok\n[+]etcd ok\nreadyz check passed\n", []kube.Check{{Name: "ping", OK: true}, {Name: "etcd", OK: true}}, false},
		"not ready":   {500, "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n", []kube.Check{{Name: "ping", OK: true}, {Name: "etcd", Message: "failed: reason withheld"}}, false},
		"without any": {200, "ok", []kube.Check{{Name: "readyz", OK: true}}, false},
		"a proxy":     {502, "<html>bad gateway</html>", nil, true},
		"a web page":  {200, "<html>welcome</html>", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := answering(t, tt.code, tt.answer).Readyz(t.Context())
			if tt.failed != (err != nil) {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	got, err := answering(t, 500, long+"[-]late failed: reason withheld\nreadyz check failed\n").Readyz(t.Context())
	if err != nil || len(got) == 0 || got[len(got)-1].OK {
		t.Errorf("a failure far down is lost: %v, %v", got, err)
	}
}

func answering(t *testing.T, code int, text string) *kube.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	c, err := kube.NewClient(&rest.Config{Host: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
