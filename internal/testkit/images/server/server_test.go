package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func ask(t *testing.T, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(newModel(options{model: "bge", gpus: 2}).handler())
	defer s.Close()
	for _, step := range []struct {
		method, path string
		code         int
		says         string
	}{
		{"GET", "/health", 200, ""},
		{"GET", "/v1/models", 200, `"id":"bge"`},
		{"POST", "/v1/completions?take=1ms", 200, `"text":"42"`},
		{"GET", "/metrics", 200, `vllm:request_success_total{model_name="bge"} 1`},
		{"GET", "/metrics", 200, `server_gpus{model_name="bge"} 2`},
		{"POST", "/fail", 200, ""},
		{"GET", "/health", 503, "EngineDeadError"},
		{"POST", "/v1/completions", 500, "EngineDeadError"},
		{"GET", "/metrics", 200, `server_failed_health_checks_total{model_name="bge"} 1`},
		{"POST", "/recover", 200, ""},
		{"GET", "/ready", 200, ""},
		{"POST", "/exit", 400, "invalid syntax"},
		{"GET", "/nowhere", 404, ""},
	} {
		if code, body := ask(t, step.method, s.URL+step.path); code != step.code || !strings.Contains(body, step.says) {
			t.Errorf("%s %s: %d %q, want %d %q", step.method, step.path, code, body, step.code, step.says)
		}
	}
}

// journal is a log that can be waited for.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func newJournal() *journal { return &journal{more: make(chan struct{}, 100)} }

// Write notes what the program says.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.Write(p)
	j.more <- struct{}{}
	return len(p), nil
}

// after waits for a line and returns what follows the words in it.
func (j *journal) after(t *testing.T, words string) string {
	t.Helper()
	for {
		select {
		case <-j.more:
		case <-time.After(10 * time.Second):
			t.Fatalf("it never says %q", words)
		}
		j.mu.Lock()
		_, rest, ok := strings.Cut(j.text.String(), words)
		j.mu.Unlock()
		if ok {
			line, _, _ := strings.Cut(rest, "\n")
			return strings.TrimSpace(line)
		}
	}
}

// start runs the program on a port of its own; the function waits for its end.
func start(ctx context.Context, t *testing.T, args ...string) (log *journal, end func() int) {
	t.Helper()
	log = newJournal()
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, append([]string{"--port=0"}, args...), func(string) string { return "" }, log)
	}()
	return log, func() int {
		t.Helper()
		select {
		case code := <-done:
			return code
		case <-time.After(10 * time.Second):
			t.Fatal("it does not end")
			return 0
		}
	}
}

// url is where the program serves: it listens on all addresses.
func url(t *testing.T, log *journal) string {
	t.Helper()
	return "http://127.0.0.1" + strings.TrimPrefix(log.after(t, "serving on"), "[::]")
}

func TestSIGTERMLetsRequestsEnd(t *testing.T) {
	t.Parallel()
	ctx, terminate := context.WithCancel(t.Context())
	defer terminate()
	log, end := start(ctx, t, "--start-up=20ms")
	at := url(t, log)
	answered := make(chan int, 1)
	go func() {
		code, _ := ask(t, "POST", at+"/v1/completions?take=300ms")
		answered <- code
	}()
	for {
		if _, body := ask(t, "GET", at+"/metrics"); strings.Contains(body, `vllm:num_requests_running{model_name="stand-in"} 1`) {
			break
		}
	}
	terminate()
	if code := end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if code := <-answered; code != 200 {
		t.Errorf("the request that ran was answered with %d", code)
	}
}

func TestEnds(t *testing.T) {
	t.Parallel()
	t.Run("when asked", func(t *testing.T) {
		t.Parallel()
		log, end := start(t.Context(), t)
		ask(t, "POST", url(t, log)+"/exit?code=3")
		if code := end(); code != 3 {
			t.Errorf("exit code %d, want 3", code)
		}
	})
	t.Run("instead of its start", func(t *testing.T) {
		t.Parallel()
		log, end := start(t.Context(), t, "--fail-start=7")
		if code := end(); code != 7 {
			t.Errorf("exit code %d, want 7", code)
		}
		log.after(t, "CUDA out of memory")
	})
	t.Run("with a wrong flag", func(t *testing.T) {
		t.Parallel()
		_, end := start(t.Context(), t, "--prot=1")
		if code := end(); code != exitUsage {
			t.Errorf("exit code %d, want %d", code, exitUsage)
		}
	})
}
