package laws

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// mostRequests bounds the requests of one create.
const mostRequests = 30

// Interrupt cuts a create at each of its requests, before and after it takes
// effect, and kills the provider there: if anything exists, the state holds its
// identity, and the next apply converges on the same objects.
func (s Subject) Interrupt(t *testing.T, complete Complete) {
	t.Helper()
	c, ok := s.Configs[minimal]
	if !ok {
		t.Fatal("there is no minimal configuration")
	}
	_, want := s.made(t, complete, c)
	for name, with := range map[string]error{
		"cut": fakeapi.Cut{}, "500": apierrors.NewInternalError(errors.New("etcd is away")), "killed": errKilled,
	} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/after=%v", name, after), func(t *testing.T) {
				t.Parallel()
				n := 1
				for ; n <= mostRequests && s.interrupted(t, complete, c, want, &breaking{at: n, after: after, with: with}); n++ {
				}
				if n <= len(want) || n > mostRequests {
					t.Errorf("%d interruptions of a create of %d objects", n-1, len(want))
				}
				t.Logf("%d interruptions", n-1)
			})
		}
	}
}

// interrupted creates with one broken request; false when there was none left
// to break.
func (s Subject) interrupted(t *testing.T, complete Complete, c Config, want []sent, b *breaking) bool {
	t.Helper()
	api := server(t, complete, c)
	first := newRig(t, s, api, func(next http.RoundTripper) http.RoundTripper {
		b.next = next
		return b
	})
	out := first.Apply(t.Context(), c)
	first.close()
	broke := b.broke()
	exists := map[string]any{}
	for _, o := range want {
		if live := api.Get(o.kind, o.namespace, o.name); live != nil {
			exists[o.String()] = live.GetUID()
		}
	}
	id := strings.TrimPrefix(want[0].namespace+"/"+want[0].name, "/")
	// A killed provider never returned its answer, unless all that was left to do
	// was to mark the object as recorded.
	next := newRig(t, s, api, nil)
	if !b.killed() || out.Errors() == "" {
		switch {
		case len(exists) > 0 && first.State.IsNull():
			t.Fatalf("request %d: %v exist and the state does not know: %s", b.at, exists, out.Errors())
		case len(exists) > 0 && first.Attribute("id") != id:
			t.Errorf("request %d: id is %v, want %s", b.at, first.Attribute("id"), id)
		case len(exists) == 0 && out.Errors() == "":
			t.Errorf("request %d: nothing was made and nobody was told", b.at)
		}
		next.State, next.Private = first.State, first.Private
	}
	if out := next.Refresh(t.Context()); out.Errors() != "" {
		t.Fatalf("request %d: %s", b.at, out.Errors())
	}
	if out := next.Apply(t.Context(), c); out.Errors() != "" {
		t.Fatalf("request %d: %s", b.at, out.Errors())
	}
	for _, o := range want {
		live := api.Get(o.kind, o.namespace, o.name)
		if live == nil {
			t.Fatalf("request %d: %s was never made", b.at, o)
		}
		if uid, was := exists[o.String()]; was && uid != any(live.GetUID()) {
			t.Errorf("request %d: %s was made twice", b.at, o)
		}
	}
	next.nothingPlanned(t, next.Core, c)
	return broke
}

var errKilled = errors.New("the process was killed")

// breaking breaks one request; when it kills, all that follow it too.
type breaking struct {
	next  http.RoundTripper
	at    int
	after bool
	with  error

	mu   sync.Mutex
	n    int
	done bool
}

// RoundTrip sends a request, or does not.
func (b *breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	if r.URL.Query().Get("watch") == "" {
		b.n++
	}
	mine := b.n == b.at && !b.done
	dead := b.done && errors.Is(b.with, errKilled)
	b.done = b.done || mine
	b.mu.Unlock()
	if dead {
		return nil, errKilled
	}
	if mine && !b.after {
		return b.answer(r)
	}
	resp, err := b.next.RoundTrip(r)
	if mine && err == nil {
		_ = resp.Body.Close()
		return b.answer(r)
	}
	return resp, err
}

// answer is what the provider gets instead.
func (b *breaking) answer(r *http.Request) (*http.Response, error) {
	var status apierrors.APIStatus
	if !errors.As(b.with, &status) {
		return nil, b.with
	}
	body, err := json.Marshal(status.Status())
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: int(status.Status().Code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
	}, nil
}

func (b *breaking) broke() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.done
}

func (b *breaking) killed() bool { return b.broke() && errors.Is(b.with, errKilled) }
