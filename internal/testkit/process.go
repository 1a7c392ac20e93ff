package testkit

import (
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"k8s.io/client-go/rest"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Process is a provider process that can die at a request.
type Process struct {
	// At is the number of that request, watches not counted; 0 for none.
	At int
	// After says that the request still takes effect, and only its answer is lost.
	After bool
	// Die ends what the process would still do.
	Die func()

	next http.RoundTripper
	mu   sync.Mutex
	n    int
}

var errDead = errors.New("the process was killed")

// RoundTrip sends a request while the process lives.
func (p *Process) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	if r.URL.Query().Get("watch") == "" {
		p.n++
	}
	n := p.n
	p.mu.Unlock()
	if p.At > 0 && (n > p.At || n == p.At && !p.After) {
		p.Die()
		return nil, errDead
	}
	resp, err := p.next.RoundTrip(r)
	if p.At > 0 && n == p.At && err == nil {
		_ = resp.Body.Close()
		p.Die()
		return nil, errDead
	}
	return resp, err
}

// Died reports whether the process got as far as to the request that kills it.
func (p *Process) Died() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n >= p.At
}

// Start is Terraform with another process of a provider that has one resource. The
// client waits, when it is closed, for marks that are still being written.
func Start(t testing.TB, cfg *rest.Config, p *Process, typ string, of func() resource.Resource) (*Core, *kube.Client) {
	t.Helper()
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		p.next = next
		return p
	})
	client, err := kube.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return NewCore(t, Alone{Resource: of, Data: &lifecycle.ProviderData{
		Namespace: "default", ClusterChanged: "error",
		Connect: func() (*kube.Client, error) { return client, nil },
	}}, nil, typ), client
}
