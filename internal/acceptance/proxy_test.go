package acceptance_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"k8s.io/client-go/rest"
)

// proxy stands between the provider and the API server. It speaks plain HTTP to
// the one and uses the kubeconfig's credentials with the other, counts the
// requests (a watch is one, however long it lasts), and pulls a trigger at one
// of them.
type proxy struct {
	// URL is the host to give to the provider.
	URL string

	t    testing.TB
	next *httputil.ReverseProxy

	mu       sync.Mutex
	requests []string
	// at is the number of the request that pulls the trigger, from 1; 0 is never.
	at    int
	after bool
	pull  func() bool
	fired bool
	// answer replaces what the API server says; nil asks it.
	answer func(w http.ResponseWriter, r *http.Request) bool
}

// errShot ends a request whose sender is dead.
var errShot = errors.New("the provider was killed")

type shotKey struct{}

func newProxy(t testing.TB, cfg *rest.Config) *proxy {
	t.Helper()
	upstream, err := url.Parse(cfg.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t}
	p.next = &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(upstream) },
		Transport:     transport,
		FlushInterval: -1, // watches
		ModifyResponse: func(resp *http.Response) error {
			if shot, _ := resp.Request.Context().Value(shotKey{}).(func() bool); shot != nil && shot() {
				return errShot
			}
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	p.URL = server.URL
	return p
}

// arm sets the trigger for the n-th request from now on: pull runs before it
// reaches the API server, or when that has answered. It says whether the
// request, or its answer, is to be lost.
func (p *proxy) arm(n int, after bool, pull func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests, p.at, p.after, p.pull, p.fired = nil, n, after, pull, false
}

// reply puts an answer of the test's before the API server's; nil takes it away.
func (p *proxy) reply(answer func(w http.ResponseWriter, r *http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// disarm takes the trigger away; it returns the requests counted since arm, and
// whether the trigger was pulled.
func (p *proxy) disarm() ([]string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = 0
	return p.requests, p.fired
}

// ServeHTTP passes a request on.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	what := r.Method + " " + r.URL.Path
	if r.URL.Query().Get("watch") != "" {
		what = "WATCH " + r.URL.Path
	}
	p.requests = append(p.requests, what)
	mine := p.at > 0 && len(p.requests) == p.at
	p.fired = p.fired || mine
	after, pull, answer := p.after, p.pull, p.answer
	p.mu.Unlock()
	switch {
	case mine && after:
		r = r.WithContext(context.WithValue(r.Context(), shotKey{}, pull))
	case mine && pull():
		panic(http.ErrAbortHandler)
	}
	if answer != nil && answer(w, r) {
		return
	}
	p.next.ServeHTTP(w, r)
}

// killProvider ends the provider processes that the process pid has started, as
// kill -9 does. It reports whether there was one.
func killProvider(t testing.TB, pid int) bool {
	t.Helper()
	killed := 0
	for _, child := range childrenOf(pid) {
		exe, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(child), "exe"))
		if err != nil || !strings.Contains(filepath.Base(exe), "terraform-provider-mlk") {
			continue
		}
		if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
			t.Errorf("kill %d: %v", child, err)
			continue
		}
		killed++
	}
	return killed > 0
}

// childrenOf lists the processes that the process pid has started.
func childrenOf(pid int) []int {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	var out []int
	for _, f := range stats {
		raw, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended meanwhile
		}
		// pid (comm) state ppid …; comm may hold anything.
		_, rest, ok := strings.Cut(string(raw[strings.LastIndexByte(string(raw), ')')+1:]), " ")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		if child, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); err == nil {
			out = append(out, child)
		}
	}
	return out
}
