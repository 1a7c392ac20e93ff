package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// model answers requests.
type model struct {
	options

	exit chan int

	mu       sync.Mutex
	sick     bool
	served   int
	running  int
	failures int
}

func newModel(o options) *model { return &model{options: o, exit: make(chan int, 1)} }

// handler knows these paths:
//
//	GET  /health, /ready       200, or 503 while the model is sick
//	GET  /metrics              Prometheus text with vLLM's names
//	GET  /v1/models            the model's name
//	POST /v1/completions       an answer; ?take=2s takes its time
//	POST /fail, /recover       makes the model sick, and well again
//	POST /exit?code=3          ends the program
func (m *model) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", m.health)
	mux.HandleFunc("GET /ready", m.health)
	mux.HandleFunc("GET /metrics", m.metrics)
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"object": "list", "data": []any{map[string]any{"id": m.model, "object": "model"}}})
	})
	mux.HandleFunc("POST /v1/completions", m.complete)
	mux.HandleFunc("POST /fail", func(http.ResponseWriter, *http.Request) { m.set(true) })
	mux.HandleFunc("POST /recover", func(http.ResponseWriter, *http.Request) { m.set(false) })
	mux.HandleFunc("POST /exit", func(w http.ResponseWriter, r *http.Request) {
		code, err := strconv.Atoi(r.URL.Query().Get("code"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		select {
		case m.exit <- code:
		default: // it has been asked already
		}
	})
	return mux
}

func (m *model) set(sick bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sick = sick
}

func (m *model) health(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sick {
		m.failures++
		http.Error(w, "EngineDeadError", http.StatusServiceUnavailable)
	}
}

func (m *model) complete(w http.ResponseWriter, r *http.Request) {
	var take time.Duration
	if v := r.URL.Query().Get("take"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		take = d
	}
	m.mu.Lock()
	sick := m.sick
	m.running++
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.running--
		m.served++
	}()
	if sick {
		http.Error(w, "EngineDeadError", http.StatusInternalServerError)
		return
	}
	select {
	case <-time.After(take):
	case <-r.Context().Done():
		return
	}
	answer(w, map[string]any{"object": "text_completion", "model": m.model, "choices": []any{map[string]any{"index": 0, "text": "42"}}})
}

func (m *model) metrics(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	for _, x := range []struct {
		name, kind string
		value      int
	}{
		{"vllm:num_requests_running", "gauge", m.running},
		{"vllm:request_success_total", "counter", m.served},
		{"server_failed_health_checks_total", "counter", m.failures},
		{"server_gpus", "gauge", m.gpus},
	} {
		fmt.Fprintf(w, "# TYPE %s %s\n%s{model_name=%q} %d\n", x.name, x.kind, x.name, m.model, x.value)
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
